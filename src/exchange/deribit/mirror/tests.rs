//! What the mirror refuses, and what it does at its time. The conversation itself is tried on every
//! exchange alike.

mod played;

use crate::base::{InstrumentId, Level, Px, Qty, Quote, Side, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::deribit::Deribit;
use crate::exchange::mirror::still::{NOW, Still};
use crate::exchange::mirror::{
    Call, Content, Happened, Listing, Market, Method, MirrorSession, Pace, Refusal,
};
use serde_json::{Value, json};

/// A market with one empty book, BTC-PERPETUAL.
struct Quiet(Vec<Listing>);

impl Quiet {
    fn new() -> Self {
        Self(vec![Listing {
            instrument: Deribit.mirror().list("BTC", "USD", 1, 8),
            volume: 1,
        }])
    }
}

impl Market for Quiet {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (44, 1)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }
}

fn connect() -> Box<dyn MirrorSession> {
    assert!(Deribit.mirror().session("/ws").is_none());
    Deribit.mirror().session("/ws/api/v2").unwrap()
}

fn say(session: &mut dyn MirrorSession, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let done = session.handle_text(text, &mut Quiet::new(), &mut out);
    assert_eq!(done, Ok(()));
    out
}

#[test]
fn what_cannot_be_served_is_refused_or_missing_from_the_answer() {
    let mut session = connect();
    for (text, code) in [
        ("{", "-32700"),
        (r#"{"id":1,"method":"public/nothing"}"#, "-32601"),
        (
            r#"{"id":1,"method":"public/subscribe","params":{}}"#,
            "-32602",
        ),
        (
            r#"{"id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.raw"]}}"#,
            "13778",
        ),
        (
            r#"{"id":1,"method":"public/set_heartbeat","params":{"interval":9}}"#,
            "-32602",
        ),
    ] {
        let said = say(&mut *session, text);
        assert!(said[0].contains(&format!(r#""code":{code}"#)), "{said:?}");
    }
    assert_eq!((session.streams(), session.poll_timeout()), (0, None));
    let ask = r#"{"id":4,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.agg2","quote.X","trades.BTC-PERPETUAL.5s"]}}"#;
    let said = say(&mut *session, ask);
    assert!(said[0].contains(r#""result":["book.BTC-PERPETUAL.agg2"]"#));
    assert!(said[1].contains(r#""type":"snapshot""#) && said[1].contains(r#""change_id":44"#));
    assert_eq!(session.streams(), 1);
    let leave = ask.replace("subscribe", "unsubscribe");
    assert_eq!(say(&mut *session, &leave).len(), 1);
    assert_eq!(session.streams(), 0);
}

#[test]
fn a_client_that_does_not_answer_a_test_request_is_dropped() {
    const HALF: i64 = 15_000_000_000;
    let mut session = connect();
    assert!(say(&mut *session, Deribit.greeting()[0])[0].contains(r#""result":"ok""#));
    for beat in 1..3 {
        let due = UnixNanos(beat * HALF);
        assert_eq!(session.poll_timeout(), Some(due));
        let mut out = Vec::new();
        assert_eq!(session.handle_timeout(due, &mut out), Ok(()));
        assert!(out[1].contains("test_request"), "{out:?}");
        say(
            &mut *session,
            r#"{"id":0,"method":"public/test","params":{}}"#,
        );
    }
    let mut out = Vec::new();
    assert_eq!(
        session.handle_timeout(UnixNanos(3 * HALF), &mut out),
        Ok(())
    );
    let late = session.handle_timeout(UnixNanos(4 * HALF), &mut out);
    assert!(late.is_err());
}

#[test]
fn an_unknown_rest_method_is_not_found() {
    let call = Call::get("/api/v2/public/nothing");
    let reply = Deribit.mirror().rest(call, &mut Quiet::new());
    assert_eq!(reply.status, 404);
}

/// BTC and SOL, which both settle in themselves.
fn market() -> Still {
    Still::of(Deribit.mirror(), &["BTC", "SOL"])
}

/// The status of a GET, and its body.
fn get(target: &str) -> (u16, Value) {
    let reply = Deribit.mirror().rest(Call::get(target), &mut market());
    assert_eq!(reply.content, Content::Json);
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

fn names(method: &str, query: &str) -> Vec<String> {
    let (status, body) = get(&format!("/api/v2/public/{method}?{query}"));
    assert_eq!(status, 200, "{method} {query}: {body}");
    let name = |one: &Value| one["instrument_name"].as_str().unwrap().to_owned();
    body["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect()
}

#[test]
fn lists_are_filtered_by_currency_and_kind_and_are_whole_without_them() {
    let both = ["BTC-PERPETUAL", "SOL-PERPETUAL"];
    assert_eq!(names("get_instruments", ""), both);
    assert_eq!(names("get_instruments", "currency=any"), both);
    assert_eq!(
        names("get_instruments", "currency=any&kind=future&expired=false"),
        both
    );
    for method in ["get_instruments", "get_book_summary_by_currency"] {
        assert_eq!(names(method, "currency=SOL"), both[1..]);
        assert_eq!(names(method, "currency=SOL&kind=future"), both[1..]);
        assert_eq!(names(method, "currency=SOL&kind=option"), both[2..]);
        // Listed nowhere here, but at the exchange.
        assert_eq!(names(method, "currency=USDC"), both[2..]);
        for bad in ["currency=NONE", "currency=SOL&kind=stock"] {
            let (status, body) = get(&format!("/api/v2/public/{method}?{bad}"));
            assert_eq!((status, &body["error"]["code"]), (400, &(-32_602).into()));
        }
    }
    assert_eq!(names("get_instruments", "expired=true"), both[2..]);
    let one = names(
        "get_book_summary_by_instrument",
        "instrument_name=SOL-PERPETUAL",
    );
    assert_eq!(one, both[1..]);
    let (_, one) = get("/api/v2/public/get_instrument?instrument_name=SOL-PERPETUAL");
    let one = &one["result"];
    for (key, value) in [
        ("kind", "future".into()),
        ("settlement_period", "perpetual".into()),
        ("instrument_type", "reversed".into()),
        ("settlement_currency", "SOL".into()),
        ("counter_currency", "USD".into()),
        ("state", "open".into()),
        ("tick_size", json!(0.01)),
        ("contract_size", json!(1.0)),
    ] {
        assert_eq!(one[key], value, "{key}");
    }
    let (_, currencies) = get("/api/v2/public/get_currencies");
    let codes = [0, 1].map(|n| currencies["result"][n]["currency"].clone());
    assert_eq!(codes, ["BTC", "SOL"]);
}

#[test]
fn a_ticker_a_summary_and_a_book_are_of_the_instrument_that_was_asked_for() {
    let ask = |method: &str, query: &str| {
        let target = format!("/api/v2/public/{method}?instrument_name=SOL-PERPETUAL{query}");
        get(&target).1["result"].take()
    };
    let ticker = ask("ticker", "");
    for (key, value) in [
        ("instrument_name", json!("SOL-PERPETUAL")),
        ("best_bid_price", json!(19.99)),
        ("best_bid_amount", json!(5.0)),
        ("best_ask_price", json!(20.01)),
        ("last_price", json!(20.0)),
        ("mark_price", json!(20.0)),
        ("state", json!("open")),
        ("timestamp", NOW.as_millis().into()),
    ] {
        assert_eq!(ticker[key], value, "{key}");
    }
    let stats =
        ["high", "low", "price_change", "volume_usd"].map(|key| ticker["stats"][key].clone());
    assert_eq!(
        stats,
        [json!(21.0), json!(17.5), json!(11.1111), json!(450_000.0)]
    );
    let summary = &ask("get_book_summary_by_instrument", "")[0];
    let of =
        ["bid_price", "ask_price", "mid_price", "last", "high"].map(|key| summary[key].clone());
    assert_eq!(of, [19.99, 20.01, 20.0, 20.0, 21.0].map(Value::from));
    let book = ask("get_order_book", "&depth=2");
    assert_eq!(book["bids"], json!([[19.99, 5.0], [19.98, 5.0]]));
    assert_eq!(book["asks"], json!([[20.01, 5.0], [20.02, 5.0]]));
    assert_eq!(
        (&book["change_id"], &book["best_bid_price"]),
        (&41.into(), &json!(19.99))
    );
    assert_eq!(
        ask("get_order_book", "")["bids"].as_array().unwrap().len(),
        5
    );
    let (status, body) = get("/api/v2/public/ticker?instrument_name=NONE");
    assert_eq!((status, &body["error"]["code"]), (400, &(-32_602).into()));
    assert_eq!(body["error"]["data"]["param"], "instrument_name");
}

#[test]
fn prints_begin_with_the_newest_and_are_cut_to_what_was_asked_for() {
    let ask = |target: &str| {
        let mut body = get(&format!("/api/v2/public/{target}")).1;
        let result = body["result"].take();
        let seq = |print: &Value| print["trade_seq"].as_u64().unwrap();
        let seqs: Vec<u64> = result["trades"]
            .as_array()
            .unwrap()
            .iter()
            .map(seq)
            .collect();
        (seqs, result)
    };
    let by_name = "get_last_trades_by_instrument?instrument_name=SOL-PERPETUAL";
    let (seqs, result) = ask(&format!("{by_name}&include_old=true&count=2"));
    assert_eq!((seqs, &result["has_more"]), (vec![23, 22], &true.into()));
    let newest = &result["trades"][0];
    for (key, value) in [
        ("price", json!(20.0)),
        ("amount", json!(3.0)),
        ("direction", json!("buy")),
        ("trade_id", json!("23")),
        ("instrument_name", json!("SOL-PERPETUAL")),
        ("timestamp", NOW.as_millis().into()),
    ] {
        assert_eq!(newest[key], value, "{key}");
    }
    assert_eq!(ask(&format!("{by_name}&sorting=asc")).0, [21, 22, 23]);
    assert_eq!(ask(&format!("{by_name}&start_seq=22")).0, [23, 22]);
    let from = NOW.as_millis() - 1_500;
    let since = by_name.replace('?', "_and_time?") + &format!("&start_timestamp={from}");
    assert_eq!(ask(&since).0, [23, 22]);
    assert_eq!(
        ask("get_last_trades_by_currency?currency=BTC").0,
        [13, 12, 11]
    );
}

#[test]
fn a_call_is_answered_alike_by_get_by_post_and_over_a_connection() {
    let request = r#"{"jsonrpc":"2.0","id":"a","method":"public/get_time","params":{}}"#;
    let post = Deribit
        .mirror()
        .rest(Call::post("/api/v2", request), &mut market());
    let post: Value = serde_json::from_str(&post.body).unwrap();
    let mut session = connect();
    let mut out = Vec::new();
    session
        .handle_text(request, &mut market(), &mut out)
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out[0]).unwrap(), post);
    let (status, get) = get("/api/v2/public/get_time");
    assert_eq!((status, &get["result"]), (200, &NOW.as_millis().into()));
    assert_eq!((&post["id"], &get["id"]), (&"a".into(), &Value::Null));
    for key in ["usIn", "usOut", "usDiff", "testnet"] {
        assert!(!post[key].is_null(), "{key}");
    }
    for (method, code) in [("private/buy", 13_009), ("public/auth", 13_004)] {
        let text = json!({"id": 1, "method": method, "params": {}}).to_string();
        assert!(say(&mut *session, &text)[0].contains(&format!(r#""code":{code}"#)));
    }
}

#[test]
fn requests_cost_credits_and_the_list_has_a_limit_of_its_own() {
    let reply = |target: &str| Deribit.mirror().rest(Call::get(target), &mut market());
    let list = reply("/api/v2/public/get_instruments");
    let quota = list.quota.unwrap();
    assert_eq!((list.weight, quota.rate.count, quota.burst), (500, 1, 50));
    assert_eq!(reply("/api/v2/public/get_time").quota, None);
    let call = Call::get("/api/v2/public/get_time");
    let refused = Deribit
        .mirror()
        .refuse(Refusal::TooMany { retry_after_s: 1 }, call);
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(
        (refused.status, &body["error"]["code"]),
        (429, &10_028.into())
    );
    assert_eq!(body["error"]["message"], "too_many_requests");
    let put = Call {
        method: Method::Put,
        ..call
    };
    assert_eq!(Deribit.mirror().rest(put, &mut market()).status, 405);
}

/// What a channel says at once, and once its instrument moved.
fn follow(channel: &str, event: impl Fn(&mut Still) -> Happened) -> (Vec<Value>, Vec<Value>) {
    let (mut session, mut market, mut out) = (connect(), market(), Vec::new());
    let text = json!({"id": 1, "method": "public/subscribe", "params": {"channels": [channel]}});
    session
        .handle_text(&text.to_string(), &mut market, &mut out)
        .unwrap();
    let read = |out: &mut Vec<String>| -> Vec<Value> {
        let read = |text: String| serde_json::from_str(&text).unwrap();
        out.drain(..).map(read).collect()
    };
    let mut first = read(&mut out);
    assert_eq!(first.remove(0)["result"], json!([channel]));
    session.handle_event(&market.step(0, 100), &market, &mut out);
    assert_eq!(out, [""; 0], "another instrument's news is not told");
    let event = event(&mut market);
    session.handle_event(&event, &market, &mut out);
    let data = |mut push: Value| {
        assert_eq!(push["params"]["channel"], channel);
        push["params"]["data"].take()
    };
    let next = read(&mut out).into_iter().map(data).collect();
    (first.into_iter().map(data).collect(), next)
}

#[test]
fn tickers_quotes_and_top_levels_are_told_at_once_and_when_they_change() {
    let step = |market: &mut Still| market.step(1, 100);
    let (first, next) = follow("ticker.SOL-PERPETUAL.100ms", step);
    let of = |data: &Value| ["best_bid_price", "last_price"].map(|key| data[key].clone());
    assert_eq!(of(&first[0]), [19.99, 20.0].map(Value::from));
    assert_eq!(of(&next[0]), [20.01, 20.02].map(Value::from));
    let (first, next) = follow("book.SOL-PERPETUAL.none.10.100ms", step);
    for data in [&first[0], &next[0]] {
        assert_eq!(data["bids"].as_array().unwrap().len(), 10);
        assert_eq!(data["type"], Value::Null);
    }
    assert_eq!(next[0]["bids"][0], json!([20.01, 5.0]));
    let level = |px| Level {
        px: Px(px),
        qty: Qty(5),
    };
    let (first, next) = follow("quote.SOL-PERPETUAL", |market| {
        Happened::Quote(Quote {
            instrument: InstrumentId(1),
            update_id: market.id,
            bid: level(2_005),
            ask: level(2_006),
        })
    });
    assert_eq!(first[0]["best_bid_price"], 19.99);
    assert_eq!(next[0]["best_bid_price"], 20.05);
}

#[test]
fn prints_are_told_by_instrument_and_by_kind_and_currency() {
    let print = |market: &mut Still| Happened::Trade(market.prints(1).next_back().unwrap());
    for (channel, told) in [
        ("trades.SOL-PERPETUAL.100ms", 1),
        ("trades.future.SOL.100ms", 1),
        ("trades.any.any.100ms", 1),
        ("trades.future.BTC.100ms", 0),
    ] {
        let (first, next) = follow(channel, print);
        assert_eq!((first.len(), next.len()), (0, told), "{channel}");
        for data in next {
            assert_eq!(
                (&data[0]["trade_seq"], &data[0]["price"]),
                (&23.into(), &json!(20.01))
            );
        }
    }
    let mut session = connect();
    let text = json!({"id": 1, "method": "public/subscribe", "params": {"channels": [
        "trades.option.SOL.100ms", "book.SOL-PERPETUAL.5.10.100ms", "ticker.SOL-PERPETUAL.1s",
    ]}});
    let mut out = Vec::new();
    session
        .handle_text(&text.to_string(), &mut market(), &mut out)
        .unwrap();
    assert!(
        out[0].contains(r#""result":[]"#),
        "unknown ones are missing from the answer"
    );
    assert_eq!(session.streams(), 0);
    let text = r#"{"id":2,"method":"public/unsubscribe_all","params":{}}"#;
    session.handle_text(text, &mut market(), &mut out).unwrap();
    assert!(out[1].contains(r#""result":"ok""#));
}
