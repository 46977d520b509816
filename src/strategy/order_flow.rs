//! Follows the order flow: takes the side to which more was added than taken over a window of time.
//! Compares books only within one epoch without gaps, and keeps no position.
//!
//! The signal is the order-flow imbalance of the best level (Cont, Kukanov & Stoikov, *The Price
//! Impact of Order Book Events*, 2014: [`Ofi`]), summed over a window and divided by the mean
//! quantity at the best price of a side in that window. In their model the price moves by half of
//! it, in ticks, while the window lasts. The strategy bets that the flow continues.

use super::sizes::{fitting_qty, order_qtys};
use super::{Intents, Key, Kind, Sort, Strategy, StrategyError, Table, Values, View};
use crate::base::event::EVENT_LEVELS;
use crate::base::{
    Body, Event, InstrumentId, Nanos, OrderType, Place, Qty, Side, Span, StrategyId, Top, Why,
};
use crate::market::Ofi;

/// The name of the signal in decision logs.
const SIGNAL: &str = "order_flow";

/// How it is configured and built.
pub(crate) const KIND: Kind = Kind {
    name: "order_flow",
    help: "takes the side to which more was added than taken at the best price over a window",
    keys: &[WINDOW_MS, THRESHOLD, COOLDOWN_MS, QUANTITY],
    settable: &[WINDOW_MS, THRESHOLD, COOLDOWN_MS, QUANTITY],
    levels: None,
    exchanges_min: 1,
    build: |values, table| Ok(Box::new(OrderFlow::new(values, table)?)),
};

const WINDOW_MS: Key = Key {
    name: "window_ms",
    sort: Sort::Int {
        min: 1,
        max: 600_000,
        default: 1_000,
    },
    help: "how long the flow is summed before it is judged, in milliseconds",
};
const THRESHOLD: Key = Key {
    name: "threshold",
    sort: Sort::Ratio {
        above: 0.0,
        below: 1_000.0,
        default: 2.0,
    },
    help: "flow that must be exceeded, in mean quantities at the best price",
};
const COOLDOWN_MS: Key = Key {
    name: "cooldown_ms",
    sort: Sort::Int {
        min: 0,
        max: 3_600_000,
        default: 1_000,
    },
    help: "pause after an intent, per instrument, in milliseconds",
};
const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.001" },
    help: "quantity of an order, in base currency",
};

/// Wants a LIMIT IOC at the opposite best price when the flow of a window exceeds its threshold.
#[derive(Debug)]
pub(crate) struct OrderFlow {
    window: Span,
    threshold: f64,
    cooldown: Span,
    /// What to order, in base currency, as decimal text.
    quantity: String,
    /// One per instrument, at the index of its id.
    seats: Vec<Seat>,
}

/// What it remembers about one instrument.
#[derive(Debug)]
struct Seat {
    /// Zero if the configured quantity does not fit the instrument: it is not traded.
    qty: Qty,
    ofi: Ofi<1>,
    window: Option<Window>,
    /// No intent before this.
    ready_at: Nanos,
}

/// The flow since a comparable book.
///
/// Invariant: `books > 0`, and `2 * books <= resting`, since no level is empty.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Nanos,
    /// Added to the bid and taken from the ask, less the opposite.
    flow: i128,
    /// Quantity at both best prices, summed over the books.
    resting: i128,
    books: i128,
}

impl OrderFlow {
    /// Trades those instruments of the table that are its own and that the quantity fits.
    fn new(values: &Values, table: &Table<'_>) -> Result<Self, StrategyError> {
        let quantity = values.quantity(&QUANTITY);
        let seat = |qty| Seat {
            qty,
            ofi: Ofi::new(),
            window: None,
            ready_at: Nanos::ZERO,
        };
        let qtys = order_qtys(&quantity, table)?;
        Ok(Self {
            window: Span::from_millis(values.int(&WINDOW_MS)),
            threshold: values.ratio(&THRESHOLD),
            cooldown: Span::from_millis(values.int(&COOLDOWN_MS)),
            quantity,
            seats: qtys.into_iter().map(seat).collect(),
        })
    }
}

impl Seat {
    /// Takes a book in. Returns the signal if this book ends a window.
    fn judge(
        &mut self,
        now: Nanos,
        event: &Event,
        top: &Top<EVENT_LEVELS>,
        window_max: Span,
    ) -> Option<f64> {
        let Some([flow]) = self.ofi.update(top, event.epoch, event.flags.fresh) else {
            self.window = None; // There is no flow from a book that cannot be compared.
            return None;
        };
        let (bid, ask) = top.best()?;
        let begun = Window {
            since: now,
            flow: 0,
            resting: 0,
            books: 0,
        };
        let window = self.window.get_or_insert(begun);
        window.flow = window.flow.saturating_add(flow);
        window.resting += i128::from(bid.qty.0) + i128::from(ask.qty.0);
        window.books += 1;
        window.check();
        if now.since(window.since) < window_max {
            return None;
        }
        let value = window.value();
        self.window = None;
        Some(value)
    }
}

impl Window {
    /// The flow in mean quantities at the best price of a side.
    fn value(&self) -> f64 {
        let mean = self.resting as f64 / (2 * self.books) as f64;
        self.flow as f64 / mean
    }

    fn check(&self) {
        debug_assert!(self.books > 0);
        debug_assert!(self.resting >= 2 * self.books);
    }
}

impl Strategy for OrderFlow {
    fn handle_event(&mut self, now: Nanos, event: &Event, _view: &View<'_>, out: &mut Intents) {
        let Some(seat) = self.seats.get_mut(event.instrument.index()) else {
            return;
        };
        let top = match &event.body {
            Body::Book(top) => top,
            Body::Instrument(instrument) => {
                seat.qty = fitting_qty(&self.quantity, instrument);
                seat.ofi.reset(); // The next book is at other scales.
                return;
            }
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Status(_)
            | Body::Trading(_)
            | Body::Gateway(_)
            | Body::News(_)
            | Body::Account(_)
            | Body::Report(_) => return,
        };
        let Some(value) = seat.judge(now, event, top, self.window) else {
            return;
        };
        let Some((bid, ask)) = top.best().filter(|_| !top.crossed()) else {
            return;
        };
        let (side, px) = match value {
            v if v > self.threshold => (Side::Buy, ask.px),
            v if v < -self.threshold => (Side::Sell, bid.px),
            _ => return,
        };
        if now < seat.ready_at || seat.qty == Qty(0) {
            return;
        }
        let intent = Place {
            strategy: StrategyId::NONE, // The desk's to say.
            instrument: event.instrument,
            side,
            px,
            qty: seat.qty,
            order_type: OrderType::ImmediateOrCancel,
            tag: 0,
            why: Why {
                signal: SIGNAL,
                value,
                threshold: self.threshold,
                update_id: event.update_id,
                epoch: event.epoch,
                bid,
                ask,
            },
        };
        if out.try_push(intent.into()).is_ok() {
            seat.ready_at = now + self.cooldown;
        }
    }

    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        self.window = Span::from_millis(values.int(&WINDOW_MS));
        self.threshold = values.ratio(&THRESHOLD);
        self.cooldown = Span::from_millis(values.int(&COOLDOWN_MS));
        values.swap_quantity(&QUANTITY, &mut self.quantity);
        // Also of instruments that are not its own: no event of theirs comes here.
        for (seat, instrument) in self.seats.iter_mut().zip(view.market.instruments()) {
            seat.qty = fitting_qty(&self.quantity, instrument);
        }
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        let seat = self.seats.get(instrument.index());
        seat.is_some_and(|seat| seat.qty > Qty(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Value, placed, sees};
    use super::*;
    use crate::base::{Flags, Instrument, Level, Px, Stamps, Symbol, UnixNanos};
    use crate::market::Picture;
    use proptest::{collection, prop_assert, prop_assert_eq, proptest};

    const WINDOW: u64 = 1_000_000_000;

    fn instrument() -> Instrument {
        Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }

    fn strategy() -> OrderFlow {
        OrderFlow::new(&Values::default(), &Table::of(&[instrument()])).unwrap()
    }

    /// Best bid 100 and best ask 101 with these quantities.
    fn book(bid: u64, ask: u64) -> Event {
        let level = |px, qty| Level {
            px: Px(px),
            qty: Qty(qty),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(100, bid)].into_iter(), 1, false);
        top.set(Side::Sell, [level(101, ask)].into_iter(), 1, false);
        Event {
            stamps: Stamps::default(),
            exch_time: UnixNanos(0),
            as_of: Nanos::ZERO,
            update_id: 7,
            epoch: 1,
            instrument: InstrumentId(0),
            flags: Flags::default(),
            body: Body::Book(top),
        }
    }

    fn wants(strategy: &mut OrderFlow, now: u64, event: &Event) -> Option<Place> {
        let mut out = Intents::new();
        let market = Picture::new(&[]);
        strategy.handle_event(Nanos(now), event, &sees(&market), &mut out);
        assert!(out.len() <= 1);
        out.pop().map(placed)
    }

    /// What the strategy wants after books at these times.
    fn after(books: &[(u64, u64, u64)]) -> Option<Place> {
        let mut strategy = strategy();
        let each = books.iter().map(|(now, bid, ask)| {
            let event = book(*bid, *ask);
            wants(&mut strategy, *now, &event)
        });
        each.last().flatten()
    }

    #[test]
    fn it_buys_when_much_was_added_to_the_bid_and_says_how_much() {
        let books = [(0, 10, 20), (1, 20, 20), (WINDOW + 1, 70, 10)];
        let intent = after(&books).unwrap();
        assert_eq!((intent.side, intent.px), (Side::Buy, Px(101)));
        // Added to the bid: 10, then 50; taken from the ask: 10. Rested: 40, then 80.
        assert_eq!(intent.why.value, 70.0 / (120.0 / 4.0));
        assert_eq!((intent.why.signal, intent.why.threshold), (SIGNAL, 2.0));
    }

    #[test]
    fn it_sells_when_much_was_taken_from_the_bid() {
        let books = [(0, 90, 10), (1, 10, 10), (WINDOW + 1, 5, 10)];
        let intent = after(&books).unwrap();
        assert_eq!((intent.side, intent.px), (Side::Sell, Px(100)));
    }

    #[test]
    fn nothing_is_judged_before_the_window_is_over() {
        assert_eq!(after(&[(0, 10, 10), (1, 90, 10), (WINDOW, 900, 10)]), None);
        assert!(after(&[(0, 10, 10), (1, 90, 10), (WINDOW + 1, 900, 10)]).is_some());
    }

    #[test]
    fn a_fresh_book_and_one_of_another_epoch_begin_anew() {
        for (epoch, fresh) in [(2, false), (1, true)] {
            let mut strategy = strategy();
            for (now, bid) in [(0, 10), (1, 900)] {
                assert_eq!(wants(&mut strategy, now, &book(bid, 10)), None);
            }
            let mut other = book(9_000, 10);
            (other.epoch, other.flags.fresh) = (epoch, fresh);
            assert_eq!(wants(&mut strategy, WINDOW + 1, &other), None);
        }
    }

    #[test]
    fn values_that_are_set_count_from_the_next_book_on() {
        let market = Picture::new(&[instrument()]);
        let mut strategy = strategy();
        wants(&mut strategy, 0, &book(10, 10));
        let mut values = Values::default().whole(KIND.keys);
        values.set(&WINDOW_MS, Value::Int(2_000));
        values.set(&THRESHOLD, Value::Ratio(500.0));
        values.set(&QUANTITY, Value::Quantity("0.002".into()));
        strategy.handle_values(&mut values, &sees(&market)).unwrap();
        wants(&mut strategy, 1, &book(20, 10));
        assert_eq!(wants(&mut strategy, 2 * WINDOW, &book(9_000, 10)), None);
        // Its window goes on, and is judged by what was set.
        values.set(&THRESHOLD, Value::Ratio(1.0));
        values.set(&QUANTITY, Value::Quantity("0.002".into()));
        strategy.handle_values(&mut values, &sees(&market)).unwrap();
        let place = wants(&mut strategy, 2 * WINDOW + 1, &book(9_010, 10)).unwrap();
        assert_eq!((place.qty, place.why.threshold), (Qty(2), 1.0));
    }

    #[test]
    fn after_an_intent_it_pauses() {
        let mut strategy = strategy();
        let mut last = None;
        for step in 0..20 {
            let event = book(10 + step * 1_000, 10);
            let now = step * WINDOW / 2;
            if wants(&mut strategy, now, &event).is_some() {
                let pause = last.map(|last| now - last);
                assert!(pause.is_none_or(|pause| pause >= WINDOW), "{pause:?}");
                last = Some(now);
            }
        }
        assert!(last.is_some());
    }

    proptest! {
        /// The twin keeps every book of a window and adds the flow up from scratch.
        #[test]
        fn it_sums_as_adding_every_book_of_the_window_up_does(
            steps in collection::vec((1u64..400, 1u64..90, 1u64..90), 2..80),
        ) {
            let mut strategy = strategy();
            let (mut now, mut before, mut books) = (0, None::<(u64, u64)>, Vec::new());
            let mut ready_at = 0;
            for (ms, bid, ask) in steps {
                now += ms * 1_000_000;
                let got = wants(&mut strategy, now, &book(bid, ask));
                let mut wanted = None;
                if let Some((bid_before, ask_before)) = before {
                    let flow = (bid + ask_before) as f64 - (bid_before + ask) as f64;
                    books.push((now, flow, bid + ask));
                    if now - books[0].0 >= WINDOW {
                        let flow: f64 = books.iter().map(|(_, flow, _)| flow).sum();
                        let resting: u64 = books.iter().map(|(_, _, resting)| resting).sum();
                        let value = flow / (resting as f64 / (2 * books.len()) as f64);
                        if value.abs() > 2.0 && now >= ready_at {
                            ready_at = now + WINDOW;
                            wanted = Some(value);
                        }
                        books.clear();
                    }
                }
                before = Some((bid, ask));
                prop_assert_eq!(got.map(|intent| intent.why.value), wanted);
                let agrees = |got: Place| (got.side == Side::Buy) == (got.why.value > 0.0);
                prop_assert!(got.is_none_or(agrees));
            }
        }
    }
}
