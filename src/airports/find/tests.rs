//! What people type, and which place it means.

use super::*;

fn one(typed: &str) -> String {
    match Airports::world().resolve(typed) {
        Resolved::One(code) => code.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_people_type_finds_the_place_they_mean() {
    let cases = [
        ("lisbon", "LIS"),
        ("LIS", "LIS"),
        (" lis ", "LIS"),
        ("Lisboa", "LIS"),
        ("Lisbon LIS", "LIS"),
        ("Lisbon (LIS)", "LIS"),
        ("São Paulo", "SAO"),
        ("sao paulo", "SAO"),
        ("sa\u{303}o paulo", "SAO"),
        ("SAO PAULO", "SAO"),
        ("london", "LON"),
        ("London, all airports LON", "LON"),
        ("new york", "NYC"),
        ("new york jfk", "JFK"),
        ("heathrow", "LHR"),
        ("dubai", "DXB"),
        ("München", "MUC"),
        ("shanghai", "SHA"),
        ("SHA", "SHA"),
        ("paris", "PAR"),
        ("tokyo", "TYO"),
        ("GOA", "GOA"),
        ("xian", "XIY"),
        ("lisbon, portugal", "LIS"),
        ("kuala lumpur", "KUL"),
    ];
    for (typed, code) in cases {
        assert_eq!(one(typed), code, "{typed:?}");
    }
}

#[test]
fn a_city_is_found_by_what_other_languages_call_it() {
    let cases = [
        ("Tokio", "TYO"),
        ("東京", "TYO"),
        ("大阪", "OSA"),
        ("北京", "BJS"),
        ("서울", "SEL"),
        ("Kopenhagen", "CPH"),
        ("København", "CPH"),
        ("Mailand", "MIL"),
        ("Köln", "CGN"),
        ("Koeln", "CGN"),
        ("Nizza", "NCE"),
        ("Florenz", "FLR"),
        ("Genf", "GVA"),
        ("Prag", "PRG"),
        ("Warschau", "WAW"),
        ("Moskau", "MOW"),
        ("Москва", "MOW"),
        ("Αθήνα", "ATH"),
        ("القاهرة", "CAI"),
        ("Münich", "MUC"),
        ("Muenchen", "MUC"),
        ("Duesseldorf", "DUS"),
        ("Lisboa", "LIS"),
        ("Roma", "ROM"),
        ("Wien", "VIE"),
        ("Varsovie", "WAW"),
        ("Nueva York", "NYC"),
        ("Londres", "LON"),
        ("La Habana", "HAV"),
    ];
    for (typed, code) in cases {
        assert_eq!(one(typed), code, "{typed:?}");
        let first = &Airports::world().suggest(typed, 3)[0];
        assert_eq!(first.code.as_str(), code, "{typed:?}");
    }
    assert_eq!(Airports::world().suggest("東", 3)[0].code.as_str(), "TYO");
    assert_eq!(Airports::world().suggest("kopenh", 3)[0].code.as_str(), "CPH");
}

#[test]
fn every_other_name_means_one_place_and_hides_no_larger_one() {
    let world = Airports::world();
    assert!(world.other_names.len() > 500);
    for pair in world.other_names.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "two places");
    }
    for (name, code) in &world.other_names {
        let meant = world.index.iter().find(|entry| entry.code == *code);
        let meant = meant.unwrap_or_else(|| panic!("{code} for {name} is in no list"));
        for other in world.index.iter().filter(|other| other.city == *name && other.code != *code) {
            let is_its_city =
                world.serve_one_city(other.code, *code) || world.members(*code).contains(&other.code);
            assert!(is_its_city || other.weight + 2 <= meant.weight, "{name} is also {}", other.code);
        }
    }
}

#[test]
fn of_cities_of_one_name_the_one_with_the_larger_airport_comes_first_but_a_code_before_all() {
    let codes = |typed: &str| -> Vec<String> {
        Airports::world().suggest(typed, 4).into_iter().map(|found| found.code.to_string()).collect()
    };
    assert_eq!(codes("birmingham")[..2], ["BHX", "BHM"]);
    assert_eq!(codes("BHM")[0], "BHM");
    for typed in ["birmingham", "san jose", "manchester", "valencia", "santiago"] {
        let world = Airports::world();
        let found = world.suggest(typed, 4);
        let named: Vec<u8> = found
            .iter()
            .filter_map(|found| world.index.iter().find(|entry| entry.code == found.code))
            .filter(|entry| entry.city == typed)
            .map(|entry| entry.weight)
            .collect();
        assert!(named.is_sorted_by(|a, b| a >= b), "{typed}: {named:?}");
    }
}

#[test]
fn a_name_that_several_cities_share_is_a_choice() {
    for typed in ["san jose", "newcastle", "birmingham", "goa"] {
        let Resolved::Many(choice) = Airports::world().resolve(typed) else {
            panic!("{typed}: {}", one(typed))
        };
        assert!(choice.len() > 1, "{typed}");
    }
}

#[test]
fn junk_is_no_place() {
    let world = Airports::world();
    let long = "a".repeat(10_000);
    for typed in [
        "",
        " ",
        "\0",
        "-1",
        "+1",
        "11",
        "zzzzqqq",
        "🛫",
        "'; drop table --",
        "LISX QQ1",
        long.as_str(),
        "東京都庁",
    ] {
        assert_eq!(world.resolve(typed), Resolved::None, "{typed:.20?}");
        assert!(world.suggest(typed, 8).is_empty(), "{typed:.20?}");
    }
}

#[test]
fn every_label_we_print_means_its_own_place_again() {
    let world = Airports::world();
    // Every label is slow without optimisation; a stride that shares no factor with the alphabet's habits is enough.
    for entry in world.index.iter().step_by(7).chain(world.index.iter().take(40)) {
        let label = world.suggestion(entry.code).label;
        assert_eq!(world.resolve(&label), Resolved::One(entry.code), "{label}");
    }
}

#[test]
fn suggestions_come_code_first_then_city_then_name() {
    let codes = |typed: &str, limit: usize| -> Vec<String> {
        Airports::world().suggest(typed, limit).into_iter().map(|found| found.code.to_string()).collect()
    };
    assert_eq!(codes("lis", 1), ["LIS"]);
    assert_eq!(codes("lond", 2), ["LON", "LHR"]);
    assert_eq!(codes("kennedy", 1), ["JFK"]);
    assert_eq!(codes("london hea", 1), ["LHR"]);
    assert_eq!(codes("a", 5).len(), 5);
    // Whoever means one place sees what is close to it as well, last.
    let near = Airports::world().suggest("hondarribia", 8);
    assert_eq!((near[0].code.as_str(), near[0].distance_km), ("EAS", None));
    let biarritz = near.iter().find(|found| found.code.as_str() == "BIQ").expect("across the border");
    assert!(biarritz.distance_km.is_some_and(|km| (15..40).contains(&km)));
    assert!(biarritz.detail.contains(" km from Hondarribia, Biarritz"), "{}", biarritz.detail);
    assert_eq!(codes("hondarribia", 1), ["EAS"]);
    let london = &Airports::world().suggest("london", 1)[0];
    assert_eq!(london.label, "London, all airports LON");
    assert_eq!(london.detail, "LHR, LGW, STN, LTN, LCY, SEN, United Kingdom");
}
