//! Every way to reach an exchange, and every pair of worlds for prices and orders.

use super::*;
use crate::app::config::Known;
use std::path::Path;

const REAL: World = World::Exchange;
const SIM: World = World::Simulated;
const UNKNOWN: World = World::Unknown;
const TESTNET: World = World::Test("testnet");

fn config(text: &str) -> Config {
    Config::parse(Path::new("c.toml"), text, &Known::all())
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn binance() -> &'static dyn Exchange {
    exchange::by_name("binance").unwrap()
}

#[test]
fn a_connections_world_follows_from_its_name_and_from_who_vouches_for_it() {
    // By public authorities alone, and with one of our own beside them.
    for (host_port, via, by_public, by_own) in [
        ("stream.binance.com:9443", None, REAL, REAL),
        ("ws-api.binance.com:443", None, REAL, REAL),
        ("data-api.binance.vision:443", None, REAL, REAL),
        ("stream.testnet.binance.vision:443", None, TESTNET, TESTNET),
        ("testnet.binance.vision:443", None, TESTNET, TESTNET),
        (
            "demo-api.binance.com:443",
            None,
            World::Test("demo"),
            World::Test("demo"),
        ),
        ("stream.binance.com:9443", Some("127.0.0.1:9443"), SIM, SIM),
        ("stream.binance.com:9443", Some("[::1]:9443"), SIM, SIM),
        ("stream.binance.com:9443", Some("localhost:9443"), SIM, SIM),
        ("stream.binance.com:9443", Some("10.1.2.3:9443"), REAL, SIM),
        ("stream.binance.com:9443", Some("sim:9443"), REAL, SIM),
        (
            "stream.binance.com:9443",
            Some("93.184.216.34:443"),
            REAL,
            UNKNOWN,
        ),
        (
            "stream.binance.com:9443",
            Some("relay.example.com:443"),
            REAL,
            UNKNOWN,
        ),
        (
            "ws-api.testnet.binance.vision:443",
            Some("10.1.2.3:443"),
            TESTNET,
            SIM,
        ),
        ("127.0.0.1:9443", None, SIM, SIM),
        ("[::1]:9443", None, SIM, SIM),
        ("192.168.1.7:9443", None, SIM, SIM),
        ("[fd00::7]:9443", None, SIM, SIM),
        ("relay.example.com:443", None, UNKNOWN, UNKNOWN),
        ("relay.example.com:443", Some("127.0.0.1:9443"), SIM, SIM),
        (
            "relay.example.com:443",
            Some("93.184.216.34:443"),
            UNKNOWN,
            UNKNOWN,
        ),
        ("8.8.8.8:443", None, UNKNOWN, UNKNOWN),
        // Names that only look like the exchange's.
        ("stream.binance.com.example.com:443", None, UNKNOWN, UNKNOWN),
        (
            "evil-testnet.binance.vision.example.com:443",
            None,
            UNKNOWN,
            UNKNOWN,
        ),
        // Another exchange's own name is not this one's.
        ("stream.binance.us:9443", None, UNKNOWN, UNKNOWN),
        ("fstream.binance.com:443", None, UNKNOWN, UNKNOWN),
    ] {
        let worlds = [false, true].map(|own_ca| world_of(binance(), host_port, via, own_ca));
        assert_eq!(worlds, [by_public, by_own], "{host_port} by way of {via:?}");
    }
}

#[test]
fn every_exchange_is_itself_at_its_own_endpoints() {
    for exchange in exchange::ALL {
        let own = exchange.endpoints();
        for host_port in [own.stream, own.rest, own.orders] {
            if !host_port.is_empty() {
                assert_eq!(
                    world_of(*exchange, &host_port, None, false),
                    REAL,
                    "{host_port}"
                );
            }
        }
    }
}

#[test]
fn no_test_site_is_taken_for_the_exchange_itself() {
    for (name, host) in [
        ("binance", "demo-stream.binance.com"),
        ("binance-usdm", "fstream.binancefuture.com"),
        ("binance-usdm", "demo-fapi.binance.com"),
        ("binance-coinm", "dstream.binancefuture.com"),
        ("binance-coinm", "demo-dapi.binance.com"),
        ("bybit", "stream-testnet.bybit.com"),
        ("bybit-linear", "api-testnet.bybit.com"),
        ("okx", "wspap.okx.com"),
        ("deribit", "test.deribit.com"),
        ("kraken-futures", "demo-futures.kraken.com"),
        ("hyperliquid", "api.hyperliquid-testnet.xyz"),
    ] {
        let known = exchange::by_name(name).unwrap();
        let world = world_of(known, &format!("{host}:443"), None, false);
        assert!(matches!(world, World::Test(_)), "{host}: {world:?}");
    }
}

/// How a feed, or an account, of each world is written.
fn feed(world: World) -> &'static str {
    match world {
        World::Exchange | World::InProcess => "",
        World::Test(_) => {
            "stream = \"stream.testnet.binance.vision:443\"\n\
             rest = \"testnet.binance.vision:443\"\n"
        }
        World::Simulated => "via = \"127.0.0.1:9443\"\nca_file = \"sim-ca.pem\"\n",
        World::Unknown => "stream = \"a.example.com:443\"\nrest = \"a.example.com:443\"\n",
    }
}

fn account(world: World) -> &'static str {
    match world {
        World::Exchange | World::InProcess => "",
        World::Test(_) => "orders = \"ws-api.testnet.binance.vision:443\"\n",
        World::Simulated => "via = \"127.0.0.1:9443\"\nca_file = \"sim-ca.pem\"\n",
        World::Unknown => "orders = \"a.example.com:443\"\n",
    }
}

#[test]
fn orders_leave_only_where_every_price_and_the_account_are_of_one_world() {
    let worlds = [REAL, TESTNET, SIM, UNKNOWN, World::InProcess];
    let mut lived = Vec::new();
    for first in worlds {
        for second in worlds {
            for orders in [REAL, TESTNET, SIM, UNKNOWN] {
                let simulate = match [first, second].contains(&World::InProcess) {
                    true => "[simulate]\n",
                    false => "",
                };
                // In a file with [simulate], a feed without hosts is simulated.
                let hosts = |world: World| match (world, simulate) {
                    (World::Exchange, "[simulate]\n") => "stream = \"stream.binance.com:9443\"\n",
                    _ => feed(world),
                };
                let config = config(&format!(
                    "{simulate}[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n{}\
                     [[feed]]\nexchange = \"binance\"\ninstruments = [\"B\"]\n{}\
                     [account]\nexchange = \"binance\"\napi_key_file = \"k\"\n\
                     private_key_file = \"p\"\n{}",
                    hosts(first),
                    hosts(second),
                    account(orders)
                ));
                assert_eq!(decide(&config, Intended::Paper), Ok(Mode::Paper));
                assert_eq!(decide(&config, Intended::None), Ok(Mode::Recording));
                let expected = match (first, second, orders) {
                    (World::Exchange, World::Exchange, World::Exchange) => Some(Mode::Live),
                    (World::Test(a), World::Test(b), World::Test(c)) if a == b && b == c => {
                        Some(Mode::Test(a))
                    }
                    (World::Simulated, World::Simulated, World::Simulated) => Some(Mode::Simulated),
                    _ => None,
                };
                let decided = decide(&config, Intended::Live);
                assert_eq!(
                    decided.clone().ok(),
                    expected,
                    "{first:?} {second:?} {orders:?}"
                );
                match decided {
                    Ok(mode) => lived.push(mode.name()),
                    Err(why) => assert!(why.contains("--live"), "{why}"),
                }
            }
        }
    }
    lived.sort_unstable();
    assert_eq!(lived, ["live", "simulated", "testnet"]);
}

#[test]
fn a_refusal_names_both_sides_and_what_to_change() {
    let file = format!(
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n{}[account]\n\
         exchange = \"binance\"\napi_key_file = \"k\"\nprivate_key_file = \"p\"\n",
        feed(SIM)
    );
    assert_eq!(
        decide(&config(&file), Intended::Live).unwrap_err(),
        "--live: the stream of binance is a simulated exchange (stream.binance.com:9443 by way of \
         127.0.0.1:9443), and the account at binance is the exchange itself \
         (ws-api.binance.com:443): prices and orders must be of the same world; change stream, \
         rest and via of [[feed]] or orders and via of [account], or leave --live out"
    );
}

#[test]
fn one_account_of_another_world_stops_all_of_them() {
    let file = |of_deribit: World| {
        let both = |of: fn(World) -> &'static str, worlds: [World; 2], head: [&str; 2]| {
            format!("{}{}{}{}", head[0], of(worlds[0]), head[1], of(worlds[1]))
        };
        let heads = ["binance", "deribit"]
            .map(|at| format!("[[feed]]\nexchange = \"{at}\"\ninstruments = [\"A\"]\n"));
        let feeds = both(feed, [SIM, SIM], heads.each_ref().map(String::as_str));
        let heads = ["binance", "deribit"].map(|at| {
            let keys = "api_key_file = \"k\"\nsecret_key_file = \"p\"\n";
            format!("[[account]]\nexchange = \"{at}\"\n{keys}")
        });
        feeds
            + &both(
                account,
                [SIM, of_deribit],
                heads.each_ref().map(String::as_str),
            )
    };
    let decided = |of| decide(&config(&file(of)), Intended::Live);
    assert_eq!(decided(SIM), Ok(Mode::Simulated));
    let why = decided(REAL).unwrap_err();
    assert!(
        why.contains("the account at deribit is the exchange itself"),
        "{why}"
    );
}

#[test]
fn a_book_of_two_worlds_is_refused_on_paper_too() {
    for hosts in [
        "stream = \"127.0.0.1:9443\"\nca_file = \"sim-ca.pem\"\n",
        "rest = \"testnet.binance.vision:443\"\n",
        "stream = \"stream.testnet.binance.vision:443\"\nrest = \"demo-api.binance.com:443\"\n",
    ] {
        let file = format!("[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n{hosts}");
        for intended in [Intended::None, Intended::Paper, Intended::Live] {
            let why = decide(&config(&file), intended).unwrap_err();
            assert!(why.contains("a book cannot be made of both"), "{why}");
        }
    }
}
