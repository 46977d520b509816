//! The part of [`BookBuilder`] for whether its stream is there at all: confirmed, refused, or dead.
//! A snapshot alone makes no book live. Reads no level.

use super::dark::{Dark, Trouble};
use super::lines::LINES_MAX;
use super::sync::{BookBuilder, RENEWALS_MAX};
use crate::base::feed::SnapshotFrom;
use crate::base::{Nanos, Status};

impl<const N: usize> BookBuilder<N> {
    /// Why the book may not be read; `None` where it may.
    pub fn dark(&self) -> Option<Dark> {
        let rest = self.rule.snapshot == SnapshotFrom::Rest;
        match self.status {
            Status::Live => None,
            Status::Connecting => Some(Dark::NoConnection),
            _ if self.refused && !self.is_heard() => Some(Dark::Refused),
            _ if self.doubted => Some(Dark::Dead),
            Status::Stale => Some(Dark::Silent),
            Status::Buffering | Status::Resyncing if !self.is_heard() => Some(Dark::NotBegun),
            Status::Buffering | Status::Resyncing if rest => Some(self.trouble.dark()),
            Status::Buffering | Status::Resyncing => Some(match self.trouble {
                Trouble::None => Dark::NoBook,
                trouble => trouble.dark(),
            }),
        }
    }

    /// The exchange confirmed the stream on this line. What was found dead must speak itself.
    pub fn handle_started(&mut self, now: Nanos, line: u8) {
        if self.status != Status::Connecting && !self.doubted {
            self.hear(now, line);
            self.tick(now);
        }
    }

    /// The exchange refused the stream on this line: without another line there is no book.
    pub fn handle_refused(&mut self, now: Nanos, line: u8) {
        self.heard[usize::from(line)] = false;
        self.refused = true;
        if self.is_heard() || self.status == Status::Connecting {
            return;
        }
        if let Status::Live | Status::Stale = self.status {
            self.resync(now);
        }
        self.fetch.stop(now);
    }

    /// Some line's stream has begun.
    pub(super) fn is_heard(&self) -> bool {
        self.heard.contains(&true)
    }

    /// The line's stream is there.
    pub(super) fn hear(&mut self, now: Nanos, line: u8) {
        let first = !self.is_heard();
        self.heard[usize::from(line)] = true;
        self.refused = false;
        let dark = matches!(self.status, Status::Buffering | Status::Resyncing);
        if first && dark && self.rule.snapshot == SnapshotFrom::Rest {
            self.fetch.begin(now);
        }
    }

    /// The stream speaks: nothing proves better that it is there.
    #[cold]
    pub(super) fn hear_data(&mut self, now: Nanos, line: u8) {
        if self.status != Status::Connecting {
            self.doubted = false;
            self.hear(now, line);
        }
    }

    /// The stream is dead: it is subscribed to again, and where that does not help its connection
    /// is replaced, ever more patiently.
    pub(super) fn revive(&mut self, now: Nanos) {
        self.doubted = true;
        self.heard = [false; LINES_MAX];
        match self.rhythm.revive(now) < RENEWALS_MAX {
            true => self.resub.ask(),
            false => self.reconnect = self.lines.up(),
        }
        self.owed_until = self.rhythm.reconnect_from();
    }
}
