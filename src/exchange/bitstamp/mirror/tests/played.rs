//! What is played of recordings, and how their markets are listed.

use super::*;
use crate::base::Channel;
use crate::exchange::bitstamp::Bitstamp;
use crate::exchange::mirror::still::Still;
use crate::exchange::{Exchange, Topic};

#[test]
fn channels_are_carried_and_their_acknowledgements_are_not() {
    let mut market = Still::played(&Bitstamp, &["xrppax", "btcusd"]);
    let topic = Topic {
        symbol: "xrppax",
        channel: Channel::Depth,
    };
    let depth = &Bitstamp.depth_streams()[0];
    let (session, said) = market.connect(&Bitstamp, "/", &[topic], depth);
    assert_eq!(said.len(), 1);
    assert!(session.awaits("xrppax") && !session.awaits("btcusd"));
    for (frame, carried) in [
        (
            r#"{"data":{"bids":[]},"channel":"diff_order_book_xrppax","event":"data"}"#,
            true,
        ),
        (
            r#"{"data":{"bids":[]},"channel":"diff_order_book_btcusd","event":"data"}"#,
            false,
        ),
        (
            r#"{"data":{"id":1},"channel":"live_trades_xrppax","event":"trade"}"#,
            false,
        ),
        (said[0].as_str(), false),
    ] {
        assert_eq!(session.carries(frame), carried, "{frame}");
    }
}

#[test]
fn recorded_snapshots_are_given_out_once() {
    let mut market = Still::played(&Bitstamp, &["xrppax"]);
    market.played = Some(vec!["recorded".to_owned()]);
    let mut ask = || BitstampMirror.rest(Call::get("/api/v2/order_book/xrppax/"), &mut market);
    let reply = ask();
    assert_eq!((reply.status, reply.body.as_str()), (200, "recorded"));
    assert_eq!(ask().status, 503);
}

#[test]
fn a_symbol_tells_both_assets_and_large_quantities_make_a_coarser_lot() {
    let listed = |symbol: &str, qty_scale| {
        let symbol = Symbol::from(symbol).unwrap();
        BitstampMirror.recorded(&Instrument::bare("bitstamp", symbol, (5, qty_scale)))
    };
    assert_eq!(listed("xrppax", 8).name.as_str(), "bitstamp:XRP-PAX");
    assert_eq!(listed("gusdusd", 8).name.as_str(), "bitstamp:GUSD-USD");
    let scales = [8, 6, 0]
        .map(|scale| listed("btcusd", scale))
        .map(|i| (i.qty_scale, i.lot));
    assert_eq!(scales, [(8, Qty(1)), (6, Qty(100)), (2, Qty(100))]);
}
