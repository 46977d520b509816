//! What a run needs before its first lane: simulated exchanges, and the listings of real ones. May
//! take long, or hang.

use super::simulated;
use super::{Market, RunError};
use crate::app::config::{self, Config};
use crate::app::ready::Ready;
use crate::app::reality::Mode;
use crate::app::rights;
use crate::app::universe::Universe;
use crate::base::{Clock as _, UnixNanos};
use crate::exchange::Account;
use crate::world::os::clock::OsClock;
use crate::world::os::recorder::BodyTap;
use crate::world::os::server::{Sim, SimSource};
use std::path::Path;

/// What was found.
pub(super) struct Prepared {
    pub(super) config: Config,
    /// Where its orders go.
    pub(super) mode: Mode,
    pub(super) sim: Option<Sim>,
    pub(super) accounts: Vec<(Account, config::Account)>,
    pub(super) seed: Option<u64>,
    pub(super) universe: Universe,
    /// What a person should know of the accounts' keys and of the feeds' schemas.
    pub(super) warnings: Vec<String>,
}

/// Starts the simulated exchanges, asks what the accounts' keys may do, and asks every exchange for
/// its metadata; a recording gets the `bodies`.
pub(super) fn prepare(
    market: Market,
    ready: Ready,
    dir: &Path,
    bodies: Option<BodyTap>,
) -> Result<Prepared, RunError> {
    let Ready {
        mut mode,
        accounts,
        feed_keys,
    } = ready;
    let mut warnings = Vec::new();
    if let Market::Configured(config) = &market {
        for account in &accounts {
            warnings.extend(rights::ask(config, mode, account)?);
        }
    }
    let mut left_out = Vec::new();
    let (config, sim, accounts, seed) = match market {
        Market::Configured(mut config) => {
            for (feed, key) in config.feeds.iter_mut().zip(feed_keys) {
                feed.key = key;
            }
            match config.simulate {
                None => (config, None, accounts, None),
                Some(simulate) => {
                    let sim = simulated::start_configured(&mut config, simulate, dir)?;
                    (config, Some(sim), Vec::new(), Some(simulate.seed))
                }
            }
        }
        Market::Played(mut config, source) => {
            let (sim, why) = simulated::start_played(&mut config, source, dir)?;
            left_out = why;
            (config, Some(sim), Vec::new(), None)
        }
        Market::Simulated {
            source,
            seed,
            engine,
            kinds,
        } => {
            let played = matches!(source, SimSource::Play { .. });
            let sim = simulated::start_sim(source, seed)?;
            left_out = sim.left_out().to_vec();
            let (config, accounts) = simulated::sim_config(&sim, engine, &kinds, dir)?;
            if accounts.is_empty() {
                mode = Mode::Paper;
            }
            (config, Some(sim), accounts, (!played).then_some(seed))
        }
    };
    warnings.extend(config.schema_warnings(OsClock.unix()));
    let mut universe = Universe::fetch(&config, bodies).map_err(RunError::Failed)?;
    left_out.append(&mut universe.left_out);
    universe.left_out = left_out;
    Ok(Prepared {
        config,
        mode,
        sim,
        accounts,
        seed,
        universe,
        warnings,
    })
}

/// The latest time that a run may begin: 64 bits of nanoseconds end in 2262.
const LAST: UnixNanos = UnixNanos(9_190_000_000_000_000_000);

/// The wall clock's time, if certificates, requests and files can carry it.
pub(super) fn wall_clock() -> Result<UnixNanos, RunError> {
    let now = OsClock.unix();
    if now < UnixNanos(0) || now > LAST {
        let why = "the wall clock of this host is before 1970 or after 2260: set it";
        return Err(RunError::Failed(why.into()));
    }
    Ok(now)
}
