//! What the lane tests share: an exchange in memory behind real TLS, and a worker's duties on a
//! clock that the test sets.
#![allow(dead_code)] // Each test binary uses its own part.

pub mod desk;
pub mod fussy;

use crate::conn_support::{Authority, TestClock};
use crossbeam_channel::Receiver;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tickwire::base::Event;
use tickwire::base::{
    Clock, Instrument, InstrumentId, Level, Nanos, Note, Px, Qty, RxStamps, Snapshot, Span, Symbol,
};
use tickwire::conn::{Transport, TxMark, TxStamp};
use tickwire::exchange::{self, Exchange};
use tickwire::watch::audit::Shown;
use tickwire::watch::latency::{Collector, Histograms, Totals};
use tickwire::watch::stage::Stage;
use tickwire::wiring::ask::{Answer, Ask};
use tickwire::wiring::feed_lane::FeedLane;
use tickwire::wiring::lane::{LINES, Lane, Output};
use tickwire::wiring::plan::{Endpoint, LanePlan};
use tickwire::wiring::ring::Bell;
use tickwire::wiring::road;
use tickwire::wiring::turn::{Notes, Turn};
use tickwire::world::sim::pipe::{End, pipe};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::{NoCallback, ServerHandshake};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

pub const BTC: InstrumentId = InstrumentId(0);
pub const ETH: InstrumentId = InstrumentId(1);
pub const START: Nanos = Nanos::from_secs(1_000);

type Tls = StreamOwned<ServerConnection, End>;
type Handshake = ServerHandshake<Tls, NoCallback>;

pub fn binance() -> &'static dyn Exchange {
    exchange::by_name("binance").unwrap()
}

pub fn instruments() -> Vec<Instrument> {
    let one = |(id, symbol)| Instrument {
        id: InstrumentId(id),
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (2, 3))
    };
    (0..).zip(["BTCUSDT", "ETHUSDT"]).map(one).collect()
}

/// Best bid 100.00 and best ask 100.01, ten levels per side.
pub fn snapshot(last_id: u64) -> Snapshot {
    let side = |from: i64, step: i64| -> Vec<Level> {
        let level = |n| Level {
            px: Px(from + n * step),
            qty: Qty(1_000),
        };
        (0..10).map(level).collect()
    };
    Snapshot {
        asked: Nanos::ZERO,
        dropped: 0,
        last_id,
        bids: side(10_000, -1),
        asks: side(10_001, 1),
        bids_whole: true,
        asks_whole: true,
    }
}

/// A depth frame of the ids `first ..= last` that sets the best bid's quantity.
pub fn diff(symbol: &str, first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"x","data":{{"e":"depthUpdate","E":1750000000123456,"s":"{symbol}","U":{first},"u":{last},"b":[["100.00","{}.5"]],"a":[]}}}}"#,
        last % 100 + 1
    )
}

#[derive(Default)]
struct Wire {
    /// Writing blocks.
    blocked: bool,
    now: Nanos,
    mark: TxMark,
    stamps: VecDeque<TxStamp>,
}

/// A pipe's end whose kernel stamps and full buffers the test makes.
pub struct Tap {
    end: End,
    wire: Arc<Mutex<Wire>>,
}

impl Read for Tap {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.end.read(out)
    }
}

impl Write for Tap {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut wire = self.wire.lock().unwrap();
        if wire.blocked {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.end.write(data)?;
        wire.mark.bytes += n as u64;
        wire.mark.call = wire.now;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Tap {
    fn rx(&self) -> RxStamps {
        RxStamps::default()
    }

    fn tx(&self) -> TxMark {
        self.wire.lock().unwrap().mark
    }

    fn poll_tx_stamp(&mut self) -> Option<TxStamp> {
        self.wire.lock().unwrap().stamps.pop_front()
    }
}

enum Peer {
    None,
    Mid(MidHandshake<Handshake>),
    Ws(WebSocket<Tls>),
}

/// The exchange's end of one line.
struct Far {
    peer: Peer,
    wire: Arc<Mutex<Wire>>,
    heard: Vec<(Nanos, String)>,
}

/// A lane, its exchange, and what lies between.
pub struct Rig<L> {
    pub lane: L,
    pub clock: TestClock,
    /// Text frames from the lane, with the time they came, since any line was dialled last.
    pub heard: Vec<(Nanos, String)>,
    pub snapshots_asked: Vec<InstrumentId>,
    pub metadata_asked: Vec<InstrumentId>,
    pub dials: usize,
    /// Where each line was dialled last.
    pub dialled: [Option<SocketAddr>; LINES],
    /// The host's addresses.
    pub addresses: Vec<SocketAddr>,
    /// The exchange takes connections.
    pub accepts: bool,
    notes: Notes,
    log: Receiver<Note>,
    histograms: Histograms,
    collector: Collector,
    server: Arc<ServerConfig>,
    far: [Far; LINES],
}

/// What a feed publishes to.
pub struct FeedOut {
    pub events: tickwire::wiring::ring::Receiver<Event>,
    pub shown: rtrb::Consumer<Shown>,
}

impl<const N: usize> Rig<FeedLane<Tap, N>> {
    /// A feed lane as the product builds it.
    pub fn of_feed(plan: impl FnOnce(Endpoint) -> LanePlan) -> (Self, FeedOut) {
        Self::of(|endpoint| {
            let ends = road::feed_lane(&plan(endpoint), Bell::new(|| {})).unwrap();
            let out = FeedOut {
                events: ends.events,
                shown: ends.shown,
            };
            (ends.feed, out)
        })
    }
}

impl<L: Lane<Tap>> Rig<L> {
    /// `make` builds the lane for the exchange at this endpoint, and something beside it.
    pub fn of<T>(make: impl FnOnce(Endpoint) -> (L, T)) -> (Self, T) {
        let authority = Authority::new();
        let (lane, beside) = make(Endpoint {
            host_port: "localhost:443".to_owned(),
            tls: authority.client(),
            proxy: None,
            seed: 42,
        });
        let (sender, log) = crossbeam_channel::bounded(4_096);
        let (mut histograms, collector) = Histograms::new(0, &Stage::ALL);
        histograms.rotate(START);
        let rig = Self {
            lane,
            clock: TestClock::at(START),
            heard: Vec::new(),
            snapshots_asked: Vec::new(),
            metadata_asked: Vec::new(),
            dials: 0,
            dialled: [None; LINES],
            addresses: vec![SocketAddr::from(([10, 0, 0, 1], 443))],
            accepts: true,
            notes: Notes::new(sender),
            log,
            histograms,
            collector,
            server: authority.server("localhost", 2100),
            far: std::array::from_fn(|_| Far {
                peer: Peer::None,
                wire: Arc::default(),
                heard: Vec::new(),
            }),
        };
        (rig, beside)
    }

    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Lends the lane a turn.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut L, &mut Turn) -> R) -> R {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        work(&mut self.lane, &mut turn)
    }

    /// Answers what the lane asked.
    pub fn answer(&mut self, answer: Answer) {
        let now = self.now();
        self.with(|lane, turn| lane.handle_answer(turn, now, answer));
    }

    /// Both sides turn until nothing moves.
    pub fn run_until_idle(&mut self) {
        for _ in 0..12 {
            self.ready();
            self.turn();
        }
    }

    /// Every line's socket is ready.
    pub fn ready(&mut self) {
        for line in 0..LINES as u8 {
            if self.lane.stream_mut(line).is_some() {
                self.with(|lane, turn| lane.handle_ready(turn, line));
            }
        }
    }

    /// What a worker does in a turn without readiness, and then the exchange's turn.
    pub fn turn(&mut self) {
        let now = self.now();
        for far in &self.far {
            far.wire.lock().unwrap().now = now;
        }
        self.with(|lane, turn| lane.handle_turn(turn));
        if self.lane.poll_timeout() <= now {
            self.with(|lane, turn| lane.handle_timeout(turn, now));
        }
        while let Some(output) = self.with(|lane, turn| lane.poll_output(turn, now)) {
            match output {
                Output::Dial { line, address } if self.accepts => self.dial(now, line, address),
                Output::Dial { line, .. } => {
                    let refused = Err(ErrorKind::ConnectionRefused);
                    self.lane.handle_dialed(now, line, refused);
                }
                Output::Ask(Ask::Addresses) => {
                    let answer = Answer::Addresses(self.addresses.clone());
                    self.answer(answer);
                }
                Output::Ask(Ask::Snapshot { id, .. }) => self.snapshots_asked.push(id),
                Output::Ask(Ask::Instrument(id)) => self.metadata_asked.push(id),
            }
        }
        self.turn_peer();
    }

    pub fn later(&mut self, span: Span) {
        self.clock.advance(span);
        self.run_until_idle();
    }

    /// Turns, a step at a time, until the exchange has heard `frames` texts since it was dialled
    /// last.
    pub fn until_heard(&mut self, frames: usize) {
        for _ in 0..400 {
            if self.heard.len() >= frames {
                return;
            }
            self.later(Span::from_millis(50));
        }
        panic!("only {} frames were heard", self.heard.len());
    }

    pub fn say(&mut self, text: &str) {
        self.say_on(0, text);
    }

    pub fn say_on(&mut self, line: usize, text: &str) {
        self.ws(line).send(Message::text(text.to_owned())).unwrap();
    }

    /// As [`Self::say_on`]; a connection that is gone meanwhile hears nothing.
    pub fn try_say_on(&mut self, line: usize, text: &str) {
        self.try_send_on(line, Message::text(text.to_owned()));
    }

    /// The same of a message of any sort.
    pub fn try_send_on(&mut self, line: usize, message: Message) {
        if let Peer::Ws(ws) = &mut self.far[line].peer {
            let _ = ws.send(message);
        }
    }

    /// Sends half of a frame, and is gone.
    pub fn tear_on(&mut self, line: usize, text: &str) {
        let far = &mut self.far[line];
        if let Peer::Ws(mut ws) = std::mem::replace(&mut far.peer, Peer::None) {
            let header = [0x81, 126, (text.len() >> 8) as u8, text.len() as u8];
            let half = [&header, &text.as_bytes()[..text.len() / 2]].concat();
            ws.get_mut().write_all(&half).unwrap();
        }
    }

    /// Text frames that one line sent since it was dialled last.
    pub fn heard_on(&self, line: usize) -> &[(Nanos, String)] {
        &self.far[line].heard
    }

    /// As [`Self::heard_on`]; the next call has none of them.
    pub fn take_on(&mut self, line: usize) -> Vec<(Nanos, String)> {
        std::mem::take(&mut self.far[line].heard)
    }

    /// The exchange has a connection of this line.
    pub fn is_up(&self, line: usize) -> bool {
        matches!(&self.far[line].peer, Peer::Ws(ws) if ws.can_write())
    }

    /// Closes the connection as an exchange does that restarts.
    pub fn hang_up(&mut self, code: u16) {
        self.hang_up_on(0, code);
    }

    pub fn hang_up_on(&mut self, line: usize, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let _ = self.ws(line).close(Some(frame));
        self.run_until_idle();
    }

    /// The lane's socket takes nothing, or takes again.
    pub fn block(&mut self, blocked: bool) {
        self.far[0].wire.lock().unwrap().blocked = blocked;
    }

    pub fn tx(&self) -> TxMark {
        self.far[0].wire.lock().unwrap().mark
    }

    /// The kernel says that all bytes up to `bytes` left at `at`.
    pub fn stamp(&mut self, bytes: u64, at: Nanos) {
        let stamp = TxStamp { bytes, at };
        let mut wire = self.far[0].wire.lock().unwrap();
        wire.stamps.push_back(stamp);
        drop(wire);
        self.with(|lane, turn| lane.handle_ready(turn, 0));
    }

    /// The names of all records since the last call.
    pub fn log(&mut self) -> Vec<&'static str> {
        self.notes().iter().map(|note| note.event).collect()
    }

    pub fn notes(&mut self) -> Vec<Note> {
        self.log.try_iter().collect()
    }

    /// All that was timed so far. Once a test.
    pub fn latency(&mut self) -> Totals {
        let mut totals = Totals::default();
        self.histograms.rotate(self.now() + Span::from_secs(3_600));
        self.collector.collect(&mut totals, &mut |_, _, _, _| ());
        totals
    }

    fn dial(&mut self, now: Nanos, line: u8, address: SocketAddr) {
        let (ours, theirs) = pipe(1 << 20, None);
        let far = &mut self.far[usize::from(line)];
        far.wire = Arc::default();
        far.wire.lock().unwrap().now = now;
        far.heard.clear();
        self.heard.clear();
        self.dials += 1;
        self.dialled[usize::from(line)] = Some(address);
        let tls = ServerConnection::new(self.server.clone()).unwrap();
        far.peer = step(tungstenite::accept(StreamOwned::new(tls, theirs)));
        let tap = Tap {
            end: ours,
            wire: far.wire.clone(),
        };
        self.lane.handle_dialed(now, line, Ok(tap));
    }

    fn turn_peer(&mut self) {
        let now = self.clock.now();
        for far in &mut self.far {
            far.peer = match std::mem::replace(&mut far.peer, Peer::None) {
                Peer::Mid(handshake) => step(handshake.handshake()),
                Peer::Ws(mut ws) => {
                    while let Ok(message) = ws.read() {
                        if let Message::Text(text) = message {
                            self.heard.push((now, text.to_string()));
                            far.heard.push((now, text.to_string()));
                        }
                    }
                    let _ = ws.flush();
                    Peer::Ws(ws)
                }
                Peer::None => Peer::None,
            };
        }
    }

    fn ws(&mut self, line: usize) -> &mut WebSocket<Tls> {
        match &mut self.far[line].peer {
            Peer::Ws(ws) => ws,
            Peer::None | Peer::Mid(_) => panic!("the exchange has no WebSocket on line {line}"),
        }
    }
}

fn step(result: Result<WebSocket<Tls>, HandshakeError<Handshake>>) -> Peer {
    match result {
        Ok(ws) => Peer::Ws(ws),
        Err(HandshakeError::Interrupted(mid)) => Peer::Mid(mid),
        Err(HandshakeError::Failure(_)) => Peer::None,
    }
}
