//! Two processes of the real program on one database, and more buyers than seats: who buys, who is told no, and that nothing is
//! done twice.

use std::{collections::BTreeSet, rc::Rc};

use jetbridge::ids::TokenHash;
use sqlx::{Connection, PgConnection};
use tokio::task::{JoinSet, LocalSet};

use crate::helpers::{
    browser::Browser,
    cluster::Database,
    proxy::Proxy,
    site::{self, Process, Site, browser, until},
    story::GOOD_CARD,
};

const BUYERS: usize = 200;
/// Bought at once, afterwards, when the airline has put in a larger aircraft.
const MORE: usize = 20;

/// Somebody with a draft that is ready to be paid, and the browser that holds its link.
struct Buyer {
    reference: String,
    browser: Browser,
}

fn token(number: usize) -> String {
    format!("{number:0>43}")
}

/// Copies of a draft that was made by hand: to search and to type it two hundred times would only be slow.
async fn drafts_like(database: &Database, model: &str) -> Vec<String> {
    let letters: Vec<char> = "ACDEFGHJKMNPQRTWXY34679".chars().collect();
    let reference = |number: usize| {
        let place = |power: u32| letters[number / letters.len().pow(power) % letters.len()];
        ['C', 'C', 'C', place(2), place(1), place(0)].iter().collect::<String>()
    };
    let references: Vec<String> = (0..BUYERS).map(reference).collect();
    let hashes: Vec<Vec<u8>> =
        (0..BUYERS).map(|number| TokenHash::of(&token(number)).as_bytes().to_vec()).collect();
    let mut sql = database.superuser().await;
    for copy in [
        "insert into bookings
         select (jsonb_populate_record(b, jsonb_build_object('id', gen_random_uuid(), 'booking_reference', r))).*
           from bookings b, unnest($2::text[], $3::bytea[]) as n(r, h) where b.booking_reference = $1",
        "insert into passengers
         select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'booking_id', b.id))).*
           from passengers p join bookings m on m.id = p.booking_id and m.booking_reference = $1,
                unnest($2::text[], $3::bytea[]) as n(r, h) join bookings b on b.booking_reference = n.r",
        "insert into booking_links (token_hash, booking_id, created_at, expires_at)
         select n.h, b.id, now(), now() + interval '1 day'
           from unnest($2::text[], $3::bytea[]) as n(r, h) join bookings b on b.booking_reference = n.r
          where $1 <> ''",
    ] {
        sqlx::query(copy).bind(model).bind(&references).bind(&hashes).execute(&mut sql).await.unwrap();
    }
    sql.close().await.unwrap();
    references
}

/// So many seats are left on every flight that anybody has wanted.
async fn leave(database: &Database, seats: usize) {
    let mut sql: PgConnection = database.superuser().await;
    let left = format!("update timetable.inventory set capacity = held + sold + {seats}");
    sqlx::raw_sql(&left).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

/// Presses pay, and stands on Stripe's page or is told no. `None`: sold out.
async fn buys(buyer: Rc<Buyer>, quote: Rc<str>) -> Option<String> {
    let pay = format!("/bookings/{}/pay", buyer.reference);
    let page = buyer.browser.post_form(&pay, &[("quote_hash", &quote)]).await;
    if page.status.is_redirection() {
        return page.redirect().rsplit('/').next().map(ToOwned::to_owned);
    }
    page.expect(409).says("Sold out").says("Nothing was charged");
    None
}

async fn all_buy(buyers: &[Rc<Buyer>], quote: &Rc<str>) -> Vec<String> {
    let mut buying = JoinSet::new();
    for buyer in buyers {
        buying.spawn_local(buys(Rc::clone(buyer), Rc::clone(quote)));
    }
    let mut sessions = Vec::new();
    while let Some(session) = buying.join_next().await {
        sessions.extend(session.unwrap());
    }
    sessions
}

async fn with_links(references: Vec<String>, processes: [&Process; 2]) -> Vec<Rc<Buyer>> {
    let mut buyers = Vec::new();
    for (number, reference) in references.into_iter().enumerate() {
        let browser = browser(&processes[number % 2].url());
        // Each in a house of their own.
        let address: &'static str =
            Box::leak(format!("203.0.{}.{}", 100 + number / 250, number % 250).into_boxed_str());
        browser.set_header("x-forwarded-for", address);
        browser.get(&format!("/booking-link/{}", token(number))).await.redirect();
        buyers.push(Rc::new(Buyer { reference, browser }));
    }
    buyers
}

#[tokio::test]
async fn of_two_hundred_buyers_at_two_processes_one_gets_the_last_seat_and_every_job_is_done_once() {
    LocalSet::new().run_until(a_run_on_two_processes()).await;
}

async fn a_run_on_two_processes() {
    let database = Database::fresh().await;
    let world = Site::on(database.options()).await;
    let (one, two) = (world.start().await, world.start().await);
    let stripe = &world.outside.stripe;
    let (proxy, front, _stop) = Proxy::start(one.address()).await;
    stripe.set_webhook_url(front.join("/webhooks/stripe").unwrap());
    let dora = browser(&one.url());
    let model = site::draft(&dora).await;
    let review = dora.get(&format!("/bookings/{model}/review")).await.expect(200);
    let quote: Rc<str> = review.attr("input[name='quote_hash']", "value").into();
    let buyers = with_links(drafts_like(&database, &model).await, [&one, &two]).await;
    // Her hold opens the books of the flights; she never pays.
    site::press_pay(&dora, &model).await;
    leave(&database, 1).await;

    let sessions = all_buy(&buyers, &quote).await;
    assert_eq!(sessions.len(), 1, "of {BUYERS} buyers");
    stripe.pay(&sessions[0], GOOD_CARD).unwrap();
    until(&database, "attempts where state = 'captured'", 1).await;
    assert_eq!(
        site::texts(&database, "select count(*)::text from bookings where booking_status = 'draft'").await,
        ["199"]
    );

    // The webhooks of these come to the other one.
    proxy.lead_to(&two);
    leave(&database, MORE).await;
    let taken =
        site::texts(&database, "select booking_reference from bookings where booking_status <> 'draft'")
            .await;
    let rest: Vec<_> =
        buyers.iter().filter(|buyer| !taken.contains(&buyer.reference)).take(2 * MORE).cloned().collect();
    let sessions = all_buy(&rest, &quote).await;
    assert_eq!(sessions.len(), MORE);
    for session in &sessions {
        stripe.pay(session, GOOD_CARD).unwrap();
    }
    let many = i64::try_from(1 + MORE).unwrap();
    until(&database, "bookings where booking_status = 'confirmed'", many).await;
    until(&database, "attempts where state = 'captured'", many).await;
    until(&database, "mails where state = 'sent'", 2 * many).await;
    done_once(&world, &database, 1 + MORE).await;
    one.end().await;
    two.end().await;
    database.drop().await;
}

/// By what the others have in their books.
async fn done_once(world: &Site, database: &Database, many: usize) {
    let intents = world.outside.stripe.intents();
    let charged: Vec<_> = intents.iter().filter(|intent| intent.received > 0).collect();
    assert_eq!(charged.len(), many, "nobody is charged without a ticket");
    assert!(charged.iter().all(|intent| intent.received == intent.amount));
    assert!(world.outside.stripe.refunds().is_empty());
    let orders = site::texts(database, "select count(*)::text from timetable.orders").await;
    assert_eq!(orders, [many.to_string()]);
    let sent = world.outside.mailbox.list();
    let ids: BTreeSet<_> = sent.iter().map(|mail| mail.message_id.clone()).collect();
    assert_eq!((sent.len(), ids.len()), (2 * many, 2 * many), "a mail was sent twice");
    let retried = "select kind || ' ' || tries from outbox where state = 'done' and tries > 1";
    assert!(site::texts(database, retried).await.is_empty(), "a job was done again");
    world.holds().await;
}
