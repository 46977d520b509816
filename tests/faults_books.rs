//! Books under faults, judged by an independent server that knows the truth.

mod fault_server;

use fault_server::engine::{EAGER, Engine, account, feed};
use fault_server::{Dialect, Honest, Server, Setup};
use std::thread;
use std::time::Duration;

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
        let tally = server.world.tally(&told, 3000);
        let wire = server.world.tally(&arrived, 3000);
        println!(
            "honest {}: exit {code:?}, told {tally:?}, arrived {wire:?}",
            dialect.name()
        );
        assert_eq!(code, Some(0), "{}", engine.text("stderr"));
        assert!(tally.orders > 40, "{}", engine.text("stderr"));
        assert_eq!((tally.wrong, wire.wrong), (0, 0));
        if dialect == Dialect::Binance {
            assert_eq!(tally.orders, wire.orders);
        }
    };
    thread::scope(|scope| {
        for market in markets {
            scope.spawn(move || run(market));
        }
    });
}
