//! The exchange's half of the protocol: what Hyperliquid itself reads and writes, for the simulated
//! exchange. Its blocks are the market's own messages.

mod data;
mod rest;
mod session;

use super::rest::{PERP_DECIMALS, SPOT_DECIMALS, bare, is_spot};
use crate::base::instrument::name;
use crate::base::{Asset, Instrument, Kind, Symbol};
use crate::exchange::kit::listing;
use crate::exchange::mirror::{Call, Market, MirrorSession, Refusal, Reply};
use crate::exchange::{Exchange, Mirror};

/// Hyperliquid's server half.
pub(crate) struct HyperliquidMirror;

impl Mirror for HyperliquidMirror {
    /// The document counts them for an address, over all of its connections.
    fn streams_max(&self) -> Option<usize> {
        Some(1_000)
    }

    /// Books stand at a time.
    fn shows_ids(&self) -> bool {
        false
    }

    /// A perpetual if prices are in dollars, else a pair. Decimals of price and size add up to a
    /// constant here: the price has what it needs, and the size what is left, at most what it
    /// needs.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let exchange = super::Hyperliquid.name();
        let perpetual = quote == self.quote();
        let (symbol, decimals) = match perpetual {
            true => (base.to_owned(), PERP_DECIMALS),
            false => (format!("{base}/{quote}"), SPOT_DECIMALS),
        };
        let size = decimals.saturating_sub(px_decimals).min(qty_decimals);
        let bare = bare(exchange, &symbol, size, decimals);
        let bare = bare.unwrap_or_else(|_| Instrument::bare(exchange, Symbol::default(), (0, 0)));
        let asset = |code| Asset::from(code).unwrap_or_default();
        if perpetual {
            return Instrument {
                name: name(exchange, &[base, "USDC", "PERP"]),
                base: asset(base),
                quote: asset(quote),
                settle: asset("USDC"),
                kind: Kind::Perpetual,
                ..bare
            };
        }
        Instrument {
            name: name(exchange, &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            ..bare
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    /// `BTC` is a perpetual, `PURR/USDC` and `@107` are pairs. The size has all decimals that
    /// prices leave to it.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let symbol = seen.symbol.to_uppercase();
        let decimals = match is_spot(&symbol) {
            true => SPOT_DECIMALS,
            false => PERP_DECIMALS,
        };
        let size = decimals.saturating_sub(seen.px_scale).max(seen.qty_scale);
        let bare = bare(seen.exchange, &seen.symbol, size.min(decimals), decimals);
        let seen = Instrument {
            id: seen.id,
            ..bare.unwrap_or(*seen)
        };
        if is_spot(&symbol) {
            let (base, quote) = symbol.split_once('/').unwrap_or((&symbol, "USDC"));
            return listing::traded(&seen, base, quote);
        }
        let traded = listing::traded(&seen, &symbol, "USDC");
        Instrument {
            name: name(seen.exchange, &[&symbol, "USDC", "PERP"]),
            quote: Asset::from("USD").unwrap_or_default(),
            kind: Kind::Perpetual,
            ..traded
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (target == "/ws").then(|| Box::new(session::HyperliquidSession::default()) as _)
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
