//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use crate::base::Channel;
use crate::exchange::hyperliquid::{BOOK, FAST, QUOTES, TRADES};
use crate::exchange::{DepthStream, Request, Topic};
use serde_json::Value;

/// Frames that ask `method` for these topics, one each: the exchange takes no lists. It knows no
/// ids either, and repeats the subscription in its answer.
pub(crate) fn about(method: &str, topics: &[Topic<'_>], depth: &DepthStream) -> Vec<Request> {
    let frame = |topic: &Topic<'_>| {
        let (kind, option) = match topic.channel {
            Channel::Depth if depth.name == FAST => (BOOK, r#","fast":true"#),
            Channel::Depth => (BOOK, ""),
            Channel::Trades => (TRADES, ""),
            Channel::Quotes => (QUOTES, ""),
        };
        let coin = Value::from(topic.symbol);
        let subscription = format!(r#"{{"type":"{kind}","coin":{coin}{option}}}"#);
        Request {
            text: format!(r#"{{"method":"{method}","subscription":{subscription}}}"#),
            topics: 1,
        }
    };
    topics.iter().map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::hyperliquid::DEPTHS;

    #[test]
    fn each_topic_is_asked_for_by_itself() {
        let topics = Channel::ALL.map(|channel| Topic {
            symbol: "PURR/USDC",
            channel,
        });
        let frames = about("subscribe", &topics, &DEPTHS[0]);
        let texts: Vec<&str> = frames.iter().map(|frame| frame.text.as_str()).collect();
        let expected = [
            r#"{"method":"subscribe","subscription":{"type":"l2Book","coin":"PURR/USDC","fast":true}}"#,
            r#"{"method":"subscribe","subscription":{"type":"trades","coin":"PURR/USDC"}}"#,
            r#"{"method":"subscribe","subscription":{"type":"bbo","coin":"PURR/USDC"}}"#,
        ];
        assert_eq!(texts, expected);
        assert!(frames.iter().all(|frame| frame.topics == 1));
        let slow = &about("unsubscribe", &topics[..1], &DEPTHS[1])[0];
        assert!(!slow.text.contains("fast"), "{}", slow.text);
    }
}
