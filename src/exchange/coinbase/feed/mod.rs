//! The Exchange feed: whole books and changes without numbers. Source: the exchange's Exchange
//! WebSocket and REST pages. Its orders go over FIX, and this build sends none.

mod market {
    pub(crate) mod decode;
    pub(crate) mod rest;
    #[cfg(test)]
    mod tests;
}
mod mirror;

use crate::base::feed::{Chain, SeqRule};
use crate::base::{Channel, Instrument, Span, Symbol};
use crate::exchange::{
    Bursts, Decoder, DepthStream, Endpoints, Exchange, Limits, Listings, Mirror, Rate, Request,
    RestRequest, Survey, Topic, kit::text,
};
use market::{decode, rest};

/// Coinbase by its Exchange feed.
pub(crate) struct ExchangeFeed;

/// The exchange promises that no message of these channels is dropped, and numbers none.
const RULE: SeqRule = SeqRule {
    chain: Chain::Counted,
    ..SeqRule::STREAM
};

static DEPTHS: [DepthStream; 2] = [
    DepthStream {
        name: "level2_batch",
        rule: RULE,
        levels: None,
        every_ms: Some(50),
    },
    DepthStream {
        name: "level2", // At once; needs an authenticated subscription today.
        rule: RULE,
        levels: None,
        every_ms: None,
    },
];

/// Topics that one frame names, at most; not documented. Frames stay under 2 KiB.
const TOPICS_PER_FRAME: usize = 100;

/// The channel's name at the exchange.
const fn channel_name(channel: Channel, depth: &'static DepthStream) -> &'static str {
    match channel {
        Channel::Depth => depth.name,
        Channel::Trades => "matches",
        Channel::Quotes => "ticker",
    }
}

/// The depth stream with this name.
fn depth_of(name: &str) -> Option<&'static DepthStream> {
    DEPTHS.iter().find(|depth| depth.name == name)
}

/// The sort of stream that has this name.
fn channel_of(name: &str) -> Option<Channel> {
    match name {
        "matches" => Some(Channel::Trades),
        "ticker" => Some(Channel::Quotes),
        _ => depth_of(name).map(|_| Channel::Depth),
    }
}

impl Exchange for ExchangeFeed {
    fn name(&self) -> &'static str {
        "coinbase-exchange"
    }

    fn owns(&self, url: &str) -> bool {
        // `pro` is what it was called until 2022.
        let host = text::host(url);
        host.ends_with(".exchange.coinbase.com") || host.ends_with(".pro.coinbase.com")
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "ws-feed.exchange.coinbase.com:443".to_owned(),
            rest: "api.exchange.coinbase.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn limits(&self) -> Limits {
        let a_second = |count| Rate {
            count,
            per: Span::from_secs(1),
        };
        Limits {
            // Not documented.
            books_per_connection: 1_000,
            // Whole books, 27 bytes a level: of as many levels as `coinbase` takes, and more.
            message_bytes_max: 32 << 20,
            streams_per_connection: 300, // Not documented.
            messages: a_second(100),     // WebSocket rate limits: messages of one client.
            connects: a_second(8),       // WebSocket rate limits: requests, an address.
            connection_life: Span::MAX,
            rest_weight: a_second(10), // REST rate limits: public endpoints, an address.
            bursts: Bursts {
                connects: 20,
                rest_weight: 15,
                ..Bursts::NONE
            },
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/".to_owned()
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        _first_id: u64,
    ) -> Vec<Request> {
        about(method, topics, depth)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        vec![RestRequest::get(rest::PRODUCTS, 1)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        vec![RestRequest::get(rest::STATS, 1)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::FeedMirror
    }
}

/// One frame names several channels, each with its products.
fn about(method: &str, topics: &[Topic<'_>], depth: &'static DepthStream) -> Vec<Request> {
    let frame = |topics: &[Topic<'_>]| {
        let channel = |channel| {
            let of = topics.iter().filter(|topic| topic.channel == channel);
            let symbols: Vec<&str> = of.map(|topic| topic.symbol).collect();
            let (name, products) = (channel_name(channel, depth), text::json_list(&symbols));
            (!symbols.is_empty())
                .then(|| format!(r#"{{"name":"{name}","product_ids":{products}}}"#))
        };
        let channels: Vec<String> = Channel::ALL.into_iter().filter_map(channel).collect();
        let channels = channels.join(",");
        Request {
            text: format!(r#"{{"type":"{method}","channels":[{channels}]}}"#),
            topics: topics.len(),
        }
    };
    topics.chunks(TOPICS_PER_FRAME).map(frame).collect()
}
