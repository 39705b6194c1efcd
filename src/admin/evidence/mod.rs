//! What answers a bank that asks why a card was charged: one file with the papers of a booking, what was accepted and from
//! where, the letters that were sent, and everything that happened, in order. It names people in full, so that taking it is
//! written down.

mod archive;

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use uuid::Uuid;

use crate::{
    audit,
    bookings::{self, BookingFile, documents},
    checkout::{self, Checkout, Standing, pages::timeline},
    db::{Staff, Tx},
    error::{AppError, Refusal},
    ids::{BookingId, BookingReference, UserId},
    papers::{Issuer, Papers, facts},
    web::components::words,
};

/// A download.
pub struct Pack {
    pub name: String,
    pub bytes: Vec<u8>,
}

struct Letter {
    kind: String,
    to: String,
    sent_at: Timestamp,
    /// What it said, as long as that is kept.
    copy: Option<(String, String)>,
}

/// When and from where a total and its conditions were accepted.
struct Accepted {
    attempt: Uuid,
    at: Timestamp,
    from: Option<String>,
    quote_hash: String,
    amount: String,
    payment: Option<String>,
}

pub async fn pack(
    checkout: &Checkout,
    issuer: Issuer,
    staff: UserId,
    reference: &BookingReference,
) -> Result<Pack, AppError> {
    let now = checkout.clock.now();
    let mut tx = checkout.db.begin(Staff(staff)).await?;
    let booking = bookings::store::find(&mut tx, reference).await?.ok_or(AppError::NotFound)?;
    let attempts = checkout::store::attempts_of(&mut tx, booking.id).await?;
    if attempts.iter().all(|attempt| attempt.captured.minor == 0) {
        return Err(nothing_charged());
    }
    let accepted = acceptances(&mut tx, booking.id).await?;
    let letters = letters(&mut tx, booking.id).await?;
    let passengers = bookings::store::passengers(&mut tx, booking.id).await?;
    let events = bookings::store::events(&mut tx, booking.id).await?;
    let id = booking.id;
    let file =
        BookingFile { booking, passengers, documents: Vec::<Option<documents::DocumentNote>>::new(), events };
    let standing = Standing { file, attempts, cancellation: None, disputed: false, returned: Vec::new() };
    let files = files(&standing, issuer, &accepted, &letters, now)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let action = audit::Action::EvidenceTaken;
    let data = json!({ "files": names.len() });
    audit::record(&mut tx, action, Some(id), reference.as_str(), &data, now).await?;
    tx.commit().await?;
    let bytes = archive::zip(&files, now).map_err(|error| AppError::broken(format!("evidence: {error}")))?;
    Ok(Pack { name: format!("evidence-{reference}.zip"), bytes })
}

fn nothing_charged() -> AppError {
    AppError::Conflict(Refusal {
        code: "nothing_charged",
        title: "Nothing was charged",
        detail: "A bank disputes a charge, and this booking has none. There is nothing to prove.".to_owned(),
    })
}

async fn acceptances(tx: &mut Tx<Staff>, booking: BookingId) -> Result<Vec<Accepted>, AppError> {
    let rows = sqlx::query!(
        r#"select id, created_at as "created_at: jiff_sqlx::Timestamp", accepted_from, quote_hash, amount_minor, currency,
                  payment_intent_id
             from attempts where booking_id = $1 order by created_at, id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Accepted {
            attempt: row.id,
            at: row.created_at.to_jiff(),
            from: row.accepted_from,
            quote_hash: row.quote_hash,
            amount: match row.currency.parse() {
                Ok(currency) => crate::money::Money::new(row.amount_minor, currency).to_string(),
                Err(_) => format!("{} {}", row.currency, row.amount_minor),
            },
            payment: row.payment_intent_id,
        })
        .collect())
}

async fn letters(tx: &mut Tx<Staff>, booking: BookingId) -> Result<Vec<Letter>, AppError> {
    let rows = sqlx::query!(
        r#"select m.kind, m.to_address, m.sent_at as "sent_at!: jiff_sqlx::Timestamp",
                  c.subject as "subject?", c.body_text as "text?"
             from mails m left join mail_copies c on c.mail_id = m.id
            where m.booking_id = $1 and m.sent_at is not null order by m.sent_at, m.id"#,
        booking.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Letter {
            kind: row.kind,
            to: row.to_address,
            sent_at: row.sent_at.to_jiff(),
            copy: row.subject.zip(row.text),
        })
        .collect())
}

fn files(
    standing: &Standing,
    issuer: Issuer,
    accepted: &[Accepted],
    letters: &[Letter],
    now: Timestamp,
) -> Result<Vec<(String, Vec<u8>)>, AppError> {
    let papers = Papers::of(standing, issuer)?;
    let (itinerary, receipt) = (papers.itinerary()?, papers.receipt()?);
    let mut files = vec![
        ("1-summary.txt".to_owned(), summary(standing, &papers, now).into_bytes()),
        ("2-accepted.txt".to_owned(), conditions(&papers, accepted).into_bytes()),
        (format!("3-{}", itinerary.name), itinerary.bytes),
        (format!("4-{}", receipt.name), receipt.bytes),
        ("5-timeline.txt".to_owned(), story(standing).into_bytes()),
    ];
    for (place, letter) in letters.iter().enumerate() {
        let name = format!("mails/{:02}-{}.txt", place + 1, letter.kind.replace('_', "-"));
        files.push((name, told(letter).into_bytes()));
    }
    Ok(files)
}

/// Exact, and in the clock that banks and Stripe use.
fn moment(at: Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn summary(standing: &Standing, papers: &Papers, now: Timestamp) -> String {
    let booking = &standing.file.booking;
    let mut text = format!("Booking {}, evidence put together on {}\n\n", booking.reference, moment(now));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    line("Sold by", &format!("{}, {}", papers.issuer.site.seller_name, papers.issuer.site.seller_address));
    line(
        "Flights",
        &format!("{}, {}", facts::route(&papers.offer.slices), facts::days(&papers.offer.slices)),
    );
    line("Booking is", booking.state.code());
    if let Some(pnr) = &booking.pnr {
        line("Airline reference", pnr);
    }
    for passenger in &papers.passengers {
        line("Passenger", &passenger.in_words());
    }
    if let Some(contact) = &booking.contact {
        line("Contact", &format!("{}, {}", contact.email, contact.phone));
    }
    for movement in &papers.movements {
        let paid =
            format!("{} on {}, {}, {}", movement.amount, moment(movement.at), movement.by, movement.number);
        line(movement.what, &paid);
    }
    text
}

/// What the traveller saw beside the button, and each time that it was pressed.
fn conditions(papers: &Papers, accepted: &[Accepted]) -> String {
    let mut text = String::from("The conditions, as they stood beside the button that accepts them\n\n");
    for fact in facts::fare_facts(&papers.offer) {
        let _ = writeln!(text, "{}: {}", fact.label, fact.lines.join(", "));
    }
    let _ = writeln!(text, "Total: {}", papers.offer.total);
    text.push_str("\nAccepted, by a button that says “with obligation to pay”\n");
    for one in accepted {
        let from = one.from.as_deref().unwrap_or("not kept");
        let payment = one.payment.as_deref().unwrap_or("none was made");
        let _ = writeln!(
            text,
            "\n{}\n  Total: {}\n  From address: {from}\n  SHA-256 of what was accepted: {}\n  Attempt: {}\n  Payment at Stripe: {payment}",
            moment(one.at),
            one.amount,
            one.quote_hash,
            one.attempt,
        );
    }
    text
}

fn story(standing: &Standing) -> String {
    let mut text = String::from("What happened to booking and money, as the traveller's page tells it\n\n");
    for told in timeline::told(standing) {
        let amount = told.amount.map(|amount| format!(", {amount}")).unwrap_or_default();
        let more = if told.text.is_empty() { String::new() } else { format!(". {}", told.text) };
        let _ = writeln!(text, "{}  {}{amount}{more}", moment(told.at), told.title);
    }
    text
}

fn told(letter: &Letter) -> String {
    let (to, at) = (words::one_line(&letter.to), moment(letter.sent_at));
    match &letter.copy {
        Some((subject, text)) => {
            format!(
                "To: {to}\nTaken by the mail server: {at}\nSubject: {}\n\n{text}\n",
                words::one_line(subject)
            )
        }
        None => format!(
            "To: {to}\nTaken by the mail server: {at}\nKind: {}\n\nIts text is not kept any longer.\n",
            letter.kind.replace('_', " ")
        ),
    }
}
