//! Which lines feed a book, and which of them was first with each update. Holds ids and times,
//! never a level.

use crate::base::{Diff, Nanos, Span};
use std::cmp::Ordering;

/// Lines that a lane may have: three that carry the same, one that takes the place of another, and
/// four for what a session of the exchange does not take beside the rest.
pub(crate) const LINES_MAX: usize = 8;
/// How long a message with a hole before it waits for another line to fill it.
pub(crate) const HEAL_MAX: Span = Span::from_millis(500);
/// Updates that a line may be behind the first one and still be compared with it.
pub(crate) const LEAD_IDS: usize = 256;

/// An update that was applied: who brought it, and when.
#[derive(Debug, Clone, Copy, Default)]
struct First {
    id: u64,
    prev_id: Option<u64>,
    at: Nanos,
    line: u8,
    /// The second line brought it, too.
    met: bool,
}

impl First {
    fn is(&self, diff: &Diff) -> bool {
        self.id == diff.last_id && self.prev_id == diff.prev_id
    }
}

/// The lines of one book.
///
/// Invariant: `next < LEAD_IDS`, and `next == len` until `len == LEAD_IDS`.
#[derive(Debug)]
pub(crate) struct Lines {
    up: [bool; LINES_MAX],
    /// The newest id that each line's connection brought while there was no book. It outlives a
    /// lost book, as what is held may do.
    newest: [u64; LINES_MAX],
    /// Those whose connection is to be replaced.
    reconnect: [bool; LINES_MAX],
    firsts: Box<[First; LEAD_IDS]>,
    len: usize,
    next: usize,
    lead: Option<(u8, u64)>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self {
            up: [false; LINES_MAX],
            newest: [0; LINES_MAX],
            reconnect: [false; LINES_MAX],
            firsts: Box::new([First::default(); LEAD_IDS]),
            len: 0,
            next: 0,
            lead: None,
        }
    }

    /// The line is up. True if no other one is.
    pub(crate) fn handle_connected(&mut self, line: u8) -> bool {
        let at = usize::from(line);
        assert!(at < LINES_MAX, "a line too many");
        self.up[at] = false;
        let first = self.none();
        if first {
            self.reconnect = [false; LINES_MAX];
        }
        (self.up[at], self.newest[at]) = (true, 0);
        debug_assert!(!self.none());
        first
    }

    /// The line ended. True if no other one is up.
    pub(crate) fn handle_disconnected(&mut self, line: u8) -> bool {
        self.up[usize::from(line)] = false;
        let last = self.none();
        if last {
            self.reconnect = [false; LINES_MAX];
        }
        debug_assert!(!last || self.reconnect == [false; LINES_MAX]);
        last
    }

    /// None is up.
    pub(crate) fn none(&self) -> bool {
        self.up == [false; LINES_MAX]
    }

    /// This line feeds the book.
    pub(crate) fn is_up(&self, line: u8) -> bool {
        self.up.get(usize::from(line)) == Some(&true)
    }

    /// More than one is up.
    pub(crate) fn many(&self) -> bool {
        self.up.iter().filter(|up| **up).count() > 1
    }

    /// The book starts from nothing: what came before cannot be compared with it.
    pub(crate) fn clear(&mut self) {
        (self.len, self.next, self.lead) = (0, 0, None);
        self.check();
    }

    /// How a diff that waits for a book compares with the newest one of its line.
    pub(crate) fn handle_waiting(&mut self, line: u8, id: u64) -> Ordering {
        let newest = &mut self.newest[usize::from(line)];
        let order = id.cmp(newest);
        *newest = id.max(*newest);
        order
    }

    /// The exchange counts on from this id: what was newer was of another count.
    pub(crate) fn step_back(&mut self, id: u64) {
        self.newest = self.newest.map(|newest| newest.min(id));
        debug_assert!(self.newest.iter().all(|newest| *newest <= id));
    }

    /// The line brought an update that was applied.
    pub(crate) fn handle_first(&mut self, at: Nanos, line: u8, diff: &Diff) {
        self.firsts[self.next] = First {
            id: diff.last_id,
            prev_id: diff.prev_id,
            at,
            line,
            met: false,
        };
        self.next = (self.next + 1) % LEAD_IDS;
        self.len = (self.len + 1).min(LEAD_IDS);
        self.check();
    }

    /// True if another line had brought this update before. The first time that is the winner's
    /// lead.
    pub(crate) fn handle_again(&mut self, now: Nanos, line: u8, diff: &Diff) -> bool {
        let mut known = self.firsts[..self.len].iter_mut();
        let Some(first) = known.find(|first| first.is(diff) && first.line != line) else {
            return false;
        };
        if !std::mem::replace(&mut first.met, true) {
            self.lead = Some((first.line, now.since(first.at).0));
        }
        self.check();
        true
    }

    /// This update was applied lately.
    pub(crate) fn knows(&self, diff: &Diff) -> bool {
        self.firsts[..self.len].iter().any(|first| first.is(diff))
    }

    /// The connection of every line that is up is to be replaced.
    pub(crate) fn want_reconnect(&mut self) {
        self.reconnect = self.up;
    }

    /// A line whose connection is to be replaced, once.
    pub(crate) fn poll_output(&mut self) -> Option<u8> {
        let line = self.reconnect.iter().position(|wanted| *wanted)?;
        self.reconnect[line] = false;
        Some(line as u8)
    }

    /// The winner's line and its lead in nanoseconds, once.
    pub(crate) fn poll_lead(&mut self) -> Option<(u8, u64)> {
        self.lead.take()
    }

    fn check(&self) {
        debug_assert!(self.next < LEAD_IDS);
        debug_assert!(self.len <= LEAD_IDS);
        debug_assert!(self.len == LEAD_IDS || self.next == self.len);
        debug_assert!(
            self.lead
                .is_none_or(|(line, _)| usize::from(line) < LINES_MAX)
        );
    }
}
