//! Who is staff, and as what. The agency always keeps an owner, and nobody changes their own role.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    accounts::devices,
    audit,
    clock::Clock,
    db::{Db, System, Tx},
    error::{AppError, FieldErrors, Refusal},
    ids::UserId,
    web::principal::StaffRole,
};

#[derive(Debug)]
pub struct Member {
    pub user: UserId,
    pub email: String,
    pub role: String,
    pub second_factor: bool,
    pub seen_at: Option<Timestamp>,
}

pub async fn list(db: &Db) -> Result<Vec<Member>, AppError> {
    read(db, None).await
}

pub async fn member(db: &Db, user: UserId) -> Result<Member, AppError> {
    read(db, Some(user)).await?.pop().ok_or(AppError::NotFound)
}

async fn read(db: &Db, user: Option<UserId>) -> Result<Vec<Member>, AppError> {
    let mut tx = db.begin(System).await?;
    let rows = sqlx::query!(
        r#"select u.id as "id: UserId", u.email::text as "email!", u.staff_role as "role!",
                  exists (select from auth.second_factors f where f.user_id = u.id) as "second_factor!",
                  (select max(d.seen_at) from auth.devices d where d.user_id = u.id)
                      as "seen_at: jiff_sqlx::Timestamp"
             from auth.users u
            where u.staff_role is not null and ($1::uuid is null or u.id = $1)
            order by u.email"#,
        user.map(|user| user.0),
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Member {
            user: row.id,
            email: row.email,
            role: row.role,
            second_factor: row.second_factor,
            seen_at: row.seen_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
        .collect())
}

/// Makes an account a member of the agency. There must be one: its owner chose the password. And they must have proven the
/// address, which anybody could have signed up with.
pub async fn add(db: &Db, clock: &Clock, by: UserId, email: &str, role: StaffRole) -> Result<(), AppError> {
    let refuse = |message: &str| Err(AppError::Invalid(FieldErrors::one("email", message)));
    let mut tx = db.begin(System).await?;
    lock_owners_with(&mut tx, by).await?;
    let found = sqlx::query!(
        r#"select id as "id: UserId", staff_role, email_verified_at is not null as "proven!" from auth.users
            where email = $1::text::citext and deleted_at is null for update"#,
        email
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else {
        return refuse("No account has this address. Let them create one first");
    };
    if !found.proven {
        return refuse(
            "The account with this address has not confirmed it. Let them use the link in their mail first",
        );
    }
    if found.staff_role.is_some() {
        return refuse("They are staff already. Change their role instead");
    }
    let data = json!({ "role": role.code() });
    set_role(&mut tx, found.id, Some(role)).await?;
    record(&mut tx, by, audit::Action::StaffAdded, found.id, &data, clock).await?;
    tx.commit().await?;
    Ok(())
}

/// Another role, or none. It counts at once, and signs them out everywhere.
pub async fn change(
    db: &Db,
    clock: &Clock,
    by: UserId,
    user: UserId,
    role: Option<StaffRole>,
) -> Result<(), AppError> {
    if by == user {
        return Err(refused("own_role", "Nobody changes their own role", "Another owner can do it."));
    }
    let mut tx = db.begin(System).await?;
    let owners = lock_owners_with(&mut tx, by).await?;
    let was = sqlx::query_scalar!("select staff_role from auth.users where id = $1 for update", user.0)
        .fetch_optional(&mut *tx)
        .await?
        .flatten()
        .ok_or(AppError::NotFound)?;
    if owners == [user] && role != Some(StaffRole::Owner) {
        return Err(refused("last_owner", "This is the last owner", "Make somebody else an owner first."));
    }
    let (action, data) = match role {
        Some(role) if role.code() == was => return Ok(()),
        Some(role) => (audit::Action::RoleChanged, json!({ "from": was, "to": role.code() })),
        None => (audit::Action::StaffRemoved, json!({ "from": was })),
    };
    set_role(&mut tx, user, role).await?;
    record(&mut tx, by, action, user, &data, clock).await?;
    tx.commit().await?;
    Ok(())
}

/// All owners in one order: of two who would remove each other, the second sees what the first has done. `by` is still one
/// of them, or nothing is done.
async fn lock_owners_with(tx: &mut Tx<System>, by: UserId) -> Result<Vec<UserId>, AppError> {
    let owners = sqlx::query_scalar!(
        r#"select id as "id: UserId" from auth.users where staff_role = 'owner' order by id for update"#
    )
    .fetch_all(&mut **tx)
    .await?;
    if owners.contains(&by) { Ok(owners) } else { Err(AppError::Forbidden) }
}

async fn set_role(tx: &mut Tx<System>, user: UserId, role: Option<StaffRole>) -> Result<(), AppError> {
    sqlx::query!("update auth.users set staff_role = $2 where id = $1", user.0, role.map(StaffRole::code))
        .execute(&mut **tx)
        .await?;
    devices::end_everything(tx, user, None).await
}

async fn record(
    tx: &mut Tx<System>,
    by: UserId,
    action: audit::Action,
    user: UserId,
    data: &serde_json::Value,
    clock: &Clock,
) -> Result<(), sqlx::Error> {
    audit::record_for(tx, by, action, None, &user.to_string(), data, clock.now()).await
}

fn refused(code: &'static str, title: &'static str, detail: &str) -> AppError {
    AppError::Conflict(Refusal { code, title, detail: format!("{detail} Nothing was changed.") })
}
