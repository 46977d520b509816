//! What a recording tells of its pairs. Cold: it parses each frame once more.

use super::decode::PRICE_AND_QTY;
use super::v1;
use crate::exchange::Survey;
use crate::exchange::kit::{Value, survey as kit};

/// Symbols, tokens and the depth of one frame, of either version. What is no market frame tells
/// nothing.
pub(crate) fn frame(frame: &str, survey: &mut Survey) {
    kit::read(frame, |root| {
        match root.is_object() {
            true => object(root, survey),
            false => array(root, survey),
        };
        Ok(())
    });
}

fn object(root: Value<'_>, survey: &mut Survey) -> Option<()> {
    if let Some(pair) = root.find(b"pair").string() {
        survey.symbol(pair);
        return Some(());
    }
    if let Some(result) = root.find(b"result").some() {
        let symbol = result.find(b"symbol").string()?;
        survey.symbol(symbol);
        if result.find(b"channel").string()? == "book" {
            let stream = format!("book-{}", result.find(b"depth").string()?);
            survey.subscribed(symbol, &stream);
        }
        return Some(());
    }
    let channel = root.find(b"channel").string()?;
    match channel {
        "book" | "trade" | "ticker" => {}
        "heartbeat" | "status" | "pong" => return Some(()),
        other => {
            survey.other(other);
            return Some(());
        }
    }
    for item in root.find(b"data").items() {
        let symbol = item.find(b"symbol").string()?;
        match channel {
            "book" => {
                survey.book(symbol, None);
                for level in [b"bids", b"asks"]
                    .into_iter()
                    .flat_map(|side| item.find(side).items())
                {
                    survey.both(symbol, level.two(PRICE_AND_QTY))?;
                }
            }
            "trade" => survey.both(symbol, item.two(PRICE_AND_QTY))?,
            "ticker" => {
                survey.both(symbol, item.two(["bid", "bid_qty"]))?;
                survey.both(symbol, item.two(["ask", "ask_qty"]))?;
            }
            _ => {}
        }
    }
    Some(())
}

fn array(root: Value<'_>, survey: &mut Survey) -> Option<()> {
    let frame = v1::Frame::of(root).ok()?;
    let pair = frame.pair.string()?;
    match frame.channel {
        "trade" => {
            survey.levels(pair, frame.bodies[0]);
        }
        "ticker" => {
            for side in [b"a", b"b"] {
                let [px, _, qty] = frame.bodies[0].find(side).texts().ok()?;
                survey.both(pair, [px, qty]);
            }
        }
        book if book.starts_with("book-") => {
            for (key, list) in frame.bodies.into_iter().flat_map(Value::entries) {
                if matches!(key, b"as" | b"bs" | b"a" | b"b") {
                    survey.levels(pair, list);
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
