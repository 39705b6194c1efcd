//! Money that staff give back: how much may go, and the one transaction that promises it. From there on it is a refund
//! like any other: a job asks Stripe, and the ledger follows what Stripe says.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    audit,
    bookings::{self, Actor, Booking, lifecycle::BookingState},
    checkout::{
        Attempt, Checkout,
        ledger::{self, Posting},
        lifecycle::AttemptState,
        price_lines::{LineId, LinePart, PriceLine, check_lines, lines_of},
        store,
    },
    db::{Principal, Staff, System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::{AttemptId, BookingReference, RefundId, UserId},
    itinerary::Passenger,
    money::Money,
    outbox::{self, About, Attention, Job, MailKind},
};

/// Of what somebody writes beside the reason.
pub const LONGEST_NOTE: usize = 300;

/// Why staff give money back: from a list, so that it can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Goodwill,
    ScheduleChange,
    NotProvided,
    ChargedTwice,
    AirlineRefund,
    Other,
}

impl Reason {
    pub const ALL: [Self; 6] = [
        Self::Goodwill,
        Self::ScheduleChange,
        Self::NotProvided,
        Self::ChargedTwice,
        Self::AirlineRefund,
        Self::Other,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Goodwill => "goodwill",
            Self::ScheduleChange => "schedule_change",
            Self::NotProvided => "not_provided",
            Self::ChargedTwice => "charged_twice",
            Self::AirlineRefund => "airline_refund",
            Self::Other => "other",
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Goodwill => "Goodwill",
            Self::ScheduleChange => "The airline changed the flights",
            Self::NotProvided => "Something sold was not provided",
            Self::ChargedTwice => "Charged twice",
            Self::AirlineRefund => "The airline gave money back",
            Self::Other => "Other: say it in the note",
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// An attempt of the booking, and what of its money may go back.
#[derive(Debug)]
pub struct Refundable {
    pub attempt: Attempt,
    pub left: Money,
    /// Why nothing of it may, if so.
    pub obstacle: Option<Refusal>,
}

/// Everything that a decision about a refund needs.
#[derive(Debug)]
pub struct RefundDesk {
    pub booking: Booking,
    pub attempts: Vec<Refundable>,
    /// What the price is made of, with what of each line has not gone back; none where nothing can go by line.
    pub lines: Vec<PriceLine>,
    /// In the order of the lines' numbers.
    pub passengers: Vec<Passenger>,
}

impl RefundDesk {
    pub fn of(&self, attempt: AttemptId) -> Option<&Refundable> {
        self.attempts.iter().find(|refundable| refundable.attempt.id == attempt)
    }

    /// The lines that money of this attempt can go back by: it paid for them.
    pub fn lines_of(&self, refundable: &Refundable) -> &[PriceLine] {
        if self.booking.lives_on(refundable.attempt.id) { &self.lines } else { &[] }
    }

    /// A booking without tickets needs nothing of its money any more, so that all of it goes.
    pub fn only_in_full(&self) -> bool {
        self.booking.ended_without_ticket()
    }

    /// After this refund nothing is left of the money behind a ticket that can be flown.
    pub fn leaves_live_ticket(&self, refundable: &Refundable, amount: Money) -> bool {
        leaves_live_ticket(&self.booking, refundable, amount)
    }
}

/// What somebody decided after seeing it written out.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// Drawn with the page that asked for the decision: sending it twice is the same decision.
    pub id: RefundId,
    pub attempt: AttemptId,
    pub amount: Money,
    /// What was left when the page was drawn.
    pub seen_left: Money,
    pub reason: Reason,
    pub note: String,
    /// Of what it gives back how much; none where it is an amount only.
    pub parts: Vec<LinePart>,
}

impl Checkout {
    pub async fn refund_desk(
        &self,
        staff: UserId,
        reference: &BookingReference,
    ) -> Result<RefundDesk, AppError> {
        let mut tx = self.db.begin(Staff(staff)).await?;
        let booking = bookings::store::find(&mut tx, reference).await?.ok_or(AppError::NotFound)?;
        let all = store::attempts_of(&mut tx, booking.id).await?;
        let busy = store::busy_with(&mut tx, booking.id).await?;
        let mut attempts = Vec::new();
        for attempt in &all {
            let left = store::unrefunded(&mut tx, attempt).await?;
            let in_ledger = store::standing_in_ledger(&mut tx, attempt).await?;
            let obstacle = obstacle(&booking, &all, attempt, left, &in_ledger, &busy).map(nothing_refunded);
            attempts.push(Refundable { attempt: attempt.clone(), left, obstacle });
        }
        let lines = lines_left(&mut tx, &booking, &all).await?;
        let passengers = bookings::store::passengers(&mut tx, booking.id).await?;
        let passengers = passengers.into_iter().map(|(passenger, _)| passenger).collect();
        Ok(RefundDesk { booking, attempts, lines, passengers })
    }

    /// Promises the refund: row, ledger, event, audit, mail and job in one transaction, under the lock of the booking.
    /// The same order again is no second refund.
    pub async fn refund_by_staff(
        &self,
        staff: UserId,
        reference: &BookingReference,
        order: &RefundOrder,
    ) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        let booking = bookings::store::find(&mut tx, reference).await?.ok_or(AppError::NotFound)?;
        let booking = bookings::store::lock(&mut tx, booking.id).await?;
        if let Some(made) = store::refund_of(&mut tx, order.id).await? {
            let is_same = made == (order.attempt, order.amount.minor)
                && store::refund_parts(&mut tx, order.id).await? == sorted(&order.parts);
            return if is_same { Ok(()) } else { Err(figures_changed(order.seen_left)) };
        }
        let all = store::attempts_of(&mut tx, booking.id).await?;
        // An attempt of another booking is as good as none.
        all.iter().find(|attempt| attempt.id == order.attempt).ok_or(AppError::NotFound)?;
        let attempt = store::lock_attempt(&mut tx, order.attempt).await?;
        let left = store::unrefunded(&mut tx, &attempt).await?;
        let in_ledger = store::standing_in_ledger(&mut tx, &attempt).await?;
        let busy = store::busy_with(&mut tx, booking.id).await?;
        if left != order.seen_left {
            return Err(figures_changed(left));
        }
        if let Some(refusal) = obstacle(&booking, &all, &attempt, left, &in_ledger, &busy) {
            return Err(AppError::Conflict(nothing_refunded(refusal)));
        }
        check_amount(&booking, order.amount, left).map_err(AppError::Invalid)?;
        if !order.parts.is_empty() {
            let is_behind_it = booking.lives_on(attempt.id);
            let lines = if is_behind_it { lines_left(&mut tx, &booking, &all).await? } else { Vec::new() };
            check_lines(&lines, &order.parts, order.amount).map_err(AppError::Invalid)?;
        }
        let refundable = Refundable { attempt, left, obstacle: None };
        promise(&mut tx, staff, &booking, &refundable, in_ledger.deposits, order, now).await?;
        tx.commit().await?;
        tracing::info!(refund = %order.id, staff = %staff, amount = order.amount.minor, "refund requested by staff");
        Ok(())
    }
}

async fn promise(
    tx: &mut Tx<System>,
    staff: UserId,
    booking: &Booking,
    from: &Refundable,
    deposits: Money,
    order: &RefundOrder,
    now: Timestamp,
) -> Result<(), AppError> {
    let (refund, amount) = (order.id, order.amount);
    let from_deposits = Money::new(deposits.minor.clamp(0, amount.minor), amount.currency);
    let posting = Posting::RefundGranted { refund, amount, from_deposits };
    store::insert_refund(tx, refund, &from.attempt, amount, order.reason.code(), now).await?;
    if !order.parts.is_empty() {
        store::insert_refund_parts(tx, refund, booking, &order.parts).await?;
    }
    ledger::post(tx, booking.id, &posting, now).await?;
    let mut event = json!({
        "refund": refund,
        "attempt": from.attempt.id,
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "reason": order.reason.code(),
    });
    if !order.parts.is_empty() {
        event["lines"] = order.parts.iter().map(part_as_told).collect();
    }
    bookings::store::record(tx, booking.id, "refund_requested", Actor::Staff(staff), &event, now).await?;
    let mut data = event;
    data["note"] = json!(order.note);
    let (action, subject) = (audit::Action::RefundRequested, refund.to_string());
    audit::record_for(tx, staff, action, Some(booking.id), &subject, &data, now).await?;
    if let Some(contact) = &booking.contact {
        let (kind, cause) = (MailKind::MoneyReturned, refund.to_string());
        outbox::owe_mail(tx, kind, About::Booking(booking.id), &contact.email, &cause, now).await?;
    }
    if leaves_live_ticket(booking, from, amount) {
        let detail = format!("{amount} was the last of its money, and its tickets can still be flown");
        let (kind, subject) = (Attention::RefundedTicketLive, booking.id.to_string());
        outbox::raise(tx, kind, &subject, Some(booking.id), &detail, now).await?;
    }
    outbox::push(tx, &Job::SubmitRefund(refund), now, now).await?;
    Ok(())
}

fn part_as_told(part: &LinePart) -> serde_json::Value {
    json!({
        "passenger": part.line.passenger,
        "item": part.line.item.to_string(),
        "amount_minor": part.amount.minor,
    })
}

/// By lines goes back what bought tickets, all of it by one payment.
async fn lines_left<P: Principal>(
    tx: &mut Tx<P>,
    booking: &Booking,
    attempts: &[Attempt],
) -> Result<Vec<PriceLine>, AppError> {
    let behind_it = attempts.iter().find(|attempt| booking.lives_on(attempt.id));
    if booking.ended_without_ticket() || behind_it.is_none_or(|attempt| attempt.captured != booking.amount) {
        return Ok(Vec::new());
    }
    let back = store::parts_back(tx, booking.id).await?;
    let mut lines = lines_of(booking);
    for line in &mut lines {
        if let Some((_, minor)) = back.iter().find(|(id, _)| *id == line.id) {
            line.left = Money::new(line.amount.minor - minor, line.amount.currency);
        }
    }
    Ok(lines)
}

fn sorted(parts: &[LinePart]) -> Vec<(LineId, i64)> {
    let mut parts: Vec<_> = parts.iter().map(|part| (part.line, part.amount.minor)).collect();
    parts.sort_unstable();
    parts
}

fn leaves_live_ticket(booking: &Booking, from: &Refundable, amount: Money) -> bool {
    let is_behind_it = booking.lives_on(from.attempt.id);
    booking.state == BookingState::Confirmed && is_behind_it && amount == from.left
}

/// Whether this much may go back; the message stands beside the field "amount".
pub fn check_amount(booking: &Booking, amount: Money, left: Money) -> Result<(), FieldErrors> {
    let refuse = |message: String| Err(FieldErrors::one("amount", message));
    if amount.currency != left.currency || amount.minor <= 0 {
        return refuse(format!("More than nothing, in {}", left.currency));
    }
    if amount.minor > left.minor {
        return refuse(format!("At most {left} is left of this payment"));
    }
    if !amount.is_on_step() {
        return refuse(format!(
            "In {} the last digit has to be 0: Stripe moves no smaller steps",
            amount.currency
        ));
    }
    if booking.ended_without_ticket() && amount != left {
        return refuse(format!("The booking has ended, so all {left} go back"));
    }
    Ok(())
}

fn nothing_refunded(refusal: Refusal) -> Refusal {
    Refusal { detail: format!("{} Nothing was refunded.", refusal.detail), ..refusal }
}

/// Why nothing of this attempt may be paid back by a person now, if so.
pub(super) fn obstacle(
    booking: &Booking,
    all: &[Attempt],
    attempt: &Attempt,
    left: Money,
    in_ledger: &store::Standing,
    busy: &store::Busy,
) -> Option<Refusal> {
    let no = |code, title, detail: &str| Some(Refusal { code, title, detail: detail.to_owned() });
    let is_behind_ticket = booking.lives_on(attempt.id) && booking.state == BookingState::Confirmed;
    if all.iter().any(|attempt| attempt.quarantined.is_some()) {
        no(
            "quarantined",
            "A payment of this booking is in quarantine",
            "Stripe's facts do not fit what was accepted. That has to be settled first.",
        )
    } else if busy.disputed {
        no("disputed", "This booking is in dispute", "The bank decides; a refund now could be paid twice.")
    } else if busy.refunded_elsewhere {
        no(
            "refunded_elsewhere",
            "Money went back in Stripe's dashboard",
            "By our books it cannot be, so what is left is not known either. That has to be settled first.",
        )
    } else if attempt.state != AttemptState::Captured {
        no(
            "not_captured",
            "Nothing was charged there",
            "Money that is only set aside is released when the booking ends.",
        )
    } else if left.minor <= 0 {
        no("nothing_left", "All of it has gone back", "Nothing is left of this payment.")
    } else if matches!(booking.state, BookingState::Ticketing | BookingState::Cancelling)
        || (is_behind_ticket && !in_ledger.is_sold)
    {
        no(
            "in_flight",
            "The airline is being asked at this moment",
            "What becomes of the tickets decides what becomes of the money. Wait for it.",
        )
    } else if busy.returning {
        no("returning", "This money goes back by itself", "A job is at it.")
    } else {
        None
    }
}

fn figures_changed(left: Money) -> AppError {
    AppError::Conflict(Refusal {
        code: "figures_changed",
        title: "The figures have changed",
        detail: format!(
            "Somebody else was faster. Now {left} is left of this payment. This refund was not made. Look again before you \
             decide."
        ),
    })
}

#[cfg(test)]
mod tests;
