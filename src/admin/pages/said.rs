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
        "ran" => (
            "It runs again",
            "The job has all its tries again. If it is given up once more, a new item comes.",
        ),
        "sent" => ("On its way again", "The mail is tried now. The mail log shows how it goes."),
        "replayed" => (
            "It is applied again",
            "Its object is asked for at Stripe now, and moves what is ours forward or not at all.",
        ),
        "asked" => (
            "Asked again",
            "The answer is taken in when it comes. This item stays until somebody resolves it.",
        ),
        "holds" => ("It holds again", "The books were asked just now. The item is closed."),
        "accepted" => (
            "The payment is accepted",
            "It fits what was accepted, and the booking goes on from where it stood.",
        ),
        "given_back" => (
            "The money goes back",
            "A job sees to it now, and the booking shows how it goes. Nothing is bought with this payment any more.",
        ),
        "paid_by_hand" => (
            "Recorded as paid by hand",
            "The refund is closed for good. The traveller gets a mail with the day and the reference.",
        ),
        "refunding" => (
            "The refund is decided",
            "It is handed to Stripe now. How it goes stands below, among the refunds.",
        ),
        _ => return None,
    };
    Some(notice(Tone::Good, fact, meaning))
}
