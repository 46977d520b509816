//! The exchange's half of the protocol: what OKX itself reads and writes, for the simulated
//! exchange. Asks nobody to log in: its clients may follow the fastest books, too.

mod data;
mod rest;
mod session;

use crate::base::instrument::name;
use crate::base::{Asset, Contract, Instrument, Kind, Symbol};
use crate::exchange::kit::listing;
use crate::exchange::mirror::{Call, Market, MirrorSession, Refusal, Reply};
use crate::exchange::{Exchange, Mirror};

/// OKX's server half.
pub(crate) struct OkxMirror;

impl Mirror for OkxMirror {
    /// Fewer than 30 deep books are advice; no limit is documented.
    fn streams_max(&self) -> Option<usize> {
        Some(usize::MAX)
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let exchange = super::Okx.name();
        let symbol = Symbol::from(&format!("{base}-{quote}")).unwrap_or_default();
        let asset = |code| Asset::from(code).unwrap_or_default();
        Instrument {
            name: name(exchange, &[&symbol]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            ..Instrument::bare(exchange, symbol, (px_decimals, qty_decimals))
        }
    }

    /// `BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USD-260327`, `BTC-USD-260327-90000-C`. How much a contract
    /// is of does not show: inverse ones are of 100 dollars in bitcoin, and of ten in all else;
    /// linear ones are taken to be of one coin.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let parts: Vec<&str> = seen.symbol.split('-').collect();
        let (base, quote) = (parts[0], parts.get(1).copied().unwrap_or_default());
        let kind = match parts[..] {
            [_, _, "SWAP"] => Kind::Perpetual,
            [_, _, _] => Kind::Future,
            [_, _, _, _, _] => Kind::Option,
            _ => Kind::Spot,
        };
        let traded = listing::traded(seen, base, quote);
        let coin = kind != Kind::Spot && quote == "USD";
        let settle = if coin { traded.base } else { traded.quote };
        let inverse = coin && kind != Kind::Option;
        Instrument {
            name: name(seen.exchange, &[&seen.symbol]),
            // An option's price is in what it settles in.
            quote: if kind == Kind::Option {
                settle
            } else {
                traded.quote
            },
            settle,
            kind,
            contract: Contract {
                size: match (inverse, base) {
                    (true, "BTC") => 100,
                    (true, _) => 10,
                    (false, _) => 1,
                },
                scale: 0,
                inverse,
            },
            ..traded
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let path = target.split('?').next().unwrap_or_default();
        (path == "/ws/v5/public").then(|| Box::new(session::OkxSession::default()) as _)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::reply(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

#[cfg(test)]
mod tests;
