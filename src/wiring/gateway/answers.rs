//! What a gateway makes of what the exchange says: news of orders and of the account, and whether
//! it takes some more. Sends no order.

use super::*;
use crate::base::{AccountNews, TradesOf};

/// Of what a frame is: an answer to a request that was under way or not, or the private stream.
struct Frame {
    /// When it came.
    at: Nanos,
    line: usize,
    key: Option<RequestKey>,
    pending: Option<Pending>,
    refused: bool,
}

impl Frame {
    fn source(&self) -> Source {
        // A question that nobody remembers was asked before everything.
        let asked = self.asked();
        match self.key {
            None => Source::Stream,
            Some(
                RequestKey::Order(_)
                | RequestKey::Trades(_)
                | RequestKey::OpenOrders
                | RequestKey::Balances,
            ) => Source::Query { asked },
            Some(_) => Source::Answer,
        }
    }

    fn asked(&self) -> Nanos {
        self.pending.map_or(Nanos::ZERO, |pending| pending.sent)
    }
}

impl<S: Transport> Gateway<S> {
    pub(super) fn handle_words(
        &mut self,
        turn: &mut Turn,
        at: Nanos,
        line: usize,
        words: &[AccountWord],
    ) {
        let mut frame = Frame {
            at,
            line,
            key: None,
            pending: None,
            refused: false,
        };
        for word in words {
            self.handle_word(turn, &mut frame, word);
        }
        let asked = frame.asked();
        // A list that was refused names nothing, and says nothing by that.
        match frame
            .key
            .filter(|_| frame.pending.is_some() && !frame.refused)
        {
            Some(RequestKey::OpenOrders) => self.tell(at, AccountNews::RestingListed { asked }),
            Some(RequestKey::Balances) => self.tell(at, AccountNews::BalancesListed { asked }),
            _ => {}
        }
        self.check();
    }

    fn handle_word(&mut self, turn: &mut Turn, frame: &mut Frame, word: &AccountWord) {
        let at = frame.at;
        match *word {
            AccountWord::Answered { key, refused } => {
                frame.pending = self.lines[frame.line].take(key);
                (frame.key, frame.refused) = (Some(key), refused.is_some());
                self.handle_answered(turn, frame, key, refused);
            }
            AccountWord::At(time) | AccountWord::Time(time) => {
                if let Some(pending) = frame.pending {
                    self.told_time(turn, (pending.sent, at), time);
                }
                let waits = &self.lines[frame.line];
                if frame.key == Some(RequestKey::Time)
                    && waits.logon_due != Nanos::NEVER
                    && !waits.has_asked(RequestKey::Logon)
                {
                    self.log_on(turn, at, frame.line); // The first was refused for its time.
                }
            }
            AccountWord::Order(id, instrument, said) => {
                self.say(at, (id, instrument, frame.source(), said));
            }
            AccountWord::Trade(instrument, exchange_id, fill) => {
                let asked = frame.asked();
                let news = AccountNews::Trade {
                    exchange_id,
                    asked,
                    fill,
                };
                self.emit(at, instrument, Body::Account(news));
            }
            AccountWord::TradesListed(instrument, Some(last)) => {
                self.ask(turn, &Question::Trades(instrument, TradesOf::After(last)));
            }
            AccountWord::TradesListed(instrument, None) => {
                let asked = frame.asked();
                let news = AccountNews::TradesListed { asked };
                self.emit(at, instrument, Body::Account(news));
            }
            AccountWord::Resting(resting) => self.tell(at, AccountNews::Resting(resting)),
            AccountWord::Balance(balance) => self.tell(at, AccountNews::Balance(balance)),
            AccountWord::Used(budget, used, allowed) => {
                let theirs = self.clock.shows(at, turn.clock.unix());
                // It has not counted what is under way.
                let under_way = self.lines.iter().flat_map(|line| &line.pending);
                let cost = |pending: &Pending| self.codec.cost(pending.key, budget);
                let used = used.saturating_add(under_way.map(cost).sum());
                self.budgets.used(budget, (used, allowed), theirs);
            }
            AccountWord::Banned(until) => {
                self.budgets.ban(until);
                let note = self
                    .note(at, frame.line, Severity::Error, "gateway.banned")
                    .with("until_ms", Value::Int(until.0 / 1_000_000))
                    .text(self.codec.last_error());
                turn.notes.send(note);
            }
            AccountWord::LogonLasts(lasts) => {
                let line = &mut self.lines[frame.line];
                if line.on {
                    line.renewal = at + Span(lasts.0 / 2);
                }
            }
            AccountWord::LoggedOff { code } => self.handle_logged_off(turn, at, frame.line, code),
            AccountWord::StreamEnded => {
                self.lines[frame.line].followed = false;
                let note = self.note(at, frame.line, Severity::Warn, "gateway.stream_ended");
                turn.notes.send(note);
                self.say_connected(turn, at);
                self.follow(turn, at, frame.line);
            }
            AccountWord::Shutdown => {
                let note = self.note(at, frame.line, Severity::Warn, "gateway.shutdown_announced");
                turn.notes.send(note);
                self.lines[frame.line].leaving = true;
                self.say_connected(turn, at);
            }
        }
    }

    fn handle_answered(
        &mut self,
        turn: &mut Turn,
        frame: &Frame,
        key: RequestKey,
        refused: Option<i32>,
    ) {
        let (at, line) = (frame.at, frame.line);
        if frame.pending.is_none() {
            let note = self.note(at, line, Severity::Warn, "gateway.answer_unexpected");
            turn.notes.send(note);
        }
        if let Some(code) = refused {
            let mut note = self
                .note(at, line, Severity::Warn, "gateway.reject")
                .with("code", Value::Int(code.into()));
            if let RequestKey::Place(id) | RequestKey::Cancel(id) | RequestKey::Reduce(id) = key {
                note = note.with("order", Value::Int(id.0 as i64));
            }
            turn.notes.send(note.text(self.codec.last_error()));
            if self.codec.blames_clock(code) {
                self.ask_time(at, line);
            }
        }
        match (key, refused) {
            // It was renewed, or will be when the time is known.
            (RequestKey::Logon, refused)
                if self.lines[line].on
                    && frame.pending.is_some()
                    && refused.is_none_or(|code| self.codec.blames_clock(code)) => {}
            (RequestKey::Logon, None) => self.handle_logged_on(turn, at, line),
            // Its answer logs on again; the deadline stays.
            (RequestKey::Logon, Some(code)) if self.codec.blames_clock(code) => {}
            (RequestKey::Logon | RequestKey::Follow, Some(code)) => {
                self.handle_logged_off(turn, at, line, code);
            }
            (RequestKey::Follow, None) => {
                self.lines[line].followed = true;
                self.say_connected(turn, at);
            }
            (RequestKey::Place(_), _) => {
                if let Some(pending) = &frame.pending {
                    self.place_answered(turn, at, pending);
                }
            }
            _ => {}
        }
    }

    fn place_answered(&mut self, turn: &mut Turn, at: Nanos, pending: &Pending) {
        turn.latency.record(Stage::Ack, at.since(pending.sent));
        let Some((receipt, _)) = &pending.receipt else {
            return;
        };
        if pending.wired == Nanos::ZERO {
            // No send stamp came back: the write call is the last that we know.
            record_tick_to_wire(turn, receipt, pending.sent);
        }
        if let Some(note) = self.receipt(at, pending, true) {
            turn.notes.record(note);
        }
    }

    pub(super) fn handle_logged_on(&mut self, turn: &mut Turn, at: Nanos, line: usize) {
        // Nobody waits for it: a session that is about to end takes no more orders.
        if self.lines[line].leaving || self.lines[line].logon_due == Nanos::NEVER {
            let note = self.note(at, line, Severity::Warn, "gateway.answer_unexpected");
            turn.notes.send(note.text("logon"));
            return;
        }
        self.lines[line].logon_due = Nanos::NEVER;
        self.lines[line].on = true;
        if line == ACCOUNT {
            self.follow(turn, at, line);
        }
        self.say_connected(turn, at);
    }

    pub(super) fn follow(&mut self, turn: &mut Turn, at: Nanos, line: usize) {
        let theirs = self.clock.shows(at, turn.clock.unix());
        let frame = self.codec.follow(theirs);
        let asked = pending(RequestKey::Follow, InstrumentId::NONE, at);
        if send(&mut self.lines[line], frame, asked).is_err() {
            self.lines[line].link.restart(at);
        }
    }

    /// The exchange takes no more requests on this connection: there is to be another one.
    fn handle_logged_off(&mut self, turn: &mut Turn, at: Nanos, line: usize, code: i32) {
        self.lines[line].logon_due = Nanos::NEVER;
        self.outage.down(at, "logged off");
        let note = self
            .note(at, line, Severity::Error, "gateway.logged_off")
            .with("code", Value::Int(code.into()))
            .text(self.codec.last_error());
        turn.notes.send(note);
        self.lines[line].link.restart(at);
    }

    fn tell(&mut self, at: Nanos, news: AccountNews) {
        let instrument = match news {
            AccountNews::Resting(resting) => resting.instrument.unwrap_or(InstrumentId::NONE),
            _ => InstrumentId::NONE,
        };
        self.emit(at, instrument, Body::Account(news));
    }
}
