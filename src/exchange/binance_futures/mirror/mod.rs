//! The exchange's half of the protocol, for the simulated exchange: what Binance itself reads and
//! writes. Values only: holds no socket, no clock and no book.

mod control;
mod frames;
mod service;

use super::Facts;
use crate::base::instrument::name;
use crate::base::{Asset, Contract, Instrument, Kind, Px, Qty, Span, Symbol};
use crate::exchange::mirror::{
    Ban, Call, Happened, Market, MirrorSession, Offence, Pace, Refusal, Reply,
};
use crate::exchange::{Mirror, kit::text};
use control::Control;
use std::collections::BTreeSet;

/// Largest quantity of an order, in whole units.
const QTY_MAX: u64 = 1_000_000;
/// Smallest worth of an order of USD-M, in whole units of the quote asset.
const NOTIONAL_MIN: u128 = 5;

impl Mirror for Facts {
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        // Contracts of COIN-M are whole, and settle in what they are of.
        let (settle, qty_scale, symbol) = match self.coin_margined {
            true => (base, 0, format!("{base}{quote}_PERP")),
            false => (quote, qty_decimals, format!("{base}{quote}")),
        };
        let contract = match (self.coin_margined, base) {
            (false, _) => Contract::ONE,
            (true, base) => Contract {
                size: if base == "BTC" { 100 } else { 10 },
                scale: 0,
                inverse: true,
            },
        };
        let one = 10u64.pow(u32::from(qty_scale));
        let unit = 10u128.pow(u32::from(px_decimals + qty_scale));
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        Instrument {
            name: name(self.name, &[base, quote, "PERP"]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(settle),
            kind: Kind::Perpetual,
            contract,
            tick: Px(1),
            lot: Qty(1),
            qty_min: Qty(1),
            qty_max: Qty(QTY_MAX * one),
            notional_min: if self.coin_margined {
                0
            } else {
                NOTIONAL_MIN * unit
            },
            ..Instrument::bare(
                self.name,
                Symbol::from(&symbol).unwrap_or_default(),
                (px_decimals, qty_scale),
            )
        }
    }

    fn quote(&self) -> &'static str {
        if self.coin_margined { "USD" } else { "USDT" }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // Without a route USD-M serves the public one, and COIN-M everything.
        let (route, path) = match (self.coin_margined, path) {
            (true, path) => (Route::All, path),
            (false, path) => match (path.strip_prefix("/public"), path.strip_prefix("/market")) {
                (Some(path), _) => (Route::Public, path),
                (None, Some(path)) => (Route::Market, path),
                (None, None) => (Route::Public, path),
            },
        };
        let combined = path == "/stream";
        let names = match (combined, path.strip_prefix("/ws")) {
            (true, _) => query
                .split('&')
                .find_map(|pair| pair.strip_prefix("streams="))
                .unwrap_or(""),
            (false, Some(names)) if names.is_empty() || names.starts_with('/') => names,
            (false, _) => return None,
        };
        let names = names.split('/').filter(|name| !name.is_empty());
        Some(Box::new(Session {
            coin_margined: self.coin_margined,
            streams_max: self.streams_max,
            route,
            combined,
            streams: names.map(|name| name.replace("%40", "@")).collect(),
        }))
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        service::answer(self, call, market)
    }

    fn refuse(&self, why: Refusal, call: Call<'_>) -> Reply {
        service::refuse(why, call)
    }

    /// As at the spot market.
    fn ban(&self) -> Option<Ban> {
        Some(Ban {
            warnings: 10,
            span: Span::from_secs(120),
        })
    }
}

/// Which streams a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Public,
    Market,
    All,
}

impl Route {
    /// Depth and best bid and ask are public; all else is market.
    fn serves(self, stream: &str) -> bool {
        let public = stream.contains("@depth") || stream.ends_with("@bookTicker");
        match self {
            Self::Public => public,
            Self::Market => !public,
            Self::All => true,
        }
    }
}

/// One market connection of a client.
struct Session {
    coin_margined: bool,
    streams_max: usize,
    route: Route,
    /// Payloads come in an envelope with their stream's name.
    combined: bool,
    /// What the client asked for, on whichever route, known or not: it is all acknowledged.
    streams: BTreeSet<String>,
}

impl Session {
    /// Writes `body` for each of these streams that the client follows here.
    fn tell(&self, streams: &[String], out: &mut Vec<String>, body: impl Fn() -> String) {
        for stream in streams {
            if !self.streams.contains(stream) || !self.route.serves(stream) {
                continue;
            }
            out.push(match self.combined {
                true => format!(r#"{{"stream":"{stream}","data":{}}}"#, body()),
                false => body(),
            });
        }
    }
}

impl MirrorSession for Session {
    fn handle_text(
        &mut self,
        text: &str,
        _market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let (id, control) = match control::parse(text) {
            Ok(request) => request,
            Err(refusal) => {
                out.push(refusal);
                return Ok(());
            }
        };
        match control {
            Control::Subscribe(streams) => self.streams.extend(streams),
            Control::Unsubscribe(streams) => self.streams.retain(|name| !streams.contains(name)),
            Control::List => {
                out.push(control::list(&id, &self.streams));
                return Ok(());
            }
        }
        out.push(control::done(&id));
        if self.streams.len() > self.streams_max {
            return Err(Offence {
                code: 1008,
                reason: "Too many streams".to_owned(),
            });
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let id = match event {
            Happened::Depth { diff, .. } => diff.instrument,
            Happened::Trade(trade) => trade.instrument,
            Happened::Quote(quote) => quote.instrument,
        };
        let Some(listing) = market.listings().get(id.index()) else {
            return;
        };
        let write = frames::Writer {
            instrument: &listing.instrument,
            coin_margined: self.coin_margined,
        };
        let symbol = listing.instrument.symbol.to_lowercase();
        match event {
            Happened::Depth {
                pace,
                diff,
                bids,
                asks,
                number: _,
            } => {
                // The market has two paces: the nearest one serves each speed, and has its own
                // chain of ids.
                let speeds: &[&str] = match pace {
                    Pace::Fast => &["@depth@0ms", "@depth@100ms", "@depth"],
                    Pace::Slow => &["@depth@500ms"],
                };
                let streams: Vec<String> = speeds
                    .iter()
                    .map(|speed| format!("{symbol}{speed}"))
                    .collect();
                self.tell(&streams, out, || write.depth(diff, bids, asks));
            }
            Happened::Trade(trade) => {
                self.tell(&[format!("{symbol}@aggTrade")], out, || write.trade(trade));
            }
            Happened::Quote(quote) => {
                let at = market.now();
                let stream = format!("{symbol}@bookTicker");
                self.tell(&[stream], out, || write.quote(quote, at));
            }
        }
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }
}

/// Appends a price or a quantity in quotes, with all decimals of its scale.
fn push_number(out: &mut String, units: u64, scale: u8) {
    out.push('"');
    text::push_fixed(out, units, scale);
    out.push('"');
}

#[cfg(test)]
mod tests;
