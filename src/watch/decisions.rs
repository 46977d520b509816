//! `decisions.jsonl`: a line per order, made of the log records about it, and a line per example of
//! an intent that risk refused. `docs/decisions.md` has the fields. Decides nothing, and keeps
//! nothing of an order that has its end.

mod line;
mod story;

use super::log::Renderer;
use crate::base::{Nanos, Note, Span};
use std::collections::{BTreeMap, VecDeque};
use story::{Story, int, word};

/// Orders without a line, at most: more than may be open, with those that wait for their receipt.
const STORIES_MAX: usize = 4_096;
/// Records that may come before that of their order's admission, in all: it is the desk's, and
/// whoever has the order says so from a thread of its own, or first.
const EARLY_MAX: usize = 64;
/// An order may have its end before the exchange answered its request. Its receipt comes by then,
/// or never: the gateway gives up earlier.
const RECEIPT_PATIENCE: Span = Span::from_secs(5);

/// Joins records to lines.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    /// By order.
    stories: BTreeMap<i64, Story>,
    /// Orders that ended and wait for their receipt, the oldest end first.
    ended: VecDeque<(Nanos, i64)>,
    /// Records about orders that have no story, the oldest first.
    early: VecDeque<(i64, Note)>,
    /// Log records that were lost by the time when the channel was last empty: what was taken since
    /// then was sent after it.
    lost_before: u64,
    /// Lost by now.
    lost: u64,
    /// Orders that found no room here.
    untold: u64,
}

impl Decisions {
    /// Every record that was sent so far was taken, and so many were lost.
    pub(crate) fn handle_empty(&mut self, lost: u64) {
        self.lost_before = lost;
    }

    /// Records were lost: so many by now.
    pub(crate) fn handle_lost(&mut self, lost: u64) {
        self.lost = lost;
    }

    /// Takes in a record, and appends the lines that it completes.
    pub(crate) fn handle_note(&mut self, renderer: &Renderer<'_>, note: &Note, out: &mut String) {
        self.handle_time(renderer, note.at, out);
        if note.event == "order.refused" {
            return line::refused(renderer, note, out);
        }
        let Some(order) = int(note, "order") else {
            return;
        };
        match note.event {
            "order.admitted" | "order.unknown_found" => self.begin(renderer, order, note),
            // Its own record may have been lost, or belong to an earlier run.
            _ if note.event.starts_with("order.")
                && word(note, "side").is_some()
                && !self.stories.contains_key(&order) =>
            {
                self.begin(renderer, order, note);
                self.tell(renderer, order, note);
            }
            _ if self.stories.contains_key(&order) => self.tell(renderer, order, note),
            _ => self.keep_early(order, note),
        }
        self.conclude(renderer, order, note.at, out);
    }

    /// Appends the lines of orders whose receipt is waited for no longer.
    pub(crate) fn handle_time(&mut self, renderer: &Renderer<'_>, now: Nanos, out: &mut String) {
        while let Some((at, order)) = self.ended.front().copied()
            && at + RECEIPT_PATIENCE <= now
        {
            self.ended.pop_front();
            self.write(renderer, order, at, out);
        }
    }

    /// The run is over: appends the lines of all orders that have none.
    pub(crate) fn finish(&mut self, renderer: &Renderer<'_>, now: Nanos, out: &mut String) {
        self.ended.clear();
        while let Some((order, _)) = self.stories.first_key_value() {
            self.write(renderer, *order, now, out);
        }
    }

    /// Orders that have no line, because too many had none yet.
    pub(crate) fn untold(&self) -> u64 {
        self.untold
    }

    fn begin(&mut self, renderer: &Renderer<'_>, order: i64, note: &Note) {
        if let Some(old) = int(note, "replaces") {
            self.tell(renderer, old, note);
        }
        match self.stories.len() < STORIES_MAX {
            true => {
                let mut story = Story::new(note, self.lost_before);
                self.early.retain(|(of, early)| {
                    if *of == order {
                        story.handle_note(renderer, early);
                    }
                    *of != order
                });
                self.stories.insert(order, story);
            }
            false => self.untold += 1,
        }
    }

    fn keep_early(&mut self, order: i64, note: &Note) {
        if self.early.len() == EARLY_MAX {
            self.early.pop_front();
        }
        self.early.push_back((order, note.clone()));
    }

    fn tell(&mut self, renderer: &Renderer<'_>, order: i64, note: &Note) {
        if let Some(story) = self.stories.get_mut(&order) {
            story.handle_note(renderer, note);
        }
    }

    /// Writes the order's line if it has its end and nothing more will be said of it.
    fn conclude(&mut self, renderer: &Renderer<'_>, order: i64, now: Nanos, out: &mut String) {
        let Some(story) = self.stories.get_mut(&order) else {
            return;
        };
        match story.waits_for_receipt() {
            _ if story.end.is_none() => {}
            false => self.write(renderer, order, now, out),
            true if story.waiting => {}
            true => {
                story.waiting = true;
                self.ended.push_back((now, order));
            }
        }
    }

    fn write(&mut self, renderer: &Renderer<'_>, order: i64, now: Nanos, out: &mut String) {
        if let Some(story) = self.stories.remove(&order) {
            let lost = self.lost.saturating_sub(story.lost_before);
            line::order(renderer, order, &story, (now, lost), out);
        }
    }
}

#[cfg(test)]
mod tests;
