//! What a recording tells of its instruments. Cold: it parses each frame once more.

use super::decode::price_and_qty;
use crate::exchange::Survey;
use crate::exchange::kit::read::{self, Node, Scratch};

/// Symbols and tokens of one frame. What is no market frame tells nothing.
pub fn frame(frame: &str, survey: &mut Survey) {
    // What is not understood here is counted where it is decoded.
    let _ = Scratch::warmed(b"[]").read_exact(frame.as_bytes(), |nodes| {
        let _ = message(nodes, survey);
        Ok(())
    });
}

fn text<'i>(nodes: &[Node<'i>], key: &str) -> Option<&'i str> {
    read::string(nodes.get(read::find(nodes, 0, key.as_bytes())?)?)
}

fn message(nodes: &[Node<'_>], survey: &mut Survey) -> Option<()> {
    if let Some(list) = read::find(nodes, 0, b"product_ids") {
        for item in read::items(nodes, list) {
            survey.symbol(read::string(nodes.get(item)?)?);
        }
        return Some(());
    }
    let feed = text(nodes, "feed")?;
    let known = ["book_snapshot", "book", "trade", "trade_snapshot", "ticker"];
    if !known.contains(&feed) && feed != "heartbeat" && read::find(nodes, 0, b"event").is_none() {
        survey.other(feed);
        return Some(());
    }
    let symbol = text(nodes, "product_id")?;
    survey.symbol(symbol);
    if feed.starts_with("book") {
        survey.book(symbol, None);
    }
    match feed {
        "book_snapshot" => {
            for side in [b"bids", b"asks"] {
                for level in read::items(nodes, read::find(nodes, 0, side)?) {
                    let (px, qty) = price_and_qty(nodes, level).ok()?;
                    survey.level(symbol, px, qty);
                }
            }
        }
        "book" | "trade" => {
            let (px, qty) = price_and_qty(nodes, 0).ok()?;
            survey.level(symbol, px, qty);
        }
        "ticker" => {
            for (px, qty) in [("bid", "bid_size"), ("ask", "ask_size")] {
                survey.level(symbol, text(nodes, px)?, text(nodes, qty)?);
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::exchange::kraken_futures::KrakenFutures;

    #[test]
    fn scales_are_those_of_the_tokens() {
        let mut survey = Survey::default();
        for text in [
            r#"{"event":"subscribed","feed":"trade","product_ids":["PI_ETHUSD"]}"#,
            r#"{"feed":"book_snapshot","product_id":"PI_XBTUSD","seq":1,"bids":[{"price":100.5,"qty":2.0}],"asks":[]}"#,
            r#"{"feed":"trade","product_id":"PI_XRPUSD","seq":1,"price":0.1234,"qty":25.0}"#,
            r#"{"feed":"ticker_lite","product_id":"PF_XBTUSD","bid":1.25}"#,
            r#"{"event":"info","version":1}"#,
            "[]",
        ] {
            KrakenFutures.survey(text, &mut survey);
        }
        let found = survey.instruments("kraken-futures");
        let found: Vec<_> = found
            .iter()
            .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
            .collect();
        let expected = [
            ("PI_ETHUSD", 0, 0),
            ("PI_XBTUSD", 1, 1),
            ("PI_XRPUSD", 4, 1),
        ];
        assert_eq!(found, expected);
        let depth = survey.recorded_depth(&KrakenFutures).unwrap();
        assert_eq!(depth.name, "book");
    }
}
