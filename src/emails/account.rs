//! Letters about an account. None of them says a name: whoever signs up with somebody else's address writes that name, and
//! could make us mail what they please.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    accounts::Purpose,
    emails::{facts::Fact, letters::Sender},
    ids::Token,
    web::components::words,
};

/// A proof that somebody reads this mailbox.
#[derive(Clone, Debug)]
pub struct Link {
    pub token: Token,
    pub purpose: Purpose,
    pub until: Timestamp,
}

impl Link {
    pub fn address(&self, sender: &Sender) -> String {
        format!("{}{}/{}", sender.base_url, self.purpose.path(), self.token.expose())
    }

    pub fn until(&self) -> String {
        moment(self.until)
    }
}

/// "23 Nov 2026, 09:00 UTC": nobody has told us where the reader is.
pub fn moment(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%-d\u{a0}%b\u{a0}%Y, %H:%M\u{a0}UTC").to_string()
}

macro_rules! letters {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// When what it tells was asked for or done.
            pub at: Timestamp,
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $name {
            pub fn when(&self) -> String {
                moment(self.at)
            }
        }
    )+};
}

letters! {
    VerifyEmail { link: Link }
    AccountExists {}
    PasswordReset { link: Link }
    PasswordChanged {}
    /// To the new address.
    EmailChange { link: Link }
    /// To the present one.
    EmailChangeNotice { new: String }
    SecondFactorChanged { change: FactorChange }
    BookingsClaimed {
        /// Reference and route of each, at least one.
        bookings: Vec<(String, String)>,
    }
    AccountDeleted {}
    /// To both.
    EmailChanged {
        new: String,
        /// This one goes to the new address.
        is_new: bool,
    }
}

/// What became of the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorChange {
    Set,
    Replaced,
    Removed,
}

impl SecondFactorChanged {
    pub const fn headline(&self) -> &'static str {
        match self.change {
            FactorChange::Set => "A second factor was set up",
            FactorChange::Replaced => "Your second factor was replaced",
            FactorChange::Removed => "Your second factor was removed",
        }
    }

    pub fn news(&self) -> String {
        let when = self.when();
        match self.change {
            FactorChange::Set => format!(
                "On {when} an authenticator app was set up for your account. From now on signing in needs the password and a \
                 code from that app, or one of the ten recovery codes. Keep those in a safe place."
            ),
            FactorChange::Replaced => format!(
                "On {when} another authenticator app took the place of the one that your account had. The codes of the old app \
                 and the old recovery codes open nothing any more."
            ),
            FactorChange::Removed => format!(
                "On {when} the second factor of your account was removed. From now on the password alone opens it. The \
                 recovery codes open nothing any more."
            ),
        }
    }
}

impl BookingsClaimed {
    pub fn headline(&self) -> String {
        match self.bookings.as_slice() {
            [(reference, _)] => format!("Booking {reference} is in your account now"),
            bookings => {
                format!("{} are in your account now", words::plural(bookings.len(), "booking", "bookings"))
            }
        }
    }

    pub fn news(&self) -> String {
        let what = if self.bookings.len() == 1 { "a booking" } else { "bookings" };
        format!("On {} {what} made without an account became part of yours.", self.when())
    }

    pub fn them(&self) -> &'static str {
        if self.bookings.len() == 1 { "it" } else { "them" }
    }

    pub fn facts(&self) -> Vec<Fact> {
        let fact = |(reference, route): &(String, String)| Fact {
            label: reference.clone().into(),
            lines: vec![route.clone()],
        };
        self.bookings.iter().map(fact).collect()
    }
}
