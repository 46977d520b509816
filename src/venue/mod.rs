//! Order to fill, at the exchange that is ours: matching, order flow, limits, sessions, played
//! recordings, paper. Values only: owns no socket, no thread and no clock.

pub mod account;
pub(crate) mod directory;
pub mod faults;
pub(crate) mod flow;
pub(crate) mod kept;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod market;
pub(crate) mod matching;
pub(crate) mod newest;
pub mod paper;
pub(crate) mod play;
pub(crate) mod recording;
pub(crate) mod script;
pub(crate) mod session;
pub(crate) mod simulated;
pub(crate) mod surveyed;

pub(crate) use directory::Venues;
pub(crate) use simulated::Venue;
