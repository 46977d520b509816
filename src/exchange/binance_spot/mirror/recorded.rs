//! What recorded messages of Binance spot are to a client that is played them, and how an
//! instrument is listed of which nothing else is known. Reads text only.

use super::{PRECISION, QTY_MAX};
use crate::base::{Instrument, Qty};
use crate::exchange::kit::listing;
use serde::Deserialize;
use std::borrow::Cow;

/// What a recorded frame is of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Of<'m> {
    /// This stream, by the name that clients subscribe to.
    Stream(Cow<'m, str>),
    /// Some stream of this symbol.
    Symbol(Cow<'m, str>),
    /// None: an answer to a request.
    None,
}

#[derive(Deserialize)]
struct Head<'m> {
    #[serde(borrow)]
    stream: Option<Cow<'m, str>>,
    #[serde(borrow)]
    s: Option<Cow<'m, str>>,
}

/// Whose the frame is.
pub(super) fn of(frame: &str) -> Of<'_> {
    // Binance writes the stream's name first; reading on would parse every frame twice.
    if let Some(name) = frame
        .strip_prefix(r#"{"stream":""#)
        .and_then(|rest| rest.split('"').next())
    {
        return Of::Stream(name.into());
    }
    match serde_json::from_str::<Head>(frame) {
        Ok(Head {
            stream: Some(name), ..
        }) => Of::Stream(name),
        Ok(Head {
            s: Some(symbol), ..
        }) => Of::Symbol(symbol),
        Ok(Head {
            stream: None,
            s: None,
        })
        | Err(_) => Of::None,
    }
}

const QUOTES: [&str; 11] = [
    "USDT", "BUSD", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "USD", "AUD", "BRL",
];

/// The finest tick and lot that the wire can carry.
pub(super) fn list(seen: &Instrument) -> Instrument {
    let (base, quote) = listing::split(&seen.symbol, &QUOTES);
    Instrument {
        px_scale: PRECISION,
        // Quantities too large for all decimals: metadata says so by a coarser lot.
        lot: Qty(if seen.qty_scale < PRECISION { 100 } else { 1 }),
        qty_max: QTY_MAX,
        ..listing::traded(seen, base, quote)
    }
}
