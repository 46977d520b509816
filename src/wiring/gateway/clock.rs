//! By which clock a gateway dates its requests. Sends no order.

use super::super::their_clock::clock_note;
use super::*;
use crate::base::ServerTime;

/// Exchanges count their time in milliseconds at the coarsest.
const TIME_UNIT_NS: i64 = 1_000_000;

impl<S: Transport> Gateway<S> {
    pub(super) fn log_on(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        let theirs = self.clock.shows(now, turn.clock.unix());
        let logon = self.codec.logon(theirs);
        if logon.is_empty() {
            return self.handle_logged_on(turn, now, at);
        }
        let asked = pending(RequestKey::Logon, InstrumentId::NONE, now);
        if send(&mut self.lines[at], logon, asked).is_err() {
            self.lines[at].link.restart(now);
        }
    }

    /// The exchange found the time in a request wrong: it is asked for its own, once at a time.
    pub(super) fn ask_time(&mut self, now: Nanos, at: usize) {
        if !self.lines[at].has_asked(RequestKey::Time) {
            let time = self.codec.time().as_bytes();
            let asked = pending(RequestKey::Time, InstrumentId::NONE, now);
            let _ = send(&mut self.lines[at], time, asked); // A later refusal asks again.
        }
    }

    pub(super) fn learn_time(&mut self, turn: &mut Turn, now: Nanos, time: ServerTime) {
        if let Some(verdict) = self.clock.handle_time(time, now, turn.clock.unix()) {
            let note = clock_note(now, verdict).exchange(self.exchange);
            turn.notes
                .send(note.epoch(self.lines[TRADING].link.epoch()));
        }
    }

    /// An answer that is here at `received` says what the exchange's clock showed since the request
    /// was `sent`.
    pub(super) fn told_time(
        &mut self,
        turn: &mut Turn,
        (sent, received): (Nanos, Nanos),
        shown: UnixNanos,
    ) {
        let time = ServerTime {
            sent,
            received,
            shown,
            unit_ns: TIME_UNIT_NS,
        };
        self.learn_time(turn, received, time);
    }
}
