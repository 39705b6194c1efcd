//! What is limited, and how much is allowed. The figures let a family, an office or a hotel behind one address pass
//! without noticing, and a program that guesses or floods not get far.

use std::time::Duration;

use crate::error::Quota;

/// One thing that somebody may do too often, counted for one kind of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Failed sign-ins from one network; those that succeed are given back. An account's own tries are slowed down by
    /// [`super::Limits::begin_sign_in`], which locks nobody out.
    SignInAddress,
    /// All sign-ins from one network, right ones too: each takes a core for a moment.
    SignInWork,
    /// All sign-ins to one account from one network, or from one browser that it knows.
    SignInAccount,
    SignUpAddress,
    /// Sign-ups for one e-mail address, which may get a mail for each.
    SignUpAccount,
    ResetAddress,
    /// Mails with a way to a new password, to one e-mail address.
    ResetAccount,
    /// Passwords tried at one mailed link.
    ResetLink,
    /// Mails that prove an address, to that address.
    VerifyAccount,
    /// Mails that an account causes by what it changes about itself.
    ChangeAccount,
    /// Mails that ask one address whether it is to be an account's, from whomever.
    ChangeAddress,
    /// Searches of guests, by network.
    SearchAddress,
    /// Searches of somebody who is signed in: their own, whatever others do behind the same address.
    SearchAccount,
    BookingAddress,
    BookingAccount,
    /// Webhooks that Stripe has not signed. Those that it has signed are never counted.
    WebhookBadSignature,
    FindAddress,
    /// Tries to find one booking with one e-mail address, from wherever they come.
    FindBooking,
    /// Wrong passwords where one is asked for again inside a session; right ones are given back.
    PasswordAgain,
    /// All passwords inside the sessions of one account.
    PasswordWork,
    /// Tokens of programs exchanged for new ones, from one network.
    TokenRefresh,
}

/// A bucket of `burst` tokens that gains one in `every`.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Public: it stands in the headers of an answer to a program.
    pub name: &'static str,
    pub burst: u32,
    pub every: Duration,
    /// How many tokens a process takes at a time and then spends without asking: 1 asks each time. What it has taken counts
    /// as used, so several processes never allow more than the limit together.
    pub block: u32,
    /// What happens when nobody can say whether the limit is reached.
    pub in_doubt: InDoubt,
    /// Said to whoever reaches it.
    pub told: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubt {
    /// It guards a secret: nobody passes uncounted.
    Refuse,
    /// It only keeps a flood out: people go on.
    Allow,
}

impl Rule {
    pub const ALL: [Self; 21] = [
        Self::SignInAddress,
        Self::SignInWork,
        Self::SignInAccount,
        Self::SignUpAddress,
        Self::SignUpAccount,
        Self::ResetAddress,
        Self::ResetAccount,
        Self::ResetLink,
        Self::VerifyAccount,
        Self::ChangeAccount,
        Self::ChangeAddress,
        Self::SearchAddress,
        Self::SearchAccount,
        Self::BookingAddress,
        Self::BookingAccount,
        Self::WebhookBadSignature,
        Self::FindAddress,
        Self::FindBooking,
        Self::PasswordAgain,
        Self::PasswordWork,
        Self::TokenRefresh,
    ];

    pub const fn limit(self) -> Limit {
        // Said of addresses that have an account and of those that have none.
        let asked =
            "This address was asked for several times. What we send is in its mailbox, if it has an account.";
        let often = "You have signed in very often.";
        let searches = "Too many searches came from your network.";
        match self {
            Self::SignInAddress => {
                guard("sign-in", 100, 10, "Too many failed sign-ins came from your network.")
            }
            Self::SignInWork => Limit {
                block: 10,
                ..guard("sign-in-all", 300, 2, "Too many people sign in from your network.")
            },
            Self::SignInAccount => guard("sign-in-account", 100, 30, often),
            Self::SignUpAddress => guard("sign-up", 50, 60, "Too many accounts were made from your network."),
            Self::SignUpAccount => guard("sign-up-address", 10, 1_800, asked),
            Self::ResetAddress => {
                guard("reset", 30, 60, "Too many new passwords were asked for from your network.")
            }
            Self::ResetAccount => guard("reset-address", 3, 1_800, asked),
            Self::ResetLink => guard("reset-link", 10, 60, "Too many passwords were tried with this link."),
            Self::VerifyAccount => guard(
                "verify-address",
                5,
                1_800,
                "We have sent several mails to this address. Look there first.",
            ),
            Self::ChangeAccount => {
                guard("change-account", 6, 1_800, "You have changed your account very often.")
            }
            Self::ChangeAddress => guard("change-address", 3, 3_600, asked),
            Self::SearchAddress => {
                Limit { every: Duration::from_millis(500), ..flood("search", 300, searches) }
            }
            Self::SearchAccount => flood("search-account", 200, "You have searched very often."),
            Self::BookingAddress => {
                guard("booking", 60, 30, "Too many bookings were begun from your network.")
            }
            Self::BookingAccount => guard("booking-account", 40, 120, "You have begun many bookings."),
            Self::WebhookBadSignature => {
                flood("webhook", 60, "Too many unsigned events came from this address.")
            }
            Self::FindAddress => {
                guard("find", 20, 30, "Too many bookings were looked for from your network.")
            }
            Self::FindBooking => guard("find-booking", 10, 600, "This booking was looked for too often."),
            Self::PasswordAgain => guard("password-again", 10, 60, "Too many passwords were tried."),
            Self::PasswordWork => guard("password-all", 60, 30, "You have typed your password very often."),
            Self::TokenRefresh => Limit {
                block: 10,
                ..guard("token-refresh", 300, 2, "Too many tokens were renewed from your network.")
            },
        }
    }
}

const fn guard(name: &'static str, burst: u32, every_seconds: u64, told: &'static str) -> Limit {
    let every = Duration::from_secs(every_seconds);
    Limit { name, burst, every, block: 1, in_doubt: InDoubt::Refuse, told }
}

/// One a second, a fifth of the burst at a time: who asks much is not counted anew for every few pages.
const fn flood(name: &'static str, burst: u32, told: &'static str) -> Limit {
    Limit { name, burst, every: Duration::from_secs(1), block: burst / 5, in_doubt: InDoubt::Allow, told }
}

/// How many networks' worth a whole site of them may use: see [`super::Subject::site`].
const SITE: u32 = 8;

impl Limit {
    /// The same for the whole site that a network is a part of.
    pub fn of_site(self) -> Self {
        Self { burst: self.burst.saturating_mul(SITE), every: self.every / SITE, ..self }
    }

    /// In the words of the `RateLimit-Policy` header: so many within the time in which an empty bucket fills.
    pub fn quota(&self) -> Quota {
        let window = self.every.saturating_mul(self.burst).as_secs();
        Quota {
            name: self.name,
            tokens: self.burst,
            window_seconds: u32::try_from(window).unwrap_or(u32::MAX).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_figures_that_make_sense() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.limit().name).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let limit = rule.limit();
            assert!(limit.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{rule:?}");
            // A block of one asks each time; a longer one must leave most of the burst to others.
            assert!(limit.block == 1 || limit.block * 5 <= limit.burst, "{rule:?}");
            assert!(limit.block >= 1, "{rule:?}");
            assert!(
                !limit.every.is_zero() && limit.quota().window_seconds >= limit.burst.min(60),
                "{rule:?}"
            );
            assert!(limit.told.ends_with('.'), "{rule:?}");
        }
    }

    #[test]
    fn what_guards_a_secret_refuses_in_doubt() {
        for rule in
            [Rule::SignInAddress, Rule::ResetAccount, Rule::ResetLink, Rule::FindBooking, Rule::PasswordAgain]
        {
            assert_eq!(rule.limit().in_doubt, InDoubt::Refuse);
        }
        assert_eq!(Rule::SearchAddress.limit().in_doubt, InDoubt::Allow);
    }
}
