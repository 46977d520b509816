//! A feed lane's lines: what they subscribe to and say, how they fail alone, and how one replaces
//! another.

use crate::lane_support::fussy::{FUSSY, KEEP_ALIVE, STREAMLESS};
use crate::lane_support::{BTC, ETH, Rig, Tap, diff, instruments, snapshot};
use std::net::SocketAddr;
use tickwire::base::{
    Body, Channel, Event, Instrument, InstrumentId, Nanos, Note, Span, Status, Symbol, Value,
};
use tickwire::conn::Phase;
use tickwire::exchange::Exchange;
use tickwire::wiring::ask::Answer;
use tickwire::wiring::feed_lane::{FeedLane, REFUSED_RETRY, REPAIRS_MAX, SUBSCRIBE_DEADLINE};
use tickwire::wiring::lane::{LINES, Lane};
use tickwire::wiring::plan::{FeedPlan, LanePlan};
use tickwire::wiring::ring::Receiver;

type Feeds = FeedLane<Tap, 256>;

struct Bench {
    rig: Rig<Feeds>,
    events: Receiver<Event>,
    _audit: rtrb::Consumer<tickwire::watch::audit::Shown>,
    /// What the exchange does not answer: frames that contain this.
    deaf: Option<&'static str>,
    /// The last id of the books.
    id: u64,
}

fn s(s: u64) -> Span {
    Span::from_secs(s)
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

fn bench(lines: usize) -> Bench {
    Bench::new(lines, &instruments(), &Channel::ALL)
}

impl Bench {
    fn new(lines: usize, instruments: &[Instrument], channels: &[Channel]) -> Self {
        let exchange: &'static dyn Exchange = &FUSSY;
        let feed = FeedPlan {
            channels: channels.to_vec(),
            depth_needed: 10,
            events: 4_096,
            ..FeedPlan::new(exchange, &exchange.depth_streams()[0], instruments)
        };
        let (rig, ends) = Rig::of_feed(|endpoint| LanePlan {
            lines,
            links: lines + 1,
            ..LanePlan::new(feed, endpoint)
        });
        Self {
            rig,
            events: ends.events,
            _audit: ends.shown,
            deaf: None,
            id: 100,
        }
    }

    /// Up, answered, and both books live.
    fn live(lines: usize) -> Self {
        let mut bench = bench(lines);
        bench.run(s(5));
        bench.go_live();
        bench.rig.log();
        bench
    }

    fn go_live(&mut self) {
        self.update();
        for id in [BTC, ETH] {
            let answer = snapshot(self.id - 1);
            self.rig
                .answer(Answer::Snapshot(id, Some(Box::new(answer))));
        }
        self.rig.run_until_idle();
        assert_eq!(self.live_books(), 2);
        while self.events.pop().is_ok() {}
    }

    /// The next update of both books, on every line that is up.
    fn update(&mut self) {
        self.id += 1;
        for line in (0..LINES)
            .filter(|&line| self.rig.is_up(line))
            .collect::<Vec<_>>()
        {
            for symbol in ["BTCUSDT", "ETHUSDT"] {
                self.rig.say_on(line, &diff(symbol, self.id, self.id));
            }
        }
        self.rig.run_until_idle();
    }

    /// Time passes in steps of a quarter of a second; the exchange answers. What the lines sent.
    fn run(&mut self, span: Span) -> Vec<(usize, Nanos, String)> {
        let until = self.rig.now() + span;
        let mut sent = Vec::new();
        while self.rig.now() < until {
            self.rig.later(ms(250));
            sent.extend(self.answer());
        }
        sent
    }

    /// Answers every request that came, but the ones it is deaf for.
    fn answer(&mut self) -> Vec<(usize, Nanos, String)> {
        let mut sent = Vec::new();
        for line in 0..LINES {
            for (at, text) in self.rig.take_on(line) {
                let deaf = self.deaf.is_some_and(|part| text.contains(part));
                if text.starts_with(['+', '-']) && !deaf {
                    let id = text.rsplit(' ').next().unwrap();
                    self.rig.say_on(line, &format!("yes {id}"));
                }
                sent.push((line, at, text));
            }
        }
        self.rig.run_until_idle();
        sent
    }

    fn live_books(&self) -> usize {
        self.rig.lane.feed().live_books()
    }

    fn up(&self) -> Vec<usize> {
        (0..LINES).filter(|&line| self.rig.is_up(line)).collect()
    }

    /// States that reached the desk since the last call.
    fn statuses(&mut self) -> Vec<Status> {
        let events = std::iter::from_fn(|| self.events.pop().ok());
        let status = |event: Event| match event.body {
            Body::Status(status) => Some(status),
            _ => None,
        };
        events.filter_map(status).collect()
    }

    fn noted(&mut self, event: &str) -> Vec<Note> {
        let notes = self.rig.notes().into_iter();
        notes.filter(|note| note.event == event).collect()
    }
}

fn texts(sent: &[(usize, Nanos, String)]) -> Vec<&str> {
    sent.iter().map(|(_, _, text)| text.as_str()).collect()
}

#[test]
fn a_connection_is_greeted_and_then_asked_for_its_streams_one_channel_after_the_other() {
    let mut bench = bench(1);
    let sent = bench.run(s(5));
    let want = [
        "hello",
        "+BTCUSDT depth 1",
        "+ETHUSDT depth 2",
        "+BTCUSDT trades 3",
        "+ETHUSDT trades 4",
        "+BTCUSDT quotes 5",
        "+ETHUSDT quotes 6",
    ];
    assert_eq!(texts(&sent), want);
}

/// Failure mode 27: what was subscribed is known for each connection, and asked for again by
/// itself.
#[test]
fn a_topic_without_an_answer_is_asked_for_again_and_only_that_one() {
    let mut bench = bench(1);
    bench.deaf = Some("+ETHUSDT trades");
    bench.run(s(5));
    bench.rig.log();
    bench.deaf = None;
    let sent = bench.run(SUBSCRIBE_DEADLINE);
    assert_eq!(texts(&sent), ["+ETHUSDT trades 7"]);
    let repaired = bench.noted("subscribe.repaired");
    assert_eq!(repaired.len(), 1);
    let topics = repaired[0].fields.last();
    assert_eq!(topics, Some(&("topics", Value::Int(1))));
    let later: Vec<_> = bench.run(s(120));
    assert!(later.iter().all(|(_, _, text)| text == "ping"), "{later:?}");
    assert_eq!(bench.rig.lane.epoch(), 1);
}

#[test]
fn data_confirms_a_topic_that_was_never_answered() {
    let mut bench = bench(1);
    bench.deaf = Some("ETHUSDT depth");
    bench.run(s(5));
    bench.rig.say(&diff("ETHUSDT", 1, 1));
    let sent = bench.run(s(15));
    assert!(!texts(&sent).iter().any(|text| text.starts_with('+')));
}

#[test]
fn data_that_comes_before_a_repair_has_left_is_no_loss_either() {
    let mut bench = bench(1);
    bench.deaf = Some("ETHUSDT depth");
    bench.run(s(8));
    while bench.noted("subscribe.repaired").is_empty() {
        bench.rig.later(ms(100));
    }
    bench.rig.say(&diff("ETHUSDT", 1, 1));
    bench.run(s(300));
    assert!(bench.noted("subscribe.unanswered").is_empty());
    assert_eq!(bench.rig.lane.epoch(), 1);
}

#[test]
fn a_stream_that_the_exchange_does_not_have_is_not_waited_for() {
    let odd = Instrument {
        symbol: Symbol::from(STREAMLESS).unwrap(),
        ..instruments()[0]
    };
    let mut bench = Bench::new(1, &[odd], &Channel::ALL);
    let sent = bench.run(s(15));
    assert_eq!(
        texts(&sent),
        ["hello", "+NOQUOTES depth 1", "+NOQUOTES trades 2"]
    );
    assert!(bench.noted("subscribe.repaired").is_empty());

    let mut bench = Bench::new(1, &[odd], &[Channel::Quotes]);
    assert_eq!(texts(&bench.run(s(15))), ["hello"]);
    assert_eq!(bench.rig.lane.epoch(), 1, "nothing is waited for");
}

#[test]
fn a_topic_that_stays_without_an_answer_costs_its_neighbours_nothing() {
    let mut bench = bench(1);
    bench.deaf = Some("+ETHUSDT trades");
    let sent = bench.run(s(10 + 20 + 40 + 80 + 10));
    let asked = |sent: &[(usize, Nanos, String)]| {
        texts(sent)
            .iter()
            .filter(|text| text.starts_with("+ETHUSDT trades"))
            .count()
    };
    assert_eq!(asked(&sent) as u32, 1 + REPAIRS_MAX);
    assert_eq!(bench.noted("subscribe.unanswered").len(), 0);
    bench.run(s(1_200));
    assert_eq!(bench.rig.lane.epoch(), 1, "the connection is left alone");
    let given_up = bench.noted("subscribe.given_up").len();
    assert!((1..=8).contains(&given_up), "{given_up}");
    bench.deaf = None;
    bench.run(s(300));
    bench.rig.log();
    assert_eq!(
        bench
            .run(s(600))
            .iter()
            .filter(|(_, _, text)| text != "ping")
            .count(),
        0
    );
}

#[test]
fn a_refused_topic_is_logged_once_and_tried_again_each_minute_until_it_is_taken() {
    let mut bench = bench(1);
    bench.deaf = Some("+ETHUSDT depth");
    bench.run(s(5));
    for _ in 0..3 {
        bench.rig.say("no ETHUSDT depth -5");
        bench.rig.run_until_idle();
        let sent = bench.run(REFUSED_RETRY + s(1));
        let asked = texts(&sent).into_iter().filter(|text| *text != "ping");
        assert_eq!(asked.count(), 1, "{sent:?}");
    }
    let refused = bench.noted("subscribe.refused");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].instrument, ETH);
    assert!(refused[0].fields.contains(&("code", Value::Int(-5))));
    bench.rig.say("yes ETHUSDT depth");
    let sent = bench.run(s(200));
    assert!(texts(&sent).iter().all(|text| *text == "ping"), "{sent:?}");
    assert_eq!(bench.rig.lane.epoch(), 1);
}

/// Forty instruments: one of 120 topics is answered, all others are asked for again, and again.
#[test]
fn the_message_budget_holds_while_much_is_repaired() {
    let one = |id: u16| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::from(&format!("COIN{id}USDT")).unwrap(),
        ..instruments()[0]
    };
    let many: Vec<Instrument> = (0..40).map(one).collect();
    let mut bench = Bench::new(1, &many, &Channel::ALL);
    bench.deaf = Some("USDT");
    let mut sent = bench.run(s(30));
    bench.rig.say("yes 1");
    sent.extend(bench.run(s(300)));
    assert!(sent.len() > 400, "{}", sent.len());
    assert!(texts(&sent).contains(&"ping"));
    for (n, (_, at, _)) in sent.iter().enumerate() {
        let after = sent[n..]
            .iter()
            .take_while(|(_, later, _)| later.since(*at) < s(1));
        assert!(after.count() <= 5, "within a second of the {n}th");
    }
}

#[test]
fn a_keep_alive_leaves_at_its_time_and_before_subscriptions_that_wait() {
    let mut bench = Bench::live(1);
    let opened = bench.rig.now() - s(5);
    let sent = bench.run(KEEP_ALIVE + KEEP_ALIVE + s(5));
    let times: Vec<u64> = sent.iter().map(|(_, at, _)| at.since(opened).0).collect();
    assert_eq!(texts(&sent), ["ping", "ping"]);
    for (n, at) in (1..).zip(times) {
        let late = at - n * KEEP_ALIVE.0;
        assert!(late <= ms(750).0, "{late} ns late");
    }
    // A worker that sleeps is woken for it.
    let due = bench.rig.lane.poll_timeout().since(bench.rig.now());
    assert!(due <= KEEP_ALIVE);
}

#[test]
fn what_the_exchange_wants_back_at_once_it_gets_at_once() {
    let mut bench = Bench::live(1);
    for _ in 0..7 {
        bench.rig.say("reply");
    }
    bench.rig.run_until_idle();
    let replies = bench.rig.take_on(0);
    assert_eq!(
        replies.len(),
        7,
        "more than the limit, which is the exchange's own wish"
    );
    assert!(
        replies
            .iter()
            .all(|(at, text)| text == "here" && *at == bench.rig.now())
    );
}

#[test]
fn a_line_that_fails_leaves_the_books_live_on_the_other() {
    let mut bench = Bench::live(2);
    assert_eq!(bench.up(), [0, 1]);
    bench.rig.accepts = false;
    bench.rig.hang_up_on(0, 1_001);
    for _ in 0..20 {
        bench.run(s(1));
        bench.update();
        assert_eq!(bench.live_books(), 2);
    }
    assert_eq!(bench.up(), [1]);
    assert!(bench.statuses().is_empty(), "no book was dark");
    bench.rig.accepts = true;
    for _ in 0..40 {
        bench.run(s(1));
        bench.update();
    }
    assert_eq!(bench.up(), [0, 1], "it is made anew");
    bench.rig.hang_up_on(1, 1_001);
    bench.update();
    assert_eq!(bench.live_books(), 2, "and carries the books alone");
    assert!(bench.statuses().is_empty());
}

#[test]
fn books_are_dark_when_the_last_line_is_gone() {
    let mut bench = Bench::live(2);
    bench.rig.accepts = false;
    bench.rig.hang_up_on(1, 1_001);
    bench.rig.hang_up_on(0, 1_001);
    assert_eq!(bench.live_books(), 0);
}

#[test]
fn lines_spread_over_the_addresses_of_the_host() {
    let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 443));
    let mut bench = bench(3);
    bench.rig.addresses = [1, 2].map(address).to_vec();
    bench.run(s(1));
    let at = |bench: &Bench| bench.rig.dialled.map(|at| at.map(|at| at.ip().to_string()));
    let [first, second, third, spare, ..] = at(&bench);
    assert_ne!(first, second);
    assert!(third.is_some(), "there are fewer addresses than lines");
    assert_eq!(spare, None, "nothing is to be replaced");

    let mut bench = Bench::new(2, &instruments(), &Channel::ALL);
    bench.rig.addresses = [1, 2, 3].map(address).to_vec();
    bench.run(s(1));
    bench.rig.hang_up_on(0, 1_001);
    bench.rig.addresses.rotate_left(1); // As name servers do.
    bench.run(s(5));
    let [first, second, ..] = at(&bench);
    assert_ne!(first, second, "also after a name was resolved again");
}

/// Failure mode 17: life ends at 20.7 to 23 hours: in 25 every connection was replaced once, and no
/// book was dark
/// for a moment.
#[test]
fn a_line_is_replaced_before_its_end_and_no_book_is_dark_in_25_hours() {
    for lines in [1, 2] {
        let mut bench = Bench::live(lines);
        let end = bench.rig.now() + s(25 * 3_600);
        let mut step = s(2);
        let (mut at_once, mut fewest) = (0, LINES);
        while bench.rig.now() < end {
            bench.rig.clock.advance(step);
            step = (step + s(1)).min(s(15)); // Books learn that they are quiet.
            bench.id += 1;
            for line in bench.up() {
                for symbol in ["BTCUSDT", "ETHUSDT"] {
                    bench.rig.say_on(line, &diff(symbol, bench.id, bench.id));
                }
            }
            for turn in 0..12 {
                bench.rig.ready();
                bench.rig.turn();
                let mut phases = bench.rig.lane.links().map(|link| link.phase());
                let still = |phase| phase == Phase::Live || phase == Phase::Waiting;
                if turn > 0 && phases.all(still) {
                    break;
                }
            }
            for line in 0..LINES {
                for (_, text) in bench.rig.take_on(line) {
                    if let Some(("", request)) = text.split_once('+') {
                        let id = request.rsplit(' ').next().unwrap();
                        bench.rig.say_on(line, &format!("yes {id}"));
                    }
                }
            }
            bench.rig.ready();
            assert_eq!(bench.live_books(), 2, "at {:?}", bench.rig.now());
            at_once = at_once.max(bench.up().len());
            fewest = fewest.min(bench.up().len());
        }
        let log = bench.rig.log();
        let replaced = log
            .iter()
            .filter(|event| **event == "link.replaced")
            .count();
        assert_eq!(replaced, lines, "{log:?}");
        assert!(!log.contains(&"link.closed"), "{log:?}");
        assert!(bench.statuses().is_empty(), "no book was dark");
        assert_eq!((fewest, at_once), (lines, lines + 1));
    }
}

#[test]
fn a_replacement_that_does_not_carry_everything_does_not_replace() {
    let mut bench = Bench::live(1);
    bench.deaf = Some("+ETHUSDT trades");
    bench.rig.say(SHUTDOWN);
    for _ in 0..30 {
        bench.run(s(1));
        bench.update();
    }
    assert_eq!(bench.up(), [0, 1]);
    bench.deaf = None;
    for _ in 0..30 {
        bench.run(s(1));
        bench.update();
    }
    assert_eq!(bench.up(), [1]);
    assert!(bench.statuses().is_empty());
}

#[test]
fn a_line_that_is_cut_while_it_is_replaced_leaves_its_place_to_the_new_one() {
    let mut bench = Bench::live(1);
    bench.rig.accepts = false;
    bench.rig.say(SHUTDOWN);
    bench.rig.run_until_idle();
    bench.rig.hang_up(1_012);
    assert_eq!(bench.live_books(), 0);
    bench.rig.accepts = true;
    bench.run(s(30));
    assert_eq!(bench.up(), [1], "one connection, not two");
    bench.go_live();
    // And the old one is there to replace it in turn.
    bench.rig.say_on(1, SHUTDOWN);
    for _ in 0..10 {
        bench.run(s(1));
        bench.update();
    }
    assert_eq!(bench.up(), [0]);
    assert!(bench.statuses().is_empty());
}

const SHUTDOWN: &str =
    r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770000000000}}"#;

#[test]
fn two_lines_that_are_to_end_at_once_are_replaced_one_after_the_other() {
    let mut bench = Bench::live(2);
    bench.rig.say_on(0, SHUTDOWN);
    bench.rig.say_on(1, SHUTDOWN);
    for _ in 0..15 {
        bench.run(s(1));
        bench.update();
        assert!(bench.up().len() >= 2);
    }
    assert_eq!(bench.rig.lane.epoch(), 4);
    assert_eq!(bench.up().len(), 2);
    assert!(bench.statuses().is_empty());
}

#[test]
fn an_exchange_that_announces_an_end_again_and_again_is_dialled_ever_less_often() {
    let mut bench = Bench::live(1);
    let mut dials = Vec::new();
    for _ in 0..4 {
        let before = bench.rig.dials;
        for _ in 0..60 {
            // It is said of every connection, as soon as it is there, and again.
            for line in 0..2 {
                if bench.rig.is_up(line) {
                    bench.rig.try_say_on(line, SHUTDOWN);
                }
            }
            bench.run(s(1));
            bench.update();
        }
        dials.push(bench.rig.dials - before);
    }
    // Delays that double on average, from a third of a second on, make about nine attempts in the
    // first minute; those of 15 to 30 s make at most four in each one after it.
    assert!(dials[0] <= 12, "{dials:?}");
    assert!(
        dials[1..].iter().all(|minute| (1..=4).contains(minute)),
        "{dials:?}"
    );
    assert!(bench.statuses().is_empty(), "the books stayed");
    // Two minutes without an announcement are calm: the next one is followed at once.
    for _ in 0..120 {
        bench.run(s(1));
        bench.update();
    }
    let (before, up) = (bench.rig.dials, bench.up()[0]);
    bench.rig.say_on(up, SHUTDOWN);
    bench.run(s(1));
    assert_eq!(bench.rig.dials, before + 1);
}

#[test]
fn a_lane_without_books_carries_its_channels_and_tells_no_state() {
    let mut bench = Bench::new(1, &instruments(), &[Channel::Trades]);
    let sent = bench.run(s(5));
    assert_eq!(
        texts(&sent),
        ["hello", "+BTCUSDT trades 1", "+ETHUSDT trades 2"]
    );
    bench.rig.say(r#"{"stream":"x","data":{"e":"trade","E":1750000000123,"s":"ETHUSDT","t":1,"p":"3000.01","q":"0.5","T":1750000000122,"m":true,"M":true}}"#);
    bench.run(s(120));
    let events: Vec<Event> = std::iter::from_fn(|| bench.events.pop().ok()).collect();
    assert_eq!(events.len(), 1);
    assert!(matches!(events[0].body, Body::Trade(trade, 0) if trade.id == 1));
    assert_eq!(
        bench.rig.lane.epoch(),
        1,
        "silence is fine where requests were answered"
    );
}

#[test]
fn the_run_s_end_closes_every_line_for_good() {
    let mut bench = Bench::live(3);
    let now = bench.rig.now();
    bench.rig.with(|lane, turn| lane.shut_down(turn, now));
    bench.run(s(60));
    assert!(bench.up().is_empty());
    assert!(
        bench
            .rig
            .lane
            .links()
            .all(|link| link.phase() == Phase::Waiting)
    );
    assert_eq!(bench.rig.dials, 3);
}
