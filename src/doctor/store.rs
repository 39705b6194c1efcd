//! What the doctor reads as the system: who owns the agency's side, and what is sealed by which key.

use crate::{
    accounts::second_factor,
    bookings::documents,
    db::{Db, System},
    hooks,
    vault::Sample,
};

pub async fn owners(db: &Db) -> Result<i64, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from auth.users where staff_role = 'owner' and deleted_at is null"#
    )
    .fetch_one(&mut *tx)
    .await
}

/// One sealed row of each kind and key.
pub async fn samples(db: &Db) -> Result<Vec<(&'static str, Sample)>, sqlx::Error> {
    let mut tx = db.begin(System).await?;
    let passports = documents::samples(&mut tx).await?.into_iter().map(|sample| ("passports", sample));
    let factors = second_factor::samples(&mut tx).await?.into_iter().map(|sample| ("second factors", sample));
    let hooks = hooks::samples(&mut tx).await?.into_iter().map(|sample| ("webhook secrets", sample));
    Ok(passports.chain(factors).chain(hooks).collect())
}
