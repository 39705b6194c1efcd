//! A refund that failed, and that a person has paid another way: out of the agency's own bank account or till. Writing that
//! down closes it for good, once, with what proves it. It is no way to send money: that has happened by then.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;

use crate::{
    audit,
    bookings::{self, Actor, Booking, lifecycle::Step},
    checkout::{
        Attempt, Checkout, RefundRow,
        lifecycle::{RefundEvent, RefundState, next_refund},
        price_lines::lines_of,
        refunds::{refund_effect, tell_of_refund, told_of},
        staff_refund::obstacle,
        store,
    },
    db::{System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::{BookingReference, RefundId, UserId},
    money::Money,
    outbox::{self, Attention},
};

/// As long as the column takes.
pub const LONGEST_PROOF: usize = 200;
/// Somewhere on earth it is already that day, and somewhere it still is.
const DAY_BEGINS: SignedDuration = SignedDuration::from_hours(14);
const DAY_ENDS: SignedDuration = SignedDuration::from_hours(12);

/// How the money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    BankTransfer,
    Cash,
    Other,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::BankTransfer, Self::Cash, Self::Other];

    pub const fn code(self) -> &'static str {
        match self {
            Self::BankTransfer => "bank_transfer",
            Self::Cash => "cash",
            Self::Other => "other",
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::BankTransfer => "Bank transfer",
            Self::Cash => "Cash",
            Self::Other => "Another way",
        }
    }

    /// After "paid".
    pub const fn by(self) -> &'static str {
        match self {
            Self::BankTransfer => "by bank transfer",
            Self::Cash => "in cash",
            Self::Other => "another way than by card",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.code() == code)
    }
}

/// What a person says of a payment of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    pub way: Way,
    pub paid_on: Date,
    /// What it can be found by.
    pub proof: String,
}

impl Payout {
    /// "21 Nov 2026".
    pub fn day(&self) -> String {
        self.paid_on.strftime("%-d %b %Y").to_string()
    }

    /// After "paid": "by bank transfer on 21 Nov 2026, reference FT26325-0041".
    pub fn in_words(&self) -> String {
        format!("{} on {}, reference {}", self.way.by(), self.day(), self.proof)
    }
}

/// A refund with everything that matters for paying it by hand.
#[derive(Debug)]
pub struct PayoutDesk {
    pub booking: Booking,
    pub attempt: Attempt,
    pub refund: RefundRow,
    /// What of its payment has not gone back; a refund that failed gave nothing back.
    pub left: Money,
    /// Why it cannot be recorded as paid by hand, if so.
    pub obstacle: Option<Refusal>,
    /// It has been, by whom.
    pub recorded: Option<(Payout, UserId)>,
}

impl PayoutDesk {
    /// Whether the money can have left on that day; the message stands beside the field "paid_on".
    pub fn check_day(&self, day: Date, now: Timestamp) -> Result<(), FieldErrors> {
        let refuse = |message: &str| Err(FieldErrors::one("paid_on", message));
        let day_of = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
        if day > day_of(now + DAY_BEGINS) {
            return refuse("This day is still to come. Record it when the money has left");
        }
        if day < day_of(self.refund.created_at - DAY_ENDS) {
            return refuse("On this day nobody had asked for this refund yet");
        }
        Ok(())
    }
}

impl Checkout {
    pub async fn payout_desk(
        &self,
        reference: &BookingReference,
        id: RefundId,
    ) -> Result<PayoutDesk, AppError> {
        let mut tx = self.db.begin(System).await?;
        judge(&mut tx, reference, id).await
    }

    /// Closes the refund: state, proof, ledger, event, audit, mail and the item that asked for a person, in one transaction
    /// under the locks of the booking, the refund and its payment. The same word of the same person again is no second one.
    pub async fn pay_by_hand(
        &self,
        staff: UserId,
        reference: &BookingReference,
        id: RefundId,
        payout: &Payout,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let desk = judge(&mut tx, reference, id).await?;
        if desk.recorded.as_ref().is_some_and(|(made, by)| made == payout && *by == staff) {
            return Ok(());
        }
        if let Some(refusal) = desk.obstacle {
            return Err(AppError::Conflict(refusal));
        }
        desk.check_day(payout.paid_on, now).map_err(AppError::Invalid)?;
        close(&mut tx, staff, &desk.refund, payout, now).await?;
        tx.commit().await?;
        tracing::info!(refund = %id, staff = %staff, amount = desk.refund.amount.minor, "refund paid by hand");
        Ok(())
    }
}

/// The booking first, then the refund and its payment, as Stripe's word on a refund locks them.
async fn judge(
    tx: &mut Tx<System>,
    reference: &BookingReference,
    id: RefundId,
) -> Result<PayoutDesk, AppError> {
    let booking = bookings::store::find(tx, reference).await?.ok_or(AppError::NotFound)?;
    let booking = bookings::store::lock(tx, booking.id).await?;
    let (attempt, _) = store::refund_of(tx, id).await?.ok_or(AppError::NotFound)?;
    let all = store::attempts_of(tx, booking.id).await?;
    // A refund of another booking is as good as none.
    all.iter().find(|known| known.id == attempt).ok_or(AppError::NotFound)?;
    let refund = store::lock_refund(tx, id).await?;
    let attempt = store::lock_attempt(tx, attempt).await?;
    let left = store::unrefunded(tx, &attempt).await?;
    let recorded = store::payout_of(tx, id).await?;
    let obstacle = match (&recorded, refund.state) {
        (Some((made, _)), _) => Some(paid_already(&refund, made, left)),
        (None, RefundState::Failed) => {
            let in_ledger = store::standing_in_ledger(tx, &attempt).await?;
            let busy = store::busy_with(tx, booking.id).await?;
            let still_owed = match lines_are_left(tx, &booking, id).await? {
                true => left.minor.min(in_ledger.deposits.minor).clamp(0, refund.amount.minor),
                false => 0,
            };
            let still_owed = Money::new(still_owed, refund.amount.currency);
            let obstacle = obstacle(&booking, &all, &attempt, left, &in_ledger, &busy);
            obstacle.or_else(|| not_owed(&refund, still_owed, left)).map(nothing_recorded)
        }
        (None, state) => Some(not_failed(state)),
    };
    Ok(PayoutDesk { booking, attempt, refund, left, obstacle, recorded })
}

/// By the lines that it was to give back, another refund may have gone meanwhile.
async fn lines_are_left(tx: &mut Tx<System>, booking: &Booking, id: RefundId) -> Result<bool, AppError> {
    let parts = store::refund_parts(tx, id).await?;
    if parts.is_empty() {
        return Ok(true);
    }
    let (lines, back) = (lines_of(booking), store::parts_back(tx, booking.id).await?);
    Ok(parts.iter().all(|(part, minor)| {
        let cost = lines.iter().find(|line| line.id == *part).map_or(0, |line| line.amount.minor);
        let gone = back.iter().find(|(line, _)| line == part).map_or(0, |(_, minor)| *minor);
        gone.saturating_add(*minor) <= cost
    }))
}

async fn close(
    tx: &mut Tx<System>,
    staff: UserId,
    refund: &RefundRow,
    payout: &Payout,
    now: Timestamp,
) -> Result<(), AppError> {
    let Step::Move { to, effects } = next_refund(refund.state, RefundEvent::PaidByHand) else {
        return Err(AppError::Conflict(not_failed(refund.state)));
    };
    store::set_refund_state(tx, refund.id, to, None).await?;
    store::insert_payout(tx, refund.id, payout, staff, now).await?;
    let mut data = told_of(refund);
    data["way"] = json!(payout.way.code());
    data["paid_on"] = json!(payout.paid_on);
    data["proof"] = json!(payout.proof);
    let kind = format!("refund_{}", to.code());
    bookings::store::record(tx, refund.booking, &kind, Actor::Staff(staff), &data, now).await?;
    tell_of_refund(tx, refund, to, now).await?;
    for effect in effects {
        refund_effect(tx, refund, effect, now).await?;
    }
    let kinds = [Attention::RefundFailed, Attention::RefundUnsent];
    let (subject, reason) = (refund.id.to_string(), format!("Paid by hand: {}", payout.in_words()));
    let items = outbox::resolve_about(tx, &kinds, &subject, staff, &reason, now).await?;
    let action = audit::Action::RefundPaidByHand;
    audit::record_for(tx, staff, action, Some(refund.booking), &subject, &data, now).await?;
    for item in items {
        let (action, data) = (audit::Action::AttentionResolved, json!({ "reason": reason }));
        let subject = item.to_string();
        audit::record_for(tx, staff, action, Some(refund.booking), &subject, &data, now).await?;
    }
    Ok(())
}

fn nothing_recorded(refusal: Refusal) -> Refusal {
    Refusal { detail: format!("{} Nothing was recorded.", refusal.detail), ..refusal }
}

fn paid_already(refund: &RefundRow, made: &Payout, left: Money) -> Refusal {
    Refusal {
        code: "paid_already",
        title: "This refund is recorded as paid already",
        detail: format!(
            "{} was paid {}. Of its payment {left} is left. It is recorded once: anything sent after that is not kept. If the \
             money went out twice, ask for it back.",
            refund.amount,
            made.in_words()
        ),
    }
}

fn not_failed(state: RefundState) -> Refusal {
    let detail = match state {
        RefundState::Succeeded => "Stripe has paid it: by hand it would be paid twice.",
        _ => "Stripe may still pay it: by hand it would be paid twice. Wait until it has arrived or failed.",
    };
    nothing_recorded(Refusal {
        code: "not_failed",
        title: "This refund has not failed",
        detail: detail.to_owned(),
    })
}

fn not_owed(refund: &RefundRow, still_owed: Money, left: Money) -> Option<Refusal> {
    let (title, detail) = match still_owed.minor {
        minor if minor == refund.amount.minor => return None,
        0 => (
            "This is not owed any more",
            format!("What failed has gone back another way since. Of its payment {left} is left."),
        ),
        _ => (
            "Not all of this is owed any more",
            format!(
                "A part of it has gone back another way since: of these {} {still_owed} can still be owed. Refund that as a new \
                 refund. If that fails too, record it as paid by hand.",
                refund.amount
            ),
        ),
    };
    Some(Refusal { code: "not_owed", title, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookings::lifecycle::BookingState,
        checkout::{lifecycle::AttemptState, pages::samples::standing},
        web::components::samples::eur,
    };

    fn desk(asked_at: &str) -> PayoutDesk {
        let mut standing = standing(BookingState::Failed).with(AttemptState::Captured).living_on_it();
        let (booking, attempt) = (standing.file.booking, standing.attempts.remove(0));
        let refund = RefundRow {
            id: RefundId::new(),
            booking: booking.id,
            attempt: attempt.id,
            state: RefundState::Failed,
            amount: eur(80_000),
            reason: "not_needed".to_owned(),
            try_epoch: 1,
            payment_intent: "pi_1".to_owned(),
            created_at: asked_at.parse().unwrap(),
            is_ours: true,
            stripe_id: None,
            pending_reason: None,
            failure: None,
        };
        PayoutDesk { booking, attempt, refund, left: eur(80_000), obstacle: None, recorded: None }
    }

    #[test]
    fn money_left_on_a_day_that_is_here_somewhere_and_not_before_anybody_asked() {
        let may_be = |asked_at: &str, now: &str, day: &str| {
            desk(asked_at).check_day(day.parse().unwrap(), now.parse().unwrap())
        };
        let said = |told: Result<(), FieldErrors>| {
            told.err().map(|errors| errors.get("paid_on").unwrap_or_default().to_owned())
        };
        let asked = "2026-11-20T12:00:00Z";
        for (now, day) in [
            // Ten in the morning UTC is midnight where the day begins.
            ("2026-11-22T10:00:00Z", "2026-11-23"),
            ("2026-11-22T09:59:59Z", "2026-11-22"),
            ("2026-11-22T09:59:59Z", "2026-11-20"),
        ] {
            assert_eq!(said(may_be(asked, now, day)), None, "{day} at {now}");
        }
        // Before noon UTC it is still the day before, where the day ends last.
        assert_eq!(said(may_be("2026-11-20T11:59:59Z", "2026-11-22T12:00:00Z", "2026-11-19")), None);
        let early = said(may_be(asked, "2026-11-22T09:59:59Z", "2026-11-23")).unwrap();
        assert!(early.starts_with("This day is still to come"), "{early}");
        let late = said(may_be(asked, "2026-11-22T12:00:00Z", "2026-11-19")).unwrap();
        assert!(late.starts_with("On this day nobody had asked"), "{late}");
    }

    #[test]
    fn whoever_may_not_record_a_payment_hears_what_became_of_the_money_and_that_nothing_was_recorded() {
        for &state in RefundState::ALL.iter().filter(|&&state| state != RefundState::Failed) {
            let refusal = not_failed(state);
            assert_eq!(refusal.code, "not_failed");
            let has_paid = refusal.detail.starts_with("Stripe has paid it");
            assert_eq!(has_paid, state == RefundState::Succeeded, "{state:?}");
            assert!(refusal.detail.ends_with(" Nothing was recorded."), "{}", refusal.detail);
        }
        let made =
            Payout { way: Way::Cash, paid_on: jiff::civil::date(2026, 11, 21), proof: "No. 7".to_owned() };
        let twice =
            paid_already(&desk("2026-11-20T12:00:00Z").refund, &made, eur(100)).detail.replace('\u{a0}', " ");
        assert!(
            twice.starts_with("EUR 800.00 was paid in cash on 21 Nov 2026, reference No. 7. Of its payment EUR 1.00 is left."),
            "{twice}"
        );
        let refund = desk("2026-11-20T12:00:00Z").refund;
        let told = |owed| {
            not_owed(&refund, eur(owed), eur(100)).map(|refusal| refusal.detail.replace('\u{a0}', " "))
        };
        assert!(told(refund.amount.minor).is_none());
        assert!(told(0).unwrap().ends_with("Of its payment EUR 1.00 is left."));
        let part = told(70_000).unwrap();
        assert!(part.contains("of these EUR 800.00 EUR 700.00 can still be owed"), "{part}");
    }

    #[test]
    fn every_way_reads_back_and_is_put_into_words() {
        for way in Way::ALL {
            assert_eq!(Way::from_code(way.code()), Some(way));
        }
        assert_eq!(Way::from_code("crypto"), None);
        assert_eq!(Way::ALL.map(Way::in_words), ["Bank transfer", "Cash", "Another way"]);
        assert_eq!(Way::ALL.map(Way::by), ["by bank transfer", "in cash", "another way than by card"]);
        let payout = Payout {
            way: Way::BankTransfer,
            paid_on: jiff::civil::date(2026, 11, 21),
            proof: "FT26325-0041".to_owned(),
        };
        assert_eq!(payout.in_words(), "by bank transfer on 21 Nov 2026, reference FT26325-0041");
    }
}
