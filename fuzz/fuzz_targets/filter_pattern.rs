//! libFuzzer at the door `filter_pattern`: `cargo +nightly fuzz run filter_pattern`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::filter_pattern(data));
