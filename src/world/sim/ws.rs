//! The exchange's end of one WebSocket: framing, keep-alive and the limits that it holds clients
//! to. Understands no message; reads and writes plaintext buffers, never a socket.

use super::connection::{Cut, Pipe};
use crate::base::{Nanos, Span};
use crate::venue::limits::Meter;
use std::collections::VecDeque;
use std::io;
use tungstenite::error::Error;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig, WebSocketContext};

const PING_PERIOD: Span = Span::from_secs(20);
const PONG_MAX: Span = Span::from_secs(60);
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// One WebSocket, seen from the exchange.
pub(crate) struct Peer {
    context: WebSocketContext,
    /// Messages that are taken, pings and pongs included; order entry is limited otherwise.
    messages: Option<Meter>,
    /// When it is as old as the exchange lets a connection become.
    ends: Nanos,
    next_ping: Nanos,
    /// Pings without their pong, oldest first.
    pings: VecDeque<(Nanos, String)>,
}

impl Peer {
    pub(crate) fn new(now: Nanos, messages: Option<Meter>, life: Span) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(REQUEST_BYTES_MAX))
            .max_frame_size(Some(REQUEST_BYTES_MAX));
        Self {
            context: WebSocketContext::new(Role::Server, Some(config)),
            messages,
            ends: now + life,
            next_ping: now + PING_PERIOD,
            pings: VecDeque::new(),
        }
    }

    /// The next text that the client sent, or why the connection ends; `None` when there is no
    /// more.
    pub(crate) fn read(&mut self, now: Nanos, pipe: &mut Pipe) -> Result<Option<String>, Cut> {
        loop {
            let message = match self.context.read(pipe) {
                Ok(message) => message,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(None);
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Err(Cut::Peer),
                Err(_) => return Err(self.cut(pipe, CloseCode::Protocol, Cut::Protocol)),
            };
            if !matches!(message, Message::Close(_)) && !self.within_limit(now) {
                return Err(self.cut(pipe, CloseCode::Policy, Cut::TooManyMessages));
            }
            match message {
                Message::Text(text) => return Ok(Some(text.as_str().to_owned())),
                Message::Pong(payload) => self.handle_pong(&payload),
                Message::Binary(_) => {
                    return Err(self.cut(pipe, CloseCode::Unsupported, Cut::Protocol));
                }
                Message::Ping(_) | Message::Close(_) | Message::Frame(_) => (),
            }
        }
    }

    /// Queues a frame. False once this end has closed.
    pub(crate) fn send(&mut self, pipe: &mut Pipe, message: Message) -> bool {
        self.context.write(pipe, message).is_ok()
    }

    /// Closes for this reason, and gives it back.
    pub(crate) fn cut(&mut self, pipe: &mut Pipe, code: CloseCode, why: Cut) -> Cut {
        self.close(pipe, code, why.name());
        why
    }

    /// Sends the close frame.
    pub(crate) fn close(&mut self, pipe: &mut Pipe, code: CloseCode, reason: &str) {
        let reason = reason.into();
        // An end that has closed already has nothing more to say.
        let _ = self.context.close(pipe, Some(CloseFrame { code, reason }));
    }

    /// When a ping, a missing pong or the end of its life is due.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let pong = self
            .pings
            .front()
            .map_or(Nanos::NEVER, |(sent, _)| *sent + PONG_MAX);
        self.next_ping.min(pong).min(self.ends)
    }

    /// Pings, or ends a connection that is too old or gave no pong. `payload` is the next ping's.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        payload: i64,
    ) -> Result<(), Cut> {
        if now >= self.ends {
            return Err(self.cut(pipe, CloseCode::Away, Cut::Life));
        }
        if self
            .pings
            .front()
            .is_some_and(|(sent, _)| now >= *sent + PONG_MAX)
        {
            return Err(self.cut(pipe, CloseCode::Policy, Cut::NoPong));
        }
        if now >= self.next_ping {
            let payload = payload.to_string();
            let ping = Message::Ping(payload.clone().into());
            self.context.write(pipe, ping).map_err(|_| Cut::Peer)?;
            self.pings.push_back((now, payload));
            self.next_ping = now + PING_PERIOD;
        }
        Ok(())
    }

    /// From now on it may send as many messages as it likes: it is for orders.
    pub(crate) fn unlimit(&mut self) {
        self.messages = None;
    }

    /// A pong answers the ping with its payload, and those before it. Others keep nothing alive.
    fn handle_pong(&mut self, payload: &[u8]) {
        let answered = self
            .pings
            .iter()
            .position(|(_, sent)| sent.as_bytes() == payload);
        if let Some(n) = answered {
            self.pings.drain(..=n);
        }
    }

    fn within_limit(&mut self, now: Nanos) -> bool {
        let Some(messages) = &mut self.messages else {
            return true;
        };
        let fits = messages.room_at(now, 1) <= now;
        if fits {
            messages.count(now, 1);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Rate;
    use tungstenite::WebSocket;

    /// A client that talks to the peer through two byte vectors.
    struct Client(WebSocket<Pipe>);

    impl Client {
        fn new() -> Self {
            Self(WebSocket::from_raw_socket(
                Pipe::default(),
                Role::Client,
                None,
            ))
        }

        fn send(&mut self, message: Message, pipe: &mut Pipe) {
            self.0.send(message).unwrap();
            pipe.input.append(&mut self.0.get_mut().output);
        }

        fn read(&mut self, pipe: &mut Pipe) -> Option<Message> {
            self.0.get_mut().input.append(&mut pipe.output);
            self.0.read().ok()
        }
    }

    const DAY: Span = Span::from_secs(24 * 3600);

    fn market(now: Nanos) -> Peer {
        let (count, per) = (5, Span::from_secs(1));
        Peer::new(now, Some(Meter::new(Rate { count, per }, 0)), DAY)
    }

    fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn the_sixth_message_within_a_second_ends_a_market_connection_with_1008() {
        let (mut peer, mut client, mut pipe) = (market(at(0)), Client::new(), Pipe::default());
        for ms in [0, 100, 200, 300, 400, 1000, 1100, 1200, 1300, 1400] {
            client.send(Message::Pong("".into()), &mut pipe);
            assert_eq!(peer.read(at(ms), &mut pipe), Ok(None), "{ms}");
        }
        client.send(Message::text("x"), &mut pipe);
        assert_eq!(peer.read(at(1999), &mut pipe), Err(Cut::TooManyMessages));
        let Some(Message::Close(Some(frame))) = client.read(&mut pipe) else {
            panic!()
        };
        assert_eq!(frame.code, CloseCode::Policy);
    }

    #[test]
    fn an_order_connection_is_not_limited_in_messages() {
        let (mut peer, mut client, mut pipe) =
            (Peer::new(at(0), None, DAY), Client::new(), Pipe::default());
        for _ in 0..20 {
            client.send(Message::text("x"), &mut pipe);
            assert_eq!(peer.read(at(0), &mut pipe), Ok(Some("x".to_owned())));
        }
    }

    #[test]
    fn a_ping_comes_every_20_s_and_only_its_own_pong_keeps_the_connection() {
        let (mut peer, mut client, mut pipe) = (market(at(0)), Client::new(), Pipe::default());
        peer.handle_timeout(at(19_999), &mut pipe, 1).unwrap();
        assert!(pipe.output.is_empty());
        peer.handle_timeout(at(20_000), &mut pipe, 77).unwrap();
        assert_eq!(client.read(&mut pipe), Some(Message::Ping("77".into())));
        client.send(Message::Pong("other".into()), &mut pipe);
        peer.read(at(21_000), &mut pipe).unwrap();
        peer.handle_timeout(at(40_000), &mut pipe, 78).unwrap();
        assert_eq!(
            peer.handle_timeout(at(80_000), &mut pipe, 79),
            Err(Cut::NoPong)
        );
    }

    #[test]
    fn an_answered_ping_answers_for_those_before_it() {
        let (mut peer, mut client, mut pipe) = (market(at(0)), Client::new(), Pipe::default());
        peer.handle_timeout(at(20_000), &mut pipe, 1).unwrap();
        peer.handle_timeout(at(40_000), &mut pipe, 2).unwrap();
        client.send(Message::Pong("2".into()), &mut pipe);
        peer.read(at(41_000), &mut pipe).unwrap();
        peer.handle_timeout(at(60_000), &mut pipe, 3).unwrap();
        assert_eq!(peer.handle_timeout(at(80_000), &mut pipe, 4), Ok(()));
    }

    #[test]
    fn a_connection_is_cut_after_24_hours() {
        let (mut peer, mut pipe) = (market(at(0)), Pipe::default());
        assert_eq!(
            peer.handle_timeout(at(0) + DAY, &mut pipe, 0),
            Err(Cut::Life)
        );
    }
}
