//! Binance spot, and Binance.US, which speaks the same protocol. Source: the exchanges' own API
//! documentation (`binance-spot-api-docs`, `docs.binance.us`). Names what is peculiar to them; how
//! connections and books work is not its business.

mod account {
    mod answers;
    mod form;
    mod forms;
    mod lists;
    pub(crate) mod orders;
    pub(crate) mod rights;
    mod sign;
    mod standing;
    mod stream;
    #[cfg(test)]
    mod tests;
}
pub(super) mod market {
    pub(crate) mod decode;
    pub(crate) mod request;
    pub(crate) mod rest;
    pub(crate) mod sbe;
}
pub(crate) mod mirror;

use super::{
    Account, Binary, Bursts, DecodeError, Decoder, DepthStream, Endpoints, Exchange, KeyRights,
    Limits, Listings, Mirror, OrderCodec, Rate, Request, RestRequest, SignedRequest, Survey, Topic,
    kit::text,
};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Channel, Instrument, Snapshot, Span, Symbol, UnixNanos};
use account::{orders, rights};
use market::{decode, request, rest, sbe};

pub(in crate::exchange) use market::rest::Info;

/// A spot market of Binance.
pub struct BinanceSpot {
    facts: &'static Facts,
}

/// Binance's spot market.
pub static BINANCE: BinanceSpot = BinanceSpot {
    facts: &Facts {
        name: "binance",
        // Futures are at `fstream`, `dstream`, `fapi` and `dapi`.
        hosts: &[
            "stream.binance.com",
            "data-stream.binance.vision",
            "stream-sbe.binance.com",
            "api.binance.com",
            "api1.binance.com",
            "api2.binance.com",
            "api3.binance.com",
            "api4.binance.com",
            "api-gcp.binance.com",
            "data-api.binance.vision",
            "www.binance.com",
        ],
        test_sites: &[
            ("testnet.binance.vision", "testnet"),
            ("demo-stream.binance.com", "demo"),
            ("demo-ws-api.binance.com", "demo"),
            ("demo-api.binance.com", "demo"),
        ],
        stream: "stream.binance.com:9443",
        rest: "api.binance.com:443",
        orders: "ws-api.binance.com:443",
        stream_path: "/stream?timeUnit=MICROSECOND",
        info_query: "showPermissionSets=false",
        tickers_query: "?type=MINI",
        rest_weight: 6_000,
        has_sbe: true,
        mirror: mirror::SpotMirror::whole("binance"),
    },
};

/// The exchange for the United States, with books of its own. No orders are sent there.
pub(crate) static BINANCE_US: BinanceSpot = BinanceSpot {
    facts: &Facts {
        name: "binance-us",
        hosts: &["stream.binance.us", "api.binance.us", "www.binance.us"],
        test_sites: &[],
        stream: "stream.binance.us:9443",
        rest: "api.binance.us:443",
        orders: "",
        // Neither the time unit nor shorter answers are documented, and what is unknown is refused.
        stream_path: "/stream",
        info_query: "",
        tickers_query: "",
        // 6,000 from 2026-08-31 on, and 1,200 until then: the careful one.
        rest_weight: 1_200,
        has_sbe: false,
        mirror: mirror::SpotMirror::market("binance-us"),
    },
};

/// What differs between the two.
struct Facts {
    /// The name in the registry.
    name: &'static str,
    /// Host names of its services.
    hosts: &'static [&'static str],
    /// Domains of its sites for trying things out, and what they are called.
    test_sites: &'static [(&'static str, &'static str)],
    stream: &'static str,
    rest: &'static str,
    /// Empty if no orders are sent.
    orders: &'static str,
    /// Path and query of market streams.
    stream_path: &'static str,
    /// What `exchangeInfo` is asked with, beside symbols.
    info_query: &'static str,
    /// What `ticker/24hr` is asked with.
    tickers_query: &'static str,
    /// Weight of REST requests that one address has in a minute.
    rest_weight: u32,
    /// Its streams come in SBE, too.
    has_sbe: bool,
    /// Its half of the protocol.
    mirror: mirror::SpotMirror,
}

/// Binance sends the whole book's changes, and numbers them without holes.
const RULE: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::After,
    chain: Chain::Dense,
    ..SeqRule::STREAM
};

/// Those that come in SBE last.
static DEPTHS: [DepthStream; 4] = [
    DepthStream {
        name: "100ms",
        rule: RULE,
        levels: None,
        every_ms: Some(100),
    },
    DepthStream {
        name: "1000ms",
        rule: RULE,
        levels: None,
        every_ms: Some(1_000),
    },
    DepthStream {
        name: sbe::DEPTH,
        rule: RULE,
        levels: None,
        // Documented since 2026-08-04; it was 50 ms before.
        every_ms: Some(20),
    },
    DepthStream {
        name: sbe::TOP,
        rule: SeqRule {
            splice: Splice::Newer,
            chain: Chain::Rising,
            window: Some(20),
            ..SeqRule::STREAM
        },
        levels: Some(20),
        every_ms: Some(50),
    },
];

/// Depth streams that come as text.
const TEXTS: usize = 2;

static SBE: Binary = Binary {
    stream: "stream-sbe.binance.com:9443",
    key_header: "X-MBX-APIKEY",
    key_sort: "Ed25519",
    // None is announced for schema 1 of the streams. The exchange ends a schema six months after
    // it says so.
    schema_ends: None,
};

impl Exchange for BinanceSpot {
    fn name(&self) -> &'static str {
        self.facts.name
    }

    fn owns(&self, url: &str) -> bool {
        self.facts.hosts.contains(&text::host(url))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: self.facts.stream.to_owned(),
            rest: self.facts.rest.to_owned(),
            orders: self.facts.orders.to_owned(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        self.facts.test_sites
    }

    fn limits(&self) -> Limits {
        Limits {
            // As many as streams.
            books_per_connection: 1_000,
            // A diff has some 5,000 levels at most: 250 KB.
            message_bytes_max: 2 << 20,
            streams_per_connection: 1_024,
            messages: Rate {
                count: 5,
                per: Span::from_secs(1),
            },
            connects: Rate {
                count: 300,
                per: Span::from_secs(300),
            },
            connection_life: Span::from_secs(24 * 3600),
            rest_weight: Rate {
                count: self.facts.rest_weight,
                per: Span::from_secs(60),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 5_000,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        match self.facts.has_sbe {
            true => &DEPTHS,
            false => &DEPTHS[..TEXTS],
        }
    }

    fn binary(&self, depth: &DepthStream) -> Option<&'static Binary> {
        sbe::is_of(depth).then_some(&SBE)
    }

    fn stream_path(&self, _channel: Channel) -> String {
        self.facts.stream_path.to_owned()
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

    fn decoder(&self, instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
        match sbe::is_of(depth) {
            true => sbe::decoder(instruments),
            false => decode::decoder(instruments),
        }
    }

    fn snapshot_request(&self, symbol: &str, levels: u16) -> Option<RestRequest> {
        let symbol = text::percent_encode(symbol);
        let weight = match levels {
            0..=100 => 5,
            101..=500 => 25,
            501..=1_000 => 50,
            1_001.. => 250,
        };
        let path = format!("/api/v3/depth?symbol={symbol}&limit={levels}");
        Some(RestRequest::get(path, weight))
    }

    fn snapshot(
        &self,
        body: Vec<u8>,
        instrument: &Instrument,
        levels: u16,
    ) -> Result<Snapshot, DecodeError> {
        decode::snapshot(&body, instrument, levels)
    }

    fn metadata_requests(&self, symbols: &[&str]) -> Vec<RestRequest> {
        let list = text::percent_encode(&text::json_list(symbols));
        let which = match symbols {
            [] => String::new(),
            _ => format!("symbols={list}"),
        };
        let query = [&which, self.facts.info_query].into_iter();
        let query: Vec<&str> = query.filter(|part| !part.is_empty()).collect();
        let path = format!("/api/v3/exchangeInfo?{}", query.join("&"));
        vec![RestRequest::get(path.trim_end_matches('?'), 20)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        let path = format!("/api/v3/ticker/24hr{}", self.facts.tickers_query);
        vec![RestRequest::get(path, 80)]
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        rest::survey(frame, survey);
    }

    fn snapshot_asked(&self, url: &str) -> Option<(String, u16)> {
        rest::snapshot_asked(url)
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &self.facts.mirror
    }

    fn order_codec(
        &self,
        account: Account,
        instruments: &[Instrument],
    ) -> Result<Box<dyn OrderCodec>, String> {
        if self.facts.orders.is_empty() {
            return Err(format!("this build sends no orders to {}", self.name()));
        }
        Ok(Box::new(orders::SpotOrders::new(account, instruments)?))
    }

    fn key_rights_request(
        &self,
        account: &Account,
        now: UnixNanos,
    ) -> Result<Option<SignedRequest>, String> {
        // Who takes no orders has no account to ask about.
        let asked = !self.facts.orders.is_empty();
        asked.then(|| rights::request(account, now)).transpose()
    }

    fn key_rights(&self, body: &[u8]) -> Result<KeyRights, String> {
        rights::rights(body)
    }
}

/// A time as Binance writes it, in milliseconds or, if asked for, microseconds. The two are
/// told apart by size: 10^14 ms is the year 5138, and 10^14 us was in 1973.
#[inline]
fn unix_time(stamp: u64) -> Option<UnixNanos> {
    const MICROS_MIN: u64 = 100_000_000_000_000;
    let unit_ns = if stamp < MICROS_MIN { 1_000_000 } else { 1_000 };
    let ns = i64::try_from(stamp).ok()?.checked_mul(unit_ns)?;
    Some(UnixNanos(ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::AccountKey;

    #[test]
    fn the_registry_knows_it_by_name() {
        let found = crate::exchange::by_name("binance").unwrap();
        assert_eq!(found.name(), "binance");
        assert!(crate::exchange::by_name("Binance").is_none());
    }

    #[test]
    fn each_url_is_of_one_of_the_two() {
        for (url, com, us) in [
            ("wss://stream.binance.com:9443/stream", true, false),
            ("wss://data-stream.binance.vision/ws", true, false),
            (
                "https://api1.binance.com/api/v3/depth?symbol=A",
                true,
                false,
            ),
            (
                "wss://stream.binance.us:9443/stream?streams=a@depth",
                false,
                true,
            ),
            ("https://api.binance.us/api/v3/depth?symbol=A", false, true),
            ("wss://fstream.binance.com/stream", false, false),
            ("wss://stream.binance.com.example.org/ws", false, false),
        ] {
            assert_eq!(
                (BINANCE.owns(url), BINANCE_US.owns(url)),
                (com, us),
                "{url}"
            );
        }
    }

    #[test]
    fn binance_us_is_asked_for_nothing_that_it_does_not_document() {
        let metadata = |symbols: &[&str]| BINANCE_US.metadata_requests(symbols)[0].path.clone();
        assert_eq!(metadata(&[]), "/api/v3/exchangeInfo");
        let one = "/api/v3/exchangeInfo?symbols=%5B%22BTCUSD%22%5D";
        assert_eq!(metadata(&["BTCUSD"]), one);
        assert_eq!(BINANCE_US.volume_requests()[0].path, "/api/v3/ticker/24hr");
        assert_eq!(BINANCE_US.stream_path(Channel::Depth), "/stream");
        let account = Account {
            api_key: String::new().into(),
            key: AccountKey::Hmac(String::new().into()),
        };
        let refused = BINANCE_US.order_codec(account, &[]).err().unwrap();
        assert_eq!(refused, "this build sends no orders to binance-us");
        let info = br#"{"symbols":[{"symbol":"BTCUSD","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,
            "quoteAsset":"USD","quotePrecision":4,"filters":[]}]}"#;
        let btc = BINANCE_US.metadata(info).unwrap().instruments[0];
        assert_eq!(btc.name.as_str(), "binance-us:BTC-USD");
        assert_eq!((btc.px_scale, btc.exchange), (4, "binance-us"));
    }

    #[test]
    fn milliseconds_and_microseconds_are_the_same_time() {
        let time = Some(UnixNanos(1_750_000_000_123_000_000));
        assert_eq!(unix_time(1_750_000_000_123), time);
        assert_eq!(unix_time(1_750_000_000_123_000), time);
        assert_eq!(unix_time(99_999_999_999_999), None); // overflows as milliseconds
        assert_eq!(unix_time(u64::MAX), None);
    }

    #[test]
    fn a_snapshot_weighs_what_the_exchange_says() {
        let weight = |levels| BINANCE.snapshot_request("A", levels).unwrap().weight;
        let weights = [100, 101, 500, 501, 1_000, 1_001, 5_000].map(weight);
        assert_eq!(weights, [5, 25, 25, 50, 50, 250, 250]);
    }

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(
            BINANCE.metadata_requests(&["BTCUSDT", "ETHUSDT"])[0].path,
            "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D\
             &showPermissionSets=false"
        );
        assert_eq!(
            BINANCE.snapshot_request("币USDT", 5_000).unwrap().path,
            "/api/v3/depth?symbol=%E5%B8%81USDT&limit=5000"
        );
    }
}
