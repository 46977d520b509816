//! The format from end to end, on files in memory: what is written is read back as it was.

use super::segment::SEGMENT_AGE;
use super::*;
use crate::base::{Nanos, UnixNanos};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

/// A folder in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    fn append(&self, name: &str, bytes: &[u8]) {
        let mut files = self.0.lock().unwrap();
        files
            .entry(name.to_owned())
            .or_default()
            .extend_from_slice(bytes);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.0.lock().unwrap().get_mut(name).unwrap());
    }

    /// A recording of three segments with two entries each, as it ends in order.
    fn recorded() -> Self {
        let mut memory = Self::default();
        memory.list(&Item::begin(UnixNanos(0)).to_line()).unwrap();
        let mut series = Series::new("okx", Pack::Gzip);
        for n in 0..6 {
            let now = Nanos(n * SEGMENT_AGE.0 / 2);
            series.handle_time(&mut memory, now).unwrap();
            series.write(&mut memory, now, &entry(n)).unwrap();
        }
        series.finish(&mut memory).unwrap();
        let end = Item::end(UnixNanos(1), 0);
        memory.list(&end.to_line()).unwrap();
        memory
    }

    /// The entries of the series as one recording.
    fn read(&self) -> Vec<Entry<'static>> {
        let reader = series(self.clone(), "okx").unwrap().unwrap();
        let mut entries = Entries::new(reader);
        let mut next = || Some(entries.next_entry().unwrap()?.into_owned());
        std::iter::from_fn(&mut next).collect()
    }
}

impl Store for Memory {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sink>> {
        self.append(name, b"");
        Ok(Box::new(File(self.clone(), name.to_owned())))
    }

    fn list(&mut self, line: &str) -> io::Result<()> {
        self.append(MANIFEST, line.as_bytes());
        Ok(())
    }
}

impl Files for Memory {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let file = self.0.lock().unwrap().get(name).cloned();
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(file)))
    }
}

struct File(Memory, String);

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

fn entry(n: u64) -> Entry<'static> {
    Entry {
        ts_ns: Some(n),
        conn: "wss://ws.okx.com:8443/ws/v5/public".into(),
        place: Some(Place {
            lane: 0,
            line: 1,
            epoch: n as u32,
        }),
        kind: Kind::Ws,
        raw: format!("{{\"n\":\"{n}\\n\"}}").into(),
    }
}

#[test]
fn what_is_written_is_whole_and_reads_back_as_one_recording() {
    let memory = Memory::recorded();
    let names = memory.names().unwrap();
    let segments = [1, 2, 3].map(|n| format!("okx-{n:05}.jsonl.gz"));
    assert_eq!(names[1..], segments);
    let report = verify(&memory).unwrap();
    assert!(report.ended && report.is_sound());
    assert!(report.files.iter().all(|file| file.state == State::Whole));
    assert_eq!(series_names(&memory).unwrap(), ["okx"]);
    assert!(memory.read().into_iter().eq((0..6).map(entry)));
}

#[test]
fn a_series_that_is_not_there_is_none_and_one_with_a_hole_is_refused() {
    let memory = Memory::recorded();
    assert!(series(memory.clone(), "ok").unwrap().is_none());
    memory.0.lock().unwrap().remove("okx-00002.jsonl.gz");
    let error = series(memory, "okx").err().unwrap().to_string();
    assert_eq!(error, "segment 2 of okx is missing");
}

#[test]
fn an_unfinished_segment_is_read_up_to_its_last_whole_member() {
    let memory = Memory::recorded();
    // As a crash leaves it: neither the last segment nor the end is listed.
    memory.change(MANIFEST, |manifest| {
        let text = std::str::from_utf8(manifest).unwrap();
        let kept: Vec<&str> = text.split_inclusive('\n').take(3).collect();
        *manifest = kept.concat().into_bytes();
    });
    let last = "okx-00003.jsonl.gz";
    memory.change(last, |file| file.truncate(file.len() - 1));
    assert!(memory.read().into_iter().eq((0..5).map(entry)));
    let report = verify(&memory).unwrap();
    assert!(report.is_sound() && !report.ended);
    assert!(matches!(report.files[2].state, State::Cut(n) if n > 0));
    // In a finished one that is damage.
    memory.change("okx-00002.jsonl.gz", |file| file.truncate(file.len() - 1));
    assert!(!verify(&memory).unwrap().is_sound());
}

#[test]
fn a_file_of_its_own_is_read_packed_or_not() {
    let memory = Memory::recorded();
    let packed = memory.0.lock().unwrap()["okx-00001.jsonl.gz"].clone();
    let mut plain = String::new();
    let mut reader = unpacked("a.jsonl.gz", Cursor::new(packed.clone())).unwrap();
    reader.read_to_string(&mut plain).unwrap();
    // Two frames, as `cat a.zst b.zst` makes them.
    let (head, tail) = plain.split_at(plain.len() / 3);
    let mut frames = zstd::encode_all(head.as_bytes(), 3).unwrap();
    frames.extend(zstd::encode_all(tail.as_bytes(), 3).unwrap());
    let cut = frames[..frames.len() - 1].to_vec();
    for (name, bytes) in [
        ("a.jsonl", plain.clone().into_bytes()),
        ("a", packed),
        ("a.jsonl.zst", frames),
    ] {
        let mut read = String::new();
        let mut reader = unpacked(name, Cursor::new(bytes)).unwrap();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, plain);
    }
    let mut cut = unpacked("a.zst", Cursor::new(cut)).unwrap();
    assert!(cut.read_to_string(&mut String::new()).is_err());
    let error = |name| unpacked(name, Cursor::new(plain.clone())).err().unwrap();
    assert_eq!(error("a.gz").to_string(), "is named .gz and is not gzip");
    assert_eq!(error("a.zst").to_string(), "is named .zst and is not zstd");
}

#[test]
fn a_folder_holds_a_recording_if_it_has_a_manifest_or_a_segment() {
    let memory = Memory::default();
    assert!(!is_recording(&memory).unwrap());
    memory.append("notes.txt", b"mine");
    assert!(!is_recording(&memory).unwrap());
    memory.append("okx-00001.jsonl.gz", b"");
    assert!(is_recording(&memory).unwrap());
    let error = verify(&memory).unwrap_err().to_string();
    assert_eq!(error, "holds no recording: there is no MANIFEST.jsonl");
}
