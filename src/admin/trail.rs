//! The audit log as it is read: newest first, by who did it and to which booking.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    db::{Db, System},
    error::{AppError, FieldErrors},
    ids::BookingReference,
};

const PAGE: usize = 50;
const LONGEST: usize = 254;

/// As typed; nothing means everybody and everything.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub actor: Option<String>,
    pub booking: Option<BookingReference>,
}

impl Wanted {
    pub fn read(actor: &str, booking: &str) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let actor = actor.trim();
        if actor.chars().count() > LONGEST || actor.chars().any(char::is_control) {
            errors.add("actor", "This is not an e-mail address");
        }
        let booking = match booking.trim() {
            "" => None,
            typed => match typed.parse() {
                Ok(reference) => Some(reference),
                Err(_) => {
                    errors.add("booking", "A booking reference has six letters and digits");
                    None
                }
            },
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { actor: Some(actor.to_owned()).filter(|actor| !actor.is_empty()), booking })
    }
}

#[derive(Debug)]
pub struct Entry {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub reference: Option<String>,
    pub subject: String,
    pub data: Value,
}

#[derive(Debug, Default)]
pub struct Trail {
    pub entries: Vec<Entry>,
    /// The key of the next page.
    pub older: Option<i64>,
}

/// As the system: staff know each other by address, and only the system reads those.
pub async fn read(db: &Db, wanted: &Wanted, before: Option<i64>) -> Result<Trail, AppError> {
    let mut tx = db.begin(System).await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(1);
    let rows = sqlx::query!(
        r#"select a.id, a.at as "at: jiff_sqlx::Timestamp", u.email::text as "actor!", a.action, a.data,
                  coalesce((select whom.email::text from auth.users whom where whom.id::text = a.subject), a.subject) as "subject!",
                  b.booking_reference as "booking_reference?"
             from audit_log a
             join auth.users u on u.id = a.actor_id
             left join bookings b on b.id = a.booking_id
            where ($1::text is null or u.email = $1::text::citext)
              and ($2::text is null or b.booking_reference = $2)
              and ($3::bigint is null or a.id < $3)
            order by a.id desc limit $4"#,
        wanted.actor,
        wanted.booking.as_ref().map(BookingReference::as_str),
        before,
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    let goes_on = rows.len() > PAGE;
    let entries: Vec<Entry> = rows
        .into_iter()
        .take(PAGE)
        .map(|row| Entry {
            id: row.id,
            at: row.at.to_jiff(),
            actor: row.actor,
            action: row.action,
            reference: row.booking_reference,
            subject: row.subject,
            data: row.data,
        })
        .collect();
    Ok(Trail { older: entries.last().map(|entry| entry.id).filter(|_| goes_on), entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_filter_or_a_message() {
        let read = |actor, booking| Wanted::read(actor, booking).map_err(|errors| errors.len());
        assert!(read("", " ").unwrap().actor.is_none());
        let wanted = read(" carol@example.com ", "k7w q4m").unwrap();
        assert_eq!(wanted.actor.as_deref(), Some("carol@example.com"));
        assert_eq!(wanted.booking.unwrap().as_str(), "K7WQ4M");
        assert_eq!(read("a\0b", "nonsense").err(), Some(2));
        assert_eq!(read(&"x".repeat(300), "").err(), Some(1));
    }
}
