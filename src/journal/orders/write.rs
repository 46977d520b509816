//! Records to lines. Puts symbols and names in the place of ids, and decimals in that of units.

use super::line::{Begun, Body, ChangeWord, FeeText, OrderText, SaidText, SourceWord};
use crate::base::signed::text;
use crate::base::{
    Change, Deed, Fill, Instrument, InstrumentId, Nanos, NewOrder, News, OpenOrder, Position, Px,
    Qty, Resting, Said, Source, StrategyId, UnixNanos, VALUE_SCALE,
};
use crate::journal::sealed::seal;

/// What the ids of records stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'n> {
    /// By instrument id.
    pub(crate) instruments: &'n [Instrument],
    /// By strategy id.
    pub(crate) strategies: &'n [String],
}

/// Numbers lines, and makes text of them.
#[derive(Debug)]
pub(crate) struct Writer {
    next: u64,
}

impl Writer {
    /// The next line has this number.
    pub(crate) fn new(next: u64) -> Self {
        Self { next }
    }

    /// A run begins.
    pub(crate) fn begun(&mut self, at: UnixNanos, begun: Begun, out: &mut Vec<u8>) {
        self.line(at, &Body::Begun(begun), out);
    }

    /// Amounts of this instrument follow.
    pub(crate) fn instrument(&mut self, at: UnixNanos, of: &Instrument, out: &mut Vec<u8>) {
        let body = Body::Instrument {
            symbol: of.symbol.to_string(),
            base: of.base.to_string(),
            quote: of.quote.to_string(),
            px_scale: of.px_scale,
            qty_scale: of.qty_scale,
            contract: text(of.contract.size.into(), of.contract.scale),
            inverse: of.contract.inverse,
        };
        self.line(at, &body, out);
    }

    /// The run ended in order.
    pub(crate) fn ended(&mut self, at: UnixNanos, out: &mut Vec<u8>) {
        self.line(at, &Body::Ended, out);
    }

    /// What was done at `at`; `unix` says when the other times in it were. What is about no
    /// instrument of the run is nothing that anybody could go on with, and is left out.
    pub(crate) fn deed(
        &mut self,
        names: Names<'_>,
        (at, unix): (Nanos, &dyn Fn(Nanos) -> UnixNanos),
        deed: &Deed,
        out: &mut Vec<u8>,
    ) {
        if let Some(body) = names.body((at, unix), deed) {
            self.line(unix(at), &body, out);
        }
    }

    /// The number of the next line.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    fn line(&mut self, at: UnixNanos, body: &Body, out: &mut Vec<u8>) {
        let body = serde_json::to_string(body).unwrap_or_default();
        debug_assert!(body.starts_with('{'), "numbers and text are always JSON");
        let rest = body.strip_prefix('{').unwrap_or("}");
        let object = format!("{{\"n\":{},\"ts_ns\":{},{rest}", self.next, at.0);
        out.extend_from_slice(seal(object).as_bytes());
        self.next += 1;
    }
}

/// Writes amounts at an instrument's scales.
struct Scaled<'i>(&'i Instrument);

impl Scaled<'_> {
    fn symbol(&self) -> String {
        self.0.symbol.to_string()
    }

    fn px(&self, px: Px) -> String {
        text(px.0.into(), self.0.px_scale)
    }

    fn qty(&self, qty: Qty) -> String {
        text(qty.0.into(), self.0.qty_scale)
    }
}

impl<'n> Names<'n> {
    fn scaled(&self, id: InstrumentId) -> Option<Scaled<'n>> {
        self.instruments.get(id.index()).map(Scaled)
    }

    fn strategy(&self, id: StrategyId) -> Option<String> {
        self.strategies.get(id.index()).cloned()
    }

    fn body(&self, when: (Nanos, &dyn Fn(Nanos) -> UnixNanos), deed: &Deed) -> Option<Body> {
        let (at, unix) = when;
        Some(match deed {
            Deed::Admitted {
                order,
                tag,
                replaces,
            } => Body::Admitted {
                order: self.order(order, *tag)?,
                replaces: replaces.map(|id| id.0),
            },
            Deed::Asked {
                client_id,
                instrument,
                change,
            } => self.asked(*instrument, client_id.0, *change)?,
            Deed::Heard(news) => self.heard(news, unix)?,
            Deed::Listed {
                instrument,
                asked,
                to,
            } => Body::Listed {
                symbol: self.scaled(*instrument)?.symbol(),
                asked_ns: unix(*asked).0,
                to: *to,
            },
            Deed::Unlisted { instrument, age } => Body::Unlisted {
                symbol: self.scaled(*instrument)?.symbol(),
                since_ns: unix(at - *age).0,
            },
            Deed::Adopted(resting) => self.adopted(resting)?,
            Deed::Open(open) => self.open(open, unix(at - open.age))?,
            Deed::Position {
                strategy,
                instrument,
                position,
            } => self.position(*strategy, *instrument, position)?,
            Deed::Seen {
                instrument,
                trade_id,
            } => Body::Seen {
                symbol: self.scaled(*instrument)?.symbol(),
                trade_id: *trade_id,
            },
            Deed::SeenTo {
                instrument,
                trade_id,
            } => Body::SeenTo {
                symbol: self.scaled(*instrument)?.symbol(),
                trade_id: *trade_id,
            },
            Deed::UsedTo { client_id } => Body::UsedTo { order: client_id.0 },
            Deed::Holds { asset, units } => Body::Holds {
                asset: asset.to_string(),
                amount: text(*units, super::ASSET_SCALE),
            },
            Deed::HoldsNoOther => Body::HoldsNoOther,
            Deed::Differs {
                entry,
                asset,
                expected,
                found,
            } => Body::Differs {
                entry: *entry,
                asset: asset.to_string(),
                expected: text(*expected, super::ASSET_SCALE),
                found: text(*found, super::ASSET_SCALE),
            },
            Deed::Accepted { entry, by } => Body::Accepted {
                entry: *entry,
                by: (*by).into(),
            },
            Deed::AcceptedSoFar { asset, units } => Body::AcceptedSoFar {
                asset: asset.to_string(),
                amount: text(*units, super::ASSET_SCALE),
            },
            Deed::Held { instrument, on } => Body::Held {
                symbol: self.scaled(*instrument)?.symbol(),
                on: *on,
            },
            Deed::Day(day) => Body::Day {
                strategy: self.strategy(day.strategy),
                quote: day.quote.to_string(),
                gained: text(day.gained, VALUE_SCALE),
                best: text(day.best, VALUE_SCALE),
            },
            Deed::Marked {
                instrument,
                bid,
                ask,
            } => {
                let of = self.scaled(*instrument)?;
                Body::Marked {
                    symbol: of.symbol(),
                    bid: of.px(*bid),
                    ask: of.px(*ask),
                }
            }
            Deed::Set {
                strategy,
                key,
                value,
            } => Body::Set {
                strategy: self.strategy(*strategy)?,
                key: key.to_string(),
                value: value.to_string(),
            },
            Deed::Mode { strategy, mode } => Body::Mode {
                strategy: self.strategy(*strategy),
                mode: (*mode).into(),
            },
        })
    }

    fn order(&self, order: &NewOrder, tag: u64) -> Option<OrderText> {
        let of = self.scaled(order.instrument)?;
        Some(OrderText {
            order: order.client_id.0,
            strategy: self.strategy(order.strategy),
            tag,
            symbol: of.symbol(),
            side: order.side.into(),
            px: of.px(order.px),
            qty: of.qty(order.qty),
            order_type: order.order_type.into(),
        })
    }

    fn asked(&self, instrument: InstrumentId, order: u64, change: Change) -> Option<Body> {
        let of = self.scaled(instrument)?;
        let (change, qty) = match change {
            Change::Cancel => (ChangeWord::Cancel, None),
            Change::Replace => (ChangeWord::Replace, None),
            Change::Reduce(qty) => (ChangeWord::Reduce, Some(of.qty(qty))),
        };
        Some(Body::Asked {
            order,
            symbol: of.symbol(),
            change,
            qty,
        })
    }

    fn heard(&self, news: &News, unix: &dyn Fn(Nanos) -> UnixNanos) -> Option<Body> {
        let of = self.scaled(news.instrument)?;
        let (source, asked_ns) = match news.source {
            Source::Answer => (SourceWord::Answer, None),
            Source::Stream => (SourceWord::Stream, None),
            Source::Query { asked } => (SourceWord::Query, Some(unix(asked).0)),
        };
        let said = match news.said {
            Said::NotSent => SaidText::NotSent,
            Said::Taken { exchange_id } => SaidText::Taken { exchange_id },
            Said::Fill(fill) => of.fill(&fill),
            Said::Traded(qty) => SaidText::Traded { qty: of.qty(qty) },
            Said::Ended(end, traded) => SaidText::Ended {
                end: end.into(),
                traded: traded.map(|qty| of.qty(qty)),
            },
            Said::Reduced(qty) => SaidText::Reduced { qty: of.qty(qty) },
            Said::Rejected { code } => SaidText::Rejected { code },
            Said::ChangeRefused { code } => SaidText::ChangeRefused { code },
            Said::Absent => SaidText::Absent,
            Said::Unanswered => SaidText::Unanswered,
        };
        Some(Body::Heard {
            order: news.client_id.0,
            symbol: of.symbol(),
            source,
            asked_ns,
            said,
        })
    }

    fn adopted(&self, resting: &Resting) -> Option<Body> {
        let of = self.scaled(resting.instrument?)?;
        Some(Body::Adopted {
            order: resting.client_id?.0,
            exchange_id: resting.exchange_id,
            symbol: of.symbol(),
            side: resting.side.into(),
            px: of.px(resting.px),
            qty: of.qty(resting.qty),
            traded: of.qty(resting.traded),
        })
    }

    fn open(&self, open: &OpenOrder, sent: UnixNanos) -> Option<Body> {
        let working = &open.working;
        let order = NewOrder {
            client_id: working.client_id,
            strategy: working.strategy,
            instrument: working.instrument,
            side: working.side,
            px: working.px,
            qty: working.qty,
            order_type: working.order_type,
        };
        let of = self.scaled(working.instrument)?;
        Some(Body::Open {
            order: self.order(&order, working.tag)?,
            filled: of.qty(working.filled),
            told: of.qty(open.told),
            exchange_id: open.exchange_id,
            acked: working.acked,
            in_doubt: working.in_doubt,
            changing: working.changing,
            contradicted: open.contradicted,
            changed: open.changed,
            over: open.over.map(|(end, _)| end.into()),
            total: open.over.and_then(|(_, total)| Some(of.qty(total?))),
            sent_ns: sent.0,
        })
    }

    fn position(
        &self,
        strategy: StrategyId,
        instrument: InstrumentId,
        position: &Position,
    ) -> Option<Body> {
        let Scaled(of) = self.scaled(instrument)?;
        Some(Body::Position {
            strategy: self.strategy(strategy),
            symbol: of.symbol.to_string(),
            qty: text(position.qty, of.qty_scale),
            cash: text(position.cash, of.cash_scale()),
            cost: Some(text(position.cost, of.cash_scale())),
            taken: Some(text(position.taken, super::ASSET_SCALE)),
        })
    }
}

impl Scaled<'_> {
    fn fill(&self, fill: &Fill) -> SaidText {
        let fee = fill.fee.map(|fee| FeeText {
            asset: fee.asset.to_string(),
            amount: text(
                i128::try_from(fee.amount.units).unwrap_or(i128::MAX),
                fee.amount.scale,
            ),
            rebate: fee.rebate,
        });
        SaidText::Fill {
            trade_id: fill.trade_id,
            side: fill.side.into(),
            px: self.px(fill.px),
            qty: self.qty(fill.qty),
            fee,
            maker: fill.maker,
            at_ns: fill.at.0,
        }
    }
}
