//! Jobs as rows: pushed in the business transaction, claimed by one worker at a time, done, retried, dead.
//!
//! A job carries ids only and reads the present state when it runs, so running it twice is harmless.

mod attention;
mod mails;

pub use attention::{Attention, raise};
pub use mails::{
    About, Mail, MailKind, address_of, follows_another, give_up_mail, last_mail_at, mail, mark_mail_sent,
    note_mail_error, owe_mail, owe_mail_to_owner,
};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    ids::{AttemptId, BookingId, FindId, MailId, RefundId},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Create the attempt's CheckoutSession at Stripe.
    OpenSession(AttemptId),
    /// Ask Stripe how an attempt stands: the poller behind the webhook.
    CheckAttempt(AttemptId),
    /// Apply what an inbox event points at.
    ApplyEvent(String),
    /// Buy the tickets, or find out whether they were bought.
    OrderAtSupplier(BookingId),
    /// Take the authorised money of a confirmed booking.
    CaptureMoney(BookingId),
    /// Release or refund every attempt that the booking does not need.
    ReturnMoney(BookingId),
    SubmitRefund(RefundId),
    /// The time to pay is over.
    LapseHold(BookingId),
    ReleaseHold(BookingId),
    SendMail(MailId),
    /// The time to pay is nearly over.
    RemindOfHold(BookingId),
    /// Tell the agency what needs a person.
    SoundAlarm,
    /// Send a link to a booking's contact, if what somebody typed belongs together.
    FindBooking(FindId),
}

impl Job {
    const KINDS: [&'static str; 13] = [
        "open_session",
        "check_attempt",
        "apply_event",
        "order_at_supplier",
        "capture_money",
        "return_money",
        "submit_refund",
        "lapse_hold",
        "release_hold",
        "send_mail",
        "find_booking",
        "remind_of_hold",
        "sound_alarm",
    ];

    pub fn kind(&self) -> &'static str {
        match self {
            Self::OpenSession(_) => "open_session",
            Self::CheckAttempt(_) => "check_attempt",
            Self::ApplyEvent(_) => "apply_event",
            Self::OrderAtSupplier(_) => "order_at_supplier",
            Self::CaptureMoney(_) => "capture_money",
            Self::ReturnMoney(_) => "return_money",
            Self::SubmitRefund(_) => "submit_refund",
            Self::LapseHold(_) => "lapse_hold",
            Self::ReleaseHold(_) => "release_hold",
            Self::SendMail(_) => "send_mail",
            Self::FindBooking(_) => "find_booking",
            Self::RemindOfHold(_) => "remind_of_hold",
            Self::SoundAlarm => "sound_alarm",
        }
    }

    pub fn subject(&self) -> String {
        match self {
            Self::OpenSession(id) | Self::CheckAttempt(id) => id.to_string(),
            Self::ApplyEvent(id) => id.clone(),
            Self::OrderAtSupplier(id)
            | Self::CaptureMoney(id)
            | Self::ReturnMoney(id)
            | Self::LapseHold(id)
            | Self::RemindOfHold(id)
            | Self::ReleaseHold(id) => id.to_string(),
            Self::SubmitRefund(id) => id.to_string(),
            Self::SendMail(id) => id.to_string(),
            Self::FindBooking(id) => id.to_string(),
            // One for everything that is raised until it sounds.
            Self::SoundAlarm => "attention".to_owned(),
        }
    }

    fn read(kind: &str, subject: &str) -> Option<Self> {
        Some(match kind {
            "open_session" => Self::OpenSession(subject.parse().ok()?),
            "check_attempt" => Self::CheckAttempt(subject.parse().ok()?),
            "apply_event" => Self::ApplyEvent(subject.to_owned()),
            "order_at_supplier" => Self::OrderAtSupplier(subject.parse().ok()?),
            "capture_money" => Self::CaptureMoney(subject.parse().ok()?),
            "return_money" => Self::ReturnMoney(subject.parse().ok()?),
            "submit_refund" => Self::SubmitRefund(subject.parse().ok()?),
            "lapse_hold" => Self::LapseHold(subject.parse().ok()?),
            "release_hold" => Self::ReleaseHold(subject.parse().ok()?),
            "send_mail" => Self::SendMail(subject.parse().ok()?),
            "find_booking" => Self::FindBooking(subject.parse().ok()?),
            "remind_of_hold" => Self::RemindOfHold(subject.parse().ok()?),
            "sound_alarm" => Self::SoundAlarm,
            _ => return None,
        })
    }
}

/// What a job that did not fail has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Not yet: look again then. This is patience, not failure, and is not counted as a try.
    Again(Timestamp),
}

/// A job taken by this worker, until its lease runs out.
#[derive(Clone, Debug)]
pub struct Claim {
    pub id: i64,
    pub job: Job,
    /// This run included.
    pub tries: i32,
    pub pushed_at: Timestamp,
}

/// Longer than the slowest chain of time-outs inside one job.
const LEASE: SignedDuration = SignedDuration::from_mins(3);

/// Wishes for `job` at `due`. The same wish waiting already is moved forward if this one is sooner.
pub async fn push(tx: &mut Tx<System>, job: &Job, due: Timestamp, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into outbox (kind, subject, due_at, created_at) values ($1, $2, $3, $4)
         on conflict (kind, subject) where state = 'ready'
         do update set due_at = least(outbox.due_at, excluded.due_at)",
        job.kind(),
        job.subject(),
        due.to_sqlx() as _,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    tx.wake_worker_on_commit();
    Ok(())
}

/// Takes the job that has been due for longest, if any; a job whose worker vanished counts as due.
/// Kinds that this version does not know are left to the newer version that pushed them.
pub async fn claim(tx: &mut Tx<System>, now: Timestamp) -> Result<Option<Claim>, sqlx::Error> {
    let kinds = Job::KINDS.map(str::to_owned);
    let row = sqlx::query!(
        r#"update outbox set state = 'running', lease_until = $2, tries = tries + 1
            where id = (
                select id from outbox
                 where kind = any($3)
                   and ((state = 'ready' and due_at <= $1) or (state = 'running' and lease_until <= $1))
                 order by due_at, id
                 for update skip locked
                 limit 1)
        returning id, kind, subject, tries, created_at as "pushed_at: jiff_sqlx::Timestamp""#,
        now.to_sqlx() as _,
        (now + LEASE).to_sqlx() as _,
        &kinds[..],
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.and_then(|row| {
        let job = Job::read(&row.kind, &row.subject)?;
        Some(Claim { id: row.id, job, tries: row.tries, pushed_at: row.pushed_at.to_jiff() })
    }))
}

pub async fn done(tx: &mut Tx<System>, claim: &Claim, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update outbox set state = 'done', lease_until = null, finished_at = $3, last_error = null
          where id = $1 and state = 'running' and tries = $2",
        claim.id,
        claim.tries,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Puts a job back. If the same wish has been pushed meanwhile, that one takes over.
/// `error` is what went wrong; none means that it merely waits, and the run is not counted.
pub async fn again(
    tx: &mut Tx<System>,
    claim: &Claim,
    due: Timestamp,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with twin as (
             select exists (select from outbox where kind = $5 and subject = $6 and state = 'ready') as waits)
         update outbox set
                state = case when twin.waits then 'done' else 'ready' end,
                finished_at = case when twin.waits then $7::timestamptz end,
                lease_until = null,
                due_at = $3,
                last_error = $4,
                tries = case when $4::text is null then tries - 1 else tries end
           from twin
          where id = $1 and state = 'running' and tries = $2",
        claim.id,
        claim.tries,
        due.to_sqlx() as _,
        error,
        claim.job.kind(),
        claim.job.subject(),
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Gives a job up. The caller raises it to a person.
pub async fn dead(
    tx: &mut Tx<System>,
    claim: &Claim,
    error: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update outbox set state = 'dead', lease_until = null, finished_at = $4, last_error = $3
          where id = $1 and state = 'running' and tries = $2",
        claim.id,
        claim.tries,
        error,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Forgets what was done long ago; dead jobs stay until a person has looked.
pub async fn delete_done_before(tx: &mut Tx<System>, at: Timestamp) -> Result<u64, sqlx::Error> {
    sqlx::query!("delete from outbox where state = 'done' and finished_at < $1", at.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected())
}

/// Seconds until the next try: doubling, at most an hour, spread by the job's own id so that a crowd does not return at once.
pub fn backoff(claim: &Claim) -> SignedDuration {
    let doubled = 5_i64.saturating_mul(1 << claim.tries.clamp(1, 10)).min(3600);
    let spread = claim.id.rem_euclid(17) * doubled / 100;
    SignedDuration::from_secs(doubled + spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_reads_back_from_its_row() {
        let jobs = [
            Job::OpenSession(AttemptId::new()),
            Job::CheckAttempt(AttemptId::new()),
            Job::ApplyEvent("evt_1".to_owned()),
            Job::OrderAtSupplier(BookingId::new()),
            Job::CaptureMoney(BookingId::new()),
            Job::ReturnMoney(BookingId::new()),
            Job::SubmitRefund(RefundId::new()),
            Job::LapseHold(BookingId::new()),
            Job::ReleaseHold(BookingId::new()),
            Job::SendMail(MailId::new()),
            Job::FindBooking(FindId::new()),
            Job::RemindOfHold(BookingId::new()),
            Job::SoundAlarm,
        ];
        for job in jobs {
            assert!(Job::KINDS.contains(&job.kind()));
            assert_eq!(Job::read(job.kind(), &job.subject()), Some(job));
        }
        assert_eq!(Job::read("fly_to_the_moon", "x"), None);
        assert_eq!(Job::read("send_mail", "not an id"), None);
    }

    #[test]
    fn waiting_doubles_up_to_an_hour() {
        let claim = |tries| Claim {
            id: 17,
            job: Job::ApplyEvent("evt_1".to_owned()),
            tries,
            pushed_at: Timestamp::UNIX_EPOCH,
        };
        let seconds: Vec<i64> = [1, 2, 3, 9, 10, 500].map(|tries| backoff(&claim(tries)).as_secs()).to_vec();
        assert_eq!(seconds, [10, 20, 40, 2560, 3600, 3600]);
    }
}
