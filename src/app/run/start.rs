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
    pub(super) account: Option<(Account, config::Account)>,
    pub(super) seed: Option<u64>,
    pub(super) universe: Universe,
    /// What a person should know of the account's key.
    pub(super) key_warning: Option<String>,
}

/// Starts the simulated exchanges, asks what the account's key may do, and asks every exchange for
/// its metadata; a recording gets the `bodies`.
pub(super) fn prepare(
    market: Market,
    Ready { mut mode, account }: Ready,
    dir: &Path,
    bodies: Option<BodyTap>,
) -> Result<Prepared, RunError> {
    let key_warning = match (&market, &account) {
        (Market::Configured(config), Some(account)) => rights::ask(config, mode, account)?,
        _ => None,
    };
    let mut left_out = Vec::new();
    let (config, sim, account, seed) = match market {
        Market::Configured(mut config) => match config.simulate {
            None => (config, None, account, None),
            Some(simulate) => {
                let sim = simulated::start_configured(&mut config, simulate, dir)?;
                (config, Some(sim), None, Some(simulate.seed))
            }
        },
        Market::Played(mut config, source) => {
            let (sim, why) = simulated::start_played(&mut config, source, dir)?;
            left_out = why;
            (config, Some(sim), None, None)
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
            let (config, account) = simulated::sim_config(&sim, engine, &kinds, dir)?;
            if account.is_none() {
                mode = Mode::Paper;
            }
            (config, Some(sim), account, (!played).then_some(seed))
        }
    };
    let mut universe = Universe::fetch(&config, bodies).map_err(RunError::Failed)?;
    left_out.append(&mut universe.left_out);
    universe.left_out = left_out;
    Ok(Prepared {
        config,
        mode,
        sim,
        account,
        seed,
        universe,
        key_warning,
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
