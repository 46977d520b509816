//! What is played of recordings, and how their instruments are listed.

use super::*;
use crate::base::{Channel, Kind};
use crate::exchange::Topic;

#[test]
fn a_recording_has_all_changes_at_once_for_everybody() {
    let symbol = "ETH-16APR21-1600-C";
    let mut market = Still::played(&Deribit, &[symbol]);
    let topic = Topic {
        symbol,
        channel: Channel::Depth,
    };
    let raw = &Deribit.depth_streams()[1];
    let (session, said) = market.connect(&Deribit, "/ws/api/v2", &[topic], raw);
    let answer: Value = serde_json::from_str(said.last().unwrap()).unwrap();
    assert_eq!(answer["result"], json!(["book.ETH-16APR21-1600-C.raw"]));
    for (channel, carried) in [
        ("book.ETH-16APR21-1600-C.raw", true),
        ("book.ETH-16APR21-1600-C.100ms", false),
        ("ticker.ETH-16APR21-1600-C.raw", false),
    ] {
        let frame =
            format!(r#"{{"params":{{"data":{{}},"channel":"{channel}"}},"jsonrpc":"2.0"}}"#);
        assert_eq!(session.carries(&frame), carried, "{channel}");
    }
    assert!(!session.carries(said.last().unwrap()));
}

#[test]
fn a_symbol_tells_what_an_instrument_is() {
    for (symbol, name, kind, quote, settle, inverse) in [
        (
            "BTC-PERPETUAL",
            "BTC-USD-PERP",
            Kind::Perpetual,
            "USD",
            "BTC",
            true,
        ),
        (
            "SOL_USDC-PERPETUAL",
            "SOL-USDC-PERP",
            Kind::Perpetual,
            "USDC",
            "USDC",
            false,
        ),
        (
            "BTC-25MAR22",
            "BTC-USD-220325",
            Kind::Future,
            "USD",
            "BTC",
            true,
        ),
        (
            "ETH-6APR21-2400-P",
            "ETH-USD-210406-2400-P",
            Kind::Option,
            "ETH",
            "ETH",
            false,
        ),
        (
            "XRP_USDC-6APR21-0d5-C",
            "XRP-USDC-210406-0.5-C",
            Kind::Option,
            "USDC",
            "USDC",
            false,
        ),
        ("BTC_USDC", "BTC-USDC", Kind::Spot, "USDC", "USDC", false),
    ] {
        let mut market = Still::played(&Deribit, &[symbol]);
        let listed = market.listings[0].instrument;
        assert_eq!(listed.name.as_str(), format!("deribit:{name}"));
        let facts = (listed.kind, listed.quote.as_str(), listed.settle.as_str());
        assert_eq!(
            (facts, listed.contract.inverse),
            ((kind, quote, settle), inverse)
        );
        let request = Deribit.metadata_requests(&[]).remove(0);
        let body = Deribit.mirror().rest(request.call(), &mut market).body;
        assert_eq!(
            Deribit.metadata(body.as_bytes()).unwrap().instruments,
            [listed]
        );
    }
}
