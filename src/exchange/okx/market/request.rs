//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use crate::base::Channel;
use crate::exchange::okx::{QUOTES, TRADES};
use crate::exchange::{DepthStream, Request, Topic};
use serde_json::Value;

/// Frames that ask `op` for these topics, ids counting from `first_id`.
///
/// One topic a frame: a refusal names no topic, only the request's id.
pub(crate) fn about(
    op: &str,
    topics: &[Topic<'_>],
    depth: &'static DepthStream,
    first_id: u64,
) -> Vec<Request> {
    let frame = |(topic, id): (&Topic<'_>, u64)| {
        let channel = match topic.channel {
            Channel::Depth => depth.name,
            Channel::Trades => TRADES,
            Channel::Quotes => QUOTES,
        };
        let symbol = Value::from(topic.symbol);
        let arg = format!(r#"{{"channel":"{channel}","instId":{symbol}}}"#);
        Request {
            text: format!(r#"{{"id":"{id}","op":"{op}","args":[{arg}]}}"#),
            topics: 1,
        }
    };
    topics.iter().zip(first_id..).map(frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::okx::DEPTHS;

    #[test]
    fn each_topic_has_a_request_of_its_own_with_a_text_for_an_id() {
        let topics = Channel::ALL.map(|channel| Topic {
            symbol: "BTC-USDT",
            channel,
        });
        let frames = about("subscribe", &topics, &DEPTHS[0], 7);
        let texts: Vec<&str> = frames.iter().map(|frame| frame.text.as_str()).collect();
        let expected = [
            r#"{"id":"7","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}"#,
            r#"{"id":"8","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}"#,
            r#"{"id":"9","op":"subscribe","args":[{"channel":"bbo-tbt","instId":"BTC-USDT"}]}"#,
        ];
        assert_eq!(texts, expected);
        assert!(frames.iter().all(|frame| frame.topics == 1));
        let deep = about("unsubscribe", &topics[..1], &DEPTHS[1], 1);
        assert_eq!(
            deep[0].text,
            r#"{"id":"1","op":"unsubscribe","args":[{"channel":"books-l2-tbt","instId":"BTC-USDT"}]}"#
        );
    }
}
