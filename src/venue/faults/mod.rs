//! What goes wrong on purpose at the simulated exchanges, planned or by chance from a seed: between
//! a client and its account (`account`), and with market data (`market`, `plan`). Owns no
//! connection and no clock; one layer for the exchanges behind sockets and for those of a virtual
//! world.

pub mod account;
pub(crate) mod lens;
pub mod market;
pub mod plan;
pub(crate) mod reader;
pub(crate) mod schedule;
pub(crate) mod spoil;
pub(crate) mod text;

pub use account::{Asks, Fault, Planned, Refuses};
pub use market::MarketFault;
pub use plan::{Dice, Step, Struck};
