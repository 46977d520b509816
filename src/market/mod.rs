//! Words to picture: sequencing, order books, signals. Never sees a frame or a strategy.

mod begun;
pub(crate) mod book;
pub(crate) mod buffer;
mod checksum;
mod claims;
pub(crate) mod consolidated;
mod dark;
mod fetch;
pub(crate) mod fresh;
mod lines;
pub(crate) mod picture;
mod place;
mod refresh;
mod resubscribe;
mod rhythm;
mod seq_book;
pub(crate) mod signals;
pub(crate) mod sync;
mod timers;
mod update;

#[cfg(test)]
mod abuse_tests;
#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod book_tests;
#[cfg(test)]
mod lines_twin;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod sync_twin;
#[cfg(test)]
mod window_twin;

pub use book::Book;
pub(crate) use dark::Dark;
pub use fresh::{Fresh, NotFresh, Present};
pub(crate) use lines::LINES_MAX;
pub use picture::Picture;
pub(crate) use signals::Ofi;
pub(crate) use sync::{BookBuilder, DiffOutcome, SnapshotOutcome};
pub use sync::{Counters, Want};
pub(crate) use update::Update;
