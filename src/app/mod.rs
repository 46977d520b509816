//! The commands. Reads arguments and files, builds the run, and says what happened.

pub mod check;
pub mod cli;
pub mod config;
pub mod replay;
pub mod report;
pub mod run;
pub mod secrets;
pub mod sim;

pub use cli::main;
pub mod session;
pub mod universe;
