//! Opens connections for lanes, within the attempts that an exchange takes from one address. Never
//! waits.

use super::super::clock::monotonic;
use super::super::socket::Declined;
use super::super::sys;
use super::{Nanos, Note, Notes, Severity, Socket, SocketOptions, Turn, Value, Worker};
use crate::conn::Limiter;
use crate::exchange::Rate;
use mio::{Interest, Poll, Token};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// We leave one part in this many of the exchange's limit to other programs behind our address.
const LEFT_ALONE: u32 = 15;
/// Market data leaves one part in this many of our own share to orders.
const SPARED_FOR_ORDERS: usize = 9;

/// Connections that this process may open to one exchange, which counts them by address, whatever
/// they are for.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    limiter: Arc<Mutex<Limiter>>,
    spared: usize,
}

impl Attempts {
    /// Within `allowed`, which is what the exchange takes from one address.
    pub(crate) fn new(allowed: Rate) -> Self {
        let ours = (allowed.count - allowed.count.div_ceil(LEFT_ALONE)).max(1);
        Self {
            limiter: Arc::new(Mutex::new(Limiter::new(ours, allowed.per))),
            spared: ours as usize / SPARED_FOR_ORDERS,
        }
    }

    /// Counts an attempt, if there is room for it; else says when there will be.
    pub(super) fn admit(&self, purpose: Purpose, now: Nanos) -> Result<(), Nanos> {
        let spare = match purpose {
            Purpose::MarketData => self.spared,
            Purpose::Orders => 0,
        };
        // Whoever panicked while holding it left whole times behind.
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit_sparing(now, spare)
    }
}

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    MarketData,
    Orders,
}

/// A connecting socket that the poll watches.
///
/// # Errors
/// What the system says.
pub(crate) fn dial(
    poll: &Poll,
    token: Token,
    address: SocketAddr,
    purpose: Purpose,
    options: &SocketOptions,
    (turn, now): (&Turn, Nanos),
) -> io::Result<Socket> {
    // Only orders ask when they left: on other sockets the stamps would pile up unread.
    let mut socket = Socket::connect(address, options, purpose == Purpose::Orders)?;
    for declined in socket.declined() {
        tell(turn.notes, *declined, now);
    }
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut socket, token, interest)?;
    Ok(socket)
}

/// Lets a poll ask the device for packets before it sleeps, if the operator wants that.
pub(super) fn wait_busily(worker: &Worker) {
    let Some(us) = worker.socket_options.busy_poll_us else {
        return;
    };
    if let Err(error) = sys::set_busy_wait(&worker.poll, us) {
        let declined = Declined::new("EPIOCSPARAMS", &error);
        tell(&worker.notes, declined, monotonic());
    }
}

/// Says in the log that it goes on without an option that the operator asked for.
fn tell(notes: &Notes, declined: Declined, now: Nanos) {
    let note = Note::new(now, Severity::Warn, "socket.option_declined")
        .with("option", Value::Word(declined.option))
        .with("why", Value::Word(declined.why));
    notes.send(note);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    fn granted(attempts: &Attempts, purpose: Purpose, at: Nanos) -> usize {
        (0..1_000)
            .filter(|_| attempts.admit(purpose, at).is_ok())
            .count()
    }

    fn rate(count: u32, s: u64) -> Rate {
        let per = Span::from_secs(s);
        Rate { count, per }
    }

    /// Failure mode 24: attempts to connect keep to one budget of the process.
    #[test]
    fn attempts_stay_within_the_exchanges_limit_and_leave_some_for_orders() {
        let attempts = Attempts::new(rate(300, 300));
        let granted = |purpose, at_s| granted(&attempts, purpose, Nanos::from_secs(at_s));
        assert_eq!(granted(Purpose::MarketData, 1), 249);
        assert_eq!(granted(Purpose::Orders, 2), 31);
        assert_eq!(granted(Purpose::Orders, 300), 0);
        assert_eq!(granted(Purpose::MarketData, 302), 249);
    }

    #[test]
    fn a_small_limit_leaves_something_and_is_of_its_own_exchange() {
        let (small, other) = (Attempts::new(rate(3, 1)), Attempts::new(rate(1, 1)));
        let now = Nanos::from_secs(7);
        assert_eq!(granted(&small, Purpose::MarketData, now), 2);
        assert_eq!(
            granted(&small.clone(), Purpose::Orders, now),
            0,
            "one budget"
        );
        assert_eq!(granted(&other, Purpose::MarketData, now), 1);
    }

    #[test]
    fn whoever_finds_no_room_is_told_when_there_will_be_some() {
        let (attempts, s) = (Attempts::new(rate(10, 60)), Nanos::from_secs);
        assert_eq!(granted(&attempts, Purpose::MarketData, s(5)), 8);
        assert_eq!(attempts.admit(Purpose::MarketData, s(6)), Err(s(65)));
        assert_eq!(attempts.admit(Purpose::Orders, s(6)), Ok(()));
        assert_eq!(attempts.admit(Purpose::MarketData, s(65)), Ok(()));
    }
}
