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
/// Frames of one book that may come again, at most; the oldest give way.
const TOLD_MAX: usize = 4_096;

/// The faults of one connection's books. Books are named by their listings.
#[derive(Debug, Default)]
pub(crate) struct Spoiler {
    /// A frame that comes after the next one of its book.
    held: BTreeMap<usize, Frame>,
    /// Frames that are late, in the order in which they come.
    late: VecDeque<(Nanos, usize, Frame)>,
    /// What was said of late, as long as it may be said again.
    told: BTreeMap<usize, VecDeque<(Nanos, Frame)>>,
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
        let wanted = schedule.wanted(MarketFault::Repeated);
        let mut strike = |fault| schedule.strike(now, fault, Some(listing));
        let mut hits = |fault| strike(fault).is_some();
        if hits(MarketFault::Silent) || hits(MarketFault::Gap) {
            return;
        }
        let corrupt = hits(MarketFault::Corrupt);
        let twice = hits(MarketFault::Duplicate);
        if hits(MarketFault::Checksum) {
            text::other_checksum(&mut frame);
        }
        if hits(MarketFault::UnknownField) {
            text::unknown_fields(&mut frame);
        }
        let prose = hits(MarketFault::Prose).then(text::prose);
        let unknown = hits(MarketFault::UnknownEvent).then(text::unknown);
        let before = self.held.remove(&listing);
        if before.is_none() && hits(MarketFault::Reorder) {
            self.held.insert(listing, frame);
            return;
        }
        let late = strike(MarketFault::Late).map(|late| Span::from_millis(late.amount));
        let repeated = strike(MarketFault::Repeated).map(|again| again.amount);
        if corrupt {
            text::corrupt(&mut frame, schedule.dice());
        }
        let again = twice.then(|| frame.clone());
        let all = [prose, unknown, Some(frame), again, before];
        let mut all: Vec<Frame> = all.into_iter().flatten().collect();
        self.remember(now, listing, &all, wanted);
        if let Some(back_ms) = repeated {
            let told = self.told.get(&listing).into_iter().flatten();
            let since = told.filter(|(at, _)| now.since(*at) <= Span::from_millis(back_ms));
            all.extend(since.map(|(_, frame)| frame.clone()));
        }
        for frame in all {
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

    /// Keeps what is said, if a planned fault will say it again.
    fn remember(&mut self, now: Nanos, listing: usize, frames: &[Frame], back_ms: Option<u64>) {
        let Some(back_ms) = back_ms else {
            self.told.clear();
            return;
        };
        let told = self.told.entry(listing).or_default();
        told.extend(frames.iter().map(|frame| (now, frame.clone())));
        let back = Span::from_millis(back_ms);
        while told.len() > TOLD_MAX || told.front().is_some_and(|(at, _)| now.since(*at) > back) {
            told.pop_front();
        }
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
