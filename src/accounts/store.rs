//! SQL of accounts. A guest reaches one row at a time, through the function of migration 0010, and never the table; what
//! an account itself does to its row is done by the system, one row by its id.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    accounts::{Account, User},
    db::{Guest, System, Tx},
    error::AppError,
    ids::{TokenHash, UserId},
};

pub struct Login {
    pub user: UserId,
    pub password_hash: String,
    /// As it was given at sign-up.
    pub email: String,
    pub staff_role: Option<String>,
    pub verified: bool,
}

impl From<Login> for Account {
    fn from(login: Login) -> Self {
        Self {
            password: login.mark(),
            user: login.user,
            email: login.email,
            staff: login.staff_role,
            verified: login.verified,
        }
    }
}

impl Login {
    /// Names this password without telling anything of it.
    pub fn mark(&self) -> TokenHash {
        TokenHash::of(&self.password_hash)
    }
}

/// Who has the address after a sign-up.
pub struct Owner {
    pub user: UserId,
    pub email: String,
    /// By this sign-up.
    pub is_new: bool,
}

/// What is needed to check and to change a password.
pub struct Credentials {
    pub email: String,
    pub password_hash: String,
    /// A guesser knows it too.
    pub name: String,
}

pub async fn find_login(tx: &mut Tx<Guest>, email: &str) -> Result<Option<Login>, AppError> {
    let login = sqlx::query_as!(
        Login,
        r#"select user_id as "user!: UserId", email::text as "email!", password_hash as "password_hash!", staff_role,
                  verified as "verified!"
             from auth.find_account($1::text::citext)"#,
        email,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(login)
}

/// One statement, whether or not the address has an account already; that one stays as it is.
pub async fn sign_up(
    tx: &mut Tx<System>,
    user: UserId,
    email: &str,
    hash: &str,
    name: &str,
    now: Timestamp,
) -> Result<Owner, AppError> {
    // Two who sign up with one address at once: the second waits, and does not see the row that it waited for.
    for _ in 0..2 {
        let owner = sqlx::query_as!(
            Owner,
            r#"with made as (
                   insert into auth.users (id, email, password_hash, created_at) values ($1, $2::text::citext, $3, $5)
                       on conflict (email) do nothing
                   returning id, email
               ), described as (
                   insert into profiles (user_id, full_name, created_at) select id, $4, $5 from made
               )
               select id as "user!: UserId", email::text as "email!", true as "is_new!" from made
               union all
               select id, email::text, false from auth.users where email = $2::text::citext"#,
            user.0,
            email,
            hash,
            name,
            now.to_sqlx() as _,
        )
        .fetch_optional(&mut **tx)
        .await?;
        if let Some(owner) = owner {
            return Ok(owner);
        }
    }
    Err(AppError::broken("an address is neither free nor taken"))
}

pub async fn make_staff(
    tx: &mut Tx<System>,
    user: UserId,
    email: &str,
    hash: &str,
    role: &str,
    now: Timestamp,
) -> Result<UserId, AppError> {
    let user = sqlx::query_scalar!(
        r#"with made as (
             insert into auth.users as known (id, email, password_hash, staff_role, password_changed_at, email_verified_at)
                 values ($1, $2::text::citext, $3, $4, $5, $5)
                 on conflict (email) do update
                    set password_hash = excluded.password_hash, staff_role = excluded.staff_role,
                        password_changed_at = excluded.password_changed_at,
                        email_verified_at = coalesce(known.email_verified_at, excluded.email_verified_at)
             returning id
         ),
         known as (insert into profiles (user_id) select id from made on conflict (user_id) do nothing)
         select id as "id!" from made"#,
        user.0,
        email,
        hash,
        role,
        now.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(UserId(user))
}

pub async fn user(tx: &mut Tx<System>, id: UserId) -> Result<Option<User>, AppError> {
    let row = sqlx::query!(
        r#"select email::text as "email!", email_verified_at as "email_verified_at: jiff_sqlx::Timestamp",
                  password_changed_at as "password_changed_at: jiff_sqlx::Timestamp",
                  created_at as "created_at: jiff_sqlx::Timestamp"
             from auth.users where id = $1 and deleted_at is null"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| User {
        id,
        email: row.email,
        email_verified_at: row.email_verified_at.map(|at| at.to_jiff()),
        password_changed_at: row.password_changed_at.map(|at| at.to_jiff()),
        created_at: row.created_at.to_jiff(),
    }))
}

/// What is done to one account comes one after the other until the end of the transaction.
pub async fn lock(tx: &mut Tx<System>, id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("select id from auth.users where id = $1 for update", id.0)
        .fetch_optional(&mut **tx)
        .await
        .map(drop)
}

pub async fn credentials(tx: &mut Tx<System>, id: UserId) -> Result<Option<Credentials>, AppError> {
    let known = sqlx::query_as!(
        Credentials,
        r#"select u.email::text as "email!", u.password_hash, p.full_name as name
             from auth.users u join profiles p on p.user_id = u.id
            where u.id = $1 and u.deleted_at is null"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(known)
}

pub async fn set_password(
    tx: &mut Tx<System>,
    user: UserId,
    hash: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    sqlx::query!(
        "update auth.users set password_hash = $2, password_changed_at = $3 where id = $1 and deleted_at is null",
        user.0,
        hash,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// False: the password is not the one that was checked any more.
pub async fn replace_password(
    tx: &mut Tx<System>,
    user: UserId,
    old_hash: &str,
    hash: &str,
    now: Timestamp,
) -> Result<bool, AppError> {
    let changed = sqlx::query!(
        "update auth.users set password_hash = $3, password_changed_at = $4
          where id = $1 and password_hash = $2 and deleted_at is null",
        user.0,
        old_hash,
        hash,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// False: it was proven before.
pub async fn mark_verified(tx: &mut Tx<System>, user: UserId, now: Timestamp) -> Result<bool, AppError> {
    let marked = sqlx::query!(
        "update auth.users set email_verified_at = $2 where id = $1 and email_verified_at is null",
        user.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Whom the agency has made staff, it knows.
pub async fn is_staff(tx: &mut Tx<System>, user: UserId) -> Result<bool, AppError> {
    let is_staff = sqlx::query_scalar!(
        r#"select staff_role is not null as "is_staff!" from auth.users where id = $1"#,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(is_staff)
}

/// Empties the profile and the list of saved travellers.
pub async fn forget_belongings(tx: &mut Tx<System>, user: UserId) -> Result<(), AppError> {
    sqlx::query!(
        "with forgotten as (delete from saved_travellers where user_id = $1)
         update profiles set full_name = '', phone = '', born_on = null, nationality = null where user_id = $1",
        user.0,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// To an address that has just proven itself.
pub async fn set_email(
    tx: &mut Tx<System>,
    user: UserId,
    email: &str,
    now: Timestamp,
) -> Result<(), AppError> {
    sqlx::query!(
        "update auth.users set email = $2::text::citext, email_verified_at = $3 where id = $1",
        user.0,
        email,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Another address that was asked for and has not answered.
pub struct AskedAddress {
    pub email: String,
    pub asked_at: Timestamp,
    /// Its mail came back, or was never taken.
    pub is_unreachable: bool,
}

/// What `auth.opens` (migration 0025) would still let happen, sent or not. The newest wish alone counts.
pub async fn asked_address(
    tx: &mut Tx<System>,
    user: UserId,
    since: Timestamp,
) -> Result<Option<AskedAddress>, AppError> {
    let row = sqlx::query!(
        r#"select m.to_address, m.created_at as "created_at: jiff_sqlx::Timestamp", m.state = 'dead' as "is_dead!"
             from auth.users u
            cross join lateral (
                select * from mails where user_id = u.id and kind = 'email_change'
                 order by created_at desc, id desc limit 1) m
            where u.id = $1 and u.deleted_at is null
              and m.created_at > $2
              and m.created_at >= coalesce(u.password_changed_at, '-infinity')
              and m.created_at > coalesce(u.email_change_withdrawn_at, '-infinity')
              and not exists (select from auth.mail_tokens t where t.mail_id = m.id and t.used_at is not null)"#,
        user.0,
        since.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| AskedAddress {
        email: row.to_address,
        asked_at: row.created_at.to_jiff(),
        is_unreachable: row.is_dead,
    }))
}

pub async fn withdraw_email_change(
    tx: &mut Tx<System>,
    user: UserId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update auth.users set email_change_withdrawn_at = $2 where id = $1 and deleted_at is null",
        user.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn proven_email(tx: &mut Tx<System>, user: UserId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select email::text as "email!" from auth.users
            where id = $1 and email_verified_at is not null and deleted_at is null for share"#,
        user.0,
    )
    .fetch_optional(&mut **tx)
    .await
}
