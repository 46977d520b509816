//! Bitstamp spot: WebSocket API v2 for streams, HTTP API v2 for whole books. Never sees a socket.
//!
//! Diffs carry no sequence numbers, only the matching engine's clock in microseconds: what is lost
//! on the way cannot be seen. There is no stream of best bid and ask.
//!
//! Recordings show: the shape of diffs, trades, acknowledgements and snapshots, and that a snapshot
//! joins the stream at the first diff with a newer time. Not verified against the exchange (taken
//! from what others wrote about it): that `type` of a trade is the taker's side; 1,024 channels a
//! connection; heartbeats, errors and `bts:request_reconnect`; the metadata and the tickers; the
//! request limits; whether it closes a connection that says nothing.

mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
}
mod mirror;

use super::{
    Bursts, DecodeError, Decoder, DepthStream, Endpoints, Exchange, KeepAlive, Limits, Listings,
    Mirror, Rate, Request, RestRequest, Survey, Topic, kit::text,
};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Channel, Instrument, Snapshot, Span, Symbol};
use market::{decode, request, rest};

/// Bitstamp's spot market.
pub(crate) struct Bitstamp;

static DEPTHS: [DepthStream; 1] = [DepthStream {
    name: "diff_order_book",
    rule: SeqRule {
        snapshot: SnapshotFrom::Rest,
        splice: Splice::Newer,
        chain: Chain::Rising,
        ..SeqRule::STREAM
    },
    levels: None,
    every_ms: None,
}];

/// Channels of one connection, at most: the exchange closes it at the next one.
const CHANNELS_MAX: usize = 1_024;
/// Decimals that prices are kept with at least, and quantities at most if an order has fewer:
/// quantities come with eight, and the books have been at finer prices than today's ticks.
const SCALE: u8 = 8;

impl Exchange for Bitstamp {
    fn name(&self) -> &'static str {
        "bitstamp"
    }

    fn owns(&self, url: &str) -> bool {
        ["ws.bitstamp.net", "www.bitstamp.net"].contains(&text::host(url))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "ws.bitstamp.net:443".to_owned(),
            rest: "www.bitstamp.net:443".to_owned(),
            orders: String::new(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            // Not documented.
            books_per_connection: 1_000,
            // Books come by REST; a diff has some hundred levels.
            message_bytes_max: 2 << 20,
            streams_per_connection: CHANNELS_MAX,
            // Not documented.
            messages: Rate {
                count: 10,
                per: Span::from_secs(1),
            },
            // Not documented.
            connects: Rate {
                count: 30,
                per: Span::from_secs(60),
            },
            connection_life: Span::MAX,
            // 400 requests a second and 10,000 in ten minutes: this keeps to both.
            rest_weight: Rate {
                count: 400,
                per: Span::from_secs(24),
            },
            bursts: Bursts {
                rest_weight: 10_000,
                ..Bursts::NONE
            },
            snapshot_levels_max: u16::MAX,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/".to_owned()
    }

    /// A heartbeat of ours is answered by one of the exchange.
    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive {
            every: Span::from_secs(30),
            text: r#"{"event":"bts:heartbeat"}"#,
        })
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        _depth: &'static DepthStream,
        _first_id: u64,
    ) -> Vec<Request> {
        request::about(&format!("bts:{method}"), topics)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    /// The whole book, always: the exchange takes no number of levels.
    fn snapshot_request(&self, symbol: &str, _levels: u16) -> Option<RestRequest> {
        let symbol = text::percent_encode(symbol);
        Some(RestRequest::get(format!("/api/v2/order_book/{symbol}/"), 1))
    }

    fn snapshot(
        &self,
        body: Vec<u8>,
        instrument: &Instrument,
        _levels: u16,
    ) -> Result<Snapshot, DecodeError> {
        decode::snapshot(&body, instrument)
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        vec![RestRequest::get("/api/v2/markets/", 1)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        vec![RestRequest::get("/api/v2/ticker/", 1)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn snapshot_asked(&self, url: &str) -> Option<(String, u16)> {
        let symbol = text::path(url).strip_prefix("/api/v2/order_book/")?;
        let symbol = symbol.strip_suffix('/').unwrap_or(symbol);
        let plain = !symbol.is_empty() && !symbol.contains('/');
        plain.then(|| (text::percent_decode(symbol).into_owned(), u16::MAX))
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::BitstampMirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbol_of_a_recorded_snapshot_is_in_its_path() {
        let asked = |url: &str| Bitstamp.snapshot_asked(url).map(|(symbol, _)| symbol);
        let found = Some("xlmeur".to_owned());
        let url = "https://www.bitstamp.net/api/v2/order_book/xlmeur";
        assert_eq!(asked(url), found);
        assert_eq!(asked(&format!("{url}/?group=1")), found);
        assert_eq!(asked("https://www.bitstamp.net/api/v2/order_book/"), None);
        assert_eq!(asked("https://www.bitstamp.net/api/v2/ticker/a/"), None);
    }

    #[test]
    fn a_snapshot_is_asked_for_by_path() {
        let request = Bitstamp.snapshot_request("btcusd", 50).unwrap();
        assert_eq!(request.path, "/api/v2/order_book/btcusd/");
        assert!(Bitstamp.owns("wss://ws.bitstamp.net/"));
        assert!(!Bitstamp.owns("wss://ws.notbitstamp.net/"));
    }
}
