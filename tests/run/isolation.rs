//! Exchanges that are ill, from the start or from some time on, beside others that are well: these
//! must not notice.

use crate::support::proxy::{Health, Proxy, garbage_behind_tls};
use crate::support::{Process, Sim, finished, folder, log, summary, tickwire};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tickwire::world::os::clock::OsClock;
use tickwire::world::sim::tls::certificates;

const WELL: [&str; 2] = ["okx", "bybit"];

fn feed(exchange: &str, via: &str, sim: &Sim) -> String {
    let ca = sim.ca_file.display();
    format!(
        "[[feed]]\nexchange = \"{exchange}\"\nvia = \"{via}\"\nca_file = \"{ca}\"\n\
         instruments = [\"*\"]\n"
    )
}

fn config(folder: &Path, name: &str, feeds: &[String]) {
    let well = "[engine]\ndepth = 256\n";
    fs::write(folder.join(name), feeds.concat() + well).unwrap();
}

fn exchange<'s>(summary: &'s Value, name: &str) -> &'s Value {
    let all = summary["exchanges"].as_array().unwrap();
    let found = all.iter().find(|one| one["exchange"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {all:?}"))
}

/// The exchanges that are well had no fault, and were as fast as in the run without the others.
#[track_caller]
fn check_well(dir: &Path, alone: &Path) {
    let (told, records, alone) = (summary(dir), log(dir), summary(alone));
    for name in WELL {
        let (one, calm) = (exchange(&told, name), exchange(&alone, name));
        assert_eq!(
            (&one["books_live"], &one["connects"]),
            (&3.into(), &1.into()),
            "{one}"
        );
        for book in told["books"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|b| b["exchange"] == name)
        {
            assert_eq!(
                (&book["gaps"], &book["resyncs"]),
                (&0.into(), &0.into()),
                "{book}"
            );
            assert!(book["updates"].as_u64().unwrap() > 20, "{book}");
        }
        let of = |r: &&Value| r["exchange"] == name && r["event"] == "book.status";
        let states: Vec<&Value> = records.iter().filter(of).map(|r| &r["status"]).collect();
        let (lit, dark): (Vec<&Value>, _) = states.iter().partition(|s| **s == "live");
        assert_eq!(
            (lit.len(), dark.len()),
            (3, 3),
            "lit once each, after the start: {states:?}"
        );
        let p50 = |of: &Value| of["p50_ns"].as_u64().unwrap();
        // The host of a test is shared and the build slow: this finds what blocks, not what costs.
        let bound = (5 * p50(calm)).max(3_000_000);
        assert!(
            p50(one) < bound,
            "{} of {name}, alone {}",
            p50(one),
            p50(calm)
        );
        println!("{name}: p50 {} ns, alone {} ns", p50(one), p50(calm));
    }
}

/// The log says why each attempt failed and when the next one comes, and there are few of them.
#[track_caller]
fn check_backoff(records: &[Value], name: &str) {
    let closed = |r: &&Value| r["event"] == "link.closed" && r["exchange"] == name;
    let closed: Vec<&Value> = records.iter().filter(closed).collect();
    assert!((1..12).contains(&closed.len()), "no backoff: {closed:?}");
    for record in closed {
        assert!(record["why"].is_string(), "{record}");
        assert!(record["retry_ms"].is_i64(), "{record}");
    }
}

#[test]
fn exchanges_that_are_ill_at_the_start_are_left_out_and_the_others_run_as_ever() {
    let dir = folder();
    let sim = Sim::start(dir.path(), "127.0.0.1:0", "ca.pem", &[]);
    let well = WELL.map(|name| feed(name, &sim.addr, &sim));
    config(dir.path(), "alone.toml", &well);
    let (garbage, silent) = (
        Proxy::start(&sim.addr, Health::Garbage),
        Proxy::start(&sim.addr, Health::Silent),
    );
    let own = certificates(std::iter::empty(), std::sync::Arc::new(OsClock)).unwrap();
    let speaks_tls = garbage_behind_tls(own.server.right().clone());
    let both = fs::read_to_string(&sim.ca_file).unwrap() + &own.ca_pem;
    fs::write(dir.path().join("both.pem"), both).unwrap();
    let ill = [
        feed("kraken", "127.0.0.1:1", &sim), // Nobody listens on a port that only root may have.
        feed("coinbase", &garbage.addr, &sim),
        feed("bitstamp", &silent.addr, &sim),
        // It says what it lists, and then its stream is no WebSocket.
        format!(
            "[[feed]]\nexchange = \"binance\"\nstream = \"{speaks_tls}\"\nrest = \"{}\"\n\
             ca_file = \"both.pem\"\ninstruments = [\"*\"]\n",
            sim.addr
        ),
    ];
    config(dir.path(), "ill.toml", &[&ill[..], &well[..]].concat());
    let run = ["run", "ill.toml", "--for", "15s", "--out", "ill"];
    let beside = Process::start(tickwire(dir.path(), &run));
    let run = ["run", "alone.toml", "--for", "15s", "--out", "alone"];
    finished(tickwire(dir.path(), &run)).expect(0);
    let ran = beside.wait().expect(3);
    check_well(&dir.path().join("ill"), &dir.path().join("alone"));

    let told = summary(&dir.path().join("ill"));
    let left_out: Vec<&str> = told["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|why| why.as_str().unwrap())
        .collect();
    for (name, why) in left_out
        .iter()
        .zip(["kraken: ", "coinbase: ", "bitstamp: "])
    {
        assert!(name.starts_with(why), "{left_out:?}");
        assert!(
            ran.err.contains(&format!("left out of this run: {why}")),
            "{}",
            ran.err
        );
    }
    assert_eq!(left_out.len(), 3);
    assert_eq!(told["exchanges"].as_array().unwrap().len(), 3);
    let one = exchange(&told, "binance");
    assert_eq!(
        (&one["connects"], &one["books_live"]),
        (&0.into(), &0.into()),
        "{one}"
    );
    let records = log(&dir.path().join("ill"));
    check_backoff(&records, "binance");
}

#[test]
fn exchanges_that_fall_ill_later_take_only_their_own_books_with_them_and_come_back() {
    let dir = folder();
    let sim = Sim::start(dir.path(), "127.0.0.1:0", "ca.pem", &[]);
    let well = WELL.map(|name| feed(name, &sim.addr, &sim));
    config(dir.path(), "alone.toml", &well);
    let ills = [
        ("kraken", Health::Cut),
        ("coinbase", Health::Garbage),
        ("bitstamp", Health::Silent),
    ];
    let proxies = ills.map(|_| Proxy::start(&sim.addr, Health::Well));
    let feeds = ills
        .iter()
        .zip(&proxies)
        .map(|((name, _), proxy)| feed(name, &proxy.addr, &sim));
    let feeds: Vec<String> = feeds.chain(well.clone()).collect();
    config(dir.path(), "ill.toml", &feeds);
    // Side by side: at another time the host is busy with something else.
    let alone = Process::start(tickwire(
        dir.path(),
        &["run", "alone.toml", "--out", "alone"],
    ));
    let run = ["run", "ill.toml", "--out", "ill"];
    let mut process = Process::start(tickwire(dir.path(), &run));
    process.until("all live", |_, err| {
        err.contains("books 15/15").then_some(())
    });
    for (proxy, (_, illness)) in proxies.iter().zip(ills) {
        proxy.turn(illness);
    }
    process.until("two of them dark", |_, err| {
        err.contains("books 9/15").then_some(())
    });
    thread::sleep(Duration::from_secs(4));
    let (cut, garbage) = (&proxies[0], &proxies[1]);
    cut.turn(Health::Well);
    garbage.turn(Health::Well);
    let before = process.err().len();
    process.until("they are back", |_, err| {
        let back = ["link.open kraken", "link.open coinbase"];
        back.iter()
            .all(|what| err[before..].contains(what))
            .then_some(())
    });
    thread::sleep(Duration::from_secs(2));
    process.signal("INT");
    alone.signal("INT");
    alone.wait().expect(0);
    // The code is of the one that is still silent; the two others came back.
    let ran = process.wait().expect(3);
    assert!(ran.err.contains("too long: bitstamp:"), "{}", ran.err);
    let out = dir.path().join("ill");
    check_well(&out, &dir.path().join("alone"));

    let (told, records) = (summary(&out), log(&out));
    for name in ["kraken", "coinbase"] {
        check_backoff(&records, name);
        let one = exchange(&told, name);
        assert_eq!(
            (&one["books_live"], &one["connects"]),
            (&3.into(), &2.into()),
            "{one}"
        );
    }
    assert_eq!(told["left_out"].as_array().unwrap().len(), 0);
}
