//! What one instrument has traded: its newest prints, and the statistics of a day. Keeps a limit;
//! makes no print of its own.

use crate::base::{Trade, UnixNanos};
use crate::exchange::mirror::Day;
use std::collections::VecDeque;

/// Prints of one instrument, at most: what most exchanges give at once. They take 40 KB.
pub(crate) const PRINTS_MAX: usize = 1_000;
/// Prints of all instruments of one exchange, about: 4 MB, so that fourteen exchanges of a thousand
/// instruments each take 56 MB.
pub(crate) const PRINTS_PER_EXCHANGE: usize = 100_000;

/// Prints that an exchange of this many instruments keeps of each.
pub(crate) fn prints_max(instruments: usize) -> usize {
    (PRINTS_PER_EXCHANGE / instruments.max(1)).min(PRINTS_MAX)
}

/// What one instrument has traded.
///
/// Invariant: at most `prints_max` prints, oldest first.
#[derive(Debug)]
pub(crate) struct Newest {
    prints: VecDeque<Trade>,
    prints_max: usize,
    day: Day,
}

impl Newest {
    /// Before the first print of one of this many markets; `quiet` is its day so far.
    pub(crate) fn open(quiet: Day, instruments: usize) -> Self {
        Self {
            prints: VecDeque::new(),
            prints_max: prints_max(instruments),
            day: quiet,
        }
    }

    /// Takes a print in.
    pub(crate) fn take(&mut self, trade: &Trade) {
        if self.prints.len() >= self.prints_max {
            self.prints.pop_front();
        }
        self.prints.push_back(*trade);
        self.day.take(trade);
        debug_assert!(self.prints.len() <= self.prints_max);
    }

    /// The newest prints, newest last.
    pub(crate) fn prints(&self) -> impl DoubleEndedIterator<Item = Trade> {
        self.prints.iter().copied()
    }

    /// The day before `now`.
    pub(crate) fn day(&self, now: UnixNanos) -> Day {
        self.day.at(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::market::{coins, listed};
    use super::super::simulated::Venue;
    use super::*;
    use crate::base::{Nanos, Side};
    use crate::exchange::by_name;
    use crate::exchange::mirror::{Happened, Market as _};

    fn venue(exchange: &str, instruments: usize) -> Venue {
        let exchange = by_name(exchange).unwrap();
        let market = listed(exchange.mirror(), &coins(instruments), None);
        Venue::flow(exchange, market, 1, UnixNanos(1_750_000_000_000_000_000))
    }

    #[test]
    fn a_market_keeps_its_newest_prints_and_knows_what_they_make() {
        let mut venue = venue("binance", 1);
        let before = venue.day(0);
        let mut all: Vec<Trade> = Vec::new();
        assert_eq!(venue.prints(0).count(), 0);
        while venue.step(Nanos::from_secs(60)) {
            all.extend(venue.events.drain(..).filter_map(|event| match event {
                Happened::Trade(trade) => Some(trade),
                Happened::Depth { .. } | Happened::Quote(_) => None,
            }));
        }
        assert!(all.len() > PRINTS_MAX);
        let kept: Vec<Trade> = venue.prints(0).collect();
        assert_eq!(kept, all[all.len() - PRINTS_MAX..]);
        let day = venue.day(0);
        assert_eq!(day.open, before.open);
        assert_eq!(day.last, kept[PRINTS_MAX - 1].px);
        let prices = || all.iter().map(|trade| trade.px).chain([before.open]);
        assert_eq!(Some(day.high), prices().max());
        assert_eq!(Some(day.low), prices().min());
        let base = |day: &Day| day.base(&venue.listings()[0].instrument).units;
        let traded: u128 = all.iter().map(|trade| u128::from(trade.qty.0)).sum();
        let scale = venue.listings()[0].instrument.qty_scale;
        assert_eq!(
            base(&day) - base(&before),
            traded * 10u128.pow((8 - scale).into())
        );
        assert_eq!(day.count, before.count + all.len() as u64);
        assert!(day.low <= day.mean() && day.mean() <= day.high);
    }

    #[test]
    fn before_the_first_print_the_price_is_the_middle_and_the_volume_the_listings() {
        for exchange in ["binance", "binance-coinm"] {
            let venue = venue(exchange, 3);
            for (n, listing) in venue.listings().iter().enumerate() {
                let day = venue.day(n);
                let best = |side| venue.levels(n, side).next().unwrap().px;
                assert!(best(Side::Buy) <= day.last && day.last < best(Side::Sell));
                let quote = day.quote(&listing.instrument);
                let worth = quote.units / 10u128.pow(quote.scale.into());
                let off = worth.abs_diff(listing.volume.into());
                assert!(off * 1_000 < listing.volume.into(), "{listing:?} {worth}");
            }
        }
    }

    #[test]
    fn a_thousand_instruments_keep_a_hundred_prints_each_and_a_few_a_thousand() {
        let kept = [1, 100, 400, 1_000].map(prints_max);
        assert_eq!(kept, [1_000, 1_000, 250, 100]);
        assert!(size_of::<Trade>() <= 40);
    }
}
