//! What a worker may ask of any lane that has a connection. A lane never knows which worker runs it.

use super::gateway::GatewayCounters;
use super::publisher::PublisherCounters;
use super::turn::{Ask, Turn};
use crate::base::{InstrumentId, Nanos, Snapshot};
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
