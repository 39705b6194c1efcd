//! One app with its bookings and everything around it, and what each step does to them. What a person presses is the face that
//! pages and API both call; Stripe, the mail server and the airline are the sandbox's own.

use std::collections::HashMap;

use jetbridge::{
    admin::attention,
    bookings::Given,
    checkout::{
        Acceptance, Checkout,
        cancel::Answer,
        quarantine::Decision,
        staff_refund::{Reason, RefundOrder},
    },
    db::Traveller,
    error::AppError,
    ids::{AttemptId, BookingId, BookingReference, RefundId, UserId},
    itinerary::{Cabin, Contact, Offer, Party, Passenger, PassengerKind, SearchQuery, Sex, SliceQuery},
    money::Money,
    sandbox::{
        mailbox::{self, Stage},
        stripe::{Mode, Session},
    },
    worker::Worker,
};
use jiff::{SignedDuration, civil};
use sqlx::PgConnection;

use super::steps::{Card, Plan, RefundWord, Step, Trouble};
use crate::helpers::{
    app::{ALICE, CAROL, PASSWORD, TestApp},
    post::Post,
    story::{DECLINED_CARD, GOOD_CARD},
};

const CHECKED_CARD: &str = "4000 0025 0000 3155";
const DISPUTED_CARD: &str = "4000 0000 0000 0259";
/// How the world comes to rest: past every deadline, in the pace in which our own timers run at first.
const REST_MINUTES: [i64; 16] = [1, 2, 3, 4, 8, 15, 30, 31, 61, 61, 180, 480, 720, 1_440, 1_440, 1_440];

pub struct World {
    pub app: TestApp,
    pub sql: PgConnection,
    worker: Worker,
    alice: UserId,
    carol: UserId,
    pub bookings: Vec<Made>,
}

pub struct Made {
    pub id: BookingId,
    reference: BookingReference,
    /// Every total that the traveller has pressed "Pay" under, by its quote.
    pub accepted: HashMap<String, Money>,
}

impl World {
    pub async fn new(plan: &Plan) -> Self {
        let hours = if plan.free_cancel { "24" } else { "0" };
        let app = TestApp::start_with(&[("FREE_CANCEL_HOURS", hours), ("FREE_CANCEL_DAYS_AHEAD", "7")]).await;
        app.stripe.set_delivery(Mode::Held);
        app.make_staff(CAROL, PASSWORD, "owner").await;
        app.execute(&format!(
            "insert into auth.users (id, email, password_hash, password_changed_at, email_verified_at)
             select gen_random_uuid(), '{ALICE}', password_hash, password_changed_at, email_verified_at from auth.users;
             insert into profiles (user_id) select id from auth.users where email = '{ALICE}'"
        ))
        .await;
        let user = async |email: &str| -> UserId {
            let found = app.texts(&format!("select id::text from auth.users where email = '{email}'")).await;
            found[0].parse().expect("an id")
        };
        let (alice, carol, worker, sql) =
            (user(ALICE).await, user(CAROL).await, app.worker(), app.sql().await);
        let mut world = Self { app, sql, worker, alice, carol, bookings: Vec::new() };
        let offers = world.offers().await;
        for fare in &plan.fares {
            let offer = offers[usize::from(*fare) % offers.len()].clone();
            world.draft(offer).await;
        }
        world
    }

    fn checkout(&self) -> &Checkout {
        &self.worker.checkout
    }

    fn traveller(&self) -> Traveller {
        Traveller::Account(self.alice)
    }

    /// Every fare of the first flights that are found.
    async fn offers(&self) -> Vec<Offer> {
        let leg = SliceQuery {
            from: "LIS".parse().expect("an airport"),
            to: "LHR".parse().expect("an airport"),
            date: civil::date(2026, 12, 14),
        };
        let party = Party::new(1, 0, 0).expect("a party");
        let query = SearchQuery { slices: vec![leg], party, cabin: Cabin::Economy };
        let supplier = &self.worker.bookings.supplier;
        let found = supplier.search(&query).await.expect("offers");
        let mut fares = Vec::new();
        for offer in found.iter().filter(|offer| !offer.documents.is_asked()).take(3) {
            fares.extend(supplier.fares(&offer.id).await.expect("its fares"));
        }
        fares
    }

    async fn draft(&mut self, offer: Offer) {
        let passenger = Passenger {
            kind: PassengerKind::Adult,
            given_names: "Maria".to_owned(),
            family_name: "Duarte".to_owned(),
            born_on: civil::date(1986, 12, 4),
            sex: Sex::F,
        };
        let contact = Contact { email: "maria@example.com".to_owned(), phone: "+351 900 000 000".to_owned() };
        let given = Given { passengers: vec![passenger], contact, documents: Vec::new() };
        let made = self.worker.bookings.draft_of(self.alice, offer, Some(&given)).await;
        let reference = made.expect("a draft");
        let file = self.worker.bookings.file(self.traveller(), &reference).await.expect("its file");
        self.bookings.push(Made { id: file.booking.id, reference, accepted: HashMap::new() });
    }

    pub async fn take(&mut self, step: &Step) {
        match *step {
            Step::Press(at, trouble) => self.press(at, trouble).await,
            Step::Pay { at, card, at_once } => self.pay(at, card, at_once),
            Step::PayLate(at) => self.pay_late(at),
            Step::Return(at, trouble) => {
                let reference = &self.bookings[at].reference;
                let asked = self.checkout().ask_stripe(self.traveller(), reference);
                self.amid(trouble, async { asked.await.map(drop) }).await;
            }
            Step::GiveUp(at, trouble) => {
                let reference = &self.bookings[at].reference;
                self.amid(trouble, self.checkout().drop_booking(self.traveller(), reference)).await;
            }
            Step::Cancel(at, trouble) => self.amid(trouble, self.cancel(at)).await,
            Step::Work(trouble) => self.amid(trouble, async { self.worker.run_due().await.map(drop) }).await,
            Step::Restart => {
                self.worker = self.app.worker_mailing(Post::default());
                self.worker.run_due().await.expect("the outbox answers");
                self.worker = self.app.worker();
            }
            Step::AtOnce { at, event, gives_up } => self.at_once(at, event, gives_up).await,
            Step::Sweep => {
                // A round that a fault of before hits is made the next time.
                let _ = self.worker.sweep().await;
            }
            Step::Clock(minutes) => self.app.clock.advance(SignedDuration::from_mins(minutes)),
            Step::Deliver { event, times, cut } => self.deliver(event, times, cut).await,
            Step::DeliverAgain(event) => {
                if let Some(event) = pick(&self.app.stripe.events(), event) {
                    self.app.stripe.deliver(&event.id).await;
                }
            }
            Step::LoseEvent(event) => {
                if let Some(event) = pick(&self.app.stripe.held(), event) {
                    self.app.stripe.discard(&event.id);
                }
            }
            Step::MailFails => self.app.mailbox.fault(Stage::Body, mailbox::Fault::Answer(451)),
            Step::Price(is_up) => self.app.supplier().set_price_up(if is_up { 10 } else { 0 }),
            Step::LateTickets(at) => self.late_tickets(at).await,
            Step::Refund(at, share) => self.refund(at, share).await,
            Step::Act(_) | Step::Accept(_) | Step::GiveBack(_) => self.staff(step).await,
            _ => self.elsewhere(step),
        }
    }

    /// Two processes work, the return page is opened, an event arrives, and the traveller presses a button: none of them waits
    /// for another.
    async fn at_once(&self, at: usize, event: usize, gives_up: bool) {
        let (reference, other) = (&self.bookings[at].reference, self.app.worker());
        let press = async {
            if gives_up {
                self.checkout().drop_booking(self.traveller(), reference).await
            } else {
                self.cancel(at).await
            }
        };
        let looks = self.checkout().ask_stripe(self.traveller(), reference);
        let _ = tokio::join!(
            self.worker.run_due(),
            looks,
            self.deliver(event, 2, None),
            other.run_due(),
            press,
            other.checkout.ask_stripe(self.traveller(), reference),
        );
    }

    /// Lets our code work amid trouble, and then the trouble is over. What a person would see of it does not matter here.
    async fn amid(&self, trouble: Trouble, work: impl Future<Output = Result<(), AppError>>) {
        let levers = self.app.supplier();
        if let Some((endpoint, fault)) = trouble.stripe {
            self.app.stripe.fault(endpoint, fault);
        }
        levers.set_hold_fault(trouble.supplier);
        levers.set_order_fault(trouble.supplier);
        levers.set_cancel_fault(trouble.supplier);
        self.until(trouble.cut, work).await;
        levers.set_hold_fault(None);
        levers.set_order_fault(None);
        levers.set_cancel_fault(None);
    }

    /// The process ends at the first wait after so many answers of the database.
    async fn until<T>(&self, cut: Option<u8>, work: impl Future<Output = T>) -> Option<T> {
        let answers = async {
            match cut {
                Some(many) => self.app.statements.pass(usize::from(many)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = answers => None,
        }
    }

    async fn press(&mut self, at: usize, trouble: Trouble) {
        let reference = self.bookings[at].reference.clone();
        let file = self.worker.bookings.file(self.traveller(), &reference).await.expect("the file");
        let (quote_hash, amount) = (file.booking.quote_hash, file.booking.amount);
        self.bookings[at].accepted.insert(quote_hash.clone(), amount);
        let from = Some("192.0.2.1".to_owned());
        let acceptance = Acceptance { quote_hash, accepts_raise: true, from };
        let pressed = self.checkout().pay(self.traveller(), &reference, &acceptance);
        self.amid(trouble, async { pressed.await.map(drop) }).await;
    }

    /// The newest session of the booking.
    fn session(&self, at: usize) -> Option<Session> {
        let id = self.bookings[at].id.to_string();
        let of_booking = |session: &Session| session.metadata.get("booking_id") == Some(&id);
        let sessions = self.app.stripe.sessions().into_iter().filter(of_booking);
        // Which of two of the same second is newer does not matter, but it must be the same one every time.
        sessions.max_by_key(|session| (session.created, session.expires_at))
    }

    fn intent(&self, at: usize) -> Option<String> {
        self.session(at).and_then(|session| session.payment_intent)
    }

    fn pay(&self, at: usize, card: Card, at_once: bool) {
        let Some(session) = self.session(at) else { return };
        if at_once && session.payment_intent.is_none() {
            self.app.stripe.tamper_session(&session.id, |session| {
                session.capture_method = "automatic_async".to_owned();
            });
        }
        let number = match card {
            Card::Good => GOOD_CARD,
            Card::Declined => DECLINED_CARD,
            Card::Checked(_) => CHECKED_CARD,
            Card::Disputed => DISPUTED_CARD,
        };
        let _ = self.app.stripe.pay(&session.id, number);
        if let Card::Checked(passed) = card {
            let _ = self.app.stripe.authenticate(&session.id, passed);
        }
    }

    /// A race on Stripe's side: it was over, and is paid all the same.
    fn pay_late(&self, at: usize) {
        let Some(session) = self.session(at).filter(|session| session.status == "expired") else { return };
        let now = self.app.now().as_second();
        self.app.stripe.tamper_session(&session.id, |session| {
            session.status = "open".to_owned();
            session.expires_at = now + 600;
        });
        let _ = self.app.stripe.pay(&session.id, GOOD_CARD);
    }

    async fn cancel(&self, at: usize) -> Result<(), AppError> {
        let reference = &self.bookings[at].reference;
        if let Answer::Quote(quote) = self.checkout().cancel_desk(self.traveller(), reference).await?.answer {
            self.checkout().confirm_cancel(self.traveller(), reference, quote.id).await?;
        }
        Ok(())
    }

    async fn deliver(&self, event: usize, times: u8, cut: Option<u8>) {
        let Some(event) = pick(&self.app.stripe.held(), event) else { return };
        for _ in 0..times {
            self.until(cut, self.app.stripe.deliver(&event.id)).await;
        }
    }

    /// What an airline's machinery does after it has said no.
    /// The airline's machinery was slow, but not slower than anybody looks for.
    async fn late_tickets(&mut self, at: usize) {
        let id = self.bookings[at].id;
        let issue = format!(
            "insert into timetable.orders (booking_id, id, booking_reference, pnr, tickets, total_minor, currency, offer_id,
                                           created_at)
             select id, 'tt_' || id, booking_reference, 'L' || substr(booking_reference, 2), '{{1234567890123}}', amount_minor,
                    currency, quote ->> 'id', '{}' from bookings
              where id = '{id}' and supplier_status = 'refused'
                and exists (select from outbox where kind = 'void_tickets' and subject = '{id}' and state = 'ready')
             on conflict do nothing",
            self.app.now()
        );
        sqlx::raw_sql(&issue).execute(&mut self.sql).await.expect("tickets");
    }

    async fn refund(&self, at: usize, share: i64) {
        let reference = &self.bookings[at].reference;
        let desk = self.checkout().refund_desk(self.carol, reference).await.expect("the desk");
        for from in desk.attempts.iter().filter(|from| from.obstacle.is_none()) {
            let share = if desk.only_in_full() { 100 } else { share };
            let minor = (from.left.minor * share / 100).max(1);
            let order = RefundOrder {
                id: RefundId::new(),
                attempt: from.attempt.id,
                amount: Money::new(minor, from.left.currency),
                seen_left: from.left,
                reason: Reason::Goodwill,
                note: "as drawn".to_owned(),
                parts: Vec::new(),
            };
            let _ = self.checkout().refund_by_staff(self.carol, reference, &order).await;
        }
    }

    async fn staff(&self, step: &Step) {
        let frozen = "select id || ' ' || subject from attention_items
                       where kind = 'payment_quarantined' and resolved_at is null order by id";
        match *step {
            Step::Act(item) => {
                let open = "select id::text from attention_items where resolved_at is null order by id";
                if let Some(item) = pick(&self.app.texts(open).await, item) {
                    let item = item.parse().expect("a number");
                    let _ = attention::act(self.checkout(), self.carol, item).await;
                }
            }
            Step::Accept(item) => {
                if let Some(decision) =
                    pick(&self.app.texts(frozen).await, item).and_then(|row| self.decision(&row))
                {
                    let _ = self.checkout().accept_frozen(&decision).await;
                }
            }
            Step::GiveBack(item) => {
                if let Some(decision) =
                    pick(&self.app.texts(frozen).await, item).and_then(|row| self.decision(&row))
                {
                    let _ = self.checkout().give_frozen_back(&decision).await;
                }
            }
            _ => unreachable!("not a person of ours"),
        }
    }

    fn decision(&self, row: &str) -> Option<Decision> {
        let (item, attempt) = row.split_once(' ')?;
        let attempt: AttemptId = attempt.parse().ok()?;
        let item = item.parse().expect("a number");
        Some(Decision { staff: self.carol, item, attempt, reason: "as drawn".to_owned() })
    }

    /// Stripe, its dashboard and the banks. What cannot be done there now is not done.
    fn elsewhere(&self, step: &Step) {
        let stripe = &self.app.stripe;
        match *step {
            Step::RefundInDashboard(at, share) => {
                let intent = self.intent(at).and_then(|id| stripe.intent(&id));
                if let Some(intent) = intent.filter(|intent| intent.received > 0) {
                    let _ =
                        stripe.refund_in_dashboard(&intent.id, Some((intent.received * share / 100).max(1)));
                }
            }
            Step::CaptureInDashboard(at, share) => {
                let intent = self.intent(at).and_then(|id| stripe.intent(&id));
                if let Some(intent) = intent {
                    let part = share.map(|share| (intent.amount * share / 100).max(1));
                    let _ = stripe.capture_in_dashboard(&intent.id, part);
                }
            }
            Step::Lapse(at) => {
                // What was charged is not let go of any more.
                let intent = self.intent(at).and_then(|id| stripe.intent(&id));
                if let Some(intent) = intent.filter(|intent| intent.status == "requires_capture") {
                    stripe.lapse(&intent.id);
                }
            }
            Step::RefundWord(which, word) => {
                if let Some(refund) = pick(&stripe.refunds(), which) {
                    let word = match word {
                        RefundWord::Pending => "pending",
                        RefundWord::Failed => "failed",
                        RefundWord::Succeeded => "succeeded",
                    };
                    // A bank goes back on its yes, but never on its no.
                    if refund.status != "failed" {
                        let _ = stripe.settle_refund(&refund.id, word);
                    }
                }
            }
            Step::Dispute(at) => {
                if let Some(intent) = self.intent(at) {
                    let _ = stripe.dispute(&intent, None);
                }
            }
            Step::Evidence(which) => {
                if let Some(dispute) = pick(&stripe.disputes(), which) {
                    let _ = stripe.answer_dispute(&dispute.id);
                }
            }
            Step::BankDecides(which, won) => {
                if let Some(dispute) = pick(&stripe.disputes(), which) {
                    let _ = stripe.close_dispute(&dispute.id, won);
                }
            }
            Step::Askew(at, is_askew) => self.askew(at, is_askew),
            ref step => unreachable!("{step:?} is ours"),
        }
    }

    /// Somebody has put another fingerprint into the payment's metadata, or mends it.
    fn askew(&self, at: usize, is_askew: bool) {
        let Some(session) = self.session(at) else { return };
        let right = session.metadata["quote_hash"].clone();
        if let Some(intent) = &session.payment_intent {
            let hash = if is_askew { "0".repeat(64) } else { right };
            self.app.stripe.tamper_intent(intent, |intent| {
                intent.metadata.insert("quote_hash".to_owned(), hash);
            });
        }
    }

    /// Nothing goes wrong any more: everything under way arrives, the banks decide, and time passes all deadlines.
    pub async fn come_to_rest(&mut self, bank_gives_in: bool) {
        let stripe = &self.app.stripe;
        stripe.mend();
        self.app.supplier().set_price_up(0);
        for refund in stripe.refunds().iter().filter(|refund| refund.status == "pending") {
            stripe.settle_refund(&refund.id, "succeeded").expect("it arrives");
        }
        for dispute in stripe.disputes() {
            let _ = stripe.close_dispute(&dispute.id, bank_gives_in);
        }
        for minutes in REST_MINUTES {
            self.app.stripe.deliver_held().await;
            self.app.run_jobs().await;
            self.app.clock.advance(SignedDuration::from_mins(minutes));
            self.app.stripe.sweep();
        }
        for dispute in self.app.stripe.disputes() {
            // Cards whose charges are disputed at once may have been charged meanwhile.
            let _ = self.app.stripe.close_dispute(&dispute.id, bank_gives_in);
        }
        for _ in 0..3 {
            let _ = self.worker.sweep().await;
            self.app.stripe.deliver_held().await;
            self.app.run_jobs().await;
            self.app.clock.advance(SignedDuration::from_hours(25));
        }
        self.app.run_jobs().await;
        self.app.stripe.deliver_held().await;
        self.app.run_jobs().await;
        self.worker.sweep().await.expect("the last night's rounds are made");
    }
}

fn pick<T: Clone>(of: &[T], at: usize) -> Option<T> {
    (!of.is_empty()).then(|| of[at % of.len()].clone())
}
