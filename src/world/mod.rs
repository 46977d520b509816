//! The world around the engine. `os`: every system call, clock, thread, socket and file. `sim`: the
//! simulated exchange's connections.

pub mod os;
pub mod sim;
