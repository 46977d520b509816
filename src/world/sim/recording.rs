//! A recording as the simulated exchange plays it: its instruments, its snapshots, and what each
//! message is to Binance spot. Never holds a whole file.

use crate::base::instrument::SYMBOL_MAX;
use crate::base::{Asset, Instrument, InstrumentId, Symbol};
use crate::exchange::Exchange as _;
use crate::exchange::binance_spot::mirror::{PRECISION, QTY_MAX};
use crate::exchange::binance_spot::{BINANCE, BINANCE_US};
use crate::exchange::mirror::Listing;
use crate::journal::{self, Entries, Entry, ReadError, Reader};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// Opens the recording once more.
pub type Open = Box<dyn Fn() -> io::Result<Reader> + Send>;

/// Why a recording cannot be played.
#[derive(Debug)]
pub enum RecordingError {
    /// The file could not be opened.
    Open(io::Error),
    /// It could not be read through.
    Read(ReadError),
    /// No line holds a message of Binance spot.
    NothingToPlay,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "{error}"),
            Self::Read(error) => write!(f, "{error}"),
            Self::NothingToPlay => write!(f, "holds no message of Binance spot"),
        }
    }
}

impl std::error::Error for RecordingError {}

impl From<ReadError> for RecordingError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// What a recorded message belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A frame of this combined stream (`btcusdt@trade`).
    Stream(String),
    /// A bare frame of this symbol (`BTCUSDT`).
    Symbol(String),
    /// The body of a depth snapshot of this symbol, and how many levels a side were asked for.
    Snapshot(String, u16),
    /// Anything else: acknowledgements, other requests.
    Other,
}

#[derive(Deserialize)]
struct Head<'m> {
    #[serde(borrow)]
    stream: Option<Cow<'m, str>>,
    #[serde(borrow)]
    s: Option<Cow<'m, str>>,
}

/// What it is to Binance spot.
pub(super) fn kind(entry: &Entry<'_>) -> Kind {
    // Futures name their streams and symbols alike, but their books follow other rules.
    if ![&BINANCE, &BINANCE_US]
        .iter()
        .any(|spot| spot.owns(&entry.conn))
    {
        return Kind::Other;
    }
    match entry.kind {
        journal::Kind::Ws => frame_kind(&entry.raw),
        journal::Kind::Rest => BINANCE
            .snapshot_asked(&entry.conn)
            .map_or(Kind::Other, |(symbol, levels)| {
                Kind::Snapshot(symbol, levels)
            }),
    }
}

fn frame_kind(raw: &str) -> Kind {
    // Binance writes the stream's name first; reading on would parse every frame twice.
    if let Some(name) = raw
        .strip_prefix(r#"{"stream":""#)
        .and_then(|rest| rest.split('"').next())
    {
        return Kind::Stream(name.to_owned());
    }
    match serde_json::from_str::<Head>(raw) {
        Ok(Head {
            stream: Some(name), ..
        }) => Kind::Stream(name.into_owned()),
        Ok(Head {
            s: Some(symbol), ..
        }) => Kind::Symbol(symbol.into_owned()),
        Ok(Head {
            stream: None,
            s: None,
        })
        | Err(_) => Kind::Other,
    }
}

/// A recording that was read through once: its symbols and its snapshots.
pub struct Recording {
    open: Open,
    /// Its symbols, as its own exchangeInfo or its numbers describe them.
    pub listings: Vec<Listing>,
    /// Each symbol's recorded snapshot bodies, in order, and how many were given out.
    snapshots: BTreeMap<String, (Vec<String>, usize)>,
}

impl Recording {
    /// Reads the recording through, so that a bad line is known before anything is played.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn index(open: Open) -> Result<Self, RecordingError> {
        let mut entries = Entries::new(open().map_err(RecordingError::Open)?);
        let mut symbols: Vec<String> = Vec::new();
        let mut snapshots: BTreeMap<String, (Vec<String>, usize)> = BTreeMap::new();
        while let Some(entry) = entries.next_entry()? {
            let symbol = match kind(&entry) {
                Kind::Stream(name) => match name.split_once('@') {
                    Some((symbol, _)) if !symbol.starts_with('!') => symbol.to_uppercase(),
                    _ => continue,
                },
                Kind::Symbol(symbol) => symbol,
                Kind::Snapshot(symbol, _) => {
                    snapshots
                        .entry(symbol.clone())
                        .or_default()
                        .0
                        .push(entry.raw.into_owned());
                    symbol
                }
                Kind::Other => continue,
            };
            if symbol.len() > SYMBOL_MAX {
                let why = format!("symbol longer than {SYMBOL_MAX} bytes");
                return Err(entries.bad(why).into());
            }
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
        if symbols.is_empty() {
            return Err(RecordingError::NothingToPlay);
        }
        let numbered = symbols.iter().enumerate();
        let listings = numbered.map(|(n, symbol)| recorded(n, symbol)).collect();
        Ok(Self {
            open,
            listings,
            snapshots,
        })
    }

    /// True for a symbol that it has messages of.
    pub fn lists(&self, symbol: &str) -> bool {
        let mut listings = self.listings.iter();
        listings.any(|listing| listing.instrument.symbol.as_str() == symbol)
    }

    /// The symbol's first snapshot that was not given out yet; `None` when there is no further one.
    pub fn take_snapshot(&mut self, symbol: &str) -> Option<String> {
        let (bodies, used) = self.snapshots.get_mut(symbol)?;
        let body = bodies.get(*used)?.clone();
        *used += 1;
        Some(body)
    }

    /// Whoever was given this symbol's snapshots has left: the next one is given them from the first.
    pub fn rewind(&mut self, symbol: &str) {
        if let Some((_, used)) = self.snapshots.get_mut(symbol) {
            *used = 0;
        }
    }

    /// True once a snapshot of this symbol was given out.
    pub fn asked(&self, symbol: &str) -> bool {
        self.snapshots
            .get(symbol)
            .is_some_and(|(_, used)| *used > 0)
    }

    /// The recording from its beginning.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub(super) fn entries(&self) -> io::Result<Entries> {
        (self.open)().map(Entries::new)
    }
}

/// A listing for a symbol of a recording: the finest tick and lot that the wire can carry.
fn recorded(n: usize, symbol: &str) -> Listing {
    const QUOTES: [&str; 11] = [
        "USDT", "BUSD", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "USD", "AUD", "BRL",
    ];
    let split = QUOTES
        .iter()
        .find_map(|quote| symbol.strip_suffix(quote).map(|base| (base, *quote)));
    let (base, quote) = split
        .filter(|(base, _)| !base.is_empty())
        .unwrap_or((symbol, ""));
    let name = Symbol::from(symbol).unwrap_or_default();
    let asset = |text: &str| Asset::from(text).unwrap_or_default();
    let instrument = Instrument {
        id: InstrumentId(n as u16),
        base: asset(base),
        quote: asset(quote),
        settle: asset(quote),
        qty_max: QTY_MAX,
        ..Instrument::bare(BINANCE.name(), name, (PRECISION, PRECISION))
    };
    Listing {
        instrument,
        volume: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(text: &'static str) -> Result<Recording, RecordingError> {
        Recording::index(Box::new(move || Ok(Box::new(text.as_bytes()))))
    }

    const GOOD: &str = concat!(
        r#"{"ts_ns":1,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"abusdt@trade\",\"data\":{}}"}"#,
        "\n\n",
        r#"{"ts_ns":null,"conn":"https://api.binance.com/api/v3/depth?symbol=CDUSDT&limit=1000","kind":"rest","raw":"{}"}"#,
        "\n",
        r#"{"ts_ns":3,"conn":"wss://stream.binance.com/ws","kind":"ws","raw":"{\"e\":\"trade\",\"s\":\"EFBTC\"}"}"#,
    );

    #[test]
    fn symbols_come_from_stream_names_snapshots_and_bare_frames() {
        let recording = recording(GOOD).unwrap();
        let names: Vec<_> = recording
            .listings
            .iter()
            .map(|l| l.instrument.symbol.as_str())
            .collect();
        assert_eq!(names, ["ABUSDT", "CDUSDT", "EFBTC"]);
        assert_eq!(recording.listings[2].instrument.base.as_str(), "EF");
    }

    #[test]
    fn each_recorded_snapshot_is_given_out_once() {
        let mut recording = recording(GOOD).unwrap();
        assert!(!recording.asked("CDUSDT"));
        assert_eq!(recording.take_snapshot("CDUSDT").as_deref(), Some("{}"));
        assert_eq!(recording.take_snapshot("CDUSDT"), None);
        assert!(recording.asked("CDUSDT"));
        assert_eq!(recording.take_snapshot("ABUSDT"), None);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, line) in [
            ("nonsense", 1),
            ("\n{\"ts_ns\":1}", 2),
            (
                r#"{"ts_ns":1,"conn":"wss://stream.binance.com/ws","kind":"tcp","raw":""}"#,
                1,
            ),
        ] {
            let error = recording(text).err().unwrap();
            assert!(
                matches!(error, RecordingError::Read(ReadError::BadLine(n, _)) if n == line),
                "{error}"
            );
        }
        assert!(matches!(recording(""), Err(RecordingError::NothingToPlay)));
    }

    #[test]
    fn frames_of_futures_are_not_taken_for_those_of_spot() {
        let futures = recording(concat!(
            r#"{"ts_ns":1,"conn":"wss://fstream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"abusdt@depth\"}"}"#,
            "\n",
            r#"{"ts_ns":2,"conn":"https://fapi.binance.com/fapi/v1/depth?symbol=ABUSDT","kind":"rest","raw":"{}"}"#,
        ));
        assert!(matches!(futures, Err(RecordingError::NothingToPlay)));
    }
}
