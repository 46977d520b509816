//! The built binary, run against a fault server: its configuration, its life, and what it wrote.

use super::book::cents;
use super::{Order, Server};
use crate::support::{self, wide_limits};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A strategy that orders at each change of a book, and limits that let it; all of them written
/// out.
pub const EAGER: &str = concat!(
    "[strategy]\nname = \"imbalance\"\ndepth = 1\n\
    threshold = 0.3\ncooldown_ms = 0\n\
    quantity = \"0.01\"\n[risk]\nquantity_max = \"1\"\nnotional_max = \"1000000\"\n\
    price_collar_bps = 500\norders_per_s = 1000\nopen_orders_max = 256\n",
    wide_limits!()
);

/// A book is live after this, also on a busy host.
const LIVE_MAX: Duration = Duration::from_secs(200);

/// Another binary may be measured by the same scenarios.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("TICKWIRE_BIN");
    other.map_or(PathBuf::from(env!("CARGO_BIN_EXE_tickwire")), PathBuf::from)
}

/// A `[[feed]]` that follows everything of this server.
pub fn feed(server: &Server, more: &str) -> String {
    let (addr, symbols) = (&server.addr, server.world.symbols());
    let name = server.world.dialect.name();
    format!(
        "[[feed]]\nexchange = \"{name}\"\nvia = \"{addr}\"\nca_file = \"ca.pem\"\n\
         instruments = {symbols:?}\n{more}"
    )
}

/// An `[account]` whose orders go to this server.
pub fn account(server: &Server) -> String {
    format!(
        "[account]\nexchange = \"binance\"\norders = \"{}\"\nca_file = \"ca.pem\"\n\
         api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n",
        server.addr
    )
}

/// A key pair of nobody's: PKCS#8 around thirty-two equal bytes.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n\
    -----END PRIVATE KEY-----\n";

/// A running engine; it is killed if a test ends before it does.
pub struct Engine {
    pub child: Child,
    pub folder: tempfile::TempDir,
}

impl Engine {
    /// Runs `config`, with these arguments besides, into the folder `o`.
    pub fn start(server: &Server, config: &str, more: &[&str]) -> Self {
        Self::start_with(server, config, more, |_| {})
    }

    /// `change`: what is to be different about the process.
    pub fn start_with(
        server: &Server,
        config: &str,
        more: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start_program(&binary(), server, config, more, change)
    }

    /// A binary of somebody else's, with a strategy of his own.
    pub fn start_program(
        program: &Path,
        server: &Server,
        config: &str,
        more: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("c.toml"), config).unwrap();
        fs::write(path.join("ca.pem"), &server.ca_pem).unwrap();
        for (name, text) in [("api.key", "abcdefgh"), ("private.pem", PRIVATE_KEY)] {
            fs::write(path.join(name), text).unwrap();
            fs::set_permissions(path.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        let mut command = Command::new(program);
        command
            .args(["run", "c.toml", "--out", "o"])
            .args(more)
            .current_dir(path);
        let file = |name| fs::File::create(path.join(name)).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"));
        change(&mut command);
        let child = command.spawn().unwrap();
        Self { child, folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a signal, by the system's own `kill`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The log as far as it was written.
    pub fn log(&self) -> Vec<Value> {
        let text = self.text("o/log.jsonl");
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The most memory that was ever resident, in KiB.
    pub fn resident_kib_max(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.map_or(0, |line| {
            line.split_whitespace().next().unwrap().parse().unwrap()
        })
    }

    /// Waits for its end, and gives its exit code; `None` if it does not come.
    pub fn wait(&mut self, at_most: Duration) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < at_most {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Waits until this book is live, however long a busy host takes for it.
    pub fn until_live(&mut self, symbol: &str) {
        let began = Instant::now();
        let live = |engine: &Self| engine.changes(symbol).iter().any(|c| c.status == "live");
        while !live(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{symbol} is not live, and the engine ended: {ended:?}"
            );
            assert!(
                began.elapsed() < LIVE_MAX,
                "{symbol} is not live\n{}",
                self.text("stderr")
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn summary(&self) -> Value {
        serde_json::from_str(&self.text("o/summary.json")).unwrap_or(Value::Null)
    }

    /// The orders that the log tells of.
    pub fn orders(&self) -> Vec<Order> {
        let log = self.log();
        let admitted = log
            .iter()
            .filter(|record| record["event"] == "order.admitted");
        admitted.map(order).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        support::end(&mut self.child);
    }
}

fn order(record: &Value) -> Order {
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    Order {
        at_us: time_us(record),
        symbol: text("instrument"),
        buy: record["side"] == "buy",
        px: cents(&text("px")),
        id: format!("tw{:020}", record["order"].as_u64().unwrap()),
    }
}

/// When a record of the log was made.
pub fn time_us(record: &Value) -> i64 {
    let time = humantime::parse_rfc3339(record["time"].as_str().unwrap()).unwrap();
    time.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros() as i64
}

/// A change of a book's state, as the log tells of it.
#[derive(Debug, Clone)]
pub struct Change {
    /// Since the log began.
    pub at_ms: i64,
    pub status: String,
}

impl Engine {
    /// The changes of a book's state.
    pub fn changes(&self, symbol: &str) -> Vec<Change> {
        let log = self.log();
        let began_us = log.first().map_or(0, time_us);
        let of = |r: &&Value| r["event"] == "book.status" && r["instrument"] == symbol;
        let change = |record: &Value| Change {
            at_ms: (time_us(record) - began_us) / 1000,
            status: record["status"].as_str().unwrap_or_default().to_owned(),
        };
        log.iter().filter(of).map(change).collect()
    }
}

/// How long a book was live until `end_ms`.
pub fn live_ms(changes: &[Change], end_ms: i64) -> i64 {
    let ends = changes.iter().skip(1).map(|next| next.at_ms);
    let spans = changes.iter().zip(ends.chain([end_ms]));
    let live = spans.filter(|(change, _)| change.status == "live");
    live.map(|(change, end_ms)| end_ms - change.at_ms).sum()
}

/// The changes on one line.
pub fn shown(changes: &[Change]) -> String {
    let one = |change: &Change| format!("{} {}", change.at_ms, change.status);
    changes.iter().map(one).collect::<Vec<_>>().join(", ")
}
