//! Zero allocations a message, once the buffers are warm: from frame payload to words, and for
//! every exchange of the registry also from its golden frames to books that two lines feed.

use crate::counting::allocations;
use std::cell::Cell;
use std::fs;
use std::path::Path;
use tickwire::base::feed::{SnapshotFrom, Splice};
use tickwire::base::{
    Clock, Diff, Event, Instrument, InstrumentId, Level, Nanos, Px, Qty, Snapshot, Symbol,
    UnixNanos, Word,
};
use tickwire::exchange::{self, DepthStream, Exchange, Survey, Words};
use tickwire::market::Want;
use tickwire::watch::audit::Shown;
use tickwire::watch::latency::Histograms;
use tickwire::watch::stage::Stage;
use tickwire::wiring::feed::{Arrival, Feed};
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::ring::{Bell, Receiver};
use tickwire::wiring::road;
use tickwire::wiring::turn::{Notes, Turn};

/// A million if the code is optimized; fewer if a debug build would take minutes.
const MESSAGES: usize = if cfg!(debug_assertions) {
    200_000
} else {
    1_000_000
};

fn instruments() -> Vec<Instrument> {
    let one = |(id, symbol)| Instrument {
        id: InstrumentId(id),
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(i64::MAX as u64),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (8, 8))
    };
    (0..).zip(["BTCUSDT", "ETHUSDT"]).map(one).collect()
}

fn depth(levels: usize) -> String {
    let side = vec![r#"["61737.63000000","0.02000000"]"#; levels].join(",");
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1750000000123456,"s":"BTCUSDT","U":157,"u":160,"b":[{side}],"a":[{side}]}}}}"#
    )
}

#[test]
fn decoding_allocates_nothing_from_the_first_message_on() {
    let exchange = exchange::by_name("binance").unwrap();
    let mut decoder = exchange.decoder(&instruments(), &exchange.depth_streams()[0]);
    let mut words = Words::new();
    let rare = [4_000, 500].map(depth);
    let mixed = [
        depth(10),
        depth(1),
        r#"{"stream":"ethusdt@trade","data":{"e":"trade","E":1750000000123,"s":"ETHUSDT","t":1,"p":"3000.01000000","q":"0.5","T":1750000000122,"m":true,"M":true}}"#.to_owned(),
        r#"{"stream":"btcusdt@bookTicker","data":{"u":4,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}}"#.to_owned(),
        r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1}"#.to_owned(),
        r#"{"result":null,"id":1}"#.to_owned(),
        r#"{"e":"serverShutdown","E":1770000000000}"#.to_owned(),
    ];
    let broken = ["{\"e\":", "[1]", r#"{"e":"trade","s":"NONE","m":true}"#];
    let unfit = r#"{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"E":3,"b":[["x","1"]],"a":[]}"#;
    let mut understood = 0;
    let count = allocations(|| {
        for frame in &rare {
            let decoded = decoder.decode(frame.as_bytes(), &mut words);
            let is_diff = matches!(words.iter().next(), Some(Word::Diff(..)));
            understood += usize::from(decoded.is_ok() && is_diff);
        }
        for n in 0..MESSAGES {
            let frame = mixed[n % mixed.len()].as_bytes();
            understood += usize::from(decoder.decode(frame, &mut words).is_ok());
            if n % 1_000 == 0 {
                for frame in broken {
                    assert!(decoder.decode(frame.as_bytes(), &mut words).is_err());
                }
                assert_eq!(decoder.decode(unfit.as_bytes(), &mut words), Ok(()));
                assert!(matches!(words.iter().next(), Some(Word::Unfit { .. })));
            }
        }
    });
    assert_eq!(understood, MESSAGES + rare.len());
    assert_eq!(count, 0);
}

/// Times that all golden frames of an exchange are gone through once the first pass made everything
/// warm.
const PASSES: usize = 1_000;
/// Times that all connections of a feed live and end, counted as [`PASSES`].
const LIVES: u64 = 100;

#[test]
fn no_exchanges_decoder_allocates_once_it_is_warm() {
    for golden in Golden::all() {
        let name = golden.exchange.name();
        let mut decoder = golden.exchange.decoder(&golden.instruments, golden.depth);
        let mut words = Words::new();
        let (mut said, mut refused) = (0, 0);
        let mut pass = || {
            for frame in &golden.frames {
                let whole = decoder.decode(frame.as_bytes(), &mut words);
                said += usize::from(whole.is_ok()) * words.iter().count();
                let cut = &frame.as_bytes()[..frame.len() - 1];
                refused += usize::from(decoder.decode(cut, &mut words).is_err());
            }
        };
        pass();
        let count = allocations(|| (0..PASSES).for_each(|_| pass()));
        assert_eq!(count, 0, "{name}");
        assert!(said >= 3 * (1 + PASSES) && refused > PASSES, "{name}");
    }
}

/// A change of a book in SBE, with this many levels a side.
fn sbe_depth(levels: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    for part in [26_u16, 10_003, 1, 0] {
        frame.extend(part.to_le_bytes());
    }
    for number in [1_750_000_000_123_456_u64, 157, 160] {
        frame.extend(number.to_le_bytes());
    }
    frame.extend([(-8_i8) as u8; 2]);
    for _ in 0..2 {
        frame.extend(16_u16.to_le_bytes());
        frame.extend(levels.to_le_bytes());
        for _ in 0..levels {
            frame.extend(6_173_763_000_000_u64.to_le_bytes());
            frame.extend(2_000_000_u64.to_le_bytes());
        }
    }
    frame.extend(b"\x07BTCUSDT");
    frame
}

#[test]
fn decoding_sbe_allocates_nothing_from_the_first_message_on() {
    let exchange = exchange::by_name("binance").unwrap();
    let mut depths = exchange.depth_streams().iter();
    let depth = depths.find(|depth| exchange.binary(depth).is_some());
    let mut decoder = exchange.decoder(&instruments(), depth.unwrap());
    let mut words = Words::new();
    let answer = br#"{"result":null,"id":1}"#.to_vec();
    let frames = [sbe_depth(4_000), sbe_depth(10), sbe_depth(1), answer];
    let mut unfit = sbe_depth(1);
    unfit[53] = 0xff; // A quantity below zero.
    let cut = &frames[1][..100];
    let mut understood = 0;
    let count = allocations(|| {
        for n in 0..MESSAGES / 10 {
            let frame = &frames[n % frames.len()];
            understood += usize::from(decoder.decode(frame, &mut words).is_ok());
            assert!(words.iter().count() == 1);
            if n % 100 == 0 {
                assert!(decoder.decode(cut, &mut words).is_err());
                assert_eq!(decoder.decode(&unfit, &mut words), Ok(()));
                assert!(matches!(words.iter().next(), Some(Word::Unfit { .. })));
            }
        }
    });
    assert_eq!(understood, MESSAGES / 10);
    assert_eq!(count, 0);
}

#[test]
fn books_that_two_lines_feed_allocate_nothing_on_any_exchange() {
    let mut healed = 0;
    for golden in Golden::all() {
        let name = golden.exchange.name();
        let mut road = Road::new(&golden);
        road.pass(&golden);
        let first = road.counts();
        let count = allocations(|| (0..LIVES).for_each(|_| road.pass(&golden)));
        assert_eq!(count, 0, "{name}");
        let last = road.counts();
        println!("{name}: {first:?}, with {LIVES} more lives {last:?}");
        // Every pass did what the first one did, and more than nothing.
        assert!(first.updates > 0, "{name}: no book changed");
        assert_eq!(last.updates, first.updates * (1 + LIVES), "{name}");
        assert_eq!(first.repeats > 0, golden.lines() > 1, "{name}: repeats");
        assert_eq!(last.repeats, first.repeats * (1 + LIVES), "{name}");
        healed += last.healed;
        if golden.depth.rule.checksum.is_some() {
            assert!(first.verified > 0, "{name}: no checksum was compared");
            assert_eq!(last.verified, first.verified * (1 + LIVES), "{name}");
        }
    }
    assert!(healed > 0, "no line filled a hole of the other");
}

/// The golden frames of one exchange, and whose they are.
struct Golden {
    exchange: &'static dyn Exchange,
    depth: &'static DepthStream,
    instruments: Vec<Instrument>,
    frames: Vec<String>,
    /// What the first change of each book joins, if books are fetched.
    snapshots: Vec<(InstrumentId, Snapshot)>,
}

impl Golden {
    fn all() -> impl Iterator<Item = Self> {
        exchange::ALL.iter().map(|exchange| Self::of(*exchange))
    }

    fn of(exchange: &'static dyn Exchange) -> Self {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/exchange");
        let file = format!("golden/{}.frames", exchange.name());
        let mut folders = fs::read_dir(room).unwrap().map(|e| e.unwrap().path());
        let text = folders.find_map(|folder| fs::read_to_string(folder.join(&file)).ok());
        let text = text.unwrap_or_else(|| panic!("no {file}"));
        let lines = text
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let frames: Vec<String> = lines.map(str::to_owned).collect();
        let mut survey = Survey::default();
        frames
            .iter()
            .for_each(|frame| exchange.survey(frame, &mut survey));
        let mut golden = Self {
            exchange,
            depth: survey.recorded_depth(exchange).unwrap(),
            instruments: survey.instruments(exchange.name()),
            frames,
            snapshots: Vec::new(),
        };
        if golden.depth.rule.snapshot == SnapshotFrom::Rest {
            golden.snapshots = golden.needed();
        }
        golden
    }

    /// Books whose messages have no numbers cannot be merged.
    fn lines(&self) -> u8 {
        if self.depth.rule.merges() { 2 } else { 1 }
    }

    fn needed(&self) -> Vec<(InstrumentId, Snapshot)> {
        let mut decoder = self.exchange.decoder(&self.instruments, self.depth);
        let (mut words, mut snapshots) = (Words::new(), Vec::<(_, Snapshot)>::new());
        for frame in &self.frames {
            decoder.decode(frame.as_bytes(), &mut words).unwrap();
            for word in words.iter() {
                let Word::Diff(diff, ..) = word else { continue };
                if snapshots.iter().all(|(id, _)| *id != diff.instrument) {
                    snapshots.push((diff.instrument, joined_by(&diff, self.depth)));
                }
            }
        }
        snapshots
    }
}

/// A book that this change is the next one of. Its levels are far from those of any frame.
fn joined_by(diff: &Diff, depth: &DepthStream) -> Snapshot {
    let level = |px| Level {
        px: Px(px),
        qty: Qty(1),
    };
    Snapshot {
        asked: Nanos::ZERO,
        dropped: 0,
        last_id: match depth.rule.splice {
            Splice::After => diff.first_id - 1,
            Splice::Around => diff.first_id,
            Splice::Newer => diff.last_id - 1,
        },
        bids: vec![level(1)],
        asks: vec![level(i64::MAX)],
        bids_whole: true,
        asks_whole: true,
    }
}

/// A feed of two lines, and who empties its rings.
struct Road {
    clock: StepClock,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<tickwire::base::Note>,
    feed: Feed<256>,
    events: Receiver<Event>,
    audit: rtrb::Consumer<Shown>,
    epoch: u32,
}

/// What a road's books counted.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    updates: u64,
    /// News that the other line had brought before.
    repeats: u64,
    /// Checksums that were right.
    verified: u64,
    healed: u64,
}

impl Road {
    fn new(golden: &Golden) -> Self {
        let (sender, log) = crossbeam_channel::bounded(256);
        let plan = FeedPlan::new(golden.exchange, golden.depth, &golden.instruments);
        let ends = road::feed(&plan, Bell::new(|| {}));
        Self {
            clock: StepClock(Cell::new(1_000_000_000)),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
            feed: ends.feed,
            events: ends.events,
            audit: ends.shown,
            epoch: 0,
        }
    }

    /// The life of all connections. If there are two, line 1 brings everything two frames after
    /// line 0, which leaves out every fourth one.
    fn pass(&mut self, golden: &Golden) {
        self.epoch += 1;
        let epoch = self.epoch;
        for line in 0..golden.lines() {
            self.act(|feed, turn, now| feed.handle_connected(turn, now, line, epoch));
            self.act(|feed, turn, now| feed.handle_recorded(turn, now, line));
        }
        for (id, snapshot) in &golden.snapshots {
            self.act(|feed, turn, now| feed.handle_snapshot(turn, now, *id, snapshot));
        }
        for n in 0..golden.frames.len() + 2 {
            let two = golden.lines() == 2;
            let ahead = golden.frames.get(n).filter(|_| !two || n % 4 != 3);
            let behind = n.checked_sub(2).filter(|_| two);
            let behind = behind.and_then(|n| golden.frames.get(n));
            for (line, frame) in [(0, ahead), (1, behind)] {
                let Some(frame) = frame else { continue };
                self.act(|feed, turn, _| {
                    feed.handle_frame(turn, line, Arrival::default(), frame.as_bytes());
                });
            }
        }
        for line in 0..golden.lines() {
            self.act(|feed, turn, now| feed.handle_disconnected(turn, now, line));
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut Feed<256>, &mut Turn, Nanos)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        let now = turn.clock.now();
        act(&mut self.feed, &mut turn, now);
        while self.feed.poll_heard().is_some() {}
        // Each life has the snapshots that it is given, and no answer from the one before.
        while let Some((id, want)) = self.feed.poll_want() {
            if matches!(want, Want::Snapshot { .. }) {
                self.feed.handle_snapshot_failed(self.clock.now(), id);
            }
        }
        self.feed.flush();
        while self.events.pop().is_ok() {}
        while self.audit.pop().is_ok() {}
        while self.log.try_recv().is_ok() {}
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for book in self.feed.books().map(|book| book.counters) {
            counts.updates += book.updates;
            counts.repeats += book.duplicates;
            counts.verified += book.checksum_ok;
            counts.healed += book.healed;
        }
        counts
    }
}

/// A clock that goes on by itself.
struct StepClock(Cell<u64>);

impl Clock for StepClock {
    fn now(&self) -> Nanos {
        self.0.set(self.0.get() + 300);
        Nanos(self.0.get())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(self.0.get() as i64)
    }
}
