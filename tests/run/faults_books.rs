//! Books that are told wrongly: what an engine makes of them, judged by a fault server that knows
//! the truth.

use crate::fault_server::book::{Book, Snapshot};
use crate::fault_server::engine::{EAGER, Engine, account, feed, live_ms, shown};
use crate::fault_server::wire::Http;
use crate::fault_server::{
    Channel, Dialect, Honest, Message, Script, Server, Setup, Tally, is_book, now_us,
};
use std::thread;
use std::time::Duration;

/// How old a book may be that an order is made from, with what a busy machine adds.
const AGE_MS_MAX: i64 = 2000;

/// Runs the engine on paper to its end.
fn run(what: &str, server: &Server, span: &str) -> (Tally, Engine) {
    let config = feed(server, "trades = false\nquotes = false\n") + EAGER;
    let mut engine = Engine::start(server, &config, &["--for", span]);
    let code = engine.wait(Duration::from_secs(90));
    let tally = server.world.tally(&engine.orders(), AGE_MS_MAX);
    let states = shown(&engine.changes(server.world.symbols()[0]));
    println!("{what}: exit {code:?}, {tally:?}, {states}");
    (tally, engine)
}

#[test]
fn orders_on_what_an_honest_exchange_says_are_at_true_prices() {
    let markets = [
        (Dialect::Binance, ["BTCUSDT", "ETHUSDT"]),
        (Dialect::Bitstamp, ["btcusd", "ethusd"]),
        (Dialect::Coinbase, ["BTC-USD", "ETH-USD"]),
        (Dialect::CoinbaseExchange, ["BTC-USD", "ETH-USD"]),
    ];
    let run = |(dialect, symbols): (Dialect, [&'static str; 2])| {
        let server = Server::start(Setup::new(dialect, &symbols), Honest);
        let (mut config, mut arguments) = (feed(&server, "") + EAGER, vec!["--for", "5s"]);
        if dialect == Dialect::Binance {
            // The one market that takes orders over the wire.
            config += &account(&server);
            arguments.push("--live");
        }
        let mut engine = Engine::start(&server, &config, &arguments);
        let code = engine.wait(Duration::from_secs(60));
        let (told, (arrived, _)) = (engine.orders(), server.world.orders());
        let tally = server.world.tally(&told, AGE_MS_MAX);
        let wire = server.world.tally(&arrived, AGE_MS_MAX);
        let name = dialect.name();
        println!("honest {name}: exit {code:?}, told {tally:?}, arrived {wire:?}");
        assert_eq!(code, Some(0), "{}", engine.text("stderr"));
        assert!(tally.orders > 40, "{}", engine.text("stderr"));
        assert_eq!((tally.wrong, wire.wrong), (0, 0));
        if dialect == Dialect::Binance {
            // The others found the exchange's own limit on orders used up.
            assert!((40..=tally.orders).contains(&wire.orders));
        }
    };
    thread::scope(|scope| {
        for market in markets {
            scope.spawn(move || run(market));
        }
    });
}

/// One frame among many is not as it should be.
struct OneBadFrame {
    bad: fn(&str) -> String,
}

impl Script for OneBadFrame {
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        match (message.channel, message.connection, message.nth) {
            (Channel::Depth, 0, 60) => vec![(self.bad)(&text)],
            _ => vec![text],
        }
    }
}

#[test]
fn one_frame_that_nobody_understands_is_a_gap_where_a_stream_has_no_numbers() {
    type Bad = fn(&str) -> String;
    let bad: [(&str, Bad); 3] = [
        ("cut", |text| text[..text.len() / 2].to_owned()),
        ("garbage", |_| "\u{1}garbage".to_owned()),
        ("shape", |text| {
            text.replacen("[[", "{\"x\":[[", 1).replacen("]]", "]]}", 1)
        }),
    ];
    let run = |dialect: Dialect, symbol, how, bad| {
        let server = Server::start(Setup::new(dialect, &[symbol]), OneBadFrame { bad });
        let (tally, engine) = run(&format!("C2 {} {how}", dialect.name()), &server, "10s");
        let resyncs = engine.summary()["books"][0]["resyncs"].as_u64();
        assert_eq!(tally.wrong, 0);
        assert!(tally.orders > 40 && resyncs >= Some(1), "{resyncs:?}");
    };
    thread::scope(|scope| {
        for (how, bad) in bad {
            scope.spawn(move || run(Dialect::Bitstamp, "btcusd", how, bad));
            scope.spawn(move || run(Dialect::CoinbaseExchange, "BTC-USD", how, bad));
        }
    });
}

/// The first two whole books are of the past.
struct OldSnapshots {
    age_s: i64,
}

impl Script for OldSnapshots {
    fn snapshot(&self, nth: u64, book: &Book) -> Snapshot {
        match nth {
            0 | 1 => book.snapshot_at(now_us() - self.age_s * 1_000_000),
            _ => book.snapshot(),
        }
    }
}

#[test]
fn a_whole_book_that_is_older_than_the_stream_is_not_joined_to_it() {
    let run = |age_s: i64| {
        let setup = Setup::new(Dialect::Bitstamp, &["btcusd"]);
        let server = Server::start(setup, OldSnapshots { age_s });
        thread::sleep(Duration::from_secs(age_s as u64 + 1)); // Such a past must be there.
        let (tally, _) = run(&format!("C4 {age_s} s"), &server, "12s");
        assert_eq!(tally.wrong, 0);
        assert!(tally.orders > 40);
    };
    thread::scope(|scope| {
        for age_s in [1, 5, 20] {
            scope.spawn(move || run(age_s));
        }
    });
}

/// Some messages have numbers that do not fit the others.
struct Numbers {
    far: fn(u64) -> bool,
}

impl Script for Numbers {
    /// The engine waits for the first whole book for a while.
    fn rest(&self, path: &str, nth: u64) -> Option<Http> {
        if is_book(path) && nth == 0 {
            thread::sleep(Duration::from_millis(1500));
        }
        None
    }
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        if message.connection == 0 && (self.far)(message.nth) {
            let far = text.replace("\"U\":1", "\"U\":900001");
            return vec![far.replace("\"u\":1", "\"u\":900001")];
        }
        vec![text]
    }
}

#[test]
fn numbers_that_do_not_fit_the_others_keep_no_book_dark() {
    type Far = fn(u64) -> bool;
    let cases: [(&str, Far); 4] = [
        ("far at first", |nth| nth == 0),
        ("far while awaited", |nth| nth == 2),
        ("starting again", |nth| nth < 5),
        ("far while live", |nth| nth == 100),
    ];
    let run = |how, far| {
        let setup = Setup::new(Dialect::Binance, &["BTCUSDT"]);
        let server = Server::start(setup, Numbers { far });
        let (tally, engine) = run(&format!("C5 {how}"), &server, "30s");
        let live_ms = live_ms(&engine.changes("BTCUSDT"), 30_000);
        assert_eq!(tally.wrong, 0);
        assert!(live_ms > 8_000, "{live_ms} of 30000");
    };
    thread::scope(|scope| {
        for (how, far) in cases {
            scope.spawn(move || run(how, far));
        }
    });
}

/// The first whole books are not whole, or not possible.
struct BadSnapshots {
    bad: fn(&mut Snapshot),
    /// So many of them.
    count: u64,
}

impl Script for BadSnapshots {
    /// The first one comes late enough to fit the stream.
    fn rest(&self, path: &str, nth: u64) -> Option<Http> {
        if is_book(path) && nth == 0 {
            thread::sleep(Duration::from_millis(300));
        }
        None
    }
    fn snapshot(&self, nth: u64, book: &Book) -> Snapshot {
        let mut snapshot = book.snapshot();
        if nth < self.count {
            (self.bad)(&mut snapshot);
        }
        snapshot
    }
}

#[test]
fn whole_books_are_judged_before_they_are_believed() {
    type Bad = fn(&mut Snapshot);
    let cases: [(&str, u64, Bad); 4] = [
        ("empty", 1, |book| {
            book.bids.clear();
            book.asks.clear();
        }),
        ("one side", 1, |book| book.asks.clear()),
        ("crossed", 2, |book| {
            let above = book.asks[0].0 + 200;
            book.bids.insert(0, (above, 1000));
        }),
        // Of 1,000 levels that were asked for, the best ones are missing, and most others.
        ("short", 1, |book| {
            for side in [&mut book.bids, &mut book.asks] {
                side.drain(..5);
                side.truncate(20);
            }
        }),
    ];
    let markets = [
        (Dialect::Binance, "BTCUSDT"),
        (Dialect::Bitstamp, "btcusd"),
        (Dialect::Coinbase, "BTC-USD"),
        (Dialect::CoinbaseExchange, "BTC-USD"),
    ];
    let run = |dialect: Dialect, symbol, how, count, bad| {
        let mut setup = Setup::new(dialect, &[symbol]);
        // A best level stays long enough for its absence to be traded on.
        (setup.deep, setup.hold) = (1200, if how == "crossed" { 10 } else { 120 });
        let server = Server::start(setup, BadSnapshots { bad, count });
        let (tally, _) = run(&format!("C10 {} {how}", dialect.name()), &server, "12s");
        assert_eq!(tally.wrong, 0);
        assert!(tally.orders > 10);
    };
    thread::scope(|scope| {
        for (dialect, symbol) in markets {
            for (how, count, bad) in cases {
                // Whole books of any length are possible if no length is asked for.
                if how != "short" || dialect == Dialect::Binance {
                    scope.spawn(move || run(dialect, symbol, how, count, bad));
                }
            }
        }
    });
}
