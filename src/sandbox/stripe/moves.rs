//! What can happen to money: states move only as Stripe moves them, and each move tells its events.

use jiff::Timestamp;
use serde_json::json;

use super::{
    account::{Account, Charge, Debit, Intent, PendingCard, Refund, new_id},
    cards::{self, Answer, TestCard},
    refusal::ApiRefusal,
    requests::in_steps,
    statement,
};

/// How long a bank takes for a direct debit; Stripe's test accounts take no longer.
const DEBIT_SECONDS: i64 = 3 * 60;
/// A card's authorisation lapses after a week.
const AUTHORISATION_SECONDS: i64 = 7 * 24 * 3_600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paid {
    /// The session is complete; the traveller goes back to the shop.
    Complete,
    /// The issuer wants to see its customer first.
    Authenticate,
    Declined(String),
    /// Complete or expired before: nothing was tried.
    Closed,
}

impl Account {
    /// A card is tried on the session's page.
    pub fn pay(
        &mut self,
        session: &str,
        card: TestCard,
        last4: &str,
        now: Timestamp,
    ) -> Result<Paid, ApiRefusal> {
        if self.session(session)?.status != "open" {
            return Ok(Paid::Closed);
        }
        let intent = self.intent_of(session, now)?;
        let tried = PendingCard { brand: card.brand.to_owned(), last4: last4.to_owned() };
        match card.answer {
            Answer::Approve => {
                self.authorise(&intent, &tried, "checkout.session.completed", now)?;
                Ok(Paid::Complete)
            }
            Answer::Debit { arrives } => {
                let settles_at = now.as_second() + DEBIT_SECONDS;
                let record = self.intent_mut(&intent)?;
                record.status = "processing".into();
                // Nothing can be set aside on a bank account.
                record.capture_method = "automatic".into();
                record.last_error = None;
                record.debit = Some(Debit { account: tried, arrives, settles_at });
                self.session_mut(session)?.status = "complete".into();
                self.emit_intent("payment_intent.processing", &intent, now);
                self.emit_session("checkout.session.completed", session, now);
                Ok(Paid::Complete)
            }
            Answer::Authenticate => {
                let record = self.intent_mut(&intent)?;
                record.status = "requires_action".into();
                record.pending_card = Some(tried);
                self.emit_intent("payment_intent.requires_action", &intent, now);
                Ok(Paid::Authenticate)
            }
            Answer::Decline { code, decline_code, message } => {
                let charge = self.charge(&intent, &tried, Some((code.into(), message.into())), now)?;
                let record = self.intent_mut(&intent)?;
                record.status = "requires_payment_method".into();
                let mut error =
                    json!({ "type": "card_error", "code": code, "message": message, "charge": charge });
                if let Some(decline_code) = decline_code {
                    error["decline_code"] = decline_code.into();
                }
                record.last_error = Some(error);
                self.emit_charge("charge.failed", &charge, now);
                self.emit_intent("payment_intent.payment_failed", &intent, now);
                Ok(Paid::Declined(message.to_owned()))
            }
        }
    }

    /// The 3-D Secure step: the issuer says who passed.
    pub fn authenticate(&mut self, session: &str, passed: bool, now: Timestamp) -> Result<Paid, ApiRefusal> {
        let record = self.session(session)?;
        let waiting = record.payment_intent.clone().filter(|_| record.status == "open");
        let Some(id) = waiting else { return Ok(Paid::Closed) };
        let intent = self.intent_mut(&id)?;
        let Some(card) = intent.pending_card.take().filter(|_| intent.status == "requires_action") else {
            return Ok(Paid::Closed);
        };
        if passed {
            self.authorise(&id, &card, "checkout.session.completed", now)?;
            return Ok(Paid::Complete);
        }
        let message =
            "We are unable to authenticate your payment method. Please choose another and try again.";
        intent.status = "requires_payment_method".into();
        intent.last_error = Some(json!({
            "type": "card_error", "code": "payment_intent_authentication_failure", "message": message,
        }));
        self.emit_intent("payment_intent.payment_failed", &id, now);
        Ok(Paid::Declined(message.to_owned()))
    }

    pub fn expire(&mut self, session: &str, now: Timestamp) -> Result<(), ApiRefusal> {
        let record = self.session_mut(session)?;
        if record.status != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Session has a status of \"{}\".",
                record.status
            );
            return Err(ApiRefusal { code: None, ..ApiRefusal::state("", message) });
        }
        record.status = "expired".into();
        let intent = record.payment_intent.clone();
        if let Some(intent) = intent {
            self.close_intent(&intent, "automatic", now)?;
        }
        self.emit_session("checkout.session.expired", session, now);
        Ok(())
    }

    pub fn capture(&mut self, id: &str, amount: Option<i64>, now: Timestamp) -> Result<(), ApiRefusal> {
        let intent = self.intent_mut(id)?;
        if intent.status != "requires_capture" {
            return Err(unexpected_state("captured", &intent.status, "requires_capture"));
        }
        let taken = amount.unwrap_or(intent.capturable);
        if taken < 1 {
            let message = "This value must be greater than or equal to 1.";
            return Err(ApiRefusal::invalid("parameter_invalid_integer", "amount_to_capture", message));
        }
        if taken > intent.capturable {
            let message = format!(
                "The amount to capture ({taken}) is greater than the amount that can be captured ({}).",
                intent.capturable
            );
            return Err(ApiRefusal::invalid("amount_too_large", "amount_to_capture", message));
        }
        in_steps(&intent.currency, taken, "amount_to_capture")?;
        intent.status = "succeeded".into();
        intent.received = taken;
        intent.capturable = 0;
        if let Some(charge) = intent.latest_charge.clone() {
            let mut is_disputed = false;
            if let Some(record) = self.charges.get_mut(&charge) {
                record.captured = taken;
                is_disputed = cards::is_disputed(&record.last4);
                let currency = record.currency.clone();
                let fee = statement::fee_of(taken);
                self.book(statement::KIND_CHARGE, &charge, (taken, fee), &currency, now);
            }
            self.emit_charge("charge.captured", &charge, now);
            self.emit_intent("payment_intent.succeeded", id, now);
            if is_disputed {
                self.dispute(id, None, false, now)?;
            }
        }
        Ok(())
    }

    pub fn cancel(&mut self, id: &str, reason: Option<String>, now: Timestamp) -> Result<(), ApiRefusal> {
        let intent = self.intent(id)?;
        if matches!(intent.status.as_str(), "succeeded" | "canceled") {
            return Err(unexpected_state(
                "canceled",
                &intent.status,
                "requires_payment_method, requires_capture, requires_confirmation, requires_action, processing",
            ));
        }
        if self.session(&intent.session)?.status == "open" {
            let message = "You cannot cancel the PaymentIntent of an open Checkout Session. Expire the Session instead.";
            return Err(ApiRefusal::state("payment_intent_unexpected_state", message));
        }
        self.close_intent(id, reason.as_deref().unwrap_or_default(), now)
    }

    pub fn refund(
        &mut self,
        intent_id: &str,
        amount: Option<i64>,
        metadata: super::account::Metadata,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<String, ApiRefusal> {
        let missing = || ApiRefusal::missing(400, "payment_intent", intent_id, "payment_intent");
        let intent = self.intents.get(intent_id).ok_or_else(missing)?;
        let charged = intent.latest_charge.clone().filter(|_| intent.status == "succeeded");
        let Some(charge_id) = charged else {
            let message =
                format!("This PaymentIntent ({intent_id}) does not have a successful charge to refund.");
            return Err(ApiRefusal::invalid("payment_intent_unexpected_state", "payment_intent", message));
        };
        let missing = || ApiRefusal::missing(404, "charge", &charge_id, "charge");
        if self.is_charged_back(&charge_id) {
            let message = format!("Charge {charge_id} has been charged back; cannot issue a refund.");
            return Err(ApiRefusal::state("charge_disputed", message));
        }
        let charge = self.charges.get_mut(&charge_id).ok_or_else(missing)?;
        let left = charge.captured - charge.refunded;
        let amount = amount.unwrap_or(left);
        if left == 0 {
            let message = format!("Charge {charge_id} has already been refunded.");
            return Err(ApiRefusal::state("charge_already_refunded", message));
        }
        if !(1..=left).contains(&amount) {
            let message =
                format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(ApiRefusal { code: None, ..ApiRefusal::invalid("", "amount", message) });
        }
        in_steps(&charge.currency, amount, "amount")?;
        charge.refunded += amount;
        let currency = charge.currency.clone();
        let id = new_id("re", 24);
        let waits_for = self.refunds_wait_for.clone();
        self.refunds.push(Refund {
            id: id.clone(),
            payment_intent: intent_id.to_owned(),
            charge: charge_id.clone(),
            created: now.as_second(),
            amount,
            currency: currency.clone(),
            status: if waits_for.is_none() { "succeeded" } else { "pending" }.into(),
            metadata,
            reason,
            failure_reason: None,
            unpaid: waits_for.is_some(),
            pending_reason: waits_for.clone(),
        });
        if waits_for.is_none() {
            self.book(statement::KIND_REFUND, &id, (-amount, 0), &currency, now);
        }
        self.emit_refund("refund.created", &id, now);
        self.emit_charge("charge.refunded", &charge_id, now);
        Ok(id)
    }

    /// A bank sends the money back, or takes its time: something that no request brings about. `reason` is why it waits or
    /// failed.
    pub fn settle_refund(
        &mut self,
        id: &str,
        status: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ApiRefusal> {
        let missing = || ApiRefusal::missing(404, "refund", id, "refund");
        let refund = self.refunds.iter_mut().find(|refund| refund.id == id).ok_or_else(missing)?;
        let failed = status == "failed" && refund.status != "failed";
        let paid = status == "succeeded" && refund.unpaid;
        let was_unpaid = refund.unpaid;
        let (amount, currency) = (refund.amount, refund.currency.clone());
        refund.status = status.to_owned();
        refund.pending_reason = (status == "pending").then(|| reason.to_owned());
        refund.unpaid &= !paid;
        if failed {
            refund.failure_reason = Some(reason.to_owned());
            if let Some(charge) = self.charges.get_mut(&refund.charge) {
                charge.refunded -= amount;
            }
        }
        if paid {
            self.book(statement::KIND_REFUND, id, (-amount, 0), &currency, now);
        }
        if failed && !was_unpaid {
            self.book(statement::KIND_REFUND_FAILURE, id, (amount, 0), &currency, now);
        }
        self.emit_refund(if failed { "refund.failed" } else { "refund.updated" }, id, now);
        Ok(())
    }

    pub fn make_refunds_wait(&mut self, reason: Option<&str>, now: Timestamp) -> Result<(), ApiRefusal> {
        self.refunds_wait_for = reason.map(str::to_owned);
        let waiting = self.refunds.iter().filter(|refund| refund.unpaid && refund.status == "pending");
        let freed: Vec<String> =
            waiting.filter(|_| reason.is_none()).map(|refund| refund.id.clone()).collect();
        freed.iter().try_for_each(|id| self.settle_refund(id, "succeeded", "", now))
    }

    /// What time alone does: sessions expire, authorisations lapse, unanswered disputes are lost.
    pub fn sweep(&mut self, now: Timestamp) {
        let at = now.as_second();
        self.close_unanswered(now);
        let over: Vec<String> = (self.sessions.values())
            .filter(|session| session.status == "open" && session.expires_at <= at)
            .map(|session| session.id.clone())
            .collect();
        for id in over {
            // Only an open session was chosen, so this cannot be refused.
            let _ = self.expire(&id, now);
        }
        let decided: Vec<String> = (self.intents.values())
            .filter(|intent| intent.status == "processing")
            .filter(|intent| intent.debit.as_ref().is_some_and(|debit| debit.settles_at <= at))
            .map(|intent| intent.id.clone())
            .collect();
        for id in decided {
            // It was on its way until now, so nothing about it can be refused.
            let _ = self.settle_debit(&id, now);
        }
        let lapsed: Vec<String> = (self.intents.values())
            .filter(|intent| intent.status == "requires_capture")
            .filter(|intent| intent.authorised_at.is_some_and(|since| since + AUTHORISATION_SECONDS <= at))
            .map(|intent| intent.id.clone())
            .collect();
        for id in lapsed {
            self.lapse(&id, now);
        }
    }

    /// The issuer takes its authorisation back.
    pub fn lapse(&mut self, intent: &str, now: Timestamp) {
        let charge = self.intents.get(intent).and_then(|intent| intent.latest_charge.clone());
        if self.close_intent(intent, "automatic", now).is_ok()
            && let Some(charge) = charge
        {
            self.emit_charge("charge.expired", &charge, now);
        }
    }

    fn intent_of(&mut self, session: &str, now: Timestamp) -> Result<String, ApiRefusal> {
        let record = self.session_mut(session)?;
        if let Some(id) = &record.payment_intent {
            return Ok(id.clone());
        }
        let intent = Intent {
            id: new_id("pi", 24),
            session: session.to_owned(),
            created: now.as_second(),
            amount: record.amount,
            currency: record.currency.clone(),
            livemode: record.livemode,
            status: "requires_payment_method".into(),
            capture_method: record.capture_method.clone(),
            capturable: 0,
            received: 0,
            metadata: record.intent_metadata.clone(),
            description: record.intent_description.clone(),
            last_error: None,
            latest_charge: None,
            authorised_at: None,
            canceled_at: None,
            cancellation_reason: None,
            pending_card: None,
            debit: None,
        };
        let id = intent.id.clone();
        record.payment_intent = Some(id.clone());
        self.intents.insert(id.clone(), intent);
        self.emit_intent("payment_intent.created", &id, now);
        Ok(id)
    }

    fn charge(
        &mut self,
        intent: &str,
        card: &PendingCard,
        failure: Option<(String, String)>,
        now: Timestamp,
    ) -> Result<String, ApiRefusal> {
        let record = self.intent_mut(intent)?;
        let charge = Charge {
            id: new_id("ch", 24),
            payment_intent: intent.to_owned(),
            created: now.as_second(),
            amount: record.amount,
            captured: 0,
            refunded: 0,
            currency: record.currency.clone(),
            livemode: record.livemode,
            metadata: record.metadata.clone(),
            brand: card.brand.clone(),
            last4: card.last4.clone(),
            failure,
        };
        let id = charge.id.clone();
        record.latest_charge = Some(id.clone());
        self.charges.insert(id.clone(), charge);
        Ok(id)
    }

    fn authorise(
        &mut self,
        id: &str,
        card: &PendingCard,
        told: &str,
        now: Timestamp,
    ) -> Result<(), ApiRefusal> {
        let charge = self.charge(id, card, None, now)?;
        let intent = self.intent_mut(id)?;
        intent.status = "requires_capture".into();
        intent.capturable = intent.amount;
        intent.authorised_at = Some(now.as_second());
        intent.last_error = None;
        let (at_once, session) = (intent.capture_method != "manual", intent.session.clone());
        self.session_mut(&session)?.status = "complete".into();
        self.emit_charge("charge.succeeded", &charge, now);
        if at_once {
            self.capture(id, None, now)?;
        } else {
            self.emit_intent("payment_intent.amount_capturable_updated", id, now);
        }
        self.emit_session(told, &session, now);
        Ok(())
    }

    /// The bank has decided about a direct debit.
    fn settle_debit(&mut self, id: &str, now: Timestamp) -> Result<(), ApiRefusal> {
        let Some(Debit { account, arrives, .. }) = self.intent_mut(id)?.debit.take() else { return Ok(()) };
        if arrives {
            return self.authorise(id, &account, "checkout.session.async_payment_succeeded", now);
        }
        let (code, message) = ("payment_method_not_available", "The bank did not pay the direct debit.");
        let charge = self.charge(id, &account, Some((code.into(), message.into())), now)?;
        let intent = self.intent_mut(id)?;
        intent.status = "requires_payment_method".into();
        intent.last_error = Some(
            json!({ "type": "invalid_request_error", "code": code, "message": message, "charge": charge }),
        );
        let session = intent.session.clone();
        self.emit_charge("charge.failed", &charge, now);
        self.emit_intent("payment_intent.payment_failed", id, now);
        self.emit_session("checkout.session.async_payment_failed", &session, now);
        Ok(())
    }

    fn close_intent(&mut self, id: &str, reason: &str, now: Timestamp) -> Result<(), ApiRefusal> {
        let intent = self.intent_mut(id)?;
        intent.status = "canceled".into();
        intent.capturable = 0;
        intent.pending_card = None;
        intent.canceled_at = Some(now.as_second());
        intent.cancellation_reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        self.emit_intent("payment_intent.canceled", id, now);
        Ok(())
    }
}

fn unexpected_state(deed: &str, status: &str, needed: &str) -> ApiRefusal {
    let message = format!(
        "This PaymentIntent could not be {deed} because it has a status of {status}. Only a PaymentIntent with one of the following statuses may be {deed}: {needed}."
    );
    ApiRefusal::state("payment_intent_unexpected_state", message)
}
