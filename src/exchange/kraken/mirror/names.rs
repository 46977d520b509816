//! How REST and the first version of the stream name assets and pairs that the second version names
//! as everybody does: `BTC/USD` is `XXBTZUSD`, `XBTUSD` and `XBT/USD`. Knows no market.

use crate::base::Instrument;

/// Assets from the exchange's first years, whose ids begin with a letter for their class.
const OLD_COINS: [&str; 11] = [
    "ETC", "ETH", "LTC", "MLN", "REP", "XBT", "XDG", "XLM", "XMR", "XRP", "ZEC",
];
const OLD_MONEY: [&str; 6] = ["AUD", "CAD", "EUR", "GBP", "JPY", "USD"];

/// The short name of an asset that others name otherwise.
pub(crate) fn altname(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// The id of an asset.
pub(crate) fn asset_id(asset: &str) -> String {
    let name = altname(asset);
    match name {
        _ if OLD_COINS.contains(&name) => format!("X{name}"),
        _ if OLD_MONEY.contains(&name) => format!("Z{name}"),
        _ => name.to_owned(),
    }
}

/// The names of one pair.
pub(crate) struct Names {
    /// `BTC/USD`.
    pub(crate) symbol: String,
    /// `XBT/USD`.
    pub(crate) wsname: String,
    /// `XBTUSD`.
    pub(crate) altname: String,
    /// `XXBTZUSD` if both assets are old, else the short name.
    pub(crate) id: String,
}

impl Names {
    /// Those of this instrument.
    pub(crate) fn of(instrument: &Instrument) -> Self {
        let symbol = instrument.symbol.to_string();
        let (base, quote) = symbol.split_once('/').unwrap_or((&symbol, ""));
        let (short_base, short_quote) = (altname(base), altname(quote));
        let altname = format!("{short_base}{short_quote}");
        let old = OLD_COINS.contains(&short_base) && short_base != "XDG";
        let id = match old && OLD_MONEY.contains(&short_quote) {
            true => asset_id(base) + &asset_id(quote),
            false => altname.clone(),
        };
        Self {
            wsname: format!("{short_base}/{short_quote}"),
            altname,
            id,
            symbol,
        }
    }

    /// Whether a client means this pair by that.
    pub(crate) fn has(&self, name: &str) -> bool {
        [&self.symbol, &self.wsname, &self.altname, &self.id]
            .into_iter()
            .any(|own| own == name)
    }
}
