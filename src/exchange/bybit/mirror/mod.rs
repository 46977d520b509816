//! Bybit's half of the protocol, for the simulated exchange: listings and REST. Connections are in
//! `session`.

mod session;

use super::{Category, rest};
use crate::base::instrument::{Contract, Kind};
use crate::base::{Asset, Instrument, Px, Qty, Span, Symbol};
use crate::exchange::kit::text;
use crate::exchange::mirror::{
    Ban, Call, Listing, Market, Method, Mirror, MirrorSession, Refusal, Reply,
};
use serde_json::{Value, json};

/// The largest order, in whole units of the base asset.
const QTY_MAX: u64 = 1_000_000;
/// The smallest order, in whole units of the quote asset.
const NOTIONAL_MIN: u128 = 5;
/// Instruments of one page, and the most that may be asked for.
const PAGE: usize = 500;
const PAGE_MAX: usize = 1_000;
/// The exchange's code for parameters that it does not take.
const BAD_PARAMETERS: i64 = 10_001;

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
            name: rest::canonical(self, base, quote, self.kind, 0),
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

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let path = target.split('?').next().unwrap_or_default();
        let session = session::Session::new(self.args_max, self.kind);
        (path == self.stream_path).then(|| Box::new(session) as Box<dyn MirrorSession>)
    }

    fn is_asked(&self, call: Call<'_>) -> bool {
        text::query_value(call.target, "category") == Some(self.word)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        if call.method != Method::Get {
            return self.refuse(Refusal::NoMethod, call);
        }
        let path = call.path();
        let query = |name| text::query_value(call.target, name);
        let result = match path {
            "/v5/market/instruments-info" | "/v5/market/tickers"
                if query("category") != Some(self.word) =>
            {
                Err("params error: Category is invalid")
            }
            "/v5/market/instruments-info" => self.instruments(call.target, market.listings()),
            "/v5/market/tickers" => Ok(self.tickers(market.listings())),
            _ => return self.refuse(Refusal::NoPath, call),
        };
        let (code, message, result) = match result {
            Ok(result) => (0, "OK", result),
            Err(why) => (BAD_PARAMETERS, why, json!({})),
        };
        let body = json!({
            "retCode": code,
            "retMsg": message,
            "result": result,
            "retExtInfo": {},
            "time": market.now().0 / 1_000_000,
        });
        Reply::json(200, body.to_string(), 1)
    }

    /// An address that asks for too much is left out in the cold at once, and is told so in words.
    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        match why {
            Refusal::TooMany { .. } | Refusal::Banned { .. } => {
                Reply::text(403, "access too frequent", 1)
            }
            Refusal::NoPath => Reply::json(404, "{}", 1),
            Refusal::NoMethod => Reply::json(405, "{}", 1),
        }
    }

    /// "Wait for ten minutes."
    fn ban(&self) -> Option<Ban> {
        Some(Ban {
            warnings: 0,
            span: Span::from_secs(600),
        })
    }
}

impl Category {
    /// Contracts come in pages; spot comes whole.
    fn instruments(&self, target: &str, listings: &[Listing]) -> Result<Value, &'static str> {
        let query = |name| text::query_value(target, name);
        let (mut from, mut to) = (0, listings.len());
        if self.kind != Kind::Spot {
            let number = |text: &str| text.parse::<usize>().map_err(|_| "params error");
            let cursor = query("cursor").and_then(|cursor| cursor.strip_prefix("from%3D"));
            from = cursor.map_or(Ok(0), number)?.min(to);
            let limit = query("limit").map_or(Ok(PAGE), number)?;
            to = to.min(from + limit.clamp(1, PAGE_MAX));
        }
        let asked = |listing: &&Listing| {
            let symbol = text::query_text(target, "symbol");
            symbol.is_none_or(|symbol| symbol == listing.instrument.symbol.as_str())
        };
        let list: Vec<Value> = listings[from..to]
            .iter()
            .filter(asked)
            .map(|listing| self.listed(&listing.instrument))
            .collect();
        let next = if to < listings.len() {
            format!("from%3D{to}")
        } else {
            String::new()
        };
        Ok(json!({"category": self.word, "list": list, "nextPageCursor": next}))
    }

    fn listed(&self, instrument: &Instrument) -> Value {
        let px = |units: i64| plain(units as u128, instrument.px_scale);
        let qty = |qty: Qty| plain(u128::from(qty.0), instrument.qty_scale);
        let (tick, step) = (px(instrument.tick.0), qty(instrument.lot));
        let (least, most) = (qty(instrument.qty_min), qty(instrument.qty_max));
        let scale = instrument.px_scale + instrument.qty_scale;
        let notional = plain(instrument.notional_min, scale);
        let (symbol, base) = (instrument.symbol.as_str(), instrument.base.as_str());
        let (quote, settle) = (instrument.quote.as_str(), instrument.settle.as_str());
        let status = if instrument.trading {
            "Trading"
        } else {
            "Closed"
        };
        match instrument.kind {
            Kind::Spot | Kind::Option => json!({
                "symbol": symbol, "baseCoin": base, "quoteCoin": quote,
                "innovation": "0", "status": status, "marginTrading": "none",
                "lotSizeFilter": {
                    "basePrecision": step, "quotePrecision": "0.00000001",
                    "minOrderQty": least, "maxLimitOrderQty": most, "minOrderAmt": notional,
                },
                "priceFilter": {"tickSize": tick},
            }),
            Kind::Perpetual | Kind::Future => json!({
                "symbol": symbol, "contractType": "LinearPerpetual", "status": status,
                "baseCoin": base, "quoteCoin": quote, "settleCoin": settle,
                "launchTime": "1750000000000", "deliveryTime": "0", "deliveryFeeRate": "",
                "priceScale": instrument.px_scale.to_string(),
                "priceFilter": {"minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
                "lotSizeFilter": {
                    "maxOrderQty": most, "minOrderQty": least, "qtyStep": step,
                    "postOnlyMaxOrderQty": most, "minNotionalValue": notional,
                },
                "fundingInterval": 480,
            }),
        }
    }

    fn tickers(&self, listings: &[Listing]) -> Value {
        let ticker = |listing: &Listing| {
            json!({
                "symbol": listing.instrument.symbol.as_str(),
                "turnover24h": listing.volume.to_string(),
                "volume24h": "0",
            })
        };
        let list: Vec<Value> = listings.iter().map(ticker).collect();
        json!({"category": self.word, "list": list})
    }
}

/// Units of 10^-`scale` as text, without zeros at the end.
fn plain(units: u128, scale: u8) -> String {
    let one = 10u128.pow(u32::from(scale));
    let (whole, part, width) = (units / one, units % one, usize::from(scale));
    let text = format!("{whole}.{part:0width$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{LINEAR, SPOT};
    use super::*;

    #[test]
    fn units_are_written_without_zeros_at_the_end() {
        assert_eq!(plain(0, 2), "0");
        assert_eq!(plain(100, 0), "100");
        assert_eq!(plain(1_050, 3), "1.05");
        assert_eq!(plain(5 * 10u128.pow(24), 24), "5");
    }

    #[test]
    fn each_market_listens_at_its_own_path() {
        assert!(SPOT.0.session("/v5/public/spot").is_some());
        assert!(SPOT.0.session("/v5/public/linear").is_none());
        assert!(LINEAR.0.session("/v5/public/linear").is_some());
        assert_eq!(LINEAR.0.list("BTC", "USDT", 2, 4).kind, Kind::Perpetual);
    }
}
