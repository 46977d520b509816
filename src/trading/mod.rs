//! Intent to order: risk, and each order's life. Sees neither a strategy nor a wire format.
//!
//! An [`Intent`](crate::base::Intent) passes [`Risk::admit`](risk::Risk::admit), which alone can
//! make an [`Admitted`](risk::Admitted); the gateway sends its order, or it is filled on paper, and
//! [`News`](crate::base::News) come back. `Orders` owns each order from admission to its end, and
//! makes of the news [`Report`](crate::base::Report)s, of which exactly one is its end, and
//! questions about what nobody said in time. `Reconcile` compares with the exchange.
//!
//! Risk compares with limits what `Exposure` adds up of positions and of what orders may still make
//! of them, and asks `Orders` itself which orders are open. `Pnl` owns the positions of strategies,
//! and says what they gained or lost.

mod exposure;
pub mod limits;
pub mod orders;
pub(crate) mod pnl;
mod rate;
pub(crate) mod reconcile;
pub(crate) mod recover;
pub mod refusal;
pub mod risk;
pub(crate) mod unexplained;

#[cfg(test)]
mod abuse_tests;
#[cfg(test)]
mod abuse_twin;
