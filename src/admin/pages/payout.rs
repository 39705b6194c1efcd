//! A refund that failed and that somebody has paid another way: what it is about, and the form that writes the payment down.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::civil::Date;
use serde::Deserialize;

use super::{again, in_words, refund::paid_with_card, said::Done};
use crate::{
    checkout::{
        Checkout,
        lifecycle::RefundState,
        payouts::{LONGEST_PROOF, Payout, PayoutDesk, Way},
    },
    error::{AppError, FieldErrors},
    ids::{BookingReference, RefundId},
    money::Money,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, error_summary_of, picks},
        form::{self, Form, Path, Query},
        proof::MoneyPower,
    },
};

/// As typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PayoutForm {
    way: String,
    paid_on: String,
    proof: String,
}

#[derive(Template)]
#[template(path = "admin/payout.html")]
struct PayoutPage {
    chrome: Chrome,
    said: Option<Fragment>,
    reference: BookingReference,
    refund: RefundId,
    amount: Money,
    left: Money,
    /// Where it should have gone.
    place: String,
    /// Why it failed.
    failure: Option<String>,
    has_failed: bool,
    /// Title and detail of why nothing can be recorded, if so.
    obstacle: Option<(&'static str, String)>,
    has_contact: bool,
    summary: Fragment,
    ways: Fragment,
    form: PayoutForm,
    errors: FieldErrors,
}

impl PayoutPage {
    fn new(chrome: Chrome, desk: PayoutDesk, form: PayoutForm, errors: FieldErrors) -> Self {
        let ways = Way::ALL.map(|way| (way.code(), way.in_words()));
        let printable = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
        Self {
            chrome,
            said: None,
            refund: desk.refund.id,
            amount: desk.refund.amount,
            left: desk.left,
            place: paid_with_card(desk.attempt.card.as_ref()),
            failure: desk.refund.failure.as_deref().map(|code| in_words(code).to_lowercase()),
            has_failed: desk.refund.state == RefundState::Failed,
            obstacle: desk.obstacle.map(|refusal| (refusal.title, refusal.detail)),
            has_contact: desk.booking.contact.is_some(),
            reference: desk.booking.reference,
            summary: error_summary_of(&errors, |field| match field {
                "way" => "How",
                "paid_on" => "Day",
                "proof" => "Reference",
                _ => "",
            }),
            ways: picks("way", "How it was paid", &ways, &form.way, &errors),
            form: PayoutForm {
                paid_on: printable(&form.paid_on),
                proof: printable(&form.proof),
                way: String::new(),
            },
            errors,
        }
    }
}

pub async fn payout(
    State(checkout): State<Checkout>,
    _: MoneyPower,
    chrome: Chrome,
    Path((reference, refund)): Path<(BookingReference, RefundId)>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let desk = checkout.payout_desk(&reference, refund).await?;
    let page = PayoutPage::new(chrome, desk, PayoutForm::default(), FieldErrors::default());
    Ok(Html(PayoutPage { said: query.said(), ..page }.render()?))
}

pub async fn record(
    State(checkout): State<Checkout>,
    staff: MoneyPower,
    chrome: Chrome,
    Path((reference, refund)): Path<(BookingReference, RefundId)>,
    Form(form): Form<PayoutForm>,
) -> Result<Response, AppError> {
    // A refund that is not there is told before what is wrong with the form.
    let desk = checkout.payout_desk(&reference, refund).await?;
    let recorded = match read(&form.way, &form.paid_on, &form.proof) {
        Ok(payout) => checkout.pay_by_hand(staff.user, &reference, refund, &payout).await,
        Err(errors) => Err(AppError::Invalid(errors)),
    };
    match recorded {
        Ok(()) => Ok(Redirect::to(&format!("/admin/bookings/{reference}?done=paid_by_hand")).into_response()),
        Err(AppError::Invalid(errors)) => again(PayoutPage::new(chrome, desk, form, errors)),
        Err(error) => Err(error),
    }
}

/// What was typed, or sent by a program, as a payment.
pub fn read(way: &str, paid_on: &str, proof: &str) -> Result<Payout, FieldErrors> {
    let mut errors = FieldErrors::default();
    let way = Way::from_code(way);
    if way.is_none() {
        errors.add("way", "Choose how it was paid");
    }
    let day = Some(paid_on.trim()).filter(|day| day.len() == 10).and_then(|day| day.parse::<Date>().ok());
    if day.is_none() {
        errors.add("paid_on", "A day like 2026-11-21");
    }
    let missing = "Write what the payment can be found by";
    let proof = form::text(&mut errors, "proof", proof, LONGEST_PROOF, missing);
    match (way, day, proof) {
        (Some(way), Some(paid_on), Some(proof)) => Ok(Payout { way, paid_on, proof }),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_payment_or_a_message_for_each_field() {
        let payout = read("cash", " 2026-11-21 ", " receipt 7 ").unwrap();
        assert_eq!(
            (payout.way, payout.day().as_str(), payout.proof.as_str()),
            (Way::Cash, "21 Nov 2026", "receipt 7")
        );
        let wrong = read("gold", "21.11.2026", " ").unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["way", "paid_on", "proof"]);
        for day in
            ["", "2026-02-30", "2026-13-01", "20261121", "2026-11-21T10:00", "+002026-11-21", "tomorrow"]
        {
            assert!(read("cash", day, "x").is_err(), "{day}");
        }
        assert!(read("cash", "2026-11-21", &"x".repeat(LONGEST_PROOF)).is_ok());
        assert!(read("cash", "2026-11-21", &"x".repeat(LONGEST_PROOF + 1)).is_err());
    }
}
