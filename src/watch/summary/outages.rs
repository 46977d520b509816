//! When exchanges were down, and what of it was too long.

use super::{Book, Summary};
use crate::watch::figures::span;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The times in which an exchange had no connection. If it has several connections, the one that
/// was down for longest speaks for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outage {
    /// Its name.
    pub exchange: String,
    /// What the connection is for: `market data` or `orders`.
    pub of: String,
    /// Since when it was down when the run ended, RFC 3339 in UTC; absent if it was up.
    pub down_since: Option<String>,
    /// For how long it was, by then; zero if it was up.
    pub down_ns: u64,
    /// Why the last connection ended, or was not made.
    pub why: String,
    /// How often a connection was lost.
    pub times: u64,
    /// The longest time without one.
    pub longest_ns: u64,
    /// All of them together.
    pub total_ns: u64,
}

/// `binance: down since 18:16:24 (6.00 s), refused`.
impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exchange, of, why, ..
        } = self;
        let orders = match of.as_str() {
            "market data" => "",
            _ => " (orders)",
        };
        match &self.down_since {
            Some(since) => {
                let clock = since.get(11..19).unwrap_or(since);
                let lasted = span(self.down_ns);
                write!(
                    f,
                    "{exchange}{orders}: down since {clock} ({lasted}), {why}"
                )
            }
            None => {
                let (longest, total) = (span(self.longest_ns), span(self.total_ns));
                let times = self.times;
                write!(
                    f,
                    "{exchange}{orders}: was down {times} time(s), {longest} at the longest, \
                     {total} in all, {why}"
                )
            }
        }
    }
}

/// How long an exchange may be down at the end of a run, if nobody said otherwise.
pub(crate) const DOWN_AT_END_MAX: Duration = Duration::from_secs(3);

/// From this many lost connections on, connections end "again and again".
const DOWN_MIN: u64 = 3;

impl Summary {
    /// Sets what was down when, and which of that counts as too long: what was down for more than
    /// `down_max` at any time. If nobody said how long is too long, it is what was down for more
    /// than `DOWN_AT_END_MAX` at the end. An exchange that could not be followed at all counts as
    /// down for the whole run, and that is too long however short the run was.
    pub(crate) fn set_outages(
        &mut self,
        outages: impl Iterator<Item = Outage>,
        keep_closing: Vec<(String, String)>,
        down_max: Option<Duration>,
    ) {
        self.outages = outages.collect();
        let followed = self.outages.len();
        let absent = self.absent.iter().map(|why| {
            let (exchange, why) = why.split_once(": ").unwrap_or((why, ""));
            Outage {
                exchange: exchange.to_owned(),
                of: "market data".to_owned(),
                down_since: Some(self.started.clone()),
                down_ns: self.duration_ns,
                why: format!("left out at the start: {why}"),
                times: 0,
                longest_ns: self.duration_ns,
                total_ns: self.duration_ns,
            }
        });
        self.outages.extend(absent.collect::<Vec<_>>());
        let max_ns = |max: Duration| max.as_nanos() as u64;
        let too_long = |(nth, outage): &(usize, &Outage)| match down_max {
            Some(max) => outage.longest_ns > max_ns(max),
            None => *nth >= followed || outage.down_ns > max_ns(DOWN_AT_END_MAX),
        };
        let down = self.outages.iter().enumerate().filter(too_long);
        let down: Vec<&Outage> = down.map(|(_, outage)| outage).collect();
        // While an exchange is down, none of its books is live.
        let dark = self.books.iter().filter(|book| {
            let at_end_max = down_max.unwrap_or(DOWN_AT_END_MAX);
            let told = down.iter().any(|outage| outage.exchange == book.exchange);
            book.dark_ns > max_ns(at_end_max) && !told
        });
        let dark = dark.map(|book| {
            let Book { name, dark, .. } = book;
            format!("{name}: not live for {}, {dark}", span(book.dark_ns))
        });
        // A failed dial is not a connection that ends: an outage is judged by its length, however
        // often we dialled.
        let flaps = |exchange: &String| {
            let mut outages = self.outages.iter();
            outages.any(|outage| outage.exchange == *exchange && outage.times >= DOWN_MIN)
        };
        let closing = keep_closing
            .into_iter()
            .filter(|(exchange, _)| flaps(exchange));
        let closing = closing.map(|(exchange, what)| format!("{exchange}: {what}"));
        let too_long = down.iter().map(|outage| outage.to_string());
        self.too_long = too_long.chain(closing).chain(dark).collect();
    }
}

#[cfg(test)]
mod tests;
