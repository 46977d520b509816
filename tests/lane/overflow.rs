//! A feed lane whose exchange takes fewer streams a session than the lane has: what does not fit
//! moves onto other connections, and its neighbours never notice.

use crate::lane_support::fussy::FUSSY;
use crate::lane_support::{Rig, Tap, diff, snapshot};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use tickwire::base::{
    Body, Channel, Event, Instrument, InstrumentId, Note, Span, Status, Symbol, Value,
};
use tickwire::exchange::{self, Exchange};
use tickwire::wiring::ask::Answer;
use tickwire::wiring::feed_lane::{FeedLane, OVERFLOW_PARTS, REFUSED_RETRY};
use tickwire::wiring::lane::LINES;
use tickwire::wiring::plan::{FeedPlan, LanePlan};
use tickwire::wiring::ring::Receiver;

type Lanes = FeedLane<Tap, 256>;

const FULL: &str = "too many L2 streams requested in a single session";

fn s(s: u64) -> Span {
    Span::from_secs(s)
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

/// The exchange's end of one connection.
#[derive(Default)]
struct Session {
    epoch: u32,
    number: u64,
    /// Its books, and its trades.
    followed: [Vec<String>; 2],
}

/// Sixteen products of Coinbase Advanced Trade, on a lane as `run` makes it.
struct Bench {
    rig: Rig<Lanes>,
    events: Receiver<Event>,
    _audit: rtrb::Consumer<tickwire::watch::audit::Shown>,
    sessions: [Session; LINES],
    /// Books that one session takes.
    books_max: usize,
    /// A product that the exchange refuses, and whether it says which one it refuses.
    bad: Option<(&'static str, bool)>,
    n: u64,
}

fn products(exchange: &'static str, count: u16) -> Vec<Instrument> {
    let one = |id: u16| {
        let symbol = Symbol::from(&format!("C{id:02}-USD")).unwrap();
        Instrument {
            id: InstrumentId(id),
            ..Instrument::bare(exchange, symbol, (2, 3))
        }
    };
    (0..count).map(one).collect()
}

fn name(id: u16) -> String {
    format!("C{id:02}-USD")
}

fn lane(
    exchange: &'static dyn Exchange,
    instruments: &[Instrument],
    channels: &[Channel],
    (links, lines): (usize, usize),
) -> (
    Rig<Lanes>,
    Receiver<Event>,
    rtrb::Consumer<tickwire::watch::audit::Shown>,
) {
    let feed = FeedPlan {
        channels: channels.to_vec(),
        depth_needed: 10,
        events: 65_536,
        ..FeedPlan::new(exchange, &exchange.depth_streams()[0], instruments)
    };
    let (rig, ends) = Rig::of_feed(|endpoint| LanePlan {
        lines,
        links,
        ..LanePlan::new(feed, endpoint)
    });
    (rig, ends.events, ends.shown)
}

impl Bench {
    fn new(books_max: usize, bad: Option<(&'static str, bool)>, channels: &[Channel]) -> Self {
        let exchange = exchange::by_name("coinbase").unwrap();
        let (rig, events, audit) = lane(exchange, &products("coinbase", 16), channels, (1, 1));
        Self {
            rig,
            events,
            _audit: audit,
            sessions: Default::default(),
            books_max,
            bad,
            n: 0,
        }
    }

    /// Every book that there can be is live.
    fn live(books_max: usize) -> Self {
        let mut bench = Self::new(books_max, None, &[Channel::Depth]);
        bench.run(s(30));
        bench.events();
        bench
    }

    /// Time passes in steps of a quarter of a second; the exchange answers, and each book changes.
    fn run(&mut self, span: Span) {
        self.run_by(ms(250), span);
    }

    fn run_by(&mut self, step: Span, span: Span) {
        let until = self.rig.now() + span;
        while self.rig.now() < until {
            self.rig.later(step);
            self.n += 1;
            for line in self.up() {
                self.answer(line);
                for product in self.sessions[line].followed[0].clone() {
                    self.say(line, "l2_data", &book("update", &product, self.n % 7 + 1));
                }
            }
            self.rig.run_until_idle();
        }
    }

    fn up(&self) -> Vec<usize> {
        (0..LINES).filter(|&line| self.rig.is_up(line)).collect()
    }

    fn answer(&mut self, line: usize) {
        let epoch = self.rig.lane.links().nth(line).unwrap().epoch();
        if self.sessions[line].epoch != epoch {
            self.sessions[line] = Session {
                epoch,
                ..Session::default()
            };
        }
        for (_, text) in self.rig.take_on(line) {
            self.handle(line, &serde_json::from_str(&text).unwrap());
        }
    }

    fn handle(&mut self, line: usize, asked: &Json) {
        let named: Vec<String> =
            serde_json::from_value(asked["product_ids"].clone()).unwrap_or_default();
        let books = asked["channel"] == "level2";
        let followed = &mut self.sessions[line].followed[usize::from(!books)];
        if asked["type"] == "unsubscribe" {
            followed.retain(|product| !named.contains(product));
            return;
        }
        let full = books && followed.len() + named.len() > self.books_max;
        let bad = self
            .bad
            .filter(|(bad, _)| books && named.iter().any(|one| one == bad));
        let refusal = match bad {
            Some((bad, true)) => format!("{bad} is not a product"),
            Some((_, false)) => "no".to_owned(),
            None => FULL.to_owned(),
        };
        if full || bad.is_some() {
            let refusal = json!({"type": "error", "message": refusal});
            self.rig.say_on(line, &refusal.to_string());
            return;
        }
        followed.extend(named.clone());
        for product in named.iter().filter(|_| books) {
            self.say(line, "l2_data", &book("snapshot", product, 1));
        }
        let [level2, trades] = &self.sessions[line].followed;
        let all = json!({"subscriptions": {"level2": level2, "market_trades": trades}});
        self.say(line, "subscriptions", &all);
    }

    fn say(&mut self, line: usize, channel: &str, event: &Json) {
        let number = self.sessions[line].number;
        self.sessions[line].number += 1;
        let text = json!({
            "channel": channel,
            "client_id": "",
            "timestamp": "2026-08-09T21:05:48.228846629Z",
            "sequence_num": number,
            "events": [event],
        });
        self.rig.try_say_on(line, &text.to_string());
    }

    fn live_books(&self) -> usize {
        self.rig.lane.feed().live_books()
    }

    /// The books that each connection carries.
    fn carried(&self) -> Vec<BTreeSet<&str>> {
        let of = |line: usize| &self.sessions[line].followed[0];
        let names = |line| of(line).iter().map(String::as_str).collect();
        self.up().into_iter().map(names).collect()
    }

    /// The books of a line, by number.
    fn ids(&self, line: usize) -> BTreeSet<u16> {
        let of = &self.sessions[line].followed[0];
        of.iter().map(|name| name[1..3].parse().unwrap()).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop().ok()).collect()
    }

    /// The books whose state has changed.
    fn changed(&mut self) -> BTreeSet<u16> {
        let events = self.events().into_iter();
        let states = events.filter(|event| matches!(event.body, Body::Status(_)));
        states.map(|event| event.instrument.0).collect()
    }

    fn noted(&mut self, event: &str) -> Vec<Note> {
        let notes = self.rig.notes().into_iter();
        notes.filter(|note| note.event == event).collect()
    }
}

fn book(sort: &str, product: &str, qty: u64) -> Json {
    let level = |side, px| {
        json!({
            "side": side,
            "event_time": "2026-08-09T21:05:48.228846629Z",
            "price_level": px,
            "new_quantity": qty.to_string(),
        })
    };
    let updates = [level("bid", "10.00"), level("offer", "10.01")];
    json!({"type": sort, "product_id": product, "updates": updates})
}

fn number(note: &Note, name: &str) -> i64 {
    let field = note.fields.iter().find(|(known, _)| *known == name);
    match field {
        Some((_, Value::Int(number))) => *number,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_a_session_does_not_take_moves_onto_other_connections_and_lives_there() {
    let mut bench = Bench::new(5, None, &[Channel::Depth]);
    bench.run(s(60));
    assert_eq!(bench.live_books(), 16);
    let carried = bench.carried();
    let counts: Vec<usize> = carried.iter().map(BTreeSet::len).collect();
    assert_eq!(counts, [5, 5, 5, 1], "{carried:?}");
    let all: BTreeSet<&str> = carried.iter().flatten().copied().collect();
    assert_eq!(all.len(), 16, "no book is on two connections: {carried:?}");
    assert_eq!(bench.rig.dials, 4);
    // Whoever reads the log sees how many moved, where to, what stays, and the exchange's words.
    let notes = bench.rig.notes();
    let moved: Vec<&Note> = notes
        .iter()
        .filter(|note| note.event == "subscribe.moved")
        .collect();
    let mut left = [0; 3];
    for note in &moved {
        let [line, topics, to, books, known] =
            ["line", "topics", "to", "books", "books_known"].map(|name| number(note, name));
        assert_eq!((to, books, known), (line + 1, 5, 16));
        assert!(note.text.contains(FULL), "{}", note.text);
        left[line as usize] += topics;
    }
    assert_eq!(left, [11, 6, 1]);
    assert!(moved.len() <= 6, "{} notes", moved.len());
    let refused = |note: &Note| note.event == "subscribe.refused";
    assert!(!notes.iter().any(refused), "no book is refused");
    // What fits is live once and for all; what moved as well, once it has moved.
    let mut states: Vec<Vec<Status>> = vec![Vec::new(); 16];
    for event in bench.events() {
        if let Body::Status(status) = event.body {
            states[event.instrument.index()].push(status);
        }
    }
    let stay = bench.ids(0);
    for (id, states) in (0..).zip(&states) {
        assert_eq!(states.last(), Some(&Status::Live), "{}", name(id));
        let darkened = states.iter().rev().skip(1).any(|s| *s == Status::Live);
        assert!(!darkened, "{}: {states:?}", name(id));
        if stay.contains(&id) {
            assert_eq!(states.len(), 2, "{}: {states:?}", name(id));
        }
    }
    // It stays so.
    bench.run_by(s(2), s(300));
    assert_eq!((bench.live_books(), bench.rig.dials), (16, 4));
    assert!(bench.changed().is_empty());
}

#[test]
fn a_limit_that_appears_at_a_reconnect_moves_what_no_longer_fits() {
    let mut bench = Bench::live(100);
    assert_eq!((bench.live_books(), bench.rig.dials), (16, 1));
    bench.books_max = 8;
    bench.rig.hang_up_on(0, 1_001);
    assert_eq!(bench.live_books(), 0);
    bench.run(s(60));
    assert_eq!(bench.live_books(), 16);
    let counts: Vec<usize> = bench.carried().iter().map(BTreeSet::len).collect();
    assert_eq!(counts, [8, 8]);
    // And a session that takes even fewer hands on what it took before.
    bench.books_max = 6;
    bench.rig.hang_up_on(1, 1_001);
    bench.run(s(60));
    assert_eq!(bench.live_books(), 16);
    let counts: Vec<usize> = bench.carried().iter().map(BTreeSet::len).collect();
    assert_eq!(counts, [8, 6, 2]);
}

#[test]
fn a_connection_that_ends_darkens_its_own_books_only_and_they_come_back_on_it() {
    for line in [0, 1, 3] {
        let mut bench = Bench::live(5);
        let (dials, own) = (bench.rig.dials, bench.ids(line));
        bench.rig.hang_up_on(line, 1_001);
        assert_eq!(bench.live_books(), 16 - own.len());
        assert_eq!(bench.changed(), own);
        bench.run(s(30));
        assert_eq!((bench.live_books(), bench.rig.dials), (16, dials + 1));
        assert_eq!(bench.ids(line), own);
        let events = bench.events();
        let fresh = |event: &&Event| event.epoch > 4 && matches!(event.body, Body::Book(_));
        let anew: BTreeSet<u16> = events
            .iter()
            .filter(fresh)
            .map(|e| e.instrument.0)
            .collect();
        assert_eq!(anew, own, "only they begin a new epoch");
    }
}

#[test]
fn a_number_that_is_missing_on_one_connection_costs_the_others_nothing() {
    for line in [0, 2] {
        let mut bench = Bench::live(5);
        let own = bench.ids(line);
        bench.sessions[line].number += 1;
        bench.run(s(30));
        assert_eq!(bench.changed(), own);
        assert_eq!((bench.live_books(), bench.rig.dials), (16, 5));
    }
}

#[test]
fn a_frame_that_is_no_news_of_a_line_s_books_changes_none() {
    let mut bench = Bench::live(5);
    let moved = *bench.ids(1).first().unwrap();
    // The first connection brings a book that the second one carries: it is told to end that, and
    // is not believed.
    bench.say(0, "l2_data", &book("snapshot", &name(moved), 9));
    bench.rig.run_until_idle();
    let books = |event: &Event| matches!(event.body, Body::Book(_));
    let told = |event: &Event| event.instrument.0 == moved && books(event);
    assert!(!bench.events().iter().any(told));
    let ended = bench.rig.take_on(0);
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].1.contains("unsubscribe") && ended[0].1.contains(&name(moved)));
    bench.run(s(10));
    assert_eq!(bench.live_books(), 16);
    assert!(bench.changed().is_empty());
}

#[test]
fn a_refusal_that_names_its_product_moves_nothing() {
    let mut bench = Bench::new(100, Some(("C07-USD", true)), &[Channel::Depth]);
    bench.run(s(200));
    assert_eq!((bench.live_books(), bench.rig.dials), (15, 1));
    assert!(bench.noted("subscribe.moved").is_empty());
}

#[test]
fn a_stream_that_a_session_of_its_own_refuses_goes_back_and_the_session_ends() {
    let mut bench = Bench::new(100, Some(("C07-USD", false)), &[Channel::Depth]);
    bench.run(s(30));
    assert_eq!((bench.live_books(), bench.rig.dials), (15, 2));
    assert_eq!(bench.up(), [0]);
    let notes = bench.rig.notes();
    let count = |event| notes.iter().filter(|note| note.event == event).count();
    assert_eq!(
        (count("subscribe.moved"), count("subscribe.moved_back")),
        (1, 1)
    );
    assert_eq!((count("subscribe.refused"), count("link.closed")), (1, 0));
    bench.events();
    // It is tried in vain ever less often, and its neighbours stay.
    bench.run_by(s(2), s(3_600));
    assert!((3..=8).contains(&bench.rig.dials), "{}", bench.rig.dials);
    assert!(bench.changed().iter().all(|id| *id == 7));
    assert_eq!(bench.live_books(), 15);
    // Once the exchange takes it, it is live.
    bench.bad = None;
    bench.run(REFUSED_RETRY + s(5));
    assert_eq!(bench.live_books(), 16);
}

#[test]
fn more_than_all_connections_take_is_refused_and_tried_again_each_minute() {
    let mut bench = Bench::new(2, None, &[Channel::Depth]);
    bench.run(s(120));
    let sessions = 1 + usize::from(OVERFLOW_PARTS);
    assert_eq!(
        (bench.live_books(), bench.rig.dials),
        (2 * sessions, sessions)
    );
    let refused = bench.noted("subscribe.refused");
    assert_eq!(refused.len(), 16 - 2 * sessions, "each is named once");
    let dark = |id: &u16| (0..sessions).all(|line| !bench.ids(line).contains(id));
    let dark: BTreeSet<u16> = (0..16).filter(dark).collect();
    bench.events();
    bench.run_by(s(1), s(300));
    assert!(bench.noted("subscribe.refused").is_empty());
    assert!(bench.changed().is_subset(&dark), "their neighbours stay");
    bench.books_max = 100;
    bench.run(REFUSED_RETRY + s(5));
    assert_eq!((bench.live_books(), bench.rig.dials), (16, sessions));
}

#[test]
fn the_trades_of_a_book_that_moved_stay_where_they_are() {
    let mut bench = Bench::new(9, None, &[Channel::Depth, Channel::Trades]);
    bench.run(s(60));
    assert_eq!((bench.live_books(), bench.rig.dials), (16, 2));
    let trades = |line: usize| bench.sessions[line].followed[1].len();
    assert_eq!((trades(0), trades(1)), (16, 0));
    bench.rig.hang_up_on(1, 1_001);
    bench.events();
    let trade = json!({"type": "update", "trades": [{
        "trade_id": "1", "product_id": name(*bench.ids(1).first().unwrap()), "price": "10.01",
        "size": "1", "side": "BUY", "time": "2026-08-09T21:05:48.228846629Z",
    }]});
    bench.say(0, "market_trades", &trade);
    bench.rig.run_until_idle();
    let trades = |event: &Event| matches!(event.body, Body::Trade(..));
    assert_eq!(bench.events().iter().filter(|e| trades(e)).count(), 1);
}

/// An exchange whose books begin with a snapshot beside the stream, and can be merged: with a line
/// to spare.
struct Merging {
    rig: Rig<Lanes>,
    events: Receiver<Event>,
    _audit: rtrb::Consumer<tickwire::watch::audit::Shown>,
    streams_max: [usize; LINES],
    epochs: [u32; LINES],
    followed: [Vec<String>; LINES],
    id: u64,
}

impl Merging {
    fn new(lines: usize, streams_max: [usize; LINES]) -> Self {
        let instruments = products("binance", 4);
        let links = (lines + 1, lines);
        let (rig, events, audit) = lane(&FUSSY, &instruments, &[Channel::Depth], links);
        Self {
            rig,
            events,
            _audit: audit,
            streams_max,
            epochs: [0; LINES],
            followed: Default::default(),
            id: 100,
        }
    }

    fn run(&mut self, span: Span) {
        let until = self.rig.now() + span;
        while self.rig.now() < until {
            self.rig.later(ms(250));
            self.id += 1;
            for line in (0..LINES)
                .filter(|&line| self.rig.is_up(line))
                .collect::<Vec<_>>()
            {
                self.turn(line);
            }
            self.rig.run_until_idle();
            for id in std::mem::take(&mut self.rig.snapshots_asked) {
                let answer = snapshot(self.id);
                self.rig
                    .answer(Answer::Snapshot(id, Some(Box::new(answer))));
            }
            self.rig.run_until_idle();
        }
    }

    fn turn(&mut self, line: usize) {
        let epoch = self.rig.lane.links().nth(line).unwrap().epoch();
        if std::mem::replace(&mut self.epochs[line], epoch) != epoch {
            self.followed[line].clear();
        }
        for (_, text) in self.rig.take_on(line) {
            let Some(asked) = text.strip_prefix('+') else {
                continue;
            };
            let parts: Vec<&str> = asked.split(' ').collect();
            if self.followed[line].len() == self.streams_max[line] {
                self.rig.say_on(line, "no 0 -5");
            } else {
                self.followed[line].push(parts[0].to_owned());
                self.rig.say_on(line, &format!("yes {}", parts[2]));
            }
        }
        for symbol in self.followed[line].clone() {
            self.rig.say_on(line, &diff(&symbol, self.id, self.id));
        }
    }

    fn state(&self) -> (usize, Vec<usize>) {
        let up = (0..LINES).filter(|&line| self.rig.is_up(line));
        (self.rig.lane.feed().live_books(), up.collect())
    }

    fn statuses(&mut self) -> Vec<(InstrumentId, Status)> {
        let events = std::iter::from_fn(|| self.events.pop().ok());
        let status = |event: Event| match event.body {
            Body::Status(status) => Some((event.instrument, status)),
            _ => None,
        };
        events.filter_map(status).collect()
    }
}

#[test]
fn books_that_begin_with_a_snapshot_move_too_and_each_connection_is_replaced_without_a_gap() {
    let mut bench = Merging::new(1, [2; LINES]);
    bench.run(s(30));
    // Line 1 is the one that takes another's place.
    assert_eq!(bench.state(), (4, vec![0, 2]));
    bench.statuses();
    for (line, want) in [(2, vec![0, 1]), (0, vec![1, 2]), (1, vec![0, 2])] {
        let shutdown = r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#;
        bench.rig.say_on(line, shutdown);
        bench.run(s(130));
        assert_eq!(bench.state(), (4, want));
        let dark = bench.statuses();
        assert!(dark.is_empty(), "replacing {line}: {dark:?}");
    }
}

#[test]
fn what_another_regular_line_carries_does_not_move_before_that_one_is_gone() {
    let mut limits = [4; LINES];
    limits[0] = 2;
    let mut bench = Merging::new(2, limits);
    bench.run(s(30));
    assert_eq!(bench.state(), (4, vec![0, 1]));
    bench.statuses();
    bench.rig.hang_up_on(1, 1_001);
    bench.run(s(30));
    assert_eq!(bench.state(), (4, vec![0, 1, 3]), "line 2 is to spare");
    let dark = bench.statuses();
    let dark = dark.iter().map(|(id, _)| id.0).collect::<BTreeSet<_>>();
    assert_eq!(dark, BTreeSet::from([2, 3]), "what line 0 carries stays");
}
