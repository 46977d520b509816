//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use crate::base::Channel;
use crate::exchange::{DepthStream, Request, Topic, kit::text};

/// Streams that one SUBSCRIBE frame names, at most: some 30 bytes each, so that frames stay under 4
/// KiB.
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
        Channel::Depth if depth.name == "250ms" => format!("{symbol}@depth"),
        Channel::Depth => format!("{symbol}@depth@{}", depth.name),
        // Single trades (`@trade`) are not documented.
        Channel::Trades => format!("{symbol}@aggTrade"),
        Channel::Quotes => format!("{symbol}@bookTicker"),
    }
}

/// The depth stream that a stream's name stands for, as [`super::super::DEPTHS`] has it.
pub(crate) fn depth_of(stream: &str) -> Option<&str> {
    match stream.split_once("@depth")?.1 {
        "" => Some("250ms"),
        speed => speed.strip_prefix('@'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::binance_futures::DEPTHS;

    #[test]
    fn one_frame_names_all_streams_in_lower_case() {
        let topics = Channel::ALL.map(|channel| Topic {
            symbol: "BTCUSD_PERP",
            channel,
        });
        let frames = about("SUBSCRIBE", &topics, &DEPTHS[0], 3);
        let text = r#"{"method":"SUBSCRIBE","params":["btcusd_perp@depth@100ms","btcusd_perp@aggTrade","btcusd_perp@bookTicker"],"id":3}"#;
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].text.as_str(), frames[0].topics), (text, 3));
        let slow = about("UNSUBSCRIBE", &topics[..1], &DEPTHS[1], 7);
        let text = r#"{"method":"UNSUBSCRIBE","params":["btcusd_perp@depth"],"id":7}"#;
        assert_eq!(slow[0].text, text);
        assert!(about("SUBSCRIBE", &[], &DEPTHS[0], 1).is_empty());
    }

    #[test]
    fn many_topics_are_many_frames_that_leave_nothing_out() {
        let topic = Topic {
            symbol: "1000SATSUSDT",
            channel: Channel::Depth,
        };
        let frames = about("SUBSCRIBE", &[topic; 300], &DEPTHS[0], 1);
        let counts: Vec<usize> = frames.iter().map(|frame| frame.topics).collect();
        assert_eq!(counts, [128, 128, 44]);
        assert!(frames[2].text.ends_with(r#""id":3}"#));
        assert!(frames.iter().all(|frame| frame.text.len() < 4_096));
    }

    #[test]
    fn a_streams_name_tells_its_speed() {
        assert_eq!(depth_of("btcusdt@depth"), Some("250ms"));
        assert_eq!(depth_of("btcusdt@depth@0ms"), Some("0ms"));
        assert_eq!(depth_of("btcusdt@depth20@100ms"), None);
        assert_eq!(depth_of("btcusdt@aggTrade"), None);
    }
}
