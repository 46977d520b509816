//! A recording as the simulated exchange plays it: its instruments and its snapshots. Never holds a
//! whole file; what a message means is for its exchange to say.

use super::play::{Playhead, Speed};
use crate::base::instrument::SYMBOL_MAX;
use crate::base::{Instrument, InstrumentId};
use crate::exchange::mirror::{Listing, Player, Recorded};
use crate::journal::{Entries, Entry, Kind, ReadError, Reader};
use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// Opens the recording once more.
pub(crate) type Open = Box<dyn Fn() -> io::Result<Reader> + Send>;

/// Why a recording cannot be played.
#[derive(Debug)]
pub enum RecordingError {
    /// The file could not be opened.
    Open(io::Error),
    /// It could not be read through.
    Read(ReadError),
    /// No line holds a message of this exchange.
    NothingToPlay(&'static str),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "{error}"),
            Self::Read(error) => write!(f, "{error}"),
            Self::NothingToPlay(exchange) => write!(f, "holds no message of {exchange}"),
        }
    }
}

impl std::error::Error for RecordingError {}

impl From<ReadError> for RecordingError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// What an entry is to a client that is played it.
pub(super) fn recorded(player: &dyn Player, entry: &Entry<'_>) -> Recorded {
    match entry.kind {
        Kind::Ws => player.frame(&entry.conn, &entry.raw),
        Kind::Rest => player.body(&entry.conn),
    }
}

/// A recording that was read through once: its symbols and its snapshots.
pub(crate) struct Recording {
    open: Open,
    player: &'static dyn Player,
    /// Its symbols, each as the exchange lists one of which nothing else is known.
    pub(crate) listings: Vec<Listing>,
    /// Each symbol's recorded snapshot bodies, in order, and how many were given out.
    snapshots: BTreeMap<String, (Vec<String>, usize)>,
}

impl Recording {
    /// Reads the recording through, so that a bad line is known before anything is played.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn index(open: Open, player: &'static dyn Player) -> Result<Self, RecordingError> {
        let mut entries = Entries::new(open().map_err(RecordingError::Open)?);
        let mut symbols: Vec<String> = Vec::new();
        let mut snapshots: BTreeMap<String, (Vec<String>, usize)> = BTreeMap::new();
        while let Some(entry) = entries.next_entry()? {
            let symbol = match recorded(player, &entry) {
                Recorded::Stream(name) => match name.split_once('@') {
                    Some((symbol, _)) if !symbol.starts_with('!') => symbol.to_uppercase(),
                    _ => continue,
                },
                Recorded::Symbol(symbol) => symbol,
                Recorded::Snapshot(symbol) => {
                    snapshots
                        .entry(symbol.clone())
                        .or_default()
                        .0
                        .push(entry.raw.into_owned());
                    symbol
                }
                Recorded::Other => continue,
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
            return Err(RecordingError::NothingToPlay(player.whose()));
        }
        let numbered = symbols.iter().enumerate();
        let listings = numbered
            .map(|(n, symbol)| listing(player, n, symbol))
            .collect();
        Ok(Self {
            open,
            player,
            listings,
            snapshots,
        })
    }

    /// The symbol's first snapshot that was not given out yet; `None` when there is no further one.
    pub(crate) fn take_snapshot(&mut self, symbol: &str) -> Option<String> {
        let (bodies, used) = self.snapshots.get_mut(symbol)?;
        let body = bodies.get(*used)?.clone();
        *used += 1;
        Some(body)
    }

    /// Whoever was given this symbol's snapshots has left: the next one is given them from the
    /// first.
    pub(crate) fn rewind(&mut self, symbol: &str) {
        if let Some((_, used)) = self.snapshots.get_mut(symbol) {
            *used = 0;
        }
    }

    /// True once a snapshot of this symbol was given out.
    pub(crate) fn asked(&self, symbol: &str) -> bool {
        self.snapshots
            .get(symbol)
            .is_some_and(|(_, used)| *used > 0)
    }

    /// A playhead at its beginning.
    ///
    /// # Errors
    /// If the file cannot be opened again.
    pub(crate) fn playhead(&self, speed: Speed) -> io::Result<Playhead> {
        let entries = Entries::new((self.open)()?);
        Ok(Playhead::new(entries, self.player, speed))
    }
}

fn listing(player: &dyn Player, n: usize, symbol: &str) -> Listing {
    let instrument = Instrument {
        id: InstrumentId(n as u16),
        ..player.list(symbol)
    };
    Listing {
        instrument,
        volume: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::by_name;

    fn recording(text: &'static str) -> Result<Recording, RecordingError> {
        let player = by_name("binance").unwrap().mirror().player().unwrap();
        Recording::index(Box::new(move || Ok(Box::new(text.as_bytes()))), player)
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
        let error = recording("").err().unwrap().to_string();
        assert_eq!(error, "holds no message of Binance spot");
    }

    #[test]
    fn frames_of_futures_are_not_taken_for_those_of_spot() {
        let futures = recording(concat!(
            r#"{"ts_ns":1,"conn":"wss://fstream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"abusdt@depth\"}"}"#,
            "\n",
            r#"{"ts_ns":2,"conn":"https://fapi.binance.com/fapi/v1/depth?symbol=ABUSDT","kind":"rest","raw":"{}"}"#,
        ));
        assert!(matches!(futures, Err(RecordingError::NothingToPlay(_))));
    }
}
