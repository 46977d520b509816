//! Stream events as the exchange writes them. Writes what it is given; whether it is true is not
//! its business.

use super::push_number;
use crate::base::{Diff, Instrument, Level, Quote, Side, Trade, UnixNanos};
use std::fmt::Write;

/// Writes events of one instrument.
pub(crate) struct Writer<'i> {
    pub(crate) instrument: &'i Instrument,
    pub(crate) coin_margined: bool,
}

impl Writer<'_> {
    /// A `depthUpdate`: absolute quantities of the levels that changed.
    pub(crate) fn depth(&self, diff: &Diff, bids: &[Level], asks: &[Level]) -> String {
        let at = diff.exch_time.as_millis();
        let mut out = self.head("depthUpdate", at, at);
        let prev_id = diff.prev_id.unwrap_or(diff.first_id.saturating_sub(1));
        let _ = write!(
            out,
            r#","U":{},"u":{},"pu":{prev_id},"b":"#,
            diff.first_id, diff.last_id
        );
        self.push_levels(&mut out, bids.iter().copied());
        out.push_str(r#","a":"#);
        self.push_levels(&mut out, asks.iter().copied());
        out.push('}');
        out
    }

    /// An `aggTrade` of one trade.
    pub(crate) fn trade(&self, trade: &Trade) -> String {
        let at = trade.exch_time.as_millis();
        let mut out = self.head("aggTrade", at, at);
        let id = trade.id;
        let _ = write!(out, r#","a":{id},"f":{id},"l":{id},"p":"#);
        push_number(
            &mut out,
            trade.px.0.unsigned_abs(),
            self.instrument.px_scale,
        );
        for key in [r#","q":"#, r#","nq":"#] {
            out.push_str(key);
            push_number(&mut out, trade.qty.0, self.instrument.qty_scale);
        }
        let _ = write!(out, r#","m":{}}}"#, trade.taker == Side::Sell);
        out
    }

    /// A `bookTicker`.
    pub(crate) fn quote(&self, quote: &Quote, at: UnixNanos) -> String {
        let mut out = self.head("bookTicker", at.as_millis(), at.as_millis());
        let _ = write!(out, r#","u":{}"#, quote.update_id);
        for (px_key, qty_key, level) in [("b", "B", quote.bid), ("a", "A", quote.ask)] {
            let _ = write!(out, r#","{px_key}":"#);
            push_number(
                &mut out,
                level.px.0.unsigned_abs(),
                self.instrument.px_scale,
            );
            let _ = write!(out, r#","{qty_key}":"#);
            push_number(&mut out, level.qty.0, self.instrument.qty_scale);
        }
        out.push('}');
        out
    }

    /// Levels as `[["price","quantity"],…]`.
    pub(crate) fn push_levels(&self, out: &mut String, levels: impl Iterator<Item = Level>) {
        out.push('[');
        for (n, level) in levels.enumerate() {
            out.push_str(if n == 0 { "[" } else { ",[" });
            push_number(out, level.px.0.unsigned_abs(), self.instrument.px_scale);
            out.push(',');
            push_number(out, level.qty.0, self.instrument.qty_scale);
            out.push(']');
        }
        out.push(']');
    }

    /// What is traded, without its term: `BTCUSD` of `BTCUSD_PERP`.
    pub(crate) fn pair(&self) -> &str {
        let symbol = self.instrument.symbol.as_str();
        symbol.split('_').next().unwrap_or(symbol)
    }

    /// What all events begin with, times in milliseconds; the object is left open.
    fn head(&self, event: &str, published: i64, matched: i64) -> String {
        // 1 is USD-M, 2 is COIN-M.
        let st = if self.coin_margined { 2 } else { 1 };
        format!(
            r#"{{"e":"{event}","E":{published},"T":{matched},"s":"{}","ps":"{}","st":{st}"#,
            self.instrument.symbol,
            self.pair(),
        )
    }
}
