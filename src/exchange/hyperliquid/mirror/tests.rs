mod played;

use super::*;
use crate::base::{Channel, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::hyperliquid::Hyperliquid;
use crate::exchange::mirror::still::Still as Moving;
use crate::exchange::mirror::{Content, Happened, Listing, Pace, Refusal};
use serde_json::{Value, json};

const NOW: UnixNanos = UnixNanos(1_790_000_000_000_000_000);

/// A market of a perpetual and a pair with the same book.
struct Still(Vec<Listing>);

impl Market for Still {
    fn now(&self) -> UnixNanos {
        NOW
    }
    fn listings(&self) -> &[Listing] {
        &self.0
    }
    fn flush(&mut self, _listing: usize, _pace: Pace) {}
    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (1, 1)
    }
    fn levels(&self, _listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let step = match side {
            Side::Buy => -1,
            Side::Sell => 1,
        };
        Box::new((1..).take(30).map(move |n| level(5_000 + step * n, 7)))
    }
    /// Two of the perpetual.
    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        let ids = if listing == 0 { 1..3 } else { 1..1 };
        Box::new(ids.map(print))
    }
}

fn print(id: u64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id,
        px: Px(5_001),
        qty: Qty(3),
        taker: Side::Buy,
        exch_time: NOW,
    }
}

fn level(px: i64, qty: u64) -> Level {
    let (px, qty) = (Px(px), Qty(qty));
    Level { px, qty }
}

fn still() -> Still {
    let listing = |(n, base, quote)| {
        let mut instrument = HyperliquidMirror.list(base, quote, 2, 5);
        instrument.id = InstrumentId(n);
        let volume = 900;
        Listing { instrument, volume }
    };
    Still([(0, "BTC", "USD"), (1, "PURR", "USDC")].map(listing).into())
}

fn send(session: &mut dyn MirrorSession, market: &mut Still, text: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let done = session.handle_text(text, market, &mut out);
    assert_eq!(done, Ok(()));
    let parse = |text: &String| serde_json::from_str(text).unwrap();
    out.iter().map(parse).collect()
}

fn ask(method: &str, kind: &str, coin: &str) -> String {
    format!(r#"{{"method":"{method}","subscription":{{"type":"{kind}","coin":"{coin}"}}}}"#)
}

#[test]
fn it_lists_perpetuals_in_dollars_and_pairs_in_tokens() {
    let [perp, pair] = [0, 1].map(|n| still().0[n].instrument);
    assert_eq!(perp.name.as_str(), "hyperliquid:BTC-USDC-PERP");
    assert_eq!((perp.px_scale, perp.qty_scale), (2, 4));
    assert_eq!(pair.name.as_str(), "hyperliquid:PURR-USDC");
    assert_eq!((pair.px_scale, pair.qty_scale), (3, 5));
    let mut market = still();
    let mut found = Vec::new();
    for request in Hyperliquid.metadata_requests(&[]) {
        let body = request.body.unwrap();
        let (target, body) = (request.path.as_str(), body.as_str());
        let reply = HyperliquidMirror.rest(Call::post(target, body), &mut market);
        found.extend(
            Hyperliquid
                .metadata(reply.body.as_bytes())
                .unwrap()
                .instruments,
        );
    }
    let id = InstrumentId(0);
    assert_eq!(found, [perp, Instrument { id, ..pair }]);
}

#[test]
fn a_subscription_to_a_book_begins_with_twenty_levels_of_it() {
    let (mut session, mut market) = (HyperliquidMirror.session("/ws").unwrap(), still());
    let out = send(
        &mut *session,
        &mut market,
        &ask("subscribe", "l2Book", "BTC"),
    );
    assert_eq!(out[0]["channel"], "subscriptionResponse");
    assert_eq!(out[0]["data"]["subscription"]["coin"], "BTC");
    let levels = &out[1]["data"]["levels"];
    assert_eq!(levels[0].as_array().unwrap().len(), 20);
    assert_eq!(
        (&levels[0][0]["px"], &levels[1][0]["px"]),
        (&"49.99".into(), &"50.01".into())
    );
    assert_eq!(session.streams(), 1);
    assert!(HyperliquidMirror.session("/stream").is_none());
}

#[test]
fn bad_and_needless_requests_are_refused_in_words() {
    let (mut session, mut market) = (HyperliquidMirror.session("/ws").unwrap(), still());
    let mut why = |text: &str| {
        let out = send(&mut *session, &mut market, text);
        out[0]["data"].as_str().unwrap_or_default().to_owned()
    };
    let bbo = ask("subscribe", "bbo", "BTC");
    assert_eq!(why(&bbo), "");
    let again = r#"Already subscribed: {"coin":"BTC","type":"bbo"}"#;
    assert_eq!(why(&bbo), again);
    assert_eq!(why(&ask("unsubscribe", "bbo", "BTC")), "");
    let again = r#"Already unsubscribed: {"coin":"BTC","type":"bbo"}"#;
    assert_eq!(why(&ask("unsubscribe", "bbo", "BTC")), again);
    for bad in [ask("subscribe", "bbo", "X"), ask("subscribe", "x", "BTC")] {
        assert!(why(&bad).starts_with("Invalid subscription {"), "{bad}");
    }
    assert!(why("nonsense").starts_with("Error parsing JSON"));
}

#[test]
fn who_subscribes_to_trades_is_told_of_the_past_first() {
    let (mut session, mut market) = (HyperliquidMirror.session("/ws").unwrap(), still());
    let mut out = Vec::new();
    for id in [1, 2] {
        session.handle_event(&Happened::Trade(print(id)), &market, &mut out);
    }
    assert_eq!(out, Vec::<String>::new());
    let told = send(
        &mut *session,
        &mut market,
        &ask("subscribe", "trades", "BTC"),
    );
    let ids = [0, 1].map(|n| told[1]["data"][n]["tid"].as_u64());
    assert_eq!(ids, [Some(1), Some(2)]);
    session.handle_event(&Happened::Trade(print(3)), &market, &mut out);
    let quote = Quote {
        instrument: InstrumentId(0),
        update_id: 1,
        bid: level(1, 1),
        ask: level(2, 1),
    };
    session.handle_event(&Happened::Quote(quote), &market, &mut out);
    assert_eq!(out.len(), 1, "only what was subscribed to: {out:?}");
    assert!(out[0].contains(r#""px":"50.01""#), "{}", out[0]);
    let topics = [Channel::Trades].map(|channel| crate::exchange::Topic {
        symbol: "PURR/USDC",
        channel,
    });
    let asked = Hyperliquid.subscribe(&topics, &Hyperliquid.depth_streams()[0], 1);
    let told = send(&mut *session, &mut market, &asked[0].text);
    assert_eq!(told.len(), 1, "it has no past");
}

#[test]
fn a_client_that_does_not_ping_is_cut() {
    let (mut session, mut market) = (HyperliquidMirror.session("/ws").unwrap(), still());
    let mut out = Vec::new();
    session.handle_open(&mut market, &mut out);
    let at = |seconds: i64| UnixNanos(NOW.0 + seconds * 1_000_000_000);
    assert_eq!(session.poll_timeout(), Some(at(60)));
    assert_eq!(session.handle_timeout(at(59), &mut out), Ok(()));
    assert!(session.handle_timeout(at(60), &mut out).is_err());
    let ping = Hyperliquid.keep_alive().unwrap().text;
    let told = send(&mut *session, &mut market, ping);
    assert_eq!(told[0]["channel"], "pong");
}

/// BTC and SOL, both perpetuals.
fn market() -> Moving {
    Moving::of(&HyperliquidMirror, &["BTC", "SOL"])
}

/// What `/info` answers.
fn info(asked: &Value) -> Value {
    let body = asked.to_string();
    let reply = HyperliquidMirror.rest(Call::post("/info", &body), &mut market());
    assert_eq!(
        (reply.status, reply.content),
        (200, Content::Json),
        "{asked}"
    );
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn questions_are_answered_about_the_coin_that_was_asked_for() {
    let book = info(&json!({"type": "l2Book", "coin": "SOL"}));
    assert_eq!(
        (&book["coin"], &book["levels"][0][0]["px"]),
        (&"SOL".into(), &"1.999".into())
    );
    assert_eq!(book["levels"][1].as_array().unwrap().len(), 20);
    assert_eq!(
        info(&json!({"type": "l2Book", "coin": "NONE"})),
        Value::Null
    );
    let trades = info(&json!({"type": "recentTrades", "coin": "SOL"}));
    assert_eq!(
        (&trades[0]["coin"], &trades[0]["tid"]),
        (&"SOL".into(), &23.into())
    );
    assert_eq!(
        info(&json!({"type": "allMids"})),
        json!({"BTC": "1.0", "SOL": "2.0"})
    );
    assert_eq!(info(&json!({"type": "perpDexs"})), json!([null]));
    // Markets that others list: there are none.
    assert_eq!(info(&json!({"type": "allMids", "dex": "other"})), json!({}));
    assert_eq!(
        info(&json!({"type": "meta", "dex": "other"}))["universe"],
        json!([])
    );
    assert_eq!(
        info(&json!({"type": "meta", "dex": ""}))["universe"][1]["name"],
        "SOL"
    );
    let user = "0x0000000000000000000000000000000000000000";
    assert_eq!(info(&json!({"type": "userFills", "user": user})), json!([]));
    assert_eq!(
        info(&json!({"type": "clearinghouseState", "user": user}))["withdrawable"],
        "0.0"
    );
    let spot = info(&json!({"type": "spotMeta"}));
    assert_eq!(
        (&spot["universe"], &spot["tokens"][0]["name"]),
        (&json!([]), &"USDC".into())
    );
}

#[test]
fn contexts_have_the_documented_fields() {
    let [meta, contexts] = [0, 1].map(|n| info(&json!({"type": "metaAndAssetCtxs"}))[n].take());
    assert_eq!(
        meta["universe"].as_array().unwrap().len(),
        contexts.as_array().unwrap().len()
    );
    assert_eq!(
        contexts[1],
        json!({
            "dayNtlVlm": "900.0", "dayBaseVlm": "450.0", "prevDayPx": "1.8",
            "markPx": "2.0", "midPx": "2.0", "oraclePx": "2.0",
            "impactPxs": ["1.999", "2.001"], "funding": "0.0000125", "openInterest": "0.0",
            "premium": "0.0",
        })
    );
}

#[test]
fn a_coarse_book_sums_what_its_levels_hide() {
    let book = |asked: Value| info(&asked)["levels"].take();
    // From 1.999 down: thirty levels of 0.005 each, in steps of a hundredth.
    let three = book(json!({"type": "l2Book", "coin": "SOL", "nSigFigs": 3}));
    assert_eq!(three[0][0], json!({"px": "1.99", "sz": "0.05", "n": 10}));
    assert_eq!(three[0].as_array().unwrap().len(), 3);
    assert_eq!(three[1][0], json!({"px": "2.01", "sz": "0.05", "n": 10}));
    let fine = book(json!({"type": "l2Book", "coin": "SOL", "nSigFigs": 5, "mantissa": 2}));
    assert_eq!(fine[0][0]["px"], "1.999", "it has fewer figures anyhow");
    for bad in [
        json!({"nSigFigs": 1}),
        json!({"nSigFigs": 4, "mantissa": 2}),
    ] {
        let mut asked = bad;
        (asked["type"], asked["coin"]) = ("l2Book".into(), "SOL".into());
        let body = asked.to_string();
        let reply = HyperliquidMirror.rest(Call::post("/info", &body), &mut market());
        assert_eq!((reply.status, reply.content), (422, Content::Text));
    }
}

#[test]
fn refusals_are_in_the_exchanges_own_shape_and_light_questions_weigh_less() {
    let rest = |call| HyperliquidMirror.rest(call, &mut market());
    assert_eq!(
        (rest(Call::get("/info")).status, rest(Call::get("/")).status),
        (405, 404)
    );
    let unknown = rest(Call::post("/info", r#"{"type":"x"}"#));
    assert_eq!((unknown.status, unknown.content), (422, Content::Text));
    let call = Call::post("/info", r#"{"type":"allMids"}"#);
    let refused = HyperliquidMirror.refuse(Refusal::TooMany { retry_after_s: 1 }, call);
    assert_eq!((refused.status, refused.body.as_str()), (429, "null"));
    assert_eq!(rest(call).weight, 2);
    assert_eq!(rest(Call::post("/info", r#"{"type":"meta"}"#)).weight, 20);
}

/// A session that asked for this, and what it was told at once.
fn follow(market: &mut Moving, asked: &Value) -> (Box<dyn MirrorSession>, Vec<Value>) {
    let mut session = HyperliquidMirror.session("/ws").unwrap();
    let text = json!({"method": "subscribe", "subscription": asked}).to_string();
    let mut out = Vec::new();
    session.handle_text(&text, market, &mut out).unwrap();
    let mut said: Vec<Value> = out
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(said.remove(0)["channel"], "subscriptionResponse");
    (session, said)
}

#[test]
fn books_come_as_seldom_as_documented_and_the_newest_is_never_lost() {
    for (fast, pause_ms) in [(true, 500), (false, 5_000)] {
        let (mut market, mut out) = (market(), Vec::new());
        let asked = json!({"type": "l2Book", "coin": "SOL", "fast": fast});
        let (mut session, said) = follow(&mut market, &asked);
        assert_eq!(said[0]["data"]["levels"][0][0]["px"], "1.999");
        let began = market.now;
        for _ in 0..4 {
            session.handle_event(&market.step(1, 100), &market, &mut out);
        }
        assert_eq!(out, [""; 0], "too early");
        let due = UnixNanos(began.0 + pause_ms * 1_000_000);
        assert_eq!(session.poll_timeout(), Some(due));
        session.handle_timeout(due, &mut out).unwrap();
        let book: Value = serde_json::from_str(&out[0]).unwrap();
        assert_eq!(
            book["data"]["levels"][0][0]["px"], "2.003",
            "as of the last change"
        );
        assert_eq!(out.len(), 1);
        session.handle_event(&market.step(1, 2 * pause_ms), &market, &mut out);
        assert_eq!(out.len(), 2, "at once, if the last one was long ago");
    }
}

#[test]
fn a_context_is_told_when_it_changed_and_all_middles_now_and_then() {
    let (mut market, mut out) = (market(), Vec::new());
    let (mut session, said) = follow(
        &mut market,
        &json!({"type": "activeAssetCtx", "coin": "SOL"}),
    );
    assert_eq!(
        (&said[0]["channel"], &said[0]["data"]["coin"]),
        (&"activeAssetCtx".into(), &"SOL".into())
    );
    assert_eq!(said[0]["data"]["ctx"]["midPx"], "2.0");
    session.handle_event(&market.step(0, 100), &market, &mut out);
    assert_eq!(out, [""; 0], "another coin's news");
    let event = market.step(1, 100);
    session.handle_event(&event, &market, &mut out);
    session.handle_event(&event, &market, &mut out);
    let told: Value = serde_json::from_str(&out[0]).unwrap();
    assert_eq!(
        (out.len(), &told["data"]["ctx"]["midPx"]),
        (1, &"2.002".into())
    );
    out.clear();
    let (mut session, said) = follow(&mut market, &json!({"type": "allMids"}));
    assert_eq!(
        said[0]["data"]["mids"],
        json!({"BTC": "1.002", "SOL": "2.002"})
    );
    session.handle_event(&market.step(0, 1_900), &market, &mut out);
    assert_eq!(out, [""; 0], "two seconds have not passed");
    session.handle_event(&market.step(1, 100), &market, &mut out);
    let told: Value = serde_json::from_str(&out[0]).unwrap();
    assert_eq!(
        (out.len(), &told["data"]["mids"]["BTC"]),
        (1, &"1.004".into())
    );
}

#[test]
fn a_best_level_is_told_at_once_and_a_question_is_answered_over_the_connection() {
    let mut market = market();
    let (mut session, said) = follow(&mut market, &json!({"type": "bbo", "coin": "SOL"}));
    let touch = [0, 1].map(|side| said[0]["data"]["bbo"][side]["px"].clone());
    assert_eq!(
        (&said[0]["channel"], touch),
        (&"bbo".into(), ["1.999".into(), "2.001".into()])
    );
    let mut ask = |payload: Value| {
        let request = json!({"type": "info", "payload": payload});
        let text = json!({"method": "post", "id": 7, "request": request}).to_string();
        let mut out = Vec::new();
        session.handle_text(&text, &mut market, &mut out).unwrap();
        let said: Value = serde_json::from_str(&out[0]).unwrap();
        assert_eq!(
            (&said["channel"], &said["data"]["id"]),
            (&"post".into(), &7.into())
        );
        said["data"]["response"].clone()
    };
    let book = ask(json!({"type": "l2Book", "coin": "SOL"}));
    assert_eq!(
        (&book["type"], &book["payload"]["data"]["coin"]),
        (&"info".into(), &"SOL".into())
    );
    assert_eq!(ask(json!({"type": "x"}))["type"], "error");
}
