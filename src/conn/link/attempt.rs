//! The phases of an attempt, from the name to the upgrade, and what follows a failure. Sends no
//! message.

use super::*;

/// From one address to the next while TCP answers at none (RFC 8305 says 0.1 to 2 s): more than any
/// way round the world takes, since each address is one of the attempts that an exchange counts.
const STAGGER: Span = Span::from_millis(500);

/// An address that was dialled and has not answered, while a later one is tried.
pub(super) struct Rival<S> {
    wire: Wire<S>,
    address: SocketAddr,
}

/// The addresses of both families in turn (RFC 8305 §4), so that a host on which one does not work
/// soon tries the other.
fn in_turn(addrs: &[SocketAddr]) -> ArrayVec<SocketAddr, ADDRS_MAX> {
    let is_first = |addr: &&SocketAddr| addr.is_ipv6() == addrs[0].is_ipv6();
    let (first, other): (Vec<_>, Vec<_>) = addrs.iter().partition(is_first);
    let pairs = (0..addrs.len()).flat_map(|n| [first.get(n), other.get(n)]);
    pairs.flatten().copied().copied().take(ADDRS_MAX).collect()
}

impl<S: Transport> Link<S> {
    /// The resolver's answer; empty if it failed, and then an earlier answer's addresses serve.
    pub fn handle_resolved(&mut self, now: Nanos, addrs: &[SocketAddr]) {
        if !addrs.is_empty() {
            let next = self.addrs.get(self.next_addr % self.addrs.len().max(1));
            let next = next.copied();
            self.addrs = in_turn(addrs);
            // Resolvers answer in changing orders; a good address is the next one all the same.
            self.next_addr = self.place_of(next);
        }
        if self.phase != Phase::Resolving {
            return; // An answer that came too late serves the next attempt.
        }
        if self.addrs.is_empty() {
            self.fail(
                now,
                Close::Unresolved,
                format_args!("no address for the host"),
            );
        } else {
            self.start_round();
        }
    }

    /// A socket that is connecting to the dialled address, or why there is none. The owner
    /// registers it next, and reads when it is ready.
    pub fn handle_dialed(&mut self, now: Nanos, dialed: Result<S, ErrorKind>) {
        let awaited = self.phase == Phase::Connecting && matches!(self.wire, Wire::None);
        if !awaited {
            return; // The attempt that asked for it is over: the socket closes here.
        }
        let stream = match dialed {
            Ok(stream) => stream,
            Err(kind) => return self.fail(now, Close::Io(kind), format_args!("dial: {kind}")),
        };
        let deadline = self.config.deadlines.connect;
        self.timer = now
            + match self.tried < self.addrs.len() {
                true => STAGGER.min(deadline),
                false => deadline,
            };
        match self.config.proxy.clone() {
            Some((proxy, target)) => self.wire = Wire::Proxy(Tunnel::new(stream, proxy, target)),
            None => self.secure(now, stream),
        }
    }

    fn place_of(&self, address: Option<SocketAddr>) -> usize {
        let mut addrs = self.addrs.iter();
        addrs.position(|known| Some(*known) == address).unwrap_or(0)
    }

    pub(super) fn enter(&mut self, phase: Phase, timer: Nanos) {
        (self.phase, self.timer) = (phase, timer);
        if phase != Phase::Connecting {
            self.rivals.clear();
        }
    }

    pub(super) fn say(&mut self, output: Output) {
        // A close takes back what was asked for: `Opened, Closed, Resolve` is the longest queue.
        let full = self.outputs.try_push(output).is_err();
        debug_assert!(!full, "outputs are bounded");
    }

    pub(super) fn start_round(&mut self) {
        self.tried = 0;
        self.dial();
    }

    /// Asks for the next address. No timer runs until the socket is there: when to dial is the
    /// owner's to say, who keeps the budget of attempts.
    pub(super) fn dial(&mut self) {
        debug_assert!(!self.addrs.is_empty(), "dialling without an address");
        self.tried += 1;
        self.wire = Wire::None;
        self.postponed = false;
        self.dialed = Some(self.addrs[self.next_addr % self.addrs.len()]);
        self.ask_to_dial();
    }

    pub(super) fn ask_to_dial(&mut self) {
        self.enter(Phase::Connecting, Nanos::NEVER);
        if let Some(address) = self.dialed {
            self.say(Output::Dial(address));
        }
    }

    pub(super) fn advance(&mut self, now: Nanos, unix: UnixNanos) {
        self.race();
        if let Wire::Proxy(_) = self.wire {
            self.advance_tunnel(now);
        }
        if let Wire::Tls(_) = self.wire {
            self.advance_tls(now);
        }
        if let Wire::Http(_) = self.wire {
            self.advance_upgrade(now, unix);
        }
    }

    /// The first address that answers is the one.
    fn race(&mut self) {
        let mut at = 0;
        while let Some(rival) = self.rivals.get_mut(at) {
            let done = match &mut rival.wire {
                Wire::Proxy(tunnel) => tunnel.advance(),
                Wire::Tls(tls) => tls.handshake(),
                Wire::None | Wire::Http(_) | Wire::Ws(_) => Ok(()),
            };
            let answered = rival
                .wire
                .stream()
                .is_some_and(|stream| stream.tx().bytes > 0);
            match done {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    self.rivals.swap_remove(at);
                }
                Ok(()) | Err(_) if !answered => at += 1,
                Ok(()) | Err(_) => {
                    let winner = self.rivals.swap_remove(at);
                    self.take_up(winner);
                    self.rivals.clear();
                }
            }
        }
    }

    /// Goes on with an address that was dialled earlier.
    fn take_up(&mut self, rival: Rival<S>) {
        let Rival { wire, address } = rival;
        (self.wire, self.dialed) = (wire, Some(address));
        self.next_addr = self.place_of(self.dialed);
        self.outputs
            .retain(|output| !matches!(output, Output::Dial(_)));
    }

    pub(super) fn secure(&mut self, now: Nanos, stream: S) {
        match TlsStream::new(self.tls.clone(), self.server_name.clone(), stream) {
            Ok(tls) => self.wire = Wire::Tls(tls),
            Err(e) => self.fail(now, Close::Tls("setup"), format_args!("TLS: {e}")),
        }
    }

    fn advance_tunnel(&mut self, now: Nanos) {
        let Wire::Proxy(tunnel) = &mut self.wire else {
            return;
        };
        let done = tunnel.advance();
        if self.phase == Phase::Connecting && tunnel.get_ref().tx().bytes > 0 {
            self.enter(Phase::Tunnelling, now + self.config.deadlines.tunnel);
        }
        match done {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => self.fail(now, Close::Proxy, format_args!("{e}")),
            Ok(()) => {
                if let Wire::Proxy(tunnel) = mem::replace(&mut self.wire, Wire::None) {
                    self.enter(Phase::Securing, now + self.config.deadlines.secure);
                    self.secure(now, tunnel.into_inner());
                }
            }
        }
    }

    pub(super) fn advance_tls(&mut self, now: Nanos) {
        let Wire::Tls(tls) = &mut self.wire else {
            return;
        };
        let done = tls.handshake();
        if self.phase == Phase::Connecting && tls.get_ref().tx().bytes > 0 {
            // A socket takes bytes once TCP is open, and not before.
            self.enter(Phase::Securing, now + self.config.deadlines.secure);
        }
        match done {
            Ok(()) => self.start_upgrade(now),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => self.fail(now, ws::io_close(&e), format_args!("TLS: {e}")),
        }
    }

    pub(super) fn start_upgrade(&mut self, now: Nanos) {
        let Wire::Tls(tls) = mem::replace(&mut self.wire, Wire::None) else {
            return;
        };
        let nonce = self.rng.u128(..).to_le_bytes();
        self.wire = Wire::Http(Upgrade::new(tls, &self.config, nonce));
        self.upgrade_asked = now;
        self.enter(Phase::Upgrading, now + self.config.deadlines.upgrade);
    }

    pub(super) fn advance_upgrade(&mut self, now: Nanos, unix: UnixNanos) {
        let Wire::Http(upgrade) = &mut self.wire else {
            return;
        };
        match upgrade.advance(unix) {
            Progress::Blocked => {}
            Progress::Done => self.open(now),
            Progress::Refused(refusal) => self.refused(now, refusal),
            Progress::Failed(Close::Io(_), e) => {
                self.fail(now, ws::io_close(&e), format_args!("upgrade: {e}"));
            }
            Progress::Failed(reason, e) => self.fail(now, reason, format_args!("upgrade: {e}")),
        }
    }

    pub(super) fn open(&mut self, now: Nanos) {
        let Wire::Http(upgrade) = mem::replace(&mut self.wire, Wire::None) else {
            return;
        };
        self.peer_time = upgrade
            .date()
            .map(|date| http_date::told(date, self.upgrade_asked, now));
        let (tls, behind) = upgrade.into_parts();
        let limit = self.config.message_bytes_max;
        let sieve = Sieve::new(tls, &behind, limit, self.config.binary);
        let ws = WebSocket::from_raw_socket(sieve, Role::Client, Some(ws::config(limit)));
        self.wire = Wire::Ws(ws);
        self.enter(Phase::Live, Nanos::NEVER);
        self.epoch += 1;
        (self.heard, self.pinged, self.unflushed) = (now, false, false);
        (self.first_text, self.proven) = (Nanos::ZERO, false);
        let life_ns = self.config.life_max.0;
        self.expires = now + Span(life_ns - self.rng.u64(0..=life_ns / 10));
        self.say(Output::Opened);
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        let Wire::Http(upgrade) = &self.wire else {
            return None;
        };
        upgrade.refusal().map(|(refusal, _)| refusal)
    }

    /// The peer answered with another status than 101.
    pub(super) fn refused(&mut self, now: Nanos, refusal: Refusal) {
        let mut text = ArrayString::<ERROR_BYTES_MAX>::new();
        if let Wire::Http(upgrade) = &self.wire
            && let Some((_, body)) = upgrade.refusal()
        {
            let _ = write!(Capped(&mut text), "HTTP {}: {body}", refusal.status);
        }
        self.fail(
            now,
            Close::HttpStatus(refusal.status),
            format_args!("{text}"),
        );
        // On top of the delay, whose jitter spreads those that were sent away together.
        self.timer = self.timer
            + match (refusal.status, refusal.retry_after) {
                (_, Some(span)) => span,
                (418 | 429, None) => BANNED_PAUSE,
                (503, None) => MAINTENANCE_PAUSE,
                _ => Span::ZERO,
            };
    }

    pub(super) fn time_out(&mut self, now: Nanos) {
        let phase = self.phase;
        if let (Phase::Connecting, Some(address)) = (phase, self.dialed)
            && self.tried < self.addrs.len()
        {
            let wire = mem::replace(&mut self.wire, Wire::None);
            self.rivals.push(Rival { wire, address });
            self.next_addr = self.next_addr.wrapping_add(1);
            return self.dial();
        }
        self.rivals.clear();
        self.fail(
            now,
            Close::Deadline(phase),
            format_args!("{} took too long", phase.name()),
        );
    }

    /// An attempt or a connection failed. While TCP fails the other addresses get their turn.
    pub(super) fn fail(&mut self, now: Nanos, reason: Close, text: fmt::Arguments<'_>) {
        self.last_error.clear();
        if let (Some((proxy, _)), Phase::Resolving | Phase::Connecting | Phase::Tunnelling) =
            (&self.config.proxy, self.phase)
        {
            let _ = write!(Capped(&mut self.last_error), "proxy {proxy}: ");
        }
        let _ = Capped(&mut self.last_error).write_fmt(text);
        if !self.proven {
            self.next_addr = self.next_addr.wrapping_add(1);
        }
        if self.phase == Phase::Connecting && self.tried < self.addrs.len() {
            return self.dial();
        }
        if let Some(rival) = self.rivals.pop() {
            return self.take_up(rival); // The deadline stays.
        }
        self.close(now, reason);
    }

    pub(super) fn close(&mut self, now: Nanos, reason: Close) {
        self.wire = Wire::None;
        self.held = Bytes::new();
        self.large = Vec::new();
        let retry_at = self.retry_at(now, reason);
        self.enter(Phase::Waiting, retry_at);
        self.proven = false;
        self.counters.closes += 1;
        self.outputs
            .retain(|output| matches!(output, Output::Opened));
        self.say(Output::Closed { reason });
    }

    /// When the next attempt may start.
    pub(super) fn retry_at(&mut self, now: Nanos, reason: Close) -> Nanos {
        match reason {
            Close::Shutdown => Nanos::NEVER,
            Close::Expired => now, // We ended it ourselves, in good health.
            Close::PeerClosed(RESTARTING | TRY_LATER) => {
                self.backoff.on_failure(now) + MAINTENANCE_PAUSE
            }
            Close::Unresolved | Close::Refused | Close::Deadline(_) | Close::Tls(_) => {
                self.backoff.on_failure(now)
            }
            Close::Proxy => self.backoff.on_failure(now),
            Close::HttpStatus(_) | Close::PeerClosed(_) | Close::Protocol | Close::TooLong => {
                self.backoff.on_failure(now)
            }
            Close::Idle | Close::Eof | Close::Io(_) | Close::Restarted => {
                self.backoff.on_failure(now)
            }
        }
    }
}
