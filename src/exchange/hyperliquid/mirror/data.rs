//! What REST and streams both show: books, prints, prices. Holds nothing.

use crate::base::{Instrument, Kind, Level, Px, Qty, Side, Trade};
use crate::exchange::kit::text;
use crate::exchange::mirror::Market;
use serde_json::{Value, json};

/// `units` of 10^-`scale` as Hyperliquid writes numbers: without zeros at the end, but at least one
/// decimal.
pub(crate) fn number(units: u64, scale: u8) -> String {
    let mut out = String::new();
    text::push_plain(&mut out, units, scale);
    with_point(out)
}

fn with_point(mut number: String) -> String {
    if !number.contains('.') {
        number.push_str(".0");
    }
    number
}

fn px(instrument: &Instrument, Px(units): Px) -> String {
    number(units.unsigned_abs(), instrument.px_scale)
}

/// How coarse a book is shown: to so many significant figures, and then to a multiple of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Grain {
    figures: Option<u32>,
    mantissa: Option<i64>,
}

impl Grain {
    /// What `nSigFigs` and `mantissa` ask for; nothing if the exchange does not take them.
    pub(crate) fn asked(asked: &Value) -> Option<Self> {
        let figures = match &asked["nSigFigs"] {
            Value::Null => None,
            figures => Some(figures.as_u64().filter(|n| (2..=5).contains(n))? as u32),
        };
        let mantissa = match &asked["mantissa"] {
            Value::Null => None,
            _ if figures != Some(5) => return None,
            mantissa => Some(mantissa.as_i64().filter(|n| [1, 2, 5].contains(n))?),
        };
        Some(Self { figures, mantissa })
    }

    /// Neither was asked for.
    pub(crate) const WHOLE: Self = Self {
        figures: None,
        mantissa: None,
    };

    /// Writes them into the echo of a subscription.
    pub(crate) fn echo(self, into: &mut Value) {
        (into["nSigFigs"], into["mantissa"]) = (json!(self.figures), json!(self.mantissa));
    }

    /// The price that a level is shown at: a bid's at or below it, an ask's at or above.
    fn shown(self, px: Px, side: Side) -> Px {
        let digits = px.0.max(1).ilog10() + 1;
        let Some(coarse) = self.figures.and_then(|figures| digits.checked_sub(figures)) else {
            return px;
        };
        let step = 10i64.pow(coarse) * self.mantissa.unwrap_or(1);
        let below = px.0 - px.0.rem_euclid(step);
        match side {
            Side::Buy => Px(below),
            Side::Sell if below == px.0 => px,
            Side::Sell => Px(below + step),
        }
    }
}

/// The best `window` levels of both sides, and when: `{"coin":…,"time":…,"levels":[…,…]}`.
pub(crate) fn book(market: &dyn Market, listing: usize, window: usize, grain: Grain) -> Value {
    let instrument = &market.listings()[listing].instrument;
    let levels = [Side::Buy, Side::Sell].map(|side| {
        let mut shown: Vec<(Level, u32)> = Vec::with_capacity(window);
        for one in market.levels(listing, side) {
            let px = grain.shown(one.px, side);
            let full = shown.len() == window;
            match shown.last_mut() {
                Some((level, orders)) if level.px == px => {
                    level.qty = Qty(level.qty.0.saturating_add(one.qty.0));
                    *orders += 1;
                }
                _ if full => break,
                _ => shown.push((Level { px, ..one }, 1)),
            }
        }
        let levels = shown.iter().map(|(one, n)| level(one, *n, instrument));
        levels.collect::<Vec<Value>>()
    });
    head(instrument, market, ("levels", json!(levels)))
}

/// The best bid and ask; a side without any is null.
pub(crate) fn touch(market: &dyn Market, listing: usize) -> Value {
    let instrument = &market.listings()[listing].instrument;
    let both = [Side::Buy, Side::Sell].map(|side| {
        let best = market.levels(listing, side).next();
        best.map(|one| level(&one, 1, instrument))
    });
    head(instrument, market, ("bbo", json!(both)))
}

fn head(instrument: &Instrument, market: &dyn Market, (key, value): (&str, Value)) -> Value {
    let time_ms = market.now().as_millis();
    let mut data = json!({"coin": instrument.symbol.as_str(), "time": time_ms});
    data[key] = value;
    data
}

fn level(level: &Level, orders: u32, instrument: &Instrument) -> Value {
    let sz = number(level.qty.0, instrument.qty_scale);
    json!({"px": px(instrument, level.px), "sz": sz, "n": orders})
}

/// Prints, in the order that they are given in.
pub(crate) fn trades(trades: impl Iterator<Item = Trade>, instrument: &Instrument) -> Value {
    let one = |trade: Trade| {
        json!({
            "coin": instrument.symbol.as_str(),
            "side": match trade.taker {
                Side::Buy => "B",
                Side::Sell => "A",
            },
            "px": px(instrument, trade.px),
            "sz": number(trade.qty.0, instrument.qty_scale),
            "time": trade.exch_time.as_millis(),
            "hash": format!("0x{:064x}", trade.id),
            "tid": trade.id,
            "users": ["0x0000000000000000000000000000000000000001",
                      "0x0000000000000000000000000000000000000002"],
        })
    };
    trades.map(one).collect()
}

/// The middle of a book that has both sides.
fn middle(market: &dyn Market, listing: usize) -> Option<String> {
    let best = |side| market.levels(listing, side).next();
    let sum = best(Side::Buy)?.px.0 + best(Side::Sell)?.px.0;
    // Half a unit is five of the next decimal.
    let scale = market.listings()[listing].instrument.px_scale + 1;
    Some(number(sum.unsigned_abs() * 5, scale))
}

/// The middle of every book.
pub(crate) fn mids(market: &dyn Market) -> Value {
    let listings = market.listings().iter().enumerate();
    let mids = listings.filter_map(|(n, listing)| {
        let symbol = listing.instrument.symbol.as_str().to_owned();
        Some((symbol, Value::from(middle(market, n)?)))
    });
    Value::Object(mids.collect())
}

/// What a market did in a day, and its prices. The mark price and the oracle stand at the last
/// price, and nobody holds a position.
pub(crate) fn context(market: &dyn Market, n: usize) -> Value {
    let (instrument, day) = (&market.listings()[n].instrument, market.day(n));
    let last = px(instrument, day.last);
    let mut context = json!({
        "dayNtlVlm": with_point(day.quote(instrument).to_string()),
        "dayBaseVlm": with_point(day.base(instrument).to_string()),
        "prevDayPx": px(instrument, day.open),
        "markPx": last, "midPx": middle(market, n),
    });
    if instrument.kind == Kind::Spot {
        context["coin"] = instrument.symbol.as_str().into();
        context["circulatingSupply"] = "0.0".into();
        context["totalSupply"] = "0.0".into();
        return context;
    }
    let best = |side| market.levels(n, side).next();
    let impact = best(Side::Buy).zip(best(Side::Sell));
    let impact = impact.map(|(bid, ask)| [px(instrument, bid.px), px(instrument, ask.px)]);
    context["oraclePx"] = last.into();
    context["impactPxs"] = json!(impact);
    for (key, value) in [
        ("funding", "0.0000125"),
        ("openInterest", "0.0"),
        ("premium", "0.0"),
    ] {
        context[key] = value.into();
    }
    context
}
