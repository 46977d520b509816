//! The feed lane over TLS in memory: subscriptions, snapshots, epochs, bad frames, and a turn's
//! budget.

use crate::lane_support::{BTC, ETH, Rig, Tap, binance, diff, instruments, snapshot};
use tickwire::base::{Body, Event, Instrument, InstrumentId, Nanos, Span, Status, Symbol, Value};
use tickwire::watch::audit::Shown;
use tickwire::wiring::ask::Answer;
use tickwire::wiring::feed_lane::{FRAMES_PER_TURN, FeedLane, SUBSCRIBE_DEADLINE, TOO_LONG_RETRY};
use tickwire::wiring::lane::Lane;
use tickwire::wiring::plan::{FeedPlan, LanePlan};
use tickwire::wiring::ring::Receiver;
use tickwire::wiring::tally::Tally;

type Feeds = FeedLane<Tap, 256>;

struct Bench {
    rig: Rig<Feeds>,
    events: Receiver<Event>,
    audit: rtrb::Consumer<Shown>,
}

/// The subscriptions of two instruments: one frame a channel.
const FRAMES: usize = 3;

/// A lane of two instruments, five messages a second at most.
fn bench() -> Bench {
    bench_of(&instruments())
}

fn bench_of(instruments: &[Instrument]) -> Bench {
    let feed = FeedPlan {
        depth_needed: 10,
        ..FeedPlan::new(binance(), depth(), instruments)
    };
    let (rig, ends) = Rig::of_feed(|endpoint| LanePlan::new(feed, endpoint));
    Bench {
        rig,
        events: ends.events,
        audit: ends.shown,
    }
}

fn depth() -> &'static tickwire::exchange::DepthStream {
    &binance().depth_streams()[0]
}

impl Bench {
    /// Connected, and both books live at the id 100.
    fn live() -> Self {
        let mut bench = bench();
        bench.subscribed();
        bench.go_live(100);
        bench.rig.log();
        bench
    }

    /// Connected, and every request answered.
    fn subscribed(&mut self) {
        self.rig.until_heard(FRAMES);
        for id in 1..=FRAMES {
            self.rig.say(&format!(r#"{{"result":null,"id":{id}}}"#));
        }
        self.rig.run_until_idle();
    }

    fn go_live(&mut self, id: u64) {
        for (symbol, instrument) in [("BTCUSDT", BTC), ("ETHUSDT", ETH)] {
            self.rig.say(&diff(symbol, id, id));
            self.rig.run_until_idle();
            self.snapshot(instrument, id - 1);
        }
        assert_eq!(self.rig.lane.feed().live_books(), 2);
        self.events();
        self.shown();
    }

    fn snapshot(&mut self, id: tickwire::base::InstrumentId, last_id: u64) {
        let answer = snapshot(last_id);
        self.rig
            .answer(Answer::Snapshot(id, Some(Box::new(answer))));
        self.rig.run_until_idle();
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop().ok()).collect()
    }

    fn shown(&mut self) -> Vec<Shown> {
        std::iter::from_fn(|| self.audit.pop().ok()).collect()
    }

    fn statuses(&mut self) -> Vec<Status> {
        let status = |event: Event| match event.body {
            Body::Status(status) => Some(status),
            _ => None,
        };
        self.events().into_iter().filter_map(status).collect()
    }
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

/// Instruments that take this many frames per channel to subscribe to.
fn crowd(frames_a_channel: usize) -> Vec<Instrument> {
    let one = |id: usize| Instrument {
        id: InstrumentId(id as u16),
        symbol: Symbol::from(&format!("COIN{id}USDT")).unwrap(),
        ..instruments()[0]
    };
    (0..frames_a_channel * 128).map(one).collect()
}

/// Failure mode 23: messages keep to a strict window.
#[test]
fn subscriptions_go_out_in_order_and_never_more_than_five_in_a_second() {
    let mut bench = bench_of(&crowd(4));
    for epoch in 0..2 {
        bench.rig.until_heard(12);
        let ids: Vec<String> = (1..=12).map(|id| format!("\"id\":{id}}}")).collect();
        for ((at, text), id) in bench.rig.heard.iter().zip(&ids) {
            assert!(text.ends_with(id), "{text} at {at:?}");
        }
        for (n, (at, _)) in bench.rig.heard.iter().enumerate() {
            let in_a_second = |(later, _): &&(Nanos, String)| later.since(*at) < ms(1_000);
            let after = bench.rig.heard[n..].iter().filter(in_a_second).count();
            assert!(after <= 5, "{after} messages within a second of the {n}th");
        }
        let (first, last) = (bench.rig.heard[0].0, bench.rig.heard[11].0);
        assert!(last.since(first) < ms(4_500), "they do not dawdle either");
        bench.rig.hang_up(1_000);
        while bench.rig.dials == epoch + 1 {
            bench.rig.later(ms(100));
        }
    }
}

#[test]
fn a_subscription_that_the_limit_holds_back_wakes_a_parked_worker() {
    let mut bench = bench_of(&crowd(2));
    bench.rig.until_heard(1);
    assert!(bench.rig.heard.len() < 6);
    let span = Lane::poll_timeout(&bench.rig.lane).since(bench.rig.now());
    assert!(span <= ms(1_250), "{span:?} to the next");
}

#[test]
fn a_connection_that_answers_nothing_is_made_anew() {
    let mut bench = bench();
    bench.rig.until_heard(FRAMES);
    bench.rig.later(SUBSCRIBE_DEADLINE - ms(200));
    assert_eq!(bench.rig.lane.epoch(), 1);
    assert!(!bench.rig.log().contains(&"subscribe.unanswered"));
    bench.rig.later(ms(300));
    let log = bench.rig.log();
    assert!(log.contains(&"subscribe.unanswered"), "{log:?}");
    bench.rig.later(ms(3_000));
    bench.rig.until_heard(FRAMES);
    assert_eq!(bench.rig.lane.epoch(), 2);
}

#[test]
fn an_answer_that_comes_twice_or_is_to_nothing_answers_no_other_subscription() {
    for stranger in [2, 0, 4, u64::MAX] {
        let mut bench = bench();
        bench.rig.until_heard(FRAMES);
        for id in [2, 3, stranger] {
            bench.rig.say(&format!(r#"{{"result":null,"id":{id}}}"#));
        }
        bench.rig.later(SUBSCRIBE_DEADLINE + ms(100));
        let log = bench.rig.log();
        assert!(log.contains(&"subscribe.repaired"), "{stranger}: {log:?}");
    }
}

#[test]
fn all_answered_subscriptions_leave_the_connection_alone() {
    let mut bench = bench();
    bench.subscribed();
    bench.rig.later(SUBSCRIBE_DEADLINE + ms(100));
    assert_eq!(bench.rig.heard.len(), FRAMES);
    assert_eq!(bench.rig.lane.epoch(), 1);
}

#[test]
fn a_request_that_is_refused_whole_is_divided_until_it_is_known_which_stream_is_refused() {
    let mut bench = bench_of(&crowd(1)[..20]);
    bench.rig.until_heard(FRAMES);
    bench.rig.log();
    let (mut answered, mut refused) = (0, 0);
    // The exchange knows no COIN7USDT@trade, and refuses whatever names it.
    for _ in 0..80 {
        for (_, text) in bench.rig.heard.clone().into_iter().skip(answered) {
            answered += 1;
            let id = text.rsplit(':').next().unwrap().trim_end_matches('}');
            let bad = text.contains("coin7usdt@trade");
            refused += usize::from(bad);
            let answer = match bad {
                true => format!(r#"{{"code":2,"msg":"Invalid request","id":{id}}}"#),
                false => format!(r#"{{"result":null,"id":{id}}}"#),
            };
            bench.rig.say(&answer);
        }
        bench.rig.later(ms(100));
    }
    assert_eq!(refused, 5, "of 20, 10, 5 or so, 2 or so, and alone");
    assert!(answered <= FRAMES + 12, "{answered} requests");
    let notes = bench.rig.notes();
    let told: Vec<_> = notes
        .iter()
        .filter(|n| n.event == "subscribe.refused")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].instrument, InstrumentId(7));
    let word = ("channel", Value::Word("trades"));
    let fields = [("line", Value::Int(0)), word, ("code", Value::Int(2))];
    assert_eq!(told[0].fields.to_vec(), fields);
    bench.rig.later(SUBSCRIBE_DEADLINE + ms(100));
    assert!(!bench.rig.log().contains(&"subscribe.repaired"));
}

#[test]
fn a_message_that_is_too_long_costs_its_instrument_and_no_other() {
    let mut bench = Bench::live();
    let limit = binance().limits().message_bytes_max;
    let long = diff("ETHUSDT", 101, 101).replace(
        r#""a":[]"#,
        &format!(r#""a":[],"x":"{}""#, "x".repeat(limit)),
    );
    bench.rig.try_say_on(0, &long);
    for id in 101..103 {
        bench.rig.try_say_on(0, &diff("BTCUSDT", id, id));
    }
    for _ in 0..200 {
        bench.rig.run_until_idle();
    }
    let notes = bench.rig.notes();
    let told: Vec<_> = notes
        .iter()
        .filter(|note| note.event == "message.too_long")
        .collect();
    assert_eq!((told.len(), told[0].instrument), (1, ETH));
    assert!(
        told[0]
            .fields
            .contains(&("bytes", Value::Int(long.len() as i64)))
    );
    assert!(
        told[0]
            .fields
            .contains(&("limit", Value::Int(limit as i64)))
    );
    assert_eq!(bench.rig.lane.feed().live_books(), 1);
    assert_eq!(bench.rig.lane.epoch(), 1, "the connection lives");
    let of_btc = |event: &Event| event.instrument == BTC && matches!(event.body, Body::Book(_));
    assert_eq!(bench.events().into_iter().filter(of_btc).count(), 2);
    // Its stream is ended, and what still comes of it says nothing.
    let ended = bench.rig.heard.last().unwrap().1.clone();
    assert!(
        ended.contains("UNSUBSCRIBE") && ended.contains("ethusdt@depth"),
        "{ended}"
    );
    bench.rig.say(&diff("ETHUSDT", 102, 102));
    bench.rig.later(SUBSCRIBE_DEADLINE + ms(1_000));
    assert_eq!(bench.rig.heard.last().unwrap().1, ended);
    bench.rig.later(TOO_LONG_RETRY);
    let mut again = bench
        .rig
        .heard
        .iter()
        .filter(|(_, text)| text.contains(r#""SUBSCRIBE""#));
    assert!(again.next_back().unwrap().1.contains("ethusdt@depth"));
}

#[test]
fn an_announced_shutdown_is_followed_by_a_new_connection_before_the_cut() {
    let mut bench = Bench::live();
    bench
        .rig
        .say(r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770000000000}}"#);
    bench.rig.run_until_idle();
    let log = bench.rig.log();
    assert!(log.contains(&"link.shutdown_announced"), "{log:?}");
    assert!(log.contains(&"link.replacing"), "{log:?}");
    assert!(!log.contains(&"link.closed"), "{log:?}");
    assert_eq!((bench.rig.dials, bench.rig.lane.epoch()), (2, 2));
    bench.rig.until_heard(FRAMES);
    for id in 1..=FRAMES {
        bench
            .rig
            .say_on(1, &format!(r#"{{"result":null,"id":{id}}}"#));
    }
    bench.rig.run_until_idle();
    assert!(bench.rig.is_up(0), "both carry the same for a while");
    bench.rig.later(ms(1_100));
    assert_eq!(bench.rig.lane.feed().live_books(), 2);
    assert_eq!((bench.rig.is_up(0), bench.rig.is_up(1)), (false, true));
    assert!(bench.statuses().is_empty(), "no book was dark");
}

#[test]
fn a_lost_connection_darkens_every_book_and_the_next_one_starts_empty_and_fresh() {
    let mut bench = Bench::live();
    bench.rig.hang_up(1_001);
    let events = bench.events();
    for id in [BTC, ETH] {
        let of = |event: &&Event| event.instrument == id;
        let bodies: Vec<Body> = events.iter().filter(of).map(|e| e.body).collect();
        assert_eq!(bodies, [Body::Status(Status::Connecting)]);
    }
    let dark: Vec<_> = bench
        .shown()
        .iter()
        .map(|s| (s.instrument, s.top))
        .collect();
    assert_eq!(dark, [(BTC, None), (ETH, None)], "the audit sees it dark");
    assert_eq!(bench.rig.lane.feed().live_books(), 0);

    bench.rig.later(ms(4_000));
    bench.rig.until_heard(FRAMES);
    assert_eq!(bench.rig.lane.epoch(), 2);
    assert_eq!(bench.statuses(), [Status::Buffering; 2]);
    // What would have been the next message of the epoch before finds no book.
    bench.rig.say(&diff("BTCUSDT", 101, 101));
    bench.rig.run_until_idle();
    assert!(bench.events().is_empty());
    assert!(bench.shown().is_empty());
    bench.snapshot(BTC, 500);
    let events = bench.events();
    assert!(matches!(events[0].body, Body::Status(Status::Live)));
    assert!(matches!(events[1].body, Body::Book(_)));
    let head = |e: &Event| (e.update_id, e.epoch, e.flags.fresh);
    assert_eq!(head(&events[1]), (500, 2, true));
    bench.rig.say(&diff("BTCUSDT", 501, 502));
    bench.rig.run_until_idle();
    let events = bench.events();
    assert_eq!(
        events.iter().map(head).collect::<Vec<_>>(),
        [(502, 2, false)]
    );
}

#[test]
fn a_snapshot_is_asked_for_at_the_first_diff_and_again_after_a_failure() {
    let mut bench = bench();
    bench.rig.until_heard(FRAMES);
    assert!(bench.rig.snapshots_asked.is_empty(), "nothing is buffered");
    bench.rig.say(&diff("ETHUSDT", 7, 8));
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.snapshots_asked, [ETH]);
    bench.rig.say(&diff("ETHUSDT", 9, 9));
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.snapshots_asked, [ETH], "one at a time");
    bench.rig.answer(Answer::Snapshot(ETH, None));
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.snapshots_asked, [ETH], "not at once");
    bench.rig.later(ms(1_100));
    assert_eq!(bench.rig.snapshots_asked, [ETH, ETH]);
    bench.snapshot(ETH, 6);
    assert_eq!(bench.rig.lane.feed().live_books(), 1);
    let last = bench.events().pop().expect("a book");
    assert_eq!((last.update_id, last.flags.fresh), (9, true));
}

/// Failure mode 19: a message that nobody understands is counted, and breaks nothing.
#[test]
fn a_bad_frame_is_counted_and_logged_and_changes_nothing() {
    let mut bench = Bench::live();
    let bad = [
        "Pong timeout",
        "",
        "<html>503</html>",
        r#"{"stream":"x","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":101,"b":[["100.00","1"],["99.00"]],"a":[]}}"#,
        r#"{"stream":"x","data":{"e":"depthUpdate","E":1,"s":"DOGEUSDT","U":101,"u":101,"b":[],"a":[]}}"#,
    ];
    for frame in bad {
        bench.rig.say(frame);
    }
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.lane.feed().counters().bad_frames, 5);
    assert!(bench.events().is_empty());
    assert!(bench.shown().is_empty());
    let notes = bench.rig.notes();
    let refused: Vec<_> = notes.iter().map(|note| note.event).collect();
    assert_eq!(
        refused,
        ["frame.refused"],
        "a storm of them is one line a second"
    );
    assert_eq!(notes[0].text.as_str(), "Pong timeout");
    bench.rig.later(ms(1_000));
    bench.rig.say("again");
    bench.rig.run_until_idle();
    let again = bench.rig.notes().pop().expect("logged");
    assert_eq!(again.fields.last(), Some(&("so_far", Value::Int(6))));
    bench.rig.say(&diff("BTCUSDT", 101, 101));
    bench.rig.run_until_idle();
    let ids: Vec<u64> = bench.events().iter().map(|e| e.update_id).collect();
    assert_eq!(ids, [101], "the book goes on where it stood");
}

#[test]
fn a_number_that_does_not_fit_darkens_the_book_until_the_metadata_is_there() {
    let mut bench = Bench::live();
    let fine = r#"{"stream":"x","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":101,"b":[["99.999","1"]],"a":[]}}"#;
    bench.rig.say(fine);
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.metadata_asked, [BTC]);
    assert_eq!(bench.rig.lane.feed().live_books(), 1);
    let listed = Instrument {
        px_scale: 3,
        ..instruments()[0]
    };
    bench.rig.answer(Answer::Instrument(Box::new(listed)));
    bench.rig.run_until_idle();
    assert!(bench.rig.log().contains(&"instrument.replaced"));
    bench.rig.say(fine);
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.lane.feed().counters().unfit, 1, "it fits");
}

#[test]
fn a_gap_darkens_the_book_until_a_snapshot_and_is_logged() {
    let mut bench = Bench::live();
    bench.rig.later(ms(1_000)); // A snapshot a second, at most.
    bench.snapshot(BTC, 100); // It confirms that there are no more levels.
    bench.rig.later(ms(1_000));
    bench.rig.snapshots_asked.clear();
    bench.rig.say(&diff("BTCUSDT", 103, 104));
    bench.rig.run_until_idle();
    assert_eq!(bench.statuses(), [Status::Resyncing]);
    assert_eq!(bench.shown().iter().filter(|s| s.top.is_none()).count(), 1);
    assert!(bench.rig.log().contains(&"book.gap"));
    assert_eq!(bench.rig.snapshots_asked, [BTC]);
    bench.snapshot(BTC, 103);
    let events = bench.events();
    let book = events.last().expect("a book");
    assert_eq!((book.update_id, book.flags.fresh), (104, true));
}

/// The snapshot joins, but the diffs held have a hole: what the audit saw of it was never shown for
/// long.
#[test]
fn a_book_that_a_gap_takes_away_while_it_catches_up_is_dark_in_the_audit() {
    let mut bench = bench();
    bench.rig.until_heard(FRAMES);
    bench.rig.say(&diff("BTCUSDT", 10, 10));
    bench.rig.say(&diff("BTCUSDT", 12, 12));
    bench.rig.run_until_idle();
    bench.snapshot(BTC, 9);
    assert_eq!(bench.rig.lane.feed().live_books(), 0);
    assert!(
        !bench
            .events()
            .iter()
            .any(|e| matches!(e.body, Body::Book(_)))
    );
    let shown = bench.shown();
    assert!(!shown.is_empty());
    assert_eq!(shown.last().and_then(|s| s.top), None, "{shown:?}");
    bench.rig.later(ms(5_000));
    bench.snapshot(BTC, 11);
    assert!(bench.shown().last().is_some_and(|s| s.top.is_some()));
}

#[test]
fn a_book_that_comes_back_from_silence_says_so_in_the_log() {
    let mut bench = Bench::live();
    bench.rig.later(ms(4_000));
    assert_eq!(bench.statuses(), [Status::Stale; 2]);
    bench.rig.log();
    bench.rig.say(&diff("BTCUSDT", 101, 101));
    bench.rig.run_until_idle();
    let events = bench.events();
    let book = events.last().expect("a book");
    assert!(matches!(book.body, Body::Book(_)));
    assert!(book.flags.fresh, "what came before is not comparable");
    assert_eq!(bench.rig.log(), ["book.status"]);
}

#[test]
fn how_late_the_data_is_shows_while_it_lasts_and_in_the_count_at_the_end() {
    let mut bench = bench();
    // The host's clock shows some time after the first messages.
    let after = Nanos::from_millis(1_750_000_000_150);
    bench.rig.clock.advance(after.since(bench.rig.now()));
    bench.subscribed();
    bench.go_live(100);
    let said = bench.rig.now();
    let true_then = (said.0 / 1_000).to_string();
    // Messages that all state the time of the first one: they come later and later.
    let mut late_ms = |id: u64, after_ms: u64| {
        bench.rig.clock.advance(ms(after_ms));
        let text = diff("BTCUSDT", id, id).replace("1750000000123456", &true_then);
        bench.rig.say(&text);
        bench.rig.run_until_idle();
        let late = bench.rig.lane.pulse(bench.rig.now()).late;
        late.map(|late| late.delay_ns / 1_000_000)
    };
    assert_eq!(late_ms(101, 0), None);
    assert_eq!(late_ms(102, 1_200), None, "the one before came in time");
    assert_eq!(late_ms(103, 1_200), Some(2_400));
    assert_eq!(late_ms(104, 1_200), Some(3_600));
    let mut tally = Tally::default();
    bench.rig.lane.tally(&mut tally);
    let delays = tally.exchanges[0].delays;
    assert_eq!(
        (delays.late, delays.late_ns, delays.max_ns),
        (3, 1_200_000_000, 3_600_000_000)
    );
}

#[test]
fn trades_and_quotes_carry_no_book_id() {
    let mut bench = Bench::live();
    bench.rig.say(r#"{"stream":"x","data":{"e":"trade","E":1750000000123,"s":"ETHUSDT","t":1,"p":"3000.01","q":"0.5","T":1750000000122,"m":true,"M":true}}"#);
    bench.rig.say(r#"{"stream":"x","data":{"u":4,"s":"BTCUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}}"#);
    bench.rig.run_until_idle();
    let events = bench.events();
    assert!(matches!(events[0].body, Body::Trade(trade, 0) if trade.id == 1));
    assert!(matches!(events[1].body, Body::Quote(quote) if quote.update_id == 4));
    assert_eq!(events.iter().map(|e| e.update_id).sum::<u64>(), 0);
}

#[test]
fn a_burst_beyond_a_turns_budget_is_finished_without_another_readiness() {
    let mut bench = Bench::live();
    const BURST: u64 = 700;
    for id in 101..=100 + BURST {
        bench.rig.say(&diff("BTCUSDT", id, id));
    }
    // One readiness, as an edge-triggered poll gives; from here on only turns.
    bench.rig.with(|lane, turn| lane.handle_ready(turn, 0));
    let taken = bench.rig.lane.feed().counters().frames;
    assert!(Lane::wants_turn(&bench.rig.lane), "more is there");
    assert!(
        bench.events().len() < BURST as usize,
        "others have their turn"
    );
    let mut turns = 0;
    while Lane::wants_turn(&bench.rig.lane) {
        turns += 1;
        assert!(turns < 20, "it never ends");
        bench.rig.turn();
    }
    let frames = bench.rig.lane.feed().counters().frames;
    assert_eq!(frames - taken + FRAMES_PER_TURN as u64, BURST);
    let book = bench.rig.lane.feed().books().next().expect("a book");
    assert_eq!(book.counters.gaps, 0);
    let last = bench.events().pop().expect("a book");
    assert_eq!(last.update_id, 100 + BURST, "the burst's last message");
}

#[test]
fn a_lane_beside_the_desk_hands_on_after_each_frame() {
    let mut bench = bench();
    bench.rig.lane = bench.rig.lane.frame_by_frame();
    bench.subscribed();
    while Lane::wants_turn(&bench.rig.lane) {
        bench.rig.turn();
    }
    let before = bench.rig.lane.feed().counters().frames;
    for id in 101..=105 {
        bench.rig.say(&diff("BTCUSDT", id, id));
    }
    bench.rig.with(|lane, turn| lane.handle_ready(turn, 0));
    for taken in 1..5 {
        assert_eq!(bench.rig.lane.feed().counters().frames, before + taken);
        assert!(Lane::wants_turn(&bench.rig.lane), "more is there");
        bench.rig.turn();
    }
    assert_eq!(bench.rig.lane.feed().counters().frames, before + 5);
}

#[test]
fn a_lane_without_a_connection_wants_no_turn() {
    let mut bench = bench();
    bench.subscribed();
    bench.rig.hang_up(1_012);
    assert!(!Lane::wants_turn(&bench.rig.lane), "a dead lane sleeps");
}
