//! libFuzzer at the door `isms`: `cargo +nightly fuzz run isms`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::isms(data));
