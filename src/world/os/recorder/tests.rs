//! The recorder against stores that fail, and verification against files that were changed.

use super::*;
use crate::base::UnixNanos;
use crate::exchange::RestRequest;
use crate::exchange::binance_spot::BINANCE;
use crate::journal::{Entries, MANIFEST, SEGMENT_AGE, Sink, State};
use crate::wiring::tap::{Tap, tap};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

const CONN: &str = "wss://stream.binance.com:9443/stream";
/// The manual clock's zero on the wall.
const EPOCH: i64 = 1_700_000_000_000_000_000;

/// A clock that stands where it is put.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<u64>>);

impl Clock for Hand {
    fn now(&self) -> Nanos {
        Nanos(*self.0.lock().unwrap())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(EPOCH + self.now().0 as i64)
    }
}

/// A recorder that the test turns, with the lanes' and the clerk's ends.
struct World {
    recorder: RecordingWriter,
    taps: Vec<Tap>,
    bodies: BodyTap,
    clock: Hand,
}

impl World {
    fn new(store: impl Store + Send + 'static, lanes: usize, tap_bytes: usize) -> Self {
        Self::packed(Pack::Gzip, store, lanes, tap_bytes)
    }

    fn packed(
        pack: Pack,
        store: impl Store + Send + 'static,
        lanes: usize,
        tap_bytes: usize,
    ) -> Self {
        let clock = Hand::default();
        let (body_tap, body_end) = bodies();
        let (taps, lanes) = (0..lanes)
            .map(|_| {
                let (tap, end) = tap(tap_bytes);
                let conn = CONN.to_owned();
                let exchange = "binance";
                (
                    tap,
                    LaneTap {
                        end,
                        exchange,
                        conn,
                    },
                )
            })
            .unzip();
        let recorder = RecordingWriter::new(Inputs {
            store: Box::new(store),
            pack,
            lanes,
            bodies: body_end,
            clock: Box::new(clock.clone()),
            notes: Notes::new(crossbeam_channel::unbounded().0),
        });
        Self {
            recorder,
            taps,
            bodies: body_tap,
            clock,
        }
    }

    fn in_dir(dir: &Path, pack: Pack) -> Self {
        Self::packed(pack, Folder::create(dir).unwrap(), 1, 1 << 20)
    }

    fn frame(&mut self, lane: usize, at: u64, text: &str) {
        self.taps[lane].frame((0, 1), Nanos(at), text.as_bytes());
    }

    fn turn(&mut self, now: Nanos) -> io::Result<usize> {
        *self.clock.0.lock().unwrap() = now.0;
        self.recorder.round(now, now - RIPE_AFTER)
    }

    fn end(mut self) -> io::Result<Recorded> {
        let now = self.clock.now();
        self.recorder.round(now, Nanos::NEVER)?;
        self.recorder.finish()
    }

    /// Three segments of two lines each.
    fn three_segments(dir: &Path, pack: Pack) -> Recorded {
        let mut world = Self::in_dir(dir, pack);
        for n in 0..3 {
            let now = Nanos(n * 2 * SEGMENT_AGE.0 + 1_000_000_000);
            world.frame(0, now.0, &format!(r#"{{"n":{n},"t":"a \"b\" \\ é"}}"#));
            world.turn(now + RIPE_AFTER).unwrap();
            world.frame(0, now.0 + 1, "{}");
            world.turn(now + RIPE_AFTER + RIPE_AFTER).unwrap();
            world.turn(now + SEGMENT_AGE + RIPE_AFTER).unwrap();
        }
        world.end().unwrap()
    }
}

fn lines_of(path: &Path) -> Vec<Entry<'static>> {
    let mut entries = Entries::new(open(path).unwrap());
    let mut next = || Some(entries.next_entry().unwrap()?.into_owned());
    std::iter::from_fn(&mut next).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn states(dir: &Path) -> Vec<(String, State)> {
    let files = verify(dir).unwrap().files.into_iter();
    files.map(|file| (file.file, file.state)).collect()
}

/// Both ways of packing, and what names of segments end with.
const PACKS: [(Pack, &str); 2] = [(Pack::Gzip, ".jsonl.gz"), (Pack::Zstd, ".jsonl.zst")];

#[test]
fn segments_follow_one_another_and_read_as_one_recording() {
    for (pack, end) in PACKS {
        segments_read_as_one(pack, end);
    }
}

fn segments_read_as_one(pack: Pack, end: &str) {
    let dir = folder();
    let recorded = World::three_segments(dir.path(), pack);
    assert!(
        states(dir.path())
            .iter()
            .all(|(name, _)| name.ends_with(end))
    );
    assert_eq!((recorded.written.files, recorded.written.lines), (3, 6));
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound() && report.ended, "{report:?}");
    assert_eq!(report.files.len(), 3);
    assert!(
        report
            .files
            .iter()
            .all(|f| f.state == State::Whole && f.lines == 2)
    );
    let raw: u64 = report.files.iter().map(|file| file.raw_bytes).sum();
    assert_eq!(raw, recorded.written.raw_bytes);

    assert_eq!(series_of(dir.path()), [dir.path().join("binance")]);
    let lines = lines_of(&dir.path().join("binance"));
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[2].raw, r#"{"n":1,"t":"a \"b\" \\ é"}"#);
    assert_eq!(lines[0].conn, CONN);
    assert_eq!(lines[0].ts_ns, Some(EPOCH as u64 + 1_000_000_000));
    assert!(lines.is_sorted_by_key(|line| line.ts_ns));
}

#[test]
fn lanes_are_merged_by_time_and_snapshots_stand_where_they_were_taken_in() {
    let dir = folder();
    let mut world = World::new(Folder::create(dir.path()).unwrap(), 2, 1 << 16);
    let request = RestRequest::get("/api/v3/depth?symbol=BTCUSDT&limit=100", 1);
    let id = InstrumentId(0);
    let body = b"{\"lastUpdateId\":1}".to_vec();
    world.bodies.keep(&BINANCE, &request, body, Some(id));
    world.frame(1, 5, "second");
    world.frame(0, 4, "first");
    world.frame(0, 6, "third");
    world.taps[0].snapshot((1, 2), Nanos(7), id);
    world.frame(0, 9, "sixth");
    world.frame(1, 8, "fifth");
    world.taps[1].frame((1, 4), Nanos(10), b"seventh");
    world.end().unwrap();
    let lines = lines_of(&dir.path().join("binance"));
    let raw: Vec<&str> = lines.iter().map(|line| &*line.raw).collect();
    let snapshot = "{\"lastUpdateId\":1}";
    let want = [
        "first", "second", "third", snapshot, "fifth", "sixth", "seventh",
    ];
    assert_eq!(raw, want);
    assert_eq!(lines[3].ts_ns, Some(EPOCH as u64 + 7));
    assert_eq!(lines[3].kind, journal::Kind::Rest);
    let url = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=100";
    assert_eq!(lines[3].conn, url);
    assert_eq!(lines[6].conn, CONN);
    let place = |lane, line, epoch| Some(Place { lane, line, epoch });
    assert_eq!(lines[6].place, place(1, 1, 4));
    assert_eq!(lines[3].place, place(0, 1, 2));
    assert_eq!(lines[0].place, place(0, 0, 1));
}

#[test]
fn what_is_lost_is_said_by_segment_and_in_the_end() {
    let dir = folder();
    let mut world = World::new(Folder::create(dir.path()).unwrap(), 1, 64);
    world.frame(0, 1, "a frame");
    world.frame(0, 2, &"too long".repeat(10));
    let request = RestRequest::get("/api/v3/exchangeInfo", 1);
    world
        .bodies
        .keep(&BINANCE, &request, b"\xff".to_vec(), None);
    let recorded = world.end().unwrap();
    assert_eq!((recorded.lost, recorded.written.lines), (2, 1));
    let manifest = fs::read_to_string(dir.path().join(MANIFEST)).unwrap();
    let losses = manifest.lines().filter(|line| line.contains("\"lost\":2"));
    assert_eq!(losses.count(), 2, "{manifest}");
    assert_eq!(verify(dir.path()).unwrap().lost, 2);
}

#[test]
fn a_second_recording_into_a_folder_is_refused() {
    let dir = folder();
    drop(Folder::create(dir.path()).unwrap());
    let error = Folder::create(dir.path()).unwrap_err().to_string();
    assert!(error.contains("holds a recording already"), "{error}");
    let dir = folder();
    fs::write(dir.path().join("okx-00001.jsonl.gz"), "").unwrap();
    assert!(Folder::create(dir.path()).is_err());
    let file = dir.path().join("okx-00001.jsonl.gz");
    let error = Folder::create(&file).unwrap_err().to_string();
    assert!(error.contains("okx-00001"), "{error}");
}

#[test]
fn every_changed_byte_of_every_file_is_found_and_its_file_is_named() {
    for (pack, end) in PACKS {
        changed_bytes_are_found(pack, end);
    }
}

fn changed_bytes_are_found(pack: Pack, end: &str) {
    let dir = folder();
    World::three_segments(dir.path(), pack);
    let [first, third] = [1, 3].map(|n| format!("binance-{n:05}{end}"));
    for name in [&first, &third, MANIFEST] {
        let path = dir.path().join(name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let report = verify(dir.path()).unwrap();
            let named = report.files.iter().find(|file| file.file == name);
            let state = &named.unwrap().state;
            // The last line feed of the manifest is what tells a whole line from one that was cut.
            let cut = name == MANIFEST && at == good.len() - 1;
            assert!(
                cut || matches!(state, State::Damaged(_)),
                "{name} {at}: {state:?}"
            );
            assert!(cut || !report.is_sound());
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(verify(dir.path()).unwrap().is_sound());
}

#[test]
fn a_recording_that_was_killed_is_sound_up_to_its_last_member() {
    for (pack, end) in PACKS {
        killed_is_sound(pack, end);
    }
}

fn killed_is_sound(pack: Pack, end: &str) {
    let dir = folder();
    let mut world = World::in_dir(dir.path(), pack);
    for n in 0..5 {
        world.frame(0, n * 2_000_000_000 + 1, &format!("{{\"n\":{n}}}"));
        world
            .turn(Nanos(n * 2_000_000_000 + 1) + RIPE_AFTER)
            .unwrap();
        world
            .turn(Nanos(n * 2_000_000_000 + 1_900_000_000))
            .unwrap();
    }
    drop(world);
    let name = format!("binance-00001{end}");
    let path = dir.path().join(&name);
    assert_eq!(states(dir.path()), [(name, State::Cut(0))]);
    assert_eq!(lines_of(&dir.path().join("binance")).len(), 5);
    let good = fs::read(&path).unwrap();
    let mut seen = Vec::new();
    for len in (0..good.len()).rev() {
        fs::write(&path, &good[..len]).unwrap();
        let report = verify(dir.path()).unwrap();
        assert!(report.is_sound() && !report.ended, "{len}: {report:?}");
        let lines = lines_of(&dir.path().join("binance"));
        assert_eq!(report.files[0].lines, lines.len() as u64);
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(line.raw, format!("{{\"n\":{n}}}"));
        }
        seen.push(lines.len());
    }
    seen.dedup();
    assert_eq!(seen, [4, 3, 2, 1, 0]);
}

#[test]
fn files_that_are_missing_foreign_or_out_of_order_are_named() {
    for (pack, end) in PACKS {
        missing_and_foreign_are_named(pack, end);
    }
}

fn missing_and_foreign_are_named(pack: Pack, end: &str) {
    let dir = folder();
    World::three_segments(dir.path(), pack);
    let [first, second, third] = [1, 2, 3].map(|n| dir.path().join(format!("binance-{n:05}{end}")));
    let other = dir.path().join("kept");
    fs::rename(&second, &other).unwrap();
    let (name, state) = states(dir.path()).remove(1);
    assert_eq!(name, format!("binance-00002{end}"));
    assert_eq!(state, State::Damaged("is missing".into()));
    let error = open(&dir.path().join("binance")).err().unwrap().to_string();
    assert!(error.contains("segment 2 of binance is missing"), "{error}");

    fs::copy(&first, &second).unwrap(); // Whole in itself, and not what belongs there.
    let (_, state) = states(dir.path()).remove(1);
    assert!(matches!(state, State::Damaged(_)), "{state:?}");
    fs::rename(&other, &second).unwrap();
    assert!(verify(dir.path()).unwrap().is_sound());

    // A file of somebody else, and one that the manifest does not name in front of another.
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    fs::copy(&third, dir.path().join(format!("binance-00005{end}"))).unwrap();
    let found = states(dir.path());
    let tail = &found[3..];
    assert_eq!(tail[0].0, format!("binance-00004{end}"));
    assert!(matches!(tail[0].1, State::Damaged(_)));
    assert_eq!(tail[1], (format!("binance-00005{end}"), State::Cut(0)));

    // Two files of one number, packed in either way: a replay takes neither for the other.
    let twice = dir.path().join("binance-00002.jsonl.gz");
    let twice = match twice.exists() {
        true => dir.path().join("binance-00002.jsonl.zst"),
        false => twice,
    };
    fs::copy(&second, twice).unwrap();
    assert!(!verify(dir.path()).unwrap().is_sound());
    assert!(open(&dir.path().join("binance")).is_err());
}

#[test]
fn a_folder_without_a_recording_is_not_one() {
    let dir = folder();
    let error = verify(dir.path()).unwrap_err();
    assert!(error.contains("holds no recording"), "{error}");
    let error = verify(&dir.path().join("nowhere")).unwrap_err();
    assert!(error.contains("nowhere"), "{error}");
    let foreign = dir.path().join("x-00001.jsonl.gz");
    fs::write(dir.path().join(MANIFEST), "hello\n").unwrap();
    fs::write(foreign, "hello").unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(!report.is_sound());
    assert_eq!(report.files.len(), 2);
}

/// A store in memory that fails from one moment on.
#[derive(Clone, Default)]
struct Failing {
    /// Bytes that files may still take.
    room: Arc<Mutex<usize>>,
    sync_fails: bool,
    list_fails: bool,
    listed: Arc<Mutex<String>>,
}

impl Store for Failing {
    fn create(&mut self, _: &str) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(self.clone()))
    }

    fn list(&mut self, line: &str) -> io::Result<()> {
        if self.list_fails {
            return Err(io::Error::other("the list failed"));
        }
        self.listed.lock().unwrap().push_str(line);
        Ok(())
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(*room);
        *room -= n;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Failing {
    fn sync(&mut self) -> io::Result<()> {
        match self.sync_fails {
            true => Err(io::Error::other("the sync failed")),
            false => Ok(()),
        }
    }
}

#[test]
fn a_write_that_fails_ends_the_recording_and_lists_no_segment_that_is_not_whole() {
    let enough = Arc::new(Mutex::new(1 << 20));
    for (store, why) in [
        (Failing::default(), "binance-00001"),
        (
            Failing {
                room: Arc::new(Mutex::new(10)),
                ..Failing::default()
            },
            "binance-00001",
        ),
        (
            Failing {
                room: enough.clone(),
                sync_fails: true,
                ..Failing::default()
            },
            "the sync failed",
        ),
        (
            Failing {
                room: enough,
                list_fails: true,
                ..Failing::default()
            },
            "the list failed",
        ),
    ] {
        let listed = store.listed.clone();
        let mut world = World::new(store, 1, 1 << 16);
        world.frame(0, 1, "{}");
        world.turn(Nanos(1) + RIPE_AFTER).unwrap();
        let error = world.end().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(*listed.lock().unwrap(), "");
    }
}

#[test]
fn the_thread_ends_by_itself_when_a_write_fails_and_else_when_it_is_told_to() {
    for (room, fails) in [(0, true), (1 << 20, false)] {
        let store = Failing {
            room: Arc::new(Mutex::new(room)),
            ..Failing::default()
        };
        let (mut tap, end) = tap(1 << 16);
        let (_bodies, bodies) = bodies();
        let clock = Hand::default();
        let handle = RecordingWriter::start(Inputs {
            store: Box::new(store),
            pack: Pack::Gzip,
            lanes: vec![LaneTap {
                end,
                exchange: "binance",
                conn: CONN.into(),
            }],
            bodies,
            clock: Box::new(clock.clone()),
            notes: Notes::new(crossbeam_channel::unbounded().0),
        })
        .unwrap();
        tap.frame((0, 1), Nanos(1), b"{}");
        *clock.0.lock().unwrap() = 1_000_000_000;
        let until = std::time::Instant::now() + Duration::from_secs(120);
        let mut now = 1_000_000_000;
        while fails && !handle.has_failed() && std::time::Instant::now() < until {
            now += 1_000_000_000;
            *clock.0.lock().unwrap() = now;
            thread::sleep(POLL);
        }
        assert_eq!(handle.has_failed(), fails);
        match handle.stop() {
            Err(error) => assert!(fails, "{error}"),
            Ok(recorded) => assert_eq!((fails, recorded.written.lines), (false, 1)),
        }
    }
}
