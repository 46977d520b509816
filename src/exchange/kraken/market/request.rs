//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use crate::base::Channel;
use crate::exchange::{DepthStream, Request, Topic, kit::text};

/// Symbols that one frame names, at most. The documentation states no limit: frames stay under 2
/// KiB.
const SYMBOLS_PER_FRAME: usize = 100;

/// The channel that each sort of stream comes on.
pub(crate) const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Depth => "book",
        Channel::Trades => "trade",
        Channel::Quotes => "ticker",
    }
}

/// The sort of stream that comes on this channel, if it is one of ours.
pub(crate) fn channel_of(name: &str) -> Option<Channel> {
    Channel::ALL
        .into_iter()
        .find(|channel| channel_name(*channel) == name)
}

/// Frames that ask `method` for these topics, ids counting from `first_id`. A frame is about one
/// channel: topics that stand in the order of their channels need the fewest.
pub(crate) fn about(
    method: &str,
    topics: &[Topic<'_>],
    depth: &'static DepthStream,
    first_id: u64,
) -> Vec<Request> {
    topics
        .chunk_by(|a, b| a.channel == b.channel)
        .flat_map(|run| run.chunks(SYMBOLS_PER_FRAME))
        .zip(first_id..)
        .map(|(topics, id)| Request {
            text: frame(method, topics, depth, id),
            topics: topics.len(),
        })
        .collect()
}

fn frame(method: &str, topics: &[Topic<'_>], depth: &DepthStream, id: u64) -> String {
    let channel = topics.first().map_or(Channel::Depth, |topic| topic.channel);
    let symbols: Vec<&str> = topics.iter().map(|topic| topic.symbol).collect();
    let (name, symbols) = (channel_name(channel), text::json_list(&symbols));
    let mut options = match channel {
        Channel::Depth => format!(r#","depth":{}"#, depth.rule.window.unwrap_or_default()),
        Channel::Trades => String::new(),
        Channel::Quotes => r#","event_trigger":"bbo""#.to_owned(),
    };
    if method == "subscribe" {
        options.push_str(match channel {
            Channel::Depth | Channel::Quotes => r#","snapshot":true"#,
            Channel::Trades => r#","snapshot":false"#, // Trades of the past are no news.
        });
    }
    format!(
        r#"{{"method":"{method}","params":{{"channel":"{name}","symbol":{symbols}{options}}},"req_id":{id}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::kraken::DEPTHS;

    fn topic(symbol: &str, channel: Channel) -> Topic<'_> {
        Topic { symbol, channel }
    }

    #[test]
    fn a_frame_is_about_one_channel() {
        let topics = [
            topic("BTC/USD", Channel::Depth),
            topic("ETH/EUR", Channel::Depth),
            topic("BTC/USD", Channel::Trades),
            topic("BTC/USD", Channel::Quotes),
        ];
        let frames = about("subscribe", &topics, &DEPTHS[0], 7);
        let texts: Vec<_> = frames.iter().map(|f| (f.text.as_str(), f.topics)).collect();
        assert_eq!(
            texts,
            [
                (
                    r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD","ETH/EUR"],"depth":100,"snapshot":true},"req_id":7}"#,
                    2
                ),
                (
                    r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"snapshot":false},"req_id":8}"#,
                    1
                ),
                (
                    r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"],"event_trigger":"bbo","snapshot":true},"req_id":9}"#,
                    1
                ),
            ]
        );
        let end = about("unsubscribe", &topics[..1], &DEPTHS[1], 1);
        assert_eq!(
            end[0].text,
            r#"{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10},"req_id":1}"#
        );
        assert!(about("subscribe", &[], &DEPTHS[0], 1).is_empty());
    }

    #[test]
    fn many_symbols_make_few_frames_that_leave_nothing_out() {
        let names: Vec<String> = (0..250).map(|n| format!("COIN{n}/USDT")).collect();
        let topics: Vec<_> = names.iter().map(|n| topic(n, Channel::Trades)).collect();
        let frames = about("subscribe", &topics, &DEPTHS[0], 1);
        let counts: Vec<usize> = frames.iter().map(|frame| frame.topics).collect();
        assert_eq!(counts, [100, 100, 50]);
        assert!(frames.iter().all(|frame| frame.text.len() < 2_048));
    }
}
