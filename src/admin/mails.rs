//! The mail log: what was sent to whom, what keeps the rest, what a mail said, and sending one again. Who reads a letter, which
//! names people in full, and who sends one, stands in the audit log.

use jiff::Timestamp;
use serde_json::json;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{
    admin::{From, PAGE, Place, Turn, mask_email, store},
    audit,
    clock::Clock,
    db::{Db, Staff, System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::{BookingId, BookingReference, MailId, UserId},
    outbox::{self, MailKind},
};

pub const STATES: [&str; 3] = ["queued", "sent", "dead"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<&'static str>,
    pub kind: Option<MailKind>,
    pub booking: Option<BookingReference>,
}

impl Filter {
    pub fn read(state: &str, kind: &str, booking: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let filter = Self {
            state: STATES.into_iter().find(|known| *known == state),
            kind: MailKind::from_code(kind),
            booking: booking.trim().parse().ok(),
        };
        if filter.state.is_none() && !state.is_empty() {
            errors.add("state", "There is no such state");
        }
        if filter.kind.is_none() && !kind.is_empty() {
            errors.add("kind", "There is no such mail");
        }
        if filter.booking.is_none() && !booking.trim().is_empty() {
            errors.add("booking", "A booking reference has six letters and digits");
        }
        if errors.is_empty() { Ok(filter) } else { Err(errors) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub place: Place,
    pub kind: String,
    pub state: String,
    /// Masked.
    pub to: String,
    pub reference: Option<String>,
    pub sent_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub is_repetition: bool,
    pub tries: i32,
    pub next_try: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    created_at: jiff_sqlx::Timestamp,
    kind: String,
    state: String,
    to_address: String,
    booking_reference: Option<String>,
    sent_at: Option<jiff_sqlx::Timestamp>,
    last_error: Option<String>,
    resent_of: Option<Uuid>,
    tries: Option<i32>,
    next_try: Option<jiff_sqlx::Timestamp>,
}

/// The page is cut first, as in the list of bookings.
const BEFORE: &str = "
    select m.id, m.created_at, m.kind, m.state, m.to_address, m.sent_at, m.last_error, m.resent_of, r.booking_reference,
           j.tries, case when j.state in ('ready', 'running') then j.due_at end as next_try
      from (select * from mails m where true";
const AFTER: &str = ") m
      left join bookings r on r.id = m.booking_id
      left join lateral (
          select tries, state, due_at from outbox where subject = m.id::text and kind = 'send_mail' order by id desc limit 1) j on true";

pub async fn list(
    db: &Db,
    staff: UserId,
    filter: &Filter,
    from: From,
) -> Result<(Vec<Line>, Turn), AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let mut query = QueryBuilder::<Postgres>::new(BEFORE);
    if let Some(state) = filter.state {
        query.push(" and m.state = ").push_bind(state);
    }
    if let Some(kind) = filter.kind {
        query.push(" and m.kind = ").push_bind(kind.code());
    }
    if let Some(booking) = &filter.booking {
        query.push(" and m.booking_id = (select b.id from bookings b where b.booking_reference = ");
        query.push_bind(booking.as_str().to_owned()).push(")");
    }
    store::push_turn(&mut query, "m", from, PAGE + 1, AFTER);
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *tx).await?;
    let lines = rows.into_iter().map(Line::from).collect();
    Ok(Turn::cut(lines, &from, |line: &Line| line.place))
}

impl std::convert::From<Row> for Line {
    fn from(row: Row) -> Self {
        Self {
            place: Place { created_at: row.created_at.to_jiff(), id: row.id },
            kind: row.kind,
            state: row.state,
            to: mask_email(&row.to_address),
            reference: row.booking_reference,
            sent_at: row.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
            last_error: row.last_error,
            is_repetition: row.resent_of.is_some(),
            tries: row.tries.unwrap_or_default(),
            next_try: row.next_try.map(jiff_sqlx::Timestamp::to_jiff),
        }
    }
}

/// One mail with what it is connected to.
#[derive(Debug)]
pub struct MailRecord {
    pub line: Line,
    pub first: Option<MailId>,
    /// Mails that repeat this one, oldest first.
    pub repetitions: Vec<MailId>,
    /// Masked: where it would go now.
    pub contact: Option<String>,
    pub is_about_booking: bool,
    /// An open item that this mail raised.
    pub attention: Option<i64>,
}

pub async fn mail(db: &Db, staff: UserId, id: MailId) -> Result<MailRecord, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let row = sqlx::query!(
        r#"select m.id, m.created_at as "created_at: jiff_sqlx::Timestamp", m.kind, m.state, m.to_address,
                  m.sent_at as "sent_at: jiff_sqlx::Timestamp", m.last_error, m.resent_of as "resent_of: MailId",
                  b.booking_reference as "booking_reference?", b.contact_email as "contact?",
                  (select i.id from attention_items i
                    where i.kind = 'mail_late' and i.subject = m.id::text and i.resolved_at is null) as attention,
                  j.tries as "tries?", j.due_at as "due_at?: jiff_sqlx::Timestamp"
             from mails m
             left join bookings b on b.id = m.booking_id
             left join outbox j
               on j.subject = m.id::text and j.kind = 'send_mail' and j.state in ('ready', 'running')
            where m.id = $1 order by j.id desc limit 1"#,
        id.0,
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(AppError::NotFound)?;
    let repetitions = sqlx::query_scalar!(
        r#"select id as "id: MailId" from mails where resent_of = $1 order by created_at, id"#,
        id.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(MailRecord {
        first: row.resent_of,
        repetitions,
        contact: row.contact.as_deref().map(mask_email),
        is_about_booking: row.booking_reference.is_some(),
        attention: row.attention,
        line: Line {
            place: Place { created_at: row.created_at.to_jiff(), id: row.id },
            kind: row.kind,
            state: row.state,
            to: mask_email(&row.to_address),
            reference: row.booking_reference,
            sent_at: row.sent_at.map(jiff_sqlx::Timestamp::to_jiff),
            last_error: row.last_error,
            is_repetition: row.resent_of.is_some(),
            tries: row.tries.unwrap_or_default(),
            next_try: row.due_at.map(jiff_sqlx::Timestamp::to_jiff),
        },
    })
}

/// What it said at its last try, without what its links open.
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
    pub composed_at: Timestamp,
}

/// Reading a letter is looking at personal data: it is written down who did.
pub async fn open_letter(
    db: &Db,
    clock: &Clock,
    staff: UserId,
    id: MailId,
) -> Result<Option<Letter>, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let Some((letter, booking, kind)) = letter(&mut tx, id).await? else { return Ok(None) };
    let action = audit::Action::MailRead;
    audit::record(&mut tx, action, booking, &id.to_string(), &json!({ "kind": kind }), clock.now()).await?;
    tx.commit().await?;
    Ok(Some(letter))
}

/// The part of a letter that is drawn in a frame of the page that opened it.
pub async fn html(db: &Db, staff: UserId, id: MailId) -> Result<String, AppError> {
    let mut tx = db.begin(Staff(staff)).await?;
    let found = letter(&mut tx, id).await?;
    found.map(|(letter, ..)| letter.html).ok_or(AppError::NotFound)
}

async fn letter(
    tx: &mut Tx<Staff>,
    id: MailId,
) -> Result<Option<(Letter, Option<BookingId>, String)>, AppError> {
    let row = sqlx::query!(
        r#"select c.subject, c.body_text, c.body_html, c.composed_at as "composed_at: jiff_sqlx::Timestamp",
                  m.booking_id as "booking_id: BookingId", m.kind
             from mail_copies c join mails m on m.id = c.mail_id where c.mail_id = $1"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| {
        let composed_at = row.composed_at.to_jiff();
        let letter = Letter { subject: row.subject, text: row.body_text, html: row.body_html, composed_at };
        (letter, row.booking_id, row.kind)
    }))
}

/// Owes the mail again, to the booking's present contact and nobody else. It is composed anew, and says what is so then.
pub async fn send_again(db: &Db, clock: &Clock, staff: UserId, id: MailId) -> Result<MailId, AppError> {
    let mut tx = db.begin(System).await?;
    let again = owe_again(&mut tx, staff, id, clock.now()).await?;
    tx.commit().await?;
    Ok(again)
}

pub(super) async fn owe_again(
    tx: &mut Tx<System>,
    staff: UserId,
    id: MailId,
    now: Timestamp,
) -> Result<MailId, AppError> {
    let mail = outbox::lock_for_resending(tx, id).await?.ok_or(AppError::NotFound)?;
    let Some(booking) = mail.booking else {
        return Err(refused(
            "mail_is_personal",
            "This mail is between the site and one person",
            "It tells of an account, or its link opens one. They can ask for a new one themselves.",
        ));
    };
    let Some(contact) = &mail.contact else {
        return Err(refused(
            "no_contact",
            "There is nobody to send it to",
            "The booking has no contact address.",
        ));
    };
    if mail.is_on_its_way {
        return Err(refused(
            "mail_on_its_way",
            "This mail is on its way already",
            "It is tried until it is sent or given up, and can be sent again then.",
        ));
    }
    let again = outbox::owe_again(tx, mail.first, contact, now).await?;
    let data = json!({ "kind": mail.kind, "first": mail.first });
    let action = audit::Action::MailSentAgain;
    audit::record_for(tx, staff, action, Some(booking), &again.to_string(), &data, now).await?;
    Ok(again)
}

fn refused(code: &'static str, title: &'static str, detail: &str) -> AppError {
    AppError::Conflict(Refusal { code, title, detail: format!("{detail} Nothing was sent.") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_becomes_a_filter_or_a_message() {
        let read = |state, kind, booking| Filter::read(state, kind, booking).map_err(|errors| errors.len());
        assert_eq!(read("", "", " "), Ok(Filter::default()));
        let filter = read("dead", "booking_confirmation", "k7w-q4m").unwrap();
        assert_eq!(filter.state, Some("dead"));
        assert_eq!(filter.kind, Some(MailKind::BookingConfirmation));
        assert_eq!(filter.booking.unwrap().as_str(), "K7WQ4M");
        assert_eq!(read("lost", "love_letter", "K7"), Err(3));
    }
}
