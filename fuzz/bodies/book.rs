//! Sequencing and book of one instrument, by the rule of any depth stream of any exchange: lines
//! that come and go, diffs, whole books, snapshots, refusals, and time. Two worlds, by the first
//! byte:
//!
//! - one in which nothing is true: ids, prices and quantities are what the input says. No invariant
//!   may break, and a live book is sorted, has no empty level, and is not crossed for long;
//! - one in which the exchange tells the truth, and the network loses, repeats and reorders it. If
//!   the rule shows losses by its ids, a live book is the exchange's own book at that id.

use super::Choices;
use crate::base::feed::{Chain, SeqRule};
use crate::base::{Diff, InstrumentId, Level, Nanos, Px, Qty, Side, Snapshot, Span, UnixNanos};
use crate::exchange::ALL;
use crate::market::sync::CROSSED_MAX;
use crate::market::{Book, BookBuilder, LINES_MAX, Update};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A small book, so that a few hundred bytes fill it.
const LEVELS: usize = 32;
const STEPS_MAX: usize = 600;
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
/// Prices around which an input makes levels: calm ones, and the ends of what a decoder may say.
const MIDDLES: [i64; 4] = [10_000, 64, i64::MAX - 70, -i64::MAX + 70];

/// The rules of all exchanges, each once.
static RULES: LazyLock<Vec<SeqRule>> = LazyLock::new(|| {
    let depths = ALL.iter().flat_map(|exchange| exchange.depth_streams());
    let mut rules = Vec::new();
    for depth in depths {
        if !rules.contains(&depth.rule) {
            rules.push(depth.rule);
        }
    }
    rules
});

pub(super) fn body(data: &[u8]) {
    let mut choices = Choices(data);
    let (true_words, rule) = (choices.u8() & 1 > 0, choices.one_of(&RULES));
    let mut world = World::new(rule, true_words);
    for _ in 0..STEPS_MAX {
        if choices.is_over() {
            break;
        }
        world.step(&mut choices);
        world.check();
    }
}

/// A message of the exchange, and its book once that has happened.
struct Said {
    diff: Diff,
    changes: [Vec<Level>; 2],
    book: [BTreeMap<i64, u64>; 2],
}

struct World {
    rule: SeqRule,
    feed: BookBuilder<LEVELS>,
    now: Nanos,
    /// Since when the live book has been crossed.
    crossed: Option<Nanos>,
    lines: u8,
    /// What the exchange said, if it tells the truth: the first one is its book at the beginning.
    said: Option<Vec<Said>>,
    /// What each line brings next.
    next: [usize; LINES_MAX],
}

impl World {
    fn new(rule: SeqRule, true_words: bool) -> Self {
        let shows = matches!(rule.chain, Chain::Dense | Chain::Previous);
        let all = rule.window.is_none() && rule.checksum.is_none() && rule.short.is_none();
        let begins = Said {
            diff: diff(1_000, 1_000, Some(999)),
            changes: [Vec::new(), Vec::new()],
            book: [9_990..10_000, 10_001..10_011].map(|at| at.map(|px| (px, 5)).collect()),
        };
        Self {
            rule,
            feed: BookBuilder::new(rule, (0, 0), 4),
            now: Nanos::from_secs(100),
            crossed: None,
            lines: if rule.merges() { LINES_MAX as u8 } else { 1 },
            said: (true_words && shows && all).then(|| vec![begins]),
            next: [0; LINES_MAX],
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let line = choices.u8() % self.lines;
        let mut ignore = |_: &_, _, _| {};
        match choices.u8() % 32 {
            0 => {
                self.feed.handle_connected(self.now, line, 1);
                let head = self.said.as_ref().map_or(0, Vec::len);
                self.next[usize::from(line)] = head;
            }
            1 => self.feed.handle_disconnected(self.now, line),
            2 => self.feed.handle_started(self.now, line),
            3 => self.feed.handle_refused(self.now, line),
            4 => self.feed.handle_lost(self.now),
            5 => self.feed.handle_line_replaced(self.now),
            6 => self.feed.handle_snapshot_failed(self.now),
            7 => self.feed.rescale(self.now, (0, 0)),
            8 => while self.feed.poll_output().is_some() {},
            9..12 => self.pass(choices),
            12..15 => {
                let snapshot = self.snapshot(choices);
                self.feed.handle_snapshot(self.now, &snapshot, &mut ignore);
            }
            15..17 => {
                let (diff, levels) = self.whole(choices, line);
                let update = self.update(line, &diff, &levels);
                self.feed.handle_book(&update, &mut ignore);
            }
            _ => {
                let (diff, levels) = self.diff(choices, line);
                let update = self.update(line, &diff, &levels);
                self.feed.handle_diff(&update, &mut ignore);
            }
        }
        self.feed.poll_lead();
    }

    fn update<'a>(&self, line: u8, diff: &'a Diff, levels: &'a [Vec<Level>; 2]) -> Update<'a> {
        Update {
            now: self.now,
            line,
            diff,
            bids: &levels[0],
            asks: &levels[1],
        }
    }

    /// Time passes, and whatever is due on the way happens.
    fn pass(&mut self, choices: &mut Choices<'_>) {
        let spans = [0, 1, 1_000_000, 300_000_000, 2_000_000_000, 90_000_000_000];
        let (until, polled) = (
            self.now + Span(choices.one_of(&spans)),
            choices.u8() & 1 > 0,
        );
        for _ in 0..100 {
            let due = self.feed.poll_timeout();
            if due > until {
                break;
            }
            self.now = self.now.max(due);
            self.feed.handle_timeout(self.now);
            while polled && self.feed.poll_output().is_some() {}
            self.look_whether_crossed();
        }
        self.now = until;
        self.feed.handle_timeout(self.now);
    }

    /// What a line brings: what the exchange says next, or again, or whatever the input says.
    fn diff(&mut self, choices: &mut Choices<'_>, line: u8) -> (Diff, [Vec<Level>; 2]) {
        if self.said.is_none() {
            return (self.any_diff(choices), levels(choices));
        }
        let said = self.brings(choices, line);
        (said.diff, said.changes.clone())
    }

    fn whole(&mut self, choices: &mut Choices<'_>, line: u8) -> (Diff, [Vec<Level>; 2]) {
        if self.said.is_none() {
            return (self.any_diff(choices), levels(choices));
        }
        let said = self.brings(choices, line);
        (said.diff, best(&said.book))
    }

    fn any_diff(&self, choices: &mut Choices<'_>) -> Diff {
        let at = self.feed.last_id().max(1_000);
        let id = |choices: &mut Choices<'_>| match choices.u8() {
            255 => choices.u64(),
            near => at.saturating_add(near.into()).saturating_sub(60),
        };
        let (first, more) = (id(choices), choices.u8());
        let last = first.saturating_add(u64::from(more % 4));
        let prev = (more & 64 > 0).then(|| id(choices));
        let checksum = (more & 128 > 0).then(|| choices.u64() as u32);
        Diff {
            checksum,
            ..diff(first, last, prev)
        }
    }

    fn brings(&mut self, choices: &mut Choices<'_>, line: u8) -> &Said {
        let said = self.said.as_mut().expect("a world of true words");
        let next = &mut self.next[usize::from(line)];
        match choices.u8() {
            0..24 => *next += 1,
            24..48 => *next = next.saturating_sub(1),
            48..56 => *next = next.saturating_sub(choices.u8().into()),
            _ => {}
        }
        let at = *next;
        *next += 1;
        while said.len() <= at {
            happen(said, choices);
        }
        &said[at]
    }

    /// A snapshot of some moment so far, of some depth.
    fn snapshot(&self, choices: &mut Choices<'_>) -> Snapshot {
        let Some(said) = &self.said else {
            let diff = self.any_diff(choices);
            let [mut bids, mut asks] = levels(choices);
            if choices.u8() & 3 > 0 {
                bids.sort_by_key(|level| std::cmp::Reverse(level.px));
                asks.sort_by_key(|level| level.px);
            }
            let whole = choices.u8();
            return Snapshot {
                last_id: diff.last_id,
                asked: self.now,
                bids,
                asks,
                bids_whole: whole & 1 > 0,
                asks_whole: whole & 2 > 0,
                dropped: 0,
            };
        };
        let ago = 1 + usize::from(choices.u8() % 8);
        let then = &said[said.len().saturating_sub(ago)];
        let depth = 1 + usize::from(choices.u8() % 64);
        let [mut bids, mut asks] = best(&then.book);
        let (bids_whole, asks_whole) = (bids.len() <= depth, asks.len() <= depth);
        bids.truncate(depth);
        asks.truncate(depth);
        Snapshot {
            last_id: then.diff.last_id,
            asked: self.now,
            bids,
            asks,
            bids_whole,
            asks_whole,
            dropped: 0,
        }
    }

    fn look_whether_crossed(&mut self) {
        let crossed = self.feed.live().is_some_and(Book::crossed);
        self.crossed = crossed.then(|| self.crossed.unwrap_or(self.now));
    }

    fn check(&mut self) {
        self.feed.check_all();
        self.look_whether_crossed();
        let Some(book) = self.feed.live() else { return };
        if let Some(since) = self.crossed {
            assert!(self.now.since(since) <= CROSSED_MAX, "crossed for long");
        }
        for side in SIDES {
            let held: Vec<Level> = book.levels(side).collect();
            assert!(held.len() <= LEVELS);
            assert!(held.iter().all(|level| level.qty.0 > 0), "{held:?}");
            let sorted = held.is_sorted_by(|better, worse| match side {
                Side::Buy => better.px > worse.px,
                Side::Sell => better.px < worse.px,
            });
            assert!(sorted, "{held:?}");
            assert!(book.complete_depth(side) <= held.len());
        }
        if let Some(said) = &self.said {
            self.is_true(said, book);
        }
    }

    /// Wherever the book claims to be complete it is the exchange's own.
    fn is_true(&self, said: &[Said], book: &Book<LEVELS>) {
        let id = self.feed.last_id();
        let then = said.iter().find(|said| said.diff.last_id == id);
        let then = then.unwrap_or_else(|| panic!("a book at {id}, which never was"));
        for (side, truth) in SIDES.into_iter().zip(best(&then.book)) {
            let complete = match book.whole(side) {
                true => truth.len().max(book.depth(side)),
                false => book.complete_depth(side),
            };
            let held: Vec<Level> = book.levels(side).take(complete).collect();
            let truth: Vec<Level> = truth.into_iter().take(complete).collect();
            assert_eq!(held, truth, "{side:?} at {id}, {:?}", self.rule);
        }
    }
}

/// The exchange's book changes, and is never crossed.
fn happen(said: &mut Vec<Said>, choices: &mut Choices<'_>) {
    let before = &said[said.len() - 1];
    let (mut book, mut changes) = (before.book.clone(), [Vec::new(), Vec::new()]);
    let dense = 1 + u64::from(choices.u8() % 3);
    for _ in 0..choices.u8() % 4 {
        let (step, qty) = (choices.u8(), u64::from(choices.u8() % 4));
        let side = usize::from(step & 1);
        let away = i64::from(step >> 1);
        let px = if side == 0 {
            9_999 - away
        } else {
            10_001 + away
        };
        match qty {
            0 => drop(book[side].remove(&px)),
            _ => drop(book[side].insert(px, qty)),
        }
        changes[side].push(level(px, qty));
    }
    let prev = before.diff.last_id;
    said.push(Said {
        diff: diff(prev + 1, prev + dense, Some(prev)),
        changes,
        book,
    });
}

/// The levels of a book, best first.
fn best(book: &[BTreeMap<i64, u64>; 2]) -> [Vec<Level>; 2] {
    let each = |(px, qty): (&i64, &u64)| level(*px, *qty);
    [
        book[0].iter().rev().map(each).collect(),
        book[1].iter().map(each).collect(),
    ]
}

/// Levels as the input says.
fn levels(choices: &mut Choices<'_>) -> [Vec<Level>; 2] {
    let how = choices.u8();
    let middle = MIDDLES[usize::from(how >> 6)];
    let side = |choices: &mut Choices<'_>, count: u8| {
        let one = |_| {
            let (away, qty) = (i64::from(choices.u8() as i8) / 2, choices.u8());
            let qty = match qty {
                255 => i64::MAX as u64,
                qty => u64::from(qty % 5),
            };
            level(middle + away, qty)
        };
        (0..count).map(one).collect()
    };
    [side(choices, how & 7), side(choices, how >> 3 & 7)]
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn diff(first_id: u64, last_id: u64, prev_id: Option<u64>) -> Diff {
    Diff {
        instrument: InstrumentId(0),
        first_id,
        last_id,
        prev_id,
        checksum: None,
        exch_time: UnixNanos(0),
    }
}
