//! Kraken's derivatives market, WebSocket v1 of futures.kraken.com. Names what is peculiar to it;
//! how connections and books work is not its business. Sources: docs.kraken.com as far as it could
//! be read, and recordings of 2021.
//!
//! Two perpetuals exist for a pair, and so they have two names: `PF_XBTUSD` is
//! `kraken-futures:BTC-USD-PERP` (linear, settled in dollars), `PI_XBTUSD` is `…-INVERSE-PERP`
//! (contracts of one dollar, settled in the coin). Of those that end on a day, `FI_XBTUSD_210430`
//! is `…-210430` (inverse), and the linear `FF_…` is `…-LINEAR-210430`.
//!
//! Not verified against the exchange: the keep-alive (a ping every 60 seconds is asked for, and no
//! ping message is documented), limits but that of 100 messages a second, the wording of errors,
//! how often `heartbeat` comes, and that quantities of the book have no more decimals than
//! `contractValueTradePrecision`.

mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
    pub(crate) mod survey;
}
mod mirror;

use super::{
    Bursts, Decoder, DepthStream, Endpoints, Exchange, KeepAlive, Limits, Listings, Mirror, Rate,
    Request, RestRequest, Survey, Topic, kit::text,
};
use crate::base::feed::SeqRule;
use crate::base::{Channel, Instrument, Span, Symbol};
use market::{decode, request, rest, survey};

/// Kraken's derivatives market.
pub(crate) struct KrakenFutures;

/// The whole book, one changed level a message, numbered without holes.
static DEPTHS: [DepthStream; 1] = [DepthStream {
    name: "book",
    rule: SeqRule::STREAM,
    levels: None,
    every_ms: None,
}];

/// Heartbeats come unasked from then on, so that a quiet connection is not taken for a dead one.
const HEARTBEAT: &str = r#"{"event":"subscribe","feed":"heartbeat"}"#;

impl Exchange for KrakenFutures {
    fn name(&self) -> &'static str {
        "kraken-futures"
    }

    fn owns(&self, url: &str) -> bool {
        ["futures.kraken.com", "demo-futures.kraken.com"].contains(&text::host(url))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "futures.kraken.com:443".to_owned(),
            rest: "futures.kraken.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[("demo-futures.kraken.com", "demo")]
    }

    fn limits(&self) -> Limits {
        Limits {
            // Not documented.
            books_per_connection: 1_000,
            // Whole books of some 10,000 levels: 500 KB.
            message_bytes_max: 8 << 20,
            streams_per_connection: 500, // Not documented.
            messages: Rate {
                count: 90, // Documented: 100.
                per: Span::from_secs(1),
            },
            connects: Rate {
                count: 30, // Not documented.
                per: Span::from_secs(60),
            },
            connection_life: Span::MAX, // None is documented.
            rest_weight: Rate {
                count: 50, // Public requests are free as documented; this keeps it civil.
                per: Span::from_secs(10),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/ws/v1".to_owned()
    }

    fn greeting(&self) -> &'static [&'static str] {
        &[HEARTBEAT]
    }

    /// The same request again: a message that is documented, and changes nothing.
    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive {
            every: Span::from_secs(30),
            text: HEARTBEAT,
        })
    }

    /// Requests have no ids: each is answered by the topics that it named.
    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        _depth: &'static DepthStream,
        _first_id: u64,
    ) -> Vec<Request> {
        request::about(method, topics)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        vec![RestRequest::get("/derivatives/api/v3/instruments", 1)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        vec![RestRequest::get("/derivatives/api/v3/tickers", 1)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        survey::frame(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::FuturesMirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::{Chain, SnapshotFrom};

    #[test]
    fn the_registry_knows_it_by_name() {
        let found = crate::exchange::by_name("kraken-futures").unwrap();
        assert_eq!(found.name(), "kraken-futures");
        assert!(KrakenFutures.owns("wss://futures.kraken.com/ws/v1"));
        assert!(!KrakenFutures.owns("wss://ws.kraken.com/v2"));
    }

    #[test]
    fn the_book_is_whole_and_its_numbers_have_no_holes() {
        let rule = DEPTHS[0].rule;
        assert_eq!(
            (rule.window, rule.truncates, rule.checksum),
            (None, false, None)
        );
        assert_eq!(rule.chain, Chain::Dense);
        assert_eq!(rule.snapshot, SnapshotFrom::Stream);
    }
}
