//! The settings of a run against the simulated exchange of this process.

use super::RunError;
use crate::app::config::{self, Config, Known, Way};
use crate::exchange::{self, Account};
use crate::strategy::{ALL, Kind};
use crate::venue::account::generate_account;
use crate::world::os::server::{self, Sim, SimOptions, SimSource};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a run without a file does.
const DEFAULT: &str = include_str!("../../../configs/default.toml");
const DEFAULT_PATH: &str = "configs/default.toml";

pub(super) fn start_sim(source: SimSource, seed: u64) -> Result<Sim, RunError> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    server::start(SimOptions {
        listen,
        seed,
        source,
        ..SimOptions::default()
    })
    .map_err(|error| RunError::Failed(error.to_string()))
}

/// Starts the simulated exchanges of a configuration, and points their feeds at them.
pub(super) fn start_configured(
    config: &mut Config,
    simulate: config::Simulate,
    dir: &Path,
) -> Result<Sim, RunError> {
    let feeds = config.feeds.iter_mut().filter(|feed| feed.is_simulated());
    let mut feeds: Vec<&mut config::Feed> = feeds.collect();
    let options = SimOptions {
        seed: simulate.seed,
        exchanges: feeds.iter().map(|feed| feed.exchange.clone()).collect(),
        coins: server::coins(simulate.instruments),
        messages_per_s: simulate.messages_per_s,
        ..SimOptions::default()
    };
    let sim = server::start(options).map_err(|error| RunError::Failed(error.to_string()))?;
    point_at(&sim, &mut feeds, dir)?;
    Ok(sim)
}

/// Plays a recording, and points every feed of a configuration at it.
pub(super) fn start_played(
    config: &mut Config,
    source: SimSource,
    dir: &Path,
) -> Result<Sim, RunError> {
    let options = SimOptions {
        source,
        exchanges: config
            .feeds
            .iter()
            .map(|feed| feed.exchange.clone())
            .collect(),
        ..SimOptions::default()
    };
    let sim = server::start(options).map_err(|error| RunError::Failed(error.to_string()))?;
    for feed in &mut config.feeds {
        (feed.stream, feed.rest, feed.proxy) = (None, None, Some(Way::Straight));
    }
    let mut feeds: Vec<&mut config::Feed> = config.feeds.iter_mut().collect();
    point_at(&sim, &mut feeds, dir)?;
    Ok(sim)
}

fn point_at(sim: &Sim, feeds: &mut [&mut config::Feed], dir: &Path) -> Result<(), RunError> {
    let ca_file = write_ca(sim, dir)?;
    for feed in feeds {
        feed.via = Some(sim.addr().to_string());
        feed.ca_file = Some(ca_file.clone());
    }
    Ok(())
}

fn write_ca(sim: &Sim, dir: &Path) -> Result<PathBuf, RunError> {
    let path = dir.join("sim-ca.pem");
    std::fs::write(&path, sim.ca_pem())
        .map_err(|error| RunError::Failed(format!("{}: {error}", path.display())))?;
    Ok(path)
}

/// The settings of a run against the simulated exchange of this process: every instrument, every
/// stream, and real orders to an account that exists only there.
pub(super) fn sim_config(
    sim: &Sim,
    engine: config::Engine,
    kinds: &[&'static Kind],
    dir: &Path,
) -> Result<(Config, (Account, config::Account)), RunError> {
    let ca_file = write_ca(sim, dir)?;
    let at = Some(sim.addr().to_string());
    let config = Config::parse(DEFAULT_PATH.as_ref(), DEFAULT, &Known::all());
    let mut config = config.map_err(|error| RunError::Failed(error.to_string()))?;
    config.engine = engine;
    // A program that brings strategies is started to see the first of them.
    if let Some(own) = kinds.first().filter(|first| ALL.first() != Some(*first)) {
        config.strategies = vec![config::Strategy::of(own)];
    }
    for feed in &mut config.feeds {
        (feed.stream, feed.rest) = (at.clone(), at.clone());
        feed.ca_file = Some(ca_file.clone());
        feed.instruments = sim.symbols(&feed.exchange).to_vec();
    }
    let feed = config.feeds.first();
    let exchange = feed.and_then(|feed| exchange::by_name(&feed.exchange));
    let exchange = exchange.unwrap_or_else(exchange::unnamed);
    let keys = generate_account(exchange).map_err(RunError::Failed)?;
    // The keys were made here and are handed over as they are: these two name no source.
    let nowhere = || config::SecretSource::Env(String::new());
    let account = config::Account {
        exchange: exchange.name().to_owned(),
        orders: at,
        ca_file: Some(ca_file),
        api_key: nowhere(),
        private_key: nowhere(),
    };
    Ok((config, (keys, account)))
}
