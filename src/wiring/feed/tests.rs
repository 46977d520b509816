//! What a feed of one or several lines tells its owner and the desk.

use super::pulse::UNSEEN_SILENT;
use super::slot::METADATA_EVERY;
use super::{Arrival, Feed, Heard};
use crate::base::{
    Body, Channel, Clock, Event, Instrument, InstrumentId, Level, Nanos, Px, Qty, Snapshot, Status,
    Symbol, UnixNanos,
};
use crate::exchange::{self, Exchange};
use crate::market::Want;
use crate::watch::audit::Shown;
use crate::watch::latency::Histograms;
use crate::wiring::plan::FeedPlan;
use crate::wiring::ring::{Bell, Receiver};
use crate::wiring::road;
use crate::wiring::turn::{Notes, Turn};
use std::cell::Cell;

const ADA: InstrumentId = InstrumentId(0);

#[test]
fn the_first_data_of_each_stream_is_evidence_once_a_connection_and_line() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.connect(1, 1);
    let data = |line, channel| {
        let instrument = ADA;
        (
            line,
            Heard::Data {
                instrument,
                channel,
            },
        )
    };
    t.frame(0, &trade(1));
    t.frame(0, &trade(2));
    t.frame(0, r#"{"result":null,"id":3}"#);
    t.frame(1, &depth(5));
    assert_eq!(
        t.heard(),
        [
            data(0, Channel::Trades),
            (
                0,
                Heard::Answer {
                    id: 3,
                    refused: None
                }
            ),
            data(1, Channel::Depth),
        ]
    );
    t.disconnect(0);
    t.connect(0, 2);
    t.frame(0, &trade(3));
    t.frame(1, &depth(6));
    assert_eq!(t.heard(), [data(0, Channel::Trades)]);
}

#[test]
fn trades_and_quotes_of_several_lines_count_once() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.connect(1, 1);
    for (line, frame) in [
        (0, trade(7)),
        (1, trade(7)),
        (1, trade(8)),
        (0, trade(8)),
        (0, quote(3, 5)),
        (1, quote(3, 5)),
        (1, quote(4, 6)),
        (0, quote(3, 5)),
    ] {
        t.frame(line, &frame);
    }
    let news: Vec<(char, u64)> = t
        .events()
        .iter()
        .filter_map(|event| match event.body {
            Body::Trade(trade, _) => Some(('t', trade.id)),
            Body::Quote(quote) => Some(('q', quote.update_id)),
            _ => None,
        })
        .collect();
    assert_eq!(news, [('t', 7), ('t', 8), ('q', 3), ('q', 4)]);
    assert_eq!(t.feed.counters().repeats, 4);
}

#[test]
fn the_book_lives_on_the_line_that_is_left() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.connect(1, 1);
    t.snapshot(10);
    t.frame(0, &depth(11));
    t.frame(1, &depth(11));
    t.disconnect(0);
    t.frame(1, &depth(12));
    let ids: Vec<u64> = t
        .events()
        .iter()
        .filter(|event| matches!(event.body, Body::Book(_)))
        .map(|event| event.update_id)
        .collect();
    assert_eq!(ids, [10, 11, 12]);
    t.disconnect(1);
    let last = t.events().pop().map(|event| event.body);
    assert_eq!(last, Some(Body::Status(Status::Connecting)));
}

#[test]
fn a_frame_that_is_missing_costs_every_book_and_asks_for_a_new_connection_once() {
    let mut t = Bench::new("coinbase", "ADA-USD", true);
    t.connect(0, 1);
    t.frame(0, &level2(1, "snapshot"));
    t.frame(0, &level2(2, "update"));
    assert_eq!(t.feed.live_books(), 1);
    t.frame(0, &level2(4, "update"));
    assert_eq!(t.feed.live_books(), 0);
    assert_eq!(t.feed.counters().line_gaps, 1);
    assert_eq!(t.wants(), [(InstrumentId::NONE, Want::Reconnect(0))]);
    t.frame(0, &level2(5, "update"));
    assert_eq!(t.wants(), []);
    t.disconnect(0);
    t.connect(0, 2);
    t.frame(0, &level2(1, "snapshot"));
    assert_eq!((t.feed.live_books(), t.wants()), (1, vec![]));
}

#[test]
fn a_frame_about_an_instrument_that_nobody_follows_has_its_number_all_the_same() {
    let mut t = Bench::new("coinbase", "ADA-USD", true);
    t.connect(0, 1);
    t.frame(0, &level2(1, "snapshot"));
    t.frame(0, &level2(2, "update").replace("ADA-USD", "SOL-USD"));
    t.frame(0, &level2(3, "update"));
    assert_eq!(
        (t.feed.counters().bad_frames, t.feed.counters().line_gaps),
        (1, 0)
    );
    assert_eq!((t.feed.live_books(), t.wants()), (1, vec![]));
}

/// Failure mode 12: a number that does not fit the scales takes the book away until they are known
/// anew.
#[test]
fn a_number_that_does_not_fit_asks_for_metadata_and_new_scales_begin_a_new_book() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.snapshot(10);
    t.events();
    let fine = depth(11).replace("0.25", "0.253");
    t.frame(0, &fine);
    assert_eq!(t.feed.live_books(), 0);
    assert_eq!(t.feed.counters().unfit, 1);
    assert_eq!(t.wants(), [(ADA, Want::Metadata)]);
    t.frame(0, &fine);
    assert!(!t.wants().contains(&(ADA, Want::Metadata)));
    t.clock.0.set(t.clock.0.get() + METADATA_EVERY.0);
    t.frame(0, &fine);
    assert!(t.wants().contains(&(ADA, Want::Metadata)));
    let finer = Instrument {
        px_scale: 3,
        ..t.instrument
    };
    t.with(|feed, turn, now| feed.replace_instrument(turn, now, finer));
    let bodies: Vec<Body> = t.events().iter().map(|event| event.body).collect();
    assert_eq!(
        bodies,
        [Body::Status(Status::Resyncing), Body::Instrument(finer)]
    );
    t.frame(0, &depth(12).replace("0.25", "0.253"));
    t.snapshot(12);
    let book = t.events().pop().map(|event| event.body);
    assert!(matches!(book, Some(Body::Book(_))), "{book:?}");
    let counters = t.feed.counters();
    assert_eq!((counters.unfit, counters.bad_frames), (3, 0));
}

#[test]
fn a_print_that_does_not_fit_is_dropped_and_the_book_stays() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.snapshot(10);
    t.events();
    let print = |px: &str, qty: &str| {
        format!(
            r#"{{"e":"trade","E":1,"s":"ADAUSDT","t":7,"p":"{px}","q":"{qty}","T":1,"m":true}}"#
        )
    };
    let quote = r#"{"u":11,"s":"ADAUSDT","b":"0.253","B":"1","a":"0.26","A":"1"}"#;
    let huge = "99999999999999999999";
    for frame in [&print("0.253", "1"), &print("0.25", huge), quote] {
        t.frame(0, frame);
        assert_eq!(t.feed.live_books(), 1, "{frame}");
        assert!(t.events().is_empty(), "{frame}");
    }
    assert_eq!(t.feed.counters().unfit, 3);
    t.frame(0, &print("0.25", "0"));
    t.frame(0, &quote.replace("0.253", "0"));
    let counters = t.feed.counters();
    assert_eq!((counters.trades_dropped, counters.quotes_dropped), (1, 1));
    t.frame(0, &print("0.25", "1"));
    assert_eq!(t.events().len(), 1);
}

#[test]
fn an_instrument_that_is_listed_with_another_tick_keeps_its_book() {
    let mut t = Bench::new("binance", "ADAUSDT", true);
    t.connect(0, 1);
    t.snapshot(10);
    t.events();
    let coarser = Instrument {
        tick: Px(5),
        ..t.instrument
    };
    for _ in 0..2 {
        t.with(|feed, turn, now| feed.replace_instrument(turn, now, coarser));
    }
    let bodies: Vec<Body> = t.events().iter().map(|event| event.body).collect();
    assert_eq!(bodies, [Body::Instrument(coarser)]);
    assert_eq!(t.feed.live_books(), 1);
}

#[test]
fn a_feed_without_books_sends_trades_and_no_status() {
    let mut t = Bench::new("binance", "ADAUSDT", false);
    t.connect(0, 3);
    t.frame(0, &trade(1));
    t.frame(0, &depth(5));
    t.disconnect(0);
    t.connect(0, 1);
    t.frame(0, &trade(2));
    let events = t.events();
    assert!(events.iter().all(|e| matches!(e.body, Body::Trade(..))));
    let epochs: Vec<u32> = events.iter().map(|event| event.epoch).collect();
    assert_eq!(epochs, [3, 4], "they rise");
    let silent = t.clock.now() + UNSEEN_SILENT;
    assert_eq!((t.wants(), t.feed.poll_timeout()), (vec![], silent));
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

/// A feed of one instrument, whose prices have two decimals.
struct Bench {
    feed: Feed<256>,
    instrument: Instrument,
    events: Receiver<Event>,
    _shown: rtrb::Consumer<Shown>,
    clock: At,
    latency: Histograms,
    notes: Notes,
}

impl Bench {
    fn new(exchange: &str, symbol: &str, books: bool) -> Self {
        let exchange: &'static dyn Exchange = exchange::by_name(exchange).unwrap();
        let symbol = Symbol::from(symbol).unwrap();
        let instrument = Instrument::bare(exchange.name(), symbol, (2, 2));
        let mut plan = FeedPlan::new(exchange, &exchange.depth_streams()[0], &[instrument]);
        plan.depth_needed = 10;
        plan.channels
            .retain(|&channel| books || channel != Channel::Depth);
        let ends = road::feed(&plan, Bell::new(|| {}));
        Self {
            feed: ends.feed,
            instrument,
            events: ends.events,
            _shown: ends.shown,
            clock: At(Cell::new(1_000_000_000)),
            latency: Histograms::new(0, &[]).0,
            notes: Notes::new(crossbeam_channel::bounded(0).0),
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Feed<256>, &mut Turn, Nanos)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        act(&mut self.feed, &mut turn, self.clock.now());
    }

    fn connect(&mut self, line: u8, epoch: u32) {
        self.with(|feed, turn, now| feed.handle_connected(turn, now, line, epoch));
        self.with(|feed, turn, now| feed.handle_recorded(turn, now, line));
    }

    fn disconnect(&mut self, line: u8) {
        self.with(|feed, turn, now| feed.handle_disconnected(turn, now, line));
    }

    fn frame(&mut self, line: u8, text: &str) {
        let arrival = Arrival::default();
        self.with(|feed, turn, _| feed.handle_frame(turn, line, arrival, text.as_bytes()));
    }

    /// Many levels, and not all there are.
    fn snapshot(&mut self, last_id: u64) {
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1),
        };
        let snapshot = Snapshot {
            dropped: 0,
            last_id,
            bids: (0..200).map(|n| level(1_000 - n)).collect(),
            asks: (0..200).map(|n| level(1_001 + n)).collect(),
            ..Snapshot::default()
        };
        self.with(|feed, turn, now| feed.handle_snapshot(turn, now, ADA, &snapshot));
    }

    fn heard(&mut self) -> Vec<(u8, Heard)> {
        std::iter::from_fn(|| self.feed.poll_heard()).collect()
    }

    fn wants(&mut self) -> Vec<(InstrumentId, Want)> {
        std::iter::from_fn(|| self.feed.poll_want()).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop().ok()).collect()
    }
}

fn trade(id: u64) -> String {
    format!(
        r#"{{"e":"trade","E":1,"s":"ADAUSDT","t":{id},"p":"0.25","q":"1.00","T":1,"m":true,"M":true}}"#
    )
}

fn quote(id: u64, qty: u64) -> String {
    format!(r#"{{"u":{id},"s":"ADAUSDT","b":"0.25","B":"{qty}","a":"0.26","A":"1"}}"#)
}

fn depth(id: u64) -> String {
    format!(
        r#"{{"e":"depthUpdate","E":1,"s":"ADAUSDT","U":{id},"u":{id},"b":[["0.25","{id}"]],"a":[]}}"#
    )
}

fn level2(number: u64, sort: &str) -> String {
    format!(
        r#"{{"channel":"l2_data","client_id":"","timestamp":"2026-01-02T03:04:05Z","sequence_num":{number},"events":[{{"type":"{sort}","product_id":"ADA-USD","updates":[{{"side":"bid","event_time":"2026-01-02T03:04:05Z","price_level":"0.61","new_quantity":"{number}"}},{{"side":"offer","event_time":"2026-01-02T03:04:05Z","price_level":"0.62","new_quantity":"1"}}]}}]}}"#
    )
}
