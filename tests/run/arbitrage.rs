//! Arbitrage between simulated exchanges, on paper: both legs, nothing left open, a reason for each
//! order.

use crate::support::{Process, Sim, finished, folder, log, summary, tickwire};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// Quantities and their worth count in these parts of one.
const PARTS: f64 = 1e8;

/// Bought less sold, less what fees took of it, and paid less received, by base asset. What is
/// worth less than the exchanges take orders for is nothing: their smallest is of 5 USDT.
fn positions(told: &Value, records: &[Value]) -> BTreeMap<String, (i64, f64)> {
    let names = names(told);
    let orders = records.iter().filter(|r| r["event"] == "order.admitted");
    let sides: BTreeMap<i64, &str> = orders
        .map(|r| (r["order"].as_i64().unwrap(), r["side"].as_str().unwrap()))
        .collect();
    let mut positions: BTreeMap<String, (i64, f64, f64)> = BTreeMap::new();
    for fill in records.iter().filter(|r| r["event"] == "order.filled") {
        let number = |key: &str| fill[key].as_str().unwrap().parse::<f64>().unwrap();
        let sign = if sides[&fill["order"].as_i64().unwrap()] == "buy" {
            1.0
        } else {
            -1.0
        };
        let (qty, px) = (number("qty") * sign, number("px"));
        let asset = asset(&names, fill);
        let fee = if fill["fee_asset"] == asset.as_str() {
            number("fee")
        } else {
            0.0
        };
        let (open, paid, last) = positions.entry(asset).or_insert((0, 0.0, px));
        *open += ((qty - fee) * PARTS).round() as i64;
        (*paid, *last) = (*paid + qty * px, px);
    }
    let told = |(open, paid, px): (i64, f64, f64)| {
        let dust = open.abs() as f64 / PARTS * px < 5.0;
        (if dust { 0 } else { open }, paid)
    };
    let each = positions.into_iter();
    each.map(|(asset, sums)| (asset, told(sums))).collect()
}

/// The engine's own names, by exchange and symbol.
fn names(told: &Value) -> BTreeMap<(String, String), String> {
    let text = |book: &Value, key: &str| book[key].as_str().unwrap().to_owned();
    let books = told["books"].as_array().unwrap().iter();
    books
        .map(|b| ((text(b, "exchange"), text(b, "symbol")), text(b, "name")))
        .collect()
}

/// `BTC` of a record about `okx:BTC-USDT`.
fn asset(names: &BTreeMap<(String, String), String>, record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    let name = &names[&(text("exchange"), text("instrument"))];
    name.split([':', '-']).nth(1).unwrap().to_owned()
}

fn of<'r>(records: &'r [Value], event: &str) -> Vec<&'r Value> {
    records.iter().filter(|r| r["event"] == event).collect()
}

/// Every order has its reason, and went to a book that was live.
#[track_caller]
fn check_orders(records: &[Value]) {
    let mut live: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut signals: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        let text = |key: &str| record[key].as_str().unwrap_or("");
        let book = (text("exchange"), text("instrument"));
        match text("event") {
            "book.status" if record["status"] == "live" => drop(live.insert(book)),
            "book.status" => drop(live.remove(&book)),
            "order.admitted" => {
                assert!(live.contains(&book), "{record} on a book that was not live");
                let signal = text("signal");
                *signals.entry(signal).or_default() += 1;
                let above = record["value"].as_f64() >= record["threshold"].as_f64();
                assert!(above, "{record}");
                assert!(record["update_id"].as_u64() > Some(0), "{record}");
                let (px, bid, ask) = (text("px"), text("best_bid"), text("best_ask"));
                let [px, bid, ask] = [px, bid, ask].map(|n| n.parse::<f64>().unwrap());
                assert!(bid < ask, "{record}");
                if signal != "arbitrage_unwind" {
                    let reaches = if text("side") == "buy" {
                        px >= ask
                    } else {
                        px <= bid
                    };
                    assert!(reaches, "{record}");
                }
            }
            _ => {}
        }
    }
    let count = |signal| signals.get(signal).copied().unwrap_or(0);
    assert!(
        count("arbitrage") > 0 && count("arbitrage_hedge") > 0,
        "{signals:?}"
    );
    // A hedge follows a leg that got something.
    assert!(
        count("arbitrage_hedge") <= 2 * count("arbitrage"),
        "{signals:?}"
    );
}

#[test]
fn two_exchanges_that_drift_apart_are_traded_against_each_other_and_nothing_stays_open() {
    let dir = folder();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/arbitrage.toml");
    let path = path.to_str().unwrap();
    let run = ["run", path, "--for", "15s", "--out", "o"];
    let ran = finished(tickwire(dir.path(), &run)).expect(0);
    let (told, records) = (summary(&dir.path().join("o")), log(&dir.path().join("o")));
    assert_eq!(told["mode"], "paper");
    check_orders(&records);

    let filled = of(&records, "order.filled");
    let at = |name: &str| filled.iter().filter(|r| r["exchange"] == name).count();
    assert!(at("binance") > 0 && at("okx") > 0, "both legs: {filled:?}");
    let positions = positions(&told, &records);
    assert!(!positions.is_empty());
    for (asset, (open, paid)) in &positions {
        // The last trade may have been under way when the run ended: one of 0.5 at the most.
        let last = of(&records, "order.admitted").last().unwrap()["signal"] == "arbitrage";
        assert!(
            *open == 0 || last && open.abs() <= 50_000_000,
            "{asset}: {open} open"
        );
        assert!(
            *open != 0 || *paid < 0.0,
            "{asset}: {paid} paid, more than came in"
        );
    }
    assert_eq!(told["limits_exceeded"], 0);
    assert!(ran.out.contains("okx:SOL-USDT"), "{}", ran.out);

    let live = ["run", path, "--live", "--out", "p"];
    let refused = finished(tickwire(dir.path(), &live)).expect(2);
    assert!(refused.err.contains("--live"), "{}", refused.err);
}

#[test]
fn real_orders_need_an_account_at_each_exchange() {
    let dir = folder();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/arbitrage.toml");
    let text = fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once("[simulate]").unwrap();
    let (_, tail) = rest.split_once("[engine]").unwrap();
    let account = "[account]\nexchange = \"binance\"\napi_key_file = \"k\"\n\
                   private_key_file = \"p\"\n";
    let real = format!("{head}[engine]{tail}{account}");
    fs::write(dir.path().join("real.toml"), real).unwrap();
    let refused = finished(tickwire(dir.path(), &["run", "real.toml", "--live"])).expect(2);
    let said = "write an [[account]] for each (there is none at okx)";
    assert!(refused.err.contains(said), "{}", refused.err);
    assert!(!dir.path().join("runs").exists(), "nothing was started");
}

/// The exchange is stopped like a process whose host hangs: its connection stays up, and says
/// nothing.
#[test]
fn nothing_is_traded_on_a_book_that_has_become_old() {
    let dir = folder();
    let (calm, hangs) = (
        Sim::start(dir.path(), "127.0.0.1:0", "calm.pem", &["--seed", "5"]),
        Sim::start(dir.path(), "127.0.0.1:0", "hangs.pem", &["--seed", "6"]),
    );
    let feed = |exchange: &str, sim: &Sim| {
        let (addr, ca) = (&sim.addr, sim.ca_file.display());
        format!(
            "[[feed]]\nexchange = \"{exchange}\"\nvia = \"{addr}\"\nca_file = \"{ca}\"\n\
             instruments = [\"*\"]\ntaker_fee_ppm = 0\n"
        )
    };
    let feeds = feed("binance", &calm) + &feed("okx", &hangs);
    let eager = "[engine]\ndepth = 256\n[strategy]\nname = \"arbitrage\"\nedge_min_ppm = 1\n\
                 age_max_ms = 400\ncooldown_ms = 50\nquantity = \"0.1\"\n[risk]\n\
                 quantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 1000\n\
                 orders_per_s = 1000\nopen_orders_max = 16\n";
    fs::write(dir.path().join("c.toml"), feeds + eager).unwrap();
    let mut process = Process::start(tickwire(dir.path(), &["run", "-v", "c.toml", "--out", "o"]));
    let trades = |err: &str| err.matches("order.filled").count();
    process.until("many trades", |_, err| (trades(err) > 20).then_some(()));
    hangs.process.signal("STOP");
    // What is on its way arrives; then its books are 400 ms old.
    thread::sleep(Duration::from_millis(1_000));
    let old_from = SystemTime::now();
    thread::sleep(Duration::from_millis(1_500));
    let old_to = SystemTime::now();
    hangs.process.signal("CONT");
    let seen = trades(&process.err());
    process.until("trades again", |_, err| {
        (trades(err) > seen + 10).then_some(())
    });
    process.signal("INT");
    process.wait().expect(0);
    let records = log(&dir.path().join("o"));
    check_orders(&records);
    let stamp = |time| humantime::format_rfc3339_nanos(time).to_string();
    let (old_from, old_to) = (stamp(old_from), stamp(old_to));
    for order in of(&records, "order.admitted") {
        let at = order["time"].as_str().unwrap();
        assert!(
            at < &*old_from || at > &*old_to,
            "{order} on books of {old_from} to {old_to}"
        );
    }
}
