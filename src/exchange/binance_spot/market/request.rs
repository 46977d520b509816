//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use super::sbe;
use crate::base::Channel;
use crate::exchange::{DepthStream, Request, Topic, kit::text};

/// Streams that one SUBSCRIBE frame names, at most. Some 25 bytes each: frames stay under 4 KiB,
/// and a full connection needs eight of them, two seconds' worth of its five messages a second.
const STREAMS_PER_FRAME: usize = 128;

/// Frames that ask `method` for these topics, ids counting from `first_id`.
pub(crate) fn about(
    method: &str,
    topics: &[Topic<'_>],
    depth: &'static DepthStream,
    first_id: u64,
) -> Vec<Request> {
    let frame = |(topics, id): (&[Topic<'_>], u64)| {
        let names: Vec<String> = topics.iter().map(|topic| stream(topic, depth)).collect();
        let list = text::json_list(&names);
        Request {
            text: format!(r#"{{"method":"{method}","params":{list},"id":{id}}}"#),
            topics: topics.len(),
        }
    };
    topics
        .chunks(STREAMS_PER_FRAME)
        .zip(first_id..)
        .map(frame)
        .collect()
}

fn stream(topic: &Topic<'_>, depth: &DepthStream) -> String {
    let symbol = topic.symbol.to_lowercase();
    match topic.channel {
        Channel::Depth if matches!(depth.name, "1000ms" | sbe::DEPTH) => format!("{symbol}@depth"),
        Channel::Depth if depth.name == sbe::TOP => format!("{symbol}@depth20"),
        Channel::Depth => format!("{symbol}@depth@{}", depth.name),
        Channel::Trades => format!("{symbol}@trade"),
        Channel::Quotes if sbe::is_of(depth) => format!("{symbol}@bestBidAsk"),
        Channel::Quotes => format!("{symbol}@bookTicker"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance_spot::DEPTHS;

    fn topics<'s>(symbols: &[&'s str]) -> Vec<Topic<'s>> {
        let all = symbols
            .iter()
            .flat_map(|&symbol| Channel::ALL.map(|channel| Topic { symbol, channel }));
        all.collect()
    }

    #[test]
    fn one_frame_names_all_streams_in_lower_case() {
        let frames = about("SUBSCRIBE", &topics(&["BTCUSDT"]), &DEPTHS[0], 1);
        let text = r#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","btcusdt@trade","btcusdt@bookTicker"],"id":1}"#;
        assert_eq!(
            frames,
            [Request {
                text: text.into(),
                topics: 3
            }]
        );
        let slow = about("UNSUBSCRIBE", &topics(&["ETHBTC"])[..1], &DEPTHS[1], 7);
        assert_eq!(
            slow[0].text,
            r#"{"method":"UNSUBSCRIBE","params":["ethbtc@depth"],"id":7}"#
        );
        assert!(about("SUBSCRIBE", &[], &DEPTHS[0], 1).is_empty());
    }

    #[test]
    fn a_full_connection_is_subscribed_to_in_few_frames_that_leave_nothing_out() {
        let names: Vec<String> = (0..341).map(|n| format!("COIN{n}USDT")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let frames = about("SUBSCRIBE", &topics(&names), &DEPTHS[0], 1);
        assert_eq!(frames.len(), 8);
        let mut params = 0;
        for (n, frame) in frames.iter().enumerate() {
            let json: serde_json::Value = serde_json::from_str(&frame.text).unwrap();
            assert_eq!(json["id"], n + 1);
            assert_eq!(json["params"].as_array().unwrap().len(), frame.topics);
            params += frame.topics;
            assert!(frame.text.len() < 4_096);
        }
        assert_eq!(params, 3 * 341);
    }
}
