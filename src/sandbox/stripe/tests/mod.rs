//! Our Stripe client against the stand-in over real HTTP. What is proven here holds on both sides of the wire.

mod events;
mod life;
mod page;
mod protocol;

use jiff::{SignedDuration, Timestamp};

use super::{Handle, Mode, Paid, Settings};
use crate::{
    clock::Clock,
    ids::{AttemptId, BookingId, BookingReference, RefundId},
    money::{Currency, Money},
    payments::{NewRefund, NewSession, PaymentError, Payments, StripeSettings},
};

const GOOD: &str = "4242 4242 4242 4242";
const DECLINED: &str = "4000 0000 0000 0002";
const POOR: &str = "4000 0000 0000 9995";
const SECURE: &str = "4000 0025 0000 3155";

struct World {
    clock: Clock,
    stripe: Handle,
    payments: Payments,
}

impl World {
    async fn start() -> Self {
        let start: Timestamp = "2026-11-22T12:00:00.25Z".parse().unwrap();
        let clock = Clock::manual(start);
        let settings = Settings { clock: clock.clone(), port: 0, state_file: None };
        let stripe = Handle::start(settings).await.unwrap();
        stripe.set_delivery(Mode::Held);
        let payments = client(&stripe, &clock);
        Self { clock, stripe, payments }
    }

    fn session(&self, key: &str) -> NewSession {
        NewSession {
            attempt: AttemptId::new(),
            booking: BookingId::new(),
            reference: BookingReference::random(),
            amount: Money::new(41_260, Currency::Eur),
            quote_hash: "a".repeat(64),
            title: "Lisbon to New York, 12 Mar".into(),
            email: "alice@example.com".into(),
            success_url: "http://127.0.0.1:3000/return?session={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "http://127.0.0.1:3000/cancelled".into(),
            expires_at: self.clock.now() + SignedDuration::from_mins(45),
            idempotency_key: key.into(),
        }
    }

    /// An authorised payment: the session's and the intent's id.
    async fn authorised(&self) -> (String, String) {
        let new = self.session("open");
        let session = self.payments.open_session(&new).await.unwrap();
        assert_eq!(self.stripe.pay(&session.id, GOOD), Ok(Paid::Complete));
        let intent = self.payments.session(&session.id).await.unwrap().payment_intent.unwrap();
        (session.id, intent.id)
    }

    async fn captured(&self) -> String {
        let (_, intent) = self.authorised().await;
        self.payments.capture(&intent, Money::new(41_260, Currency::Eur), "capture").await.unwrap();
        intent
    }

    fn refund_of(&self, intent: &str, minor: i64, key: &str) -> NewRefund {
        NewRefund {
            refund: RefundId::new(),
            booking: BookingId::new(),
            payment_intent: intent.into(),
            amount: Money::new(minor, Currency::Eur),
            idempotency_key: key.into(),
        }
    }
}

fn client(stripe: &Handle, clock: &Clock) -> Payments {
    let settings = StripeSettings {
        secret_key: stripe.secret_key(),
        api_url: Some(stripe.base_url().parse().unwrap()),
        webhook_secrets: vec![stripe.webhook_secret()],
    };
    Payments::new(&settings, clock.clone()).unwrap()
}

fn code(error: PaymentError) -> String {
    match error {
        PaymentError::Refused { code, .. } => code,
        other => format!("not a refusal: {other:?}"),
    }
}
