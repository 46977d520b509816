//! The feed's end of its ring to the desk. A full ring never blocks it and never loses anything
//! silently: books, quotes and states are conflated to the latest per instrument, trades leave a
//! count behind.

use super::ring::Sender;
use crate::base::{Body, Event, InstrumentId};
use std::collections::VecDeque;

/// What waits for room, per instrument.
///
/// Invariant: it is queued exactly while something waits.
#[derive(Clone, Default)]
struct Waiting {
    /// The latest book, or the status that took its place.
    book: Option<Event>,
    quote: Option<Event>,
    trading: Option<Event>,
    instrument: Option<Event>,
    trades_lost: u32,
    queued: bool,
}

impl Waiting {
    /// In the order in which they go out: what tells of scales goes before what is written at them.
    const SLOTS: [fn(&mut Self) -> &mut Option<Event>; 4] = [
        |waiting| &mut waiting.instrument,
        |waiting| &mut waiting.trading,
        |waiting| &mut waiting.book,
        |waiting| &mut waiting.quote,
    ];

    fn check(&self) {
        let states = [&self.book, &self.quote, &self.trading, &self.instrument];
        debug_assert_eq!(self.queued, states.iter().any(|state| state.is_some()));
    }
}

/// How often the ring was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublisherCounters {
    /// Events that went onto the ring.
    pub(crate) events: u64,
    /// States that a later one replaced before there was room.
    pub conflated: u64,
    /// Prints that found no room; the next one that does carries their count.
    pub(crate) trades_lost: u64,
}

/// Publishes events of some instruments of a run.
///
/// Invariant: `queue.len() <= waiting.len() <= queue.capacity()`; each instrument is queued once.
pub struct Publisher {
    ring: Sender<Event>,
    waiting: Box<[Waiting]>,
    /// From [`InstrumentId`] to its place in `waiting`; `u16::MAX` for instruments of others.
    places: Box<[u16]>,
    /// Instruments with something waiting, oldest first; never longer than `waiting`.
    queue: VecDeque<InstrumentId>,
    counters: PublisherCounters,
}

impl Publisher {
    /// A publisher onto `ring` for these instruments. Allocates a waiting place for each.
    pub fn new(ring: Sender<Event>, instruments: impl Iterator<Item = InstrumentId>) -> Self {
        let own: Vec<usize> = instruments.map(InstrumentId::index).collect();
        let mut places = vec![u16::MAX; own.iter().max().map_or(0, |last| last + 1)];
        for (place, &index) in own.iter().enumerate() {
            places[index] = place as u16;
        }
        Self {
            ring,
            waiting: vec![Waiting::default(); own.len()].into(),
            places: places.into(),
            queue: VecDeque::with_capacity(own.len()),
            counters: PublisherCounters::default(),
        }
    }

    fn waiting(&mut self, instrument: InstrumentId) -> &mut Waiting {
        &mut self.waiting[usize::from(self.places[instrument.index()])]
    }

    /// Publishes `event`, or keeps what of it must not be lost until there is room. It is copied
    /// once, onto the ring.
    pub(crate) fn publish(&mut self, event: &Event) {
        self.flush(); // Room that there is now goes to what waited, and then to this.
        if !self.queue.is_empty() || !self.try_push(event) {
            self.keep(*event);
        }
    }

    /// Publishes what waits, as far as there is room now. To be called every turn.
    pub(crate) fn flush(&mut self) {
        while let Some(&instrument) = self.queue.front() {
            for slot in Waiting::SLOTS {
                if let Some(event) = slot(self.waiting(instrument)).take()
                    && !self.try_push(&event)
                {
                    *slot(self.waiting(instrument)) = Some(event);
                    return self.check(instrument);
                }
            }
            self.waiting(instrument).queued = false;
            self.queue.pop_front();
            self.check(instrument);
        }
        debug_assert!(self.is_idle());
    }

    /// True when nothing waits for room.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// What was counted so far.
    pub(crate) fn counters(&self) -> PublisherCounters {
        self.counters
    }

    /// False if there is no room.
    fn try_push(&mut self, event: &Event) -> bool {
        let pushed = match event.body {
            Body::Trade(trade, _) => {
                let lost = self.waiting(event.instrument).trades_lost;
                let body = Body::Trade(trade, lost);
                self.ring.push(Event { body, ..*event }).is_ok()
            }
            _ => self.ring.push(*event).is_ok(),
        };
        if pushed {
            self.counters.events += 1;
            if matches!(event.body, Body::Trade(..)) {
                self.waiting(event.instrument).trades_lost = 0;
            }
        }
        pushed
    }

    fn keep(&mut self, mut event: Event) {
        let place = usize::from(self.places[event.instrument.index()]);
        let slot = &mut self.waiting[place];
        match event.body {
            Body::Book(_) | Body::Status(_) => {
                if let Some(older) = slot.book.replace(event) {
                    self.counters.conflated += 1;
                    // A book that follows a lost change of state must not be compared with the one
                    // before.
                    let was_state = matches!(older.body, Body::Status(_));
                    event.flags.conflated = true;
                    event.flags.fresh |= older.flags.fresh || was_state;
                    slot.book = Some(event);
                }
            }
            Body::Quote(_) => {
                if slot.quote.replace(event).is_some() {
                    self.counters.conflated += 1;
                }
            }
            Body::Trade(..) => {
                slot.trades_lost = slot.trades_lost.saturating_add(1);
                self.counters.trades_lost += 1;
                return;
            }
            Body::Trading(_) => {
                let older = slot.trading.replace(event);
                self.counters.conflated += u64::from(older.is_some());
            }
            Body::Instrument(_) => {
                slot.quote = None; // At the old scales.
                let older = slot.instrument.replace(event);
                self.counters.conflated += u64::from(older.is_some());
            }
            // Feeds publish none of them; gateways have a ring of their own that is never full.
            Body::Gateway(_) | Body::News(_) | Body::Account(_) | Body::Report(_) => return,
        }
        if !slot.queued {
            slot.queued = true;
            self.queue.push_back(event.instrument);
        }
        debug_assert!(!self.is_idle());
        self.check(event.instrument);
    }

    /// Looks at one instrument; the others held before and did not change.
    fn check(&self, instrument: InstrumentId) {
        let waiting = &self.waiting[usize::from(self.places[instrument.index()])];
        waiting.check();
        debug_assert!(self.queue.len() <= self.waiting.len());
        debug_assert!(self.waiting.len() <= self.queue.capacity());
        debug_assert_eq!(
            self.queue.iter().filter(|id| **id == instrument).count(),
            usize::from(waiting.queued)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        Flags, Instrument, Level, Nanos, Px, Qty, Side, Stamps, Status, Symbol, Top, Trade,
        UnixNanos,
    };
    use crate::wiring::ring::{Bell, Receiver, ring};

    fn publisher(capacity: usize) -> (Publisher, Receiver<Event>) {
        let (sender, receiver) = ring(capacity, Bell::new(|| {}));
        (Publisher::new(sender, (0..3).map(InstrumentId)), receiver)
    }

    fn event(instrument: u16, update_id: u64, body: Body) -> Event {
        Event {
            stamps: Stamps::default(),
            exch_time: UnixNanos(0),
            as_of: Nanos::ZERO,
            update_id,
            epoch: 1,
            instrument: InstrumentId(instrument),
            flags: Flags::default(),
            body,
        }
    }

    fn book(instrument: u16, update_id: u64) -> Event {
        event(instrument, update_id, Body::Book(Top::EMPTY))
    }

    fn trade(instrument: u16, id: u64) -> Event {
        let trade = Trade {
            instrument: InstrumentId(instrument),
            id,
            px: Px(1),
            qty: Qty(1),
            taker: Side::Buy,
            exch_time: UnixNanos(0),
        };
        event(instrument, 0, Body::Trade(trade, 0))
    }

    #[test]
    fn with_room_every_event_goes_out_in_order() {
        let (mut publisher, mut receiver) = publisher(8);
        for update_id in 1..=5 {
            publisher.publish(&book(0, update_id));
        }
        let ids: Vec<u64> = std::iter::from_fn(|| receiver.pop().ok())
            .map(|e| e.update_id)
            .collect();
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        assert_eq!(publisher.counters().conflated, 0);
    }

    /// Failure mode 28: a reader never stops: books give way to later ones, and lost trades are
    /// counted.
    #[test]
    fn a_full_ring_keeps_the_latest_book_of_each_instrument_and_says_so() {
        let (mut publisher, mut receiver) = publisher(1);
        for update_id in 1..=4 {
            publisher.publish(&book(0, update_id));
            publisher.publish(&book(1, update_id));
        }
        assert_eq!(receiver.pop().map(|e| e.update_id), Ok(1));
        publisher.flush();
        let first = receiver.pop().ok();
        assert_eq!(first.map(|e| (e.instrument.0, e.update_id)), Some((1, 4)));
        assert_eq!(first.map(|e| e.flags.conflated), Some(true));
        publisher.flush();
        assert_eq!(
            receiver.pop().map(|e| (e.instrument.0, e.update_id)),
            Ok((0, 4))
        );
        publisher.flush();
        assert!(receiver.pop().is_err());
        assert!(publisher.is_idle());
        assert_eq!(publisher.counters().conflated, 5);
    }

    #[test]
    fn a_book_behind_a_lost_change_of_state_is_fresh() {
        let (mut publisher, mut receiver) = publisher(1);
        publisher.publish(&book(0, 1));
        publisher.publish(&event(0, 0, Body::Status(Status::Stale)));
        publisher.publish(&book(0, 2));
        assert!(receiver.pop().is_ok());
        publisher.flush();
        let next = receiver.pop().ok();
        assert_eq!(next.map(|e| (e.update_id, e.flags.fresh)), Some((2, true)));
    }

    #[test]
    fn new_scales_go_out_before_what_is_written_at_them() {
        let (mut publisher, mut receiver) = publisher(1);
        let instrument = Instrument::bare("x", Symbol::from("Y").unwrap(), (1, 1));
        publisher.publish(&book(0, 1));
        publisher.publish(&event(0, 0, Body::Status(Status::Resyncing)));
        publisher.publish(&event(0, 0, Body::Trading(false)));
        publisher.publish(&event(0, 0, Body::Trading(true)));
        publisher.publish(&event(0, 0, Body::Instrument(instrument)));
        publisher.publish(&book(0, 2));
        let mut bodies = Vec::new();
        while let Ok(event) = receiver.pop() {
            bodies.push(event.body);
            publisher.flush();
        }
        let first = bodies.remove(0);
        assert_eq!(first, Body::Book(Top::EMPTY));
        let want = [
            Body::Instrument(instrument),
            Body::Trading(true),
            Body::Book(Top::EMPTY),
        ];
        assert_eq!(bodies, want);
    }

    #[test]
    fn a_quote_that_waits_is_dropped_with_the_scales_that_it_is_written_at() {
        let (mut publisher, mut receiver) = publisher(1);
        let listed = Body::Instrument(Instrument::bare("x", Symbol::from("Y").unwrap(), (1, 1)));
        let quote = |update_id| {
            let quote = crate::base::Quote {
                instrument: InstrumentId(0),
                update_id,
                bid: Level::default(),
                ask: Level::default(),
            };
            event(0, update_id, Body::Quote(quote))
        };
        for event in [book(0, 1), quote(2), event(0, 3, listed), quote(4)] {
            publisher.publish(&event);
        }
        let mut ids = Vec::new();
        while let Ok(event) = receiver.pop() {
            ids.push(event.update_id);
            publisher.flush();
        }
        assert_eq!(ids, [1, 3, 4]);
        publisher.publish(&book(0, 5));
        for event in [quote(6), event(0, 7, listed)] {
            publisher.publish(&event);
        }
        while let Ok(event) = receiver.pop() {
            ids.push(event.update_id);
            publisher.flush();
        }
        assert_eq!(ids, [1, 3, 4, 5, 7]);
    }

    /// Failure mode 28: a reader never stops: books give way to later ones, and lost trades are
    /// counted.
    #[test]
    fn trades_that_found_no_room_are_counted_in_the_next_one() {
        let (mut publisher, mut receiver) = publisher(1);
        for id in 1..=4 {
            publisher.publish(&trade(0, id));
        }
        assert!(matches!(receiver.pop().map(|e| e.body), Ok(Body::Trade(t, 0)) if t.id == 1));
        publisher.publish(&trade(0, 5));
        assert!(matches!(receiver.pop().map(|e| e.body), Ok(Body::Trade(t, 3)) if t.id == 5));
        publisher.publish(&trade(0, 6));
        assert!(matches!(receiver.pop().map(|e| e.body), Ok(Body::Trade(t, 0)) if t.id == 6));
        assert_eq!(publisher.counters().trades_lost, 3);
    }

    #[test]
    fn what_waits_gives_way_before_a_trade_counts_as_lost() {
        let (mut publisher, mut receiver) = publisher(2);
        for update_id in 1..=3 {
            publisher.publish(&book(0, update_id));
        }
        while receiver.pop().is_ok() {}
        publisher.publish(&trade(1, 7));
        assert_eq!(receiver.pop().map(|e| e.update_id), Ok(3));
        assert!(matches!(receiver.pop().map(|e| e.body), Ok(Body::Trade(t, 0)) if t.id == 7));
        assert_eq!(publisher.counters().trades_lost, 0);
    }

    #[test]
    fn a_quote_waits_beside_the_book() {
        let (mut publisher, mut receiver) = publisher(1);
        let quote = crate::base::Quote {
            instrument: InstrumentId(2),
            update_id: 9,
            bid: Level::default(),
            ask: Level::default(),
        };
        publisher.publish(&book(2, 1));
        publisher.publish(&book(2, 2));
        publisher.publish(&event(2, 9, Body::Quote(quote)));
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.extend(receiver.pop().ok().map(|e| e.update_id));
            publisher.flush();
        }
        assert_eq!(ids, [1, 2, 9]);
    }
}
