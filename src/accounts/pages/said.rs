//! What a page says of the deed that led to it. The address carries a code, never the words: nobody can put their own
//! into our mouth.

use serde::Deserialize;

/// The fact, and what it means.
pub type Said = (&'static str, &'static str);

/// Whoever was asked for a proof on the way comes back to a form that was not sent.
const AGAIN: Said =
    ("Nothing was done yet", "We asked first whether it is still you. Press the button once more.");

/// For `data-is` of a note.
pub fn tone(said: &Said) -> &'static str {
    if *said == AGAIN { "warn" } else { "good" }
}

/// `?done=…` of the account's pages.
#[derive(Debug, Deserialize)]
pub struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    pub fn said(&self) -> Option<Said> {
        of(&self.done)
    }
}

pub fn of(code: &str) -> Option<Said> {
    Some(match code {
        "again" => AGAIN,
        "verified" => ("Your address is verified", "Tickets and changes of times reach you there."),
        "verified_before" => ("Your address is verified already", "That link had nothing left to do."),
        "verification" => (
            "The link is on its way",
            "Only the newest mail counts. It should be with you in a minute or two.",
        ),
        "reset" => {
            ("Your password is changed", "Every device was signed out. Sign in with the new password.")
        }
        "reset_first" => (
            "Your password is changed, and the address is yours",
            "Every device was signed out. This was the first proof that the address is yours, so what somebody had put \
             into the profile before is gone. Sign in with the new password.",
        ),
        "email" => (
            "One more step: read your mail",
            "We have written to the new address. It counts once you have used the link in that mail.",
        ),
        "email_again" => {
            ("The link is on its way again", "Only the newest mail counts, and only its link works.")
        }
        "email_withdrawn" => {
            ("Taken back", "Your address stays as it is. The link in that mail opens nothing any more.")
        }
        "new_email" => {
            ("Your address is changed", "Sign in with the new one from now on. Both addresses were told.")
        }
        "password" => ("Your password is changed", "Every other device and program was signed out."),
        "profile" => ("Your profile is saved", "It is filled in when you book."),
        "traveller" => ("Saved", "You can pick this traveller when you book."),
        "removed" => ("Removed from the list", "Bookings that were made stay as they are."),
        "codes" => (
            "Your recovery codes are kept by you",
            "They are not shown again. New ones can be made at any time.",
        ),
        "factor_off" => ("The second factor is off", "From now on the password alone signs you in."),
        "program" => ("That program is signed out", "If you did not know it, change your password too."),
        "device" => ("That device is signed out", "If you did not know it, change your password too."),
        "devices" => (
            "Signed out everywhere else",
            "Only this browser is still signed in: no other one, and no program.",
        ),
        _ => return None,
    })
}

/// To a page that asks who they are, says this, and leads on.
pub fn then(path: &str, code: &str, next: &str) -> String {
    format!("{}&is={code}", super::with_next(path, next))
}
