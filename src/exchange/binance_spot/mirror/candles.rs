//! Candles (`klines`), as the markets of the Binance family write them: of the prints that are
//! kept. What is older is flat, as before a market's first print.

use super::ticker::Ticker;
use crate::base::Px;
use crate::exchange::mirror::{Day, Market};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which candles are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candles {
    /// As the client wrote it.
    pub(crate) symbol: String,
    /// How long each is.
    pub(crate) interval_ms: i64,
    /// Not before this time.
    pub(crate) since_ms: Option<i64>,
    /// Not after this time.
    pub(crate) until_ms: Option<i64>,
    /// How many at most.
    pub(crate) limit: usize,
}

/// The length of an interval of this name; a month has thirty days.
pub(crate) fn interval_ms(name: &str) -> Option<i64> {
    let (count, unit) = name.split_at_checked(name.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        "M" => 30 * 86_400_000,
        _ => return None,
    };
    let count: i64 = count
        .parse()
        .ok()
        .filter(|count| (1..=30).contains(count))?;
    Some(count * unit_ms)
}

impl Candles {
    /// Those of this listing, oldest first; `format` is its own.
    pub(crate) fn write(&self, market: &dyn Market, listing: usize, format: &Ticker<'_>) -> Value {
        let place = |ms: i64| ms.div_euclid(self.interval_ms);
        let mut traded: BTreeMap<i64, Day> = BTreeMap::new();
        for trade in market.prints(listing) {
            let day = traded.entry(place(trade.exch_time.as_millis()));
            day.and_modify(|day| day.take(&trade))
                .or_insert_with(|| Day::of(&trade));
        }
        let now = place(market.now().as_millis());
        let last = self.until_ms.map_or(now, |until| place(until).min(now));
        let count = self.limit as i64;
        let first = match self.since_ms {
            Some(since) => place(since.saturating_add(self.interval_ms - 1)).max(0),
            None => (last - count + 1).max(0),
        };
        let mut close = market.day(listing).open;
        if let Some((_, day)) = traded.range(..first).next_back() {
            close = day.last;
        }
        let mut candles = Vec::new();
        for place in first..=last.min(first.saturating_add(count - 1)) {
            let day = traded.get(&place);
            candles.push(self.one(place, day, close, format));
            close = day.map_or(close, |day| day.last);
        }
        Value::from(candles)
    }

    fn one(&self, place: i64, day: Option<&Day>, before: Px, format: &Ticker<'_>) -> Value {
        let opens = place * self.interval_ms;
        let [open, high, low, close] = match day {
            Some(day) => [day.open, day.high, day.low, day.last],
            None => [before; 4],
        }
        .map(|px| format.px(px));
        let none = || (format.px(Px(0)), format.px(Px(0)));
        let (volume, worth) = day.map_or_else(none, |day| format.volumes(day));
        let count = day.map_or(0, |day| day.count);
        let (taker, taker_worth) = none();
        let closes = opens + self.interval_ms - 1;
        json!([
            opens,
            open,
            high,
            low,
            close,
            volume,
            closes,
            worth,
            count,
            taker,
            taker_worth,
            "0"
        ])
    }
}
