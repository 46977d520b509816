//! Every system call, clock, thread and socket. Thin shells around the values of the other rooms.

mod append;
pub(crate) mod bench;
pub mod clerk;
pub mod clock;
pub(crate) mod console;
pub(crate) mod container;
pub(crate) mod control;
pub(crate) mod engine;
pub(crate) mod files;
pub(crate) mod guard;
pub(crate) mod memory;
pub(crate) mod orders;
pub(crate) mod placement;
pub(crate) mod recorder;
pub mod scribe;
pub mod server;
pub mod socket;
pub mod sys;
mod tsc;
pub(crate) mod watcher;
pub(crate) mod worker;
