//! The objects as Stripe's JSON, with every field that its clients insist on.

use serde_json::{Value, json};

use super::account::{Account, Charge, Intent, Refund, Session};

/// The version that our client is built for: the stand-in speaks no other.
pub fn api_version() -> String {
    stripe_shared::version::VERSION.as_str().to_owned()
}

pub fn session(account: &Account, session: &Session) -> Value {
    let open = session.status == "open";
    let intent = session.payment_intent.as_ref().and_then(|id| account.intents.get(id));
    // Authorised is not paid: under manual capture a complete session stays "unpaid" until the money is taken.
    let paid = intent.is_some_and(|intent| intent.status == "succeeded");
    json!({
        "id": session.id,
        "object": "checkout.session",
        "allowed_payment_method_types": ["card"],
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference_id,
        "client_secret": null,
        "created": session.created,
        "currency": session.currency,
        "custom_fields": [],
        "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
        "customer": null,
        "customer_creation": "if_required",
        "customer_details": session.customer_email.as_ref().map(|email| json!({
            "address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none", "tax_ids": null,
        })),
        "customer_email": session.customer_email,
        "expires_at": session.expires_at,
        "invoice": null,
        "livemode": session.livemode,
        "locale": session.locale,
        "metadata": session.metadata,
        "mode": "payment",
        "payment_intent": session.payment_intent,
        "payment_link": null,
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": if paid { "paid" } else { "unpaid" },
        "recovered_from": null,
        "setup_intent": null,
        "shipping_options": [],
        "status": session.status,
        "submit_type": null,
        "subscription": null,
        "success_url": session.success_url,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        "ui_mode": "hosted_page",
        "url": open.then(|| format!("{}/pay/{}", account.base, session.id)),
    })
}

pub fn intent(intent: &Intent) -> Value {
    json!({
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.capturable,
        "amount_details": { "tip": {} },
        "amount_received": intent.received,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": intent.canceled_at,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": format!("{}_secret_sandbox", intent.id),
        "confirmation_method": "automatic",
        "created": intent.created,
        "currency": intent.currency,
        "customer": null,
        "description": intent.description,
        "last_payment_error": intent.last_error,
        "latest_charge": intent.latest_charge,
        "livemode": intent.livemode,
        "metadata": intent.metadata,
        "next_action": null,
        "payment_method": null,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": null,
        "receipt_email": null,
        "setup_future_usage": null,
        "shipping": null,
        "source": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": intent.status,
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub fn charge(charge: &Charge) -> Value {
    let failure = charge.failure.as_ref();
    json!({
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.captured,
        "amount_refunded": charge.refunded,
        "application": null,
        "balance_transaction": null,
        "billing_details": { "address": null, "email": null, "name": null, "phone": null, "tax_id": null },
        "calculated_statement_descriptor": "JETBRIDGE",
        "captured": charge.captured > 0,
        "created": charge.created,
        "currency": charge.currency,
        "customer": null,
        "description": null,
        "disputed": false,
        "failure_code": failure.map(|(code, _)| code),
        "failure_message": failure.map(|(_, message)| message),
        "fraud_details": {},
        "livemode": charge.livemode,
        "metadata": charge.metadata,
        "outcome": null,
        "paid": failure.is_none(),
        "payment_intent": charge.payment_intent,
        "payment_method": null,
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": charge.brand, "last4": charge.last4, "exp_month": 12, "exp_year": 2040,
                "country": "US", "funding": "credit", "network": charge.brand,
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            },
        },
        "receipt_email": null,
        "receipt_url": null,
        "refunded": charge.refunded > 0 && charge.refunded == charge.captured,
        "review": null,
        "shipping": null,
        "source_transfer": null,
        "status": if failure.is_none() { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": null,
    })
}

pub fn refund(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": null,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "failure_reason": refund.failure_reason,
        "metadata": refund.metadata,
        "payment_intent": refund.payment_intent,
        "pending_reason": refund.pending_reason.as_ref().filter(|_| refund.status == "pending"),
        "reason": refund.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": refund.status,
        "transfer_reversal": null,
    })
}

/// Replaces ids by the objects they name, along paths such as `payment_intent.latest_charge`.
pub fn expand(account: &Account, mut object: Value, paths: &[String]) -> Value {
    for path in paths {
        let mut place = &mut object;
        for field in path.split('.') {
            let Some(inner) = place.get_mut(field) else { break };
            if let Some(whole) = inner.as_str().and_then(|id| by_id(account, id)) {
                *inner = whole;
            }
            place = inner;
        }
    }
    object
}

fn by_id(account: &Account, id: &str) -> Option<Value> {
    account.intents.get(id).map(intent).or_else(|| account.charges.get(id).map(charge))
}
