use super::*;
use crate::base::{Channel, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::hyperliquid::Hyperliquid;
use crate::exchange::mirror::{Happened, Listing, Pace};
use serde_json::Value;

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
    let trade = |id| Trade {
        instrument: InstrumentId(0),
        id,
        px: Px(5_001),
        qty: Qty(3),
        taker: Side::Buy,
        exch_time: NOW,
    };
    let mut out = Vec::new();
    for id in [1, 2] {
        session.handle_event(&Happened::Trade(trade(id)), &market, &mut out);
    }
    assert_eq!(out, Vec::<String>::new());
    let told = send(
        &mut *session,
        &mut market,
        &ask("subscribe", "trades", "BTC"),
    );
    let ids = [0, 1].map(|n| told[1]["data"][n]["tid"].as_u64());
    assert_eq!(ids, [Some(1), Some(2)]);
    session.handle_event(&Happened::Trade(trade(3)), &market, &mut out);
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
