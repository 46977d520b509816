//! The threads of a run until it ends, and what they leave behind.

use super::claim::Claim;
use super::end::RunEnd;
use super::overseer::Overseer;
use super::screen::Screen;
use super::{RunError, files, recording};
use crate::app::control::settings::Sets;
use crate::app::panics;
use crate::app::signals::Stop;
use crate::base::{Clock as _, Nanos};
use crate::watch::summary::Summary;
use crate::wiring::turn::Notes;
use crate::world::os::clock::OsClock;
use crate::world::os::control::ControlSocket;
use crate::world::os::engine::Engine;
use crate::world::os::guard::Guarded;
use crate::world::os::recorder::RecordingHandle;
use crate::world::os::scribe::ScribeHandle;
use crate::world::os::server::Sim;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the main thread looks whether the run is over.
const LOOK: Duration = Duration::from_millis(50);
/// After the last frame of a recording, frames must have stopped arriving for this long.
const QUIET: Duration = Duration::from_millis(300);
/// How long a run waits for frames of a recording that do not arrive: after that their connection
/// counts as gone.
const SILENT: Duration = Duration::from_secs(30);

/// The threads of a run. If one dies, the run ends.
pub(super) struct Threads {
    pub(super) engine: Engine,
    /// Throws the kill switch.
    pub(super) overseer: Overseer,
    /// Lets a person ask, while the run goes on.
    pub(super) control: Option<ControlSocket>,
    /// What it set.
    pub(super) sets: Sets,
    /// Each watches over an account from another process, if orders are real.
    pub(super) guards: Vec<Guarded>,
    pub(super) scribe: ScribeHandle,
    pub(super) sim: Option<Sim>,
    pub(super) recorder: Option<RecordingHandle>,
    pub(super) notes: Notes,
    pub(super) began: Nanos,
}

impl Threads {
    /// Returns when the time is over, when somebody interrupts, when a recording has been played
    /// and taken in, when one can no longer be written, or when a thread died. In that case it
    /// returns the thread's name and last words.
    pub(super) fn until_the_end(&mut self, time: Option<Duration>, stop: &Stop) -> Option<String> {
        let begun = Instant::now();
        let pulses = self.engine.pulses.clone();
        let frames = || -> u64 {
            pulses
                .iter()
                .map(|p| p.frames.load(Ordering::Relaxed))
                .sum()
        };
        let (mut seen, mut seen_at) = (0, begun);
        while !stop.is_asked() {
            self.overseer.look(OsClock.now(), stop.takes_kill());
            if let Some(name) = self.dead() {
                let words = panics::last().unwrap_or_default();
                return Some(format!("{name} died: {words}"));
            }
            let failed = self
                .recorder
                .as_ref()
                .is_some_and(RecordingHandle::has_failed);
            if failed || time.is_some_and(|time| begun.elapsed() >= time) {
                return None;
            }
            if frames() != seen {
                (seen, seen_at) = (frames(), Instant::now());
            }
            let progress = self.sim.as_ref().map(Sim::progress).unwrap_or_default();
            // A host that stops the workers for a while makes them quiet, too.
            let arrived = progress.frames_sent <= seen;
            let quiet = if arrived { QUIET } else { SILENT };
            if progress.played_out && seen_at.elapsed() > quiet {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        None
    }

    fn dead(&self) -> Option<&'static str> {
        if self.scribe.has_failed() {
            return Some("the scribe");
        }
        if self.sim.as_ref().is_some_and(|sim| !sim.is_whole()) {
            return Some("the simulated exchange");
        }
        if self.guards.iter().any(Guarded::is_gone) {
            return Some("a guard");
        }
        self.engine.dead()
    }

    /// Stops them all, and leaves what they have to say in the files and on the screen.
    pub(super) fn conclude(
        self,
        mut head: Summary,
        died: Option<String>,
        down_max: Option<Duration>,
        claim: &Claim,
        mut screen: Screen,
    ) -> Result<RunEnd, RunError> {
        let placement = self.engine.placement.clone();
        let instruments = self.engine.instruments.clone();
        let stopped = OsClock.now();
        drop(self.control);
        self.sets.tell(&mut head.strategies);
        let ended = self.engine.stop();
        let hung = self.overseer.hung(&ended);
        let desks = ended.iter().flatten();
        let desks = desks.filter_map(|ended| ended.desk.as_ref());
        let whole = ended.iter().all(Option::is_some);
        let rests = desks.map(|desk| desk.counters.unknown).sum::<u64>() > 0;
        for guard in self.guards {
            guard.stop(whole && !rests);
        }
        let outages = files::outages(&ended, self.began, stopped);
        files::say_down(&self.notes, &outages, stopped);
        drop(self.notes);
        let recorded = self.recorder.map(RecordingHandle::stop);
        let totals = self.scribe.stop();
        let disk_answers = totals.is_some() || died.is_some();
        let exceeded = self.sim.map(|sim| sim.stop().exceeded.total());
        let totals = totals.unwrap_or_default();
        let mut summary = files::summarize(head, &placement, &instruments, &ended, totals);
        summary.limits_exceeded = exceeded;
        let outages = outages.into_iter().map(|(_, outage)| outage);
        summary.set_outages(outages, files::keep_closing(&ended), down_max);
        let mut faults: Vec<String> = died.or(hung).into_iter().collect();
        let dir = claim.dir().display();
        match disk_answers {
            true => faults.extend(claim.write_summary(&summary).err()),
            false => faults.push(format!(
                "{dir}: the disk does not answer; its files are not whole"
            )),
        }
        screen.conclude(&summary);
        if summary.disk_errors > 0 {
            let errors = summary.disk_errors;
            faults.push(format!(
                "{dir}: its files are not whole: {errors} writes failed"
            ));
        }
        if let Some(recorded) = recorded {
            faults.extend(recording::conclude(recorded, claim.dir(), &mut screen).err());
        }
        screen.close();
        let seats = ended.into_iter().flatten().flat_map(|end| end.seats);
        match faults.is_empty() {
            true => Ok(RunEnd::new(summary, seats)),
            false => Err(RunError::Failed(faults.join("; "))),
        }
    }
}
