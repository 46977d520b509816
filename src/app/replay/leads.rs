//! How each of several recorded lines did. Replays nothing.

use crate::watch::latency::{Collector, Totals};
use crate::watch::stage::Stage;
use serde::Serialize;
use std::path::PathBuf;

/// How one of several lines did, as `replay --lines` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lead {
    /// Its number, in the order of the files.
    pub line: usize,
    /// The file as it was named.
    pub file: String,
    /// Updates that it brought first and another line brought later.
    pub won: u64,
    /// How much earlier, in microseconds: the median.
    pub lead_us_p50: u64,
    /// The same: the 99th percentile.
    pub lead_us_p99: u64,
}

/// What the lead stages hold.
pub(super) fn leads(files: &[PathBuf], mut stages: Collector) -> Vec<Lead> {
    let lead = |(line, file): (usize, &PathBuf)| Lead {
        line,
        file: file.display().to_string(),
        won: 0,
        lead_us_p50: 0,
        lead_us_p99: 0,
    };
    let mut leads: Vec<Lead> = files.iter().enumerate().map(lead).collect();
    stages.collect(&mut Totals::default(), &mut |stage, values, _, _| {
        let line = Stage::LEADS.iter().position(|&lead| lead == stage);
        if let Some(lead) = line.and_then(|line| leads.get_mut(line)) {
            lead.won = values.len();
            lead.lead_us_p50 = values.value_at_quantile(0.5) / 1_000;
            lead.lead_us_p99 = values.value_at_quantile(0.99) / 1_000;
        }
    });
    leads
}
