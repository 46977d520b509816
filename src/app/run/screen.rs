//! What a run prints for the person who started it. A reader that has gone does not end the run.

use crate::app::config::Config;
use crate::app::universe::Universe;
use crate::base::{Asset, Clock as _, Instrument, Nanos, Span};
use crate::watch::summary::{self, Summary};
use crate::watch::table;
use crate::wiring::feed::DARK_SAID;
use crate::world::os::clerk::Backlog;
use crate::world::os::clock::OsClock;
use crate::world::os::console::{self, Outlet};
use crate::world::os::engine::Engine;
use crate::world::os::scribe::{StatusOf, TellBooks};
use crate::world::os::server::Sim;
use crate::world::os::worker::Pulse;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Standard output. The run never waits for it: files are what counts.
pub(super) struct Screen {
    out: Outlet,
    dir: PathBuf,
}

impl Screen {
    /// For a run whose files are in `dir`.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            out: Outlet::start("tickwire-print", io::stdout())?,
            dir: dir.to_owned(),
        })
    }

    /// Prints whole lines, folded if a terminal is too narrow for them.
    pub(super) fn say(&mut self, text: &str) {
        self.out.say(&console::fit_out(text));
    }

    /// Gives the reader a moment to take what was printed.
    pub(super) fn close(self) {
        self.out.finish();
    }

    /// Warns of feeds on whose books a strategy can never act.
    pub(super) fn warn_of_shallow_books(&self, config: &Config) {
        for shallow in config.too_shallow() {
            console::complain(&format!("warning: {shallow}"));
        }
    }

    /// Which instruments patterns chose, and how long the first snapshots will take if that is more
    /// than a moment.
    pub(super) fn announce_universe(&mut self, universe: &Universe) {
        for why in &universe.left_out {
            console::complain(&format!("left out of this run: {why}"));
        }
        for source in &universe.sources {
            let name = source.exchange.name();
            if let Some(chosen) = &source.chosen {
                self.say(&format!("{name}: {chosen}\n"));
            }
        }
        for (at, host) in universe.hosts.iter().enumerate() {
            let sources = universe.sources.iter().filter(|source| source.host == at);
            let weights = sources.clone().flat_map(|source| {
                let levels = source.config.snapshot_levels;
                let request = source.exchange.snapshot_request("", levels);
                request
                    .map(|r| std::iter::repeat_n(r.weight, source.instruments.len()))
                    .into_iter()
                    .flatten()
            });
            let (count, weight) = (
                weights.clone().count(),
                weights.clone().map(u64::from).sum::<u64>(),
            );
            let needed = host.time_needed(weights);
            if needed > Span::ZERO {
                let names: Vec<&str> = sources.map(|source| source.exchange.name()).collect();
                let (names, needed_s) = (names.join(", "), needed.0.div_ceil(1_000_000_000));
                self.say(&format!(
                    "{names}: {count} snapshots weigh {weight} of the exchange's budget: all books \
                     are live after about {needed_s} s\n"
                ));
            }
        }
    }

    /// What runs, and where its files are.
    pub(super) fn announce(
        &mut self,
        engine: &Engine,
        config: &Config,
        sim: Option<&Sim>,
        mode: &str,
    ) {
        let names: Vec<&str> = engine.instruments.iter().map(|i| i.name.as_str()).collect();
        let version = env!("CARGO_PKG_VERSION");
        self.say(&format!("tickwire {version}  orders: {mode}\n"));
        if let Some(sim) = sim {
            self.say(&format!("simulated exchange: wss://{}\n", sim.addr()));
        }
        let (n, depth) = (names.len(), config.engine.depth);
        let shown = shortened(&names);
        self.say(&format!(
            "instruments: {n} ({shown}), {depth} levels a side\n"
        ));
        self.say(&engine.placement.to_string());
        self.say(&format!("files: {}\n", self.dir.display()));
    }

    /// What happened.
    pub(super) fn conclude(&mut self, summary: &Summary) {
        self.say(&format!("\n{}", table::render_table(summary)));
        if let Some(exceeded) = summary.limits_exceeded {
            self.say(&format!(
                "\nlimits exceeded by the exchanges' own count: {exceeded}\n"
            ));
        }
        if summary.console_lost > 0 {
            self.say(&format!(
                "console: {} lines found no reader; the log has them\n",
                summary.console_lost
            ));
        }
        self.say(&format!("\nfiles: {}\n", self.dir.display()));
    }
}

pub(super) fn shortened(symbols: &[&str]) -> String {
    const SHOWN: usize = 8;
    match symbols.len() {
        n if n > SHOWN => format!("{}, … {} more", symbols[..SHOWN].join(", "), n - SHOWN),
        _ => symbols.join(", "),
    }
}

/// Says once per second how the run stands, from the workers' pulses.
pub(super) fn status(engine: &Engine) -> StatusOf {
    let (pulses, books) = (engine.pulses.clone(), engine.instruments.len());
    let instruments = engine.instruments.clone();
    let backlogs = engine.backlogs().to_vec();
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
        let span_ns = now.since(last_at).0.max(1);
        let per_s = (frames - last_frames) as u128 * 1_000_000_000 / u128::from(span_ns);
        (last_at, last_frames) = (now, frames);
        summary::Status {
            elapsed: now.since(began),
            books_live: sum(|pulse| &pulse.live_books) as usize,
            books,
            dark: dark(&pulses, &instruments, now),
            late: late(&pulses, &instruments),
            snapshots_in: snapshots_in(&backlogs, now),
            messages_per_s: per_s as u64,
            orders_sent: sum(|pulse| &pulse.orders),
            gains: gains(&pulses, &instruments),
            tick_to_wire_ns: tick_to_wire,
        }
    })
}

/// Tells what became of each book, from the workers' pulses.
pub(super) fn books(engine: &Engine) -> TellBooks {
    let pulses = engine.pulses.clone();
    Box::new(move |books| {
        for pulse in &pulses {
            let shown = pulse.books.iter().zip(&mut *books);
            shown.for_each(|(shown, book)| shown.tell(book));
        }
    })
}

/// The book that has been dark for the longest time, once it is for as long as the log says so.
fn dark(
    pulses: &[Arc<Pulse>],
    instruments: &[Instrument],
    now: Nanos,
) -> Option<summary::DarkBook> {
    let dark = pulses.iter().filter_map(|pulse| pulse.dark.look());
    let (id, since, why) = dark.min_by_key(|(_, since, _)| *since)?;
    let (instrument, span) = (instruments.get(id.index())?, now.since(since));
    (span >= DARK_SAID).then_some(summary::DarkBook {
        exchange: instrument.exchange,
        symbol: instrument.symbol,
        span,
        why: why.name(),
    })
}

/// The exchange whose data is late by the most.
fn late(pulses: &[Arc<Pulse>], instruments: &[Instrument]) -> Option<summary::LateData> {
    let late = pulses.iter().filter_map(|pulse| pulse.late.look());
    let late = late.max_by_key(|late| late.delay_ns)?;
    Some(summary::LateData {
        exchange: instruments.get(late.instrument.index())?.exchange,
        delay: Span(late.delay_ns),
    })
}

/// What was gained or lost of each asset: one worker has the desk.
fn gains(
    pulses: &[Arc<Pulse>],
    instruments: &[Instrument],
) -> [Option<(Asset, i64)>; summary::GAINS_MAX] {
    let of_desk = pulses.iter().find(|pulse| pulse.gains[0].look().is_some());
    std::array::from_fn(|nth| {
        let (id, units) = of_desk?.gains[nth].look()?;
        Some((instruments.get(id.index())?.cash_asset(), units))
    })
}

fn snapshots_in(backlogs: &[Arc<Backlog>], now: Nanos) -> Option<Nanos> {
    let waiting = backlogs
        .iter()
        .filter(|b| b.waiting.load(Ordering::Relaxed) > 0);
    let done_by = waiting
        .map(|backlog| backlog.done_by_ns.load(Ordering::Relaxed))
        .max()?;
    Some(Nanos(done_by.saturating_sub(now.0)))
}
