//! Diffs that wait for a snapshot, in order of arrival. Two rings made once; never grows, drops the
//! oldest.

use super::update::Update;
use crate::base::{Diff, Level, Nanos};
use std::collections::{VecDeque, vec_deque};
use std::iter::Copied;

/// The most that waits: at ten messages a second some three minutes of them.
pub(crate) const BUFFER_DIFFS: usize = 2_048;
/// Levels of all of them together (1 MiB).
pub(crate) const BUFFER_LEVELS: usize = 65_536;
/// Bytes of both rings, when they were full once.
pub const BUFFER_BYTES: usize =
    BUFFER_DIFFS * size_of::<Head>() + BUFFER_LEVELS * size_of::<Level>();

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
/// that came after the id `reach` is held.
#[derive(Debug)]
pub(crate) struct Buffer {
    heads: VecDeque<Head>,
    levels: VecDeque<Level>,
    /// The id of the last diff that is gone, or else of the first one that came; `None` before any
    /// came.
    reach: Option<u64>,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self {
            heads: VecDeque::with_capacity(BUFFER_DIFFS),
            levels: VecDeque::with_capacity(BUFFER_LEVELS),
            reach: None,
        }
    }

    /// A message with these ids is held.
    pub(crate) fn holds(&self, diff: &Diff) -> bool {
        let ids = |diff: &Diff| (diff.first_id, diff.last_id, diff.prev_id);
        let mut heads = self.heads.iter().rev();
        heads.any(|head| ids(&head.diff) == ids(diff))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.levels.clear();
        self.reach = None;
        self.check();
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
        for _ in 0..self.heads.len() {
            let Some(head) = self.heads.pop_front() else {
                break;
            };
            let kept = head.diff.last_id <= id;
            for _ in 0..head.bids + head.asks {
                let level = self.levels.pop_front().filter(|_| kept);
                self.levels.extend(level);
            }
            self.heads.extend(kept.then_some(head));
        }
        if self.heads.is_empty() {
            self.reach = None;
        }
        self.check();
    }

    /// Forgets the diffs that came before `at`.
    pub(crate) fn forget_before(&mut self, at: Nanos) {
        let old = self.heads.iter().take_while(|head| head.at < at).count();
        self.drop_first(old);
    }

    pub(crate) fn first(&self) -> Option<&Diff> {
        self.heads.front().map(|head| &head.diff)
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
        let mut dropped = 0;
        while !self.heads.is_empty()
            && (self.heads.len() == BUFFER_DIFFS || self.levels.len() + more > BUFFER_LEVELS)
        {
            self.drop_first(1);
            dropped += 1;
        }
        if more > BUFFER_LEVELS {
            self.reach = self.reach.max(Some(diff.last_id));
            return dropped + 1;
        }
        self.reach = self.reach.or(Some(diff.last_id));
        self.levels.extend(bids);
        self.levels.extend(asks);
        self.heads.push_back(Head {
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
        debug_assert!(count <= self.heads.len());
        for head in self.heads.drain(..count) {
            self.levels.drain(..head.bids + head.asks);
            self.reach = self.reach.max(Some(head.diff.last_id));
        }
        self.check();
    }

    /// The diffs, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Held<'_>> {
        let mut from = 0;
        self.heads.iter().map(move |head| {
            let middle = from + head.bids;
            let bids = self.levels.range(from..middle).copied();
            from = middle + head.asks;
            Held {
                at: head.at,
                line: head.line,
                diff: &head.diff,
                bids,
                asks: self.levels.range(middle..from).copied(),
            }
        })
    }

    /// Looks at both ends; the others held before.
    fn check(&self) {
        let fits = |head: &Head| head.bids + head.asks <= self.levels.len();
        debug_assert!(self.heads.len() <= BUFFER_DIFFS);
        debug_assert!(self.levels.len() <= BUFFER_LEVELS);
        debug_assert!(!self.heads.is_empty() || self.levels.is_empty());
        debug_assert!(self.heads.is_empty() || self.reach.is_some());
        debug_assert!(self.heads.front().is_none_or(fits));
        debug_assert!(self.heads.back().is_none_or(fits));
    }

    /// The whole invariant.
    #[cfg(test)]
    pub(crate) fn check_all(&self) {
        let levels = self.heads.iter().map(|head| head.bids + head.asks);
        assert_eq!(levels.sum::<usize>(), self.levels.len());
        self.check();
    }
}
