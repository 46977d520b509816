//! What risk and the orders must say, computed from all that was ever said to them.

use super::limits::RiskParams;
use super::refusal::Refusal;
use super::risk::BOOK_AGE_MAX;
use crate::base::event::LATE_MAX;
use crate::base::{
    ClientId, Instrument, InstrumentId, Intent, Nanos, NewOrder, News, Outcome, Px, Qty, Report,
    Side, Span, StrategyId,
};
use crate::market::Picture;
use std::collections::BTreeMap;

const SECOND: u64 = 1_000_000_000;

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
}

pub(crate) struct Ordered {
    at: Nanos,
    order: NewOrder,
    tag: u64,
    said: Vec<Outcome>,
    told: Vec<Outcome>,
}

impl Twin {
    pub(crate) fn listed(&mut self, id: InstrumentId) -> Option<&mut Instrument> {
        self.listed.get_mut(id.index())
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Ordered> {
        self.orders.iter().filter(|order| order.end().is_none())
    }

    pub(crate) fn positions(&self) -> Positions {
        let mut positions = Positions::new();
        for Ordered { order, told, .. } in &self.orders {
            let position = positions
                .entry((order.strategy, order.instrument))
                .or_default();
            position.0 += signed(order.side, Qty(filled(told)));
            if !told.last().is_some_and(|last| last.is_end()) {
                position.1 += u128::from(order.qty.0 - filled(told));
            }
        }
        positions.retain(|_, position| *position != (0, 0));
        positions
    }

    pub(crate) fn admit(&mut self, now: Nanos, intent: &Intent, order: NewOrder) {
        let number = self.orders.len() as u64;
        let expected = NewOrder {
            client_id: ClientId(self.first_id + number),
            strategy: intent.strategy,
            instrument: intent.instrument,
            side: intent.side,
            px: intent.px,
            qty: intent.qty,
            tif: intent.tif,
        };
        assert_eq!(order, expected);
        self.orders.push(Ordered {
            at: now,
            order,
            tag: intent.tag,
            said: Vec::new(),
            told: Vec::new(),
        });
        let max = self.params.orders_per_s as usize;
        let within = |order: &&Ordered| order.at <= now && now.since(order.at) < Span(SECOND);
        assert!(self.orders.iter().filter(within).count() <= max);
        assert!(self.open().count() <= self.params.open_orders_max as usize);
    }

    pub(crate) fn hear(&mut self, news: &News) -> Option<Report> {
        let number = news.client_id.0.checked_sub(self.first_id)?;
        let ordered = self.orders.get_mut(usize::try_from(number).ok()?)?;
        if ordered.end().is_some() {
            return None;
        }
        ordered.said.push(news.outcome);
        let told = told(ordered.order.qty.0, &ordered.said);
        let new = told.get(ordered.told.len()).copied();
        ordered.told = told;
        ordered.check();
        let order = ordered.order;
        Some(Report {
            client_id: order.client_id,
            strategy: order.strategy,
            tag: ordered.tag,
            instrument: order.instrument,
            side: order.side,
            px: order.px,
            qty: order.qty,
            remaining: Qty(order.qty.0 - filled(&ordered.told)),
            outcome: new?,
        })
    }

    /// The first gate that is shut.
    pub(crate) fn verdict(&self, now: Nanos, intent: &Intent, view: &Picture) -> Option<Refusal> {
        let at = intent.instrument.index();
        let ours = first(&[
            (Refusal::Killed, self.killed),
            (Refusal::GatewayDown, !self.ready),
            (Refusal::Unrecorded, !self.recorded),
            (Refusal::UnknownInstrument, self.listed.len() <= at),
        ]);
        ours.or_else(|| self.verdict_on_order(intent, &self.listed[at]))
            .or_else(|| {
                let next = self.first_id + self.orders.len() as u64;
                first(&[(Refusal::Overflow, next == u64::MAX)])
            })
            .or_else(|| self.verdict_on_book(now, intent, view))
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

    fn verdict_on_order(&self, intent: &Intent, listed: &Instrument) -> Option<Refusal> {
        let begun = &self.begun[intent.instrument.index()];
        let rescaled = (begun.px_scale, begun.qty_scale) != (listed.px_scale, listed.qty_scale);
        // At other scales than the exit's, or too fine to hold its limit of one.
        let frozen = self.keeps_scales && rescaled || listed.notional_scale() > 38;
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

    fn verdict_on_book(&self, now: Nanos, intent: &Intent, view: &Picture) -> Option<Refusal> {
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

impl Ordered {
    pub(crate) fn end(&self) -> Option<Outcome> {
        self.told.last().copied().filter(|last| last.is_end())
    }

    /// Exposure never understates: an order of which the exchange said that it was filled counts as
    /// that, or as open, whatever else was said. Only if nobody knows, it is said so.
    fn check(&self) {
        let said = self.said.iter().map(|outcome| match outcome {
            Outcome::Fill { qty, .. } => u128::from(qty.0),
            _ => 0,
        });
        let said = said.sum::<u128>().min(self.order.qty.0.into());
        match self.end() {
            None | Some(Outcome::Unknown) => {}
            Some(_) => assert!(said <= filled(&self.told).into(), "{:?}", self.said),
        }
    }
}

/// What is to be told of an order of this quantity.
fn told(qty: u64, said: &[Outcome]) -> Vec<Outcome> {
    let (mut told, mut lied) = (Vec::new(), false);
    for outcome in said {
        let left = qty - filled(&told);
        let acked = told
            .iter()
            .any(|told| matches!(told, Outcome::Acked { .. }));
        let new = match outcome {
            Outcome::Acked { .. } if acked => continue,
            Outcome::Acked { .. } | Outcome::InDoubt | Outcome::Unknown => *outcome,
            Outcome::Fill { qty, .. } if (1..=left).contains(&qty.0) => *outcome,
            Outcome::Filled | Outcome::Cancelled | Outcome::Expired if left == 0 => Outcome::Filled,
            Outcome::Cancelled | Outcome::Expired if !lied => *outcome,
            Outcome::Rejected { .. } | Outcome::NotSent if !lied && left == qty => *outcome,
            Outcome::Fill { .. }
            | Outcome::Filled
            | Outcome::Cancelled
            | Outcome::Expired
            | Outcome::Rejected { .. }
            | Outcome::NotSent
            | Outcome::Refused { .. } => {
                lied = true;
                Outcome::InDoubt
            }
        };
        if new != Outcome::InDoubt || !told.contains(&new) {
            told.push(new);
        }
    }
    told
}

fn filled(told: &[Outcome]) -> u64 {
    let fills = told.iter().map(|outcome| match outcome {
        Outcome::Fill { qty, .. } => qty.0,
        _ => 0,
    });
    fills.sum()
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
