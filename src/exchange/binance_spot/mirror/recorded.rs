//! What recorded messages of Binance spot are to a client that is played them. Reads text only.

use super::{PRECISION, QTY_MAX, SpotMirror};
use crate::base::{Asset, Instrument, Symbol};
use crate::exchange::Exchange as _;
use crate::exchange::binance_spot::{BINANCE, BINANCE_US};
use crate::exchange::mirror::{Player, Recorded};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Head<'m> {
    #[serde(borrow)]
    stream: Option<Cow<'m, str>>,
    #[serde(borrow)]
    s: Option<Cow<'m, str>>,
}

impl Player for SpotMirror {
    fn whose(&self) -> &'static str {
        "Binance spot"
    }

    fn frame(&self, url: &str, raw: &str) -> Recorded {
        if !is_ours(url) {
            return Recorded::Other;
        }
        // Binance writes the stream's name first; reading on would parse every frame twice.
        if let Some(name) = raw
            .strip_prefix(r#"{"stream":""#)
            .and_then(|rest| rest.split('"').next())
        {
            return Recorded::Stream(name.to_owned());
        }
        match serde_json::from_str::<Head>(raw) {
            Ok(Head {
                stream: Some(name), ..
            }) => Recorded::Stream(name.into_owned()),
            Ok(Head {
                s: Some(symbol), ..
            }) => Recorded::Symbol(symbol.into_owned()),
            Ok(Head {
                stream: None,
                s: None,
            })
            | Err(_) => Recorded::Other,
        }
    }

    fn body(&self, url: &str) -> Recorded {
        let snapshot = is_ours(url).then(|| BINANCE.snapshot_asked(url)).flatten();
        snapshot.map_or(Recorded::Other, |(symbol, _)| Recorded::Snapshot(symbol))
    }

    /// The finest tick and lot that the wire can carry.
    fn list(&self, symbol: &str) -> Instrument {
        const QUOTES: [&str; 11] = [
            "USDT", "BUSD", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "USD", "AUD", "BRL",
        ];
        let split = QUOTES
            .iter()
            .find_map(|quote| symbol.strip_suffix(quote).map(|base| (base, *quote)));
        let (base, quote) = split
            .filter(|(base, _)| !base.is_empty())
            .unwrap_or((symbol, ""));
        let name = Symbol::from(symbol).unwrap_or_default();
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        Instrument {
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            qty_max: QTY_MAX,
            ..Instrument::bare(self.exchange, name, (PRECISION, PRECISION))
        }
    }
}

/// Futures name their streams and symbols alike, but their books follow other rules.
fn is_ours(url: &str) -> bool {
    [&BINANCE, &BINANCE_US].iter().any(|spot| spot.owns(url))
}
