//! libFuzzer at the door `policy`: `cargo +nightly fuzz run policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::policy(data));
