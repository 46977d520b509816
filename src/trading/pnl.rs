//! Profit and loss: per strategy and instrument, and in total. Owns the positions; knows no order,
//! refuses nothing, and takes prices as they are given.
//!
//! | what | is |
//! |---|---|
//! | position | what was bought, less what was sold |
//! | average price | what its units cost, by average cost: [`Position`] has the formula |
//! | realised | what was taken in, less what was paid, and the position's cost added again |
//! | unrealised | what the position is worth at the middle of the book, less its cost |
//! | unrealised at worst | the same at its best bid if it is long, at its best ask if it is short |
//! | fees | what the exchange took, in the asset that it took |
//! | their value | that at the middle of the book, now: it is what the account lacks |
//! | total | realised + unrealised - value of the fees |
//!
//! So a total is what the account has more of each asset, at one time's prices, and not what each
//! of it was worth when it came. All of it is in the asset that the instrument is paid in. A fee in
//! the base asset leaves less of a position to be sold. A fee in any other asset is valued if an
//! instrument of the run has its price in what is paid with, and its total says if one is not.
//!
//! Realised, fees and flows are this run's. A position that an earlier run left keeps the cost that
//! it had.

mod flow;
mod row;
#[cfg(test)]
mod tests;

pub(crate) use crate::base::ASSET_SCALE;
use crate::base::{Asset, Fee, Fill, Instrument, InstrumentId, Position, Px, StrategyId};
pub(crate) use row::{Row, Total, totals};

/// Assets that fees of one strategy and instrument are paid in, at most.
const FEE_ASSETS: usize = 4;

/// What was taken in one asset, and what that is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Charge {
    /// In what.
    pub(crate) asset: Asset,
    /// How much, in units of 10^-[`ASSET_SCALE`]; below zero if more was given.
    pub(crate) units: i128,
    /// Its value, at the scale of its row; `None` if nobody knows.
    pub(crate) value: Option<i128>,
}

/// What is kept of a strategy and an instrument beside the position.
#[derive(Debug, Clone, Copy, Default)]
struct Book {
    /// The position that an earlier run left.
    before: Position,
    fills: u64,
    /// One after another, without a gap.
    fees: [Option<Charge>; FEE_ASSETS],
    /// Something did not fit.
    lost: bool,
}

/// Positions, their cost, and fees.
///
/// Invariant: a position is what an earlier run left and this run's fills.
#[derive(Debug)]
pub(crate) struct Pnl {
    /// The listings that positions are counted at, by instrument id.
    instruments: Vec<Instrument>,
    /// By strategy, then by instrument; those of the last strategy are nobody's.
    positions: Vec<Position>,
    /// As `positions`.
    books: Vec<Book>,
    strategies: usize,
}

impl Pnl {
    /// Nothing is held. `instruments` is the run's table.
    pub(crate) fn new(instruments: &[Instrument], strategies: usize) -> Self {
        let strategies = strategies + 1;
        Self {
            instruments: instruments.to_vec(),
            positions: vec![Position::default(); strategies * instruments.len()],
            books: vec![Book::default(); strategies * instruments.len()],
            strategies,
        }
    }

    /// A strategy's positions, by instrument id.
    pub(crate) fn positions(&self, strategy: StrategyId) -> &[Position] {
        let from = self.seat(strategy) * self.instruments.len();
        &self.positions[from..from + self.instruments.len()]
    }

    /// An earlier run left this position.
    pub(crate) fn restore(&mut self, strategy: StrategyId, id: InstrumentId, held: Position) {
        if let Some(at) = self.place(strategy, id) {
            self.positions[at] = held;
            self.books[at].before = held;
        }
    }

    /// An order of the strategy traded, or nobody's did.
    pub(crate) fn handle_fill(&mut self, strategy: StrategyId, id: InstrumentId, fill: &Fill) {
        let Some(at) = self.place(strategy, id) else {
            return;
        };
        let book = &mut self.books[at];
        book.fills += 1;
        book.lost |= !self.positions[at].add(&self.instruments[id.index()], fill);
        if let Some(fee) = &fill.fee {
            book.lost |= book.take(fee).is_none();
        }
    }

    /// What is held of it is counted at this listing from here on.
    pub(crate) fn relist(&mut self, id: InstrumentId, listed: &Instrument) {
        let Some(was) = self.instruments.get(id.index()).copied() else {
            return;
        };
        let scales = |of: &Instrument| (of.px_scale, of.qty_scale);
        if scales(&was) == scales(listed) {
            return;
        }
        for strategy in 0..self.strategies {
            let at = strategy * self.instruments.len() + id.index();
            let book = &mut self.books[at];
            for held in [&mut self.positions[at], &mut book.before] {
                match held.rescaled(&was, listed) {
                    Some(moved) => *held = moved,
                    None => book.lost = true,
                }
            }
        }
        self.instruments[id.index()] = *listed;
    }

    /// What was traded or is held, by strategy, then by instrument, at these books' best bids and
    /// asks.
    pub(crate) fn rows(
        &self,
        touch: impl Fn(InstrumentId) -> Option<(Px, Px)> + Copy,
    ) -> impl Iterator<Item = Row> {
        let used = (0..self.books.len()).filter(|&at| {
            let (book, held) = (&self.books[at], &self.positions[at]);
            book.fills > 0 || held.qty != 0
        });
        used.map(move |at| self.row(at, touch))
    }

    fn seat(&self, strategy: StrategyId) -> usize {
        strategy.index().min(self.strategies - 1)
    }

    fn strategy_at(&self, seat: usize) -> StrategyId {
        match seat + 1 < self.strategies {
            true => StrategyId(seat as u8),
            false => StrategyId::NONE,
        }
    }

    fn place(&self, strategy: StrategyId, id: InstrumentId) -> Option<usize> {
        self.instruments.get(id.index())?;
        Some(self.seat(strategy) * self.instruments.len() + id.index())
    }
}

impl Book {
    /// `None` if it does not fit.
    fn take(&mut self, fee: &Fee) -> Option<()> {
        let taken = fee.units()?;
        let mut charges = self.fees.iter_mut();
        let same = |of: &&mut Option<Charge>| of.is_none_or(|charge| charge.asset == fee.asset);
        let charge = charges.find(same)?.get_or_insert(Charge {
            asset: fee.asset,
            ..Charge::default()
        });
        charge.units = charge.units.checked_add(taken)?;
        Some(())
    }

    fn fees(&self) -> impl Iterator<Item = &Charge> {
        self.fees.iter().flatten()
    }
}
