//! What is played of recordings, and how their contracts are listed.

use super::*;
use crate::base::Channel;
use crate::exchange::Topic;
use crate::exchange::mirror::still::Still as Played;

const DEPTH: &str = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","s":"BTCUSDT"}}"#;
const RAW: &str =
    r#"{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}"#;
const TRADE: &str = r#"{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}"#;

#[test]
fn a_frame_is_carried_on_its_own_route_at_the_speed_that_was_asked_for() {
    let mut market = Played::played(&USDM, &["BTCUSDT", "ETHUSDT"]);
    let mut carried = |path: &str, symbol: &str, speed: usize| {
        let topics = Channel::ALL.map(|channel| Topic { symbol, channel });
        let depth = &USDM.depth_streams()[speed];
        let (session, _) = market.connect(&USDM, path, &topics, depth);
        let awaits = session.awaits("BTCUSDT");
        (
            [DEPTH, RAW, TRADE].map(|frame| session.carries(frame)),
            awaits,
        )
    };
    let (public, market) = ("/public/stream", "/market/stream");
    assert_eq!(carried(public, "BTCUSDT", 3), ([true, true, false], true));
    assert_eq!(carried(market, "BTCUSDT", 3), ([false, false, true], false));
    // A frame without an envelope does not say at which speed it came.
    assert_eq!(carried(public, "BTCUSDT", 0), ([false, true, false], true));
    assert_eq!(carried(public, "ETHUSDT", 3), ([false; 3], false));
}

#[test]
fn recorded_snapshots_are_given_out_in_their_order() {
    let mut market = Played::played(&COINM, &["BTCUSD_PERP"]);
    market.played = Some(vec!["second".to_owned(), "first".to_owned()]);
    let mut ask = || {
        let call = Call::get("/dapi/v1/depth?symbol=BTCUSD_PERP&limit=1000");
        let reply = COINM.mirror().rest(call, &mut market);
        (reply.status, reply.body)
    };
    assert_eq!(ask(), (200, "first".to_owned()));
    assert_eq!(ask(), (200, "second".to_owned()));
    assert_eq!(ask().0, 503);
}

#[test]
fn a_symbol_tells_what_a_contract_is() {
    let facts = |market: &BinanceFutures, symbol: &str| {
        let listed = Played::played(market, &[symbol]).listings[0].instrument;
        let (name, settle) = (listed.name.to_string(), listed.settle.to_string());
        (name, listed.kind, settle, listed.contract.size)
    };
    let fact =
        |name: &str, kind, settle: &str, size| (name.to_owned(), kind, settle.to_owned(), size);
    assert_eq!(
        facts(&USDM, "1000SHIBUSDT"),
        fact(
            "binance-usdm:1000SHIB-USDT-PERP",
            Kind::Perpetual,
            "USDT",
            1
        )
    );
    assert_eq!(
        facts(&COINM, "BTCUSD_211231"),
        fact("binance-coinm:BTC-USD-211231", Kind::Future, "BTC", 100)
    );
    assert_eq!(
        facts(&COINM, "LINKUSD_PERP"),
        fact("binance-coinm:LINK-USD-PERP", Kind::Perpetual, "LINK", 10)
    );
}
