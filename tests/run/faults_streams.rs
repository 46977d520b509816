//! Streams that are refused, silent, crossed or huge, and listings that are odd: what they cost
//! themselves and their neighbours, on a fault server.

use crate::fault_server::book::{Book, Snapshot};
use crate::fault_server::engine::{EAGER, Engine, feed, live_ms, shown, time_us};
use crate::fault_server::wire::Http;
use crate::fault_server::{Channel, Dialect, Message, Script, Server, Setup, Subscribe};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BOOKS_ONLY: &str = "trades = false\nquotes = false\n";

/// Runs the engine on paper to its end; `more`: keys of its feed.
fn run(what: &str, server: &Server, more: &str, span: &str) -> Engine {
    let config = feed(server, more) + EAGER;
    let mut engine = Engine::start(server, &config, &["--for", span]);
    let code = engine.wait(Duration::from_secs(120));
    let tally = server.world.tally(&engine.orders(), 2000);
    println!("{what}: exit {code:?}, {tally:?}");
    for symbol in server.world.symbols() {
        println!("  {what}: {symbol} {}", shown(&engine.changes(symbol)));
    }
    assert_eq!(tally.wrong, 0);
    engine
}

/// The depth stream of one instrument does not come.
struct NoDepth {
    symbol: &'static str,
    how: Subscribe,
}

impl Script for NoDepth {
    fn subscribe(&self, symbol: &str, channel: Channel, _nth: u64) -> Subscribe {
        match (channel, symbol == self.symbol) {
            (Channel::Depth, true) => self.how,
            _ => Subscribe::Grant,
        }
    }
}

#[test]
fn a_stream_that_is_refused_or_never_starts_is_not_live_and_takes_no_neighbour_along() {
    let run = |dialect: Dialect, [bad, good]: [&'static str; 2], how| {
        let script = NoDepth { symbol: bad, how };
        let server = Server::start(Setup::new(dialect, &[bad, good]), script);
        let what = format!("C8 {} {how:?}", dialect.name());
        let engine = run(&what, &server, "", "30s");
        let [bad_ms, good_ms] = [bad, good].map(|symbol| live_ms(&engine.changes(symbol), 30_000));
        // How long the process took to begin is the host's business.
        let changes = engine.changes(good);
        let first_live = changes.iter().find(|change| change.status == "live");
        let good_ms = good_ms + first_live.map_or(0, |change| change.at_ms);
        println!("{what}: {bad} live {bad_ms} ms, {good} live {good_ms} ms of 30000");
        // A stream that was confirmed may be one of a market that is quiet, for some seconds.
        let quiet_ms = if how == Subscribe::Mute { 6000 } else { 0 };
        assert!(bad_ms <= quiet_ms, "{bad_ms}");
        assert!(good_ms > 26_000, "{good_ms}");
    };
    thread::scope(|scope| {
        for how in [Subscribe::Refuse, Subscribe::Ignore, Subscribe::Mute] {
            scope.spawn(move || run(Dialect::Bitstamp, ["btcusd", "ethusd"], how));
            scope.spawn(move || run(Dialect::Binance, ["BTCUSDT", "ETHUSDT"], how));
        }
    });
}

/// All books but one are crossed for good. That one misses a message, once each other one was lost
/// and asked for: from then on these are asked for again and again.
struct Crossed {
    /// How often each other whole book was made: once for a subscription, which Binance sends none
    /// for, and then for each request.
    asked: Mutex<HashMap<&'static str, u64>>,
    others: usize,
    lost: AtomicBool,
}

const HEALTHY: &str = "DUSDT";

impl Script for Crossed {
    fn snapshot(&self, nth: u64, book: &Book) -> Snapshot {
        if book.symbol != HEALTHY {
            self.asked.lock().unwrap().insert(book.symbol, nth + 1);
        }
        book.snapshot()
    }
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        if message.symbol != HEALTHY {
            return vec![text.replace("\"b\":[", "\"b\":[[\"90000.00\",\"1.00000000\"],")];
        }
        let asked = self.asked.lock().unwrap();
        let all = asked.len() == self.others && asked.values().all(|count| *count >= 3);
        let late = message.elapsed_ms > 14_000; // They had the time to use up a minute's budget.
        let loses = all && late && !self.lost.swap(true, Ordering::Relaxed);
        if loses { vec![] } else { vec![text] }
    }
}

#[test]
fn books_that_stay_crossed_leave_whole_books_to_others() {
    // At one whole book a second for each, all that a minute allows is gone in nine.
    let symbols = [
        HEALTHY, "AUSDT", "BUSDT", "CUSDT", "EUSDT", "FUSDT", "GUSDT", "HUSDT", "IUSDT", "JUSDT",
        "KUSDT", "LUSDT",
    ];
    // With five thousand levels a minute allows twenty whole books, and three books are enough.
    let deep = format!("{BOOKS_ONLY}snapshot_levels = 5000\n");
    thread::scope(|scope| {
        scope.spawn(|| resync_beside_crossed_books("C9", &symbols, BOOKS_ONLY));
        scope.spawn(|| resync_beside_crossed_books("C9 5000 levels", &symbols[..4], &deep));
    });
}

fn resync_beside_crossed_books(what: &str, symbols: &[&'static str], more: &str) {
    let script = Crossed {
        asked: Mutex::default(),
        others: symbols.len() - 1,
        lost: AtomicBool::new(false),
    };
    let server = Server::start(Setup::new(Dialect::Binance, symbols), script);
    let config = feed(&server, more) + EAGER;
    let mut engine = Engine::start(&server, &config, &["--for", "600s"]);
    // When the healthy book was lost, and when it was back.
    let resync = |engine: &Engine| {
        let changes = engine.changes(HEALTHY);
        let dark = changes.iter().position(|c| c.status == "resyncing")?;
        let back = changes[dark..].iter().find(|c| c.status == "live")?;
        Some((changes[dark].at_ms, back.at_ms))
    };
    let began = Instant::now();
    let times = loop {
        let times = resync(&engine);
        if times.is_some() || began.elapsed() > Duration::from_secs(90) {
            break times;
        }
        thread::sleep(Duration::from_millis(100));
    };
    engine.signal("TERM");
    let code = engine.wait(Duration::from_secs(120));
    let tally = server.world.tally(&engine.orders(), 2000);
    println!("{what}: exit {code:?}, {tally:?}");
    for symbol in symbols {
        println!("  {what}: {symbol} {}", shown(&engine.changes(symbol)));
    }
    let (dark_ms, back_ms) = times.expect("the healthy book comes back");
    let log_began_us = time_us(&engine.log()[0]);
    let asked = server.world.requests("/api/v3/depth");
    let between = asked.iter().map(|at_us| (at_us - log_began_us) / 1000);
    let between = between.filter(|at_ms| (dark_ms..back_ms).contains(at_ms));
    let (all, between) = (asked.len(), between.count());
    let resync_ms = back_ms - dark_ms;
    println!("{what}: {all} whole books, {between} of them in {resync_ms} ms of the healthy one");
    // Its own, and one that was under way.
    assert!(between <= 2, "{what}: {between} whole books came first");
    assert!(resync_ms < 20_000, "{what}: {resync_ms} ms");
    assert_eq!(tally.wrong, 0);
}

/// Trades and quotes fall silent beside a lively book.
struct Silent;

impl Script for Silent {
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        match message.channel != Channel::Depth && message.elapsed_ms > 4000 {
            true => vec![],
            false => vec![text],
        }
    }
}

#[test]
fn a_stream_that_falls_silent_is_named() {
    let server = Server::start(Setup::new(Dialect::Binance, &["BTCUSDT"]), Silent);
    let engine = run("C11", &server, "", "35s");
    let named = |channel: &str| {
        let log = engine.log().into_iter();
        let warn = log.filter(|record| record["level"] == "warn");
        warn.filter(|record| record.to_string().contains(channel))
            .count()
    };
    let (trades, quotes) = (named("trade"), named("quote"));
    println!("C11: {trades} words about trades, {quotes} about quotes");
    assert!(trades > 0 && quotes > 0);
}

/// A level of the book holds more than most scales do.
struct Huge;

impl Script for Huge {
    fn snapshot(&self, _nth: u64, book: &Book) -> Snapshot {
        let mut snapshot = book.snapshot();
        snapshot.bids.last_mut().unwrap().1 = 100_000_000_000_000;
        snapshot
    }
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        if message.nth.is_multiple_of(10) {
            let huge = "\"b\":[[\"20000.00\",\"100000000000.00000000\"],";
            return vec![text.replace("\"b\":[", huge)];
        }
        vec![text]
    }
}

#[test]
fn a_quantity_as_large_as_shiba_inus_keeps_no_book_dark() {
    let server = Server::start(Setup::new(Dialect::Binance, &["SHIBUSDT"]), Huge);
    let engine = run("C14", &server, BOOKS_ONLY, "30s");
    let live_ms = live_ms(&engine.changes("SHIBUSDT"), 30_000);
    println!(
        "C14: live {live_ms} ms of 30000, resyncs {}",
        engine.summary()["books"][0]["resyncs"]
    );
    assert!(live_ms > 8_000);
}

/// A market whose first instrument has a whole book of this many bytes.
struct Large {
    bytes: usize,
}

impl Script for Large {
    fn book_text(&self, symbol: &str, text: String) -> String {
        if symbol != "BIG-USD" {
            return text;
        }
        let px = |n: usize| format!("{}.{:02}", 20_000 - n / 100, 99 - n % 100);
        let advanced = |n| {
            let time = "\"event_time\":\"2026-01-01T00:00:00Z\"";
            let px = px(n);
            format!(
                "{{\"side\":\"bid\",{time},\"price_level\":\"{px}\",\"new_quantity\":\"1.5\"}},"
            )
        };
        let exchange = |n| format!("[\"{}\",\"1.50000000\"],", px(n));
        // Further bids, below all that are there.
        let (end, levels): (usize, Vec<String>) = match text.rfind("}]}]") {
            Some(end) => (
                end + 1,
                (0..self.bytes / advanced(0).len()).map(advanced).collect(),
            ),
            None => {
                let end = text.rfind("]],\"product_id\"").unwrap() + 1;
                (
                    end,
                    (0..self.bytes / exchange(0).len()).map(exchange).collect(),
                )
            }
        };
        let levels = levels.concat();
        let levels = levels.trim_end_matches(',');
        format!("{},{levels}{}", &text[..end], &text[end..])
    }
}

#[test]
fn a_very_large_book_lives_beside_a_small_one() {
    let run = |dialect: Dialect, mib: usize| {
        let setup = Setup::new(dialect, &["BIG-USD", "BTC-USD"]);
        let server = Server::start(setup, Large { bytes: mib << 20 });
        let config = feed(&server, "") + EAGER;
        let mut engine = Engine::start(&server, &config, &[]);
        for symbol in ["BIG-USD", "BTC-USD"] {
            engine.until_live(symbol);
        }
        thread::sleep(Duration::from_secs(5)); // And stay so.
        let resident_mib = engine.resident_kib_max() / 1024;
        engine.signal("INT");
        let code = engine.wait(Duration::from_secs(60));
        let orders = engine.orders();
        let small = orders.iter().filter(|order| order.symbol == "BTC-USD");
        let times: Vec<i64> = small.map(|order| order.at_us / 1000).collect();
        let pause_ms = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        let what = format!("F1 {} {mib} MiB", dialect.name());
        println!(
            "{what}: exit {code:?}, connects {}, resident {resident_mib} MiB, neighbour's longest \
             pause {pause_ms:?} ms",
            server.world.connects_us().len()
        );
        for symbol in ["BIG-USD", "BTC-USD"] {
            let changes = engine.changes(symbol);
            println!("  {what}: {symbol} {}", shown(&changes));
            let last = changes.iter().rfind(|change| change.status != "connecting");
            assert_eq!(last.unwrap().status, "live", "{what}: {symbol}");
        }
        assert!(resident_mib < 512);
    };
    thread::scope(|scope| {
        scope.spawn(move || run(Dialect::Coinbase, 6));
        scope.spawn(move || run(Dialect::CoinbaseExchange, 16));
    });
}

/// Symbols of which the middle ones are listed in a way that the engine cannot represent.
const LISTED: [&str; 6] = [
    "BTCUSDT", "FINEUSDT", "LONGUSDT", "HUGEUSDT", "ODDUSDT", "ETHUSDT",
];

/// Lists [`LISTED`].
struct OddListings;

impl Script for OddListings {
    fn rest(&self, path: &str, _nth: u64) -> Option<Http> {
        if !path.starts_with("/api/v3/exchangeInfo") {
            return None;
        }
        let text = Dialect::Binance.listing(path, &LISTED)?;
        let mut listing: serde_json::Value = serde_json::from_str(&text).unwrap();
        let symbols = &mut listing["symbols"];
        symbols[1]["filters"][0]["tickSize"] = "0.000000000001".into();
        symbols[2]["baseAsset"] = "A-NAME-THAT-NO-ASSET-OF-ANY-EXCHANGE-HAS-SO-FAR".into();
        symbols[3]["filters"][1]["maxQty"] = "9000000000000000000.00000000".into();
        symbols[4]["quoteAsset"] = 7.into();
        Some(Http::ok(listing.to_string()))
    }
}

#[test]
fn an_instrument_whose_listing_is_odd_is_left_out_by_name_and_the_others_run() {
    let server = Server::start(Setup::new(Dialect::Binance, &LISTED), OddListings);
    let config = feed(&server, BOOKS_ONLY) + EAGER;
    let mut engine = Engine::start(&server, &config, &["--for", "600s"]);
    let [good, odd] = [[0, 5].as_slice(), &[1, 2, 3, 4]].map(|places| {
        let symbols = places.iter().map(|&at| LISTED[at]);
        symbols.collect::<Vec<_>>()
    });
    for symbol in &good {
        engine.until_live(symbol);
    }
    thread::sleep(Duration::from_secs(4));
    engine.signal("TERM");
    let code = engine.wait(Duration::from_secs(120));
    let summary = engine.summary();
    let left_out = summary["left_out"].as_array().unwrap();
    println!("F7: exit {code:?}, left out {left_out:#?}");
    let whys = ["tickSize", "32 bytes", "largest order", "shape"];
    assert_eq!(left_out.len(), odd.len());
    for ((symbol, why), said) in odd.iter().zip(whys).zip(left_out) {
        let said = said.as_str().unwrap();
        assert!(said.starts_with(&format!("binance: {symbol}: ")), "{said}");
        assert!(said.contains(why), "{said}");
        let told = format!("left out of this run: {said}");
        assert!(engine.text("stderr").contains(&told), "{symbol}");
        let asked = server.world.requests(&format!("symbol={symbol}"));
        assert!(asked.is_empty(), "nobody follows {symbol}");
    }
    let tally = server.world.tally(&engine.orders(), 2000);
    assert!(tally.orders > 0 && tally.wrong == 0, "{tally:?}");
    println!("F7: outages {}", summary["outages"]);
    assert_eq!(code, Some(0), "{}", engine.text("stderr"));
}
