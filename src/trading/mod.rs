//! Intent to order: risk and paper fills. Sees neither a strategy nor a wire format.
//!
//! An [`Intent`](crate::base::Intent) passes [`Risk::admit`], which alone can make an [`Admitted`]; the
//! gateway sends its order, or [`Paper`] fills it, and [`Report`](crate::base::Report)s come back.
//!
//! Where the rest of a trading desk joins:
//!
//! - **Order life** stands between `risk` and the gateway: it will own each order from admission to its end, take
//!   reports in any order and more than once, and replace the list of open ids that `Risk` keeps now.
//! - **Positions** follow order life: the sum of unique fills from the private stream. Risk then gates exposure,
//!   where an `Unknown` order counts as filled, and the day's loss.
//! - **Reconciliation** asks the exchange by client id what became of an `Unknown` order. Until it is there, such an
//!   order keeps its slot among the open orders for good, and enough of them stop trading.

pub mod limits;
pub mod paper;
mod picture;
mod rate;
pub mod refusal;
pub mod risk;

pub use limits::{LimitError, RiskLimits, RiskParams};
pub use paper::Paper;
pub use refusal::Refusal;
pub use risk::{Admitted, Risk};
