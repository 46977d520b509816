//! Both paths of a decoder, side by side.
#![allow(dead_code)] // Each test binary uses its own part.

use std::collections::BTreeSet;
use tickwire::base::{Instrument, InstrumentId, Symbol, Word};
use tickwire::exchange::kit::words::WORDS_MAX;
use tickwire::exchange::{ALL, DepthStream, Exchange, Words};

/// What seeds of the fuzzer name: symbols of the golden frames, and one of each recording.
const SYMBOLS: [&str; 28] = [
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSD",
    "BTCUSD_PERP",
    "ETHUSD_PERP",
    "tickusd",
    "TICKUSDT",
    "WIREUSDT",
    "ADA-USD",
    "ADA-GBP",
    "ETH-PERPETUAL",
    "ETH-28AUG26-4000-C",
    "BTC",
    "BTC/USD",
    "PF_XBTUSD",
    "BTC-USDT-SWAP",
    "BCHUSD_PERP",
    "ZILUSDT",
    "OMGBUSD",
    "xlmeur",
    "AIOZUSDT",
    "KCSUSDT",
    "SKL-USD",
    "ETH-30APR21-2240-P",
    "FI_XBTUSD_210625",
    "PI_BCHUSD",
    "BTC-USDT",
    "ONT-USDT",
];

/// Each depth stream of text of each exchange, as the first byte of a seed counts them: a binary
/// frame has one path.
pub fn streams() -> impl Iterator<Item = (&'static dyn Exchange, &'static DepthStream)> {
    ALL.iter().flat_map(|exchange| {
        let depths = exchange.depth_streams().iter();
        let of_text = depths.filter(|depth| exchange.binary(depth).is_none());
        of_text.map(move |depth| (*exchange, depth))
    })
}

/// The instruments that the seeds are about.
pub fn fuzzed_instruments() -> Vec<Instrument> {
    let instrument = |(n, symbol): (u16, &&str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("fuzz", Symbol::from(symbol).unwrap_or_default(), (8, 8))
    };
    (0..).zip(&SYMBOLS).map(instrument).collect()
}

/// Decoders of each of [`streams`] that know them.
pub fn fuzzed() -> Vec<Pair> {
    let instruments = fuzzed_instruments();
    streams()
        .map(|(exchange, depth)| Pair::new(exchange, depth, &instruments))
        .collect()
}

/// Two decoders of one exchange that are shown the same frames: the second one with a blank in
/// front, which nothing scans, so that it takes the tape.
pub struct Pair {
    decoders: [Box<dyn tickwire::exchange::Decoder>; 2],
    words: [Words; 2],
    blank: Vec<u8>,
    /// Frames that the first one scanned.
    pub scanned: usize,
}

impl Pair {
    pub fn new(
        exchange: &'static dyn Exchange,
        depth: &'static DepthStream,
        instruments: &[Instrument],
    ) -> Self {
        let decoder = || exchange.decoder(instruments, depth);
        Self {
            decoders: [decoder(), decoder()],
            words: [Words::new(), Words::new()],
            blank: Vec::new(),
            scanned: 0,
        }
    }

    /// What the frame that was decoded last says, by sort; empty if it was refused.
    pub fn said(&self) -> BTreeSet<&'static str> {
        self.words[0].iter().map(sort).collect()
    }

    /// Decodes a frame by both paths, and compares all that they say; whether it was scanned.
    pub fn check(&mut self, frame: &[u8]) -> bool {
        let [ours, tape] = &mut self.decoders;
        let [our_words, tape_words] = &mut self.words;
        self.blank.clear();
        self.blank.push(b' ');
        self.blank.extend_from_slice(frame);
        let decoded = ours.decode(frame, our_words);
        let scanned = decoded.is_ok() && our_words.scanned();
        assert!(decoded.is_err() || our_words.iter().count() <= WORDS_MAX);
        if !frame.starts_with(b"{") && !frame.starts_with(b"[") {
            return false; // A word like `pong`, which must stand alone.
        }
        let twin = tape.decode(&self.blank, tape_words);
        let frame = || String::from_utf8_lossy(frame);
        assert!(!(twin.is_ok() && tape_words.scanned()), "{}", frame());
        assert_eq!(decoded, twin, "{}", frame());
        if decoded.is_ok() {
            assert!(our_words.iter().eq(tape_words.iter()), "{}", frame());
            assert_eq!(our_words.dropped(), tape_words.dropped(), "{}", frame());
            assert_eq!(our_words.line_seq(), tape_words.line_seq(), "{}", frame());
        }
        self.scanned += usize::from(scanned);
        scanned
    }
}

/// What a word is about.
pub fn sort(word: Word<'_>) -> &'static str {
    match word {
        Word::Diff(..) => "diff",
        Word::Book(..) => "book",
        Word::Trade(_) => "trade",
        Word::Quote(_) => "quote",
        Word::Unfit { .. } => "unfit",
        Word::Trading(..) => "state",
        Word::Answer { .. } | Word::Subscribed { .. } => "answer",
        Word::Reply(_) => "reply",
        Word::Shutdown => "shutdown",
    }
}

/// A frame with one to three things wrong with it, most of which leave it almost as it was.
pub fn damaged(frame: &[u8], dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for _ in 0..dice.usize(1..4) {
        damage(&mut frame, dice);
    }
    frame
}

fn damage(frame: &mut Vec<u8>, dice: &mut fastrand::Rng) {
    if frame.len() < 3 {
        return;
    }
    let at = dice.usize(0..frame.len());
    let number = frame[at..].iter().position(u8::is_ascii_digit);
    let number = number.map(|from| at + from);
    let digits = |from: usize| {
        frame[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    match dice.u8(..16) {
        0 => frame[at] = dice.u8(..),
        1 => frame[at] ^= 1 << dice.u8(..8),
        2 => drop(frame.remove(at)),
        3 => frame.insert(at, b"\",:{}[] \\0.-e\n\t\x00\x7f\xc3"[dice.usize(..18)]),
        4 => frame.truncate(at),
        5 => frame.swap(at - at.min(1), at),
        6 => {
            // A piece of it again, elsewhere.
            let end = frame.len().min(at + dice.usize(1..30));
            let piece = frame[at..end].to_vec();
            let to = dice.usize(0..frame.len());
            frame.splice(to..to, piece);
        }
        7 => {
            // A piece less.
            let end = frame.len().min(at + dice.usize(1..30));
            frame.drain(at..end);
        }
        8 => {
            let blanks: [&[u8]; 5] = [b" ", b"\n", b"\t\r", b"\x0c", b"\xc2\xa0"];
            let comma = frame[at..].iter().position(|b| b",:[{".contains(b));
            let to = comma.map_or(frame.len(), |from| at + from + 1);
            frame.splice(to..to, blanks[dice.usize(..5)].iter().copied());
        }
        9 => {
            // Text as an escape.
            let escape = format!("\\u{:04x}", frame[at]);
            frame.splice(at..=at, escape.into_bytes());
        }
        10..16 => {
            let Some(from) = number else { return };
            let end = from + digits(from);
            let exponent = ["e1", "E-2", "e+0", "e400"][dice.usize(..4)];
            match dice.u8(..8) {
                0 => frame[from] = b'0' + dice.u8(..10),
                1 => frame.insert(from, b'0'),
                2 => frame.insert(from, b'-'),
                3 => drop(frame.splice(end..end, exponent.bytes())),
                4 => drop(frame.splice(end..end, "9".repeat(dice.usize(1..24)).into_bytes())),
                5 => drop(frame.splice(from..end, [])),
                6 => drop(frame.splice(from..end, *b"0")),
                _ => frame.insert(end, b'.'),
            }
        }
        _ => {}
    }
}
