//! The settings of a run against the simulated exchange of this process.

use super::RunError;
use crate::app::config::{self, Config};
use crate::exchange::{Account, DepthSpeed, Streams};
use crate::world::os::server::{self, Sim, SimOptions, SimSource};
use crate::world::sim::account::generate_account;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

pub(super) fn start_sim(source: SimSource, seed: u64) -> Result<Sim, RunError> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    server::start(SimOptions {
        listen,
        seed,
        source,
    })
    .map_err(|error| RunError::Failed(error.to_string()))
}

/// The settings of a run against the simulated exchange of this process: every instrument, every stream,
/// orders sent for real, to an account that exists only there.
pub(super) fn sim_config(
    sim: &Sim,
    engine: config::Engine,
    dir: &Path,
) -> Result<(Config, (Account, config::Account)), RunError> {
    let ca_file = dir.join("sim-ca.pem");
    std::fs::write(&ca_file, sim.ca_pem())
        .map_err(|error| RunError::Failed(format!("{}: {error}", ca_file.display())))?;
    let at = Some(sim.addr().to_string());
    let config = Config {
        engine,
        socket: config::Socket::default(),
        feeds: vec![config::Feed {
            exchange: "binance-spot".into(),
            stream: at.clone(),
            rest: at.clone(),
            ca_file: Some(ca_file.clone()),
            instruments: sim.symbols().to_vec(),
            streams: Streams {
                depth: DepthSpeed::Ms100,
                trades: true,
                quotes: true,
            },
            snapshot_levels: 1_000,
            instruments_per_connection: 50,
        }],
        account: None,
        strategy: config::Strategy::Imbalance(config::Imbalance {
            depth: 5,
            threshold: 0.5,
            cooldown_ms: 250,
            quantity: "1".into(),
        }),
        risk: config::Risk {
            quantity_max: "1".into(),
            notional_max: "1000000".into(),
            price_collar_bps: 50,
            orders_per_s: 20,
            open_orders_max: 4,
        },
    };
    let keys = generate_account().map_err(RunError::Failed)?;
    // The keys were made here and are handed over as they are: these two name no source.
    let nowhere = || config::SecretSource::Env(String::new());
    let account = config::Account {
        exchange: "binance-spot".into(),
        orders: at,
        ca_file: Some(ca_file),
        api_key: nowhere(),
        private_key: nowhere(),
    };
    Ok((config, (keys, account)))
}
