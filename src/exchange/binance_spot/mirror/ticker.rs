//! What was traded within a day, as the markets of the Binance family write it: REST tickers and
//! ticker streams. Writes what the market tells; keeps nothing.

use super::{TimeUnit, pad_text, padded};
use crate::base::{Decimal, Instrument, Level, Px, Qty, Side, Trade, UnixNanos};
use crate::exchange::kit::text::push_fixed;
use crate::exchange::mirror::{Day, Market};
use serde_json::{Value, json};

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decimals {
    /// With eight decimals at least, as at the spot market.
    Eight,
    /// With those of the instrument, as at the futures markets.
    Own,
}

/// One instrument's day at one moment.
pub(crate) struct Ticker<'m> {
    instrument: &'m Instrument,
    decimals: Decimals,
    unit: TimeUnit,
    now: UnixNanos,
    day: Day,
    bid: Option<Level>,
    ask: Option<Level>,
    last: Option<Trade>,
}

impl<'m> Ticker<'m> {
    /// That of this listing, as it is now; times are in `unit`.
    pub(crate) fn of(
        market: &'m dyn Market,
        listing: usize,
        decimals: Decimals,
        unit: TimeUnit,
    ) -> Self {
        Self {
            instrument: &market.listings()[listing].instrument,
            decimals,
            unit,
            now: market.now(),
            day: market.day(listing),
            bid: market.levels(listing, Side::Buy).next(),
            ask: market.levels(listing, Side::Sell).next(),
            last: market.prints(listing).next_back(),
        }
    }

    /// What REST says of a day: all but the book.
    pub(crate) fn window(&self) -> Value {
        let mut all = self.mini();
        all["priceChange"] = self.change().into();
        all["priceChangePercent"] = self.percent().into();
        all["weightedAvgPrice"] = self.px(self.day.mean()).into();
        all
    }

    /// The same with the book and the newest print.
    pub(crate) fn full(&self) -> Value {
        let mut all = self.window();
        let (bid, bid_qty) = self.level(self.bid);
        let (ask, ask_qty) = self.level(self.ask);
        all["prevClosePrice"] = self.px(self.day.open).into();
        all["lastQty"] = self.last_qty().into();
        all["bidPrice"] = bid.into();
        all["bidQty"] = bid_qty.into();
        all["askPrice"] = ask.into();
        all["askQty"] = ask_qty.into();
        all
    }

    /// What REST says if little is asked for.
    pub(crate) fn mini(&self) -> Value {
        let (volume, worth) = self.volumes(&self.day);
        let (first, last) = self.ids();
        json!({
            "symbol": self.instrument.symbol.as_str(),
            "openPrice": self.px(self.day.open),
            "highPrice": self.px(self.day.high),
            "lowPrice": self.px(self.day.low),
            "lastPrice": self.px(self.day.last),
            "volume": volume,
            "quoteVolume": worth,
            "openTime": self.unit.of(self.day.since),
            "closeTime": self.unit.of(self.now),
            "firstId": first,
            "lastId": last,
            "count": self.day.count,
        })
    }

    /// The newest price.
    pub(crate) fn price(&self) -> Value {
        json!({"symbol": self.instrument.symbol.as_str(), "price": self.px(self.day.last)})
    }

    /// The best bid and ask.
    pub(crate) fn best(&self) -> Value {
        let (bid, bid_qty) = self.level(self.bid);
        let (ask, ask_qty) = self.level(self.ask);
        json!({
            "symbol": self.instrument.symbol.as_str(),
            "bidPrice": bid,
            "bidQty": bid_qty,
            "askPrice": ask,
            "askQty": ask_qty,
        })
    }

    /// A `24hrMiniTicker`.
    pub(crate) fn mini_event(&self) -> Value {
        let (volume, worth) = self.volumes(&self.day);
        json!({
            "e": "24hrMiniTicker",
            "E": self.unit.of(self.now),
            "s": self.instrument.symbol.as_str(),
            "c": self.px(self.day.last),
            "o": self.px(self.day.open),
            "h": self.px(self.day.high),
            "l": self.px(self.day.low),
            "v": volume,
            "q": worth,
        })
    }

    /// A `24hrTicker`, all but the book.
    pub(crate) fn event(&self) -> Value {
        let (first, last) = self.ids();
        let mut all = self.mini_event();
        all["e"] = "24hrTicker".into();
        all["p"] = self.change().into();
        all["P"] = self.percent().into();
        all["w"] = self.px(self.day.mean()).into();
        all["Q"] = self.last_qty().into();
        all["O"] = self.unit.of(self.day.since).into();
        all["C"] = self.unit.of(self.now).into();
        all["F"] = first.into();
        all["L"] = last.into();
        all["n"] = self.day.count.into();
        all
    }

    /// The same with the book.
    pub(crate) fn full_event(&self) -> Value {
        let mut all = self.event();
        let (bid, bid_qty) = self.level(self.bid);
        let (ask, ask_qty) = self.level(self.ask);
        all["x"] = self.px(self.day.open).into();
        all["b"] = bid.into();
        all["B"] = bid_qty.into();
        all["a"] = ask.into();
        all["A"] = ask_qty.into();
        all
    }

    /// A price as this market writes it.
    pub(crate) fn px(&self, Px(units): Px) -> String {
        self.number(units.unsigned_abs(), self.instrument.px_scale)
    }

    /// A quantity, likewise.
    pub(crate) fn qty(&self, Qty(units): Qty) -> String {
        self.number(units, self.instrument.qty_scale)
    }

    /// A number that has decimals of its own.
    pub(crate) fn decimal(&self, number: Decimal) -> String {
        match self.decimals {
            Decimals::Eight => pad_text(number.to_string()),
            Decimals::Own => number.to_string(),
        }
    }

    /// The size of the newest print.
    pub(crate) fn last_qty(&self) -> String {
        self.qty(self.last.map_or(Qty(0), |trade| trade.qty))
    }

    fn number(&self, units: u64, scale: u8) -> String {
        match self.decimals {
            Decimals::Eight => padded(units, scale),
            Decimals::Own => {
                let mut text = String::new();
                push_fixed(&mut text, units, scale);
                text
            }
        }
    }

    fn level(&self, level: Option<Level>) -> (String, String) {
        let (px, qty) = level.map_or((Px(0), Qty(0)), |level| (level.px, level.qty));
        (self.px(px), self.qty(qty))
    }

    /// The numbers of the first and the last print; -1 before there is one.
    fn ids(&self) -> (i64, i64) {
        let Some(last) = self.last else {
            return (-1, -1);
        };
        let earlier = self.day.count.saturating_sub(1);
        (last.id.saturating_sub(earlier) as i64, last.id as i64)
    }

    /// What was traded: in the base asset and in the quote asset; if contracts are inverse, how
    /// many of them, and in the base asset.
    pub(crate) fn volumes(&self, day: &Day) -> (String, String) {
        let base = self.decimal(day.base(self.instrument));
        match self.instrument.contract.inverse {
            true => (self.decimal(day.contracts(self.instrument)), base),
            false => (base, self.decimal(day.quote(self.instrument))),
        }
    }

    fn change(&self) -> String {
        let change = self.day.last.0 - self.day.open.0;
        let sign = if change < 0 { "-" } else { "" };
        format!("{sign}{}", self.px(Px(change)))
    }

    /// With three decimals.
    fn percent(&self) -> String {
        let change = i128::from(self.day.last.0 - self.day.open.0);
        let parts = change * 100_000 / i128::from(self.day.open.0.max(1));
        let sign = if parts < 0 { "-" } else { "" };
        let parts = parts.unsigned_abs();
        format!("{sign}{}.{:03}", parts / 1_000, parts % 1_000)
    }
}
