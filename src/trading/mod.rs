//! Intent to order: risk, and each order's life. Sees neither a strategy nor a wire format.
//!
//! An [`Intent`](crate::base::Intent) passes [`Risk::admit`](risk::Risk::admit), which alone can
//! make an [`Admitted`](risk::Admitted); the gateway sends its order, or it is filled on paper, and
//! [`News`](crate::base::News) come back. `Orders` joins them with the order,
//! into [`Report`](crate::base::Report)s of which exactly one is its end.
//!
//! Where the rest of a trading desk joins:
//!
//! - **Order life** grows out of `Orders`, which owns each order from admission to its end:
//!   cancels, orders that rest, and the private stream beside the answers. It will replace the list
//!   of open ids that `Risk` keeps now.
//! - **Positions** follow order life: the sum of unique fills from the private stream. Risk then
//!   gates exposure, where an order in doubt counts as filled, and the day's loss.
//! - **Reconciliation** asks the exchange by client id what became of an order in doubt. Until it
//!   is there, such an order keeps its slot among the open orders for good, and enough of them stop
//!   trading.

pub mod limits;
pub(crate) mod orders;
mod rate;
pub mod refusal;
pub mod risk;

#[cfg(test)]
mod abuse_tests;
#[cfg(test)]
mod abuse_twin;
