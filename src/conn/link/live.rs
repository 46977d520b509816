//! What a live connection does besides frames: heartbeat, closing, the peer's limit. Never dials.

use super::super::sieve::{InPlace, excerpt};
use super::*;
use std::io::Write as _;

impl<S: Transport> Link<S> {
    fn blocked(&self) -> Read<'static> {
        if self.phase == Phase::Live {
            Read::Blocked
        } else {
            Read::Closed
        }
    }

    /// A message that lies whole in the buffer below tungstenite.
    #[inline]
    pub(super) fn read_in_place(&mut self, clock: &dyn Clock, place: InPlace) -> Read<'_> {
        let at = clock.now();
        self.heard_text(at);
        let Wire::Ws(ws) = &self.wire else {
            return Read::Closed;
        };
        let (sieve, rx) = (ws.get_ref(), ws.get_ref().get_ref().get_ref().rx());
        let bytes = &sieve.bytes()[place.at.clone()];
        if place.is_text && std::str::from_utf8(bytes).is_err() {
            return self.no_utf8(at);
        }
        let Wire::Ws(ws) = &self.wire else {
            return Read::Closed;
        };
        Read::Frame {
            text: &ws.get_ref().bytes()[place.at],
            rx,
            at,
        }
    }

    #[cold]
    fn no_utf8(&mut self, at: Nanos) -> Read<'static> {
        self.fail(at, Close::Protocol, format_args!("a text that is no UTF-8"));
        Read::Closed
    }

    /// Reading blocked: because the stream is empty, because a message of unusual size was taken
    /// out of it, or because others must have their turn.
    pub(super) fn sifted(&mut self, clock: &dyn Clock) -> Read<'_> {
        let Wire::Ws(ws) = &mut self.wire else {
            return self.blocked();
        };
        let rx = ws.get_ref().get_ref().get_ref().rx();
        match ws.get_mut().take_sifted() {
            None if ws.get_mut().take_tired() => Read::Yielded,
            None => self.blocked(),
            Some(Sifted::Large(text, is_text)) => {
                let at = clock.now();
                if is_text && std::str::from_utf8(&text).is_err() {
                    return self.no_utf8(at);
                }
                self.heard_text(at);
                self.large = text;
                Read::Frame {
                    text: &self.large,
                    rx,
                    at,
                }
            }
            Some(Sifted::TooLong(bytes, excerpt)) => {
                self.large = excerpt;
                self.too_long(clock.now(), bytes)
            }
            Some(Sifted::Cut(bytes)) => {
                // What of it had passed came first.
                self.large = std::mem::take(&mut self.cut);
                self.too_long(clock.now(), bytes)
            }
        }
    }

    fn too_long(&mut self, at: Nanos, bytes: u64) -> Read<'_> {
        self.heard_text(at);
        self.counters.too_long += 1;
        Read::TooLong {
            bytes,
            excerpt: &self.large,
            at,
        }
    }

    /// The text in hand is the beginning of a message that was too long: an excerpt of it is kept
    /// until its end.
    pub(super) fn cut_short(&mut self) -> bool {
        let Wire::Ws(ws) = &mut self.wire else {
            return false;
        };
        let cut = ws.get_mut().take_cut();
        if cut {
            self.counters.text_frames -= 1;
            let text = std::mem::take(&mut self.held);
            self.cut = Vec::new();
            excerpt(&mut self.cut, &text);
        }
        cut
    }

    pub(super) fn heard_text(&mut self, at: Nanos) {
        self.counters.text_frames += 1;
        (self.heard, self.pinged) = (at, false);
        if self.proven {
            return;
        }
        if self.first_text == Nanos::ZERO {
            self.first_text = at;
        } else if at.since(self.first_text) >= PROOF {
            self.proven = true;
            self.backoff.reset();
        }
    }

    pub(super) fn handle_other(&mut self, now: Nanos, message: Message) {
        (self.heard, self.pinged) = (now, false);
        match message {
            Message::Ping(_) => {
                // tungstenite has queued the pong, with the same payload.
                self.counters.pings += 1;
                self.count_heartbeat(now);
                self.push_out(now);
            }
            Message::Close(frame) => self.closed_by_peer(now, frame),
            Message::Binary(_) => self.counters.binary_frames += 1,
            Message::Pong(_) | Message::Text(_) | Message::Frame(_) => {}
        }
    }

    pub(super) fn closed_by_peer(&mut self, now: Nanos, frame: Option<CloseFrame>) {
        self.part(CloseCode::Normal);
        let code = frame
            .as_ref()
            .map_or(NO_CLOSE_CODE, |frame| frame.code.into());
        let words = frame.as_ref().map_or("", |frame| frame.reason.as_str());
        self.fail(
            now,
            Close::PeerClosed(code),
            format_args!("closed by the peer: {code} {words}"),
        );
    }

    /// The peer sends nothing but what is no text, without end.
    pub(super) fn flood(&mut self, now: Nanos) {
        self.part(CloseCode::Policy);
        let text = format_args!("more than {OTHERS_MAX} messages in a row that are no text");
        self.fail(now, Close::Protocol, text);
    }

    /// The longest silence that is borne: half of it before our ping, all of it after.
    pub(super) fn quiet_max(&self) -> Span {
        let idle_after = self.config.idle_after;
        if self.pinged {
            idle_after
        } else {
            idle_after / 2
        }
    }

    pub(super) fn heartbeat(&mut self, now: Nanos) {
        if let Wire::Ws(ws) = &mut self.wire
            && ws.get_mut().take_moved()
        {
            // A long message is under way: the peer lives, and can say nothing else meanwhile.
            (self.heard, self.pinged) = (now, false);
        }
        if now.since(self.heard) >= self.config.idle_after {
            return self.fail(now, Close::Idle, format_args!("nothing was heard"));
        }
        if now >= self.expires {
            self.part(CloseCode::Normal);
            return self.close(now, Close::Expired);
        }
        self.pinged = true;
        self.count_heartbeat(now);
        // Whether it could be sent shows in what is heard.
        let _ = self.put(now, Message::Ping(Bytes::new()));
    }

    /// Pings and pongs cannot wait: they use the room that `send` spares for them.
    pub(super) fn count_heartbeat(&mut self, now: Nanos) {
        if let Some(limiter) = &mut self.limiter {
            limiter.count(now);
        }
    }

    pub(super) fn put(&mut self, now: Nanos, message: Message) -> Result<Sent, SendError> {
        let Wire::Ws(ws) = &mut self.wire else {
            return Err(SendError::NotLive);
        };
        let flushed = match ws.send(message) {
            Ok(()) => true,
            // Queued: sending it again would send it twice.
            Err(error) if ws::would_block(&error) => false,
            Err(tungstenite::Error::WriteBufferFull(_)) => return Err(SendError::Full),
            Err(error) => {
                self.fail(now, ws::close(&error), format_args!("{error}"));
                return Err(SendError::Broken);
            }
        };
        self.unflushed = !flushed;
        let mark = self
            .wire
            .stream()
            .map_or_else(TxMark::default, Transport::tx);
        Ok(Sent { flushed, mark })
    }

    /// Writes a text past tungstenite, of which nothing waits for the socket.
    pub(super) fn put_frame(&mut self, now: Nanos, text: &[u8]) -> Result<Sent, SendError> {
        let Wire::Ws(ws) = &mut self.wire else {
            return Err(SendError::NotLive);
        };
        frame::write_text(&mut self.frame, text, self.rng.u32(..).to_ne_bytes());
        let stream = ws.get_mut();
        // Below, all of it is taken or nothing is, since nothing waits there.
        let written = stream.write_all(&self.frame).and_then(|()| stream.flush());
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.unflushed = true,
            Err(error) => {
                self.fail(now, ws::io_close(&error), format_args!("{error}"));
                return Err(SendError::Broken);
            }
        }
        let mark = self
            .wire
            .stream()
            .map_or_else(TxMark::default, Transport::tx);
        Ok(Sent {
            flushed: !self.unflushed,
            mark,
        })
    }

    /// Makes the frame and the record of a text that is not sent.
    pub(crate) fn rehearse(&mut self, text: &[u8]) {
        frame::write_text(&mut self.frame, text, self.rng.u32(..).to_ne_bytes());
        if let Wire::Ws(ws) = &mut self.wire {
            ws.get_mut().get_mut().rehearse(&self.frame);
        }
    }

    /// Closing frame and close_notify, as far as the socket takes them at once.
    pub(super) fn part(&mut self, code: CloseCode) {
        if let Wire::Ws(ws) = &mut self.wire {
            let _ = ws.close(Some(CloseFrame {
                code,
                reason: Utf8Bytes::from_static(""),
            }));
            ws.get_mut().get_mut().send_close_notify();
        }
    }
}
