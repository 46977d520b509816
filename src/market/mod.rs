//! Words to picture: sequencing, order books, signals. Never sees a frame or a strategy.

mod begun;
pub mod book;
pub(crate) mod buffer;
mod checksum;
mod claims;
pub mod consolidated;
mod dark;
mod fetch;
mod lines;
pub mod picture;
mod place;
mod refresh;
mod resubscribe;
mod rhythm;
mod seq_book;
pub mod signals;
pub mod sync;
mod timers;
mod update;

#[cfg(test)]
mod abuse_tests;
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
pub use dark::Dark;
pub use lines::LINES_MAX;
pub use picture::Picture;
pub use signals::Ofi;
pub use sync::{BookBuilder, Counters, DiffOutcome, Want};
pub use update::Update;
