//! Kraken's half of its protocol, for the simulated exchange: one session, which both versions of
//! the stream spell in their own way, and the public REST service. Holds no market; it is lent.

mod names;
mod rest;
mod session;
mod v1;
mod v2;

use super::request;
use super::rest::pair_name;
use crate::base::instrument::name;
use crate::base::{Asset, Instrument, Px, Qty, Symbol, UnixNanos, decimal};
use crate::exchange::kit::listing;
use crate::exchange::kit::text::fixed;
use crate::exchange::mirror::{Call, Market, Mirror, MirrorSession, Refusal, Reply};
use session::Session;
use std::time::{Duration, UNIX_EPOCH};

/// The server half.
pub(crate) struct KrakenMirror;

impl Mirror for KrakenMirror {
    /// Books have no ids.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        let symbol = Symbol::from(&format!("{base}/{quote}")).unwrap_or_default();
        let half = match px_decimals + qty_decimals {
            0 => 0,
            decimals => 5 * 10u128.pow(u32::from(decimals) - 1), // 0.5, as of most pairs.
        };
        Instrument {
            name: name("kraken", &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            qty_min: Qty(10u64.pow(u32::from(qty_decimals.min(decimal::SCALE_MAX) / 2))),
            notional_min: half,
            ..Instrument::bare("kraken", symbol, (px_decimals, qty_decimals))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    /// `BTC/USD`. The first version of the stream says `XBT/USD`: it is listed as today.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let symbol = pair_name(&seen.symbol).unwrap_or(seen.symbol);
        let (base, quote) = symbol.split_once('/').unwrap_or((&symbol, ""));
        let traded = listing::traded(seen, &base.to_uppercase(), &quote.to_uppercase());
        Instrument { symbol, ..traded }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        match target.split('?').next()? {
            "/v2" => Some(Box::new(Session::new(&v2::Second))),
            "/" => Some(Box::new(Session::new(&v1::First))),
            _ => None,
        }
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

/// REST and the first version of the stream write prices with at least so many decimals.
const PX_DECIMALS_MIN: u8 = 5;

/// A price as REST and the first version of the stream write it: `5541.30000`.
fn px(px: Px, found: &Instrument) -> String {
    let mut text = fixed(px.0.unsigned_abs(), found.px_scale);
    if found.px_scale < PX_DECIMALS_MIN {
        if found.px_scale == 0 {
            text.push('.');
        }
        let more = PX_DECIMALS_MIN - found.px_scale;
        text.extend(std::iter::repeat_n('0', usize::from(more)));
    }
    text
}

/// A quantity with all its decimals.
fn qty(qty: Qty, found: &Instrument) -> String {
    fixed(qty.0, found.qty_scale)
}

/// With microseconds, as the exchange writes times.
fn rfc3339(time: UnixNanos) -> String {
    let since = Duration::from_nanos(time.0.unsigned_abs());
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests;
