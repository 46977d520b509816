//! Binance's own recorded frames, decoded by the engine and by a naive twin that walks a
//! `serde_json` tree.

use crate::support::corpus::{Corpus, On, Test, name};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use tickwire::base::{
    Diff, Instrument, InstrumentId, Level, Px, Qty, Quote, Side, Symbol, Trade, UnixNanos, Word,
};
use tickwire::exchange::{self, Decoder, Exchange, Words};

const SCALE: usize = 8;

pub const TESTS: &[Test] = &[
    (
        "every_recorded_frame_decodes_as_the_naive_twin_reads_it",
        On::Both,
        every_recorded_frame_decodes_as_the_naive_twin_reads_it,
    ),
    (
        "damaged_recorded_frames_never_panic_and_leave_the_decoder_usable",
        On::Both,
        damaged_recorded_frames_never_panic_and_leave_the_decoder_usable,
    ),
];

fn lines(path: &Path) -> impl Iterator<Item = Value> {
    let file = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap()));
    file.lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

fn instruments<'s>(symbols: impl Iterator<Item = &'s String>) -> Vec<Instrument> {
    let one = |(id, symbol): (u16, &String)| Instrument {
        id: InstrumentId(id),
        qty_max: Qty(i64::MAX as u64),
        ..Instrument::bare(
            "binance",
            Symbol::from(symbol).unwrap(),
            (SCALE as u8, SCALE as u8),
        )
    };
    (0..).zip(symbols).map(one).collect()
}

/// A word that owns its levels.
#[derive(Debug, PartialEq)]
enum Owned {
    Diff(Diff, Vec<Level>, Vec<Level>),
    Trade(Trade),
    Quote(Quote),
}

/// What the engine's decoder makes of a frame; nothing if it refuses it.
fn ours(decoder: &mut dyn Decoder, words: &mut Words, frame: &[u8]) -> Option<Vec<Owned>> {
    decoder.decode(frame, words).ok()?;
    let owned = |word| match word {
        Word::Diff(diff, bids, asks) => Owned::Diff(diff, bids.to_vec(), asks.to_vec()),
        Word::Trade(trade) => Owned::Trade(trade),
        Word::Quote(quote) => Owned::Quote(quote),
        other => panic!("{other:?} in a recording"),
    };
    Some(words.iter().map(owned).collect())
}

/// A decimal's digits with the point moved, as a person would do it.
fn units(text: &Value) -> u64 {
    let (whole, part) = text.as_str().unwrap().split_once('.').unwrap();
    assert!(part.len() <= SCALE);
    format!("{whole}{part:0<SCALE$}").parse().unwrap()
}

fn level(px: &Value, qty: &Value) -> Level {
    Level {
        px: Px(units(px).try_into().unwrap()),
        qty: Qty(units(qty)),
    }
}

fn levels(side: &Value) -> Vec<Level> {
    let side = side.as_array().unwrap();
    side.iter().map(|pair| level(&pair[0], &pair[1])).collect()
}

/// The twin: the kind as the recording's own index counts it, and what the frame says.
fn naive(raw: &str, instruments: &[Instrument]) -> (String, Vec<Owned>) {
    let frame: Value = serde_json::from_str(raw).unwrap();
    let data = frame.get("data").unwrap_or(&frame);
    let instrument = instruments
        .iter()
        .find(|instrument| data["s"] == instrument.symbol.as_str())
        .unwrap()
        .id;
    let number = |key: &str| data[key].as_u64().unwrap();
    // Milliseconds, or microseconds if the connection asked for them.
    let time = |key: &str| match data[key].as_i64().unwrap() {
        us @ 1_000_000_000_000_000.. => UnixNanos(us * 1_000),
        ms => UnixNanos(ms * 1_000_000),
    };
    let kind = data.get("e").map_or("bookTicker", |e| e.as_str().unwrap());
    let said = match kind {
        "depthUpdate" => {
            let diff = Diff {
                instrument,
                first_id: number("U"),
                last_id: number("u"),
                prev_id: None,
                checksum: None,
                exch_time: time("E"),
            };
            vec![Owned::Diff(diff, levels(&data["b"]), levels(&data["a"]))]
        }
        "trade" => vec![Owned::Trade(Trade {
            instrument,
            id: number("t"),
            px: level(&data["p"], &data["q"]).px,
            qty: level(&data["p"], &data["q"]).qty,
            taker: [Side::Buy, Side::Sell][usize::from(data["m"].as_bool().unwrap())],
            exch_time: time("T"),
        })],
        "bookTicker" => vec![Owned::Quote(Quote {
            instrument,
            update_id: number("u"),
            bid: level(&data["b"], &data["B"]),
            ask: level(&data["a"], &data["A"]),
        })],
        _ => Vec::new(),
    };
    (kind.to_owned(), said)
}

/// A recorded REST answer, whose symbol stands in the URL only.
fn check_snapshot(exchange: &dyn Exchange, url: &str, raw: &str, instruments: &[Instrument]) {
    let symbol = url.split_once("symbol=").unwrap().1.split('&').next();
    let instrument = instruments
        .iter()
        .find(|instrument| Some(instrument.symbol.as_str()) == symbol)
        .unwrap();
    let book = exchange
        .snapshot(raw.as_bytes().to_vec(), instrument, 1_000)
        .unwrap();
    let json: Value = serde_json::from_str(raw).unwrap();
    assert_eq!(json["lastUpdateId"], book.last_id);
    assert_eq!(book.bids, levels(&json["bids"]));
    assert_eq!(book.asks, levels(&json["asks"]));
    assert_eq!(book.bids_whole, book.bids.len() < 1_000);
    assert_eq!(book.asks_whole, book.asks.len() < 1_000);
}

fn every_recorded_frame_decodes_as_the_naive_twin_reads_it(corpus: &Corpus) {
    let mut files = 0;
    for path in &corpus.books {
        let exchange = match name(path).split_once("-spot-") {
            Some(("binance", _)) => "binance",
            Some(("binanceus", _)) => "binance-us",
            _ => continue,
        };
        let exchange = exchange::by_name(exchange).unwrap();
        files += 1;
        let instruments = instruments(corpus.symbols(path).keys());
        let mut decoder = exchange.decoder(&instruments, &exchange.depth_streams()[0]);
        let mut words = Words::new();
        let mut kinds = BTreeMap::<String, u64>::new();
        for line in lines(path) {
            let raw = line["raw"].as_str().unwrap();
            if line["kind"] == "rest" {
                check_snapshot(exchange, line["conn"].as_str().unwrap(), raw, &instruments);
                *kinds.entry("rest-depth".to_owned()).or_default() += 1;
                continue;
            }
            let (kind, said) = naive(raw, &instruments);
            let ours = ours(&mut *decoder, &mut words, raw.as_bytes());
            assert_eq!(ours, Some(said), "{}: {raw}", name(path));
            *kinds.entry(kind).or_default() += 1;
        }
        let kinds = serde_json::to_value(kinds).unwrap();
        assert_eq!(&kinds, corpus.kinds(path), "{}", name(path));
    }
    assert!(
        files >= if corpus.real { 4 } else { 2 },
        "{files} recordings"
    );
}

fn damaged_recorded_frames_never_panic_and_leave_the_decoder_usable(corpus: &Corpus) {
    let exchange = exchange::by_name("binance").unwrap();
    let path = corpus.named(match corpus.real {
        true => "binance-spot-multi3-20210404",
        false => "binance-spot-sim",
    });
    let instruments = instruments(corpus.symbols(path).keys());
    let mut decoder = exchange.decoder(&instruments, &exchange.depth_streams()[0]);
    let mut words = Words::new();
    let mut dice = fastrand::Rng::with_seed(11);
    let mut refused = 0;
    // In a short recording each frame is damaged more often.
    let times = if corpus.real { 4 } else { 80 };
    for line in lines(path).take(1_500) {
        let raw = line["raw"].as_str().unwrap().as_bytes();
        for _ in 0..times {
            let mut frame = raw[..raw.len() - dice.usize(0..2) * dice.usize(0..raw.len())].to_vec();
            for _ in 0..dice.usize(0..4) {
                let at = dice.usize(0..frame.len());
                frame[at] = [dice.u8(..), raw[dice.usize(0..raw.len())]][dice.usize(0..2)];
            }
            refused += usize::from(decoder.decode(&frame, &mut words).is_err());
        }
        if line["kind"] == "ws" {
            let (_, said) = naive(line["raw"].as_str().unwrap(), &instruments);
            assert_eq!(ours(&mut *decoder, &mut words, raw), Some(said));
        }
    }
    assert!(refused > 1_000);
}
