//! The commands. Reads arguments and files, builds the run, and says what happened.

mod bench;
pub(crate) mod check;
pub(crate) mod cli;
pub mod config;
mod control;
mod ctl;
mod drill;
pub(crate) mod guard;
mod markdown;
pub mod memory;
mod orders;
mod panics;
pub(crate) mod parts;
pub(crate) mod ready;
mod reality;
pub(crate) mod record;
pub mod replay;
pub mod report;
mod rights;
pub(crate) mod run;
mod scratch;
pub(crate) mod secrets;
mod signals;
pub(crate) mod sim;
pub(crate) mod universe;
pub mod why;
