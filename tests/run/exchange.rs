//! The engine against exchanges in processes of their own: live orders, wrong keys, and an exchange
//! that dies.

use crate::support::{
    EAGER, FairClock, Process, Ran, Sim, files_below, finished, folder, log, summary, tickwire,
};
use crate::support::{write_keys, write_secret};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn live_orders_reach_an_exchange_in_another_process_and_no_secret_is_shown() {
    let world = World::new();
    let ran = world.run(&["--live", "--for", "6s"]);
    let (summary, log) = (summary(&world.out()), log(&world.out()));
    assert_eq!(
        summary["mode"], "simulated",
        "prices and orders are of the simulated exchange"
    );
    assert!(ran.out.contains("orders: simulated"), "{}", ran.out);
    let [sent, acked] = ["sent", "acked"].map(|key| summary["orders"][key].as_u64().unwrap());
    assert!(
        sent > 0 && acked > 0 && acked <= sent,
        "{}",
        summary["orders"]
    );
    assert_eq!(count(&log, "order.acked"), acked);
    assert!(count(&log, "gateway.ready") == 1);
    for order in log
        .iter()
        .filter(|record| record["event"] == "order.admitted")
    {
        for key in [
            "instrument",
            "side",
            "px",
            "qty",
            "signal",
            "value",
            "update_id",
            "order",
        ] {
            assert!(!order[key].is_null(), "{key} of {order}");
        }
    }
    world.end_with_no_secret_shown(ran);
}

#[test]
fn without_the_word_live_orders_stay_on_paper_though_there_is_an_account() {
    let world = World::new();
    let ran = world.run(&["--for", "5s"]);
    let (summary, log) = (summary(&world.out()), log(&world.out()));
    assert_eq!(summary["mode"], "paper");
    let orders = &summary["orders"];
    assert!(orders["sent"].as_u64().unwrap() > 0, "{orders}");
    assert_eq!(orders["sent"], orders["acked"], "paper takes every order");
    assert_eq!(
        count(&log, "gateway.open"),
        0,
        "there is no order connection"
    );
    world.sim.process.signal("INT");
    let World { sim, .. } = world;
    let said = sim.process.wait().expect(0);
    assert!(said.out.contains("took 0 orders"), "{}", said.out);
    assert!(ran.out.contains("orders: paper"), "{}", ran.out);
}

#[test]
fn a_key_that_the_exchange_does_not_know_leaves_orders_unsent_and_says_why() {
    let world = World::new();
    let wrong = "ab".repeat(32);
    write_secret(&world.path().join("api.key"), &wrong);
    let ran = world.run_to(3, &["--live", "--for", "10s"]);
    assert!(
        ran.out.contains("binance (orders): down since "),
        "{}",
        ran.out
    );
    let (summary, log) = (summary(&world.out()), log(&world.out()));
    assert_eq!(summary["orders"]["sent"], 0);
    assert!(
        summary["orders"]["refused"]["gateway_down"]
            .as_u64()
            .unwrap()
            > 0
    );
    let refused = log
        .iter()
        .find(|record| record["event"] == "gateway.logged_off");
    let refused = refused.expect("a word about the logon");
    assert_eq!(
        (&refused["level"], &refused["exchange"]),
        (&"error".into(), &"binance".into())
    );
    assert!(
        refused["code"].is_i64() && refused["reason"].is_string(),
        "{refused}"
    );
    let tries = count(&log, "gateway.open");
    assert!(
        (1..=10).contains(&tries),
        "{tries} logons in 10 s: no backoff"
    );
    assert_eq!(count(&log, "order.admitted"), 0);
    for book in summary["books"].as_array().unwrap() {
        assert!(book["updates"].as_u64().unwrap() > 5, "books go on: {book}");
    }
    world.end_with_no_secret_shown(ran);
}

#[test]
fn an_exchange_that_dies_takes_only_its_own_books_with_it() {
    let folder = folder();
    let healthy = Sim::start(folder.path(), "127.0.0.1:0", "a.pem", &["--seed", "1"]);
    let dying = Sim::start(folder.path(), "127.0.0.1:0", "b.pem", &["--seed", "2"]);
    let feeds = healthy.feed(&["BTCUSDT"]) + &dying.feed(&["ETHUSDT"]);
    fs::write(folder.path().join("c.toml"), feeds + EAGER).unwrap();
    let arguments = ["run", "c.toml", "--for", "40s", "--out", "o"];
    let mut engine = Process::start(tickwire(folder.path(), &arguments));
    engine.until("live", |_, err| err.contains("books 2/2").then_some(()));

    let addr = dying.addr.clone();
    dying.process.signal("KILL");
    let died = std::time::Instant::now();
    drop(dying);
    engine.until("dark", |_, err| err.contains("books 1/2").then_some(()));
    engine.until("dialed again", |_, err| {
        err.contains("why=refused").then_some(())
    });
    // The same address, but an authority that nobody told the engine about.
    let stranger = Sim::start(folder.path(), &addr, "stranger.pem", &["--seed", "2"]);
    engine.until("refused a stranger", |_, err| {
        err.contains("invalid peer certificate").then_some(())
    });
    let down_for = died.elapsed();
    std::thread::sleep(Duration::from_millis(3_500).saturating_sub(down_for));
    engine.signal("INT");
    let ran = engine.wait().expect(3);
    drop(stranger);
    assert!(ran.out.contains("\nbinance: down since "), "{}", ran.out);
    assert!(
        ran.err.contains("down for too long: binance: down since "),
        "{}",
        ran.err
    );

    let (summary, log) = (
        summary(&folder.path().join("o")),
        log(&folder.path().join("o")),
    );
    let outage = &summary["outages"][0];
    assert_eq!(
        (&outage["exchange"], &outage["of"]),
        (&"binance".into(), &"market data".into())
    );
    assert!(
        outage["down_ns"].as_u64().unwrap() > 3_000_000_000,
        "{outage}"
    );
    assert!(
        outage["down_since"].is_string() && outage["times"] == 1,
        "{outage}"
    );
    assert_eq!(
        summary["too_long"].as_array().unwrap().len(),
        1,
        "its books are down with it"
    );
    assert_eq!(count(&log, "exchange.down"), 1);
    let [btc, eth] = ["BTCUSDT", "ETHUSDT"].map(|name| {
        let books = summary["books"].as_array().unwrap().iter();
        books.clone().find(|book| book["symbol"] == name).unwrap()
    });
    assert_eq!(
        (&btc["epoch"], &btc["gaps"]),
        (&1.into(), &0.into()),
        "{btc}"
    );
    let (lived, died) = (
        btc["updates"].as_u64().unwrap(),
        eth["updates"].as_u64().unwrap(),
    );
    assert!(
        lived > died + 5,
        "the healthy book stopped: {lived}, {died}\n{}",
        ran.err
    );
    let closed = |record: &&Value| record["event"] == "link.closed";
    let (first, later): (Vec<_>, Vec<_>) = log.iter().filter(closed).partition(|r| r["epoch"] == 1);
    assert!(!first.is_empty(), "{}", ran.err);
    assert!(
        first
            .iter()
            .chain(&later)
            .all(|record| record["why"].is_string())
    );
    assert!(first.len() + later.len() < 10, "no backoff:\n{}", ran.err);
    let dark = |r: &&Value| r["instrument"] == "BTCUSDT" && r["event"] == "book.status";
    let states: Vec<_> = log
        .iter()
        .filter(dark)
        .map(|record| &record["status"])
        .collect();
    assert_eq!(
        states,
        ["buffering", "live"],
        "the healthy book was touched"
    );
}

/// A simulated exchange, an account at it, and a configuration for both.
struct World {
    folder: tempfile::TempDir,
    sim: Sim,
    canaries: Vec<String>,
}

impl World {
    fn new() -> Self {
        let folder = folder();
        let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
        let (_, canaries) = write_keys(folder.path());
        let config = sim.feed(&["BTCUSDT", "SOLUSDT"]) + &sim.account() + EAGER;
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

    fn out(&self) -> std::path::PathBuf {
        self.path().join("o")
    }

    fn run(&self, more: &[&str]) -> Ran {
        self.run_to(0, more)
    }

    fn run_to(&self, code: i32, more: &[&str]) -> Ran {
        let mut command = tickwire(self.path(), &["run", "c.toml", "--out", "o"]);
        command.args(more);
        finished(command).expect(code)
    }

    fn end_with_no_secret_shown(self, ran: Ran) {
        self.sim.process.signal("INT");
        let files = files_below(&self.out()).into_iter();
        let mut said: Vec<(String, Vec<u8>)> = files
            .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
            .collect();
        let sim = self.sim.process.wait().expect(0);
        said.extend(
            [ran.out, ran.err, sim.out, sim.err].map(|t| ("output".into(), t.into_bytes())),
        );
        for canary in &self.canaries {
            for (place, bytes) in &said {
                let shown = bytes
                    .windows(canary.len())
                    .any(|at| at == canary.as_bytes());
                assert!(!shown, "a secret stands in {place}");
            }
        }
    }
}

fn count(log: &[Value], event: &str) -> u64 {
    log.iter().filter(|record| record["event"] == event).count() as u64
}

#[test]
fn a_rest_host_that_hangs_delays_no_other_feed() {
    let folder = folder();
    let start = |ca, seed| Sim::start(folder.path(), "127.0.0.1:0", ca, &["--seed", seed]);
    let (near, far, rest) = (
        start("a.pem", "1"),
        start("b.pem", "3"),
        start("c.pem", "2"),
    );
    let authorities = ["b.pem", "c.pem"].map(|ca| fs::read(folder.path().join(ca)).unwrap());
    fs::write(folder.path().join("b.pem"), authorities.concat()).unwrap();
    // Snapshots of this other flow are too old, so that this feed asks for one again and again.
    let unfit = far.feed(&["ETHUSDT"]);
    let unfit = unfit.replace(
        &format!("rest = \"{}\"", far.addr),
        &format!("rest = \"{}\"", rest.addr),
    );
    fs::write(
        folder.path().join("c.toml"),
        near.feed(&["BTCUSDT"]) + &unfit,
    )
    .unwrap();
    let arguments = ["run", "c.toml", "--down-max", "1s", "--out", "o"];
    let mut engine = Process::start(tickwire(folder.path(), &arguments));
    engine.until("live", |_, err| err.contains("books 1/2").then_some(()));

    rest.process.signal("STOP");
    std::thread::sleep(std::time::Duration::from_secs(2));
    drop(near);
    let mut fair = FairClock::start(&engine);
    engine.until("dialed thrice", |_, err| {
        (err.matches("why=refused").count() >= 2).then_some(())
    });
    fair.look(&engine);
    let took = fair.elapsed();
    assert!(took.as_secs() < 6, "{took:?}\n{}", engine.err());
    engine.signal("INT");
    engine.wait_within(Duration::from_secs(2)).expect(3); // One host hangs and the other is gone.
}
