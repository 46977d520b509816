//! Lanes as values: feeds, the desk and the gateway, on a clock that the test moves.

#[path = "../support/conn.rs"]
mod conn_support;
mod desk;
mod faults;
mod feed;
mod gateway;
#[path = "../support/lane/mod.rs"]
mod lane_support;
mod lines;
mod overflow;
mod quiet_books;
mod rhythm;
mod session;
mod world;
