use super::*;
use crate::exchange::mirror::Method;

/// A market of `PF_XBTUSD` and `PF_SOLUSD`.
fn market() -> Fake {
    let mut market = Fake::new();
    let instrument = Instrument {
        id: InstrumentId(1),
        ..FuturesMirror.list("SOL", "USD", 2, 3)
    };
    market.listings.push(Listing {
        instrument,
        volume: 5,
    });
    market
}

fn get(target: &str) -> Value {
    let reply = FuturesMirror.rest(Call::get(target), &mut market());
    assert_eq!(reply.status, 200, "{target}");
    value(&reply.body)
}

/// An answer of the service that most are of.
fn api(service: &str) -> Value {
    let answer = get(&format!("/derivatives/api/v3/{service}"));
    assert_eq!(answer["serverTime"], "1970-01-01T00:00:05.000Z");
    answer
}

fn symbols(all: &Value) -> Vec<&str> {
    let all = all.as_array().unwrap().iter();
    all.map(|one| one["symbol"].as_str().unwrap()).collect()
}

#[test]
fn an_instrument_has_the_documented_fields() {
    let answer = api("instruments");
    let all = &answer["instruments"];
    assert_eq!(symbols(all), ["PF_XBTUSD", "PF_SOLUSD"]);
    for (key, expected) in [
        ("type", json!("flexible_futures")),
        ("pair", json!("XBT:USD")),
        ("base", json!("BTC")),
        ("quote", json!("USD")),
        ("tickSize", json!(0.1)),
        ("contractSize", json!(1)),
        ("contractValueTradePrecision", json!(4)),
        ("tradeable", json!(true)),
        ("postOnly", json!(false)),
    ] {
        assert_eq!(all[0][key], expected, "{key}");
    }
    let all = &api("instruments/status")["instrumentStatus"];
    assert_eq!(all[1]["tradeable"], "PF_SOLUSD");
    assert_eq!(
        api("instruments/PF_SOLUSD/status")["tradeable"],
        "PF_SOLUSD"
    );
}

#[test]
fn tickers_are_those_that_are_asked_for_with_the_top_of_the_book_and_the_day() {
    assert_eq!(
        symbols(&api("tickers")["tickers"]),
        ["PF_XBTUSD", "PF_SOLUSD"]
    );
    assert_eq!(
        symbols(&api("tickers?symbol=pf_solusd")["tickers"]),
        ["PF_SOLUSD"]
    );
    let ticker = &api("tickers/PF_XBTUSD")["ticker"];
    for (key, expected) in [
        ("symbol", json!("PF_XBTUSD")),
        ("bid", json!(50_000.0)),
        ("bidSize", json!(1.2)),
        ("ask", json!(50_000.5)),
        ("askSize", json!(1.2)),
        ("last", json!(50_012.0)),
        ("lastSize", json!(0.012)),
        ("lastTime", json!("1970-01-01T00:02:00.000Z")),
        ("open24h", json!(50_010.0)),
        ("high24h", json!(50_020.0)),
        ("low24h", json!(49_999.0)),
        ("vol24h", json!(1.5)),
        ("volumeQuote", json!(75_003.0)),
        ("markPrice", json!(50_000.25)),
        ("suspended", json!(false)),
    ] {
        assert_eq!(ticker[key], expected, "{key}");
    }
}

#[test]
fn a_book_is_of_the_symbol_that_is_asked_for() {
    let answer = api("orderbook?symbol=PF_SOLUSD");
    let expected = json!({"bids": [[5_000.0, 12.0]], "asks": [[5_000.05, 12.0]]});
    assert_eq!(
        (&answer["result"], &answer["orderBook"]),
        (&json!("success"), &expected)
    );
    for (service, error) in [
        ("orderbook", "requiredArgumentMissing"),
        ("orderbook?symbol=none", "invalidArgument: symbol"),
        ("history?symbol=none", "invalidArgument: symbol"),
        ("tickers?symbol=none", "invalidArgument: symbol"),
        ("tickers/none", "invalidArgument: symbol"),
    ] {
        let answer = api(service);
        assert_eq!(
            (&answer["result"], &answer["error"]),
            (&json!("error"), &json!(error))
        );
    }
}

#[test]
fn prints_of_the_past_come_newest_first_and_only_those_that_are_asked_for() {
    let ids = |query: &str| -> Vec<u64> {
        let answer = api(&format!("history?symbol=PF_XBTUSD{query}"));
        let all = answer["history"].as_array().unwrap().iter();
        all.map(|print| print["trade_id"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(ids(""), (21..=120).rev().collect::<Vec<_>>());
    assert_eq!(ids("&lastTime=1970-01-01T00%3A00%3A03.000Z"), [2, 1]);
    assert_eq!(api("history?symbol=PF_SOLUSD")["history"], json!([]));
    let newest = json!({
        "time": "1970-01-01T00:02:00.000Z",
        "trade_id": 120,
        "price": 50_012.0,
        "size": 0.012,
        "side": "sell",
        "type": "fill",
        "uid": "00000000-0000-4000-8000-000000000078",
    });
    assert_eq!(api("history?symbol=PF_XBTUSD")["history"][0], newest);
}

#[test]
fn executions_are_filtered_sorted_and_counted() {
    let answer = |query: &str| {
        get(&format!(
            "/api/history/v2/market/PF_XBTUSD/executions{query}"
        ))
    };
    let times = |query: &str| -> Vec<u64> {
        let all = answer(query)["elements"].as_array().unwrap().clone();
        all.iter()
            .map(|one| one["timestamp"].as_u64().unwrap() / 1_000)
            .collect()
    };
    assert_eq!(times(""), (1..=120).rev().collect::<Vec<_>>());
    assert_eq!(times("?count=2"), [120, 119]);
    assert_eq!(times("?since=5000&sort=asc&count=2"), [5, 6]);
    assert_eq!(times("?before=3000"), [2, 1]);
    let one = &answer("?count=1")["elements"][0];
    let execution = &one["event"]["Execution"]["execution"];
    assert_eq!(
        (&execution["price"], &execution["quantity"]),
        (&json!("50012.0"), &json!("0.012"))
    );
    assert_eq!(execution["takerOrder"]["direction"], "Sell");
    assert_eq!(execution["makerOrder"]["direction"], "Buy");
    assert_eq!(execution["takerOrder"]["tradeable"], "PF_XBTUSD");
}

#[test]
fn public_requests_are_free_but_for_a_pool_of_histories() {
    let ask = |target| {
        let reply = FuturesMirror.rest(Call::get(target), &mut market());
        let rate = reply
            .quota
            .map(|quota| (quota.rate.count, quota.rate.per.0));
        (reply.weight, rate)
    };
    assert_eq!(ask("/derivatives/api/v3/tickers"), (0, None));
    let pool = Some((100, 600_000_000_000));
    assert_eq!(
        ask("/api/history/v2/market/PF_XBTUSD/executions"),
        (0, pool)
    );
}

#[test]
fn what_is_not_served_is_refused_in_the_exchange_s_shape() {
    for (method, target, status, error) in [
        (Method::Get, "/derivatives/api/v3/none", 404, "notFound"),
        (
            Method::Get,
            "/api/history/v2/market/none/executions",
            404,
            "notFound",
        ),
        (
            Method::Put,
            "/derivatives/api/v3/tickers",
            405,
            "methodNotAllowed",
        ),
    ] {
        let call = Call {
            method,
            ..Call::get(target)
        };
        let reply = FuturesMirror.rest(call, &mut market());
        let body = json!({"result": "error", "error": error});
        assert_eq!(
            (reply.status, value(&reply.body)),
            (status, body),
            "{target}"
        );
    }
    let many = Refusal::TooMany { retry_after_s: 3 };
    let reply = FuturesMirror.refuse(many, Call::get("/"));
    assert_eq!(
        (reply.status, &value(&reply.body)["error"]),
        (429, &json!("apiLimitExceeded"))
    );
}

#[test]
fn a_contract_of_another_size_and_a_lot_of_many_are_read_back() {
    let mut market = Fake::new();
    let listed = &mut market.listings[0].instrument;
    listed.symbol = Symbol::from("FF_XBTUSD_260327").unwrap();
    (listed.qty_scale, listed.lot) = (0, Qty(1_000));
    (listed.contract.size, listed.contract.scale) = (5, 1);
    let request = KrakenFutures.metadata_requests(&[]).remove(0);
    let body = FuturesMirror.rest(request.call(), &mut market).body;
    let found = KrakenFutures.metadata(body.as_bytes()).unwrap().instruments[0];
    let listed = market.listings[0].instrument;
    assert_eq!(
        (found.qty_scale, found.lot, found.contract),
        (0, listed.lot, listed.contract)
    );
}
