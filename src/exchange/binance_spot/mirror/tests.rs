use super::*;
use crate::base::{Diff, InstrumentId, Level, Quote, Trade};
use crate::exchange::mirror::{Day, Happened};
use serde_json::json;

/// Two books of a few levels that stand still, and what they traded.
struct Still {
    listings: Vec<Listing>,
    prints: Vec<Trade>,
    now_ms: i64,
}

const NOW_MS: i64 = 1_750_000_000_000;
const MIRROR: SpotMirror = SpotMirror::whole("binance");

impl Still {
    fn new() -> Self {
        let listing = |(n, base): (u16, &str)| {
            let mut instrument = Mirror::list(&MIRROR, base, "USDT", 2, 5);
            instrument.id = InstrumentId(n);
            Listing {
                instrument,
                volume: 1_000_000,
            }
        };
        let print = |(id, px): (u64, i64)| Trade {
            instrument: InstrumentId(1),
            id,
            px: Px(px * 1_000_000),
            qty: Qty(25_000),
            taker: if id % 2 == 0 { Side::Buy } else { Side::Sell },
            exch_time: UnixNanos((NOW_MS - 1_000 + id as i64) * 1_000_000),
        };
        Self {
            listings: [(0, "BTC"), (1, "SOL")].map(listing).into(),
            prints: [(7, 14_990), (8, 15_040), (9, 14_985)].map(print).into(),
            now_ms: NOW_MS,
        }
    }
}

impl Market for Still {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.now_ms * 1_000_000)
    }
    fn listings(&self) -> &[Listing] {
        &self.listings
    }
    fn flush(&mut self, _listing: usize, _pace: Pace) {}
    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (42, 1)
    }
    fn levels(&self, _listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new((0..30).map(move |n| Level {
            px: Px(match side {
                Side::Buy => 15_000 - n,
                Side::Sell => 15_002 + n,
            } * 1_000_000),
            qty: Qty(10_000 * (n as u64 + 1)),
        }))
    }
    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        let of = move |trade: &&Trade| trade.instrument.index() == listing;
        Box::new(self.prints.iter().filter(of).copied())
    }
    fn day(&self, listing: usize) -> Day {
        let mut day = self.quiet_day(listing);
        self.prints(listing).for_each(|trade| day.take(&trade));
        day
    }
}

/// The status and the body of a GET.
fn get(target: &str) -> (u16, Value) {
    let reply = MIRROR.rest(Call::get(target), &mut Still::new());
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn found(target: &str) -> Value {
    let (status, body) = get(target);
    assert_eq!(status, 200, "{target}: {body}");
    body
}

/// What a connection that asked for these streams says of these events.
fn told(target: &str, events: &[Happened]) -> Vec<Value> {
    let mut still = Still::new();
    let mut session = Mirror::session(&MIRROR, target).unwrap();
    let mut out = Vec::new();
    session.handle_open(&mut still, &mut out);
    for event in events {
        session.handle_event(event, &still, &mut out);
    }
    out.iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect()
}

fn depth(n: u16, pace: Pace) -> Happened {
    let diff = Diff {
        instrument: InstrumentId(n),
        first_id: 41,
        last_id: 42,
        prev_id: Some(40),
        checksum: None,
        exch_time: UnixNanos(NOW_MS * 1_000_000),
    };
    Happened::Depth {
        pace,
        diff,
        number: 1,
        bids: vec![],
        asks: vec![],
    }
}

fn trade() -> Happened {
    Happened::Trade(Still::new().prints[2])
}

fn quote() -> Happened {
    let level = |px| Level {
        px: Px(px),
        qty: Qty(1),
    };
    Happened::Quote(Quote {
        instrument: InstrumentId(1),
        update_id: 42,
        bid: level(1),
        ask: level(2),
    })
}

#[test]
fn numbers_are_padded_to_eight_decimals() {
    assert_eq!(padded(3_000_001, 2), "30000.01000000");
    assert_eq!(padded(7, 0), "7.00000000");
    assert_eq!(padded(5, 8), "0.00000005");
    assert_eq!(padded(1_000_000_001, 9), "1.000000001");
    assert_eq!(pad_text("7".to_owned()), "7.00000000");
}

#[test]
fn one_symbol_answers_an_object_several_or_none_a_list_of_what_was_asked_for() {
    for sort in ["24hr", "24hr?type=MINI", "price", "bookTicker"] {
        let (path, query) = sort.split_once('?').unwrap_or((sort, ""));
        let at = |more: &str| found(&format!("/api/v3/ticker/{path}?{query}&{more}"));
        assert_eq!(at("symbol=SOLUSDT")["symbol"], "SOLUSDT", "{sort}");
        let some = at("symbols=%5B%22SOLUSDT%22%5D");
        assert_eq!(some.as_array().unwrap().len(), 1, "{sort}");
        assert_eq!(some[0]["symbol"], "SOLUSDT");
        let all = at("");
        let symbols = all.as_array().unwrap().iter().map(|one| &one["symbol"]);
        assert!(symbols.eq(["BTCUSDT", "SOLUSDT"]), "{sort}: {all}");
        let target = format!("/api/v3/ticker/{path}?symbol=NOBODY");
        assert_eq!(
            get(&target),
            (400, json!({"code": -1121, "msg": "Invalid symbol."}))
        );
    }
    let info = found("/api/v3/exchangeInfo?symbol=SOLUSDT");
    assert_eq!(info["symbols"].as_array().unwrap().len(), 1);
    assert_eq!(info["symbols"][0]["symbol"], "SOLUSDT");
    assert_eq!(info["rateLimits"][0]["limit"], 6_000);
}

#[test]
fn a_ticker_has_the_book_the_newest_print_and_the_day() {
    let ticker = found("/api/v3/ticker/24hr?symbol=SOLUSDT");
    let expected = json!({
        "symbol": "SOLUSDT",
        "priceChange": "-0.16000000",
        "priceChangePercent": "-0.106",
        "weightedAvgPrice": ticker["weightedAvgPrice"],
        "prevClosePrice": "150.01000000",
        "lastPrice": "149.85000000",
        "lastQty": "0.00250000",
        "bidPrice": "150.00000000",
        "bidQty": "0.00100000",
        "askPrice": "150.02000000",
        "askQty": "0.00100000",
        "openPrice": "150.01000000",
        "highPrice": "150.40000000",
        "lowPrice": "149.85000000",
        "volume": ticker["volume"],
        "quoteVolume": ticker["quoteVolume"],
        "openTime": NOW_MS - 86_400_000,
        "closeTime": NOW_MS,
        "firstId": 0,
        "lastId": 9,
        "count": ticker["count"],
    });
    assert_eq!(ticker, expected);
    let number = |key: &str| ticker[key].as_str().unwrap().parse::<f64>().unwrap();
    assert!((number("weightedAvgPrice") - 150.01).abs() < 0.01);
    assert!(
        (number("quoteVolume") - 1_000_001.0).abs() < 1.0,
        "{ticker}"
    );
    assert!(
        (number("volume") * 150.01 - 1_000_001.0).abs() < 2.0,
        "{ticker}"
    );
    let mini = found("/api/v3/ticker/24hr?symbol=SOLUSDT&type=MINI");
    assert!(mini.get("bidPrice").is_none() && mini["count"] == ticker["count"]);
    let quiet = found("/api/v3/ticker/24hr?symbol=BTCUSDT");
    assert_eq!(
        (&quiet["lastPrice"], &quiet["lastId"]),
        (&json!("150.01000000"), &json!(-1))
    );
    assert_eq!(
        found("/api/v3/ticker/price?symbol=SOLUSDT"),
        json!({"symbol": "SOLUSDT", "price": "149.85000000"})
    );
    assert_eq!(
        found("/api/v3/avgPrice?symbol=SOLUSDT"),
        json!({"mins": 5, "price": "150.05000000", "closeTime": NOW_MS - 991})
    );
}

#[test]
fn prints_are_those_of_the_symbol_oldest_first() {
    let trades = found("/api/v3/trades?symbol=SOLUSDT&limit=2");
    let ids = trades.as_array().unwrap().iter().map(|trade| &trade["id"]);
    assert!(ids.eq([8, 9].iter()), "{trades}");
    let newest = json!({
        "id": 9,
        "price": "149.85000000",
        "qty": "0.00250000",
        "quoteQty": "0.37462500",
        "time": NOW_MS - 991,
        "isBuyerMaker": true,
        "isBestMatch": true,
    });
    assert_eq!(trades[1], newest);
    let aggregates = found("/api/v3/aggTrades?symbol=SOLUSDT&fromId=8&limit=1");
    let expected = json!([{
        "a": 8, "p": "150.40000000", "q": "0.00250000", "f": 8, "l": 8,
        "T": NOW_MS - 992, "m": false, "M": true,
    }]);
    assert_eq!(aggregates, expected);
    assert_eq!(
        found("/api/v3/historicalTrades?symbol=SOLUSDT&fromId=9")[0],
        newest
    );
    assert_eq!(found("/api/v3/trades?symbol=BTCUSDT"), json!([]));
    assert_eq!(get("/api/v3/trades").1["code"], -1102);
}

#[test]
fn candles_are_made_of_prints_and_flat_where_there_are_none() {
    let candles = found("/api/v3/klines?symbol=SOLUSDT&interval=1s&limit=3");
    let opens = candles
        .as_array()
        .unwrap()
        .iter()
        .map(|candle| candle[0].as_i64());
    assert!(
        opens.eq([-2_000, -1_000, 0].map(|ms| Some(NOW_MS + ms))),
        "{candles}"
    );
    let flat = ["150.01000000"; 4];
    assert_eq!(candles[0].as_array().unwrap()[1..5], flat);
    assert_eq!(
        (&candles[0][5], &candles[0][8]),
        (&json!("0.00000000"), &json!(0))
    );
    let traded = [
        "149.90000000",
        "150.40000000",
        "149.85000000",
        "149.85000000",
    ];
    assert_eq!(candles[1].as_array().unwrap()[1..5], traded);
    assert_eq!(
        (&candles[1][5], &candles[1][8]),
        (&json!("0.00750000"), &json!(3))
    );
    assert_eq!(candles[1][6], NOW_MS - 1);
    assert_eq!(candles[2][4], "149.85000000");
    let from = format!("startTime={}", NOW_MS - 1_500);
    let from = found(&format!("/api/v3/klines?symbol=SOLUSDT&interval=1s&{from}"));
    assert_eq!((from.as_array().unwrap().len(), &from[0]), (2, &candles[1]));
    assert_eq!(
        get("/api/v3/klines?symbol=SOLUSDT&interval=1x").1["code"],
        -1120
    );
    for (name, ms) in [("1m", 60_000), ("4h", 14_400_000), ("1M", 2_592_000_000)] {
        assert_eq!(candles::interval_ms(name), Some(ms));
    }
    assert_eq!(["", "m", "0m", "é"].map(candles::interval_ms), [None; 4]);
    assert_eq!(found("/sapi/v1/system/status")["status"], 0);
}

#[test]
fn each_stream_of_prints_and_quotes_says_its_own() {
    let names = "solusdt@trade/solusdt@aggTrade/solusdt@bookTicker/btcusdt@trade";
    let told = told(&format!("/stream?streams={names}"), &[trade(), quote()]);
    let streams: Vec<&str> = told
        .iter()
        .filter_map(|one| one["stream"].as_str())
        .collect();
    assert_eq!(
        streams,
        ["solusdt@trade", "solusdt@aggTrade", "solusdt@bookTicker"]
    );
    let at = NOW_MS - 991;
    let aggregate = json!({
        "e": "aggTrade", "E": at, "s": "SOLUSDT", "a": 9, "p": "149.85000000",
        "q": "0.00250000", "f": 9, "l": 9, "T": at, "m": true, "M": true,
    });
    assert_eq!(told[1]["data"], aggregate);
}

#[test]
fn the_best_levels_come_whole_at_the_speed_that_was_asked_for() {
    let both = [
        depth(1, Pace::Fast),
        depth(1, Pace::Slow),
        depth(0, Pace::Fast),
    ];
    for (name, count, levels) in [
        ("solusdt@depth5@100ms", 1, 5),
        ("solusdt@depth10", 1, 10),
        ("solusdt@depth20@1000ms", 1, 20),
        ("solusdt@depth7", 0, 0),
        ("solusdt@trade@100ms", 0, 0),
    ] {
        let told = told(&format!("/ws/{name}"), &both);
        assert_eq!(told.len(), count, "{name}");
        for one in told {
            assert_eq!(one["lastUpdateId"], 42);
            assert_eq!(one["bids"][0], json!(["150.00000000", "0.00100000"]));
            assert_eq!(one["asks"].as_array().unwrap().len(), levels, "{name}");
        }
    }
}

#[test]
fn tickers_come_once_a_second_of_one_or_of_all_that_traded() {
    let of_one = "/ws/solusdt@ticker/solusdt@miniTicker/solusdt@avgPrice";
    let events = [depth(1, Pace::Fast), depth(1, Pace::Slow), trade()];
    let one = told(of_one, &events);
    let kinds: Vec<&str> = one.iter().filter_map(|event| event["e"].as_str()).collect();
    assert_eq!(kinds, ["24hrTicker", "24hrMiniTicker", "avgPrice"]);
    assert_eq!(
        (&one[0]["b"], &one[0]["c"]),
        (&json!("150.00000000"), &json!("149.85000000"))
    );
    assert_eq!(
        (&one[0]["p"], &one[0]["P"]),
        (&json!("-0.16000000"), &json!("-0.106"))
    );
    assert_eq!(
        one[0]["C"].as_i64().unwrap() - one[0]["O"].as_i64().unwrap(),
        86_400_000
    );
    assert_eq!(one[2]["w"], "150.05000000");
    let all = "/ws/!miniTicker@arr/!ticker@arr";
    assert_eq!(told(all, &[quote(), depth(0, Pace::Slow)]), [""; 0]);
    let all = told(all, &[trade(), trade(), quote()]);
    let lists = all.iter().map(|list| (&list[0]["e"], &list[0]["s"]));
    let expected = [
        (&json!("24hrTicker"), &json!("SOLUSDT")),
        (&json!("24hrMiniTicker"), &json!("SOLUSDT")),
    ];
    assert!(lists.eq(expected), "{all:?}");
}

#[test]
fn a_client_wraps_and_unwraps_what_it_is_told() {
    let mut still = Still::new();
    let mut session = Mirror::session(&MIRROR, "/ws/solusdt@trade").unwrap();
    let mut out = Vec::new();
    session.handle_open(&mut still, &mut out);
    let mut ask = |text: &str| {
        let mut out = Vec::new();
        session.handle_text(text, &mut still, &mut out).unwrap();
        session.handle_event(&trade(), &still, &mut out);
        let wrapped = out[1].starts_with(r#"{"stream":"solusdt@trade","data":{"#);
        (out[0].clone(), wrapped)
    };
    let get = r#"{"method":"GET_PROPERTY","params":["combined"],"id":"a-b"}"#;
    assert_eq!(
        ask(get),
        (r#"{"id":"a-b","result":false}"#.to_owned(), false)
    );
    let set = r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#;
    assert_eq!(ask(set), (r#"{"id":5,"result":null}"#.to_owned(), true));
    assert_eq!(ask(get), (r#"{"id":"a-b","result":true}"#.to_owned(), true));
}

#[test]
fn what_is_too_much_is_refused_with_the_time_to_come_back() {
    let call = Call::get("/api/v3/time");
    let retry_after_s = 7;
    for (why, status) in [
        (Refusal::TooMany { retry_after_s }, 429),
        (Refusal::Banned { retry_after_s }, 418),
    ] {
        let reply = MIRROR.refuse(why, call);
        assert_eq!((reply.status, reply.retry_after_s), (status, Some(7)));
        assert!(reply.body.contains(r#""code":-1003"#), "{}", reply.body);
    }
}
