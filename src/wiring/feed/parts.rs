//! The part of [`Feed`] for its lines: which of them carries which of its streams, and what becomes
//! of the books when one comes or goes. Reads no frame.

use super::{Feed, LINES_MAX};
use crate::base::{Channel, InstrumentId, Nanos, Note, Severity, Status, Value};
use crate::wiring::turn::Turn;

impl<const N: usize> Feed<N> {
    /// The line carries this part from its next connection on. Every line begins with part 0, and
    /// so does every stream.
    pub(crate) fn join(&mut self, line: u8, part: u8) {
        self.lines.join(line, part);
    }

    /// The line is up, on its connection number `epoch`. If no other one of its part was, each book
    /// of the part starts empty.
    pub fn handle_connected(&mut self, turn: &mut Turn, now: Nanos, line: u8, epoch: u32) {
        assert!(usize::from(line) < LINES_MAX, "a line too many");
        self.age.look(now, turn.clock.unix());
        let first = self.lines.connect(line, epoch);
        let part = self.lines.part(line);
        self.restart_pace(part);
        self.each(|slot, out| {
            slot.connected(now, line, (part, epoch), first);
            slot.tell_now(out, turn, now, "connected");
        });
    }

    /// The line ended. With the last one of its part each book of the part goes dark at once, and
    /// no other.
    pub fn handle_disconnected(&mut self, turn: &mut Turn, now: Nanos, line: u8) {
        let last = self.lines.disconnect(line);
        let part = self.lines.part(line);
        self.restart_pace(part);
        self.each(|slot, out| {
            slot.disconnected(now, line, part, last);
            slot.tell_now(out, turn, now, "disconnected");
        });
    }

    fn restart_pace(&mut self, part: u8) {
        for (place, slot) in self.slots.iter().enumerate() {
            if slot.is_in(Channel::Depth, part) {
                self.pace.restart_one(place);
            }
        }
    }

    /// The lines of this part carry the stream from here on, and no other line does. A book starts
    /// from nothing there.
    pub(crate) fn handle_moved(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        (id, channel): (InstrumentId, Channel),
        part: u8,
    ) {
        self.with(id, |slot, out| {
            if slot.moved(now, channel, part, out.lines) {
                slot.tell_now(out, turn, now, "moved to another connection");
            }
        });
    }

    /// The exchange confirmed this stream on this line, or refused it: only a stream that is there
    /// keeps a book.
    pub(crate) fn handle_subscribed(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        line: u8,
        (id, channel): (InstrumentId, Channel),
        confirmed: bool,
    ) {
        if channel == Channel::Depth
            && let Some(&place) = self.places.get(id.index())
        {
            self.pace.restart_one(place.into());
        }
        let at = (line, self.lines.part(line));
        self.with(id, |slot, out| {
            slot.subscribed(now, at, channel, confirmed);
            slot.tell_now(out, turn, now, "refused");
        });
    }

    /// As `handle_subscribed`, of every book on this line: what was recorded was subscribed
    /// to, whether or not the answers are in the recording. From here on a stream is in the part of
    /// the line on which it comes.
    pub fn handle_recorded(&mut self, turn: &mut Turn, now: Nanos, line: u8) {
        self.lines.set_recorded();
        for place in 0..self.instruments.len() {
            let stream = (self.instruments[place].id, Channel::Depth);
            self.handle_subscribed(turn, now, line, stream, true);
        }
    }

    /// The recording has a snapshot of this instrument for this line: it carried the book.
    pub(crate) fn handle_snapshot_recorded(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        line: u8,
        id: InstrumentId,
    ) {
        self.with(id, |slot, out| {
            slot.follow(now, line, Channel::Depth, out.lines);
            slot.tell_now(out, turn, now, "moved to another connection");
        });
    }

    /// The number of the frame that was decoded, if its line has numbers: none before it may be
    /// missing.
    pub(super) fn handle_number(&mut self, turn: &mut Turn, now: Nanos, line: u8) {
        if self.depth.rule.numbered_line
            && let Some(number) = self.words.line_seq()
            && !self.lines.follows(line, number)
        {
            self.handle_line_gap(turn, now, line, number);
        }
    }

    /// Frames of the line are missing: what they changed is unknown, of every book that it carries.
    fn handle_line_gap(&mut self, turn: &mut Turn, now: Nanos, line: u8, number: u64) {
        self.counters.line_gaps += 1;
        self.lines.want_reconnect(line);
        turn.notes.send(
            Note::new(now, Severity::Warn, "line.gap")
                .exchange(self.exchange.name())
                .with("line", Value::Int(line.into()))
                .with("number", Value::Int(number as i64)),
        );
        let part = self.lines.part(line);
        self.each(|slot, out| {
            let carried = slot.is_in(Channel::Depth, part);
            if let Some(book) = slot.book.as_mut().filter(|_| carried)
                && book.status() != Status::Buffering
            {
                book.handle_line_replaced(now);
                slot.tell_now(out, turn, now, "frames are missing");
            }
        });
    }

    /// Books that strategies may read now, of those that this line carries.
    pub(crate) fn live_books_on(&self, line: u8) -> usize {
        let part = self.lines.part(line);
        let ours = self.slots.iter();
        let ours = ours.filter(|slot| slot.is_in(Channel::Depth, part));
        ours.filter(|slot| slot.is_live()).count()
    }
}
