mod played;

use super::*;
use crate::base::{Diff, InstrumentId, Level, Side, Trade, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::binance_futures::{BinanceFutures, COINM, USDM};
use crate::exchange::mirror::{Happened, Listing, Method, Pace};
use serde_json::Value;
use std::collections::BTreeMap;

/// A book of one level a side that stands still.
struct Still(Vec<Listing>);

impl Still {
    fn of(market: &dyn Exchange) -> Self {
        let mirror = market.mirror();
        let listing = |(n, base)| Listing {
            instrument: Instrument {
                id: InstrumentId(n),
                ..mirror.list(base, mirror.quote(), 1, 3)
            },
            volume: 600_000,
        };
        Self([(0, "BTC"), (1, "SOL")].map(listing).into())
    }
}

impl Market for Still {
    fn now(&self) -> crate::base::UnixNanos {
        UnixNanos(1_750_000_000_000_000_000)
    }
    fn listings(&self) -> &[Listing] {
        &self.0
    }
    fn flush(&mut self, _listing: usize, _pace: Pace) {}
    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (42, 1)
    }
    fn levels(&self, _listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let px = if side == Side::Buy { 600_000 } else { 600_001 };
        Box::new(std::iter::once(Level {
            px: Px(px),
            qty: Qty(5),
        }))
    }
    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        let Happened::Trade(trade) = trade() else {
            return Box::new(std::iter::empty());
        };
        Box::new((listing == 0).then_some(trade).into_iter())
    }
}

fn trade() -> Happened {
    Happened::Trade(Trade {
        instrument: InstrumentId(0),
        id: 7,
        px: Px(600_000),
        qty: Qty(1_500),
        taker: Side::Sell,
        exch_time: UnixNanos(1_750_000_000_123_000_000),
    })
}

fn depth(pace: Pace) -> Happened {
    Happened::Depth {
        pace,
        diff: Diff {
            instrument: InstrumentId(0),
            first_id: 43,
            last_id: 45,
            prev_id: Some(42),
            checksum: None,
            exch_time: UnixNanos(1_750_000_000_123_000_000),
        },
        number: 1,
        bids: vec![],
        asks: vec![Level {
            px: Px(600_001),
            qty: Qty(0),
        }],
    }
}

/// What the session says to this text and these events.
fn told(
    market: &'static dyn Exchange,
    target: &str,
    text: &str,
    events: &[Happened],
) -> Vec<String> {
    let mut still = Still::of(market);
    let mut session = market.mirror().session(target).unwrap();
    let mut out = Vec::new();
    session.handle_text(text, &mut still, &mut out).unwrap();
    for event in events {
        session.handle_event(event, &still, &mut out);
    }
    out
}

const ALL_STREAMS: &str = r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@aggTrade","btcusdt@depth@500ms"],"id":1}"#;

#[test]
fn each_route_is_silent_about_the_others_streams() {
    let events = [trade(), depth(Pace::Fast)];
    let public = told(&USDM, "/public/stream", ALL_STREAMS, &events);
    let depth = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1750000000123,"T":1750000000123,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":43,"u":45,"pu":42,"b":[],"a":[["60000.1","0.000"]]}}"#;
    assert_eq!(public, [r#"{"id":1,"result":null}"#, depth]);
    let market = told(&USDM, "/market/stream", ALL_STREAMS, &events);
    let trade = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1750000000123,"T":1750000000123,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"a":7,"f":7,"l":7,"p":"60000.0","q":"1.500","nq":"1.500","m":true}}"#;
    assert_eq!(market[1..], [trade]);
    assert_eq!(told(&USDM, "/stream", ALL_STREAMS, &events).len(), 2);
    let coinm = ALL_STREAMS.replace("btcusdt", "btcusd_perp");
    assert_eq!(told(&COINM, "/stream", &coinm, &events).len(), 3);
}

#[test]
fn slow_streams_have_a_chain_of_their_own() {
    let events = [depth(Pace::Slow)];
    let slow = told(&USDM, "/public/ws", ALL_STREAMS, &events);
    assert!(slow[1].starts_with(r#"{"e":"depthUpdate""#));
    assert_eq!(slow.len(), 2);
}

#[test]
fn what_cannot_be_read_is_refused_and_what_is_unknown_is_silent() {
    for (text, code) in [
        ("{", 3),
        (r#"{"method":"SUBSCRIBE","params":[],"id":1}"#, 2),
        (r#"{"method":"SUBSCRIBE","params":["btcusdt"],"id":1}"#, 2),
        (r#"{"method":"NONSENSE","id":1}"#, 2),
        (r#"{"id":1}"#, 2),
        (r#"{"method":"LIST_SUBSCRIPTIONS","id":1.5}"#, 2),
    ] {
        let told = told(&USDM, "/public/stream", text, &[]);
        assert!(told[0].contains(&format!(r#""code":{code}"#)), "{told:?}");
    }
    let unknown = r#"{"method":"SUBSCRIBE","params":["nobody@aggTrade"],"id":9}"#;
    let told = told(&USDM, "/market/stream", unknown, &[trade()]);
    assert_eq!(told, [r#"{"id":9,"result":null}"#]);
    assert!(USDM.mirror().session("/nowhere").is_none());
}

#[test]
fn a_connection_with_too_many_streams_is_cut() {
    let mut still = Still::of(&COINM);
    let mut session = COINM
        .mirror()
        .session("/stream?streams=a@depth/b@depth")
        .unwrap();
    assert_eq!(session.streams(), 2);
    let streams: Vec<String> = (0..199).map(|n| format!("\"coin{n}@depth\"")).collect();
    let text = format!(
        r#"{{"method":"SUBSCRIBE","params":[{}],"id":1}}"#,
        streams.join(",")
    );
    let cut = session.handle_text(&text, &mut still, &mut Vec::new());
    assert_eq!(cut.unwrap_err().code, 1008);
}

#[test]
fn rest_requests_are_answered_or_refused_as_the_exchange_does() {
    let mut still = Still::of(&COINM);
    let mut get = |target| {
        let call = Call::get(target);
        let reply = COINM.mirror().rest(call, &mut still);
        (reply.status, reply.weight, reply.body)
    };
    let body = r#"{"lastUpdateId":42,"E":1750000000000,"T":1750000000000,"symbol":"BTCUSD_PERP","pair":"BTCUSD","bids":[["60000.0","5"]],"asks":[["60000.1","5"]]}"#;
    let depth = get("/dapi/v1/depth?symbol=BTCUSD_PERP&limit=1000");
    assert_eq!(depth, (200, 20, body.to_owned()));
    for (target, status, code) in [
        ("/dapi/v1/depth", 400, -1102),
        ("/dapi/v1/depth?symbol=NOBODY", 400, -1121),
        ("/dapi/v1/depth?symbol=BTCUSD_PERP&limit=300", 400, -4021),
        ("/fapi/v1/depth?symbol=BTCUSD_PERP", 404, -5000),
    ] {
        let (got, _, body) = get(target);
        assert_eq!(got, status, "{target}");
        assert!(body.contains(&format!(r#""code":{code}"#)), "{body}");
    }
    assert_eq!(get("/dapi/v1/time").2, r#"{"serverTime":1750000000000}"#);
}

fn json(market: &'static dyn Exchange, target: &str) -> Value {
    let reply = market
        .mirror()
        .rest(Call::get(target), &mut Still::of(market));
    assert_eq!(reply.status, 200, "{target}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn usdm_answers_one_symbol_with_an_object_and_coinm_always_with_a_list() {
    for path in [
        "ticker/24hr",
        "ticker/price",
        "ticker/bookTicker",
        "premiumIndex",
    ] {
        let at = |query: &str| json(&USDM, &format!("/fapi/v1/{path}{query}"));
        assert_eq!(at("?symbol=SOLUSDT")["symbol"], "SOLUSDT", "{path}");
        assert_eq!(at("").as_array().unwrap().len(), 2, "{path}");
        let at = |query: &str| json(&COINM, &format!("/dapi/v1/{path}{query}"));
        for query in ["?symbol=SOLUSD_PERP", "?pair=SOLUSD"] {
            let list = at(query);
            assert_eq!(list.as_array().unwrap().len(), 1, "{path}{query}");
            assert_eq!(list[0]["symbol"], "SOLUSD_PERP", "{path}{query}");
        }
        assert_eq!(at("").as_array().unwrap().len(), 2, "{path}");
        let call = format!("/dapi/v1/{path}?symbol=A&pair=B");
        assert_eq!(
            COINM
                .mirror()
                .rest(Call::get(&call), &mut Still::of(&COINM))
                .status,
            400
        );
    }
    assert_eq!(
        json(&USDM, "/fapi/v2/ticker/price?symbol=SOLUSDT")["price"],
        "60000.0"
    );
}

#[test]
fn tickers_count_in_what_their_market_counts_in() {
    let linear = json(&USDM, "/fapi/v1/ticker/24hr?symbol=BTCUSDT");
    assert_eq!(
        (&linear["volume"], &linear["quoteVolume"]),
        (&"10".into(), &"600000".into())
    );
    assert_eq!(linear["lastQty"], "1.500");
    let inverse = &json(&COINM, "/dapi/v1/ticker/24hr?symbol=BTCUSD_PERP")[0];
    // Of 100 dollars each.
    assert_eq!(
        (&inverse["volume"], &inverse["baseVolume"]),
        (&"6000".into(), &"10".into())
    );
    assert_eq!(inverse["pair"], "BTCUSD");
    assert!(inverse.get("quoteVolume").is_none());
}

#[test]
fn prints_say_what_they_are_worth() {
    let linear = json(&USDM, "/fapi/v1/trades?symbol=BTCUSDT");
    assert_eq!(
        linear,
        serde_json::json!([{"id": 7, "price": "60000.0", "qty": "1.500", "quoteQty": "90000",
                            "time": 1_750_000_000_123_i64, "isBuyerMaker": true}])
    );
    let inverse = json(&COINM, "/dapi/v1/trades?symbol=BTCUSD_PERP");
    assert_eq!(
        (&inverse[0]["qty"], &inverse[0]["baseQty"]),
        (&"1500".into(), &"2.5".into())
    );
    // A candle counts as the day does: contracts, then coins.
    let candles = "/dapi/v1/klines?symbol=BTCUSD_PERP&interval=1d&limit=1";
    let candle = &json(&COINM, candles)[0];
    assert_eq!(
        (&candle[5], &candle[7], &candle[8]),
        (&"1500".into(), &"2.5".into(), &1.into())
    );
    let aggregates = json(&USDM, "/fapi/v1/aggTrades?symbol=BTCUSDT");
    assert_eq!(
        (&aggregates[0]["a"], &aggregates[0]["nq"]),
        (&7.into(), &"1.500".into())
    );
    assert_eq!(
        json(&USDM, "/fapi/v1/aggTrades?symbol=SOLUSDT"),
        serde_json::json!([])
    );
}

#[test]
fn metadata_have_the_fields_that_clients_require() {
    for (market, target) in [
        (&USDM, "/fapi/v1/exchangeInfo"),
        (&COINM, "/dapi/v1/exchangeInfo"),
    ] {
        let info = json(market, target);
        for key in [
            "maintMarginPercent",
            "requiredMarginPercent",
            "underlyingSubType",
        ] {
            assert!(info["symbols"][1].get(key).is_some(), "{key}: {info}");
        }
        assert!(
            info["symbols"][0]["filters"]
                .to_string()
                .contains("PERCENT_PRICE")
        );
    }
    assert_eq!(
        json(&USDM, "/fapi/v1/exchangeInfo")["assets"][0]["asset"],
        "USDT"
    );
}

#[test]
fn tickers_marks_and_best_levels_come_on_the_route_that_has_them() {
    let names = [
        "btcusdt@ticker",
        "btcusdt@miniTicker",
        "btcusdt@markPrice@1s",
        "!ticker@arr",
        "btcusdt@depth5@500ms",
        "btcusdt@trade",
    ];
    let text = serde_json::json!({"method": "SUBSCRIBE", "params": names, "id": "a-1"});
    let events = [trade(), depth(Pace::Slow), depth(Pace::Fast)];
    let told = |route: &str| {
        let told = told(&USDM, route, &text.to_string(), &events);
        let read = |text: &String| serde_json::from_str::<Value>(text).unwrap();
        let events = told[1..].iter().map(read);
        let data = events.map(|one| {
            (
                one["stream"].as_str().unwrap().to_owned(),
                one["data"].clone(),
            )
        });
        data.collect::<BTreeMap<String, Value>>()
    };
    let market = told("/market/stream");
    assert_eq!(market.len(), 4, "{market:?}");
    let ticker = &market["btcusdt@ticker"];
    assert_eq!(
        (&ticker["e"], &ticker["st"]),
        (&"24hrTicker".into(), &1.into())
    );
    assert_eq!((&ticker["c"], ticker.get("b")), (&"60000.0".into(), None));
    assert_eq!(market["!ticker@arr"][0]["s"], "BTCUSDT");
    assert_eq!(market["btcusdt@markPrice@1s"]["p"], "60000.0");
    let public = told("/public/stream");
    assert_eq!(public.len(), 2, "{public:?}");
    let top = &public["btcusdt@depth5@500ms"];
    assert_eq!(
        (&top["u"], &top["b"][0][0]),
        (&45.into(), &"60000.0".into())
    );
    assert_eq!(public["btcusdt@trade"]["t"], 7);
}

#[test]
fn a_wrong_method_is_refused_by_its_name() {
    let call = Call {
        method: Method::Delete,
        ..Call::get("/fapi/v1/order?symbol=A")
    };
    let reply = USDM.mirror().rest(call, &mut Still::of(&USDM));
    assert_eq!(reply.status, 405);
    assert!(
        reply
            .body
            .contains("Path /fapi/v1/order, Method DELETE is invalid")
    );
}
