//! What a run prints for the person who started it. A reader that has gone does not end the run.

use crate::app::config::Config;
use crate::app::session::Engine;
use crate::base::Clock as _;
use crate::watch::summary::{self, Summary};
use crate::watch::table;
use crate::world::os::clock::OsClock;
use crate::world::os::scribe::StatusOf;
use crate::world::os::server::Sim;
use crate::world::os::worker::Pulse;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn announce(
    engine: &Engine,
    config: &Config,
    sim: Option<&Sim>,
    mode: &str,
    dir: &Path,
) {
    let mut out = std::io::stdout().lock();
    let symbols: Vec<&str> = engine
        .instruments
        .iter()
        .map(|i| i.symbol.as_str())
        .collect();
    // Nobody may be reading any more: the run goes on, its files are what counts.
    let _ = writeln!(
        out,
        "tickwire {}  orders: {mode}",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(sim) = sim {
        let _ = writeln!(out, "simulated exchange: wss://{}", sim.addr());
    }
    let (n, depth) = (symbols.len(), config.engine.depth);
    let _ = writeln!(
        out,
        "instruments: {n} ({}), {depth} levels a side",
        shortened(&symbols)
    );
    let _ = write!(out, "{}", engine.placement);
    let _ = writeln!(out, "files: {}", dir.display());
}

pub(super) fn shortened(symbols: &[&str]) -> String {
    const SHOWN: usize = 8;
    match symbols.len() {
        n if n > SHOWN => format!("{}, … {} more", symbols[..SHOWN].join(", "), n - SHOWN),
        _ => symbols.join(", "),
    }
}

/// Says each second where the run is, from the workers' pulses.
pub(super) fn status(engine: &Engine) -> StatusOf {
    let (pulses, books) = (engine.pulses.clone(), engine.instruments.len());
    let began = OsClock.now();
    let (mut last_at, mut last_frames) = (began, 0);
    Box::new(move |tick_to_wire| {
        let sum = |of: fn(&Pulse) -> &AtomicU64| -> u64 {
            pulses
                .iter()
                .map(|pulse| of(pulse).load(Ordering::Relaxed))
                .sum()
        };
        let (now, frames) = (OsClock.now(), sum(|pulse| &pulse.frames));
        let span_ns = now.since(last_at).max(1);
        let per_s = (frames - last_frames) as u128 * 1_000_000_000 / u128::from(span_ns);
        (last_at, last_frames) = (now, frames);
        summary::Status {
            elapsed: now - began,
            books_live: sum(|pulse| &pulse.live_books) as usize,
            books,
            messages_per_s: per_s as u64,
            orders_sent: sum(|pulse| &pulse.orders),
            tick_to_wire_ns: tick_to_wire,
        }
    })
}

pub(super) fn conclude(summary: &Summary, dir: &Path) {
    let mut out = std::io::stdout().lock();
    // As in `announce`: a closed pipe does not undo the run.
    let _ = write!(out, "\n{}", table::render_table(summary));
    let _ = writeln!(out, "\nfiles: {}", dir.display());
}
