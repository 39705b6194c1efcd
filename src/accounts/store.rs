//! SQL of accounts. A guest reaches one row at a time, through the functions of migration 0002, and never the table.

use crate::{
    db::{Guest, System, Traveller, Tx},
    error::AppError,
    ids::UserId,
};

pub struct Login {
    pub user: UserId,
    pub password_hash: String,
    pub staff_role: Option<String>,
}

pub async fn find_login(tx: &mut Tx<Guest>, email: &str) -> Result<Option<Login>, AppError> {
    let row = sqlx::query!(
        r#"select user_id as "user_id!", password_hash as "password_hash!", staff_role
             from auth.find_login($1::text::citext)"#,
        email,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Login {
        user: UserId(row.user_id),
        password_hash: row.password_hash,
        staff_role: row.staff_role,
    }))
}

/// False: the address has an account already, which stays as it is.
pub async fn sign_up(
    tx: &mut Tx<Guest>,
    user: UserId,
    email: &str,
    hash: &str,
    name: &str,
) -> Result<bool, AppError> {
    let made = sqlx::query_scalar!(
        r#"select auth.sign_up($1, $2::text::citext, $3, $4) as "made!""#,
        user.0,
        email,
        hash,
        name,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(made)
}

pub async fn make_staff(
    tx: &mut Tx<System>,
    user: UserId,
    email: &str,
    hash: &str,
    role: &str,
) -> Result<UserId, AppError> {
    let user = sqlx::query_scalar!(
        r#"with made as (
             insert into auth.users (id, email, password_hash, staff_role) values ($1, $2::text::citext, $3, $4)
                 on conflict (email) do update set password_hash = excluded.password_hash, staff_role = excluded.staff_role
             returning id
         ),
         known as (insert into profiles (user_id) select id from made on conflict (user_id) do nothing)
         select id as "id!" from made"#,
        user.0,
        email,
        hash,
        role,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(UserId(user))
}

/// Row-level security leaves one profile to see.
pub async fn name_of(tx: &mut Tx<Traveller>) -> Result<String, AppError> {
    let name = sqlx::query_scalar!("select full_name from profiles").fetch_optional(&mut **tx).await?;
    Ok(name.unwrap_or_default())
}
