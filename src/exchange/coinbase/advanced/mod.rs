//! Advanced Trade: one numbered line of messages for all channels. Source: the exchange's Advanced
//! Trade WebSocket and REST pages. Orders go over REST there, and this build sends none.

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

/// Coinbase by its Advanced Trade API.
pub(crate) struct AdvancedTrade;

/// The whole book in the stream, then changes. They carry no ids of their own: their frames are
/// numbered.
static DEPTHS: [DepthStream; 1] = [DepthStream {
    name: "level2",
    rule: SeqRule {
        chain: Chain::Rising,
        numbered_line: true,
        ..SeqRule::STREAM
    },
    levels: None,
    every_ms: None,
}];

/// Products that one frame names, at most; not documented. Some 12 bytes each: frames stay under 1
/// KiB.
const PRODUCTS_PER_FRAME: usize = 50;
/// Products that one metadata request names, at most: its path stays under 4 KiB.
const PRODUCTS_PER_REQUEST: usize = 100;

/// The channel that is asked for; book messages come back under another name, `l2_data`.
const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Depth => "level2",
        Channel::Trades => "market_trades",
        Channel::Quotes => "ticker",
    }
}

/// The sort of stream that is asked for by this name.
fn channel_of(name: &str) -> Option<Channel> {
    Channel::ALL
        .into_iter()
        .find(|channel| channel_name(*channel) == name)
}

impl Exchange for AdvancedTrade {
    fn name(&self) -> &'static str {
        "coinbase"
    }

    fn owns(&self, url: &str) -> bool {
        let host = text::host(url);
        let stream = host.starts_with("advanced-trade-ws") && host.ends_with(".coinbase.com");
        stream || host == "api.coinbase.com"
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "advanced-trade-ws.coinbase.com:443".to_owned(),
            rest: "api.coinbase.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn limits(&self) -> Limits {
        let a_second = |count| Rate {
            count,
            per: Span::from_secs(1),
        };
        Limits {
            // Not documented: 32 are refused ("too many L2 streams requested in a single session"),
            // 16 were taken.
            books_per_connection: 16,
            // Whole books, 115 bytes a level: BTC-USD had 46,000 levels and 5.1 MB in August 2026.
            message_bytes_max: 64 << 20,
            // Not documented. A missing number costs all books of the connection: few of them share
            // one.
            streams_per_connection: 150,
            messages: a_second(8), // WebSocket rate limits: unauthenticated messages, an address.
            connects: a_second(8), // WebSocket rate limits: connections, an address.
            connection_life: Span::MAX,
            rest_weight: a_second(10), // REST rate limits: public endpoints, an address.
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/".to_owned()
    }

    /// Channels close after 60 to 90 s without an update; heartbeats, one a second, keep them all
    /// open.
    fn greeting(&self) -> &'static [&'static str] {
        &[r#"{"type":"subscribe","channel":"heartbeats"}"#]
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        _depth: &'static DepthStream,
        _first_id: u64,
    ) -> Vec<Request> {
        about(method, topics)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn metadata_requests(&self, symbols: &[&str]) -> Vec<RestRequest> {
        if symbols.is_empty() {
            return vec![RestRequest::get(format!("{}?{SPOT}", rest::PRODUCTS), 1)];
        }
        let request = |symbols: &[&str]| {
            let ids: String = symbols
                .iter()
                .map(|symbol| format!("&product_ids={}", text::percent_encode(symbol)))
                .collect();
            RestRequest::get(format!("{}?{SPOT}{ids}", rest::PRODUCTS), 1)
        };
        symbols.chunks(PRODUCTS_PER_REQUEST).map(request).collect()
    }

    fn metadata_next(&self, body: &[u8]) -> Option<RestRequest> {
        let cursor = text::percent_encode(&rest::next_cursor(body)?);
        let path = format!("{}?{SPOT}&cursor={cursor}", rest::PRODUCTS);
        Some(RestRequest::get(path, 1))
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        self.metadata_requests(&[])
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::AdvancedMirror
    }
}

/// Futures are listed beside spot; this engine follows spot.
const SPOT: &str = "product_type=SPOT";

/// One channel a message: each run of topics of the same sort becomes one, or several.
fn about(method: &str, topics: &[Topic<'_>]) -> Vec<Request> {
    let frame = |topics: &[Topic<'_>]| {
        let symbols: Vec<&str> = topics.iter().map(|topic| topic.symbol).collect();
        let (products, channel) = (text::json_list(&symbols), channel_name(topics[0].channel));
        Request {
            text: format!(
                r#"{{"type":"{method}","product_ids":{products},"channel":"{channel}"}}"#
            ),
            topics: topics.len(),
        }
    };
    topics
        .chunk_by(|a, b| a.channel == b.channel)
        .flat_map(|run| run.chunks(PRODUCTS_PER_FRAME))
        .map(frame)
        .collect()
}
