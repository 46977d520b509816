//! What one simulated market traded within a day, for tickers. Numbers only.

use super::Listing;
use crate::base::{Decimal, Instrument, Px, Trade, UnixNanos};

/// What tickers tell of.
const DAY_NS: i64 = 86_400_000_000_000;
/// Decimals of a volume in an asset.
const SCALE: u8 = 8;

/// What was traded in one market within a day. Prices and quantities are at the instrument's
/// scales; contracts are not multiplied by their size.
///
/// Invariant: `low <= open, last <= high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// When it began.
    pub since: UnixNanos,
    /// The first price.
    pub open: Px,
    /// The highest.
    pub high: Px,
    /// The lowest.
    pub low: Px,
    /// The newest.
    pub last: Px,
    /// The sum of the quantities.
    pub(crate) volume: u128,
    /// The sum of price times quantity of each print, at both scales together.
    pub(crate) turnover: u128,
    /// Prints.
    pub count: u64,
}

impl Day {
    /// The day before `now` in a market that had no print yet: its price always was `px`, and it
    /// traded what its listing says. A market without a price traded nothing.
    pub(crate) fn quiet(listing: &Listing, px: Px, now: UnixNanos) -> Self {
        let since = UnixNanos(now.0.saturating_sub(DAY_NS));
        if px == Px(0) {
            return Self::nothing(since);
        }
        let (found, contract) = (&listing.instrument, listing.instrument.contract);
        let units = u128::from(px.0.unsigned_abs());
        let scale = power(contract.scale + found.qty_scale);
        let whole = u128::from(listing.volume).saturating_mul(scale);
        // What a contract is worth in the quote asset: its size, times the price if it counts in
        // the base asset.
        let size = u128::from(contract.size.max(1));
        let volume = match contract.inverse {
            true => whole / size,
            false => whole.saturating_mul(power(found.px_scale)) / (size * units),
        };
        // A usual print is a hundred lots.
        let prints = volume / (u128::from(found.lot.0.max(1)) * 100);
        Self {
            since,
            open: px,
            high: px,
            low: px,
            last: px,
            volume,
            turnover: volume.saturating_mul(units),
            count: u64::try_from(prints).unwrap_or(u64::MAX).max(1),
        }
    }

    /// Of no print.
    fn nothing(since: UnixNanos) -> Self {
        let px = Px(0);
        Self {
            since,
            open: px,
            high: px,
            low: px,
            last: px,
            volume: 0,
            turnover: 0,
            count: 0,
        }
    }

    /// Of one print and nothing else.
    pub(crate) fn of(trade: &Trade) -> Self {
        let mut day = Self::nothing(trade.exch_time);
        day.take(trade);
        day
    }

    /// The same after this print.
    pub(crate) fn take(&mut self, trade: &Trade) {
        let (px, qty) = (trade.px, u128::from(trade.qty.0));
        if self.count == 0 {
            (self.open, self.high, self.low) = (px, px, px);
        }
        self.high = self.high.max(px);
        self.low = self.low.min(px);
        self.last = px;
        // A quiet day may already have traded as much as can be counted.
        let worth = u128::from(px.0.unsigned_abs()) * qty;
        self.volume = self.volume.saturating_add(qty);
        self.turnover = self.turnover.saturating_add(worth);
        self.count = self.count.saturating_add(1);
        debug_assert!(self.low <= self.open && self.open <= self.high);
        debug_assert!(self.low <= self.last && self.last <= self.high);
    }

    /// The same, seen at `now`: it begins a day before. What is older stays counted, as the market
    /// began somewhere, too.
    pub(crate) fn at(self, now: UnixNanos) -> Self {
        let since = UnixNanos(now.0.saturating_sub(DAY_NS));
        Self { since, ..self }
    }

    /// The mean price by quantity; the newest price if nothing was traded.
    pub(crate) fn mean(&self) -> Px {
        let mean = self.turnover.checked_div(self.volume);
        mean.and_then(|px| i64::try_from(px).ok())
            .map_or(self.last, Px)
    }

    /// By how much of the first price the newest one is higher, in percent.
    pub(crate) fn percent(&self) -> f64 {
        match self.open.0 {
            0 => 0.0,
            open => (self.last.0 - open) as f64 / open as f64 * 100.0,
        }
    }

    /// What was traded in the base asset of this instrument, whose day it is. An inverse contract
    /// counts at the mean price.
    pub(crate) fn base(&self, instrument: &Instrument) -> Decimal {
        let contract = instrument.contract;
        let size = self.volume.saturating_mul(contract.size.into());
        let scale = instrument.qty_scale + contract.scale;
        if !contract.inverse {
            return decimal(size, scale);
        }
        let mean = u128::from(self.mean().0.unsigned_abs()).max(1);
        let at_mean = size.saturating_mul(power(instrument.px_scale + SCALE)) / mean;
        decimal(at_mean, scale + SCALE)
    }

    /// How many contracts of this instrument, whose day it is, were traded.
    pub(crate) fn contracts(&self, instrument: &Instrument) -> Decimal {
        decimal(self.volume, instrument.qty_scale)
    }

    /// What was traded in the quote asset of this instrument, whose day it is.
    pub(crate) fn quote(&self, instrument: &Instrument) -> Decimal {
        let contract = instrument.contract;
        let scale = instrument.qty_scale + contract.scale;
        match contract.inverse {
            true => decimal(self.volume.saturating_mul(contract.size.into()), scale),
            false => decimal(
                self.turnover.saturating_mul(contract.size.into()),
                scale + instrument.px_scale,
            ),
        }
    }
}

/// `units` of 10^-`scale` with [`SCALE`] decimals; what is finer is cut off.
fn decimal(units: u128, scale: u8) -> Decimal {
    let units = match scale >= SCALE {
        true => units / power(scale - SCALE),
        false => units.saturating_mul(power(SCALE - scale)),
    };
    Decimal {
        units,
        scale: SCALE,
    }
}

fn power(scale: u8) -> u128 {
    10u128.checked_pow(u32::from(scale)).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{InstrumentId, Qty, Side};
    use crate::exchange::by_name;

    fn listing(exchange: &str) -> Listing {
        let mirror = by_name(exchange).unwrap().mirror();
        Listing {
            instrument: mirror.list("BTC", mirror.quote(), 1, 3),
            volume: 1_000_000,
        }
    }

    #[test]
    fn a_quiet_day_traded_at_one_price_what_the_listing_says() {
        let now = UnixNanos(2 * DAY_NS);
        for (exchange, px) in [("binance-usdm", 500_000), ("binance-coinm", 500_000)] {
            let listing = listing(exchange);
            let day = Day::quiet(&listing, Px(px), now);
            let found = &listing.instrument;
            assert_eq!(day.since, UnixNanos(DAY_NS));
            assert_eq!(
                (day.open, day.high, day.low),
                (day.last, day.last, day.last)
            );
            assert_eq!((day.last, day.mean()), (Px(px), Px(px)));
            assert_eq!(day.base(found).to_string(), "20");
            assert_eq!(day.quote(found).to_string(), "1000000");
            let contracts = 1_000_000
                / match found.contract.inverse {
                    true => found.contract.size,
                    false => 50_000,
                };
            assert_eq!(day.contracts(found).to_string(), contracts.to_string());
        }
    }

    fn print(px: i64, qty: u64) -> Trade {
        Trade {
            instrument: InstrumentId(0),
            id: 1,
            px: Px(px),
            qty: Qty(qty),
            taker: Side::Buy,
            exch_time: UnixNanos(0),
        }
    }

    #[test]
    fn a_market_without_a_price_traded_nothing_and_its_first_print_is_all_of_its_day() {
        for exchange in ["binance", "binance-usdm", "binance-coinm"] {
            let mut day = Day::quiet(&listing(exchange), Px(0), UnixNanos(DAY_NS));
            assert_eq!((day.volume, day.turnover, day.count), (0, 0, 0));
            assert_eq!(day.mean(), Px(0));
            let first = print(500_000, 7);
            day.take(&first);
            assert_eq!(day, Day::of(&first));
        }
    }

    #[test]
    fn a_day_that_traded_more_than_can_be_counted_goes_on() {
        let mut listing = listing("binance");
        listing.volume = u64::MAX;
        for (px, px_scale, qty_scale) in [(1, 8, 8), (1, 18, 18), (1, 18, 0), (i64::MAX, 0, 18)] {
            (listing.instrument.px_scale, listing.instrument.qty_scale) = (px_scale, qty_scale);
            listing.instrument.lot = Qty(1);
            let mut day = Day::quiet(&listing, Px(px), UnixNanos(0));
            let before = day;
            day.take(&print(px, u64::MAX));
            assert!(day.volume >= before.volume && day.turnover >= before.turnover);
            assert!(day.count >= before.count);
        }
    }

    #[test]
    fn prints_move_the_prices_and_add_up() {
        let listing = listing("binance-usdm");
        let mut day = Day::quiet(&listing, Px(500_000), UnixNanos(0));
        for (px, qty) in [(500_010, 1_000), (499_990, 2_000)] {
            let trade = print(px, qty);
            day.take(&trade);
            let alone = Day::of(&trade);
            assert_eq!(alone.mean(), Px(px));
            let worth = alone.quote(&listing.instrument);
            assert_eq!(worth.units, u128::from(qty) * px as u128 * 10_000);
        }
        assert_eq!(
            [day.open, day.high, day.low, day.last],
            [500_000, 500_010, 499_990, 499_990].map(Px)
        );
        assert_eq!(day.percent(), -0.002);
        assert_eq!(day.base(&listing.instrument).to_string(), "23");
        assert_eq!(day.quote(&listing.instrument).to_string(), "1149999");
    }

    #[test]
    fn a_change_is_in_percent_of_the_first_price() {
        let listing = listing("binance");
        let change = |open, last| {
            let day = Day::quiet(&listing, Px(open), UnixNanos(0));
            let last = Px(last);
            Day { last, ..day }.percent()
        };
        assert_eq!(change(1_000, 1_250), 25.0);
        assert_eq!(change(1_000, 950), -5.0);
        assert_eq!(change(1_000, 1_000), 0.0);
        assert_eq!(change(0, 0), 0.0);
    }
}
