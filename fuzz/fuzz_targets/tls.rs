//! The body is in `fuzz/bodies/tls.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickwire::hostile::call("tls", data));
