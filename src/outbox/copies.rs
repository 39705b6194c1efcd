//! What a mail said when it last went out, and owing the same again: the rows behind the staff's mail log.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::{BookingId, MailId, hide_tokens},
    outbox::{Job, push},
};

/// As it was composed for a try.
#[derive(Clone, Copy)]
pub struct Copy<'a> {
    pub subject: &'a str,
    pub text: &'a str,
    pub html: &'a str,
}

/// Keeps what was sent, without what its links open. Of somebody who has left nothing is kept. Cut rather than refused: a
/// mail that the server has taken must not be sent again for the sake of its copy.
pub async fn keep_copy(
    tx: &mut Tx<System>,
    id: MailId,
    copy: Copy<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into mail_copies (mail_id, subject, body_text, body_html, composed_at)
         select m.id, left($2, 300), left($3, 200000), left($4, 1000000), $5 from mails m
          where m.id = $1
            and not exists (
                select from auth.users u
                 where u.deleted_at is not null
                   and u.id = coalesce(m.user_id, (select b.user_id from bookings b where b.id = m.booking_id)))
         on conflict (mail_id) do update
            set subject = excluded.subject, body_text = excluded.body_text, body_html = excluded.body_html,
                composed_at = excluded.composed_at",
        id.0,
        hide_tokens(copy.subject),
        hide_tokens(copy.text),
        hide_tokens(copy.html),
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn forget_copies_before(tx: &mut Tx<System>, at: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from mail_copies where composed_at < $1", at.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// What decides whether a mail may be sent again.
#[derive(Clone)]
pub struct Resendable {
    /// The mail that was sent first, by whatever repetition it is asked for.
    pub first: MailId,
    pub kind: String,
    /// `None`: it is about an account.
    pub booking: Option<BookingId>,
    /// The booking's present one.
    pub contact: Option<String>,
    /// The mail itself or a repetition of it is still on its way.
    pub is_on_its_way: bool,
}

/// Locked, so that two who press the button send one mail.
pub async fn lock_for_resending(tx: &mut Tx<System>, id: MailId) -> Result<Option<Resendable>, sqlx::Error> {
    let first = sqlx::query_scalar!(
        r#"select id as "id: MailId" from mails
            where id = (select coalesce(resent_of, id) from mails where id = $1) for update"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(first) = first else { return Ok(None) };
    let row = sqlx::query!(
        r#"select m.kind, m.booking_id as "booking: BookingId", b.contact_email as "contact?",
                  exists (select from mails o where (o.id = m.id or o.resent_of = m.id) and o.state = 'queued')
                      as "is_on_its_way!"
             from mails m left join bookings b on b.id = m.booking_id where m.id = $1"#,
        first.0,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Some(Resendable {
        first,
        kind: row.kind,
        booking: row.booking,
        contact: row.contact,
        is_on_its_way: row.is_on_its_way,
    }))
}

/// Owes a mail again, to `to`: a mail of its own with its own Message-ID, or mailboxes would take it for the one they have.
pub async fn owe_again(
    tx: &mut Tx<System>,
    first: MailId,
    to: &str,
    now: Timestamp,
) -> Result<MailId, sqlx::Error> {
    let id = MailId::new();
    sqlx::query!(
        "insert into mails (id, booking_id, kind, once_key, to_address, created_at, resent_of)
         select $2, booking_id, kind, once_key || '#' || $2::uuid, $3, $4, id from mails where id = $1",
        first.0,
        id.0,
        to,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    push(tx, &Job::SendMail(id), now, now).await?;
    Ok(id)
}
