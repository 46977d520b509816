//! Hyperliquid: perpetuals and spot pairs. Source: the exchange's own documentation and SDK, and
//! recordings. Names what is peculiar to it; how connections and books work is not its business.

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
use crate::base::feed::{Chain, SeqRule, Splice};
use crate::base::{Channel, Instrument, Span, Symbol};
use market::{decode, request, rest};

/// All markets of Hyperliquid's own.
pub(crate) struct Hyperliquid;

/// The type of the subscription to a sort of stream, which is also the channel of its messages.
const BOOK: &str = "l2Book";
const TRADES: &str = "trades";
const QUOTES: &str = "bbo";

/// Levels a side of a book message, at most: of a fast one, and of a slow one.
const FAST_WINDOW: u16 = 5;
const WINDOW: u16 = 20;

/// Every message is the whole window, and is numbered by its time. Messages of either window may
/// come, and not every one says which: a side of exactly five levels is never taken for all there
/// is.
const fn depth(name: &'static str, levels: u16, every_ms: u32) -> DepthStream {
    let rule = SeqRule {
        splice: Splice::Newer,
        chain: Chain::Rising,
        window: Some(WINDOW),
        short: Some(FAST_WINDOW),
        ..SeqRule::STREAM
    };
    DepthStream {
        name,
        rule,
        levels: Some(levels),
        every_ms: Some(every_ms),
    }
}

/// `fast` has five levels every half a second; `l2Book` has twenty, every five seconds since
/// 2026-07-25.
static DEPTHS: [DepthStream; 2] = [depth(FAST, FAST_WINDOW, 500), depth(BOOK, WINDOW, 5_000)];

/// The fast one of the two: `"fast":true` in its subscription.
const FAST: &str = "fast";

/// What sort of stream a channel is; `None` for channels that are not followed here.
fn channel(name: &str) -> Option<Channel> {
    match name {
        BOOK => Some(Channel::Depth),
        TRADES => Some(Channel::Trades),
        QUOTES => Some(Channel::Quotes),
        _ => None,
    }
}

impl Exchange for Hyperliquid {
    fn name(&self) -> &'static str {
        "hyperliquid"
    }

    fn owns(&self, url: &str) -> bool {
        text::host(url) == "api.hyperliquid.xyz"
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "api.hyperliquid.xyz:443".to_owned(),
            rest: "api.hyperliquid.xyz:443".to_owned(),
            orders: String::new(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[("hyperliquid-testnet.xyz", "testnet")]
    }

    fn limits(&self) -> Limits {
        // "Rate limits and user limits": one address has 10 connections (100 in older texts), and
        // over all of them 1,000 subscriptions and 2,000 messages a minute. A connection takes its
        // tenth.
        Limits {
            // As many as streams.
            books_per_connection: 1_000,
            // 20 levels per side, or a burst of trades.
            message_bytes_max: 2 << 20,
            streams_per_connection: 100,
            messages: Rate {
                count: 200,
                per: Span::from_secs(60),
            },
            connects: Rate {
                count: 30,
                per: Span::from_secs(60),
            },
            connection_life: Span::MAX, // Not documented.
            rest_weight: Rate {
                count: 1_200,
                per: Span::from_secs(60),
            },
            bursts: Bursts::NONE,
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/ws".to_owned()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        // A connection to which nothing was sent for 60 s is cut; the answer `pong` counts.
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
        _first_id: u64,
    ) -> Vec<Request> {
        request::about(method, topics, depth)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn metadata_requests(&self, symbols: &[&str]) -> Vec<RestRequest> {
        rest::metadata_requests(symbols)
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        ["metaAndAssetCtxs", "spotMetaAndAssetCtxs"]
            .map(rest::info)
            .into()
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        rest::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::HyperliquidMirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::SnapshotFrom;

    #[test]
    fn only_its_own_service_is_its_own() {
        assert!(Hyperliquid.owns("wss://api.hyperliquid.xyz/ws"));
        assert!(!Hyperliquid.owns("wss://api.hyperliquid-testnet.xyz/ws"));
        assert!(!Hyperliquid.owns("wss://hypercore.example/ws"));
    }

    #[test]
    fn its_books_are_whole_and_only_rise() {
        for depth in Hyperliquid.depth_streams() {
            assert_eq!(depth.rule.snapshot, SnapshotFrom::Stream);
            assert_eq!(depth.rule.chain, Chain::Rising);
            assert_eq!((depth.rule.window, depth.rule.truncates), (Some(20), false));
            assert_eq!((depth.rule.short, depth.rule.checksum), (Some(5), None));
        }
        let levels = Hyperliquid.depth_streams().iter().map(|depth| depth.levels);
        assert!(levels.eq([Some(5), Some(20)]), "as their messages have");
    }

    #[test]
    fn ten_full_connections_keep_to_what_one_address_may() {
        let limits = Hyperliquid.limits();
        assert!(10 * limits.streams_per_connection <= 1_000);
        assert!(10 * limits.messages.count <= 2_000);
    }
}
