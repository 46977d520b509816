//! Which lines feed a book, and which of them was first with each update. Holds ids and times,
//! never a level.

use crate::base::Nanos;

/// Lines that may feed one book.
pub const LINES_MAX: usize = 4;
/// How long a message with a hole before it waits for another line to fill it.
pub const HEAL_NS_MAX: u64 = 500_000_000;
/// Updates that a line may be behind the first one and still be compared with it.
pub const LEAD_IDS: usize = 256;

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

/// The lines of one book.
///
/// Invariant: `len <= LEAD_IDS` and `next < LEAD_IDS`.
#[derive(Debug)]
pub struct Lines {
    up: [bool; LINES_MAX],
    firsts: Box<[First; LEAD_IDS]>,
    len: usize,
    next: usize,
    lead: Option<(u8, u64)>,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            up: [false; LINES_MAX],
            firsts: Box::new([First::default(); LEAD_IDS]),
            len: 0,
            next: 0,
            lead: None,
        }
    }

    pub fn set_up(&mut self, line: u8, up: bool) {
        if let Some(slot) = self.up.get_mut(usize::from(line)) {
            *slot = up;
        }
    }

    /// More than one is up.
    pub fn many(&self) -> bool {
        self.count() > 1
    }

    pub fn count(&self) -> usize {
        self.up.iter().filter(|up| **up).count()
    }

    /// Those that are up.
    pub fn up(&self) -> [bool; LINES_MAX] {
        self.up
    }

    /// The book starts anew: what came before is nothing to compare with.
    pub fn clear(&mut self) {
        (self.len, self.next, self.lead) = (0, 0, None);
    }

    /// The line brought an update that was applied.
    pub fn won(&mut self, now: Nanos, line: u8, id: u64, prev_id: Option<u64>) {
        self.firsts[self.next] = First {
            id,
            prev_id,
            at: now,
            line,
            met: false,
        };
        self.next = (self.next + 1) % LEAD_IDS;
        self.len = (self.len + 1).min(LEAD_IDS);
    }

    /// True where another line had brought this update before. The first time that is the winner's
    /// lead.
    pub fn lost(&mut self, now: Nanos, line: u8, id: u64, prev_id: Option<u64>) -> bool {
        let known = &mut self.firsts[..self.len];
        let same =
            |first: &&mut First| first.id == id && first.prev_id == prev_id && first.line != line;
        let Some(first) = known.iter_mut().find(same) else {
            return false;
        };
        if !std::mem::replace(&mut first.met, true) {
            self.lead = Some((first.line, now.since(first.at)));
        }
        true
    }

    /// This update was applied lately.
    pub fn knows(&self, id: u64, prev_id: Option<u64>) -> bool {
        let known = &self.firsts[..self.len];
        let same = |first: &First| first.id == id && first.prev_id == prev_id;
        known.iter().any(same)
    }

    /// The winner's line and its lead in nanoseconds, once.
    pub fn take_lead(&mut self) -> Option<(u8, u64)> {
        self.lead.take()
    }
}
