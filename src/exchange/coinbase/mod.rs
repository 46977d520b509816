//! Coinbase: one central book, reached by two protocols. Names what is peculiar to each; holds no
//! connection.
//!
//! `coinbase` is the Advanced Trade API, for everybody; `coinbase-exchange` the Exchange feed, for
//! institutions.

pub(crate) mod advanced;
mod common;
pub(crate) mod feed;
mod mirror;

pub(crate) use advanced::AdvancedTrade;
pub(crate) use feed::ExchangeFeed;
