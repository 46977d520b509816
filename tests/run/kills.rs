//! An engine that is killed, alone or together with its guard, with orders in the book. The guard
//! cancels what rests; the next run knows the orders from the order journal, and the exchange says
//! how they stand.

use crate::client::{Client, units};
use crate::fault_server::engine::time_us;
use crate::fault_server::now_us;
use crate::journal::{Standing, number, text, told};
use crate::quoting::{World, cancelled_by_others, count, ids, until, until_every};
use crate::support::{Process, is_there};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;
use tickwire::exchange;
use tickwire::venue::account::generate_account;

/// What a run says that begins after the guard of an earlier one.
const WAITING: &str = "the guard of an earlier run cancels what it left: waiting for it";

/// How often the engine is killed; `TICKWIRE_KILLS=200` takes three quarters of an hour.
fn kills() -> usize {
    let asked = std::env::var("TICKWIRE_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Kills all of them at once, in this order.
fn kill(ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    let status = Command::new("kill").args(["-s", "KILL"]).args(ids).status();
    assert!(status.unwrap().success());
}

/// Kills an engine and its guard at once, first whoever would clean up.
fn kill_all(engine: &Process) {
    let guard = engine.children();
    assert_eq!(guard.len(), 1, "{guard:?}");
    kill(&[guard[0], engine.id()]);
}

#[test]
fn a_run_after_one_that_was_killed_with_its_guard_takes_over_every_order_and_none_is_left() {
    for (more, out) in [("", "soon"), ("durable = true\n", "durable")] {
        let world = World::new(more);
        let engine = world.quoting(&format!("{out}-1"));
        kill_all(&engine);
        drop(engine);
        let second = format!("{out}-2");
        let engine = world.start(&second);
        let recovered = |out: &str| {
            let mut log = world.log(out).into_iter();
            log.find(|record| record["event"] == "orders.recovered")
        };
        let found = until("orders of the run before", || recovered(&second));
        assert_eq!(found["last_run"], "killed", "{found}");
        assert!(found["open_orders"].as_u64().unwrap() >= 1, "{found}");
        let left = ids(&world.journal(), |line| line["kind"] == "open");
        assert_eq!(left.len() as u64, found["open_orders"].as_u64().unwrap());
        // The exchange says how each of them stands, and doubts end by that.
        until("the account", || {
            (count(&world.log(&second), "account.ready") >= 1).then_some(())
        });
        until("orders after it", || {
            (count(&world.log(&second), "order.acked") >= 2).then_some(())
        });
        engine.signal("INT");
        engine.wait();
        let log = world.log(&second);
        if out == "durable" {
            // Nothing left before it was on the disk.
            assert_eq!(count(&log, "order.unknown_found"), 0, "{out}");
        }
        assert_eq!(count(&log, "account.difference"), 0);
        let ended = |record: &Value| record["end"].is_string() && record["end"] != "unknown";
        let ended = ids(&log, ended);
        assert!(left.is_subset(&ended), "{left:?} {ended:?}");
        // Nothing is left for a third one.
        let third = format!("{out}-3");
        let engine = world.start(&third);
        let found = until("a third run", || recovered(&third));
        assert_eq!(found["last_run"], "in_order", "{found}");
        assert_eq!(found["open_orders"], 0, "{found}");
        // While it trades, no other engine does.
        let said = world.start("other").wait();
        assert_ne!(said.code, Some(0));
        let expected = format!(
            "another tickwire (pid {}) trades with this account",
            engine.id()
        );
        assert!(said.err.contains(&expected), "{}", said.err);
        engine.signal("INT");
        engine.wait();
    }
}

/// T12, failure mode 44: what a dead engine left is cancelled within a stated time.
#[test]
fn a_run_that_is_started_while_the_guard_of_a_killed_one_is_at_work_begins_after_it() {
    let world = World::new("");
    let engine = world.quoting("first");
    kill(&[engine.id()]);
    drop(engine);
    let mut engine = world.start("second");
    engine.until("a word", |_, err| err.contains(WAITING).then_some(()));
    assert!(world.swept("first").is_none());
    engine.until("a known account", |_, _| {
        (count(&world.log("second"), "account.ready") >= 1).then_some(())
    });
    let swept = world.swept("first").expect("the guard is done");
    assert!(swept["cancelled"].as_u64().unwrap() >= 1, "{swept}");
    engine.signal("INT");
    engine.wait().expect(0);
    // Somebody who does not want to wait is not held up.
    let engine = world.quoting("third");
    kill(&[engine.id()]);
    drop(engine);
    let mut engine = world.start("fourth");
    engine.until("a word", |_, err| err.contains(WAITING).then_some(()));
    engine.signal("INT");
    engine.wait().expect(0);
    assert_eq!(count(&world.log("fourth"), "account.ready"), 0);
}

/// T12, failure mode 44: no order outlives its engine for longer than the stated time. T11, failure
/// mode 45: nor is an order of somebody else touched.
#[test]
fn killed_at_any_moment_with_its_guard_or_without_no_order_stays_and_the_next_run_knows_all() {
    let seed = std::env::var("TICKWIRE_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("TICKWIRE_SEED={seed}");
    let mut town = Town::new(seed);
    for n in 0..kills() {
        town.live_and_die(n);
    }
    town.end_in_order();
    town.judge();
}

/// Of what the exchange lets an address ask in a minute, 6,000, two runs and their guards need no
/// more than half.
const WEIGHT_MAX: u64 = 3_000;
/// Both symbols that the engine quotes.
const QUOTED: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
const ASSETS: [&str; 3] = ["BTC", "ETH", "USDT"];
/// Other orders of the account, far from the market: one of a symbol that the engine does not
/// follow, and names that are nearly like the engine's own.
const FOREIGN: [((&str, &str, &str), &str); 4] = [
    (("BTCUSDT", "BUY", "40000.00"), "web_1"),
    (("BTCUSDT", "SELL", "90000.00"), "tw0000000000000000001"),
    (("ETHUSDT", "SELL", "4500.00"), "tc00000000000000000001"),
    (("SOLUSDT", "BUY", "100.00"), "x-tw00000000000000000001"),
];

/// A trade: of which order, side, price and quantity.
type Trade = (u64, String, i128, i128);
type Trades = BTreeMap<(String, u64), Trade>;

#[derive(Default)]
struct Count {
    early: usize,
    bursts: usize,
    together: usize,
    at_once: usize,
    stalled: usize,
    unknown: usize,
    trades: usize,
}

/// An account at a simulated exchange, whose engine is killed again and again.
struct Town {
    world: World,
    /// The account's owner, by another program.
    owner: Client,
    /// Somebody who trades with the engine.
    other: Client,
    dice: fastrand::Rng,
    /// The orders of the account that are not the engine's, as they were at the start.
    foreign: Vec<Value>,
    /// The order journals as each run left them.
    journals: Vec<Vec<Value>>,
    /// A guard that may still be at work, and the folder of its run.
    guard: Option<(u32, String)>,
    /// Milliseconds from a guard's notice to none of ours resting.
    swept_ms: Vec<u64>,
    /// Milliseconds from a process's start to a known account, with a guard still at work or not.
    ready_ms: [Vec<u64>; 2],
    count: Count,
}

impl Town {
    fn new(seed: u64) -> Self {
        let world = World::new("");
        let mut owner = Client::new(&world.sim, &world.account);
        let account = generate_account(exchange::unnamed()).unwrap();
        let other = Client::new(&world.sim, &account);
        for (of, name) in FOREIGN {
            owner.place(of, "1.00000", "GTC", name);
        }
        let mut town = Self {
            world,
            owner,
            other,
            dice: fastrand::Rng::with_seed(seed),
            foreign: Vec::new(),
            journals: Vec::new(),
            guard: None,
            swept_ms: Vec::new(),
            ready_ms: Default::default(),
            count: Count::default(),
        };
        town.foreign = town.open_orders().1;
        assert_eq!(town.foreign.len(), FOREIGN.len());
        town
    }

    /// The exchange counts what all clients of this address ask. Who is killed so often leaves no
    /// room for who comes next, and that is not what is measured.
    fn until_there_is_room(&mut self) {
        until_every(Duration::from_secs(1), "room to ask", || {
            (self.owner.weight() < WEIGHT_MAX).then_some(())
        });
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.dice.u32(..100) < percent
    }

    fn pause(&mut self, ms_max: u64) {
        let ms = self.dice.u64(..ms_max);
        std::thread::sleep(Duration::from_millis(ms));
    }

    /// What rests, as the exchange says: the engine's, and the others.
    fn open_orders(&mut self) -> (Vec<Value>, Vec<Value>) {
        let symbols = QUOTED.into_iter().chain(["SOLUSDT"]);
        let all = symbols.flat_map(|symbol| self.owner.open_orders(symbol));
        all.partition(|order| number(order["clientOrderId"].as_str().unwrap(), "tw").is_some())
    }

    /// How the engine's orders and positions stand, as the exchange says.
    fn truth(&mut self) -> Standing {
        let (ours, foreign) = self.open_orders();
        assert_eq!(foreign, self.foreign, "orders of others were touched");
        let mut truth = Standing::default();
        for order in ours {
            let id = number(order["clientOrderId"].as_str().unwrap(), "tw").unwrap();
            let [px, qty, traded] =
                ["price", "origQty", "executedQty"].map(|key| units(&order[key]));
            let (symbol, side) = (text(&order["symbol"]), text(&order["side"]));
            truth.orders.insert(id, (symbol, side, px, qty, traded));
        }
        for symbol in QUOTED {
            let trades = self.owner.trades(symbol);
            let signed = trades.iter().map(|trade| match &trade["isBuyer"] {
                Value::Bool(true) => units(&trade["qty"]),
                _ => -units(&trade["qty"]),
            });
            truth.positions.insert(symbol.to_owned(), signed.sum());
        }
        truth.positions.retain(|_, position| *position != 0);
        truth
    }

    /// Waits until the account is known, and until the engine's orders and positions are what the
    /// exchange says.
    fn until_known(&mut self, out: &str, engine: &mut Process, spawned_us: i64) {
        let ready = engine.until("a known account", |_, _| {
            let mut log = self.world.log(out).into_iter();
            log.find(|record| record["event"] == "account.ready")
        });
        let ready_ms = (time_us(&ready) - spawned_us) / 1_000;
        let waited = engine.err().contains(WAITING);
        self.ready_ms[usize::from(waited)].push(ready_ms as u64);
        let (mut differs, pause) = (0, Duration::from_millis(500));
        until_every(pause, "the exchange\u{2019}s truth", || {
            let before = told(&self.world.journal());
            let truth = self.truth();
            let after = told(&self.world.journal());
            if before.orders != after.orders {
                return None; // Orders moved on in between.
            }
            differs += usize::from(after != truth);
            if differs % 20 == 19 {
                println!("{out}: {after:?} is not {truth:?}");
            }
            (after == truth).then_some(())
        });
    }

    /// Somebody trades with an order of ours, with all of it or with a part.
    fn trade(&mut self) {
        let (ours, _) = self.open_orders();
        let Some(order) = self.dice.choice(&ours).cloned() else {
            return;
        };
        let (symbol, price) = (text(&order["symbol"]), text(&order["price"]));
        let (side, better) = match order["side"] == "BUY" {
            true => ("SELL", 1_000_000),
            false => ("BUY", -1_000_000),
        };
        let name = |n: u32| format!("other-{n}-{}", now_us());
        if self.chance(50) {
            // Whatever is in front of it, and then a little of it.
            let better = units(&Value::from(price.clone())) + better;
            let better = format!("{}.{:08}", better / 100_000_000, better % 100_000_000);
            let of = (&*symbol, side, &*better);
            self.other.place(of, "20.00000", "IOC", &name(1));
            let of = (&*symbol, side, &*price);
            self.other.place(of, "0.00400", "IOC", &name(2));
        } else {
            let of = (&*symbol, side, &*price);
            self.other.place(of, "20.00000", "IOC", &name(3));
        }
    }

    /// One run of the engine, up to its death, and what its guard does.
    fn live_and_die(&mut self, n: usize) {
        if self.guard.is_none() {
            self.until_there_is_room();
        }
        let out = format!("o{n}");
        let spawned_us = now_us();
        let mut engine = self.world.start(&out);
        match self.dice.u32(..100) {
            0..25 => {
                self.count.early += 1;
                self.pause(1_500);
            }
            25..60 => {
                self.until_known(&out, &mut engine, spawned_us);
                self.pause(2_000);
            }
            _ => {
                self.count.bursts += 1;
                self.until_known(&out, &mut engine, spawned_us);
                self.trade();
                self.pause(30);
            }
        }
        // A host that lets nobody run for two seconds makes an engine stand still.
        let stalled = self.world.swept(&out).is_some();
        let guard = engine.children();
        let together = self.chance(33);
        match (together, &guard[..]) {
            (true, [guard]) => kill(&[*guard, engine.id()]),
            (_, _) => kill(&[engine.id()]),
        }
        drop(engine);
        self.count.stalled += usize::from(stalled);
        self.count.together += usize::from(together && !guard.is_empty());
        if self.chance(50) {
            self.trade();
        }
        self.journals.push(self.world.journal());
        let log = self.world.log(&out);
        self.assert_undisturbed(&out, &log, stalled);
        // A run that is killed while it waits for a guard has none of its own.
        if let Some(own) = guard.first() {
            self.guard = (!together).then_some((*own, out));
        }
        let crowded = self.owner.weight() > WEIGHT_MAX + 1_000;
        match self.guard.take() {
            Some(guard) if self.chance(50) || crowded => self.until_guard_ends(guard),
            Some(guard) => {
                self.count.at_once += 1;
                self.guard = Some(guard);
            }
            None => {}
        }
    }

    /// Waits for the guard's end. If it had been told of an account, nothing of ours rests there.
    fn until_guard_ends(&mut self, (guard, out): (u32, String)) {
        until("the end of a guard", || (!is_there(guard)).then_some(()));
        let Some(swept) = self.world.swept(&out) else {
            // The engine died before it could tell what to watch over.
            return assert_eq!(count(&self.world.log(&out), "account.ready"), 0, "{out}");
        };
        assert_eq!(swept["still_resting"], 0, "{swept}");
        assert_eq!(swept["foreign"], FOREIGN.len(), "{swept}");
        self.swept_ms.push(swept["took_ms"].as_u64().unwrap());
        assert_eq!(self.truth().orders, BTreeMap::new(), "{swept}");
    }

    /// No run saw what it cannot explain, and nobody else cancelled an order of it.
    fn assert_undisturbed(&mut self, out: &str, log: &[Value], stalled: bool) {
        for event in ["account.difference", "order.stray_fill", "risk.reduce_only"] {
            assert_eq!(count(log, event), 0, "{event} in {out}");
        }
        if !stalled {
            assert_eq!(cancelled_by_others(log), BTreeSet::new(), "{out}");
        }
        self.count.unknown += count(log, "order.unknown_found");
    }

    fn end_in_order(&mut self) {
        let spawned_us = now_us();
        let mut engine = self.world.start("end");
        self.until_known("end", &mut engine, spawned_us);
        engine.signal("INT");
        engine.wait().expect(0);
        self.assert_undisturbed("end", &self.world.log("end"), false);
        self.journals.push(self.world.journal());
        assert_eq!(self.truth().orders, BTreeMap::new());
        // The next run begins with what the account has, of which the last one knew the trades.
        let has = ASSETS.map(|asset| self.owner.balance(asset));
        let engine = self.world.start("after");
        until("the next run", || {
            (count(&self.world.log("after"), "orders.recovered") >= 1).then_some(())
        });
        let journal = self.world.journal();
        let known = ASSETS.map(|asset| {
            let mut holds = journal.iter().filter(|line| line["asset"] == asset);
            holds.next().map(|line| units(&line["amount"]))
        });
        assert_eq!(known, has.map(Some));
        engine.signal("INT");
        engine.wait().expect(0);
    }

    /// Compares all that there ever was with the exchange's own lists.
    fn judge(&mut self) {
        let mut known = BTreeSet::new();
        let mut heard = Trades::new();
        for line in self.journals.iter().flatten() {
            let id = line["order"].as_u64().unwrap_or(0);
            if line["said"] == "fill" {
                let key = (text(&line["symbol"]), line["trade_id"].as_u64().unwrap());
                let side = text(&line["side"]).to_uppercase();
                let trade = (id, side, units(&line["px"]), units(&line["qty"]));
                heard.insert(key, trade);
            }
            let kinds = ["admitted", "open", "adopted"];
            if kinds.contains(&line["kind"].as_str().unwrap()) {
                known.insert(id);
            }
        }
        let mut unheard = 0;
        let mut truth = Trades::new();
        for symbol in QUOTED {
            let mut names = BTreeMap::new();
            for order in self.owner.orders(symbol) {
                let name = order["clientOrderId"].as_str().unwrap();
                let Some(id) = number(name, "tw").or_else(|| number(name, "tc")) else {
                    continue;
                };
                let open = ["NEW", "PARTIALLY_FILLED"];
                let status = order["status"].as_str().unwrap();
                if self
                    .foreign
                    .iter()
                    .all(|foreign| foreign["orderId"] != order["orderId"])
                {
                    assert!(!open.contains(&status), "{order}");
                    assert!(
                        names
                            .insert(order["orderId"].clone().to_string(), id)
                            .is_none()
                    );
                    // It left before it was on the disk, and the guard found it.
                    unheard += usize::from(!known.contains(&id));
                }
            }
            let count = names.len();
            let unique: BTreeSet<u64> = names.values().copied().collect();
            assert_eq!(unique.len(), count, "an order was placed twice");
            for trade in self.owner.trades(symbol) {
                let id = names[&trade["orderId"].to_string()];
                let side = if trade["isBuyer"] == true {
                    "BUY"
                } else {
                    "SELL"
                };
                let trade_of = (
                    id,
                    side.to_owned(),
                    units(&trade["price"]),
                    units(&trade["qty"]),
                );
                truth.insert((symbol.to_owned(), trade["id"].as_u64().unwrap()), trade_of);
            }
        }
        assert_eq!(heard, truth);
        self.count.trades = truth.len();
        self.print(known.len(), unheard);
        // A list, cancels, and another list a second later.
        assert!(
            self.swept_ms.iter().all(|ms| *ms < 20_000),
            "{:?}",
            self.swept_ms
        );
    }

    fn print(&mut self, orders: usize, unheard: usize) {
        let Count {
            early,
            bursts,
            together,
            at_once,
            stalled,
            unknown,
            trades,
        } = self.count;
        println!(
            "{} kills: {early} before the account was ready or soon after, {bursts} in a burst, \
             {together} together with the guard; {at_once} restarts while the guard was at work",
            kills()
        );
        println!(
            "{orders} orders and {trades} trades; {unheard} orders left before they were on the \
             disk and {unknown} of them rested at a restart; the host stood still {stalled} times"
        );
        let shown = |name: &str, ms: &mut Vec<u64>| {
            ms.sort_unstable();
            let at = |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().max(1) - 1));
            let [p50, p99, max] = [50, 99, 100].map(|percent| at(percent).copied());
            println!(
                "{name}, ms: {} times, p50 {p50:?}, p99 {p99:?}, max {max:?}",
                ms.len()
            );
        };
        shown(
            "from a guard's notice to none of ours resting",
            &mut self.swept_ms,
        );
        let [free, guarded] = &mut self.ready_ms;
        shown("from start to ready", free);
        shown("from start to ready behind a guard at work", guarded);
    }
}
