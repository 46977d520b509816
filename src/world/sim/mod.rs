//! The same road on a virtual clock, from one seed: the simulated exchange's connections as values,
//! pipes in memory, and the driver that runs both sides. Owns no socket and no clock.

pub(crate) mod connection;
pub mod driver;
mod exchanges;
pub mod pipe;
pub mod tls;
mod ws;
