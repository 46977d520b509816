//! Rooms joined into lanes, lanes joined by SPSC rings. Owns no thread and no socket.

pub mod publisher;
pub mod ring;
