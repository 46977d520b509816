//! OKX: spot, perpetuals, dated futures and options, on one connection. Source: the exchange's V5
//! API documentation. Names what is peculiar to it; how connections and books work is not its
//! business.

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
use crate::base::feed::{Chain, Checksum, SeqRule};
use crate::base::{Channel, Instrument, Span, Symbol};
use market::{decode, request, rest};

/// All markets of OKX.
pub(crate) struct Okx;

/// The channel of prints, and that of the best bid and ask.
const TRADES: &str = "trades";
const QUOTES: &str = "bbo-tbt";
/// The one depth channel whose every message is the whole window.
const WHOLE: &str = "books5";

/// Each message names the one before it; the first is the window itself.
///
/// The server keeps the window complete: what comes into it is told, what leaves it is deleted.
/// Checksums are zero since 2026-06-23, which the decoder takes for none; older recordings have
/// them, as signed numbers.
const fn depth(name: &'static str, window: u16, every_ms: u32) -> DepthStream {
    let rule = SeqRule {
        chain: Chain::Previous,
        window: Some(window),
        checksum: Some(Checksum::Decimals25),
        ..SeqRule::STREAM
    };
    DepthStream {
        name,
        rule,
        levels: Some(window),
        every_ms: Some(every_ms),
    }
}

/// The `-tbt` channels, every 10 ms, are for accounts of a high tier, and are refused without a
/// login.
static DEPTHS: [DepthStream; 4] = [
    depth("books", 400, 100),
    depth("books-l2-tbt", 400, 10),
    depth("books50-l2-tbt", 50, 10),
    depth(WHOLE, 5, 100),
];

/// What sort of stream a channel is; `None` for channels that are not followed here.
fn channel(name: &str, depth: &DepthStream) -> Option<Channel> {
    match name {
        TRADES => Some(Channel::Trades),
        QUOTES => Some(Channel::Quotes),
        _ => (name == depth.name).then_some(Channel::Depth),
    }
}

impl Exchange for Okx {
    fn name(&self) -> &'static str {
        "okx"
    }

    fn owns(&self, url: &str) -> bool {
        // `okex` was its name until 2022.
        let mut names = text::host(url).rsplit('.');
        names.next() == Some("com") && matches!(names.next(), Some("okx" | "okex"))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "ws.okx.com:8443".to_owned(),
            rest: "www.okx.com:443".to_owned(),
            orders: String::new(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[("wspap.okx.com", "demo")]
    }

    fn limits(&self) -> Limits {
        Limits {
            // "Fewer than 30 deep books a connection."
            books_per_connection: 29,
            // 400 levels per side: 40 KB.
            message_bytes_max: 2 << 20,
            // OKX advises fewer than 30 deep books a connection; nothing is said about other
            // channels.
            streams_per_connection: 29,
            // "WebSocket: request limit": subscriptions, their ends and logins, of one connection.
            messages: Rate {
                count: 480,
                per: Span::from_secs(3_600),
            },
            // "WebSocket: connection limit".
            connects: Rate {
                count: 3,
                per: Span::from_secs(1),
            },
            connection_life: Span::MAX, // Not documented.
            // Of `public/instruments`, a type; of `market/tickers` likewise.
            rest_weight: Rate {
                count: 20,
                per: Span::from_secs(2),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/ws/v5/public".to_owned()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        // A connection on which nothing was pushed for 30 s is cut; the answer `pong` counts.
        Some(KeepAlive {
            every: Span::from_secs(20),
            text: "ping",
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

    fn decoder(&self, instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
        decode::decoder(instruments, depth)
    }

    fn metadata_requests(&self, symbols: &[&str]) -> Vec<RestRequest> {
        rest::metadata_requests(symbols)
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        rest::requests("/api/v5/market/tickers")
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        rest::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::OkxMirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::SnapshotFrom;

    #[test]
    fn hosts_of_today_and_of_old_recordings_are_its_own() {
        for url in [
            "wss://ws.okx.com:8443/ws/v5/public",
            "wss://ws.okex.com:8443/ws/v5/public",
            "wss://wseea.okx.com:8443/ws/v5/public",
            "https://www.okx.com/api/v5/public/instruments?instType=SPOT",
        ] {
            assert!(Okx.owns(url), "{url}");
        }
        for url in ["wss://ws.okx.com.example/ws", "wss://okx.org/ws", "okx.com"] {
            assert!(!Okx.owns(url), "{url}");
        }
    }

    #[test]
    fn every_depth_stream_is_a_window_of_the_stream_itself() {
        let streams = Okx.depth_streams();
        let windows: Vec<_> = streams.iter().map(|s| (s.name, s.rule.window)).collect();
        let expected = [
            ("books", Some(400)),
            ("books-l2-tbt", Some(400)),
            ("books50-l2-tbt", Some(50)),
            ("books5", Some(5)),
        ];
        assert_eq!(windows, expected);
        for stream in streams {
            assert_eq!(stream.rule.snapshot, SnapshotFrom::Stream);
            assert_eq!(stream.rule.chain, Chain::Previous);
            assert!(!stream.rule.truncates);
        }
    }

    #[test]
    fn a_full_connection_is_subscribed_to_within_the_hours_requests() {
        let limits = Okx.limits();
        let twice = 2 * limits.streams_per_connection;
        let pings = 3_600 / 20;
        assert!(twice + pings < limits.messages.count as usize);
    }
}
