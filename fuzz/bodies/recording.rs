//! Any bytes as a recording, and as an order journal: frames and words about what is wrong, with
//! bounded memory. The first byte says how the input is dressed, because a fuzzer finds no
//! checksum:
//!
//! - a file of lines, packed or not, as it stands;
//! - lines that are packed here, and damaged behind that;
//! - a file in the folder of a recording that was whole: `verify` must notice;
//! - an order journal, as it stands and with the checksum of each line put right. Whatever it says,
//!   what a run makes of it is an answer.

use super::Choices;
use crate::base::{Nanos, Span, UnixNanos};
use crate::journal::{self, Entry, Files, Kind, MANIFEST, Pack, Reader, Series, Sink, Store};
use crate::journal::{Item, orders, sealed};
use crate::trading::recover::Recovery;
use crate::venue::recording::{self, Recording};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, LazyLock, Mutex};

/// No entry may be longer: see `journal/entry.rs`.
const LINE_BYTES_MAX: usize = 129 << 20;
const PACKS: [Pack; 2] = [Pack::Gzip, Pack::Zstd];
const NAMES: [&str; 3] = ["any.jsonl", "any.jsonl.gz", "any.jsonl.zst"];

pub(super) fn body(data: &[u8]) {
    let mut choices = Choices(data);
    match choices.u8() % 8 {
        0 => read(choices.one_of(&NAMES), choices.0),
        1..4 => packed(choices),
        4 | 5 => in_a_folder(choices),
        6 => order_journal(choices.0),
        _ => {
            let lines = choices.0.split(|byte| *byte == b'\n');
            let objects = lines.filter_map(|line| std::str::from_utf8(line).ok());
            let objects = objects.filter(|line| line.ends_with('}'));
            let text: String = objects.map(|line| sealed::seal(line.to_owned())).collect();
            order_journal(text.as_bytes());
        }
    }
}

/// Reads a file as a simulated exchange does that is to play it.
fn read(name: &'static str, bytes: &[u8]) {
    let bytes: Arc<[u8]> = bytes.into();
    let copy = bytes.clone();
    if let Ok(mut entries) = entries(journal::unpacked(name, Cursor::new(copy))) {
        while let Ok(Some((_, entry))) = entries.next_entry() {
            assert!(entry.raw.len() < LINE_BYTES_MAX);
            let _ = entry.bytes();
        }
    }
    let open = move |_| journal::unpacked(name, Cursor::new(bytes.clone()));
    let files = recording::Files {
        count: 1,
        open: Box::new(open),
    };
    match Recording::index(files) {
        Ok(indexed) => assert!(!(indexed.recordings.is_empty() && indexed.left_out.is_empty())),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn entries(reader: io::Result<Reader>) -> Result<journal::Merge, String> {
    let mut entries = journal::Merge::default();
    entries.add(reader.map_err(|error| error.to_string())?)?;
    Ok(entries)
}

/// Packs the rest of the input in members, does a little damage, and reads that.
fn packed(mut choices: Choices<'_>) {
    let at = choices.below(PACKS.len());
    let (damage, members) = (choices.u8() % 4, 1 + choices.below(4));
    let places: Vec<u64> = (0..damage).map(|_| choices.u64()).collect();
    let mut bytes = Vec::new();
    for member in choices.0.chunks(choices.0.len() / members + 1) {
        bytes.extend(member_of(PACKS[at], member).unwrap());
    }
    for place in places {
        let at = (place >> 8) as usize % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= place as u8;
        }
    }
    read(NAMES[1 + at], &bytes);
}

fn member_of(pack: Pack, text: &[u8]) -> io::Result<Vec<u8>> {
    match pack {
        Pack::Gzip => {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(text)?;
            packer.finish()
        }
        Pack::Zstd => zstd::encode_all(text, 1),
    }
}

/// Names and what the files hold, in the order in which they began.
type Named = Vec<(String, Vec<u8>)>;

/// A recording's folder in memory.
#[derive(Default, Clone)]
struct Folder(Arc<Mutex<Named>>);

impl Folder {
    /// A recording that ended in order: two series, three segments.
    fn whole() -> Self {
        let mut folder = Self::default();
        folder.add(MANIFEST, Item::begin(UnixNanos(0)).to_line().into());
        for (name, pack, times) in [("a", Pack::Gzip, 0..60), ("b", Pack::Zstd, 0..30)] {
            let mut series = Series::new(name, pack);
            for second in times {
                let now = Nanos::from_secs(second * 3);
                series.write(&mut folder, now, &entry(second)).unwrap();
                series.handle_time(&mut folder, now).unwrap();
            }
            series.finish(&mut folder).unwrap();
        }
        folder.list(&Item::end(UnixNanos(9), 0).to_line()).unwrap();
        folder
    }

    fn add(&self, name: &str, bytes: Vec<u8>) {
        self.0.lock().unwrap().push((name.to_owned(), bytes));
    }

    /// A copy of it that shares nothing.
    fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        let mut files = self.0.lock().unwrap();
        let file = files.iter_mut().find(|(known, _)| known == name);
        file.unwrap().1.extend_from_slice(bytes);
    }
}

fn entry(n: u64) -> Entry<'static> {
    Entry {
        ts_ns: Some(n),
        conn: "wss://a.example/ws".into(),
        place: None,
        kind: Kind::Ws,
        raw: format!(
            "{{\"message\":{n},\"and\":\"{}\"}}",
            "more ".repeat(n as usize)
        )
        .into(),
    }
}

impl Files for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let files = self.0.lock().unwrap();
        Ok(files.iter().map(|(name, _)| name.clone()).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let files = self.0.lock().unwrap();
        let file = files.iter().find(|(known, _)| known == name);
        let (_, bytes) = file.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }
}

impl Store for Folder {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sink>> {
        self.add(name, Vec::new());
        Ok(Box::new(File(self.clone(), name.to_owned())))
    }

    fn list(&mut self, line: &str) -> io::Result<()> {
        self.append(MANIFEST, line.as_bytes());
        Ok(())
    }
}

/// A file of a folder.
struct File(Folder, String);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(&self.1, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Changes files of a recording that was whole. If a finished segment is not as it was, that shows.
fn in_a_folder(mut choices: Choices<'_>) {
    static WHOLE: LazyLock<Folder> = LazyLock::new(Folder::whole);
    let folder = WHOLE.copied();
    let was = folder.0.lock().unwrap().clone();
    for _ in 0..=choices.u8() % 3 {
        let mut files = folder.0.lock().unwrap();
        let at = choices.below(files.len());
        let (name, bytes) = &mut files[at];
        let place = choices.u64() as usize % (bytes.len() + 1);
        match choices.u8() % 6 {
            0 => bytes.truncate(place),
            1 => {
                let more = choices.u8();
                bytes.splice(place..place, choices.bytes(more.into()).iter().copied());
            }
            2 => *bytes = choices.bytes(usize::MAX).to_vec(),
            3 => {
                let named = choices.bytes(24);
                *name = String::from_utf8_lossy(named).into_owned();
            }
            4 => drop(files.remove(at)),
            _ => {
                let with = choices.u8();
                bytes
                    .iter_mut()
                    .skip(place)
                    .take(1)
                    .for_each(|byte| *byte ^= with);
            }
        }
        if files.is_empty() {
            break;
        }
    }
    let is = folder.0.lock().unwrap().clone();
    let report = journal::verify(&folder);
    let manifest = |files: &[(String, Vec<u8>)]| {
        let mut all = files.iter().filter(|(name, _)| name == MANIFEST);
        all.next().map(|(_, bytes)| bytes.clone())
    };
    if manifest(&was) == manifest(&is) {
        let lacks = was.iter().any(|file| !is.contains(file));
        let sound = report.as_ref().is_ok_and(|report| report.is_sound());
        assert!(!(lacks && sound), "{report:?}");
    }
    for series in journal::series_names(&folder).unwrap() {
        if let Ok(Some(reader)) = journal::series(folder.copied(), &series)
            && let Ok(mut entries) = entries(Ok(reader))
        {
            while let Ok(Some(_)) = entries.next_entry() {}
        }
    }
}

/// Learns from a journal of orders as a run does that begins.
fn order_journal(bytes: &[u8]) {
    let Ok(mut reader) = orders::Reader::new("orders.jsonl", bytes) else {
        return;
    };
    let mut recovery = Recovery::new(&reader.tables().instruments, Span::from_secs(1));
    let mut last = Nanos::ZERO;
    while let Ok(Some((at, deed))) = reader.next_deed() {
        let at = Nanos(u64::try_from(at.0).unwrap_or(0));
        last = last.max(at);
        if recovery.take(at, &deed).is_err() {
            return;
        }
    }
    let recovered = recovery.finish(last);
    // What the next run begins its journal with.
    let tables = reader.tables();
    let names = orders::Names {
        instruments: &tables.instruments,
        strategies: &tables.strategies,
    };
    let (mut out, mut writer) = (Vec::new(), orders::Writer::new(reader.next_number()));
    let unix = |at: Nanos| UnixNanos(i64::try_from(at.0).unwrap_or(i64::MAX));
    for instrument in &tables.instruments {
        writer.instrument(unix(last), instrument, &mut out);
    }
    for deed in recovered.deeds(last) {
        writer.deed(names, (last, &unix), &deed, &mut out);
    }
    let mut again = orders::Reader::new("orders.jsonl", &out).unwrap();
    while again.next_deed().unwrap().is_some() {}
}
