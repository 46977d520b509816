//! Latency histograms of one worker, double-buffered. The worker's side never allocates, waits or
//! formats.
//!
//! Each worker has two interval sets. It records into one. Once per second it hands that one to the
//! scribe and continues with the other, if the scribe has given it back. If not, it keeps recording
//! in the same one: the interval gets longer, and no value is lost.

use super::stage::Stage;
use crate::base::{Instrument, InstrumentId, Nanos, Span};
use arrayvec::ArrayVec;
use hdrhistogram::Histogram;

/// Recorded values are between 1 ns and this; longer ones count as this long.
pub(crate) const VALUE_MAX_NS: u64 = 60_000_000_000;
/// Significant decimal digits of a stage's values.
pub(crate) const DIGITS: u8 = 3;
/// Significant decimal digits of turn times and of each exchange's ticks, for which a coarse view
/// is enough.
const TURN_DIGITS: u8 = 2;
/// How long one interval lasts.
pub(crate) const INTERVAL: Span = Span::from_secs(1);
/// A turn longer than this counts as over budget: a tick this old is no longer news.
pub(crate) const TURN_BUDGET: Span = Span(100_000);
/// Interval sets of one worker.
const SETS: usize = 2;
const NOT_RECORDED: u8 = u8::MAX;
/// Values that wait until they are counted: those of some messages.
const PENDING_MAX: usize = 64;

/// What the kernel counted for one thread since the thread began (`getrusage(RUSAGE_THREAD)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Page faults served without reading from a disk.
    pub(crate) faults_minor: u64,
    /// Page faults that read from a disk.
    pub(crate) faults_major: u64,
    /// Times that the thread was taken off its CPU although it wanted to run.
    pub(crate) switches_involuntary: u64,
}

/// How evenly a worker turns. It shows whether a slow tail is the host's or ours.
#[derive(Debug)]
pub(crate) struct Meter {
    turn_ns: Histogram<u32>,
    gap_ns_max: u64,
    turns_over_budget: u64,
    /// The end of the turn before; zero when the time since then is no gap.
    ended: Nanos,
    /// The kernel's first and last counts of this interval.
    usage: Option<(Usage, Usage)>,
}

impl Meter {
    fn new() -> Self {
        Self {
            turn_ns: new_histogram(TURN_DIGITS),
            gap_ns_max: 0,
            turns_over_budget: 0,
            ended: Nanos::ZERO,
            usage: None,
        }
    }

    /// Counts one turn of the worker's loop, and the gap since the turn before it.
    pub(crate) fn turn(&mut self, begin: Nanos, end: Nanos) {
        let turn = end.since(begin);
        self.turn_ns.saturating_record(turn.0);
        self.turns_over_budget += u64::from(turn > TURN_BUDGET);
        if self.ended != Nanos::ZERO {
            self.gap_ns_max = self.gap_ns_max.max(begin.since(self.ended).0);
        }
        self.ended = end;
    }

    /// The worker is about to wait on purpose: the time until its next turn is no gap.
    pub(crate) fn wait(&mut self) {
        self.ended = Nanos::ZERO;
    }

    /// Takes the kernel's counts for this thread. Totals count from the first ones.
    pub(crate) fn usage(&mut self, usage: Usage) {
        let (first, _) = self.usage.unwrap_or((usage, usage));
        self.usage = Some((first, usage));
    }

    fn clear(&mut self) {
        self.turn_ns.reset();
        (self.gap_ns_max, self.turns_over_budget) = (0, 0);
        (self.ended, self.usage) = (Nanos::ZERO, None);
    }
}

/// What one worker recorded in one interval.
#[derive(Debug)]
struct Interval {
    began: Nanos,
    ended: Nanos,
    stages: Vec<Histogram<u32>>,
    /// One per exchange of this worker.
    ticks: Vec<Histogram<u32>>,
    meter: Meter,
}

/// What a value is of: the place of a stage, or that of an exchange whose tick it was.
#[derive(Debug, Clone, Copy)]
enum Of {
    Stage(u8),
    Tick(u8),
}

/// The worker's side.
///
/// A value is put aside when it is recorded, and counted later: a histogram is large, its memory is
/// seldom in a near cache, and an order may be on its way.
#[derive(Debug)]
pub struct Histograms {
    slots: [u8; Stage::ALL.len()],
    pending: ArrayVec<(Of, u64), PENDING_MAX>,
    /// The place among the worker's exchanges, by instrument.
    exchange_of: Box<[u8]>,
    current: Box<Interval>,
    full: rtrb::Producer<Box<Interval>>,
    spare: rtrb::Consumer<Box<Interval>>,
}

/// The scribe's side.
#[derive(Debug)]
pub struct Collector {
    worker: u8,
    stages: Vec<Stage>,
    exchanges: Vec<&'static str>,
    full: rtrb::Consumer<Box<Interval>>,
    spare: rtrb::Producer<Box<Interval>>,
}

impl Histograms {
    /// Both sides for one worker that times `stages` (others that it records are ignored).
    ///
    /// It allocates and touches all memory: about 220 KB per stage.
    pub fn new(worker: u8, stages: &[Stage]) -> (Self, Collector) {
        Self::with_exchanges(worker, stages, &[])
    }

    /// Like [`Self::new`], and also times the ticks of each exchange of these instruments, which
    /// the worker's feeds follow: about 30 KB per exchange.
    pub fn with_exchanges(
        worker: u8,
        stages: &[Stage],
        instruments: &[Instrument],
    ) -> (Self, Collector) {
        let (exchanges, exchange_of) = exchanges(instruments);
        let (full, full_out) = rtrb::RingBuffer::new(SETS);
        let (mut spare, spare_out) = rtrb::RingBuffer::new(SETS);
        let interval = || {
            Box::new(Interval {
                began: Nanos::ZERO,
                ended: Nanos::ZERO,
                stages: stages.iter().map(|_| new_histogram(DIGITS)).collect(),
                ticks: exchanges
                    .iter()
                    .map(|_| new_histogram(TURN_DIGITS))
                    .collect(),
                meter: Meter::new(),
            })
        };
        let mut slots = [NOT_RECORDED; Stage::ALL.len()];
        for (slot, stage) in stages.iter().enumerate() {
            slots[*stage as usize] = slot as u8;
        }
        let _ = spare.push(interval()); // The ring is new and holds two.
        let histograms = Self {
            slots,
            pending: ArrayVec::new(),
            exchange_of,
            current: interval(),
            full,
            spare: spare_out,
        };
        let collector = Collector {
            worker,
            stages: stages.to_vec(),
            exchanges,
            full: full_out,
            spare,
        };
        (histograms, collector)
    }

    /// Takes one value. A value longer than `VALUE_MAX_NS` counts as that long.
    #[inline]
    pub fn record(&mut self, stage: Stage, span: Span) {
        let slot = self.slots[stage as usize];
        if slot != NOT_RECORDED {
            self.put_aside(Of::Stage(slot), span);
        }
    }

    /// Takes how long a tick of this instrument took from the socket to its event, for its
    /// exchange.
    #[inline]
    pub(crate) fn record_tick(&mut self, id: InstrumentId, span: Span) {
        let place = self.exchange_of.get(id.index()).copied();
        if let Some(place) = place.filter(|place| *place != NOT_RECORDED) {
            self.put_aside(Of::Tick(place), span);
        }
    }

    #[inline]
    fn put_aside(&mut self, of: Of, span: Span) {
        if self.pending.is_full() {
            self.count();
        }
        self.pending.push((of, span.0));
    }

    /// Counts what was put aside.
    #[inline(never)]
    fn count(&mut self) {
        let Interval { stages, ticks, .. } = &mut *self.current;
        for (of, ns) in self.pending.drain(..) {
            let histogram = match of {
                Of::Stage(slot) => stages.get_mut(usize::from(slot)),
                Of::Tick(place) => ticks.get_mut(usize::from(place)),
            };
            if let Some(histogram) = histogram {
                histogram.saturating_record(ns);
            }
        }
    }

    /// The worker's turn meter.
    pub(crate) fn meter(&mut self) -> &mut Meter {
        &mut self.current.meter
    }

    /// Ends the interval if its second is over. The worker calls it every turn.
    ///
    /// True when an interval has just been handed over: the worker then reads `getrusage` and hands
    /// it in.
    pub fn rotate(&mut self, now: Nanos) -> bool {
        if !self.pending.is_empty() {
            self.count();
        }
        if self.current.began == Nanos::ZERO {
            self.current.began = now;
        }
        if now < self.current.began + INTERVAL {
            return false;
        }
        let Ok(mut next) = self.spare.pop() else {
            return false; // The scribe is late: this interval goes on.
        };
        next.began = now;
        next.meter.ended = self.current.meter.ended;
        std::mem::swap(&mut self.current, &mut next);
        next.ended = now;
        let _ = self.full.push(next); // Two sets, two places: it cannot be full.
        true
    }

    /// Hands over the current interval, however short. The worker is done.
    pub fn finish(mut self, now: Nanos) {
        self.count();
        self.current.ended = now;
        let _ = self.full.push(self.current); // As above.
    }
}

/// Receives one stage's values of one interval, and when the interval began and ended.
pub(crate) type EachInterval<'a> = dyn FnMut(Stage, &Histogram<u32>, Nanos, Nanos) + 'a;

impl Collector {
    /// Takes every interval that waits: adds it to `totals`, and calls
    /// `each(stage, values, began, ended)` for each stage with values. Returns the cleared sets to
    /// the worker.
    pub fn collect(&mut self, totals: &mut Totals, each: &mut EachInterval<'_>) {
        while let Ok(mut interval) = self.full.pop() {
            for (&stage, values) in self.stages.iter().zip(&mut interval.stages) {
                if !values.is_empty() {
                    totals.add(stage, values);
                    each(stage, values, interval.began, interval.ended);
                    values.reset();
                }
            }
            for (&exchange, ticks) in self.exchanges.iter().zip(&mut interval.ticks) {
                totals.add_ticks(exchange, ticks);
                ticks.reset();
            }
            totals.add_meter(self.worker, &interval.meter);
            interval.meter.clear();
            (interval.began, interval.ended) = (Nanos::ZERO, Nanos::ZERO);
            let _ = self.spare.push(interval); // Two sets, two places: it cannot be full.
        }
    }
}

/// Everything since the run began, of all workers.
#[derive(Debug, Default)]
pub struct Totals {
    stages: [Option<Box<Histogram<u64>>>; Stage::ALL.len()],
    ticks: Vec<(&'static str, Histogram<u64>)>,
    workers: Vec<WorkerTotals>,
}

/// One worker's meter since the run began.
#[derive(Debug)]
pub(crate) struct WorkerTotals {
    /// The worker's number.
    pub(crate) worker: u8,
    /// Turn times in nanoseconds, two digits.
    pub(crate) turn_ns: Histogram<u64>,
    /// The longest time between two turns when the worker did not wait on purpose.
    pub(crate) gap_ns_max: u64,
    /// Turns longer than [`TURN_BUDGET`].
    pub(crate) turns_over_budget: u64,
    usage_first: Option<Usage>,
    usage_last: Usage,
}

impl WorkerTotals {
    fn new(worker: u8) -> Self {
        Self {
            worker,
            turn_ns: new_histogram(TURN_DIGITS),
            gap_ns_max: 0,
            turns_over_budget: 0,
            usage_first: None,
            usage_last: Usage::default(),
        }
    }

    /// The difference between the kernel's last and first counts for the worker.
    pub(crate) fn usage(&self) -> Usage {
        let (first, last) = (self.usage_first.unwrap_or_default(), self.usage_last);
        let since = u64::saturating_sub;
        Usage {
            faults_minor: since(last.faults_minor, first.faults_minor),
            faults_major: since(last.faults_major, first.faults_major),
            switches_involuntary: since(last.switches_involuntary, first.switches_involuntary),
        }
    }
}

impl Totals {
    /// All values of a stage, or none if it never had one.
    pub fn stage(&self, stage: Stage) -> Option<&Histogram<u64>> {
        self.stages[stage as usize].as_deref()
    }

    /// How long the ticks of this exchange took from the socket to their events, or none if there
    /// was never one.
    pub(crate) fn ticks(&self, exchange: &str) -> Option<&Histogram<u64>> {
        let known = self.ticks.iter().find(|(name, _)| *name == exchange);
        known.map(|(_, ticks)| ticks)
    }

    /// The workers' meters, by worker number.
    pub(crate) fn workers(&self) -> &[WorkerTotals] {
        &self.workers
    }

    fn add(&mut self, stage: Stage, values: &Histogram<u32>) {
        let total =
            self.stages[stage as usize].get_or_insert_with(|| Box::new(new_histogram(DIGITS)));
        add_all(total, values);
    }

    fn add_ticks(&mut self, exchange: &'static str, values: &Histogram<u32>) {
        if values.is_empty() {
            return;
        }
        let known = self.ticks.iter().position(|(name, _)| *name == exchange);
        let at = known.unwrap_or(self.ticks.len());
        if at == self.ticks.len() {
            self.ticks.push((exchange, new_histogram(TURN_DIGITS)));
        }
        add_all(&mut self.ticks[at].1, values);
    }

    fn add_meter(&mut self, worker: u8, meter: &Meter) {
        let at = match self.workers.binary_search_by_key(&worker, |w| w.worker) {
            Ok(at) => at,
            Err(at) => {
                self.workers.insert(at, WorkerTotals::new(worker));
                at
            }
        };
        let total = &mut self.workers[at];
        add_all(&mut total.turn_ns, &meter.turn_ns);
        total.gap_ns_max = total.gap_ns_max.max(meter.gap_ns_max);
        total.turns_over_budget += meter.turns_over_budget;
        if let Some((first, last)) = meter.usage {
            total.usage_first.get_or_insert(first);
            total.usage_last = last;
        }
    }
}

/// The exchanges of these instruments, each once, and the place of each instrument's exchange among
/// them, by its id.
fn exchanges(instruments: &[Instrument]) -> (Vec<&'static str>, Box<[u8]>) {
    let ids = instruments.iter().map(|instrument| instrument.id.index());
    let mut of = vec![NOT_RECORDED; ids.max().map_or(0, |last| last + 1)];
    let mut names: Vec<&'static str> = Vec::new();
    for instrument in instruments {
        let known = names.iter().position(|name| *name == instrument.exchange);
        let place = known.unwrap_or(names.len());
        if place == names.len() {
            names.push(instrument.exchange);
        }
        of[instrument.id.index()] = u8::try_from(place).unwrap_or(NOT_RECORDED);
    }
    (names, of.into())
}

fn add_all(total: &mut Histogram<u64>, values: &Histogram<u32>) {
    for value in values.iter_recorded() {
        let count = u64::from(value.count_at_value());
        total.saturating_record_n(value.value_iterated_to(), count);
    }
}

/// An empty histogram of 1 ns to [`VALUE_MAX_NS`] whose memory is already touched.
pub(crate) fn new_histogram<T: hdrhistogram::Counter>(digits: u8) -> Histogram<T> {
    #[expect(
        clippy::expect_used,
        reason = "constant bounds, more than a factor of two apart, and fewer than six digits"
    )]
    let mut histogram = Histogram::new_with_bounds(1, VALUE_MAX_NS, digits).expect("in range");
    histogram.reset(); // Writes every page, so that the first value does not fault.
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LOG: fn(Stage, &Histogram<u32>, Nanos, Nanos) = |_, _, _, _| {};

    #[test]
    fn an_interval_is_handed_over_once_its_second_is_over() {
        let (mut histograms, mut collector) = Histograms::new(3, &[Stage::Decode]);
        let mut totals = Totals::default();
        let start = Nanos::from_secs(5);
        assert!(!histograms.rotate(start));
        histograms.record(Stage::Decode, Span(700));
        histograms.record(Stage::Ack, Span(9)); // Not one of its stages.
        assert!(!histograms.rotate(start + Span(999_999_999)));
        collector.collect(&mut totals, &mut { NO_LOG });
        assert!(totals.stage(Stage::Decode).is_none());

        assert!(histograms.rotate(start + INTERVAL));
        let mut seen = Vec::new();
        collector.collect(&mut totals, &mut |stage, values, began, ended| {
            seen.push((stage, values.len(), values.max(), began, ended));
        });
        assert_eq!(seen, [(Stage::Decode, 1, 700, start, Nanos::from_secs(6))]);
        assert!(totals.stage(Stage::Ack).is_none());
    }

    #[test]
    fn the_ticks_of_each_exchange_are_counted_apart_and_added_up_over_workers() {
        let instrument = |id: u16, exchange| Instrument {
            id: InstrumentId(id),
            ..Instrument::bare(exchange, Default::default(), (2, 2))
        };
        let (okx, kraken) = (instrument(5, "okx"), instrument(2, "kraken"));
        let mut totals = Totals::default();
        for worker in 0..2 {
            let (mut histograms, mut collector) =
                Histograms::with_exchanges(worker, &[], &[okx, kraken]);
            for (id, ns) in [(5, 40), (2, 7), (5, 40), (3, 9), (900, 9)] {
                histograms.record_tick(InstrumentId(id), Span(ns));
            }
            histograms.finish(Nanos(1));
            collector.collect(&mut totals, &mut { NO_LOG });
        }
        let of = |exchange| totals.ticks(exchange).map(|t| (t.len(), t.max()));
        assert_eq!(of("okx"), Some((4, 40)));
        assert_eq!(of("kraken"), Some((2, 7)));
        assert_eq!(of("binance"), None);
    }

    #[test]
    fn a_late_scribe_makes_an_interval_longer_and_loses_nothing() {
        let (mut histograms, mut collector) = Histograms::new(0, &[Stage::Read]);
        for second in 1..=10 {
            histograms.rotate(Nanos::from_secs(second));
            histograms.record(Stage::Read, Span(second));
        }
        histograms.finish(Nanos::from_secs(11));
        let (mut totals, mut intervals) = (Totals::default(), Vec::new());
        collector.collect(&mut totals, &mut |_, values, began, ended| {
            intervals.push((values.len(), ended.since(began).0 / INTERVAL.0));
        });
        assert_eq!(intervals, [(1, 1), (9, 9)]);
        assert_eq!(totals.stage(Stage::Read).map(Histogram::len), Some(10));
    }

    #[test]
    fn values_that_do_not_fit_count_as_the_longest() {
        let (mut histograms, mut collector) = Histograms::new(0, &[Stage::Wire]);
        histograms.record(Stage::Wire, Span(u64::MAX));
        histograms.record(Stage::Wire, Span(0));
        histograms.finish(Nanos(1));
        let mut totals = Totals::default();
        collector.collect(&mut totals, &mut { NO_LOG });
        let wire = totals.stage(Stage::Wire).expect("recorded");
        assert_eq!((wire.len(), wire.min()), (2, 0));
        assert!(wire.equivalent(wire.max(), VALUE_MAX_NS));
    }

    #[test]
    fn no_value_is_lost_or_moved_while_both_sides_run() {
        let (mut histograms, mut collector) = Histograms::new(0, &[Stage::Frame, Stage::Book]);
        let mut dice = fastrand::Rng::with_seed(7);
        let values: Vec<u64> = (0..200_000).map(|_| 1 << dice.u32(0..30)).collect();
        let mut naive = new_histogram::<u64>(DIGITS);
        for value in &values {
            naive.saturating_record(*value);
        }
        let worker = std::thread::spawn(move || {
            let mut now = Nanos(1);
            for value in values {
                histograms.record(Stage::Frame, Span(value));
                histograms.record(Stage::Book, Span(1));
                now = now + Span(INTERVAL.0 / 8);
                histograms.rotate(now);
            }
            histograms.finish(now);
        });
        let (mut totals, mut sum, mut intervals) = (Totals::default(), 0, 0);
        loop {
            let done = worker.is_finished();
            collector.collect(&mut totals, &mut |stage, values, _, _| {
                sum += values.len();
                intervals += u32::from(stage == Stage::Frame);
            });
            if done {
                break;
            }
            std::thread::yield_now();
        }
        worker.join().expect("the worker ends");
        let frame = totals.stage(Stage::Frame).expect("recorded");
        assert_eq!(frame, &naive);
        assert_eq!(totals.stage(Stage::Book).map(Histogram::len), Some(200_000));
        assert_eq!(sum, 400_000, "the intervals add up to the totals");
        assert!(intervals > 1, "the sets went round");
    }

    #[test]
    fn a_gap_is_time_between_turns_that_nobody_asked_for() {
        let (mut histograms, mut collector) = Histograms::new(1, &[]);
        let meter = histograms.meter();
        meter.usage(Usage {
            faults_minor: 100,
            ..Usage::default()
        });
        meter.turn(Nanos(1_000), Nanos(1_100));
        meter.turn(Nanos(1_500), Nanos(1_600)); // a gap of 400
        meter.wait();
        meter.turn(Nanos(900_000), Nanos(1_200_000)); // no gap, a long turn
        meter.usage(Usage {
            faults_minor: 103,
            faults_major: 0,
            switches_involuntary: 4,
        });
        histograms.rotate(Nanos(1));
        assert!(histograms.rotate(Nanos(1) + INTERVAL));
        // 300: the gap spans the hand-over.
        histograms.meter().turn(Nanos(1_200_300), Nanos(1_200_400));
        histograms.meter().usage(Usage {
            faults_minor: 105,
            faults_major: 1,
            switches_involuntary: 4,
        });
        histograms.finish(Nanos(2) + INTERVAL);
        let mut totals = Totals::default();
        collector.collect(&mut totals, &mut { NO_LOG });
        let [worker] = totals.workers() else {
            panic!("one worker");
        };
        assert_eq!((worker.worker, worker.gap_ns_max), (1, 400));
        assert_eq!((worker.turn_ns.len(), worker.turns_over_budget), (4, 1));
        let usage = worker.usage();
        assert_eq!((usage.faults_minor, usage.faults_major), (5, 1));
        assert_eq!(usage.switches_involuntary, 4);
    }

    #[test]
    fn the_worker_side_of_all_stages_takes_less_than_four_megabytes() {
        let bytes = Stage::ALL.len() * SETS * new_histogram::<u32>(DIGITS).distinct_values() * 4;
        let totals = Stage::ALL.len() * new_histogram::<u64>(DIGITS).distinct_values() * 8;
        assert!(bytes < 4 << 20, "{bytes}");
        assert!(bytes + totals < 8 << 20, "{totals}");
    }
}
