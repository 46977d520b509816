//! Every system call, clock, thread and socket. Thin shells around the values of the other rooms.

pub mod clerk;
pub mod clock;
pub mod console;
pub mod container;
pub mod engine;
pub mod files;
pub mod placement;
pub(crate) mod recorder;
pub mod scribe;
pub mod server;
pub mod socket;
pub mod sys;
pub mod watcher;
pub mod worker;
