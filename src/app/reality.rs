//! Whether the prices and the orders of a run are real. The one place that decides it, from the
//! configuration alone; refuses every mixture of worlds before anything is dialled.
//!
//! TLS is always verified. The name that the other side must prove, and who may vouch for it,
//! therefore decide a connection's world:
//!
//! | reached | by public authorities | with a `ca_file` beside them |
//! |---|---|---|
//! | by one of the exchange's own names | the exchange, or its test site | the same |
//! | by such a name, `via` an address of this host | simulated | simulated |
//! | by such a name, `via` an address of this network | the exchange | simulated |
//! | by such a name, `via` any other address | the exchange | nobody can tell |
//! | by an address of this host or this network | simulated | simulated |
//! | by any other name | nobody can tell | nobody can tell |
//!
//! Without `via` such a name leads to the exchange, whoever vouches for it. By public authorities
//! nobody else can prove it, so that `via` another host changes nothing. If nobody can tell, a run
//! may trade on paper, and sends no orders.

use super::config::{Account, Config, Feed};
use crate::exchange::{self, Exchange};
use std::fmt;
use std::net::IpAddr;

/// Where prices come from, or orders go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum World {
    /// The exchange itself.
    Exchange,
    /// A test site of the exchange itself, by its name.
    Test(&'static str),
    /// A simulated exchange in another process.
    Simulated,
    /// The simulated exchange of this process.
    InProcess,
    /// Nobody can tell.
    Unknown,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange => f.write_str("the exchange itself"),
            Self::Test(name) => write!(f, "the exchange's {name}"),
            Self::Simulated => f.write_str("a simulated exchange"),
            Self::InProcess => f.write_str("the simulated exchange of this process"),
            Self::Unknown => f.write_str("somebody of whom nobody can tell whether they are real"),
        }
    }
}

/// What the user wants to happen to orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intended {
    /// There are none: a recording is made.
    None,
    /// They stay on paper.
    Paper,
    /// They stay on paper, and a program's own strategy takes the place of the configured ones.
    Own,
    /// They leave for the account.
    Live,
}

/// What a run is. Output names it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A recording: no orders.
    Recording,
    /// Orders are filled against our own books, and never leave the process.
    Paper,
    /// Prices and orders are of a simulated exchange.
    Simulated,
    /// Prices and orders are of a test site of the exchange itself.
    Test(&'static str),
    /// Prices and orders are of the exchange itself.
    Live,
}

impl Mode {
    /// The word for it in `summary.json` and on screen.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recording => "none",
            Self::Paper => "paper",
            Self::Simulated => "simulated",
            Self::Test(name) => name,
            Self::Live => "live",
        }
    }
}

/// Decides what a run of this configuration would be, or says what it mixes.
pub(crate) fn decide(config: &Config, intended: Intended) -> Result<Mode, String> {
    let simulated = config.simulate.is_some();
    let prices: Result<Vec<_>, _> = config
        .feeds
        .iter()
        .map(|feed| prices_of(feed, simulated))
        .collect();
    let prices = prices?;
    match (intended, &config.accounts[..]) {
        (Intended::Live, _) if simulated => Err(
            "--live with [simulate]: its orders would follow invented prices; leave one of them \
             out"
            .into(),
        ),
        (Intended::None, _) => Ok(Mode::Recording),
        (Intended::Paper | Intended::Own, _) => Ok(Mode::Paper),
        (Intended::Live, []) => {
            Err("--live needs an [account] section with the files of its keys".into())
        }
        (Intended::Live, accounts) => {
            let modes: Result<Vec<Mode>, String> = accounts
                .iter()
                .map(|account| live(&prices, account))
                .collect();
            let modes = modes?;
            let (first, last) = (modes[0], modes[modes.len() - 1]);
            match modes.iter().all(|mode| *mode == first) {
                true => Ok(first),
                // Prices are of one world, so that only its name can differ.
                false => Err(format!(
                    "--live: one account is of {}, another one of {}: use one of them a run",
                    first.name(),
                    last.name()
                )),
            }
        }
    }
}

/// A connection, or two of one kind, and where it leads.
struct Reached<'a> {
    what: String,
    via: Option<&'a str>,
    host_port: String,
    world: World,
}

impl fmt::Display for Reached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            via,
            host_port,
            world,
        } = self;
        match (via, world) {
            (_, World::InProcess) => write!(f, "{what} is {world} ([simulate])"),
            (Some(via), _) => write!(f, "{what} is {world} ({host_port} by way of {via})"),
            (None, _) => write!(f, "{what} is {world} ({host_port})"),
        }
    }
}

/// Where a feed's prices come from. Snapshots of one world and changes of another do not make a
/// book.
fn prices_of(feed: &Feed, simulated: bool) -> Result<Reached<'_>, String> {
    let known = known(&feed.exchange)?;
    let own = known.endpoints();
    let reached = |key: &str, host_port: &Option<String>, own: String| {
        let host_port = host_port.clone().unwrap_or(own);
        let world = match simulated && feed.is_simulated() {
            true => World::InProcess,
            false => world_of(
                known,
                &host_port,
                feed.via.as_deref(),
                feed.ca_file.is_some(),
            ),
        };
        Reached {
            what: format!("the {key} of {}", feed.exchange),
            via: feed.via.as_deref(),
            host_port,
            world,
        }
    };
    let own_stream = known.stream_host(feed.streams.depth);
    let stream = reached("stream", &feed.stream, own_stream);
    let rest = reached("rest", &feed.rest, own.rest);
    match (stream.world, rest.world) {
        (one, other) if one == other => Ok(stream),
        (World::Unknown, _) => Ok(stream),
        (_, World::Unknown) => Ok(rest),
        _ => Err(format!(
            "{stream}, and {rest}: a book cannot be made of both; write stream and rest of one \
             [[feed]] for the same world"
        )),
    }
}

/// Orders may leave if every price and the account are of one and the same world.
fn live(prices: &[Reached<'_>], account: &Account) -> Result<Mode, String> {
    let known = known(&account.exchange)?;
    let own = known.endpoints().orders;
    if own.is_empty() {
        return Err(format!(
            "--live: this build sends no orders to {}",
            account.exchange
        ));
    }
    let host_port = account.orders.clone().unwrap_or(own);
    let orders = Reached {
        what: format!("the account at {}", account.exchange),
        via: account.via.as_deref(),
        world: world_of(
            known,
            &host_port,
            account.via.as_deref(),
            account.ca_file.is_some(),
        ),
        host_port,
    };
    for price in prices {
        if price.world != orders.world {
            return Err(format!(
                "--live: {price}, and {orders}: prices and orders must be of the same world; \
                 change stream, rest and via of [[feed]] or orders and via of [account], or leave \
                 --live out"
            ));
        }
    }
    match orders.world {
        World::Exchange => Ok(Mode::Live),
        World::Test(name) => Ok(Mode::Test(name)),
        World::Simulated => Ok(Mode::Simulated),
        World::InProcess | World::Unknown => Err(format!(
            "--live: {orders}; orders go to a name of the exchange's own, or to a simulated \
             exchange at an address of this host or network"
        )),
    }
}

fn known(name: &str) -> Result<&'static dyn Exchange, String> {
    exchange::by_name(name).ok_or_else(|| format!("{name}: this build does not know it"))
}

/// The world of a connection, by the table above.
fn world_of(known: &dyn Exchange, host_port: &str, via: Option<&str>, own_ca: bool) -> World {
    let host = host(host_port);
    let own = own_site(known, host);
    match (own, via.map(|via| near(self::host(via))), own_ca) {
        (Some(own), None, _) => own,
        (Some(_), Some(Near::Host), _) => World::Simulated,
        (Some(own), Some(Near::Network | Near::No), false) => own,
        (Some(_), Some(Near::Network), true) => World::Simulated,
        (Some(_), Some(Near::No), true) => World::Unknown,
        (None, via, _) => match via.unwrap_or(near(host)) {
            Near::Host | Near::Network => World::Simulated,
            Near::No => World::Unknown,
        },
    }
}

/// The exchange or its test site, if the host has one of their names.
fn own_site(known: &dyn Exchange, of: &str) -> Option<World> {
    let below = |domain: &str| {
        let front = of.strip_suffix(domain);
        front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    let sites = known.test_sites();
    if let Some((_, name)) = sites.iter().find(|(domain, _)| below(domain)) {
        return Some(World::Test(name));
    }
    let own = known.endpoints();
    let named = [own.stream, own.rest, own.orders]
        .iter()
        .any(|own| !of.is_empty() && host(own) == of);
    (named || known.owns(&format!("wss://{of}"))).then_some(World::Exchange)
}

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Near {
    /// On this host.
    Host,
    /// In this network: no public authority vouches for it.
    Network,
    /// Somewhere else.
    No,
}

fn near(host: &str) -> Near {
    match host.parse() {
        Ok(IpAddr::V4(ip)) if ip.is_loopback() => Near::Host,
        Ok(IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => Near::Network,
        Ok(IpAddr::V6(ip)) if ip.is_loopback() => Near::Host,
        Ok(IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => Near::Network,
        Ok(IpAddr::V4(_) | IpAddr::V6(_)) => Near::No,
        Err(_) if host == "localhost" || host.ends_with(".localhost") => Near::Host,
        Err(_) if !host.contains('.') => Near::Network, // Of a container, or of a hosts file.
        Err(_) => Near::No,
    }
}

fn host(host_port: &str) -> &str {
    let host = host_port
        .rsplit_once(':')
        .map_or(host_port, |(host, _)| host);
    host.trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests;
