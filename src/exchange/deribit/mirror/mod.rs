//! The exchange's half of the protocol, for the simulated exchange: what it lists. Calls are in
//! `methods`, for REST and streams alike; what both show is in `data`; whoever logs on is in
//! `account`.

mod account;
mod data;
mod methods;
mod rest;
mod session;

use super::market::rest::date;
use crate::base::instrument::{Asset, Contract, Kind, name};
use crate::base::{Instrument, Qty, Symbol};
use crate::exchange::kit::{listing, text};
use crate::exchange::mirror::{Accounts, Call, Market, Mirror, MirrorSession, Refusal, Reply};

/// What prices of the simulated spot pairs are in.
const SPOT_QUOTE: &str = "USDT";

/// The simulated service.
pub(crate) struct DeribitMirror;

impl Mirror for DeribitMirror {
    /// Against dollars an inverse perpetual, against USDT a spot pair, against anything else a
    /// perpetual that counts in the base asset.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let kind = match quote {
            SPOT_QUOTE => Kind::Spot,
            _ => Kind::Perpetual,
        };
        let inverse = quote == "USD";
        let symbol = match (kind, inverse) {
            (Kind::Spot, _) => format!("{base}_{quote}"),
            (_, true) => format!("{base}-PERPETUAL"),
            (_, false) => format!("{base}_{quote}-PERPETUAL"),
        };
        let asset = |code: &str| Asset::from(code).unwrap_or_default();
        let (qty_scale, lot) = match (inverse, base) {
            (true, "BTC") => (0, Qty(10)),
            (true, _) => (0, Qty(1)),
            (false, _) => (qty_decimals, Qty(1)),
        };
        let symbol = Symbol::from(&symbol).unwrap_or_default();
        Instrument {
            name: match kind {
                Kind::Spot => name("deribit", &[base, quote]),
                _ => name("deribit", &[base, quote, "PERP"]),
            },
            base: asset(base),
            quote: asset(quote),
            settle: asset(if inverse { base } else { quote }),
            kind,
            contract: Contract {
                inverse,
                ..Contract::ONE
            },
            lot,
            qty_min: lot,
            ..Instrument::bare("deribit", symbol, (px_decimals, qty_scale))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn spot_quote(&self) -> Option<&'static str> {
        Some(SPOT_QUOTE)
    }

    /// `BTC-PERPETUAL`, `BTC-26DEC25`, `BTC-26DEC25-90000-C`; of what settles in something else
    /// than its own coin `BTC_USDC-PERPETUAL` and so on; spot is `BTC_USDC`.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        let parts: Vec<&str> = seen.symbol.split('-').collect();
        let own = parts[0].split_once('_');
        let (base, counter) = own.unwrap_or((parts[0], "USD"));
        let traded = listing::traded(seen, base, counter);
        let day = parts.get(1).and_then(|day| date(day));
        let (kind, end) = match (&parts[..], &day) {
            ([_], _) => (Kind::Spot, vec![]),
            ([_, _, strike, right], Some(day)) => (
                Kind::Option,
                vec![day.clone(), strike.replace('d', "."), (*right).to_owned()],
            ),
            (_, Some(day)) => (Kind::Future, vec![day.clone()]),
            (_, None) => (Kind::Perpetual, vec!["PERP".to_owned()]),
        };
        let named = [base, counter]
            .into_iter()
            .chain(end.iter().map(String::as_str));
        let reversed = own.is_none() && kind != Kind::Spot;
        let settle = if reversed { traded.base } else { traded.quote };
        Instrument {
            name: name("deribit", &named.collect::<Vec<_>>()),
            // An option's price is in what it settles in.
            quote: if kind == Kind::Option {
                settle
            } else {
                traded.quote
            },
            settle,
            kind,
            contract: Contract {
                inverse: reversed && kind != Kind::Option,
                ..Contract::ONE
            },
            ..traded
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (text::path(&format!("wss://x{target}")) == "/ws/api/v2")
            .then(|| Box::new(session::Session::default()) as Box<dyn MirrorSession>)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        Some(self)
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
