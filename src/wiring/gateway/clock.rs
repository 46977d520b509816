//! By which clock a gateway dates its requests. Sends no order.

use super::super::their_clock::clock_note;
use super::*;
use crate::base::ServerTime;

/// Exchanges count their time in milliseconds at the coarsest.
const TIME_UNIT_NS: i64 = 1_000_000;

impl<S: Transport> Gateway<S> {
    pub(super) fn log_on(&mut self, turn: &mut Turn, now: Nanos) {
        let theirs = self.clock.shows(now, turn.clock.unix());
        let logon = self.codec.logon(theirs);
        if self.link.send(now, logon.as_bytes()).is_err() {
            self.link.restart(now);
        }
    }

    /// The exchange found the time in a request wrong: it is asked for its own, once at a time.
    pub(super) fn ask_time(&mut self, now: Nanos) {
        if self.time_asked.is_none()
            && self
                .link
                .send(now, self.codec.ask_time().as_bytes())
                .is_ok()
        {
            self.time_asked = Some(now);
        }
    }

    pub(super) fn learn_time(&mut self, turn: &mut Turn, now: Nanos, time: ServerTime) {
        if let Some(verdict) = self.clock.handle_time(time, now, turn.clock.unix()) {
            let note = clock_note(now, verdict).exchange(self.exchange);
            turn.notes.send(note.epoch(self.link.epoch()));
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
