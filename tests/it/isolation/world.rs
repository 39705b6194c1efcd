//! A database in which at least one row of every table belongs to alice: without a row nothing could be seen to leak.

use jetbridge::sandbox::stripe::Session;

use crate::helpers::{
    app::{self, TestApp},
    browser::Browser,
    story::GOOD_CARD,
};

/// What the application has no way yet, or no short way, to bring about.
const BY_HAND: &str = "
insert into attention_items (kind, subject, booking_id, detail) values ('late', ':confirmed', ':confirmed', '');
insert into flight_search_claims (key, until) values (sha256('x'), '2026-11-24');
insert into duffel_orders (booking_id, offer_id, order_id, state, asked_at, changed_at)
    values (':confirmed', 'off_1', 'ord_1', 'made', '2026-11-23', '2026-11-23');
insert into supplier_events (id, kind, order_id, names_booking, booking_id, received_at, settled_at)
    values ('wev_1', 'order.created', 'ord_1', ':confirmed', ':confirmed', '2026-11-23', '2026-11-23');
insert into audit_log (actor_id, action, booking_id, subject)
    values (':carol', 'document_revealed', ':confirmed', ':confirmed');
insert into auth.second_factors (user_id, secret, confirmed_at, last_step) values
    (':alice', repeat('x', 40)::bytea, '2026-11-23', 1), (':carol', repeat('x', 40)::bytea, '2026-11-23', 1)
    on conflict (user_id) do nothing;
insert into auth.recovery_codes (user_id, hash, created_at) values
    (':alice', sha256('x'), '2026-11-23'), (':carol', sha256('x'), '2026-11-23');
insert into auth.token_families (id, user_id, scopes, created_at, expires_at)
    values (':alice', ':alice', '{bookings:read}', '2026-11-23', '2100-01-01');
insert into auth.tokens (hash, family_id, kind, created_at, expires_at)
    values (sha256('hers'), ':alice', 'access', '2026-11-23', '2100-01-01');
insert into rate_limits (rule, subject, spent_to) values ('hers', sha256('hers'), '2026-11-23');
insert into sign_in_delays (subject, tries, tried_at, next_at) values (sha256('hers'), 1, '2026-11-23', '2026-11-23');
insert into idempotency_keys (key_hash, call_hash, owner, locked_until, created_at, expires_at)
values (sha256('hers'), sha256('hers'), gen_random_uuid(), '2026-11-23', '2026-11-23', '2026-11-24');
insert into rounds (name, done_at) values ('hers', '2026-11-23');
insert into auth.mail_tokens (token_hash, purpose, user_id, mail_id, sent_to, created_at, expires_at)
    select sha256('hers'), 'verify_email', ':alice', id, 'alice@example.com', '2026-11-23', '2100-01-01'
      from mails where booking_id = ':confirmed' limit 1;
insert into saved_travellers (id, user_id, given_names, family_name, born_on, sex)
    values (':alice', ':alice', 'Maria', 'Duarte', '1986-12-04', 'f');
insert into travel_documents (passenger_id, booking_id, sealed, last_two, country, expires_on, travel_ends)
    select id, booking_id, decode('026b31' || repeat('00', 40), 'hex'), 'X1', 'PT', '2030-01-01', '2026-12-14'
      from passengers where booking_id in (':draft', ':doras') on conflict do nothing;
set session_replication_role = replica;
insert into refunds (id, booking_id, attempt_id, amount_minor, currency, reason)
    select id, booking_id, id, 1, currency, 'by_hand' from attempts where booking_id = ':doras';
insert into refund_payouts (refund_id, way, paid_on, proof, recorded_by, recorded_at)
    select id, 'cash', '2026-11-23', 'receipt 7', ':carol', '2026-11-23' from refunds where booking_id in (':refunded', ':doras');
reset session_replication_role;
insert into disputes (id, booking_id, attempt_id, stripe_dispute_id, is_inquiry, amount_minor, currency, reason, opened_at)
    select id, booking_id, id, 'dp_hers', true, 1, currency, 'by_hand', '2026-11-23' from attempts where booking_id = ':confirmed';
insert into price_lines select id, 1, 'fare', amount_minor from bookings where id = ':refunded';
insert into refund_lines select r.id, r.booking_id, 1, 'fare', r.amount_minor from refunds r where r.booking_id = ':refunded';
insert into stripe_movements (id, kind, amount_minor, currency, fee_minor, fee_currency, moved_at, taken_in_at)
    values ('txn_hers', 'payout', 1, 'EUR', 0, 'EUR', '2026-11-23', '2026-11-23');
insert into stripe_readings (what, seen_until, read_at) values ('events', '2026-11-23', '2026-11-23');
insert into cancel_quotes (id, booking_id, attempt_id, terms, charged, paid_minor, returned_minor, kept_minor, back_minor,
                           currency, hash, made_at, expires_at)
    select a.id, b.id, a.id, 'free', false, a.amount_minor, 0, 0, a.amount_minor, a.currency, repeat('0', 64), '2026-11-23', '2026-11-24'
      from bookings b join attempts a on a.booking_id = b.id where b.id in (':confirmed', ':doras');
insert into hook_endpoints (id, url, secret, created_at, created_by)
    values (':alice', 'https://hooks.example.com/', repeat('x', 60)::bytea, '2026-11-23', ':carol');
insert into hook_events (id, kind, once_key, booking_id, data, happened_at)
    values (':alice', 'booking.confirmed', 'booking.confirmed:hers', ':confirmed', '{}', '2026-11-23');
insert into hook_deliveries (id, endpoint_id, event_id, state, created_at, queued_at)
    values (':alice', ':alice', ':alice', 'held', '2026-11-23', '2026-11-23');
insert into hook_tries (delivery_id, begun_at) values (':alice', '2026-11-23');
insert into booking_finds (id, reference, family_name, email, created_at)
    values (':alice', 'ACDEFG', 'Duarte', 'maria@example.com', '2026-11-23');
";

pub struct World {
    pub app: TestApp,
    /// What stands for the ids in predicates and statements: `:alice`, `:confirmed`.
    names: Vec<(&'static str, String)>,
}

impl World {
    pub async fn new() -> Self {
        let app = TestApp::start().await;
        let alice = app.alice().await;
        let bob = app.bob().await;
        app.staff("owner").await;
        app.staff("viewer").await;
        // Of each life that a booking may have, one.
        let draft = app.draft(&alice).await;
        let confirmed = app.confirmed(&alice).await;
        let refunded = app.draft_for(&alice, "Soldout").await;
        pay_at_once(&app, &alice, &refunded).await;
        app.settle().await;
        let held = app.draft(&alice).await;
        app.press_pay(&alice, &held).await;
        let (dora, doras) = app.dora().await;
        app.press_pay(&dora, &doras).await;
        // Bob has his own, so that an update or insert of his that is not alice's has something to touch.
        app.confirmed(&bob).await;

        let mut names = Vec::new();
        for (name, email) in [
            ("alice", app::ALICE),
            ("bob", app::BOB),
            ("carol", "owner@example.com"),
            ("colleague", "viewer@example.com"),
        ] {
            let id = app.texts(&format!("select id::text from auth.users where email = '{email}'")).await;
            names.push((name, id[0].clone()));
        }
        for (name, reference) in [
            ("draft", draft),
            ("confirmed", confirmed),
            ("refunded", refunded),
            ("held", held),
            ("doras", doras),
        ] {
            let id = app
                .texts(&format!("select id::text from bookings where booking_reference = '{reference}'"))
                .await;
            names.push((name, id[0].clone()));
        }
        let link = app.texts("select encode(token_hash, 'hex') from booking_links").await.remove(0);
        names.push(("link", link));
        let world = Self { app, names };
        world.app.execute(&world.named(BY_HAND)).await;
        world
    }

    /// The text with ids for names.
    pub fn named(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!(":{name}"), id))
    }

    pub fn id(&self, name: &str) -> String {
        self.named(&format!(":{name}"))
    }

    pub async fn end(self) {
        self.app.abandon_jobs();
        self.app
            .execute(
                "set session_replication_role = replica; delete from refund_payouts; reset session_replication_role;
                 delete from attention_items; delete from refunds where reason = 'by_hand'",
            )
            .await;
        self.app.finish().await;
    }
}

/// By a method that is charged before there is a ticket; where no seats are left that makes a refund.
async fn pay_at_once(app: &TestApp, browser: &Browser, reference: &str) -> Session {
    let session = app.press_pay(browser, reference).await;
    app.stripe.tamper_session(&session.id, |session| session.capture_method = "automatic".to_owned());
    app.stripe.pay(&session.id, GOOD_CARD).expect("pays");
    session
}
