#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "the other target asks the other half")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::request_head(bytes));
