use crate::exchange::bybit::{LINEAR, SPOT};
use crate::exchange::mirror::still::{NOW, Still};
use crate::exchange::mirror::{Call, Content, Mirror, Refusal};
use serde_json::{Value, json};

/// The answer of one market of BTC and SOL: its code, and its result.
fn ask(mirror: &dyn Mirror, target: &str) -> (i64, Value) {
    let mut market = Still::of(mirror, &["BTC", "SOL"]);
    let reply = mirror.rest(Call::get(target), &mut market);
    assert_eq!((reply.status, reply.content), (200, Content::Json));
    let mut body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["time"], NOW.as_millis());
    (body["retCode"].as_i64().unwrap(), body["result"].take())
}

fn symbols(result: &Value) -> Vec<&str> {
    let list = result["list"].as_array().unwrap();
    list.iter()
        .map(|one| one["symbol"].as_str().unwrap())
        .collect()
}

#[test]
fn who_asks_for_one_symbol_or_one_coin_is_told_of_it_only() {
    for (mirror, category) in [(SPOT.0, "spot"), (LINEAR.0, "linear")] {
        for path in ["instruments-info", "tickers"] {
            let ask = |query: &str| {
                let target = format!("/v5/market/{path}?category={category}{query}");
                ask(mirror, &target)
            };
            assert_eq!(symbols(&ask("").1), ["BTCUSDT", "SOLUSDT"]);
            assert_eq!(symbols(&ask("&symbol=SOLUSDT").1), ["SOLUSDT"]);
            assert_eq!(symbols(&ask("&baseCoin=SOL").1), ["SOLUSDT"]);
            assert_eq!(ask("&symbol=NONE"), (10_001, json!({})));
        }
        let info = format!("/v5/market/instruments-info?category={category}&status=");
        assert_eq!(symbols(&ask(mirror, &(info.clone() + "Closed")).1), [""; 0]);
        assert_eq!(symbols(&ask(mirror, &(info + "Trading")).1).len(), 2);
    }
}

#[test]
fn contracts_come_in_pages_also_if_they_are_filtered() {
    let page = "/v5/market/instruments-info?category=linear&limit=1";
    let (_, first) = ask(LINEAR.0, page);
    assert_eq!(symbols(&first), ["BTCUSDT"]);
    let cursor = first["nextPageCursor"].as_str().unwrap();
    let (_, next) = ask(LINEAR.0, &format!("{page}&cursor={cursor}"));
    assert_eq!(
        (symbols(&next), &next["nextPageCursor"]),
        (vec!["SOLUSDT"], &"".into())
    );
    // A client that encodes what it was given once more goes on all the same.
    let again = cursor.replace('%', "%25");
    assert_eq!(ask(LINEAR.0, &format!("{page}&cursor={again}")).1, next);
    let (_, one) = ask(LINEAR.0, &format!("{page}&baseCoin=SOL"));
    assert_eq!(
        (symbols(&one), &one["nextPageCursor"]),
        (vec!["SOLUSDT"], &"".into())
    );
    assert_eq!(ask(LINEAR.0, &page.replace('1', "x")).0, 10_001);
}

#[test]
fn categories_that_a_market_is_not_are_empty_and_those_that_nobody_knows_are_refused() {
    for mirror in [SPOT.0, LINEAR.0] {
        for category in ["inverse", "option"] {
            for path in ["instruments-info", "tickers"] {
                let target = format!("/v5/market/{path}?category={category}&baseCoin=BTC");
                let (code, result) = ask(mirror, &target);
                assert_eq!((code, symbols(&result)), (0, vec![]));
                assert_eq!(result["category"], category);
            }
            let book = format!("/v5/market/orderbook?category={category}&symbol=BTCUSDT");
            assert_eq!(ask(mirror, &book).0, 10_001);
        }
        for path in ["instruments-info", "tickers", "orderbook", "recent-trade"] {
            let bad = format!("/v5/market/{path}?category=stocks&symbol=BTCUSDT");
            assert_eq!(ask(mirror, &bad), (10_001, json!({})));
        }
    }
}

#[test]
fn a_ticker_has_the_touch_and_the_day() {
    let (_, spot) = ask(SPOT.0, "/v5/market/tickers?category=spot&symbol=SOLUSDT");
    let expected = json!({
        "symbol": "SOLUSDT",
        "bid1Price": "19.99", "bid1Size": "0.005", "ask1Price": "20.01", "ask1Size": "0.005",
        "lastPrice": "20.00", "prevPrice24h": "18.00", "price24hPcnt": "0.111111",
        "highPrice24h": "21.00", "lowPrice24h": "17.50",
        "turnover24h": "9000", "volume24h": "450", "usdIndexPrice": "20.00",
    });
    assert_eq!(spot["list"][0], expected);
    let (_, linear) = ask(
        LINEAR.0,
        "/v5/market/tickers?category=linear&symbol=SOLUSDT",
    );
    let linear = &linear["list"][0];
    assert_eq!(
        (&linear["bid1Price"], &linear["markPrice"]),
        (&"19.99".into(), &"20.00".into())
    );
    assert_eq!(
        linear["openInterestValue"], "0",
        "clients know a contract by it"
    );
    assert_eq!(linear["usdIndexPrice"], Value::Null);
}

#[test]
fn a_book_has_as_many_levels_as_are_asked_for_and_prints_begin_with_the_newest() {
    let book = |query: &str| {
        ask(
            SPOT.0,
            &format!("/v5/market/orderbook?category=spot&{query}"),
        )
        .1
    };
    let two = book("symbol=SOLUSDT&limit=2");
    assert_eq!(two["s"], "SOLUSDT");
    assert_eq!(two["b"], json!([["19.99", "0.005"], ["19.98", "0.005"]]));
    assert_eq!(two["a"], json!([["20.01", "0.005"], ["20.02", "0.005"]]));
    assert_eq!(
        (&two["u"], &two["seq"], &two["ts"]),
        (&8.into(), &41.into(), &NOW.as_millis().into())
    );
    assert_eq!(book("symbol=SOLUSDT")["b"].as_array().unwrap().len(), 1);
    let linear = ask(
        LINEAR.0,
        "/v5/market/orderbook?category=linear&symbol=SOLUSDT",
    )
    .1;
    assert_eq!(linear["b"].as_array().unwrap().len(), 25);
    let (_, prints) = ask(
        SPOT.0,
        "/v5/market/recent-trade?category=spot&symbol=SOLUSDT&limit=2",
    );
    let (list, newest) = (prints["list"].as_array().unwrap(), &prints["list"][0]);
    assert_eq!(list.len(), 2);
    assert_eq!(
        *newest,
        json!({
            "execId": "23", "symbol": "SOLUSDT", "price": "20.00", "size": "0.003", "side": "Buy",
            "time": NOW.as_millis().to_string(), "isBlockTrade": false, "isRPITrade": false,
            "seq": "23",
        })
    );
}

#[test]
fn the_time_is_told_without_a_category() {
    let (code, time) = ask(SPOT.0, "/v5/market/time");
    let expected = json!({"timeSecond": "1790000000", "timeNano": "1790000000123456789"});
    assert_eq!((code, time), (0, expected));
}

#[test]
fn what_is_asked_for_too_often_or_is_not_there_is_refused_in_words() {
    let mut market = Still::of(SPOT.0, &["BTC"]);
    let lost = SPOT.0.rest(Call::get("/v5/nothing"), &mut market);
    assert_eq!((lost.status, lost.content), (404, Content::Text));
    let call = Call::post("/v5/market/time", "{}");
    let post = SPOT.0.rest(call, &mut market);
    assert_eq!((post.status, post.content), (405, Content::Text));
    let retry_after_s = 5;
    for why in [
        Refusal::TooMany { retry_after_s },
        Refusal::Banned { retry_after_s },
    ] {
        let reply = SPOT.0.refuse(why, call);
        assert_eq!((reply.status, reply.content), (403, Content::Text));
        assert!(reply.body.contains("access too frequent"));
    }
    assert_eq!(SPOT.0.ban().unwrap().span.0, 600_000_000_000);
}
