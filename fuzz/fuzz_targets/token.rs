//! libFuzzer at the door `token`: `cargo +nightly fuzz run token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::token(data));
