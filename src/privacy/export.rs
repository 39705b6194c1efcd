//! The file that a person may take along. Its shape is a promise: `format` names it, fields are added, none is renamed or
//! taken away without a new name. Times are RFC 3339, days ISO 8601, money in minor units ("41260" of EUR is EUR 412.60).
//!
//! It holds what the person gave us and what came of it. Left out are passwords and tokens (kept by their hash only),
//! ids that mean something to our machines alone, and the agency's own books.
//!
//! All of it is read as the traveller: what row-level security does not show cannot be in the file.

use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    bookings,
    db::{Traveller, Tx},
    error::AppError,
    ids::{BookingId, BookingReference},
    itinerary::Offer,
};

const FORMAT: &str = "jetbridge-export/1";

#[derive(Debug, Serialize, ToSchema)]
pub struct Export {
    format: &'static str,
    exported_at: Timestamp,
    account: Account,
    profile: Profile,
    saved_travellers: Vec<SavedTraveller>,
    bookings: Vec<BookingPart>,
    mails: Vec<MailPart>,
    devices: Vec<DevicePart>,
    programs: Vec<ProgramPart>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportAccount)]
struct Account {
    email: String,
    created_at: Timestamp,
    /// When the address was proven to be theirs.
    #[schema(required)]
    email_verified_at: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ExportProfile)]
struct Profile {
    name: String,
    phone: String,
    #[schema(required)]
    born_on: Option<Date>,
    #[schema(required)]
    nationality: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportSavedTraveller)]
struct SavedTraveller {
    given_names: String,
    family_name: String,
    born_on: Date,
    sex: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportBooking)]
struct BookingPart {
    #[schema(value_type = String, example = "K7WQ4M")]
    reference: BookingReference,
    status: &'static str,
    created_at: Timestamp,
    #[schema(required)]
    confirmed_at: Option<Timestamp>,
    total_minor: i64,
    currency: &'static str,
    fare: String,
    flights: Vec<Flight>,
    #[schema(required)]
    airline_reference: Option<String>,
    #[schema(required)]
    contact_email: Option<String>,
    #[schema(required)]
    contact_phone: Option<String>,
    passengers: Vec<PassengerPart>,
    payments: Vec<Payment>,
    refunds: Vec<RefundPart>,
    events: Vec<EventPart>,
}

/// As on the airport's wall.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportFlight)]
struct Flight {
    number: String,
    airline: String,
    from: String,
    to: String,
    departs: String,
    arrives: String,
    cabin: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportPassenger)]
struct PassengerPart {
    kind: &'static str,
    given_names: String,
    family_name: String,
    born_on: Date,
    sex: &'static str,
    #[schema(required)]
    ticket_number: Option<String>,
    #[schema(required)]
    passport: Option<PassportPart>,
}

/// The number itself is sealed, and we show it to nobody, not even to whoever gave it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportPassport)]
struct PassportPart {
    ends_in: String,
    issued_by: String,
    expires_on: Date,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportPayment)]
struct Payment {
    status: String,
    amount_minor: i64,
    charged_minor: i64,
    currency: String,
    #[schema(required)]
    card_brand: Option<String>,
    #[schema(required)]
    card_last4: Option<String>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportRefund)]
struct RefundPart {
    status: String,
    amount_minor: i64,
    currency: String,
    reason: String,
    /// How the agency has paid it itself, where Stripe could not.
    #[schema(required)]
    paid_by_hand: Option<PayoutPart>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportPayout)]
struct PayoutPart {
    way: String,
    paid_on: Date,
    proof: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportEvent)]
struct EventPart {
    at: Timestamp,
    kind: String,
    by: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportMail)]
struct MailPart {
    kind: String,
    #[schema(required)]
    booking: Option<String>,
    status: String,
    written_at: Timestamp,
    #[schema(required)]
    sent_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportDevice)]
struct DevicePart {
    name: String,
    signed_in_at: Timestamp,
    last_seen_at: Timestamp,
}

/// A program that was given access to the account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportProgram)]
struct ProgramPart {
    program: String,
    scopes: Vec<String>,
    signed_in_at: Timestamp,
    expires_at: Timestamp,
}

impl Export {
    pub(super) async fn gather(tx: &mut Tx<Traveller>, now: Timestamp) -> Result<Self, AppError> {
        Ok(Self {
            format: FORMAT,
            exported_at: now,
            account: account(tx).await?,
            profile: profile(tx).await?,
            saved_travellers: saved_travellers(tx).await?,
            bookings: booking_parts(tx).await?,
            mails: mails(tx).await?,
            devices: devices(tx).await?,
            programs: programs(tx).await?,
        })
    }

    /// As it is saved on somebody's disk.
    pub fn to_json(&self) -> Result<String, AppError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// "jetbridge-2026-11-23.json".
    pub fn file_name(&self) -> String {
        format!("jetbridge-{}.json", self.exported_at.strftime("%Y-%m-%d"))
    }
}

async fn account(tx: &mut Tx<Traveller>) -> Result<Account, AppError> {
    let row = sqlx::query!(
        r#"select email::text as "email!", created_at as "created_at!: jiff_sqlx::Timestamp",
                  email_verified_at as "email_verified_at: jiff_sqlx::Timestamp"
             from auth.own_account()"#,
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(AppError::Unauthenticated)?;
    Ok(Account {
        email: row.email,
        created_at: row.created_at.to_jiff(),
        email_verified_at: row.email_verified_at.map(|at| at.to_jiff()),
    })
}

async fn profile(tx: &mut Tx<Traveller>) -> Result<Profile, AppError> {
    let row = sqlx::query!(
        r#"select full_name, phone, born_on as "born_on: jiff_sqlx::Date", nationality from profiles"#
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map_or_else(Profile::default, |row| Profile {
        name: row.full_name,
        phone: row.phone,
        born_on: row.born_on.map(|day| day.to_jiff()),
        nationality: row.nationality,
    }))
}

async fn saved_travellers(tx: &mut Tx<Traveller>) -> Result<Vec<SavedTraveller>, AppError> {
    let rows = sqlx::query!(
        r#"select given_names, family_name, born_on as "born_on: jiff_sqlx::Date", sex
             from saved_travellers order by created_at, id"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| SavedTraveller {
        given_names: row.given_names,
        family_name: row.family_name,
        born_on: row.born_on.to_jiff(),
        sex: row.sex,
    });
    Ok(part.collect())
}

async fn booking_parts(tx: &mut Tx<Traveller>) -> Result<Vec<BookingPart>, AppError> {
    let references: Vec<String> = sqlx::query_scalar!(
        "select booking_reference from bookings where user_id = app_user_id() order by created_at, id"
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut parts = Vec::with_capacity(references.len());
    for reference in references {
        let reference =
            reference.parse().map_err(|_| AppError::broken("a booking reference of another form"))?;
        let booking = bookings::store::find(tx, &reference).await?.ok_or(AppError::NotFound)?;
        let passengers = bookings::store::passengers(tx, booking.id).await?;
        let documents = bookings::documents::store::notes(tx, booking.id).await?;
        let events = bookings::store::events(tx, booking.id).await?;
        let (contact_email, contact_phone) = booking.contact.map(|c| (c.email, c.phone)).unzip();
        parts.push(BookingPart {
            reference: booking.reference,
            status: booking.state.code(),
            created_at: booking.created_at,
            confirmed_at: booking.confirmed_at,
            total_minor: booking.amount.minor,
            currency: booking.amount.currency.code(),
            fare: booking.offer.fare.brand.clone(),
            flights: flights(&booking.offer),
            airline_reference: booking.pnr,
            contact_email,
            contact_phone,
            passengers: passengers
                .into_iter()
                .zip(documents)
                .map(|((passenger, ticket_number), document)| PassengerPart {
                    kind: passenger.kind.code(),
                    given_names: passenger.given_names,
                    family_name: passenger.family_name,
                    born_on: passenger.born_on,
                    sex: passenger.sex.code(),
                    ticket_number,
                    passport: document.map(|note| PassportPart {
                        ends_in: note.last_two,
                        issued_by: note.country,
                        expires_on: note.expires_on,
                    }),
                })
                .collect(),
            payments: payments(tx, booking.id).await?,
            refunds: refunds(tx, booking.id).await?,
            events: events
                .into_iter()
                .map(|event| EventPart { at: event.at.to_jiff(), kind: event.kind, by: event.actor })
                .collect(),
        });
    }
    Ok(parts)
}

fn flights(offer: &Offer) -> Vec<Flight> {
    let local = |time: &crate::itinerary::LocalTime| time.local.strftime("%Y-%m-%dT%H:%M").to_string();
    offer
        .segments()
        .map(|segment| Flight {
            number: format!("{} {}", segment.carrier.code, segment.number),
            airline: segment.carrier.name.clone(),
            from: segment.from.code.to_string(),
            to: segment.to.code.to_string(),
            departs: local(&segment.departs),
            arrives: local(&segment.arrives),
            cabin: segment.cabin.code(),
        })
        .collect()
}

async fn payments(tx: &mut Tx<Traveller>, booking: BookingId) -> Result<Vec<Payment>, AppError> {
    let rows = sqlx::query!(
        r#"select state, amount_minor, captured_minor, currency, card_brand, card_last4,
                  created_at as "created_at: jiff_sqlx::Timestamp"
             from attempts where booking_id = $1 order by created_at, id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| Payment {
        status: row.state,
        amount_minor: row.amount_minor,
        charged_minor: row.captured_minor,
        currency: row.currency,
        card_brand: row.card_brand,
        card_last4: row.card_last4,
        created_at: row.created_at.to_jiff(),
    });
    Ok(part.collect())
}

async fn refunds(tx: &mut Tx<Traveller>, booking: BookingId) -> Result<Vec<RefundPart>, AppError> {
    let rows = sqlx::query!(
        r#"select r.state, r.amount_minor, r.currency, r.reason, r.created_at as "created_at: jiff_sqlx::Timestamp",
                  p.way as "way?", p.paid_on as "paid_on?: jiff_sqlx::Date", p.proof as "proof?"
             from refunds r left join refund_payouts p on p.refund_id = r.id
            where r.booking_id = $1 order by r.created_at, r.id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| RefundPart {
        status: row.state,
        amount_minor: row.amount_minor,
        currency: row.currency,
        reason: row.reason,
        paid_by_hand: row.way.zip(row.paid_on).zip(row.proof).map(|((way, paid_on), proof)| PayoutPart {
            way,
            paid_on: paid_on.to_jiff(),
            proof,
        }),
        created_at: row.created_at.to_jiff(),
    });
    Ok(part.collect())
}

async fn mails(tx: &mut Tx<Traveller>) -> Result<Vec<MailPart>, AppError> {
    let rows = sqlx::query!(
        r#"select m.kind, b.booking_reference as "booking?", m.state,
                  m.created_at as "created_at: jiff_sqlx::Timestamp", m.sent_at as "sent_at: jiff_sqlx::Timestamp"
             from mails m left join bookings b on b.id = m.booking_id order by m.created_at, m.id"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| MailPart {
        kind: row.kind,
        booking: row.booking,
        status: row.state,
        written_at: row.created_at.to_jiff(),
        sent_at: row.sent_at.map(|at| at.to_jiff()),
    });
    Ok(part.collect())
}

async fn devices(tx: &mut Tx<Traveller>) -> Result<Vec<DevicePart>, AppError> {
    let rows = sqlx::query!(
        r#"select user_agent, created_at as "created_at: jiff_sqlx::Timestamp",
                  seen_at as "seen_at: jiff_sqlx::Timestamp"
             from auth.devices order by created_at, id"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| DevicePart {
        name: row.user_agent,
        signed_in_at: row.created_at.to_jiff(),
        last_seen_at: row.seen_at.to_jiff(),
    });
    Ok(part.collect())
}

async fn programs(tx: &mut Tx<Traveller>) -> Result<Vec<ProgramPart>, AppError> {
    let rows = sqlx::query!(
        r#"select program, scopes, created_at as "created_at: jiff_sqlx::Timestamp",
                  expires_at as "expires_at: jiff_sqlx::Timestamp"
             from auth.token_families order by created_at, id"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let part = rows.into_iter().map(|row| ProgramPart {
        program: row.program,
        scopes: row.scopes,
        signed_in_at: row.created_at.to_jiff(),
        expires_at: row.expires_at.to_jiff(),
    });
    Ok(part.collect())
}
