//! What is read from Stripe as plain JSON: disputes, the list of events, and the lines of the balance. Events are kept as
//! they came, and a line of a kind that the client does not know must not hide the others.

use jiff::Timestamp;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{PaymentError, StripeSettings, TIMEOUT, event, probe};
use crate::{meters, money::Money, outgoing};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeStatus {
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub id: String,
    /// `None`: in words that are new to us.
    pub status: Option<DisputeStatus>,
    /// Only asked about: nothing was taken back.
    pub is_inquiry: bool,
    pub amount: Money,
    pub payment_intent: Option<String>,
    pub reason: String,
    pub answer_by: Option<Timestamp>,
    pub created: Timestamp,
    pub livemode: bool,
}

/// A line of the balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub id: String,
    pub kind: String,
    /// The charge, refund or dispute that moved it.
    pub source: Option<String>,
    pub payment_intent: Option<String>,
    /// In the currency of its source, upper case; negative where it went out.
    pub amount_minor: i64,
    pub currency: String,
    /// In the currency that is settled in.
    pub fee_minor: i64,
    pub fee_currency: String,
    pub created: Timestamp,
}

#[derive(Clone)]
pub(super) struct Reader {
    http: reqwest::Client,
    base: String,
    key: SecretString,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    has_more: bool,
}

#[derive(Deserialize)]
struct DisputeJson {
    id: String,
    status: String,
    amount: i64,
    currency: String,
    payment_intent: Option<String>,
    reason: String,
    evidence_details: Evidence,
    created: i64,
    livemode: bool,
}

#[derive(Deserialize)]
struct Evidence {
    due_by: Option<i64>,
}

#[derive(Deserialize)]
struct MovementJson {
    id: String,
    r#type: String,
    amount: i64,
    currency: String,
    fee: i64,
    created: i64,
    source: Option<Value>,
}

impl Reader {
    pub(super) fn new(settings: &StripeSettings) -> Result<Self, PaymentError> {
        let base = settings.api_url.as_ref().map_or("https://api.stripe.com", |url| url.as_str());
        let http = outgoing::client().timeout(TIMEOUT).build();
        Ok(Self {
            http: http.map_err(|error| PaymentError::Setup(error.to_string()))?,
            base: base.trim_end_matches('/').to_owned(),
            key: settings.secret_key.clone(),
        })
    }

    pub(super) async fn dispute(&self, id: &str) -> Result<Dispute, PaymentError> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            return Err(PaymentError::NotFound);
        }
        read_dispute(self.get(&format!("/v1/disputes/{id}"), &[], "dispute").await?)
    }

    /// Events of these kinds since then, oldest first.
    pub(super) async fn events(
        &self,
        kinds: &[&str],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<super::Event>, PaymentError> {
        let types = (0..).zip(kinds).map(|(place, kind)| (format!("types[{place}]"), (*kind).to_owned()));
        let objects = self.list("/v1/events", since, types.collect(), "events").await?;
        Ok(objects.into_iter().map(|object| event::from_value(object, true, now)).collect())
    }

    /// Lines of the balance since then, oldest first.
    pub(super) async fn movements(&self, since: Timestamp) -> Result<Vec<Movement>, PaymentError> {
        let expand = vec![("expand[0]".to_owned(), "data.source".to_owned())];
        let objects = self.list("/v1/balance_transactions", since, expand, "movements").await?;
        objects.into_iter().map(read_movement).collect()
    }

    async fn list(
        &self,
        path: &str,
        since: Timestamp,
        mut query: Vec<(String, String)>,
        what: &'static str,
    ) -> Result<Vec<Value>, PaymentError> {
        query.push(("limit".to_owned(), "100".to_owned()));
        query.push(("created[gte]".to_owned(), since.as_second().to_string()));
        let mut all: Vec<Value> = Vec::new();
        // Newest first: only with the last page it is certain that nothing is missed.
        loop {
            let mut asked = query.clone();
            if let Some(last) = all.last().and_then(|last| last["id"].as_str()) {
                asked.push(("starting_after".to_owned(), last.to_owned()));
            }
            let page: Page = self.get(path, &asked, what).await?;
            let is_last = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if is_last {
                all.reverse();
                return Ok(all);
            }
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(String, String)],
        what: &'static str,
    ) -> Result<T, PaymentError> {
        meters::call("stripe", what, async {
            let url = Url::parse_with_params(&format!("{}{path}", self.base), query);
            let url = url.map_err(|error| PaymentError::Setup(error.to_string()))?;
            let sent = self
                .http
                .get(url)
                .bearer_auth(self.key.expose_secret())
                .header("stripe-version", probe::api_version())
                .send()
                .await;
            let answer = sent.map_err(|error| PaymentError::Unanswered(probe::cause(&error)))?;
            let status = answer.status();
            let body = answer.text().await.map_err(|error| PaymentError::Unanswered(probe::cause(&error)))?;
            match status {
                StatusCode::OK => {
                    serde_json::from_str(&body).map_err(|error| PaymentError::Unreadable(error.to_string()))
                }
                StatusCode::NOT_FOUND => Err(PaymentError::NotFound),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Err(PaymentError::Setup(format!("{status} to {path}")))
                }
                StatusCode::TOO_MANY_REQUESTS => Err(PaymentError::Unanswered(status.to_string())),
                status if status.is_client_error() => Err(PaymentError::Refused {
                    code: status.as_u16().to_string(),
                    message: format!("{status} to {path}"),
                }),
                status => Err(PaymentError::Failed(status.to_string())),
            }
        })
        .await
    }
}

fn read_dispute(from: DisputeJson) -> Result<Dispute, PaymentError> {
    let (status, is_inquiry) = match from.status.strip_prefix("warning_") {
        Some(status) => (status, true),
        None => (from.status.as_str(), false),
    };
    let code = from.currency.to_ascii_uppercase();
    let currency = code.parse().map_err(|_| PaymentError::Unreadable(format!("currency {code}")))?;
    Ok(Dispute {
        status: match status {
            "needs_response" => Some(DisputeStatus::NeedsResponse),
            "under_review" => Some(DisputeStatus::UnderReview),
            // An inquiry that came to nothing has cost nothing, and neither has one that Stripe prevented.
            "won" | "closed" | "prevented" => Some(DisputeStatus::Won),
            "lost" => Some(DisputeStatus::Lost),
            _ => None,
        },
        id: from.id,
        is_inquiry: is_inquiry || status == "prevented",
        amount: Money::new(from.amount, currency),
        payment_intent: from.payment_intent,
        reason: from.reason,
        answer_by: from.evidence_details.due_by.map(second).transpose()?,
        created: second(from.created)?,
        livemode: from.livemode,
    })
}

/// Settled in another currency than the traveller paid in, the source knows what it was in theirs.
fn read_movement(object: Value) -> Result<Movement, PaymentError> {
    let from: MovementJson =
        serde_json::from_value(object).map_err(|error| PaymentError::Unreadable(error.to_string()))?;
    let source = from.source.unwrap_or_default();
    let text = |field: &str| source.get(field).and_then(Value::as_str);
    let id = source.as_str().or_else(|| text("id"));
    let intent =
        source.get("payment_intent").and_then(|intent| intent.as_str().or_else(|| intent["id"].as_str()));
    let (amount, currency) = match text("currency").filter(|currency| *currency != from.currency) {
        Some(theirs) => {
            let captured = source.get("amount_captured").or_else(|| source.get("amount"));
            let amount = captured.and_then(Value::as_i64).unwrap_or_default();
            (amount.saturating_mul(from.amount.signum()), theirs)
        }
        None => (from.amount, from.currency.as_str()),
    };
    Ok(Movement {
        kind: from.r#type,
        source: id.map(str::to_owned),
        payment_intent: intent.map(str::to_owned),
        amount_minor: amount,
        currency: currency.to_ascii_uppercase(),
        fee_minor: from.fee,
        fee_currency: from.currency.to_ascii_uppercase(),
        created: second(from.created)?,
        id: from.id,
    })
}

fn second(seconds: i64) -> Result<Timestamp, PaymentError> {
    Timestamp::from_second(seconds).map_err(|error| PaymentError::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_told_in_the_currency_that_was_paid_in_and_its_fee_in_the_one_that_is_settled_in() {
        let line = |kind: &str, amount: i64, source: Value| {
            let object = json!({
                "id": "txn_1", "type": kind, "amount": amount, "currency": "eur", "fee": 85, "created": 1, "source": source,
            });
            let told = read_movement(object).unwrap();
            (told.amount_minor, told.currency, told.fee_minor, told.fee_currency)
        };
        let told = |minor: i64, currency: &str| (minor, currency.to_owned(), 85, "EUR".to_owned());
        let charge = json!({ "id": "ch_1", "currency": "usd", "amount": 9_000, "amount_captured": 5_000 });
        assert_eq!(line("charge", 4_600, charge), told(5_000, "USD"));
        let refund = json!({ "id": "re_1", "currency": "usd", "amount": 700 });
        assert_eq!(line("refund", -640, refund), told(-700, "USD"));
        assert_eq!(line("charge", 4_600, json!({ "id": "ch_1", "currency": "eur" })), told(4_600, "EUR"));
        assert_eq!(line("payout", -4_600, json!("po_1")), told(-4_600, "EUR"));
        assert_eq!(line("stripe_fee", -5, Value::Null), told(-5, "EUR"));
    }

    #[test]
    fn an_inquiry_is_told_from_money_that_was_taken_back() {
        let read = |status: &str| {
            let json = json!({
                "id": "dp_1", "status": status, "amount": 5, "currency": "eur", "payment_intent": "pi_1", "reason": "general",
                "evidence_details": { "due_by": null }, "created": 1, "livemode": false,
            });
            let told = read_dispute(serde_json::from_value(json).unwrap()).unwrap();
            (told.status, told.is_inquiry)
        };
        assert_eq!(read("warning_needs_response"), (Some(DisputeStatus::NeedsResponse), true));
        assert_eq!(read("needs_response"), (Some(DisputeStatus::NeedsResponse), false));
        assert_eq!(read("warning_closed"), (Some(DisputeStatus::Won), true));
        assert_eq!(read("lost"), (Some(DisputeStatus::Lost), false));
        assert_eq!(read("of_a_newer_version"), (None, false));
    }
}
