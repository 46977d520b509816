//! The keys of an account are where a person put them, and nowhere else: not in what a run prints
//! and writes, in no encoding, not in what the system shows of the process, and in no core dump.

use crate::fault_server::engine::{self, Engine};
use crate::fault_server::wire::Http;
use crate::fault_server::{Dialect, Script, Server, Setup, now_us};
use crate::quoting::until;
use crate::support::write_secret;
use crate::support::{
    EAGER, Process, Ran, Sim, files_below, finished, folder, is_there, processes_below, tickwire,
    write_keys,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A user that has no rights.
const NOBODY: u32 = 65_534;
const FILES: &str = "api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n";
const VARIABLES: &str =
    "api_key_file = \"env:CANARY_NAME\"\nprivate_key_file = \"env:CANARY_KEY\"\n";
/// The first is a script, and notes what it was given.
const PROGRAMS: &str = "api_key_command = [\"sh\", \"-c\", \"env > given; cat api.key\"]\n\
                        private_key_file = \"env:CANARY_KEY\"\n";

#[test]
fn a_key_in_a_file_is_shown_nowhere() {
    let world = World::new(FILES);
    world.run_and_look(&[]);
}

#[test]
fn a_key_in_a_variable_is_shown_nowhere_and_the_variable_is_gone() {
    let world = World::new(VARIABLES);
    let canaries = &world.canaries;
    world.run_and_look(&[
        ("CANARY_NAME", &canaries.name),
        ("CANARY_KEY", &canaries.pem),
    ]);
}

#[test]
fn a_key_that_a_program_prints_is_shown_nowhere_and_the_program_sees_no_other() {
    let world = World::new(PROGRAMS);
    let canaries = &world.canaries;
    world.run_and_look(&[("CANARY_KEY", &canaries.pem)]);
    let given = fs::read(world.path().join("given")).unwrap();
    assert!(!given.is_empty());
    canaries.assert_not_in("the program's variables", &given);
}

#[test]
fn a_run_on_paper_and_a_recording_take_the_variables_away_too() {
    let world = World::new(VARIABLES);
    let variables = [
        ("CANARY_NAME", &*world.canaries.name),
        ("CANARY_KEY", &world.canaries.pem),
    ];
    for arguments in ["run c.toml --out paper", "record c.toml --out record"] {
        let mut command = world.command(arguments, &variables);
        command.env("STAYS", "here");
        let mut process = Process::start(command);
        process.until("a connection", |_, err| {
            err.contains("books ").then_some(())
        });
        world.look_at(process.id());
        process.signal("INT");
        process.wait().expect(0);
    }
    for name in ["paper", "record"] {
        let dir = world.path().join(name);
        let files = files_below(&dir);
        assert!(!files.is_empty(), "{name}");
        world.canaries.assert_not_in_files(&files);
    }
}

/// What an exchange says that a key may do.
struct Says(Http);

impl Script for Says {
    fn rest(&self, path: &str, _: u64) -> Option<Http> {
        let asked = path.starts_with("/sapi/v1/account/apiRestrictions?");
        asked.then(|| Http {
            headers: self.0.headers.clone(),
            body: self.0.body.clone(),
            ..self.0
        })
    }
}

fn rights(withdraw: bool, trade: bool, bound: bool) -> Http {
    let answer = serde_json::json!({"ipRestrict": bound, "createTime": 1_750_000_000_000_i64,
        "enableReading": true, "enableWithdrawals": withdraw, "enableMargin": false,
        "enableSpotAndMarginTrading": trade});
    Http::ok(answer.to_string())
}

fn asked(script: impl Script, more: &str) -> (Server, Engine) {
    let server = Server::start(Setup::new(Dialect::Binance, &["BTCUSDT"]), script);
    let account = engine::account(&server) + more;
    let config = engine::feed(&server, "") + &account + engine::EAGER;
    let engine = Engine::start(&server, &config, &["--live"]);
    (server, engine)
}

#[test]
fn a_key_that_may_withdraw_or_may_not_trade_sends_no_orders() {
    for (answer, what) in [
        (
            rights(true, true, true),
            "may withdraw, so that whoever gets hold of it",
        ),
        (
            rights(false, false, true),
            "the API key may not trade: allow it to at binance",
        ),
    ] {
        let (server, mut engine) = asked(Says(answer), "");
        let status = engine.child.wait().unwrap();
        let said = engine.text("stderr");
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains(what), "{said}");
        assert!(server.world.orders().0.is_empty());
    }
}

/// Its clock is ten minutes behind ours, and it takes no request from its future.
struct Behind;

impl Script for Behind {
    fn clock_ms(&self) -> i64 {
        -600_000
    }

    fn rest(&self, path: &str, nth: u64) -> Option<Http> {
        let (_, time) = path.split_once("&timestamp=")?;
        let time_ms: i64 = time.split('&').next()?.parse().unwrap();
        let now_ms = now_us() / 1_000 + self.clock_ms();
        if time_ms < now_ms + 1_000 && now_ms - time_ms <= 60_000 {
            return Says(rights(true, true, true)).rest(path, nth);
        }
        let body = "{\"code\":-1021,\"msg\":\"Timestamp for this request was 1000ms ahead.\"}";
        Some(Http {
            status: 400,
            ..Http::ok(body.to_owned())
        })
    }
}

#[test]
fn an_exchange_with_another_clock_is_asked_by_its_own() {
    let (_server, mut engine) = asked(Behind, "");
    assert_eq!(engine.child.wait().unwrap().code(), Some(2));
    let said = engine.text("stderr");
    assert!(said.contains("the API key may withdraw"), "{said}");
}

#[test]
fn one_that_may_withdraw_trades_if_the_file_accepts_that_and_each_concern_is_said() {
    for (answer, more, what) in [
        (
            rights(true, true, false),
            "key_may_withdraw = true\n",
            "warning: the API key at binance may withdraw, and works from every address",
        ),
        (rights(false, true, true), "", ""),
        (
            Http {
                status: 401,
                ..Http::ok("{\"code\":-2015}".to_owned())
            },
            "",
            "warning: binance did not say what the API key may do: HTTP 401: ",
        ),
    ] {
        let (server, mut engine) = asked(Says(answer), more);
        let began = Instant::now();
        while server.world.orders().0.is_empty() {
            assert!(
                engine.child.try_wait().unwrap().is_none(),
                "{}",
                engine.text("stderr")
            );
            assert!(began.elapsed() < Duration::from_secs(120), "no order");
            std::thread::sleep(Duration::from_millis(20));
        }
        engine.signal("INT");
        assert_eq!(engine.child.wait().unwrap().code(), Some(0));
        let said = engine.text("stderr");
        assert!(said.contains(what), "no {what} in {said}");
        assert_eq!(
            said.matches("API key").count(),
            usize::from(!what.is_empty()),
            "{said}"
        );
    }
}

/// The same at the simulated exchange, where the end of a key's name says what it may do.
#[test]
fn the_simulated_exchange_says_what_a_key_may_do_and_a_person_is_told_what_to_do() {
    let world = World::new(FILES);
    let key = |end: &str| {
        let name = world.canaries.name.clone() + end;
        write_secret(&world.path().join("api.key"), &name);
    };
    for (end, what) in [
        (
            "-withdraw",
            "--live: the API key may withdraw, so that whoever gets hold of it may take \
             everything: forbid it to at binance, or write key_may_withdraw = true in [account]",
        ),
        (
            "-readonly",
            "--live: the API key may not trade: allow it to at binance, or use another key",
        ),
    ] {
        key(end);
        let refused = finished(world.command("run c.toml --live --out o", &[])).expect(2);
        assert!(refused.err.contains(what), "{}", refused.err);
        world
            .canaries
            .assert_not_in("output", refused.err.as_bytes());
        assert!(
            !world.path().join("orders").exists(),
            "no order, no journal"
        );
    }
    key("-withdraw");
    let path = world.path().join("c.toml");
    let config = fs::read_to_string(&path).unwrap();
    let accepts = config.replace("[account]\n", "[account]\nkey_may_withdraw = true\n");
    fs::write(&path, accepts).unwrap();
    let process = Process::start(world.command("run c.toml --live --out o", &[]));
    world.until_ready();
    process.signal("INT");
    let said = process.wait().expect(0).err;
    let warning = "warning: the API key at binance may withdraw";
    assert!(said.contains(warning), "{said}");
    world.canaries.assert_not_in("output", said.as_bytes());
}

/// Also not in what a run leaves behind that was killed, and what its guard does then.
#[test]
fn a_key_is_shown_nowhere_by_a_run_that_is_killed_and_by_its_guard() {
    let world = World::new(VARIABLES);
    let canaries = &world.canaries;
    let variables = [
        ("CANARY_NAME", &*canaries.name),
        ("CANARY_KEY", &canaries.pem),
    ];
    let process = Process::start(world.command("run c.toml --live --out o -v", &variables));
    world.until_ready();
    let guard = process.children();
    assert_eq!(guard.len(), 1);
    for id in [process.id(), guard[0]] {
        world.look_at(id);
        assert_no_core(id);
    }
    process.signal("KILL");
    let began = Instant::now();
    let report = world.path().join("o/guard-binance.json");
    while !fs::read_to_string(&report).is_ok_and(|text| text.ends_with('\n')) {
        assert!(began.elapsed() < Duration::from_secs(120), "no report");
        std::thread::sleep(Duration::from_millis(20));
    }
    for text in [process.out(), process.err()] {
        canaries.assert_not_in("output", text.as_bytes());
    }
    let keys = ["api.key", "private.pem"].map(|name| world.path().join(name));
    let mut files = files_below(world.path());
    // The socket that commands come by holds nothing.
    files.retain(|file| file.is_file() && !keys.contains(file));
    for wanted in [
        "o/log.jsonl",
        "o/guard-binance.json",
        "orders/binance/orders.jsonl",
    ] {
        assert!(
            files.contains(&world.path().join(wanted)),
            "{wanted} of {files:?}"
        );
    }
    canaries.assert_not_in_files(&files);
}

/// The system gives the files of a process whose memory nobody may see to root, and those of any
/// other one to the user that it runs as.
#[test]
fn nobody_but_root_may_see_the_memory_of_a_live_run_or_of_its_guard() {
    let world = World::new(FILES);
    let owner = |id: u32| fs::metadata(format!("/proc/{id}/mem")).unwrap().uid();
    let user = match owner(std::process::id()) {
        // Root's processes would show no difference.
        0 => NOBODY,
        user => user,
    };
    for path in [world.path().to_owned()]
        .into_iter()
        .chain(files_below(world.path()))
    {
        chown(path, Some(user), None).unwrap();
    }
    let mut command = world.command("run c.toml --live --out o", &[]);
    command.uid(user);
    let process = Process::start(command);
    world.until_ready();
    let guard = process.children();
    assert_eq!(guard.len(), 1);
    assert_eq!(owner(process.id()), 0, "the engine's memory");
    assert_eq!(owner(guard[0]), 0, "the guard's memory");
    let mut other = Command::new("sleep").arg("60").uid(user).spawn().unwrap();
    let began = Instant::now();
    while owner(other.id()) != user {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it was to show a difference"
        );
    }
    other.kill().unwrap();
    other.wait().unwrap();
    process.signal("INT");
    process.wait().expect(0);
}

#[test]
fn a_live_run_leaves_no_core_dump() {
    let world = World::new(FILES);
    let mut live = dumping(world.path(), env!("CARGO_BIN_EXE_tickwire"));
    live.args(["run", "c.toml", "--live", "--out", "o"]);
    live.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = live.spawn().unwrap();
    world.until_ready();
    assert_no_core(child.id());
    let guard = processes_below(child.id());
    assert_eq!(guard.len(), 1);
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "ABRT", &id])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    assert!(!status.core_dumped(), "{status}");
    // As long as the exchange is there it can do its work, and ends.
    until("the guard's end", || (!is_there(guard[0])).then_some(()));
    // So that this says something, where the host makes core dumps at all.
    let mut other = dumping(world.path(), "sh");
    let other = other.args(["-c", "kill -s ABRT $$"]).status().unwrap();
    println!("this host's core dumps: {}", other.core_dumped());
}

#[track_caller]
fn assert_no_core(id: u32) {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
}

/// A program that may leave a core dump.
fn dumping(folder: &Path, program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\"", program]);
    command.current_dir(folder);
    command
}

/// A simulated exchange, an account at it, and a configuration that trades there.
struct World {
    folder: tempfile::TempDir,
    sim: Sim,
    canaries: Canaries,
}

impl World {
    /// `keys`: the lines of `[account]` that say where they are.
    fn new(keys: &str) -> Self {
        let folder = folder();
        let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
        let (account, _) = write_keys(folder.path());
        let (name, pem) = (account.api_key.expose(), account.key.expose());
        let canaries = Canaries::new(name, pem);
        write_secret(&folder.path().join("api.key"), name);
        let config = sim.feed(&["BTCUSDT"]) + &sim.account().replace(FILES, keys) + EAGER;
        fs::write(folder.path().join("c.toml"), config).unwrap();
        Self {
            folder,
            sim,
            canaries,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &str, variables: &[(&str, &str)]) -> Command {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut command = tickwire(self.path(), &arguments);
        command
            .envs(variables.iter().copied())
            .env("RUST_BACKTRACE", "full");
        command
    }

    /// Orders have been sent.
    fn until_ready(&self) {
        let began = Instant::now();
        let log = self.path().join("o").join("log.jsonl");
        while !fs::read_to_string(&log).is_ok_and(|log| log.contains("\"order.acked\"")) {
            assert!(began.elapsed() < Duration::from_secs(120), "no order");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Checks, runs live, reports, and looks everywhere.
    fn run_and_look(&self, variables: &[(&str, &str)]) {
        let checked = finished(self.command("check c.toml --live", variables)).expect(0);
        let mut process = Process::start(self.command("run c.toml --live --out o -v", variables));
        process.until("ready", |_, err| {
            err.contains("gateway.ready").then_some(())
        });
        self.until_ready();
        self.look_at(process.id());
        process.signal("INT");
        let ran = process.wait().expect(0);
        let reported = finished(self.command("report o", &[])).expect(0);
        let files = files_below(&self.path().join("o"));
        for wanted in ["log.jsonl", "summary.json", "report.html"] {
            assert!(
                files.iter().any(|file| file.ends_with(wanted)),
                "{wanted} of {files:?}"
            );
        }
        self.canaries.assert_not_in_files(&files);
        let Self { sim, canaries, .. } = self;
        for Ran { out, err, .. } in [&checked, &ran, &reported] {
            canaries.assert_not_in("output", out.as_bytes());
            canaries.assert_not_in("output", err.as_bytes());
        }
        canaries.assert_not_in("the exchange's output", sim.process.out().as_bytes());
        canaries.assert_not_in("the exchange's output", sim.process.err().as_bytes());
    }

    /// What the system shows of a process. Of one that read keys it shows root alone its variables.
    fn look_at(&self, id: u32) {
        for name in ["environ", "cmdline", "status"] {
            let path = format!("/proc/{id}/{name}");
            match fs::read(&path) {
                Ok(shown) => {
                    assert!(!shown.is_empty(), "{path}");
                    self.canaries.assert_not_in(&path, &shown);
                }
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
            }
        }
    }
}

/// What must be seen nowhere.
struct Canaries {
    name: String,
    pem: String,
    /// As they are, in hexadecimal, and in base64 wherever in a longer text they begin.
    forms: Vec<Vec<u8>>,
}

impl Canaries {
    fn new(name: &str, pem: &str) -> Self {
        let lines = pem.lines().filter(|line| !line.starts_with('-'));
        let base64: String = lines.collect();
        let der = STANDARD.decode(&base64).unwrap();
        let seed = &der[der.len() - 32..];
        let forms = [name.as_bytes(), base64.as_bytes(), seed]
            .into_iter()
            .flat_map(forms);
        Self {
            name: name.to_owned(),
            pem: pem.to_owned(),
            forms: forms.collect(),
        }
    }

    #[track_caller]
    fn assert_not_in(&self, place: &str, bytes: &[u8]) {
        for form in &self.forms {
            let shown = bytes
                .windows(form.len())
                .any(|at| at.eq_ignore_ascii_case(form));
            assert!(!shown, "a secret stands in {place}");
        }
    }

    #[track_caller]
    fn assert_not_in_files(&self, files: &[PathBuf]) {
        for file in files {
            let bytes = fs::read(file).unwrap();
            let mut text = Vec::new();
            let mut gz = flate2::read::MultiGzDecoder::new(&*bytes);
            let _ = std::io::Read::read_to_end(&mut gz, &mut text); // What is gzip, is.
            let place = file.display().to_string();
            self.assert_not_in(&place, &bytes);
            self.assert_not_in(&place, &text);
        }
    }
}

fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_vec(), hex.into_bytes()];
    // Of each place within three bytes: without the characters that share bits with neighbours.
    for (before, skipped) in [(0, 0), (1, 2), (2, 3)] {
        let text = STANDARD.encode([&vec![0; before], secret].concat());
        let whole = text.trim_end_matches('=').len() - 1;
        forms.push(text.as_bytes()[skipped..whole].to_vec());
    }
    forms
}

#[test]
fn the_search_finds_a_secret_in_each_form() {
    let (seed, name) = ([7u8; 32], "Cb9xkQ2mVn");
    let der = [vec![0x30; 16], seed.to_vec()].concat();
    let pem = format!("-----BEGIN\n{}\n-----END", STANDARD.encode(der));
    let canaries = Canaries::new(name, &pem);
    let found = |text: String| {
        std::panic::catch_unwind(|| canaries.assert_not_in("a test", text.as_bytes())).is_err()
    };
    assert!(found(format!("a {name} b")));
    assert!(found(format!("a {} b", "07".repeat(32))));
    for before in ["", "a", "ab", "abc"] {
        assert!(
            found(STANDARD.encode(format!("{before}{name} and more"))),
            "{before}"
        );
    }
    assert!(!found("Cb9xkQ2mV".repeat(9)));
}
