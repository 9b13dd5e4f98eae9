//! libFuzzer at the door `stored`: `cargo +nightly fuzz run stored`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::stored(data));
