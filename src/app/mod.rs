//! The commands. Reads arguments and files, builds the run, and says what happened.

pub mod check;
pub mod cli;
pub mod config;
pub mod replay;
pub mod report;
pub mod run;
pub mod sim;

use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
