#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "the other targets ask the rest")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::search_query(bytes));
