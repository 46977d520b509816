//! What is played of recordings, and how their instruments are listed.

use super::*;
use crate::exchange::Exchange;

#[test]
fn a_recording_of_the_fastest_books_is_played_to_everybody() {
    let mut market = Moving::played(&Okx, &["BTC-USDT", "FUN-BTC"]);
    let topics = [Channel::Depth, Channel::Trades].map(|channel| Topic {
        symbol: "FUN-BTC",
        channel,
    });
    let (session, said) = market.connect(&Okx, "/ws/v5/public", &topics, &DEPTHS[1]);
    assert_eq!(said.len(), 2, "{said:?}");
    for (channel, symbol, carried) in [
        ("books-l2-tbt", "FUN-BTC", true),
        ("trades", "FUN-BTC", true),
        ("books", "FUN-BTC", false),
        ("bbo-tbt", "FUN-BTC", false),
        ("books-l2-tbt", "BTC-USDT", false),
    ] {
        let arg = format!(r#"{{"channel":"{channel}","instId":"{symbol}"}}"#);
        let frame = format!(r#"{{"arg":{arg},"action":"update","data":[]}}"#);
        assert_eq!(session.carries(&frame), carried, "{frame}");
    }
    assert!(!said.iter().any(|frame| session.carries(frame)) && !session.carries("pong"));
    let cut = UnixNanos(market.now().0 + 30_000_000_000);
    assert_eq!(
        session.poll_timeout(),
        Some(cut),
        "no book says that it is quiet"
    );
}

#[test]
fn a_symbol_tells_what_an_instrument_is() {
    for (symbol, kind, quote, settle, size, inverse) in [
        ("FUN-BTC", Kind::Spot, "BTC", "BTC", 1, false),
        ("UNI-USD-SWAP", Kind::Perpetual, "USD", "UNI", 10, true),
        ("XMR-USDT-SWAP", Kind::Perpetual, "USDT", "USDT", 1, false),
        ("BTC-USD-220527", Kind::Future, "USD", "BTC", 100, true),
        (
            "BTC-USD-210924-42000-P",
            Kind::Option,
            "BTC",
            "BTC",
            1,
            false,
        ),
    ] {
        let mut market = Moving::played(&Okx, &[symbol]);
        let listed = market.listings[0].instrument;
        let facts = (listed.kind, listed.quote.as_str(), listed.settle.as_str());
        assert_eq!(facts, (kind, quote, settle), "{symbol}");
        assert_eq!(
            (listed.contract.size, listed.contract.inverse),
            (size, inverse)
        );
        let request = Okx.metadata_requests(&[symbol]).remove(0);
        let body = Okx.mirror().rest(request.call(), &mut market).body;
        assert_eq!(Okx.metadata(body.as_bytes()).unwrap().instruments, [listed]);
    }
}
