//! Bybit V5, spot and linear contracts: one protocol, two markets that differ by a table.
//! Source: the exchange's own documentation (`bybit-exchange/docs`, V5). Never sees a socket.
//!
//! Not verified against the exchange: that `u` is dense on the depth topics (the documents say so
//! of the full book only, practice agrees), and how many messages a second a public connection may
//! send.

mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
}
mod mirror;

use super::{
    Bursts, Decoder, DepthStream, Endpoints, Exchange, KeepAlive, Limits, Listings, Mirror, Rate,
    Request, RestRequest, Survey, Topic, kit::text,
};
use crate::base::feed::SeqRule;
use crate::base::instrument::Kind;
use crate::base::{Channel, Instrument, Span, Symbol};
use market::{decode, request, rest};

/// What differs between the markets that speak this protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Category {
    /// In the registry.
    name: &'static str,
    /// As paths and queries call it.
    word: &'static str,
    /// Path of the public stream.
    stream_path: &'static str,
    /// Topics that one request may name.
    args_max: usize,
    /// What an instrument without a contract type is.
    kind: Kind,
}

/// One market of Bybit.
pub(crate) struct Bybit(&'static Category);

/// Assets for assets.
pub(crate) static SPOT: Bybit = Bybit(&Category {
    name: "bybit",
    word: "spot",
    stream_path: "/v5/public/spot",
    args_max: 10, // Documented, of spot only.
    kind: Kind::Spot,
});

/// Perpetual and dated contracts that settle in USDT or USDC.
pub(crate) static LINEAR: Bybit = Bybit(&Category {
    name: "bybit-linear",
    word: "linear",
    stream_path: "/v5/public/linear",
    args_max: 100, // No limit but that of the connection; a frame stays under 4 KiB.
    kind: Kind::Perpetual,
});

/// The stream of the best bid and ask, which is a depth stream of one level, too.
const BEST: &str = "orderbook.1";

/// The exchange keeps the window: what leaves it is deleted, and what is in it is whole.
const fn depth(name: &'static str, levels: u16, every_ms: u32) -> DepthStream {
    let rule = SeqRule {
        window: Some(levels),
        ..SeqRule::STREAM
    };
    DepthStream {
        name,
        rule,
        levels: Some(levels),
        every_ms: Some(every_ms),
    }
}

static DEPTHS: [DepthStream; 4] = [
    depth("orderbook.50", 50, 20),
    depth(BEST, 1, 10),
    depth("orderbook.200", 200, 100),
    depth("orderbook.1000", 1_000, 200),
];

/// Characters of all topics of a connection together, as documented.
const ARGS_TEXT_MAX: usize = 21_000;
/// `"orderbook.1000.`, a symbol, a quote and a comma. A symbol of this engine's longest has fewer
/// characters than this if they are not all Latin.
const ARG_TEXT_MAX: usize = 16 + 32 + 2;

impl Exchange for Bybit {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn owns(&self, url: &str) -> bool {
        let host = text::host(url);
        // `bytick.com` is the documented second name of the REST service.
        let ours = ["bybit.com", "bytick.com"].iter().any(|domain| {
            let front = host.strip_suffix(domain);
            front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
        });
        let stream = text::path(url) == self.0.stream_path;
        ours && (stream || text::query_value(url, "category") == Some(self.0.word))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "stream.bybit.com:443".to_owned(),
            rest: "api.bybit.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("stream-testnet.bybit.com", "testnet"),
            ("api-testnet.bybit.com", "testnet"),
            ("stream-demo.bybit.com", "demo"),
            ("api-demo.bybit.com", "demo"),
        ]
    }

    fn limits(&self) -> Limits {
        Limits {
            // As many as streams.
            books_per_connection: 1_000,
            // 1,000 levels per side, or 1,024 trades: 200 KB.
            message_bytes_max: 2 << 20,
            streams_per_connection: ARGS_TEXT_MAX / ARG_TEXT_MAX,
            // Not documented for public streams.
            messages: Rate {
                count: 10,
                per: Span::from_secs(1),
            },
            connects: Rate {
                count: 500,
                per: Span::from_secs(300),
            },
            connection_life: Span::MAX,
            // 600 requests in five seconds, all alike.
            rest_weight: Rate {
                count: 600,
                per: Span::from_secs(5),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        self.0.stream_path.to_owned()
    }

    /// The exchange expects a ping of the client every 20 seconds; its pong is a text frame, too.
    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive {
            every: Span::from_secs(20),
            text: r#"{"op":"ping"}"#,
        })
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        request::about(method, topics, depth, first_id, self.0.args_max)
    }

    fn decoder(&self, instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
        decode::decoder(instruments, depth)
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        vec![rest::metadata_request(self.0, None)]
    }

    fn metadata_next(&self, body: &[u8]) -> Option<RestRequest> {
        let cursor = rest::next_cursor(body)?;
        Some(rest::metadata_request(self.0, Some(&cursor)))
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.0)
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        let path = format!("/v5/market/tickers?category={}", self.0.word);
        vec![RestRequest::get(path, 1)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::{Chain, SnapshotFrom};

    #[test]
    fn each_market_owns_its_own_urls_only() {
        let spot = "wss://stream.bybit.com/v5/public/spot";
        let linear = "https://api.bytick.com/v5/market/tickers?category=linear";
        assert!(SPOT.owns(spot));
        assert!(!LINEAR.owns(spot));
        assert!(LINEAR.owns(linear));
        assert!(!SPOT.owns(linear));
        assert!(!SPOT.owns("wss://stream.notbybit.com/v5/public/spot"));
        assert!(!SPOT.owns("wss://stream.bybit.com/v5/private"));
    }

    #[test]
    fn a_full_connection_keeps_to_the_limit_of_its_topics() {
        assert_eq!(SPOT.limits().streams_per_connection, 420);
    }

    #[test]
    fn every_depth_stream_starts_in_the_stream_and_has_the_window_of_its_name() {
        for stream in SPOT.depth_streams() {
            let levels = stream.name.strip_prefix("orderbook.").unwrap().parse().ok();
            assert_eq!(stream.rule.window, levels);
            assert_eq!(stream.rule.snapshot, SnapshotFrom::Stream);
            assert_eq!(stream.rule.chain, Chain::Dense);
            assert!(!stream.rule.truncates);
        }
    }
}
