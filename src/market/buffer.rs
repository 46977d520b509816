//! Diffs that wait for a snapshot, in order of arrival. Two rings that grow to a limit and then
//! drop the oldest. Empty, they are given back to those of the thread that wait.

use super::update::Update;
use crate::base::{Diff, Level, Nanos};
use std::cell::RefCell;
use std::collections::{VecDeque, vec_deque};
use std::iter::Copied;

/// The most that waits: at ten messages a second some three minutes of them.
pub(crate) const BUFFER_DIFFS: usize = 2_048;
/// Levels of all of them together (1 MiB).
pub(crate) const BUFFER_LEVELS: usize = 65_536;
/// Bytes of both rings, when they were full once.
pub const BUFFER_BYTES: usize =
    BUFFER_DIFFS * size_of::<Head>() + BUFFER_LEVELS * size_of::<Level>();
/// What all books of a thread may hold waiting. Beyond that each holds no more than a share: when
/// thousands begin at once, most wait for minutes until their snapshots are asked for, and what
/// came long before that is of no use.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// The share: at ten messages a second twelve seconds of them, many times what a snapshot takes.
const SHARE_DIFFS: usize = BUFFER_DIFFS / 16;
const SHARE_LEVELS: usize = BUFFER_LEVELS / 64;
/// Bytes of a share.
pub const SHARE_BYTES: usize = SHARE_DIFFS * size_of::<Head>() + SHARE_LEVELS * size_of::<Level>();
/// Rings that a thread keeps for whoever waits next.
const SPARES_MAX: usize = 4;

std::thread_local! {
    static WAITING: RefCell<Waiting> = const {
        RefCell::new(Waiting { bytes: 0, spares: Vec::new() })
    };
}

/// What waits on this thread.
struct Waiting {
    /// Bytes of the rings that are in use.
    bytes: usize,
    /// Rings that are not.
    spares: Vec<Rings>,
}

#[derive(Debug, Default)]
struct Rings {
    heads: VecDeque<Head>,
    levels: VecDeque<Level>,
}

impl Rings {
    fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<Head>() + self.levels.capacity() * size_of::<Level>()
    }

    /// Makes room for a diff with this many levels.
    fn reserve(&mut self, levels: usize) {
        room(&mut self.heads, 1, BUFFER_DIFFS);
        room(&mut self.levels, levels, BUFFER_LEVELS);
    }
}

/// Makes room for `more` in a ring that is to have `most` at most.
fn room<T>(ring: &mut VecDeque<T>, more: usize, most: usize) {
    let needed = ring.len() + more;
    if needed > ring.capacity() {
        let capacity = needed.max(2 * ring.capacity()).clamp(RING_MIN, most);
        ring.reserve_exact(capacity - ring.len());
    }
}

/// The least that a ring has room for.
const RING_MIN: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Head {
    at: Nanos,
    line: u8,
    diff: Diff,
    bids: usize,
    asks: usize,
}

/// A diff that is held.
pub(crate) struct Held<'a> {
    /// When it came, and on which line.
    pub(crate) at: Nanos,
    pub(crate) line: u8,
    pub(crate) diff: &'a Diff,
    pub(crate) bids: Levels<'a>,
    pub(crate) asks: Levels<'a>,
}

/// Levels of one side of a [`Held`].
pub(crate) type Levels<'a> = Copied<vec_deque::Iter<'a, Level>>;

/// Diffs in order of arrival.
///
/// Invariant: the levels of all heads, bids then asks of each, are exactly `levels`; everything
/// that came after the id `reach` is held; what is empty has no memory.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    rings: Rings,
    /// Bytes of the rings, as the thread counts them.
    counted: usize,
    /// The id of the last diff that is gone, or else of the first one that came; `None` before any
    /// came.
    reach: Option<u64>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let counted = self.counted;
        // No thread-local is left once its thread ends, and nobody counts then.
        let _ = WAITING.try_with(|waiting| {
            let bytes = &mut waiting.borrow_mut().bytes;
            *bytes = bytes.saturating_sub(counted);
        });
    }
}

impl Buffer {
    /// A message with these ids is held.
    pub(crate) fn holds(&self, diff: &Diff) -> bool {
        let ids = |diff: &Diff| (diff.first_id, diff.last_id, diff.prev_id);
        let mut heads = self.rings.heads.iter().rev();
        heads.any(|head| ids(&head.diff) == ids(diff))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rings.heads.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.reach = None;
        self.give_back();
        self.check();
    }

    /// Room for one more diff with this many levels.
    fn reserve(&mut self, levels: usize) {
        WAITING.with_borrow_mut(|waiting| {
            if self.counted == 0 {
                self.rings = waiting.spares.pop().unwrap_or_default();
            }
            self.rings.reserve(levels);
            let bytes = self.rings.bytes();
            // A ring that another thread counted is not in these.
            waiting.bytes = waiting.bytes.saturating_sub(self.counted) + bytes;
            self.counted = bytes;
        });
    }

    /// Nothing waits: the rings are for whoever waits next.
    fn give_back(&mut self) {
        if self.counted == 0 {
            return;
        }
        let mut rings = std::mem::take(&mut self.rings);
        rings.heads.clear();
        rings.levels.clear();
        WAITING.with_borrow_mut(|waiting| {
            waiting.bytes = waiting.bytes.saturating_sub(self.counted);
            if waiting.spares.len() < SPARES_MAX {
                waiting.spares.push(rings);
            }
        });
        self.counted = 0;
    }

    /// The most diffs and levels that may wait now.
    fn most() -> (usize, usize) {
        match WAITING.with_borrow(|waiting| waiting.bytes < WAITING_BYTES_MAX) {
            true => (BUFFER_DIFFS, BUFFER_LEVELS),
            false => (SHARE_DIFFS, SHARE_LEVELS),
        }
    }

    /// Forgets all, and holds what follows a book at this id.
    pub(crate) fn begin(&mut self, id: u64) {
        self.clear();
        self.reach = Some(id);
        debug_assert!(self.is_empty());
    }

    /// A snapshot at this id or a later one misses nothing: what changed the book after it is held.
    /// `None` if nothing came yet.
    pub(crate) fn reach(&self) -> Option<u64> {
        self.reach
    }

    /// Forgets what is newer than this id: the exchange counts on from here.
    pub(crate) fn step_back(&mut self, id: u64) {
        for _ in 0..self.rings.heads.len() {
            let Some(head) = self.rings.heads.pop_front() else {
                break;
            };
            let kept = head.diff.last_id <= id;
            for _ in 0..head.bids + head.asks {
                let level = self.rings.levels.pop_front().filter(|_| kept);
                self.rings.levels.extend(level);
            }
            self.rings.heads.extend(kept.then_some(head));
        }
        if self.is_empty() {
            self.reach = None;
            self.give_back();
        }
        self.check();
    }

    /// Forgets the diffs that came before `at`.
    pub(crate) fn forget_before(&mut self, at: Nanos) {
        let old = self
            .rings
            .heads
            .iter()
            .take_while(|head| head.at < at)
            .count();
        self.drop_first(old);
    }

    pub(crate) fn first(&self) -> Option<&Diff> {
        self.rings.heads.front().map(|head| &head.diff)
    }

    /// Keeps a diff; returns how many had to go for it, itself included if it is larger than all
    /// room.
    pub(crate) fn push(&mut self, update: &Update<'_>) -> u64 {
        let Update {
            now,
            line,
            diff,
            bids,
            asks,
        } = *update;
        let more = bids.len() + asks.len();
        let (most_diffs, most_levels) = Self::most();
        let mut dropped = 0;
        while !self.is_empty()
            && (self.rings.heads.len() >= most_diffs
                || self.rings.levels.len() + more > most_levels)
        {
            self.drop_first(1);
            dropped += 1;
        }
        if more > BUFFER_LEVELS {
            self.reach = self.reach.max(Some(diff.last_id));
            return dropped + 1;
        }
        self.reach = self.reach.or(Some(diff.last_id));
        self.reserve(more);
        self.rings.levels.extend(bids);
        self.rings.levels.extend(asks);
        self.rings.heads.push_back(Head {
            at: now,
            line,
            diff: *diff,
            bids: bids.len(),
            asks: asks.len(),
        });
        self.check();
        dropped
    }

    /// Forgets the oldest `count` diffs.
    pub(crate) fn drop_first(&mut self, count: usize) {
        debug_assert!(count <= self.rings.heads.len());
        let Rings { heads, levels } = &mut self.rings;
        for head in heads.drain(..count) {
            levels.drain(..head.bids + head.asks);
            self.reach = self.reach.max(Some(head.diff.last_id));
        }
        if self.is_empty() {
            self.give_back();
        }
        self.check();
    }

    /// The diffs, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        let mut from = 0;
        self.rings.heads.iter().map(move |head| {
            let middle = from + head.bids;
            let bids = self.rings.levels.range(from..middle).copied();
            from = middle + head.asks;
            Held {
                at: head.at,
                line: head.line,
                diff: &head.diff,
                bids,
                asks: self.rings.levels.range(middle..from).copied(),
            }
        })
    }

    /// Looks at both ends; the others held before.
    fn check(&self) {
        let fits = |head: &Head| head.bids + head.asks <= self.rings.levels.len();
        debug_assert!(self.rings.heads.len() <= BUFFER_DIFFS);
        debug_assert!(self.rings.levels.len() <= BUFFER_LEVELS);
        debug_assert!(!self.rings.heads.is_empty() || self.rings.levels.is_empty());
        debug_assert!(self.rings.heads.is_empty() || self.reach.is_some());
        debug_assert!(self.rings.heads.front().is_none_or(fits));
        debug_assert!(self.rings.heads.back().is_none_or(fits));
    }

    /// The whole invariant.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check_all(&self) {
        let levels = self.rings.heads.iter().map(|head| head.bids + head.asks);
        assert_eq!(levels.sum::<usize>(), self.rings.levels.len());
        self.check();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{InstrumentId, Px, Qty, UnixNanos};

    /// Holds the diffs with these ids; says how many had to go.
    fn push(buffer: &mut Buffer, ids: std::ops::Range<u64>) -> u64 {
        let level = Level {
            px: Px(1),
            qty: Qty(1),
        };
        let push = |id| {
            buffer.push(&Update {
                now: Nanos(id),
                line: 0,
                diff: &Diff {
                    instrument: InstrumentId(0),
                    first_id: id,
                    last_id: id,
                    prev_id: None,
                    checksum: None,
                    exch_time: UnixNanos(0),
                },
                bids: &[level; 3],
                asks: &[level; 2],
            })
        };
        let gone = ids.map(push).sum();
        buffer.check_all();
        gone
    }

    fn waiting() -> usize {
        WAITING.with_borrow(|waiting| waiting.bytes)
    }

    #[test]
    fn rings_that_are_empty_are_the_next_ones_that_wait() {
        let (mut first, mut second) = (Buffer::default(), Buffer::default());
        assert_eq!(push(&mut first, 0..1_000), 0);
        let bytes = first.rings.bytes();
        assert!(bytes <= BUFFER_BYTES);
        assert_eq!(waiting(), bytes);
        first.clear();
        assert_eq!((first.rings.bytes(), waiting()), (0, 0));
        push(&mut second, 0..1);
        assert_eq!((second.rings.bytes(), waiting()), (bytes, bytes));
        second.drop_first(1);
        assert_eq!((second.rings.bytes(), waiting()), (0, 0));
        assert_eq!(second.reach(), Some(0));
        push(&mut first, 0..1);
        drop(first);
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn rings_never_grow_beyond_their_limit() {
        let mut buffer = Buffer::default();
        let many = BUFFER_DIFFS as u64;
        assert_eq!(push(&mut buffer, 0..many + 7), 7);
        assert_eq!(buffer.reach(), Some(6));
        assert!(buffer.rings.bytes() <= BUFFER_BYTES);
    }

    #[test]
    fn a_thread_with_too_many_that_wait_holds_the_newest_of_each() {
        let mut buffer = Buffer::default();
        let share = SHARE_DIFFS as u64;
        push(&mut buffer, 0..share + 100);
        WAITING.with_borrow_mut(|waiting| waiting.bytes += WAITING_BYTES_MAX);
        assert_eq!(push(&mut buffer, share + 100..share + 101), 101);
        assert_eq!(buffer.first().map(|diff| diff.last_id), Some(101));
        WAITING.with_borrow_mut(|waiting| waiting.bytes -= WAITING_BYTES_MAX);
        assert_eq!(push(&mut buffer, share + 101..share + 201), 0);
        let mut other = Buffer::default();
        WAITING.with_borrow_mut(|waiting| waiting.bytes += WAITING_BYTES_MAX);
        assert_eq!(push(&mut other, 0..share + 1), 1);
        assert!(other.rings.bytes() <= SHARE_BYTES);
    }
}
