//! SQL of leaving. What the export reads stands in `export`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::Standing;
use crate::{
    accounts::{devices, second_factor},
    db::{System, Tx},
    error::AppError,
    ids::{BookingId, UserId},
};

pub struct Person {
    pub email: String,
    pub is_staff: bool,
}

/// `None`: has left, or has another password by now.
pub async fn person(
    tx: &mut Tx<System>,
    user: UserId,
    password_hash: &str,
) -> Result<Option<Person>, AppError> {
    let row = sqlx::query_as!(
        Person,
        r#"select email::text as "email!", staff_role is not null as "is_staff!"
             from auth.users where id = $1 and deleted_at is null and password_hash = $2"#,
        user.0,
        password_hash,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Whoever changes anything of this person waits until we are done, and then finds that they have left. In the order in
/// which others lock these rows; the bookings once more, for one that was made before the user's own row was locked.
pub async fn lock(tx: &mut Tx<System>, user: UserId) -> Result<(), AppError> {
    sqlx::query!("select user_id from profiles where user_id = $1 for update", user.0)
        .fetch_all(&mut **tx)
        .await?;
    lock_bookings(tx, user).await?;
    sqlx::query!("select id from auth.users where id = $1 for update", user.0).fetch_all(&mut **tx).await?;
    lock_bookings(tx, user).await?;
    // A mail on its way out waits too: it forgets its recipient when it is sent.
    sqlx::query!(
        "select m.id from mails m
          where m.user_id = $1 or m.booking_id in (select b.id from bookings b where b.user_id = $1)
          order by m.id for update of m",
        user.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(())
}

async fn lock_bookings(tx: &mut Tx<System>, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("select id from bookings where user_id = $1 order by id for no key update", user.0)
        .fetch_all(&mut **tx)
        .await
        .map(drop)
}

pub async fn standings(tx: &mut Tx<System>, user: UserId) -> Result<Vec<Standing>, AppError> {
    let rows = sqlx::query!(
        r#"select b.id as "id: BookingId", b.booking_reference, b.booking_status, b.supplier_status, b.quote,
                  exists (select from attempts a where a.booking_id = b.id
                             and a.state in ('creating', 'create_unknown', 'open', 'processing', 'authorised')) as "paying!",
                  exists (select from refunds r where r.booking_id = b.id
                             and r.state in ('requested', 'submitted', 'submit_unknown', 'pending')) as "refunding!",
                  exists (select from ledger_transactions t join ledger_entries e on e.transaction_id = t.id
                           where t.booking_id = b.id
                             and e.account in ('customer_deposits', 'refunds_payable', 'dispute_hold', 'suspense')
                           group by e.account, e.currency having sum(e.amount_minor) <> 0) as "has_money!",
                  exists (select from attention_items i where i.booking_id = b.id and i.resolved_at is null)
                      as "needs_person!"
             from bookings b where b.user_id = $1 order by b.created_at, b.id"#,
        user.0,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let unreadable = |what: &str| AppError::broken(format!("booking {}: {what}", row.id));
            Ok(Standing {
                reference: row.booking_reference.parse().map_err(|_| unreadable("reference"))?,
                state: row.booking_status.parse().map_err(|_| unreadable("booking status"))?,
                supplier_state: row.supplier_status.parse().map_err(|_| unreadable("supplier status"))?,
                offer: serde_json::from_value(row.quote)?,
                paying: row.paying,
                refunding: row.refunding,
                has_money: row.has_money,
                needs_person: row.needs_person,
                id: row.id,
            })
        })
        .collect()
}

/// Everything of the list in the module's text, on locked rows.
pub async fn forget(
    tx: &mut Tx<System>,
    user: UserId,
    no_password: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    forget_account(tx, user, no_password, now).await?;
    forget_bookings(tx, user).await?;
    forget_mails(tx, user).await?;
    second_factor::remove(tx, user).await?;
    devices::end_everything(tx, user, None).await
}

async fn forget_account(
    tx: &mut Tx<System>,
    user: UserId,
    no_password: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    sqlx::query!(
        "update profiles set full_name = '', phone = '', born_on = null, nationality = null where user_id = $1",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from saved_travellers where user_id = $1", user.0).execute(&mut **tx).await?;
    sqlx::query!(
        "update auth.users
            set email = ('deleted-' || id || '@deleted.invalid')::citext, password_hash = $2, deleted_at = $3,
                email_verified_at = null
          where id = $1",
        user.0,
        no_password,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn forget_bookings(tx: &mut Tx<System>, user: UserId) -> Result<(), AppError> {
    sqlx::query!(
        "delete from travel_documents where booking_id in (select b.id from bookings b where b.user_id = $1)",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update passengers
            set given_names = 'Deleted', family_name = 'Passenger ' || position, sex = 'x',
                born_on = date_trunc('year', born_on)::date
          where booking_id in (select b.id from bookings b where b.user_id = $1)",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("update bookings set contact_email = null, contact_phone = null where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Mails about bookings that are on their way still go out; those about the account have nothing to say any more.
async fn forget_mails(tx: &mut Tx<System>, user: UserId) -> Result<(), AppError> {
    sqlx::query!("delete from auth.mail_tokens where user_id = $1", user.0).execute(&mut **tx).await?;
    sqlx::query!(
        "update mails set state = 'dead', last_error = 'overtaken: the account was deleted'
          where user_id = $1 and state = 'queued'",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "delete from mail_copies where mail_id in (
             select m.id from mails m
              where m.user_id = $1 or m.booking_id in (select b.id from bookings b where b.user_id = $1))",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    // The trigger writes the neutral address.
    sqlx::query!(
        "update mails set to_address = to_address
          where state <> 'queued'
            and (user_id = $1 or booking_id in (select b.id from bookings b where b.user_id = $1))",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
