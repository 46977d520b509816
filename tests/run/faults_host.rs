//! Hosts that refuse, consoles that nobody reads, full disks: what the engine does about them,
//! counted by a fault server.

use crate::fault_server::engine::{EAGER, Engine, account, feed};
use crate::fault_server::wire::Http;
use crate::fault_server::{Dialect, Honest, Order, Script, Server, Setup, now_us};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Each connection is told soon that the server is about to end.
struct Ending;

impl Script for Ending {
    fn interject(&self) -> Option<(Duration, String)> {
        let ms = now_us() / 1000;
        let data = format!("{{\"e\":\"serverShutdown\",\"E\":{ms}}}");
        let text = format!("{{\"stream\":\"!serverShutdown\",\"data\":{data}}}");
        Some((Duration::from_millis(500), text))
    }
}

#[test]
fn servers_that_end_again_and_again_are_dialled_ever_slower_and_within_one_budget() {
    const LANES: usize = 40;
    let names: Vec<&'static str> = (0..LANES)
        .map(|n| &*format!("A{n:02}USDT").leak())
        .collect();
    let mut setup = Setup::new(Dialect::Binance, &names);
    setup.step = Duration::from_millis(500);
    let server = Server::start(setup, Ending);
    let alone = "instruments_per_connection = 1\ntrades = false\nquotes = false\n";
    let config = feed(&server, alone) + EAGER;
    let mut engine = Engine::start(&server, &config, &["--for", "20s"]);
    let code = engine.wait(Duration::from_secs(60));
    let connects = server.world.connects_us();
    let late = |at: &&i64| **at > connects[0] + 10_000_000;
    let late = connects.iter().filter(late).count();
    println!(
        "C13: exit {code:?}, {} connections, {late} later than 10 s",
        connects.len()
    );
    assert_eq!(code, Some(0));
    // The exchange allows 300 in five minutes. Without a pause there are 40 a second.
    assert!(connects.len() <= 300);
    assert!(late <= 3 * LANES);
}

/// The first request, or the first handshake, is refused with a time to wait.
struct Busy {
    rest: bool,
}

impl Script for Busy {
    fn rest(&self, path: &str, nth: u64) -> Option<Http> {
        (self.rest && path.contains("/depth") && nth == 0).then(busy)
    }
    fn upgrade(&self, _host: &str, nth: u64) -> Option<Http> {
        (!self.rest && nth == 0).then(busy)
    }
}

fn busy() -> Http {
    Http {
        status: 503,
        headers: "Retry-After: 5".to_owned(),
        body: "{}".to_owned(),
    }
}

#[test]
fn a_time_to_wait_is_obeyed_with_a_503_too() {
    let run = |rest: bool| {
        let setup = Setup::new(Dialect::Binance, &["BTCUSDT"]);
        let server = Server::start(setup, Busy { rest });
        let config = feed(&server, "") + EAGER;
        let mut engine = Engine::start(&server, &config, &["--for", "9s"]);
        let code = engine.wait(Duration::from_secs(40));
        let times = match rest {
            true => server.world.requests("/depth"),
            false => server.world.connects_us(),
        };
        let waited_ms = times.get(1).map(|second| (second - times[0]) / 1000);
        println!("C15 rest {rest}: exit {code:?}, waited {waited_ms:?} ms");
        assert!(waited_ms.is_some_and(|ms| ms >= 5000), "{waited_ms:?}");
    };
    thread::scope(|scope| {
        scope.spawn(|| run(true));
        scope.spawn(|| run(false));
    });
}

/// An honest exchange that takes orders, and the configuration of a run on it.
fn exchange() -> (Server, String) {
    let setup = Setup::new(Dialect::Binance, &["BTCUSDT", "ETHUSDT"]);
    let server = Server::start(setup, Honest);
    let config = feed(&server, "") + &account(&server) + EAGER;
    (server, config)
}

/// How many of these orders a log does not tell of.
fn unrecorded(orders: &[Order], log: &str) -> usize {
    let number = |order: &Order| order.id[2..].parse::<u64>().unwrap();
    let missing = |order: &&Order| !log.contains(&format!("\"order\":{},", number(order)));
    orders.iter().filter(missing).count()
}

#[test]
fn every_order_that_arrived_is_in_the_log_though_nobody_reads_the_console() {
    let (server, config) = exchange();
    let arguments = ["-v", "--live", "--for", "10s"];
    let mut engine = Engine::start_with(&server, &config, &arguments, |command| {
        command.stderr(Stdio::piped());
    });
    let code = engine.wait(Duration::from_secs(40));
    let (arrived, _) = server.world.orders();
    let missing = unrecorded(&arrived, &engine.text("o/log.jsonl"));
    let count = arrived.len();
    println!("C3: exit {code:?}, {count} orders arrived, {missing} without a record");
    assert_eq!((code, missing), (Some(0), 0));
    assert!(count > 40); // With those that were not sent: more words than a pipe holds.
}

#[test]
fn no_order_goes_out_once_the_disk_takes_no_record() {
    let can = Command::new("unshare").args(["-rm", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: this host lets a test mount no file system of its own");
        return;
    }
    let (server, config) = exchange();
    // A small file system for the run's folder, seen by the run only.
    let small = "mkdir o && mount -t tmpfs -o size=128k none o && exec \"$@\"";
    let arguments = ["--live"];
    let mut engine = Engine::start_with(&server, &config, &arguments, |command| {
        let folder = command.get_current_dir().unwrap().to_owned();
        let mut inner = Command::new("unshare");
        inner.args(["-rm", "sh", "-c", small, "sh"]);
        inner.arg(command.get_program()).args(command.get_args());
        inner.stdin(Stdio::null()).stdout(Stdio::null());
        inner.stderr(File::create(folder.join("stderr")).unwrap());
        inner.current_dir(folder);
        *command = inner;
    });
    let began = Instant::now();
    while !engine.text("stderr").contains("No space left on device") {
        assert!(began.elapsed() < Duration::from_secs(120), "never full");
        thread::sleep(Duration::from_millis(20));
    }
    let full_us = now_us();
    thread::sleep(Duration::from_secs(4));
    // Through the run's own folder, as the run itself sees it.
    let id = engine.child.id();
    let log = fs::read_to_string(format!("/proc/{id}/cwd/o/log.jsonl"));
    engine.signal("TERM");
    let code = engine.wait(Duration::from_secs(40));
    let (arrived, _) = server.world.orders();
    let missing = unrecorded(&arrived, &log.unwrap());
    let late = |order: &&Order| order.at_us > full_us + 2_000_000;
    let late = arrived.iter().filter(late).count();
    let count = arrived.len();
    println!("C16: exit {code:?}, {count} orders arrived, {missing} without a record, {late} late");
    assert!(engine.text("stderr").contains("No space left on device"));
    assert_eq!((code, late), (Some(1), 0));
    assert!(count > 10);
    // What went out before the first write failed, on a host that lets the scribe run once a
    // second; without the gate it is nearly all of some 400.
    assert!(missing <= 100);
}
