//! The world around the engine. `os`: every system call, clock, thread, socket and file. `sim`: an exchange made from one seed.

pub mod os;
pub mod sim;
