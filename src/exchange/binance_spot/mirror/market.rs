//! Market data as the exchange writes it: stream events, snapshots and metadata.
//! Writes what it is given; whether a book is true is the matching engine's business.

use super::{NOTIONAL_MAX, PRECISION, TimeUnit, account, pad_text, padded, push_padded};
use crate::base::{Diff, Instrument, Level, Px, Quote, Side, Trade, UnixNanos};
use crate::exchange::mirror::{Day, Listing, Market};
use serde_json::{Value, json};
use std::fmt::Write;

/// Snapshot levels per side when the request names none, and at most.
pub(crate) const SNAPSHOT_LEVELS: usize = 100;
/// Levels a side that a snapshot has at most, however many are asked for.
pub(crate) const SNAPSHOT_LEVELS_MAX: usize = 5000;

/// Wraps what `body` writes as a combined stream does: `{"stream":"…","data":…}`.
pub(crate) fn push_combined(out: &mut String, stream: &str, body: impl FnOnce(&mut String)) {
    let _ = write!(out, "{{\"stream\":{},\"data\":", Value::from(stream));
    body(out);
    out.push('}');
}

/// Appends a `depthUpdate`: absolute quantities of the levels that changed.
pub(crate) fn push_depth_update(
    out: &mut String,
    instrument: &Instrument,
    unit: TimeUnit,
    diff: &Diff,
    bids: &[Level],
    asks: &[Level],
) {
    let (at, symbol) = (unit.of(diff.exch_time), instrument.symbol.as_str());
    let _ = write!(
        out,
        r#"{{"e":"depthUpdate","E":{at},"s":"{symbol}","U":{},"u":{},"b":"#,
        diff.first_id, diff.last_id
    );
    push_levels(out, instrument, bids.iter().copied());
    out.push_str(r#","a":"#);
    push_levels(out, instrument, asks.iter().copied());
    out.push('}');
}

/// Appends a `trade`; its event time is its trade time.
pub(crate) fn push_trade(out: &mut String, instrument: &Instrument, unit: TimeUnit, trade: &Trade) {
    let (at, symbol) = (unit.of(trade.exch_time), instrument.symbol.as_str());
    let _ = write!(
        out,
        r#"{{"e":"trade","E":{at},"s":"{symbol}","t":{},"p":""#,
        trade.id
    );
    push_padded(out, trade.px.0.unsigned_abs(), instrument.px_scale);
    out.push_str(r#"","q":""#);
    push_padded(out, trade.qty.0, instrument.qty_scale);
    let buyer_made = trade.taker == Side::Sell;
    let _ = write!(out, r#"","T":{at},"m":{buyer_made},"M":true}}"#);
}

/// Appends an `aggTrade` of one trade.
pub(crate) fn push_aggregate(
    out: &mut String,
    instrument: &Instrument,
    unit: TimeUnit,
    trade: &Trade,
) {
    let mut event = aggregate(instrument, unit, trade);
    event["e"] = "aggTrade".into();
    event["E"] = unit.of(trade.exch_time).into();
    event["s"] = instrument.symbol.as_str().into();
    let _ = write!(out, "{event}");
}

/// One trade as `aggTrades` has it, under its own number.
pub(crate) fn aggregate(instrument: &Instrument, unit: TimeUnit, trade: &Trade) -> Value {
    json!({
        "a": trade.id,
        "p": padded(trade.px.0.unsigned_abs(), instrument.px_scale),
        "q": padded(trade.qty.0, instrument.qty_scale),
        "f": trade.id,
        "l": trade.id,
        "T": unit.of(trade.exch_time),
        "m": trade.taker == Side::Sell,
        "M": true,
    })
}

/// One trade as `trades` has it.
pub(crate) fn print(instrument: &Instrument, unit: TimeUnit, trade: &Trade) -> Value {
    json!({
        "id": trade.id,
        "price": padded(trade.px.0.unsigned_abs(), instrument.px_scale),
        "qty": padded(trade.qty.0, instrument.qty_scale),
        "quoteQty": pad_text(Day::of(trade).quote(instrument).to_string()),
        "time": unit.of(trade.exch_time),
        "isBuyerMaker": trade.taker == Side::Sell,
        "isBestMatch": true,
    })
}

/// Minutes over which `avgPrice` is the average.
const AVERAGE_MIN: i64 = 5;

/// The body of `avgPrice`: the average by quantity, the newest price if nothing was traded.
pub(crate) fn average(market: &dyn Market, listing: usize, unit: TimeUnit) -> Value {
    let instrument = &market.listings()[listing].instrument;
    let since = UnixNanos(market.now().0 - AVERAGE_MIN * 60_000_000_000);
    let newest = || {
        market
            .prints(listing)
            .rev()
            .take_while(|trade| trade.exch_time >= since)
    };
    let (mut volume, mut turnover) = (0, 0);
    for trade in newest() {
        volume += u128::from(trade.qty.0);
        turnover += u128::from(trade.px.0.unsigned_abs()) * u128::from(trade.qty.0);
    }
    let Px(last) = market.day(listing).last;
    let mean = turnover.checked_div(volume);
    let mean = mean.map_or(last.unsigned_abs(), |mean| mean as u64);
    let closed = market.prints(listing).next_back();
    json!({
        "mins": AVERAGE_MIN,
        "price": padded(mean, instrument.px_scale),
        "closeTime": unit.of(closed.map_or(market.now(), |trade| trade.exch_time)),
    })
}

/// An `avgPrice` event.
pub(crate) fn average_event(market: &dyn Market, listing: usize, unit: TimeUnit) -> Value {
    let average = average(market, listing, unit);
    json!({
        "e": "avgPrice",
        "E": unit.of(market.now()),
        "s": market.listings()[listing].instrument.symbol.as_str(),
        "i": format!("{AVERAGE_MIN}m"),
        "w": average["price"],
        "T": average["closeTime"],
    })
}

/// Appends a book ticker: no event name and no time, as on the wire.
pub(crate) fn push_book_ticker(out: &mut String, instrument: &Instrument, quote: &Quote) {
    let symbol = instrument.symbol.as_str();
    let _ = write!(out, r#"{{"u":{},"s":"{symbol}""#, quote.update_id);
    for (px_key, qty_key, level) in [("b", "B", quote.bid), ("a", "A", quote.ask)] {
        let _ = write!(out, r#","{px_key}":""#);
        push_padded(out, level.px.0.unsigned_abs(), instrument.px_scale);
        let _ = write!(out, r#"","{qty_key}":""#);
        push_padded(out, level.qty.0, instrument.qty_scale);
        out.push('"');
    }
    out.push('}');
}

/// The body of a depth snapshot, best levels first.
pub(crate) fn snapshot(
    instrument: &Instrument,
    last_id: u64,
    bids: impl Iterator<Item = Level>,
    asks: impl Iterator<Item = Level>,
) -> String {
    let mut out = format!(r#"{{"lastUpdateId":{last_id},"bids":"#);
    push_levels(&mut out, instrument, bids);
    out.push_str(r#","asks":"#);
    push_levels(&mut out, instrument, asks);
    out.push('}');
    out
}

fn push_levels(out: &mut String, instrument: &Instrument, levels: impl Iterator<Item = Level>) {
    out.push('[');
    for (n, level) in levels.enumerate() {
        out.push_str(if n == 0 { "[\"" } else { ",[\"" });
        push_padded(out, level.px.0.unsigned_abs(), instrument.px_scale);
        out.push_str("\",\"");
        push_padded(out, level.qty.0, instrument.qty_scale);
        out.push_str("\"]");
    }
    out.push(']');
}

/// The body of `time`.
pub(crate) fn server_time(unit: TimeUnit, now: UnixNanos) -> Value {
    json!({"serverTime": unit.of(now)})
}

/// The body of `exchangeInfo` for these listings.
pub(crate) fn exchange_info<'l>(
    unit: TimeUnit,
    now: UnixNanos,
    weight_max: u32,
    listings: impl Iterator<Item = &'l Listing>,
) -> Value {
    let mut limits = vec![
        json!({"rateLimitType": "REQUEST_WEIGHT",
               "interval": "MINUTE", "intervalNum": 1, "limit": weight_max}),
        json!({"rateLimitType": "RAW_REQUESTS",
               "interval": "MINUTE", "intervalNum": 5, "limit": 300_000}),
    ];
    limits.extend(account::ORDERS.map(|rate| {
        let (interval, times) = account::interval(rate);
        json!({"rateLimitType": "ORDERS",
               "interval": interval, "intervalNum": times, "limit": rate.count})
    }));
    json!({
        "timezone": "UTC",
        "serverTime": unit.of(now),
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": listings.map(symbol_info).collect::<Vec<_>>(),
    })
}

fn symbol_info(listing: &Listing) -> Value {
    let instrument = &listing.instrument;
    json!({
        "symbol": instrument.symbol.as_str(),
        "status": if instrument.trading { "TRADING" } else { "HALT" },
        "baseAsset": instrument.base.as_str(),
        "baseAssetPrecision": PRECISION,
        "quoteAsset": instrument.quote.as_str(),
        "quotePrecision": PRECISION,
        "quoteAssetPrecision": PRECISION,
        "baseCommissionPrecision": PRECISION,
        "quoteCommissionPrecision": PRECISION,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": false,
        "ocoAllowed": false,
        "otoAllowed": false,
        "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": false,
        "cancelReplaceAllowed": true,
        "amendAllowed": true,
        "pegInstructionsAllowed": false,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": false,
        "filters": filters(instrument),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": account::SELF_TRADE[0],
        "allowedSelfTradePreventionModes": account::SELF_TRADE,
    })
}

/// The largest price, in ticks.
const TICKS_MAX: u64 = 1_000_000_000;

fn filters(instrument: &Instrument) -> Value {
    let px = |units: u64| padded(units, instrument.px_scale);
    let qty = |units: u64| padded(units, instrument.qty_scale);
    let tick = instrument.tick.0.unsigned_abs();
    let mut filters = vec![
        // Zero would say that there is no maximum, and some clients take no instrument without one.
        json!({"filterType": "PRICE_FILTER", "minPrice": px(tick),
               "maxPrice": px(tick.saturating_mul(TICKS_MAX)), "tickSize": px(tick)}),
        json!({"filterType": "LOT_SIZE", "minQty": qty(instrument.qty_min.0),
               "maxQty": qty(instrument.qty_max.0), "stepSize": qty(instrument.lot.0)}),
        json!({"filterType": "MAX_NUM_ORDERS", "maxNumOrders": account::OPEN_ORDERS_MAX}),
    ];
    if instrument.notional_min > 0 {
        let scale = instrument.px_scale + instrument.qty_scale;
        let min = crate::base::Decimal {
            units: instrument.notional_min,
            scale,
        }
        .to_string();
        filters.push(
            json!({"filterType": "NOTIONAL", "minNotional": pad_text(min),
            "applyMinToMarket": true, "maxNotional": padded(NOTIONAL_MAX, 0),
            "applyMaxToMarket": false, "avgPriceMins": 5}),
        );
    }
    let amends = account::AMENDS_MAX;
    filters.push(json!({"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": amends}));
    Value::from(filters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{InstrumentId, Px, Qty, Symbol};

    fn instrument() -> Instrument {
        Instrument {
            tick: Px(1_000_000),
            lot: Qty(1_000),
            qty_min: Qty(1_000),
            qty_max: Qty(900_000_000_000),
            notional_min: 5 * 10u128.pow(16),
            ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (8, 8))
        }
    }

    const AT: UnixNanos = UnixNanos(1_750_000_000_123_456_789);

    #[test]
    fn a_depth_update_reads_as_binance_writes_it() {
        let diff = Diff {
            instrument: InstrumentId(0),
            first_id: 157,
            last_id: 160,
            prev_id: None,
            checksum: None,
            exch_time: AT,
        };
        let bid = Level {
            px: Px(3_000_000_000_000),
            qty: Qty(120_000_000),
        };
        let ask = Level {
            px: Px(3_000_100_000_000),
            qty: Qty(0),
        };
        let mut out = String::new();
        push_combined(&mut out, "btcusdt@depth@100ms", |out| {
            push_depth_update(out, &instrument(), TimeUnit::Millis, &diff, &[bid], &[ask]);
        });
        assert_eq!(
            out,
            r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1750000000123,"s":"BTCUSDT","U":157,"u":160,"b":[["30000.00000000","1.20000000"]],"a":[["30001.00000000","0.00000000"]]}}"#
        );
    }

    #[test]
    fn a_trade_names_its_taker_through_the_maker_flag() {
        let trade = Trade {
            instrument: InstrumentId(0),
            id: 7,
            px: Px(3_000_001_000_000),
            qty: Qty(250_000),
            taker: Side::Sell,
            exch_time: AT,
        };
        let mut out = String::new();
        push_trade(&mut out, &instrument(), TimeUnit::Micros, &trade);
        assert_eq!(
            out,
            r#"{"e":"trade","E":1750000000123456,"s":"BTCUSDT","t":7,"p":"30000.01000000","q":"0.00250000","T":1750000000123456,"m":true,"M":true}"#
        );
    }

    #[test]
    fn a_book_ticker_has_no_event_name() {
        let quote = Quote {
            instrument: InstrumentId(0),
            update_id: 9,
            bid: Level {
                px: Px(100_000_000),
                qty: Qty(1),
            },
            ask: Level {
                px: Px(200_000_000),
                qty: Qty(2),
            },
        };
        let mut out = String::new();
        push_book_ticker(&mut out, &instrument(), &quote);
        assert_eq!(
            out,
            r#"{"u":9,"s":"BTCUSDT","b":"1.00000000","B":"0.00000001","a":"2.00000000","A":"0.00000002"}"#
        );
    }

    #[test]
    fn metadata_carries_the_three_filters_that_orders_are_held_to() {
        let listing = Listing {
            instrument: instrument(),
            volume: 7,
        };
        let info = exchange_info(TimeUnit::Millis, AT, 6_000, [&listing].into_iter());
        let filters = &info["symbols"][0]["filters"];
        assert_eq!(filters[0]["tickSize"], "0.01000000");
        assert_eq!(filters[1]["stepSize"], "0.00001000");
        assert_eq!(filters[3]["minNotional"], "5.00000000");
        assert_eq!(info["symbols"][0]["status"], "TRADING");
    }
}
