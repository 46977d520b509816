//! A simulated exchange as values: matching engine, order flow, sessions, recordings. Owns no socket and no clock.

pub mod account;
pub mod flow;
pub mod limits;
pub mod market;
pub mod matching;
pub mod play;
pub mod recording;
pub mod session;
pub mod tls;
pub mod venue;
pub mod venues;
mod ws;
