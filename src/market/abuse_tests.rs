//! Whatever comes, in whatever order: every rule, lines that lose, repeat and restart, snapshots
//! that lag or are crossed, clocks that stand. No check of an invariant may fail.

use super::sync_tests::{FUTURES, RISING, SPOT, diff, level};
use super::{Book, BookBuilder, Update, checksum};
use crate::base::feed::{Chain, Checksum, SeqRule, SnapshotFrom};
use crate::base::{Diff, Level, Nanos, Side, Snapshot, Span};

const SEEDS: u64 = 12;
const STEPS: usize = 4_000;

/// One of each kind of rule.
const RULES: [SeqRule; 10] = [
    SPOT,
    FUTURES,
    RISING,
    SeqRule::STREAM,
    SeqRule {
        chain: Chain::Previous,
        ..SeqRule::STREAM
    },
    SeqRule {
        chain: Chain::Rising,
        window: Some(20),
        short: Some(5),
        ..SeqRule::STREAM
    },
    SeqRule {
        chain: Chain::Counted,
        window: Some(10),
        truncates: true,
        checksum: Some(Checksum::Digits10),
        ..SeqRule::STREAM
    },
    SeqRule {
        chain: Chain::Previous,
        checksum: Some(Checksum::Decimals25),
        ..SeqRule::STREAM
    },
    SeqRule {
        chain: Chain::Rising,
        numbered_line: true,
        ..SeqRule::STREAM
    },
    SeqRule {
        chain: Chain::Counted,
        ..SeqRule::STREAM
    },
];

#[test]
fn nothing_that_comes_breaks_an_invariant() {
    let mut lived = [0; RULES.len()];
    for (rule, lived) in RULES.into_iter().zip(&mut lived) {
        for seed in 0..SEEDS {
            let mut world = World::new(rule, seed);
            let mut builder = BookBuilder::<256>::new(rule, (0, 0), 4);
            for _ in 0..STEPS {
                let step = world.step(builder.poll_timeout());
                act(&mut builder, &step);
                *lived += usize::from(builder.live().is_some());
                builder.check_all();
            }
        }
    }
    // Were no book ever live, nothing would be tested.
    let least = SEEDS as usize * STEPS / 100;
    assert!(lived.iter().all(|lived| *lived > least), "{lived:?}");
}

fn act(builder: &mut BookBuilder<256>, step: &Step) {
    let mut ignore = |_: &_, _, _| {};
    let now = step.now;
    match &step.act {
        Act::Connected(line) => builder.handle_connected(now, *line, 1),
        Act::Disconnected(line) => builder.handle_disconnected(now, *line),
        Act::Started(line) => builder.handle_started(now, *line),
        Act::Refused(line) => builder.handle_refused(now, *line),
        Act::Lost => builder.handle_lost(now),
        Act::LineReplaced => builder.handle_line_replaced(now),
        Act::Rescaled => builder.rescale(now, (0, 0)),
        Act::Timeout => builder.handle_timeout(now),
        Act::Message(line, whole, message) => {
            let update = Update {
                now,
                line: *line,
                diff: &message.diff,
                bids: &message.bids,
                asks: &message.asks,
            };
            match whole {
                true => builder.handle_book(&update, &mut ignore),
                false => builder.handle_diff(&update, &mut ignore),
            };
        }
        Act::Snapshot(snapshot) => {
            builder.handle_snapshot(now, snapshot, &mut ignore);
        }
        Act::Failed => builder.handle_snapshot_failed(now),
        Act::Poll => while builder.poll_output().is_some() {},
    }
    builder.poll_lead();
}

/// One call of the builder.
#[derive(Debug)]
struct Step {
    pub(crate) now: Nanos,
    pub(crate) act: Act,
}

#[derive(Debug)]
enum Act {
    Connected(u8),
    Disconnected(u8),
    Started(u8),
    Refused(u8),
    Lost,
    LineReplaced,
    Rescaled,
    Timeout,
    /// On this line; true: a whole book.
    Message(u8, bool, Message),
    Snapshot(Snapshot),
    Failed,
    Poll,
}

/// What the exchange said, and what its book was then.
#[derive(Debug, Clone)]
struct Message {
    pub(crate) diff: Diff,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
    book: [Vec<Level>; 2],
}

struct World {
    rule: SeqRule,
    dice: fastrand::Rng,
    now: Nanos,
    truth: Book<256>,
    last_id: u64,
    messages: Vec<Message>,
    /// What each line brings next.
    next: [usize; 4],
    up: [bool; 4],
}

impl World {
    fn new(rule: SeqRule, seed: u64) -> Self {
        let mut truth = Book::new();
        truth.load(&[], true, &[], true);
        let mut world = Self {
            rule,
            dice: fastrand::Rng::with_seed(seed),
            now: Nanos::from_secs(100),
            truth,
            last_id: 1_000,
            messages: Vec::new(),
            next: [0; 4],
            up: [false; 4],
        };
        for _ in 0..100 {
            world.happen();
        }
        world
    }

    /// The next call, of a builder that waits for `timeout`.
    fn step(&mut self, timeout: Nanos) -> Step {
        let lines = if self.rule.merges() { 4 } else { 1 };
        let line = self.dice.u8(..lines);
        let act = match self.dice.u16(..1_000) {
            0..4 => self.disconnect(line),
            4..16 => self.connect(line),
            16..28 => Act::Started(line),
            28..30 => Act::Refused(line),
            30..32 => Act::Lost,
            32..33 => Act::LineReplaced,
            33..34 => Act::Rescaled,
            34..100 => self.pass_until(timeout),
            100..160 => Act::Poll,
            160..220 => self.snapshot(),
            220..226 => Act::Failed,
            226..245 => self.message(line, true),
            _ => self.message(line, false),
        };
        Step { now: self.now, act }
    }

    fn connect(&mut self, line: u8) -> Act {
        self.up[usize::from(line)] = true;
        self.next[usize::from(line)] = self.messages.len() - 1;
        Act::Connected(line)
    }

    fn disconnect(&mut self, line: u8) -> Act {
        self.up[usize::from(line)] = false;
        Act::Disconnected(line)
    }

    fn pass_until(&mut self, timeout: Nanos) -> Act {
        if timeout != Nanos::NEVER && self.dice.u8(..4) > 0 {
            self.now = self.now.max(timeout);
        }
        Act::Timeout
    }

    /// What the line brings: mostly the next message, sometimes one too many, too few, or an old
    /// one.
    fn message(&mut self, line: u8, whole: bool) -> Act {
        let span = [0, 1, 1_000_000, 50_000_000, 2_000_000_000];
        self.now = self.now + Span(span[self.dice.usize(..span.len())]);
        let next = &mut self.next[usize::from(line)];
        match self.dice.u16(..400) {
            0..4 => *next += 1,
            4..12 => *next = next.saturating_sub(1),
            12..14 => *next = next.saturating_sub(self.dice.usize(..50)),
            14..15 => self.last_id = self.dice.u64(..3),
            _ => {}
        }
        let number = *next;
        *next += 1;
        while self.messages.len() <= number {
            self.happen();
        }
        let mut message = self.messages[number].clone();
        if whole {
            [message.bids, message.asks] = message.book.clone();
        }
        if self.dice.u16(..500) == 0 {
            message.diff.last_id = self.dice.u64(..);
        }
        if self.dice.u16(..500) == 0 {
            message.bids.push(level(10_020, 1)); // Crossed.
        }
        Act::Message(line, whole, message)
    }

    /// A snapshot of now or before; a few are not of this world.
    fn snapshot(&mut self) -> Act {
        if self.rule.snapshot == SnapshotFrom::Stream && self.dice.u8(..8) > 0 {
            return Act::Poll;
        }
        let ago = self.dice.usize(1..8).min(self.messages.len());
        let Message { diff, book, .. } = &self.messages[self.messages.len() - ago];
        let [mut bids, asks] = book.clone();
        if self.dice.u8(..20) == 0 {
            bids.insert(0, level(10_050, 1));
        }
        bids.truncate(self.dice.usize(..100));
        let whole = self.dice.bool();
        Act::Snapshot(Snapshot {
            last_id: diff.last_id,
            bids_whole: whole,
            asks_whole: whole,
            bids,
            asks,
            ..Snapshot::default()
        })
    }

    /// The exchange's book changes.
    fn happen(&mut self) {
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        for n in 0..self.dice.i64(1..5) {
            let (step, qty) = (self.dice.i64(0..20) * 5 + n, self.dice.u64(..4));
            match self.dice.bool() {
                true => bids.push(level(10_000 - step, qty)),
                false => asks.push(level(10_001 + step, qty)),
            }
        }
        self.truth.apply(&bids, &asks);
        let prev = self.last_id;
        let dense = self.rule.chain == Chain::Dense;
        self.last_id += if dense { 1 } else { self.dice.u64(0..4) };
        let counted = self.rule.chain == Chain::Counted;
        let (first, last) = match counted {
            true => (0, 0),
            false => (prev + 1, self.last_id),
        };
        let linked = self.rule.chain == Chain::Previous && self.rule.checksum.is_none();
        let kind = self.rule.checksum;
        let side = |side| self.truth.levels(side).collect();
        self.messages.push(Message {
            diff: Diff {
                checksum: kind.and_then(|kind| checksum::of(kind, &self.truth, (0, 0))),
                ..diff(first, last, linked.then_some(prev))
            },
            bids,
            asks,
            book: [side(Side::Buy), side(Side::Sell)],
        });
    }
}
