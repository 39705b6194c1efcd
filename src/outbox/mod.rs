//! Jobs as rows: pushed in the business transaction, claimed by one worker at a time, done, retried, dead.
//!
//! A job carries ids only and reads the present state when it runs, so running it twice is harmless.

mod attention;
mod copies;
mod facts;
mod lease;
mod mails;
mod rounds;

pub use attention::{Attention, raise, raise_unless_resolved, resolve, resolve_about, settle, settle_about};
pub use copies::{Copy, Resendable, forget_copies_before, keep_copy, lock_for_resending, owe_again};
pub use facts::{FactKind, tell};
pub use lease::{BEAT, renew};
pub use mails::{
    About, LateMail, Mail, MailKind, address_of, follows_another, give_up_mail, last_mail_at, late_mails,
    mail, mark_mail_sent, note_mail_error, owe_mail, owe_mail_to_owner,
};
pub use rounds::{round_begun, round_done, round_done_at};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{Lane, System, Tx},
    ids::{AttemptId, BookingId, DisputeId, FindId, HookEndpointId, HookEventId, MailId, RefundId},
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
    /// Have the tickets cancelled, or find out whether they were.
    CancelAtSupplier(BookingId),
    SendMail(MailId),
    /// The time to pay is nearly over.
    RemindOfHold(BookingId),
    /// Tell the agency what needs a person.
    SoundAlarm,
    /// Send a link to a booking's contact, if what somebody typed belongs together.
    FindBooking(FindId),
    /// Ask the airline how the flights of a booking stand.
    CheckFlights(BookingId),
    /// Put an event on its way to every endpoint of the agency's systems.
    SpreadEvent(HookEventId),
    /// Follow a dispute until the bank has decided, and call somebody before its deadline.
    WatchDispute(DisputeId),
    /// Look for tickets of a booking that has ended without any, and give them back.
    VoidTickets(BookingId),
    /// The time to pay again for tickets is over.
    CancelUnpaid(BookingId),
    /// Send an endpoint the next event that is due. One job for each endpoint: it is the clock of a queue.
    ServeEndpoint(HookEndpointId),
}

const SEND_MAIL: &str = "send_mail";
const SERVE_ENDPOINT: &str = "serve_endpoint";

impl Job {
    const KINDS: [&'static str; 20] = [
        "open_session",
        "check_attempt",
        "apply_event",
        "order_at_supplier",
        "capture_money",
        "return_money",
        "submit_refund",
        "lapse_hold",
        "release_hold",
        "cancel_at_supplier",
        SEND_MAIL,
        "find_booking",
        "remind_of_hold",
        "sound_alarm",
        "check_flights",
        "spread_event",
        "watch_dispute",
        "void_tickets",
        "cancel_unpaid",
        SERVE_ENDPOINT,
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
            Self::CancelAtSupplier(_) => "cancel_at_supplier",
            Self::SendMail(_) => SEND_MAIL,
            Self::FindBooking(_) => "find_booking",
            Self::RemindOfHold(_) => "remind_of_hold",
            Self::SoundAlarm => "sound_alarm",
            Self::CheckFlights(_) => "check_flights",
            Self::SpreadEvent(_) => "spread_event",
            Self::WatchDispute(_) => "watch_dispute",
            Self::VoidTickets(_) => "void_tickets",
            Self::CancelUnpaid(_) => "cancel_unpaid",
            Self::ServeEndpoint(_) => SERVE_ENDPOINT,
        }
    }

    pub fn lane(&self) -> Lane {
        lane_of(self.kind())
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
            | Self::ReleaseHold(id)
            | Self::CheckFlights(id)
            | Self::VoidTickets(id)
            | Self::CancelUnpaid(id)
            | Self::CancelAtSupplier(id) => id.to_string(),
            Self::SubmitRefund(id) => id.to_string(),
            Self::SendMail(id) => id.to_string(),
            Self::FindBooking(id) => id.to_string(),
            // One for everything that is raised until it sounds.
            Self::SoundAlarm => "attention".to_owned(),
            Self::SpreadEvent(id) => id.to_string(),
            Self::WatchDispute(id) => id.to_string(),
            Self::ServeEndpoint(id) => id.to_string(),
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
            "cancel_at_supplier" => Self::CancelAtSupplier(subject.parse().ok()?),
            SEND_MAIL => Self::SendMail(subject.parse().ok()?),
            "find_booking" => Self::FindBooking(subject.parse().ok()?),
            "remind_of_hold" => Self::RemindOfHold(subject.parse().ok()?),
            "sound_alarm" => Self::SoundAlarm,
            "check_flights" => Self::CheckFlights(subject.parse().ok()?),
            "spread_event" => Self::SpreadEvent(subject.parse().ok()?),
            "watch_dispute" => Self::WatchDispute(subject.parse().ok()?),
            "void_tickets" => Self::VoidTickets(subject.parse().ok()?),
            "cancel_unpaid" => Self::CancelUnpaid(subject.parse().ok()?),
            SERVE_ENDPOINT => Self::ServeEndpoint(subject.parse().ok()?),
            _ => return None,
        })
    }
}

/// What waits for others' servers has lanes of its own, so that money never waits for them.
fn lane_of(kind: &str) -> Lane {
    match kind {
        SEND_MAIL => Lane::Mail,
        SERVE_ENDPOINT => Lane::Hooks,
        _ => Lane::Work,
    }
}

/// What a job that did not fail has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Not yet: look again then. This is patience, not failure, and is not counted as a try.
    Again(Timestamp),
}

/// A job taken by this worker, for as long as it renews its lease.
#[derive(Clone, Debug)]
pub struct Claim {
    pub id: i64,
    pub job: Job,
    /// This run included.
    pub tries: i32,
    pub pushed_at: Timestamp,
}

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
    tx.wake_worker_on_commit(job.lane());
    Ok(())
}

/// Takes the lane's job that has been due for longest, if any; a job whose worker vanished counts as due. No lane: any job.
/// Kinds that this version does not know are left to the newer version that pushed them.
pub async fn claim(
    tx: &mut Tx<System>,
    lane: Option<Lane>,
    now: Timestamp,
) -> Result<Option<Claim>, sqlx::Error> {
    let is_wanted = |kind: &&str| lane.is_none_or(|lane| lane == lane_of(kind));
    let kinds: Vec<String> = Job::KINDS.into_iter().filter(is_wanted).map(str::to_owned).collect();
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
        (now + lease::LEASE).to_sqlx() as _,
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

/// Gives a job up. `false`: it was not this worker's any more. Otherwise the caller raises it to a person.
pub async fn dead(
    tx: &mut Tx<System>,
    claim: &Claim,
    error: &str,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
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
    .map(|given_up| given_up.rows_affected() == 1)
}

/// A job that was given up gets all its tries again. `false`: none is.
pub async fn run_again(
    tx: &mut Tx<System>,
    kind: &str,
    subject: &str,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let Some(job) = Job::read(kind, subject) else { return Ok(false) };
    let looked_at = sqlx::query!(
        "update outbox set state = 'done', finished_at = $3 where kind = $1 and subject = $2 and state = 'dead'",
        kind,
        subject,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    if looked_at.rows_affected() == 0 {
        return Ok(false);
    }
    push(tx, &job, now, now).await?;
    Ok(true)
}

/// Forgets what was done long ago; dead jobs stay until a person has looked.
pub async fn delete_done_before(tx: &mut Tx<System>, at: Timestamp) -> Result<u64, sqlx::Error> {
    sqlx::query!("delete from outbox where state = 'done' and finished_at < $1", at.to_sqlx() as _)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected())
}

/// How long until the next try: doubling up to an hour, and up to a quarter more. The more comes from the job's id and the
/// try, so that a crowd that failed together neither returns together nor meets again in the same order.
pub fn backoff(claim: &Claim) -> SignedDuration {
    let doubled = 5_000_i64.saturating_mul(1 << claim.tries.clamp(1, 10)).min(3_600_000);
    let place = claim.id.wrapping_mul(31).wrapping_add(i64::from(claim.tries).wrapping_mul(17));
    let spread = place.rem_euclid(101) * doubled / 400;
    SignedDuration::from_millis(doubled + spread)
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
            Job::CancelAtSupplier(BookingId::new()),
            Job::SendMail(MailId::new()),
            Job::FindBooking(FindId::new()),
            Job::RemindOfHold(BookingId::new()),
            Job::SoundAlarm,
            Job::CheckFlights(BookingId::new()),
            Job::CancelUnpaid(BookingId::new()),
            Job::SpreadEvent(HookEventId::new()),
            Job::ServeEndpoint(HookEndpointId::new()),
        ];
        for job in jobs {
            assert!(Job::KINDS.contains(&job.kind()));
            assert_eq!(Job::read(job.kind(), &job.subject()), Some(job));
        }
        assert_eq!(Job::read("fly_to_the_moon", "x"), None);
        assert_eq!(Job::read("send_mail", "not an id"), None);
    }

    fn claim(id: i64, tries: i32) -> Claim {
        let job = Job::ApplyEvent("evt_1".to_owned());
        Claim { id, job, tries, pushed_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn waiting_doubles_up_to_an_hour_and_a_quarter() {
        for (tries, least) in
            [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (500, 3600), (i32::MAX, 3600)]
        {
            for id in [1, 17, 99, i64::MAX] {
                let seconds = backoff(&claim(id, tries)).as_secs();
                assert!((least..=least * 5 / 4).contains(&seconds), "try {tries} of {id}: {seconds}");
            }
        }
    }

    #[test]
    fn a_crowd_that_failed_together_does_not_return_together() {
        for tries in [1, 5, 12] {
            let waits = (1..=100).map(|id| backoff(&claim(id, tries)).as_millis());
            let different: std::collections::BTreeSet<i128> = waits.collect();
            assert!(different.len() > 90, "try {tries}: {} times for 100 jobs", different.len());
        }
    }
}
