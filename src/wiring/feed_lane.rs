//! One market connection with its books: the link below, the feed above, subscriptions between.
//! Opens no socket itself: it asks for one.

use super::feed::{Arrival, Feed, Heard};
use super::lane::{Lane, Tally};
use super::turn::{Ask, Turn};
use crate::base::{InstrumentId, Nanos, Note, Severity, Snapshot, Value};
use crate::conn::{Close, Link, Output, Read, SendError, Transport};
use crate::market::Want;
use std::net::SocketAddr;

/// A subscription that is not answered by then counts as lost, and the connection is made anew.
pub const SUBSCRIBE_DEADLINE: Nanos = Nanos::from_secs(10);
/// Frames that one turn takes from a connection before other lanes have theirs.
pub const FRAMES_PER_TURN: usize = 64;

/// A feed lane: one connection, its instruments, their books.
pub struct FeedLane<S: Transport, const N: usize> {
    link: Link<S>,
    feed: Feed<N>,
    subscriptions: Subscriptions,
    /// The socket may hold more: the last drain ended by its budget, not by the socket.
    more: bool,
}

/// What was asked of the exchange in this epoch, and what it has confirmed.
struct Subscriptions {
    frames: Vec<String>,
    sent: usize,
    /// Which of the frames have an answer; one may come twice, or be to nothing of ours.
    answered: Box<[bool]>,
    due: Nanos,
    /// When the exchange's message limit lets the next one out.
    resume_at: Nanos,
}

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// `subscriptions` are the frames to send after each connect, with ids counting from 1.
    pub fn new(link: Link<S>, feed: Feed<N>, subscriptions: Vec<String>) -> Self {
        let subscriptions = Subscriptions {
            sent: 0,
            answered: vec![false; subscriptions.len()].into(),
            frames: subscriptions,
            due: Nanos::NEVER,
            resume_at: Nanos::NEVER,
        };
        Self {
            link,
            feed,
            subscriptions,
            more: false,
        }
    }

    /// The connection, to look at.
    pub fn link(&self) -> &Link<S> {
        &self.link
    }

    /// The books, to look at.
    pub fn feed(&self) -> &Feed<N> {
        &self.feed
    }

    /// Work of every turn: what waits for room on the ring, subscriptions that may go out now.
    fn send_waiting(&mut self, now: Nanos) {
        self.feed.flush();
        let todo = &mut self.subscriptions;
        while todo.due != Nanos::NEVER && todo.sent < todo.frames.len() {
            match self.link.send(now, todo.frames[todo.sent].as_bytes()) {
                Ok(_) => todo.sent += 1,
                Err(SendError::Limited { until }) => {
                    todo.resume_at = until;
                    return;
                }
                Err(_) => break, // Not live any more: all are sent again in the next epoch.
            }
        }
        todo.resume_at = Nanos::NEVER;
    }

    fn handle_opened(&mut self, turn: &mut Turn, now: Nanos) {
        let note = self.note(now, Severity::Info, "link.open");
        turn.notes.send(note.text(&self.link.config().host));
        self.subscriptions.sent = 0;
        self.subscriptions.answered.fill(false);
        self.subscriptions.due = now + SUBSCRIBE_DEADLINE;
        self.feed.handle_connected(turn, now, self.link.epoch());
        self.send_waiting(now);
        self.more = true; // Frames may already be inside TLS.
    }

    fn handle_closed(&mut self, turn: &mut Turn, now: Nanos, why: Close) {
        let note = self
            .note(now, Severity::Warn, "link.closed")
            .with("why", Value::Word(why.name()))
            .with(
                "retry_ms",
                Value::Int((self.link.poll_timeout().since(now) / 1_000_000) as i64),
            )
            .text(self.link.last_error());
        turn.notes.send(note);
        self.subscriptions.due = Nanos::NEVER;
        self.more = false;
        self.feed.handle_disconnected(turn, now);
    }

    fn handle_heard(&mut self, turn: &mut Turn, heard: Heard, now: Nanos, epoch: u32) {
        match heard {
            Heard::Data => {}
            Heard::Answer { id, refused } => {
                self.subscriptions.handle_answer(id);
                if let Some(code) = refused {
                    let note = self
                        .note(now, Severity::Error, "subscribe.refused")
                        .epoch(epoch)
                        .with("id", Value::Int(id as i64))
                        .with("code", Value::Int(code));
                    turn.notes.send(note);
                }
            }
            Heard::Shutdown => {
                turn.notes
                    .send(self.note(now, Severity::Warn, "link.shutdown_announced"));
                self.link.restart(now);
            }
        }
    }

    fn note(&self, now: Nanos, severity: Severity, event: &'static str) -> Note {
        Note::new(now, severity, event)
            .exchange(self.feed.exchange().name())
            .epoch(self.link.epoch())
    }
}

impl<S: Transport, const N: usize> Lane<S> for FeedLane<S, N> {
    /// The socket is readable or writable. Takes frames until it is empty, or until the turn's budget is spent:
    /// then [`FeedLane::wants_turn`] says so, since an edge-triggered poll will not.
    fn handle_ready(&mut self, turn: &mut Turn) {
        self.more = true;
        for _ in 0..FRAMES_PER_TURN {
            let epoch = self.link.epoch();
            match self.link.read(turn.clock) {
                Read::Frame { text, rx, at } => {
                    let heard = self
                        .feed
                        .handle_frame(turn, Arrival { rx, frame: at }, text);
                    self.handle_heard(turn, heard, at, epoch);
                }
                Read::Blocked | Read::Closed => {
                    self.more = false;
                    break;
                }
            }
        }
        self.link.flush(turn.clock.now());
    }

    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        let more = self.wants_turn();
        if more {
            self.handle_ready(turn);
        }
        self.send_waiting(turn.clock.now());
        more
    }

    /// There are frames left that no readiness event will announce.
    fn wants_turn(&self) -> bool {
        self.more || self.feed.has_waiting()
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] where nothing waits.
    fn poll_timeout(&self) -> Nanos {
        let subscribe = self.subscriptions.resume_at;
        let due = self.subscriptions.due_if_unanswered();
        self.link
            .poll_timeout()
            .min(self.feed.poll_timeout())
            .min(subscribe)
            .min(due)
    }

    /// Does what is due: the link's deadlines, the books' timers, a subscription without an answer.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        self.link.handle_timeout(now);
        self.feed.handle_timeout(turn, now);
        if now >= self.subscriptions.due_if_unanswered() {
            self.subscriptions.due = Nanos::NEVER;
            turn.notes
                .send(self.note(now, Severity::Warn, "subscribe.unanswered"));
            self.link.restart(now);
        }
    }

    /// What the lane asks of the world. Also carries the link's news to the books, so it is to be
    /// polled after every other call.
    fn poll_ask(&mut self, turn: &mut Turn, now: Nanos) -> Option<Ask> {
        while let Some(output) = self.link.poll_output() {
            match output {
                Output::Resolve => return Some(Ask::Resolve),
                Output::Dial(address) => return Some(Ask::Dial(address)),
                Output::Opened => self.handle_opened(turn, now),
                Output::Closed { reason: why } => self.handle_closed(turn, now, why),
            }
        }
        match self.feed.poll_want()? {
            (id, Want::Snapshot) => Some(Ask::Snapshot(id)),
            (_, Want::Reconnect) => {
                turn.notes
                    .send(self.note(now, Severity::Warn, "book.silent"));
                self.link.restart(now);
                self.poll_ask(turn, now)
            }
        }
    }

    /// The answer to [`Ask::Resolve`]; `Err` where it failed.
    fn handle_resolved(&mut self, now: Nanos, addresses: Result<&[SocketAddr], ()>) {
        self.link.handle_resolved(now, addresses);
    }

    /// The answer to [`Ask::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, socket: Result<S, std::io::ErrorKind>) {
        self.link.handle_dialed(now, socket);
    }

    /// The answer to [`Ask::Snapshot`]; `None` where it cannot be had.
    fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: Option<&Snapshot>,
    ) {
        match snapshot {
            Some(snapshot) => self.feed.handle_snapshot(turn, now, id, snapshot),
            None => self.feed.handle_snapshot_failed(now, id),
        }
    }

    /// The socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self) -> Option<&mut S> {
        self.link.stream_mut()
    }

    /// Closes the connection for good.
    fn shut_down(&mut self, now: Nanos) {
        self.link.shutdown(now);
    }

    fn pulse(&self) -> (u64, usize) {
        (self.feed.counters().frames, self.feed.live_books())
    }

    fn tally(&self, into: &mut Tally) {
        let (feed, published) = (self.feed.counters(), self.feed.publisher_counters());
        into.feed.frames += feed.frames;
        into.feed.bad_frames += feed.bad_frames;
        into.feed.audit_lost += feed.audit_lost;
        into.published.events += published.events;
        into.published.conflated += published.conflated;
        into.published.trades_lost += published.trades_lost;
        into.connects += u64::from(self.link.epoch());
        into.books.extend(self.feed.book_counters());
    }
}

impl Subscriptions {
    /// The frames' ids count from 1.
    fn handle_answer(&mut self, id: u64) {
        let place = usize::try_from(id).unwrap_or(usize::MAX).wrapping_sub(1);
        if let Some(answered) = self.answered.get_mut(place) {
            *answered = true;
        }
    }

    fn due_if_unanswered(&self) -> Nanos {
        if self.answered.iter().all(|answered| *answered) {
            Nanos::NEVER
        } else {
            self.due
        }
    }
}
