//! What a recording tells of its instruments. Cold: it parses each frame once more.

use super::decode::PRICE_AND_QTY;
use crate::exchange::Survey;
use crate::exchange::kit::{Value, survey as kit};

/// Symbols and tokens of one frame. What is no market frame tells nothing.
pub(crate) fn frame(frame: &str, survey: &mut Survey) {
    kit::read(frame, |root| {
        message(root, survey);
        Ok(())
    });
}

fn message(root: Value<'_>, survey: &mut Survey) -> Option<()> {
    if let Some(list) = root.find(b"product_ids").some() {
        for item in list.items() {
            survey.symbol(item.string()?);
        }
        return Some(());
    }
    let feed = root.find(b"feed").string()?;
    let known = ["book_snapshot", "book", "trade", "trade_snapshot", "ticker"];
    if !known.contains(&feed) && feed != "heartbeat" && root.find(b"event").is_absent() {
        survey.other(feed);
        return Some(());
    }
    let symbol = root.find(b"product_id").string()?;
    survey.symbol(symbol);
    if feed.starts_with("book") {
        survey.book(symbol, None);
    }
    match feed {
        "book_snapshot" => {
            for level in [b"bids", b"asks"]
                .into_iter()
                .flat_map(|side| root.find(side).items())
            {
                survey.both(symbol, level.two(PRICE_AND_QTY))?;
            }
        }
        "book" | "trade" => survey.both(symbol, root.two(PRICE_AND_QTY))?,
        "ticker" => {
            survey.both(symbol, root.two(["bid", "bid_size"]))?;
            survey.both(symbol, root.two(["ask", "ask_size"]))?;
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
