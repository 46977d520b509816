//! Looks at everything that a strategy is shown, and orders whatever comes to its mind.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use tickwire::base::event::EVENT_LEVELS;
use tickwire::base::{
    Body, Cancel, Event, InstrumentId, Intent, Level, Nanos, OrderType, Outcome, Place, Px, Qty,
    Replace, Report, Side, Span, Status, StrategyId, Top, Why, Working,
};
use tickwire::strategy::{Intents, Strategy, View};

/// In the tag of what was ordered without a live book.
const DARK: u64 = 1 << 63;
/// Between two orders for one instrument, about.
const PAUSE: Span = Span::from_millis(700);

/// What it saw, for the test.
#[derive(Default)]
pub struct Saw {
    pub books: Vec<SawBook>,
    /// Orders that have no end.
    pub working: usize,
    /// It orders nothing more, and cancels what works.
    pub stopped: bool,
    /// What must not be.
    pub found: Option<String>,
    /// When each state began.
    pub states: Vec<(Nanos, InstrumentId, Status)>,
    trades: HashSet<(InstrumentId, u64)>,
}

#[derive(Debug, Clone, Copy)]
pub struct SawBook {
    pub status: Status,
    pub live: Option<(u64, Top<EVENT_LEVELS>)>,
    /// The sum of fills that it was told.
    pub filled: i128,
    /// The position that it is shown.
    pub position: i128,
}

impl Saw {
    pub fn all_live(&self) -> bool {
        let live = |book: &SawBook| book.status == Status::Live && book.live.is_some();
        self.books.iter().all(live)
    }

    fn find(&mut self, what: impl FnOnce() -> String) {
        self.found = self.found.take().or_else(|| Some(what()));
    }
}

pub struct Monkey {
    saw: Arc<Mutex<Saw>>,
    dice: fastrand::Rng,
    orders: bool,
    due: Vec<Nanos>,
    last: Vec<Option<(Level, Level)>>,
}

impl Monkey {
    pub fn new(seed: u64, instruments: usize, orders: bool) -> (Self, Arc<Mutex<Saw>>) {
        let book = SawBook {
            status: Status::Connecting,
            live: None,
            filled: 0,
            position: 0,
        };
        let saw = Saw {
            books: vec![book; instruments],
            ..Saw::default()
        };
        let saw = Arc::new(Mutex::new(saw));
        let monkey = Self {
            saw: saw.clone(),
            dice: fastrand::Rng::with_seed(seed),
            orders,
            due: vec![Nanos::ZERO; instruments],
            last: vec![None; instruments],
        };
        (monkey, saw)
    }
}

impl Strategy for Monkey {
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let saw = self.saw.clone();
        let mut saw = saw.lock().unwrap();
        look(&mut saw, now, event, view);
        let id = event.instrument;
        if !self.orders || id.index() >= self.due.len() {
            return;
        }
        match &event.body {
            Body::Status(status) if *status != Status::Live && !saw.stopped => {
                if let Some(best) = self.last[id.index()] {
                    self.place(event, view, best, DARK, out);
                }
            }
            Body::Book(top) if now >= self.due[id.index()] => {
                let Some(best) = top.best() else { return };
                self.last[id.index()] = Some(best);
                self.due[id.index()] = now + Span(self.dice.u64(1..2 * PAUSE.0));
                match saw.stopped {
                    true => stop(view, out),
                    false => self.act(event, view, best, out),
                }
            }
            _ => {}
        }
    }
}

impl Monkey {
    fn act(&mut self, event: &Event, view: &View<'_>, best: (Level, Level), out: &mut Intents) {
        let own: Vec<&Working> = view
            .orders()
            .filter(|order| order.instrument == event.instrument)
            .collect();
        if own.is_empty() || self.dice.u8(..3) == 0 {
            return self.place(event, view, best, 0, out);
        }
        let order = own[self.dice.usize(..own.len())];
        let Some(listed) = view.market.instrument(event.instrument) else {
            return;
        };
        let wish = match self.dice.u8(..4) {
            0 | 1 => Intent::from(Cancel {
                order: order.client_id,
                why: "on a whim",
            }),
            2 => Intent::from(Replace {
                order: order.client_id,
                px: order.px,
                qty: Qty((order.remaining().0 / 2 / listed.lot.0).max(1) * listed.lot.0),
                why: why(event, best),
            }),
            _ => Intent::from(Replace {
                order: order.client_id,
                px: touch(order.side, best),
                qty: order.remaining(),
                why: why(event, best),
            }),
        };
        let _ = out.try_push(wish);
    }

    fn place(
        &mut self,
        event: &Event,
        view: &View<'_>,
        best: (Level, Level),
        tag: u64,
        out: &mut Intents,
    ) {
        let Some(listed) = view.market.instrument(event.instrument) else {
            return;
        };
        let side = if self.dice.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        let away = listed.tick.0 * self.dice.i64(0..4);
        let (order_type, px) = match (self.dice.bool(), side) {
            (true, Side::Buy) => (OrderType::PostOnly, best.0.px.0 - away),
            (true, Side::Sell) => (OrderType::PostOnly, best.1.px.0 + away),
            (false, Side::Buy) => (OrderType::ImmediateOrCancel, best.1.px.0 + away),
            (false, Side::Sell) => (OrderType::ImmediateOrCancel, best.0.px.0 - away),
        };
        let least = listed.lot.0.max(listed.qty_min.0);
        let _ = out.try_push(Intent::from(Place {
            strategy: StrategyId::NONE,
            instrument: event.instrument,
            side,
            px: Px(px),
            qty: Qty(40 * least * self.dice.u64(1..=20)),
            order_type,
            tag,
            why: why(event, best),
        }));
    }
}

/// Asks for the end of everything.
fn stop(view: &View<'_>, out: &mut Intents) {
    for order in view
        .orders()
        .filter(|order| order.acked && !order.changing && !order.in_doubt)
    {
        let _ = out.try_push(Intent::from(Cancel {
            order: order.client_id,
            why: "it is over",
        }));
    }
}

fn touch(side: Side, (bid, ask): (Level, Level)) -> Px {
    match side {
        Side::Buy => bid.px,
        Side::Sell => ask.px,
    }
}

fn why(event: &Event, (bid, ask): (Level, Level)) -> Why {
    Why {
        signal: "whim",
        value: 0.0,
        threshold: 0.0,
        update_id: event.update_id,
        epoch: event.epoch,
        bid,
        ask,
    }
}

fn look(saw: &mut Saw, now: Nanos, event: &Event, view: &View<'_>) {
    saw.working = view.orders().count();
    for n in 0..saw.books.len() {
        let id = InstrumentId(n as u16);
        let book = &mut saw.books[n];
        book.status = view.market.status(id).unwrap_or(Status::Connecting);
        book.live = view
            .market
            .live(id)
            .map(|shown| (shown.update_id, shown.top));
        book.position = view.position(id).qty;
        if book.live.is_some() && book.status != Status::Live {
            let status = book.status;
            saw.find(|| format!("book {n} is shown while it is {status:?}"));
        }
    }
    match &event.body {
        Body::Status(status) => saw.states.push((now, event.instrument, *status)),
        Body::Book(top) => {
            let live = saw.books[event.instrument.index()].live;
            if live != Some((event.update_id, *top)) {
                saw.find(|| format!("another book is shown than came: {event:?}"));
            }
        }
        Body::Report(report) => hear(saw, report),
        _ => {}
    }
}

fn hear(saw: &mut Saw, report: &Report) {
    let came_out = matches!(report.outcome, Outcome::Acked { .. } | Outcome::Fill(_));
    if came_out && report.tag & DARK != 0 {
        saw.find(|| format!("an order on a book that was not live: {report:?}"));
    }
    if let Outcome::Fill(fill) = report.outcome {
        let id = report.instrument;
        if !saw.trades.insert((id, fill.trade_id)) {
            saw.find(|| format!("a fill is told twice: {report:?}"));
        }
        saw.books[id.index()].filled += signed(fill.side, fill.qty);
    }
}

pub fn signed(side: Side, qty: Qty) -> i128 {
    match side {
        Side::Buy => i128::from(qty.0),
        Side::Sell => -i128::from(qty.0),
    }
}
