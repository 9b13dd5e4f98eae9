//! libFuzzer at the door `withheld`: `cargo +nightly fuzz run withheld`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| evidenced_fuzz::withheld(data));
