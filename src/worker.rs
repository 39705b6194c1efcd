//! Runs what the outbox holds: claim, do, record. Several lanes, so that one slow call delays nobody else; any number of
//! processes may run it on one database.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::Instrument;

use crate::{
    accounts::{mail_tokens, second_factor, tokens},
    bookings::{self, Bookings},
    checkout::{self, Checkout, invariants},
    clock::Clock,
    db::{self, Db, Held, Lane, System},
    emails::Emails,
    error::AppError,
    hooks::Hooks,
    limits, meters,
    outbox::{self, Attention, Claim, Job, Outcome},
    search,
    web::{idempotency, session},
};

/// What others' servers are waited for in: one that hangs holds up its own kind and nothing else.
const LANES: [(Lane, usize); 3] = [(Lane::Work, 4), (Lane::Mail, 2), (Lane::Hooks, 4)];
/// How long an idle lane waits before it looks for jobs that became due, or that another process pushed.
const IDLE: Duration = Duration::from_secs(1);
/// After a look in vain: where pushes come as a flood, one look is for many of them.
const REST: Duration = Duration::from_millis(20);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// More than three days of backoff: as long as Stripe goes on delivering to us, and longer than any mail is tried. Patience
/// is not counted, only failure.
const MOST_TRIES: i32 = 85;
/// Longer than the slowest chain of time-outs inside one job: what takes longer hangs, and gives its lane back.
const LONGEST_JOB: Duration = Duration::from_secs(150);
/// When a round that fails becomes a person's matter. The next minute often mends it.
const LATE: SignedDuration = SignedDuration::from_hours(24);
/// No bank takes a dispute after that, whatever the card.
const KEEP_ADDRESSES: SignedDuration = SignedDuration::from_hours(24 * 540);
const KEEP_DONE_JOBS: SignedDuration = SignedDuration::from_hours(24 * 7);

#[derive(Clone)]
pub struct Worker {
    pub db: Db,
    pub clock: Clock,
    pub bookings: Bookings,
    pub checkout: Checkout,
    pub emails: Emails,
    pub hooks: Hooks,
}

impl Worker {
    /// Works until `stop`; jobs in hand are finished first.
    pub async fn run(self, stop: CancellationToken) {
        let lanes = TaskTracker::new();
        for (lane, many) in LANES {
            for _ in 0..many {
                lanes.spawn(self.clone().lane(lane, stop.clone()));
            }
        }
        lanes.spawn(self.sweeper(stop));
        lanes.close();
        lanes.wait().await;
    }

    async fn lane(self, lane: Lane, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.run_one(Some(lane)).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "job lane stumbled"),
            }
            tokio::time::sleep(REST).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.db.jobs_pushed(lane) => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }

    async fn sweeper(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.sweep().await {
                tracing::error!(error = &error as &dyn std::error::Error, "sweep stumbled");
            }
        }
    }

    /// Runs everything that is due now, one after the other, and says how many jobs that were.
    pub async fn run_due(&self) -> Result<usize, AppError> {
        let mut count = 0;
        while self.run_one(None).await? {
            count += 1;
        }
        Ok(count)
    }

    /// Takes one due job and runs it; `false` if none was due.
    async fn run_one(&self, lane: Option<Lane>) -> Result<bool, AppError> {
        let mut tx = self.db.begin(System).await?;
        let claim = outbox::claim(&mut tx, lane, self.clock.now()).await?;
        tx.commit().await?;
        let Some(claim) = claim else { return Ok(false) };
        let began = Instant::now();
        let span = tracing::info_span!("job", kind = claim.job.kind(), number = claim.id);
        async {
            // Boxed: the largest future of the program would be copied from frame to frame.
            let work = Box::pin(self.clone().work(claim.clone()));
            let held = Held { job: claim.id, run: claim.tries };
            let result = tokio::select! {
                result = unless_it_breaks(db::holding(held, work)) => result,
                () = self.lost(&claim) => {
                    tracing::warn!(subject = claim.job.subject(), "another worker has this job by now");
                    meters::job_ended(claim.job.kind(), "lost", began.elapsed());
                    return Ok(());
                }
            };
            let outcome = self.outcome(&claim, &result);
            meters::job_ended(claim.job.kind(), outcome, began.elapsed());
            self.record(&claim, result).await
        }
        .instrument(span)
        .await?;
        Ok(true)
    }

    /// Renews the lease for as long as it can be; resolves when the job is somebody else's. A database that is away now
    /// gives it to nobody.
    async fn lost(&self, claim: &Claim) {
        loop {
            tokio::time::sleep(outbox::BEAT).await;
            match self.renew(claim).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a lease was not renewed");
                }
            }
        }
    }

    async fn renew(&self, claim: &Claim) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin(System).await?;
        let is_ours = outbox::renew(&mut tx, claim, self.clock.now()).await?;
        tx.commit().await?;
        Ok(is_ours)
    }

    async fn work(self, claim: Claim) -> Result<Outcome, AppError> {
        match &claim.job {
            Job::OpenSession(id) => self.checkout.open_session(*id).await,
            Job::CheckAttempt(id) => self.checkout.check_attempt(*id).await,
            Job::ApplyEvent(id) => self.checkout.apply_event(id).await,
            Job::OrderAtSupplier(id) => self.bookings.order_at_supplier(*id, &claim).await,
            Job::CaptureMoney(id) => self.checkout.capture_money(*id, &claim).await,
            Job::ReturnMoney(id) => self.checkout.return_money(*id).await,
            Job::SubmitRefund(id) => self.checkout.submit_refund(*id).await,
            Job::LapseHold(id) => self.checkout.lapse_hold(*id).await,
            Job::ReleaseHold(id) => self.bookings.release_hold(*id).await,
            Job::CancelAtSupplier(id) => self.checkout.cancel_at_supplier(*id, &claim).await,
            Job::SendMail(id) => self.emails.send(*id, &claim).await,
            Job::RemindOfHold(id) => self.checkout.remind_of_hold(*id).await,
            Job::SoundAlarm => self.emails.sound_alarm().await,
            Job::FindBooking(id) => self.bookings.find(*id).await,
            Job::CheckFlights(id) => self.bookings.check_flights(*id).await,
            Job::WatchDispute(id) => self.checkout.watch_dispute(*id).await,
            Job::VoidTickets(id) => self.checkout.void_tickets(*id, &claim).await,
            Job::CancelUnpaid(id) => self.checkout.cancel_unpaid(*id).await,
            Job::SpreadEvent(id) => self.hooks.spread(*id).await,
            Job::ServeEndpoint(id) => self.hooks.serve(*id).await,
        }
    }

    /// In one word.
    fn outcome(&self, claim: &Claim, result: &Result<Outcome, AppError>) -> &'static str {
        match result {
            Ok(Outcome::Done) => "done",
            Ok(Outcome::Again(_)) => "again",
            Err(_) if claim.tries < MOST_TRIES => "failed",
            Err(_) => "dead",
        }
    }

    async fn record(&self, claim: &Claim, result: Result<Outcome, AppError>) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        match result {
            Ok(Outcome::Done) => outbox::done(&mut tx, claim, now).await?,
            Ok(Outcome::Again(at)) => outbox::again(&mut tx, claim, at, None, now).await?,
            Err(error) => {
                let text = told(&error);
                tracing::warn!(
                    job = claim.job.kind(),
                    subject = claim.job.subject(),
                    tries = claim.tries,
                    error = text,
                    "job failed"
                );
                if claim.tries < MOST_TRIES {
                    let due = now + outbox::backoff(claim);
                    outbox::again(&mut tx, claim, due, Some(&text), now).await?;
                } else if outbox::dead(&mut tx, claim, &text, now).await? {
                    let subject = format!("{}:{}", claim.job.kind(), claim.job.subject());
                    outbox::raise(&mut tx, Attention::JobDead, &subject, None, &text, now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// The periodic rounds: forget what has expired, and ask whether everything still holds. One that fails holds up no
    /// other; the first failure is the answer.
    pub async fn sweep(&self) -> Result<(), AppError> {
        let mut outcome = Ok(());
        for round in Round::ALL {
            let now = self.clock.now();
            let made = self.make(round, now).await;
            if let Err(error) = &made {
                let error = error as &dyn std::error::Error;
                tracing::error!(round = round.name(), error, "a round failed");
            }
            self.note(round, made.is_ok(), now).await?;
            outcome = outcome.and(made);
        }
        outcome
    }

    async fn make(&self, round: Round, now: Timestamp) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        match round {
            Round::Searches => search::sweep(&mut tx, now).await.map(drop)?,
            Round::Links => bookings::links::sweep(&mut tx, now).await?,
            Round::Finds => bookings::find::sweep(&mut tx, now).await?,
            Round::Flights => bookings::changes::sweep(&mut tx, now).await?,
            Round::Tokens => tokens::sweep(&mut tx, now).await?,
            Round::Limits => limits::sweep(&mut tx, now).await?,
            Round::Sessions => session::sweep(&mut tx, now).await?,
            Round::MailTokens => {
                mail_tokens::delete_expired_before(&mut tx, now - KEEP_DONE_JOBS).await.map(drop)?;
            }
            Round::Answers => idempotency::sweep(&mut tx, now).await?,
            Round::Mails => self.emails.sweep(&mut tx, now).await?,
            Round::Jobs => outbox::delete_done_before(&mut tx, now - KEEP_DONE_JOBS).await.map(drop)?,
            Round::Invariants => {
                let breaches = invariants::breaches(&mut tx, now).await?;
                meters::asked(
                    &invariants::CODES
                        .map(|code| (code, breaches.iter().filter(|b| b.code() == code).count())),
                );
                for breach in breaches {
                    let (kind, subject) = (Attention::InvariantBroken, breach.subject.as_str());
                    outbox::raise(&mut tx, kind, subject, None, breach.invariant, now).await?;
                }
            }
            Round::Documents => {
                checkout::store::forget_addresses_before(&mut tx, now - KEEP_ADDRESSES).await?;
                tx.commit().await?;
                return self.bookings.sweep_documents().await;
            }
            Round::Hooks => {
                drop(tx);
                return self.hooks.sweep().await;
            }
            Round::StripeEvents => {
                drop(tx);
                return self.checkout.read_missed_events().await;
            }
            Round::Reconciliation => {
                drop(tx);
                return self.checkout.reconcile().await;
            }
            Round::SecondFactors => {
                drop(tx);
                return second_factor::renew_sealed(&self.db, &self.bookings.vault, now).await;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// One that has not been made for a day needs a person.
    async fn note(&self, round: Round, is_made: bool, now: Timestamp) -> Result<(), AppError> {
        let mut tx = self.db.begin(System).await?;
        if is_made {
            meters::round_made(round.name(), now);
            outbox::round_done(&mut tx, round.name(), now).await?;
        } else {
            outbox::round_begun(&mut tx, round.name(), now).await?;
            let last = outbox::round_done_at(&mut tx, round.name()).await?.unwrap_or(now);
            if now.duration_since(last) >= LATE {
                let detail = format!("It was last made at {last}. Its error is in the log.");
                outbox::raise(&mut tx, Attention::RoundLate, round.name(), None, &detail, now).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What the worker does every minute, each in a transaction of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Searches,
    Links,
    Finds,
    Tokens,
    Limits,
    Sessions,
    MailTokens,
    Mails,
    Answers,
    Jobs,
    Documents,
    SecondFactors,
    Hooks,
    Flights,
    StripeEvents,
    Reconciliation,
    Invariants,
}

impl Round {
    const ALL: [Self; 17] = [
        Self::Searches,
        Self::Links,
        Self::Finds,
        Self::Tokens,
        Self::Limits,
        Self::Sessions,
        Self::MailTokens,
        Self::Mails,
        Self::Answers,
        Self::Jobs,
        Self::Documents,
        Self::SecondFactors,
        Self::Hooks,
        Self::Flights,
        Self::StripeEvents,
        Self::Reconciliation,
        Self::Invariants,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Searches => "searches",
            Self::Links => "links",
            Self::Finds => "finds",
            Self::Tokens => "tokens",
            Self::Limits => "limits",
            Self::Sessions => "sessions",
            Self::MailTokens => "mail-tokens",
            Self::Mails => "mails",
            Self::Answers => "answers",
            Self::Jobs => "jobs",
            Self::Documents => "documents",
            Self::SecondFactors => "second-factors",
            Self::Hooks => "hooks",
            Self::Flights => "flights",
            Self::StripeEvents => "stripe-events",
            Self::Reconciliation => "reconciliation",
            Self::Invariants => "invariants",
        }
    }
}

/// A panic or a hang in one job is that job's failure, never the end of the lane. Whoever lets go of the lane ends its job
/// with it, as the end of the process would.
async fn unless_it_breaks(
    work: impl Future<Output = Result<Outcome, AppError>> + Send + 'static,
) -> Result<Outcome, AppError> {
    let work = tokio::spawn(tokio::time::timeout(LONGEST_JOB, work).in_current_span());
    match AbortOnDropHandle::new(work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(AppError::broken("the job took too long")),
        Err(error) => Err(AppError::broken(format!("the job panicked: {error}"))),
    }
}

/// The error with its causes, short enough for its column.
fn told(error: &AppError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text.chars().take(400).collect()
}
