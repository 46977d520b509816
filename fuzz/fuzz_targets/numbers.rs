//! The body is in `fuzz/bodies/numbers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickwire::hostile::call("numbers", data));
