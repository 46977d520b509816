//! Which part of a feed goes on which lane, and how its exchange is reached. Starts nothing.

use super::super::config::Feed as FeedConfig;
use super::super::universe::Source;
use crate::base::Instrument;
use crate::conn::{Proxy, tls};
use crate::exchange;
use crate::wiring::plan::{self, Endpoint, FeedPlan, LanePlan, routes};
use crate::world::os::clerk::{MarketSource, target};
use crate::world::os::clock::OsClock;
use crate::world::os::engine::LaneService;
use std::sync::Arc;

/// How many lanes a feed has, as far as one knows before its exchange is asked.
pub(crate) fn lanes(feed: &FeedConfig) -> usize {
    let routes = exchange::by_name(&feed.exchange).map(|known| routes(known, &feed.streams).len());
    routes.unwrap_or(1) * feed.shards()
}

/// The connections of each of its lanes.
pub(crate) fn links(feed: &FeedConfig) -> usize {
    plan::links(feed.streams.depth, feed.lines)
}

/// The lanes of a source: each carries some channels of some instruments.
///
/// # Errors
/// In words, when the certificate authority cannot be used.
pub(crate) fn shards(
    source: &Source,
    all: &[Instrument],
) -> Result<Vec<(LanePlan, LaneService)>, String> {
    let Source {
        exchange,
        config,
        stream,
        proxy,
        ca_pem,
        ..
    } = source;
    let straight = config.via.as_ref().unwrap_or(stream);
    let mut shards = Vec::new();
    for route in routes(*exchange, &config.streams) {
        for ids in source.instruments.chunks(config.instruments_per_connection) {
            let endpoint = endpoint(stream, straight, ca_pem.as_deref(), proxy.clone())?;
            let ours: Vec<Instrument> = ids.iter().map(|id| all[id.index()]).collect();
            let feed = FeedPlan {
                channels: route.channels.clone(),
                total: all.len(),
                ..FeedPlan::new(*exchange, config.streams.depth, &ours)
            };
            let lane = LanePlan {
                path: route.path.clone(),
                lines: config.lines,
                links: links(config),
                key: config.key.clone(),
                ..LanePlan::new(feed, endpoint)
            };
            let service = LaneService {
                reached_at: reached_at(straight, proxy.as_ref()),
                market: MarketSource {
                    host: source.host,
                    exchange: *exchange,
                    levels: config.snapshot_levels,
                    instruments: ids.to_vec(),
                },
            };
            shards.push((lane, service));
        }
    }
    Ok(shards)
}

/// Where connections to `host_port` are opened to.
pub(crate) fn reached_at(host_port: &str, proxy: Option<&Proxy>) -> String {
    proxy.map_or(host_port, Proxy::host_port).to_owned()
}

/// `host_port`, which a proxy is told as `straight`.
///
/// # Errors
/// In words, when the certificate authority cannot be used.
pub(crate) fn endpoint(
    host_port: &str,
    straight: &str,
    ca_pem: Option<&[u8]>,
    proxy: Option<Proxy>,
) -> Result<Endpoint, String> {
    Ok(Endpoint {
        host_port: host_port.to_owned(),
        tls: tls::client_config(ca_pem, Arc::new(OsClock)).map_err(|error| error.to_string())?,
        proxy: proxy.map(|proxy| (proxy, target(straight))),
        seed: fastrand::u64(..),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config;
    use crate::base::{Channel, InstrumentId, Symbol};
    use crate::exchange::{DepthStream, Exchange as _, Streams, binance_spot::BINANCE};
    use crate::venue::paper::FeesPpm;

    /// Three instruments, two lines, at most two instruments a connection.
    fn source(depth: &'static DepthStream) -> Source {
        Source {
            exchange: &BINANCE,
            config: config::Feed {
                exchange: "binance".into(),
                stream: None,
                rest: None,
                ca_file: None,
                instruments: ["A", "B", "C"].map(String::from).to_vec(),
                streams: Streams {
                    depth,
                    trades: true,
                    quotes: false,
                },
                top: None,
                snapshot_levels: 1_000,
                instruments_per_connection: 2,
                lines: 2,
                fees_ppm: FeesPpm::default(),
                via: None,
                proxy: None,
                api_key: None,
                key: None,
            },
            stream: "localhost:443".into(),
            proxy: None,
            host: 3,
            ca_pem: None,
            instruments: (4..7).map(InstrumentId).collect(),
            chosen: None,
        }
    }

    #[test]
    fn each_lane_has_its_share_of_the_instruments_and_a_line_to_spare() {
        let source = source(&BINANCE.depth_streams()[0]);
        let one = |id| Instrument {
            id: InstrumentId(id),
            ..Instrument::bare("binance", Symbol::from("A").unwrap(), (2, 2))
        };
        let all: Vec<Instrument> = (0..7).map(one).collect();
        let made = shards(&source, &all).unwrap();
        let shares: Vec<_> = made
            .iter()
            .map(|(_, service)| &service.market.instruments[..])
            .collect();
        assert_eq!(shares, [&source.instruments[..2], &source.instruments[2..]]);
        for (lane, service) in &made {
            assert_eq!(service.market.host, 3);
            assert_eq!(service.reached_at, "localhost:443");
            assert_eq!(lane.feed.channels, [Channel::Depth, Channel::Trades]);
            assert_eq!((lane.feed.total, lane.lines, lane.links), (7, 2, 3));
        }
        assert_eq!(made[1].0.feed.instruments, all[6..]);
        assert_eq!(lanes(&source.config), made.len());
        assert_eq!(links(&source.config), 3);
    }
}
