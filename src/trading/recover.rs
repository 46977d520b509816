//! What an order journal says, made again: its records go through the machines that its run had, so
//! that nobody else decides what they mean. Opens no file.

use super::exposure::{Exposure, Scope};
use super::orders::{Orders, Output};
use super::reconcile::{Difference, Reconcile};
use super::unexplained::Unexplained;
use crate::base::decimal::rescaled;
use crate::base::{
    Asset, ClientId, DAY_NS, DayGain, Deed, Instrument, InstrumentId, KeyName, KeyValue, Mode,
    Nanos, OpenOrder, Outcome, Position, Px, Qty, Span, StrategyId, UnixNanos, Working,
};
use std::collections::BTreeMap;

/// More orders than that are open in no journal: risk allows 256.
const OPEN_MAX: usize = 4_096;
/// Strategies of a journal whose gains and losses are known apart: a run has 16.
const STRATEGIES_MAX: usize = 64;

/// What is known after the records so far.
#[derive(Debug)]
pub(crate) struct Recovery {
    orders: Orders,
    reconcile: Reconcile,
    instruments: Vec<Instrument>,
    positions: BTreeMap<(StrategyId, InstrumentId), Position>,
    /// Up to which number trades were listed whole, and since when some may not be known.
    listed: BTreeMap<InstrumentId, (Option<u64>, Nanos)>,
    unexplained: Unexplained,
    /// What all of it was worth, for the gains and losses of this day.
    exposure: Exposure,
    day: i64,
    modes: BTreeMap<StrategyId, Mode>,
    set: BTreeMap<(StrategyId, KeyName), (KeyValue, Nanos)>,
    used_to: u64,
}

impl Recovery {
    /// Nothing yet, of a journal with these instruments. An exchange that is asked about an order
    /// less than `visibility` after it was sent may not know of it yet.
    pub(crate) fn new(instruments: &[Instrument], visibility: Span) -> Self {
        Self {
            orders: Orders::new(OPEN_MAX, instruments.len(), visibility),
            reconcile: Reconcile::new(instruments, None),
            instruments: instruments.to_vec(),
            positions: BTreeMap::new(),
            listed: BTreeMap::new(),
            unexplained: Unexplained::default(),
            exposure: Exposure::new(instruments, STRATEGIES_MAX),
            day: 0,
            modes: BTreeMap::new(),
            set: BTreeMap::new(),
            used_to: 0,
        }
    }

    /// Takes in the next record; times are since 1970.
    ///
    /// # Errors
    /// In words, if it cannot come after the ones before it.
    pub(crate) fn take(&mut self, at: Nanos, deed: &Deed) -> Result<(), &'static str> {
        self.begin_day(at);
        match *deed {
            Deed::Admitted { order, tag, .. } => {
                let id = order.client_id.0;
                if order.qty.0 == 0 || order.px.0 <= 0 || id == u64::MAX {
                    return Err("it is of an order that nobody can send");
                }
                if id < self.orders.next_id() {
                    return Err("it is of an order that there was before");
                }
                if self.orders.len() == OPEN_MAX {
                    return Err("too many orders are open");
                }
                let tag = if order.strategy == StrategyId::NONE {
                    0
                } else {
                    tag
                };
                self.orders.open(at, &order, tag);
                self.trades_since(order.instrument, at);
            }
            Deed::Asked { client_id, .. } => self.orders.change(at, client_id),
            Deed::Heard(news) => {
                self.trades_since(news.instrument, at);
                self.orders.hear(at, &news);
            }
            Deed::Listed {
                instrument,
                asked,
                to,
            } => {
                self.orders.hear_trades_listed(instrument, asked);
                if to.is_some() {
                    self.listed.insert(instrument, (to, at));
                }
            }
            Deed::Unlisted { instrument, age } => self.trades_since(instrument, at - age),
            Deed::Adopted(resting) => {
                if !self.orders.adopt(at, &resting) {
                    return Err("it is of an order that cannot be taken over");
                }
            }
            Deed::Open(open) => {
                if !self.orders.resume(at, &open) {
                    return Err("it is of an order that cannot be open");
                }
            }
            Deed::Position {
                strategy,
                instrument,
                position,
            } => {
                self.positions.insert((strategy, instrument), position);
                self.exposure
                    .restore(strategy, instrument, position.qty, None);
            }
            Deed::Seen {
                instrument,
                trade_id,
            } => {
                self.orders.seen_mut().insert(instrument, trade_id);
            }
            Deed::SeenTo {
                instrument,
                trade_id,
            } => self.orders.seen_mut().raise(instrument, trade_id),
            Deed::UsedTo { client_id } => self.used_to = self.used_to.max(client_id.0),
            Deed::Holds { asset, units } => self.reconcile.hold(asset, units),
            Deed::HoldsNoOther => self.reconcile.hold_no_other(),
            Deed::Differs {
                entry: _,
                asset,
                expected,
                found,
            } => {
                let difference = Difference {
                    asset,
                    expected,
                    found,
                };
                self.unexplained.open(difference);
                self.reconcile.hold(asset, found);
            }
            Deed::Accepted { entry, by } => self.unexplained.settle(unix(at), entry, by),
            Deed::AcceptedSoFar { asset, units } => self.unexplained.add(unix(at), asset, units),
            Deed::Held { instrument, on } => match on {
                true => self.unexplained.hold(instrument),
                false => self.unexplained.release(instrument),
            },
            Deed::Day(day) => self.exposure.resume_day(&day),
            Deed::Marked {
                instrument,
                bid,
                ask,
            } => self.exposure.mark(instrument, bid, ask),
            Deed::Set {
                strategy,
                key,
                value,
            } => {
                self.set.insert((strategy, key), (value, at));
            }
            Deed::Mode { strategy, mode } => {
                let was = self.modes.insert(strategy, mode);
                // As risk does when somebody is let go.
                if was == Some(Mode::Halted) && mode != Mode::Halted {
                    self.exposure.begin_again(match strategy {
                        StrategyId::NONE => Scope::All,
                        strategy => Scope::Strategy(strategy),
                    });
                }
            }
        }
        self.drain();
        Ok(())
    }

    /// What is known in the end, at `now`.
    pub(crate) fn finish(mut self, now: Nanos) -> Recovered {
        // Of another day only what is held counts, from its first book on.
        let same_day = unix(now).day() == self.day;
        let gains = self.exposure.days().filter(|_| same_day);
        let marked = |id| self.exposure.marked(id).map(|(bid, ask)| (id, bid, ask));
        let marks = self.exposure.held().filter_map(marked);
        let (gains, marks) = (gains.collect(), marks.filter(|_| same_day).collect());
        let named = |(strategy, mode)| (mode != Mode::Trading).then_some((strategy, mode));
        Recovered {
            orders: self.orders.known(now).collect(),
            positions: self
                .positions
                .into_iter()
                .filter(|(_, position)| *position != Position::default())
                .map(|((strategy, instrument), position)| (strategy, instrument, position))
                .collect(),
            listed: self
                .listed
                .into_iter()
                .map(|(instrument, (to, since))| (instrument, to, now.since(since)))
                .collect(),
            trades: self.orders.seen().trades().collect(),
            floors: self.orders.seen().floors().collect(),
            holdings: self.reconcile.holdings().collect(),
            holds_no_other: self.reconcile.holds_no_other(),
            differences: self.unexplained.differences().to_vec(),
            held: self.unexplained.strays().to_vec(),
            day: unix(now).day(),
            accepted: self.unexplained.accepted(unix(now)).to_vec(),
            gains,
            marks,
            modes: self.modes.into_iter().filter_map(named).collect(),
            set: self.set.into_iter().collect(),
            used_to: self.used_to.max(self.orders.next_id().saturating_sub(1)),
        }
    }

    fn begin_day(&mut self, at: Nanos) {
        let day = unix(at).day();
        if day != self.day {
            self.day = day;
            self.exposure.begin_day();
        }
    }

    /// From here on there may be trades in this instrument.
    fn trades_since(&mut self, instrument: InstrumentId, at: Nanos) {
        self.listed.entry(instrument).or_insert((None, at));
    }

    /// Adds up what traded.
    fn drain(&mut self) {
        while let Some(moved) = self.orders.poll_moved() {
            self.exposure.handle_moved(&moved);
        }
        while let Some(output) = self.orders.poll_output() {
            let (strategy, instrument, fill) = match output {
                Output::Report(report) => match report.outcome {
                    Outcome::Fill(fill) => (report.strategy, report.instrument, fill),
                    _ => continue,
                },
                Output::Stray(instrument, fill) => {
                    self.exposure.handle_stray(instrument, &fill);
                    (StrategyId::NONE, instrument, fill)
                }
                Output::Ask(_) => continue,
            };
            self.reconcile.handle_fill(instrument, &fill);
            let position = self.positions.entry((strategy, instrument)).or_default();
            if let Some(its) = self.instruments.get(instrument.index()) {
                position.add(its, &fill);
            }
        }
    }
}

/// What an earlier run leaves to a later one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Recovered {
    /// Orders without an end.
    pub(crate) orders: Vec<OpenOrder>,
    /// What strategies' trades sum up to; [`StrategyId::NONE`] has those that are nobody's.
    pub(crate) positions: Vec<(StrategyId, InstrumentId, Position)>,
    /// Instruments that may have traded, with the number up to which their trades were listed
    /// whole. If there is no such number, what is not known may be as old as that.
    pub(crate) listed: Vec<(InstrumentId, Option<u64>, Span)>,
    /// Trades that were taken in, the oldest first.
    pub(crate) trades: Vec<(InstrumentId, u64)>,
    /// Every trade up to these counts as taken in.
    pub(crate) floors: Vec<(InstrumentId, u64)>,
    /// What the account has, as far as our trades explain it, in units of 10^-18.
    pub(crate) holdings: Vec<(Asset, i128)>,
    /// It has nothing of any other asset.
    pub(crate) holds_no_other: bool,
    /// What nobody accepted yet.
    pub(crate) differences: Vec<Difference>,
    /// Instruments with trades of no known order, which nobody accepted yet.
    pub(crate) held: Vec<InstrumentId>,
    /// The day of UTC that the following is of, counted from 1970.
    pub(crate) day: i64,
    /// What the rule accepted, in units of 10^-18.
    pub(crate) accepted: Vec<(Asset, i128)>,
    /// What was gained.
    pub(crate) gains: Vec<DayGain>,
    /// The touch at which instruments were valued for that, if something of them is held.
    pub(crate) marks: Vec<(InstrumentId, Px, Px)>,
    /// Other modes than [`Mode::Trading`].
    pub(crate) modes: Vec<(StrategyId, Mode)>,
    /// Values that a person set while the run went on, and when. They ended with it: no record
    /// carries them on.
    pub(crate) set: Vec<((StrategyId, KeyName), (KeyValue, Nanos))>,
    /// Every client id up to this one is used up.
    pub(crate) used_to: u64,
}

/// The tables that the ids of records are places in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'t> {
    /// By instrument id.
    pub(crate) instruments: &'t [Instrument],
    /// By strategy id.
    pub(crate) strategies: &'t [String],
}

impl Recovered {
    /// What the account did that nobody here can explain.
    pub(crate) fn unexplained(&self) -> Unexplained {
        let mut unexplained = Unexplained::default();
        for &difference in &self.differences {
            unexplained.open(difference);
        }
        for &instrument in &self.held {
            unexplained.hold(instrument);
        }
        let of_day = UnixNanos(self.day.saturating_mul(DAY_NS));
        for &(asset, units) in &self.accepted {
            unexplained.add(of_day, asset, units);
        }
        unexplained
    }

    /// Records that say the same at `now`.
    pub(crate) fn deeds(&self, now: Nanos) -> impl Iterator<Item = Deed> {
        let used = (self.used_to > 0).then_some(Deed::UsedTo {
            client_id: ClientId(self.used_to),
        });
        let positions = self.positions.iter();
        let positions = positions.map(|&(strategy, instrument, position)| Deed::Position {
            strategy,
            instrument,
            position,
        });
        let trade = |&(instrument, trade_id): &(InstrumentId, u64)| Deed::Seen {
            instrument,
            trade_id,
        };
        let floor = |&(instrument, trade_id): &(InstrumentId, u64)| Deed::SeenTo {
            instrument,
            trade_id,
        };
        let holds = |&(asset, units): &(Asset, i128)| Deed::Holds { asset, units };
        let listed = move |&(instrument, to, age): &(InstrumentId, Option<u64>, Span)| match to {
            None => Deed::Unlisted { instrument, age },
            Some(_) => Deed::Listed {
                instrument,
                asked: now,
                to,
            },
        };
        let held = |&instrument: &InstrumentId| Deed::Held {
            instrument,
            on: true,
        };
        let mode = |&(strategy, mode): &(StrategyId, Mode)| Deed::Mode { strategy, mode };
        let differences = self.differences.iter().map(Difference::deed);
        let accepted = |&(asset, units): &(Asset, i128)| Deed::AcceptedSoFar { asset, units };
        let mark = |&(instrument, bid, ask): &(InstrumentId, Px, Px)| Deed::Marked {
            instrument,
            bid,
            ask,
        };
        // Positions gain and lose from their marks on; what was gained counts once all is there.
        // What is found of a difference is in the holdings already, and they come last.
        used.into_iter()
            .chain(self.trades.iter().map(trade))
            .chain(self.floors.iter().map(floor))
            .chain(self.listed.iter().map(listed))
            .chain(self.marks.iter().map(mark))
            .chain(positions)
            .chain(self.orders.iter().copied().map(Deed::Open))
            .chain(differences)
            .chain(self.accepted.iter().map(accepted))
            .chain(self.holdings.iter().map(holds))
            .chain(self.holds_no_other.then_some(Deed::HoldsNoOther))
            .chain(self.held.iter().map(held))
            .chain(self.modes.iter().map(mode))
            .chain(self.gains.iter().copied().map(Deed::Day))
    }

    /// The same in the ids and at the scales of another table. What is of an instrument or a
    /// strategy that it does not have is left out, but no order is: one of no strategy of the table
    /// is nobody's.
    ///
    /// # Errors
    /// In words, if the table lacks the instrument of an order, or its scales are too coarse.
    pub(crate) fn into_table(self, from: Table<'_>, to: Table<'_>) -> Result<Self, String> {
        let moves = Moves { from, to };
        let orders = self.orders.iter().map(|open| moves.order(open));
        let mut positions = Vec::new();
        for (strategy, instrument, position) in &self.positions {
            let to = moves.strategy(*strategy);
            if to == StrategyId::NONE && *strategy != StrategyId::NONE {
                continue;
            }
            if let Some(seat) = moves.instrument(*instrument) {
                positions.push((to, seat.1.id, moves.position(seat, position)?));
            }
        }
        let id = |id: InstrumentId| moves.instrument(id).map(|(_, to)| to.id);
        let kept = |all: Vec<(InstrumentId, u64)>| -> Vec<(InstrumentId, u64)> {
            let all = all.into_iter();
            all.filter_map(|(of, trade)| Some((id(of)?, trade)))
                .collect()
        };
        let modes = self.modes.into_iter().filter_map(|(strategy, mode)| {
            let to = moves.strategy(strategy);
            (to != StrategyId::NONE || strategy == StrategyId::NONE).then_some((to, mode))
        });
        let gains = self.gains.into_iter().filter_map(|gain| {
            let strategy = moves.strategy(gain.strategy);
            let known = strategy != StrategyId::NONE || gain.strategy == StrategyId::NONE;
            known.then_some(DayGain { strategy, ..gain })
        });
        let marks = self.marks.iter();
        let marks = marks.filter_map(|(id, bid, ask)| {
            let (from, to) = moves.instrument(*id)?;
            let px = |px: &Px| rescaled(px.0.into(), from.px_scale, to.px_scale);
            let px = |of| i64::try_from(px(of)?).ok().map(Px);
            Some((to.id, px(bid)?, px(ask)?))
        });
        Ok(Self {
            gains: gains.collect(),
            marks: marks.collect(),
            orders: orders.collect::<Result<_, _>>()?,
            positions,
            listed: {
                let all = self.listed.into_iter();
                all.filter_map(|(of, to, age)| Some((id(of)?, to, age)))
                    .collect()
            },
            trades: kept(self.trades),
            floors: kept(self.floors),
            held: self.held.into_iter().filter_map(id).collect(),
            modes: modes.collect(),
            set: Vec::new(),
            holdings: self.holdings,
            holds_no_other: self.holds_no_other,
            differences: self.differences,
            day: self.day,
            accepted: self.accepted,
            used_to: self.used_to,
        })
    }
}

/// A record's time.
fn unix(at: Nanos) -> UnixNanos {
    UnixNanos(i64::try_from(at.0).unwrap_or(i64::MAX))
}

/// From one table to another.
struct Moves<'t> {
    from: Table<'t>,
    to: Table<'t>,
}

type Seat<'t> = (&'t Instrument, &'t Instrument);

impl<'t> Moves<'t> {
    fn instrument(&self, id: InstrumentId) -> Option<Seat<'t>> {
        let from = self.from.instruments.get(id.index())?;
        let mut all = self.to.instruments.iter();
        Some((from, all.find(|to| to.symbol == from.symbol)?))
    }

    fn strategy(&self, id: StrategyId) -> StrategyId {
        let name = self.from.strategies.get(id.index());
        let at = name.and_then(|name| self.to.strategies.iter().position(|to| to == name));
        let id = at.and_then(|at| u8::try_from(at).ok());
        id.map_or(StrategyId::NONE, StrategyId)
    }

    fn order(&self, open: &OpenOrder) -> Result<OpenOrder, String> {
        let working = open.working;
        let of = self.from.instruments.get(working.instrument.index());
        let name = of.map_or("?", |of| of.symbol.as_str());
        let Some((from, to)) = self.instrument(working.instrument) else {
            return Err(format!(
                "an order for {name} of an earlier run has no end, and this run does not follow \
                 {name}: add it to the instruments of its [[feed]]"
            ));
        };
        let coarse =
            || format!("an order for {name} of an earlier run does not fit its new scales");
        let qty = |qty: Qty| {
            let units = rescaled(qty.0.into(), from.qty_scale, to.qty_scale);
            let units = units.and_then(|units| u64::try_from(units).ok());
            units.map(Qty).ok_or_else(coarse)
        };
        let px = rescaled(working.px.0.into(), from.px_scale, to.px_scale);
        let px = px
            .and_then(|px| i64::try_from(px).ok())
            .ok_or_else(coarse)?;
        let strategy = self.strategy(working.strategy);
        let total = |total: Option<Qty>| total.map(qty).transpose();
        Ok(OpenOrder {
            working: Working {
                strategy,
                tag: if strategy == StrategyId::NONE {
                    0
                } else {
                    working.tag
                },
                instrument: to.id,
                px: Px(px),
                qty: qty(working.qty)?,
                filled: qty(working.filled)?,
                ..working
            },
            told: qty(open.told)?,
            over: match open.over {
                Some((end, all)) => Some((end, total(all)?)),
                None => None,
            },
            ..*open
        })
    }

    fn position(&self, (from, to): Seat<'_>, of: &Position) -> Result<Position, String> {
        of.rescaled(from, to).ok_or_else(|| {
            let name = from.symbol;
            format!("the position in {name} of an earlier run does not fit its new scales")
        })
    }
}

#[cfg(test)]
mod tests;
