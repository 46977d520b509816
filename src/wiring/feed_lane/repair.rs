//! What a feed lane does about streams that are refused, silent or dead, and about connections that
//! end again and again. One dead product never takes its neighbours along.

use super::{FeedLane, Role};
use crate::base::{Channel, InstrumentId, Nanos, Note, Severity, Value};
use crate::conn::Transport;
use crate::wiring::turn::Turn;

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// Tells the books what became of their streams on this line.
    pub(super) fn handle_decided(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        while let Some((stream, confirmed)) = self.lines[at].subscriptions.poll_decided() {
            self.feed
                .handle_subscribed(turn, now, at as u8, stream, confirmed);
            if confirmed {
                self.lines[at].proven = true;
                self.homes.handle_confirmed(stream);
            }
        }
        self.tell_moved(turn, now, at);
        self.send_home(turn, now, at);
    }

    /// A stream on this line is dead: a fresh connection takes its place if there is one to
    /// spare; without, the connection ends only if it feeds no other book.
    pub(super) fn revive(&mut self, turn: &mut Turn, now: Nanos, id: InstrumentId, at: usize) {
        let whole = id == InstrumentId::NONE;
        let spared = self.heirs && self.lines.iter().any(|line| line.role == Role::Resting);
        let kept = !whole && !spared && self.feed.live_books_on(at as u8) > 0;
        let does = match (whole, spared, kept) {
            (false, true, _) => "replaced",
            (_, _, true) => "kept for its neighbours",
            (true, ..) | (false, false, false) => "restarted",
        };
        let note = self
            .note(now, Severity::Warn, "book.silent", at)
            .instrument(id)
            .with("connection", Value::Word(does));
        turn.notes.send(note);
        if !whole && spared && self.lines[at].role == Role::Regular {
            self.lines[at].replace_from = now;
            self.replace(turn, now);
        } else if !kept {
            self.lines[at].link.restart(now);
        }
    }

    /// Ends this stream and begins it again, on every line that carries it. False if none does.
    pub(super) fn resubscribe(&mut self, now: Nanos, id: InstrumentId, channel: Channel) -> bool {
        let mut any = false;
        for line in self.lines.iter_mut().filter(|line| line.is_open()) {
            any |= line.subscriptions.resubscribe(id, channel);
            line.send_waiting(now);
        }
        any
    }

    /// Trades or quotes are silent: says so, and subscribes to them again.
    pub(super) fn renew(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        channel: Channel,
    ) {
        if self.resubscribe(now, id, channel) {
            turn.notes.send(
                Note::new(now, Severity::Warn, "stream.silent")
                    .exchange(self.feed.exchange().name())
                    .instrument(id)
                    .with("channel", Value::Word(channel.name())),
            );
        }
    }

    /// The line that ended most often in a row for the same reason, if any did again and again.
    pub(super) fn keeps_closing(&self, now: Nanos) -> Option<(&'static str, u32)> {
        let lines = self.lines.iter();
        let (why, times) = lines
            .filter_map(|line| line.keeps_closing(now))
            .max_by_key(|(_, times)| *times)?;
        Some((why.name(), times))
    }
}
