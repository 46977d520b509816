//! The example that rests orders on both sides, against the simulated exchange: started, watched,
//! and read afterwards. Judges nothing.

use crate::support::{Process, Sim, folder, json_lines, wide_limits, write_keys};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tickwire::exchange::Account;

pub const QUOTES: &str = concat!(
    "[strategy]\nname = \"quote\"\nticks = 40\nquantity = \"0.01\"\n[risk]\n\
    quantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
    orders_per_s = 50\nopen_orders_max = 64\n",
    wide_limits!()
);

/// Long for whatever is waited for, also on a busy host.
const WAIT: Duration = Duration::from_secs(120);
/// How often a file is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A folder with a simulated exchange, an account at it, and a configuration that quotes there.
pub struct World {
    pub folder: tempfile::TempDir,
    pub sim: Sim,
    pub account: Account,
}

impl World {
    /// `more`: lines of `[account]`.
    pub fn new(more: &str) -> Self {
        let folder = folder();
        let dir = folder.path();
        let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
        let (account, _) = write_keys(dir);
        let (feed, section) = (sim.feed(&["BTCUSDT", "ETHUSDT"]), sim.account());
        let text = format!("{feed}{section}{more}{QUOTES}");
        fs::write(dir.join("c.toml"), text).unwrap();
        Self {
            folder,
            sim,
            account,
        }
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the engine.
    pub fn start(&self, out: &str) -> Process {
        Process::start(quote(self.dir(), out))
    }

    /// Starts the engine, and waits until orders of it rest.
    pub fn quoting(&self, out: &str) -> Process {
        let engine = self.start(out);
        until("orders that rest", || {
            (count(&self.log(out), "order.acked") >= 4).then_some(())
        });
        engine
    }

    pub fn log(&self, out: &str) -> Vec<Value> {
        lines(&self.dir().join(out).join("log.jsonl"))
    }

    /// The account's order journal.
    pub fn journal(&self) -> Vec<Value> {
        lines(&self.dir().join("orders/binance/orders.jsonl"))
    }

    /// What the guard of a run reported, once it did.
    pub fn swept(&self, out: &str) -> Option<Value> {
        let text = fs::read_to_string(self.dir().join(out).join("guard-binance.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Drop for World {
    /// A guard whose exchange is gone would try to reach it for ever.
    fn drop(&mut self) {
        let here = self.dir().canonicalize().unwrap();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let (path, id) = (process.path(), process.file_name());
            let cwd = fs::read_link(path.join("cwd"));
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            if cwd.is_ok_and(|cwd| cwd == here) && line.ends_with(b"\0guard\0") {
                let id = id.to_str().unwrap();
                let _ = Command::new("kill").args(["-s", "KILL", id]).status();
            }
        }
    }
}

/// The example, which cargo builds beside the tests.
pub fn example() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let built = here.parent().unwrap().parent().unwrap();
    built.join("examples/quote")
}

fn quote(dir: &Path, out: &str) -> Command {
    let mut command = Command::new(example());
    let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", out];
    command.args(arguments).current_dir(dir);
    command
}

/// The whole lines of a file that is being written.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    json_lines(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
}

pub fn count(records: &[Value], event: &str) -> usize {
    let same = |record: &&Value| record["event"] == event;
    records.iter().filter(same).count()
}

/// The orders that such records are about.
pub fn ids(records: &[Value], of: impl Fn(&Value) -> bool) -> BTreeSet<u64> {
    let meant = records.iter().filter(|record| of(record));
    meant
        .map(|record| record["order"].as_u64().unwrap())
        .collect()
}

/// Orders that a run admitted and that somebody else cancelled.
pub fn cancelled_by_others(log: &[Value]) -> BTreeSet<u64> {
    let admitted = ids(log, |record| record["event"] == "order.admitted");
    let cancelled = ids(log, |record| record["end"] == "cancelled");
    let asked = ids(log, |record| record["event"] == "order.cancel");
    let replaced: BTreeSet<u64> = log
        .iter()
        .filter_map(|record| record["replaces"].as_u64())
        .collect();
    let others = admitted.intersection(&cancelled);
    others
        .filter(|id| !asked.contains(id) && !replaced.contains(id))
        .copied()
        .collect()
}

#[track_caller]
pub fn until<T>(what: &str, seen: impl FnMut() -> Option<T>) -> T {
    until_every(LOOK, what, seen)
}

/// As [`until`], for what must not be looked at often.
#[track_caller]
pub fn until_every<T>(pause: Duration, what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(began.elapsed() < WAIT, "{what} never came");
        std::thread::sleep(pause);
    }
}
