//! Mails that we owe: written down in the transaction that causes them, composed and sent later.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::{
    db::{System, Tx},
    error::AppError,
    ids::{BookingId, MailId, UserId},
    outbox::{Attention, Job, push},
    personal::personal,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    BookingConfirmation,
    PaymentReceipt,
    /// There are tickets, but the money behind them was lost before it was taken.
    PayAgain,
    /// Paid, but no ticket: the money goes back.
    NotTicketed,
    /// Nobody has paid yet, and the time to pay is nearly over.
    HoldLapsing,
    /// Nobody paid in time.
    HoldExpired,
    /// Money came for something that no longer needs it, and goes back.
    MoneyReturned,
    /// A refund has left us.
    RefundPaid,
    /// A refund came back, or never left.
    RefundFailed,
    /// A refund that had failed was paid another way.
    RefundPaidByHand,
    /// The airline has been asked to cancel, and takes its time.
    CancellationStarted,
    /// The airline has cancelled the tickets.
    BookingCancelled,
    /// The airline would not cancel: the tickets stand.
    CancellationRefused,
    /// The airline has other times for the flights, or does not fly them.
    AirlineChange,
    /// Somebody asked for the way to a booking.
    BookingLink,
    /// Is this address yours?
    VerifyEmail,
    /// Somebody signs up with an address that has an account.
    AccountExists,
    PasswordReset,
    PasswordChanged,
    /// Asks the new address.
    EmailChange,
    /// Tells the present address what is asked of the new one.
    EmailChangeNotice,
    EmailChanged,
    SecondFactorSet,
    SecondFactorReplaced,
    SecondFactorRemoved,
    /// Bookings made without an account belong to one now.
    BookingsClaimed,
    /// The last one.
    AccountDeleted,
    /// To the agency: money needs a person.
    StaffAlarm,
    /// To the agency: nothing more is sent to one of its own systems.
    HookPaused,
}

impl MailKind {
    pub const ALL: [Self; 29] = [
        Self::BookingConfirmation,
        Self::PaymentReceipt,
        Self::PayAgain,
        Self::NotTicketed,
        Self::HoldLapsing,
        Self::HoldExpired,
        Self::MoneyReturned,
        Self::RefundPaid,
        Self::RefundFailed,
        Self::RefundPaidByHand,
        Self::CancellationStarted,
        Self::BookingCancelled,
        Self::CancellationRefused,
        Self::AirlineChange,
        Self::BookingLink,
        Self::VerifyEmail,
        Self::AccountExists,
        Self::PasswordReset,
        Self::PasswordChanged,
        Self::EmailChange,
        Self::EmailChangeNotice,
        Self::EmailChanged,
        Self::SecondFactorSet,
        Self::SecondFactorReplaced,
        Self::SecondFactorRemoved,
        Self::BookingsClaimed,
        Self::AccountDeleted,
        Self::StaffAlarm,
        Self::HookPaused,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::BookingConfirmation => "booking_confirmation",
            Self::PaymentReceipt => "payment_receipt",
            Self::PayAgain => "pay_again",
            Self::NotTicketed => "not_ticketed",
            Self::HoldLapsing => "hold_lapsing",
            Self::HoldExpired => "hold_expired",
            Self::MoneyReturned => "money_returned",
            Self::RefundPaid => "refund_paid",
            Self::RefundFailed => "refund_failed",
            Self::RefundPaidByHand => "refund_paid_by_hand",
            Self::CancellationStarted => "cancellation_started",
            Self::BookingCancelled => "booking_cancelled",
            Self::CancellationRefused => "cancellation_refused",
            Self::AirlineChange => "airline_change",
            Self::BookingLink => "booking_link",
            Self::VerifyEmail => "verify_email",
            Self::AccountExists => "account_exists",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::EmailChange => "email_change",
            Self::EmailChangeNotice => "email_change_notice",
            Self::EmailChanged => "email_changed",
            Self::SecondFactorSet => "second_factor_set",
            Self::SecondFactorReplaced => "second_factor_replaced",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::BookingsClaimed => "bookings_claimed",
            Self::AccountDeleted => "account_deleted",
            Self::StaffAlarm => "staff_alarm",
            Self::HookPaused => "hook_paused",
        }
    }

    /// Anybody causes these for any address without spending anything.
    const fn is_of_the_unpaid(self) -> bool {
        matches!(self, Self::HoldExpired)
    }

    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Booking(BookingId),
    /// The account of a person.
    User(UserId),
    /// What the agency has to do.
    Agency,
}

impl About {
    pub const fn booking(self) -> Option<BookingId> {
        match self {
            Self::Booking(id) => Some(id),
            Self::User(_) | Self::Agency => None,
        }
    }

    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Booking(_) | Self::Agency => None,
            Self::User(id) => Some(id),
        }
    }
}

/// So many mails about bookings that nobody has paid for go to one address within [`PER`]: whoever books types any address.
const MOST_UNPAID: i64 = 5;
const PER: SignedDuration = SignedDuration::from_hours(24);

/// Owes one mail to `to`, once for each `cause`: the id of what is behind it (a booking, an attempt, a token's request).
pub async fn owe_mail(
    tx: &mut Tx<System>,
    kind: MailKind,
    about: About,
    to: &str,
    cause: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if kind.is_of_the_unpaid() && owed_since(tx, kind, to, now - PER).await? >= MOST_UNPAID {
        tracing::warn!(kind = kind.code(), "an address has had enough of these");
        return Ok(());
    }
    let id = MailId::new();
    let owed = sqlx::query!(
        "insert into mails (id, booking_id, kind, once_key, to_address, created_at, user_id) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (once_key) do nothing",
        id.0,
        about.booking().map(|id| id.0),
        kind.code(),
        format!("{}:{cause}", kind.code()),
        to,
        now.to_sqlx() as _,
        about.user().map(|id| id.0),
    )
    .execute(&mut **tx)
    .await?;
    if owed.rows_affected() == 1 {
        push(tx, &Job::SendMail(id), now, now).await?;
    }
    Ok(())
}

async fn owed_since(
    tx: &mut Tx<System>,
    kind: MailKind,
    to: &str,
    since: Timestamp,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from mails
            where lower(to_address) = lower($1) and kind = $2 and created_at > $3"#,
        to,
        kind.code(),
        since.to_sqlx() as _,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Owes a mail to whoever has an account with this address. Where nobody has one the same statements run, and the job that
/// they leave finds nothing to send: neither the answer nor its time tells which it was.
pub async fn owe_mail_to_owner(
    tx: &mut Tx<System>,
    kind: MailKind,
    address: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let id = MailId::new();
    sqlx::query!(
        "insert into mails (id, kind, once_key, to_address, created_at, user_id)
         select $1, $2, $3, u.email::text, $5, u.id from auth.users u where u.email = $4::text::citext and u.deleted_at is null",
        id.0,
        kind.code(),
        format!("{}:{id}", kind.code()),
        address,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await?;
    push(tx, &Job::SendMail(id), now, now).await
}

/// When the last mail of this kind was owed to a user.
pub async fn last_mail_at(
    tx: &mut Tx<System>,
    kind: MailKind,
    user: UserId,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let at = sqlx::query_scalar!(
        r#"select max(created_at) as "at: jiff_sqlx::Timestamp" from mails where user_id = $1 and kind = $2"#,
        user.0,
        kind.code(),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(at.map(|at| at.to_jiff()))
}

/// Whether a mail of the same kind was owed to the same user shortly before, and was not given up.
pub async fn follows_another(
    tx: &mut Tx<System>,
    id: MailId,
    within: SignedDuration,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
               select from mails this join mails earlier
                   on earlier.user_id = this.user_id and earlier.kind = this.kind and earlier.state <> 'dead'
                  and (earlier.created_at, earlier.id) < (this.created_at, this.id)
                  and earlier.created_at > this.created_at - make_interval(secs => $2)
                where this.id = $1) as "found!""#,
        id.0,
        within.as_secs_f64(),
    )
    .fetch_one(&mut **tx)
    .await
}

/// Where the mail of this kind and cause went to.
pub async fn address_of(
    tx: &mut Tx<System>,
    kind: MailKind,
    cause: &str,
) -> Result<Option<String>, sqlx::Error> {
    let key = format!("{}:{cause}", kind.code());
    sqlx::query_scalar!("select to_address from mails where once_key = $1", key)
        .fetch_optional(&mut **tx)
        .await
}

/// A mail that is still owed.
#[derive(Clone)]
pub struct Mail {
    pub id: MailId,
    pub kind: MailKind,
    pub about: About,
    /// Id of what is behind it.
    pub cause: String,
    pub to: String,
    /// When what it tells of happened. Sent again by staff, it tells of the same.
    pub owed_since: Timestamp,
}

personal!(Mail { id, kind, about });

/// `None`: sent or given up already.
pub async fn mail(tx: &mut Tx<System>, id: MailId) -> Result<Option<Mail>, AppError> {
    let row = sqlx::query!(
        r#"select m.kind, m.once_key, m.booking_id as "booking_id: BookingId",
                  m.user_id as "user_id: UserId", m.to_address,
                  coalesce(f.created_at, m.created_at) as "created_at!: jiff_sqlx::Timestamp"
             from mails m left join mails f on f.id = m.resent_of where m.id = $1 and m.state = 'queued'"#,
        id.0,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let unreadable = |what: &str| AppError::broken(format!("mail {id}: {what}"));
    let (_, cause) = row.once_key.split_once(':').ok_or_else(|| unreadable("no cause"))?;
    // A mail that staff sent again has its own id behind the cause.
    let cause = cause.split('#').next().unwrap_or_default();
    Ok(Some(Mail {
        id,
        kind: MailKind::from_code(&row.kind).ok_or_else(|| unreadable("a kind that is not known here"))?,
        about: match (row.booking_id, row.user_id) {
            (Some(id), _) => About::Booking(id),
            (None, Some(id)) => About::User(id),
            (None, None) => About::Agency,
        },
        cause: cause.to_owned(),
        to: row.to_address,
        owed_since: row.created_at.to_jiff(),
    }))
}

pub async fn mark_mail_sent(
    tx: &mut Tx<System>,
    id: MailId,
    subject: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update mails set state = 'sent', sent_at = $3, subject = $2, last_error = null
          where id = $1 and state = 'queued'",
        id.0,
        subject,
        now.to_sqlx() as _,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A mail that is owed for too long.
#[derive(Clone, Debug)]
pub struct LateMail {
    pub id: MailId,
    pub kind: String,
    pub booking: Option<BookingId>,
}

/// Mails that are owed since then, whatever keeps them, and of which nobody has been told.
pub async fn late_mails(tx: &mut Tx<System>, since: Timestamp) -> Result<Vec<LateMail>, sqlx::Error> {
    sqlx::query_as!(
        LateMail,
        r#"select m.id as "id: MailId", m.kind, m.booking_id as "booking: BookingId" from mails m
            where m.state = 'queued' and m.created_at <= $1
              and not exists (select from attention_items i where i.kind = $2 and i.subject = m.id::text)
            order by m.created_at, m.id limit 100"#,
        since.to_sqlx() as _,
        Attention::MailLate.code(),
    )
    .fetch_all(&mut **tx)
    .await
}

/// It will be tried again.
pub async fn note_mail_error(tx: &mut Tx<System>, id: MailId, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("update mails set last_error = $2 where id = $1 and state = 'queued'", id.0, why)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// It will not be tried again. `None`: for what was noted last.
pub async fn give_up_mail(tx: &mut Tx<System>, id: MailId, why: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update mails set state = 'dead', last_error = coalesce($2, last_error) where id = $1 and state = 'queued'",
        id.0,
        why
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
