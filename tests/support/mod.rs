//! What the process tests share: the built binary, started, watched, and ended by its own id.
#![allow(dead_code, unused_imports)] // Each test binary uses its own part.

pub mod corpus;
pub mod proxy;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tickwire::exchange::{self, Account};
use tickwire::venue::account::generate_account;

/// No process is waited for longer. A busy host may take long, and that is no fault.
const LIFE_MAX: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(20);

/// The binary with these arguments, in `folder`.
pub fn tickwire(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
    command.args(arguments).current_dir(folder);
    command
}

/// Runs to the end, which must come within [`LIFE_MAX`].
pub fn finished(command: Command) -> Ran {
    Process::start(command).wait()
}

/// A process that ended, and what it wrote.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Asserts the exit code, with all that was said if it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        let Self { out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "stdout:\n{out}\nstderr:\n{err}");
        assert!(!err.contains("panicked"), "{err}");
        self
    }
}

/// A running process; it is killed if a test ends before it does.
pub struct Process {
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
    began: Instant,
}

impl Process {
    /// Its output goes to files, so that no full pipe can stop it.
    pub fn start(mut command: Command) -> Self {
        let (out, err) = (named_file(), named_file());
        command.stdin(Stdio::null());
        command.stdout(out.reopen().unwrap());
        command.stderr(err.reopen().unwrap());
        let child = command.spawn().unwrap();
        let began = Instant::now();
        Self {
            child,
            out,
            err,
            began,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processes that it started and that are there: of a live run its guard.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    pub fn out(&self) -> String {
        fs::read_to_string(self.out.path()).unwrap()
    }

    pub fn err(&self) -> String {
        fs::read_to_string(self.err.path()).unwrap()
    }

    /// Waits until `seen` finds something in what was written, which it must within [`LIFE_MAX`].
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut seen: impl FnMut(&str, &str) -> Option<T>) -> T {
        loop {
            let (out, err) = (self.out(), self.err());
            if let Some(found) = seen(&out, &err) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            let late = self.began.elapsed() > LIFE_MAX;
            assert!(
                !late && ended.is_none(),
                "never {what} (ended: {ended:?})\n{out}\n{err}"
            );
            thread::sleep(LOOK);
        }
    }

    /// Sends a signal, by the system's own `kill`.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success(), "kill -s {name} {id}");
    }

    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let asked = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let late = asked.elapsed() > LIFE_MAX;
            assert!(
                !late,
                "still there after {LIFE_MAX:?}\n{}\n{}",
                self.out(),
                self.err()
            );
            thread::sleep(LOOK);
        };
        Ran {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }

    /// As [`Self::wait`]; the end must come within `limit`, of the time in which the host let it
    /// run.
    #[track_caller]
    pub fn wait_within(mut self, limit: Duration) -> Ran {
        let mut fair = FairClock::start(&self);
        while self.child.try_wait().unwrap().is_none() {
            fair.look(&self);
            let took = fair.elapsed();
            assert!(took <= limit, "still there after {took:?}\n{}", self.err());
            thread::sleep(LOOK);
        }
        self.wait()
    }

    /// Processor time used so far, in seconds: `utime` and `stime` of `/proc/PID/stat`.
    pub fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The name in brackets may hold blanks; the 14th and 15th field are the 12th and 13th after
        // it.
        let after = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|n| n.parse::<u64>().unwrap())
            .sum();
        ticks as f64 / 100.0 // USER_HZ, which Linux has fixed for user space.
    }

    /// The most memory that was ever resident, in KiB.
    pub fn resident_kib_max(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse().unwrap()
    }
}

/// The processes below this one, its own children first.
pub fn processes_below(id: u32) -> Vec<u32> {
    let (mut all, mut seen) = (children_of(id), 0);
    while let Some(&next) = all.get(seen) {
        all.extend(children_of(next));
        seen += 1;
    }
    all
}

fn children_of(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task"));
    let children = threads.into_iter().flatten().flatten().map(|thread| {
        let children = thread.path().join("children");
        fs::read_to_string(children).unwrap_or_default()
    });
    let children: String = children.collect();
    let ids = children.split_whitespace();
    ids.map(|id| id.parse().unwrap()).collect()
}

/// Whether this process runs. One that ended may be listed until somebody asks for its end.
pub fn is_there(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

/// Kills a process; if its test failed, with all below it. The guard of a live run would try for an
/// hour to reach an exchange that ends with its test.
pub fn end(child: &mut Child) {
    let failed = thread::panicking() && matches!(child.try_wait(), Ok(None));
    let below = failed.then(|| processes_below(child.id()));
    // After a wait both fail, because there is nobody left.
    let _ = child.kill();
    let _ = child.wait();
    for id in below.into_iter().flatten() {
        let id = id.to_string();
        let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
    }
}

/// Time that passed, less what the scheduler let a process and this thread wait for a CPU: a limit
/// on it holds what the process does, and not what else runs on the host.
pub struct FairClock {
    began: Instant,
    /// Nanoseconds of waiting of each thread, at the beginning and when it was seen last.
    waited: BTreeMap<PathBuf, (u64, u64)>,
}

impl FairClock {
    pub fn start(process: &Process) -> Self {
        let waited = waiting(process).map(|(thread, ns)| (thread, (ns, ns)));
        Self {
            began: Instant::now(),
            waited: waited.collect(),
        }
    }

    /// To be called often: threads that end are forgotten by the kernel.
    pub fn look(&mut self, process: &Process) {
        for (thread, ns) in waiting(process) {
            self.waited.entry(thread).or_insert((0, ns)).1 = ns;
        }
    }

    pub fn elapsed(&self) -> Duration {
        let waited: u64 = self.waited.values().map(|(from, to)| to - from).sum();
        self.began
            .elapsed()
            .saturating_sub(Duration::from_nanos(waited))
    }
}

/// What the kernel's scheduler says of every thread of the process, and of the one that asks.
/// Nothing if it does not keep it.
fn waiting(process: &Process) -> impl Iterator<Item = (PathBuf, u64)> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id()));
    let tasks = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| task.path());
    let own = fs::read_link("/proc/thread-self").map(|own| Path::new("/proc").join(own));
    tasks.chain(own).filter_map(|path| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        let ns = text.split(' ').nth(1)?.parse().ok()?;
        Some((path, ns))
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn named_file() -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new().unwrap()
}

/// A folder for one test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// `summary.json` of a run's folder.
#[track_caller]
pub fn summary(dir: &Path) -> Value {
    let path = dir.join("summary.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The lines of a run's `log.jsonl`; each must be JSON.
#[track_caller]
pub fn log(dir: &Path) -> Vec<Value> {
    json_lines(&fs::read_to_string(dir.join("log.jsonl")).unwrap())
}

#[track_caller]
pub fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    };
    text.lines().map(parse).collect()
}

/// A simulated exchange in a process of its own.
pub struct Sim {
    pub process: Process,
    pub addr: String,
    pub ca_file: PathBuf,
}

impl Sim {
    /// `more`: arguments besides the address and the authority's file.
    pub fn start(folder: &Path, listen: &str, ca_name: &str, more: &[&str]) -> Self {
        let ca_file = folder.join(ca_name);
        let mut command = tickwire(folder, &["sim", "--listen", listen, "--ca-out", ca_name]);
        command.args(more);
        let mut process = Process::start(command);
        let addr = process.until("an address", |out, _| {
            let line = out.lines().find(|line| line.contains("order entry"))?;
            let (_, rest) = line.split_once("wss://")?;
            out.contains("Ctrl-C ends it")
                .then(|| rest.split('/').next().unwrap().to_owned())
        });
        Self {
            process,
            addr,
            ca_file,
        }
    }

    /// A `[[feed]]` that follows these instruments here.
    pub fn feed(&self, instruments: &[&str]) -> String {
        let (addr, ca) = (&self.addr, self.ca_file.display());
        format!(
            "[[feed]]\nexchange = \"binance\"\nstream = \"{addr}\"\nrest = \"{addr}\"\n\
             ca_file = \"{ca}\"\ninstruments = {instruments:?}\n"
        )
    }

    /// An `[account]` here whose keys are in the two files of [`write_keys`].
    pub fn account(&self) -> String {
        let (addr, ca) = (&self.addr, self.ca_file.display());
        format!(
            "[account]\nexchange = \"binance\"\norders = \"{addr}\"\nca_file = \"{ca}\"\n\
             api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n"
        )
    }
}

/// Limits of positions, losses and rates that nothing of a test meets.
macro_rules! wide_limits {
    () => {
        "position_max = \"1000000\"\ngross_notional_max = \"100000000\"\n\
         net_notional_max = \"100000000\"\nexchange_gross_notional_max = \"100000000\"\n\
         exchange_net_notional_max = \"100000000\"\ndaily_loss_max = \"100000000\"\n\
         drawdown_max = \"100000000\"\ncancels_per_s = 1000\norders_per_trade_max = 1000000\n\
         instrument_open_orders_max = 256\nidentical_orders_max = 256\nreference_bps = 10000\n\
         clock_skew_max_ms = 60000\n"
    };
}
pub(crate) use wide_limits;

/// A strategy that orders often, and limits that let it; all of both written out.
pub const EAGER: &str = concat!(
    "[strategy]\nname = \"imbalance\"\ndepth = 5\nthreshold = 0.2\n\
    cooldown_ms = 100\nquantity = \"1\"\n[risk]\nquantity_max = \"1\"\nnotional_max = \"1000000\"\n\
    price_collar_bps = 50\norders_per_s = 50\nopen_orders_max = 4\n",
    wide_limits!()
);

/// Writes the keys of a fresh account, and gives what must never be shown: every line of both.
pub fn write_keys(folder: &Path) -> (Account, Vec<String>) {
    let account = generate_account(exchange::unnamed()).unwrap();
    write_secret(&folder.join("api.key"), account.api_key.expose());
    write_secret(&folder.join("private.pem"), account.key.expose());
    let pem = account.key.expose().lines();
    let secret = pem.filter(|line| !line.starts_with('-'));
    let canaries = secret
        .map(str::to_owned)
        .chain([account.api_key.expose().to_owned()]);
    let canaries = canaries.collect();
    (account, canaries)
}

pub fn write_secret(path: &Path, text: &str) {
    let mut open = OpenOptions::new();
    let open = open.write(true).create(true).truncate(true).mode(0o600);
    open.open(path).unwrap().write_all(text.as_bytes()).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Every file below `dir`.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Writes `text` as gzip.
pub fn write_gz(path: &Path, text: &str) {
    let file = File::create(path).unwrap();
    let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
}

/// A recording of one instrument: a snapshot, then a diff each at these times.
pub fn recording(times_ns: &[u64]) -> String {
    let line = |ts_ns: u64, conn: &str, kind: &str, raw: String| {
        serde_json::json!({"ts_ns": ts_ns, "conn": conn, "kind": kind, "raw": raw}).to_string()
            + "\n"
    };
    let rest = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000";
    let ws = "wss://stream.binance.com:9443/stream";
    let snapshot = r#"{"lastUpdateId":100,"bids":[["10.00","1.0"]],"asks":[["10.01","1.0"]]}"#;
    let mut text = line(times_ns[0], rest, "rest", snapshot.to_owned());
    for (n, ts_ns) in times_ns.iter().enumerate() {
        let (id, qty) = (101 + n, n % 9 + 1);
        let raw = format!(
            "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{id},\
             \"s\":\"BTCUSDT\",\"U\":{id},\"u\":{id},\"b\":[[\"10.00\",\"{qty}.0\"]],\"a\":[]}}}}"
        );
        text += &line(*ts_ns, ws, "ws", raw);
    }
    text
}
