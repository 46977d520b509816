//! Binance futures, the USD-margined (USD-M) and the coin-margined (COIN-M) market. Source: the
//! exchange's own documentation of both (`derivatives`). Names what is peculiar to them; two
//! markets, one protocol.

mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
}
mod mirror;

use super::binance_spot::market::decode::snapshot;
use super::{
    Bursts, DecodeError, Decoder, DepthStream, Endpoints, Exchange, Limits, Listings, Mirror, Rate,
    Request, RestRequest, Survey, Topic, kit::text,
};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Channel, Instrument, Snapshot, Span, Symbol};
use market::{decode, request, rest};

/// One of Binance's futures markets.
pub(crate) struct BinanceFutures {
    facts: &'static Facts,
}

/// Contracts in USDT and USDC: quantities are of the base asset.
pub(crate) static USDM: BinanceFutures = BinanceFutures {
    facts: &Facts {
        name: "binance-usdm",
        // `-mm` is for market makers, `-auth` was retired in April 2026 and stands in recordings.
        hosts: &["fstream", "fstream-mm", "fstream-auth", "fapi"],
        stream: "fstream.binance.com:443",
        rest: "fapi.binance.com:443",
        prefix: "/fapi/v1",
        coin_margined: false,
        // Raised from 200 on 2025-07-02.
        streams_max: 1_024,
    },
};

/// Contracts of 10 or 100 USD that are margined and settled in the coin itself: quantities are
/// contracts.
pub(crate) static COINM: BinanceFutures = BinanceFutures {
    facts: &Facts {
        name: "binance-coinm",
        hosts: &["dstream", "dstream-auth", "dapi"],
        stream: "dstream.binance.com:443",
        rest: "dapi.binance.com:443",
        prefix: "/dapi/v1",
        coin_margined: true,
        // What both markets had until 2025-07-02; that it was raised here, too, is not documented.
        streams_max: 200,
    },
};

/// What differs between the two markets.
struct Facts {
    /// The name in the registry.
    name: &'static str,
    /// First labels of the host names under `binance.com`.
    hosts: &'static [&'static str],
    stream: &'static str,
    rest: &'static str,
    /// What all REST paths begin with.
    prefix: &'static str,
    /// Margined in the base asset: a contract is worth a fixed number of USD, and quantities count
    /// contracts.
    coin_margined: bool,
    /// Streams that one connection may carry.
    streams_max: usize,
}

/// Ids have holes: only `pu`, the last id of the message before in the same stream, proves that
/// none is missing. The first message is the one that the snapshot's id lies in.
const RULE: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::Around,
    chain: Chain::Previous,
    ..SeqRule::STREAM
};

/// 250 ms is the stream without a speed in its name. `0ms` is not documented, but there.
static DEPTHS: [DepthStream; 4] = [
    depth_stream("100ms", Some(100)),
    depth_stream("250ms", Some(250)),
    depth_stream("500ms", Some(500)),
    depth_stream("0ms", None), // Each change at once.
];

const fn depth_stream(name: &'static str, every_ms: Option<u32>) -> DepthStream {
    DepthStream {
        name,
        rule: RULE,
        levels: None,
        every_ms,
    }
}

impl Exchange for BinanceFutures {
    fn name(&self) -> &'static str {
        self.facts.name
    }

    fn owns(&self, url: &str) -> bool {
        let mut names = text::host(url).split('.');
        let first = names.next().unwrap_or_default();
        self.facts.hosts.contains(&first) && names.eq(["binance", "com"])
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: self.facts.stream.to_owned(),
            rest: self.facts.rest.to_owned(),
            orders: String::new(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("binancefuture.com", "testnet"),
            ("demo-fapi.binance.com", "testnet"),
            ("demo-dapi.binance.com", "testnet"),
            ("demo-dstream.binance.com", "testnet"),
        ]
    }

    fn limits(&self) -> Limits {
        Limits {
            // As many as streams.
            books_per_connection: 1_000,
            // A diff has some 1,000 levels at most: 50 KB.
            message_bytes_max: 2 << 20,
            // One of them is the greeting's.
            streams_per_connection: self.facts.streams_max - 1,
            // "Websocket Market Streams": 10 incoming messages per second.
            messages: Rate {
                count: 10,
                per: Span::from_secs(1),
            },
            // Not documented for futures: what spot allows.
            connects: Rate {
                count: 300,
                per: Span::from_secs(300),
            },
            connection_life: Span::from_secs(24 * 3600),
            // 2,400 a minute for one address, which both markets share since 2026-06-30: half for
            // each, so that they cannot break it together.
            rest_weight: Rate {
                count: 1_200,
                per: Span::from_secs(60),
            },
            // The market takes the whole of it at once.
            bursts: Bursts {
                rest_weight: 2_400,
                ..Bursts::NONE
            },
            snapshot_levels_max: rest::LEVELS_MAX,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, channel: Channel) -> String {
        // USD-M has two routes since 2026-04-23: a stream that is asked for on the other one is
        // acknowledged, and then silent. COIN-M is reached without a route, as by the exchange's
        // own clients (July 2026).
        let path = match (self.facts.coin_margined, channel) {
            (true, _) => "/stream",
            (false, Channel::Depth | Channel::Quotes) => "/public/stream",
            (false, Channel::Trades) => "/market/stream",
        };
        path.to_owned()
    }

    fn greeting(&self) -> &'static [&'static str] {
        // Listings, halts and settlements of all contracts; id 0 is none of a subscription's.
        &[r#"{"method":"SUBSCRIBE","params":["!contractInfo"],"id":0}"#]
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        request::about(&method.to_uppercase(), topics, depth, first_id)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn snapshot_request(&self, symbol: &str, levels: u16) -> Option<RestRequest> {
        let symbol = text::percent_encode(symbol);
        let limit = rest::depth_limit(levels);
        let path = format!("{}/depth?symbol={symbol}&limit={limit}", self.facts.prefix);
        Some(RestRequest::get(path, rest::depth_weight(limit)))
    }

    fn snapshot(
        &self,
        body: Vec<u8>,
        instrument: &Instrument,
        levels: u16,
    ) -> Result<Snapshot, DecodeError> {
        snapshot(&body, instrument, levels.min(rest::LEVELS_MAX))
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        // It takes no symbols.
        vec![RestRequest::get(
            format!("{}/exchangeInfo", self.facts.prefix),
            rest::INFO_WEIGHT,
        )]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.facts)
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        vec![RestRequest::get(
            format!("{}/ticker/24hr", self.facts.prefix),
            rest::TICKERS_WEIGHT,
        )]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn snapshot_asked(&self, url: &str) -> Option<(String, u16)> {
        rest::snapshot_asked(url)
    }

    fn mirror(&self) -> &'static dyn Mirror {
        self.facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{ALL, by_name};

    #[test]
    fn both_markets_are_known_by_name_and_each_url_is_of_one_exchange() {
        assert!(by_name("binance-usdm").is_some());
        assert!(by_name("binance-coinm").is_some());
        for (url, owner) in [
            (
                "wss://fstream.binance.com/stream?streams=a@depth@0ms",
                Some("binance-usdm"),
            ),
            ("wss://fstream-auth.binance.com/ws/x", Some("binance-usdm")),
            (
                "https://fapi.binance.com/fapi/v1/depth?symbol=A&limit=1000",
                Some("binance-usdm"),
            ),
            (
                "wss://dstream.binance.com/stream?streams=ausd_perp@depth",
                Some("binance-coinm"),
            ),
            (
                "https://dapi.binance.com:443/dapi/v1/depth?symbol=A",
                Some("binance-coinm"),
            ),
            ("wss://stream.binance.com:9443/ws", Some("binance")),
            ("https://fapi.binance.example.com/", None),
        ] {
            let owners: Vec<_> = ALL
                .iter()
                .filter(|exchange| exchange.owns(url))
                .map(|exchange| exchange.name())
                .collect();
            assert_eq!(owners, Vec::from_iter(owner), "{url}");
        }
    }

    #[test]
    fn depth_and_trades_of_usdm_are_on_different_routes() {
        let paths = |market: &BinanceFutures| Channel::ALL.map(|c| market.stream_path(c));
        let usdm = ["/public/stream", "/market/stream", "/public/stream"];
        assert_eq!(paths(&USDM), usdm);
        assert_eq!(paths(&COINM), ["/stream"; 3]);
    }

    #[test]
    fn a_snapshot_is_asked_for_with_a_limit_that_the_exchange_has() {
        let asked = |levels| {
            let request = USDM.snapshot_request("BTCUSDT", levels).unwrap();
            let limit = request.path.rsplit('=').next().unwrap().to_owned();
            (limit.parse::<u16>().unwrap(), request.weight)
        };
        let limits = [0, 5, 6, 50, 51, 100, 101, 500, 501, 1_000, 5_000].map(asked);
        let expected = [
            (5, 2),
            (5, 2),
            (10, 2),
            (50, 2),
            (100, 5),
            (100, 5),
            (500, 10),
            (500, 10),
            (1_000, 20),
            (1_000, 20),
            (1_000, 20),
        ];
        assert_eq!(limits, expected);
        let request = COINM.snapshot_request("BTCUSD_PERP", 20).unwrap();
        assert_eq!(request.path, "/dapi/v1/depth?symbol=BTCUSD_PERP&limit=20");
    }

    #[test]
    fn the_rule_is_a_chain_of_predecessors_around_a_snapshot() {
        let names: Vec<&str> = USDM.depth_streams().iter().map(|d| d.name).collect();
        assert_eq!(names, ["100ms", "250ms", "500ms", "0ms"]);
        for stream in COINM.depth_streams() {
            assert_eq!(stream.rule.snapshot, SnapshotFrom::Rest);
            assert_eq!(stream.rule.splice, Splice::Around);
            assert_eq!(stream.rule.chain, Chain::Previous);
            assert_eq!(stream.rule.window, None);
        }
    }
}
