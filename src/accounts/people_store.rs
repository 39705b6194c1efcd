//! SQL of profiles and saved travellers. Row-level security leaves those of one user to see and to change.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    accounts::{Profile, SavedTraveller},
    db::{Traveller, Tx},
    error::AppError,
    ids::{TravellerId, UserId},
    itinerary::Sex,
};

pub async fn profile(tx: &mut Tx<Traveller>) -> Result<Profile, AppError> {
    let row = sqlx::query!(
        r#"select full_name, phone, born_on as "born_on: jiff_sqlx::Date", nationality from profiles"#
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map_or_else(Profile::default, |row| Profile {
        name: row.full_name,
        phone: row.phone,
        born_on: row.born_on.map(|date| date.to_jiff()),
        nationality: row.nationality,
    }))
}

pub async fn update_profile(tx: &mut Tx<Traveller>, profile: &Profile) -> Result<(), AppError> {
    sqlx::query!(
        "update profiles set full_name = $1, phone = $2, born_on = $3, nationality = $4",
        profile.name,
        profile.phone,
        profile.born_on.map(ToSqlx::to_sqlx) as _,
        profile.nationality,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn travellers(tx: &mut Tx<Traveller>) -> Result<Vec<(TravellerId, SavedTraveller)>, AppError> {
    let rows = sqlx::query!(
        r#"select id as "id: TravellerId", given_names, family_name, born_on as "born_on: jiff_sqlx::Date", sex
             from saved_travellers order by created_at, id"#
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let sex =
                Sex::from_code(&row.sex).ok_or_else(|| AppError::broken("a sex that is not known here"))?;
            let traveller = SavedTraveller {
                given_names: row.given_names,
                family_name: row.family_name,
                born_on: row.born_on.to_jiff(),
                sex,
            };
            Ok((row.id, traveller))
        })
        .collect()
}

/// Whoever changes the list of one account does it one after the other until the end of the transaction.
pub async fn lock(tx: &mut Tx<Traveller>) -> Result<(), AppError> {
    sqlx::query!("select user_id from profiles for update").fetch_optional(&mut **tx).await?;
    Ok(())
}

pub async fn add_traveller(
    tx: &mut Tx<Traveller>,
    user: UserId,
    id: TravellerId,
    traveller: &SavedTraveller,
    now: Timestamp,
) -> Result<(), AppError> {
    sqlx::query!(
        "insert into saved_travellers (id, user_id, given_names, family_name, born_on, sex, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        user.0,
        traveller.given_names,
        traveller.family_name,
        traveller.born_on.to_sqlx() as _,
        traveller.sex.code(),
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// False: there is none of this id, or it is somebody else's.
pub async fn change_traveller(
    tx: &mut Tx<Traveller>,
    id: TravellerId,
    traveller: &SavedTraveller,
) -> Result<bool, AppError> {
    let changed = sqlx::query!(
        "update saved_travellers set given_names = $2, family_name = $3, born_on = $4, sex = $5 where id = $1",
        id.0,
        traveller.given_names,
        traveller.family_name,
        traveller.born_on.to_sqlx() as _,
        traveller.sex.code(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() == 1)
}

pub async fn forget_traveller(tx: &mut Tx<Traveller>, id: TravellerId) -> Result<bool, AppError> {
    let gone = sqlx::query!("delete from saved_travellers where id = $1", id.0).execute(&mut **tx).await?;
    Ok(gone.rows_affected() == 1)
}
