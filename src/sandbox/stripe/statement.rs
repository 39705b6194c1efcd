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
        self.book_at(kind, source, (amount, fee), currency, now.as_second())
    }

    /// States that older versions wrote have no lines: what moved then is written down once, afterwards.
    pub fn write_up(&mut self) {
        if !self.statement.is_empty() {
            return;
        }
        for charge in self.charges.values().filter(|charge| charge.captured > 0).cloned().collect::<Vec<_>>()
        {
            let amounts = (charge.captured, fee_of(charge.captured));
            self.book_at(KIND_CHARGE, &charge.id, amounts, &charge.currency, charge.created);
        }
        for refund in
            self.refunds.iter().filter(|refund| refund.status != "failed").cloned().collect::<Vec<_>>()
        {
            self.book_at(KIND_REFUND, &refund.id, (-refund.amount, 0), &refund.currency, refund.created);
        }
        self.statement.sort_by_key(|line| line.created);
    }

    fn book_at(
        &mut self,
        kind: &str,
        source: &str,
        (amount, fee): (i64, i64),
        currency: &str,
        created: i64,
    ) -> String {
        let id = new_id("txn", 24);
        self.statement.push(Movement {
            id: id.clone(),
            created,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_an_older_version_gets_its_lines_once() {
        let charge = json!({
            "id": "ch_1", "payment_intent": "pi_1", "created": 7, "amount": 900, "captured": 900, "refunded": 300,
            "currency": "eur", "livemode": false, "metadata": {}, "brand": "visa", "last4": "4242", "failure": null,
        });
        let refund = json!({
            "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1", "created": 8, "amount": 300, "currency": "eur",
            "status": "succeeded", "metadata": {}, "reason": null, "failure_reason": null,
        });
        let mut account = Account::default();
        account.charges.insert("ch_1".to_owned(), serde_json::from_value(charge).unwrap());
        account.refunds.push(serde_json::from_value(refund).unwrap());
        for _ in 0..2 {
            account.write_up();
            let lines: Vec<(i64, i64, &str)> = account
                .statement
                .iter()
                .map(|line| (line.created, line.amount, line.source.as_str()))
                .collect();
            assert_eq!(lines, [(7, 900, "ch_1"), (8, -300, "re_1")]);
        }
    }
}
