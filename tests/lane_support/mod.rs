//! What the lane tests share: an exchange in memory behind real TLS, and a worker's duties on a clock that the test sets.
#![allow(dead_code)] // Each test binary uses its own part.

pub mod desk;

use crate::conn_support::{Authority, End, TestClock, pipe};
use crossbeam_channel::Receiver;
use rustls::{ServerConfig, ServerConnection};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tickwire::base::{
    Clock, Instrument, InstrumentId, Level, Nanos, Note, Px, Qty, RxStamps, Snapshot, Symbol,
};
use tickwire::conn::{Link, LinkConfig, TlsStream, Transport, TxMark, TxStamp};
use tickwire::exchange::{self, Exchange};
use tickwire::watch::latency::{Collector, Recorder, Totals};
use tickwire::watch::stage::Stage;
use tickwire::wiring::lane::Lane;
use tickwire::wiring::turn::{Ask, Notes, Turn};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::{NoCallback, ServerHandshake};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

pub const BTC: InstrumentId = InstrumentId(0);
pub const ETH: InstrumentId = InstrumentId(1);
pub const START: Nanos = Nanos::from_secs(1_000);

type Tls = TlsStream<End>;
type Handshake = ServerHandshake<Tls, NoCallback>;

pub fn binance() -> &'static dyn Exchange {
    exchange::by_name("binance-spot").unwrap()
}

pub fn instruments() -> Vec<Instrument> {
    let one = |(id, symbol)| Instrument {
        exchange: "binance-spot",
        id: InstrumentId(id),
        symbol: Symbol::from(symbol).unwrap(),
        px_scale: 2,
        qty_scale: 3,
        tick: Px(1),
        lot: Qty(1),
        qty_min: Qty(1),
        qty_max: Qty(1_000_000),
        notional_min: 0,
        trading: true,
    };
    (0..).zip(["BTCUSDT", "ETHUSDT"]).map(one).collect()
}

/// Best bid 100.00 and best ask 100.01, ten levels a side.
pub fn snapshot(last_id: u64) -> Snapshot {
    let side = |from: i64, step: i64| -> Vec<Level> {
        let level = |n| Level {
            px: Px(from + n * step),
            qty: Qty(1_000),
        };
        (0..10).map(level).collect()
    };
    Snapshot {
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

/// A lane, its exchange, and what lies between.
pub struct Rig<L> {
    pub lane: L,
    pub clock: TestClock,
    /// Text frames from the lane, with the time they came.
    pub heard: Vec<(Nanos, String)>,
    pub snapshots_asked: Vec<InstrumentId>,
    pub dials: usize,
    notes: Notes,
    log: Receiver<Note>,
    recorder: Recorder,
    collector: Collector,
    wire: Arc<Mutex<Wire>>,
    server: Arc<ServerConfig>,
    peer: Peer,
}

impl<L: Lane<Tap>> Rig<L> {
    /// `make` builds the lane around the link that it is given.
    pub fn new(change: impl FnOnce(&mut LinkConfig), make: impl FnOnce(Link<Tap>) -> L) -> Self {
        let authority = Authority::new();
        let mut config = LinkConfig::new("localhost", 443, "/stream");
        change(&mut config);
        let link = Link::new(config, authority.client(), 42).unwrap();
        let (sender, log) = crossbeam_channel::bounded(4_096);
        let (mut recorder, collector) = Recorder::new(0, &Stage::ALL);
        recorder.rotate(START);
        Self {
            lane: make(link),
            clock: TestClock::at(START),
            heard: Vec::new(),
            snapshots_asked: Vec::new(),
            dials: 0,
            notes: Notes::new(sender),
            log,
            recorder,
            collector,
            wire: Arc::default(),
            server: authority.server("localhost", 2100),
            peer: Peer::None,
        }
    }

    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Lends the lane a turn.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut L, &mut Turn) -> R) -> R {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.recorder,
            notes: &self.notes,
        };
        work(&mut self.lane, &mut turn)
    }

    /// Both sides turn until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..12 {
            self.with(|lane, turn| lane.handle_ready(turn));
            self.turn();
        }
    }

    /// What a worker does in a turn without readiness, and then the exchange's turn.
    pub fn turn(&mut self) {
        let now = self.now();
        self.wire.lock().unwrap().now = now;
        self.with(|lane, turn| lane.handle_turn(turn));
        if self.lane.poll_timeout() <= now {
            self.with(|lane, turn| lane.handle_timeout(turn, now));
        }
        while let Some(ask) = self.with(|lane, turn| lane.poll_ask(turn, now)) {
            match ask {
                Ask::Resolve => {
                    let address = SocketAddr::from(([10, 0, 0, 1], 443));
                    self.lane.handle_resolved(now, Ok(&[address]));
                }
                Ask::Dial(_) => self.dial(now),
                Ask::Snapshot(id) => self.snapshots_asked.push(id),
            }
        }
        self.turn_peer();
    }

    pub fn later(&mut self, span: Nanos) {
        self.clock.advance(span);
        self.settle();
    }

    /// Turns, a step at a time, until the exchange has heard `frames` texts since it was dialled last.
    pub fn until_heard(&mut self, frames: usize) {
        for _ in 0..400 {
            if self.heard.len() >= frames {
                return;
            }
            self.later(Nanos::from_millis(50));
        }
        panic!("only {} frames were heard", self.heard.len());
    }

    pub fn say(&mut self, text: &str) {
        self.ws().send(Message::text(text.to_owned())).unwrap();
    }

    /// Closes the connection as an exchange does that restarts.
    pub fn hang_up(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let _ = self.ws().close(Some(frame));
        self.settle();
    }

    /// The lane's socket takes nothing, or takes again.
    pub fn block(&mut self, blocked: bool) {
        self.wire.lock().unwrap().blocked = blocked;
    }

    pub fn tx(&self) -> TxMark {
        self.wire.lock().unwrap().mark
    }

    /// The kernel says that all bytes up to `bytes` left at `at`.
    pub fn stamp(&mut self, bytes: u64, at: Nanos) {
        let stamp = TxStamp { bytes, at };
        self.wire.lock().unwrap().stamps.push_back(stamp);
        self.with(|lane, turn| lane.handle_ready(turn));
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
        self.recorder.rotate(self.now() + Nanos::from_secs(3_600));
        self.collector.collect(&mut totals, &mut |_, _, _, _| ());
        totals
    }

    fn dial(&mut self, now: Nanos) {
        let (ours, theirs) = pipe(1 << 20, None);
        self.wire = Arc::default();
        self.wire.lock().unwrap().now = now;
        self.heard.clear();
        self.dials += 1;
        let tls = ServerConnection::new(self.server.clone()).unwrap();
        self.peer = step(tungstenite::accept(TlsStream::new(tls, theirs)));
        let tap = Tap {
            end: ours,
            wire: self.wire.clone(),
        };
        self.lane.handle_dialed(now, Ok(tap));
    }

    fn turn_peer(&mut self) {
        self.peer = match std::mem::replace(&mut self.peer, Peer::None) {
            Peer::Mid(handshake) => step(handshake.handshake()),
            Peer::Ws(mut ws) => {
                while let Ok(message) = ws.read() {
                    if let Message::Text(text) = message {
                        self.heard.push((self.clock.now(), text.to_string()));
                    }
                }
                let _ = ws.flush();
                Peer::Ws(ws)
            }
            Peer::None => Peer::None,
        };
    }

    fn ws(&mut self) -> &mut WebSocket<Tls> {
        match &mut self.peer {
            Peer::Ws(ws) => ws,
            Peer::None | Peer::Mid(_) => panic!("the exchange has no WebSocket"),
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
