//! Bybit's half of the protocol, for the simulated exchange: what it lists. REST is in `rest`,
//! connections are in `session`, and what both of them show is in `data`.

mod data;
mod rest;
mod session;

use super::{Category, market};
use crate::base::instrument::{Contract, Kind};
use crate::base::{Asset, Instrument, Px, Qty, Span, Symbol};
use crate::exchange::kit::{listing, text};
use crate::exchange::mirror::{Ban, Call, Market, Mirror, MirrorSession, Refusal, Reply};

/// The largest order, in whole units of the base asset.
const QTY_MAX: u64 = 1_000_000;
/// The smallest order, in whole units of the quote asset.
const NOTIONAL_MIN: u128 = 5;
/// What instruments are quoted in.
const QUOTES: [&str; 11] = [
    "USDT", "USDC", "USDE", "EUR", "BRL", "TRY", "DAI", "BTC", "ETH", "MNT", "SOL",
];

impl Mirror for Category {
    /// Books stand at the number of their message.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let symbol = Symbol::from(&format!("{base}{quote}")).unwrap_or_default();
        let asset = |text| Asset::from(text).unwrap_or_default();
        let one = 10u64.pow(u32::from(qty_decimals));
        Instrument {
            name: market::rest::canonical(self, base, quote, self.kind, 0),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            kind: self.kind,
            contract: Contract::ONE,
            tick: Px(1),
            lot: Qty(1),
            qty_min: Qty(1),
            qty_max: Qty(QTY_MAX.saturating_mul(one).min(i64::MAX as u64)),
            notional_min: NOTIONAL_MIN * 10u128.pow(u32::from(px_decimals + qty_decimals)),
            ..Instrument::bare(self.name, symbol, (px_decimals, qty_decimals))
        }
    }

    /// `BTCUSDT`; of contracts also `BTCPERP` and `BTC-26DEC25`, which are quoted in USDC, and
    /// `BTCUSDT-26DEC25`.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let (pair, kind) = match (self.kind, seen.symbol.split_once('-')) {
            (Kind::Perpetual, Some((pair, _))) => (pair, Kind::Future),
            (kind, _) => (seen.symbol.as_str(), kind),
        };
        let (base, quote) = match (kind, listing::split(pair, &QUOTES)) {
            (Kind::Perpetual, (base, "")) => (base.strip_suffix("PERP").unwrap_or(base), "USDC"),
            (Kind::Future, (base, "")) => (base, "USDC"),
            (_, split) => split,
        };
        let delivery_ms = rest::delivery_ms(&seen.symbol);
        Instrument {
            name: market::rest::canonical(self, base, quote, kind, delivery_ms),
            kind,
            ..listing::traded(seen, base, quote)
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let path = target.split('?').next().unwrap_or_default();
        let session = session::Session::new(self.args_max, self.kind);
        (path == self.stream_path).then(|| Box::new(session) as Box<dyn MirrorSession>)
    }

    fn is_asked(&self, call: Call<'_>) -> bool {
        text::query_value(call.target, "category") == Some(self.word)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::reply(self, call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }

    /// "Terminate all HTTP sessions and wait for at least 10 minutes": the first refusal locks the
    /// address out.
    fn ban(&self) -> Option<Ban> {
        Some(Ban {
            warnings: 0,
            span: Span::from_secs(600),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LINEAR, SPOT};
    use super::*;

    #[test]
    fn each_market_listens_at_its_own_path() {
        assert!(SPOT.0.session("/v5/public/spot").is_some());
        assert!(SPOT.0.session("/v5/public/linear").is_none());
        assert!(LINEAR.0.session("/v5/public/linear").is_some());
        assert_eq!(LINEAR.0.list("BTC", "USDT", 2, 4).kind, Kind::Perpetual);
    }
}
