//! Connections that nobody ends and nothing comes by: in a network namespace of its own, every
//! packet is dropped from one moment on, and neither side is told.

use crate::support::{Process, folder, log, summary, tickwire};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A network namespace with a loopback device; it is gone at the end.
struct Namespace(String);

impl Namespace {
    /// `None` if this host does not let us have one.
    fn new() -> Option<Self> {
        let name = format!("tickwire-{}", std::process::id());
        let made = run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = made.then_some(Self(name))?;
        let up = ["link", "set", "lo", "up"];
        let may = namespace.exec(Command::new("ip").args(up))
            && namespace.drop_all(true)
            && namespace.drop_all(false);
        may.then_some(namespace)
    }

    /// Drops every packet, or lets them pass again.
    fn drop_all(&self, drop: bool) -> bool {
        let mut tc = Command::new("tc");
        match drop {
            true => tc.args(["qdisc", "add", "dev", "lo", "root", "pfifo", "limit", "0"]),
            false => tc.args(["qdisc", "del", "dev", "lo", "root"]),
        };
        self.exec(&tc)
    }

    fn exec(&self, command: &Command) -> bool {
        run(&mut self.within(command))
    }

    /// The same command, inside.
    fn within(&self, command: &Command) -> Command {
        let mut within = Command::new("ip");
        within.args(["netns", "exec", &self.0]);
        within.arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            within.current_dir(folder);
        }
        within
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run(Command::new("ip").args(["netns", "del", &self.0]));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Failure mode 16: what the kernel does not tell is found by each book's own rhythm, and then by
/// the link's own ping.
#[test]
fn a_network_that_drops_every_packet_is_noticed_and_outlived() {
    let Some(network) = Namespace::new() else {
        println!("skipped: a network namespace with dropped packets needs root, ip and tc");
        return;
    };
    let dir = folder();
    let feed = |name| format!("[[feed]]\nexchange = \"{name}\"\ninstruments = [\"*\"]\n");
    let text = ["binance", "okx", "bitstamp"].map(feed).concat()
        + "[engine]\ndepth = 256\n[simulate]\nseed = 3\ninstruments = 2\n";
    fs::write(dir.path().join("c.toml"), text).unwrap();
    let command = tickwire(dir.path(), &["run", "-v", "c.toml", "--out", "o"]);
    let mut process = Process::start(network.within(&command));
    let books = |live: usize, times: usize| {
        let wanted = format!("books {live}/6");
        move |_: &str, err: &str| (err.matches(&wanted).count() >= times).then_some(())
    };
    process.until("all live for some seconds", books(6, 5));
    assert!(network.drop_all(true));
    let dropped = Instant::now();
    process.until("noticed", books(0, 1));
    let noticed = dropped.elapsed();
    process.until("closed", |_, err| err.contains("link.closed").then_some(()));
    let closed = dropped.elapsed();
    thread::sleep(Duration::from_secs(2));
    assert!(network.drop_all(false));
    let passed = Instant::now();
    let before = process.err().matches("books 6/6").count();
    process.until("all live again", books(6, before + 1));
    println!(
        "dark after {noticed:?}, closed after {closed:?}, live after {:?}",
        passed.elapsed()
    );
    process.signal("INT");
    process.wait().expect(0);
    assert!(noticed < Duration::from_secs(30), "{noticed:?}");
    let told = summary(&dir.path().join("o"));
    for book in told["books"].as_array().unwrap() {
        assert_eq!(book["wrong_ns"], 0, "{book}");
    }
    let closed = |record: &&Value| record["event"] == "link.closed";
    let records = log(&dir.path().join("o"));
    let whys: Vec<&Value> = records
        .iter()
        .filter(closed)
        .map(|one| &one["why"])
        .collect();
    assert!(whys.len() >= 3, "{whys:?}");
}
