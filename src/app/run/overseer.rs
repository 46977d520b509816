//! The main thread's look at what stops a run's orders: a signal, a file, a strategy that does not
//! come back.

use crate::app::control::Killer;
use crate::base::{Nanos, Span, StrategyId};
use crate::watch::summary;
use crate::world::os::worker::Ended;
use std::path::PathBuf;

/// A strategy that decides for longer is stuck, and all is killed. The guard waits as long for the
/// engine's heart.
const STUCK: Span = Span::from_secs(2);
/// If this thread did not look for longer, the whole process stood still: nobody is stuck yet.
const STOOD_STILL: Span = Span::from_millis(500);

/// Throws the kill switch.
pub(super) struct Overseer {
    killer: Killer,
    /// If it is there, all is killed.
    kill_file: Option<PathBuf>,
    /// It was there at the last look.
    file_was_there: bool,
    /// By id.
    strategies: Vec<String>,
    /// When this thread looked last, and since when it has looked without a pause.
    looked: Nanos,
    awake_since: Nanos,
    /// The strategy that does not come back, once that was said.
    stuck: Option<StrategyId>,
}

impl Overseer {
    pub(super) fn new(
        killer: Killer,
        kill_file: Option<PathBuf>,
        strategies: &[summary::Strategy],
    ) -> Self {
        Self {
            killer,
            kill_file,
            file_was_there: false,
            strategies: strategies.iter().map(|one| one.name.clone()).collect(),
            looked: Nanos::ZERO,
            awake_since: Nanos::ZERO,
            stuck: None,
        }
    }

    /// To be called all the time; `signalled` says that a signal asks for a kill.
    pub(super) fn look(&mut self, now: Nanos, signalled: bool) {
        if now.since(self.looked) > STOOD_STILL {
            self.awake_since = now;
        }
        self.looked = now;
        if signalled {
            self.killer.kill("signal");
        }
        let there = self.kill_file.as_ref().is_some_and(|file| file.exists());
        if there && !self.file_was_there {
            self.killer.kill("file");
        }
        self.file_was_there = there;
        let inside = self.killer.inside(now);
        let inside = inside.filter(|(_, since)| {
            let seen = now.since(self.awake_since);
            *since > STUCK && seen > STUCK
        });
        let stuck = inside.map(|(strategy, _)| strategy);
        if let Some((strategy, since)) = inside.filter(|_| stuck != self.stuck) {
            self.killer.name_stuck(now, strategy, since);
        }
        self.stuck = stuck;
    }

    /// What to say of a worker that did not end.
    pub(super) fn hung(&self, ended: &[Option<Ended>]) -> Option<String> {
        if ended.iter().all(Option::is_some) {
            return None;
        }
        let name = self.stuck.and_then(|id| self.strategies.get(id.index()));
        Some(match name {
            Some(name) => format!("strategy {name} never came back from an event"),
            None => "a worker did not end".to_owned(),
        })
    }
}
