//! Tickwire: a low-latency trading engine for crypto exchanges. Thread per core, no async runtime.
//!
//! The rooms stand in the order of the road that a byte takes; `ARCHITECTURE.md` walks one through them.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod app; //      the commands
pub mod base; //     words that every room uses
pub mod conn; //     bytes to frames
pub mod exchange; // frames to words
pub mod market; //   words to picture
pub mod strategy; // picture to intent
pub mod trading; //  intent to order
pub mod watch; //    what people see
pub mod wiring; //   rooms joined into lanes, lanes joined by rings
pub mod world; //    os: every system call; sim: the exchange that we make
