//! Opens connections for lanes, within the attempts that an exchange takes from one address. Never waits.

use super::{Nanos, Note, Severity, Socket, SocketOptions, Turn, Value};
use crate::conn::Limiter;
use mio::{Interest, Poll, Token};
use std::io;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Attempts in any five minutes. Binance takes 300 from an address: the rest is for what else runs behind it.
const ATTEMPTS_MAX: u32 = 280;
const ATTEMPTS_SPAN: Nanos = Nanos::from_secs(300);
/// Attempts that market data leaves to orders.
const SPARED_FOR_ORDERS: usize = 30;

/// The attempts of this process: the exchange counts them by address, whatever connection they are for.
static ATTEMPTS: LazyLock<Mutex<Limiter>> =
    LazyLock::new(|| Mutex::new(Limiter::new(ATTEMPTS_MAX, ATTEMPTS_SPAN)));

/// What the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    MarketData,
    Orders,
}

/// A connecting socket that the poll watches.
///
/// # Errors
/// `QuotaExceeded` where too many connections were tried, and what the system says.
pub fn dial(
    poll: &Poll,
    token: Token,
    address: SocketAddr,
    purpose: Purpose,
    options: &SocketOptions,
    (turn, now): (&Turn, Nanos),
) -> io::Result<Socket> {
    // Whoever panicked while holding it left whole times behind.
    let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
    if !address.ip().is_loopback() {
        admit(&mut attempts, purpose, now)?;
    }
    // Only orders ask when they left: on other sockets the stamps would pile up unread.
    let mut socket = Socket::connect(address, options, purpose == Purpose::Orders)?;
    for option in socket.declined() {
        let note = Note::new(now, Severity::Warn, "socket.option_declined");
        turn.notes.send(note.with("option", Value::Word(option)));
    }
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut socket, token, interest)?;
    Ok(socket)
}

fn admit(attempts: &mut Limiter, purpose: Purpose, now: Nanos) -> io::Result<()> {
    let spare = match purpose {
        Purpose::MarketData => SPARED_FOR_ORDERS,
        Purpose::Orders => 0,
    };
    attempts.admit_sparing(now, spare).map_err(|_| {
        let why = "too many connections were tried in five minutes";
        io::Error::new(io::ErrorKind::QuotaExceeded, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_stay_within_the_exchanges_limit_and_leave_some_for_orders() {
        let mut attempts = Limiter::new(ATTEMPTS_MAX, ATTEMPTS_SPAN);
        let mut granted = |purpose, at_s| {
            let now = Nanos::from_secs(at_s);
            (0..1_000)
                .filter(|_| admit(&mut attempts, purpose, now).is_ok())
                .count()
        };
        assert_eq!(granted(Purpose::MarketData, 1), 250);
        assert_eq!(granted(Purpose::Orders, 2), 30);
        assert_eq!(granted(Purpose::Orders, 300), 0);
        assert_eq!(granted(Purpose::MarketData, 302), 250);
    }
}
