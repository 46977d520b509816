//! What faults make of a connection: its TLS, its upgrade, its bytes and its end.

use super::{Connection, Cut, Phase, Pipe, http};
use crate::base::{Nanos, Span};
use crate::exchange::mirror::Reply;
use crate::venue::directory::Venues;
use crate::venue::faults::MarketFault;
use crate::venue::simulated::Venue;
use crate::world::sim::tls::Servers;
use rustls::ServerConnection;
use rustls::server::Acceptor;
use std::io::{Read, Write};
use std::sync::Arc;
use tungstenite::protocol::frame::coding::CloseCode;

/// What a refused upgrade says besides its status.
const REFUSED: &str = "<html><body><h1>The service is under maintenance</h1></body></html>";

/// TLS: until a client has said whom it wants, nobody has a certificate for it.
pub(super) enum Tls {
    /// Nobody has said anything yet.
    Hello(Box<Acceptor>, Arc<Servers>),
    /// The handshake goes on, or is over.
    Open(Box<ServerConnection>),
}

impl Tls {
    pub(super) fn new(servers: Arc<Servers>) -> Self {
        Self::Hello(Box::default(), servers)
    }

    /// Takes ciphertext, and adds what it says to `input`. False if it takes no more.
    pub(super) fn read(
        &mut self,
        now: Nanos,
        bytes: &mut &[u8],
        venues: &Venues,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Cut> {
        let read = match self {
            Self::Hello(acceptor, _) => acceptor.read_tls(bytes),
            Self::Open(tls) => tls.read_tls(bytes),
        };
        let read = read.map_err(|_| Cut::Tls)?;
        self.greet(now, venues, out)?;
        if let Self::Open(tls) = self {
            tls.process_new_packets().map_err(|_| Cut::Tls)?;
            // No more is an error of this kind, or the client's end of TLS.
            let _ = tls.reader().read_to_end(input);
        }
        Ok(read > 0)
    }

    /// Answers a client that has said whom it wants.
    fn greet(&mut self, now: Nanos, venues: &Venues, out: &mut Vec<u8>) -> Result<(), Cut> {
        let Self::Hello(acceptor, servers) = self else {
            return Ok(());
        };
        // An alert is the last thing that is said. A vector takes all.
        let accepted = acceptor.accept().map_err(|(_, mut alert)| {
            let _ = alert.write_all(out);
            Cut::Tls
        })?;
        let Some(accepted) = accepted else {
            return Ok(());
        };
        let hello = accepted.client_hello();
        let fault = venues.greet(now, hello.server_name().unwrap_or_default());
        if fault == Some(MarketFault::ConnectRefused) {
            return Err(Cut::Torn);
        }
        let tls = accepted.into_connection(servers.shown(fault));
        let mut tls = tls.map_err(|(_, mut alert)| {
            let _ = alert.write_all(out);
            Cut::Tls
        })?;
        // The bound is on `out`, where all waiting bytes are counted together.
        tls.set_buffer_limit(None);
        *self = Self::Open(Box::new(tls));
        Ok(())
    }

    /// Encrypts this, and hands out what there is for the client.
    pub(super) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let Self::Open(tls) = self else { return };
        if !plain.is_empty() {
            // Writing into rustls' own unbounded buffer cannot fail.
            let _ = tls.writer().write_all(plain);
        }
        while tls.wants_write() {
            if tls.write_tls(out).is_err() {
                break;
            }
        }
    }
}

/// One byte in so much time.
pub(super) struct Drip {
    every: Span,
    until: Nanos,
    due: Nanos,
    /// A byte may be sent.
    room: usize,
}

impl Drip {
    pub(super) fn room(&self) -> usize {
        self.room
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }

    pub(super) fn poll_timeout(&self) -> Nanos {
        self.due.min(self.until)
    }
}

/// The status with which a fault answers an upgrade.
pub(super) fn refused(now: Nanos, venue: &Venue) -> Option<u16> {
    let refused = venue.strike(now, MarketFault::UpgradeRefused, None)?;
    u16::try_from(refused.amount).ok()
}

/// Answers an upgrade with this status.
pub(super) fn refuse(pipe: &mut Pipe, status: u16) {
    let reply = Reply::text(status, REFUSED, 0);
    let reply = match status {
        300..=399 => reply.header("Location", "https://status.invalid/"),
        503 => reply.retry_after(1),
        _ => reply,
    };
    http::write(pipe, &reply, false);
}

impl Connection {
    /// Meets the faults that begin now. Orders have faults of their own.
    pub(super) fn meet_faults(&mut self, now: Nanos, venues: &Venues) {
        self.turn_drip(now);
        let (Some(at), false) = (self.venue, self.is_account()) else {
            return;
        };
        let mut schedule = venues.all[at].schedule.borrow_mut();
        while self.cut.is_none()
            && !self.half_open
            && let Some((number, strike)) = schedule.strike_open(now, self.faults_seen)
        {
            self.faults_seen = number + 1;
            match strike.fault {
                MarketFault::HalfOpen => self.half_open = true,
                MarketFault::Cut => self.ends_after = usize::try_from(strike.amount).ok(),
                MarketFault::Drip => {
                    self.drip = Some(Drip {
                        every: Span::from_millis(strike.amount),
                        until: strike.until,
                        due: now,
                        room: 0,
                    });
                }
                MarketFault::Closed => {
                    let code = u16::try_from(strike.amount).unwrap_or(1_012);
                    self.close(now, code.into(), Cut::Fault);
                }
                MarketFault::OldAge => self.close(now, CloseCode::Away, Cut::Life),
                _ => {}
            }
        }
    }

    /// Nobody reads or writes at this end.
    pub(crate) fn deafen(&mut self) {
        self.half_open = true;
    }

    fn close(&mut self, now: Nanos, code: CloseCode, why: Cut) {
        if let Phase::Open(open) = &mut self.phase {
            open.peer.cut(&mut self.pipe, code, why);
        }
        self.end(now, why);
    }

    fn turn_drip(&mut self, now: Nanos) {
        let Some(drip) = &mut self.drip else { return };
        if now >= drip.until {
            self.drip = None;
        } else if now >= drip.due {
            (drip.room, drip.due) = (1, now + drip.every);
        }
    }

    /// Ends after as many bytes as a fault lets pass.
    pub(super) fn tear(&mut self, now: Nanos) {
        let said = self.pipe.output.len();
        if self.cut.is_some() {
            return;
        }
        match &mut self.ends_after {
            Some(left) if *left > said => *left -= said,
            Some(left) => {
                self.pipe.output.truncate(*left);
                self.cut = Some((Cut::Fault, now));
            }
            None => {}
        }
    }

    /// Sends an answer that is late and due.
    pub(super) fn answer_late(&mut self, now: Nanos) -> Result<(), Cut> {
        let due = |(due, ..): &mut (Nanos, Reply, bool)| *due <= now;
        let Some((_, reply, goes_on)) = self.late.take_if(due) else {
            return Ok(());
        };
        self.last_request = now;
        http::write(&mut self.pipe, &reply, goes_on);
        match goes_on {
            true => Ok(()),
            false => Err(Cut::Answered),
        }
    }
}
