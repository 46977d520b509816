//! Random worlds of three lines that each lose messages: the merged book must be the exchange's own
//! at every update, and must never be lost while some line has what another one lacks.

use super::checksum;
use super::lines::{HEAL_MAX, LINES_MAX};
use super::stream_tests::{LINKED, RISING, TIMED};
use super::sync::{BookBuilder, SnapshotOutcome, Want};
use super::sync_tests::{FUTURES, SPOT, level};
use super::{Book, Update};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Diff, InstrumentId, Level, Nanos, Side, Snapshot, Span, Status, UnixNanos};
use std::collections::VecDeque;

const LINES: usize = 3;
const MESSAGES: usize = 300;
const SEEDS: u64 = 60;
/// From one message to the next, and how late a line is at most.
const EVERY_NS: u64 = 20_000_000;
const DELAY_NS_MAX: u64 = 150_000_000;

#[test]
fn no_book_is_lost_while_some_line_has_each_message() {
    const { assert!(DELAY_NS_MAX < HEAL_MAX.0) };
    for rule in [SeqRule::STREAM, LINKED, TIMED, SPOT, FUTURES] {
        let (mut healed, mut leads) = (0, 0);
        for seed in 0..SEEDS {
            let mut world = World::new(rule, seed, false);
            world.run();
            let counters = world.builder.counters();
            let lost = (counters.resyncs, counters.gaps, counters.checksum_bad);
            assert_eq!(lost, (0, 0, 0), "{rule:?} seed={seed}");
            if rule.checksum.is_none() {
                world.check_sequence();
            }
            healed += counters.healed;
            leads += world.leads;
        }
        assert!(healed > SEEDS, "{rule:?}: {healed} healed");
        assert!(leads > SEEDS * 100, "{rule:?}: {leads} leads");
    }
}

#[test]
fn what_all_lines_lose_is_noticed_and_the_book_comes_back() {
    for rule in [SeqRule::STREAM, LINKED, TIMED, SPOT, FUTURES] {
        let mut resyncs = 0;
        for seed in 0..SEEDS {
            let mut world = World::new(rule, seed, true);
            world.run();
            resyncs += world.builder.counters().resyncs;
        }
        assert!(resyncs > SEEDS / 2, "{rule:?}: {resyncs} resyncs");
    }
}

#[test]
fn whole_books_of_several_lines_are_each_taken_once() {
    let mut world = World::new(RISING, 1, false);
    world.books_only = true;
    world.run();
    world.check_sequence();
}

/// What the exchange says once, and what its book is then.
struct Message {
    diff: Diff,
    bids: Vec<Level>,
    asks: Vec<Level>,
    book: Snapshot,
}

/// One thing that a line brings.
#[derive(Clone, Copy)]
enum Parcel {
    Change(usize),
    Whole(usize),
    Up,
    Down,
}

struct World {
    rule: SeqRule,
    seed: u64,
    dice: fastrand::Rng,
    messages: Vec<Message>,
    /// Each line's parcels in order, with the time at which they come.
    lines: [VecDeque<(u64, Parcel)>; LINES],
    snapshot: Option<(u64, usize)>,
    books_only: bool,
    builder: BookBuilder<256>,
    applied: Vec<u64>,
    leads: u64,
}

impl World {
    fn new(rule: SeqRule, seed: u64, lossy: bool) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let messages = messages(rule, &mut dice);
        let mut lines: [VecDeque<(u64, Parcel)>; LINES] = Default::default();
        let mut last = [0; LINES];
        for (line, parcels) in lines.iter_mut().enumerate() {
            parcels.push_back((line as u64, Parcel::Up));
            parcels.push_back((line as u64, Parcel::Whole(0)));
        }
        // One line at a time may be away for a while.
        let mut away: Option<(usize, usize)> = None;
        for number in 1..messages.len() {
            let sent = number as u64 * EVERY_NS;
            let mut come = |line: usize, dice: &mut fastrand::Rng| {
                last[line] = (sent + dice.u64(..DELAY_NS_MAX)).max(last[line]);
                last[line]
            };
            match away {
                None if dice.u8(..60) == 0 => {
                    let line = dice.usize(..LINES);
                    lines[line].push_back((come(line, &mut dice), Parcel::Down));
                    away = Some((line, number + dice.usize(5..30)));
                }
                Some((line, until)) if until == number => {
                    let at = come(line, &mut dice);
                    lines[line].push_back((at, Parcel::Up));
                    lines[line].push_back((at, Parcel::Whole(number - 1)));
                    away = None;
                }
                _ => {}
            }
            let is_up = |line: usize| away.is_none_or(|(gone, _)| gone != line);
            let safe = (0..LINES)
                .filter(|&line| is_up(line))
                .nth(dice.usize(..2))
                .expect("two are up");
            // The last ones come: nothing but them tells what is missing before them.
            let lost_by_all = lossy && number < MESSAGES - 20 && dice.u8(..100) == 0;
            for line in (0..LINES).filter(|&line| is_up(line)) {
                let lost = lost_by_all || (line != safe && dice.u8(..8) == 0);
                if !lost {
                    lines[line].push_back((come(line, &mut dice), Parcel::Change(number)));
                }
            }
        }
        Self {
            rule,
            seed,
            dice,
            messages,
            lines,
            snapshot: None,
            books_only: false,
            builder: BookBuilder::new(rule, (0, 0), 4),
            applied: Vec::new(),
            leads: 0,
        }
    }

    fn run(&mut self) {
        let begin = Nanos::from_secs(1_000);
        loop {
            let parcel = |line: usize| self.lines[line].front().map(|(at, _)| (*at, Some(line)));
            let parcels = (0..LINES).filter_map(parcel);
            let snapshot = self.snapshot.map(|(at, _)| (at, None));
            let Some((at, line)) = parcels.chain(snapshot).min() else {
                let due = self.builder.poll_timeout();
                let whole = !self.builder.is_healing();
                if (whole && self.builder.status() == Status::Live) || due == Nanos::NEVER {
                    break;
                }
                self.builder.handle_timeout(due);
                self.serve(due.since(begin).0);
                continue;
            };
            // Timers run in between, as they would.
            while self.builder.poll_timeout() < begin + Span(at) {
                let due = self.builder.poll_timeout();
                self.builder.handle_timeout(due);
                self.serve(due.since(begin).0);
            }
            let now = begin + Span(at);
            match line {
                Some(line) => self.deliver(now, line),
                None => self.answer(now),
            }
            self.leads += u64::from(self.builder.poll_lead().is_some());
            self.serve(at);
        }
        self.end();
    }

    fn deliver(&mut self, now: Nanos, line: usize) {
        let Some((_, parcel)) = self.lines[line].pop_front() else {
            return;
        };
        let (number, whole) = match parcel {
            Parcel::Up => return self.builder.handle_connected(now, line as u8, 1),
            Parcel::Down => return self.builder.handle_disconnected(now, line as u8),
            Parcel::Change(number) => (number, self.books_only),
            Parcel::Whole(number) => (number, true),
        };
        if whole && self.rule.snapshot == SnapshotFrom::Rest {
            return;
        }
        let Message {
            diff,
            bids,
            asks,
            book,
        } = &self.messages[number];
        let (messages, applied, seed) = (&self.messages, &mut self.applied, self.seed);
        let mut note = |book: &Book<256>, id, _| {
            check(messages, book, id, seed);
            applied.push(id);
        };
        let mut update = Update {
            now,
            line: line as u8,
            diff,
            bids,
            asks,
        };
        if whole {
            (update.bids, update.asks) = (&book.bids, &book.asks);
            self.builder.handle_book(&update, &mut note);
        } else {
            self.builder.handle_diff(&update, &mut note);
        }
    }

    fn serve(&mut self, at: u64) {
        while let Some(want) = self.builder.poll_output() {
            match want {
                Want::Snapshot { .. } => {
                    let taken = (at / EVERY_NS) as usize;
                    let number = taken.min(self.messages.len() - 1);
                    self.snapshot = Some((at + self.dice.u64(..100_000_000), number));
                }
                Want::Resubscribe => {
                    let at = at + self.dice.u64(..100_000_000);
                    self.resubscribe(at);
                }
                Want::Reconnect(_) | Want::Renew(_) | Want::Metadata => {
                    unreachable!("nobody is silent")
                }
            }
        }
    }

    /// Each line brings a whole book, where it is by then.
    fn resubscribe(&mut self, at: u64) {
        for parcels in &mut self.lines {
            let mut number = None;
            let mut place = 0;
            while let Some(&(come, parcel)) = parcels.get(place)
                && (come <= at || number.is_none())
            {
                match parcel {
                    Parcel::Change(n) | Parcel::Whole(n) => number = Some(n),
                    Parcel::Up | Parcel::Down => {}
                }
                place += 1;
            }
            let come = place.checked_sub(1).map(|before| parcels[before].0);
            let number = number.unwrap_or(self.messages.len() - 1);
            let come = come.unwrap_or(at).max(at.min(come.unwrap_or(at)));
            parcels.insert(place, (come, Parcel::Whole(number)));
        }
    }

    fn answer(&mut self, now: Nanos) {
        let Some((_, number)) = self.snapshot.take() else {
            return;
        };
        let (messages, applied, seed) = (&self.messages, &mut self.applied, self.seed);
        let mut note = |book: &Book<256>, id, _| {
            check(messages, book, id, seed);
            applied.push(id);
        };
        let snapshot = &self.messages[number].book;
        let outcome = self.builder.handle_snapshot(now, snapshot, &mut note);
        assert_ne!(outcome, SnapshotOutcome::Gap, "seed={seed}");
    }

    fn end(&mut self) {
        let last = self.messages.last().expect("some");
        assert_eq!(self.builder.status(), Status::Live, "seed={}", self.seed);
        assert_eq!(self.builder.last_id(), last.diff.last_id);
        let book = self.builder.live().expect("live");
        check(&self.messages, book, last.diff.last_id, self.seed);
    }

    /// Each message once and in order, from the first one on that made the book.
    fn check_sequence(&self) {
        let ids: Vec<u64> = self.messages.iter().map(|m| m.diff.last_id).collect();
        let first = ids.iter().position(|id| *id == self.applied[0]);
        let want = &ids[first.expect("one of them")..];
        let missing = |id: &&u64| !self.applied.contains(id);
        let missing: Vec<_> = want.iter().filter(missing).collect();
        // A whole book may leave messages out that it has already.
        // Of futures the message that brackets the snapshot ends at its id.
        let again = u64::from(self.rule.splice == Splice::Around);
        let rises = self.applied.is_sorted_by(|a, b| *a < b + again);
        assert!(rises, "{:?} seed={}", self.rule, self.seed);
        assert!(missing.len() < 30, "seed={} {missing:?}", self.seed);
    }
}

/// The book at `id` is the exchange's own.
fn check(messages: &[Message], book: &Book<256>, id: u64, seed: u64) {
    let at = messages
        .iter()
        .find(|m| m.diff.last_id == id)
        .expect("known");
    assert!(
        book.levels(Side::Buy).eq(at.book.bids.iter().copied()),
        "seed={seed} id={id}"
    );
    assert!(
        book.levels(Side::Sell).eq(at.book.asks.iter().copied()),
        "seed={seed} id={id}"
    );
}

/// An exchange's life: some 20 levels per side, so that a checksum is of all of them.
fn messages(rule: SeqRule, dice: &mut fastrand::Rng) -> Vec<Message> {
    let mut twin = Book::<256>::new();
    twin.load(&[level(100, 1)], true, &[level(101, 1)], true);
    let mut last_id = 1_000;
    let mut messages = Vec::new();
    for number in 0..MESSAGES {
        let prev = last_id;
        let count = dice.u64(1..4);
        // Only dense ids have no holes.
        last_id += count
            + if rule.chain == Chain::Dense {
                0
            } else {
                dice.u64(..3)
            };
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        for n in 0..count as i64 {
            let qty = dice.u64(..4) * number as u64;
            // Prices of one message differ.
            let step = dice.i64(0..6) * 3 + n;
            match dice.bool() {
                true => bids.push(level(100 - step, qty)),
                false => asks.push(level(101 + step, qty)),
            }
        }
        twin.apply(&bids, &asks);
        let checksum = rule
            .checksum
            .and_then(|kind| checksum::of(kind, &twin, (0, 0)));
        messages.push(Message {
            diff: Diff {
                instrument: InstrumentId(0),
                first_id: prev + 1,
                last_id,
                prev_id: (rule.chain == Chain::Previous && checksum.is_none()).then_some(prev),
                checksum,
                exch_time: UnixNanos(0),
            },
            bids,
            asks,
            book: Snapshot {
                dropped: 0,
                last_id,
                bids: twin.levels(Side::Buy).collect(),
                asks: twin.levels(Side::Sell).collect(),
                bids_whole: true,
                asks_whole: true,
                ..Snapshot::default()
            },
        });
    }
    const { assert!(LINES <= LINES_MAX) };
    messages
}
