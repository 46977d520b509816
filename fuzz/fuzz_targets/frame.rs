//! The body is in `fuzz/bodies/frame.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tickwire::hostile::call("frame", data));
