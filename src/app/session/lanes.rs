//! Which part of a feed goes on which lane, and how its lines are made. Starts nothing.

use super::super::config::{Config, Feed as FeedConfig};
use super::super::universe::Source;
use crate::base::{Channel, Instrument, InstrumentId, Nanos};
use crate::conn::{Link, LinkConfig, tls};
use crate::exchange::{self, Exchange, Streams};
use crate::watch::audit::{AUDIT_LEVELS, Shown};
use crate::wiring::feed::Feed;
use crate::wiring::feed_lane::{Desired, FeedLane};
use crate::wiring::lane::Lane;
use crate::wiring::publisher::Publisher;
use crate::wiring::tap::{Tap, tap};
use crate::world::os::clerk::target;
use crate::world::os::clock::OsClock;
use crate::world::os::recorder::{LaneTap, bare};
use crate::world::os::socket::Socket;
use std::sync::Arc;

/// Channels that an exchange serves on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Path and query of the upgrade.
    pub path: String,
    /// The channels, in the order of [`Channel::ALL`].
    pub channels: Vec<Channel>,
}

/// The channels of these streams, by the connections that carry them.
pub fn routes(exchange: &dyn Exchange, streams: &Streams) -> Vec<Route> {
    by_path(streams.channels(), |channel| exchange.stream_path(channel))
}

fn by_path(
    channels: impl Iterator<Item = Channel>,
    path_of: impl Fn(Channel) -> String,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for channel in channels {
        let path = path_of(channel);
        match routes.iter_mut().find(|route| route.path == path) {
            Some(route) => route.channels.push(channel),
            None => routes.push(Route {
                path,
                channels: vec![channel],
            }),
        }
    }
    routes
}

/// How many lanes a feed has, as far as one knows before its exchange is asked.
pub fn lanes(feed: &FeedConfig) -> usize {
    let routes = exchange::by_name(&feed.exchange).map(|known| routes(known, &feed.streams).len());
    routes.unwrap_or(1) * feed.shards()
}

/// One lane's share of a source: some channels of some instruments.
pub struct Shard<'a> {
    /// The source.
    pub source: &'a Source,
    route: Route,
    /// Which instruments.
    pub instruments: &'a [InstrumentId],
}

/// The lanes of a source.
pub fn shards(source: &Source) -> impl Iterator<Item = Shard<'_>> {
    let routes = routes(source.exchange, &source.config.streams);
    routes.into_iter().flat_map(move |route| {
        let share = source.config.instruments_per_connection;
        let shard = move |instruments| Shard {
            source,
            route: route.clone(),
            instruments,
        };
        source.instruments.chunks(share).map(shard)
    })
}

/// The two ends of a lane's tap.
pub fn lane_tap(shard: &Shard, bytes: usize) -> (Tap, LaneTap) {
    let exchange = shard.source.exchange;
    let (tap, end) = tap(bytes);
    let host = exchange.endpoints().stream;
    let lane = LaneTap {
        end,
        exchange: exchange.name(),
        conn: format!("wss://{}{}", bare(&host), shard.route.path),
    };
    (tap, lane)
}

/// The lane of a shard, with the ends of its rings; `with_desk` if its worker runs the desk, too.
pub fn feed_lane(
    config: &Config,
    shard: &Shard,
    all: &[Instrument],
    publisher: Publisher,
    audit: rtrb::Producer<Shown>,
    tap: Option<Tap>,
    with_desk: bool,
) -> Result<Box<dyn Lane<Socket>>, String> {
    match config.engine.depth {
        256 => lane_of::<256>(shard, all, publisher, audit, tap, with_desk),
        1_024 => lane_of::<1_024>(shard, all, publisher, audit, tap, with_desk),
        4_096 => lane_of::<4_096>(shard, all, publisher, audit, tap, with_desk),
        other => Err(format!("no book of {other} levels is compiled in")),
    }
}

fn lane_of<const N: usize>(
    shard: &Shard,
    all: &[Instrument],
    publisher: Publisher,
    audit: rtrb::Producer<Shown>,
    tap: Option<Tap>,
    with_desk: bool,
) -> Result<Box<dyn Lane<Socket>>, String> {
    let (exchange, config) = (shard.source.exchange, &shard.source.config);
    let depth = config.streams.depth;
    let ours: Vec<Instrument> = shard.instruments.iter().map(|id| all[id.index()]).collect();
    let links: Result<Vec<_>, String> = (0..links(config)).map(|_| market_link(shard)).collect();
    let feed = Feed::<N>::new(
        (exchange, depth),
        &ours,
        all.len(),
        AUDIT_LEVELS,
        shard.route.channels.contains(&Channel::Depth),
        publisher,
        audit,
    );
    let desired = Desired::new((exchange, depth), &ours, &shard.route.channels);
    let lane = FeedLane::new(links?, config.lines, feed, desired).tapped(tap);
    Ok(match with_desk {
        true => Box::new(lane.frame_by_frame()),
        false => Box::new(lane),
    })
}

/// The connections of a lane: the feed's lines, and a spare one that takes the place of another.
/// Books without update ids cannot continue on another line: their line is closed before the next
/// one opens.
pub fn links(feed: &FeedConfig) -> usize {
    match feed.streams.depth.rule.merges() {
        true => feed.lines + 1,
        false => 1,
    }
}

/// A link for market streams, with the limits that the exchange states for its connections.
fn market_link(shard: &Shard) -> Result<Link<Socket>, String> {
    let Source {
        exchange,
        stream,
        ca_pem,
        proxy,
        ..
    } = shard.source;
    let reached_at = shard.source.config.via.as_ref().unwrap_or(stream);
    link(stream, &shard.route.path, ca_pem.as_deref(), |config| {
        let limits = exchange.limits();
        config.messages = Some((limits.messages.count, limits.messages.per));
        config.proxy = proxy.clone().map(|proxy| (proxy, target(reached_at)));
        config.message_bytes_max = limits.message_bytes_max;
        config.life_max = life_max(limits.connection_life);
        if let Some(keep_alive) = exchange.keep_alive()
            && keep_alive.every > config.idle_after
        {
            config.idle_after = keep_alive.every + keep_alive.every;
        }
    })
}

/// The age at which we end a connection: a little before the exchange does.
fn life_max(allowed: Nanos) -> Nanos {
    match allowed {
        Nanos::NEVER => Nanos::NEVER,
        allowed => allowed - Nanos(allowed.0 / 24),
    }
}

/// A link to `host:port`, configured as `change` leaves it.
pub fn link(
    host_port: &str,
    path: &str,
    ca_pem: Option<&[u8]>,
    change: impl FnOnce(&mut LinkConfig),
) -> Result<Link<Socket>, String> {
    let (host, port) = host_port
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| format!("{host_port}: write it as host:port"))?;
    let mut config = LinkConfig::new(host.trim_matches(['[', ']']), port, path);
    change(&mut config);
    let tls = tls::client_config(ca_pem, Arc::new(OsClock)).map_err(|error| error.to_string())?;
    Link::new(config, tls, fastrand::u64(..)).map_err(|error| format!("{host_port}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config;
    use crate::exchange::DepthStream;
    use crate::exchange::binance_spot::BINANCE;

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
                taker_fee_ppm: 1_000,
                via: None,
                proxy: None,
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
    fn channels_with_a_path_of_their_own_have_connections_of_their_own() {
        let path = |channel: Channel| match channel {
            Channel::Depth | Channel::Quotes => "/public".to_owned(),
            Channel::Trades => "/market".to_owned(),
        };
        let routes = by_path(Channel::ALL.into_iter(), path);
        let route = |path: &str, channels: &[Channel]| Route {
            path: path.into(),
            channels: channels.to_vec(),
        };
        let books = route("/public", &[Channel::Depth, Channel::Quotes]);
        assert_eq!(routes, [books, route("/market", &[Channel::Trades])]);
    }

    #[test]
    fn each_lane_has_its_share_of_the_instruments_and_a_line_to_spare() {
        let source = source(&BINANCE.depth_streams()[0]);
        let lanes_of: Vec<Shard> = shards(&source).collect();
        let shares: Vec<&[InstrumentId]> = lanes_of.iter().map(|one| one.instruments).collect();
        assert_eq!(shares, [&source.instruments[..2], &source.instruments[2..]]);
        for lane in &lanes_of {
            assert_eq!(lane.source.host, 3);
            assert_eq!(lane.route.channels, [Channel::Depth, Channel::Trades]);
        }
        assert_eq!(lanes(&source.config), lanes_of.len());
        assert_eq!(links(&source.config), 3);
    }

    #[test]
    fn books_without_update_ids_have_one_line_and_none_to_spare() {
        static COUNTED: DepthStream = DepthStream {
            name: "l2",
            rule: crate::base::feed::SeqRule {
                chain: crate::base::feed::Chain::Counted,
                ..crate::base::feed::SeqRule::STREAM
            },
            levels: None,
            every_ms: None,
        };
        assert_eq!(links(&source(&COUNTED).config), 1);
    }

    #[test]
    fn a_connection_ends_a_little_before_the_exchange_ends_it() {
        assert_eq!(life_max(Nanos::from_secs(24 * 3_600)), LinkConfig::LIFE_MAX);
        assert_eq!(life_max(Nanos::NEVER), Nanos::NEVER);
    }
}
