//! What came in, as it is kept: segments of lines, and the manifest that lists them.
//! A format over `Read` and `Write`: opens no file, starts no thread and reads no clock.

pub mod manifest;
pub mod segment;
