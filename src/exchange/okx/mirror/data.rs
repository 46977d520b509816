//! What REST and streams both show: books, prints, tickers. Holds nothing.

use crate::base::{Instrument, Kind, Level, Px, Side, Trade, UnixNanos};
use crate::exchange::kit::text;
use crate::exchange::mirror::Market;
use serde_json::{Value, json};

/// `units` of 10^-`scale` as OKX writes numbers: without zeros at the end.
pub(crate) fn plain(units: u64, scale: u8) -> String {
    let mut out = String::new();
    text::push_plain(&mut out, units, scale);
    out
}

pub(crate) const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Spot => "SPOT",
        Kind::Perpetual => "SWAP",
        Kind::Future => "FUTURES",
        Kind::Option => "OPTION",
    }
}

/// The kind of this name.
pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    let kinds = [Kind::Spot, Kind::Perpetual, Kind::Future, Kind::Option];
    kinds.into_iter().find(|&kind| type_of(kind) == name)
}

/// The family of contracts that it belongs to: the two assets that its symbol begins with.
pub(crate) fn family(instrument: &Instrument) -> &str {
    let symbol = instrument.symbol.as_str();
    let second = symbol.match_indices('-').nth(1);
    second.map_or(symbol, |(end, _)| &symbol[..end])
}

pub(crate) const fn scales(instrument: &Instrument) -> (u8, u8) {
    (instrument.px_scale, instrument.qty_scale)
}

fn level(level: &Level, (px_scale, qty_scale): (u8, u8)) -> Value {
    let px = plain(level.px.0.unsigned_abs(), px_scale);
    json!([px, plain(level.qty.0, qty_scale), "0", "1"])
}

pub(crate) fn levels(
    bids: &[Level],
    asks: &[Level],
    scales: (u8, u8),
    seq: u64,
    now: UnixNanos,
) -> Value {
    let side =
        |levels: &[Level]| -> Vec<Value> { levels.iter().map(|one| level(one, scales)).collect() };
    let ts = now.as_millis().to_string();
    json!({"asks": side(asks), "bids": side(bids), "ts": ts, "seqId": seq})
}

/// A print, as a stream has it.
pub(crate) fn print(trade: &Trade, instrument: &Instrument) -> Value {
    json!({
        "instId": instrument.symbol.as_str(),
        "tradeId": trade.id.to_string(),
        "px": plain(trade.px.0.unsigned_abs(), instrument.px_scale),
        "sz": plain(trade.qty.0, instrument.qty_scale),
        "side": match trade.taker {
            Side::Buy => "buy",
            Side::Sell => "sell",
        },
        "ts": trade.exch_time.as_millis().to_string(),
        "count": "1",
        "source": "0",
        "seqId": trade.id,
    })
}

/// Volume is counted in the base asset and in the quote asset, of a contract in contracts and in
/// the base asset.
pub(crate) fn ticker(n: usize, market: &dyn Market) -> Value {
    let (instrument, day) = (&market.listings()[n].instrument, market.day(n));
    let (px_scale, qty_scale) = scales(instrument);
    let px = |Px(units): Px| plain(units.unsigned_abs(), px_scale);
    let best = |side| {
        let level = market.levels(n, side).next();
        level.map_or_else(Default::default, |level| {
            (px(level.px), plain(level.qty.0, qty_scale))
        })
    };
    let ((bid_px, bid_sz), (ask_px, ask_sz)) = (best(Side::Buy), best(Side::Sell));
    let last_sz = market.prints(n).next_back();
    let last_sz = last_sz.map_or_else(|| "0".to_owned(), |trade| plain(trade.qty.0, qty_scale));
    let base = day.base(instrument).to_string();
    let (volume, of_currency) = match instrument.kind {
        Kind::Spot => (base, day.quote(instrument).to_string()),
        Kind::Perpetual | Kind::Future | Kind::Option => {
            (day.contracts(instrument).to_string(), base)
        }
    };
    json!({
        "instType": type_of(instrument.kind),
        "instId": instrument.symbol.as_str(),
        "last": px(day.last), "lastSz": last_sz,
        "askPx": ask_px, "askSz": ask_sz,
        "bidPx": bid_px, "bidSz": bid_sz,
        "open24h": px(day.open), "high24h": px(day.high), "low24h": px(day.low),
        "sodUtc0": px(day.open), "sodUtc8": px(day.open),
        "vol24h": volume, "volCcy24h": of_currency,
        "ts": market.now().as_millis().to_string(),
    })
}
