//! A live run whose orders are stopped: by a command, a signal and a file, also while its strategy
//! does not come back, and what a later run makes of it. Cases T13 and 44.

use crate::client::{Client, Stream};
use crate::quoting::{World, count, until, until_every};
use crate::support::Process;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How often a run is killed each way; 100 times take some minutes each.
fn kills() -> u32 {
    let asked = std::env::var("TICKWIRE_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Often enough, and within the exchange's limits.
const ASK: Duration = Duration::from_millis(100);

/// Before a kill the exchange has been asked for at most so much of the 6,000 of this minute.
const WEIGHT_USED_MAX: u64 = 3_000;

/// An order that was under way when a run was killed has come and gone in this time.
const QUIET: Duration = Duration::from_millis(300);

/// `tickwire` with these arguments, about a run of this folder.
fn tickwire(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
    command.args(args).current_dir(dir).output().unwrap()
}

#[track_caller]
fn said(dir: &Path, args: &[&str]) -> String {
    let out = tickwire(dir, args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {err}");
    String::from_utf8(out.stdout).unwrap()
}

fn status(dir: &Path, run: &str) -> Value {
    serde_json::from_str(&said(dir, &["ctl", "status", "--json", "--run", run])).unwrap()
}

/// A world with a kill file, and an order of somebody else that rests through all of it.
struct Bench {
    world: World,
    client: Client,
}

const FOREIGN: &str = "web_1";

impl Bench {
    fn new(more: &str) -> Self {
        let world = World::new("");
        let path = world.dir().join("c.toml");
        let text = fs::read_to_string(&path).unwrap();
        let text = format!("[engine]\nkill_file = \"stop\"\n{more}{text}");
        fs::write(path, text).unwrap();
        let mut client = Client::new(&world.sim, &world.account);
        client.place(("BTCUSDT", "BUY", "60000"), "0.01", "GTC", FOREIGN);
        Self { world, client }
    }

    /// The exchange's own list of what rests, without the order of somebody else, which is there.
    fn ours(&mut self) -> usize {
        let open = self.client.open_orders("BTCUSDT");
        let foreign = |order: &&Value| order["clientOrderId"] == FOREIGN;
        assert_eq!(open.iter().filter(foreign).count(), 1, "{open:?}");
        open.len() - 1
    }

    fn until_gone(&mut self) {
        until_every(ASK, "the end of what rests", || {
            (self.ours() == 0).then_some(())
        });
    }

    fn until_quotes(&mut self) {
        until_every(ASK, "orders that rest", || (self.ours() >= 2).then_some(()));
    }

    /// The example that breaks when a file tells it to.
    fn broken(&self, out: &str) -> Process {
        let path = self.world.dir().join("c.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("name = \"quote\"", "name = \"broken\"")).unwrap();
        let example = crate::quoting::example().with_file_name("broken");
        let mut command = Command::new(example);
        let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", out];
        command.args(arguments).current_dir(self.world.dir());
        Process::start(command)
    }
}

/// What each of many kills took: from its cause to the moment at which the exchange told that the
/// last order that worked was gone.
struct Kills {
    way: String,
    stream: Stream,
    took: Vec<Duration>,
}

impl Kills {
    fn new(way: &str, bench: &Bench) -> Self {
        Self {
            way: way.to_owned(),
            stream: Stream::new(&bench.client),
            took: Vec::new(),
        }
    }

    /// Waits until orders rest, and the exchange has room for all of us: a wait for that is not to
    /// be measured.
    fn ready(&mut self, bench: &mut Bench) {
        until_every(Duration::from_secs(1), "room", || {
            (bench.client.weight() < WEIGHT_USED_MAX).then_some(())
        });
        // Of those that rested before it listened, the stream knows once they move.
        until_every(ASK, "orders that rest", || {
            (self.stream.settled(QUIET).0 >= 2).then_some(())
        });
    }

    /// Waits for the end of what rests.
    fn gone(&mut self, bench: &mut Bench, began: Instant) {
        let gone = until_every(Duration::from_millis(1), "the end of what rests", || {
            let (working, moved) = self.stream.settled(QUIET);
            (working == 0).then_some(moved)
        });
        assert!(gone > began, "nothing rested");
        self.took.push(gone - began);
        assert_eq!(bench.ours(), 0, "the exchange's own list");
    }
}

impl Drop for Kills {
    fn drop(&mut self) {
        let all = &mut self.took;
        all.sort_unstable();
        if let (Some(half), Some(most)) = (all.get(all.len() / 2), all.last()) {
            let ms = |took: &Duration| took.as_secs_f64() * 1e3;
            let (way, n) = (&self.way, all.len());
            println!(
                "{n} kills by {way}: p50 {:.1} ms, max {:.1} ms",
                ms(half),
                ms(most)
            );
        }
    }
}

#[test]
fn a_command_a_signal_and_a_file_kill_and_a_resumed_run_quotes_again() {
    let mut bench = Bench::new("");
    let dir = bench.world.dir().to_owned();
    let engine = bench.world.quoting("o");
    for way in ["command", "signal", "file"] {
        let mut all = Kills::new(way, &bench);
        for _ in 0..kills() {
            all.ready(&mut bench);
            let began = Instant::now();
            match way {
                "command" => {
                    let told = said(&dir, &["kill", "--run", "o"]);
                    assert!(told.starts_with("killed: no order works"), "{told}");
                }
                "signal" => engine.signal("USR1"),
                _ => fs::write(dir.join("stop"), "").unwrap(),
            }
            all.gone(&mut bench, began);
            assert_eq!(status(&dir, "o")["killed"], true);
            if way == "file" {
                let out = tickwire(&dir, &["ctl", "resume", "--run", "o"]);
                let err = String::from_utf8_lossy(&out.stderr).into_owned();
                assert!(!out.status.success() && err.contains("remove it"), "{err}");
                fs::remove_file(dir.join("stop")).unwrap();
                std::thread::sleep(Duration::from_millis(200)); // It is looked for now and then.
            }
            said(&dir, &["ctl", "resume", "--run", "o"]);
        }
    }
    bench.until_quotes();
    engine.signal("INT");
    assert_eq!(engine.wait().code, Some(0));
}

/// Kills a run again and again while its strategy hangs.
fn killed_while_it_hangs(waits: &str, way: &str) {
    let mut bench = Bench::new(waits);
    let dir = bench.world.dir().to_owned();
    let engine = bench.broken("o");
    let mut all = Kills::new(way, &bench);
    for _ in 0..kills() {
        all.ready(&mut bench);
        fs::write(dir.join("hang"), "").unwrap();
        until("a strategy that hangs", || {
            (status(&dir, "o")["answers"] == false).then_some(())
        });
        let began = Instant::now();
        engine.signal("USR1");
        all.gone(&mut bench, began);
        assert_eq!(status(&dir, "o")["inside"][0], "broken");
        fs::remove_file(dir.join("hang")).unwrap();
        until("an answer", || {
            (status(&dir, "o")["answers"] == true).then_some(())
        });
        said(&dir, &["ctl", "resume", "--run", "o"]);
    }
    engine.signal("INT");
    assert_eq!(engine.wait().code, Some(0));
}

#[test]
fn while_the_strategy_hangs_on_the_gateways_worker_the_guard_cancels_what_works() {
    killed_while_it_hangs("wait = \"park\"\n", "signal, hung on the gateway's worker");
}

#[test]
fn while_the_strategy_hangs_on_a_worker_of_its_own_the_gateway_cancels_what_works() {
    killed_while_it_hangs("wait = \"spin\"\n", "signal, hung on another worker");
}

#[test]
fn of_a_process_that_is_stopped_the_guard_cancels_what_works() {
    let mut bench = Bench::new("");
    let engine = bench.world.quoting("o");
    let mut all = Kills::new("SIGSTOP", &bench);
    for _ in 0..kills() {
        all.ready(&mut bench);
        let began = Instant::now();
        engine.signal("STOP");
        all.gone(&mut bench, began);
        engine.signal("CONT");
    }
    engine.signal("INT");
    engine.wait();
}

#[test]
fn t13_what_was_killed_stays_so_after_a_restart_until_a_person_resumes_it() {
    let mut bench = Bench::new("");
    let dir = bench.world.dir().to_owned();
    let engine = bench.world.quoting("first");
    said(&dir, &["kill", "--run", "first"]);
    engine.signal("KILL");
    drop(engine);
    let engine = bench.world.start("second");
    until("the account", || {
        (count(&bench.world.log("second"), "account.ready") >= 1).then_some(())
    });
    let told = status(&dir, "second");
    assert_eq!(told["may"], "halted", "{told}");
    until("an order that is refused", || {
        let refused = bench.world.log("second");
        let mut refused = refused.iter().filter(|one| one["event"] == "order.refused");
        refused.any(|one| one["gate"] == "halted").then_some(())
    });
    assert_eq!(bench.ours(), 0);
    said(&dir, &["ctl", "resume", "--run", "second"]);
    bench.until_quotes();
    engine.signal("INT");
    engine.wait();
    let third = bench.world.quoting("third");
    assert_eq!(status(&dir, "third")["may"], "trading");
    third.signal("INT");
    third.wait();
}

#[test]
fn what_rests_goes_although_the_strategy_never_comes_back_from_an_event() {
    // With everything on one worker the guard does it; with several the gateway does.
    for (more, out) in [
        ("wait = \"park\"\n", "one"),
        ("wait = \"spin\"\n", "several"),
    ] {
        let mut bench = Bench::new(more);
        let dir = bench.world.dir().to_owned();
        let engine = bench.broken(out);
        bench.until_quotes();
        fs::write(dir.join("hang"), "").unwrap();
        until("a strategy that hangs", || {
            (status(&dir, out)["answers"] == false).then_some(())
        });
        let began = Instant::now();
        let killed = std::thread::spawn({
            let dir = dir.clone();
            move || tickwire(&dir, &["kill", "--run", out])
        });
        bench.until_gone();
        println!(
            "killed while it hangs, {out}: {} ms",
            began.elapsed().as_millis()
        );
        // It is named, also to whoever asks.
        until("its name", || {
            let log = bench.world.log(out);
            let mut stuck = log.iter().filter(|one| one["event"] == "strategy.stuck");
            stuck.any(|one| one["strategy"] == "broken").then_some(())
        });
        let told = status(&dir, out);
        assert_eq!(
            (&told["answers"], &told["killed"]),
            (&false.into(), &true.into())
        );
        assert_eq!(told["inside"][0], "broken", "{told}");
        let killed = killed.join().unwrap();
        let words = [killed.stdout, killed.stderr].concat();
        let words = String::from_utf8(words).unwrap();
        assert!(words.contains("broken"), "{words}");
        // It does not keep the run from its end.
        engine.signal("INT");
        let end = engine.wait();
        assert_eq!(end.code, Some(1), "{}", end.err);
        assert!(
            end.err.contains("strategy broken never came back"),
            "{}",
            end.err
        );
    }
}

#[test]
fn a_strategy_that_hangs_is_killed_by_the_watchdog_without_a_person() {
    let mut bench = Bench::new("wait = \"spin\"\n");
    let dir = bench.world.dir().to_owned();
    let engine = bench.broken("o");
    bench.until_quotes();
    fs::write(dir.join("hang"), "").unwrap();
    let began = Instant::now();
    bench.until_gone();
    println!("the watchdog: {} ms", began.elapsed().as_millis());
    until("who killed it", || {
        let log = bench.world.log("o");
        let mut killed = log.iter().filter(|one| one["event"] == "run.killed");
        killed.any(|one| one["by"] == "watchdog").then_some(())
    });
    // It comes back after all, and is resumed.
    fs::remove_file(dir.join("hang")).unwrap();
    until("an answer", || {
        (status(&dir, "o")["answers"] == true).then_some(())
    });
    said(&dir, &["ctl", "resume", "--run", "o"]);
    bench.until_quotes();
    engine.signal("INT");
    engine.wait();
}

#[test]
fn whoever_asks_for_a_run_or_a_strategy_that_is_not_there_is_told_what_to_write() {
    let bench = Bench::new("");
    let dir = bench.world.dir().to_owned();
    let fails = |args: &[&str], code, words: &str| {
        let out = tickwire(&dir, args);
        let err = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(
            (out.status.code(), err.contains(words)),
            (Some(code), true),
            "{args:?}: {err}"
        );
    };
    fails(&["kill"], 2, "name its folder with --run DIR");
    fails(
        &["ctl", "status", "--run", "nowhere"],
        2,
        "no run goes on there",
    );
    let engine = bench.world.quoting("o");
    fails(
        &["kill", "--strategy", "x", "--run", "o"],
        1,
        "write one of quote",
    );
    fails(
        &["ctl", "accept", "BTC", "--run", "o"],
        1,
        "BTC: all of it is explained",
    );
    let told = said(&dir, &["ctl", "status", "--run", "o"]);
    assert!(
        told.contains("takes orders") && told.contains("quote"),
        "{told}"
    );
    said(
        &dir,
        &["kill", "--strategy", "quote", "--flatten", "--run", "o"],
    );
    let told = status(&dir, "o");
    assert_eq!(told["strategies"][0]["may"], "halted");
    assert_eq!(told["killed"], false);
    engine.signal("INT");
    engine.wait();
}
