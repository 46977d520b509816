//! Keeps what came in: writes it, reads it back as one, verifies and merges it. A format over
//! `Read` and `Write`: opens no file, starts no thread and reads no clock.
//!
//! | word | what it means |
//! |---|---|
//! | entry | one thing that came in, as one line of JSON |
//! | member | entries in one whole gzip member or zstd frame: a crash costs at most the last one |
//! | segment | a file: a row of members |
//! | series | the segments of one exchange, numbered from 1 |
//! | manifest | the file that lists the finished segments, each with its checksum |
//! | recording | a folder with a manifest and its series |

mod chain;
mod entry;
mod line;
mod manifest;
mod merge;
pub(crate) mod orders;
mod pack;
mod scan;
pub(crate) mod sealed;
mod segment;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use chain::{Files, Reader, is_recording, series, series_names, unpacked};
#[cfg(test)]
pub(crate) use entry::Entries;
pub(crate) use entry::ReadError;
pub(crate) use entry::{Entry, Kind, Place, frame, writable};
pub(crate) use manifest::{Item, NAME as MANIFEST};
pub(crate) use merge::Merge;
pub(crate) use pack::Pack;
#[cfg(test)]
pub(crate) use segment::SEGMENT_AGE;
pub(crate) use segment::{Series, Sink, Store, Written};
pub(crate) use verify::{Report, State, Verified, verify};
