//! What a feed knows of its lines: which are up, how their frames are numbered, and what they said
//! to their owner. Knows no book.

use crate::base::note::NOTE_TEXT_MAX;
use crate::base::{Channel, InstrumentId};
use crate::market::LINES_MAX;
use arrayvec::ArrayVec;
use std::collections::VecDeque;

/// What a line said that its owner must know: answers, evidence, and requests of the exchange's
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The exchange answered a request of ours.
    Answer {
        /// The request's number.
        id: u64,
        /// The exchange's code if it refused.
        refused: Option<i64>,
    },
    /// The exchange answered about one stream.
    Subscribed {
        /// Whose stream.
        instrument: InstrumentId,
        /// Which stream.
        channel: Channel,
        /// The exchange's code if it refused.
        refused: Option<i64>,
    },
    /// The first data of this stream on this connection: the subscription works.
    Data {
        /// Whose stream.
        instrument: InstrumentId,
        /// Which stream.
        channel: Channel,
    },
    /// A message of this instrument's depth stream is longer than the exchange's messages may be.
    TooLong {
        /// Whose stream.
        instrument: InstrumentId,
    },
    /// The exchange wants this text back at once.
    Reply(&'static str),
    /// The exchange is about to cut this connection.
    Shutdown,
}

/// Room for what was heard, before its queue must grow.
const HEARD: usize = 256;

/// The lines of one feed.
///
/// A feed's streams are in parts. All of them begin in part 0; what a session of the exchange does
/// not take beside the others moves on to the next part. Each stream is in one part, and so is each
/// line: lines of one part carry the same.
///
/// Invariant: `many` says that more than one line is up.
#[derive(Debug)]
pub(super) struct Lines {
    up: [bool; LINES_MAX],
    many: bool,
    parts: [u8; LINES_MAX],
    /// The number of each line's newest connection.
    epochs: [u32; LINES_MAX],
    /// What comes is a recording: where a stream comes is where it was carried.
    recorded: bool,
    /// The number of the last frame, if the exchange numbers them.
    seq: [Option<u64>; LINES_MAX],
    reconnect: [bool; LINES_MAX],
    heard: VecDeque<(u8, Heard)>,
    /// The frame of the last refusal, as much of it as a note takes.
    refusal: ArrayVec<u8, NOTE_TEXT_MAX>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self {
            up: [false; LINES_MAX],
            many: false,
            parts: [0; LINES_MAX],
            epochs: [0; LINES_MAX],
            recorded: false,
            seq: [None; LINES_MAX],
            reconnect: [false; LINES_MAX],
            heard: VecDeque::with_capacity(HEARD),
            refusal: ArrayVec::new(),
        }
    }

    /// From its next connection on the line carries this part.
    pub(crate) fn join(&mut self, line: u8, part: u8) {
        self.parts[usize::from(line)] = part;
    }

    /// The part that the line carries.
    pub(crate) fn part(&self, line: u8) -> u8 {
        self.parts[usize::from(line)]
    }

    /// The line begins. True if no other line of its part is up.
    pub(crate) fn connect(&mut self, line: u8, epoch: u32) -> bool {
        self.set_up(line, false);
        let first = self.up_in(self.part(line)).next().is_none();
        self.set_up(line, true);
        self.epochs[usize::from(line)] = epoch;
        debug_assert!(self.up_in(self.part(line)).any(|up| up == (line, epoch)));
        first
    }

    /// The line ends. True if no other line of its part is up.
    pub(crate) fn disconnect(&mut self, line: u8) -> bool {
        self.set_up(line, false);
        debug_assert!(!self.up_in(self.part(line)).any(|(up, _)| up == line));
        self.up_in(self.part(line)).next().is_none()
    }

    /// Forgets what the line counted.
    fn set_up(&mut self, line: u8, up: bool) {
        let at = usize::from(line);
        (self.up[at], self.seq[at], self.reconnect[at]) = (up, None, false);
        self.many = self.up.iter().filter(|up| **up).count() > 1;
        debug_assert!(!self.many || self.up != [false; LINES_MAX]);
        debug_assert_eq!(self.up[at], up);
    }

    /// More than one is up: the same news may come more than once.
    pub(crate) fn many(&self) -> bool {
        self.many
    }

    /// No line before this one is up in the same part.
    pub(crate) fn is_first(&self, line: u8) -> bool {
        let at = usize::from(line);
        let mut before = self.up[..at].iter().zip(&self.parts[..at]);
        !before.any(|(up, part)| *up && *part == self.parts[at])
    }

    /// The lines of this part that are up, with their epochs.
    pub(crate) fn up_in(&self, part: u8) -> impl Iterator<Item = (u8, u32)> {
        let lines = (0..).zip(self.up.iter().zip(self.parts.iter().zip(&self.epochs)));
        let ours = lines.filter(move |(_, (up, (of, _)))| **up && **of == part);
        ours.map(|(line, (_, (_, epoch)))| (line, *epoch))
    }

    /// What comes from here on is a recording.
    pub(crate) fn set_recorded(&mut self) {
        self.recorded = true;
    }

    /// See [`Self::set_recorded`].
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// A frame whose number was not read came.
    pub(crate) fn step_over(&mut self, line: u8) {
        if let Some(number) = &mut self.seq[usize::from(line)] {
            *number = number.saturating_add(1); // The exchange's own, and the largest may be next.
        }
    }

    /// Takes a frame's number. False if numbers before it are missing.
    pub(crate) fn follows(&mut self, line: u8, number: u64) -> bool {
        let before = self.seq[usize::from(line)].replace(number);
        before.is_none_or(|before| before.checked_add(1) == Some(number))
    }

    /// Asks for a new connection of this line.
    pub(crate) fn want_reconnect(&mut self, line: u8) {
        self.reconnect[usize::from(line)] = true;
    }

    /// A line whose connection must be replaced, once.
    pub(crate) fn take_reconnect(&mut self) -> Option<u8> {
        let at = self.reconnect.iter().position(|wanted| *wanted)?;
        self.reconnect[at] = false;
        debug_assert!(at < LINES_MAX);
        Some(at as u8)
    }

    /// The exchange refused something in this frame.
    pub(crate) fn refuse(&mut self, frame: &[u8]) {
        self.refusal.clear();
        let n = frame.len().min(NOTE_TEXT_MAX);
        self.refusal.extend(frame[..n].iter().copied());
        debug_assert_eq!(self.refusal.len(), n);
    }

    /// What the exchange said with its last refusal.
    pub(crate) fn refusal(&self) -> &[u8] {
        &self.refusal
    }

    pub(crate) fn hear(&mut self, line: u8, heard: Heard) {
        self.heard.push_back((line, heard));
    }

    pub(crate) fn take_heard(&mut self) -> Option<(u8, Heard)> {
        self.heard.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are the exchange's: whatever it counts to ends no process.
    #[test]
    fn nothing_follows_the_largest_number_and_stepping_over_it_is_none() {
        let mut lines = Lines::new();
        assert!(lines.follows(0, u64::MAX));
        lines.step_over(0);
        assert!(!lines.follows(0, 0));
        lines.step_over(0);
        assert!(lines.follows(0, 2));
    }

    #[test]
    fn many_says_that_more_than_one_is_up_and_first_and_last_are_of_their_part() {
        let mut lines = Lines::new();
        lines.join(2, 1);
        assert_eq!(
            [0, 1, 2].map(|line| lines.connect(line, 7)),
            [true, false, true]
        );
        assert_eq!(
            [0, 1, 2].map(|line| lines.is_first(line)),
            [true, false, true]
        );
        assert_eq!(lines.up_in(0).collect::<Vec<_>>(), [(0, 7), (1, 7)]);
        let down = [0, 1].map(|line| (lines.disconnect(line), lines.many()));
        assert_eq!(down, [(false, true), (true, false)]);
        assert!(lines.disconnect(2));
    }
}
