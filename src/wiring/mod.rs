//! Rooms joined into lanes, lanes joined by SPSC rings. Owns no thread and no socket.

pub mod ask;
mod bell;
pub mod desk;
pub mod feed;
pub mod feed_lane;
pub mod gateway;
pub(crate) mod keep;
pub mod kill;
pub mod lane;
pub(crate) mod outage;
pub mod plan;
pub mod publisher;
pub mod ring;
pub mod road;
pub(crate) mod sweep;
pub mod tally;
pub(crate) mod tap;
pub(crate) mod their_clock;
pub mod turn;
