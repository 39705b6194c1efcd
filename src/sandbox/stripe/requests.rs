//! The API calls: parameters in, object out. Each first takes and checks all its parameters, then acts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    account::{Account, Session, new_id},
    disputes,
    form::Params,
    refusal::ApiRefusal,
    render, statement,
};
use crate::money::Currency;

/// Stripe's bounds for a session's life.
const SHORTEST_SESSION: i64 = 30 * 60;
const LONGEST_SESSION: i64 = 24 * 3_600;
const LARGEST_AMOUNT: i64 = 99_999_999;

/// What may be asked for in full instead of by id.
const OF_SESSION: [&str; 2] = ["payment_intent", "payment_intent.latest_charge"];
const OF_INTENT: [&str; 1] = ["latest_charge"];
const OF_REFUND: [&str; 3] = ["payment_intent", "payment_intent.latest_charge", "charge"];

/// A refusal before the deed is not remembered under the idempotency key; one by the deed is.
pub enum Failure {
    Invalid(ApiRefusal),
    Refused(ApiRefusal),
}

type Answer = Result<Value, Failure>;

impl From<ApiRefusal> for Failure {
    fn from(refusal: ApiRefusal) -> Self {
        Self::Invalid(refusal)
    }
}

/// One API call: `path` without `/v1`, split at the slashes.
pub fn perform(account: &mut Account, method: &str, path: &[&str], params: Params, now: Timestamp) -> Answer {
    account.sweep(now);
    match (method, path) {
        ("POST", ["checkout", "sessions"]) => create_session(account, params, now),
        ("GET", ["checkout", "sessions", id]) => read_session(account, id, params),
        ("POST", ["checkout", "sessions", id, "expire"]) => expire_session(account, id, params, now),
        ("GET", ["payment_intents", id]) => read_intent(account, id, params),
        ("POST", ["payment_intents", id, "capture"]) => capture(account, id, params, now),
        ("POST", ["payment_intents", id, "cancel"]) => cancel(account, id, params, now),
        ("POST", ["refunds"]) => create_refund(account, params, now),
        ("GET", ["refunds"]) => list_refunds(account, params),
        ("GET", ["refunds", id]) => read_refund(account, id, params),
        ("GET", ["disputes"]) => list_disputes(account, params, now),
        ("GET", ["disputes", id]) => read_dispute(account, id, params, now),
        ("GET", ["balance_transactions"]) => list_movements(account, params, now),
        ("GET", ["events"]) => list_events(account, params),
        ("GET", ["events", id]) => read_event(account, id, params),
        _ => {
            let message = format!("Unrecognized request URL ({method}: /v1/{}).", path.join("/"));
            Err(ApiRefusal::plain(404, "invalid_request_error", message).into())
        }
    }
}

fn create_session(account: &mut Account, mut params: Params, now: Timestamp) -> Answer {
    let expand = params.expand(&OF_SESSION)?;
    params.one_of("mode", &["payment"])?;
    let (amount, currency, title) = line_item(&mut params)?;
    let allowed = params.list("allowed_payment_method_types");
    if allowed.iter().any(|kind| kind != "card") {
        let message = "This sandbox knows cards only.";
        return Err(ApiRefusal::invalid(
            "payment_method_unactivated",
            "allowed_payment_method_types",
            message,
        )
        .into());
    }
    let expires_at = params.integer("expires_at")?.unwrap_or(now.as_second() + LONGEST_SESSION);
    let life = expires_at - now.as_second();
    if !(SHORTEST_SESSION..=LONGEST_SESSION).contains(&life) {
        let bound = if life < SHORTEST_SESSION { "at least 30 minutes" } else { "less than 24 hours" };
        let message = format!("The `expires_at` timestamp must be {bound} from Checkout Session creation.");
        return Err(ApiRefusal { code: None, ..ApiRefusal::invalid("", "expires_at", message) }.into());
    }
    let customer_email = params.text("customer_email")?;
    if customer_email.as_deref().is_some_and(|email| !plausible(email)) {
        let message = format!("Invalid email address: {}", customer_email.unwrap_or_default());
        return Err(ApiRefusal::invalid("email_invalid", "customer_email", message).into());
    }
    let client_reference_id = params.text("client_reference_id")?;
    if client_reference_id.as_ref().is_some_and(|id| id.len() > 200) {
        let message = "Invalid string: must be at most 200 characters.";
        return Err(ApiRefusal::invalid("parameter_invalid_string", "client_reference_id", message).into());
    }
    let cancel_url = Some(params.url("cancel_url")?);
    let session = Session {
        id: new_id("cs_test", 58),
        created: now.as_second(),
        expires_at,
        status: "open".into(),
        amount,
        currency,
        livemode: false,
        client_reference_id,
        customer_email,
        metadata: params.metadata("metadata")?,
        title,
        success_url: params.url("success_url")?,
        cancel_url,
        locale: params.text("locale")?.unwrap_or_else(|| "auto".into()),
        payment_intent: None,
        intent_metadata: params.metadata("payment_intent_data[metadata]")?,
        intent_description: params.text("payment_intent_data[description]")?,
        capture_method: params.one_of("payment_intent_data[capture_method]", &["automatic", "manual"])?,
    };
    params.finish()?;
    let object = render::expand(account, render::session(account, &session), &expand);
    account.sessions.insert(session.id.clone(), session);
    Ok(object)
}

/// One line with its price inline: all that this house sends.
fn line_item(params: &mut Params) -> Result<(i64, String, String), ApiRefusal> {
    let title = params.required("line_items[0][price_data][product_data][name]")?;
    let code = params.required("line_items[0][price_data][currency]")?;
    let unknown = || ApiRefusal {
        code: None,
        ..ApiRefusal::invalid("", "currency", format!("Invalid currency: {code}"))
    };
    let currency: Currency = code.parse().map_err(|_| unknown())?;
    let param = "line_items[0][price_data][unit_amount]";
    let unit = params.integer(param)?.unwrap_or(0);
    let quantity = params.integer("line_items[0][quantity]")?.unwrap_or(1);
    let total = unit.checked_mul(quantity).unwrap_or(i64::MAX);
    let least = match currency {
        Currency::Gbp => 30,
        Currency::Bhd => 200,
        _ => 50,
    };
    if unit < 0 || quantity < 1 || total < least {
        let message =
            "The Checkout Session's total amount due must add up to at least the minimum charge amount.";
        return Err(ApiRefusal::invalid("amount_too_small", param, message));
    }
    if total > LARGEST_AMOUNT {
        let message = format!("The amount must be no more than {LARGEST_AMOUNT}.");
        return Err(ApiRefusal::invalid("amount_too_large", param, message));
    }
    in_steps(currency.code(), total, param)?;
    Ok((total, currency.code().to_ascii_lowercase(), title))
}

/// Card networks settle the three-decimal currencies in steps of ten, whichever way the money goes.
pub(super) fn in_steps(currency: &str, amount: i64, param: &str) -> Result<(), ApiRefusal> {
    match currency.parse::<Currency>() {
        Ok(known) if amount % known.step() != 0 => {
            let message = format!("Amounts in {known} must be a multiple of {}.", known.step());
            Err(ApiRefusal::invalid("parameter_invalid_integer", param, message))
        }
        _ => Ok(()),
    }
}

fn read_session(account: &Account, id: &str, mut params: Params) -> Answer {
    let expand = params.expand(&OF_SESSION)?;
    params.finish()?;
    let session = account.session(id)?;
    Ok(render::expand(account, render::session(account, session), &expand))
}

fn expire_session(account: &mut Account, id: &str, mut params: Params, now: Timestamp) -> Answer {
    let expand = params.expand(&OF_SESSION)?;
    params.finish()?;
    account.expire(id, now).map_err(Failure::Refused)?;
    let object = render::session(account, account.session(id)?);
    Ok(render::expand(account, object, &expand))
}

fn read_intent(account: &Account, id: &str, mut params: Params) -> Answer {
    let expand = params.expand(&OF_INTENT)?;
    params.text("client_secret")?;
    params.finish()?;
    Ok(render::expand(account, render::intent(account.intent(id)?), &expand))
}

fn capture(account: &mut Account, id: &str, mut params: Params, now: Timestamp) -> Answer {
    let expand = params.expand(&OF_INTENT)?;
    let amount = params.integer("amount_to_capture")?;
    params.finish()?;
    account.capture(id, amount, now).map_err(Failure::Refused)?;
    Ok(render::expand(account, render::intent(account.intent(id)?), &expand))
}

fn cancel(account: &mut Account, id: &str, mut params: Params, now: Timestamp) -> Answer {
    let expand = params.expand(&OF_INTENT)?;
    let reasons = ["", "abandoned", "duplicate", "fraudulent", "requested_by_customer"];
    let reason = params.one_of("cancellation_reason", &reasons)?;
    params.finish()?;
    account.cancel(id, Some(reason), now).map_err(Failure::Refused)?;
    Ok(render::expand(account, render::intent(account.intent(id)?), &expand))
}

fn create_refund(account: &mut Account, mut params: Params, now: Timestamp) -> Answer {
    let expand = params.expand(&OF_REFUND)?;
    let intent = params.required("payment_intent")?;
    let amount = params.integer("amount")?;
    let metadata = params.metadata("metadata")?;
    let reasons = ["", "duplicate", "fraudulent", "requested_by_customer"];
    let reason = Some(params.one_of("reason", &reasons)?).filter(|reason| !reason.is_empty());
    params.finish()?;
    let id = account.refund(&intent, amount, metadata, reason, now).map_err(Failure::Refused)?;
    let object = account.refunds.iter().find(|refund| refund.id == id).map(render::refund);
    Ok(render::expand(account, object.unwrap_or_default(), &expand))
}

fn read_refund(account: &Account, id: &str, mut params: Params) -> Answer {
    let expand = params.expand(&OF_REFUND)?;
    params.finish()?;
    let refund = account.refunds.iter().find(|refund| refund.id == id);
    let refund = refund.ok_or_else(|| ApiRefusal::missing(404, "refund", id, "refund"))?;
    Ok(render::expand(account, render::refund(refund), &expand))
}

fn list_refunds(account: &Account, mut params: Params) -> Answer {
    let intent = params.text("payment_intent")?;
    let charge = params.text("charge")?;
    let wanted = account.refunds.iter().rev().filter(|refund| {
        intent.as_ref().is_none_or(|id| *id == refund.payment_intent)
            && charge.as_ref().is_none_or(|id| *id == refund.charge)
    });
    page("/v1/refunds", wanted.map(render::refund).collect(), params)
}

fn list_disputes(account: &Account, mut params: Params, now: Timestamp) -> Answer {
    let intent = params.text("payment_intent")?;
    let charge = params.text("charge")?;
    let wanted = account.disputes.iter().rev().filter(|dispute| {
        intent.as_ref().is_none_or(|id| *id == dispute.payment_intent)
            && charge.as_ref().is_none_or(|id| *id == dispute.charge)
    });
    page("/v1/disputes", wanted.map(|dispute| disputes::render(account, dispute, now)).collect(), params)
}

fn read_dispute(account: &Account, id: &str, params: Params, now: Timestamp) -> Answer {
    params.finish()?;
    Ok(disputes::render(account, account.dispute_of(id)?, now))
}

fn list_movements(account: &Account, mut params: Params, now: Timestamp) -> Answer {
    let in_full = !params.expand(&["data.source"])?.is_empty();
    let kind = params.text("type")?;
    let source = params.text("source")?;
    let since = params.integer("created[gte]")?.unwrap_or(i64::MIN);
    let wanted = account.statement.iter().rev().filter(|movement| {
        movement.created >= since
            && kind.as_ref().is_none_or(|kind| *kind == movement.kind)
            && source.as_ref().is_none_or(|source| *source == movement.source)
    });
    let render = |movement| {
        let mut object = statement::render(movement);
        if let Some(source) = account.source(&movement.source, now).filter(|_| in_full) {
            object["source"] = source;
        }
        object
    };
    page("/v1/balance_transactions", wanted.map(render).collect(), params)
}

fn list_events(account: &Account, mut params: Params) -> Answer {
    let kind = params.text("type")?;
    let mut kinds = params.list("types");
    kinds.extend(kind);
    let since = params.integer("created[gte]")?.unwrap_or(i64::MIN);
    let wanted = account
        .events
        .iter()
        .rev()
        .filter(|event| event.created >= since && (kinds.is_empty() || kinds.contains(&event.kind)));
    page("/v1/events", wanted.map(|event| event.payload.clone()).collect(), params)
}

fn read_event(account: &Account, id: &str, params: Params) -> Answer {
    params.finish()?;
    let event = account.events.iter().find(|event| event.id == id);
    let event = event.ok_or_else(|| ApiRefusal::missing(404, "event", id, "id"))?;
    Ok(event.payload.clone())
}

/// A cursor page, newest first.
fn page(url: &str, all: Vec<Value>, mut params: Params) -> Answer {
    let limit = params.integer("limit")?.unwrap_or(10);
    let after = params.text("starting_after")?;
    params.finish()?;
    if !(1..=100).contains(&limit) {
        let message = "This value must be between 1 and 100.";
        return Err(ApiRefusal::invalid("parameter_invalid_integer", "limit", message).into());
    }
    let start = match after {
        None => 0,
        Some(id) => all
            .iter()
            .position(|object| object["id"] == id.as_str())
            .map(|place| place + 1)
            .ok_or_else(|| ApiRefusal::missing(400, "object", &id, "starting_after"))?,
    };
    let limit = usize::try_from(limit).unwrap_or(100);
    let has_more = all.len() > start + limit;
    let data: Vec<Value> = all.into_iter().skip(start).take(limit).collect();
    Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
}

fn plausible(email: &str) -> bool {
    let mut parts = email.split('@');
    let (Some(user), Some(host), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    !user.is_empty() && host.contains('.') && !email.contains(char::is_whitespace) && email.len() <= 512
}
