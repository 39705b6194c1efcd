//! Disputes: a bank takes a payment back, hears both sides and decides. States move as Stripe moves them, and time alone
//! decides against whoever does not answer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    account::{Account, new_id},
    refusal::ApiRefusal,
    statement,
};

/// Cards give a merchant between one and three weeks.
const DAYS_TO_ANSWER: i64 = 10;
/// What Stripe takes for each, in the smallest unit.
const FEE: i64 = 2_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dispute {
    pub id: String,
    pub charge: String,
    pub payment_intent: String,
    pub created: i64,
    pub amount: i64,
    pub currency: String,
    pub livemode: bool,
    pub reason: String,
    pub status: String,
    pub due_by: i64,
    pub has_evidence: bool,
    /// The balance transactions that it has brought about.
    pub moved: Vec<String>,
}

impl Dispute {
    /// Only asked about: no money has been taken back.
    fn is_inquiry(&self) -> bool {
        self.status.starts_with("warning_")
    }

    fn is_closed(&self) -> bool {
        matches!(self.status.as_str(), "won" | "lost" | "warning_closed")
    }
}

impl Account {
    /// A bank takes a charge back, or asks about it first.
    pub fn dispute(
        &mut self,
        intent: &str,
        amount: Option<i64>,
        is_inquiry: bool,
        now: Timestamp,
    ) -> Result<String, ApiRefusal> {
        let charge_id = self.intent(intent)?.latest_charge.clone().unwrap_or_default();
        let missing = || ApiRefusal::missing(404, "charge", &charge_id, "charge");
        let charge = self.charges.get(&charge_id).ok_or_else(missing)?;
        let left = charge.captured - charge.refunded;
        if left <= 0 {
            // Only set aside, or given back: a bank has nothing to take.
            return Err(ApiRefusal::state(
                "charge_not_refundable",
                format!("Nothing of {charge_id} is left."),
            ));
        }
        let dispute = Dispute {
            id: new_id("dp", 24),
            charge: charge_id.clone(),
            payment_intent: intent.to_owned(),
            created: now.as_second(),
            amount: amount.unwrap_or(left),
            currency: charge.currency.clone(),
            livemode: charge.livemode,
            reason: "fraudulent".to_owned(),
            status: if is_inquiry { "warning_needs_response" } else { "needs_response" }.to_owned(),
            due_by: now.as_second() + DAYS_TO_ANSWER * 24 * 3_600,
            has_evidence: false,
            moved: Vec::new(),
        };
        let id = dispute.id.clone();
        self.disputes.push(dispute);
        self.emit_dispute("charge.dispute.created", &id, now);
        if !is_inquiry {
            self.withdraw(&id, now);
        }
        Ok(id)
    }

    /// The bank was not content with asking.
    pub fn escalate_inquiry(&mut self, id: &str, now: Timestamp) -> Result<(), ApiRefusal> {
        self.still_open(id)?.status = "needs_response".to_owned();
        self.emit_dispute("charge.dispute.updated", id, now);
        self.withdraw(id, now);
        Ok(())
    }

    /// Somebody answers in Stripe's dashboard, with evidence.
    pub fn answer_dispute(&mut self, id: &str, now: Timestamp) -> Result<(), ApiRefusal> {
        let dispute = self.still_open(id)?;
        let prefix = if dispute.is_inquiry() { "warning_" } else { "" };
        dispute.status = format!("{prefix}under_review");
        dispute.has_evidence = true;
        self.emit_dispute("charge.dispute.updated", id, now);
        Ok(())
    }

    /// The bank's word. An inquiry is closed; it is neither won nor lost.
    pub fn close_dispute(&mut self, id: &str, won: bool, now: Timestamp) -> Result<(), ApiRefusal> {
        let dispute = self.still_open(id)?;
        let was_inquiry = dispute.is_inquiry();
        let status = match (was_inquiry, won) {
            (true, _) => "warning_closed",
            (false, true) => "won",
            (false, false) => "lost",
        };
        dispute.status = status.to_owned();
        let (amount, currency) = (dispute.amount, dispute.currency.clone());
        if won && !was_inquiry {
            let moved = self.book(statement::KIND_DISPUTE, id, (amount, 0), &currency, now);
            self.dispute_mut(id)?.moved.push(moved);
            self.emit_dispute("charge.dispute.funds_reinstated", id, now);
        }
        self.emit_dispute("charge.dispute.closed", id, now);
        Ok(())
    }

    /// Who lets the deadline pass has lost.
    pub fn close_unanswered(&mut self, now: Timestamp) {
        let is_over = |dispute: &&Dispute| {
            dispute.status.ends_with("needs_response") && dispute.due_by <= now.as_second()
        };
        let over: Vec<String> = self.disputes.iter().filter(is_over).map(|d| d.id.clone()).collect();
        for id in over {
            // Only open ones were chosen, so this cannot be refused.
            let _ = self.close_dispute(&id, false, now);
        }
    }

    /// What a refund would pay a second time.
    pub fn is_charged_back(&self, charge: &str) -> bool {
        let mut disputes = self.disputes.iter().filter(|dispute| dispute.charge == charge);
        disputes.any(|dispute| !dispute.is_inquiry() && dispute.status != "won")
    }

    fn withdraw(&mut self, id: &str, now: Timestamp) {
        let Ok(dispute) = self.dispute_mut(id) else { return };
        let (amount, currency) = (dispute.amount, dispute.currency.clone());
        let moved = self.book(statement::KIND_DISPUTE, id, (-amount, FEE), &currency, now);
        if let Ok(dispute) = self.dispute_mut(id) {
            dispute.moved.push(moved);
        }
        self.emit_dispute("charge.dispute.funds_withdrawn", id, now);
    }

    pub fn dispute_of(&self, id: &str) -> Result<&Dispute, ApiRefusal> {
        let found = self.disputes.iter().find(|dispute| dispute.id == id);
        found.ok_or_else(|| ApiRefusal::missing(404, "dispute", id, "dispute"))
    }

    /// What the bank has decided stays decided.
    fn still_open(&mut self, id: &str) -> Result<&mut Dispute, ApiRefusal> {
        let dispute = self.dispute_mut(id)?;
        if dispute.is_closed() {
            let message = format!("This dispute is already closed with status {}.", dispute.status);
            return Err(ApiRefusal { code: None, ..ApiRefusal::state("", message) });
        }
        Ok(dispute)
    }

    fn dispute_mut(&mut self, id: &str) -> Result<&mut Dispute, ApiRefusal> {
        let found = self.disputes.iter_mut().find(|dispute| dispute.id == id);
        found.ok_or_else(|| ApiRefusal::missing(404, "dispute", id, "dispute"))
    }

    fn emit_dispute(&mut self, kind: &str, id: &str, now: Timestamp) {
        if let Ok(object) = self.dispute_of(id).map(|dispute| render(self, dispute, now)) {
            self.emit(kind, object, now);
        }
    }
}

pub fn render(account: &Account, dispute: &Dispute, now: Timestamp) -> Value {
    let moved = account.statement.iter().filter(|movement| dispute.moved.contains(&movement.id));
    let is_open = dispute.status.ends_with("needs_response");
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "balance_transactions": moved.map(statement::render).collect::<Vec<Value>>(),
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "enhanced_eligibility_types": [],
        "evidence": {
            "access_activity_log": null, "billing_address": null, "cancellation_policy": null,
            "cancellation_policy_disclosure": null, "cancellation_rebuttal": null, "customer_communication": null,
            "customer_email_address": null, "customer_name": null, "customer_purchase_ip": null,
            "customer_signature": null, "duplicate_charge_documentation": null, "duplicate_charge_explanation": null,
            "duplicate_charge_id": null, "enhanced_evidence": {}, "product_description": null, "receipt": null,
            "refund_policy": null, "refund_policy_disclosure": null, "refund_refusal_explanation": null,
            "service_date": null, "service_documentation": null, "shipping_address": null, "shipping_carrier": null,
            "shipping_date": null, "shipping_documentation": null, "shipping_tracking_number": null,
            "uncategorized_file": null, "uncategorized_text": null,
        },
        "evidence_details": {
            "due_by": is_open.then_some(dispute.due_by),
            "enhanced_eligibility": {},
            "has_evidence": dispute.has_evidence,
            "past_due": is_open && dispute.due_by <= now.as_second(),
            "submission_count": i32::from(dispute.has_evidence),
        },
        "is_charge_refundable": dispute.is_inquiry() && !dispute.is_closed(),
        "livemode": dispute.livemode,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": dispute.payment_intent,
        "payment_method_details": { "type": "card", "card": { "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4" } },
        "reason": dispute.reason,
        "status": dispute.status,
    })
}
