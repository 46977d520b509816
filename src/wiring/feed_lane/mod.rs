//! A feed lane: lines that carry the same streams of some instruments, and the feed that they all
//! run into. Opens no socket itself: it asks for one.
//!
//! A line that fails gets a new connection and touches no other. One whose connection is about to
//! end is replaced by a fresh one that carries everything before the old one is closed. What a
//! session of the exchange does not take moves onto a line of its own.

mod departures;
mod line;
mod overflow;
mod refusals;
mod repair;
mod replace;
mod subscriptions;

use super::ask::{Answer, Ask};
use super::feed::{Arrival, BookTally, Feed, Heard};
use super::lane::{LINES, Lane, Output};
use super::outage::Outage;
use super::tally::{ExchangeTally, LaneOutage, LanePulse, Tally};
use super::tap::{Tap, recorded_line};
use super::turn::Turn;
use crate::base::{Channel, InstrumentId, Nanos, Note, Severity, Snapshot, Span, Value};
use crate::conn::{Close, Link, Output as LinkOutput, Phase, Read, Transport};
use crate::market::Want;
use arrayvec::ArrayVec;
use departures::Departures;
pub use line::{HEALTHY, SAME_ENDS_TOLD};
use line::{Line, Role};
use overflow::Homes;
pub use overflow::OVERFLOW_PARTS;
use std::net::SocketAddr;
use std::sync::Arc;
pub(crate) use subscriptions::Desired;
use subscriptions::Due;
pub use subscriptions::{REFUSED_RETRY, REPAIRS_MAX, SUBSCRIBE_DEADLINE, TOO_LONG_RETRY};

/// Frames that one turn takes from a lane before others have theirs.
pub const FRAMES_PER_TURN: usize = 64;
/// How long two connections carry the same before the old one is closed: an answer to a
/// subscription may come before the stream does.
pub(crate) const OVERLAP: Span = Span::from_secs(1);
/// Addresses of a host that are looked at.
const ADDRESSES_MAX: usize = 16;

/// Lines, their instruments, their books.
///
/// Invariant: each line that opens has an epoch of its own, of which `epoch` is the last; the
/// outage lasts exactly while no line is open; a line that is replaced is regular, and one other
/// replaces it.
pub struct FeedLane<S: Transport, const N: usize> {
    lines: ArrayVec<Line<S>, LINES>,
    feed: Feed<N>,
    /// A line rests until it takes the place of another one.
    heirs: bool,
    homes: Homes,
    /// Connections that went live; each has its number of them as its epoch.
    epoch: u32,
    /// When none of its lines was up.
    outage: Outage,
    departures: Departures,
    /// If a recording is made: all that comes in, as it came.
    tap: Option<Tap>,
    /// Frames that one call takes from a line.
    frames_per_call: usize,
    /// The line whose turn it is.
    next: usize,
}

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// A lane of `lines` regular lines, all subscribed to what is `desired`. One link more than
    /// that is for a line that replaces another; without it a line is closed before the next one is
    /// opened.
    pub(crate) fn new(links: Vec<Link<S>>, lines: usize, feed: Feed<N>, desired: Desired) -> Self {
        assert!(0 < lines, "a lane without a line");
        assert!(!links.is_empty(), "a lane without a connection");
        let (seed, desired) = (desired.seed(), Arc::new(desired));
        let (heirs, homes) = (links.len() > lines, Homes::new(desired.clone()));
        let line = |(index, mut link): (usize, Link<S>)| {
            let role = if index < lines {
                Role::Regular
            } else {
                rest(&mut link, Nanos::ZERO);
                Role::Resting
            };
            Line::new(link, desired.clone(), role)
        };
        Self {
            lines: links
                .into_iter()
                .take(LINES)
                .enumerate()
                .map(line)
                .collect(),
            feed,
            heirs,
            homes,
            epoch: 0,
            outage: Outage::new(),
            departures: Departures::new(seed),
            tap: None,
            frames_per_call: FRAMES_PER_TURN,
            next: 0,
        }
    }

    /// Takes one frame per call, so that its worker can let the desk decide before the next one is
    /// decoded.
    pub fn frame_by_frame(self) -> Self {
        Self {
            frames_per_call: 1,
            ..self
        }
    }

    /// Copies everything that comes in.
    pub(crate) fn tapped(self, tap: Option<Tap>) -> Self {
        Self { tap, ..self }
    }

    /// The connections, to look at: also one that rests.
    pub fn links(&self) -> impl Iterator<Item = &Link<S>> {
        self.lines.iter().map(|line| &line.link)
    }

    /// How many connections have gone live.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The books, to look at.
    pub fn feed(&self) -> &Feed<N> {
        &self.feed
    }

    fn handle_opened(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        self.epoch += 1;
        self.lines[at].handle_opened(now, self.epoch);
        self.outage.up(now);
        let note = self.note(now, Severity::Info, "link.open", at);
        turn.notes
            .send(note.text(&self.lines[at].link.config().host));
        self.feed.handle_connected(turn, now, at as u8, self.epoch);
        if let Some(time) = self.lines[at].link.peer_time() {
            self.feed.handle_time(turn, now, time);
        }
        self.lines[at].send_waiting(now);
        self.check();
    }

    fn handle_closed(&mut self, turn: &mut Turn, now: Nanos, at: usize, why: Close) {
        let note = match self.lines[at].role {
            Role::Resting if self.lines[at].subscriptions.ours() == 0 => {
                self.note(now, Severity::Info, "link.unneeded", at)
            }
            Role::Resting => self.note(now, Severity::Info, "link.replaced", at),
            Role::Regular | Role::Replaces(_) => {
                let retry_ms = self.lines[at].link.poll_timeout().since(now).as_millis();
                self.note(now, Severity::Warn, "link.closed", at)
                    .with("why", Value::Word(why.name()))
                    .with("retry_ms", Value::Int(retry_ms as i64))
                    .text(self.lines[at].link.last_error())
            }
        };
        turn.notes.send(note);
        let was_open = self.lines[at].is_open();
        if let Some(times) = self.lines[at].handle_closed(now, why) {
            let note = self
                .note(now, Severity::Error, "link.keeps_closing", at)
                .with("why", Value::Word(why.name()))
                .with("times", Value::Int(times.into()))
                .with("advice", Value::Word(why.advice()));
            turn.notes.send(note.text(self.lines[at].link.last_error()));
        }
        if !self.lines.iter().any(Line::is_open) {
            self.outage.down(now, why.name());
        }
        if was_open {
            self.feed.handle_disconnected(turn, now, at as u8);
        }
        if let Some(heir) = self.heir(at) {
            // It was to be replaced anyhow: what is on its way in its place stays.
            rest(&mut self.lines[at].link, now);
            self.lines[at].role = Role::Resting;
            self.lines[heir].role = Role::Regular;
            self.lines[heir].takes_over = Nanos::NEVER;
        }
        self.relieve_all(turn, now);
        self.check();
    }

    fn handle_heard(&mut self, turn: &mut Turn, now: Nanos, at: usize, heard: Heard) {
        let Some(line) = self.lines.get_mut(at) else {
            return;
        };
        match heard {
            Heard::Data {
                instrument,
                channel,
            } => line.subscriptions.handle_data(instrument, channel),
            Heard::Answer {
                id: 0,
                refused: Some(code),
            } => {
                let refusal = line.subscriptions.handle_nameless_refusal(now, code);
                self.tell_nameless(turn, now, at, code);
                if !self.relieve(turn, now, at) {
                    self.tell_refusal(turn, now, at, refusal);
                }
            }
            Heard::Answer { id, refused } => {
                let refusal = line.subscriptions.handle_answer(now, id, refused);
                self.tell_refusal(turn, now, at, refusal);
            }
            Heard::Subscribed {
                instrument,
                channel,
                refused,
            } => {
                let topic = (instrument, channel);
                let refusal = line.subscriptions.handle_subscribed(now, topic, refused);
                self.tell_refusal(turn, now, at, refusal);
            }
            Heard::TooLong { instrument } => {
                line.subscriptions.leave_alone(now, instrument);
                line.send_waiting(now);
            }
            Heard::Reply(text) => {
                // Whether it could be sent shows in what is heard.
                let _ = line.link.reply(now, text.as_bytes());
            }
            Heard::Shutdown => {
                if std::mem::replace(&mut line.leaving, true) {
                    return; // It was said of this connection before.
                }
                line.replace_from = self.departures.next(now);
                if !self.heirs {
                    self.lines[at].link.restart(now);
                }
                let note = self.note(now, Severity::Warn, "link.shutdown_announced", at);
                turn.notes.send(note);
                self.replace(turn, now);
            }
        }
    }

    /// What is due for one line.
    fn handle_line_timeout(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        self.lines[at].link.handle_timeout(now);
        let (severity, event, topics) = match self.lines[at].subscriptions.handle_timeout(now) {
            Due::Nothing => return,
            Due::Repaired(topics) => (Severity::Warn, "subscribe.repaired", topics),
            Due::Unanswered(topics) => (Severity::Warn, "subscribe.unanswered", topics),
            Due::GivenUp(topics) => (Severity::Error, "subscribe.given_up", topics),
        };
        let note = self.note(now, severity, event, at);
        turn.notes
            .send(note.with("topics", Value::Int(topics as i64)));
        if event == "subscribe.unanswered" {
            self.lines[at].link.restart(now);
        }
        self.handle_decided(turn, now, at);
    }

    /// The host's addresses, for every line that waits for them; none if they could not be
    /// found.
    fn handle_addresses(&mut self, now: Nanos, all: &[SocketAddr]) {
        for at in 0..self.lines.len() {
            match self.lines[at].link.phase() {
                Phase::Live => continue,
                Phase::Waiting if self.lines[at].role == Role::Resting => continue,
                Phase::Waiting | Phase::Resolving | Phase::Connecting => {}
                Phase::Tunnelling | Phase::Securing | Phase::Upgrading => {}
            }
            let spread = self.spread(at, all);
            self.lines[at].link.handle_resolved(now, &spread);
        }
    }

    fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: Option<&Snapshot>,
    ) {
        let (epoch, number) = self.newest_line(id);
        if let (Some(tap), Some(_)) = (&mut self.tap, snapshot) {
            tap.snapshot((number, epoch), now, id);
        }
        match snapshot {
            Some(snapshot) => self.feed.handle_snapshot(turn, now, id, snapshot),
            None => self.feed.handle_snapshot_failed(now, id),
        }
    }

    /// The host's addresses for one line, those first that no other line uses.
    fn spread(&self, at: usize, all: &[SocketAddr]) -> ArrayVec<SocketAddr, ADDRESSES_MAX> {
        let used = |address: &&SocketAddr| {
            let mut others = self.lines.iter().enumerate().filter(|(n, _)| *n != at);
            others.any(|(_, line)| line.link.address() == Some(**address))
        };
        let free = all.iter().filter(|address| !used(address));
        let taken = all.iter().filter(used);
        free.chain(taken).copied().take(ADDRESSES_MAX).collect()
    }

    fn check(&self) {
        let open = || self.lines.iter().filter(|line| line.is_open());
        debug_assert!(open().all(|line| line.epoch <= self.epoch));
        debug_assert!(open().all(|line| {
            let same = open().filter(|other| other.epoch == line.epoch);
            same.count() == 1
        }));
        debug_assert_eq!(self.outage.is_down(), open().next().is_none());
        debug_assert!(self.lines.iter().all(|line| match line.role {
            Role::Regular | Role::Resting => true,
            Role::Replaces(old) => {
                let same = self.lines.iter().filter(|other| other.role == line.role);
                same.count() == 1 && self.lines[usize::from(old)].role == Role::Regular
            }
        }));
    }

    fn note(&self, now: Nanos, severity: Severity, event: &'static str, at: usize) -> Note {
        let epoch = self.lines[at].epoch;
        Note::new(now, severity, event)
            .exchange(self.feed.exchange().name())
            .epoch(epoch)
            .with("line", Value::Int(at as i64))
    }
}

/// The link starts no attempt, and has nothing to say.
fn rest<S: Transport>(link: &mut Link<S>, now: Nanos) {
    link.shutdown(now);
    while link.poll_output().is_some() {}
}

impl<S: Transport, const N: usize> Lane<S> for FeedLane<S, N> {
    /// The socket is readable or writable. Takes frames until it is empty, or as many as one call
    /// takes: then [`FeedLane::wants_turn`] says so, since an edge-triggered poll will not.
    fn handle_ready(&mut self, turn: &mut Turn, line: u8) {
        let at = usize::from(line);
        if at >= self.lines.len() {
            return;
        }
        self.lines[at].more = true;
        for _ in 0..self.frames_per_call {
            let Line { epoch, part, .. } = self.lines[at];
            match self.lines[at].link.read(turn.clock) {
                Read::Frame { text, rx, at: came } => {
                    let arrival = Arrival { rx, frame: came };
                    self.feed.handle_frame(turn, line, arrival, text);
                    if let Some(tap) = &mut self.tap {
                        tap.frame((recorded_line(line, part), epoch), came, text);
                    }
                    while let Some((line, heard)) = self.feed.poll_heard() {
                        self.handle_heard(turn, came, line.into(), heard);
                        self.handle_decided(turn, came, line.into());
                    }
                }
                Read::TooLong {
                    bytes,
                    excerpt,
                    at: came,
                } => {
                    self.feed.handle_too_long(turn, came, line, bytes, excerpt);
                    while let Some((line, heard)) = self.feed.poll_heard() {
                        self.handle_heard(turn, came, line.into(), heard);
                    }
                }
                Read::Yielded => break, // `more` stays: the next turn goes on.
                Read::Blocked | Read::Closed => {
                    self.lines[at].more = false;
                    break;
                }
            }
        }
        self.lines[at].link.flush(turn.clock);
    }

    /// What is left in sockets, what waits for room on the ring, requests that may go out now.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        let more = self.wants_turn();
        let count = self.lines.len();
        let mut in_turn = (0..count).map(|n| (self.next + n) % count);
        if let Some(at) = in_turn.find(|&at| self.lines[at].more) {
            self.next = at + 1;
            self.handle_ready(turn, at as u8);
        }
        self.feed.flush();
        let now = turn.clock.now();
        for line in &mut self.lines {
            line.send_waiting(now);
        }
        more
    }

    /// There are frames left that no readiness event will announce.
    fn wants_turn(&self) -> bool {
        self.feed.has_waiting() || self.has_unread()
    }

    fn has_unread(&self) -> bool {
        self.lines.iter().any(|line| line.more)
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] if nothing waits.
    fn poll_timeout(&self) -> Nanos {
        let lines = self.lines.iter().map(Line::poll_timeout).min();
        let replace = self.replaceable().map(|(from, _)| from);
        self.feed
            .poll_timeout()
            .min(lines.unwrap_or(Nanos::NEVER))
            .min(replace.unwrap_or(Nanos::NEVER))
    }

    /// Does what is due: the links' deadlines, the books' timers, subscriptions without an answer,
    /// lines to replace.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        for at in 0..self.lines.len() {
            if self.lines[at].poll_timeout() <= now {
                self.handle_line_timeout(turn, now, at);
                self.lines[at].send_waiting(now);
            }
        }
        self.feed.handle_timeout(turn, now);
        self.replace(turn, now);
    }

    /// What the lane wants of the world. Also carries the links' news to the books, so it is to be
    /// polled after every other call.
    fn poll_output(&mut self, turn: &mut Turn, now: Nanos) -> Option<Output> {
        for at in 0..self.lines.len() {
            self.take_over(now, at);
        }
        for at in 0..self.lines.len() {
            while let Some(output) = self.lines[at].link.poll_output() {
                let line = at as u8;
                match output {
                    LinkOutput::Resolve => return Some(Output::Ask(Ask::Addresses)),
                    LinkOutput::Dial(address) => return Some(Output::Dial { line, address }),
                    LinkOutput::Opened => self.handle_opened(turn, now, at),
                    LinkOutput::Closed { reason: why } => self.handle_closed(turn, now, at, why),
                }
            }
        }
        while let Some((id, want)) = self.feed.poll_want() {
            match want {
                Want::Snapshot { repeat } => {
                    return Some(Output::Ask(Ask::Snapshot { id, repeat }));
                }
                Want::Metadata => return Some(Output::Ask(Ask::Instrument(id))),
                Want::Resubscribe => {
                    self.resubscribe(now, id, Channel::Depth);
                }
                Want::Renew(channel) => self.renew(turn, now, id, channel),
                Want::Reconnect(line) => {
                    let at = usize::from(line);
                    if at < self.lines.len() {
                        self.revive(turn, now, id, at);
                        return self.poll_output(turn, now);
                    }
                }
            }
        }
        None
    }

    fn handle_answer(&mut self, turn: &mut Turn, now: Nanos, answer: Answer) {
        match answer {
            Answer::Addresses(addresses) => self.handle_addresses(now, &addresses),
            Answer::Snapshot(id, snapshot) => {
                self.handle_snapshot(turn, now, id, snapshot.as_deref());
            }
            Answer::Instrument(fresh) => self.feed.replace_instrument(turn, now, *fresh),
            Answer::Time(time) => self.feed.handle_time(turn, now, time),
        }
    }

    /// The answer to [`Output::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, line: u8, socket: Result<S, std::io::ErrorKind>) {
        if let Some(line) = self.lines.get_mut(usize::from(line)) {
            line.link.handle_dialed(now, socket);
        }
    }

    /// Another answer to [`Output::Dial`]: not before `until`.
    fn handle_postponed(&mut self, line: u8, until: Nanos) -> bool {
        let line = self.lines.get_mut(usize::from(line));
        line.is_some_and(|line| line.link.handle_postponed(until))
    }

    /// A line's socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self, line: u8) -> Option<&mut S> {
        self.lines.get_mut(usize::from(line))?.link.stream_mut()
    }

    /// Closes the connections for good.
    fn shut_down(&mut self, _: &mut Turn, now: Nanos) {
        for line in &mut self.lines {
            line.link.shutdown(now);
        }
    }

    fn pulse(&self, now: Nanos) -> LanePulse {
        LanePulse {
            frames: self.feed.counters().frames,
            live_books: self.feed.live_books(),
            darkest: self.feed.darkest(),
            late: self.feed.late(now),
        }
    }

    fn books(&self, tell: &mut dyn FnMut(&BookTally)) {
        self.feed.books().for_each(|book| tell(&book));
    }

    fn tally(&self, into: &mut Tally) {
        let (feed, published) = (self.feed.counters(), self.feed.publisher_counters());
        into.feed.frames += feed.frames;
        into.feed.bad_frames += feed.bad_frames;
        into.feed.scanned += feed.scanned;
        into.feed.audit_lost += feed.audit_lost;
        into.feed.line_gaps += feed.line_gaps;
        into.feed.repeats += feed.repeats;
        into.feed.unfit += feed.unfit;
        into.feed.levels_dropped += feed.levels_dropped;
        into.feed.trades_dropped += feed.trades_dropped;
        into.feed.quotes_dropped += feed.quotes_dropped;
        into.published.events += published.events;
        into.published.conflated += published.conflated;
        into.published.trades_lost += published.trades_lost;
        into.connects += u64::from(self.epoch);
        into.outages.push(LaneOutage {
            exchange: self.feed.exchange().name(),
            of: "market data",
            outage: self.outage,
        });
        into.exchanges.push(ExchangeTally {
            exchange: self.feed.exchange().name(),
            frames: feed.frames,
            bad_frames: feed.bad_frames,
            scanned: feed.scanned,
            unfit: feed.unfit,
            levels_dropped: feed.levels_dropped,
            trades_dropped: feed.trades_dropped,
            quotes_dropped: feed.quotes_dropped,
            connects: self.epoch.into(),
            books_live: self.feed.live_books(),
            delays: self.feed.delays(),
            keeps_closing: self.keeps_closing(into.at),
        });
        into.books.extend(self.feed.books());
        into.check();
    }
}
