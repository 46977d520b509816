//! What a worker may ask of any lane that has a connection. A lane never knows which worker runs it.

use super::feed_lane::FeedLane;
use super::gateway::{Gateway, GatewayCounters};
use super::publisher::PublisherCounters;
use super::turn::{Ask, Turn};
use crate::base::{InstrumentId, Nanos, Snapshot};
use crate::conn::Transport;
use crate::market::Counters;
use crate::wiring::feed::FeedCounters;
use std::net::SocketAddr;

/// What lanes counted, added up over a worker.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Of all feed lanes.
    pub feed: FeedCounters,
    /// Of all rings from feeds to the desk.
    pub published: PublisherCounters,
    /// Of all gateway lanes.
    pub gateway: GatewayCounters,
    /// Orders that had no answer when the run ended.
    pub unanswered: u64,
    /// Connections that went live.
    pub connects: u64,
    /// Each book with its last epoch and its counters.
    pub books: Vec<(InstrumentId, u32, Counters)>,
}

/// A lane with a connection of its own.
pub trait Lane<S>: Send {
    /// Its socket is readable, writable, or has a send stamp.
    fn handle_ready(&mut self, turn: &mut Turn);
    /// Work of every turn. True when there was some.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool;
    /// True when the worker must not wait: there is work that nothing will announce.
    fn wants_turn(&self) -> bool;
    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] where nothing waits.
    fn poll_timeout(&self) -> Nanos;
    /// Does what is due at `now`.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos);
    /// What it asks of the world; to be polled after every other call.
    fn poll_ask(&mut self, turn: &mut Turn, now: Nanos) -> Option<Ask>;
    /// The answer to [`Ask::Resolve`]; `Err` where it failed.
    fn handle_resolved(&mut self, now: Nanos, addresses: Result<&[SocketAddr], ()>);
    /// The answer to [`Ask::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, socket: Result<S, std::io::ErrorKind>);
    /// The answer to [`Ask::Snapshot`]; `None` where it cannot be had.
    fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: Option<&Snapshot>,
    );
    /// The socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self) -> Option<&mut S>;
    /// The run is over: closes the connection, so that the exchange need not find out.
    fn shut_down(&mut self, now: Nanos);
    /// Frames so far, and books that are live now.
    fn pulse(&self) -> (u64, usize);
    /// Adds its counters at the run's end.
    fn tally(&self, into: &mut Tally);
}

impl<S: Transport, const N: usize> Lane<S> for FeedLane<S, N> {
    fn handle_ready(&mut self, turn: &mut Turn) {
        FeedLane::handle_ready(self, turn);
    }

    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        let more = FeedLane::wants_turn(self);
        if more {
            FeedLane::handle_ready(self, turn);
        }
        FeedLane::handle_turn(self, turn.clock.now());
        more
    }

    fn wants_turn(&self) -> bool {
        FeedLane::wants_turn(self)
    }

    fn poll_timeout(&self) -> Nanos {
        FeedLane::poll_timeout(self)
    }

    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        FeedLane::handle_timeout(self, turn, now);
    }

    fn poll_ask(&mut self, turn: &mut Turn, now: Nanos) -> Option<Ask> {
        FeedLane::poll_ask(self, turn, now)
    }

    fn handle_resolved(&mut self, now: Nanos, addresses: Result<&[SocketAddr], ()>) {
        FeedLane::handle_resolved(self, now, addresses);
    }

    fn handle_dialed(&mut self, now: Nanos, socket: Result<S, std::io::ErrorKind>) {
        FeedLane::handle_dialed(self, now, socket);
    }

    fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: Option<&Snapshot>,
    ) {
        FeedLane::handle_snapshot(self, turn, now, id, snapshot);
    }

    fn stream_mut(&mut self) -> Option<&mut S> {
        FeedLane::stream_mut(self)
    }

    fn shut_down(&mut self, now: Nanos) {
        FeedLane::shut_down(self, now);
    }

    fn pulse(&self) -> (u64, usize) {
        (self.feed().counters().frames, self.feed().live_books())
    }

    fn tally(&self, into: &mut Tally) {
        let (feed, published) = (self.feed().counters(), self.feed().publisher_counters());
        into.feed.frames += feed.frames;
        into.feed.bad_frames += feed.bad_frames;
        into.feed.audit_lost += feed.audit_lost;
        into.published.events += published.events;
        into.published.conflated += published.conflated;
        into.published.trades_lost += published.trades_lost;
        into.connects += u64::from(self.link().epoch());
        into.books.extend(self.feed().book_counters());
    }
}

impl<S: Transport> Lane<S> for Gateway<S> {
    fn handle_ready(&mut self, turn: &mut Turn) {
        Gateway::handle_ready(self, turn);
    }

    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        Gateway::handle_turn(self, turn) > 0
    }

    fn wants_turn(&self) -> bool {
        self.has_input() || Gateway::wants_turn(self)
    }

    fn poll_timeout(&self) -> Nanos {
        Gateway::poll_timeout(self)
    }

    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        Gateway::handle_timeout(self, turn, now);
    }

    fn poll_ask(&mut self, turn: &mut Turn, now: Nanos) -> Option<Ask> {
        Gateway::poll_ask(self, turn, now)
    }

    fn handle_resolved(&mut self, now: Nanos, addresses: Result<&[SocketAddr], ()>) {
        Gateway::handle_resolved(self, now, addresses);
    }

    fn handle_dialed(&mut self, now: Nanos, socket: Result<S, std::io::ErrorKind>) {
        Gateway::handle_dialed(self, now, socket);
    }

    /// A gateway asks for no snapshots.
    fn handle_snapshot(&mut self, _: &mut Turn, _: Nanos, _: InstrumentId, _: Option<&Snapshot>) {}

    fn stream_mut(&mut self) -> Option<&mut S> {
        Gateway::stream_mut(self)
    }

    fn shut_down(&mut self, now: Nanos) {
        Gateway::shut_down(self, now);
    }

    fn pulse(&self) -> (u64, usize) {
        (0, 0)
    }

    fn tally(&self, into: &mut Tally) {
        let own = self.counters();
        into.gateway.sent += own.sent;
        into.gateway.frames += own.frames;
        into.gateway.bad_frames += own.bad_frames;
        into.unanswered += self.unanswered() as u64;
        into.connects += u64::from(self.link().epoch());
    }
}
