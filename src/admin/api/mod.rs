//! `/api/admin`: the staff's list, one booking, and refunds, for the staff's own browsers. The same powers, second factor and
//! fresh proof as the pages; a token is never staff.

pub mod lines;
pub mod payout;
pub mod refund;

use axum::{Json as Answer, extract::State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use self::lines::{PriceLine, RefundLine};
use crate::{
    admin::{self, BookingRecord, Filter, From as Start, Line, Place},
    checkout::{
        Checkout,
        api::shapes::PaidByHand,
        staff_refund::{RefundDesk, Refundable},
    },
    db::Db,
    error::AppError,
    ids::{AttemptId, BookingReference},
    itinerary,
    money::{self, Currency},
    web::{
        form::Path,
        params::Params,
        powers::{May, SeeBookings},
        shapes::{Money, Offer},
    },
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListParams {
    q: String,
    state: String,
    cursor: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StaffBookingList)]
pub struct List {
    /// Newest first, fifty at most.
    items: Vec<StaffLine>,
    /// As `cursor`, it leads to what is older.
    #[schema(required)]
    next: Option<String>,
}

/// Personal data is masked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StaffBookingLine)]
pub struct StaffLine {
    #[schema(example = "K7WQ4M")]
    reference: String,
    #[schema(example = "confirmed")]
    state: String,
    #[schema(example = "ordered")]
    supplier_state: String,
    /// Of the latest attempt to pay.
    #[schema(required, example = "captured")]
    payment: Option<String>,
    #[schema(required, example = "9XKQ2P")]
    airline_reference: Option<String>,
    #[schema(example = "LIS")]
    origin: String,
    #[schema(example = "LHR")]
    destination: String,
    departs_at: Timestamp,
    #[schema(required, example = "M*** Duarte")]
    passenger: Option<String>,
    total: Money,
    created_at: Timestamp,
}

impl StaffLine {
    fn of(line: Line) -> Result<Self, AppError> {
        Ok(Self {
            total: amount(line.amount_minor, &line.currency)?,
            reference: line.reference,
            state: line.state,
            supplier_state: line.supplier_state,
            payment: line.payment,
            airline_reference: line.pnr,
            origin: line.origin,
            destination: line.destination,
            departs_at: line.departs_at,
            passenger: line.passenger,
            created_at: line.place.created_at,
        })
    }
}

fn amount(minor: i64, currency: &str) -> Result<Money, AppError> {
    Ok(money::Money::new(minor, currency.parse::<Currency>()?).into())
}

/// List all bookings
#[utoipa::path(
    get,
    path = "/api/admin/bookings",
    operation_id = "listAllBookings",
    tag = "Staff",
    params(
        ("q" = Option<String>, Query, description = "A reference, or the whole address of a contact.", min_length = 3, max_length = 254),
        ("state" = Option<String>, Query, description = "Only bookings in this state.", example = "confirmed"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of them.", body = List),
        (status = 403, description = "forbidden no_tokens_here"),
        (status = 422, description = "invalid"),
    ),
    security(("session" = [])),
)]
pub async fn list(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    Params(asked): Params<ListParams>,
) -> Result<Answer<List>, AppError> {
    let filter = Filter::read(&asked.state, &asked.q);
    let place = Some(asked.cursor.as_str()).filter(|cursor| !cursor.is_empty()).map(str::parse::<Place>);
    let mut errors = filter.as_ref().err().cloned().unwrap_or_default();
    if matches!(place, Some(Err(()))) {
        errors.add("cursor", "This is no `next` of ours");
    }
    let (Ok(filter), true) = (filter, errors.is_empty()) else { return Err(AppError::Invalid(errors)) };
    let start = place.and_then(Result::ok).map_or(Start::Newest, Start::OlderThan);
    let list = admin::list(&db, staff.user, &filter, start).await?;
    Ok(Answer(List {
        items: list.lines.into_iter().map(StaffLine::of).collect::<Result<_, _>>()?,
        next: list.turn.older.map(|place| place.to_string()),
    }))
}

/// Everything that is known of a booking. Personal data is masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffBooking {
    #[schema(example = "K7WQ4M")]
    reference: String,
    #[schema(example = "confirmed")]
    state: String,
    #[schema(example = "ordered")]
    supplier_state: String,
    #[schema(example = "timetable")]
    supplier: String,
    /// The supplier's own number.
    #[schema(required)]
    supplier_order: Option<String>,
    #[schema(required, example = "9XKQ2P")]
    airline_reference: Option<String>,
    total: Money,
    /// As it was quoted; missing if an older version wrote it in another form.
    #[schema(required)]
    offer: Option<Offer>,
    created_at: Timestamp,
    #[schema(required)]
    held_until: Option<Timestamp>,
    #[schema(required)]
    confirmed_at: Option<Timestamp>,
    #[schema(required, example = "dropped")]
    ended_reason: Option<String>,
    #[schema(required, example = "m***@example.com")]
    email: Option<String>,
    #[schema(required, example = "*** 07")]
    phone: Option<String>,
    passengers: Vec<StaffPassenger>,
    attempts: Vec<StaffAttempt>,
    refunds: Vec<StaffRefund>,
    /// What the price is made of, where money can go back by line.
    price_lines: Vec<PriceLine>,
    disputes: Vec<StaffDispute>,
    events: Vec<StaffEvent>,
    ledger: Vec<LedgerEntry>,
    attention: Vec<AttentionItem>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StaffPassenger {
    #[schema(example = "adult")]
    kind: String,
    #[schema(example = "M*** Duarte")]
    name: String,
    #[schema(required, example = "9992400118773")]
    ticket_number: Option<String>,
    #[schema(required, example = "passport ends in 42, PT, valid to 2031")]
    passport: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StaffAttempt {
    id: AttemptId,
    #[schema(example = "captured")]
    state: String,
    amount: Money,
    charged: Money,
    /// What of it may still be refunded.
    left: Money,
    /// The code of why nothing of it may be refunded now, if so.
    #[schema(required, example = "not_captured")]
    obstacle: Option<String>,
    #[schema(required, example = "visa 4242")]
    card: Option<String>,
    #[schema(required, example = "card_declined")]
    failure: Option<String>,
    #[schema(required, example = "amount_differs")]
    quarantined: Option<String>,
    #[schema(required, example = "cs_test_a1")]
    checkout_session: Option<String>,
    #[schema(required, example = "pi_1")]
    payment_intent: Option<String>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StaffRefund {
    id: Uuid,
    #[schema(example = "succeeded")]
    state: String,
    amount: Money,
    #[schema(example = "goodwill")]
    reason: String,
    /// Of which lines of the price. Empty: an amount only.
    lines: Vec<RefundLine>,
    #[schema(required, example = "re_1")]
    stripe_refund: Option<String>,
    /// Why Stripe has not paid it yet, while it waits, in Stripe's word.
    #[schema(required, example = "insufficient_funds")]
    pending_reason: Option<String>,
    /// Why it failed, in Stripe's word.
    #[schema(required, example = "lost_or_stolen_card")]
    failure_reason: Option<String>,
    /// How a person has paid it, after it had failed. Who it was, the audit log says.
    #[schema(required)]
    paid_by_hand: Option<PaidByHand>,
    updated_at: Timestamp,
}

/// The traveller's bank has asked for money back, or for an explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffDispute {
    #[schema(example = "dp_1")]
    stripe_dispute: String,
    /// `needs_response`, `under_review`, `won` or `lost`.
    #[schema(example = "needs_response")]
    state: String,
    /// Only a question: no money has moved for it.
    is_inquiry: bool,
    amount: Money,
    /// Stripe's word.
    #[schema(example = "fraudulent")]
    reason: String,
    /// Until then evidence is taken.
    #[schema(required)]
    answer_by: Option<Timestamp>,
    opened_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StaffEvent {
    at: Timestamp,
    #[schema(example = "offer_chosen")]
    kind: String,
    #[schema(example = "traveller")]
    actor: String,
    /// As it was written down; its members depend on the kind.
    #[schema(value_type = Object, additional_properties)]
    data: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerEntry {
    transaction: i64,
    at: Timestamp,
    #[schema(example = "captured")]
    kind: String,
    #[schema(example = "stripe_clearing")]
    account: String,
    /// A debit is positive, a credit negative.
    amount: Money,
}

/// What a person has to look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttentionItem {
    id: i64,
    #[schema(example = "refund_failed")]
    kind: String,
    #[schema(example = "EUR 412.60 is owed to the traveller and did not arrive")]
    detail: String,
    raised_at: Timestamp,
}

/// Look at any booking
#[utoipa::path(
    get,
    path = "/api/admin/bookings/{reference}",
    operation_id = "getAnyBooking",
    tag = "Staff",
    params(("reference" = String, Path, description = "Six letters and digits.")),
    responses(
        (status = 200, description = "All that is known of it.", body = StaffBooking),
        (status = 403, description = "forbidden no_tokens_here"),
    ),
    security(("session" = [])),
)]
pub async fn show(
    State(db): State<Db>,
    State(checkout): State<Checkout>,
    staff: May<SeeBookings>,
    Path(reference): Path<BookingReference>,
) -> Result<Answer<StaffBooking>, AppError> {
    let record = admin::booking(&db, staff.user, &reference).await?;
    let desk = checkout.refund_desk(staff.user, &reference).await?;
    StaffBooking::new(record, &desk).map(Answer)
}

impl StaffBooking {
    fn new(record: BookingRecord, desk: &RefundDesk) -> Result<Self, AppError> {
        let offer = serde_json::from_value::<itinerary::Offer>(record.quote).ok();
        let passengers = record.passengers.into_iter().map(|row| StaffPassenger {
            kind: row.kind,
            name: row.name,
            ticket_number: row.ticket,
            passport: row.document,
        });
        let refunds = record.refunds.into_iter().map(|row| {
            let amount = amount(row.amount_minor, &row.currency)?;
            let (id, state, reason) = (row.id, row.state, row.reason);
            let lines = row.parts.into_iter().map(|part| RefundLine::new(part, &row.currency));
            Ok(StaffRefund {
                id,
                state,
                amount,
                reason,
                lines: lines.collect::<Result<_, AppError>>()?,
                stripe_refund: row.stripe_id,
                pending_reason: row.pending_reason,
                failure_reason: row.failure,
                paid_by_hand: row.payout.map(|(payout, _)| payout.into()),
                updated_at: row.updated_at,
            })
        });
        let disputes = record.disputes.into_iter().map(|row| {
            let amount = amount(row.amount_minor, &row.currency)?;
            let (stripe_dispute, state, reason) = (row.stripe_id, row.state, row.reason);
            let (is_inquiry, answer_by, opened_at) = (row.is_inquiry, row.answer_by, row.opened_at);
            Ok(StaffDispute { stripe_dispute, state, is_inquiry, amount, reason, answer_by, opened_at })
        });
        let ledger = record.ledger.into_iter().map(|row| {
            let amount = amount(row.amount_minor, &row.currency)?;
            let (transaction, at, kind, account) = (row.transaction, row.at, row.kind, row.account);
            Ok(LedgerEntry { transaction, at, kind, account, amount })
        });
        let events = record.events.into_iter().map(|row| StaffEvent {
            at: row.at,
            kind: row.kind,
            actor: row.actor,
            data: row.data,
        });
        let attention = record.attention.into_iter().map(|row| AttentionItem {
            id: row.id,
            kind: row.kind,
            detail: row.detail.replace('\u{a0}', " "),
            raised_at: row.raised_at,
        });
        Ok(Self {
            total: amount(record.amount_minor, &record.currency)?,
            offer: offer.as_ref().map(Offer::try_from).transpose()?,
            passengers: passengers.collect(),
            attempts: desk.attempts.iter().map(StaffAttempt::of).collect(),
            refunds: refunds.collect::<Result<_, AppError>>()?,
            price_lines: desk.lines.iter().map(PriceLine::of).collect(),
            disputes: disputes.collect::<Result<_, AppError>>()?,
            events: events.collect(),
            ledger: ledger.collect::<Result<_, AppError>>()?,
            attention: attention.collect(),
            reference: record.reference,
            state: record.state,
            supplier_state: record.supplier_state,
            supplier: record.supplier,
            supplier_order: record.order,
            airline_reference: record.pnr,
            created_at: record.created_at,
            held_until: record.hold_expires_at,
            confirmed_at: record.confirmed_at,
            ended_reason: record.ended_reason,
            email: record.email,
            phone: record.phone,
        })
    }
}

impl StaffAttempt {
    fn of(refundable: &Refundable) -> Self {
        let attempt = &refundable.attempt;
        Self {
            id: attempt.id,
            state: attempt.state.code().to_owned(),
            amount: attempt.amount.into(),
            charged: attempt.captured.into(),
            left: refundable.left.into(),
            obstacle: refundable.obstacle.as_ref().map(|refusal| refusal.code.to_owned()),
            card: attempt.card.as_ref().map(|(brand, last4)| format!("{brand} {last4}")),
            failure: attempt.failure.clone(),
            quarantined: attempt.quarantined.clone(),
            checkout_session: attempt.session.clone(),
            payment_intent: attempt.payment_intent.clone(),
            created_at: attempt.created_at,
        }
    }
}
