//! What is asked of the exchange as text: subscriptions. Holds no connection and no pace: who sends
//! keeps to the limits.

use crate::base::Channel;
use crate::exchange::{Request, Topic, kit::text};

/// Products that one frame names, at most. The documentation states no limit.
const PRODUCTS_PER_FRAME: usize = 100;

/// The feed that each sort of stream comes on. `ticker` comes once a second at most.
pub(crate) const fn feed_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Depth => "book",
        Channel::Trades => "trade",
        Channel::Quotes => "ticker",
    }
}

/// The sort of stream that comes on this feed, if it is one of ours.
pub(crate) fn channel_of(feed: &str) -> Option<Channel> {
    Channel::ALL
        .into_iter()
        .find(|channel| feed_name(*channel) == feed)
}

/// Frames that ask `event` for these topics. A frame is about one feed: topics that stand in the
/// order of their channels need the fewest.
pub(crate) fn about(event: &str, topics: &[Topic<'_>]) -> Vec<Request> {
    let frame = |topics: &[Topic<'_>]| {
        let channel = topics.first().map_or(Channel::Depth, |topic| topic.channel);
        let products: Vec<&str> = topics.iter().map(|topic| topic.symbol).collect();
        let (feed, products) = (feed_name(channel), text::json_list(&products));
        Request {
            text: format!(r#"{{"event":"{event}","feed":"{feed}","product_ids":{products}}}"#),
            topics: topics.len(),
        }
    };
    topics
        .chunk_by(|a, b| a.channel == b.channel)
        .flat_map(|run| run.chunks(PRODUCTS_PER_FRAME))
        .map(frame)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_about_one_feed() {
        let topic = |symbol, channel| Topic { symbol, channel };
        let topics = [
            topic("PF_XBTUSD", Channel::Depth),
            topic("PI_XBTUSD", Channel::Depth),
            topic("PI_XBTUSD", Channel::Trades),
            topic("PI_XBTUSD", Channel::Quotes),
        ];
        let frames = about("subscribe", &topics);
        let texts: Vec<_> = frames.iter().map(|f| (f.text.as_str(), f.topics)).collect();
        let expected = [
            (
                r#"{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD","PI_XBTUSD"]}"#,
                2,
            ),
            (
                r#"{"event":"subscribe","feed":"trade","product_ids":["PI_XBTUSD"]}"#,
                1,
            ),
            (
                r#"{"event":"subscribe","feed":"ticker","product_ids":["PI_XBTUSD"]}"#,
                1,
            ),
        ];
        assert_eq!(texts, expected);
        assert!(about("unsubscribe", &[]).is_empty());
        let many = vec![topics[0]; 250];
        let counts: Vec<usize> = about("unsubscribe", &many)
            .iter()
            .map(|f| f.topics)
            .collect();
        assert_eq!(counts, [100, 100, 50]);
    }
}
