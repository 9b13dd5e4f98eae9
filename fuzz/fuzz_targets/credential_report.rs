//! libFuzzer at the door `credential_report`: `cargo +nightly fuzz run credential_report`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::report(data));
