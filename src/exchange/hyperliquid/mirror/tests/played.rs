//! What is played of recordings, and how their coins are listed.

use super::*;
use crate::exchange::Topic;
use crate::exchange::hyperliquid::DEPTHS;

#[test]
fn a_book_that_says_that_it_is_fast_is_not_carried_to_who_asked_for_the_slow_one() {
    let mut market = Moving::played(&Hyperliquid, &["BTC", "ETH"]);
    let topics = Channel::ALL.map(|channel| Topic {
        symbol: "BTC",
        channel,
    });
    let mut carried = |depth: usize| {
        let depth = &DEPTHS[depth];
        let (session, said) = market.connect(&Hyperliquid, "/ws", &topics, depth);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(!said.iter().any(|frame| session.carries(frame)));
        [
            r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[],[]]}}"#,
            r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[],[]],"fast":true}}"#,
            r#"{"channel":"trades","data":[{"coin":"BTC","side":"A","px":"1","sz":"1"}]}"#,
            r#"{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,null]}}"#,
            r#"{"channel":"l2Book","data":{"coin":"ETH","time":1,"levels":[[],[]]}}"#,
            r#"{"channel":"trades","data":[]}"#,
        ]
        .map(|frame| session.carries(frame))
    };
    assert_eq!(carried(0), [true, true, true, true, false, false]);
    assert_eq!(carried(1), [true, false, true, true, false, false]);
}

#[test]
fn a_size_has_the_decimals_that_prices_leave_to_it() {
    for (symbol, seen, name, scales) in [
        ("BTC", (1, 5), "hyperliquid:BTC-USDC-PERP", (1, 5)),
        ("kPEPE", (6, 0), "hyperliquid:KPEPE-USDC-PERP", (6, 0)),
        ("ETH", (1, 2), "hyperliquid:ETH-USDC-PERP", (1, 5)),
        // Prices have a zero at their end, at least.
        ("ODD", (1, 6), "hyperliquid:ODD-USDC-PERP", (0, 6)),
        ("PURR/USDC", (5, 0), "hyperliquid:PURR-USDC", (5, 3)),
    ] {
        let symbol = Symbol::from(symbol).unwrap();
        let listed = HyperliquidMirror.recorded(&Instrument::bare("hyperliquid", symbol, seen));
        assert_eq!(listed.name.as_str(), name);
        assert_eq!((listed.px_scale, listed.qty_scale), scales, "{name}");
    }
}
