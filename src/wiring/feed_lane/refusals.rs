//! What a lane says of the exchange's refusals, in the exchange's own words.

use super::subscriptions::Refusal;
use super::{FeedLane, Turn};
use crate::base::{Nanos, Severity, Value};
use crate::conn::Transport;

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// A request was refused, and the exchange does not say which one.
    pub(super) fn tell_nameless(&self, turn: &mut Turn, now: Nanos, at: usize, code: i64) {
        let note = self.note(now, Severity::Warn, "request.refused", at);
        let note = note.with("code", Value::Int(code));
        turn.notes.send(note.text(&self.feed.refusal_text()));
    }

    /// A stream was refused, if that is news.
    pub(super) fn tell_refusal(
        &self,
        turn: &mut Turn,
        now: Nanos,
        at: usize,
        refusal: Option<Refusal>,
    ) {
        let Some(Refusal {
            instrument,
            channel,
            code,
        }) = refusal
        else {
            return;
        };
        let note = self
            .note(now, Severity::Error, "subscribe.refused", at)
            .instrument(instrument)
            .with("channel", Value::Word(channel.name()))
            .with("code", Value::Int(code));
        turn.notes.send(note.text(&self.feed.refusal_text()));
    }
}
