//! What is played of recordings, and how their instruments are listed.

use super::*;
use crate::base::Channel;
use crate::exchange::mirror::still::Still;
use crate::exchange::{Exchange, Topic};

#[test]
fn a_topic_is_carried_to_who_asked_for_it_and_the_best_levels_are_not_repeated() {
    let mut market = Still::played(&SPOT, &["TUSDUSDT", "OPUSDC"]);
    let topics = [Channel::Depth, Channel::Quotes].map(|channel| Topic {
        symbol: "TUSDUSDT",
        channel,
    });
    let depth = &SPOT.depth_streams()[0];
    let (mut session, said) = market.connect(&SPOT, "/v5/public/spot", &topics, depth);
    assert_eq!(said.len(), 1, "{said:?}");
    for (topic, carried) in [
        ("orderbook.50.TUSDUSDT", true),
        ("orderbook.1.TUSDUSDT", true),
        ("orderbook.200.TUSDUSDT", false),
        ("publicTrade.TUSDUSDT", false),
        ("orderbook.50.OPUSDC", false),
    ] {
        let frame = format!(r#"{{"topic":"{topic}","ts":1,"type":"snapshot","data":{{}}}}"#);
        assert_eq!(session.carries(&frame), carried, "{topic}");
    }
    let later = UnixNanos(market.now().0 + 2 * REPEAT_NS);
    let mut out = Vec::new();
    session.handle_timeout(later, &mut out).unwrap();
    assert_eq!(out, [""; 0]);
}

#[test]
fn a_symbol_tells_what_an_instrument_is() {
    for (market, symbol, name, kind) in [
        (&SPOT, "TUSDUSDT", "bybit:TUSD-USDT", Kind::Spot),
        (
            &LINEAR,
            "AIOZUSDT",
            "bybit-linear:AIOZ-USDT-PERP",
            Kind::Perpetual,
        ),
        (
            &LINEAR,
            "BTCPERP",
            "bybit-linear:BTC-USDC-PERP",
            Kind::Perpetual,
        ),
        (
            &LINEAR,
            "BTC-26DEC25",
            "bybit-linear:BTC-USDC-251226",
            Kind::Future,
        ),
        (
            &LINEAR,
            "BTCUSDT-2JAN26",
            "bybit-linear:BTC-USDT-260102",
            Kind::Future,
        ),
    ] {
        let mut still = Still::played(market, &[symbol]);
        let listed = still.listings[0].instrument;
        assert_eq!((listed.name.as_str(), listed.kind), (name, kind));
        let request = market.metadata_requests(&[]).remove(0);
        let body = market.mirror().rest(request.call(), &mut still).body;
        assert_eq!(
            market.metadata(body.as_bytes()).unwrap().instruments,
            [listed]
        );
    }
}
