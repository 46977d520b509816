//! The built binary, run as its users run it.

mod arbitrage;
mod bad_input;
mod bench;
mod client;
#[path = "../support/conn.rs"]
mod conn_support;
mod ctl_set;
mod default;
mod drill;
mod exchange;
mod fault_server;
mod faults_age;
mod faults_books;
mod faults_host;
mod faults_streams;
mod guard;
mod half_open;
mod host;
mod isolation;
mod journal;
mod killed;
mod kills;
mod large;
mod live;
mod many;
mod money;
mod neighbours;
mod panicked;
mod proxy;
mod quoting;
mod record;
mod replayed;
mod report;
mod sbe;
mod scribe;
mod secrets;
mod side_by_side;
mod simulate;
mod strategies;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod why;
