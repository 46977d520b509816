//! Bitstamp's half of the protocol, for the simulated exchange.
//!
//! Ids are the matching engine's clock. A snapshot is stamped a microsecond early: the changes of
//! its own microsecond come after it once more, which does no harm, and none is missing.

mod rest;

use super::request::{DIFFS, TRADES};
use super::{CHANNELS_MAX, SCALE};
use crate::base::instrument::name;
use crate::base::{Asset, Instrument, Level, Px, Qty, Side, Symbol, Trade, UnixNanos};
use crate::exchange::kit::text::{fixed, plain};
use crate::exchange::kit::{listing, survey};
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Pace, Played, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The server half.
pub(crate) struct BitstampMirror;

/// The smallest order, in whole units of the counter currency.
const NOTIONAL_MIN: u128 = 10;
/// What markets are quoted in.
const QUOTES: [&str; 8] = ["USDT", "USDC", "USD", "EUR", "GBP", "BTC", "ETH", "PAX"];

impl Mirror for BitstampMirror {
    /// Books stand at a time.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let symbol = Symbol::from(&format!("{base}{quote}").to_lowercase()).unwrap_or_default();
        let asset = |text| Asset::from(text).unwrap_or_default();
        let px_scale = SCALE.max(px_decimals);
        let qty_scale = listing::qty_scale(qty_decimals, SCALE);
        let lot = Qty(10u64.pow(u32::from(qty_scale - qty_decimals)));
        Instrument {
            name: name("bitstamp", &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            tick: Px(10i64.pow(u32::from(px_scale - px_decimals))),
            lot,
            qty_min: lot,
            notional_min: NOTIONAL_MIN * 10u128.pow(u32::from(px_scale + qty_scale)),
            ..Instrument::bare("bitstamp", symbol, (px_scale, qty_scale))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    /// Quantities have all decimals, unless some were too large for them: metadata says that by a
    /// coarser lot.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let symbol = seen.symbol.to_uppercase();
        let (base, quote) = listing::split(&symbol, &QUOTES);
        let (lot_decimals, lot) = match seen.qty_scale {
            SCALE.. => (seen.qty_scale, Qty(1)),
            scale => (scale.saturating_sub(2), Qty(100)),
        };
        Instrument {
            px_scale: seen.px_scale.max(SCALE),
            qty_scale: listing::qty_scale(lot_decimals, SCALE),
            lot,
            qty_min: lot,
            ..listing::traded(seen, base, quote)
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let session = || Box::new(Session::default()) as Box<dyn MirrorSession>;
        (target.split('?').next() == Some("/")).then(session)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

/// Levels of one side as the exchange writes them. Where orders are told apart, each level is one.
fn levels(found: &Instrument, levels: impl Iterator<Item = Level>, orders: bool) -> String {
    let one = |level: Level| {
        let px = plain(level.px.0.unsigned_abs(), found.px_scale);
        let qty = fixed(level.qty.0, found.qty_scale);
        match orders {
            true => format!(r#"["{px}","{qty}","{}"]"#, level.px.0),
            false => format!(r#"["{px}","{qty}"]"#),
        }
    };
    levels.map(one).collect::<Vec<_>>().join(",")
}

/// What a channel tells of its market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    /// Levels that changed.
    Diffs,
    /// The best levels, all of them each time.
    Book,
    /// The same, with each order of them.
    Orders,
    /// Prints.
    Trades,
}

/// What each sort of channel is called in front of the symbol.
const STREAMS: [(&str, Stream); 4] = [
    (DIFFS, Stream::Diffs),
    ("order_book_", Stream::Book),
    ("detail_order_book_", Stream::Orders),
    (TRADES, Stream::Trades),
];
/// Levels per side of a channel that tells all of them each time.
const BOOK_LEVELS: usize = 100;

/// The server half of one connection.
#[derive(Default)]
struct Session {
    streams: BTreeMap<(usize, Stream), String>,
    played: Played,
}

impl Session {
    fn follow(&mut self, on: bool, channel: &str, market: &dyn Market) -> Result<String, Offence> {
        let Some(key) = find(channel, |symbol| market.find(symbol)) else {
            return Ok(error("Bad subscription string."));
        };
        let event = if on {
            // Asked for once more it is confirmed once more.
            self.streams.insert(key, channel.to_owned());
            "bts:subscription_succeeded"
        } else {
            self.streams.remove(&key);
            "bts:unsubscription_succeeded"
        };
        if self.streams.len() > CHANNELS_MAX {
            return Err(Offence {
                code: 1000,
                reason: "too many channels".to_owned(),
            });
        }
        Ok(json!({"event": event, "channel": channel, "data": {}}).to_string())
    }

    /// The channel of this instrument, if the client follows it, and what is listed.
    fn followed<'s>(
        &'s self,
        listing: usize,
        stream: Stream,
        market: &'s dyn Market,
    ) -> Option<(&'s str, &'s Instrument)> {
        let name = self.streams.get(&(listing, stream))?;
        Some((name, &market.listings().get(listing)?.instrument))
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        self.played = Played::of(market);
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let channel = asked["data"]["channel"].as_str().unwrap_or_default();
        let answer = match asked["event"].as_str() {
            Some("bts:subscribe") => self.follow(true, channel, market)?,
            Some("bts:unsubscribe") => self.follow(false, channel, market)?,
            Some("bts:heartbeat") => {
                let data = json!({"status": "success"});
                json!({"event": "bts:heartbeat", "channel": "", "data": data}).to_string()
            }
            Some(_) => error("Bad event."),
            None => error("Incorrect JSON format."),
        };
        out.push(answer);
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                bids,
                asks,
                ..
            } => {
                let listing = diff.instrument.index();
                if let Some((name, listed)) = self.followed(listing, Stream::Diffs, market) {
                    let sides =
                        [bids, asks].map(|side| levels(listed, side.iter().copied(), false));
                    out.push(data(name, diff.exch_time, sides));
                }
                for (stream, orders) in [(Stream::Book, false), (Stream::Orders, true)] {
                    if let Some((name, listed)) = self.followed(listing, stream, market) {
                        let sides = [Side::Buy, Side::Sell].map(|side| {
                            let best = market.levels(listing, side).take(BOOK_LEVELS);
                            levels(listed, best, orders)
                        });
                        out.push(data(name, diff.exch_time, sides));
                    }
                }
            }
            Happened::Trade(trade) => {
                let listing = trade.instrument.index();
                if let Some((name, listed)) = self.followed(listing, Stream::Trades, market) {
                    out.push(print(name, listed, trade));
                }
            }
            Happened::Depth {
                pace: Pace::Slow, ..
            }
            | Happened::Quote(_) => {}
        }
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Acknowledgements name channels, too.
    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let (event, channel) = (root.find(b"event").string()?, root.find(b"channel"));
            let stream = find(channel.string()?, |symbol| self.played.find(symbol))?;
            let tells = ["data", "trade"].contains(&event);
            Some(tells && self.streams.contains_key(&stream))
        })
    }

    fn awaits(&self, symbol: &str) -> bool {
        let listing = self.played.find(symbol);
        listing.is_some_and(|n| self.streams.contains_key(&(n, Stream::Diffs)))
    }
}

/// The listing and the stream that a channel names.
fn find(channel: &str, listing: impl Fn(&str) -> Option<usize>) -> Option<(usize, Stream)> {
    STREAMS.into_iter().find_map(|(front, stream)| {
        let symbol = channel.strip_prefix(front)?;
        Some((listing(symbol)?, stream))
    })
}

fn error(message: &str) -> String {
    let data = json!({"code": null, "message": message});
    json!({"event": "bts:error", "channel": "", "data": data}).to_string()
}

/// Seconds and microseconds since 1970.
fn stamps(time: UnixNanos) -> (i64, i64) {
    (time.as_micros() / 1_000_000, time.as_micros())
}

/// A message of a book: bids and asks.
fn data(channel: &str, time: UnixNanos, [bids, asks]: [String; 2]) -> String {
    let (seconds, us) = stamps(time);
    let channel = Value::from(channel);
    format!(
        r#"{{"data":{{"timestamp":"{seconds}","microtimestamp":"{us}","bids":[{bids}],"asks":[{asks}]}},"channel":{channel},"event":"data"}}"#
    )
}

fn print(channel: &str, listed: &Instrument, trade: &Trade) -> String {
    let px = plain(trade.px.0.unsigned_abs(), listed.px_scale);
    let qty = fixed(trade.qty.0, listed.qty_scale);
    let (seconds, us) = stamps(trade.exch_time);
    let (channel, id, side) = (Value::from(channel), trade.id, side(trade));
    format!(
        r#"{{"channel":{channel},"data":{{"amount":{qty},"amount_str":"{qty}","buy_order_id":1,"id":{id},"id_str":"{id}","microtimestamp":"{us}","price":{px},"price_str":"{px}","sell_order_id":2,"timestamp":"{seconds}","type":{side}}},"event":"trade"}}"#
    )
}

/// The side of the order that took.
fn side(trade: &Trade) -> u8 {
    match trade.taker {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

#[cfg(test)]
mod tests;
