//! What is played of recordings of both versions, and how their pairs are listed.

use super::*;
use crate::exchange::kraken::DEPTHS;
use crate::exchange::mirror::still::Still;

const V2: &str = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":1}]}"#;
const V1: &str = r#"[336,{"a":[["60001.0","1.0","1.0"]]},{"b":[],"c":"1"},"book-1000","XBT/USD"]"#;
const TRADE: &str = r#"[337,[["60000.5","0.01","1.5","s","m",""]],"trade","XBT/USD"]"#;

fn topics(symbol: &str) -> [Topic<'_>; 3] {
    Channel::ALL.map(|channel| Topic { symbol, channel })
}

#[test]
fn frames_of_both_versions_are_carried_to_our_own_client() {
    let mut market = Still::played(&Kraken, &["XBT/USD", "ETH/USD"]);
    let mut carried = |symbol: &str, depth: usize| {
        let (session, said) = market.connect(&Kraken, "/v2", &topics(symbol), &DEPTHS[depth]);
        let market = ["book", "trade", "ticker"].map(|name| format!(r#"{{"channel":"{name}""#));
        for frame in &said {
            assert!(
                !market.iter().any(|begin| frame.starts_with(begin)),
                "{frame}"
            );
            assert!(!session.carries(frame));
        }
        [V2, V1, TRADE].map(|frame| session.carries(frame))
    };
    assert_eq!(carried("BTC/USD", 4), [true; 3]);
    // Only the first version names the depth of a book.
    assert_eq!(carried("BTC/USD", 0), [true, false, true]);
    assert_eq!(carried("ETH/USD", 4), [false; 3]);
}

#[test]
fn a_client_of_the_first_version_is_not_sent_frames_of_the_second() {
    let mut market = Still::played(&Kraken, &["XBT/USD"]);
    let (mut session, _) = market.connect(&Kraken, "/", &[], &DEPTHS[0]);
    let text =
        r#"{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"book","depth":1000}}"#;
    let mut out = Vec::new();
    session.handle_text(text, &mut market, &mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!([V2, V1].map(|frame| session.carries(frame)), [false, true]);
}

#[test]
fn a_pair_is_listed_by_its_name_of_today_and_its_old_frames_are_read() {
    let market = Still::played(&Kraken, &["XBT/USD", "XDG/EUR", "ICX/USD"]);
    let listed: Vec<Instrument> = market.listings.iter().map(|one| one.instrument).collect();
    let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        ["kraken:BTC-USD", "kraken:DOGE-EUR", "kraken:ICX-USD"]
    );
    assert_eq!(listed[0].symbol.as_str(), "BTC/USD");
    let (mut decoder, mut words) = (Kraken.decoder(&listed, &DEPTHS[4]), Words::new());
    assert_eq!(decoder.decode(V1.as_bytes(), &mut words), Ok(()));
    assert!(matches!(words.iter().next(), Some(Word::Diff(..))));
}
