//! A feed of one exchange, with two lines if its books can be merged, and its events.

use std::cell::Cell;
use tickwire::base::{Body, Clock, Event, Instrument, Nanos, UnixNanos};
use tickwire::exchange::{DepthStream, Exchange};
use tickwire::watch::audit::Shown;
use tickwire::watch::latency::Histograms;
use tickwire::wiring::feed::{Arrival, Feed};
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::ring::{Bell, Receiver};
use tickwire::wiring::road;
use tickwire::wiring::turn::{Notes, Turn};

pub struct Bench {
    pub feed: Feed<256>,
    events: Receiver<Event>,
    shown: rtrb::Consumer<Shown>,
    clock: Tick,
    latency: Histograms,
    notes: Notes,
    pub lines: u8,
}

struct Tick(Cell<u64>);

impl Clock for Tick {
    fn now(&self) -> Nanos {
        Nanos(self.0.get())
    }
    fn unix(&self) -> UnixNanos {
        UnixNanos(self.0.get() as i64)
    }
}

impl Bench {
    pub fn new(
        exchange: &'static dyn Exchange,
        depth: &'static DepthStream,
        instruments: &[Instrument],
    ) -> Self {
        let ends = road::feed(
            &FeedPlan::new(exchange, depth, instruments),
            Bell::new(|| {}),
        );
        let (latency, _) = Histograms::new(0, &[]);
        let mut bench = Self {
            feed: ends.feed,
            events: ends.events,
            shown: ends.shown,
            clock: Tick(Cell::new(1_000_000_000)),
            latency,
            notes: Notes::new(crossbeam_channel::bounded(0).0),
            lines: if depth.rule.merges() { 2 } else { 1 },
        };
        for line in 0..bench.lines {
            bench.act(|feed, turn, now| feed.handle_connected(turn, now, line, 1));
        }
        bench
    }

    /// One frame of a line, a millisecond after the last one. What it made known to the desk.
    pub fn frame(&mut self, line: u8, frame: &[u8]) -> Vec<Body> {
        self.clock.0.set(self.clock.0.get() + 1_000_000);
        self.act(|feed, turn, now| feed.handle_timeout(turn, now));
        self.act(|feed, turn, now| {
            let arrival = Arrival {
                frame: now,
                ..Arrival::default()
            };
            feed.handle_frame(turn, line, arrival, frame);
        });
        while self.feed.poll_want().is_some() {}
        while self.feed.poll_heard().is_some() {}
        while self.shown.pop().is_ok() {}
        let mut bodies = Vec::new();
        while let Ok(event) = self.events.pop() {
            bodies.push(event.body);
        }
        self.feed.flush();
        bodies
    }

    fn act(&mut self, act: impl FnOnce(&mut Feed<256>, &mut Turn, Nanos)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        act(&mut self.feed, &mut turn, self.clock.now());
    }
}
