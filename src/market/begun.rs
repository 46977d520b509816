//! Whether a book's stream is there at all: confirmed, heard, refused, or dead. Reads no level.

use super::dark::Dark;
use super::lines::LINES_MAX;

/// What is known of the stream on each line.
///
/// Invariant: `doubted` => heard on no line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Begun {
    /// Lines whose stream has said that it is there, in their connection.
    heard: [bool; LINES_MAX],
    /// A line was refused the stream, and none has had it since.
    refused: bool,
    /// The stream was found dead: only its data proves the contrary.
    doubted: bool,
}

impl Begun {
    /// Some line's stream has begun.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.contains(&true)
    }

    /// This line's stream has begun, and is believed.
    #[inline]
    pub(crate) fn is_heard_on(&self, line: u8) -> bool {
        self.heard[usize::from(line)]
    }

    /// The stream was found dead, and has not spoken since.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// The line begins or ends: its stream has to begin again.
    pub(crate) fn handle_line(&mut self, line: u8) {
        self.heard[usize::from(line)] = false;
        self.check();
    }

    /// The first line is up: a refusal is history.
    pub(crate) fn handle_first_line(&mut self) {
        self.refused = false;
        self.check();
    }

    /// The exchange confirmed the stream. True if it is believed and was heard on no line
    /// before.
    pub(crate) fn handle_confirmed(&mut self, line: u8) -> bool {
        !self.doubted && self.hear(line)
    }

    /// The exchange refused the stream, or ended it.
    pub(crate) fn handle_refused(&mut self, line: u8) {
        self.heard[usize::from(line)] = false;
        self.refused = true;
        self.check();
    }

    /// The stream speaks: nothing proves better that it is there. True if no line was heard
    /// before.
    pub(crate) fn handle_data(&mut self, line: u8) -> bool {
        self.doubted = false;
        self.hear(line)
    }

    /// The stream is dead, on every line.
    pub(crate) fn handle_dead(&mut self) {
        self.doubted = true;
        self.heard = [false; LINES_MAX];
        self.check();
    }

    /// What is wrong with the stream itself.
    pub(crate) fn dark(&self) -> Option<Dark> {
        match (self.refused && !self.is_heard(), self.doubted) {
            (true, _) => Some(Dark::Refused),
            (false, true) => Some(Dark::Dead),
            (false, false) => None,
        }
    }

    fn hear(&mut self, line: u8) -> bool {
        let first = !self.is_heard();
        self.heard[usize::from(line)] = true;
        self.refused = false;
        debug_assert!(self.dark().is_none());
        self.check();
        first
    }

    fn check(&self) {
        debug_assert!(!self.doubted || !self.is_heard());
    }
}
