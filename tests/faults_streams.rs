//! Streams that are refused, silent, crossed or huge: what they cost themselves and their
//! neighbours, on a fault server.

mod fault_server;

use fault_server::engine::{EAGER, Engine, feed, live_ms, shown};
use fault_server::{Channel, Dialect, Message, Script, Server, Setup, Subscribe};
use std::thread;
use std::time::Duration;

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

/// All books but one are crossed for good, and that one misses a message.
struct Crossed;

impl Script for Crossed {
    fn send(&self, message: &Message, text: String) -> Vec<String> {
        match (message.symbol, message.nth) {
            ("DUSDT", 250) => vec![],
            ("DUSDT", _) => vec![text],
            _ => vec![text.replace("\"b\":[", "\"b\":[[\"90000.00\",\"1.00000000\"],")],
        }
    }
}

#[test]
fn books_that_stay_crossed_leave_whole_books_to_others() {
    // At one whole book a second for each, all that a minute allows is gone in nine.
    let symbols = [
        "DUSDT", "AUSDT", "BUSDT", "CUSDT", "EUSDT", "FUSDT", "GUSDT", "HUSDT", "IUSDT", "JUSDT",
        "KUSDT", "LUSDT",
    ];
    let server = Server::start(Setup::new(Dialect::Binance, &symbols), Crossed);
    let engine = run("C9", &server, BOOKS_ONLY, "30s");
    let asked = server.world.requests("/api/v3/depth").len();
    let changes = engine.changes("DUSDT");
    let dark = changes
        .iter()
        .rposition(|change| change.status == "resyncing");
    let dark = dark.expect("a missing message is a gap");
    let back = changes[dark..]
        .iter()
        .find(|change| change.status == "live");
    let resync_ms = back.map(|change| change.at_ms - changes[dark].at_ms);
    println!("C9: {asked} whole books asked for, resync of the healthy one {resync_ms:?} ms");
    assert!(resync_ms.is_some_and(|ms| ms < 2000), "{resync_ms:?}");
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
