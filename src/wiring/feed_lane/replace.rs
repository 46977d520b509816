//! How a fresh connection takes the place of a line that is about to end. Makes none itself.

use super::line::{Line, Role};
use super::{FeedLane, OVERLAP};
use crate::base::{Nanos, Severity, Value};
use crate::conn::Transport;
use crate::wiring::turn::Turn;

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// The line that is to replace this one.
    pub(super) fn heir(&self, at: usize) -> Option<usize> {
        let replaces = Role::Replaces(at as u8);
        self.lines.iter().position(|line| line.role == replaces)
    }

    /// The line that is to be replaced next, and when; none while that cannot be.
    pub(super) fn replaceable(&self) -> Option<(Nanos, usize)> {
        let mut lines = self.lines.iter().filter(|_| self.heirs);
        lines.find(|line| line.role == Role::Resting)?;
        let regular = self.lines.iter().enumerate();
        regular
            .filter(|(_, line)| line.role == Role::Regular && line.replace_from != Nanos::NEVER)
            .map(|(at, line)| (line.replace_from, at))
            .min()
    }

    /// Opens the line that takes the place of one whose time has come.
    pub(super) fn replace(&mut self, turn: &mut Turn, now: Nanos) {
        let Some((from, old)) = self.replaceable() else {
            return;
        };
        if now < from || self.heir(old).is_some() {
            return;
        }
        if let Some(heir) = self.lines.iter().position(Line::is_idle) {
            self.assign(heir, self.lines[old].part);
            self.lines[heir].role = Role::Replaces(old as u8);
            self.lines[heir].link.start(now);
            let note = self.note(now, Severity::Info, "link.replacing", old);
            turn.notes.send(note.with("by", Value::Int(heir as i64)));
            self.check();
        }
    }

    /// Closes the line that `heir` replaces, once both have carried the same for a while.
    pub(super) fn take_over(&mut self, now: Nanos, heir: usize) {
        let Role::Replaces(old) = self.lines[heir].role else {
            return;
        };
        let old = usize::from(old);
        let (new, before) = (&self.lines[heir], &self.lines[old]);
        let carries = new.is_open()
            && new.subscriptions.is_decided()
            && new.subscriptions.refused() <= before.subscriptions.refused();
        if !carries {
            self.lines[heir].takes_over = Nanos::NEVER;
        } else if self.lines[heir].takes_over == Nanos::NEVER {
            self.lines[heir].takes_over = now + OVERLAP;
        } else if now >= self.lines[heir].takes_over {
            self.lines[heir].role = Role::Regular;
            self.lines[heir].takes_over = Nanos::NEVER;
            self.lines[old].role = Role::Resting;
            self.lines[old].link.shutdown(now); // What follows comes with its `Closed`.
            self.check();
        }
    }
}
