//! Who sits at a desk, and what goes to and fro: receipts, tickets, requests. Decides nothing.

use super::halt::Closing;
use super::*;
use crate::trading::pnl::Row;
use arrayvec::ArrayVec;

/// The stamps of an order from the frame that caused it to its admission.
///
/// Invariant: `popped <= decided <= admitted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Stamps of the frame that caused it.
    pub stamps: Stamps,
    /// The desk took the event off its ring.
    pub popped: Nanos,
    /// The strategy had decided.
    pub decided: Nanos,
    /// Risk had admitted it.
    pub admitted: Nanos,
}

impl Receipt {
    pub(super) fn check(&self) {
        debug_assert!(self.popped <= self.decided);
        debug_assert!(self.decided <= self.admitted);
    }
}

/// An admitted order on its way to the gateway, with its receipt.
pub struct Ticket {
    /// What the gateway is to send.
    pub order: Admitted,
    /// The stamps that it carries along.
    pub receipt: Receipt,
}

/// What the desk wants of the account.
pub enum Request {
    /// A new order.
    Place(Ticket),
    /// A new order in the place of this one: only once that is cancelled.
    Replace(OrderRef, Ticket),
    /// Only so much of this order in all, what traded included.
    Reduce(OrderRef, Qty),
    /// The end of this order.
    Cancel(OrderRef),
    /// An answer.
    Ask(Question),
}

impl Request {
    /// What is to be heard if nothing came of it.
    pub(crate) fn undone(&self) -> ArrayVec<News, 2> {
        let news = |client_id, instrument, said| News {
            client_id,
            instrument,
            source: Source::Answer,
            said,
        };
        let placed = match self {
            Self::Place(ticket) | Self::Replace(_, ticket) => Some(ticket.order.order()),
            Self::Reduce(..) | Self::Cancel(_) | Self::Ask(_) => None,
        };
        let changed = match self {
            Self::Replace(old, _) | Self::Reduce(old, _) | Self::Cancel(old) => Some(old),
            Self::Place(_) | Self::Ask(_) => None,
        };
        let placed = placed.map(|new| news(new.client_id, new.instrument, Said::NotSent));
        let unchanged = Said::ChangeRefused { code: 0 };
        let changed = changed.map(|old| news(old.client_id, old.instrument, unchanged));
        placed.into_iter().chain(changed).collect()
    }
}

/// Where orders go.
pub enum Exit {
    /// To the exchange, by this gateway ring.
    Gateway(Sender<Request>),
    /// To the exchange, but to the order journal first.
    Journal,
    /// Nowhere: filled on paper against the books that the desk sees.
    Paper(Paper),
}

/// What orders must know of their exit.
#[derive(Debug, Clone, Copy)]
pub struct ExitRules {
    /// For so long after it was sent the exchange may deny an order that it has.
    pub visibility: Span,
    /// It can take from an order without its losing its place in the queue.
    pub reduces: bool,
}

impl ExitRules {
    /// Paper knows what it has.
    pub const PAPER: Self = Self {
        visibility: Span::ZERO,
        reduces: true,
    };
}

/// A strategy, and what it is there for.
pub struct Seated {
    /// What decides.
    pub strategy: Box<dyn Strategy>,
    /// Whether an instrument is one of its own, by instrument id; all are if this says nothing. It
    /// sees and trades no other.
    pub own: Option<Box<[bool]>>,
}

impl Seated {
    /// A strategy for every instrument of the run.
    pub fn everywhere(strategy: Box<dyn Strategy>) -> Self {
        Self {
            strategy,
            own: None,
        }
    }

    /// Whether it may see and trade this instrument. What is about no instrument is everybody's.
    pub(crate) fn owns(&self, id: InstrumentId) -> bool {
        let own = self.own.as_ref();
        id == InstrumentId::NONE || own.is_none_or(|own| own.get(id.index()) == Some(&true))
    }
}

/// What a desk leaves behind.
#[derive(Debug, Clone)]
pub struct DeskEnd {
    /// What it counted.
    pub counters: DeskCounters,
    /// Intents that risk refused.
    pub refusals: Refusals,
    /// The same of each strategy, by its id.
    pub strategies: Vec<StrategyEnd>,
    /// What was traded, by instrument id.
    pub traded: Vec<Traded>,
    /// What was gained and lost, by strategy, then by instrument.
    pub(crate) pnl: Vec<Row>,
    /// What each account has of each asset against what our trades brought; nothing on paper.
    pub(crate) balances: Vec<AccountBalances>,
}

/// What a strategy leaves behind.
#[derive(Debug, Clone)]
pub struct StrategyEnd {
    /// What was counted of it.
    pub counters: DeskCounters,
    /// Its intents that risk refused.
    pub refusals: Refusals,
    /// What became of its intents, by instrument.
    pub judged: Judgements,
}

/// A strategy at the desk, and what is kept of it.
///
/// Invariant: each intent was admitted, was a change, or was refused:
/// `intents == admitted + changes + refusals`.
pub(super) struct Chair {
    pub(super) seated: Seated,
    pub(super) counters: DeskCounters,
    pub(super) refusals: Refusals,
    pub(super) judged: Judgements,
    /// When a refusal by each gate was logged last: one strategy's refusals do not silence
    /// another's.
    pub(super) refusal_logged: [Nanos; Refusal::ALL.len()],
    /// What works of it is being cancelled, or what it holds closed.
    pub(super) closing: Option<Closing>,
    /// It panicked: it decides nothing more.
    pub(super) gone: bool,
    /// What it wanted in the second that began then.
    wanted: (Nanos, u32),
}

impl Chair {
    pub(super) fn new(seated: Seated, instruments: usize) -> Self {
        Self {
            seated,
            counters: DeskCounters::default(),
            refusals: Refusals::default(),
            judged: Judgements::new(instruments),
            refusal_logged: [Nanos::ZERO; Refusal::ALL.len()],
            closing: None,
            gone: false,
            wanted: (Nanos::ZERO, 0),
        }
    }

    /// It wants something. What becomes of it is one of the next three.
    pub(super) fn wanted(&mut self, instrument: InstrumentId) {
        self.counters.intents += 1;
        self.judged.wanted(instrument);
    }

    pub(super) fn ordered(&mut self, instrument: InstrumentId) {
        self.counters.admitted += 1;
        self.judged.ordered(instrument);
        self.check();
    }

    pub(super) fn changed(&mut self, instrument: InstrumentId) {
        self.counters.changes += 1;
        self.judged.changed(instrument);
        self.check();
    }

    /// Returns how many intents of this instrument the gate stopped by now.
    pub(super) fn refused(&mut self, instrument: InstrumentId, refused: &Refused) -> u64 {
        self.refusals.record(instrument, refused);
        let nth = self.judged.refused(instrument, refused.gate);
        self.check();
        nth
    }

    /// Whether a refusal by this gate is to be logged now.
    pub(super) fn logs_refusal(&mut self, now: Nanos, gate: Refusal) -> bool {
        let last = &mut self.refusal_logged[gate as usize];
        let due = *last == Nanos::ZERO || now.since(*last) >= REFUSAL_SAMPLE;
        if due {
            *last = now;
        }
        due
    }

    /// Whether it wants more than anybody in order would; said once a second.
    pub(super) fn floods(&mut self, now: Nanos, wanted: u32) -> bool {
        if now.since(self.wanted.0) >= Span::from_secs(1) {
            self.wanted = (now, 0);
        }
        let before = self.wanted.1;
        self.wanted.1 = before.saturating_add(wanted);
        before <= INTENTS_PER_S_MAX && self.wanted.1 > INTENTS_PER_S_MAX
    }

    pub(super) fn check(&self) {
        self.counters.check();
        debug_assert_eq!(
            self.counters.intents,
            self.counters.admitted + self.counters.changes + self.refusals.total()
        );
    }
}
