//! What risk and the orders must say, computed from all that was ever said to them.

mod ordered;

use super::limits::RiskParams;
use super::orders::{ANSWER_MAX, Output, Pending};
use super::refusal::Refusal;
use crate::base::event::LATE_MAX;
use crate::base::{
    ClientId, End, Fill, Instrument, InstrumentId, Nanos, NewOrder, News, OrderRef, OrderType,
    Outcome, Place, Px, Qty, Question, Report, Said, Side, Source, Span, StrategyId, TradesOf,
    Working,
};
use crate::market::Picture;
use crate::market::fresh::BOOK_AGE_MAX;
use std::collections::{BTreeMap, BTreeSet};

const SECOND: u64 = 1_000_000_000;
/// For so long an exchange may deny an order that it has.
pub(crate) const VISIBILITY: Span = Span(5 * SECOND);

/// Positions, and what may be added to them at worst, by whose and what.
pub(crate) type Positions = BTreeMap<(StrategyId, InstrumentId), (i128, u128)>;

/// What was said, and what follows from it.
pub(crate) struct Twin {
    pub(crate) killed: bool,
    pub(crate) ready: bool,
    pub(crate) recorded: bool,
    pub(crate) params: RiskParams,
    pub(crate) keeps_scales: bool,
    /// Where there is an account; everywhere if this says nothing.
    pub(crate) account: Option<&'static str>,
    pub(crate) begun: Vec<Instrument>,
    pub(crate) listed: Vec<Instrument>,
    pub(crate) first_id: u64,
    /// All that were ever admitted, in the order of their ids.
    pub(crate) orders: Vec<Ordered>,
    pub(crate) refused: [u64; Refusal::ALL.len()],
    pub(crate) reduce_only: Vec<bool>,
    /// The scales that everything is counted at: those of the listing before while orders are open.
    pub(crate) settled: Vec<(u8, u8)>,
    /// Trades that are in the sums.
    pub(crate) seen: BTreeSet<(InstrumentId, u64)>,
}

/// An order, and all that was ever said of it and done with it. Everything else is looked up in
/// that each time.
pub(crate) struct Ordered {
    at: Nanos,
    order: NewOrder,
    tag: u64,
    history: Vec<Heard>,
    pub(crate) end: Option<Outcome>,
    /// How it stands after its history.
    stands: Stands,
}

#[derive(Clone, Copy)]
struct Stands {
    working: Working,
    name: OrderRef,
    worst: Qty,
}

/// Something that was said of an order or done with it, and what it was worth then.
struct Heard {
    now: Nanos,
    what: What,
    /// It cannot be true beside what was said before.
    lie: bool,
    /// No request is open after it.
    answers: bool,
    /// Nothing is unclear after it.
    resolves: bool,
    /// Nobody can say after it how the order stands.
    doubts: bool,
    /// The exchange denies the order, as of then, and must have known it.
    denies: Option<Nanos>,
    /// No trade of it is listed either: it never was there.
    buries: bool,
}

#[derive(Clone, Copy)]
enum What {
    Said(Source, Said),
    /// A cancel or a change went out.
    Change,
    /// It is missing where it should be listed.
    Missing,
    /// All trades were listed.
    Listed,
    /// It is late.
    Late,
}

impl Twin {
    pub(crate) fn listed(&mut self, id: InstrumentId) -> Option<&mut Instrument> {
        self.listed.get_mut(id.index())
    }

    /// What is listed with other scales is counted at them once no order is open.
    pub(crate) fn settle(&mut self) {
        for at in 0..self.listed.len() {
            let none = self.pending(InstrumentId(at as u16)) == Pending::default();
            let listed = &self.listed[at];
            let same = listed.contract == self.begun[at].contract && !self.keeps_scales;
            if same && none {
                self.settled[at] = (listed.px_scale, listed.qty_scale);
            }
        }
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Ordered> {
        self.orders.iter().filter(|order| order.end.is_none())
    }

    pub(crate) fn positions(&self) -> Positions {
        let mut positions = Positions::new();
        for ordered in &self.orders {
            let Ordered { order, stands, .. } = ordered;
            let Working { qty, filled, .. } = stands.working;
            let position = positions
                .entry((order.strategy, order.instrument))
                .or_default();
            position.0 += signed(order.side, filled);
            if ordered.end.is_none() {
                position.1 += u128::from(qty.0 - filled.0);
            }
        }
        positions.retain(|_, position| *position != (0, 0));
        positions
    }

    pub(crate) fn admit(&mut self, now: Nanos, intent: &Place, order: NewOrder) {
        let number = self.orders.len() as u64;
        let expected = NewOrder {
            client_id: ClientId(self.first_id + number),
            strategy: intent.strategy,
            instrument: intent.instrument,
            side: intent.side,
            px: intent.px,
            qty: intent.qty,
            order_type: intent.order_type,
        };
        assert_eq!(order, expected);
        self.orders.push(Ordered::new(now, order, intent.tag));
        let max = self.params.orders_per_s as usize;
        let within = |order: &&Ordered| order.at <= now && now.since(order.at) < Span(SECOND);
        assert!(self.orders.iter().filter(within).count() <= max);
        assert!(self.open().count() <= self.params.open_orders_max as usize);
    }

    /// What is to come of a word.
    pub(crate) fn hear(&mut self, now: Nanos, news: &News) -> Vec<Output> {
        let News {
            instrument,
            source,
            said,
            ..
        } = *news;
        if self.open_of(news.client_id).is_none() {
            let Said::Fill(fill) = said else {
                return Vec::new();
            };
            let known = instrument.index() < self.listed.len();
            let new = known && fill.qty.0 > 0 && self.seen.insert((instrument, fill.trade_id));
            return Vec::from_iter(new.then_some(Output::Stray(instrument, fill)));
        }
        self.hear_of(now, news.client_id, source, said)
    }

    fn hear_of(&mut self, now: Nanos, id: ClientId, source: Source, said: Said) -> Vec<Output> {
        let Some(at) = self.open_of(id) else {
            return Vec::new();
        };
        let ordered = &mut self.orders[at];
        if let Said::Fill(fill) = said {
            let trade = (ordered.order.instrument, fill.trade_id);
            if self.seen.contains(&trade) {
                return Vec::new();
            }
            if ordered.can_be(said) {
                self.seen.insert(trade);
            }
        }
        let told = ordered.after(|ordered| ordered.hear(now, source, said));
        told.into_iter().map(Output::Report).collect()
    }

    /// What is to come of a trade that names its order as the exchange does.
    pub(crate) fn hear_trade(
        &mut self,
        now: Nanos,
        of: (InstrumentId, u64),
        asked: Nanos,
        fill: Fill,
    ) -> Vec<Output> {
        let named = |ordered: &&Ordered| {
            (ordered.order.instrument, ordered.exchange_id()) == (of.0, Some(of.1))
        };
        let named: Vec<ClientId> = self.open().filter(named).map(Ordered::id).collect();
        assert!(named.len() < 2, "the abuse gives each order a number");
        let hears = named.first().copied();
        let hears = hears.map(|id| {
            let source = Source::Query { asked };
            self.hear_of(now, id, source, Said::Fill(fill))
        });
        hears.unwrap_or_default()
    }

    pub(crate) fn hear_trades_listed(
        &mut self,
        instrument: InstrumentId,
        asked: Nanos,
    ) -> Vec<Output> {
        self.each_open(|ordered| {
            let denied = ordered.denied().is_some_and(|denied| denied <= asked);
            let its = ordered.order.instrument == instrument;
            if its && denied && !ordered.is_over() {
                ordered.push(asked, What::Listed).buries = true;
            }
        })
    }

    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> Vec<Output> {
        self.each_open(|ordered| {
            let late = now.since(ordered.since()) >= ANSWER_MAX;
            if late && ordered.unanswered() && !ordered.doubted() {
                ordered.push(now, What::Late).doubts = true;
            }
        })
    }

    /// A cancel or a change of it goes out.
    pub(crate) fn change(&mut self, now: Nanos, id: ClientId) {
        if let Some(at) = self.open_of(id) {
            self.orders[at].push(now, What::Change);
            self.orders[at].stand();
        }
    }

    /// It is missing where the exchange should list it.
    pub(crate) fn doubt(&mut self, now: Nanos, id: ClientId) -> Vec<Output> {
        let Some(at) = self.open_of(id) else {
            return Vec::new();
        };
        let told = self.orders[at].after(|ordered| {
            ordered.push(now, What::Missing);
        });
        told.into_iter().map(Output::Report).collect()
    }

    /// Nobody waits for it any longer.
    pub(crate) fn give_up(&mut self, id: ClientId) -> Option<Report> {
        let at = self.open_of(id)?;
        self.orders[at].end = Some(Outcome::Unknown);
        Some(self.orders[at].report(Outcome::Unknown))
    }

    fn each_open(&mut self, mut happens: impl FnMut(&mut Ordered)) -> Vec<Output> {
        let open = self.orders.iter_mut().filter(|order| order.end.is_none());
        let told = open.flat_map(|ordered| ordered.after(&mut happens));
        told.map(Output::Report).collect()
    }

    /// What is to be asked, by the orders that it is about.
    pub(crate) fn questions(&self, now: Nanos) -> BTreeMap<ClientId, Question> {
        let questions = self
            .open()
            .map(|ordered| Some((ordered.id(), ordered.question(now)?)));
        questions.flatten().collect()
    }

    /// Nothing may be late later than this.
    pub(crate) fn late_at(&self) -> Nanos {
        let waits = self
            .open()
            .filter(|ordered| ordered.unanswered() && !ordered.doubted());
        let late = waits.map(|ordered| ordered.since() + ANSWER_MAX).min();
        late.unwrap_or(Nanos::NEVER)
    }

    /// Which side an order is on.
    pub(crate) fn side_of(&self, id: ClientId) -> Side {
        let at = self.open_of(id);
        at.map_or(Side::Buy, |at| self.orders[at].order.side)
    }

    /// What may still trade, at worst.
    pub(crate) fn pending(&self, instrument: InstrumentId) -> Pending {
        let mut pending = Pending::default();
        for ordered in self.open() {
            let worst = u128::from(ordered.stands.worst.0);
            match ordered.order.side {
                _ if ordered.order.instrument != instrument => {}
                Side::Buy => pending.buy += worst,
                Side::Sell => pending.sell += worst,
            }
        }
        pending
    }

    /// The orders without an end and their names, by their ids.
    pub(crate) fn working(&self) -> Vec<(Working, OrderRef)> {
        let both = |ordered: &Ordered| (ordered.stands.working, ordered.stands.name);
        self.open().map(both).collect()
    }

    fn open_of(&self, id: ClientId) -> Option<usize> {
        let number = usize::try_from(id.0.checked_sub(self.first_id)?).ok()?;
        let ordered = self.orders.get(number)?;
        ordered.end.is_none().then_some(number)
    }

    /// The first gate that is shut. `reach` is what positions say: whether the order can only
    /// reduce the account's, and the gate of values that it fails. The book of exposures has a twin
    /// of its own.
    pub(crate) fn verdict(
        &self,
        now: Nanos,
        intent: &Place,
        view: &Picture,
        reach: (bool, Option<Refusal>),
    ) -> Option<Refusal> {
        let (reduces, values) = reach;
        let at = intent.instrument.index();
        let ours = first(&[
            (Refusal::Halted, self.killed),
            (Refusal::GatewayDown, !self.ready),
            (Refusal::Unrecorded, !self.recorded),
            (Refusal::UnknownInstrument, self.listed.len() <= at),
        ]);
        ours.or_else(|| self.verdict_on_order(intent, &self.listed[at], reduces))
            .or_else(|| {
                let next = self.first_id + self.orders.len() as u64;
                first(&[(Refusal::Overflow, next == u64::MAX)])
            })
            .or_else(|| self.verdict_on_book(now, intent, view))
            .or_else(|| {
                first(&[
                    (Refusal::SelfTrade, self.meets(intent)),
                    (Refusal::SlotInDoubt, self.doubts(intent)),
                ])
            })
            .or(values)
            .or_else(|| {
                let max = self.params.orders_per_s as usize;
                let before = self.orders.iter().rev().nth(max - 1);
                let open_max = self.params.open_orders_max as usize;
                first(&[
                    (Refusal::OpenOrders, self.open().count() >= open_max),
                    (
                        Refusal::OrderRate,
                        before.is_some_and(|before| now.since(before.at) < Span(SECOND)),
                    ),
                ])
            })
    }

    /// An order of ours rests on the other side at a price that this one would take.
    fn meets(&self, intent: &Place) -> bool {
        self.open().any(|ordered| {
            let Working {
                instrument,
                side,
                px,
                order_type,
                ..
            } = ordered.stands.working;
            let rests = matches!(order_type, OrderType::Limit | OrderType::PostOnly);
            let any_price = intent.order_type == OrderType::Market;
            let crossed = match intent.side {
                Side::Buy => side == Side::Sell && (any_price || px <= intent.px),
                Side::Sell => side == Side::Buy && (any_price || px >= intent.px),
            };
            instrument == intent.instrument && rests && crossed
        })
    }

    /// Nobody knows what became of an order of ours at this price.
    fn doubts(&self, intent: &Place) -> bool {
        self.open().any(|ordered| {
            let working = ordered.stands.working;
            let slot = (working.instrument, working.side, working.px);
            working.in_doubt && slot == (intent.instrument, intent.side, intent.px)
        })
    }

    fn verdict_on_order(
        &self,
        intent: &Place,
        listed: &Instrument,
        reduces: bool,
    ) -> Option<Refusal> {
        let begun = &self.begun[intent.instrument.index()];
        let rescaled = (begun.px_scale, begun.qty_scale) != (listed.px_scale, listed.qty_scale);
        // At other scales than the exit's, or too fine to hold its limit of one.
        let frozen = self.keeps_scales && rescaled || listed.notional_scale() > 38;
        // What is held, or open, is of another contract or at other scales.
        let scales = (listed.px_scale, listed.qty_scale);
        let settled = self.settled[intent.instrument.index()] == scales;
        let frozen = frozen || !settled || listed.contract != begun.contract;
        let elsewhere = self
            .account
            .is_some_and(|account| account != begun.exchange);
        let (px, qty) = (intent.px.0, intent.qty.0);
        // 0.01 of the base asset.
        let hundredths = u32::from(listed.qty_scale + listed.contract.scale).checked_sub(2);
        let base = hundredths.map_or(0, |scale| 10_u128.pow(scale));
        let ours = (base / u128::from(listed.contract.size.max(1))).min(i64::MAX as u128);
        let ours = if listed.contract.inverse {
            u128::MAX
        } else {
            ours
        };
        let most = ours.min(listed.qty_max.0.into());
        first(&[
            (Refusal::NoAccount, elsewhere),
            (Refusal::NotTrading, frozen || !listed.trading),
            (
                Refusal::ReduceOnly,
                self.reduce_only[intent.instrument.index()] && !reduces,
            ),
            (Refusal::QuantityZero, qty == 0),
            (Refusal::QuantityMin, qty < listed.qty_min.0),
            (Refusal::QuantityMax, u128::from(qty) > most),
            (
                Refusal::LotMultiple,
                qty.checked_rem(listed.lot.0) != Some(0),
            ),
            (
                Refusal::TickMultiple,
                px <= 0 || px.checked_rem(listed.tick.0) != Some(0),
            ),
        ])
        .or_else(|| {
            let Some(worth) = listed.notional(Px(px), Qty(qty)) else {
                return Some(Refusal::Overflow);
            };
            let one = 10_u128.pow(listed.notional_scale().into());
            first(&[
                (Refusal::NotionalMin, worth < listed.notional_min),
                (Refusal::NotionalMax, worth > one),
            ])
        })
    }

    fn verdict_on_book(&self, now: Nanos, intent: &Place, view: &Picture) -> Option<Refusal> {
        let Some(shown) = view.live(intent.instrument) else {
            return Some(Refusal::BookNotLive);
        };
        let best = shown.top.best().filter(|_| shown.top.complete(1));
        first(&[
            (Refusal::BookMoved, intent.why.epoch != shown.epoch),
            (Refusal::BookLate, shown.delay > LATE_MAX),
            (Refusal::BookStale, now.since(shown.as_of) > BOOK_AGE_MAX),
            (Refusal::BookIncomplete, best.is_none()),
        ])
        .or_else(|| {
            let (bid, ask) = best?;
            let [bid, ask, px] = [bid.px, ask.px, intent.px].map(|px| i128::from(px.0));
            let collar = i128::from(self.params.collar_bps);
            let beyond = match intent.side {
                Side::Buy => 10_000 * (px - ask) > ask * collar,
                Side::Sell => 10_000 * (bid - px) > bid * collar,
            };
            first(&[
                (Refusal::BookCrossed, bid >= ask),
                (Refusal::PriceCollar, beyond),
            ])
        })
    }
}

pub(crate) fn signed(side: Side, qty: Qty) -> i128 {
    match side {
        Side::Buy => qty.0.into(),
        Side::Sell => -i128::from(qty.0),
    }
}

fn first(gates: &[(Refusal, bool)]) -> Option<Refusal> {
    gates.iter().find(|gate| gate.1).map(|gate| gate.0)
}
