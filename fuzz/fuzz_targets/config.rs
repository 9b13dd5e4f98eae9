//! libFuzzer at the door `config`: `cargo +nightly fuzz run config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::config(data));
