//! An entry: one thing that came in, as one line of JSON. One definition reads and writes it.
//! Knows no exchange: what a message means is for its reader to say.

use super::chain::Reader;
use super::line::Line;
use crate::base::feed::MESSAGE_BYTES_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead as _, Read as _};

/// The longest line that is read, in bytes: the largest message of any exchange with every byte of
/// it escaped, and its head.
pub(super) const LINE_BYTES_MAX: u64 = 2 * MESSAGE_BYTES_MAX as u64 + (64 << 10);
/// Room for the head of a line that is written.
const HEAD_BYTES_MAX: u64 = 1 << 10;

/// What sort of entry a line is: its `kind`. A further sort is a further arm, and each reader then
/// has to say what it makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Kind {
    /// A text frame of a WebSocket.
    #[default]
    Ws,
    /// A binary frame of a WebSocket, in Base64.
    Binary,
    /// The body of a REST answer.
    Rest,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Binary => "ws-base64",
            Self::Rest => "rest",
        }
    }

    /// Whether it came by a WebSocket.
    pub(crate) const fn is_frame(self) -> bool {
        matches!(self, Self::Ws | Self::Binary)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Ws, Self::Binary, Self::Rest]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A connection among those of a recording: the fragment of its URL, `<lane>.<line>.<epoch>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The lane: its books are no other's.
    pub(crate) lane: u16,
    /// The line of the lane.
    pub(crate) line: u8,
    /// The number of the connection, counted over all lines of the lane; zero of none.
    pub(crate) epoch: u32,
}

impl Place {
    pub(super) fn parse(fragment: &str) -> Option<Self> {
        let (lane, rest) = fragment.split_once('.')?;
        let (line, epoch) = rest.split_once('.')?;
        Some(Self {
            lane: lane.parse().ok()?,
            line: line.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.lane, self.line, self.epoch)
    }
}

/// One thing that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'e> {
    /// Receive time in nanoseconds since 1970; `None` if the recorder had none.
    pub(crate) ts_ns: Option<u64>,
    /// The URL of the connection or of the request, without a fragment.
    pub(crate) conn: Cow<'e, str>,
    /// Which connection it was, if the recorder says so.
    pub(crate) place: Option<Place>,
    /// How to read `raw`.
    pub(crate) kind: Kind,
    /// The message exactly as it came; a binary one in Base64.
    pub(crate) raw: Cow<'e, str>,
}

/// An entry as its line has it, in the order of the keys.
#[derive(Serialize, Deserialize)]
struct Fields<'e> {
    ts_ns: Option<u64>,
    #[serde(borrow)]
    conn: Cow<'e, str>,
    #[serde(borrow)]
    kind: Cow<'e, str>,
    #[serde(borrow)]
    raw: Cow<'e, str>,
}

impl<'e> Entry<'e> {
    /// Reads a line, with or without its line feed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(line: &'e str) -> Result<Self, String> {
        let line: Fields<'e> = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let Some(kind) = Kind::named(&line.kind) else {
            let kind = line.kind.escape_debug();
            return Err(format!("kind is `{kind}`, not `ws`, `ws-base64` or `rest`"));
        };
        let (conn, place) = split(line.conn);
        Ok(Self {
            ts_ns: line.ts_ns,
            conn,
            place,
            kind,
            raw: line.raw,
        })
    }

    /// Appends its line, with its line feed.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let conn = match self.place {
            Some(place) => Cow::Owned(format!("{}#{place}", self.conn)),
            None => Cow::Borrowed(&*self.conn),
        };
        let line = Fields {
            ts_ns: self.ts_ns,
            conn,
            kind: Cow::Borrowed(self.kind.name()),
            raw: Cow::Borrowed(&*self.raw),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.push(b'\n');
        Ok(())
    }

    /// The message's own bytes; nothing of a binary one that is no Base64, and then nobody can read
    /// it.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match self.kind {
            Kind::Ws | Kind::Rest => Cow::Borrowed(self.raw.as_bytes()),
            Kind::Binary => Cow::Owned(STANDARD.decode(&*self.raw).unwrap_or_default()),
        }
    }

    /// The same entry on its own.
    pub(crate) fn into_owned(self) -> Entry<'static> {
        Entry {
            conn: Cow::Owned(self.conn.into_owned()),
            raw: Cow::Owned(self.raw.into_owned()),
            ts_ns: self.ts_ns,
            place: self.place,
            kind: self.kind,
        }
    }
}

/// The URL without its fragment, and the fragment if it names a connection.
pub(super) fn split(conn: Cow<'_, str>) -> (Cow<'_, str>, Option<Place>) {
    let Some(at) = conn.find('#') else {
        return (conn, None);
    };
    let place = Place::parse(&conn[at + 1..]);
    let conn = match conn {
        Cow::Borrowed(conn) => Cow::Borrowed(&conn[..at]),
        Cow::Owned(mut conn) => {
            conn.truncate(at);
            Cow::Owned(conn)
        }
    };
    (conn, place)
}

/// A frame as an entry has it, if one can hold it. Whether it came as a text is not known here:
/// what is no text, or has a byte that no exchange's text has, counts as binary.
pub(crate) fn frame(bytes: &[u8]) -> Option<(Kind, Cow<'_, str>)> {
    match memchr::memchr(0, bytes).is_none() && std::str::from_utf8(bytes).is_ok() {
        true => Some((Kind::Ws, writable(bytes)?.into())),
        false => Some((
            Kind::Binary,
            fits(bytes).then(|| STANDARD.encode(bytes))?.into(),
        )),
    }
}

/// A message as text, if an entry can hold it.
pub(crate) fn writable(message: &[u8]) -> Option<&str> {
    std::str::from_utf8(message).ok().filter(|_| fits(message))
}

/// Twice the length is room for what JSON escapes in JSON, and for Base64.
fn fits(message: &[u8]) -> bool {
    2 * message.len() as u64 + HEAD_BYTES_MAX < LINE_BYTES_MAX
}

/// Why entries cannot be read any further.
#[derive(Debug)]
pub enum ReadError {
    /// Reading failed at this line (counted from 1): the file, or what compressed it.
    Read(u64, io::Error),
    /// This line is not one of a recording, and why.
    BadLine(u64, String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(line, error) => write!(f, "line {line}: {error}"),
            Self::BadLine(line, why) => {
                write!(f, "line {line} is not a line of a recording: {why}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<ReadError> for String {
    fn from(error: ReadError) -> Self {
        error.to_string()
    }
}

/// The entries of a recording, one at a time. Never holds a whole file.
pub(crate) struct Entries {
    reader: Reader,
    number: u64,
    line: Line,
}

impl Entries {
    /// From the first line on.
    pub(crate) fn new(reader: Reader) -> Self {
        Self {
            reader,
            number: 0,
            line: Line::default(),
        }
    }

    /// The next entry; `None` at the end. Blank lines are skipped.
    ///
    /// # Errors
    /// If reading fails, or the line is too long or not an entry.
    #[cfg(test)]
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry<'_>>, ReadError> {
        Ok(self.advance()?.then(|| self.line.entry()))
    }

    /// Changes the line that was read last for another one, which the next entry is read into.
    pub(super) fn swap(&mut self, line: &mut Line) {
        std::mem::swap(&mut self.line, line);
    }

    /// Reads the next entry; false at the end. Blank lines are skipped.
    ///
    /// # Errors
    /// If reading fails, or the line is too long or not an entry.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            self.number += 1;
            let in_place = self.advance_in_place();
            if in_place.map_err(|error| ReadError::Read(self.number, error))? {
                return Ok(true);
            }
            let text = &mut self.line.text;
            text.clear();
            let line = self.reader.by_ref().take(LINE_BYTES_MAX);
            let read = { line }.read_line(text);
            let bytes = read.map_err(|error| ReadError::Read(self.number, error))?;
            if bytes == 0 {
                return Ok(false);
            }
            if bytes as u64 == LINE_BYTES_MAX {
                return Err(self.bad("it is too long".to_owned()));
            }
            if !text.trim_start().is_empty() {
                break;
            }
        }
        let parsed = self.line.parse();
        parsed.map_err(|why| self.bad(why))?;
        Ok(true)
    }

    /// Reads the next line without a copy: if the reader's buffer has all of it, and it is of the
    /// shape that this build writes. Otherwise nothing was read.
    fn advance_in_place(&mut self) -> io::Result<bool> {
        let buffered = match self.reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            buffered => buffered?,
        };
        let Some(end) = memchr::memchr(b'\n', buffered) else {
            return Ok(false);
        };
        let line = &buffered[..=end];
        let read = (line.len() as u64) < LINE_BYTES_MAX && self.line.parse_known(line).is_some();
        if read {
            self.reader.consume(end + 1);
        }
        Ok(read)
    }

    /// The time of the entry that was read last.
    pub(super) fn time(&self) -> u64 {
        self.line.entry().ts_ns.unwrap_or(0)
    }

    /// The line that was read last is not one to go on with.
    fn bad(&self, why: String) -> ReadError {
        ReadError::BadLine(self.number, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"ts_ns":7,"conn":"wss://a.example/ws#2.1.3","kind":"ws","raw":"{\"n\":\"\\u00e9\"}"}"#,
        "\n",
    );

    fn entry() -> Entry<'static> {
        Entry {
            ts_ns: Some(7),
            conn: "wss://a.example/ws".into(),
            place: Some(Place {
                lane: 2,
                line: 1,
                epoch: 3,
            }),
            kind: Kind::Ws,
            raw: r#"{"n":"\u00e9"}"#.into(),
        }
    }

    fn entries(text: &'static str) -> Entries {
        Entries::new(Box::new(text.as_bytes()))
    }

    #[test]
    fn an_entry_is_written_as_it_is_read_byte_for_byte() {
        assert_eq!(Entry::parse(LINE), Ok(entry()));
        let mut written = Vec::new();
        entry().write(&mut written).unwrap();
        assert_eq!(written, LINE.as_bytes());
        let rest = LINE.replace("\"ws\"", "\"rest\"").replace("#2.1.3", "");
        let mut written = Vec::new();
        Entry::parse(&rest).unwrap().write(&mut written).unwrap();
        assert_eq!(written, rest.as_bytes());
    }

    #[test]
    fn a_line_that_other_tools_wrote_is_read_with_its_keys_in_any_order_and_without_a_time() {
        let other = r#"{"more":[1],"raw":"x","kind":"rest","conn":"https:\/\/a.example\/b#c"}"#;
        let entry = Entry::parse(other).unwrap();
        assert_eq!((entry.ts_ns, entry.place), (None, None));
        assert_eq!((&*entry.conn, &*entry.raw), ("https://a.example/b", "x"));
        assert_eq!(entry.kind, Kind::Rest);
        assert_eq!(entry.clone().into_owned(), entry);
    }

    #[test]
    fn a_kind_that_this_build_does_not_know_is_named() {
        let line = LINE.replace("\"ws\"", "\"t\\u0000cp\"");
        let why = Entry::parse(&line).unwrap_err();
        assert_eq!(why, r"kind is `t\0cp`, not `ws`, `ws-base64` or `rest`");
    }

    #[test]
    fn blank_lines_are_skipped_and_a_bad_one_is_named_by_its_number() {
        let mut entries = entries(concat!(
            "\n",
            r#"{"ts_ns":1,"conn":"c","kind":"ws","raw":"first"}"#,
            "\n  \r\n",
            r#"{"ts_ns":1}"#,
        ));
        assert_eq!(entries.next_entry().unwrap().unwrap().raw, "first");
        let error = entries.next_entry().unwrap_err();
        assert!(matches!(error, ReadError::BadLine(4, _)), "{error}");
        assert!(entries.next_entry().unwrap().is_none());
    }

    /// A small packed file may unpack to that.
    #[test]
    fn a_line_without_an_end_is_given_up() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = Entries::new(Box::new(endless)).next_entry().unwrap_err();
        let said = "line 1 is not a line of a recording: it is too long";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn lines_are_the_same_in_a_readers_buffer_and_across_two() {
        let other = r#"{"raw":"a\u00e9","kind":"rest","conn":"c"}"#;
        let text = [LINE, other, "\n\n", LINE, LINE, LINE.trim_end()].concat();
        let read = |bytes: usize| {
            let text = io::Cursor::new(text.clone());
            let mut entries = Entries::new(Box::new(io::BufReader::with_capacity(bytes, text)));
            let next = || Some(entries.next_entry().unwrap()?.into_owned());
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        let whole = read(text.len());
        assert_eq!((whole.len(), &whole[0]), (5, &entry()));
        for bytes in 1..LINE.len() + 10 {
            assert_eq!(read(bytes), whole, "{bytes}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_an_error_wherever_it_stands() {
        for (from, to) in [
            ("a.example", "\u{1}.example"),
            ("{\\\"n", "{\\\"\u{1}"),
            ("ws\"", "\u{1}s\""),
        ] {
            let bad = LINE.replacen(from, to, 1).into_bytes();
            let bad = bad
                .into_iter()
                .map(|byte| if byte == 1 { 0xff } else { byte });
            let bad: Vec<u8> = LINE.bytes().chain(bad).collect();
            let mut entries = Entries::new(Box::new(io::Cursor::new(bad)));
            entries.next_entry().unwrap();
            let error = entries.next_entry().unwrap_err();
            assert!(matches!(error, ReadError::Read(2, _)), "{error}");
        }
    }

    #[test]
    fn a_frame_that_is_no_text_is_kept_to_the_byte() {
        for bytes in [&b"\x1a\0\x13\x27\xff"[..], b"\x1a\0", b"\xff", b"\0"] {
            let (kind, raw) = frame(bytes).unwrap();
            let mut written = Vec::new();
            let binary = Entry {
                kind,
                raw,
                ..entry()
            };
            binary.write(&mut written).unwrap();
            let line = std::str::from_utf8(&written).unwrap();
            let read = Entry::parse(line).unwrap();
            assert_eq!((read.kind, &*read.bytes()), (Kind::Binary, bytes));
            let mut entries = Entries::new(Box::new(io::Cursor::new(written.clone())));
            assert_eq!(entries.next_entry().unwrap(), Some(read));
        }
        let text = frame("{\"é\":1}".as_bytes()).unwrap();
        assert_eq!(text, (Kind::Ws, "{\"é\":1}".into()));
        let damaged = Entry {
            kind: Kind::Binary,
            raw: "no Base64".into(),
            ..entry()
        };
        assert!(damaged.bytes().is_empty());
    }

    #[test]
    fn what_is_no_text_or_would_make_too_long_a_line_cannot_be_written() {
        assert_eq!(writable("é".as_bytes()), Some("é"));
        assert_eq!(writable(b"\xff"), None);
        let most = (LINE_BYTES_MAX - HEAD_BYTES_MAX) as usize / 2;
        let text = vec![b'"'; most];
        assert_eq!(writable(&text), None);
        assert!(writable(&text[1..]).is_some());
    }
}
