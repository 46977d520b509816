//! How long things took: the stages, and the turns of the workers.

use crate::watch::latency::{Totals, WorkerTotals};
use crate::watch::stage::Stage;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The latency of one stage over the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageLatency {
    /// As [`Stage::name`] has it.
    pub stage: String,
    /// Values that were recorded.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// The 90th percentile.
    pub p90_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The 99.9th percentile.
    pub p999_ns: u64,
    /// The largest value.
    pub max_ns: u64,
}

/// How evenly one worker turned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Worker {
    /// Its number, from zero.
    pub worker: u8,
    /// The longest time between two turns, unless it waited on purpose.
    pub gap_max_ns: u64,
    /// Turns of its loop.
    pub turns: u64,
    /// The median of one turn's length.
    pub turn_p50_ns: u64,
    /// The 99th percentile of one turn's length.
    pub turn_p99_ns: u64,
    /// The longest turn.
    pub turn_max_ns: u64,
    /// Turns longer than `TURN_BUDGET`.
    pub turns_over_budget: u64,
    /// Page faults without a read from disk, from the worker's first turn to its last.
    /// The first touch of each queue's memory is among them.
    pub faults_minor: u64,
    /// Page faults with a read from disk, in the same time.
    pub faults_major: u64,
    /// Times that it was taken off its CPU although it wanted to run.
    pub switches_involuntary: u64,
}

impl StageLatency {
    /// Every stage that has a value, in road order.
    pub fn all(totals: &Totals) -> Vec<Self> {
        let stages = Stage::ALL.into_iter();
        stages
            .filter_map(|stage| Some(Self::of(stage, totals.stage(stage)?)))
            .collect()
    }

    /// The quantiles of these values.
    pub fn of(stage: Stage, values: &Histogram<u64>) -> Self {
        let at = |quantile| values.value_at_quantile(quantile);
        Self {
            stage: stage.name().to_owned(),
            count: values.len(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: values.max(),
        }
    }
}

impl From<&WorkerTotals> for Worker {
    fn from(totals: &WorkerTotals) -> Self {
        let (turns, usage) = (&totals.turn_ns, totals.usage());
        Self {
            worker: totals.worker,
            gap_max_ns: totals.gap_ns_max,
            turns: turns.len(),
            turn_p50_ns: turns.value_at_quantile(0.5),
            turn_p99_ns: turns.value_at_quantile(0.99),
            turn_max_ns: turns.max(),
            turns_over_budget: totals.turns_over_budget,
            faults_minor: usage.faults_minor,
            faults_major: usage.faults_major,
            switches_involuntary: usage.switches_involuntary,
        }
    }
}
