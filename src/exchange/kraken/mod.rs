//! Kraken spot, WebSocket v2; the frames of v1 are understood too, for recordings. Names what is
//! peculiar to it; how connections and books work is not its business. Source: docs.kraken.com.
//!
//! Prices are JSON numbers with the pair's full precision, and the checksum is of exactly these
//! digits: the scales are `pair_decimals` and `lot_decimals`, never those of a tick or a lot. There
//! are no sequence numbers: order on the connection and the checksum are all that proves a book.
//!
//! Not verified against the exchange: the limits below, and the wording of refusals.

mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
    pub(crate) mod survey;
    pub(crate) mod v1;
}
mod mirror;

use super::{
    Bursts, Decoder, DepthStream, Endpoints, Exchange, KeepAlive, Limits, Listings, Mirror, Rate,
    Request, RestRequest, Survey, Topic, kit::text,
};
use crate::base::feed::{Chain, Checksum, SeqRule};
use crate::base::{Channel, Instrument, Span, Symbol};
use market::{decode, request, rest, survey};

/// Kraken's spot market.
pub(crate) struct Kraken;

/// The best `levels` a side. The exchange sends no deletes for what leaves the window.
const fn depth(name: &'static str, levels: u16) -> DepthStream {
    DepthStream {
        name,
        rule: SeqRule {
            chain: Chain::Counted,
            window: Some(levels),
            truncates: true,
            checksum: Some(Checksum::Digits10),
            ..SeqRule::STREAM
        },
        levels: Some(levels),
        every_ms: None,
    }
}

/// The first one is the default: 100 levels, as many as strategies look at elsewhere. The
/// exchange's own default of ten runs dry in one sweep, and a thousand levels cost much traffic far
/// from the market.
static DEPTHS: [DepthStream; 5] = [
    depth("book-100", 100),
    depth("book-10", 10),
    depth("book-25", 25),
    depth("book-500", 500),
    depth("book-1000", 1_000),
];

impl Exchange for Kraken {
    fn name(&self) -> &'static str {
        "kraken"
    }

    fn owns(&self, url: &str) -> bool {
        ["ws.kraken.com", "beta-ws.kraken.com", "api.kraken.com"].contains(&text::host(url))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "ws.kraken.com:443".to_owned(),
            rest: "api.kraken.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            // Not documented.
            books_per_connection: 1_000,
            // 1,000 levels per side: 100 KB.
            message_bytes_max: 2 << 20,
            streams_per_connection: 500, // Not documented.
            messages: Rate {
                count: 10, // Documented as dynamic, without a number ("Exceeded msg rate").
                per: Span::from_secs(1),
            },
            connects: Rate {
                count: 150, // The exchange's front (Cloudflare): about 150 attempts in 10 minutes.
                per: Span::from_secs(600),
            },
            connection_life: Span::MAX, // None is documented.
            rest_weight: Rate {
                count: 15, // Public requests: about one a second, with some burst. Not documented.
                per: Span::from_secs(15),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/v2".to_owned()
    }

    /// A connection without subscriptions is dropped after about a minute.
    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive {
            every: Span::from_secs(30),
            text: r#"{"method":"ping"}"#,
        })
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        request::about(method, topics, depth, first_id)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    /// All pairs: a query by pair wants names of another spelling.
    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        vec![RestRequest::get("/0/public/AssetPairs", 1)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    /// With `assetVersion=1` pairs are named as on the stream: `BTC/USD`.
    fn volume_requests(&self) -> Vec<RestRequest> {
        vec![RestRequest::get("/0/public/Ticker?assetVersion=1", 1)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        survey::frame(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::KrakenMirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::SnapshotFrom;

    #[test]
    fn the_registry_knows_it_by_name() {
        assert_eq!(crate::exchange::by_name("kraken").unwrap().name(), "kraken");
        assert!(Kraken.owns("wss://ws.kraken.com"));
        assert!(Kraken.owns("wss://ws.kraken.com/v2"));
        assert!(!Kraken.owns("wss://futures.kraken.com/ws/v1"));
    }

    #[test]
    fn every_depth_stream_is_cut_to_its_window_and_proved_by_its_checksum() {
        for stream in &DEPTHS {
            let levels = stream.name.strip_prefix("book-").unwrap().parse().unwrap();
            assert_eq!(stream.rule.window, Some(levels));
            assert!(stream.rule.truncates);
            assert_eq!(stream.rule.chain, Chain::Counted);
            assert_eq!(stream.rule.snapshot, SnapshotFrom::Stream);
            assert_eq!(stream.rule.checksum, Some(Checksum::Digits10));
        }
    }
}
