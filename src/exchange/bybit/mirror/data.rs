//! What REST and streams both show: books, prints, tickers. Holds nothing.

use crate::base::instrument::Kind;
use crate::base::{Instrument, Level, Px, Side, Trade};
use crate::exchange::kit::text::{push_fixed, push_plain};
use crate::exchange::mirror::Market;
use serde_json::{Map, Value, json};

/// A service that was restarted counts from 1, so `u` = 1 says that the book is new. The simulated
/// market counts its messages from 1, too: they are moved up by one.
const U_OFFSET: u64 = 1;
/// Funding is paid this often.
const FUNDING_MS: i64 = 8 * 3_600_000;

/// The head of a book: `number` is the message's own, `seq` the engine's.
pub(crate) fn book(
    instrument: &Instrument,
    bids: &[Level],
    asks: &[Level],
    number: u64,
    seq: u64,
) -> String {
    let symbol = Value::from(instrument.symbol.as_str());
    let (bids, asks) = (levels(instrument, bids), levels(instrument, asks));
    let u = number + U_OFFSET;
    format!(r#"{{"s":{symbol},"b":[{bids}],"a":[{asks}],"u":{u},"seq":{seq}}}"#)
}

fn levels(instrument: &Instrument, levels: &[Level]) -> String {
    let mut text = String::new();
    for level in levels {
        text.push_str(if text.is_empty() { "[\"" } else { ",[\"" });
        push_fixed(&mut text, level.px.0.unsigned_abs(), instrument.px_scale);
        text.push_str("\",\"");
        push_plain(&mut text, level.qty.0, instrument.qty_scale);
        text.push_str("\"]");
    }
    text
}

/// A price with all decimals of its instrument.
pub(crate) fn px(instrument: &Instrument, px: i64) -> String {
    let mut text = String::new();
    push_fixed(&mut text, px.unsigned_abs(), instrument.px_scale);
    text
}

/// A quantity without zeros at the end.
pub(crate) fn qty(instrument: &Instrument, qty: u64) -> String {
    let mut text = String::new();
    push_plain(&mut text, qty, instrument.qty_scale);
    text
}

/// Whose money moved the price.
pub(crate) const fn side(taker: Side) -> &'static str {
    match taker {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

/// Spot numbers its prints; a contract's has a UUID.
pub(crate) fn print_id(instrument: &Instrument, trade: &Trade) -> String {
    match instrument.kind {
        Kind::Spot | Kind::Option => trade.id.to_string(),
        Kind::Perpetual | Kind::Future => {
            format!(
                "20f43950-0000-4000-8000-{:012x}",
                trade.id & 0xffff_ffff_ffff
            )
        }
    }
}

/// A ticker as REST shows it. The mark price and the index stand at the last price, and nobody
/// holds a position.
pub(crate) fn ticker(listing: usize, market: &dyn Market) -> Map<String, Value> {
    let (instrument, day) = (&market.listings()[listing].instrument, market.day(listing));
    let at = |price: Px| px(instrument, price.0);
    let best = |side| market.levels(listing, side).next();
    let (bid, ask) = (best(Side::Buy), best(Side::Sell));
    let of_px = |level: Option<Level>| level.map_or_else(|| "0".to_owned(), |level| at(level.px));
    let of_qty = |level: Option<Level>| {
        level.map_or_else(|| "0".to_owned(), |level| qty(instrument, level.qty.0))
    };
    let ticker = json!({
        "symbol": instrument.symbol.as_str(),
        "bid1Price": of_px(bid), "bid1Size": of_qty(bid),
        "ask1Price": of_px(ask), "ask1Size": of_qty(ask),
        "lastPrice": at(day.last),
        "prevPrice24h": at(day.open),
        "price24hPcnt": format!("{:.6}", day.percent() / 100.0),
        "highPrice24h": at(day.high), "lowPrice24h": at(day.low),
        "turnover24h": day.quote(instrument).to_string(),
        "volume24h": day.base(instrument).to_string(),
    });
    let more = match instrument.kind {
        Kind::Spot | Kind::Option => json!({"usdIndexPrice": at(day.last)}),
        Kind::Perpetual | Kind::Future => {
            let now_ms = market.now().as_millis();
            let funding_ms = now_ms - now_ms.rem_euclid(FUNDING_MS) + FUNDING_MS;
            json!({
                "indexPrice": at(day.last), "markPrice": at(day.last),
                "prevPrice1h": at(day.open),
                "openInterest": "0", "openInterestValue": "0",
                "fundingRate": "0.0001", "nextFundingTime": funding_ms.to_string(),
                "fundingIntervalHour": "8", "fundingCap": "0.005",
                "predictedDeliveryPrice": "", "basisRate": "", "basis": "",
                "deliveryFeeRate": "", "deliveryTime": "0",
                "curPreListingPhase": "", "preOpenPrice": "",
            })
        }
    };
    match (ticker, more) {
        (Value::Object(mut ticker), Value::Object(more)) => {
            ticker.extend(more);
            ticker
        }
        _ => Map::new(), // Both are objects.
    }
}
