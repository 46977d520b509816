//! The commands. Reads arguments and files, builds the run, and says what happened.

pub mod check;
pub mod cli;
pub mod config;
pub mod memory;
mod panics;
pub mod reality;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod secrets;
pub mod session;
mod signals;
pub mod sim;
pub mod universe;

pub use cli::main;
