use super::*;
use crate::exchange::mirror::Method;

/// A market of `BTC/USD` and `SOL/USD`.
fn market() -> Fake {
    let mut market = Fake::new(150);
    let instrument = Instrument {
        id: InstrumentId(1),
        ..KrakenMirror.list("SOL", "USD", 2, 3)
    };
    market.listings.push(Listing {
        instrument,
        volume: 5,
    });
    market
}

fn get(target: &str) -> Value {
    let reply = KrakenMirror.rest(Call::get(target), &mut market());
    assert_eq!(reply.status, 200, "{target}");
    said(&reply.body)
}

/// The names of a result.
fn names(target: &str) -> Vec<String> {
    let answer = get(target);
    assert_eq!(answer["error"], json!([]), "{target}");
    answer["result"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn a_pair_is_found_by_each_of_its_names_and_a_strange_one_is_an_error() {
    for service in ["AssetPairs", "Ticker"] {
        let asked = |query: &str| names(&format!("/0/public/{service}{query}"));
        assert_eq!(asked(""), ["SOLUSD", "XXBTZUSD"]);
        assert_eq!(asked("?assetVersion=1"), ["BTC/USD", "SOL/USD"]);
        for (name, answered) in [
            ("XXBTZUSD", "XXBTZUSD"),
            ("XBTUSD", "XXBTZUSD"),
            ("XBT/USD", "XBT/USD"),
            ("BTC/USD", "BTC/USD"),
            ("BTC%2FUSD", "BTC/USD"),
            ("SOLUSD", "SOLUSD"),
        ] {
            assert_eq!(asked(&format!("?pair={name}")), [answered]);
        }
        assert_eq!(asked("?pair=SOLUSD,XBTUSD"), ["SOLUSD", "XXBTZUSD"]);
        let answer = get(&format!("/0/public/{service}?pair=SOLUSD,NONE"));
        assert_eq!(answer, json!({"error": ["EQuery:Unknown asset pair"]}));
    }
    let post = Call::post("/0/public/Ticker", "pair=SOLUSD");
    let reply = KrakenMirror.rest(post, &mut market());
    assert!(said(&reply.body)["result"]["SOLUSD"].is_object());
}

#[test]
fn a_pair_has_the_documented_fields() {
    let pair = &get("/0/public/AssetPairs?pair=XBTUSD")["result"]["XXBTZUSD"];
    for (key, value) in [
        ("altname", json!("XBTUSD")),
        ("wsname", json!("XBT/USD")),
        ("base", json!("XXBT")),
        ("quote", json!("ZUSD")),
        ("pair_decimals", json!(1)),
        ("lot_decimals", json!(8)),
        ("ordermin", json!("0.0001")),
        ("costmin", json!("0.5")),
        ("tick_size", json!("0.1")),
        ("status", json!("online")),
    ] {
        assert_eq!(pair[key], value, "{key}");
    }
    assert_eq!(names("/0/public/Assets"), ["SOL", "XXBT", "ZUSD"]);
    assert_eq!(names("/0/public/Assets?asset=XBT,USD"), ["XXBT", "ZUSD"]);
    assert_eq!(names("/0/public/Assets?asset=BTC&assetVersion=1"), ["BTC"]);
    let none = get("/0/public/Assets?asset=NONE");
    assert_eq!(none["error"], json!(["EQuery:Unknown asset"]));
}

#[test]
fn a_ticker_has_the_best_levels_and_the_day() {
    let ticker = &get("/0/public/Ticker?pair=XBTUSD")["result"]["XXBTZUSD"];
    let expected = json!({
        "a": ["70000.10000", 1, "0.00000001"],
        "b": ["69999.90000", 1, "0.00000001"],
        "c": ["70006.00000", "0.00000060"],
        "v": ["1.5", "1.5"],
        "p": ["70002.50000", "70002.50000"],
        "t": [60, 60],
        "l": ["69999.00000", "69999.00000"],
        "h": ["70020.00000", "70020.00000"],
        "o": "70010.00000",
    });
    assert_eq!(*ticker, expected);
}

#[test]
fn a_book_has_as_many_levels_as_are_asked_for() {
    let sides = |query: &str| {
        let answer = get(&format!("/0/public/Depth?pair=XBTUSD{query}"));
        let book = answer["result"]["XXBTZUSD"].clone();
        let levels = ["asks", "bids"].map(|side| book[side].as_array().unwrap().len());
        (levels, book)
    };
    assert_eq!(sides("").0, [100, 100]);
    assert_eq!(sides("&count=500").0, [150, 150]);
    let (levels, book) = sides("&count=2");
    assert_eq!(levels, [2, 2]);
    assert_eq!(book["asks"][1], json!(["70000.20000", "0.00000002", 1]));
    assert_eq!(book["bids"][0], json!(["69999.90000", "0.00000001", 1]));
    let none = get("/0/public/Depth");
    assert_eq!(none["error"], json!(["EGeneral:Invalid arguments"]));
}

#[test]
fn prints_come_oldest_first_and_only_those_that_are_asked_for() {
    let ids = |query: &str| {
        let answer = get(&format!("/0/public/Trades?pair=XBTUSD{query}"));
        let all = answer["result"]["XXBTZUSD"].as_array().unwrap();
        let ids: Vec<u64> = all.iter().map(|trade| trade[6].as_u64().unwrap()).collect();
        let last = answer["result"]["last"].as_str().unwrap();
        (ids, last.to_owned())
    };
    let up_to = |from: u64, to: u64| (from..=to).collect::<Vec<_>>();
    assert_eq!(ids(""), (up_to(1, 60), "60000000000".to_owned()));
    assert_eq!(ids("&count=3").0, [58, 59, 60]);
    assert_eq!(ids("&since=57").0, [58, 59, 60]);
    assert_eq!(
        ids("&since=40&count=2"),
        (vec![41, 42], "42000000000".to_owned())
    );
    let past = "9000000000000000000";
    assert_eq!(ids(&format!("&since={past}")), (vec![], past.to_owned()));
    let answer = get("/0/public/Trades?pair=XBTUSD&count=1");
    let newest = json!(["70006.00000", "0.00000060", 60.0, "s", "l", "", 60]);
    assert_eq!(answer["result"]["XXBTZUSD"], json!([newest]));
    let none = get("/0/public/Trades?pair=SOLUSD");
    assert_eq!(none["result"]["SOLUSD"], json!([]));
}

#[test]
fn the_clock_is_told_in_both_ways() {
    let time = &get("/0/public/Time")["result"];
    let expected = json!({"unixtime": 1, "rfc1123": "Thu, 01 Jan 70 00:00:01 +0000"});
    assert_eq!(*time, expected);
    let status = &get("/0/public/SystemStatus")["result"];
    assert_eq!(status["status"], "online");
}

#[test]
fn what_is_not_served_is_refused_in_the_exchange_s_shape() {
    let mut market = market();
    for (method, target, status, why) in [
        (
            Method::Get,
            "/0/public/None",
            404,
            "EGeneral:Unknown method",
        ),
        (
            Method::Delete,
            "/0/public/Time",
            405,
            "EGeneral:Unknown method",
        ),
        (Method::Post, "/0/private/Balance", 200, "EAPI:Invalid key"),
    ] {
        let call = Call {
            method,
            ..Call::get(target)
        };
        let reply = KrakenMirror.rest(call, &mut market);
        assert_eq!(
            (reply.status, said(&reply.body)),
            (status, json!({"error": [why]}))
        );
    }
    let many = Refusal::TooMany { retry_after_s: 3 };
    let reply = KrakenMirror.refuse(many, Call::get("/0/public/Time"));
    let error = json!({"error": ["EAPI:Rate limit exceeded"]});
    assert_eq!((reply.status, said(&reply.body)), (429, error));
}
