//! Any bytes as what the peer of a WebSocket sends, in any pieces. What is read in place and what
//! tungstenite reads must be the same. Unless something was taken out, so must be what tungstenite
//! reads without a sieve.

use super::Choices;
use crate::conn::sieve::{InPlace, LARGE_BYTES, Sieve, Sifted};
use crate::conn::{Close, ws};
use fastrand::Rng;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};

/// The longest messages that connections take here.
const LIMITS: [usize; 4] = [100, 5_000, 70_000, LARGE_BYTES + 1_000];
/// Lengths of payloads at which something changes, beside the limit itself.
const LENGTHS: [usize; 8] = [0, 1, 125, 126, 700, 32_000, 65_536, LARGE_BYTES + 5];
/// What is sent at most, so that one input takes no more than a few milliseconds.
const SENT_MAX: usize = 1 << 20;

/// What the owner of a connection is told, in order.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Message(Message),
    TooLong(u64, Vec<u8>),
    Cut(u64),
    Closed(Close),
}

/// A connection, and what its peer sends.
struct Peer {
    sent: Vec<u8>,
    /// Bytes of it that came with the answer to the handshake.
    behind: usize,
    limit: usize,
    binary: bool,
    /// The stream ends behind it.
    ends: bool,
}

pub(super) fn body(data: &[u8]) {
    let mut choices = Choices(data);
    let flags = choices.u8();
    let (seed, behind) = (u64::from(choices.u8()), usize::from(choices.u8()));
    let limit = LIMITS[usize::from(flags & 3)];
    let sent = sent(&mut choices, limit);
    let peer = Peer {
        behind: behind.min(sent.len()),
        sent,
        limit,
        binary: flags & 4 > 0,
        ends: flags & 8 > 0,
    };
    let (in_place, sifted) = read(&peer, seed, true);
    let (by_tungstenite, _) = read(&peer, !seed, false);
    assert_eq!(in_place, by_tungstenite);
    let plain = plain(&peer);
    // What the sieve drops, tungstenite ends the connection for, before the end of it has come.
    let too_long = plain.last() == Some(&Came::Closed(Close::TooLong));
    if !sifted && !too_long {
        assert_eq!(in_place, plain);
    }
}

/// Bytes as they stand in the input, and frames of a few lengths that an input need not spell out.
fn sent(choices: &mut Choices<'_>, limit: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    while !choices.is_over() && sent.len() < SENT_MAX {
        match choices.u8() {
            literal @ 0..0xe0 => sent.extend_from_slice(choices.bytes(literal.into())),
            some => {
                let at = usize::from(some & 0x0f);
                let longer = (at == LENGTHS.len()).then_some(limit + 1);
                let length = longer.unwrap_or(*LENGTHS.get(at).unwrap_or(&limit));
                let (first, fill) = (choices.u8(), choices.u8());
                sent.extend(header(first, length));
                sent.resize(sent.len() + length, fill);
            }
        }
    }
    sent
}

fn header(first: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => header.push(short),
        (_, Ok(long)) => {
            header.push(126);
            header.extend(long.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}

/// What a connection's owner is told, as it reads here: messages that lie whole where they are, if
/// it reads them `in_place`, and everything else from tungstenite. True if something was taken out.
fn read(peer: &Peer, seed: u64, in_place: bool) -> (Vec<Came>, bool) {
    let (behind, rest) = peer.sent.split_at(peer.behind);
    let pieces = Pieces {
        bytes: rest,
        ends: peer.ends,
        dice: Some(Rng::with_seed(seed)),
        blocked: false,
    };
    let sieve = Sieve::new(pieces, behind, peer.limit, peer.binary);
    let config = ws::config(peer.limit);
    let mut ws = WebSocket::from_raw_socket(sieve, Role::Client, Some(config));
    let (mut all, mut sifted) = (Vec::new(), false);
    loop {
        let came = match in_place.then(|| ws.get_mut().message()) {
            Some(Ok(Some(place))) => Ok(whole(ws.get_ref().bytes(), &place)),
            Some(Err(error)) => Err(tungstenite::Error::Io(error)),
            None | Some(Ok(None)) => ws.read().map(Came::Message),
        };
        let came = match came {
            Ok(came) => came,
            Err(error) if ws::would_block(&error) => {
                let sieve = ws.get_mut();
                match sieve.take_sifted() {
                    Some(out) => {
                        sifted = true;
                        taken_out(out)
                    }
                    None if sieve.take_tired() || sieve.get_ref().has_more() => continue,
                    None => return (all, sifted),
                }
            }
            Err(error) => Came::Closed(ws::close(&error)),
        };
        let over = matches!(came, Came::Closed(_) | Came::Message(Message::Close(_)));
        all.push(came);
        if over {
            return (all, sifted);
        }
    }
}

fn whole(bytes: &[u8], place: &InPlace) -> Came {
    message(bytes[place.at.clone()].to_vec(), place.is_text)
}

fn message(payload: Vec<u8>, is_text: bool) -> Came {
    match (is_text, String::from_utf8(payload)) {
        (true, Ok(text)) => Came::Message(Message::Text(text.into())),
        (true, Err(_)) => Came::Closed(Close::Protocol),
        (false, text) => {
            let payload = text.map_or_else(|error| error.into_bytes(), String::into_bytes);
            Came::Message(Message::Binary(payload.into()))
        }
    }
}

fn taken_out(sifted: Sifted) -> Came {
    match sifted {
        Sifted::Large(payload, is_text) => message(payload, is_text),
        Sifted::TooLong(bytes, excerpt) => Came::TooLong(bytes, excerpt),
        Sifted::Cut(bytes) => Came::Cut(bytes),
    }
}

/// What tungstenite says of it alone, all bytes at once.
fn plain(peer: &Peer) -> Vec<Came> {
    let pieces = Pieces {
        bytes: &peer.sent,
        ends: peer.ends,
        dice: None,
        blocked: false,
    };
    let config = ws::config(peer.limit);
    let mut ws = WebSocket::from_raw_socket(pieces, Role::Client, Some(config));
    let mut all = Vec::new();
    loop {
        let came = match ws.read() {
            Ok(message) => Came::Message(message),
            Err(error) if ws::would_block(&error) => return all,
            Err(error) => Came::Closed(ws::close(&error)),
        };
        let over = matches!(came, Came::Closed(_) | Came::Message(Message::Close(_)));
        all.push(came);
        if over {
            return all;
        }
    }
}

/// A stream that gives its bytes in pieces and blocks in between, by the dice if it has any.
struct Pieces<'a> {
    bytes: &'a [u8],
    ends: bool,
    dice: Option<Rng>,
    blocked: bool,
}

impl Pieces<'_> {
    /// It blocked though it has more to give: who reads it is to come again.
    fn has_more(&self) -> bool {
        self.blocked
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut most = out.len();
        if let Some(dice) = &mut self.dice {
            self.blocked = dice.u8(..8) == 0 && !self.blocked;
            if self.blocked {
                return Err(ErrorKind::WouldBlock.into());
            }
            most = most.min([1, 3, 100, 8_192, 65_536][dice.usize(..5)]);
        }
        let n = most.min(self.bytes.len());
        if n == 0 && !self.ends {
            return Err(ErrorKind::WouldBlock.into());
        }
        let (given, rest) = self.bytes.split_at(n);
        out[..n].copy_from_slice(given);
        self.bytes = rest;
        Ok(n)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
