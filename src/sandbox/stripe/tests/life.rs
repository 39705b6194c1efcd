//! The life of a payment, in all the ways it can go.

use super::*;
use crate::payments::{Card, IntentStatus, RefundStatus, SessionStatus};

#[tokio::test]
async fn a_card_is_authorised_first_and_captured_later() {
    let world = World::start().await;
    let new = world.session("k1");
    let session = world.payments.open_session(&new).await.unwrap();
    assert_eq!(session.status, SessionStatus::Open);
    assert_eq!(session.attempt, Some(new.attempt));
    assert_eq!(session.amount, Some(new.amount));
    assert_eq!(session.quote_hash.as_deref(), Some(new.quote_hash.as_str()));
    assert_eq!(session.reference.as_deref(), Some(new.reference.as_str()));
    assert_eq!(session.expires_at.as_second(), new.expires_at.as_second());
    assert_eq!((session.livemode, session.payment_intent), (false, None));
    assert!(session.url.unwrap().starts_with(world.stripe.base_url()));

    assert_eq!(world.stripe.pay(&session.id, GOOD), Ok(Paid::Complete));
    let session = world.payments.session(&session.id).await.unwrap();
    assert_eq!((session.status, session.url), (SessionStatus::Complete, None));
    let intent = session.payment_intent.unwrap();
    assert_eq!(intent.status, IntentStatus::RequiresCapture);
    assert_eq!((intent.amount, intent.capturable, intent.received), (new.amount, 41_260, 0));
    assert_eq!(intent.attempt, Some(new.attempt));
    assert_eq!(intent.quote_hash.as_deref(), Some(new.quote_hash.as_str()));
    assert_eq!(intent.reference.as_deref(), Some(new.reference.as_str()));
    assert_eq!(intent.card, Some(Card { brand: "visa".into(), last4: "4242".into() }));

    let taken = world.payments.capture(&intent.id, new.amount, "c1").await.unwrap();
    assert_eq!(taken.status, IntentStatus::Succeeded);
    assert_eq!((taken.capturable, taken.received), (0, 41_260));
    assert_eq!(world.payments.payment_intent(&intent.id).await.unwrap(), taken);
}

#[tokio::test]
async fn a_complete_session_under_manual_capture_still_reads_unpaid() {
    let world = World::start().await;
    world.authorised().await;
    let event = world.stripe.held().into_iter().find(|e| e.kind == "checkout.session.completed").unwrap();
    assert_eq!(event.payload["data"]["object"]["payment_status"], "unpaid");
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open_for_another() {
    let world = World::start().await;
    let session = world.payments.open_session(&world.session("k1")).await.unwrap();
    for (number, reason) in [(DECLINED, "generic_decline"), (POOR, "insufficient_funds")] {
        assert!(matches!(world.stripe.pay(&session.id, number), Ok(Paid::Declined(_))));
        let now = world.payments.session(&session.id).await.unwrap();
        assert_eq!(now.status, SessionStatus::Open);
        let intent = now.payment_intent.unwrap();
        assert_eq!(intent.status, IntentStatus::RequiresPaymentMethod);
        assert_eq!(intent.last_error.as_deref(), Some(reason));
        assert_eq!(intent.capturable, 0);
    }
    assert_eq!(world.stripe.pay(&session.id, GOOD), Ok(Paid::Complete));
    let intent = world.payments.session(&session.id).await.unwrap().payment_intent.unwrap();
    assert_eq!((intent.status, intent.last_error), (IntentStatus::RequiresCapture, None));
    assert_eq!(
        world.stripe.pay(&session.id, GOOD),
        Ok(Paid::Closed),
        "a complete session takes no second card"
    );
    assert_eq!(world.stripe.intents().len(), 1, "one session, one intent");
}

#[tokio::test]
async fn three_d_secure_can_be_passed_and_failed() {
    let world = World::start().await;
    let session = world.payments.open_session(&world.session("k1")).await.unwrap();
    assert_eq!(world.stripe.pay(&session.id, SECURE), Ok(Paid::Authenticate));
    let status = world.payments.session(&session.id).await.unwrap().payment_intent.unwrap().status;
    assert_eq!(status, IntentStatus::RequiresAction);
    assert!(matches!(world.stripe.authenticate(&session.id, false), Ok(Paid::Declined(_))));
    assert_eq!(world.stripe.authenticate(&session.id, true), Ok(Paid::Closed), "nothing waits any more");
    assert_eq!(world.stripe.pay(&session.id, SECURE), Ok(Paid::Authenticate));
    assert_eq!(world.stripe.authenticate(&session.id, true), Ok(Paid::Complete));
    let status = world.payments.session(&session.id).await.unwrap().payment_intent.unwrap().status;
    assert_eq!(status, IntentStatus::RequiresCapture);
}

#[tokio::test]
async fn money_is_captured_once_and_never_above_the_authorisation() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    let eur = |minor| Money::new(minor, Currency::Eur);
    let more = world.payments.capture(&intent, eur(41_261), "c0").await.unwrap_err();
    assert_eq!(code(more), "amount_too_large");
    world.payments.capture(&intent, eur(41_260), "c1").await.unwrap();
    let again = world.payments.capture(&intent, eur(41_260), "c2").await.unwrap_err();
    assert_eq!(code(again), "payment_intent_unexpected_state");
    let release = world.payments.release(&intent, "r1").await.unwrap_err();
    assert_eq!(code(release), "payment_intent_unexpected_state");
}

#[tokio::test]
async fn an_authorisation_is_released_and_then_cannot_be_captured() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    let released = world.payments.release(&intent, "r1").await.unwrap();
    assert_eq!((released.status, released.capturable), (IntentStatus::Canceled, 0));
    let late = world.payments.capture(&intent, Money::new(41_260, Currency::Eur), "c1").await.unwrap_err();
    assert_eq!(code(late), "payment_intent_unexpected_state");
}

#[tokio::test]
async fn an_authorisation_lapses_after_a_week_by_itself() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    world.clock.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(world.payments.payment_intent(&intent).await.unwrap().status, IntentStatus::Canceled);
}

#[tokio::test]
async fn a_session_expires_by_request_once_and_by_time_alone() {
    let world = World::start().await;
    let first = world.payments.open_session(&world.session("k1")).await.unwrap();
    let expired = world.payments.expire_session(&first.id, "e1").await.unwrap();
    assert_eq!((expired.status, expired.url), (SessionStatus::Expired, None));
    assert!(matches!(
        world.payments.expire_session(&first.id, "e2").await,
        Err(PaymentError::Refused { .. })
    ));
    assert_eq!(world.stripe.pay(&first.id, GOOD), Ok(Paid::Closed));

    let second = world.payments.open_session(&world.session("k2")).await.unwrap();
    assert!(matches!(world.stripe.pay(&second.id, DECLINED), Ok(Paid::Declined(_))));
    world.clock.advance(SignedDuration::from_mins(46));
    let over = world.payments.session(&second.id).await.unwrap();
    assert_eq!(over.status, SessionStatus::Expired);
    assert_eq!(over.payment_intent.unwrap().status, IntentStatus::Canceled, "its intent goes with it");
    let told = world.stripe.events().iter().filter(|e| e.kind == "checkout.session.expired").count();
    assert_eq!(told, 2);
}

#[tokio::test]
async fn a_paid_session_cannot_be_expired_and_an_open_ones_intent_cannot_be_cancelled() {
    let world = World::start().await;
    let (paid, _) = world.authorised().await;
    assert!(matches!(world.payments.expire_session(&paid, "e1").await, Err(PaymentError::Refused { .. })));
    let open = world.payments.open_session(&world.session("k2")).await.unwrap();
    assert!(matches!(world.stripe.pay(&open.id, DECLINED), Ok(Paid::Declined(_))));
    let intent = world.payments.session(&open.id).await.unwrap().payment_intent.unwrap();
    assert_eq!(
        code(world.payments.release(&intent.id, "r1").await.unwrap_err()),
        "payment_intent_unexpected_state"
    );
}

#[tokio::test]
async fn refunds_add_up_to_what_was_captured_and_no_further() {
    let world = World::start().await;
    let intent = world.captured().await;
    let new = world.refund_of(&intent, 30_000, "f1");
    let first = world.payments.refund(&new).await.unwrap();
    assert_eq!((first.status.clone(), first.amount), (RefundStatus::Succeeded, new.amount));
    assert_eq!((first.refund, first.payment_intent.as_deref()), (Some(new.refund), Some(intent.as_str())));
    assert!(world.payments.refund(&world.refund_of(&intent, 11_261, "f2")).await.is_err());
    let rest = world.stripe.refund_in_dashboard(&intent, None).unwrap();
    assert_eq!(
        code(world.payments.refund(&world.refund_of(&intent, 1, "f3")).await.unwrap_err()),
        "charge_already_refunded"
    );
    let all = world.payments.refunds_of(&intent).await.unwrap();
    assert_eq!(all.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), [rest.as_str(), first.id.as_str()]);
    assert_eq!(all[0].refund, None, "made in the dashboard");
    assert_eq!(all.iter().map(|r| r.amount.minor).sum::<i64>(), 41_260);
}

#[tokio::test]
async fn a_refund_can_wait_and_fail_and_gives_its_amount_back() {
    let world = World::start().await;
    let intent = world.captured().await;
    let refund = world.payments.refund(&world.refund_of(&intent, 41_260, "f1")).await.unwrap();
    world.stripe.settle_refund(&refund.id, "pending").unwrap();
    let pending = world.payments.refunds_of(&intent).await.unwrap().remove(0);
    assert_eq!((pending.status, pending.pending_reason.is_some()), (RefundStatus::Pending, true));
    world.stripe.settle_refund(&refund.id, "failed").unwrap();
    let failed = world.payments.refunds_of(&intent).await.unwrap().remove(0);
    assert_eq!((failed.status, failed.failure.is_some()), (RefundStatus::Failed, true));
    world.payments.refund(&world.refund_of(&intent, 41_260, "f2")).await.unwrap();
}

#[tokio::test]
async fn a_refund_that_waits_from_the_beginning_leaves_the_balance_when_it_is_paid() {
    let world = World::start().await;
    let intent = world.captured().await;
    let moved = || world.stripe.statement().len();
    world.stripe.make_refunds_wait(Some("insufficient_funds")).unwrap();
    let (before, new) = (moved(), world.refund_of(&intent, 1_000, "f1"));
    let waits = world.payments.refund(&new).await.unwrap();
    let reason = waits.pending_reason.as_deref();
    assert_eq!((waits.status, reason), (RefundStatus::Pending, Some("insufficient_funds")));
    let lost = world.payments.refund(&world.refund_of(&intent, 2_000, "f2")).await.unwrap();
    world.stripe.settle_refund_for(&lost.id, "failed", "declined").unwrap();
    assert_eq!(moved(), before, "what never left does not come back");
    world.stripe.make_refunds_wait(None).unwrap();
    assert_eq!(moved(), before + 1);
    let told = world.payments.refunds_of(&intent).await.unwrap();
    let told: Vec<_> =
        told.into_iter().map(|refund| (refund.status, refund.pending_reason, refund.failure)).collect();
    let expected =
        [(RefundStatus::Failed, None, Some("declined".to_owned())), (RefundStatus::Succeeded, None, None)];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn more_refunds_than_fit_on_a_page_are_all_listed() {
    let world = World::start().await;
    let intent = world.captured().await;
    for _ in 0..103 {
        world.stripe.refund_in_dashboard(&intent, Some(100)).unwrap();
    }
    assert_eq!(world.payments.refunds_of(&intent).await.unwrap().len(), 103);
}

#[tokio::test]
async fn only_captured_money_is_refunded() {
    let world = World::start().await;
    let (_, intent) = world.authorised().await;
    let early = world.payments.refund(&world.refund_of(&intent, 100, "f1")).await.unwrap_err();
    assert_eq!(code(early), "payment_intent_unexpected_state");
}

#[tokio::test]
async fn every_currency_that_is_sold_travels_there_and_back() {
    let world = World::start().await;
    for (n, currency) in Currency::ALL.into_iter().enumerate() {
        let new = NewSession { amount: Money::new(41_260, currency), ..world.session(&format!("k{n}")) };
        let session = world.payments.open_session(&new).await.unwrap();
        assert_eq!(session.amount, Some(new.amount), "{currency}");
    }
}

#[tokio::test]
async fn a_foreign_currency_or_a_live_object_is_told_as_it_is() {
    let world = World::start().await;
    let (session, intent) = world.authorised().await;
    world.stripe.tamper_intent(&intent, |intent| {
        intent.amount = 1;
        intent.livemode = true;
    });
    let seen = world.payments.payment_intent(&intent).await.unwrap();
    assert_eq!((seen.amount.minor, seen.livemode), (1, true));
    world.stripe.tamper_session(&session, |session| session.currency = "sek".into());
    assert!(matches!(world.payments.session(&session).await, Err(PaymentError::ForeignCurrency(_))));
}
