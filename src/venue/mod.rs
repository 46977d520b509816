//! Order to fill, at the exchange that is ours: matching, order flow, limits, sessions, played
//! recordings, paper. Values only: owns no socket, no thread and no clock.

pub mod account;
pub mod directory;
pub mod flow;
pub mod limits;
pub mod market;
pub mod matching;
pub mod paper;
pub mod play;
pub mod recording;
pub mod session;
pub mod simulated;

pub use directory::Venues;
pub use simulated::Venue;
