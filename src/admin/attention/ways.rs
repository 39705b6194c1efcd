//! What to do next about each kind of thing, and where: a button of ours, or the page that has it.

use crate::admin::attention::{Act, Item};

/// Where the next step is taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    /// By a button.
    Act(Act),
    /// On a page, under these words.
    Page(String, &'static str),
    /// Only a person can; the item says what.
    ByHand,
}

/// The one next step. What is resolved has none.
pub fn way(item: &Item) -> Way {
    if item.resolved.is_some() {
        return Way::ByHand;
    }
    // Cancelled tickets are not cancelled again: only what was kept of them is lost.
    let is_cancelled = item.booking_state.as_deref() == Some("cancelled");
    if let Some(act) = Act::of(&item.kind).filter(|act| !(is_cancelled && *act == Act::CancelTickets)) {
        return Way::Act(act);
    }
    let page = |href: String, words| Way::Page(href, words);
    match (item.kind.as_str(), &item.reference) {
        ("payment_quarantined", _) => page(format!("/admin/attention/{}", item.id), "Compare and decide"),
        ("refund_failed", Some(reference)) => {
            let href = format!("/admin/bookings/{reference}/refunds/{}/payout", item.subject);
            page(href, "Refund again, or record how it was paid")
        }
        ("clock_skew", _) => page("/admin/events".to_owned(), "Open Events"),
        ("dispute" | "dispute_due", Some(reference)) => {
            page(format!("/admin/bookings/{reference}#evidence-h"), "Take the evidence")
        }
        ("webhook_silent", _) => page("/admin/events".to_owned(), "Open Events"),
        ("mail_server", _) => page("/admin/mails?state=queued".to_owned(), "The mails that wait"),
        ("hook_dead" | "hook_paused", _) => page("/admin/hooks".to_owned(), "Open Webhooks"),
        (_, Some(reference)) => page(format!("/admin/bookings/{reference}"), "Open the booking"),
        (_, None) => Way::ByHand,
    }
}

/// The one thing to do next.
pub fn next_step(kind: &str) -> &'static str {
    match kind {
        "payment_quarantined" => "Compare it with what was accepted, then accept it or give it back.",
        "payment_contradiction" => "Look the payment up in Stripe and see which of the two is true.",
        "event_unmatched" => "Find out in Stripe what this event is about, then apply it again.",
        "event_unreadable" => {
            "Read the event in Stripe and see whether anything was missed, then apply it again."
        }
        "clock_skew" => {
            "Set this server's clock right (NTP), and see under Events whether webhooks arrive again."
        }
        "supplier_unknown" => {
            "Ask the airline again whether there are tickets. It is asked by our reference, never twice for tickets. An order that stays other than what was asked for goes back by itself after 45 minutes."
        }
        "ticket_without_booking" => {
            "The supplier is asked to void them, and this closes itself when it has. Otherwise void them there before its window closes."
        }
        "authorisation_lost" => {
            "Where the tickets stand, the traveller has been asked to pay again, and the booking says until when. Then they are cancelled by themselves; cancel them now if nobody will pay. Where they are cancelled, what the airline keeps is our loss, and nobody is charged any more."
        }
        "capture_failed" => "Try again. If Stripe still refuses, agree on another way to pay.",
        "refund_failed" => "Refund again, or pay the traveller another way and record it.",
        "refund_unsent" => {
            "See whether Stripe is down or our key is wrong. The refund is asked for again every hour, so do not pay it by hand."
        }
        "refund_not_ours" => {
            "Ask who refunded in Stripe's dashboard, and whether the ticket is to be cancelled."
        }
        "refunded_ticket_live" => "Cancel the tickets at the supplier, unless they are meant to be a gift.",
        "dispute" | "dispute_due" => {
            "Download the evidence on the booking, and answer the bank in Stripe's dashboard before its deadline."
        }
        "tickets_lost" => "Ask the supplier to waive what it keeps for tickets that nobody flies.",
        "ledger_drift" => "Look the named payments up in Stripe, and find out why our books differ.",
        "webhook_silent" => {
            "Run jetbridge doctor: the webhook's address, its secret or the clock is wrong. Until then events come by asking."
        }
        "cancel_asked" => {
            "Ask the airline what it gives back, tell the traveller, and cancel if they still want it."
        }
        "cancel_refused" => "Find out from the airline why, and tell the traveller what can be done.",
        "cancel_credit" => "Ask the supplier why it gives less for the tickets than their fare says.",
        "job_dead" => "Read its error, mend the cause, and run it again.",
        "mail_late" => "Read its error, check the address with the traveller, and send it again.",
        "mail_server" => {
            "Mend SMTP_URL, MAIL_FROM or the account at the mail server. Nothing is lost: all mail waits."
        }
        "sealed_unreadable" => "Put the missing key back among ENCRYPTION_KEYS.",
        "round_late" => "Read why in the log, and mend it: what is to be forgotten stays until then.",
        "airline_change" => {
            "The traveller has been told. Where flights are cancelled, ask the airline for others or for the money; where some are flown no more or others instead, see that the tickets are good for what is left; where times are new, wait for the answer."
        }
        "hook_dead" => "Read under Webhooks why, mend the receiving system, and send it again.",
        "hook_paused" => "Mend the receiving system, then resume it under Webhooks and send what it missed.",
        "invariant_broken" => "Stop refunding by hand, find out what moved, then check again.",
        _ => "Open the booking and see how it stands.",
    }
}
