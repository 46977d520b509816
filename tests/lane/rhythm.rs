//! A feed lane over a long time: streams that speak far too seldom, and connections that end again
//! and again.

use crate::lane_support::{BTC, ETH, Rig, Tap, diff, instruments};
use tickwire::base::{Channel, Event, Note, Severity, Span, Value};
use tickwire::conn::Phase;
use tickwire::exchange::{Exchange, by_name};
use tickwire::wiring::feed::SLOW_SAID;
use tickwire::wiring::feed_lane::{FeedLane, HEALTHY, SAME_ENDS_TOLD};
use tickwire::wiring::lane::Lane;
use tickwire::wiring::plan::{FeedPlan, LanePlan};
use tickwire::wiring::ring::Receiver;
use tickwire::wiring::tally::Tally;

struct Bench {
    rig: Rig<FeedLane<Tap, 256>>,
    events: Receiver<Event>,
    _audit: rtrb::Consumer<tickwire::watch::audit::Shown>,
}

fn s(s: u64) -> Span {
    Span::from_secs(s)
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

impl Bench {
    /// Connected, with the books of both instruments asked for.
    fn new(exchange: &str) -> Self {
        let exchange: &'static dyn Exchange = by_name(exchange).unwrap();
        let instruments = instruments();
        let feed = FeedPlan {
            channels: vec![Channel::Depth],
            depth_needed: 10,
            events: 4_096,
            audits: 16_384,
            ..FeedPlan::new(exchange, &exchange.depth_streams()[0], &instruments)
        };
        let (rig, ends) = Rig::of_feed(|endpoint| LanePlan {
            links: 1,
            ..LanePlan::new(feed, endpoint)
        });
        let mut bench = Self {
            rig,
            events: ends.events,
            _audit: ends.shown,
        };
        bench.come_up();
        bench
    }

    fn come_up(&mut self) {
        for _ in 0..4_000 {
            if self.rig.is_up(0)
                && self
                    .rig
                    .lane
                    .links()
                    .all(|link| link.phase() == Phase::Live)
            {
                return;
            }
            self.rig.later(ms(50));
        }
        panic!("no connection comes up");
    }

    /// Says this at once, and lets the time pass until the next one is due.
    fn say(&mut self, text: &str, pause: Span) {
        self.rig.try_say_on(0, text);
        self.rig.run_until_idle();
        self.rig.later(pause);
        while self.events.pop().is_ok() {}
    }

    fn noted(&mut self, event: &str) -> Vec<Note> {
        let notes = self.rig.notes().into_iter();
        notes.filter(|note| note.event == event).collect()
    }

    /// The connection stands for `span`, and is closed by the exchange.
    fn end_after(&mut self, span: Span, code: u16) {
        self.come_up();
        self.rig.later(span);
        self.rig.hang_up(code);
    }

    /// Why and how often in a row its connections end, as the run's end tells it.
    fn keeps_closing(&self) -> Option<(&'static str, u32)> {
        let mut tally = Tally {
            at: self.rig.now(),
            ..Tally::default()
        };
        self.rig.lane.tally(&mut tally);
        tally.exchanges[0].keeps_closing
    }
}

fn field(note: &Note, name: &str) -> Option<Value> {
    let found = note.fields.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

/// A whole book of Hyperliquid that differs from the one before it.
fn whole(symbol: &str, n: u64) -> String {
    let time = 1_750_000_000_000 + n;
    let level = |px: u64| format!(r#"{{"px":"{px}.5","sz":"1.5","n":1}}"#);
    let side = |from: u64, down: bool| -> String {
        let px = |n: u64| if down { from - n } else { from + n };
        let levels: Vec<String> = (0..20).map(|n| level(px(n))).collect();
        levels.join(",")
    };
    let (bids, asks) = (side(999 + n % 7, true), side(1_010 + n % 7, false));
    format!(
        r#"{{"channel":"l2Book","data":{{"coin":"{symbol}","time":{time},"levels":[[{bids}],[{asks}]]}}}}"#
    )
}

#[test]
fn a_book_that_comes_every_five_seconds_and_not_every_half_is_named_soon() {
    let mut bench = Bench::new("hyperliquid");
    let began = bench.rig.now();
    let mut told = Vec::new();
    for n in 1..=72 {
        bench.say(&whole("BTCUSDT", n), Span::ZERO);
        bench.say(&whole("ETHUSDT", n), s(5));
        told.extend(bench.noted("stream.slow"));
    }
    let named: Vec<_> = told.iter().map(|note| note.instrument).collect();
    assert_eq!(named, [BTC, ETH], "{told:?}");
    // A dozen gaps, after the first ones have shown that the book is not silent.
    assert!(told[0].at.since(began) <= s(90), "{told:?}");
    assert!(told[1].at.since(told[0].at) >= SLOW_SAID, "{told:?}");
    for note in &told {
        assert_eq!(note.severity, Severity::Warn);
        assert_eq!(field(note, "documented_ms"), Some(Value::Int(500)));
        assert_eq!(field(note, "seen_ms"), Some(Value::Int(5_000)));
    }
}

#[test]
fn a_book_at_its_exchange_s_pace_and_a_quiet_one_with_bursts_are_not_named() {
    let mut bench = Bench::new("hyperliquid");
    for n in 1..=400 {
        bench.say(&whole("BTCUSDT", n), ms(500));
    }
    let mut bench_of_changes = Bench::new("binance");
    for n in 1..=400 {
        let pause = if n % 20 < 8 { ms(100) } else { s(7) };
        bench_of_changes.say(&diff("BTCUSDT", n, n), pause);
    }
    for bench in [&mut bench, &mut bench_of_changes] {
        let told = bench.noted("stream.slow");
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn connections_that_end_again_and_again_for_one_reason_are_an_error_that_says_what_to_do() {
    let mut bench = Bench::new("binance");
    let mut told = Vec::new();
    for end in 1..=14 {
        bench.end_after(s(1), 1_008);
        for note in bench.noted("link.keeps_closing") {
            assert_eq!(note.severity, Severity::Error);
            assert_eq!(field(&note, "why"), Some(Value::Word("peer_closed")));
            assert_eq!(field(&note, "times"), Some(Value::Int(end)));
            let Some(Value::Word(advice)) = field(&note, "advice") else {
                panic!("no advice: {note:?}");
            };
            assert!(advice.contains("check its limits"), "{advice}");
            told.push(end);
        }
        let told_at_the_end = (end >= 3).then_some(("peer_closed", end as u32));
        assert_eq!(bench.keeps_closing(), told_at_the_end);
    }
    assert_eq!(told, [3, 6, 12]);
}

#[test]
fn a_healthy_minute_and_another_reason_begin_the_count_of_ends_anew() {
    let mut bench = Bench::new("binance");
    for _ in 1..SAME_ENDS_TOLD {
        bench.end_after(s(1), 1_008);
    }
    bench.come_up();
    for second in 1..=HEALTHY.0 / s(1).0 {
        bench.say(&diff("BTCUSDT", second, second), s(1));
    }
    bench.rig.hang_up(1_008); // The first of a new row: the connection was healthy.
    bench.end_after(s(1), 1_008);
    assert_eq!(bench.noted("link.keeps_closing"), []);
    bench.end_after(s(1), 1_001); // Another reason: the first of its own row.
    bench.end_after(s(1), 1_008);
    assert_eq!(bench.noted("link.keeps_closing"), []);
    for _ in 1..SAME_ENDS_TOLD {
        bench.end_after(s(1), 1_008);
    }
    assert_eq!(bench.noted("link.keeps_closing").len(), 1);
    assert_eq!(bench.keeps_closing(), Some(("peer_closed", SAME_ENDS_TOLD)));
    bench.come_up();
    bench.rig.later(HEALTHY);
    assert_eq!(bench.keeps_closing(), None, "it is healthy again");
}
