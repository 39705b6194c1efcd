//! Money of three decimals: Stripe moves it in steps of ten, so nothing else is ever sold, kept or given back.

use serde_json::{Value, json};

use super::{paid, start};
use crate::helpers::{
    app::TestApp,
    duffel::{Duffel, fare},
    story::{SEARCH, state},
};

const TICK: [(&str, &str); 1] = [("understood", "yes")];

/// In dinars of a thousand fils, cancelled at this fee.
fn in_dinars(total: &str, fee: &str) -> Value {
    let mut fare = fare("118", "Flex", total, false);
    fare["total_currency"] = json!("BHD");
    fare["tax_amount"] = json!(null);
    for condition in ["change_before_departure", "refund_before_departure"] {
        fare["conditions"][condition]["penalty_amount"] = json!(fee);
        fare["conditions"][condition]["penalty_currency"] = json!("BHD");
    }
    fare
}

async fn selling(fares: &[Value]) -> (TestApp, Duffel) {
    let (app, duffel) = start().await;
    duffel.shelve(fares);
    (app, duffel)
}

#[tokio::test]
async fn a_fee_between_two_steps_is_kept_down_to_the_lower_one_and_the_rest_goes_back() {
    let (app, _duffel) = selling(&[in_dinars("120.500", "20.005")]).await;
    let (alice, reference, session) = paid(&app).await;
    assert_eq!((session.amount, session.currency.as_str()), (120_500, "bhd"));
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("confirmed", "ordered", &["captured"]));
    let quote = alice.get(&format!("/bookings/{reference}/cancel")).await.expect(200);
    quote.says("− 20.000").says("BHD 100.500");
    alice.submit(&quote, "form[action$='/cancel']", &TICK).await.redirect();
    app.settle().await;
    assert_eq!(app.state(&reference).await, state("cancelled", "cancelled", &["captured"]));
    let refunds: Vec<_> =
        app.stripe.refunds().iter().map(|refund| (refund.amount, refund.status.clone())).collect();
    assert_eq!(refunds, [(100_500, "succeeded".to_owned())]);
    assert_eq!(app.attention().await, [""; 0]);
    app.finish().await;
}

#[tokio::test]
async fn a_total_between_two_steps_is_not_sold() {
    let (app, _duffel) = selling(&[in_dinars("120.505", "12.340"), in_dinars("130.500", "12.340")]).await;
    let found = app.guest().get(SEARCH).await.expect(200);
    found.says("130.500");
    assert!(!found.words().contains("120.505"));
    app.finish().await;
}

#[tokio::test]
async fn staff_give_back_whole_steps_and_hear_why_not_anything_between() {
    let (app, _duffel) = selling(&[in_dinars("120.500", "12.340")]).await;
    let (_, reference, _) = paid(&app).await;
    app.settle().await;
    let finance = app.staff("finance").await;
    app.second_factor(&finance).await;
    let desk = format!("/admin/bookings/{reference}/refund");
    let give = async |amount: &str| {
        let page = finance.get(&desk).await.expect(200);
        let form = [("how", "part"), ("amount", amount), ("reason", "goodwill"), ("note", "a long wait")];
        finance.submit(&page, "form[action$='/refund']", &form).await
    };
    for between in ["1.005", "0.001", "120.499"] {
        give(between).await.expect(422).says("In BHD the last digit has to be 0");
    }
    // Neither does Stripe, whoever asks.
    let intent = app.stripe.intents().remove(0);
    app.stripe.refund_in_dashboard(&intent.id, Some(1_005)).unwrap_err();
    let review = give("1.010").await.expect(200);
    finance.submit(&review, "form[action$='/refund/confirm']", &[]).await.redirect();
    app.settle().await;
    assert_eq!(app.stripe.refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [1_010]);
    app.finish().await;
}
