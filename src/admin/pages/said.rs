//! What a staff page says of the deed that led to it. The address carries a code, never the words: nobody can put their own
//! into our mouth.

use serde::Deserialize;

use crate::web::components::{Fragment, Tone, notice};

/// `?done=…` of the staff's pages.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    #[serde(default)]
    pub done: String,
}

impl Done {
    pub fn said(&self) -> Option<Fragment> {
        of(&self.done)
    }
}

pub fn of(code: &str) -> Option<Fragment> {
    let (fact, meaning) = match code {
        "again" => {
            let meaning = "We asked first whether it is still you. Send the form once more.";
            return Some(notice(Tone::Warn, "Nothing was done yet", meaning));
        }
        "added" => ("Added", "They sign in anew, and then see what their role shows."),
        "role" => ("The role is changed", "It counts at once. They were signed out and sign in anew."),
        "removed" => (
            "Removed from staff",
            "They were signed out. Their account and their own bookings stay as they are.",
        ),
        "resent" => ("Sent again", "This is the new mail. How it goes stands below."),
        "resolved" => ("Resolved", "It only says that somebody took care of it: nothing else was changed."),
        "refunding" => (
            "The refund is decided",
            "It is handed to Stripe now. How it goes stands below, among the refunds.",
        ),
        _ => return None,
    };
    Some(notice(Tone::Good, fact, meaning))
}
