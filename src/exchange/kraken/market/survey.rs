//! What a recording tells of its pairs. Cold: it parses each frame once more.

use super::decode::price_and_qty;
use super::v1;
use crate::exchange::Survey;
use crate::exchange::kit::read::{self, Node, Scratch};

/// Symbols, tokens and the depth of one frame, of either version. What is no market frame tells
/// nothing.
pub fn frame(frame: &str, survey: &mut Survey) {
    // What is not understood here is counted where it is decoded.
    let _ = Scratch::warmed(b"[]").read_exact(frame.as_bytes(), |nodes| {
        match nodes.first() {
            Some(Node::Object { .. }) => object(nodes, survey),
            Some(Node::Array { .. }) => array(nodes, survey),
            _ => None,
        };
        Ok(())
    });
}

fn text<'i>(nodes: &[Node<'i>], at: usize, key: &[u8]) -> Option<&'i str> {
    read::string(nodes.get(read::find(nodes, at, key)?)?)
}

fn object(nodes: &[Node<'_>], survey: &mut Survey) -> Option<()> {
    if let Some(pair) = text(nodes, 0, b"pair") {
        survey.symbol(pair);
        return Some(());
    }
    if let Some(result) = read::find(nodes, 0, b"result") {
        let symbol = text(nodes, result, b"symbol")?;
        survey.symbol(symbol);
        if text(nodes, result, b"channel")? == "book" {
            let stream = format!("book-{}", text(nodes, result, b"depth")?);
            survey.subscribed(symbol, &stream);
        }
        return Some(());
    }
    let channel = text(nodes, 0, b"channel")?;
    match channel {
        "book" | "trade" | "ticker" => {}
        "heartbeat" | "status" | "pong" => return Some(()),
        other => {
            survey.other(other);
            return Some(());
        }
    }
    for item in read::items(nodes, read::find(nodes, 0, b"data")?) {
        let symbol = text(nodes, item, b"symbol")?;
        match channel {
            "book" => {
                survey.book(symbol, None);
                for side in [b"bids", b"asks"] {
                    for level in read::items(nodes, read::find(nodes, item, side)?) {
                        let (px, qty) = price_and_qty(nodes, level).ok()?;
                        survey.level(symbol, px, qty);
                    }
                }
            }
            "trade" => {
                let (px, qty) = price_and_qty(nodes, item).ok()?;
                survey.level(symbol, px, qty);
            }
            "ticker" => {
                for (px, qty) in [("bid", "bid_qty"), ("ask", "ask_qty")] {
                    let value = |key: &str| text(nodes, item, key.as_bytes());
                    survey.level(symbol, value(px)?, value(qty)?);
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn array(nodes: &[Node<'_>], survey: &mut Survey) -> Option<()> {
    let frame = v1::Frame::of(nodes).ok()?;
    let pair = read::string(nodes.get(frame.pair)?)?;
    let mut pairs_in = |list: usize| -> Option<()> {
        for item in read::items(nodes, list) {
            let mut parts = read::items(nodes, item);
            let (px, qty) = (parts.next()?, parts.next()?);
            survey.level(
                pair,
                read::string(nodes.get(px)?)?,
                read::string(nodes.get(qty)?)?,
            );
        }
        Some(())
    };
    match frame.channel {
        "trade" => pairs_in(frame.bodies[0])?,
        "ticker" => {
            for side in [b"a", b"b"] {
                let (px, qty) = v1::best(nodes, frame.bodies[0], side).ok()?;
                survey.level(pair, px, qty);
            }
        }
        book if book.starts_with("book-") => {
            for body in frame.bodies.into_iter().filter(|body| *body != 0) {
                for (key, list) in read::entries(nodes, body) {
                    if matches!(key, b"as" | b"bs" | b"a" | b"b") {
                        pairs_in(list)?;
                    }
                }
            }
            survey.book(pair, Some(book));
        }
        other => survey.other(other),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::exchange::kraken::Kraken;

    fn found(frames: &[&str]) -> (Vec<(String, u8, u8)>, Option<&'static str>) {
        let mut survey = Survey::default();
        for text in frames {
            Kraken.survey(text, &mut survey);
        }
        let of = |i: &crate::base::Instrument| (i.symbol.to_string(), i.px_scale, i.qty_scale);
        let symbols = survey.instruments("kraken").iter().map(of).collect();
        let depth = survey.recorded_depth(&Kraken).map(|stream| stream.name);
        (symbols, depth)
    }

    #[test]
    fn scales_are_those_of_the_tokens_with_their_zeros() {
        let v2 = [
            r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#,
            r#"{"method":"subscribe","result":{"channel":"book","depth":25,"snapshot":true,"symbol":"BTC/USD"},"success":true}"#,
            r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[{"price":63000.0,"qty":0.00000000}],"checksum":1}]}"#,
            r#"{"channel":"trade","type":"update","data":[{"symbol":"ETH/USD","price":2000.50,"qty":1.0}]}"#,
            r#"{"channel":"heartbeat"}"#,
        ];
        let symbols = vec![("BTC/USD".into(), 1, 8), ("ETH/USD".into(), 2, 1)];
        assert_eq!(found(&v2), (symbols, Some("book-25")));
        let v1 = [
            r#"{"channelID":1,"channelName":"trade","event":"subscriptionStatus","pair":"XBT/EUR","status":"subscribed","subscription":{"name":"trade"}}"#,
            r#"[5,{"a":[["100.50000","1.00000000","1.5"]]},{"b":[["100.40000","0.00000000","1.5"]],"c":"7"},"book-1000","ICX/USD"]"#,
            r#"[6,{"a":["0.000023630",7289,"7289.86759215"],"b":["0.000023610",1173,"1173.00000000"]},"ticker","ALGO/XBT"]"#,
        ];
        let symbols = vec![
            ("XBT/EUR".into(), 0, 0),
            ("ICX/USD".into(), 5, 8),
            ("ALGO/XBT".into(), 9, 8),
        ];
        assert_eq!(found(&v1), (symbols, Some("book-1000")));
        assert_eq!(found(&["[]", "{}", "x", "7"]).0, vec![]);
    }
}
