//! From a configuration and what the exchanges list to the parts of an engine. Starts nothing.

pub(super) mod lanes;

use super::config::{self, Config};
use super::orders;
use super::universe::{self, Universe};
use crate::base::{Clock as _, Instrument, UnixNanos};
use crate::exchange::{self, Account};
use crate::strategy::{Strategy, Table};
use crate::trading::limits::{RiskLimits, RiskParams};
use crate::trading::risk::Risk;
use crate::watch::summary;
use crate::wiring::desk::Seated;
use crate::wiring::plan::{GatewayPlan, LanePlan, Plan};
use crate::wiring::tap::tap_bytes;
use crate::world::os::clock::OsClock;
use crate::world::os::engine::{EngineParts, LaneService};
use crate::world::os::orders::Kit;
use crate::world::os::placement::{Cpus, WaitChoice};
use lanes::{endpoint, reached_at, shards};
pub(crate) use lanes::{lanes, links};
use std::sync::Arc;

/// Builds the strategy of a run once its instruments are known.
pub type StrategyMaker = Box<dyn FnOnce(&[Instrument]) -> Result<Box<dyn Strategy>, String>>;

/// A strategy of a run, and what people call it.
pub(crate) struct Named {
    /// Its own name among the run's strategies.
    pub(crate) name: String,
    /// The name of its kind.
    pub(crate) kind: &'static str,
    /// The strategy, and its instruments.
    pub(crate) seated: Seated,
}

impl Named {
    /// The only strategy of a program that brings its own.
    pub(crate) fn only(strategy: Box<dyn Strategy>) -> Self {
        Self {
            name: "own".to_owned(),
            kind: "own",
            seated: Seated::everywhere(strategy),
        }
    }

    /// Its place in a summary, before it has done anything.
    pub(crate) fn told(&self) -> summary::Strategy {
        summary::Strategy {
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            ..summary::Strategy::default()
        }
    }
}

/// The parts of a run's engine. `accounts` send orders; without any they stay on paper. `record`
/// taps the feed lanes.
///
/// # Errors
/// In words, when a limit, a host or a certificate authority cannot be used.
pub(crate) fn engine_parts(
    config: &Config,
    universe: Universe,
    strategies: Vec<Named>,
    accounts: Vec<(Account, config::Account)>,
    cpus: &Cpus,
    record: bool,
) -> Result<EngineParts, String> {
    let paper_fees = universe.fees_ppm();
    let instruments: Arc<[Instrument]> = universe.instruments.into();
    let shards = universe
        .sources
        .iter()
        .map(|source| shards(source, &instruments));
    let made: Result<Vec<_>, String> = shards.collect();
    let (mut plans, services): (Vec<LanePlan>, Vec<LaneService>) =
        made?.into_iter().flatten().unzip();
    let room = record.then(|| tap_bytes(plans.len()));
    plans.iter_mut().for_each(|plan| plan.tap_bytes = room);
    // Microseconds since 1970: an id of a later run is larger than all of an earlier one's.
    let UnixNanos(now) = OsClock.unix();
    let names: Vec<String> = strategies.iter().map(|named| named.name.clone()).collect();
    let (mut gateways, mut orders, mut gateways_reached_at) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_client_id = now.unsigned_abs() / 1_000;
    for (keys, at) in accounts {
        let (plan, kept) = gateway(config, keys, &at, (&instruments, &names))?;
        gateways.push(plan);
        orders.push(kept.kit);
        gateways_reached_at.push(kept.reached_at);
        // A clock that was set back gives no id twice.
        first_client_id = first_client_id.max(kept.next_client_id);
    }
    Ok(EngineParts {
        ranks: ranks(&strategies, &instruments),
        road: Plan {
            risk: risk(config, &instruments, first_client_id)?,
            strategies: strategies.into_iter().map(|named| named.seated).collect(),
            levels: config.engine.depth,
            lanes: plans,
            gateways,
            instruments,
            paper_fees,
        },
        lanes: services,
        gateways_reached_at,
        hosts: universe.hosts,
        cpus: cpus.clone(),
        wait: wait_choice(config),
        sockets: config.socket,
        orders,
    })
}

/// What belongs to an order connection.
struct Kept {
    /// Where it is opened to.
    reached_at: String,
    /// What its order journal is written with.
    kit: Kit,
    /// Every client id below it is used up.
    next_client_id: u64,
}

/// The account's order connection, and what belongs to it. From here on the account is this
/// engine's.
fn gateway(
    config: &Config,
    keys: Account,
    account: &config::Account,
    (instruments, strategies): (&[Instrument], &[String]),
) -> Result<(GatewayPlan, Kept), String> {
    let exchange = exchange::by_name(&account.exchange)
        .ok_or_else(|| format!("{}: this build does not know it", account.exchange))?;
    let host_port = account
        .orders
        .clone()
        .unwrap_or(exchange.endpoints().orders);
    // An instrument of another exchange may have the same symbol: its orders must not come here.
    let of_account = |i: &&Instrument| i.exchange == exchange.name();
    let ours: Vec<Instrument> = instruments.iter().filter(of_account).copied().collect();
    let fingerprint = orders::fingerprint(&keys);
    let codec = exchange.order_codec(keys, &ours)?;
    let whose = orders::Whose {
        dir: &account.journal,
        exchange: exchange.name(),
        fingerprint,
        visibility: codec.visibility(),
        durable: account.durable,
        accepts: account.accept_differences.clone(),
    };
    let opened = orders::open(&whose, &ours, strategies)?;
    let ca_file = account.ca_file.as_deref();
    let ca_pem = ca_file.map(universe::read_ca).transpose()?;
    let straight = account.via.as_ref().unwrap_or(&host_port);
    let proxy = config::proxy_to(config, None, straight)?;
    let opened_to = reached_at(straight, proxy.as_ref());
    let endpoint = endpoint(&host_port, straight, ca_pem.as_deref(), proxy)?;
    let plan = GatewayPlan {
        journal: Some(opened.plan),
        ..GatewayPlan::new(exchange, codec, endpoint)
    };
    let kept = Kept {
        reached_at: opened_to,
        kit: opened.kit,
        next_client_id: opened.next_client_id,
    };
    Ok((plan, kept))
}

/// How urgent each instrument's snapshots are: instruments that some strategy trades come first.
fn ranks(strategies: &[Named], instruments: &[Instrument]) -> Vec<u8> {
    let traded = |id| {
        let mut seated = strategies.iter().map(|named| &named.seated);
        seated.any(|seated| seated.owns(id) && seated.strategy.trades(id))
    };
    let rank = |instrument: &Instrument| u8::from(!traded(instrument.id));
    instruments.iter().map(rank).collect()
}

/// The gates of a run; client ids count up from `first_client_id`.
pub(crate) fn risk(
    config: &Config,
    instruments: &[Instrument],
    first_client_id: u64,
) -> Result<Risk, String> {
    let strategies = config.strategies.iter().map(|strategy| &strategy.risk);
    let params = RiskParams {
        strategies: strategies.cloned().collect(),
        ..config.risk.clone()
    };
    let limits = RiskLimits::parse(&params, instruments).map_err(|error| error.to_string())?;
    Ok(Risk::new(limits, instruments, first_client_id))
}

/// The configured strategies for these instruments.
pub(crate) fn configured_strategies(
    config: &Config,
    instruments: &[Instrument],
    taker_fees_ppm: &[u32],
) -> Result<Vec<Named>, String> {
    let named = |configured: &config::Strategy| {
        let own = own_instruments(configured, instruments)?;
        let table = Table {
            instruments,
            taker_fees_ppm,
            own: own.as_deref(),
        };
        let config::Strategy {
            name, kind, values, ..
        } = configured;
        let strategy = (kind.build)(values, &table).map_err(|error| format!("{name}: {error}"))?;
        Ok(Named {
            name: name.clone(),
            kind: kind.name,
            seated: Seated { strategy, own },
        })
    };
    config.strategies.iter().map(named).collect()
}

/// Which instruments of the run a strategy is for; `None` for all of them.
pub(crate) fn own_instruments(
    configured: &config::Strategy,
    instruments: &[Instrument],
) -> Result<Option<Box<[bool]>>, String> {
    if configured.instruments.is_empty() {
        return Ok(None);
    }
    let mut own = vec![false; instruments.len()].into_boxed_slice();
    for entry in &configured.instruments {
        let mut any = false;
        for instrument in instruments {
            if universe::fits(entry, instrument) {
                (own[instrument.id.index()], any) = (true, true);
            }
        }
        if !any {
            return Err(format!(
                "strategy {}: {entry} is none of the run's instruments: write one that a [[feed]] \
                 follows, like \"{}\"",
                configured.name,
                instruments.first().map_or("*", |first| first.name.as_str())
            ));
        }
    }
    Ok(Some(own))
}

pub(super) fn wait_choice(config: &Config) -> WaitChoice {
    match config.engine.wait {
        config::Wait::Spin => WaitChoice::Spin,
        config::Wait::Park => WaitChoice::Park,
        config::Wait::Auto => WaitChoice::Auto,
    }
}
