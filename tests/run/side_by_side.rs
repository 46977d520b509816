//! Three strategies in one run, at two exchanges that answer late, twice, wrongly or not at all:
//! what each of them gained is what the exchanges say, and every order can be explained.
//!
//! `TICKWIRE_SIDE_BY_SIDE_S` is how long they trade.

use crate::client::{Client, DeribitClient, units};
use crate::support::{
    Process, Ran, Sim, finished, folder, json_lines, log, summary, tickwire, wide_limits,
    write_keys, write_secret,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tickwire::app::why::{WhyArgs, why};
use tickwire::exchange::{self, Account};
use tickwire::venue::account::generate_account;

/// The maker holds at most two quotes of 0.05; what arbitrage leaves open is at most one trade.
const DESK: &str = concat!(
    "[[strategy]]\nname = \"maker\"\ninstruments = [\"binance:ETH-USDT\"]\n\
     half_spread_ppm = 20\nflow_skew_ppm = 2\ninventory_skew_ppm = 40\nrequote_ticks = 10\n\
     window_ms = 1000\ncooldown_ms = 200\npull_ppm = 500\npull_flow = 20\npull_ms = 1000\n\
     position_quotes = 2\nshort_quotes = 2\nquantity = \"0.05\"\n\
     [[strategy]]\nname = \"imbalance\"\n\
     instruments = [\"binance:ETH-USDT\", \"binance:SOL-USDT\"]\n\
     depth = 5\nthreshold = 0.5\ncooldown_ms = 500\nquantity = \"0.1\"\n\
     [[strategy]]\nname = \"arbitrage\"\n\
     instruments = [\"binance:BTC-USDT\", \"deribit:BTC-USDT\"]\n\
     edge_min_ppm = 1\nage_max_ms = 1000\ncooldown_ms = 200\nunwind_after_ms = 1000\n\
     unwind_slippage_ppm = 1000\nquantity = \"0.02\"\n\
     [risk]\nquantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
     orders_per_s = 50\nopen_orders_max = 32\n",
    wide_limits!()
);

struct World {
    folder: tempfile::TempDir,
    sim: Sim,
    binance: Account,
    deribit: Account,
}

impl World {
    fn new(seed: &str) -> Self {
        let folder = folder();
        let more = ["--seed", seed, "--faults", "random"];
        let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &more);
        let (binance, _) = write_keys(folder.path());
        let deribit = generate_account(exchange::by_name("deribit").unwrap()).unwrap();
        write_secret(&folder.path().join("id.key"), deribit.api_key.expose());
        write_secret(&folder.path().join("secret.key"), deribit.key.expose());
        Self {
            folder,
            sim,
            binance,
            deribit,
        }
    }

    fn config(&self) -> String {
        let (addr, ca) = (&self.sim.addr, self.sim.ca_file.display());
        let feed = |at: &str, instruments: &str| {
            format!(
                "[[feed]]\nexchange = \"{at}\"\nvia = \"{addr}\"\nca_file = \"{ca}\"\n\
                 instruments = [{instruments}]\ntaker_fee_ppm = 0\n"
            )
        };
        let account = |at: &str, keys: &str| {
            format!(
                "[[account]]\nexchange = \"{at}\"\nvia = \"{addr}\"\nca_file = \"{ca}\"\n{keys}"
            )
        };
        [
            feed("binance", "\"BTCUSDT\", \"ETHUSDT\", \"SOLUSDT\"").as_str(),
            &feed("deribit", "\"BTC_USDT\""),
            &account(
                "binance",
                "api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n",
            ),
            &account(
                "deribit",
                "api_key_file = \"id.key\"\nsecret_key_file = \"secret.key\"\n",
            ),
            DESK,
        ]
        .concat()
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }
}

fn seconds() -> u64 {
    let asked = std::env::var("TICKWIRE_SIDE_BY_SIDE_S");
    asked.map_or(12, |text| text.parse().unwrap())
}

fn run(world: &World) -> (Ran, PathBuf) {
    fs::write(world.dir().join("desk.toml"), world.config()).unwrap();
    let time = format!("{}s", seconds());
    let arguments = ["run", "desk.toml", "--live", "--for", &time, "--out", "out"];
    let limit = Duration::from_secs(seconds() + 120);
    let ran = Process::start(tickwire(world.dir(), &arguments)).wait_within(limit);
    (ran.expect(0), world.dir().join("out"))
}

fn rows<'s>(summary: &'s Value, strategy: &str) -> Vec<&'s Value> {
    let rows = summary["pnl"].as_array().unwrap();
    let own = rows.iter().filter(|row| row["strategy"] == strategy);
    own.collect()
}

/// A decimal's text, which may be below zero, in units of 10^-8.
fn signed(text: &Value) -> i128 {
    match text.as_str().unwrap().strip_prefix('-') {
        Some(less) => -units(&less.into()),
        None => units(text),
    }
}

#[test]
fn what_three_strategies_gain_at_two_exchanges_adds_up_and_every_order_is_explained() {
    // A ban or a cut at the very end leaves nobody to ask what there is: then it is another run's.
    let mut runs = ["11", "12", "13", "14"].into_iter().map(|seed| {
        let world = World::new(seed);
        let (ran, out) = run(&world);
        println!("{}", ran.out);
        let summary = summary(&out);
        (world, out, summary)
    });
    let compared = |summary: &Value| {
        let balances = summary["balances"].as_array().unwrap();
        balances.iter().all(|of| of["why"].is_null())
    };
    let found = runs.find(|(_, _, summary)| compared(summary));
    let (world, out, summary) = found.expect("a run whose end was not disturbed");

    // Each of them traded, and things went wrong.
    for strategy in summary["strategies"].as_array().unwrap() {
        let fills = strategy["orders"]["fills"].as_u64().unwrap();
        assert!(fills > 0, "{strategy}");
    }
    let log = log(&out);
    let troubles = ["order.in_doubt", "gateway.reject", "gateway.disconnected"];
    let trouble = |record: &&Value| troubles.iter().any(|of| record["event"] == **of);
    // One request in 50 goes wrong: of a short run it may be none.
    assert!(seconds() < 60 || log.iter().filter(trouble).count() > 0);

    // What the exchanges say, by a client of each that has nothing of the engine.
    let mut binance = Client::new(&world.sim, &world.binance);
    let mut deribit = DeribitClient::new(&world.sim, &world.deribit);
    let balances = summary["balances"].as_array().unwrap();
    let at: Vec<&Value> = balances.iter().map(|of| &of["exchange"]).collect();
    assert_eq!(at, ["binance", "deribit"]);
    for of in balances {
        assert_eq!(of["add_up"], true, "{of}");
        let assets = of["assets"].as_array().unwrap();
        assert!(assets.len() >= 2, "{of}");
        for asset in assets {
            let name = asset["asset"].as_str().unwrap();
            let there = match of["exchange"].as_str().unwrap() {
                "binance" => binance.balance(name),
                _ => deribit.balance(name),
            };
            assert_eq!(signed(&asset["after"]), there, "{asset}");
            let explained = signed(&asset["before"]) + signed(&asset["brought"]);
            assert_eq!(explained, there, "{asset}");
        }
    }

    // Positions are as the rules say.
    let maker = rows(&summary, "maker");
    let held: i128 = maker.iter().map(|row| signed(&row["position"]).abs()).sum();
    assert!(held <= 10_000_000, "0.1 at most: {maker:?}");
    let open: i128 = rows(&summary, "arbitrage")
        .iter()
        .map(|row| signed(&row["sellable"]))
        .sum();
    assert!(open.abs() <= 2_000_000, "0.02 at most: {open}");

    // Another language adds fills, gates and money up again.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decisions");
    let mut command = Command::new("python3");
    command.arg(script).arg(&out);
    println!("{}", finished(command).expect(0).out);

    // Every order has its story.
    let lines = json_lines(&fs::read_to_string(out.join("decisions.jsonl")).unwrap());
    let orders = lines.iter().filter(|line| line["kind"] == "order");
    let mut told = 0;
    for line in orders {
        let story = why(&WhyArgs {
            order: line["order"].as_u64().unwrap(),
            run: Some(out.clone()),
            json: false,
        });
        let story = story.unwrap();
        for part in ["strategy", "picture", "decided"] {
            assert!(story.contains(part), "no {part}:\n{story}");
        }
        let end = line["end"].as_str().unwrap();
        assert!(story.contains(end), "no {end}:\n{story}");
        told += 1;
    }
    println!("why: {told} orders");
    let admitted = log
        .iter()
        .filter(|record| record["event"] == "order.admitted");
    assert_eq!(told, admitted.count());
}
