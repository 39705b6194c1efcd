//! The Stripe client. The same code speaks to Stripe and to its sandbox stand-in: only the URL and the keys differ.
//! It decides nothing: it asks, and says what Stripe said, with "no answer" always told apart from "no".

mod event;
pub mod probe;
mod reads;
mod records;

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest as _};
use stripe_checkout::checkout_session as checkout;
use stripe_core::{payment_intent as intents, refund as refunds};
use url::Url;

pub use event::{Event, EventError};
pub use reads::{Dispute, DisputeStatus, Movement};
pub use records::{Card, IntentStatus, PaymentIntent, Refund, RefundStatus, Session, SessionStatus};

use crate::{
    clock::Clock,
    ids::{AttemptId, BookingId, BookingReference, RefundId},
    meters,
    money::Money,
    personal::personal,
};

/// Stripe answers nearly all calls within a second or two; a traveller waits no longer than this.
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub struct StripeSettings {
    pub secret_key: SecretString,
    /// `None` is Stripe itself.
    pub api_url: Option<Url>,
    /// More than one while a secret is being rotated.
    pub webhook_secrets: Vec<SecretString>,
}

#[derive(Clone)]
pub struct Payments {
    client: Client,
    reader: reads::Reader,
    webhook_secrets: Vec<SecretString>,
    clock: Clock,
}

#[derive(Clone)]
pub struct NewSession {
    pub attempt: AttemptId,
    pub booking: BookingId,
    pub reference: BookingReference,
    pub amount: Money,
    pub quote_hash: String,
    /// What stands beside the amount on Stripe's page and on the card statement's details.
    pub title: String,
    pub email: String,
    pub success_url: String,
    pub cancel_url: String,
    pub expires_at: Timestamp,
    pub idempotency_key: String,
}

personal!(NewSession { attempt, booking, amount });

#[derive(Clone, Debug)]
pub struct NewRefund {
    pub refund: RefundId,
    pub booking: BookingId,
    pub payment_intent: String,
    pub amount: Money,
    pub idempotency_key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// A definite no to this request: it did nothing.
    #[error("refused by Stripe: {code}: {message}")]
    Refused { code: String, message: String },
    #[error("unknown to Stripe")]
    NotFound,
    /// The answer was lost, or never given: it may or may not have been done. Ask again with the same key.
    #[error("no answer from Stripe: {0}")]
    Unanswered(String),
    /// Stripe answered with a failure of its own. It keeps that answer under the key, so the same key is told it again;
    /// whether anything was done, its lists tell.
    #[error("failure at Stripe: {0}")]
    Failed(String),
    /// Stripe said yes in words we do not understand.
    #[error("unreadable answer from Stripe: {0}")]
    Unreadable(String),
    /// Money that we cannot have asked for.
    #[error("in {0}, which is not sold here")]
    ForeignCurrency(String),
    /// Our keys or settings are wrong. Nothing was done, and nothing will be until a person mends them.
    #[error("Stripe is not set up: {0}")]
    Setup(String),
}

impl Payments {
    pub fn new(settings: &StripeSettings, clock: Clock) -> Result<Self, PaymentError> {
        // An empty secret would verify a signature that anyone can make.
        if settings.webhook_secrets.iter().any(|secret| secret.expose_secret().trim().is_empty()) {
            return Err(PaymentError::Setup("a webhook secret is empty".into()));
        }
        let mut builder = ClientBuilder::new(settings.secret_key.expose_secret())
            .request_strategy(RequestStrategy::Once)
            .app_info("Jetbridge", Some(env!("CARGO_PKG_VERSION").into()), None)
            .timeout(TIMEOUT);
        if let Some(url) = &settings.api_url {
            builder = builder.url(format!("{}/", url.as_str().trim_end_matches('/')));
        }
        let client = builder.build().map_err(|error| PaymentError::Setup(error.to_string()))?;
        let reader = reads::Reader::new(settings)?;
        Ok(Self { client, reader, webhook_secrets: settings.webhook_secrets.clone(), clock })
    }

    pub async fn open_session(&self, new: &NewSession) -> Result<Session, PaymentError> {
        let metadata = HashMap::from([
            ("attempt_id".to_owned(), new.attempt.to_string()),
            ("booking_id".to_owned(), new.booking.to_string()),
            ("booking_reference".to_owned(), new.reference.to_string()),
            ("quote_hash".to_owned(), new.quote_hash.clone()),
        ]);
        let request = checkout::CreateCheckoutSession::new()
            .mode(stripe_shared::CheckoutSessionMode::Payment)
            .line_items(vec![line_item(new.amount, &new.title)])
            // Only methods that can be authorised first and captured later.
            .allowed_payment_method_types(vec![
                checkout::CreateCheckoutSessionAllowedPaymentMethodTypes::Card,
            ])
            .payment_intent_data(authorise_only(&metadata, format!("{}: {}", new.reference, new.title)))
            .client_reference_id(new.attempt.to_string())
            .customer_email(&new.email)
            .metadata(metadata)
            .success_url(&new.success_url)
            .cancel_url(&new.cancel_url)
            .expires_at(new.expires_at.as_second())
            .locale(stripe_shared::CheckoutSessionLocale::Auto);
        Session::read(
            meters::call(
                "stripe",
                "open_session",
                request.customize().request_strategy(with(&new.idempotency_key)?).send(&self.client),
            )
            .await?,
        )
    }

    pub async fn session(&self, id: &str) -> Result<Session, PaymentError> {
        let request = checkout::RetrieveCheckoutSession::new(id)
            .expand(vec!["payment_intent.latest_charge".to_owned()]);
        Session::read(meters::call("stripe", "session", request.send(&self.client)).await?)
    }

    pub async fn expire_session(&self, id: &str, idempotency_key: &str) -> Result<Session, PaymentError> {
        let request =
            checkout::ExpireCheckoutSession::new(id).customize().request_strategy(with(idempotency_key)?);
        Session::read(meters::call("stripe", "expire_session", request.send(&self.client)).await?)
    }

    pub async fn payment_intent(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        let request = intents::RetrievePaymentIntent::new(id).expand(expand_charge());
        PaymentIntent::read(meters::call("stripe", "payment_intent", request.send(&self.client)).await?)
    }

    /// Takes the authorised money, up to the whole of it.
    pub async fn capture(
        &self,
        payment_intent: &str,
        amount: Money,
        idempotency_key: &str,
    ) -> Result<PaymentIntent, PaymentError> {
        let request = intents::CapturePaymentIntent::new(payment_intent)
            .amount_to_capture(amount.minor)
            .expand(expand_charge());
        PaymentIntent::read(
            meters::call(
                "stripe",
                "capture",
                request.customize().request_strategy(with(idempotency_key)?).send(&self.client),
            )
            .await?,
        )
    }

    /// Gives authorised money back untouched.
    pub async fn release(&self, payment_intent: &str, key: &str) -> Result<PaymentIntent, PaymentError> {
        let request = intents::CancelPaymentIntent::new(payment_intent).expand(expand_charge());
        PaymentIntent::read(
            meters::call(
                "stripe",
                "release",
                request.customize().request_strategy(with(key)?).send(&self.client),
            )
            .await?,
        )
    }

    pub async fn refund(&self, new: &NewRefund) -> Result<Refund, PaymentError> {
        let request = refunds::CreateRefund::new()
            .payment_intent(&new.payment_intent)
            .amount(new.amount.minor)
            .metadata(HashMap::from([
                ("refund_id".to_owned(), new.refund.to_string()),
                ("booking_id".to_owned(), new.booking.to_string()),
            ]));
        Refund::read(
            meters::call(
                "stripe",
                "refund",
                request.customize().request_strategy(with(&new.idempotency_key)?).send(&self.client),
            )
            .await?,
        )
    }

    /// Every refund of it, ours or made in Stripe's dashboard, newest first.
    pub async fn refunds_of(&self, payment_intent: &str) -> Result<Vec<Refund>, PaymentError> {
        let mut all: Vec<Refund> = Vec::new();
        loop {
            let mut request = refunds::ListRefund::new().payment_intent(payment_intent).limit(100);
            if let Some(last) = all.last() {
                request = request.starting_after(&last.id);
            }
            let page = meters::call("stripe", "refunds_of", request.send(&self.client)).await?;
            let more = page.has_more && !page.data.is_empty();
            for refund in page.data {
                all.push(Refund::read(refund)?);
            }
            if !more {
                return Ok(all);
            }
        }
    }

    pub async fn dispute(&self, id: &str) -> Result<Dispute, PaymentError> {
        self.reader.dispute(id).await
    }

    /// What happened since then, of these kinds, oldest first.
    pub async fn events(&self, kinds: &[&str], since: Timestamp) -> Result<Vec<Event>, PaymentError> {
        self.reader.events(kinds, since, self.clock.now()).await
    }

    /// What moved the balance since then, oldest first.
    pub async fn movements(&self, since: Timestamp) -> Result<Vec<Movement>, PaymentError> {
        self.reader.movements(since).await
    }

    /// Verifies and reads a webhook. A signature by any of our secrets counts, so that they can be rotated.
    pub fn read_event(&self, body: &[u8], signature: Option<&str>) -> Result<Event, EventError> {
        event::read(body, signature, &self.webhook_secrets, self.clock.now())
    }
}

fn line_item(amount: Money, title: &str) -> checkout::CreateCheckoutSessionLineItems {
    let mut price =
        checkout::CreateCheckoutSessionLineItemsPriceData::new(records::currency_for(amount.currency));
    price.unit_amount = Some(amount.minor);
    price.product_data = Some(checkout::ProductData::new(title));
    let mut item = checkout::CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(1);
    item
}

/// The intent carries the same marks as the session: either alone tells which attempt it belongs to.
fn authorise_only(
    metadata: &HashMap<String, String>,
    description: String,
) -> checkout::CreateCheckoutSessionPaymentIntentData {
    let mut data = checkout::CreateCheckoutSessionPaymentIntentData::new();
    data.capture_method = Some(checkout::CreateCheckoutSessionPaymentIntentDataCaptureMethod::Manual);
    data.metadata = Some(metadata.clone());
    data.description = Some(description);
    data
}

/// The charge knows the card.
fn expand_charge() -> Vec<String> {
    vec!["latest_charge".to_owned()]
}

/// One try with the caller's key. Trying again is the caller's job, with the same key, when its own row says so.
fn with(idempotency_key: &str) -> Result<RequestStrategy, PaymentError> {
    let key = IdempotencyKey::new(idempotency_key).map_err(|error| PaymentError::Setup(error.to_string()))?;
    Ok(RequestStrategy::Idempotent(key))
}

impl From<StripeError> for PaymentError {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Stripe(api, status) => from_answer(*api, status),
            // The client names the two cases only by their text: a success it could not read, or an error page.
            StripeError::JSONDeserialize(text) if text.contains("request data") => Self::Unreadable(text),
            StripeError::JSONDeserialize(text) | StripeError::ClientError(text) => Self::Unanswered(text),
            StripeError::Timeout => Self::Unanswered("time-out".into()),
            StripeError::ConfigError(text) => Self::Setup(text),
        }
    }
}

fn from_answer(api: stripe_shared::ApiErrors, status: u16) -> PaymentError {
    let message = api.message.unwrap_or_default();
    match status {
        404 => PaymentError::NotFound,
        401 | 403 => PaymentError::Setup(message),
        // 409: the same key is being worked on. 429: too fast, or a lock. Nothing is kept under the key for either.
        409 | 429 => PaymentError::Unanswered(format!("{status}: {message}")),
        // Somebody behind Stripe failed.
        424 => PaymentError::Failed(format!("{status}: {message}")),
        400..=499 => {
            let code = api.decline_code.or(api.code.map(|code| code.as_str().to_owned()));
            PaymentError::Refused { code: code.unwrap_or_else(|| api.type_.as_str().to_owned()), message }
        }
        _ => PaymentError::Failed(format!("{status}: {message}")),
    }
}
