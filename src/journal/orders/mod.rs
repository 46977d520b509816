//! The order journal: what was done with an account's orders, as lines of JSON that are appended
//! one after another. Whoever reads them all knows what the account's orders are, whenever their
//! writer was killed. A format over bytes: opens no file and reads no clock.
//!
//! Each line has a running number and a checksum. Instruments, strategies and amounts are text: ids
//! and scales are a run's own. Times are nanoseconds since 1970.
//!
//! A writer that is killed leaves a part of a line at the end at most. That part is left out; every
//! other line that is not as it was written is an error, since nobody can say what it was.

mod amounts;
mod line;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use crate::base::ASSET_SCALE;
pub(crate) use line::Begun;
pub(crate) use read::{Reader, Tables};
pub(crate) use write::{Names, Writer};

/// The version of the format that is written. An older one is read, a newer one is not.
pub(crate) const VERSION: u32 = 1;
