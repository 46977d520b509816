//! A recording as one simulated exchange plays it: its instruments, its snapshots, and which of its
//! connections are played. Never holds a whole file; what a message means is for its exchange to
//! say.

use super::play::{Playhead, Speed, Start};
use super::surveyed::{Surveyed, Whose, survey};
use crate::base::{Instrument, Nanos};
use crate::exchange::mirror::Listing;
use crate::exchange::{DepthStream, Exchange};
use crate::journal::{Entry, Kind, Merge, Place, ReadError, Reader};
use crate::market::LINES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::Arc;

/// The files of a recording, which are opened once more for each connection.
pub(crate) struct Files {
    /// How many there are.
    pub(crate) count: usize,
    /// Opens one of them.
    pub(crate) open: Box<dyn Fn(usize) -> io::Result<Reader> + Send + Sync>,
}

impl Files {
    fn merge(&self, files: impl IntoIterator<Item = usize>) -> Result<Merge, RecordingError> {
        let mut merge = Merge::default();
        for file in files {
            merge.add((self.open)(file).map_err(RecordingError::Open)?)?;
        }
        Ok(merge)
    }
}

/// Why a recording cannot be played.
#[derive(Debug)]
pub enum RecordingError {
    /// A file could not be opened.
    Open(io::Error),
    /// It could not be read through.
    Read(ReadError),
    /// No line holds a message of an exchange of this build.
    NothingToPlay,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "{error}"),
            Self::Read(error) => write!(f, "{error}"),
            Self::NothingToPlay => f.write_str("holds no message of an exchange of this build"),
        }
    }
}

impl std::error::Error for RecordingError {}

impl From<ReadError> for RecordingError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A recording that was read through once: what one exchange plays of it.
pub(crate) struct Recording {
    /// Whose messages are played.
    pub(crate) exchange: &'static dyn Exchange,
    /// Its instruments, each as it was listed.
    pub(crate) listings: Vec<Listing>,
    /// The streams that brought its books.
    pub(crate) depths: Vec<&'static DepthStream>,
    /// When it starts: all exchanges of a recording start together.
    pub(crate) start: Arc<Start>,
    files: Arc<Files>,
    /// Those that hold something of the exchange.
    of: BTreeSet<usize>,
    connections: Arc<Connections>,
    snapshots: Snapshots,
}

/// Each symbol's recorded snapshot bodies, in order, and how many were given out.
type Snapshots = BTreeMap<String, (Vec<String>, usize)>;

/// What recordings hold.
pub(crate) struct Indexed {
    /// What each exchange plays.
    pub(crate) recordings: Vec<Recording>,
    /// What is not played, for a person to read.
    pub(crate) left_out: Vec<String>,
}

/// What is found of one exchange.
#[derive(Default)]
struct Found {
    files: BTreeSet<usize>,
    connections: Connections,
    frames: u64,
    snapshots: Snapshots,
}

impl Found {
    fn take(&mut self, exchange: &dyn Exchange, file: usize, entry: &Entry<'_>) {
        self.files.insert(file);
        match entry.kind {
            Kind::Ws | Kind::Binary => {
                if let Some(place) = entry.place {
                    self.connections.note(place, self.frames);
                }
                self.frames += 1;
            }
            Kind::Rest => {
                if let Some((symbol, _)) = exchange.snapshot_asked(&entry.conn) {
                    let (bodies, _) = self.snapshots.entry(symbol).or_default();
                    bodies.push(entry.raw.clone().into_owned());
                }
            }
        }
    }
}

impl Recording {
    /// Reads the recording through, so that a bad line is known before anything is played.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(crate) fn index(files: Files) -> Result<Indexed, RecordingError> {
        let open = || files.merge(0..files.count);
        let mut first = None;
        let each = |all: &mut Vec<Found>, file, entry: &Entry<'_>, of: Option<Whose>| {
            let Some(Whose { at, exchange, .. }) = of else {
                return;
            };
            if at == all.len() {
                all.push(Found::default());
            }
            all[at].take(exchange, file, entry);
            if entry.kind.is_frame() {
                first = first.or(entry.ts_ns);
            }
        };
        let (surveyed, found) = survey(open, each)?;
        let (files, start) = (Arc::new(files), Arc::new(Start::new(first)));
        let mut indexed = Indexed {
            recordings: Vec::new(),
            left_out: Vec::new(),
        };
        for (surveyed, found) in surveyed.into_iter().zip(found) {
            let recording = Self {
                exchange: surveyed.exchange,
                listings: surveyed.listed().into_iter().map(listing).collect(),
                depths: depths(&surveyed),
                start: Arc::clone(&start),
                files: Arc::clone(&files),
                of: found.files,
                connections: Arc::new(found.connections),
                snapshots: found.snapshots,
            };
            if recording.listings.is_empty() {
                continue;
            }
            match recording.is_numbered_apart() {
                false => indexed.recordings.push(recording),
                true => indexed.left_out.push(format!(
                    "{}: it numbers the frames of each connection, and several were recorded",
                    recording.exchange.name()
                )),
            }
        }
        match indexed.recordings.is_empty() && indexed.left_out.is_empty() {
            true => Err(RecordingError::NothingToPlay),
            false => Ok(indexed),
        }
    }

    /// Its frames have numbers of their connections, of which there are several at once: no session
    /// could be played them as one.
    fn is_numbered_apart(&self) -> bool {
        let numbered = self.depths.iter().any(|depth| depth.rule.numbered_line);
        numbered && self.connections.at_once() > 1
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
        let given = self.snapshots.get(symbol);
        given.is_some_and(|(_, used)| *used > 0)
    }

    /// A playhead at its beginning, which belongs to `anchor` if that is given: see [`Start`].
    ///
    /// # Errors
    /// If a file cannot be opened again.
    pub(crate) fn playhead(
        &self,
        speed: Speed,
        anchor: Option<Nanos>,
    ) -> Result<Playhead, RecordingError> {
        let merge = self.files.merge(self.of.iter().copied())?;
        let connections = Arc::clone(&self.connections);
        let anchor = anchor.zip(self.start.first());
        Ok(Playhead::new(
            merge,
            self.exchange,
            connections,
            speed,
            anchor,
        ))
    }
}

/// The streams that brought books, the first one first.
fn depths(surveyed: &Surveyed) -> Vec<&'static DepthStream> {
    let mut depths = Vec::new();
    for (_, depth) in surveyed.survey.books(surveyed.exchange) {
        if !depths.contains(&depth) {
            depths.push(depth);
        }
    }
    depths
}

fn listing(instrument: Instrument) -> Listing {
    Listing {
        instrument,
        volume: 0,
    }
}

/// A line of a lane, as the recorder names it.
type Line = (u16, u8);

/// Of each connection of a line, by part and epoch: its first and its last frame.
type Spoke = BTreeMap<(u8, u32), (u64, u64)>;

/// The connections that a recorder names, and when each spoke first and last, counted in the
/// frames of their exchange. The lines of a lane say the same, so that only one of them is played.
#[derive(Debug, Default)]
pub(super) struct Connections(BTreeMap<Line, Spoke>);

impl Connections {
    fn note(&mut self, place: Place, at: u64) {
        let (line, part) = line_and_part(place);
        let spoke = self.0.entry((place.lane, line)).or_default();
        spoke.entry((part, place.epoch)).or_insert((at, at)).1 = at;
    }

    /// Whether a connection of this line of the lane is there when frame `at` comes.
    fn is_there(&self, line: Line, at: u64) -> bool {
        let spoke = self.0.get(&line);
        spoke.is_some_and(|all| {
            all.values()
                .any(|(first, last)| (*first..=*last).contains(&at))
        })
    }

    /// How many connections do not say the same: lanes, and parts of lines.
    fn at_once(&self) -> usize {
        let each = self.0.iter().flat_map(|((lane, _), spoke)| {
            let parts = spoke.keys();
            parts.map(move |(part, _)| (*lane, *part))
        });
        each.collect::<BTreeSet<_>>().len()
    }
}

/// Which line of each lane is played: one until its last connection has ended.
pub(super) struct Lines {
    connections: Arc<Connections>,
    played: BTreeMap<u16, u8>,
    at: u64,
}

impl Lines {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self {
            connections,
            played: BTreeMap::new(),
            at: 0,
        }
    }

    /// The next frame came from there: whether it is played.
    pub(super) fn take(&mut self, place: Option<Place>) -> bool {
        let at = self.at;
        self.at += 1;
        let Some(place) = place else { return true };
        let (line, _) = line_and_part(place);
        let played = self.played.entry(place.lane).or_insert(line);
        if *played != line && !self.connections.is_there((place.lane, *played), at) {
            *played = line;
        }
        *played == line
    }
}

/// As the recorder numbers them: see `wiring::tap`.
fn line_and_part(place: Place) -> (u8, u8) {
    let lines = LINES_MAX as u8;
    (place.line % lines, place.line / lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &'static str) -> Result<Indexed, RecordingError> {
        let open = Box::new(move |_| Ok(Box::new(text.as_bytes()) as Reader));
        Recording::index(Files { count: 1, open })
    }

    fn recording(text: &'static str) -> Recording {
        index(text).unwrap().recordings.remove(0)
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
        let recording = recording(GOOD);
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
        let mut recording = recording(GOOD);
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
            let error = index(text).err().unwrap();
            assert!(
                matches!(error, RecordingError::Read(ReadError::BadLine(n, _)) if n == line),
                "{error}"
            );
        }
        let error = index("").err().unwrap().to_string();
        assert_eq!(error, "holds no message of an exchange of this build");
    }

    #[test]
    fn frames_of_futures_are_not_taken_for_those_of_spot() {
        let indexed = index(concat!(
            r#"{"ts_ns":1,"conn":"wss://fstream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"abusdt@depth\"}"}"#,
            "\n",
            r#"{"ts_ns":2,"conn":"https://fapi.binance.com/fapi/v1/depth?symbol=ABUSDT","kind":"rest","raw":"{}"}"#,
        ));
        let recordings = indexed.unwrap().recordings;
        let names: Vec<_> = recordings.iter().map(|one| one.exchange.name()).collect();
        assert_eq!(names, ["binance-usdm"]);
    }

    fn place(lane: u16, line: u8, epoch: u32) -> Option<Place> {
        Some(Place { lane, line, epoch })
    }

    #[test]
    fn of_a_lanes_lines_one_is_played_until_it_has_ended_and_all_its_parts() {
        let said = [
            (place(0, 0, 1), true),
            (place(0, 1, 2), false),
            (place(0, LINES_MAX as u8, 3), true), // Part 1 of line 0.
            (place(1, 1, 1), true),               // Another lane.
            (place(0, 1, 2), false),
            (place(0, 0, 1), true), // Its last frame.
            (place(0, 1, 2), true),
            (place(0, 0, 4), false), // Connected again.
            (place(0, 1, 2), true),
            (None, true),
        ];
        let mut connections = Connections::default();
        for (at, (place, _)) in (0..).zip(said) {
            if let Some(place) = place {
                connections.note(place, at);
            }
        }
        assert_eq!(connections.at_once(), 3);
        let mut lines = Lines::new(Arc::new(connections));
        for (n, (place, played)) in said.into_iter().enumerate() {
            assert_eq!(lines.take(place), played, "{n}");
        }
    }

    #[test]
    fn frames_that_have_numbers_of_their_connection_are_not_played_from_several() {
        let line = |lane: u16| {
            let by_numbers =
                |one: &&&'static dyn Exchange| one.depth_streams()[0].rule.numbered_line;
            let exchange = crate::exchange::ALL.iter().find(by_numbers).unwrap();
            let host = exchange.endpoints().stream;
            let raw = r#"{"channel":"l2_data","timestamp":"2024-08-09T00:00:00Z","sequence_num":1,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[]}]}"#;
            let raw = serde_json::to_string(raw).unwrap();
            format!(
                "{{\"ts_ns\":1,\"conn\":\"wss://{host}#{lane}.0.1\",\"kind\":\"ws\",\"raw\":{raw}}}\n"
            )
        };
        let one = index(line(0).leak()).unwrap();
        assert_eq!((one.recordings.len(), one.left_out.len()), (1, 0));
        let two = index((line(0) + &line(1)).leak()).unwrap();
        assert_eq!((two.recordings.len(), two.left_out.len()), (0, 1));
        assert!(two.left_out[0].contains("several were recorded"));
    }
}
