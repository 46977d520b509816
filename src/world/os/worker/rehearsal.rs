//! Keeps the way of an order warm. An order is rare: what its way needs of code and of memory would
//! long have left the processor's caches when one is to leave. Sends nothing.

use super::*;

/// How often the way of an order is rehearsed while nothing happens, at most, and what part of the
/// time that may take: a message that comes meanwhile waits.
const REHEARSE_EVERY: Span = Span(50_000);
const REHEARSAL_SHARE: u64 = 20;

impl Running {
    /// Goes that way as far as nothing comes of it, if it is time. To be called when there is
    /// nothing else to do.
    pub(super) fn rehearse(&mut self) {
        let began = self.clock.now();
        if began < self.rehearse_from {
            return;
        }
        let worker = &mut self.worker;
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        if let Some(desk) = &worker.desk {
            desk.rehearse(began);
        }
        for placed in &mut worker.gateways {
            placed.lane.rehearse(&mut turn);
        }
        let end = self.clock.now();
        self.rehearse_from = end + (end.since(began) * REHEARSAL_SHARE).max(REHEARSE_EVERY);
    }
}
