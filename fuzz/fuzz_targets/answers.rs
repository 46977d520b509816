//! The body is in `fuzz/bodies/answers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickwire::hostile::call("answers", data));
