//! The exchange's half of the protocol: what OKX itself reads and writes, for the simulated
//! exchange. Asks nobody to log in: its clients may follow the fastest books, too.

mod data;
mod rest;
mod session;

use crate::base::instrument::name;
use crate::base::{Asset, Instrument, Symbol};
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
