//! What a connection is told: books, prints and tickers as the exchange writes them. Follows
//! nothing.

use super::{TICKER_LITE, feed_name, old_name};
use crate::base::{Channel, Decimal, Instrument, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::kit::text::push_plain;
use crate::exchange::mirror::{Day, Market};
use serde_json::{Value, json};

/// As the exchange writes numbers: with at least one decimal.
pub(super) fn number(units: u64, scale: u8) -> String {
    let mut text = String::new();
    push_plain(&mut text, units, scale);
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// A price.
pub(super) fn px(px: Px, found: &Instrument) -> String {
    number(px.0.unsigned_abs(), found.px_scale)
}

/// A quantity.
pub(super) fn qty(qty: Qty, found: &Instrument) -> String {
    number(qty.0, found.qty_scale)
}

/// A whole book.
pub(super) fn snapshot(seq: u64, listing: usize, market: &dyn Market) -> String {
    let instrument = &market.listings()[listing].instrument;
    let side = |side| {
        let level = |level: Level| {
            let (px, qty) = (px(level.px, instrument), qty(level.qty, instrument));
            format!(r#"{{"price":{px},"qty":{qty}}}"#)
        };
        let levels: Vec<String> = market.levels(listing, side).map(level).collect();
        levels.join(",")
    };
    format!(
        r#"{{"feed":"book_snapshot","product_id":{},"timestamp":{},"seq":{seq},"tickSize":null,"bids":[{}],"asks":[{}]}}"#,
        json!(instrument.symbol.as_str()),
        market.now().as_millis(),
        side(Side::Buy),
        side(Side::Sell),
    )
}

/// One level that changed.
pub(super) fn change(
    level: &Level,
    side: &str,
    seq: u64,
    listing: usize,
    market: &dyn Market,
) -> Option<String> {
    let instrument = &market.listings().get(listing)?.instrument;
    Some(format!(
        r#"{{"feed":"book","product_id":{},"side":"{side}","seq":{seq},"price":{},"qty":{},"timestamp":{}}}"#,
        json!(instrument.symbol.as_str()),
        px(level.px, instrument),
        qty(level.qty, instrument),
        market.now().as_millis(),
    ))
}

/// A print.
pub(super) fn print(trade: &Trade, market: &dyn Market) -> Option<String> {
    let found = &market.listings().get(trade.instrument.index())?.instrument;
    Some(format!(
        r#"{{"feed":"trade","product_id":{},"uid":"{}","side":"{}","type":"fill","seq":{},"time":{},"qty":{},"price":{}}}"#,
        json!(found.symbol.as_str()),
        uid(trade),
        trade.taker.name(),
        trade.id,
        trade.exch_time.as_millis(),
        qty(trade.qty, found),
        px(trade.px, found),
    ))
}

/// The identity of a print.
pub(super) fn uid(trade: &Trade) -> String {
    format!("00000000-0000-4000-8000-{:012x}", trade.id)
}

/// What a client has to sign, to be told of an account.
pub(super) fn challenge(now: UnixNanos) -> String {
    let time = now.as_micros().unsigned_abs();
    format!(
        "{:08x}-0000-4000-8000-{:012x}",
        time >> 48,
        time & 0xffff_ffff_ffff
    )
}

/// The prints before a subscription, newest first.
pub(super) fn past(prints: &[Trade], listing: usize, market: &dyn Market) -> String {
    let product = market.listings()[listing].instrument.symbol;
    let prints: Vec<String> = prints
        .iter()
        .filter_map(|trade| print(trade, market))
        .collect();
    format!(
        r#"{{"feed":"trade_snapshot","product_id":{},"trades":[{}]}}"#,
        json!(product.as_str()),
        prints.join(","),
    )
}

/// A number of a ticker, which nobody counts with any further.
pub(super) fn float(units: u64, scale: u8) -> Value {
    let units = units.into();
    decimal(Decimal { units, scale })
}

/// Likewise.
pub(super) fn decimal(number: Decimal) -> Value {
    let text = number.to_string();
    text.parse::<f64>().unwrap_or_default().into()
}

/// The two assets of a product as the exchange names them: `XBT:USD`.
pub(super) fn pair(found: &Instrument) -> String {
    format!("{}:{}", old_name(&found.base), found.quote)
}

/// The price in the middle of the book, to which this exchange marks and which its index has.
pub(super) fn mark(quote: &Quote, found: &Instrument) -> Value {
    let twice = quote.bid.px.0.unsigned_abs() + quote.ask.px.0.unsigned_abs();
    float(twice * 5, found.px_scale + 1)
}

/// Perpetuals are funded at every full hour, with nothing: this market has no index of its own to
/// be led back to.
fn funding(now: UnixNanos) -> Value {
    const HOUR_MS: i64 = 3_600_000;
    json!({
        "funding_rate": 0.0,
        "funding_rate_prediction": 0.0,
        "relative_funding_rate": 0.0,
        "relative_funding_rate_prediction": 0.0,
        "next_funding_rate_time": (now.as_millis() / HOUR_MS + 1) * HOUR_MS,
    })
}

/// The top of the book and the day; `lite` says less of it.
pub(super) fn tick(quote: &Quote, lite: bool, market: &dyn Market) -> Option<String> {
    let n = quote.instrument.index();
    let found = &market.listings().get(n)?.instrument;
    let day = market.day(n);
    let (px_scale, qty_scale) = (found.px_scale, found.qty_scale);
    let px = |px: Px| float(px.0.unsigned_abs(), px_scale);
    let mut said = json!({
        "feed": if lite { TICKER_LITE } else { feed_name(Channel::Quotes) },
        "product_id": found.symbol.as_str(),
        "bid": px(quote.bid.px),
        "ask": px(quote.ask.px),
        "change": day.percent(),
        "premium": 0.0,
        "volume": decimal(day.base(found)),
        "tag": "perpetual",
        "pair": pair(found),
        "dtm": 0,
        "maturityTime": 0,
        "volumeQuote": decimal(day.quote(found)),
    });
    if !lite {
        let more = json!({
            "time": market.now().as_millis(),
            "bid_size": float(quote.bid.qty.0, qty_scale),
            "ask_size": float(quote.ask.qty.0, qty_scale),
            "last": px(day.last),
            "index": mark(quote, found),
            "markPrice": mark(quote, found),
            "openInterest": open_interest(&day, found),
            "leverage": "50x",
            "suspended": false,
            "post_only": false,
        });
        for part in [more, funding(market.now())] {
            let fields = part.as_object().into_iter().flatten();
            fields.for_each(|(key, value)| said[key] = value.clone());
        }
    }
    Some(said.to_string())
}

/// Nobody holds a position here. As many contracts as were traded in a day are plausible.
pub(super) fn open_interest(day: &Day, found: &Instrument) -> Value {
    decimal(day.base(found))
}
