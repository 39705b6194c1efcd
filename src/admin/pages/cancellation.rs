//! A cancellation on the booking's page: what was promised, what the supplier said, and where the money is.

use maud::html;

use super::{amount, moment, state_badge};
use crate::{
    admin::{BookingRecord, Cancellation, DisputeRow},
    web::components::{Fragment, Tone, badge},
};

pub(super) struct CancellationView {
    pub accepted: String,
    pub quote: String,
    pub rule: &'static str,
    pub state: Fragment,
    pub supplier: String,
    pub money: Fragment,
}

pub(super) fn views(booking: &BookingRecord) -> Vec<CancellationView> {
    let view = |cancellation: &Cancellation| {
        let (state, supplier) = supplier(cancellation);
        CancellationView {
            accepted: format!("Accepted {} UTC", moment(cancellation.accepted_at)),
            quote: quote(cancellation),
            rule: rule(&cancellation.terms),
            state,
            supplier,
            money: money(booking, cancellation),
        }
    };
    booking.cancellations.iter().map(view).collect()
}

fn quote(cancellation: &Cancellation) -> String {
    let money = |minor| amount(minor, &cancellation.currency);
    let paid = if cancellation.charged { "paid" } else { "set aside" };
    let before = match cancellation.returned_minor {
        0 => String::new(),
        returned => format!(", {} back before", money(returned)),
    };
    format!(
        "{} back, {} kept, of {} {paid}{before}",
        money(cancellation.back_minor),
        money(cancellation.kept_minor),
        money(cancellation.paid_minor)
    )
}

fn rule(terms: &str) -> &'static str {
    match terms {
        "window" => "Ours: cancelled soon after booking",
        "free" => "The fare: refundable without a fee",
        "fee" => "The fare: refundable for a fee",
        "nothing" => "The fare: nothing comes back",
        "unpaid" => "Nobody had paid for the tickets",
        _ => "Of another version",
    }
}

fn supplier(cancellation: &Cancellation) -> (Fragment, String) {
    if let Some(at) = cancellation.refused_at {
        return (badge(Tone::Bad, "Refused"), format!("{}. The tickets stand", moment(at)));
    }
    if let Some(at) = cancellation.done_at {
        let credit = amount(cancellation.credit_minor.unwrap_or_default(), &cancellation.currency);
        return (badge(Tone::Good, "Cancelled"), format!("{}. We owe it {credit} less", moment(at)));
    }
    match cancellation.asked_at {
        Some(at) => (badge(Tone::Now, "Asked"), format!("since {}, no answer yet", moment(at))),
        None => (badge(Tone::Now, "To be asked"), String::new()),
    }
}

fn money(booking: &BookingRecord, cancellation: &Cancellation) -> Fragment {
    let refund = booking.refunds.iter().find(|refund| refund.reason == "cancelled");
    let is_taken = |dispute: &DisputeRow| {
        !dispute.is_inquiry && matches!(dispute.state.as_str(), "needs_response" | "under_review")
    };
    // One that our books do not have is known by its item only.
    let is_told_of = || booking.attention.iter().any(|item| item.kind == "dispute");
    let disputed = booking.disputes.iter().any(is_taken) || (booking.disputes.is_empty() && is_told_of());
    let markup = if cancellation.refused_at.is_some() {
        html! { "Nothing moves" }
    } else if let Some(refund) = refund {
        html! {
            (state_badge(&refund.state)) " Refund of " (amount(refund.amount_minor, &refund.currency)) ", "
            a href="#refunds-h" { "below" }
        }
    } else if cancellation.back_minor == 0 {
        html! { "Nothing goes back" }
    } else if cancellation.done_at.is_none() {
        html! { "Waits for the supplier" }
    } else if disputed {
        html! { (badge(Tone::Bad, "In dispute")) " Nothing more goes back until the bank has decided" }
    } else if cancellation.charged {
        html! { (badge(Tone::Now, "To be refunded")) }
    } else {
        html! { "Was only set aside. What is not kept of it goes back without a refund: the attempt says what was charged" }
    };
    markup.into()
}
