//! By which clock a gateway dates its requests. Sends no order.

use super::super::their_clock::clock_note;
use super::*;
use crate::base::{AccountNews, ServerTime};

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

    /// Logs on again where it is due. Requests go on meanwhile: the session before counts until it
    /// ends.
    pub(super) fn renew(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        if now < self.lines[at].renewal {
            return;
        }
        self.lines[at].renewal = now + RENEW_AGAIN;
        if !self.lines[at].has_asked(RequestKey::Logon) {
            let logon = self.codec.logon(self.clock.shows(now, turn.clock.unix()));
            let asked = pending(RequestKey::Logon, InstrumentId::NONE, now);
            let _ = send(&mut self.lines[at], logon, asked); // If not now, then a little later.
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

    /// Tells the desk how far the exchange's clock is from the host's, if that has moved: orders
    /// are held to it.
    pub(super) fn tell_apart(&mut self, now: Nanos, unix: UnixNanos) {
        let ahead_ns = self.clock.apart_ns(now, unix);
        if ahead_ns.abs_diff(self.told_apart_ns) >= TIME_UNIT_NS.unsigned_abs() {
            self.told_apart_ns = ahead_ns;
            let news = AccountNews::Clock { ahead_ns };
            self.emit(now, InstrumentId::NONE, Body::Account(news));
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
