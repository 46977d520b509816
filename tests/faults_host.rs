//! Refusals and announced ends, by a fault server that counts what the engine does about them.

mod fault_server;

use fault_server::engine::{EAGER, Engine, feed};
use fault_server::wire::Http;
use fault_server::{Dialect, Script, Server, Setup, now_us};
use std::thread;
use std::time::Duration;

/// Each connection is told soon that the server is about to end.
struct Ending;

impl Script for Ending {
    fn interject(&self) -> Option<(Duration, String)> {
        let ms = now_us() / 1000;
        let data = format!("{{\"e\":\"serverShutdown\",\"E\":{ms}}}");
        let text = format!("{{\"stream\":\"!serverShutdown\",\"data\":{data}}}");
        Some((Duration::from_millis(500), text))
    }
}

#[test]
fn servers_that_end_again_and_again_are_dialled_ever_slower_and_within_one_budget() {
    const LANES: usize = 40;
    let names: Vec<&'static str> = (0..LANES)
        .map(|n| &*format!("A{n:02}USDT").leak())
        .collect();
    let mut setup = Setup::new(Dialect::Binance, &names);
    setup.step = Duration::from_millis(500);
    let server = Server::start(setup, Ending);
    let alone = "instruments_per_connection = 1\ntrades = false\nquotes = false\n";
    let config = feed(&server, alone) + EAGER;
    let mut engine = Engine::start(&server, &config, &["--for", "20s"]);
    let code = engine.wait(Duration::from_secs(60));
    let connects = server.world.connects_us();
    let late = |at: &&i64| **at > connects[0] + 10_000_000;
    let late = connects.iter().filter(late).count();
    println!(
        "C13: exit {code:?}, {} connections, {late} later than 10 s",
        connects.len()
    );
    assert_eq!(code, Some(0));
    // The exchange allows 300 in five minutes. Without a pause there are 40 a second.
    assert!(connects.len() <= 300);
    assert!(late <= 3 * LANES);
}

/// The first request, or the first handshake, is refused with a time to wait.
struct Busy {
    rest: bool,
}

impl Script for Busy {
    fn rest(&self, path: &str, nth: u64) -> Option<Http> {
        (self.rest && path.contains("/depth") && nth == 0).then(busy)
    }
    fn upgrade(&self, _host: &str, nth: u64) -> Option<Http> {
        (!self.rest && nth == 0).then(busy)
    }
}

fn busy() -> Http {
    Http {
        status: 503,
        headers: "Retry-After: 5".to_owned(),
        body: "{}".to_owned(),
    }
}

#[test]
fn a_time_to_wait_is_obeyed_with_a_503_too() {
    let run = |rest: bool| {
        let setup = Setup::new(Dialect::Binance, &["BTCUSDT"]);
        let server = Server::start(setup, Busy { rest });
        let config = feed(&server, "") + EAGER;
        let mut engine = Engine::start(&server, &config, &["--for", "9s"]);
        let code = engine.wait(Duration::from_secs(40));
        let times = match rest {
            true => server.world.requests("/depth"),
            false => server.world.connects_us(),
        };
        let waited_ms = times.get(1).map(|second| (second - times[0]) / 1000);
        println!("C15 rest {rest}: exit {code:?}, waited {waited_ms:?} ms");
        assert!(waited_ms.is_some_and(|ms| ms >= 5000), "{waited_ms:?}");
    };
    thread::scope(|scope| {
        scope.spawn(|| run(true));
        scope.spawn(|| run(false));
    });
}
