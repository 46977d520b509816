//! The thread that notices what a host or a container takes away while a run is on: CPUs, quota,
//! time. Says it in the log, and gives each worker another seat; workers take it themselves.

use super::clock::monotonic;
use super::container::{self, Reading, Throttled};
use super::placement::{Cpus, Placement, Wait};
use super::sys;
use crate::base::{Nanos, Note, Severity, Span, Value};
use crate::wiring::turn::Notes;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the system is asked.
const LOOK: Duration = Duration::from_secs(1);
/// The log names throttling at most once in this time; the watcher adds up what came meanwhile.
const THROTTLED_EVERY: Span = Span::from_secs(10);

/// Where a worker is to run and how it is to wait. The watcher writes it, the worker reads it.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The CPU to be pinned to; [`Seat::ANY`] if it is the kernel's to choose.
    cpu: AtomicUsize,
    parks: AtomicBool,
}

impl Seat {
    const ANY: usize = usize::MAX;

    /// On this CPU, and waiting like this.
    pub(crate) fn new(cpu: usize, wait: Wait) -> Self {
        Self {
            cpu: AtomicUsize::new(cpu),
            parks: AtomicBool::new(wait == Wait::Park),
        }
    }

    /// The CPU to be pinned to, if there is one.
    pub(crate) fn cpu(&self) -> Option<usize> {
        Some(self.cpu.load(Ordering::Relaxed)).filter(|&cpu| cpu != Self::ANY)
    }

    /// How to wait from now on.
    pub(crate) fn wait(&self) -> Wait {
        match self.parks.load(Ordering::Relaxed) {
            true => Wait::Park,
            false => Wait::Spin,
        }
    }

    fn give(&self, cpu: Option<usize>, wait: Wait) {
        self.cpu.store(cpu.unwrap_or(Self::ANY), Ordering::Relaxed);
        self.parks.store(wait == Wait::Park, Ordering::Relaxed);
    }
}

/// The watching thread; it ends when this is dropped.
pub(crate) struct Watcher {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread `tickwire-host`. `cpus` are those that `placement` was made for, `seats`
    /// its workers' in their order.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        placement: Placement,
        cpus: Cpus,
        seats: Vec<Arc<Seat>>,
        notes: Notes,
    ) -> std::io::Result<Self> {
        let mut watch = Watch::new(placement, cpus, seats, container::read().throttled);
        Self::spawn(LOOK, move || {
            let Ok(allowed) = sys::affinity() else {
                return; // A kernel that does not say changes nothing.
            };
            let said = watch.look(monotonic(), allowed, container::read());
            said.into_iter().for_each(|note| notes.send(note));
        })
    }

    /// Starts the thread; it looks again after each of these spans.
    fn spawn(every: Duration, mut look: impl FnMut() + Send + 'static) -> std::io::Result<Self> {
        let (ends, ended) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("tickwire-host".into())
            .spawn(move || {
                sys::step_back();
                while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    look();
                }
            })?;
        Ok(Self {
            ends: Some(ends),
            thread: Some(thread),
        })
    }

    /// One whose first look panics.
    #[cfg(test)]
    pub(crate) fn that_dies() -> Self {
        Self::spawn(Duration::ZERO, || panic!("a test's panic")).unwrap()
    }

    /// True while the thread runs. If it does not, it has panicked.
    pub(crate) fn is_whole(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // Whatever it died of, nothing waits for its word.
        }
    }
}

/// What was seen last, and what follows from what is seen now.
struct Watch {
    placement: Placement,
    cpus: Cpus,
    seats: Vec<Arc<Seat>>,
    seen: Throttled,
    said: Throttled,
    say_from: Nanos,
}

impl Watch {
    fn new(placement: Placement, cpus: Cpus, seats: Vec<Arc<Seat>>, seen: Throttled) -> Self {
        Self {
            placement,
            cpus,
            seats,
            seen,
            said: seen,
            say_from: Nanos::ZERO,
        }
    }

    /// Takes in what the system says at `now`; gives what there is to log.
    fn look(&mut self, now: Nanos, allowed: Vec<usize>, reading: Reading) -> Vec<Note> {
        let cpus = Cpus {
            allowed,
            quota_milli: reading.quota_milli,
        };
        let mut notes = Vec::new();
        if cpus != self.cpus {
            notes.extend(changed(now, &self.cpus, &cpus));
            self.reseat(now, &cpus, &mut notes);
            self.cpus = cpus;
        }
        notes.extend(self.throttled(now, reading.throttled));
        notes
    }

    fn reseat(&mut self, now: Nanos, cpus: &Cpus, notes: &mut Vec<Note>) {
        let wait = self.placement.wait_with(cpus);
        let places = self.placement.cpus_with(&cpus.allowed);
        for (index, (seat, cpu)) in self.seats.iter().zip(places).enumerate() {
            let before = (seat.cpu(), seat.wait());
            if before == (cpu, wait) {
                continue;
            }
            seat.give(cpu, wait);
            let note = Note::new(now, Severity::Warn, "worker.moved")
                .with("worker", Value::Int(index as i64))
                .with("wait", Value::Word(wait.name()));
            notes.push(match cpu {
                Some(cpu) => note.with("cpu", Value::Int(cpu as i64)),
                None => note.with("cpu", Value::Word("any: none is free for it alone")),
            });
        }
    }

    fn throttled(&mut self, now: Nanos, seen: Throttled) -> Option<Note> {
        // Counters that went back are another group's: the process was moved.
        if seen.periods < self.seen.periods {
            self.said = seen;
        }
        self.seen = seen;
        let periods = seen.periods.saturating_sub(self.said.periods);
        if periods == 0 || now < self.say_from {
            return None;
        }
        let ms = seen.ns.saturating_sub(self.said.ns) / 1_000_000;
        (self.said, self.say_from) = (seen, now + THROTTLED_EVERY);
        let note = Note::new(now, Severity::Warn, "host.throttled")
            .with("periods", Value::Int(periods as i64))
            .with("stopped_ms", Value::Int(ms as i64));
        Some(note.text("the container's CPU quota is used up: everything stands still meanwhile"))
    }
}

/// One note for each thing that is another than before.
fn changed(now: Nanos, before: &Cpus, after: &Cpus) -> impl Iterator<Item = Note> + use<> {
    let cpus = (before.allowed != after.allowed).then(|| {
        let what = format!("CPUs {}, before {}", list(after), list(before));
        Note::new(now, Severity::Warn, "host.cpus_changed").text(&what)
    });
    let quota = (before.quota_milli != after.quota_milli).then(|| {
        let what = format!("{after}, before {before}");
        Note::new(now, Severity::Warn, "host.quota_changed").text(&what)
    });
    cpus.into_iter().chain(quota)
}

fn list(cpus: &Cpus) -> String {
    let numbers: Vec<String> = cpus.allowed.iter().map(usize::to_string).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::placement::{WaitChoice, place};
    use super::*;

    const NONE: Reading = Reading {
        quota_milli: None,
        throttled: Throttled { periods: 0, ns: 0 },
    };

    fn watch(cpus: &[usize], feeds: usize, choice: WaitChoice) -> Watch {
        let cpus = Cpus::all(cpus);
        let placement = place(&cpus, feeds, false, choice);
        let seat = |cpu| Arc::new(Seat::new(cpu, placement.wait));
        let seats = placement.workers.iter().map(|worker| seat(worker.cpu));
        Watch::new(placement.clone(), cpus, seats.collect(), NONE.throttled)
    }

    fn seats(watch: &Watch) -> Vec<(Option<usize>, Wait)> {
        let seats = watch.seats.iter();
        seats.map(|seat| (seat.cpu(), seat.wait())).collect()
    }

    fn events(notes: &[Note]) -> Vec<&'static str> {
        notes.iter().map(|note| note.event).collect()
    }

    #[test]
    fn a_worker_whose_cpu_is_gone_gets_a_free_one_and_its_own_back_later() {
        let mut watch = watch(&[0, 1, 2, 3], 1, WaitChoice::Auto);
        assert_eq!(
            seats(&watch),
            [(Some(0), Wait::Spin), (Some(1), Wait::Spin)]
        );
        assert_eq!(watch.look(Nanos(1), vec![0, 1, 2, 3], NONE), []);
        let notes = watch.look(Nanos(2), vec![1, 2, 3], NONE);
        assert_eq!(events(&notes), ["host.cpus_changed", "worker.moved"]);
        assert_eq!(&notes[0].text, "CPUs 1,2,3, before 0,1,2,3");
        assert_eq!(
            seats(&watch),
            [(Some(2), Wait::Spin), (Some(1), Wait::Spin)]
        );
        watch.look(Nanos(3), vec![0, 1, 2, 3], NONE);
        assert_eq!(
            seats(&watch),
            [(Some(0), Wait::Spin), (Some(1), Wait::Spin)]
        );
    }

    #[test]
    fn workers_park_while_there_are_too_few_cpus_or_too_little_quota_to_spin_on() {
        let mut watch = watch(&[0, 1, 2], 1, WaitChoice::Auto);
        let spinning = [(Some(0), Wait::Spin), (Some(1), Wait::Spin)];
        let parked = [(Some(0), Wait::Park), (Some(1), Wait::Park)];
        watch.look(Nanos(1), vec![0, 1], NONE);
        assert_eq!(seats(&watch), parked);
        watch.look(Nanos(2), vec![1], NONE);
        assert_eq!(seats(&watch), [(None, Wait::Park), (Some(1), Wait::Park)]);
        watch.look(Nanos(3), vec![0, 1, 2], NONE);
        assert_eq!(seats(&watch), spinning);
        let half = Reading {
            quota_milli: Some(500),
            ..NONE
        };
        let notes = watch.look(Nanos(4), vec![0, 1, 2], half);
        let moved = ["host.quota_changed", "worker.moved", "worker.moved"];
        assert_eq!(events(&notes), moved);
        let said = &notes[0].text;
        assert_eq!(said, "a quota of 0.50 on 3 CPU(s), before 3 CPU(s)");
        assert_eq!(seats(&watch), parked);
    }

    #[test]
    fn who_asked_to_spin_spins_until_cpus_are_gone() {
        let mut watch = watch(&[0, 1], 1, WaitChoice::Spin);
        let half = Reading {
            quota_milli: Some(500),
            ..NONE
        };
        watch.look(Nanos(1), vec![0, 1], half);
        assert_eq!(
            seats(&watch),
            [(Some(0), Wait::Spin), (Some(1), Wait::Spin)]
        );
        watch.look(Nanos(2), vec![0], half);
        assert_eq!(seats(&watch), [(Some(0), Wait::Park), (None, Wait::Park)]);
    }

    #[test]
    fn throttling_is_said_when_it_begins_and_then_added_up() {
        let mut watch = watch(&[0, 1], 1, WaitChoice::Auto);
        let mut look = |at_s, periods, ns| {
            let throttled = Throttled { periods, ns };
            let reading = Reading { throttled, ..NONE };
            let notes = watch.look(Nanos::from_secs(at_s), vec![0, 1], reading);
            let counts = |note: Note| {
                note.fields
                    .iter()
                    .map(|(_, value)| *value)
                    .collect::<Vec<_>>()
            };
            notes.into_iter().map(counts).collect::<Vec<_>>()
        };
        let said = |periods, ms| vec![vec![Value::Int(periods), Value::Int(ms)]];
        assert_eq!(look(1, 0, 0), Vec::<Vec<Value>>::new());
        assert_eq!(look(2, 3, 40_000_000), said(3, 40));
        assert_eq!(look(3, 9, 90_000_000), Vec::<Vec<Value>>::new());
        assert_eq!(look(12, 9, 90_000_000), said(6, 50));
        assert_eq!(look(40, 9, 90_000_000), Vec::<Vec<Value>>::new());
        assert_eq!(
            look(41, 2, 5_000_000),
            Vec::<Vec<Value>>::new(),
            "another group"
        );
        assert_eq!(look(60, 3, 9_000_000), said(1, 4));
    }

    #[test]
    fn a_thread_that_died_is_noticed_and_its_end_is_not_waited_for() {
        let whole = Watcher::spawn(LOOK, || {}).unwrap();
        assert!(whole.is_whole());
        let dying = Watcher::that_dies();
        while dying.is_whole() {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(dying);
    }

    #[test]
    fn the_thread_ends_at_once_when_it_is_dropped() {
        let cpus = Cpus::all(&[0]);
        let placement = place(&cpus, 1, false, WaitChoice::Park);
        let (sender, _notes) = bounded(16);
        let watcher = Watcher::start(placement, cpus, Vec::new(), Notes::new(sender)).unwrap();
        drop(watcher); // Joins: a thread that went on would hang the test.
    }
}
