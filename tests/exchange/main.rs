//! Every exchange of the registry: its golden frames, odd ones, its life on a virtual clock, and
//! the simulated one.

mod account;
mod bench;
#[path = "../support/conn.rs"]
mod conn_support;
mod deribit_orders;
mod forms;
mod frames;
mod golden;
#[path = "../support/lane/mod.rs"]
mod lane_support;
mod life;
mod life_support;
mod odd;
mod order_faults;
mod played;
mod sbe;
mod scan;
#[path = "../support/scan.rs"]
mod scan_support;
mod sim;
