//! The disputes on a booking's page.

use super::{amount, in_words, moment, state_badge};
use crate::{
    admin::{BookingRecord, DisputeRow},
    web::components::Fragment,
};

pub struct DisputeView {
    pub state: Fragment,
    pub amount: String,
    pub reason: String,
    pub stripe: String,
    pub opened: String,
    pub answer_by: String,
}

pub fn of(booking: &BookingRecord) -> Vec<DisputeView> {
    booking.disputes.iter().map(view).collect()
}

fn view(dispute: &DisputeRow) -> DisputeView {
    let only_asked = if dispute.is_inquiry { ", only asked about: no money was taken" } else { "" };
    DisputeView {
        state: state_badge(&dispute.state),
        amount: amount(dispute.amount_minor, &dispute.currency),
        reason: format!("{}{only_asked}", in_words(&dispute.reason)),
        stripe: dispute.stripe_id.clone(),
        opened: moment(dispute.opened_at),
        answer_by: dispute.answer_by.map_or_else(|| "nothing to answer".to_owned(), moment),
    }
}
