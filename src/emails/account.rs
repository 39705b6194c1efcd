//! Letters about an account. None of them says a name: whoever signs up with somebody else's address writes that name, and
//! could make us mail what they please.

use jiff::{Timestamp, tz::TimeZone};

use crate::{accounts::Purpose, emails::letters::Sender, ids::Token};

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
    AccountDeleted {}
    /// To both.
    EmailChanged {
        new: String,
        /// This one goes to the new address.
        is_new: bool,
    }
}
