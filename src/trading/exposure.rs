//! The account's book of what it has and of what its orders may still make of that: per strategy,
//! exchange and in total, valued in quote assets. Refuses nothing: risk compares it with limits.
//!
//! A position is the sum of all fills, and of what was restored. What an order may still trade
//! counts at its worst, also in doubt and while its cancel is under way: it is over when the
//! exchange says so. Values are integers of 10^-[`VALUE_SCALE`] of a quote asset, rounded against
//! us; assets are not converted into each other, and each has sums of its own.
//!
//! | what | counts at |
//! |---|---|
//! | exposure | the middle of the last book that was complete and not crossed |
//! | a position's worth | its best bid if we are long, its best ask if we are short |
//! | either, before the first book | the worst of its orders' limits, its fills and its entry |
//! | an inverse contract's exposure | its size, whatever the price |
//!
//! What does not fit into these numbers is not guessed: the sums that it belongs to say that they
//! are not whole.

mod cell;
mod seat;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;

use super::orders::Moved;
pub(crate) use crate::base::VALUE_SCALE;
use crate::base::event::EVENT_LEVELS;
use crate::base::{
    Asset, DayGain, Fill, Instrument, InstrumentId, Place, Px, Side, StrategyId, Top,
};
pub(crate) use cell::Cell;
use cell::Worth;
use seat::Seat;

/// Whose sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of a strategy.
    Strategy(StrategyId),
    /// Those of an instrument's exchange.
    Exchange(InstrumentId),
    /// Those of all.
    All,
}

/// Sums over instruments with one quote asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    /// What the position is worth if all that buys is filled and nothing that sells.
    pub(crate) high: i128,
    /// What it is worth if all that sells is filled and nothing that buys; below zero if short.
    pub(crate) low: i128,
    /// The larger of the two of each instrument, without its sign.
    pub(crate) gross: i128,
    /// What was gained or lost since the beginning, fees that are paid in base or quote included.
    pub(crate) gain: i128,
    /// Instruments that are not in the sums, because they do not fit.
    pub(crate) uncounted: u32,
    /// The gain at which the day began, and the largest since.
    day: i128,
    peak: i128,
}

impl Sums {
    /// What was lost of this day's beginning.
    pub(crate) fn loss(&self) -> i128 {
        self.day - self.gain
    }

    /// What was lost of this day's best moment.
    pub(crate) fn drawdown(&self) -> i128 {
        self.peak - self.gain
    }

    fn begin(&mut self) {
        (self.day, self.peak) = (self.gain, self.gain);
    }

    /// Each worth is below 2^100, and there are fewer than 2^17 instruments.
    fn replace(&mut self, old: &Worth, new: &Worth) {
        self.high += new.high - old.high;
        self.low += new.low - old.low;
        self.gross += new.gross - old.gross;
        self.gain += new.gain - old.gain;
        self.uncounted = self.uncounted + u32::from(new.uncounted) - u32::from(old.uncounted);
        self.peak = self.peak.max(self.gain);
    }
}

/// The book.
///
/// Invariant: the account's cell of an instrument is the sum of the strategies' cells; sums are
/// those of their cells' worths.
#[derive(Debug)]
pub(crate) struct Exposure {
    /// By instrument id.
    seats: Vec<Seat>,
    /// The account's, by instrument id, and then each strategy's.
    cells: Vec<Cell>,
    /// By scope and quote asset.
    sums: Vec<Sums>,
    /// Strategies that have sums of their own; the last one is everybody else, and nobody.
    strategies: usize,
    exchanges: usize,
    quotes: Vec<Asset>,
}

impl Exposure {
    /// Nothing is held. `instruments` is the run's table; the first `strategies` strategies have
    /// sums of their own.
    pub(crate) fn new(instruments: &[Instrument], strategies: usize) -> Self {
        let (mut quotes, mut exchanges) = (Vec::<Asset>::new(), Vec::<&str>::new());
        let seats: Vec<Seat> = instruments
            .iter()
            .map(|instrument| {
                let quote = place_of(&mut quotes, instrument.quote);
                let exchange = place_of(&mut exchanges, instrument.exchange);
                Seat::new(instrument, quote, exchange)
            })
            .collect();
        let (strategies, exchanges) = (strategies + 1, exchanges.len());
        Self {
            cells: vec![Cell::default(); (1 + strategies) * seats.len()],
            sums: vec![Sums::default(); (1 + strategies + exchanges) * quotes.len()],
            seats,
            strategies,
            exchanges,
            quotes,
        }
    }

    /// Marks an instrument by its book. True if something is held or ordered of it.
    pub(crate) fn handle_book(&mut self, id: InstrumentId, top: &Top<EVENT_LEVELS>) -> bool {
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return false;
        };
        if !top.complete(1)
            || !top
                .best()
                .is_some_and(|(bid, ask)| seat.mark(bid.px, ask.px))
        {
            return false;
        }
        let held = !self.cells[id.index()].is_idle(seat);
        if held {
            self.value_all(id);
        }
        held
    }

    /// An order may trade another amount, and traded.
    pub(crate) fn handle_moved(&mut self, moved: &Moved) {
        let (id, side) = (moved.instrument, moved.side);
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return;
        };
        let mut widened = seat.widen(moved.px);
        if let Some(fill) = &moved.fill {
            widened |= seat.widen(fill.px);
        }
        let seat = &self.seats[id.index()];
        for at in self.places(id, moved.strategy) {
            let cell = &mut self.cells[at];
            cell.move_pending(side, moved.before, moved.after);
            if let Some(fill) = &moved.fill {
                cell.add(seat, fill);
            }
        }
        self.settle(id, moved.strategy, widened);
    }

    /// The account traded, by no order that is known.
    pub(crate) fn handle_stray(&mut self, id: InstrumentId, fill: &Fill) {
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return;
        };
        let widened = seat.widen(fill.px);
        let seat = &self.seats[id.index()];
        for at in self.places(id, StrategyId::NONE) {
            self.cells[at].add(seat, fill);
        }
        self.settle(id, StrategyId::NONE, widened);
    }

    /// Until its first book an instrument counts at this price at least.
    pub(crate) fn hint(&mut self, id: InstrumentId, px: Px) {
        let seat = self.seats.get_mut(id.index());
        if seat.is_some_and(|seat| seat.widen(px)) {
            self.value_all(id);
        }
    }

    /// A position that was there before, bought at `entry`. Without one it neither gained nor lost
    /// anything until its first book.
    pub(crate) fn restore(
        &mut self,
        strategy: StrategyId,
        id: InstrumentId,
        qty: i128,
        entry: Option<Px>,
    ) {
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return;
        };
        let widened = entry.is_some_and(|px| seat.widen(px));
        let seat = &self.seats[id.index()];
        for at in self.places(id, strategy) {
            self.cells[at].restore(seat, qty, entry);
        }
        self.settle(id, strategy, widened);
    }

    /// The instrument is listed with other numbers. What is held of it is kept at the old ones
    /// while orders of it are open: those, and their fills, are at the old ones, too. If the exit
    /// keeps to its scales it is for good.
    pub(crate) fn relist(&mut self, id: InstrumentId, listed: &Instrument, keeps_scales: bool) {
        if let Some(seat) = self.seats.get_mut(id.index()) {
            seat.await_listing(listed, keeps_scales);
            self.settle(id, StrategyId::NONE, false);
        }
    }

    /// The best prices of its last book, at the numbers of [`Self::listing`]; `None` before the
    /// first one.
    pub(crate) fn touch(&self, id: InstrumentId) -> Option<(Px, Px)> {
        self.seats.get(id.index())?.touch()
    }

    /// The listing that all of it is counted at.
    pub(crate) fn listing(&self, id: InstrumentId) -> Option<&Instrument> {
        self.seats.get(id.index()).map(Seat::listing)
    }

    /// Whether its orders are at the numbers that it is listed with.
    pub(crate) fn is_settled(&self, id: InstrumentId) -> bool {
        let seat = self.seats.get(id.index());
        seat.is_some_and(Seat::is_settled)
    }

    /// The account's cell of an instrument, and a strategy's.
    pub(crate) fn cells(&self, id: InstrumentId, strategy: StrategyId) -> Option<[&Cell; 2]> {
        self.seats.get(id.index())?;
        Some(self.places(id, strategy).map(|at| &self.cells[at]))
    }

    /// A scope's sums of the instruments with this one's quote asset.
    pub(crate) fn sums(&self, scope: Scope, id: InstrumentId) -> Sums {
        let seat = self.seats.get(id.index());
        let sums = seat.map(|seat| self.sums[self.place(scope, seat)]);
        sums.unwrap_or_default()
    }

    /// The sums of the strategy, the exchange and in total as they would be with this order, too;
    /// `None` if they would not be whole.
    pub(crate) fn with(&self, place: &Place) -> Option<[Sums; 3]> {
        let id = place.instrument;
        let seat = self.seats.get(id.index())?;
        let rate = seat.rate_with(place.px)?;
        let [account, own] = self.places(id, place.strategy).map(|at| {
            let cell = &self.cells[at];
            let (then, old) = (cell.with(place.side, place.qty), cell.worth());
            let new = then.exposed(rate, old.gain).filter(|_| !old.uncounted);
            Some((old, new?))
        });
        let sums = |scope, (old, new): (Worth, Worth)| {
            let mut sums = self.sums[self.place(scope, seat)];
            sums.replace(&old, &new);
            (sums.uncounted == 0).then_some(sums)
        };
        Some([
            sums(Scope::Strategy(place.strategy), own?)?,
            sums(Scope::Exchange(id), account?)?,
            sums(Scope::All, account?)?,
        ])
    }

    /// A day begins: gains and losses count from here.
    pub(crate) fn begin_day(&mut self) {
        self.sums.iter_mut().for_each(Sums::begin);
    }

    /// The gains and losses of one scope count from here.
    pub(crate) fn begin_again(&mut self, scope: Scope) {
        let from = match scope {
            Scope::Strategy(strategy) => self.seat_of(strategy) * self.quotes.len(),
            Scope::Exchange(_) => return, // Nothing is limited there.
            Scope::All => self.row_of_all(),
        };
        let of = &mut self.sums[from..from + self.quotes.len()];
        of.iter_mut().for_each(Sums::begin);
    }

    /// What each strategy, and all together, gained of this day, if they did anything.
    pub(crate) fn days(&self) -> impl Iterator<Item = DayGain> {
        let strategies = (0..self.strategies - 1).map(|at| {
            let strategy = StrategyId(u8::try_from(at).unwrap_or(u8::MAX));
            (strategy, at * self.quotes.len())
        });
        let all = strategies.chain([(StrategyId::NONE, self.row_of_all())]);
        all.flat_map(move |(strategy, from)| {
            let quotes = self.quotes.iter().zip(&self.sums[from..]);
            quotes.filter_map(move |(quote, sums)| {
                let (gained, best) = (sums.gain - sums.day, sums.peak - sums.day);
                (gained != 0 || best != 0).then_some(DayGain {
                    strategy,
                    quote: *quote,
                    gained,
                    best,
                })
            })
        })
    }

    /// So much was gained of this day up to here.
    pub(crate) fn resume_day(&mut self, day: &DayGain) {
        let quote = self.quotes.iter().position(|quote| *quote == day.quote);
        let from = match day.strategy {
            StrategyId::NONE => Some(self.row_of_all()),
            StrategyId(at) if usize::from(at) + 1 < self.strategies => {
                Some(usize::from(at) * self.quotes.len())
            }
            StrategyId(_) => None, // It has no sums of its own.
        };
        if let Some((from, quote)) = from.zip(quote) {
            let sums = &mut self.sums[from + quote];
            sums.day = sums.gain.saturating_sub(day.gained);
            sums.peak = sums.day.saturating_add(day.best).max(sums.gain);
        }
    }

    /// An instrument was valued at this touch before: it is until its first book.
    pub(crate) fn mark(&mut self, id: InstrumentId, bid: Px, ask: Px) {
        let seat = self.seats.get_mut(id.index());
        if seat.is_some_and(|seat| seat.remember(bid, ask)) {
            self.value_all(id);
        }
    }

    /// The touch that an instrument is valued at.
    pub(crate) fn marked(&self, id: InstrumentId) -> Option<(Px, Px)> {
        self.seats.get(id.index())?.valued_at()
    }

    /// Instruments of which something is held or ordered.
    pub(crate) fn held(&self) -> impl Iterator<Item = InstrumentId> {
        let cells = self.cells.iter().zip(&self.seats).enumerate();
        let held = cells.filter(|(_, (cell, seat))| !cell.is_idle(seat));
        held.map(|(at, _)| InstrumentId(u16::try_from(at).unwrap_or(u16::MAX)))
    }

    fn row_of_all(&self) -> usize {
        (self.strategies + self.exchanges) * self.quotes.len()
    }

    fn seat_of(&self, strategy: StrategyId) -> usize {
        strategy.index().min(self.strategies - 1)
    }

    /// Where the account's cell is, and the strategy's.
    fn places(&self, id: InstrumentId, strategy: StrategyId) -> [usize; 2] {
        let row = self.seats.len();
        [id.index(), (1 + self.seat_of(strategy)) * row + id.index()]
    }

    fn place(&self, scope: Scope, seat: &Seat) -> usize {
        let row = match scope {
            Scope::Strategy(strategy) => self.seat_of(strategy),
            Scope::Exchange(_) => self.strategies + seat.exchange(),
            Scope::All => self.strategies + self.exchanges,
        };
        row * self.quotes.len() + seat.quote()
    }

    /// Values what a change of one strategy's orders or positions changed, or all of it.
    fn settle(&mut self, id: InstrumentId, strategy: StrategyId, all: bool) {
        let orders = self.cells[id.index()].has_orders();
        match self.seats[id.index()].take_listing(orders) {
            Some(from) => {
                for row in 0..=self.strategies {
                    let at = row * self.seats.len() + id.index();
                    self.cells[at].rescale(from, self.seats[id.index()].qty_scale());
                }
                self.value_all(id);
            }
            None if all => self.value_all(id),
            None => {
                let [account, own] = self.places(id, strategy);
                self.value(id, account);
                self.value(id, own);
            }
        }
    }

    fn value_all(&mut self, id: InstrumentId) {
        for row in 0..=self.strategies {
            let at = row * self.seats.len() + id.index();
            if row == 0 || !self.cells[at].is_idle(&self.seats[id.index()]) {
                self.value(id, at);
            }
        }
    }

    /// Values one cell, and keeps the sums.
    fn value(&mut self, id: InstrumentId, at: usize) {
        let seat = &self.seats[id.index()];
        let old = self.cells[at].worth();
        let new = self.cells[at].value(seat);
        let scopes = match at / self.seats.len() {
            0 => [Some(Scope::Exchange(id)), Some(Scope::All)],
            row => [Some(Scope::Strategy(StrategyId((row - 1) as u8))), None],
        };
        for scope in scopes.into_iter().flatten() {
            let place = self.place(scope, seat);
            self.sums[place].replace(&old, &new);
        }
        self.check(id);
    }

    fn check(&self, id: InstrumentId) {
        let account = &self.cells[id.index()];
        let sums = &self.sums[self.place(Scope::All, &self.seats[id.index()])];
        debug_assert!(sums.gross >= 0);
        debug_assert!(sums.low <= sums.high);
        debug_assert!(sums.gain <= sums.peak);
        debug_assert!(account.is_sane());
    }
}

fn place_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter()
        .position(|known| *known == one)
        .unwrap_or_else(|| {
            all.push(one);
            all.len() - 1
        })
}

/// What a position of this side is: above zero if bought.
pub(crate) fn signed(side: Side, qty: u64) -> i128 {
    match side {
        Side::Buy => i128::from(qty),
        Side::Sell => -i128::from(qty),
    }
}
