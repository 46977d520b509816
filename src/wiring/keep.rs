//! The desk's way to whoever keeps the order journal. Never blocks, formats nothing and writes
//! nothing itself.
//!
//! If every order is to be on the disk before it leaves, requests go this way, too, and come to the
//! gateway behind the records in front of them.

use super::desk::{Request, own_event};
use super::kill::KillSwitch;
use super::ring::{Bell, Receiver, Sender, ring};
use crate::base::{Asset, Body, Deed, Event, Nanos};
use crate::trading::recover::Recovered;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Records and requests that may wait for the journal's thread.
const KEPT: usize = 4_096;
/// Requests that were not written and are told back to the desk, and that it has not heard of yet.
const BACK: usize = 1_024;

/// The order journal of a run: what it is to keep to, and what an earlier run left in it.
#[derive(Debug, Default)]
pub struct JournalPlan {
    /// An order is on the disk before it leaves.
    pub(crate) durable: bool,
    /// Up to so much of an asset that is not explained is accepted each day by itself, in units of
    /// 10^-18.
    pub(crate) accepts: Vec<(Asset, i128)>,
    /// What an earlier run left, in this run's ids, and when it was looked at.
    pub(crate) recovered: Recovered,
    /// See `recovered`.
    pub(crate) at: Nanos,
}

/// What goes to the journal's thread.
pub(crate) enum Kept {
    /// A record, and when it was made.
    Deed(Nanos, Deed),
    /// A request, for the gateway behind it.
    Request(Request),
}

/// How the journal stands, for both ends.
#[derive(Debug, Default)]
pub(crate) struct KeepState {
    /// The journal cannot be written now.
    failing: AtomicBool,
    /// Records that found no room.
    lost: AtomicU64,
}

impl KeepState {
    /// The journal can be written, or no longer.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Records that found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The desk's end.
pub(crate) struct Keep {
    ring: Sender<Kept>,
    /// Something was recorded that the journal's thread was not woken for.
    silent: bool,
    state: Arc<KeepState>,
}

impl Keep {
    /// Whether an order that is admitted now, and what becomes of it, will be in the journal. Half
    /// of the room is left for what becomes of the open ones.
    pub(crate) fn takes_orders(&self) -> bool {
        let state = &self.state;
        !state.failing.load(Ordering::Relaxed) && state.lost() == 0 && self.ring.room() >= KEPT / 2
    }

    /// Records something. What finds no room is counted, and from then on no order is taken. The
    /// journal's thread is not woken for it before [`Self::wake`]: that is a system call, and an
    /// order may be about to leave.
    pub(crate) fn keep(&mut self, at: Nanos, deed: Deed) {
        self.silent = true;
        if self.ring.push_silently(Kept::Deed(at, deed)).is_err() {
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// There is something new for the journal's thread that it was not woken for.
    pub(crate) fn is_to_wake(&self) -> bool {
        self.silent
    }

    /// Wakes the journal's thread if there is something new for it.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.silent) {
            self.ring.wake();
        }
    }

    /// Hands a request on behind what was recorded so far, or gives it back.
    #[expect(
        clippy::result_large_err,
        reason = "the request is given back, and never is but when the gateway is stuck"
    )]
    pub(crate) fn request(&mut self, request: Request) -> Result<(), Request> {
        self.ring
            .push(Kept::Request(request))
            .map_err(|kept| match kept {
                Kept::Request(request) => request,
                Kept::Deed(..) => Request::Ask(crate::base::Question::OpenOrders),
            })
    }
}

/// The thread's end.
pub(crate) struct KeepEnd {
    /// Records, and requests if orders are to be on the disk before they leave.
    pub(crate) kept: Receiver<Kept>,
    /// The gateway, for such requests.
    pub(crate) gateway: Option<Sender<Request>>,
    /// Rings when there is something.
    pub(crate) bell: Arc<Bell>,
    /// How the journal stands.
    pub(crate) state: Arc<KeepState>,
    /// What the thread records by itself, if the desk does not.
    pub(crate) switch: Arc<KillSwitch>,
    back: Sender<Event>,
}

impl KeepEnd {
    /// A request was not handed on: the desk hears that nothing came of it. False if there is no
    /// room for that now.
    pub(crate) fn give_back(&mut self, now: Nanos, request: &Request) -> bool {
        let news = request.undone();
        if self.back.room() < news.len() {
            return false;
        }
        for news in news {
            let event = own_event(now, Body::News(news));
            let pushed = self.back.push(event);
            debug_assert!(pushed.is_ok(), "there was room");
        }
        true
    }
}

/// Both ends, and the desk's input of what was not handed on. With a gateway, requests go this way.
pub(crate) fn keep(
    gateway: Option<Sender<Request>>,
    desk: Arc<Bell>,
    bell: Arc<Bell>,
    switch: Arc<KillSwitch>,
) -> (Keep, KeepEnd, Receiver<Event>) {
    let (items, kept) = ring(KEPT, bell.clone());
    let (back, input) = ring(BACK, desk);
    let state = Arc::<KeepState>::default();
    let keep = Keep {
        ring: items,
        silent: false,
        state: state.clone(),
    };
    let end = KeepEnd {
        kept,
        gateway,
        bell,
        state,
        switch,
        back,
    };
    (keep, end, input)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::base::{
        Flags, Instrument, InstrumentId, Level, OrderType, Place, Px, Qty, Side, Stamps,
        StrategyId, Symbol, Top, UnixNanos, Why,
    };
    use crate::market::Picture;
    use crate::trading::limits::{RiskLimits, RiskParams};
    use crate::trading::orders::Orders;
    use crate::trading::risk::Risk;
    use crate::wiring::desk::{Receipt, Ticket};

    /// The instrument of [`ticket`].
    pub(crate) fn instrument() -> Instrument {
        Instrument::bare("a", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }

    /// An order that risk admitted under this id.
    pub(crate) fn ticket(client_id: u64) -> Ticket {
        let params = RiskParams {
            qty_max: "10".into(),
            notional_max: "10000000".into(),
            collar_bps: 500,
            orders_per_s: 10,
            open_orders_max: 4,
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &[instrument()]).unwrap();
        let mut risk = Risk::new(limits, &[instrument()], client_id);
        let now = Nanos::from_secs(1);
        let event = |body| Event {
            stamps: Stamps {
                book: now,
                ..Stamps::default()
            },
            exch_time: UnixNanos(0),
            as_of: now,
            update_id: 7,
            epoch: 1,
            instrument: InstrumentId(0),
            flags: Flags::default(),
            body,
        };
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(9_999)].into_iter(), 1, true);
        top.set(Side::Sell, [level(10_001)].into_iter(), 1, true);
        let mut view = Picture::new(&[instrument()]);
        view.handle_event(now, &event(Body::Book(top)));
        risk.set_ready(0, true);
        let place = Place {
            strategy: StrategyId(0),
            instrument: InstrumentId(0),
            side: Side::Buy,
            px: Px(10_000),
            qty: Qty(1),
            order_type: OrderType::Limit,
            tag: 0,
            why: Why {
                signal: "test",
                value: 0.0,
                threshold: 0.0,
                update_id: 7,
                epoch: 1,
                bid: Level::default(),
                ask: Level::default(),
            },
        };
        let orders = Orders::new(1, 1, crate::base::Span::ZERO);
        Ticket {
            order: risk.admit(now, place, &view, &orders).unwrap(),
            receipt: Receipt::default(),
        }
    }
}
