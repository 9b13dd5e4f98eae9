//! libFuzzer at the door `pack`: `cargo +nightly fuzz run pack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::pack(data));
