//! What the REST half answers: everything that it lists, filtered as it is asked.

use super::super::OkxMirror;
use crate::base::{Contract, Instrument, Kind, Symbol};
use crate::exchange::mirror::still::{NOW, Still};
use crate::exchange::mirror::{Call, Content, Mirror, Refusal, Reply};
use serde_json::{Value, json};

/// BTC and SOL, and perpetuals of both.
fn market() -> Still {
    let mut market = Still::of(&OkxMirror, &["BTC", "SOL", "BTC", "SOL"]);
    for listing in &mut market.listings[2..] {
        let found = listing.instrument;
        listing.instrument = Instrument {
            symbol: Symbol::from(&format!("{}-SWAP", found.symbol)).unwrap(),
            kind: Kind::Perpetual,
            contract: Contract {
                size: 1,
                scale: 2,
                inverse: false,
            },
            ..found
        };
    }
    market
}

fn reply(target: &str) -> Reply {
    OkxMirror.rest(Call::get(target), &mut market())
}

/// The code and the data of an answer.
fn ask(target: &str) -> (String, Vec<Value>) {
    let reply = reply(target);
    assert_eq!(reply.content, Content::Json);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let code = body["code"].as_str().unwrap().to_owned();
    (code, body["data"].as_array().unwrap().clone())
}

fn names(target: &str) -> Vec<String> {
    let (code, data) = ask(target);
    assert_eq!(code, "0", "{target}");
    let name = |one: &Value| one["instId"].as_str().unwrap().to_owned();
    data.iter().map(name).collect()
}

#[test]
fn lists_are_filtered_by_type_family_and_name() {
    for path in ["/api/v5/public/instruments", "/api/v5/market/tickers"] {
        let names = |query: &str| names(&format!("{path}?instType={query}"));
        assert_eq!(names("SPOT"), ["BTC-USDT", "SOL-USDT"]);
        assert_eq!(names("SWAP"), ["BTC-USDT-SWAP", "SOL-USDT-SWAP"]);
        assert_eq!(names("SWAP&instFamily=SOL-USDT"), ["SOL-USDT-SWAP"]);
        assert_eq!(names("SWAP&uly=BTC-USDT"), ["BTC-USDT-SWAP"]);
        assert_eq!(names("FUTURES"), [""; 0]);
        // Others send what they leave out as empty texts.
        assert_eq!(names("SPOT&uly=&instFamily=&instId=").len(), 2);
    }
    let one = "/api/v5/public/instruments?instType=SPOT&instId=";
    assert_eq!(names(&format!("{one}SOL-USDT")), ["SOL-USDT"]);
    assert_eq!(ask(&format!("{one}NO-NE")).0, "51001");
    assert_eq!(names("/api/v5/public/instruments?instType=MARGIN"), [""; 0]);
    let options = "/api/v5/public/instruments?instType=OPTION";
    assert_eq!(
        (reply(options).status, ask(options).0.as_str()),
        (400, "50015")
    );
    assert_eq!(names(&format!("{options}&uly=BTC-USD")), [""; 0]);
    let bad = "/api/v5/market/tickers?instType=STOCK";
    assert_eq!((reply(bad).status, ask(bad).0.as_str()), (400, "51000"));
}

#[test]
fn an_instrument_has_the_documented_fields_and_empty_ones_if_they_do_not_concern_it() {
    let (_, spot) = ask("/api/v5/public/instruments?instType=SPOT&instId=SOL-USDT");
    let (_, swap) = ask("/api/v5/public/instruments?instType=SWAP&instId=SOL-USDT-SWAP");
    let fields = [
        "alias",
        "baseCcy",
        "category",
        "ctMult",
        "ctType",
        "ctVal",
        "ctValCcy",
        "expTime",
        "instFamily",
        "instId",
        "instType",
        "lever",
        "listTime",
        "lotSz",
        "maxIcebergSz",
        "maxLmtAmt",
        "maxLmtSz",
        "maxMktAmt",
        "maxMktSz",
        "maxStopSz",
        "maxTriggerSz",
        "maxTwapSz",
        "minSz",
        "optType",
        "quoteCcy",
        "ruleType",
        "settleCcy",
        "state",
        "stk",
        "tickSz",
        "uly",
    ];
    for one in [&spot[0], &swap[0]] {
        for field in fields {
            assert!(one[field].is_string(), "{field}: {one}");
        }
        assert!(one["instIdCode"].is_u64());
    }
    let of = |one: &Value| ["instFamily", "uly", "baseCcy", "ctVal"].map(|key| one[key].clone());
    assert_eq!(of(&spot[0]), ["", "", "SOL", ""]);
    assert_eq!(of(&swap[0]), ["SOL-USDT", "SOL-USDT", "", "0.01"]);
}

#[test]
fn a_ticker_has_the_touch_and_the_day() {
    let (_, spot) = ask("/api/v5/market/ticker?instId=SOL-USDT");
    let expected = json!({
        "instType": "SPOT", "instId": "SOL-USDT", "last": "20", "lastSz": "0.003",
        "askPx": "20.01", "askSz": "0.005", "bidPx": "19.99", "bidSz": "0.005",
        "open24h": "18", "high24h": "21", "low24h": "17.5", "sodUtc0": "18", "sodUtc8": "18",
        "vol24h": "450", "volCcy24h": "9000", "ts": NOW.as_millis().to_string(),
    });
    assert_eq!(spot, [expected]);
    // Contracts of a hundredth: counted in contracts, and in the base asset.
    let (_, swap) = ask("/api/v5/market/ticker?instId=SOL-USDT-SWAP");
    assert_eq!(
        (&swap[0]["vol24h"], &swap[0]["volCcy24h"]),
        (&"450".into(), &"4.5".into())
    );
    assert_eq!(ask("/api/v5/market/ticker?instId=NO-NE").0, "51001");
    assert_eq!(ask("/api/v5/market/ticker").0, "50014");
}

#[test]
fn books_and_prints_are_as_long_as_they_are_asked_to_be() {
    let (_, book) = ask("/api/v5/market/books?instId=SOL-USDT&sz=2");
    assert_eq!(
        book,
        [json!({
            "asks": [["20.01", "0.005", "0", "1"], ["20.02", "0.005", "0", "1"]],
            "bids": [["19.99", "0.005", "0", "1"], ["19.98", "0.005", "0", "1"]],
            "ts": NOW.as_millis().to_string(), "seqId": 41,
        })]
    );
    let (_, one) = ask("/api/v5/market/books?instId=SOL-USDT");
    assert_eq!(
        one[0]["bids"].as_array().unwrap().len(),
        1,
        "one unless more are asked for"
    );
    let (_, full) = ask("/api/v5/market/books-full?instId=SOL-USDT&sz=5000");
    assert_eq!(full[0]["bids"][0], json!(["19.99", "0.005", "1"]));
    assert_eq!(full[0]["bids"].as_array().unwrap().len(), 30);
    assert_eq!(ask("/api/v5/market/books?instId=SOL-USDT&sz=x").0, "51000");
    let ids = |target: &str| -> Vec<String> {
        let prints = ask(target).1;
        assert!(prints.iter().all(|print| print["instId"] == "SOL-USDT"));
        let id = |print: &Value| print["tradeId"].as_str().unwrap().to_owned();
        prints.iter().map(id).collect()
    };
    assert_eq!(
        ids("/api/v5/market/trades?instId=SOL-USDT"),
        ["23", "22", "21"]
    );
    assert_eq!(ids("/api/v5/market/trades?instId=SOL-USDT&limit=1"), ["23"]);
    assert_eq!(
        ids("/api/v5/market/history-trades?instId=SOL-USDT&after=23"),
        ["22", "21"]
    );
    let (_, prints) = ask("/api/v5/market/trades?instId=SOL-USDT&limit=1");
    let print = ["px", "sz", "side", "ts", "count"].map(|key| prints[0][key].clone());
    let ts = NOW.as_millis().to_string();
    assert_eq!(print, ["20", "0.003", "buy", ts.as_str(), "1"]);
}

#[test]
fn each_endpoint_has_a_limit_of_its_own() {
    let quota = |target: &str| {
        let reply = reply(target);
        assert_eq!(reply.weight, 0, "all of them together have none");
        let quota = reply.quota.unwrap();
        assert_eq!(quota.rate.per.0, 2_000_000_000);
        (quota.name, quota.rate.count)
    };
    let books = quota("/api/v5/market/books?instId=SOL-USDT");
    assert_eq!(
        (books.1, quota("/api/v5/market/trades?instId=SOL-USDT").1),
        (40, 100)
    );
    let spot = quota("/api/v5/public/instruments?instType=SPOT");
    let swap = quota("/api/v5/public/instruments?instType=SWAP");
    assert_eq!((spot.1, swap.1), (20, 20));
    assert_ne!(spot.0, swap.0, "each type is counted by itself");
    assert_eq!(
        ask("/api/v5/public/time").1,
        [json!({"ts": NOW.as_millis().to_string()})]
    );
}

#[test]
fn refusals_are_in_the_exchanges_own_shape() {
    let call = Call::post("/api/v5/public/time", "{}");
    let too_many = Refusal::TooMany { retry_after_s: 1 };
    for (reply, status, code) in [
        (OkxMirror.rest(call, &mut market()), 405, "50115"),
        (reply("/api/v5/nothing"), 404, "404"),
        (OkxMirror.refuse(too_many, call), 429, "50011"),
    ] {
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, &body["code"]), (status, &code.into()));
        assert_eq!(body["data"], json!([]));
    }
    assert_eq!(OkxMirror.ban(), None);
}
