//! What the engine makes of recordings: those beside this file, and those of `../shared/corpus`.

mod books;
mod decode;
#[path = "../exchange/frames.rs"]
mod frames;
mod holes;
mod scan;
#[path = "../support/scan.rs"]
mod scan_support;
mod seeds;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::corpus::run(
        &[
            books::TESTS,
            decode::TESTS,
            holes::TESTS,
            scan::TESTS,
            seeds::TESTS,
        ]
        .concat(),
    )
}
