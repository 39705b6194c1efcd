//! The account's balance, line by line: every charge, refund and dispute moves it, and Stripe takes its fee.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::{Account, new_id},
    disputes, render,
};

pub const KIND_CHARGE: &str = "charge";
pub const KIND_REFUND: &str = "refund";
pub const KIND_REFUND_FAILURE: &str = "refund_failure";
/// Money that a dispute withdraws or gives back.
pub const KIND_DISPUTE: &str = "adjustment";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Movement {
    pub id: String,
    pub created: i64,
    /// What came in, or went out where it is negative, before the fee.
    pub amount: i64,
    pub fee: i64,
    pub currency: String,
    pub kind: String,
    pub source: String,
}

/// As Stripe charges for European cards: 1.5 % and 25 cents.
pub fn fee_of(amount: i64) -> i64 {
    amount * 15 / 1_000 + 25
}

impl Account {
    pub fn book(
        &mut self,
        kind: &str,
        source: &str,
        (amount, fee): (i64, i64),
        currency: &str,
        now: Timestamp,
    ) -> String {
        let id = new_id("txn", 24);
        self.statement.push(Movement {
            id: id.clone(),
            created: now.as_second(),
            amount,
            fee,
            currency: currency.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
        });
        id
    }

    /// The charge, refund or dispute that a movement belongs to, in full.
    pub fn source(&self, id: &str, now: Timestamp) -> Option<Value> {
        let refund = || self.refunds.iter().find(|refund| refund.id == id).map(render::refund);
        let dispute = || self.dispute_of(id).ok().map(|dispute| disputes::render(self, dispute, now));
        self.charges.get(id).map(render::charge).or_else(refund).or_else(dispute)
    }
}

pub fn render(movement: &Movement) -> Value {
    let fee = json!([{
        "amount": movement.fee, "application": null, "currency": movement.currency,
        "description": "Stripe processing fees", "type": "stripe_fee",
    }]);
    json!({
        "id": movement.id,
        "object": "balance_transaction",
        "amount": movement.amount,
        "available_on": movement.created + 2 * 24 * 3_600,
        "balance_type": "payments",
        "created": movement.created,
        "currency": movement.currency,
        "description": null,
        "exchange_rate": null,
        "fee": movement.fee,
        "fee_details": if movement.fee == 0 { json!([]) } else { fee },
        "net": movement.amount - movement.fee,
        "reporting_category": match movement.kind.as_str() { KIND_DISPUTE => "dispute", kind => kind },
        "source": movement.source,
        "status": "pending",
        "type": movement.kind,
    })
}
