//! What is allocated: nothing on the road once warm, and elsewhere as much as `tickwire check`
//! says.

#[path = "../support/conn.rs"]
mod conn_support;
mod counting;
mod decode;
mod memory;
mod orders;
mod risk;
mod road;
mod values;
