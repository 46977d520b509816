//! A book that falls silent, and what a snapshot makes of it: through the decoder, the book and the
//! ring.

use std::cell::Cell;
use tickwire::base::{
    Body, Clock, Event, Instrument, InstrumentId, Level, Nanos, Px, Qty, RxStamps, Snapshot,
    Status, Symbol, UnixNanos,
};
use tickwire::exchange::Exchange;
use tickwire::exchange::binance_spot::BINANCE;
use tickwire::market::Want;
use tickwire::watch::audit::Shown;
use tickwire::watch::latency::Histograms;
use tickwire::wiring::feed::{Arrival, Feed};
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::ring::{Bell, Receiver};
use tickwire::wiring::road;
use tickwire::wiring::turn::{Notes, Turn};

const QUIET: InstrumentId = InstrumentId(0);
const LIVELY: InstrumentId = InstrumentId(1);

#[test]
fn a_quiet_book_comes_back_by_a_snapshot_and_leaves_the_connection_alone() {
    let mut t = Bench::live();
    t.lively_until(4);
    assert_eq!(t.states(QUIET), [Status::Live, Status::Stale]);
    t.lively_until(8); // From one refresh to the next it is five seconds.
    assert_eq!(t.wants(), [(QUIET, Want::Snapshot { repeat: true })]);
    t.drain();

    t.answer(QUIET, 10, 5);
    let events = t.drain();
    let [status, book] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(status.body, Body::Status(Status::Live));
    assert!(matches!(book.body, Body::Book(_)), "readable again");
    assert!(book.flags.fresh, "what was before the dark is another book");
    assert_eq!(book.stamps.book, t.now(), "as old as its proof");
    let shown: Vec<Shown> = std::iter::from_fn(|| t.shown.pop().ok()).collect();
    let quiet = shown.iter().filter(|shown| shown.instrument == QUIET);
    let series: Vec<_> = quiet.map(|s| (s.top.is_some(), s.again)).collect();
    assert_eq!(series, [(true, false), (false, false), (true, true)]);
    assert_eq!(t.wants(), []);
}

#[test]
fn a_stream_that_misses_changes_costs_the_connection_only_once_that_is_proved() {
    let mut t = Bench::live();
    t.lively_until(30);
    assert_eq!(t.wants(), [(QUIET, Want::Snapshot { repeat: true })]);
    t.answer(QUIET, 11, 6);
    assert_eq!(t.wants(), []);
    t.lively_until(34);
    assert_eq!(t.wants(), [(QUIET, Want::Resubscribe)]);
    t.lively_until(44);
    assert_eq!(t.wants(), [(QUIET, Want::Resubscribe)]);
    t.lively_until(65);
    assert_eq!(t.wants(), [(QUIET, Want::Reconnect(0))]);
}

struct At(Cell<u64>);

impl Clock for At {
    fn now(&self) -> Nanos {
        Nanos(self.0.get())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(0)
    }
}

/// A feed of a quiet and a lively instrument, both live from a snapshot.
struct Bench {
    feed: Feed<256>,
    events: Receiver<Event>,
    shown: rtrb::Consumer<Shown>,
    clock: At,
    latency: Histograms,
    notes: Notes,
    id: u64,
}

impl Bench {
    fn live() -> Self {
        let instruments = [instrument(QUIET, "QUIET"), instrument(LIVELY, "LIVELY")];
        let plan = FeedPlan {
            depth_needed: 10,
            ..FeedPlan::new(&BINANCE, &BINANCE.depth_streams()[0], &instruments)
        };
        let ends = road::feed(&plan, Bell::new(|| {}));
        let mut t = Self {
            feed: ends.feed,
            events: ends.events,
            shown: ends.shown,
            clock: At(Cell::new(1_000_000_000)),
            latency: Histograms::new(0, &[]).0,
            notes: Notes::new(crossbeam_channel::bounded(0).0),
            id: 10,
        };
        t.with(|feed, turn, now| feed.handle_connected(turn, now, 0, 1));
        t.with(|feed, turn, now| feed.handle_recorded(turn, now, 0));
        t.answer(QUIET, 10, 5);
        t.answer(LIVELY, 10, 5);
        // That these few levels are all there are is believed when it is said twice. That is not
        // urgent: both books are shown already.
        t.lively_until(3);
        assert_eq!(
            t.wants(),
            [QUIET, LIVELY].map(|id| (id, Want::Snapshot { repeat: true }))
        );
        t.answer(QUIET, 10, 5);
        t.answer(LIVELY, t.id, 5);
        t
    }

    fn with(&mut self, act: impl FnOnce(&mut Feed<256>, &mut Turn, Nanos)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        act(&mut self.feed, &mut turn, self.clock.now());
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Ten messages a second of the lively instrument, and timers, up to this second.
    fn lively_until(&mut self, second: u64) {
        while self.now() < Nanos::from_secs(second) {
            self.clock.0.set(self.now().0 + 100_000_000);
            self.id += 1;
            let id = self.id;
            let frame = format!(
                r#"{{"stream":"lively@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"LIVELY","U":{id},"u":{id},"b":[["0.00000001","1"]],"a":[]}}}}"#
            );
            let arrival = Arrival {
                rx: RxStamps::default(),
                frame: self.now(),
            };
            self.with(|feed, turn, now| {
                feed.handle_frame(turn, 0, arrival, frame.as_bytes());
                feed.handle_timeout(turn, now);
            });
        }
    }

    fn answer(&mut self, id: InstrumentId, last_id: u64, qty: u64) {
        let level = |px, qty| Level {
            px: Px(px),
            qty: Qty(qty),
        };
        let snapshot = Snapshot {
            asked: Nanos::ZERO,
            dropped: 0,
            last_id,
            bids: vec![level(100, qty)],
            asks: vec![level(200, 1)],
            bids_whole: true,
            asks_whole: true,
        };
        self.with(|feed, turn, now| feed.handle_snapshot(turn, now, id, &snapshot));
    }

    fn wants(&mut self) -> Vec<(InstrumentId, Want)> {
        std::iter::from_fn(|| self.feed.poll_want()).collect()
    }

    fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop().ok()).collect()
    }

    fn states(&mut self, id: InstrumentId) -> Vec<Status> {
        let events = self.drain().into_iter();
        let of = events.filter(|event| event.instrument == id);
        of.filter_map(|event| match event.body {
            Body::Status(status) if status != Status::Buffering => Some(status),
            _ => None,
        })
        .collect()
    }
}

fn instrument(id: InstrumentId, symbol: &str) -> Instrument {
    Instrument {
        id,
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (8, 8))
    }
}
