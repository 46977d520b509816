//! Zero allocations from frame payload to event and from event to encoded order, over a million
//! messages; and what TLS and WebSocket allocate a frame, measured and printed.

use crate::conn_support::Authority;
use crate::counting::counted;
use rustls::{ServerConnection, StreamOwned};
use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Instant;
use tickwire::base::{
    self, AccountNews, Body, Clock, Event, Fill, Flags, Instrument, InstrumentId, Level, Nanos,
    NewOrder, News, Px, Qty, Question, RxStamps, Said, Snapshot, Source, Span, Stamps, Symbol,
    UnixNanos,
};
use tickwire::conn::{Link, LinkConfig, Output, Phase, Read};
use tickwire::exchange::{self, Account, AccountKey, Exchange, OrderCodec};
use tickwire::strategy::{Table, imbalance};
use tickwire::trading::limits::{RiskLimits, RiskParams};
use tickwire::trading::risk::Risk;
use tickwire::watch::latency::{Collector, Histograms, Totals};
use tickwire::watch::stage::Stage;
use tickwire::wiring::desk::{Desk, Exit, ExitRules, Receipt, Request, Seated, Way};
use tickwire::wiring::feed::{Arrival, Feed};
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::ring::{Bell, Receiver, Sender, ring};
use tickwire::wiring::road::{self, FeedEnds};
use tickwire::wiring::turn::{Notes, Turn};
use tickwire::world::sim::pipe::{End, pipe};
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

/// A million if the code is optimized; fewer if a debug build would take minutes.
const MESSAGES: u64 = if cfg!(debug_assertions) {
    40_000
} else {
    1_000_000
};
/// Messages before the counting begins: every buffer has had its largest, every histogram its set.
const WARM_UP: u64 = 5_000;
/// Levels a side that the books start with.
const LEVELS: i64 = 1_000;
const MID: [i64; 2] = [6_000_000, 300_000];

#[test]
fn from_payload_to_event_and_from_event_to_encoded_order_nothing_is_allocated() {
    let began = Instant::now();
    let mut road = Road::new();
    (0..WARM_UP).for_each(|_| road.message());
    (road.to_event, road.to_order) = ((0, 0), (0, 0));
    let before = road.seen;
    (0..MESSAGES).for_each(|_| road.message());
    println!(
        "road: {MESSAGES} messages{}, {} diffs of 2, 20 and 100 levels, {} events at the desk, \
         {} orders encoded, {} intents refused, {} states conflated, in {:.1} s",
        if cfg!(debug_assertions) {
            " (debug build: a million with --release)"
        } else {
            ""
        },
        road.seen.diffs - before.diffs,
        road.seen.events - before.events,
        road.seen.orders - before.orders,
        road.desk.refusals().total(),
        road.feed.publisher_counters().conflated,
        began.elapsed().as_secs_f64()
    );
    println!(
        "road: {:?} from frame payload to event, {:?} from event to encoded order \
         (allocations, bytes)",
        road.to_event, road.to_order
    );
    assert_eq!(road.to_event, (0, 0), "from frame payload to event");
    assert_eq!(road.to_order, (0, 0), "from event to encoded order");
    road.check(before);
}

/// What went over the road.
#[derive(Clone, Copy, Default)]
struct Seen {
    diffs: u64,
    events: u64,
    orders: u64,
    shown: u64,
}

/// A feed, a desk and an order codec, with the rings between them: all of the road that is ours.
struct Road {
    clock: StepClock,
    histograms: Histograms,
    collector: Collector,
    totals: Totals,
    notes: Notes,
    log: crossbeam_channel::Receiver<tickwire::base::Note>,
    feed: Feed<1024>,
    audit: rtrb::Consumer<tickwire::watch::audit::Shown>,
    desk: Desk,
    requests: Receiver<Request>,
    reports: Sender<Event>,
    codec: Box<dyn OrderCodec>,
    /// The exchange's side.
    dice: fastrand::Rng,
    ids: [u64; 2],
    number: u64,
    text: String,
    seen: Seen,
    to_event: (u64, u64),
    to_order: (u64, u64),
}

impl Road {
    fn new() -> Self {
        let exchange = exchange::by_name("binance").unwrap();
        let instruments = instruments();
        let clock = StepClock(Cell::new(1_000_000_000));
        let (mut histograms, collector) = Histograms::with_exchanges(0, &Stage::ALL, &instruments);
        let (sender, log) = crossbeam_channel::bounded(256);
        let notes = Notes::new(sender);
        let bell = Bell::new(|| {});
        let (mut reports, reports_in) = ring(64, bell.clone());
        let (requests_out, requests) = ring(64, bell.clone());
        // Small: books are to be conflated, too.
        let plan = FeedPlan {
            events: 128,
            ..FeedPlan::new(exchange, &exchange.depth_streams()[0], &instruments)
        };
        let FeedEnds {
            mut feed,
            events: input,
            shown: audit,
            ..
        } = road::feed(&plan, bell);
        let mut turn = Turn {
            clock: &clock,
            latency: &mut histograms,
            notes: &notes,
        };
        let now = turn.clock.now();
        feed.handle_connected(&mut turn, now, 0, 1);
        feed.handle_recorded(&mut turn, now, 0);
        for instrument in &instruments {
            let start = snapshot(instrument.id.index());
            feed.handle_snapshot(&mut turn, now, instrument.id, &start);
        }
        assert_eq!(feed.live_books(), 2);
        let desk = desk(&instruments, vec![input, reports_in], requests_out);
        let connected = event(InstrumentId::NONE, now, Body::Gateway(true));
        assert!(reports.push(connected).is_ok());
        Self {
            clock,
            histograms,
            collector,
            totals: Totals::default(),
            notes,
            log,
            feed,
            audit,
            desk,
            requests,
            reports,
            codec: codec(exchange, &instruments),
            dice: fastrand::Rng::with_seed(7),
            ids: [1_000; 2],
            number: 0,
            text: String::with_capacity(1 << 16),
            seen: Seen::default(),
            to_event: (0, 0),
            to_order: (0, 0),
        }
    }

    /// One message, from its payload to whatever it causes, and now and then a desk that is late.
    fn message(&mut self) {
        self.number += 1;
        self.seen.diffs += u64::from(self.write_frame());
        let call = self.clock.now();
        let rx = RxStamps {
            kernel: Nanos(call.0 - 9_000),
            empty: Nanos(call.0 - 50_000),
            call,
            read: self.clock.now(),
        };
        let frame = self.clock.now();
        let Self {
            clock,
            histograms,
            notes,
            feed,
            text,
            to_event,
            ..
        } = self;
        counted(to_event, || {
            let mut turn = Turn {
                clock,
                latency: histograms,
                notes,
            };
            feed.handle_frame(&mut turn, 0, Arrival { rx, frame }, text.as_bytes());
            while feed.poll_heard().is_some() {}
            let now = turn.clock.now();
            feed.handle_timeout(&mut turn, now);
            feed.flush();
            histograms.rotate(now);
        });
        while self.audit.pop().is_ok() {
            self.seen.shown += 1;
        }
        let desk_is_late = self.number % 10_000 < 400;
        if !desk_is_late {
            self.turn_desk();
        }
        if self.number.is_multiple_of(500) {
            self.log.try_iter().for_each(drop);
            self.collector
                .collect(&mut self.totals, &mut |_, _, _, _| ());
        }
        self.clock.advance(500_000);
    }

    fn turn_desk(&mut self) {
        let Self {
            clock,
            histograms,
            notes,
            desk,
            requests,
            codec,
            reports,
            seen,
            to_order,
            ..
        } = self;
        counted(to_order, || {
            let mut turn = Turn {
                clock,
                latency: histograms,
                notes,
            };
            seen.events += desk.handle_turn(&mut turn) as u64;
            while let Ok(request) = requests.pop() {
                let asked = clock.now();
                let mut say = |of, body| assert!(reports.push(event(of, asked, body)).is_ok());
                match request {
                    Request::Place(ticket) => {
                        assert_monotone(&ticket.receipt);
                        let order = ticket.order.order();
                        assert!(!codec.place(order, clock.unix()).is_empty());
                        seen.orders += 1;
                        for said in answer(order).into_iter().flatten() {
                            say(order.instrument, news(order, said));
                        }
                    }
                    Request::Ask(question) => {
                        assert!(!codec.ask(&question, clock.unix()).is_empty());
                        let (of, listed) = listed(&question, asked);
                        say(of, Body::Account(listed));
                    }
                    Request::Replace(..) | Request::Reduce(..) | Request::Cancel(_) => {
                        unreachable!("nothing of it rests")
                    }
                }
            }
        });
    }

    /// The exchange's next message in `self.text`. True when it is a diff.
    fn write_frame(&mut self) -> bool {
        let which = self.dice.usize(0..2);
        let symbol = ["BTCUSDT", "ETHUSDT"][which];
        let (number, time) = (self.number, self.clock.unix().as_micros());
        let text = &mut self.text;
        text.clear();
        let px = MID[which] + self.dice.i64(-50..50);
        match self.dice.u8(0..10) {
            0..2 => {
                let _ = write!(
                    text,
                    r#"{{"stream":"x","data":{{"e":"trade","E":{time},"s":"{symbol}","t":{number},"p":"{}.{:02}000000","q":"0.{:08}","T":{time},"m":{},"M":true}}}}"#,
                    px / 100,
                    px % 100,
                    self.dice.u32(1..99_999_999) / 100_000 * 100_000,
                    self.dice.bool()
                );
                return false;
            }
            2..4 => {
                let _ = write!(
                    text,
                    r#"{{"stream":"x","data":{{"u":{number},"s":"{symbol}","b":"{}.01","B":"1.500","a":"{}.02","A":"{}.000"}}}}"#,
                    px / 100,
                    px / 100,
                    number % 90 + 1
                );
                return false;
            }
            _ => {}
        }
        let levels = [2, 20, 100][self.dice.usize(0..3)];
        let first = self.ids[which] + 1;
        self.ids[which] += self.dice.u64(1..4);
        let last = self.ids[which];
        let _ = write!(
            text,
            r#"{{"stream":"x","data":{{"e":"depthUpdate","E":{time},"s":"{symbol}","U":{first},"u":{last},"b":["#
        );
        write_levels(text, &mut self.dice, levels, MID[which], -1);
        text.push_str(r#"],"a":["#);
        write_levels(text, &mut self.dice, levels, MID[which] + 1, 1);
        text.push_str("]}}");
        true
    }

    /// The road was travelled: a run that did nothing would allocate nothing.
    fn check(&mut self, before: Seen) {
        let share = MESSAGES / 10;
        assert!(self.seen.diffs - before.diffs > 5 * share, "diffs");
        assert!(self.seen.events - before.events > 8 * share, "events");
        assert!(self.seen.orders - before.orders > share, "orders");
        assert_eq!(self.feed.counters().bad_frames, 0);
        assert_eq!(self.feed.counters().audit_lost, 0);
        assert_eq!(self.seen.shown, self.seen.diffs + 2, "every diff was shown");
        assert!(self.feed.publisher_counters().conflated > 0);
        assert!(self.desk.refusals().total() > 0);
        assert_eq!(self.feed.live_books(), 2);
        self.histograms
            .rotate(self.clock.now() + Span::from_secs(10));
        self.collector
            .collect(&mut self.totals, &mut |_, _, _, _| ());
        for stage in [Stage::KernelSafe, Stage::Book, Stage::Queue, Stage::Admit] {
            let values = self.totals.stage(stage).map_or(0, |all| all.len());
            assert!(values > share, "{}", stage.name());
        }
    }
}

fn write_levels(text: &mut String, dice: &mut fastrand::Rng, levels: usize, best: i64, away: i64) {
    // Small updates are near the best price, large ones go deep.
    for n in 0..levels {
        let px = best + away * dice.i64(0..(levels as i64 * 9).min(LEVELS));
        let qty = if dice.u8(0..10) == 0 {
            0
        } else {
            dice.u32(1..5_000)
        };
        let comma = if n == 0 { "" } else { "," };
        let (whole, part) = (px / 100, px % 100);
        let _ = write!(
            text,
            r#"{comma}["{whole}.{part:02}000000","{}.{:03}00000"]"#,
            qty / 1_000,
            qty % 1_000
        );
    }
}

/// What the exchange says of an order: it refuses it, fills it, or lets it expire.
fn answer(order: &NewOrder) -> [Option<Said>; 3] {
    let id = order.client_id.0;
    let taken = Said::Taken { exchange_id: id };
    match id % 3 {
        0 => [Some(Said::Rejected { code: -2010 }), None, None],
        1 => {
            let fill = Fill::bare(id, order.side, order.px, order.qty);
            let filled = Said::Ended(base::End::Filled, Some(order.qty));
            [Some(taken), Some(Said::Fill(fill)), Some(filled)]
        }
        _ => [
            Some(taken),
            Some(Said::Ended(base::End::Expired, Some(Qty(0)))),
            None,
        ],
    }
}

fn news(order: &NewOrder, said: Said) -> Body {
    Body::News(News {
        client_id: order.client_id,
        instrument: order.instrument,
        source: Source::Answer,
        said,
    })
}

/// The end of an empty list.
fn listed(question: &Question, asked: Nanos) -> (InstrumentId, AccountNews) {
    let none = InstrumentId::NONE;
    match *question {
        Question::OpenOrders => (none, AccountNews::RestingListed { asked }),
        Question::Balances => (none, AccountNews::BalancesListed { asked }),
        Question::Trades(of, _) => (of, AccountNews::TradesListed { asked }),
        Question::Order(_) => unreachable!("each is answered at once"),
    }
}

fn event(instrument: InstrumentId, now: Nanos, body: Body) -> Event {
    Event {
        stamps: Stamps {
            book: now,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: now,
        update_id: 0,
        epoch: 1,
        instrument,
        flags: Flags::default(),
        body,
    }
}

fn desk(
    instruments: &[Instrument],
    inputs: Vec<Receiver<Event>>,
    requests: Sender<Request>,
) -> Desk {
    let params = RiskParams {
        qty_max: "10".to_owned(),
        notional_max: "10000000".to_owned(),
        collar_bps: 500,
        orders_per_s: 400,
        open_orders_max: 16,
        ..RiskParams::default()
    };
    let limits = RiskLimits::parse(&params, instruments).unwrap();
    let risk = Risk::new(limits, instruments, 1);
    let params = imbalance::Params {
        depth: 5,
        threshold: 0.1,
        cooldown: Span::from_millis(1),
        quantity: "0.5".to_owned(),
    };
    let strategy = Box::new(imbalance::Imbalance::new(&params, &Table::of(instruments)).unwrap());
    let exit = Exit::Gateway(requests);
    let strategies = vec![Seated::everywhere(strategy)];
    let rules = ExitRules {
        visibility: Span::from_secs(10),
        reduces: true,
    };
    let ways = vec![Way::only(exit, rules)];
    Desk::new(instruments, inputs, strategies, risk, ways)
}

fn codec(exchange: &dyn Exchange, instruments: &[Instrument]) -> Box<dyn OrderCodec> {
    let key = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    let account = Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Ed25519Pem(key.to_owned().into()),
    };
    exchange.order_codec(account, instruments).unwrap()
}

fn instruments() -> Vec<Instrument> {
    let one = |(id, symbol)| Instrument {
        id: InstrumentId(id),
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (2, 3))
    };
    (0..).zip(["BTCUSDT", "ETHUSDT"]).map(one).collect()
}

fn snapshot(which: usize) -> Snapshot {
    let side = |best: i64, away: i64| -> Vec<Level> {
        let level = |n| Level {
            px: Px(best + away * n),
            qty: Qty(1_000),
        };
        (0..LEVELS).map(level).collect()
    };
    Snapshot {
        asked: Nanos::ZERO,
        dropped: 0,
        last_id: 1_000,
        bids: side(MID[which], -1),
        asks: side(MID[which] + 1, 1),
        bids_whole: false,
        asks_whole: false,
    }
}

/// A receipt's stamps stand in the order of the road.
fn assert_monotone(receipt: &Receipt) {
    let Stamps {
        rx,
        frame,
        decode,
        book,
    } = receipt.stamps;
    let desk = [receipt.popped, receipt.decided, receipt.admitted];
    let feed = [rx.empty, rx.kernel, rx.call, rx.read, frame, decode, book];
    assert!(feed.is_sorted_by(|a, b| a < b), "{receipt:?}");
    assert!(book < desk[0], "{receipt:?}");
    assert!(desk.is_sorted_by(|a, b| a < b), "{receipt:?}");
}

/// A clock that goes on by itself, so that every span is longer than nothing.
struct StepClock(Cell<u64>);

impl StepClock {
    fn advance(&self, span: u64) {
        self.0.set(self.0.get() + span);
    }
}

impl Clock for StepClock {
    fn now(&self) -> Nanos {
        self.advance(300);
        Nanos(self.0.get())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(1_750_000_000_000_000_000 + self.0.get() as i64)
    }
}

const FRAMES: u64 = 2_000;

#[test]
fn tls_and_websocket_allocate_nothing_for_a_frame_and_once_for_an_order() {
    let (mut link, mut server) = connected();
    let clock = StepClock(Cell::new(1_000_000_000_000));
    let mut dice = fastrand::Rng::with_seed(3);
    for levels in [2usize, 20, 100] {
        let mut text = String::from(r#"{"stream":"x","data":{"e":"depthUpdate","b":["#);
        write_levels(&mut text, &mut dice, levels, MID[0], -1);
        text.push_str("]}}");
        let mut sum = (0, 0);
        for n in 0..FRAMES + 100 {
            if n == 100 {
                sum = (0, 0); // Warm.
            }
            server.send(Message::text(text.clone())).unwrap();
            counted(&mut sum, || {
                let Read::Frame { text: got, .. } = link.read(&clock) else {
                    panic!("no frame");
                };
                assert_eq!(got.len(), text.len());
                assert_eq!(link.read(&clock), Read::Blocked);
            });
        }
        let (calls, bytes) = (sum.0 as f64 / FRAMES as f64, sum.1 / FRAMES);
        println!(
            "TLS + WebSocket: {calls:.2} allocations, {bytes} bytes a frame of {} bytes in",
            text.len()
        );
        assert_eq!(sum.0, 0, "a record is opened where it lies");
    }
    let order = [b'x'; 300];
    let mut sum = (0, 0);
    for n in 0..FRAMES + 100 {
        if n == 100 {
            sum = (0, 0);
        }
        let sent = counted(&mut sum, || link.send(clock.now(), &order).unwrap());
        assert!(sent.flushed);
        assert_eq!(server.read().unwrap().len(), order.len());
    }
    let (calls, bytes) = (sum.0 as f64 / FRAMES as f64, sum.1 / FRAMES);
    println!(
        "TLS + WebSocket: {calls:.2} allocations, {bytes} bytes an order of {} bytes out",
        order.len()
    );
    assert_eq!(sum.0, FRAMES, "rustls makes a record in memory of its own");
    assert!(bytes <= 2 * order.len() as u64, "{bytes} bytes an order");
}

type Server = StreamOwned<ServerConnection, End>;

/// A live link and its server, with a pipe in memory between them.
fn connected() -> (Link<End>, WebSocket<Server>) {
    let authority = Authority::new();
    let config = LinkConfig::new("localhost", 443, "/stream");
    let mut link = Link::new(config, authority.client(), 1).unwrap();
    let clock = StepClock(Cell::new(1_000_000_000));
    let (ours, theirs) = pipe(1 << 20, None);
    let (mut ours, address) = (Some(ours), SocketAddr::from(([10, 0, 0, 1], 443)));
    let tls = ServerConnection::new(authority.server("localhost", 2100)).unwrap();
    let mut server = tungstenite::accept(StreamOwned::new(tls, theirs));
    for _ in 0..20 {
        link.read(&clock);
        link.handle_timeout(clock.now());
        while let Some(output) = link.poll_output() {
            match output {
                Output::Resolve => link.handle_resolved(clock.now(), &[address]),
                Output::Dial(_) => link.handle_dialed(clock.now(), Ok(ours.take().unwrap())),
                Output::Opened => {}
                Output::Closed { reason } => panic!("{reason:?}: {}", link.last_error()),
            }
        }
        server = match server {
            Err(HandshakeError::Interrupted(mid)) => mid.handshake(),
            other => other,
        };
        if let (Phase::Live, Ok(_)) = (link.phase(), &server) {
            break;
        }
    }
    let Ok(server) = server else {
        panic!("the upgrade is not done");
    };
    (link, server)
}
