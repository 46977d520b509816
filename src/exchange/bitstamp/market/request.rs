//! Subscriptions as text, one channel a frame. Holds no connection and no pace: who sends keeps to
//! the limits.

use crate::base::Channel;
use crate::exchange::{Request, Topic};
use serde_json::json;

/// What channels of diffs are called, in front of the symbol.
pub(crate) const DIFFS: &str = "diff_order_book_";
/// What channels of trades are called.
pub(crate) const TRADES: &str = "live_trades_";

/// Frames of `event` about these topics.
///
/// There is no channel for quotes: they are covered by the frame of the topic before them, or,
/// if there is none, of the topic after them. Quotes alone need no frame at all. The decoder
/// answers quotes with the diffs of the same instrument.
pub(crate) fn about(event: &str, topics: &[Topic<'_>]) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut early = 0;
    for topic in topics {
        let front = match topic.channel {
            Channel::Depth => DIFFS,
            Channel::Trades => TRADES,
            Channel::Quotes => {
                match requests.last_mut() {
                    Some(last) => last.topics += 1,
                    None => early += 1,
                }
                continue;
            }
        };
        let channel = format!("{front}{}", topic.symbol);
        requests.push(Request {
            text: json!({"event": event, "data": {"channel": channel}}).to_string(),
            topics: 1 + early,
        });
        early = 0;
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(symbol: &str, channel: Channel) -> Topic<'_> {
        Topic { symbol, channel }
    }

    #[test]
    fn each_channel_has_a_frame_and_quotes_have_none() {
        let topics = Channel::ALL.map(|channel| topic("btcusd", channel));
        let requests = about("bts:subscribe", &topics);
        let text = r#"{"data":{"channel":"diff_order_book_btcusd"},"event":"bts:subscribe"}"#;
        assert_eq!(requests[0].text, text);
        assert!(requests[1].text.contains("live_trades_btcusd"));
        assert_eq!([requests[0].topics, requests[1].topics], [1, 2]);
    }

    #[test]
    fn quotes_in_front_are_covered_by_what_follows() {
        let quotes = topic("a", Channel::Quotes);
        let requests = about("bts:subscribe", &[quotes, topic("a", Channel::Trades)]);
        assert_eq!((requests.len(), requests[0].topics), (1, 2));
        assert!(about("bts:subscribe", &[quotes]).is_empty());
    }
}
