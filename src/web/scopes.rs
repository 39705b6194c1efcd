//! What a program may do with an API token: a closed set of scopes, each of which is also a type that a handler can ask for.

use std::{fmt, str::FromStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    AccountRead = 1,
    AccountWrite = 2,
    BookingsRead = 4,
    BookingsWrite = 8,
}

/// One scope at least.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("scopes are some of account:read, account:write, bookings:read, bookings:write")]
pub struct UnknownScope;

impl Scope {
    pub const ALL: [Self; 4] =
        [Self::AccountRead, Self::AccountWrite, Self::BookingsRead, Self::BookingsWrite];

    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountRead => "account:read",
            Self::AccountWrite => "account:write",
            Self::BookingsRead => "bookings:read",
            Self::BookingsWrite => "bookings:write",
        }
    }

    /// What a token with it may do.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::AccountRead => "See the profile, the saved travellers and where the account is signed in.",
            Self::AccountWrite => {
                "Change those, the address and the password, sign out everywhere, and delete the account."
            }
            Self::BookingsRead => "See bookings, their money and their refunds.",
            Self::BookingsWrite => "Make bookings, pay for them, change and cancel them.",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.code() == text).ok_or(UnknownScope)
    }
}

impl Scopes {
    /// Everything that the account's owner may do.
    pub const ALL: Self = Self(15);

    /// `None` of none: a token that may do nothing is of no use.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let set = scopes.into_iter().fold(0, |set, scope| set | scope as u8);
        (set != 0).then_some(Self(set))
    }

    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }

    /// As the database keeps them.
    pub fn codes(self) -> Vec<String> {
        self.iter().map(|scope| scope.code().to_owned()).collect()
    }

    /// As the database kept them. What a later version added means nothing here, and allows nothing.
    pub fn from_codes(codes: &[String]) -> Option<Self> {
        Self::of(codes.iter().filter_map(|code| code.parse().ok()))
    }
}

/// As RFC 6749 writes them: with single spaces between.
impl FromStr for Scopes {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let scopes: Vec<Scope> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        Self::of(scopes).ok_or(UnknownScope)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.codes().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A scope as a type, for [`crate::web::principal::ApiUser`].
pub trait InScope: Send + Sync {
    const SCOPE: Scope;
}

macro_rules! scopes_as_types {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl InScope for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )+};
}

scopes_as_types!(AccountRead, AccountWrite, BookingsRead, BookingsWrite);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_scopes_reads_back_from_its_words_and_from_the_database() {
        for set in 1..=15 {
            let scopes = Scopes(set);
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
            assert_eq!(Scopes::from_codes(&scopes.codes()), Some(scopes));
        }
        assert_eq!(Scopes::ALL.iter().count(), Scope::ALL.len());
    }

    #[test]
    fn no_scope_an_unknown_one_and_sloppy_writing_are_refused() {
        for text in
            ["", " ", "staff", "account:read ", "account:read  account:write", "ACCOUNT:READ", "account:*"]
        {
            assert_eq!(text.parse::<Scopes>(), Err(UnknownScope), "{text:?}");
        }
        assert_eq!(Scopes::from_codes(&["later:read".to_owned()]), None);
    }

    #[test]
    fn a_set_allows_what_is_in_it_and_nothing_else() {
        let scopes: Scopes = "account:read bookings:write".parse().unwrap();
        let allowed: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| scopes.contains(*scope)).collect();
        assert_eq!(allowed, [Scope::AccountRead, Scope::BookingsWrite]);
    }
}
