//! Coinbase: one central book, reached by two protocols. Names what is peculiar to each; holds no
//! connection.
//!
//! `coinbase` is the Advanced Trade API, for everybody; `coinbase-exchange` the Exchange feed, for
//! institutions.

pub mod advanced;
mod common;
pub mod feed;
mod mirror;

pub use advanced::AdvancedTrade;
pub use feed::ExchangeFeed;
