//! Tickwire: a low-latency trading engine for crypto exchanges. Thread per core, no async runtime.
//!
//! The rooms stand in the order of the road that a byte takes; `ARCHITECTURE.md` walks one through them.
#![deny(unsafe_code)]
#![warn(missing_docs)]
// No input of a host, a shell or an exchange may end the process, and nothing may wait for a console.
#![cfg_attr(
    not(test),
    deny(
        clippy::dbg_macro,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod app; //      the commands
pub mod base; //     words that every room uses
pub mod conn; //     bytes to frames
pub mod exchange; // frames to words
pub mod journal; //  what came in, readable again
pub mod market; //   words to picture
pub mod strategy; // picture to intent
pub mod trading; //  intent to order
pub mod venue; //    order to fill, where the exchange is ours
pub mod watch; //    what people see
pub mod wiring; //   rooms joined into lanes, lanes joined by rings
pub mod world; //    os: every system call; sim: connections to the exchange that we make
