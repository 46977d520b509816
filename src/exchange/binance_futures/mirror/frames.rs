//! Stream events as the exchange writes them. Writes what it is given; whether it is true is not
//! its business.

use super::push_number;
use crate::base::{Diff, Instrument, Level, Quote, Side, Trade, UnixNanos};
use crate::exchange::binance_spot::mirror::TimeUnit;
use crate::exchange::binance_spot::mirror::ticker::{Decimals, Ticker};
use crate::exchange::mirror::Market;
use serde_json::{Value, json};
use std::fmt::Write;

/// Each funding, eight hours after the one before it.
pub(crate) const FUNDING_RATE: &str = "0.00010000";
const FUNDING_MS: i64 = 8 * 3_600_000;

/// The mark price of one instrument, and its next funding.
pub(crate) struct Mark {
    pub(crate) now_ms: i64,
    pub(crate) px: String,
    pub(crate) funding_ms: i64,
}

impl Mark {
    pub(crate) fn of(market: &dyn Market, listing: usize) -> Self {
        let now_ms = market.now().as_millis();
        // The market has no index: what a quiet day's price would be is the middle of the book.
        let middle = market.quiet_day(listing).last;
        let ticker = Ticker::of(market, listing, Decimals::Own, TimeUnit::Millis);
        Self {
            now_ms,
            px: ticker.px(middle),
            funding_ms: (now_ms / FUNDING_MS + 1) * FUNDING_MS,
        }
    }
}

/// Writes events of one instrument.
pub(crate) struct Writer<'i> {
    pub(crate) instrument: &'i Instrument,
    pub(crate) coin_margined: bool,
}

impl Writer<'_> {
    /// A `depthUpdate`: absolute quantities of the levels that changed, or of the best ones.
    pub(crate) fn depth(
        &self,
        diff: &Diff,
        bids: impl Iterator<Item = Level>,
        asks: impl Iterator<Item = Level>,
    ) -> String {
        let at = diff.exch_time.as_millis();
        let mut out = self.head("depthUpdate", at, at);
        let prev_id = diff.prev_id.unwrap_or(diff.first_id.saturating_sub(1));
        let _ = write!(
            out,
            r#","U":{},"u":{},"pu":{prev_id},"b":"#,
            diff.first_id, diff.last_id
        );
        self.push_levels(&mut out, bids);
        out.push_str(r#","a":"#);
        self.push_levels(&mut out, asks);
        out.push('}');
        out
    }

    /// An `aggTrade` of one trade.
    pub(crate) fn aggregate(&self, trade: &Trade) -> String {
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

    /// A `trade`: no document has it, and clients follow it.
    pub(crate) fn trade(&self, trade: &Trade) -> String {
        let at = trade.exch_time.as_millis();
        let mut out = self.head("trade", at, at);
        let _ = write!(out, r#","t":{},"p":"#, trade.id);
        let px = trade.px.0.unsigned_abs();
        push_number(&mut out, px, self.instrument.px_scale);
        out.push_str(r#","q":"#);
        push_number(&mut out, trade.qty.0, self.instrument.qty_scale);
        let _ = write!(out, r#","X":"MARKET","m":{}}}"#, trade.taker == Side::Sell);
        out
    }

    /// A `24hrTicker`, or a `24hrMiniTicker`.
    pub(crate) fn ticker(&self, market: &dyn Market, listing: usize, mini: bool) -> String {
        let ticker = Ticker::of(market, listing, Decimals::Own, TimeUnit::Millis);
        let event = if mini {
            ticker.mini_event()
        } else {
            ticker.event()
        };
        self.belongs(event)
    }

    /// A `markPriceUpdate`: the mark and the index are the middle of the book.
    pub(crate) fn mark(&self, market: &dyn Market, listing: usize) -> String {
        let mark = Mark::of(market, listing);
        self.belongs(json!({
            "e": "markPriceUpdate",
            "E": mark.now_ms,
            "s": self.instrument.symbol.as_str(),
            "p": mark.px,
            "ap": mark.px,
            "P": mark.px,
            "i": mark.px,
            "r": FUNDING_RATE,
            "T": mark.funding_ms,
        }))
    }

    /// An event with what all of them say of whose it is.
    fn belongs(&self, mut event: Value) -> String {
        event["ps"] = self.pair().into();
        event["st"] = self.family().into();
        event.to_string()
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

    /// 1 is USD-M, 2 is COIN-M.
    fn family(&self) -> u8 {
        if self.coin_margined { 2 } else { 1 }
    }

    /// What all events begin with, times in milliseconds; the object is left open.
    fn head(&self, event: &str, published: i64, matched: i64) -> String {
        let st = self.family();
        format!(
            r#"{{"e":"{event}","E":{published},"T":{matched},"s":"{}","ps":"{}","st":{st}"#,
            self.instrument.symbol,
            self.pair(),
        )
    }
}
