//! What people type, and what becomes of it.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn good() -> SearchForm {
    SearchForm {
        trip: "return".into(),
        from: "lisbon".into(),
        to: "JFK".into(),
        leave: "2027-03-12".into(),
        back: "2027-03-26".into(),
        adults: "2".into(),
        children: "1".into(),
        infants: "1".into(),
        cabin: "economy".into(),
        more: Vec::new(),
    }
}

fn wrong(change: impl FnOnce(&mut SearchForm)) -> Vec<String> {
    let mut form = good();
    change(&mut form);
    match form.check(Airports::world(), now()) {
        Ok(_) => Vec::new(),
        Err(bad) => bad.errors.iter().map(|(field, _)| field.to_owned()).collect(),
    }
}

#[test]
fn a_good_form_becomes_a_query_and_reads_back_as_itself() {
    let query = good().check(Airports::world(), now()).unwrap();
    assert_eq!(query.slices.len(), 2);
    assert_eq!(query.slices[0].from.as_str(), "LIS");
    assert_eq!(query.slices[1].to.as_str(), "LIS");
    assert_eq!(query.party.in_words(), "2 adults, 1 child and 1 infant");
    let again = SearchForm::of(&query, Airports::world());
    assert_eq!(again.check(Airports::world(), now()), Ok(query));
}

#[test]
fn one_way_ignores_the_return_date_whatever_it_is() {
    let mut form = good();
    form.trip = "oneway".into();
    form.back = "garbage".into();
    assert_eq!(form.check(Airports::world(), now()).unwrap().slices.len(), 1);
    assert!(!form.address().contains("garbage"));
}

#[test]
fn each_kind_of_nonsense_is_a_message_beside_its_field() {
    type Change = fn(&mut SearchForm);
    let cases: [(Change, &str); 22] = [
        (|form| form.from = String::new(), "from"),
        (|form| form.from = "Lodnon".into(), "from"),
        (|form| form.from = "XQZ".into(), "from"),
        (|form| form.from = "a".repeat(100_000), "from"),
        (|form| form.from = "\0\u{fffd}\u{202e}".into(), "from"),
        (|form| form.to = "Lisbon".into(), "to"),
        (
            |form| {
                form.from = "London".into();
                form.to = "LHR".into()
            },
            "to",
        ),
        (
            |form| {
                form.from = "LGW".into();
                form.to = "London, all airports LON".into()
            },
            "to",
        ),
        (|form| form.leave = String::new(), "leave"),
        (|form| form.leave = "12/03/2027".into(), "leave"),
        (|form| form.leave = "2027-02-29".into(), "leave"),
        (|form| form.leave = "2026-11-21".into(), "leave"),
        (|form| form.back = "2027-03-11".into(), "back"),
        (|form| form.back = "2027-10-19".into(), "back"),
        (|form| form.back = String::new(), "back"),
        (
            |form| {
                form.adults = "0".into();
                form.infants = "0".into();
            },
            "adults",
        ),
        (|form| form.adults = "9".into(), "adults"),
        (|form| form.adults = "-1".into(), "adults"),
        (|form| form.children = "10".into(), "children"),
        (|form| form.infants = "3".into(), "infants"),
        (|form| form.cabin = "cargo".into(), "cabin"),
        (|form| form.trip = "circle".into(), "trip"),
    ];
    for (place, (change, field)) in cases.into_iter().enumerate() {
        assert_eq!(wrong(change), [field], "case {place}");
    }
}

#[test]
fn each_count_that_is_wrong_has_its_own_message() {
    let counts = |adults: &str, children: &str, infants: &str| {
        wrong(|form| {
            form.adults = adults.into();
            form.children = children.into();
            form.infants = infants.into();
        })
    };
    assert_eq!(counts("0", "1", "5"), ["adults", "infants"]);
    assert_eq!(counts("2", "many", "5"), ["children", "infants"]);
    assert_eq!(counts("12", "10", "0"), ["adults", "children"]);
    assert_eq!(counts("9", "0", "9"), ["adults"]);
}

#[test]
fn today_is_the_day_at_the_place_of_departure() {
    // 12:00 UTC on the 22nd: already the 23rd on Kiritimati, still the 22nd in Lisbon.
    assert_eq!(wrong(|form| form.leave = "2026-11-22".into()), Vec::<String>::new());
    let at_midnight = "2026-11-22T23:30:00Z".parse().unwrap();
    let mut form = good();
    form.leave = "2026-11-22".into();
    form.from = "SIN".into();
    assert!(form.check(Airports::world(), at_midnight).is_err());
    form.from = "JFK".into();
    form.to = "LIS".into();
    assert!(form.check(Airports::world(), at_midnight).is_ok());
}

#[test]
fn a_place_that_means_several_offers_the_choice() {
    let mut form = good();
    form.from = "birmingham".into();
    let bad = form.check(Airports::world(), now()).unwrap_err();
    let (field, choices) = &bad.choices[0];
    assert_eq!(*field, "from");
    assert!(choices.len() > 1);
    let chosen = form.with(field, &choices[0].label);
    assert!(chosen.check(Airports::world(), now()).is_ok());
}

fn several() -> SearchForm {
    let leg =
        |from: &str, to: &str, leave: &str| LegForm { from: from.into(), to: to.into(), leave: leave.into() };
    let more = vec![leg("JFK", "SFO", "2027-03-16"), leg("SFO", "Lisbon", "2027-03-16")];
    SearchForm { trip: "multi".into(), back: "garbage".into(), more, ..good() }
}

#[test]
fn several_flights_are_checked_each_and_in_their_order() {
    let query = several().check(Airports::world(), now()).unwrap();
    assert_eq!(query.slices.len(), 3);
    let again = SearchForm::of(&query, Airports::world());
    assert_eq!((again.trip.as_str(), again.more.len()), ("multi", 2));
    assert_eq!(again.check(Airports::world(), now()), Ok(query));
    let blamed = |change: fn(&mut SearchForm)| {
        let mut form = several();
        change(&mut form);
        let bad = form.check(Airports::world(), now()).unwrap_err();
        bad.errors.iter().map(|(field, _)| field.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(blamed(|form| form.more.clear()), ["from2", "to2", "leave2"]);
    assert_eq!(blamed(|form| form.more[0] = LegForm::default()), ["from2", "to2", "leave2"]);
    assert_eq!(blamed(|form| form.more[1].leave = "2027-03-15".into()), ["leave3"]);
    assert_eq!(blamed(|form| form.more[1].to = "SFO".into()), ["to3"]);
    assert_eq!(blamed(|form| form.more[0].from = "San Jose".into()), ["from2"]);
}

#[test]
fn a_journey_grows_to_six_flights_and_no_further() {
    let form = several().with_flights(9);
    assert_eq!(form.more.len(), LEGS.len() - 1);
    assert_eq!(form.more[2].from, "Lisbon", "from where the flight before lands");
    assert_eq!(form.with_flights(0).more.len(), 1);
    for (query, is_wrong) in
        [("from6=a", false), ("from7=a", true), ("leave70=", true), ("to0=", false), ("é7=&from=b", false)]
    {
        let mut errors = FieldErrors::default();
        SearchForm::read(&Sent::read(query), &mut errors);
        assert_eq!(errors.get("trip").is_some(), is_wrong, "{query}");
    }
}

#[test]
fn there_and_back_between_airports_of_the_same_cities_is_a_return() {
    let mut query = good().check(Airports::world(), now()).unwrap();
    query.slices[0].to = "LHR".parse().unwrap();
    query.slices[1].from = "LGW".parse().unwrap();
    assert_eq!(SearchForm::of(&query, Airports::world()).trip, "return");
    query.slices[1].from = "CDG".parse().unwrap();
    let form = SearchForm::in_short(&query, Airports::world());
    assert_eq!((form.trip.as_str(), form.value("from2"), form.value("to2")), ("multi", "CDG", "LIS"));
}

#[test]
fn a_sparse_address_is_filled_with_what_most_people_mean() {
    let form = SearchForm {
        from: "LIS".into(),
        to: "OPO".into(),
        leave: "2027-03-12".into(),
        ..SearchForm::default()
    };
    let query = form.with_defaults().check(Airports::world(), now()).unwrap();
    assert_eq!(query.slices.len(), 1);
    assert_eq!(query.party.in_words(), "1 adult");
    assert_eq!(query.cabin, Cabin::Economy);
}

proptest! {
    #[test]
    fn no_text_whatsoever_breaks_the_check(from in ".{0,40}", to in ".{0,40}", leave in ".{0,12}", adults in ".{0,4}") {
        let form = SearchForm { from, to, leave, adults, ..good() };
        let _ = form.check(Airports::world(), now());
        prop_assert!(!form.address().contains('\0'));
    }
}
