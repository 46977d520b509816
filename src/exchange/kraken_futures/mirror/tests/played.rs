//! What is played of recordings, and how their contracts are listed.

use super::*;
use crate::exchange::Topic;
use crate::exchange::mirror::still::Still;

#[test]
fn a_feed_is_carried_to_who_asked_for_it() {
    let mut market = Still::played(&KrakenFutures, &["PI_BCHUSD", "FI_XBTUSD_210430"]);
    let topics = Channel::ALL.map(|channel| Topic {
        symbol: "PI_BCHUSD",
        channel,
    });
    let depth = &KrakenFutures.depth_streams()[0];
    let (session, said) = market.connect(&KrakenFutures, "/ws/v1", &topics, depth);
    assert!(
        said.iter().all(|frame| frame.starts_with(r#"{"event""#)),
        "{said:?}"
    );
    for (feed, symbol, carried) in [
        ("book_snapshot", "PI_BCHUSD", true),
        ("book", "PI_BCHUSD", true),
        ("trade", "PI_BCHUSD", true),
        ("ticker", "PI_BCHUSD", true),
        ("ticker_lite", "PI_BCHUSD", false),
        ("book", "FI_XBTUSD_210430", false),
    ] {
        let frame = format!(r#"{{"feed":"{feed}","product_id":"{symbol}","seq":7}}"#);
        assert_eq!(session.carries(&frame), carried, "{frame}");
    }
    assert!(!said.iter().any(|frame| session.carries(frame)));
}

#[test]
fn a_symbol_tells_what_a_contract_is() {
    for (symbol, name, kind, settle, inverse) in [
        ("PF_XBTUSD", "BTC-USD-PERP", Kind::Perpetual, "USD", false),
        (
            "PI_BCHUSD",
            "BCH-USD-INVERSE-PERP",
            Kind::Perpetual,
            "BCH",
            true,
        ),
        (
            "FI_XBTUSD_210430",
            "BTC-USD-210430",
            Kind::Future,
            "BTC",
            true,
        ),
    ] {
        let mut market = Still::played(&KrakenFutures, &[symbol]);
        let listed = market.listings[0].instrument;
        assert_eq!(listed.name.as_str(), format!("kraken-futures:{name}"));
        let facts = (listed.kind, listed.settle.as_str(), listed.contract.inverse);
        assert_eq!(facts, (kind, settle, inverse), "{symbol}");
        let request = KrakenFutures.metadata_requests(&[]).remove(0);
        let body = FuturesMirror.rest(request.call(), &mut market).body;
        assert_eq!(
            KrakenFutures.metadata(body.as_bytes()).unwrap().instruments,
            [listed]
        );
    }
}
