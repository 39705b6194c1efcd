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

proptest! {
    #[test]
    fn no_body_of_a_form_makes_a_panic_or_passes_what_the_rules_forbid(bytes in shaped()) {
        properties::form_body(&bytes);
    }

    #[test]
    fn no_head_of_a_request_makes_a_panic_or_a_mark_that_counts(bytes in shaped()) {
        properties::request_head(&bytes);
    }
}
