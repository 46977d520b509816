//! What an exchange may say that is odd, tried on every exchange of the registry: prints that share
//! all but their identity, numbers that do not fit, quotes of one side, levels without a price, and
//! thousands of damaged frames.

use crate::bench::Bench;
use crate::forms::{Token, is_number, tokens};
use crate::frames::Golden;
use tickwire::base::{Body, Px, Qty, Trade, Word};

impl Golden {
    /// The prints of a frame; none of one that is refused.
    fn trades(&mut self, frame: &str) -> Vec<Trade> {
        let decoded = self.decoder.decode(frame.as_bytes(), &mut self.words);
        let trade = |word| match word {
            Word::Trade(trade) => Some(trade),
            _ => None,
        };
        match decoded {
            Ok(()) => self.words.iter().filter_map(trade).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn name(&self) -> &'static str {
        self.exchange.name()
    }
}

/// The frame with another last digit or letter in one of its texts and numbers, one at a time.
fn one_token_changed(frame: &str) -> Vec<String> {
    let mut changed = Vec::new();
    for (n, (kind, from, to)) in tokens(frame).into_iter().enumerate() {
        let to = if kind == Token::String { to - 1 } else { to };
        let is_key = frame[to..]
            .trim_start_matches('"')
            .trim_start()
            .starts_with(':');
        let last = frame[..to].chars().next_back();
        let (Token::String | Token::Number, false, Some(last)) = (kind, is_key, last) else {
            continue;
        };
        if from + 1 < to && last.is_ascii_alphanumeric() {
            // Not the same one everywhere: two identities must not become one.
            let mut others = "123456789".chars().cycle().skip(n % 9);
            let other = others.find(|other| *other != last).unwrap_or(last);
            changed.push(format!("{}{other}{}", &frame[..to - 1], &frame[to..]));
        }
    }
    changed
}

/// A print that differs from this one in nothing but its identity.
fn is_twin(a: &Trade, b: &Trade) -> bool {
    a.id != b.id && Trade { id: a.id, ..*b } == *a
}

#[test]
fn prints_that_share_all_but_their_identity_are_told_once_each_on_two_lines() {
    for mut golden in Golden::all() {
        let name = golden.name();
        let mut bench = Bench::new(golden.exchange, golden.depth, &golden.instruments);
        let mut pairs = 0;
        for frame in golden.frames.clone() {
            let said = golden.trades(&frame);
            for twin in one_token_changed(&frame) {
                let other = golden.trades(&twin);
                let same = said.len() == other.len();
                let twins = said.iter().zip(&other).filter(|(a, b)| is_twin(a, b));
                let (changed, rest) = (twins.count(), said.iter().zip(&other));
                if !same || changed != 1 || rest.filter(|(a, b)| a != b).count() != 1 {
                    continue;
                }
                pairs += 1;
                let mut told: Vec<Trade> = Vec::new();
                for line in 0..bench.lines {
                    for frame in [&frame, &twin] {
                        let bodies = bench.frame(line, frame.as_bytes());
                        told.extend(bodies.iter().filter_map(|body| match body {
                            Body::Trade(trade, _) => Some(*trade),
                            _ => None,
                        }));
                    }
                }
                for trade in said.iter().chain(&other) {
                    let times = told.iter().filter(|one| *one == trade).count();
                    let sent = [&said, &other].into_iter();
                    let sent = sent.filter(|one| one.contains(trade)).count();
                    let once = match bench.lines {
                        1 => times == sent, // One line repeats nothing that another brought.
                        // An earlier pair may have brought it.
                        _ => times == 1 || (pairs > 1 && times == 0),
                    };
                    assert!(once, "{name}: {times}: {twin}");
                }
                let new = other.iter().find(|trade| !said.contains(trade)).unwrap();
                assert!(told.contains(new), "{name}: {twin}");
            }
            for line in 0..bench.lines {
                bench.frame(line, frame.as_bytes());
            }
        }
        assert!(pairs > 0, "{name}: no golden print has an identity");
    }
}

/// Places of decimals in the frame, of numbers and of texts alike.
fn decimals(frame: &str) -> Vec<(usize, usize)> {
    let inner = |&(kind, from, to): &(Token, usize, usize)| match kind {
        Token::String => Some((from + 1, to - 1)),
        Token::Number => Some((from, to)),
        Token::Other => None,
    };
    let places = tokens(frame);
    let places = places.iter().filter_map(inner);
    places
        .filter(|(from, to)| frame[*from..*to].contains('.') && is_number(&frame[*from..*to]))
        .collect()
}

#[test]
fn a_number_that_does_not_fit_takes_its_own_word_and_no_other() {
    for mut golden in Golden::all() {
        let name = golden.name();
        let mut unfit = 0;
        for frame in golden.frames.clone() {
            let plain = golden.said(&frame);
            let words: Vec<&str> = plain.split("; ").collect();
            for (from, to) in decimals(&frame) {
                for number in ["0.0123456789012345678901", "98765432109876543210.5"] {
                    let odd = [&frame[..from], number, &frame[to..]].concat();
                    let said = golden.said(&odd);
                    if said == plain {
                        continue; // A number that nobody reads.
                    }
                    if said.starts_with("refused") {
                        // Kraken's first protocol has times that are decimals: there is no time
                        // without one.
                        let far = number.starts_with("98") && frame.starts_with('[');
                        assert!(far, "{name}: {odd}\n{said}");
                        continue;
                    }
                    let is: Vec<&str> = said.split("; ").collect();
                    assert!(is.len() >= words.len(), "{name}: {odd}\n{said}");
                    for is in is.iter().filter(|is| !words.contains(is)) {
                        // A time that a word has may be a decimal, too.
                        let fits = is.contains("Unfit {") || !number.starts_with("98");
                        assert!(fits, "{name}: {odd}\n{said}");
                        unfit += u32::from(is.contains("Unfit {"));
                    }
                }
            }
        }
        assert!(unfit > 4, "{name}: {unfit}");
    }
}

#[test]
fn nothing_is_quoted_printed_or_kept_without_a_price() {
    for mut golden in Golden::all() {
        let name = golden.name();
        let mut dropped = 0;
        for frame in golden.frames.clone() {
            for (from, to) in decimals(&frame) {
                for number in ["0.0", "-1.0"] {
                    let odd = [&frame[..from], number, &frame[to..]].concat();
                    if golden
                        .decoder
                        .decode(odd.as_bytes(), &mut golden.words)
                        .is_err()
                    {
                        continue;
                    }
                    let counts = golden.words.dropped();
                    dropped += counts.levels + counts.trades + counts.quotes;
                    for word in golden.words.iter() {
                        match word {
                            Word::Book(_, bids, asks) | Word::Diff(_, bids, asks) => {
                                let whole = matches!(word, Word::Book(..));
                                let odd = |at: &&tickwire::base::Level| {
                                    at.px <= Px(0) || (whole && at.qty == Qty(0))
                                };
                                let found = bids.iter().chain(asks).find(odd);
                                assert_eq!(found, None, "{name}: {frame}");
                            }
                            Word::Quote(quote) => {
                                for at in [quote.bid, quote.ask] {
                                    assert!(at.px > Px(0) && at.qty > Qty(0), "{name}: {frame}");
                                }
                            }
                            Word::Trade(trade) => {
                                assert!(trade.px > Px(0) && trade.qty > Qty(0), "{name}: {frame}");
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        assert!(dropped > 3, "{name}: {dropped}");
    }
}

/// Damaged frames of each exchange; `TICKWIRE_MUTATIONS` in the environment says another number.
const MUTATIONS: usize = 2_000;

/// Texts that arithmetic does not like.
const EXTREMES: [&str; 14] = [
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000000001",
    "1e-9223372036854775808",
    "1e400",
    "-0.0",
    "0",
    "2021-04-17T16:43:37.67035140303678233173Z",
    "9999-99-99T99:99:99.999999999Z",
    "0000-01-01T00:00:00Z",
    "",
];

fn damage(frame: &str, other: &str, dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = frame.as_bytes().to_vec();
    for _ in 0..dice.usize(1..4) {
        let parts: Vec<(usize, usize)> = match std::str::from_utf8(&bytes) {
            Ok(text) => tokens(text)
                .into_iter()
                .filter(|(kind, ..)| *kind != Token::Other)
                .map(|(kind, from, to)| match kind {
                    Token::String => (from + 1, to.saturating_sub(1).max(from + 1)),
                    Token::Number | Token::Other => (from, to),
                })
                .filter(|(from, to)| from <= to && *to <= bytes.len())
                .collect(),
            Err(_) => Vec::new(),
        };
        let part = dice.choice(&parts).copied();
        let at = dice.usize(0..=bytes.len());
        match (dice.u8(0..8), part) {
            (0..5, Some((from, to))) => {
                let extreme = EXTREMES[dice.usize(0..EXTREMES.len())];
                drop(bytes.splice(from..to, extreme.bytes()));
            }
            (5, Some((from, to))) => {
                let copy = bytes[from..to].to_vec();
                drop(bytes.splice(from..from, copy));
            }
            (6, _) => {
                let other = other.as_bytes();
                let from = dice.usize(0..=other.len());
                let to = dice.usize(from..=other.len());
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            _ if at < bytes.len() => bytes[at] = dice.u8(..),
            _ => bytes.truncate(at / 2),
        }
    }
    bytes
}

/// Failure mode 19: a message that nobody understands is counted, and breaks nothing.
#[test]
fn no_damaged_frame_breaks_decoder_sequencing_or_book() {
    let count = std::env::var("TICKWIRE_MUTATIONS").ok();
    let count = count.map_or(MUTATIONS, |count| count.parse().unwrap());
    for golden in Golden::all() {
        let mut bench = Bench::new(golden.exchange, golden.depth, &golden.instruments);
        let mut dice = fastrand::Rng::with_seed(7);
        let mut survey = tickwire::exchange::Survey::default();
        for n in 0..count {
            // Whole ones in between, so that there is something to damage.
            let frame = &golden.frames[n % golden.frames.len()];
            bench.frame(0, frame.as_bytes());
            let other = &golden.frames[dice.usize(0..golden.frames.len())];
            let damaged = damage(frame, other, &mut dice);
            bench.frame(dice.u8(0..bench.lines), &damaged);
            if let Ok(text) = std::str::from_utf8(&damaged) {
                golden.exchange.survey(text, &mut survey);
            }
        }
        let refused = bench.feed.counters().bad_frames + bench.feed.counters().unfit;
        assert!(refused > count as u64 / 8, "{}: {refused}", golden.name());
        assert!(survey.recorded_depth(golden.exchange).is_some() || count > 0);
    }
}
