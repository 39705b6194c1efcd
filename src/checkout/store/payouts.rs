//! SQL of refunds that were paid by hand.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{
    checkout::payouts::{Payout, Way},
    db::{System, Tx},
    error::AppError,
    ids::{RefundId, UserId},
};

/// What was written down, and by whom.
pub async fn payout_of(tx: &mut Tx<System>, id: RefundId) -> Result<Option<(Payout, UserId)>, AppError> {
    let row = sqlx::query!(
        r#"select way, paid_on as "paid_on: jiff_sqlx::Date", proof, recorded_by as "by: UserId"
             from refund_payouts where refund_id = $1"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(payout(Some(row.way), Some(row.paid_on), Some(row.proof))?.map(|payout| (payout, row.by)))
}

pub async fn insert_payout(
    tx: &mut Tx<System>,
    id: RefundId,
    payout: &Payout,
    by: UserId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into refund_payouts (refund_id, way, paid_on, proof, recorded_by, recorded_at)
         values ($1, $2, $3, $4, $5, $6)",
        id.0,
        payout.way.code(),
        payout.paid_on.to_sqlx() as _,
        payout.proof,
        by.0,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// From the columns of a row that may not be there.
pub(super) fn payout(
    way: Option<String>,
    paid_on: Option<jiff_sqlx::Date>,
    proof: Option<String>,
) -> Result<Option<Payout>, AppError> {
    let (Some(way), Some(paid_on), Some(proof)) = (way, paid_on, proof) else { return Ok(None) };
    let way = Way::from_code(&way).ok_or_else(|| AppError::broken("a payout of another form"))?;
    Ok(Some(Payout { way, paid_on: paid_on.to_jiff(), proof }))
}
