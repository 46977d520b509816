//! Random worlds: an exchange whose truth is known, a stream that loses, repeats and starts to
//! count again, snapshots that come when they like and may be crossed. The feed must equal the
//! naive sequencer update for update, and the truth wherever it claims to.

use super::Update;
use super::book::Book;
use super::book_tests::Twin;
use super::sync::{BookBuilder, SnapshotOutcome, Want};
use super::sync_tests::{FUTURES, SPOT, diff};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Diff, Level, Nanos, Px, Qty, Side, Snapshot, Span, Status, Top};
use std::collections::VecDeque;

const SEEDS: u64 = 80;
const STEPS: usize = 1_500;
const DEPTH: usize = 20;
/// How far the ids go back when the exchange counts again: beyond all that a book may hold.
const RECOUNT: u64 = 1_000;

/// Ids are times: they order messages, and show no loss.
const TIMES: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::Newer,
    chain: Chain::Rising,
    ..SeqRule::STREAM
};

#[test]
fn spot_worlds_end_in_the_book_of_the_reference_and_never_show_another() {
    all_worlds(SPOT);
}

#[test]
fn futures_worlds_end_in_the_book_of_the_reference_and_never_show_another() {
    all_worlds(FUTURES);
}

#[test]
fn worlds_whose_ids_are_times_end_in_the_book_of_the_reference_and_never_show_another() {
    all_worlds(TIMES);
}

fn all_worlds(rule: SeqRule) {
    let mut seen = [0; 10];
    for seed in 0..SEEDS {
        let mut world = World::new(rule, seed);
        for step in 0..STEPS {
            world.step();
            world.check(step);
        }
        world.end();
        let counters = world.feed.counters();
        let counts = [
            counters.updates,
            counters.duplicates,
            counters.gaps,
            counters.refreshes,
            counters.too_old,
            world.held,
            world.early,
            counters.unbelieved,
            world.recounts,
            world.stale_answers,
        ];
        seen = std::array::from_fn(|n| seen[n] + counts[n]);
    }
    // A kind of event that never came was not tested.
    assert!(seen.iter().all(|&count| count > 10), "{seen:?}");
}

struct World {
    rule: SeqRule,
    seed: u64,
    dice: fastrand::Rng,
    now: Nanos,
    epoch: u32,
    /// What the exchange has, at each of its ids in each of its counts; the middle of it wanders.
    truth: Twin,
    tops: Vec<Vec<(u64, Top<DEPTH>)>>,
    middle: i64,
    last_id: u64,
    /// On their way: frames in order, and the one snapshot, with how many steps it still takes.
    stream: VecDeque<Frame>,
    answer: Option<(usize, Counted<Snapshot>)>,
    waiting: bool,
    /// When it was asked for.
    asked: Nanos,
    /// The answer before: a cache of the exchange's may give it once more.
    lagging: Counted<Snapshot>,
    /// Steps for which the stream stands still: snapshots overtake it.
    stalled: usize,
    feed: BookBuilder<256>,
    reference: Reference,
    applied: Vec<u64>,
    held: u64,
    early: u64,
    recounts: u64,
    stale_answers: u64,
    /// No answer is bad from now on.
    calm: bool,
}

/// Something of the exchange's, and the number of the count that its ids are of. The feed never
/// sees that number.
#[derive(Clone, Default)]
struct Counted<T>(usize, T);

/// What a stream brings.
#[derive(Clone)]
enum Frame {
    Said(Counted<Diff>, Vec<Level>, Vec<Level>),
    /// A message that nobody understands.
    Garbage,
}

impl World {
    fn new(rule: SeqRule, seed: u64) -> Self {
        let mut world = Self {
            rule,
            seed,
            dice: fastrand::Rng::with_seed(seed),
            now: Nanos::from_secs(1),
            epoch: 1,
            truth: Twin::default(),
            tops: vec![Vec::new()],
            middle: 10_000,
            last_id: 1_000,
            stream: VecDeque::new(),
            answer: None,
            waiting: false,
            asked: Nanos::ZERO,
            lagging: Counted::default(),
            stalled: 0,
            feed: BookBuilder::new(rule, (0, 0), DEPTH),
            reference: Reference::new(rule),
            applied: Vec::new(),
            held: 0,
            early: 0,
            recounts: 0,
            stale_answers: 0,
            calm: false,
        };
        for _ in 0..3_000 {
            world.change();
        }
        world.feed.handle_connected(world.now, 0, world.epoch);
        world.feed.handle_started(world.now, 0);
        world
    }

    fn step(&mut self) {
        self.now = self.now + Span::from_millis(self.dice.u64(20..200));
        match self.dice.u16(..1_000) {
            0..600 => self.trade(),
            600..605 => {
                self.trade();
                self.stream.pop_back();
                // If ids show no loss, somebody must say that there was one.
                if self.rule == TIMES || self.dice.bool() {
                    self.stream.push_back(Frame::Garbage);
                }
            }
            605..608 => self.reconnect(),
            608..618 => self.repeat(),
            618..680 => self.stalled = self.dice.usize(..15),
            680..720 => self.count_anew(),
            _ => {}
        }
        match self.stalled.checked_sub(1) {
            Some(left) => self.stalled = left,
            None => self.deliver(2),
        }
        self.feed.handle_timeout(self.now);
        self.serve();
    }

    /// One message: some changes, each with an id of its own.
    fn trade(&mut self) {
        let prev = self.last_id;
        let mut changes = [Vec::new(), Vec::new()];
        // Futures' ids are shared with other instruments: there are holes.
        let (dense, times) = (self.rule == SPOT, self.rule == TIMES);
        self.last_id += if dense { 0 } else { self.dice.u64(..3) };
        let first = self.last_id + 1;
        for _ in 0..self.dice.usize(1..5) {
            let (side, level) = self.change();
            let changed = &mut changes[side as usize];
            changed.retain(|old: &Level| old.px != level.px);
            changed.push(level);
        }
        let [bids, asks] = changes;
        let diff = diff(first, self.last_id, (!dense && !times).then_some(prev));
        let diff = Counted(self.count(), diff);
        self.stream.push_back(Frame::Said(diff, bids, asks));
    }

    /// The number of the exchange's present count.
    fn count(&self) -> usize {
        self.tops.len() - 1
    }

    /// The exchange's service begins again, and its ids with it, while a snapshot is awaited. What
    /// shows that is a message older than one that is held.
    fn count_anew(&mut self) {
        let dark = matches!(self.feed.status(), Status::Buffering | Status::Resyncing);
        let shows = dark && self.stream.is_empty() && !self.reference.held.is_empty();
        if !shows || self.last_id < 2 * RECOUNT {
            return;
        }
        self.last_id -= RECOUNT;
        self.tops.push(Vec::new());
        self.stale_answers += u64::from(self.answer.is_some());
        self.trade();
        self.deliver(1);
        self.lagging = Counted(self.count(), self.truth.snapshot(self.last_id, 100));
        self.recounts += 1;
    }

    fn change(&mut self) -> (Side, Level) {
        self.middle += self.dice.i64(-6..=6);
        let near = self.dice.i64(0..400).min(self.dice.i64(0..400));
        let side = if self.dice.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        // Nothing rests on the wrong side of the other's best: the truth is never crossed.
        let other = self
            .truth
            .best(side.opposite())
            .next()
            .map(|best| best.px.0);
        let px = match side {
            Side::Buy => (self.middle - near).min(other.map_or(i64::MAX, |ask| ask - 1)),
            Side::Sell => (self.middle + 1 + near).max(other.map_or(i64::MIN, |bid| bid + 1)),
        };
        // What is in the way of the middle is taken.
        let (px, qty) = match self.truth.best(side).next() {
            Some(best) if side == Side::Buy && best.px.0 > self.middle => (best.px.0, 0),
            Some(best) if side == Side::Sell && best.px.0 <= self.middle => (best.px.0, 0),
            _ => (px, self.dice.u64(..8)),
        };
        let level = Level {
            px: Px(px),
            qty: Qty(qty),
        };
        self.truth.set(side, level);
        self.last_id += 1;
        let mut top = Top::EMPTY;
        for side in [Side::Buy, Side::Sell] {
            top.set(side, self.truth.best(side), DEPTH, true);
        }
        let tops = self.tops.last_mut().expect("one count at least");
        tops.push((self.last_id, top));
        (side, level)
    }

    /// The newest message comes once more, after itself.
    fn repeat(&mut self) {
        if let Some(last) = self.stream.back().cloned() {
            self.stream.push_back(last);
        }
    }

    fn reconnect(&mut self) {
        self.feed.handle_disconnected(self.now, 0);
        self.stream.clear();
        self.epoch += 1;
        self.feed.handle_connected(self.now, 0, self.epoch);
        self.feed.handle_started(self.now, 0);
        self.reference.connected();
    }

    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let (diff, bids, asks) = match self.stream.pop_front() {
                None => return,
                Some(Frame::Said(diff, bids, asks)) => (diff, bids, asks),
                Some(Frame::Garbage) => {
                    self.feed.handle_lost(self.now);
                    self.reference.lost(self.now);
                    continue;
                }
            };
            let before = self.feed.live().is_some();
            let mut applied = Vec::new();
            let mut note = |book: &Book<256>, id, _| applied.push((id, book.top()));
            let update = Update {
                now: self.now,
                line: 0,
                diff: &diff.1,
                bids: &bids,
                asks: &asks,
            };
            self.feed.handle_diff(&update, &mut note);
            let want = self.reference.diff(self.now, &diff);
            self.compare(&applied, &want);
            assert!(before || self.feed.live().is_none() || self.feed.last_id() == diff.1.last_id);
        }
    }

    /// Fetches what the feed wants, of what the exchange has now; the answer takes its time.
    fn serve(&mut self) {
        self.ask();
        self.answer();
        self.ask();
    }

    fn ask(&mut self) {
        while let Some(want) = self.feed.poll_output() {
            match want {
                Want::Reconnect(_) => self.reconnect(),
                Want::Resubscribe => {} // It would change nothing: this stream is alive.
                Want::Renew(_) | Want::Metadata => unreachable!("not of this rule"),
                Want::Snapshot { .. } => {
                    assert!(!self.waiting, "two in flight, seed={}", self.seed);
                    (self.waiting, self.asked) = (true, self.now);
                    let levels = self.dice.usize(90..200);
                    let snapshot = self.truth.snapshot(self.last_id, levels);
                    let snapshot = Counted(self.count(), snapshot);
                    self.answer = Some((self.dice.usize(..20), snapshot));
                }
            }
        }
    }

    fn answer(&mut self) {
        match self.answer.take() {
            Some((0, old)) => {
                // Fetched at the begin of the wait, or at its end.
                let levels = old.1.bids.len().max(old.1.asks.len());
                let new = self.truth.snapshot(self.last_id, levels);
                let new = Counted(self.count(), new);
                let lagging = std::mem::replace(&mut self.lagging, new.clone());
                let mut snapshot = match self.dice.u8(..10) {
                    0..5 => old,
                    5..9 => new,
                    _ => lagging,
                };
                if !self.calm && self.dice.u8(..12) == 0 {
                    self.cross(&mut snapshot.1);
                }
                self.hand_in(&snapshot);
            }
            Some((steps, snapshot)) => self.answer = Some((steps - 1, snapshot)),
            None => {}
        }
    }

    /// Adds a bid at the best ask, or above it.
    fn cross(&mut self, snapshot: &mut Snapshot) {
        if let Some(ask) = snapshot.asks.first() {
            let px = Px(ask.px.0 + self.dice.i64(0..2));
            snapshot.bids.insert(0, Level { px, qty: Qty(1) });
        }
    }

    fn hand_in(&mut self, counted: &Counted<Snapshot>) {
        let Counted(count, snapshot) = counted;
        self.waiting = false;
        if !self.calm && self.dice.u8(..10) == 0 {
            self.feed.handle_snapshot_failed(self.now);
            return;
        }
        let starts = matches!(self.feed.status(), Status::Buffering | Status::Resyncing);
        let mut applied = Vec::new();
        let mut note = |book: &Book<256>, id, _| applied.push((id, book.top()));
        let outcome = self.feed.handle_snapshot(self.now, snapshot, &mut note);
        let want = if starts {
            self.reference.snapshot(self.asked, *count, snapshot)
        } else {
            Vec::new()
        };
        self.compare(&applied, &want);
        self.held += u64::from(outcome == SnapshotOutcome::Held);
        let hole = outcome == SnapshotOutcome::Gap;
        let behind = self.stream.front().is_some_and(|next| match next {
            Frame::Said(diff, ..) => diff.1.last_id <= snapshot.last_id,
            Frame::Garbage => false,
        });
        self.early += u64::from(outcome == SnapshotOutcome::Live && behind);
        if hole && !self.calm && self.dice.bool() {
            self.count_anew(); // With what is behind the hole still held.
        }
    }

    /// The same updates in the same order, and each book right as far as it says.
    fn compare(&mut self, applied: &[(u64, Top<DEPTH>)], want: &[u64]) {
        let ids: Vec<u64> = applied.iter().map(|&(id, _)| id).collect();
        assert_eq!(ids, want, "seed={}", self.seed);
        for (id, top) in applied {
            self.check_top(*id, top);
        }
        self.applied.extend(ids);
    }

    fn check(&self, step: usize) {
        assert_eq!(
            self.feed.live().is_some(),
            self.feed.status() == Status::Live
        );
        let Some(book) = self.feed.live() else {
            return;
        };
        assert!(self.reference.valid, "seed={} step={step}", self.seed);
        assert_eq!(self.feed.last_id(), self.reference.id);
        self.check_top(self.feed.last_id(), &book.top());
        if step.is_multiple_of(50) {
            book.check_all();
        }
    }

    fn check_top(&self, id: u64, top: &Top<DEPTH>) {
        let tops = &self.tops[self.reference.count];
        let at = tops.partition_point(|&(known, _)| known <= id);
        let truth = &tops[at - 1].1;
        for side in [Side::Buy, Side::Sell] {
            // `Top` says only for both sides together how much is complete.
            let done = (0..=DEPTH).rev().find(|&k| top.complete(k)).unwrap_or(0);
            let (got, want) = (top.side(side), truth.side(side));
            let (got, want) = (&got[..done.min(got.len())], &want[..done.min(want.len())]);
            assert_eq!(got, want, "seed={} id={id}", self.seed);
        }
    }

    /// Faults end: the feed must be live, and equal to the reference and to the truth.
    fn end(&mut self) {
        self.calm = true;
        // The longest wait of a book that was lost again and again, and some more.
        for _ in 0..1_200 {
            self.now = self.now + Span::from_millis(100);
            self.trade();
            self.deliver(10);
            self.feed.handle_timeout(self.now);
            self.serve();
        }
        self.deliver(usize::MAX);
        let book = self.feed.live().expect("quiet for two minutes");
        assert_eq!(self.feed.last_id(), self.last_id);
        for side in [Side::Buy, Side::Sell] {
            let done = book.complete_depth(side);
            assert!(done >= DEPTH || book.whole(side), "seed={}", self.seed);
            assert!(
                book.levels(side)
                    .take(done)
                    .eq(self.truth.best(side).take(done))
            );
            for level in book.levels(side) {
                assert!(self.truth.best(side).any(|held| held == level));
            }
        }
    }
}

/// The exchange's rule, written down the plain way and apart from the feed.
struct Reference {
    rule: SeqRule,
    valid: bool,
    first: bool,
    id: u64,
    /// The count that the book is of: known here so that a mixture is noticed, and never decided
    /// by.
    count: usize,
    /// What came while there was no book, and none of it twice.
    held: Vec<Counted<Diff>>,
    /// The book began when nothing had come, and nothing came since that it has.
    alone: bool,
    lost_at: Nanos,
    recounted_at: Nanos,
}

impl Reference {
    fn new(rule: SeqRule) -> Self {
        Self {
            rule,
            valid: false,
            first: false,
            id: 0,
            count: 0,
            held: Vec::new(),
            alone: false,
            lost_at: Nanos::ZERO,
            recounted_at: Nanos::ZERO,
        }
    }

    /// A connection begins with nothing. What happened to the exchange itself happened.
    fn connected(&mut self) {
        self.valid = false;
        self.held.clear();
    }

    /// Nobody knows what a frame said: no book, and nothing before it helps to make one.
    fn lost(&mut self, now: Nanos) {
        self.valid = false;
        self.held.clear();
        self.lost_at = now;
    }

    fn diff(&mut self, now: Nanos, diff: &Counted<Diff>) -> Vec<u64> {
        if self.valid {
            return self.event(diff).into_iter().collect();
        }
        let id = diff.1.last_id;
        // Ids of one count never fall: whatever is beyond this one is of a count that is over.
        if self.held.iter().any(|held| held.1.last_id > id) {
            self.held.retain(|held| held.1.last_id < id);
            self.recounted_at = now;
        }
        if !self.held.iter().any(|held| held.1 == diff.1) {
            self.held.push(diff.clone());
        }
        Vec::new()
    }

    fn snapshot(&mut self, asked: Nanos, count: usize, snapshot: &Snapshot) -> Vec<u64> {
        let id = snapshot.last_id;
        if is_crossed(snapshot) || asked < self.recounted_at || self.misses(asked, id) {
            return Vec::new();
        }
        (self.valid, self.first, self.id, self.count) = (true, true, id, count);
        self.alone = self.held.is_empty();
        let mut applied = vec![id];
        for diff in std::mem::take(&mut self.held) {
            if self.valid {
                applied.extend(self.event(&diff));
            } else {
                self.held.push(diff);
            }
        }
        applied
    }

    /// Something may have happened after a snapshot at this id and before what is held.
    fn misses(&self, asked: Nanos, id: u64) -> bool {
        let Some(Counted(_, oldest)) = self.held.first() else {
            return self.rule.splice == Splice::Newer && asked < self.lost_at;
        };
        match self.rule.splice {
            Splice::After => id + 1 < oldest.first_id,
            Splice::Around => id < oldest.prev_id.expect("futures name it"),
            // Only a message that the snapshot has, or is as new as, proves that they meet.
            Splice::Newer => {
                let meets = |held: &Counted<Diff>| held.1.last_id <= id;
                asked < self.lost_at || !self.held.iter().any(meets)
            }
        }
    }

    fn event(&mut self, counted: &Counted<Diff>) -> Option<u64> {
        let Counted(count, diff) = counted;
        let (old, gap) = match (self.rule.splice, self.first) {
            (Splice::After, _) => (diff.last_id <= self.id, diff.first_id > self.id + 1),
            (Splice::Around, true) => (diff.last_id < self.id, diff.prev_id > Some(self.id)),
            (Splice::Around, false) => (diff.last_id <= self.id, diff.prev_id != Some(self.id)),
            // Several messages may be of one time; of those at the snapshot's it has them all.
            (Splice::Newer, true) => (diff.last_id <= self.id, self.alone),
            (Splice::Newer, false) => (diff.last_id < self.id, false),
        };
        if old {
            self.alone = false;
            return None;
        }
        if gap {
            self.valid = false;
            self.held = vec![counted.clone()];
            return None;
        }
        assert_eq!(*count, self.count, "changes of another count");
        (self.first, self.id) = (false, diff.last_id);
        Some(diff.last_id)
    }
}

/// Somebody pays as much as somebody else asks: such orders would have traded.
fn is_crossed(snapshot: &Snapshot) -> bool {
    let paid = snapshot.bids.iter().map(|level| level.px).max();
    let asked = snapshot.asks.iter().map(|level| level.px).min();
    paid.zip(asked).is_some_and(|(paid, asked)| paid >= asked)
}
