//! How fast the timetable answers: `cargo bench --bench search`. Prints what a start costs, what the index weighs, and the
//! time of suggestions of airports for whatever is typed, of one-way searches (up to two stops, ranked, without the seat
//! query) between random and between hub airports, of 31-day price calendars, and of the matrices of a return (seven days
//! there with seven days back).
//! Beside them, as the reference, stands PostgreSQL with the same flights in a table that is joined with itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark may panic, and measures real time"
)]

#[path = "../tests/it/helpers/mod.rs"]
mod helpers;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use helpers::cluster::Database;
use nix::time::{ClockId, clock_gettime};
use sqlx::Connection;

use jetbridge::{
    airports::Airports,
    itinerary::{Cabin, Party, PlaceCode, SearchQuery, SliceQuery},
    supplier::timetable::{Departure, Survey},
};
use jiff::{Timestamp, ToSpan, civil};

const SEARCHES: u64 = 4_000;

fn main() {
    let started = Instant::now();
    let airports = Airports::world();
    let directory = started.elapsed();
    let started = Instant::now();
    let survey = Survey::build(1);
    let world = started.elapsed();
    println!("start            directory {directory:.1?}, timetable {world:.1?}");
    describe(&survey);
    suggest(airports);

    let all: Vec<PlaceCode> = airports.all().iter().map(|airport| airport.code).collect();
    let size = |code: &PlaceCode| airports.index(*code).map_or(0, |at| airports.size(at));
    let hubs: Vec<PlaceCode> = all.iter().copied().filter(|code| size(code) == 6).collect();
    measure("random pairs", &all, |query, now| survey.search(query, now));
    let today = measure("hub pairs", &hubs, |query, now| survey.search(query, now));
    measure("random calendars", &all, |query, now| survey.calendar(query, 31, now));
    measure("hub calendars", &hubs, |query, now| survey.calendar(query, 31, now));
    measure("random matrices", &all, |query, now| survey.pairs(&and_back(query), 3, now));
    measure("hub matrices", &hubs, |query, now| survey.pairs(&and_back(query), 3, now));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(reference(&survey, airports, &hubs, today));

    let dense = Survey::build(10);
    describe(&dense);
    let grown = measure("hub pairs", &hubs, |query, now| dense.search(query, now));
    println!("growth           p99 × {:.1}", grown.as_secs_f64() / today.as_secs_f64());
}

/// What else people call places, as the directory keeps it.
const OTHER_SPELLINGS: &str = include_str!("../src/airports/exonyms.tsv");

/// What a visitor is suggested after each letter of every code, city and airport of the world, and of every other spelling.
fn suggest(airports: &Airports) {
    let own = airports
        .all()
        .iter()
        .flat_map(|airport| [airport.code.to_string(), airport.city.clone(), airport.name.clone()]);
    let others = OTHER_SPELLINGS.lines().filter_map(|line| line.split_once('\t'));
    let others = others.flat_map(|(_, names)| names.split(", ")).map(str::to_owned);
    let names: Vec<String> = own.chain(others).map(|name| name.to_lowercase()).collect();
    for most in [4, 12] {
        let beginnings = names.iter().flat_map(|name| {
            let ends = name.char_indices().map(|(at, letter)| at + letter.len_utf8());
            ends.take(most).map(|end| &name[..end])
        });
        let typed: BTreeSet<&str> = beginnings.collect();
        suggest_all(airports, &typed, most);
    }
}

fn suggest_all(airports: &Airports, typed: &BTreeSet<&str>, most: usize) {
    let ask = |typed: &&str| {
        let started = on_cpu();
        std::hint::black_box(airports.suggest(typed, 20));
        on_cpu() - started
    };
    let mut times: Vec<Duration> = typed.iter().map(ask).collect();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "suggestions      p50 {:.0?}, p99 {:.0?}, worst {:.0?} over {} beginnings of 1 to {most} letters",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

fn describe(survey: &Survey) {
    println!("departures a day {}", survey.departures_per_day());
    let bytes = survey.index_bytes();
    println!(
        "index            {:.1} MiB, {} bytes a flight",
        bytes as f64 / 1_048_576.0,
        bytes / survey.flights()
    );
}

/// The 99th percentile.
fn measure(name: &str, places: &[PlaceCode], ask: impl Fn(&SearchQuery, Timestamp) -> usize) -> Duration {
    let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut random = Random(0x5eed);
    let mut times = Vec::new();
    let (mut answers, mut answered) = (0, 0);
    for _ in 0..SEARCHES {
        let mut pick = || places[random.below(places.len())];
        let (from, to) = (pick(), pick());
        if from == to {
            continue;
        }
        let date = civil::date(2026, 12, 1) + i64::try_from(random.below(280)).unwrap().days();
        let slices = vec![SliceQuery { from, to, date }];
        let query = SearchQuery { slices, party: Party::new(1, 0, 0).unwrap(), cabin: Cabin::Economy };
        let started = on_cpu();
        let found = ask(&query, now);
        times.push(on_cpu() - started);
        answers += found;
        answered += usize::from(found > 0);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap();
    println!(
        "{name:<16} p50 {:.2?}, p99 {:.2?}, worst {:.2?}, mean {mean:.2?}; {} % answered, with {} each",
        at(0.5),
        at(0.99),
        at(1.0),
        answered * 100 / times.len(),
        answers / answered.max(1)
    );
    at(0.99)
}

/// A week later.
fn and_back(query: &SearchQuery) -> SearchQuery {
    let back =
        |slice: &SliceQuery| SliceQuery { from: slice.to, to: slice.from, date: slice.date + 7.days() };
    let slices = query.slices.iter().flat_map(|out| [*out, back(out)]).collect();
    SearchQuery { slices, ..query.clone() }
}

/// Direct flights and those with one change, neither ranked nor priced: less than the engine does.
const SELF_JOIN: &str = "
    select count(*) from (
        select 1 from departures where origin = $1 and destination = $2 and day = $3
        union all
        select 1 from departures a
          join departures b on b.origin = a.destination and b.destination = $2
                           and b.departs between a.arrives + 35 and a.arrives + 600
         where a.origin = $1 and a.day = $3 and a.destination <> $2
    ) ways";
const JOINS: u32 = 200;

/// The same question between hubs, put to PostgreSQL.
async fn reference(survey: &Survey, airports: &Airports, hubs: &[PlaceCode], engine: Duration) {
    let database = Database::empty().await;
    let mut sql = database.superuser().await;
    let table = "create unlogged table departures
        (day int, origin int, destination int, carrier int, departs bigint, arrives bigint)";
    sqlx::query(table).execute(&mut sql).await.unwrap();
    let first = civil::date(2026, 12, 14);
    for day in 0..3_i32 {
        let leaving = survey.departures(first + i64::from(day).days());
        let numbers = |of: fn(&Departure) -> i32| leaving.iter().map(of).collect::<Vec<i32>>();
        let minutes = |of: fn(&Departure) -> i64| leaving.iter().map(of).collect::<Vec<i64>>();
        sqlx::query("insert into departures select $1, * from unnest($2::int[], $3::int[], $4::int[], $5::bigint[], $6::bigint[])")
            .bind(day)
            .bind(numbers(|one| one.from.into()))
            .bind(numbers(|one| one.to.into()))
            .bind(numbers(|one| one.carrier.into()))
            .bind(minutes(|one| one.departs))
            .bind(minutes(|one| one.arrives))
            .execute(&mut sql)
            .await
            .unwrap();
    }
    for index in ["(origin, day)", "(origin, destination, departs)"] {
        sqlx::query(&format!("create index on departures {index}")).execute(&mut sql).await.unwrap();
    }
    sqlx::query("analyze departures").execute(&mut sql).await.unwrap();
    let mut random = Random(0x5eed);
    let (mut times, mut ways) = (Vec::new(), 0);
    for _ in 0..JOINS {
        let mut pick = || airports.index(hubs[random.below(hubs.len())]).unwrap();
        let [from, to] = [pick(), pick()].map(|at| i32::try_from(at).unwrap());
        let started = Instant::now();
        let asked = sqlx::query_scalar::<_, i64>(SELF_JOIN).bind(from).bind(to).bind(0);
        ways += asked.fetch_one(&mut sql).await.unwrap();
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "SQL self-join    p50 {:.1?}, p99 {:.1?}, worst {:.1?}; hub pairs, {} ways each; × {:.0} of the engine's p99",
        at(0.5),
        at(0.99),
        at(1.0),
        ways / i64::from(JOINS),
        at(0.99).as_secs_f64() / engine.as_secs_f64()
    );
    sql.close().await.unwrap();
    database.drop().await;
}

/// Time that this thread had a core, whatever else the machine does.
fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    Duration::new(time.tv_sec().try_into().unwrap(), time.tv_nsec().try_into().unwrap())
}

/// The same questions on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).unwrap()
    }
}
