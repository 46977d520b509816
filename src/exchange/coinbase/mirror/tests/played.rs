//! What is played of recordings of both protocols.

use super::*;
use crate::base::Channel;
use crate::exchange::Topic;
use crate::exchange::mirror::still::Still;

const PRODUCTS: [&str; 2] = ["SKL-GBP", "YFI-BTC"];

fn topics(symbol: &str) -> [Topic<'_>; 3] {
    Channel::ALL.map(|channel| Topic { symbol, channel })
}

#[test]
fn the_feed_plays_books_that_only_a_signed_client_got() {
    let mut market = Still::played(&ExchangeFeed, &PRODUCTS);
    let level2 = &ExchangeFeed.depth_streams()[1];
    let (session, said) = market.connect(&ExchangeFeed, "/", &topics("SKL-GBP"), level2);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("level2") && !session.carries(&said[0]));
    for (kind, carried) in [
        ("snapshot", true),
        ("l2update", true),
        ("match", true),
        ("last_match", true),
        ("ticker", true),
        ("heartbeat", false),
    ] {
        let frame = |product| format!(r#"{{"type":"{kind}","product_id":"{product}"}}"#);
        assert_eq!(session.carries(&frame(PRODUCTS[0])), carried, "{kind}");
        assert!(!session.carries(&frame(PRODUCTS[1])), "{kind}");
    }
}

#[test]
fn advanced_trade_leaves_all_numbers_to_the_recording() {
    let mut market = Still::played(&AdvancedTrade, &PRODUCTS);
    let depth = &AdvancedTrade.depth_streams()[0];
    let beat = r#"{"channel":"heartbeats","sequence_num":7,"events":[]}"#;
    let (quiet, said) = market.connect(&AdvancedTrade, "/", &[], depth);
    assert!(said.is_empty() && !quiet.carries(beat));
    let (mut session, said) = market.connect(&AdvancedTrade, "/", &topics("SKL-GBP"), depth);
    assert!(said.is_empty() && session.carries(beat));
    assert_eq!(session.poll_timeout(), None);
    let mut out = Vec::new();
    session
        .handle_text(r#"{"type":"zz"}"#, &mut market, &mut out)
        .unwrap();
    assert!(out[0].contains("error"), "what is refused has no number");
}
