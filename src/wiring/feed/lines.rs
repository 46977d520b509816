//! What a feed knows of its lines: which are up, how their frames are numbered, and what they said to their owner.
//! Knows no book.

use crate::base::note::NOTE_TEXT_MAX;
use crate::base::{Channel, InstrumentId};
use crate::market::LINES_MAX;
use arrayvec::ArrayVec;
use std::collections::VecDeque;

/// What a line said that its owner must know: answers, evidence, and requests of the exchange's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The exchange answered a request of ours.
    Answer {
        /// The request's number.
        id: u64,
        /// The exchange's code where it refused.
        refused: Option<i64>,
    },
    /// The exchange answered about one stream.
    Subscribed {
        /// Whose stream.
        instrument: InstrumentId,
        /// Which stream.
        channel: Channel,
        /// The exchange's code where it refused.
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
#[derive(Debug)]
pub(super) struct Lines {
    up: [bool; LINES_MAX],
    /// The number of the last frame, where the exchange numbers them.
    seq: [Option<u64>; LINES_MAX],
    reconnect: [bool; LINES_MAX],
    heard: VecDeque<(u8, Heard)>,
    /// The frame of the last refusal, as much of it as a note takes.
    refusal: ArrayVec<u8, NOTE_TEXT_MAX>,
}

impl Lines {
    pub fn new() -> Self {
        Self {
            up: [false; LINES_MAX],
            seq: [None; LINES_MAX],
            reconnect: [false; LINES_MAX],
            heard: VecDeque::with_capacity(HEARD),
            refusal: ArrayVec::new(),
        }
    }

    /// The line begins, or ends: nothing of what it counted holds any more.
    pub fn set_up(&mut self, line: u8, up: bool) {
        let at = usize::from(line);
        (self.up[at], self.seq[at], self.reconnect[at]) = (up, None, false);
    }

    /// More than one is up: the same news may come more than once.
    pub fn many(&self) -> bool {
        self.up.iter().filter(|up| **up).count() > 1
    }

    /// The first one that is up.
    pub fn first(&self) -> Option<u8> {
        (0..)
            .zip(&self.up)
            .find_map(|(line, up)| up.then_some(line))
    }

    /// A frame whose number was not read came.
    pub fn step_over(&mut self, line: u8) {
        if let Some(number) = &mut self.seq[usize::from(line)] {
            *number += 1;
        }
    }

    /// Takes a frame's number. False where numbers before it are missing.
    pub fn follows(&mut self, line: u8, number: u64) -> bool {
        let before = self.seq[usize::from(line)].replace(number);
        before.is_none_or(|before| before.checked_add(1) == Some(number))
    }

    /// Asks for a new connection of this line.
    pub fn want_reconnect(&mut self, line: u8) {
        self.reconnect[usize::from(line)] = true;
    }

    /// A line that must be connected anew, once.
    pub fn take_reconnect(&mut self) -> Option<u8> {
        let at = self.reconnect.iter().position(|wanted| *wanted)?;
        self.reconnect[at] = false;
        Some(at as u8)
    }

    /// The exchange refused something in this frame.
    pub fn refuse(&mut self, frame: &[u8]) {
        self.refusal.clear();
        let n = frame.len().min(NOTE_TEXT_MAX);
        self.refusal.extend(frame[..n].iter().copied());
    }

    /// What the exchange said with its last refusal.
    pub fn refusal(&self) -> &[u8] {
        &self.refusal
    }

    pub fn hear(&mut self, line: u8, heard: Heard) {
        self.heard.push_back((line, heard));
    }

    pub fn take_heard(&mut self) -> Option<(u8, Heard)> {
        self.heard.pop_front()
    }
}
