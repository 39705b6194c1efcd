//! From a row that says "owed" to a mail in somebody's box: what is told, what is not told any more, and what happens
//! when the mail server will not have it.

use jetbridge::{
    clock::Clock,
    config::Config,
    db::{Db, System},
    emails::{Emails, Sender},
    error::AppError,
    ids::{AttemptId, BookingId, MailId},
    itinerary::{Cabin, Offer, Party, SearchQuery, SliceQuery},
    mailer::{MailSettings, Mailer},
    outbox::{Claim, Job, MailKind, Outcome},
    sandbox::mailbox::{Door, Fault, Mail, Mailbox, Settings, Stage},
    supplier::{Supplier, timetable::Timetable},
    vault::{self, Vault},
};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use secrecy::SecretString;
use sqlx::{Executor, PgConnection, Row};

use crate::helpers::{app::START, cluster::Database};

const ALICE: &str = "alice@example.com";
const REFERENCE: &str = "K7WQ4M";

/// One booking with one attempt in any state, and the mails that it owes.
struct Scene {
    database: Database,
    db: Db,
    clock: Clock,
    mailbox: Mailbox,
    emails: Emails,
    sql: PgConnection,
    booking: BookingId,
    attempt: AttemptId,
}

impl Scene {
    async fn new(booking_status: &str, attempt_state: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = Database::fresh().await;
        let db = Db::connect(database.options(), 4).await.unwrap();
        let clock = Clock::manual(START.parse().unwrap());
        let settings = Settings { clock: clock.clone(), port: 0, directory: None, door: Door::default() };
        let mailbox = Mailbox::start(settings).await.unwrap();
        let smtp_url = SecretString::from(mailbox.smtp_url());
        let from = "Jetbridge <bookings@jetbridge.example>".to_owned();
        let mailer = Mailer::new(&MailSettings { smtp_url, from }, clock.clone()).unwrap();
        let config = Config::from_vars(|_| None).unwrap();
        let vault = Vault::new(&vault::new_key("test")).unwrap();
        let emails = Emails::new(db.clone(), clock.clone(), mailer, vault, Sender::from(&config));
        let sql = database.superuser().await;
        let (booking, attempt) = (BookingId::new(), AttemptId::new());
        let mut scene = Self { database, db, clock, mailbox, emails, sql, booking, attempt };
        scene.insert(booking_status, attempt_state).await;
        scene
    }

    /// Rows as they would be, without the way there: triggers and foreign keys are off meanwhile.
    async fn insert(&mut self, booking_status: &str, attempt_state: &str) {
        let offer = an_offer(&self.db, &self.clock).await;
        let ordered = matches!(booking_status, "confirmed" | "cancelled");
        let secured = !matches!(booking_status, "expired");
        self.sql.execute("set session_replication_role = replica").await.unwrap();
        sqlx::query(
            "insert into bookings (id, booking_reference, booking_status, supplier_status, quote, quote_hash, amount_minor,
                    currency, origin, destination, departs_at, supplier, contact_email, contact_phone, hold_id,
                    hold_expires_at, supplier_order_id, pnr, confirmed_at, secured_by, ended_reason)
             values ($1, $2, $3, $4, $5, $6, $7, $8, 'LIS', 'JFK', $9, 'timetable', $10, '+351 210 000 000', 'hold',
                    $11, $12, $13, $11, $14, $15)",
        )
        .bind(self.booking)
        .bind(REFERENCE)
        .bind(booking_status)
        .bind(if ordered { "ordered" } else { "none" })
        .bind(serde_json::to_value(&offer).unwrap())
        .bind(offer.accepted_hash().unwrap())
        .bind(offer.total.minor)
        .bind(offer.total.currency.code())
        .bind(offer.slices[0].first().departs.at.to_sqlx())
        .bind(ALICE)
        .bind(self.clock.now().to_sqlx())
        .bind(ordered.then_some("order-1"))
        .bind(ordered.then_some("5RT2LP"))
        .bind(secured.then_some(self.attempt))
        .bind((booking_status == "failed").then_some("sold_out"))
        .execute(&mut self.sql)
        .await
        .unwrap();
        self.insert_attempt(self.attempt, attempt_state, &offer).await;
        sqlx::query(
            "insert into passengers (id, booking_id, position, kind, given_names, family_name, born_on, sex, ticket_number)
             values ($1, $2, 1, 'adult', 'Maria <i>Inês</i>', 'Duarte', '1990-05-01', 'f', $3)",
        )
        .bind(MailId::new())
        .bind(self.booking)
        .bind(ordered.then_some("9991234567890"))
        .execute(&mut self.sql)
        .await
        .unwrap();
        self.sql.execute("set session_replication_role = origin").await.unwrap();
    }

    async fn insert_attempt(&mut self, id: AttemptId, state: &str, offer: &Offer) {
        let captured = if state == "captured" { offer.total.minor } else { 0 };
        sqlx::query(
            "insert into attempts (id, booking_id, state, amount_minor, currency, quote_hash, livemode, session_expires_at,
                    checkout_session_id, payment_intent_id, card_brand, card_last4, captured_minor)
             values ($1, $2, $3, $4, $5, $6, false, $7, $8, $9, 'visa', '4242', $10)",
        )
        .bind(id)
        .bind(self.booking)
        .bind(state)
        .bind(offer.total.minor)
        .bind(offer.total.currency.code())
        .bind(offer.accepted_hash().unwrap())
        .bind(self.clock.now().to_sqlx())
        .bind(format!("cs_{}", id.0.simple()))
        .bind(format!("pi_{}", id.0.simple()))
        .bind(captured)
        .execute(&mut self.sql)
        .await
        .unwrap();
    }

    async fn owe(&mut self, kind: MailKind) -> Claim {
        let id = MailId::new();
        let cause = match kind {
            MailKind::PaymentReceipt | MailKind::MoneyReturned => self.attempt.to_string(),
            _ => self.booking.to_string(),
        };
        let now = self.clock.now();
        sqlx::query(
            "insert into mails (id, booking_id, kind, once_key, to_address, created_at) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(self.booking)
        .bind(kind.code())
        .bind(format!("{}:{cause}", kind.code()))
        .bind(ALICE)
        .bind(now.to_sqlx())
        .execute(&mut self.sql)
        .await
        .unwrap();
        Claim { id: 1, job: Job::SendMail(id), tries: 1, pushed_at: now }
    }

    async fn send(&self, claim: &Claim) -> Result<Outcome, AppError> {
        let Job::SendMail(id) = claim.job else { unreachable!("only mails are owed here") };
        self.emails.send(id, claim).await
    }

    async fn sweep(&self) {
        let mut tx = self.db.begin(System).await.unwrap();
        self.emails.sweep(&mut tx, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn received(&self) -> Vec<Mail> {
        self.mailbox.list()
    }

    /// State, subject and last error of the one mail.
    async fn row(&mut self) -> (String, Option<String>, Option<String>) {
        let row = self.sql.fetch_one("select state, subject, last_error from mails").await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

    async fn attention(&mut self) -> Vec<String> {
        let rows = self.sql.fetch_all("select kind || ': ' || detail from attention_items order by id").await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn end(self) {
        drop(self.sql);
        self.db.close().await;
        self.database.drop().await;
    }
}

async fn an_offer(db: &Db, clock: &Clock) -> Offer {
    let leg = |from: &str, to: &str, date: &str| SliceQuery {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        date: date.parse().unwrap(),
    };
    let query = SearchQuery {
        slices: vec![leg("LIS", "NYC", "2027-02-12"), leg("NYC", "LIS", "2027-02-19")],
        party: Party::new(1, 0, 0).unwrap(),
        cabin: Cabin::Economy,
    };
    let supplier = Timetable::new(db.clone(), clock.clone());
    supplier.search(&query).await.unwrap().swap_remove(0)
}

#[tokio::test]
async fn every_kind_of_mail_is_told_from_its_rows_and_sent_once() {
    let cases = [
        (
            MailKind::BookingConfirmation,
            "confirmed",
            "captured",
            "Confirmed: K7WQ4M, Lisbon to New York",
            "was charged to",
        ),
        (
            MailKind::BookingConfirmation,
            "confirmed",
            "authorised",
            "Confirmed: K7WQ4M",
            "the receipt follows",
        ),
        (MailKind::PaymentReceipt, "confirmed", "captured", "for booking K7WQ4M", "Visa ending 4242"),
        (
            MailKind::NotTicketed,
            "failed",
            "authorised",
            "No ticket, and no charge: booking K7WQ4M",
            "is released",
        ),
        (
            MailKind::NotTicketed,
            "failed",
            "captured",
            "No ticket, and a full refund: booking K7WQ4M",
            "is refunded",
        ),
        (
            MailKind::HoldExpired,
            "expired",
            "expired",
            "Nothing was charged: booking K7WQ4M",
            "was not charged",
        ),
        (
            MailKind::MoneyReturned,
            "confirmed",
            "released",
            "goes back to you: booking K7WQ4M",
            "is untouched",
        ),
        (MailKind::MoneyReturned, "cancelled", "released", "goes back to you: booking K7WQ4M", "has ended"),
    ];
    for (kind, booking_status, attempt_state, subject, phrase) in cases {
        let mut scene = Scene::new(booking_status, attempt_state).await;
        let claim = scene.owe(kind).await;
        assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done, "{kind:?}");
        assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done, "a second run has nothing to do");
        let received = scene.received();
        let [mail] = received.as_slice() else { panic!("{kind:?}: {} mails", received.len()) };
        assert_eq!(mail.envelope.to, [ALICE]);
        assert!(mail.subject.contains(subject), "{kind:?}: {}", mail.subject);
        let text = mail.text.as_deref().unwrap().replace(['\r', '\n'], " ").replace("  ", " ");
        assert!(text.contains(phrase), "{kind:?}: {text}");
        assert!(!mail.html.as_deref().unwrap().contains("<i>"), "a name is no markup");
        assert_eq!(scene.row().await, ("sent".to_owned(), Some(mail.subject.clone()), None));
        assert!(scene.attention().await.is_empty());
        scene.end().await;
    }
}

#[tokio::test]
async fn what_is_no_longer_true_is_not_told() {
    for (kind, booking_status) in [
        // Paid at the last moment, and the seats were fetched back.
        (MailKind::HoldExpired, "confirmed"),
        (MailKind::BookingConfirmation, "cancelled"),
        (MailKind::NotTicketed, "confirmed"),
    ] {
        let mut scene = Scene::new(booking_status, "captured").await;
        let claim = scene.owe(kind).await;
        assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done);
        assert!(scene.received().is_empty(), "{kind:?}");
        assert_eq!(scene.row().await.0, "dead");
        assert!(scene.attention().await.is_empty());
        scene.end().await;
    }
}

#[tokio::test]
async fn a_mail_server_in_trouble_is_asked_again_and_a_person_hears_of_it_after_six_hours() {
    let mut scene = Scene::new("confirmed", "captured").await;
    let claim = scene.owe(MailKind::BookingConfirmation).await;
    let fail = |scene: &Scene| scene.mailbox.fault(Stage::Rcpt, Fault::Answer(451));

    fail(&scene);
    let error = scene.send(&claim).await.unwrap_err();
    assert!(matches!(error, AppError::Upstream { service: "smtp", .. }), "{error:?}");
    assert!(!format!("{error:?}").contains(ALICE));
    let (state, _, last_error) = scene.row().await;
    assert_eq!(state, "queued");
    assert!(last_error.is_some_and(|error| !error.contains('@')));
    assert!(scene.attention().await.is_empty());

    for _ in 0..2 {
        scene.clock.advance(SignedDuration::from_hours(6));
        fail(&scene);
        scene.send(&claim).await.unwrap_err();
        scene.sweep().await;
        assert_eq!(
            scene.attention().await,
            ["mail_late: booking_confirmation: not delivered for 6 hours; tries go on"]
        );
    }

    assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done);
    assert_eq!(scene.received().len(), 1);
    assert_eq!(scene.row().await.0, "sent");
    scene.end().await;
}

#[tokio::test]
async fn after_72_hours_nobody_waits_for_it_any_more() {
    let mut scene = Scene::new("confirmed", "captured").await;
    let claim = scene.owe(MailKind::BookingConfirmation).await;
    scene.clock.advance(SignedDuration::from_hours(72));
    scene.mailbox.fault(Stage::Body, Fault::Answer(451));
    assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done);
    assert_eq!(scene.row().await.0, "dead");
    assert_eq!(
        scene.attention().await,
        ["mail_late: booking_confirmation: not delivered within 72 hours; it is not tried again"]
    );
    scene.end().await;
}

#[tokio::test]
async fn a_refused_mail_is_given_up_at_once_and_the_booking_stays_as_it_is() {
    let mut scene = Scene::new("confirmed", "captured").await;
    let claim = scene.owe(MailKind::PaymentReceipt).await;
    scene.mailbox.fault(Stage::Rcpt, Fault::Answer(550));
    assert_eq!(scene.send(&claim).await.unwrap(), Outcome::Done);
    let (state, _, last_error) = scene.row().await;
    assert_eq!(state, "dead");
    assert!(last_error.is_some_and(|error| !error.contains('@')));
    assert_eq!(
        scene.attention().await,
        ["mail_late: payment_receipt: the mail server refuses it; it is not tried again"]
    );
    let status: String = scene.sql.fetch_one("select booking_status from bookings").await.unwrap().get(0);
    assert_eq!(status, "confirmed");
    scene.end().await;
}
