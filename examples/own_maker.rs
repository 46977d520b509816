//! The maker of this crate, as a program of your own has it: `cargo run --example own_maker -- run
//! --for 15s`. The file is the crate's own, `src/strategy/maker.rs`; a copy of it names `tickwire`
//! in the place of `crate`, and nothing else is changed.

#![expect(clippy::result_large_err, reason = "a strategy is built once a run")]

#[path = "../src/strategy/maker.rs"]
mod maker;

use std::process::ExitCode;
use tickwire::*; // What the file names as `crate` is here.

/// A kind of another name: the crate has its own "maker".
static KIND: StrategyKind = StrategyKind {
    name: "own_maker",
    ..maker::KIND
};

fn main() -> ExitCode {
    tickwire::main_with(&[&KIND], |_| {})
}
