//! Words to picture: sequencing, order books, signals. Never sees a frame or a strategy.

pub mod book;
pub(crate) mod buffer;
mod fetch;
mod place;
mod rhythm;
pub mod signals;
mod splice;
pub mod sync;

#[cfg(test)]
mod book_tests;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod sync_twin;

pub use book::Book;
pub use signals::Ofi;
pub use sync::{BookBuilder, Counters, DiffOutcome, SnapshotOutcome, Want};
