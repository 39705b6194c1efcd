//! The properties that `fuzz/` searches for days, over some random bytes on every run: the fuzz targets cannot rot.

#[path = "../../../fuzz/properties.rs"]
mod properties;

use proptest::prelude::*;

/// Bytes that look like something: the fuzzer learns such shapes by itself, a random generator does not.
fn shaped() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("p1_given=".to_owned()),
        Just("&p1_family=".to_owned()),
        Just("email=a@b.example".to_owned()),
        Just("Bearer jb_".to_owned()),
        Just("__Host-known=".to_owned()),
        Just("//evil.example/..;/".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,8}",
        "%[0-9a-f]{2}",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

/// The same for the address of a search.
fn searched() -> impl Strategy<Value = Vec<u8>> {
    let name = proptest::sample::select(vec![
        "trip", "from", "to", "leave", "back", "adults", "infants", "cabin", "from2", "to2", "leave2",
        "leave7", "sort", "stops", "airline", "via", "dep", "arr", "start", "end", "max", "bag", "page",
        "month", "nights",
    ]);
    let value = prop_oneof![
        proptest::sample::select(vec![
            "multi",
            "oneway",
            "return",
            "LIS",
            "jfk",
            "London",
            "San+Jose",
            "2027-03-12",
            "2027-03-11",
            "2027-03",
            "1",
            "2",
            "0",
            "business",
            "cheapest",
            "0T,9B",
            "1-morning,2-night",
            "",
            "|",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,10}",
        "%[0-9a-f]{2}",
        "\\PC{0,4}",
    ];
    proptest::collection::vec((name, value), 0..14).prop_map(|pairs| {
        let good = "from=LIS&to=JFK&leave=2027-03-10";
        let all: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let first = if all.len().is_multiple_of(3) { good } else { "x=" };
        format!("{first}&{}", all.join("&")).into_bytes()
    })
}

proptest! {
    #[test]
    fn no_query_of_a_search_makes_a_panic_or_means_two_things(bytes in prop_oneof![searched(), shaped()]) {
        properties::search_query(&bytes);
    }

    #[test]
    fn no_body_of_a_form_makes_a_panic_or_passes_what_the_rules_forbid(bytes in shaped()) {
        properties::form_body(&bytes);
    }

    #[test]
    fn no_head_of_a_request_makes_a_panic_or_a_mark_that_counts(bytes in shaped()) {
        properties::request_head(&bytes);
    }
}
