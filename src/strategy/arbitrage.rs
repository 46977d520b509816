//! Buys an asset at one exchange and sells it at another when enough is left after fees. It trades
//! two legs, one after the other, and closes what the second leg leaves open wherever that costs
//! least. Trades on no book unless it is live, recent and complete at its best level, and believes
//! no sum of its own: what is open is what its positions say.
//!
//! The thinner leg goes first, as a LIMIT IOC at the price that was seen: what it does not get
//! costs nothing. The second leg is for as much as the first one got, less what a fee took of it,
//! at the worst price at which the two together still do not lose. The strategy repeats it until
//! nothing is open or [`Params::unwind_after`] is over. It then sells (or buys back) the open part
//! at the best exchange, with a limit that gives way by [`Params::unwind_slippage_ppm`].
//!
//! A pair has one order out at a time, and decides nothing while it has: an order in doubt is
//! waited for, however long the exchange's word takes. A fill that comes late, and what an earlier
//! run left, is open like anything else: it is closed by the same rule before the next trade.

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
/// The pause between two tries to close what is open: books need to have moved.
const RETRY: Span = Span::from_millis(50);
/// For so long nothing is closed at an exchange that refused an order.
const REFUSED: Span = Span::from_millis(500);

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
    /// What is known of the trade whose first leg was sent, until nothing of it is open.
    trade: Option<Trade>,
    /// An order was wanted, and nothing was heard yet.
    waits: bool,
    /// No trade is begun before this, and nothing closed before that.
    ready_at: Nanos,
    retry_at: Nanos,
    /// By place: nothing is closed there before this.
    refused: Vec<Nanos>,
    /// The tag of the newest order.
    tag: u64,
}

/// What a trade is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Trade {
    /// Where the second leg goes.
    second: usize,
    /// The first leg's tag.
    first: u64,
    /// What the first leg got, in base units, and its net worth times that.
    got: i128,
    worth: i128,
    /// From when on what is open may be closed at any exchange.
    unwind_at: Nanos,
}

impl Trade {
    /// Of something open that no first leg of this run got.
    const LEFT: Self = Self {
        second: 0,
        first: 0,
        got: 0,
        worth: 0,
        unwind_at: Nanos::NEVER,
    };
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
            Body::Report(report) => desk.handle_report(now, place, report),
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
        desk.act(now, view, &self.params, out);
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
            trade: None,
            waits: false,
            ready_at: Nanos::ZERO,
            retry_at: Nanos::ZERO,
            refused: vec![Nanos::ZERO; group.len()],
            tag: 0,
        })
    }

    /// The exchange changed a member's listing. At other scales nobody knows what the second leg
    /// must cover: what is open is closed when its time is over.
    fn replace(&mut self, place: usize, instrument: Instrument) {
        let scales = (self.pair.px_scale(), self.pair.base_scale());
        self.pair.replace(place, instrument);
        let now = (self.pair.px_scale(), self.pair.base_scale());
        if now == scales {
            return;
        }
        self.base_max = rescale(self.base_max, scales.1, now.1);
        if let Some(trade) = &mut self.trade {
            (trade.got, trade.worth) = (0, 0);
        }
    }

    /// Closes what is open, and trades if nothing is.
    fn act(&mut self, now: Nanos, view: &View<'_>, params: &Params, out: &mut Intents) {
        let ours = |instrument| self.pair.place(instrument).is_some();
        if view.orders().any(|order| ours(order.instrument)) {
            self.waits = false; // From here on its end is waited for.
            return;
        }
        let Some(open) = self.open_base(view).filter(|_| !self.waits) else {
            return;
        };
        if self.flat(view.market, open) {
            if self.trade.take().is_some() {
                self.ready_at = now + params.cooldown;
            }
            if now >= self.ready_at {
                self.open(now, view.market, open, params, out);
            }
            return;
        }
        let trade = self.trade.get_or_insert(Trade::LEFT);
        if trade.unwind_at == Nanos::NEVER {
            trade.unwind_at = now + params.unwind_after;
        }
        let trade = *trade;
        if now >= self.retry_at {
            self.close(now, view.market, (trade, open), params, out);
        }
    }

    /// Bought less sold, in base units: above zero if too much was bought. `None` if it does not
    /// fit.
    fn open_base(&self, view: &View<'_>) -> Option<i128> {
        (0..self.pair.len()).try_fold(0i128, |open, place| {
            let position = view.position(self.pair.instrument(place).id);
            open.checked_add(self.pair.held(place, &position)?)
        })
    }

    /// The first leg, if there is enough between two exchanges.
    fn open(&mut self, now: Nanos, view: &Picture, open: i128, params: &Params, out: &mut Intents) {
        let bbo = self.pair.bbo(view, now, params.age_max);
        let Some(cross) = bbo.cross() else {
            return;
        };
        if cross.edge_ppm < i64::from(params.edge_min_ppm) {
            return;
        }
        let Cross { buy, sell, .. } = cross;
        let base = buy.base.min(sell.base).min(self.base_max - open.abs());
        // Both legs in whole lots of theirs: the coarser one says how much.
        let lots = |base| {
            let at = |offer: Offer, base| {
                let qty = self.pair.takes(offer.place, offer.level.px, base);
                self.pair
                    .base(offer.place, offer.level.px, qty)
                    .unwrap_or(0)
            };
            at(buy, base).min(at(sell, base))
        };
        let base = lots(lots(base));
        if base <= 0 {
            return;
        }
        let (first, side, second) = if buy.base <= sell.base {
            (buy, Side::Buy, sell)
        } else {
            (sell, Side::Sell, buy)
        };
        let qty = self.pair.takes(first.place, first.level.px, base);
        let threshold = f64::from(params.edge_min_ppm);
        let signal = (OPEN, cross.edge_ppm as f64, threshold);
        let order = (first.place, side, first.level.px, qty);
        if self.send(view, order, signal, out) {
            self.trade = Some(Trade {
                second: second.place,
                first: self.tag,
                ..Trade::LEFT
            });
        }
    }

    /// The second leg, or what is left of it.
    fn close(
        &mut self,
        now: Nanos,
        view: &Picture,
        (trade, open): (Trade, i128),
        params: &Params,
        out: &mut Intents,
    ) {
        let bbo = self.pair.bbo(view, now, params.age_max);
        let side = if open > 0 { Side::Sell } else { Side::Buy };
        let base = open.abs().min(self.base_max);
        // What is open, in whole units of the base asset: why the order is sent.
        let value = open.abs() as f64 / 10f64.powi(i32::from(self.pair.base_scale()));
        let asks = |place: usize| now >= self.refused[place];
        let wish = if now < trade.unwind_at {
            let offer = bbo.offer(trade.second, side.opposite());
            let limit = trade.worth.checked_div(trade.got).and_then(|per_base| {
                let total = per_base.saturating_mul(base);
                self.pair.limit(trade.second, side, total, base)
            });
            let reaches = |offer: &Offer, limit: Px| match side {
                Side::Buy => limit >= offer.level.px,
                Side::Sell => limit <= offer.level.px,
            };
            let both = offer.zip(limit).filter(|_| asks(trade.second));
            let both = both.filter(|(offer, limit)| reaches(offer, *limit));
            both.map(|(offer, limit)| (offer, limit, HEDGE))
        } else {
            let best = bbo.best_of(side.opposite(), asks);
            best.map(|best| {
                let tick = self.pair.instrument(best.place).tick;
                let slippage_ppm = params.unwind_slippage_ppm;
                let px = give_way(best.level.px, side, slippage_ppm, tick);
                (best, px, UNWIND)
            })
        };
        let Some((offer, px, signal)) = wish else {
            return;
        };
        let qty = self.pair.takes(offer.place, offer.level.px, base);
        if qty.0 > 0 {
            let order = (offer.place, side, px, qty);
            self.send(view, order, (signal, value, 0.0), out);
        }
    }

    /// Wants an order. False if that has no room.
    fn send(
        &mut self,
        view: &Picture,
        (place, side, px, qty): (usize, Side, Px, Qty),
        (signal, value, threshold): (&'static str, f64, f64),
        out: &mut Intents,
    ) -> bool {
        assert!(!self.waits, "two orders of a pair at once");
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
        self.waits = out.try_push(intent.into()).is_ok();
        self.tag = if self.waits { tag } else { self.tag };
        self.waits
    }

    fn handle_report(&mut self, now: Nanos, place: usize, report: &Report) {
        self.waits = false;
        let first = self.trade.as_mut();
        let first = first.filter(|trade| trade.first == report.tag);
        if report.outcome.is_end() && first.is_none() {
            self.retry_at = now + RETRY; // Books need to have moved.
        }
        match report.outcome {
            Outcome::Fill(Fill { px, qty, .. }) => {
                if let Some(trade) = first {
                    let base = self.pair.base(place, px, qty).unwrap_or(0);
                    let net = self.pair.net(place, px, report.side.opposite());
                    trade.got += base;
                    trade.worth = trade.worth.saturating_add(net.saturating_mul(base));
                }
            }
            Outcome::Rejected { .. } | Outcome::NotSent | Outcome::Refused { .. } => {
                self.refused[place] = now + REFUSED;
            }
            // What is open by now, the positions say.
            Outcome::Acked { .. }
            | Outcome::InDoubt
            | Outcome::Reduced
            | Outcome::ChangeRefused { .. }
            | Outcome::Filled
            | Outcome::Cancelled
            | Outcome::Expired
            | Outcome::Unknown => {}
        }
    }

    /// Nothing is open, or less than any member takes at the price that it has.
    fn flat(&self, view: &Picture, open: i128) -> bool {
        let bbo = self.pair.bbo(view, Nanos::ZERO, Span::MAX);
        let side = if open > 0 { Side::Buy } else { Side::Sell };
        (0..self.pair.len()).all(|place| match bbo.offer(place, side) {
            Some(offer) => self.pair.takes(place, offer.level.px, open.abs()).0 == 0,
            None => self.pair.lots(place, Px(0), open.abs()).0 == 0,
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
