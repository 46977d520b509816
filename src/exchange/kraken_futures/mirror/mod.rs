//! The exchange's half of its protocol, for the simulated exchange: books one level a message,
//! tickers once a second. Holds no market; it is lent.

mod frames;
mod rest;

use super::request::{channel_of, feed_name};
use super::rest::{asset_name, family};
use crate::base::instrument::name;
use crate::base::{Asset, Channel, Contract, Instrument, Kind, Symbol, Trade, UnixNanos};
use crate::exchange::kit::{listing, survey};
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Pace, Played, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The server half.
pub(crate) struct FuturesMirror;

impl Mirror for FuturesMirror {
    /// Each message changes one level and has a number of its own.
    fn shows_ids(&self) -> bool {
        false
    }

    /// Linear perpetuals: what trades most.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        let symbol = format!("PF_{}{quote}", old_name(base));
        let symbol = Symbol::from(&symbol).unwrap_or_default();
        Instrument {
            name: name("kraken-futures", &[base, quote, "PERP"]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            kind: Kind::Perpetual,
            ..Instrument::bare("kraken-futures", symbol, (px_decimals, qty_decimals))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    /// `PF_XBTUSD`, `FI_XBTUSD_210430`: what sort of contract, the two assets, and the day.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let mut parts = seen.symbol.split('_');
        let (front, pair, day) = (parts.next(), parts.next(), parts.next());
        let (base, quote) = listing::split(pair.unwrap_or_default(), &QUOTES);
        let (base, quote) = (asset_name(base), asset_name(quote));
        let traded = listing::traded(seen, base, quote);
        let Some(family) = front.and_then(family) else {
            return traded;
        };
        let named = [base, quote].into_iter().chain(family.word);
        let named = named.chain([day.unwrap_or("PERP")]);
        Instrument {
            name: name(seen.exchange, &named.collect::<Vec<_>>()),
            settle: if family.inverse {
                traded.base
            } else {
                traded.quote
            },
            kind: match day {
                None => Kind::Perpetual,
                Some(_) => Kind::Future,
            },
            contract: Contract {
                inverse: family.inverse,
                ..Contract::ONE
            },
            ..traded
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (target == "/ws/v1").then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

/// As symbols name an asset that is named otherwise elsewhere.
fn old_name(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// Tickers come this often at most, and heartbeats so often.
const SECOND_NS: i64 = 1_000_000_000;
/// A subscription to prints begins with so many, at most.
const PRINTS_MAX: usize = 100;
/// What instruments are quoted in.
const QUOTES: [&str; 6] = ["USDT", "USDC", "USD", "EUR", "GBP", "XBT"];
/// The ticker that says less.
const TICKER_LITE: &str = "ticker_lite";

/// One connection. Sets are of listings.
#[derive(Default)]
struct Session {
    books: BTreeMap<usize, Followed>,
    trades: BTreeSet<usize>,
    /// By listing, and by whether it is the one that says less.
    tickers: BTreeMap<(usize, bool), Throttled>,
    heartbeat_at: Option<UnixNanos>,
    played: Played,
}

/// Up to which change a client knows a book.
struct Followed {
    /// The market's id of the snapshot: what stands in it is not told again.
    from: u64,
    /// The number of the last message.
    seq: u64,
}

/// A ticker that may not be sent before its time.
struct Throttled {
    next_at: UnixNanos,
    waiting: Option<String>,
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, out: &mut Vec<String>) {
        self.played = Played::of(market);
        out.push(r#"{"event":"info","version":1}"#.to_owned());
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let error = |why: &str| json!({"event": "error", "message": why}).to_string();
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let feed = asked["feed"].as_str().unwrap_or_default();
        let begin = match asked["event"].as_str() {
            Some("subscribe") => true,
            Some("unsubscribe") => false,
            Some("challenge") => {
                let message = frames::challenge(market.now());
                out.push(json!({"event": "challenge", "message": message}).to_string());
                return Ok(());
            }
            _ => {
                out.push(error("Json Error"));
                return Ok(());
            }
        };
        let event = if begin { "subscribed" } else { "unsubscribed" };
        if feed == "heartbeat" {
            let next = UnixNanos(market.now().0 + SECOND_NS);
            self.heartbeat_at = begin.then(|| self.heartbeat_at.unwrap_or(next));
            out.push(json!({"event": event, "feed": feed}).to_string());
            return Ok(());
        }
        let lite = feed == TICKER_LITE;
        let channel = if lite {
            Some(Channel::Quotes)
        } else {
            channel_of(feed)
        };
        let Some(channel) = channel else {
            out.push(error("Invalid feed"));
            return Ok(());
        };
        let products: Vec<&str> = match asked["product_ids"].as_array() {
            Some(list) => list.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let found: Option<Vec<usize>> = products.iter().map(|p| market.find(p)).collect();
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            out.push(error("Invalid product id"));
            return Ok(());
        };
        out.push(json!({"event": event, "feed": feed, "product_ids": products}).to_string());
        for listing in found {
            if begin {
                self.begin(listing, channel, lite, market, out);
            } else {
                self.end(listing, channel, lite);
            }
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Depth {
                pace,
                diff,
                bids,
                asks,
                ..
            } => {
                let listing = diff.instrument.index();
                let Some(book) = self.books.get_mut(&listing) else {
                    return;
                };
                if *pace != Pace::Fast || diff.last_id <= book.from {
                    return;
                }
                // A book that takes one level at a time must not be crossed in between.
                for gone in [true, false] {
                    for (side, levels) in [("buy", bids), ("sell", asks)] {
                        for level in levels.iter().filter(|level| (level.qty.0 == 0) == gone) {
                            book.seq += 1;
                            out.extend(frames::change(level, side, book.seq, listing, market));
                        }
                    }
                }
            }
            Happened::Trade(trade) if self.trades.contains(&trade.instrument.index()) => {
                out.extend(frames::print(trade, market));
            }
            Happened::Quote(quote) => {
                for lite in [false, true] {
                    let key = (quote.instrument.index(), lite);
                    let Some(ticker) = self.tickers.get_mut(&key) else {
                        continue;
                    };
                    let text = frames::tick(quote, lite, market);
                    if market.now() < ticker.next_at {
                        ticker.waiting = text;
                    } else {
                        ticker.next_at = UnixNanos(market.now().0 + SECOND_NS);
                        ticker.waiting = None;
                        out.extend(text);
                    }
                }
            }
            Happened::Trade(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let tickers = self.tickers.values();
        let waiting = tickers.filter(|ticker| ticker.waiting.is_some());
        waiting
            .map(|ticker| ticker.next_at)
            .chain(self.heartbeat_at)
            .min()
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        let next = UnixNanos(now.0 + SECOND_NS);
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            out.push(json!({"feed": "heartbeat", "time": now.as_millis()}).to_string());
            self.heartbeat_at = Some(next);
        }
        for ticker in self.tickers.values_mut() {
            if ticker.next_at <= now
                && let Some(text) = ticker.waiting.take()
            {
                out.push(text);
                ticker.next_at = next;
            }
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.books.len() + self.trades.len() + self.tickers.len()
    }

    /// Acknowledgements name feeds, too.
    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let feed = root.find(b"feed").string()?;
            let listing = self.played.find(root.find(b"product_id").string()?)?;
            Some(match feed {
                "book" | "book_snapshot" => self.books.contains_key(&listing),
                "trade" | "trade_snapshot" => self.trades.contains(&listing),
                "ticker" => self.tickers.contains_key(&(listing, false)),
                TICKER_LITE => self.tickers.contains_key(&(listing, true)),
                _ => false,
            })
        })
    }
}

impl Session {
    fn begin(
        &mut self,
        listing: usize,
        channel: Channel,
        lite: bool,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        match channel {
            Channel::Depth => {
                market.flush(listing, Pace::Fast);
                let (from, _) = market.stands_at(listing, Pace::Fast);
                self.books.insert(listing, Followed { from, seq: from });
                if !market.is_played() {
                    out.push(frames::snapshot(from, listing, market));
                }
            }
            Channel::Trades => {
                self.trades.insert(listing);
                let past: Vec<Trade> = market.prints(listing).rev().take(PRINTS_MAX).collect();
                if !market.is_played() {
                    out.push(frames::past(&past, listing, market));
                }
            }
            Channel::Quotes => {
                let now = market.now();
                let mut throttled = Throttled {
                    next_at: now,
                    waiting: None,
                };
                if let Some(quote) = market.best(listing).filter(|_| !market.is_played()) {
                    out.extend(frames::tick(&quote, lite, market));
                    throttled.next_at = UnixNanos(now.0 + SECOND_NS);
                }
                self.tickers.insert((listing, lite), throttled);
            }
        }
    }

    fn end(&mut self, listing: usize, channel: Channel, lite: bool) {
        match channel {
            Channel::Depth => drop(self.books.remove(&listing)),
            Channel::Trades => drop(self.trades.remove(&listing)),
            Channel::Quotes => drop(self.tickers.remove(&(listing, lite))),
        }
    }
}

#[cfg(test)]
mod tests;
