//! What is written when, and what goes on or back when it cannot be written.

use super::*;
use crate::base::{
    Accepter, Body, ClientId, Deed, Event, InstrumentId, News, OrderRef, Question, Said, Source,
};
use crate::journal::orders::Reader;
use crate::wiring::keep::testing::{instrument, ticket};
use crate::wiring::keep::{Keep, keep};
use crate::wiring::ring::{Receiver, ring};
use crate::world::os::clock::OsClock;
use std::sync::Mutex;
use std::time::Instant;

/// A file, and what its disk does.
#[derive(Debug, Default)]
struct Disk {
    written: Vec<u8>,
    synced: usize,
    full: bool,
    breaks: bool,
}

#[derive(Debug, Clone, Default)]
struct Fake(Arc<Mutex<Disk>>, Vec<u8>);

impl Log for Fake {
    fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.1
    }

    fn write(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.full {
            // Half of it still fits.
            let fits = self.1.len() / 2;
            disk.written.extend(self.1.drain(..fits));
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.written.append(&mut self.1);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        if disk.breaks {
            disk.breaks = false;
            return Err(io::Error::other("input/output error"));
        }
        disk.synced = disk.written.len();
        Ok(())
    }
}

fn accepted(entry: u64) -> Deed {
    let by = Accepter::Person;
    Deed::Accepted { entry, by }
}

struct Bench {
    keep: Keep,
    keeper: Keeper,
    gateway: Receiver<Request>,
    back: Receiver<Event>,
    disk: Arc<Mutex<Disk>>,
    log: crossbeam_channel::Receiver<Note>,
}

fn silent() -> Arc<Bell> {
    Bell::new(|| {})
}

impl Bench {
    fn new(gateway_room: usize) -> Self {
        let (requests, gateway) = ring(gateway_room, silent());
        let (keep, end, back) = keep(Some(requests), silent(), silent(), Arc::default());
        let fake = Fake::default();
        let disk = fake.0.clone();
        let (sender, log) = crossbeam_channel::bounded(64);
        let kit = Kit {
            log: Box::new(fake),
            next: 1,
            strategies: vec!["one".to_owned()],
            notes: Vec::new(),
        };
        let table = vec![instrument()].into();
        let keeper = Keeper::new(end, kit, table, Box::new(OsClock), Notes::new(sender));
        Self {
            keep,
            keeper,
            gateway,
            back,
            disk,
            log,
        }
    }

    fn place(&mut self, id: u64) {
        let ticket = ticket(id);
        let admitted = Deed::Admitted {
            order: *ticket.order.order(),
            tag: 0,
            replaces: None,
        };
        self.keep.keep(OsClock.now(), admitted);
        assert!(self.keep.request(Request::Place(ticket)).is_ok());
    }

    /// What the gateway is asked for now.
    fn asked(&mut self) -> Vec<String> {
        let name = |request| match request {
            Request::Place(ticket) => format!("place {}", ticket.order.order().client_id.0),
            Request::Cancel(order) => format!("cancel {}", order.client_id.0),
            Request::Ask(_) => "ask".to_owned(),
            Request::Replace(..) | Request::Reduce(..) => "change".to_owned(),
        };
        std::iter::from_fn(|| self.gateway.pop().ok().map(name)).collect()
    }

    fn synced_lines(&self) -> usize {
        let disk = self.disk.lock().unwrap();
        let synced = &disk.written[..disk.synced];
        synced.iter().filter(|byte| **byte == b'\n').count()
    }

    /// What the log says, but that this host is slow.
    fn said(&self) -> Vec<&'static str> {
        let said = self.log.try_iter().map(|note| note.event);
        said.filter(|event| *event != "orders.slow").collect()
    }
}

fn order(id: u64) -> OrderRef {
    OrderRef {
        client_id: ClientId(id),
        instrument: InstrumentId(0),
        exchange_id: None,
    }
}

#[test]
fn requests_go_on_in_their_order_once_the_records_in_front_of_them_are_on_the_disk() {
    let mut bench = Bench::new(2);
    bench.place(1);
    assert!(
        bench
            .keep
            .request(Request::Ask(Question::OpenOrders))
            .is_ok()
    );
    bench.place(2);
    assert!(bench.asked().is_empty() && bench.synced_lines() == 0);
    assert_eq!(bench.keeper.round(), 5);
    assert_eq!(bench.synced_lines(), 2);
    // The gateway has room for two; the third one keeps its place.
    assert_eq!(bench.asked(), ["place 1", "ask"]);
    bench.keeper.round();
    assert_eq!(bench.asked(), ["place 2"]);
    assert_eq!(bench.keeper.counts.syncs, 1, "written together");
}

#[test]
fn while_the_disk_is_full_no_new_order_goes_on_and_cancels_and_questions_do() {
    let mut bench = Bench::new(8);
    bench.disk.lock().unwrap().full = true;
    bench.place(1);
    assert!(bench.keep.request(Request::Cancel(order(9))).is_ok());
    assert!(bench.keep.request(Request::Ask(Question::Balances)).is_ok());
    bench.keeper.round();
    assert_eq!(bench.asked(), ["cancel 9", "ask"]);
    assert!(!bench.keep.takes_orders());
    let Body::News(news) = bench.back.pop().unwrap().body else {
        panic!("nobody is told");
    };
    let not_sent = News {
        client_id: ClientId(1),
        instrument: InstrumentId(0),
        source: Source::Answer,
        said: Said::NotSent,
    };
    assert_eq!(news, not_sent);
    bench.keep.keep(OsClock.now(), Deed::Heard(not_sent));
    bench.keeper.round();
    assert_eq!(bench.said(), ["orders.disk"]);
    // Room again: every record is there, in its order and whole.
    bench.disk.lock().unwrap().full = false;
    bench.keeper.round();
    assert!(bench.keep.takes_orders());
    assert_eq!(bench.said(), ["orders.disk_back"]);
    assert_eq!(bench.synced_lines(), 2);
    bench.place(2);
    bench.keeper.round();
    assert_eq!(bench.asked(), ["place 2"]);
}

#[test]
fn after_a_sync_that_failed_nobody_trusts_the_disk_again() {
    let mut bench = Bench::new(8);
    bench.disk.lock().unwrap().breaks = true;
    bench.place(1);
    bench.keeper.round();
    assert!(bench.asked().is_empty() && !bench.keep.takes_orders());
    bench.place(2);
    bench.keeper.round();
    assert!(bench.asked().is_empty() && !bench.keep.takes_orders());
    assert_eq!(bench.said(), ["orders.disk"]);
}

#[test]
fn what_finds_no_room_is_counted_and_ends_the_admission_of_orders() {
    let mut bench = Bench::new(8);
    let one = accepted(1);
    let mut kept = 0;
    while bench.keep.takes_orders() {
        bench.keep.keep(OsClock.now(), one);
        kept += 1;
    }
    // About as much again is left for what becomes of the orders that are open.
    for _ in 0..kept - 2 {
        bench.keep.keep(OsClock.now(), one);
    }
    while bench.keeper.round() > 0 {}
    assert!(bench.keep.takes_orders() && bench.said().is_empty());
    for _ in 0..3 * kept {
        bench.keep.keep(OsClock.now(), one);
    }
    while bench.keeper.round() > 0 {}
    assert!(!bench.keep.takes_orders());
    assert_eq!(bench.said(), ["orders.lost"]);
}

#[test]
fn the_thread_is_woken_for_requests_at_once_and_for_records_when_the_desk_says_so() {
    use std::sync::atomic::AtomicUsize;
    let woken = Arc::<AtomicUsize>::default();
    let counts = woken.clone();
    let bell = Bell::new(move || {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    let (requests, _gateway) = ring(4, silent());
    let (mut keep, end, _back) = keep(Some(requests), silent(), bell, Arc::default());
    let times = || woken.load(Ordering::SeqCst);
    assert!(!keep.is_to_wake());
    for n in 1..3 {
        end.bell.sleep();
        keep.keep(Nanos::ZERO, accepted(n));
        assert_eq!((times(), keep.is_to_wake()), (n as usize - 1, true));
        keep.wake();
        keep.wake();
        assert_eq!((times(), keep.is_to_wake()), (n as usize, false));
    }
    end.bell.sleep();
    assert!(keep.request(Request::Ask(Question::OpenOrders)).is_ok());
    assert_eq!(times(), 3);
}

#[test]
fn a_thread_writes_and_hands_on_by_itself_and_says_in_the_end_how_long_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    folder.replace(b"").unwrap();
    let path = folder.path();
    let sleeper = Sleeper::default();
    let (requests, mut gateway) = ring(8, silent());
    let (mut keep, end, _back) = keep(Some(requests), silent(), sleeper.bell(), Arc::default());
    let (sender, log) = crossbeam_channel::bounded(64);
    let kit = Kit {
        log: Box::new(folder.into_log()),
        next: 1,
        strategies: vec!["one".to_owned()],
        notes: Vec::new(),
    };
    let table: Arc<[Instrument]> = vec![instrument()].into();
    let notes = Notes::new(sender);
    let clock = Box::new(OsClock);
    let handle = Keeper::start(end, kit, table, clock, notes, &sleeper).unwrap();
    let mut took = Vec::new();
    for n in 0..50 {
        let began = Instant::now();
        keep.keep(OsClock.now(), accepted(n));
        assert!(keep.request(Request::Cancel(order(n))).is_ok());
        while gateway.pop().is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "it sleeps");
            std::hint::spin_loop();
        }
        took.push(began.elapsed());
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines as u64 > n, "it left before it was written");
    }
    assert!(!handle.has_failed());
    handle.stop();
    took.sort();
    println!(
        "through the disk: {:?} .. {:?} .. {:?}",
        took[0], took[25], took[49]
    );
    let bytes = std::fs::read(&path).unwrap();
    let mut reader = Reader::new("it", &bytes).unwrap();
    let mut entries = 0;
    while let Some((_, deed)) = reader.next_deed().unwrap() {
        assert_eq!(deed, accepted(entries));
        entries += 1;
    }
    assert_eq!((entries, reader.ended()), (50, true));
    let last = log.try_iter().last().unwrap();
    assert_eq!(last.event, "orders.kept");
    assert_eq!(last.fields[0], ("records", Value::Int(50)));
}
