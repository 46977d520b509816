//! Subscriptions as text. Holds no connection and no pace: who sends keeps to the limits.

use crate::base::Channel;
use crate::exchange::bybit::BEST;
use crate::exchange::{DepthStream, Request, Topic, kit::text};

/// Frames of `op` about these topics, ids counting from `first_id`, each naming at most `args_max`.
///
/// If the depth stream is the one of best bid and ask, quotes are that same topic: a request
/// then covers them without naming it twice. Quotes without their depth are named, and end that
/// depth when they are ended.
pub(crate) fn about(
    op: &str,
    topics: &[Topic<'_>],
    depth: &'static DepthStream,
    first_id: u64,
    args_max: usize,
) -> Vec<Request> {
    let mut requests = Vec::new();
    let (mut names, mut covered, mut id) = (Vec::new(), 0, first_id);
    for topic in topics {
        if is_named_by_depth(topic, topics, depth) {
            covered += 1;
            continue;
        }
        if names.len() == args_max {
            requests.push(request(op, &names, covered, id));
            names.clear();
            (covered, id) = (0, id + 1);
        }
        names.push(name(topic, depth));
        covered += 1;
    }
    if covered > 0 {
        requests.push(request(op, &names, covered, id));
    }
    requests
}

fn request(op: &str, names: &[String], topics: usize, id: u64) -> Request {
    let list = text::json_list(names);
    Request {
        text: format!(r#"{{"req_id":"{id}","op":"{op}","args":{list}}}"#),
        topics,
    }
}

fn name(topic: &Topic<'_>, depth: &DepthStream) -> String {
    let stream = match topic.channel {
        Channel::Depth => depth.name,
        Channel::Trades => "publicTrade",
        Channel::Quotes => BEST,
    };
    format!("{stream}.{}", topic.symbol)
}

fn is_named_by_depth(topic: &Topic<'_>, topics: &[Topic<'_>], depth: &DepthStream) -> bool {
    let twin = Topic {
        channel: Channel::Depth,
        ..*topic
    };
    depth.name == BEST && topic.channel == Channel::Quotes && topics.contains(&twin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Exchange;
    use crate::exchange::bybit::{DEPTHS, LINEAR, SPOT};

    fn topics<'s>(symbols: &[&'s str]) -> Vec<Topic<'s>> {
        let all = |&symbol| Channel::ALL.map(|channel| Topic { symbol, channel });
        symbols.iter().flat_map(all).collect()
    }

    #[test]
    fn a_request_names_its_topics_in_their_order() {
        let requests = SPOT.subscribe(&topics(&["BTCUSDT"]), &DEPTHS[0], 7);
        let args = r#"["orderbook.50.BTCUSDT","publicTrade.BTCUSDT","orderbook.1.BTCUSDT"]"#;
        let text = format!(r#"{{"req_id":"7","op":"subscribe","args":{args}}}"#);
        assert_eq!(requests, [Request { text, topics: 3 }]);
    }

    #[test]
    fn spot_names_ten_topics_a_request_and_contracts_more() {
        let topics = topics(&["A", "B", "C", "D", "E", "F", "G"]);
        let sizes = |requests: Vec<Request>| -> Vec<usize> {
            requests.iter().map(|request| request.topics).collect()
        };
        assert_eq!(sizes(SPOT.subscribe(&topics, &DEPTHS[0], 1)), [10, 10, 1]);
        assert_eq!(sizes(LINEAR.unsubscribe(&topics, &DEPTHS[0], 1)), [21]);
        let last = SPOT.subscribe(&topics, &DEPTHS[0], 1).pop().unwrap();
        assert!(last.text.starts_with(r#"{"req_id":"3","op":"subscribe""#));
    }

    #[test]
    fn a_topic_that_is_depth_and_quotes_is_named_once() {
        let topics = topics(&["BTCUSDT"]);
        let both = SPOT.subscribe(&topics, &DEPTHS[1], 1);
        assert_eq!(both[0].topics, 3);
        assert_eq!(both[0].text.matches("orderbook.1.BTCUSDT").count(), 1);
        let alone = SPOT.subscribe(&topics[2..], &DEPTHS[1], 1);
        assert_eq!(alone[0].text.matches("orderbook.1.BTCUSDT").count(), 1);
    }
}
