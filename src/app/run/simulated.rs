//! The settings of a run against the simulated exchange of this process.

use super::RunError;
use crate::app::config::{self, Config, Known, Way};
use crate::app::universe::fits;
use crate::conn::KeyHeader;
use crate::exchange::{self, Account};
use crate::strategy::{ALL, Kind};
use crate::venue::account::generate_account;
use crate::world::os::server::{self, Sim, SimOptions, SimSource};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run without a file does.
const DEFAULT: &str = include_str!("../../../configs/default.toml");
const DEFAULT_PATH: &str = "configs/default.toml";

pub(super) fn start_sim(source: SimSource, seed: u64) -> Result<Sim, RunError> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let exchanges = match source {
        SimSource::Flow => SimOptions::default().exchanges,
        SimSource::Play { .. } => exchange::ALL.iter().map(|e| e.name().to_owned()).collect(),
    };
    server::start(SimOptions {
        listen,
        seed,
        exchanges,
        source,
        ..SimOptions::default()
    })
    .map_err(|error| RunError::Failed(error.to_string()))
}

/// Starts the simulated exchanges of a configuration, and points their feeds at them.
pub(in crate::app) fn start_configured(
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

/// Plays a recording, and points the feeds of a configuration at it. Gives what is not followed,
/// for a person to read.
pub(super) fn start_played(
    config: &mut Config,
    source: SimSource,
    dir: &Path,
) -> Result<(Sim, Vec<String>), RunError> {
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
    let mut left_out = sim.left_out().to_vec();
    config.feeds.retain_mut(|feed| {
        let why = follow_played(feed, &sim).err();
        let told = why.map(|why| left_out.push(format!("{}: {why}", feed.exchange)));
        told.is_none()
    });
    if config.feeds.is_empty() {
        return Err(RunError::Failed(left_out.join("; ")));
    }
    let mut feeds: Vec<&mut config::Feed> = config.feeds.iter_mut().collect();
    point_at(&sim, &mut feeds, dir)?;
    Ok((sim, left_out))
}

/// Lets a feed follow what of it is played, as a replay does.
fn follow_played(feed: &mut config::Feed, sim: &Sim) -> Result<(), &'static str> {
    let mut all = sim.listed().iter();
    let listed = all.find(|listed| listed.exchange == feed.exchange);
    let depths = listed.map_or(&[][..], |listed| &listed.depths);
    let (Some(listed), Some(first)) = (listed, depths.first()) else {
        return Err("the recording holds no book of it");
    };
    if !depths.contains(&feed.streams.depth) {
        feed.streams.depth = first;
    }
    let is_there = |entry: &String| listed.instruments.iter().any(|one| fits(entry, one));
    feed.instruments.retain(is_there);
    if feed.instruments.is_empty() {
        return Err("none of its instruments is in the recording");
    }
    (feed.stream, feed.rest, feed.proxy) = (None, None, Some(Way::Straight));
    Ok(())
}

fn point_at(sim: &Sim, feeds: &mut [&mut config::Feed], dir: &Path) -> Result<(), RunError> {
    let ca_file = write_ca(sim, dir)?;
    for feed in feeds {
        feed.via = Some(sim.addr().to_string());
        feed.ca_file = Some(ca_file.clone());
        let exchange = exchange::by_name(&feed.exchange);
        let binary = exchange.and_then(|exchange| {
            let binary = exchange.binary(feed.streams.depth)?;
            Some((exchange, binary.key_header))
        });
        if let Some((exchange, name)) = binary {
            let account = generate_account(exchange).map_err(RunError::Failed)?;
            let key = Arc::new(account.api_key);
            feed.key = Some(KeyHeader { name, key });
        }
    }
    Ok(())
}

fn write_ca(sim: &Sim, dir: &Path) -> Result<PathBuf, RunError> {
    let path = dir.join("sim-ca.pem");
    std::fs::write(&path, sim.ca_pem())
        .map_err(|error| RunError::Failed(format!("{}: {error}", path.display())))?;
    Ok(path)
}

/// The settings of a run against the simulated exchanges of this process: every instrument, every
/// stream, and real orders to accounts that exist only there, one at each exchange that takes
/// orders. If none of them does, orders stay on paper.
pub(super) fn sim_config(
    sim: &Sim,
    engine: config::Engine,
    kinds: &[&'static Kind],
    dir: &Path,
) -> Result<(Config, Vec<(Account, config::Account)>), RunError> {
    let config = Config::parse(DEFAULT_PATH.as_ref(), DEFAULT, &Known::all());
    let mut config = config.map_err(|error| RunError::Failed(error.to_string()))?;
    config.engine = engine;
    // A program that brings strategies is started to see the first of them.
    if let Some(own) = kinds.first().filter(|first| ALL.first() != Some(*first)) {
        config.strategies = vec![config::Strategy::of(own)];
    }
    config.feeds = feeds(sim)?;
    let mut feeds: Vec<&mut config::Feed> = config.feeds.iter_mut().collect();
    point_at(sim, &mut feeds, dir)?;
    let mut accounts = Vec::new();
    for feed in &config.feeds {
        let Some(exchange) = exchange::by_name(&feed.exchange) else {
            continue;
        };
        let mut listed = sim.listed().iter();
        let listed = listed.find(|listed| listed.exchange == exchange.name());
        let listed = listed.map_or(&[][..], |listed| &listed.instruments);
        // Not every exchange has orders here, and not for everything that it lists.
        let takes = |keys| exchange.order_codec(keys, listed).is_ok();
        if !generate_account(exchange).is_ok_and(takes) {
            continue;
        }
        let keys = generate_account(exchange).map_err(RunError::Failed)?;
        // The keys were made here and are handed over as they are: these two name no source.
        let nowhere = || config::SecretSource::Env(String::new());
        let account = config::Account {
            exchange: exchange.name().to_owned(),
            orders: None,
            via: Some(sim.addr().to_string()),
            ca_file: feed.ca_file.clone(),
            api_key: nowhere(),
            key: config::KeySource::Private(nowhere()),
            key_may_withdraw: false,
            // Nobody will ever trade with this account again.
            journal: dir.join("orders").join(exchange.name()),
            durable: false,
            accept_differences: Vec::new(),
        };
        accounts.push((keys, account));
    }
    Ok((config, accounts))
}

/// A feed per exchange, of all that it lists; of a recording by the stream that was recorded.
fn feeds(sim: &Sim) -> Result<Vec<config::Feed>, RunError> {
    let listed = sim.listed().iter();
    let text = listed.clone().map(|listed| {
        let exchange = listed.exchange;
        format!("[[feed]]\nexchange = \"{exchange}\"\ninstruments = [\"*\"]\n")
    });
    let text: String = text.collect();
    let config = Config::parse(DEFAULT_PATH.as_ref(), &text, &Known::all());
    let mut feeds = config
        .map_err(|error| RunError::Failed(error.to_string()))?
        .feeds;
    for (feed, listed) in feeds.iter_mut().zip(listed) {
        feed.streams.depth = listed.depths.first().unwrap_or(&feed.streams.depth);
        feed.instruments = listed.symbols.clone();
    }
    Ok(feeds)
}
