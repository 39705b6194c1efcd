//! Captured money on its way back: owed, asked for, and followed until it has arrived or a person must help.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    bookings::{self, Actor, lifecycle::Step, told},
    checkout::{
        Attempt, Checkout, RefundRow, disputes, foreign_refunds,
        ledger::{self, Posting},
        lifecycle::{RefundEffect, RefundEvent, RefundState, next_refund},
        store, upstream,
    },
    db::{System, Tx},
    error::AppError,
    ids::RefundId,
    money::Money,
    outbox::{self, About, Attention, FactKind, Job, MailKind, Outcome},
    payments::{NewRefund, PaymentError, Refund, RefundStatus},
};

const FOLLOW_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Stripe's no to a refund of what a bank has taken back.
const CHARGED_BACK: &str = "charge_disputed";
/// How long a refund waits for a Stripe that is down before a person hears of it.
const PATIENCE: SignedDuration = SignedDuration::from_hours(72);

impl Checkout {
    /// Owes back what was taken for an attempt that the booking does not live on.
    pub(super) async fn owe_refund(&self, of: &Attempt) -> Result<(), AppError> {
        let (id, now) = (of.id, self.clock.now());
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, of.booking).await?;
        let attempt = store::lock_attempt(&mut tx, id).await?;
        let left = store::unrefunded(&mut tx, &attempt).await?;
        // What a bank would not take a person is paying by hand: promised once more, it might be paid twice.
        let in_hand = store::failed_in_hand(&mut tx, id).await?;
        let amount = Money::new(left.minor - in_hand, left.currency);
        // Whoever sent us here looked without a lock: by now the booking may live on it.
        if amount.minor <= 0 || booking.needs(id) {
            return Ok(());
        }
        promise(&mut tx, &attempt, amount, "not_needed", now).await?;
        // An unticketed booking's own mail tells of its own money; this is about money that came besides.
        if booking.secured_by != Some(id)
            && let Some(contact) = &booking.contact
        {
            let (kind, cause) = (MailKind::MoneyReturned, id.to_string());
            outbox::owe_mail(&mut tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Asks Stripe to pay back, once, and follows the refund until it has arrived or failed. However long Stripe is down,
    /// it is asked again; after three days a person hears of it.
    pub async fn submit_refund(&self, id: RefundId) -> Result<Outcome, AppError> {
        let refund = self.refund(id).await?;
        match self.try_refund(&refund).await {
            Err(AppError::Upstream { reason, .. }) if self.has_waited_long(&refund) => {
                self.call_for_help(&refund, &format!("Stripe cannot be asked: {reason}")).await?;
                Ok(Outcome::Again(self.clock.now() + FOLLOW_EVERY))
            }
            other => other,
        }
    }

    async fn call_for_help(&self, refund: &RefundRow, why: &str) -> Result<(), AppError> {
        let detail = format!("{} is owed to the traveller, and {why}", refund.amount);
        let (kind, subject) = (Attention::RefundUnsent, refund.id.to_string());
        let mut tx = self.db.begin(System).await?;
        outbox::raise(&mut tx, kind, &subject, Some(refund.booking), &detail, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    fn has_waited_long(&self, refund: &RefundRow) -> bool {
        self.clock.now().duration_since(refund.created_at) >= PATIENCE
    }

    async fn try_refund(&self, refund: &RefundRow) -> Result<Outcome, AppError> {
        match refund.state {
            RefundState::Succeeded | RefundState::Failed | RefundState::PaidByHand => {
                return Ok(Outcome::Done);
            }
            RefundState::Requested if self.is_disputed(refund).await? => {
                // The bank has the money and decides; a refund now could be paid twice.
                return Ok(Outcome::Again(self.clock.now() + FOLLOW_EVERY));
            }
            RefundState::Requested if refund.is_ours => {}
            RefundState::Requested
            | RefundState::SubmitUnknown
            | RefundState::Submitted
            | RefundState::Pending => {
                if self.find_refund(refund).await? {
                    return self.until_settled(refund.id).await;
                }
                if refund.state != RefundState::SubmitUnknown || !refund.is_ours {
                    return Ok(Outcome::Again(self.clock.now() + FOLLOW_EVERY));
                }
            }
        }
        self.ask_for_refund(refund).await
    }

    /// Whether Stripe has made it; if so, with what has become of it.
    async fn find_refund(&self, refund: &RefundRow) -> Result<bool, AppError> {
        let told = self.payments.refunds_of(&refund.payment_intent).await;
        let told = told.map_err(|error| upstream(&error))?;
        let is_it =
            |told: &&Refund| told.refund == Some(refund.id) || Some(&told.id) == refund.stripe_id.as_ref();
        let Some(told) = told.iter().find(is_it) else { return Ok(false) };
        self.move_refund(refund.id, Word::of(told)).await?;
        Ok(true)
    }

    async fn is_disputed(&self, refund: &RefundRow) -> Result<bool, AppError> {
        let mut tx = self.db.begin(System).await?;
        Ok(disputes::store::is_open_of(&mut tx, refund.attempt).await?)
    }

    /// After silence the same question has the same key: a worker that hung may still be putting it, and one key is paid
    /// once. Only where Stripe has told twice that it failed, and has nothing in its list, that answer is what it keeps
    /// under the key, and the next question gets a new one.
    async fn ask_for_refund(&self, refund: &RefundRow) -> Result<Outcome, AppError> {
        let id = refund.id;
        let request = NewRefund {
            refund: id,
            booking: refund.booking,
            payment_intent: refund.payment_intent.clone(),
            amount: refund.amount,
            idempotency_key: format!("refund:{id}:{}", refund.try_epoch),
        };
        let mut answer = self.payments.refund(&request).await;
        if matches!(answer, Err(PaymentError::Failed(_))) {
            // A failure before Stripe had begun is not kept: then this does it.
            answer = self.payments.refund(&request).await;
        }
        match answer {
            Ok(answer) => {
                self.move_refund(id, Word::of(&answer)).await?;
                self.until_settled(id).await
            }
            Err(PaymentError::Refused { code, .. }) if code == CHARGED_BACK => {
                self.charged_back(refund).await
            }
            Err(PaymentError::Refused { code, .. }) => self.refused(refund, &code).await,
            Err(error) => {
                self.move_refund(id, Word { event: RefundEvent::NoAnswer, told: None, refusal: None })
                    .await?;
                if matches!(error, PaymentError::Failed(_)) {
                    if self.find_refund(refund).await? {
                        return self.until_settled(id).await;
                    }
                    self.next_key(refund).await?;
                }
                Err(upstream(&error))
            }
        }
    }

    /// Stripe's dashboard may have been quicker: then the traveller has the money, or has less to get than we asked for. What
    /// it made goes into our books in place of ours, and what is still owed is asked for anew.
    async fn refused(&self, refund: &RefundRow, code: &str) -> Result<Outcome, AppError> {
        let told = self.payments.refunds_of(&refund.payment_intent).await;
        let told = told.map_err(|error| upstream(&error))?;
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::lock(&mut tx, refund.booking).await?;
        if foreign_refunds::are_all_known(&mut tx, refund.attempt, &told).await? {
            step_refund(&mut tx, refund.id, Word::refused(code), now).await?;
        } else {
            let withdrawn = withdraw(&mut tx, refund.id, "dashboard", now).await?;
            let gone = foreign_refunds::take_in_others(&mut tx, &booking, refund.attempt, &told, now).await?;
            if let Some(withdrawn) = withdrawn {
                owe_rest(&mut tx, &withdrawn, gone, now).await?;
            }
        }
        tx.commit().await?;
        Ok(Outcome::Done)
    }

    /// A bank has this payment, and we may not have heard of it yet. Stripe keeps its no under the key; should the bank decide
    /// for us, the next question has another. Where it has decided against us, Stripe pays back no other part either: a
    /// person has to.
    async fn charged_back(&self, refund: &RefundRow) -> Result<Outcome, AppError> {
        let mut tx = self.db.begin(System).await?;
        let is_lost = disputes::store::is_lost_of(&mut tx, refund.attempt).await?;
        drop(tx);
        if is_lost {
            self.move_refund(refund.id, Word::refused(CHARGED_BACK)).await?;
            return Ok(Outcome::Done);
        }
        self.next_key(refund).await?;
        if self.has_waited_long(refund) {
            let why = "Stripe does not send it: a bank has taken the payment back. No dispute has come to us";
            self.call_for_help(refund, why).await?;
        }
        Ok(Outcome::Again(self.clock.now() + FOLLOW_EVERY))
    }

    async fn next_key(&self, refund: &RefundRow) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        store::bump_refund_epoch(&mut tx, refund).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Banks take days, and the webhook that would tell may be lost.
    async fn until_settled(&self, id: RefundId) -> Result<Outcome, AppError> {
        Ok(match self.refund(id).await?.state {
            RefundState::Succeeded | RefundState::Failed | RefundState::PaidByHand => Outcome::Done,
            _ => Outcome::Again(self.clock.now() + FOLLOW_EVERY),
        })
    }

    async fn refund(&self, id: RefundId) -> Result<RefundRow, AppError> {
        let mut tx = self.db.begin(System).await?;
        store::lock_refund(&mut tx, id).await
    }

    /// What Stripe says of the refunds of an attempt, ours by their metadata or id. All others were made in its dashboard.
    pub async fn apply_refunds(&self, attempt: &Attempt) -> Result<(), AppError> {
        let Some(intent) = &attempt.payment_intent else { return Ok(()) };
        // Oldest first: the one that does not fit any more is the last one.
        for told in self.payments.refunds_of(intent).await.map_err(|error| upstream(&error))?.iter().rev() {
            match self.known_refund(attempt, told).await? {
                Some(id) => self.move_refund(id, Word::of(told)).await?,
                None => self.take_in_refund(attempt, told).await?,
            }
        }
        Ok(())
    }

    async fn known_refund(&self, attempt: &Attempt, told: &Refund) -> Result<Option<RefundId>, AppError> {
        let mut tx = self.db.begin(System).await?;
        foreign_refunds::known(&mut tx, attempt.id, told).await
    }

    async fn move_refund(&self, id: RefundId, word: Word<'_>) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        step_refund(&mut tx, id, word, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The traveller has this money, or a part of it, by another way: from a "bank" or the "dashboard". `None`: it is not ours to withdraw any more.
pub(super) async fn withdraw(
    tx: &mut Tx<System>,
    id: RefundId,
    by: &'static str,
    now: Timestamp,
) -> Result<Option<RefundRow>, AppError> {
    let refund = store::lock_refund(tx, id).await?;
    let Step::Move { to, .. } = next_refund(refund.state, RefundEvent::Failed) else { return Ok(None) };
    store::set_refund_state(tx, id, to, None).await?;
    let posting = Posting::RefundFailed { refund: id, amount: refund.amount };
    ledger::post(tx, refund.booking, &posting, now).await?;
    let data = json!({ "refund": id, "attempt": refund.attempt, "reason": by });
    bookings::store::record(tx, refund.booking, "refund_withdrawn", Actor::System, &data, now).await?;
    Ok(Some(refund))
}

/// What a refund was to pay back is owed all the same, less what has gone by another way.
pub(super) async fn owe_rest(
    tx: &mut Tx<System>,
    withdrawn: &RefundRow,
    gone: i64,
    now: Timestamp,
) -> Result<(), AppError> {
    let attempt = store::lock_attempt(tx, withdrawn.attempt).await?;
    let left = store::unrefunded(tx, &attempt).await?;
    let amount = Money::new((withdrawn.amount.minor - gone).min(left.minor), left.currency);
    if amount.minor <= 0 {
        return Ok(());
    }
    promise(tx, &attempt, amount, &withdrawn.reason, now).await
}

/// Out of the traveller's deposit, and by a job.
async fn promise(
    tx: &mut Tx<System>,
    attempt: &Attempt,
    amount: Money,
    reason: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    let refund = RefundId::new();
    store::insert_refund(tx, refund, attempt, amount, reason, now).await?;
    ledger::post(tx, attempt.booking, &Posting::RefundPromised { refund, amount }, now).await?;
    outbox::push(tx, &Job::SubmitRefund(refund), now, now).await?;
    Ok(())
}

/// What is heard of a refund, and from whom.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    event: RefundEvent,
    /// Stripe's own object, where there is one.
    told: Option<&'a Refund>,
    /// Why Stripe would not make one.
    refusal: Option<&'a str>,
}

impl<'a> Word<'a> {
    pub(super) fn of(told: &'a Refund) -> Self {
        Self { event: refund_event(&told.status), told: Some(told), refusal: None }
    }

    const fn refused(code: &'a str) -> Self {
        Self { event: RefundEvent::Failed, told: None, refusal: Some(code) }
    }

    /// Why a refund in this state waits, and why it failed, as far as it is told.
    fn reasons(self, state: RefundState) -> (Option<&'a str>, Option<&'a str>) {
        let told =
            |reason: fn(&Refund) -> &Option<String>| self.told.and_then(|told| reason(told).as_deref());
        let code = |reason: Option<&'a str>| reason.filter(|reason| store::is_code(reason));
        match state {
            RefundState::Pending => (code(told(|told| &told.pending_reason)), None),
            RefundState::Failed => (None, code(told(|told| &told.failure).or(self.refusal))),
            _ => (None, None),
        }
    }
}

/// One word on a refund, its state, its audit line and all that follows.
pub(super) async fn step_refund(
    tx: &mut Tx<System>,
    id: RefundId,
    word: Word<'_>,
    now: Timestamp,
) -> Result<(), AppError> {
    let refund = store::lock_refund(tx, id).await?;
    let (to, effects) = match next_refund(refund.state, word.event) {
        Step::Move { to, effects } => (to, effects),
        // It waits as before, but for another reason.
        Step::Replay if word.event == RefundEvent::Pending && waits_anew(&refund, word) => {
            (refund.state, Vec::new())
        }
        _ => return Ok(()),
    };
    let (pending, failure) = word.reasons(to);
    store::set_refund_state(tx, id, to, word.told.map(|told| told.id.as_str())).await?;
    store::set_refund_reasons(tx, id, pending, failure).await?;
    let mut data = told_of(&refund);
    for (name, reason) in [("pending_reason", pending), ("failure_reason", failure)] {
        if let Some(reason) = reason {
            data[name] = json!(reason);
        }
    }
    let kind = format!("refund_{}", to.code());
    bookings::store::record(tx, refund.booking, &kind, Actor::Stripe, &data, now).await?;
    tell_of_refund(tx, &refund, to, now).await?;
    for effect in effects {
        refund_effect(tx, &refund, effect, now).await?;
    }
    Ok(())
}

fn waits_anew(refund: &RefundRow, word: Word<'_>) -> bool {
    let (reason, _) = word.reasons(refund.state);
    reason.is_some() && reason != refund.pending_reason.as_deref()
}

/// What every event about a refund says of it.
pub(super) fn told_of(refund: &RefundRow) -> serde_json::Value {
    json!({
        "refund": refund.id,
        "attempt": refund.attempt,
        "amount_minor": refund.amount.minor,
        "currency": refund.amount.currency,
    })
}

pub(super) async fn refund_effect(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    effect: RefundEffect,
    now: Timestamp,
) -> Result<(), AppError> {
    let (booking, amount) = (refund.booking, refund.amount);
    match effect {
        RefundEffect::PostPaid => {
            tell(tx, refund, MailKind::RefundPaid, now).await?;
            ledger::post(tx, booking, &Posting::RefundPaid { refund: refund.id, amount }, now).await?;
        }
        RefundEffect::PostReturned => {
            ledger::post(tx, booking, &Posting::RefundReturned { refund: refund.id, amount }, now).await?;
        }
        RefundEffect::RaiseFailed => {
            ledger::post(tx, booking, &Posting::RefundFailed { refund: refund.id, amount }, now).await?;
            let detail = format!("{amount} is owed to the traveller and did not arrive");
            let (kind, subject) = (Attention::RefundFailed, refund.id.to_string());
            outbox::raise(tx, kind, &subject, Some(booking), &detail, now).await?;
            tell(tx, refund, MailKind::RefundFailed, now).await?;
        }
        RefundEffect::PostPaidByHand => {
            tell(tx, refund, MailKind::RefundPaidByHand, now).await?;
            let posting = Posting::RefundPaidByHand { refund: refund.id, amount };
            ledger::post(tx, booking, &posting, now).await?;
        }
    }
    Ok(())
}

pub(super) async fn tell_of_refund(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    state: RefundState,
    now: Timestamp,
) -> Result<(), AppError> {
    let kind = match state {
        RefundState::Succeeded => FactKind::RefundSucceeded,
        RefundState::Failed => FactKind::RefundFailed,
        RefundState::PaidByHand => FactKind::RefundSettled,
        _ => return Ok(()),
    };
    let Some(booking) = bookings::store::find_by_id(tx, refund.booking).await? else { return Ok(()) };
    let data = json!({
        "booking": told::name_of(&booking),
        "refund": { "id": refund.id, "amount_minor": refund.amount.minor, "currency": refund.amount.currency },
        "payment": { "id": refund.attempt },
    });
    outbox::tell(tx, kind, refund.booking, &refund.id.to_string(), &data, now).await?;
    Ok(())
}

/// Whoever waits for money hears where it is.
async fn tell(
    tx: &mut Tx<System>,
    refund: &RefundRow,
    kind: MailKind,
    now: Timestamp,
) -> Result<(), AppError> {
    let booking = bookings::store::find_by_id(tx, refund.booking).await?;
    if let Some(contact) = booking.and_then(|booking| booking.contact) {
        let (about, cause) = (About::Booking(refund.booking), refund.id.to_string());
        outbox::owe_mail(tx, kind, about, &contact.email, &cause, now).await?;
    }
    Ok(())
}

pub(super) fn refund_event(status: &RefundStatus) -> RefundEvent {
    match status {
        RefundStatus::Pending | RefundStatus::RequiresAction => RefundEvent::Pending,
        RefundStatus::Succeeded => RefundEvent::Succeeded,
        RefundStatus::Failed | RefundStatus::Canceled => RefundEvent::Failed,
        // It exists; more is not known yet.
        RefundStatus::Unknown(_) => RefundEvent::Accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{AttemptId, BookingId},
        web::components::samples::eur,
    };

    fn told(status: RefundStatus) -> Refund {
        Refund {
            id: "re_1".to_owned(),
            status,
            amount: eur(700),
            payment_intent: Some("pi_1".to_owned()),
            refund: None,
            created: Timestamp::UNIX_EPOCH,
            failure: Some("lost_or_stolen_card".to_owned()),
            pending_reason: Some("insufficient_funds".to_owned()),
        }
    }

    fn row(state: RefundState, pending_reason: Option<&str>) -> RefundRow {
        RefundRow {
            id: RefundId::new(),
            booking: BookingId::new(),
            attempt: AttemptId::new(),
            state,
            amount: eur(700),
            reason: "not_needed".to_owned(),
            try_epoch: 1,
            payment_intent: "pi_1".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            is_ours: true,
            stripe_id: None,
            pending_reason: pending_reason.map(str::to_owned),
            failure: None,
        }
    }

    #[test]
    fn money_is_back_only_when_stripe_says_so_and_an_unknown_word_settles_nothing() {
        for (status, event) in [
            (RefundStatus::Pending, RefundEvent::Pending),
            (RefundStatus::RequiresAction, RefundEvent::Pending),
            (RefundStatus::Succeeded, RefundEvent::Succeeded),
            (RefundStatus::Failed, RefundEvent::Failed),
            (RefundStatus::Canceled, RefundEvent::Failed),
            (RefundStatus::Unknown("x".to_owned()), RefundEvent::Accepted),
        ] {
            assert_eq!(refund_event(&status), event, "{status:?}");
        }
        assert_eq!(Word::refused(CHARGED_BACK).event, RefundEvent::Failed);
    }

    #[test]
    fn a_reason_is_told_while_it_holds_and_only_if_it_is_a_word_of_stripes() {
        let told = told(RefundStatus::Pending);
        let reasons = |state| Word::of(&told).reasons(state);
        assert_eq!(reasons(RefundState::Pending), (Some("insufficient_funds"), None));
        assert_eq!(reasons(RefundState::Failed), (None, Some("lost_or_stolen_card")));
        for &state in RefundState::ALL {
            if !matches!(state, RefundState::Pending | RefundState::Failed) {
                assert_eq!(reasons(state), (None, None), "{state:?}");
            }
        }
        assert_eq!(Word::refused(CHARGED_BACK).reasons(RefundState::Failed), (None, Some(CHARGED_BACK)));
        let odd = Refund { pending_reason: Some("Call us at once!".to_owned()), ..told.clone() };
        assert_eq!(Word::of(&odd).reasons(RefundState::Pending), (None, None));
    }

    #[test]
    fn what_waits_is_told_anew_only_for_another_reason() {
        let (first, silent) =
            (told(RefundStatus::Pending), Refund { pending_reason: None, ..told(RefundStatus::Pending) });
        let anew = |before, told| waits_anew(&row(RefundState::Pending, before), Word::of(told));
        assert!(anew(None, &first) && anew(Some("charge_pending"), &first));
        assert!(!anew(Some("insufficient_funds"), &first) && !anew(Some("insufficient_funds"), &silent));
    }

    #[test]
    fn an_event_of_a_refund_names_it_its_payment_and_its_amount() {
        let row = row(RefundState::Requested, None);
        let wanted =
            json!({ "refund": row.id, "attempt": row.attempt, "amount_minor": 700, "currency": "EUR" });
        assert_eq!(told_of(&row), wanted);
    }
}
