//! What a drill is done on: exchanges of this process, the engine that follows them over sockets,
//! and what both say of the books. Judges nothing.

use super::judge::Audited;
use super::seen::Seen;
use crate::app::config::{self, Config, Known};
use crate::app::panics;
use crate::app::parts::{Named, engine_parts};
use crate::app::record::Watch;
use crate::app::run::simulated;
use crate::app::universe::Universe;
use crate::base::{Clock as _, Instrument, InstrumentId, Nanos};
use crate::venue::faults::{Step, Struck};
use crate::watch::audit::Auditor;
use crate::world::os::clock::OsClock;
use crate::world::os::container;
use crate::world::os::engine::{Engine, Outputs};
use crate::world::os::server::Sim;
use std::path::Path;

/// Instruments of each exchange: the first one is struck, the others show what became of theirs.
pub(super) const INSTRUMENTS: usize = 2;

/// Exchanges and their universe, before an engine is there.
pub(super) struct Ground {
    sim: Sim,
    config: Config,
    universe: Universe,
}

impl Ground {
    /// Starts these exchanges, and asks them what they list. May take long. What their certificates
    /// are checked with is in a file of this folder meanwhile.
    ///
    /// # Errors
    /// In words, when something could not be started.
    pub(super) fn prepare(exchanges: &[&str], seed: u64, dir: &Path) -> Result<Self, String> {
        let feed =
            |name: &&str| format!("[[feed]]\nexchange = \"{name}\"\ninstruments = [\"*\"]\n");
        let text: String = exchanges.iter().map(feed).collect();
        let config = Config::parse("drill".as_ref(), &text, &Known::all());
        let mut config = config.map_err(|errors| errors.to_string())?;
        let simulate = config::Simulate {
            seed,
            instruments: INSTRUMENTS,
            messages_per_s: None,
        };
        let sim = simulated::start_configured(&mut config, simulate, dir);
        let sim = sim.map_err(|error| error.to_string())?;
        let universe = Universe::fetch(&config, None)?;
        match universe.left_out.first() {
            Some(why) => Err(why.clone()),
            None => Ok(Self {
                sim,
                config,
                universe,
            }),
        }
    }
}

/// The exchanges and the engine, while they run.
pub(super) struct Rig {
    sim: Sim,
    engine: Engine,
    outputs: Outputs,
    auditor: Auditor,
    /// When the exchanges' clock was at zero.
    zero: Nanos,
    /// What the audit had found by [`Self::begin`].
    before: Vec<Audited>,
    /// What was seen of the books since [`Self::begin`].
    pub(super) seen: Seen,
}

impl Rig {
    /// Lets an engine follow the exchanges.
    ///
    /// # Errors
    /// In words, when it could not be started.
    pub(super) fn start(ground: Ground) -> Result<Self, String> {
        let Ground {
            sim,
            config,
            universe,
        } = ground;
        let cpus = container::cpus().map_err(|error| format!("no CPU: {error}"))?;
        let nobody = vec![Named::only(Box::new(Watch))];
        let parts = engine_parts(&config, universe, nobody, Vec::new(), &cpus, false)?;
        let (engine, outputs) = Engine::start(parts)?;
        let zero = OsClock.now() - sim.now().since(Nanos::ZERO);
        Ok(Self {
            auditor: Auditor::new(&engine.instruments, true),
            seen: Seen::of(&engine.instruments),
            sim,
            engine,
            outputs,
            zero,
            before: Vec::new(),
        })
    }

    /// What is followed.
    pub(super) fn instruments(&self) -> &[Instrument] {
        &self.engine.instruments
    }

    /// Takes in what happened since the last time, and gives the time.
    ///
    /// # Errors
    /// In words, when a thread died.
    pub(super) fn look(&mut self) -> Result<Nanos, String> {
        if let Some(name) = self.dead() {
            let words = panics::last().unwrap_or_default();
            return Err(format!("{name} died: {words}"));
        }
        // Its truth is told before a book is shown: all that are seen here are to be had below.
        for ring in &mut self.outputs.audits {
            while let Ok(shown) = ring.pop() {
                self.auditor.shown(&shown);
                self.seen.shown(&shown);
            }
        }
        for truth in self.sim.truth().try_iter() {
            self.auditor.truth(&truth);
        }
        for note in self.outputs.notes.try_iter() {
            self.seen.note(&note);
        }
        for struck in self.sim.take_struck() {
            let on_ours = |at: Nanos| self.zero + at.since(Nanos::ZERO);
            self.seen.struck.push(Struck {
                at: on_ours(struck.at),
                until: on_ours(struck.until),
                ..struck
            });
        }
        Ok(OsClock.now())
    }

    /// What is seen and what is wrong counts from here on.
    pub(super) fn begin(&mut self) -> Result<Nanos, String> {
        let now = self.look()?;
        self.before = self.found(now);
        self.seen.begin();
        Ok(now)
    }

    /// What the audit found since [`Self::begin`], by instrument.
    pub(super) fn audits(&mut self) -> Result<Vec<Audited>, String> {
        let now = self.look()?;
        let after = self.found(now).into_iter();
        Ok(after
            .zip(&self.before)
            .map(|(after, before)| after.since(before))
            .collect())
    }

    fn found(&mut self, now: Nanos) -> Vec<Audited> {
        self.auditor.settle(now);
        let ids = (0..self.instruments().len()).map(|id| InstrumentId(id as u16));
        ids.filter_map(|id| self.auditor.result(id))
            .map(|one| Audited::from(&one))
            .collect()
    }

    /// Whether a book is shown that is none of its exchange's.
    pub(super) fn is_wrong(&self, now: Nanos) -> bool {
        let mut all = self.instruments().iter();
        all.any(|one| self.auditor.is_wrong(one.id, now))
    }

    /// Plans a fault.
    pub(super) fn plan(&self, step: Step) -> Result<(), String> {
        self.sim.plan_market(step)
    }

    /// Ends it. An audit that missed a truth, or a book, is none.
    ///
    /// # Errors
    /// In words, when that is so.
    pub(super) fn stop(self) -> Result<(), String> {
        let ended = self.engine.stop();
        let tallies = ended.iter().flatten().map(|one| &one.tally);
        let lost: u64 = tallies.map(|tally| tally.feed.audit_lost).sum();
        let lost = lost + self.sim.stop().truths_dropped;
        match lost {
            0 => Ok(()),
            lost => Err(format!(
                "{lost} books were not audited: the host is too slow"
            )),
        }
    }

    fn dead(&self) -> Option<&'static str> {
        match self.sim.is_whole() {
            true => self.engine.dead(),
            false => Some("the simulated exchange"),
        }
    }
}
