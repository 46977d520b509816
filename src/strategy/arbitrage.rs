//! Buys an asset at one exchange and sells it at another when enough is left after fees. It trades
//! two legs, one after the other, and closes what the second leg leaves open wherever that costs
//! least. Trades on no book unless it is live, recent and complete at its best level, and knows of
//! no position but its own legs.
//!
//! The thinner leg goes first, as a LIMIT IOC at the price that was seen: what it does not get
//! costs nothing. The second leg is for as much as the first one got, at the worst price at which
//! the two together still do not lose. The strategy repeats it until nothing is open or
//! [`Params::unwind_after`] is over. It then sells (or buys back) the open part at the best
//! exchange, with a limit that gives way by [`Params::unwind_slippage_ppm`].

use super::{Intents, Key, Kind, Sort, Strategy, StrategyError, Table, Values, View};
use crate::base::{
    Body, Event, Fill, Instrument, InstrumentId, Nanos, OrderType, Outcome, Place, Px, Qty, Report,
    Side, Span, StrategyId, Why, decimal,
};
use crate::market::Picture;
use crate::market::consolidated::{Cross, Offer, PPM, Pair};

/// The signals' names in decision logs.
const OPEN: &str = "arbitrage";
const HEDGE: &str = "arbitrage_hedge";
const UNWIND: &str = "arbitrage_unwind";
/// How long the strategy waits for an order's end. After that nobody can say what became of the
/// order, and the pair stops trading.
const ANSWER_MAX: Span = Span::from_secs(10);
/// The pause between two tries to close what is open: books need to have moved.
const RETRY: Span = Span::from_millis(50);

/// How it is configured and built.
pub(crate) const KIND: Kind = Kind {
    name: "arbitrage",
    help: "buys at one exchange and sells at another when enough is left after fees",
    keys: &[
        EDGE_MIN_PPM,
        AGE_MAX_MS,
        UNWIND_AFTER_MS,
        UNWIND_SLIPPAGE_PPM,
        COOLDOWN_MS,
        QUANTITY,
    ],
    settable: &[
        EDGE_MIN_PPM,
        AGE_MAX_MS,
        UNWIND_AFTER_MS,
        UNWIND_SLIPPAGE_PPM,
        COOLDOWN_MS,
        QUANTITY,
    ],
    levels: None,
    exchanges_min: 2,
    build: |values, table| Ok(Box::new(Arbitrage::new(&Params::of(values), table)?)),
};

const fn int(name: &'static str, (min, max): (u64, u64), default: u64, help: &'static str) -> Key {
    let sort = Sort::Int { min, max, default };
    Key { name, sort, help }
}

const EDGE_MIN_PPM: Key = int(
    "edge_min_ppm",
    (1, 1_000_000),
    200,
    "what must be left of a unit of cost after both fees, in parts per million",
);
const AGE_MAX_MS: Key = int(
    "age_max_ms",
    (1, 60_000),
    500,
    "a book that was not updated for longer is not traded on, in milliseconds",
);
const UNWIND_AFTER_MS: Key = int(
    "unwind_after_ms",
    (0, 600_000),
    1_000,
    "when what is still open is closed at any exchange, in milliseconds after the first leg",
);
const UNWIND_SLIPPAGE_PPM: Key = int(
    "unwind_slippage_ppm",
    (0, 100_000),
    1_000,
    "how far beyond the best price an unwinding order may go, in parts per million",
);
const COOLDOWN_MS: Key = int(
    "cooldown_ms",
    (0, 3_600_000),
    500,
    "pause of a pair after a trade, in milliseconds",
);
const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.001" },
    help: "the most of a trade, in base currency",
};

/// Its configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Params {
    /// Base quantity of a trade, as decimal text; less if a book has less.
    pub(crate) quantity: String,
    /// What must be left per unit of cost after both fees, in parts per million, above 0.
    pub(crate) edge_min_ppm: u32,
    /// The age up to which it trades on a book.
    pub(crate) age_max: Span,
    /// Pause of a pair after a trade.
    pub(crate) cooldown: Span,
    /// The time from the first leg's end until it closes what is open at any exchange.
    pub(crate) unwind_after: Span,
    /// How far below the best bid (above the best ask) an unwinding order may go, in parts per
    /// million.
    pub(crate) unwind_slippage_ppm: u32,
}

impl Params {
    fn of(values: &Values) -> Self {
        Self {
            quantity: values.quantity(&QUANTITY),
            ..Self::numbers(values)
        }
    }

    /// All but the quantity, which is a text.
    fn numbers(values: &Values) -> Self {
        let ppm = |key| u32::try_from(values.int(key)).unwrap_or(u32::MAX);
        let span = |key| Span::from_millis(values.int(key));
        Self {
            quantity: String::new(),
            edge_min_ppm: ppm(&EDGE_MIN_PPM),
            age_max: span(&AGE_MAX_MS),
            cooldown: span(&COOLDOWN_MS),
            unwind_after: span(&UNWIND_AFTER_MS),
            unwind_slippage_ppm: ppm(&UNWIND_SLIPPAGE_PPM),
        }
    }
}

/// Arbitrage over every asset pair that two exchanges or more have.
pub(crate) struct Arbitrage {
    params: Params,
    desks: Vec<PairDesk>,
    /// Which pair, by instrument id.
    pair_of: Vec<Option<usize>>,
}

/// One asset pair.
struct PairDesk {
    pair: Pair,
    /// The most of a trade, in base units of the pair.
    base_max: i128,
    phase: Phase,
    ready_at: Nanos,
    /// The tag of the newest order.
    tag: u64,
}

/// How far a trade has come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Idle,
    /// An order is out.
    Sent(Trade, Order),
    /// The first leg is done, and something is still open.
    Open(Trade),
    /// An order's end never came: the pair does not trade again in this run.
    Halted,
}

/// What a trade is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trade {
    /// Where the second leg goes, and its side.
    second: usize,
    side: Side,
    /// Bought less sold, in base units: above zero if too much was bought.
    open: i128,
    /// Net worth per unit of the open part, at the first leg's own price: what the second leg must
    /// cover.
    per_base: i128,
    /// From when on the open part may be closed at any exchange.
    unwind_at: Nanos,
    /// The first leg is over.
    hedging: bool,
}

/// An order that has no end yet.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Order {
    tag: u64,
    place: usize,
    side: Side,
    /// Net worth of what was filled, times base units.
    worth: i128,
    since: Nanos,
}

impl Arbitrage {
    /// Trades every asset pair that at least two exchanges of the table have.
    pub(crate) fn new(params: &Params, table: &Table<'_>) -> Result<Self, StrategyError> {
        let own = table.instruments.iter().filter(|i| table.owns(i.id));
        if params.edge_min_ppm == 0 {
            return Err(StrategyError::Edge);
        }
        let mut groups: Vec<Vec<(Instrument, u32)>> = Vec::new();
        for instrument in own.filter(|i| !i.base.is_empty()) {
            let fee = table.taker_fees_ppm.get(instrument.id.index());
            let fee = fee.copied().unwrap_or(0);
            let same = |group: &&mut Vec<(Instrument, u32)>| {
                let first = group[0].0;
                (first.base, first.quote) == (instrument.base, instrument.quote)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push((*instrument, fee)),
                None => groups.push(vec![(*instrument, fee)]),
            }
        }
        groups.retain(|group| group.iter().any(|(i, _)| i.exchange != group[0].0.exchange));
        if groups.is_empty() {
            return Err(StrategyError::NoPair);
        }
        let desks: Result<Vec<PairDesk>, _> = groups
            .iter()
            .map(|group| PairDesk::new(params, group))
            .collect();
        let desks = desks?;
        let place = |id: usize| {
            let id = InstrumentId(id as u16);
            desks.iter().position(|desk| desk.pair.place(id).is_some())
        };
        let pair_of = (0..table.instruments.len()).map(place).collect();
        let params = params.clone();
        Ok(Self {
            params,
            desks,
            pair_of,
        })
    }
}

impl Strategy for Arbitrage {
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let pair = self
            .pair_of
            .get(event.instrument.index())
            .copied()
            .flatten();
        let Some(desk) = pair.map(|pair| &mut self.desks[pair]) else {
            return;
        };
        let Some(place) = desk.pair.place(event.instrument) else {
            return;
        };
        match &event.body {
            Body::Book(_) => {}
            Body::Report(report) => desk.handle_report(now, report, view.market, &self.params),
            Body::Instrument(instrument) => {
                desk.replace(place, *instrument);
                return;
            }
            Body::Status(_) | Body::Trading(_) => return, // The picture has them.
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Gateway(_)
            | Body::News(_)
            | Body::Account(_) => return,
        }
        desk.act(now, view.market, &self.params, out);
    }

    fn handle_values(&mut self, values: &mut Values, _: &View<'_>) -> Result<(), &'static str> {
        values.swap_quantity(&QUANTITY, &mut self.params.quantity);
        let text = self.params.quantity.as_bytes();
        let base = |desk: &PairDesk| decimal::parse(text, desk.pair.base_scale());
        if self.desks.iter().any(|desk| base(desk).is_err()) {
            values.swap_quantity(&QUANTITY, &mut self.params.quantity);
            return Err("as a pair is listed now, it cannot hold the quantity exactly");
        }
        for desk in &mut self.desks {
            desk.base_max = base(desk).map_or(desk.base_max, i128::from);
        }
        let quantity = std::mem::take(&mut self.params.quantity);
        let numbers = Params::numbers(values);
        self.params = Params {
            quantity,
            ..numbers
        };
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        let pair = self.pair_of.get(instrument.index());
        pair.copied().flatten().is_some()
    }
}

impl PairDesk {
    fn new(params: &Params, group: &[(Instrument, u32)]) -> Result<Self, StrategyError> {
        let pair = Pair::new(group);
        let base = decimal::parse(params.quantity.as_bytes(), pair.base_scale());
        let base_max = base.map_err(|error| StrategyError::Quantity {
            symbol: group[0].0.symbol,
            text: params.quantity.clone(),
            scale: pair.base_scale(),
            error,
        })?;
        Ok(Self {
            pair,
            base_max: i128::from(base_max),
            phase: Phase::Idle,
            ready_at: Nanos::ZERO,
            tag: 0,
        })
    }

    /// The exchange changed a member's listing. At other scales an open trade could no longer be
    /// counted.
    fn replace(&mut self, place: usize, instrument: Instrument) {
        let scales = (self.pair.px_scale(), self.pair.base_scale());
        self.pair.replace(place, instrument);
        let now = (self.pair.px_scale(), self.pair.base_scale());
        if now == scales {
            return;
        }
        self.base_max = rescale(self.base_max, scales.1, now.1);
        if self.phase != Phase::Idle {
            self.phase = Phase::Halted;
        }
    }

    fn act(&mut self, now: Nanos, view: &Picture, params: &Params, out: &mut Intents) {
        match self.phase {
            Phase::Idle if now >= self.ready_at => self.open(now, view, params, out),
            Phase::Open(trade) if now >= self.ready_at => {
                self.close(now, view, trade, params, out);
            }
            Phase::Sent(_, order) if now.since(order.since) > ANSWER_MAX => {
                self.phase = Phase::Halted;
            }
            Phase::Idle | Phase::Open(_) | Phase::Sent(..) | Phase::Halted => {}
        }
    }

    /// The first leg, if there is enough between two exchanges.
    fn open(&mut self, now: Nanos, view: &Picture, params: &Params, out: &mut Intents) {
        let bbo = self.pair.bbo(view, now, params.age_max);
        let Some(cross) = bbo.cross() else {
            return;
        };
        if cross.edge_ppm < i64::from(params.edge_min_ppm) {
            return;
        }
        let Cross { buy, sell, .. } = cross;
        let base = buy.base.min(sell.base).min(self.base_max);
        // Both legs in whole lots of theirs: the coarser one says how much.
        let lots = |base| {
            let at = |offer: Offer, base| {
                let qty = self.pair.lots(offer.place, offer.level.px, base);
                self.pair
                    .base(offer.place, offer.level.px, qty)
                    .unwrap_or(0)
            };
            at(buy, base).min(at(sell, base))
        };
        let base = lots(lots(base));
        if base == 0 {
            return;
        }
        let (first, side, second) = if buy.base <= sell.base {
            (buy, Side::Buy, sell)
        } else {
            (sell, Side::Sell, buy)
        };
        let qty = self.pair.lots(first.place, first.level.px, base);
        let trade = Trade {
            second: second.place,
            side: side.opposite(),
            open: 0,
            per_base: 0,
            unwind_at: Nanos::NEVER,
            hedging: false,
        };
        let threshold = f64::from(params.edge_min_ppm);
        let signal = (OPEN, cross.edge_ppm as f64, threshold);
        let order = (first.place, side, first.level.px, qty);
        self.send(now, view, trade, order, signal, out);
    }

    /// The second leg, or what is left of it.
    fn close(
        &mut self,
        now: Nanos,
        view: &Picture,
        trade: Trade,
        params: &Params,
        out: &mut Intents,
    ) {
        let bbo = self.pair.bbo(view, now, params.age_max);
        let base = trade.open.abs();
        let side = if trade.open > 0 {
            Side::Sell
        } else {
            Side::Buy
        };
        // What is open, in whole units of the base asset: why the order is sent.
        let open = base as f64 / 10f64.powi(i32::from(self.pair.base_scale()));
        if now < trade.unwind_at {
            let total = trade.per_base.saturating_mul(base);
            let Some(limit) = self.pair.limit(trade.second, side, total, base) else {
                return;
            };
            let Some(offer) = bbo.offer(trade.second, side.opposite()) else {
                return;
            };
            let reaches = match side {
                Side::Buy => limit >= offer.level.px,
                Side::Sell => limit <= offer.level.px,
            };
            let qty = self.pair.lots(trade.second, offer.level.px, base);
            if reaches && qty.0 > 0 {
                let signal = (HEDGE, open, 0.0);
                let order = (trade.second, side, limit, qty);
                self.send(now, view, trade, order, signal, out);
            }
            return;
        }
        let Some(best) = bbo.best(side.opposite()) else {
            return;
        };
        let instrument = self.pair.instrument(best.place);
        let px = give_way(
            best.level.px,
            side,
            params.unwind_slippage_ppm,
            instrument.tick,
        );
        let qty = self.pair.lots(best.place, best.level.px, base);
        if qty.0 > 0 {
            let signal = (UNWIND, open, 0.0);
            let order = (best.place, side, px, qty);
            self.send(now, view, trade, order, signal, out);
        }
    }

    fn send(
        &mut self,
        now: Nanos,
        view: &Picture,
        trade: Trade,
        (place, side, px, qty): (usize, Side, Px, Qty),
        (signal, value, threshold): (&'static str, f64, f64),
        out: &mut Intents,
    ) {
        let instrument = self.pair.instrument(place).id;
        let shown = view.live(instrument);
        let (bid, ask) = shown.and_then(|shown| shown.top.best()).unwrap_or_default();
        let why = Why {
            signal,
            value,
            threshold,
            update_id: shown.map_or(0, |shown| shown.update_id),
            epoch: shown.map_or(0, |shown| shown.epoch),
            bid,
            ask,
        };
        let tag = self.tag + 1;
        let intent = Place {
            strategy: StrategyId::NONE, // The desk's to say.
            instrument,
            side,
            px,
            qty,
            order_type: OrderType::ImmediateOrCancel,
            tag,
            why,
        };
        if out.try_push(intent.into()).is_ok() {
            self.tag = tag;
            let order = Order {
                tag,
                place,
                side,
                worth: 0,
                since: now,
            };
            self.phase = Phase::Sent(trade, order);
        }
    }

    fn handle_report(&mut self, now: Nanos, report: &Report, view: &Picture, params: &Params) {
        let Phase::Sent(mut trade, mut order) = self.phase else {
            return;
        };
        if order.tag != report.tag {
            return; // Of an order that was given up.
        }
        match report.outcome {
            Outcome::InDoubt | Outcome::Unknown => {
                self.phase = Phase::Halted;
                return;
            }
            Outcome::Fill(Fill { px, qty, .. }) => {
                let base = self.pair.base(order.place, px, qty).unwrap_or(0);
                let signed = match order.side {
                    Side::Buy => base,
                    Side::Sell => -base,
                };
                trade.open += signed;
                let net = self.pair.net(order.place, px, order.side.opposite());
                order.worth = order.worth.saturating_add(net.saturating_mul(base));
            }
            Outcome::Acked { .. }
            | Outcome::Reduced
            | Outcome::ChangeRefused { .. }
            | Outcome::Filled
            | Outcome::Cancelled
            | Outcome::Expired
            | Outcome::Rejected { .. }
            | Outcome::NotSent
            | Outcome::Refused { .. } => {}
        }
        if !report.outcome.is_end() {
            self.phase = Phase::Sent(trade, order);
            return;
        }
        if !trade.hedging {
            trade.hedging = true;
            trade.unwind_at = now + params.unwind_after;
            let base = trade.open.abs();
            trade.per_base = if base > 0 { order.worth / base } else { 0 };
        }
        if self.flat(view, trade.open) {
            self.phase = Phase::Idle;
            self.ready_at = now + params.cooldown;
        } else {
            self.phase = Phase::Open(trade);
            // The second leg goes at once; what it left waits for the books to move.
            let first = order.side != trade.side && order.place != trade.second;
            self.ready_at = if first { now } else { now + RETRY };
        }
    }

    /// Nothing is open, or less than any member takes.
    fn flat(&self, view: &Picture, open: i128) -> bool {
        let bbo = self.pair.bbo(view, Nanos::ZERO, Span::MAX);
        (0..self.pair.len()).all(|place| {
            let offer = bbo.offer(place, Side::Sell);
            let px = offer.map_or(Px(0), |offer| offer.level.px);
            self.pair.lots(place, px, open.abs()).0 == 0
        })
    }
}

/// The same quantity at another scale, rounded down.
fn rescale(units: i128, from: u8, to: u8) -> i128 {
    let ten = |exponent: u8| 10i128.pow(u32::from(exponent));
    match to >= from {
        true => units.saturating_mul(ten(to - from)),
        false => units / ten(from - to),
    }
}

/// A price that is worse than `px` by `slippage_ppm`, on the ticks, and above zero.
fn give_way(px: Px, side: Side, slippage_ppm: u32, tick: Px) -> Px {
    let slip = i128::from(px.0) * i128::from(slippage_ppm) / PPM;
    let (px, tick) = (i128::from(px.0), i128::from(tick.0.max(1)));
    let worse = match side {
        Side::Buy => (px + slip).div_euclid(tick) * tick,
        Side::Sell => ((px - slip).div_euclid(tick) * tick).max(tick),
    };
    Px(i64::try_from(worse).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
