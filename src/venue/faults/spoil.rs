//! What faults make of the frames of one connection: it hands frames in that are about a book, and
//! gets back what goes out instead. Keeps what is late or comes again; parses nothing.

use super::market::MarketFault;
use super::schedule::Schedule;
use super::text;
pub(crate) use super::text::Frame;
use crate::base::{Nanos, Span};
use std::collections::{BTreeMap, VecDeque};

/// Frames of one connection that are late, at most; further ones are lost.
const LATE_MAX: usize = 65_536;

/// The faults of one connection's books. Books are named by their listings.
#[derive(Debug, Default)]
pub(crate) struct Spoiler {
    /// A frame that comes after the next one of its book.
    held: BTreeMap<usize, Frame>,
    /// Frames that are late, in the order in which they come.
    late: VecDeque<(Nanos, usize, Frame)>,
}

impl Spoiler {
    /// What goes out at `now` in the place of a frame about this book.
    pub(crate) fn handle_frame(
        &mut self,
        now: Nanos,
        listing: usize,
        mut frame: Frame,
        schedule: &mut Schedule,
        out: &mut Vec<Frame>,
    ) {
        let mut strike = |fault| schedule.strike(now, fault, Some(listing));
        if strike(MarketFault::Silent).is_some() || strike(MarketFault::Gap).is_some() {
            return;
        }
        let corrupt = strike(MarketFault::Corrupt).is_some();
        let twice = strike(MarketFault::Duplicate).is_some();
        let late = strike(MarketFault::Late).map(|(by_ms, _)| Span::from_millis(by_ms));
        let before = self.held.remove(&listing);
        if before.is_none() && strike(MarketFault::Reorder).is_some() {
            self.held.insert(listing, frame);
            return;
        }
        if corrupt {
            text::corrupt(&mut frame, schedule.dice());
        }
        let again = twice.then(|| frame.clone());
        for frame in [Some(frame), again, before].into_iter().flatten() {
            self.say(now, listing, late, frame, out);
        }
    }

    /// Says what was late and is due.
    pub(crate) fn handle_timeout(&mut self, now: Nanos, out: &mut Vec<Frame>) {
        while let Some((due, ..)) = self.late.front()
            && *due <= now
            && let Some((.., frame)) = self.late.pop_front()
        {
            out.push(frame);
        }
    }

    /// When something that is late is due.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.late.front().map_or(Nanos::NEVER, |(due, ..)| *due)
    }

    /// A frame that is not late waits all the same for those of its book that are.
    fn say(
        &mut self,
        now: Nanos,
        listing: usize,
        late: Option<Span>,
        frame: Frame,
        out: &mut Vec<Frame>,
    ) {
        let before = self.late.iter().rev().find(|(_, of, _)| *of == listing);
        let before = before.map(|(due, ..)| *due);
        let due = late.map_or(now, |by| now + by);
        let due = before.map_or(due, |before| before.max(due));
        if due <= now {
            out.push(frame);
        } else if self.late.len() < LATE_MAX {
            let place = self.late.partition_point(|(other, ..)| *other <= due);
            self.late.insert(place, (due, listing, frame));
        }
    }
}
