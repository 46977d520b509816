//! The exchange's half of the protocol, for the simulated exchange: what Binance itself reads and
//! writes. Values only: holds no socket, no clock and no book.

mod frames;
mod service;
mod session;

use super::Facts;
use crate::base::instrument::name;
use crate::base::{Asset, Contract, Instrument, Kind, Px, Qty, Symbol};
use crate::exchange::Mirror;
use crate::exchange::binance_spot::mirror::BAN;
use crate::exchange::kit::{listing, text};
use crate::exchange::mirror::{Ban, Call, Market, MirrorSession, Refusal, Reply};
use session::{Route, Session};

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
        let one = 10u64.pow(u32::from(qty_scale));
        let unit = 10u128.pow(u32::from(px_decimals + qty_scale));
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        Instrument {
            name: name(self.name, &[base, quote, "PERP"]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(settle),
            kind: Kind::Perpetual,
            contract: self.contract(base),
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

    /// `BTCUSDT`, `BTCUSD_PERP`, `BTCUSD_210924`.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let (pair, term) = seen
            .symbol
            .split_once('_')
            .unwrap_or((&seen.symbol, "PERP"));
        let (base, quote) = listing::split(pair, self.quotes());
        let traded = listing::traded(seen, base, quote);
        Instrument {
            name: name(self.name, &[base, quote, term]),
            settle: if self.coin_margined {
                traded.base
            } else {
                traded.quote
            },
            kind: if term == "PERP" {
                Kind::Perpetual
            } else {
                Kind::Future
            },
            contract: self.contract(base),
            ..traded
        }
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
        let names = names.map(|name| name.replace("%40", "@")).collect();
        Some(Box::new(Session::open(self, route, combined, names)))
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        service::answer(self, call, market)
    }

    fn refuse(&self, why: Refusal, call: Call<'_>) -> Reply {
        service::refuse(why, call)
    }

    fn ban(&self) -> Option<Ban> {
        Some(BAN)
    }
}

impl Facts {
    /// What prices can be in.
    fn quotes(&self) -> &'static [&'static str] {
        match self.coin_margined {
            true => &["USD"],
            false => &["USDT", "USDC", "BUSD", "BTC"],
        }
    }

    fn contract(&self, base: &str) -> Contract {
        match self.coin_margined {
            false => Contract::ONE,
            true => Contract {
                size: if base == "BTC" { 100 } else { 10 },
                scale: 0,
                inverse: true,
            },
        }
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
