//! What a run's road is made of, as data: which lane carries which streams of which instruments,
//! where its exchange is reached, and how much may wait between lanes. [`super::road`] builds it.

use super::desk::Seated;
use super::keep::JournalPlan;
use crate::base::{Channel, Instrument, Span};
use crate::conn::{KeyHeader, Link, LinkConfig, Proxy, Target, Transport};
use crate::exchange::{DepthStream, Exchange, OrderCodec, Streams};
use crate::trading::risk::Risk;
use crate::venue::paper::FeesPpm;
use crate::watch::audit::AUDIT_LEVELS;
use rustls::ClientConfig;
use std::sync::Arc;

/// Events that may wait between a feed and the desk before books are conflated.
pub(crate) const EVENTS: usize = 2_048;
/// The same if the desk is on the feed's own worker, which takes each frame's events before the
/// next frame is read: few enough to stay in a near cache. A frame with more is conflated as ever.
pub(crate) const EVENTS_BESIDE: usize = 512;
/// Shown books that may wait for the scribe: 10 ms of a very busy feed.
pub(crate) const AUDITS: usize = 8_192;
/// Orders between the desk and the gateway: as many as risk may allow to be open.
pub(crate) const TICKETS: usize = 256;
/// Reports between the gateway and the desk: several for each order that may be open.
pub(crate) const REPORTS: usize = 1_024;

/// Evaluates an expression with `$n` as the compiled-in book size that equals `$levels`; an error
/// in words if none does.
macro_rules! with_levels {
    ($levels:expr, $n:ident => $run:expr) => {
        match $levels {
            256 => {
                const $n: usize = 256;
                $run
            }
            1_024 => {
                const $n: usize = 1_024;
                $run
            }
            4_096 => {
                const $n: usize = 4_096;
                $run
            }
            other => Err(format!("no book of {other} levels is compiled in")),
        }
    };
}
pub(crate) use with_levels;

/// A run's road.
///
/// Invariant: `risk`, the lanes and the strategies are for the same table of `instruments`; there
/// is a place between desk and gateway for every order that risk may allow to be open.
pub struct Plan {
    /// The run's table, by id.
    pub instruments: Arc<[Instrument]>,
    /// Levels per side of every book: one of the sizes that are compiled in.
    pub levels: usize,
    /// The feed lanes.
    pub lanes: Vec<LanePlan>,
    /// Where orders go, an account for each exchange; without any they stay on paper.
    pub gateways: Vec<GatewayPlan>,
    /// What decides, by strategy id.
    pub strategies: Vec<Seated>,
    /// The one gate before the market.
    pub risk: Risk,
    /// What fills on paper pay, by instrument id; nothing beyond the end.
    pub paper_fees: Vec<FeesPpm>,
}

/// What a feed follows.
pub struct FeedPlan {
    /// Whose streams they are.
    pub exchange: &'static dyn Exchange,
    /// Which stream the books come by.
    pub depth: &'static DepthStream,
    /// What is followed of each instrument. Without [`Channel::Depth`] there are no books.
    pub channels: Vec<Channel>,
    /// Whose data they carry.
    pub instruments: Vec<Instrument>,
    /// Instruments of the whole run.
    pub total: usize,
    /// A book is refreshed when fewer levels than that (and a margin) are complete.
    pub depth_needed: usize,
    /// Its exchange plays a recording: the times of its messages do not tell their age.
    pub played: bool,
    /// Room between the feed and the desk.
    pub events: usize,
    /// Room between the feed and the scribe for books that were shown; without any they are not
    /// audited, and have no digest.
    pub audits: usize,
}

impl FeedPlan {
    /// All channels of these instruments, which are all that the run has, with the usual room.
    pub fn new(
        exchange: &'static dyn Exchange,
        depth: &'static DepthStream,
        instruments: &[Instrument],
    ) -> Self {
        Self {
            exchange,
            depth,
            channels: Channel::ALL.to_vec(),
            instruments: instruments.to_vec(),
            total: instruments.len(),
            depth_needed: AUDIT_LEVELS,
            played: false,
            events: EVENTS,
            audits: AUDITS,
        }
    }
}

/// A feed, and the connections that it has its data from.
///
/// Invariant: it has a line and a connection; those beyond `lines` take the place of others.
pub struct LanePlan {
    /// What it follows.
    pub feed: FeedPlan,
    /// Path and query of the upgrade.
    pub path: String,
    /// Where its exchange is reached.
    pub endpoint: Endpoint,
    /// Connections that carry the same.
    pub lines: usize,
    /// Connections in all; see [`links`].
    pub links: usize,
    /// Its worker also runs the desk: it takes one frame at a time, so that the desk decides before
    /// the next one.
    pub with_desk: bool,
    /// Room of the copy for a recorder, in bytes; without it nothing is copied.
    pub tap_bytes: Option<usize>,
    /// Our API key at the exchange, if it asks for one.
    pub key: Option<KeyHeader>,
}

impl LanePlan {
    /// A lane of one line, with another one that takes its place if the books allow it.
    pub fn new(feed: FeedPlan, endpoint: Endpoint) -> Self {
        let first = feed.channels.first().copied().unwrap_or(Channel::Depth);
        Self {
            path: feed.exchange.stream_path(first),
            endpoint,
            lines: 1,
            links: links(feed.depth, 1),
            with_desk: false,
            tap_bytes: None,
            key: None,
            feed,
        }
    }

    /// On the desk's own worker.
    pub(crate) fn beside_desk(&mut self) {
        (self.with_desk, self.feed.events) = (true, EVENTS_BESIDE);
    }
}

/// An account's order connection.
pub struct GatewayPlan {
    /// Whose it is.
    pub exchange: &'static dyn Exchange,
    /// Its place among the run's accounts.
    pub place: usize,
    /// Writes and reads its messages, with the account's keys.
    pub codec: Box<dyn OrderCodec>,
    /// Where it is reached.
    pub endpoint: Endpoint,
    /// Room between the desk and the gateway.
    pub tickets: usize,
    /// Room between the gateway and the desk.
    pub reports: usize,
    /// The account's order journal, if one is kept.
    pub journal: Option<JournalPlan>,
}

impl GatewayPlan {
    /// With the usual room.
    pub fn new(
        exchange: &'static dyn Exchange,
        codec: Box<dyn OrderCodec>,
        endpoint: Endpoint,
    ) -> Self {
        Self {
            exchange,
            place: 0,
            codec,
            endpoint,
            tickets: TICKETS,
            reports: REPORTS,
            journal: None,
        }
    }
}

/// Where an exchange is reached.
#[derive(Clone)]
pub struct Endpoint {
    /// `host:port`; the certificate must be for the host.
    pub host_port: String,
    /// Which authorities are trusted.
    pub tls: Arc<ClientConfig>,
    /// The way there: a proxy, and what it is to connect to.
    pub proxy: Option<(Proxy, Target)>,
    /// Seed of the dice for jitter: each connection has its own.
    pub seed: u64,
}

impl Endpoint {
    /// The `n`th connection to it, configured as `change` leaves it.
    ///
    /// # Errors
    /// In words, when the host and port, or the path, are none.
    pub(crate) fn link<S: Transport>(
        &self,
        path: &str,
        n: u64,
        change: impl FnOnce(&mut LinkConfig),
    ) -> Result<Link<S>, String> {
        let host_port = &self.host_port;
        let (host, port) = host_port
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .ok_or_else(|| format!("{host_port}: write it as host:port"))?;
        let mut config = LinkConfig::new(host.trim_matches(['[', ']']), port, path);
        config.proxy.clone_from(&self.proxy);
        change(&mut config);
        Link::new(config, self.tls.clone(), self.seed.wrapping_add(n))
            .map_err(|error| format!("{host_port}: {error}"))
    }
}

impl LanePlan {
    /// Its `n`th connection: it keeps to what the exchange says of its connections.
    pub(super) fn link<S: Transport>(&self, n: u64) -> Result<Link<S>, String> {
        let FeedPlan {
            exchange, depth, ..
        } = self.feed;
        self.endpoint.link(&self.path, n, |config| {
            let limits = exchange.limits();
            config.binary = exchange.binary(depth).is_some();
            config.key.clone_from(&self.key);
            config.messages = Some((limits.messages.count, limits.messages.per));
            config.message_bytes_max = limits.message_bytes_max;
            config.life_max = life_max(limits.connection_life);
            if let Some(keep_alive) = exchange.keep_alive()
                && keep_alive.every > config.idle_after
            {
                config.idle_after = keep_alive.every + keep_alive.every;
            }
        })
    }
}

/// The age at which we end a connection: a little before the exchange does.
fn life_max(allowed: Span) -> Span {
    match allowed {
        Span::MAX => Span::MAX,
        allowed => allowed - allowed / 24,
    }
}

/// How many connections a lane of `lines` has: those, and one that takes the place of another.
/// Books without update ids cannot be carried on by another line: theirs is closed before the next
/// one opens.
pub fn links(depth: &DepthStream, lines: usize) -> usize {
    match depth.rule.merges() {
        true => lines + 1,
        false => 1,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::feed::{Chain, SeqRule};

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
    fn books_without_update_ids_have_one_line_and_none_to_spare() {
        let stream = |chain| DepthStream {
            name: "l2",
            rule: SeqRule {
                chain,
                ..SeqRule::STREAM
            },
            levels: None,
            every_ms: None,
        };
        assert_eq!(links(&stream(Chain::Counted), 2), 1);
        assert_eq!(links(&stream(Chain::Dense), 2), 3);
    }

    #[test]
    fn a_connection_ends_a_little_before_the_exchange_ends_it() {
        assert_eq!(life_max(Span::from_secs(24 * 3_600)), LinkConfig::LIFE_MAX);
        assert_eq!(life_max(Span::MAX), Span::MAX);
    }
}
