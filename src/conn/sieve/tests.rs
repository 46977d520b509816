//! What comes out of a sieve, however its bytes come in: in place, and by tungstenite alone.

use super::*;
use fastrand::Rng;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Message, Utf8Bytes};

const LIMIT: usize = LARGE_BYTES + 1_000;

/// A stream that gives bytes in pieces of chance, and blocks at the end.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    rng: Rng,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = *self.rng.choice(&[1, 3, 100, 8_192]).unwrap_or(&1);
        let n = out.len().min(self.bytes.len() - self.at).min(most);
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Write for Pieces {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..126 => frame.push(n as u8),
        n @ 126..65_536 => {
            frame.push(126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    [&frame, payload].concat()
}

/// What the reader above gets, in order: texts, and what was sifted out.
fn read_all(bytes: Vec<u8>, seed: u64) -> Vec<String> {
    read_sorts(bytes, seed, false)
}

/// The same, with binary messages if these are wanted.
fn read_sorts(bytes: Vec<u8>, seed: u64, binary: bool) -> Vec<String> {
    let all = read_by(bytes.clone(), seed, (true, binary));
    let other = read_by(bytes, seed, (false, binary));
    assert_eq!(all, other, "by tungstenite alone");
    all
}

/// Reads plain messages `in_place`, or all by tungstenite.
fn read_by(bytes: Vec<u8>, seed: u64, (in_place, binary): (bool, bool)) -> Vec<String> {
    let behind = bytes[..bytes.len().min(seed as usize % 40)].to_vec();
    let pieces = Pieces {
        at: behind.len(),
        bytes,
        rng: Rng::with_seed(seed),
    };
    let sieve = Sieve::new(pieces, &behind, LIMIT, binary);
    let mut ws =
        WebSocket::from_raw_socket(sieve, Role::Client, Some(crate::conn::ws::config(LIMIT)));
    let sort = |is_text: bool| if is_text { "" } else { "binary " }.to_owned();
    let brief = |text: &str| format!("{}:{:.3}", text.len(), text);
    let mut all = Vec::new();
    loop {
        if in_place {
            match ws.get_mut().message() {
                Ok(Some(InPlace { at, is_text })) => {
                    let text = std::str::from_utf8(&ws.get_ref().bytes()[at]).unwrap();
                    all.push(sort(is_text) + &brief(text));
                    continue;
                }
                Ok(None) => {}
                Err(_) if ws.get_mut().take_tired() => continue,
                Err(_) => return all,
            }
        }
        match ws.read() {
            Ok(Message::Text(text)) => all.push(brief(&text)),
            Ok(Message::Binary(bytes)) if binary => {
                all.push(sort(false) + &brief(std::str::from_utf8(&bytes).unwrap()));
            }
            Ok(Message::Ping(_)) => all.push("ping".into()),
            Ok(other) => all.push(format!("{other:?}")),
            Err(error) if crate::conn::ws::would_block(&error) => {
                let sieve = ws.get_mut();
                match sieve.take_sifted() {
                    Some(Sifted::Large(text, is_text)) => {
                        let text = Utf8Bytes::try_from(text).unwrap();
                        all.push(format!("large {}{}", sort(is_text), brief(&text)));
                    }
                    Some(Sifted::TooLong(bytes, excerpt)) => {
                        let text = String::from_utf8(excerpt).unwrap();
                        let end = &text[text.len() - 3..];
                        all.push(format!("long {bytes}:{:.3}…{end}", text));
                    }
                    Some(Sifted::Cut(bytes)) => all.push(format!("cut {bytes}")),
                    None if sieve.take_tired() => {}
                    None => return all,
                }
            }
            Err(error) => {
                all.push(format!("{error}"));
                return all;
            }
        }
    }
}

fn text(len: usize) -> Vec<u8> {
    let mut text = vec![b'.'; len];
    let n = len.min(3);
    text[..n].copy_from_slice(&b"abc"[..n]);
    text[len - n..].copy_from_slice(&b"xyz"[..n]);
    text
}

#[test]
fn what_is_large_comes_out_whole_and_what_is_too_long_costs_no_neighbour() {
    let large = LARGE_BYTES + 5;
    let stream = [
        frame(0x81, b"one"),
        frame(0x81, &text(large)),
        frame(0x89, b""),
        frame(0x81, b"two"),
        frame(0x81, &text(LIMIT + 1)),
        frame(0x81, b"three"),
        frame(0x81, &text(3 << 20)),
        frame(0x81, &text(LIMIT)),
        frame(0x81, &text(70_000)),
        frame(0x82, &text(LIMIT + 9)),
        frame(0x81, b"end"),
    ];
    let wanted = [
        "3:one".to_owned(),
        format!("large {large}:abc"),
        "ping".into(),
        "3:two".into(),
        format!("long {}:abc…xyz", LIMIT + 1),
        "5:thr".into(),
        format!("long {}:abc…xyz", 3 << 20),
        format!("large {LIMIT}:abc"),
        "70000:abc".into(),
        format!("long {}:abc…xyz", LIMIT + 9),
        "3:end".into(),
    ];
    for seed in 0..40 {
        assert_eq!(read_all(stream.concat(), seed), wanted, "seed {seed}");
    }
}

#[test]
fn a_message_of_many_frames_is_held_to_the_same_limit() {
    let half = text(LIMIT / 2);
    let stream = [
        frame(0x01, &half),
        frame(0x89, b""),
        frame(0x80, &half),
        frame(0x01, &half),
        frame(0x00, &half),
        frame(0x89, b""),
        frame(0x00, &half),
        frame(0x80, &half),
        frame(0x81, b"next"),
        frame(0x01, &text(LIMIT + 1)),
        frame(0x80, &half),
        frame(0x81, b"end"),
    ];
    let wanted = [
        "ping".to_owned(),
        format!("{}:abc", 2 * (LIMIT / 2)),
        "ping".into(),
        format!("{}:abc", 2 * (LIMIT / 2)),
        format!("cut {}", 4 * (LIMIT / 2)),
        "4:nex".into(),
        format!("long {}:abc…xyz", LIMIT + 1 + LIMIT / 2),
        "3:end".into(),
    ];
    for seed in 0..40 {
        assert_eq!(read_all(stream.concat(), seed), wanted, "seed {seed}");
    }
}

#[test]
fn ordinary_traffic_passes_as_it_is_and_broken_rules_are_left_to_websocket() {
    let mut rng = Rng::with_seed(1);
    let lens: Vec<usize> = (0..300)
        .map(|_| *rng.choice(&[0, 1, 125, 126, 700, 65_536]).unwrap_or(&0))
        .collect();
    let stream: Vec<u8> = lens
        .iter()
        .flat_map(|len| frame(0x81, &vec![b'x'; *len]))
        .collect();
    for seed in 0..20 {
        let all = read_all(stream.clone(), seed);
        let got = all
            .iter()
            .map(|one| one.split(':').next().unwrap_or("").parse().unwrap());
        assert_eq!(got.collect::<Vec<usize>>(), lens);
    }
    for (broken, word) in [
        (frame(0xc1, b"x"), "eserved"),
        (frame(0x80, b"x"), "ontinue"),
        ([&[0x81, 0x81, 1, 2, 3, 4][..], b"x"].concat(), "masked"),
        (frame(0x83, b"x"), "invalid opcode"),
    ] {
        let said = read_all(broken, 0);
        assert!(said[0].contains(word), "{said:?}");
    }
}

/// Found by the fuzzer: 2⁶⁴ − 1 and a header do not fit into 64 bits.
#[test]
fn a_frame_that_says_it_is_longer_than_any_memory_is_awaited_and_no_overflow() {
    for long in [u64::MAX, u64::MAX - 9, 1 << 63] {
        let endless = [&[0x81, 127][..], &long.to_be_bytes(), b"abc"].concat();
        let stream = [frame(0x81, b"one"), endless].concat();
        for seed in 0..20 {
            assert_eq!(read_all(stream.clone(), seed), ["3:one"], "{long}");
        }
    }
}

#[test]
fn binary_messages_come_as_texts_do_if_they_are_wanted() {
    let large = LARGE_BYTES + 5;
    let stream = [
        frame(0x82, b"one"),
        frame(0x81, b"two"),
        frame(0x82, &text(large)),
        frame(0x82, &text(LIMIT + 1)),
        frame(0x82, &text(70_000)),
        frame(0x02, b"thr"),
        frame(0x80, b"ee"),
        frame(0x02, &text(LIMIT)),
        frame(0x80, b"ee"),
        frame(0x82, b"end"),
    ];
    let cut = format!("binary {LIMIT}:abc");
    let wanted = [
        "binary 3:one".to_owned(),
        "3:two".into(),
        format!("large binary {large}:abc"),
        format!("long {}:abc…xyz", LIMIT + 1),
        "binary 70000:abc".into(),
        "binary 5:thr".into(),
        cut,
        format!("cut {}", LIMIT + 2),
        "binary 3:end".into(),
    ];
    for seed in 0..40 {
        assert_eq!(
            read_sorts(stream.concat(), seed, true),
            wanted,
            "seed {seed}"
        );
    }
    let unwanted = read_all([frame(0x82, b"one"), frame(0x81, b"two")].concat(), 1);
    assert_eq!(unwanted, ["Binary(b\"one\")", "3:two"]);
}
