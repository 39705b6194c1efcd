//! SQL of API tokens: hashes, their families, and the one update by which a refresh token is used up.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Newcomer, Pair, Program};
use crate::{
    db::{System, Traveller, Tx},
    error::AppError,
    ids::{FamilyId, TokenHash, UserId},
    web::scopes::Scopes,
};

pub struct Family {
    pub id: FamilyId,
    pub scopes: Scopes,
    pub until: Timestamp,
}

pub struct NewFamily {
    pub id: FamilyId,
    pub newcomer: Newcomer,
    pub now: Timestamp,
    pub until: Timestamp,
}

/// Not with a password that was changed while it was being checked, and not into an account that is gone.
pub async fn begin_family(tx: &mut Tx<System>, new: &NewFamily) -> Result<bool, AppError> {
    let begun = sqlx::query!(
        "insert into auth.token_families (id, user_id, scopes, created_at, expires_at, program)
         select $1, u.id, $3, $4, $5, $7 from auth.users u
          where u.id = $2 and u.deleted_at is null and sha256(convert_to(u.password_hash, 'UTF8')) = $6
            for share",
        new.id.0,
        new.newcomer.user.0,
        &new.newcomer.scopes.codes(),
        new.now.to_sqlx() as _,
        new.until.to_sqlx() as _,
        new.newcomer.password.as_bytes(),
        new.newcomer.program,
    )
    .execute(&mut **tx)
    .await?;
    Ok(begun.rows_affected() == 1)
}

pub async fn keep(
    tx: &mut Tx<System>,
    family: FamilyId,
    pair: &Pair,
    now: Timestamp,
) -> Result<(), AppError> {
    let (access, refresh) = (pair.access.hash(), pair.refresh.hash());
    sqlx::query!(
        "insert into auth.tokens (hash, family_id, kind, created_at, expires_at)
         values ($1, $5, 'access', $6, $2), ($3, $5, 'refresh', $6, $4)",
        access.as_bytes(),
        pair.access_until.to_sqlx() as _,
        refresh.as_bytes(),
        pair.refresh_until.to_sqlx() as _,
        family.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Before anything is done with a token: exchanges of one family, and its end, come one after the other.
pub async fn lock_family(tx: &mut Tx<System>, hash: TokenHash) -> Result<(), AppError> {
    sqlx::query_scalar!(
        "select id from auth.token_families
          where id = (select family_id from auth.tokens where hash = $1) for update",
        hash.as_bytes(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(())
}

/// Uses the token up.
pub async fn exchange(
    tx: &mut Tx<System>,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Option<Family>, AppError> {
    let row = sqlx::query!(
        r#"with used as (
               update auth.tokens set used_at = $2
                where hash = $1 and kind = 'refresh' and used_at is null and expires_at > $2 returning family_id)
           update auth.token_families f set used_at = $2 from used where f.id = used.family_id
           returning f.id, f.scopes, f.expires_at as "until: jiff_sqlx::Timestamp""#,
        hash.as_bytes(),
        now.to_sqlx() as _,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.and_then(|row| {
        let scopes = Scopes::from_codes(&row.scopes)?;
        Some(Family { id: FamilyId(row.id), scopes, until: row.until.to_jiff() })
    }))
}

pub async fn end_family_if_used(tx: &mut Tx<System>, hash: TokenHash) -> Result<Option<FamilyId>, AppError> {
    let family = sqlx::query_scalar!(
        "delete from auth.token_families
          where id = (select family_id from auth.tokens where hash = $1 and used_at is not null) returning id",
        hash.as_bytes(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(family.map(FamilyId))
}

pub async fn end_family_of(tx: &mut Tx<System>, hash: TokenHash) -> Result<(), AppError> {
    sqlx::query!(
        "delete from auth.token_families where id = (select family_id from auth.tokens where hash = $1)",
        hash.as_bytes(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn list(tx: &mut Tx<Traveller>) -> Result<Vec<Program>, AppError> {
    let rows = sqlx::query!(
        r#"select id, program, scopes, created_at as "created_at: jiff_sqlx::Timestamp",
                  coalesce(used_at, created_at) as "used_at!: jiff_sqlx::Timestamp"
             from auth.token_families order by 5 desc, id desc"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let program = rows.into_iter().filter_map(|row| {
        Some(Program {
            id: FamilyId(row.id),
            name: row.program,
            scopes: Scopes::from_codes(&row.scopes)?,
            signed_in_at: row.created_at.to_jiff(),
            used_at: row.used_at.to_jiff(),
        })
    });
    Ok(program.collect())
}

/// As a traveller, who reaches their own alone.
pub async fn end_family(tx: &mut Tx<Traveller>, family: FamilyId) -> Result<bool, AppError> {
    let ended =
        sqlx::query!("delete from auth.token_families where id = $1", family.0).execute(&mut **tx).await?;
    Ok(ended.rows_affected() == 1)
}

pub async fn end_families<P>(tx: &mut Tx<P>, user: UserId) -> Result<u64, AppError> {
    let ended =
        sqlx::query!("delete from auth.token_families where user_id = $1", user.0).execute(&mut **tx).await?;
    Ok(ended.rows_affected())
}

/// A refresh token that was used stays until its end, so that a second use is noticed; a family goes with its last one.
pub async fn delete_expired(tx: &mut Tx<System>, now: Timestamp) -> Result<(), AppError> {
    sqlx::query!("delete from auth.tokens where expires_at <= $1", now.to_sqlx() as _)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "delete from auth.token_families f where not exists (select from auth.tokens t where t.family_id = f.id)"
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
