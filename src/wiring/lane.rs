//! What a worker may ask of any lane that has a connection. A lane never knows which worker runs
//! it.

use super::ask::{Answer, Ask};
use super::feed::BookTally;
use super::tally::{LanePulse, Tally};
use super::turn::Turn;
use crate::base::Nanos;
use crate::market::LINES_MAX;
use std::net::SocketAddr;

/// Lines that one lane has at most: three that carry the same, one that takes the place of another,
/// and four for what does not fit on one of them.
pub const LINES: usize = LINES_MAX;

/// What a lane wants of the worker that runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A connection of this line to this address; [`Lane::handle_dialed`] has the socket.
    Dial {
        /// Which line.
        line: u8,
        /// Where to.
        address: SocketAddr,
    },
    /// Something that is not a socket; [`Lane::handle_answer`] has the answer.
    Ask(Ask),
}

/// A lane with connections of its own: its lines, which count from 0 and stay below [`LINES`].
pub trait Lane<S>: Send {
    /// A line's socket is readable, writable, or has a send stamp.
    fn handle_ready(&mut self, turn: &mut Turn, line: u8);
    /// Goes the way of an order again, as far as nothing comes of it.
    fn rehearse(&mut self, _: &mut Turn) {}
    /// Work of every turn. True when there was some.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool;
    /// True when the worker must not wait: there is work that nothing will announce.
    fn wants_turn(&self) -> bool;
    /// A socket may hold bytes that no readiness event will announce.
    fn has_unread(&self) -> bool;
    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] if nothing waits.
    fn poll_timeout(&self) -> Nanos;
    /// Does what is due at `now`.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos);
    /// What it wants of the world; to be polled after every other call.
    fn poll_output(&mut self, turn: &mut Turn, now: Nanos) -> Option<Output>;
    /// The world answers something that was asked, or says something by itself.
    fn handle_answer(&mut self, turn: &mut Turn, now: Nanos, answer: Answer);
    /// The answer to [`Output::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, line: u8, socket: Result<S, std::io::ErrorKind>);
    /// Another answer to [`Output::Dial`]: as many connections were tried as the exchange takes;
    /// ask again at `until`. True if this attempt was not put off before.
    fn handle_postponed(&mut self, line: u8, until: Nanos) -> bool;
    /// A line's socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self, line: u8) -> Option<&mut S>;
    /// The run is over: closes the connections, so that the exchange need not find out.
    fn shut_down(&mut self, turn: &mut Turn, now: Nanos);
    /// What is shown of it while it works.
    fn pulse(&self, now: Nanos) -> LanePulse;
    /// Tells what became of each of its books so far; nothing if it has none.
    fn books(&self, tell: &mut dyn FnMut(&BookTally));
    /// Adds its counters at the run's end.
    fn tally(&self, into: &mut Tally);
}
