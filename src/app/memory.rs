//! How much memory a run of a configuration takes, from the sizes with which the engine is built.
//! An estimate from above: it counts every queue as full. `configs/sim.toml` comes to 54 MiB.

use super::config::{Config, Feed};
use super::parts::{lanes, links, wait_choice};
use crate::base::{Event, Level, Note};
use crate::exchange;
pub use crate::market::buffer::BUFFER_BYTES;
use crate::market::buffer::{SHARE_BYTES, WAITING_BYTES_MAX};
use crate::watch::Stage;
use crate::watch::audit::Shown;
use crate::wiring::desk::Judged;
use crate::wiring::plan::{AUDITS, EVENTS, EVENTS_BESIDE};
use crate::world::os::engine::{NOTES, stages};
use crate::world::os::placement::{Cpus, Placement, WorkerPlan, place};
use std::fmt;
use std::io::{self, Write};

/// Books per instrument: the one that is shown, and a spare while a new snapshot is merged into it.
const BOOKS: usize = 2;
/// What an instrument takes besides its books' levels and the diffs that wait for a snapshot: which
/// line was first with its last 256 updates (10 KiB), identities of its last 2,048 trades (24 KiB),
/// counters. Measured; a test holds it.
pub const INSTRUMENT_BYTES: usize = 35_000;
/// An instrument's place in its lane's publisher, for news that finds no room on the ring.
/// Measured; a test holds it.
pub const WAITING_BYTES: usize = 1_860;
/// The words of a lane's frame: room for 8,192 levels per side, and for 1,024 words. Measured; a
/// test holds it.
pub const WORDS_BYTES: usize = 369_000;
/// A lane's decoder, with scratch that is warm for large frames: the one of the exchange with the
/// largest frames. A test holds it.
pub const DECODER_BYTES: usize = 7_416_000;
/// Bytes that decoding takes per byte of a message that is too large for the kept buffers: its
/// copy, its tape, its levels. A worker decodes one message at a time. Measured; a test holds it.
pub const LARGE_FACTOR: usize = 10;
/// What else a connection takes: the reader under TLS (64 KiB), TLS records, what is read ahead of
/// WebSocket (32 KiB), and WebSocket's own buffer.
const CONNECTION_BYTES: usize = (64 + 2 * 16 + 32 + 8) * 1024;
/// A stage's two histograms in a worker that times it. The scribe's total takes as much again.
/// Measured; a test holds it.
pub const STAGE_BYTES: usize = 221_000;
/// An allowance for code, certificate authorities, stacks of the threads and what libraries keep.
const PROCESS_BYTES: usize = 8 << 20;

/// One line of the estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// What takes the memory.
    pub(crate) name: &'static str,
    /// How many bytes, when all of it is in use.
    pub(crate) bytes: usize,
    /// The arithmetic, so that it can be checked.
    pub(crate) how: String,
}

/// Everything that grows with the configuration, and in the last lines what does not. `cpus` are
/// those that the process may use.
pub(crate) fn parts(config: &Config, cpus: &Cpus) -> Vec<Part> {
    let instruments: usize = config.feeds.iter().map(instruments_of).sum();
    let connections_of = |feed: &Feed| lanes(feed) * links(feed);
    let connections: usize = config.feeds.iter().map(connections_of).sum();
    let lanes: usize = config.feeds.iter().map(lanes).sum();
    let placed = place(
        cpus,
        lanes,
        !config.accounts.is_empty(),
        wait_choice(config),
    );
    let events_of = |worker: &WorkerPlan| {
        let room = if worker.desk { EVENTS_BESIDE } else { EVENTS };
        worker.feeds.len() * room
    };
    let events: usize = placed.workers.iter().map(events_of).sum();
    let most = config.feeds.iter().map(links).max().unwrap_or(1);
    let timed = placed.workers.iter().map(|plan| stages(plan, most).len());
    let timed: usize = timed.sum();
    let (depth, level) = (config.engine.depth, size_of::<Level>());
    let (each, line) = (count(instruments, "instrument"), count(lanes, "lane"));
    let connection = count(connections, "connection");
    let audits = config.engine.digests || config.feeds.iter().any(Feed::is_simulated);
    let audited = if audits { lanes } else { 0 };
    let (event, shown, note) = (size_of::<Event>(), size_of::<Shown>(), size_of::<Note>());
    let part = |name, bytes, how| Part { name, bytes, how };
    vec![
        part(
            "books",
            instruments * book_bytes(config),
            format!("{each} x 2 sides x {depth} levels x {level} bytes x {BOOKS} (live, spare)"),
        ),
        waiting(instruments, &placed),
        part(
            "beside",
            instruments * INSTRUMENT_BYTES,
            format!("{each} x {INSTRUMENT_BYTES} bytes of recent ids and counters"),
        ),
        part(
            "news",
            instruments * WAITING_BYTES,
            format!("{each} x {WAITING_BYTES} bytes that wait for the ring"),
        ),
        part(
            "decoders",
            lanes * (DECODER_BYTES + WORDS_BYTES),
            format!("{line} x ({DECODER_BYTES} + {WORDS_BYTES} bytes of words)"),
        ),
        part(
            "large",
            large(config, &placed),
            "while whole books of the largest size come in, and one a worker is decoded".into(),
        ),
        part(
            "streams",
            connections * CONNECTION_BYTES,
            format!("{connection} x {CONNECTION_BYTES} bytes under TLS and WebSocket"),
        ),
        part(
            "events",
            events * event,
            format!("{line} x up to {EVENTS} events x {event} bytes, to the desk"),
        ),
        part(
            "audit",
            audited * AUDITS * shown,
            format!(
                "{} x {AUDITS} books x {shown} bytes, to the scribe",
                count(audited, "lane")
            ),
        ),
        part(
            "notes",
            NOTES * note,
            format!("{NOTES} log records x {note} bytes, to the scribe"),
        ),
        part(
            "judged",
            config.strategies.len() * (instruments + 1) * size_of::<Judged>(),
            format!(
                "{} x ({each} + 1) x {} bytes of what became of intents",
                count(config.strategies.len(), "seat"),
                size_of::<Judged>()
            ),
        ),
        part(
            "latency",
            (timed + Stage::ALL.len()) * STAGE_BYTES,
            format!(
                "({timed} stages of workers + {} of the scribe) x {STAGE_BYTES} bytes",
                Stage::ALL.len()
            ),
        ),
        part("process", PROCESS_BYTES, "code, stacks, libraries".into()),
    ]
}

/// What large messages take: one that arrives on each connection, and one that each worker decodes.
fn large(config: &Config, placed: &Placement) -> usize {
    let most = |feed: &Feed| {
        let exchange = exchange::by_name(&feed.exchange);
        exchange.map_or(0, |exchange| exchange.limits().message_bytes_max)
    };
    let coming: usize = config
        .feeds
        .iter()
        .map(|feed| lanes(feed) * links(feed) * most(feed))
        .sum();
    let largest = config.feeds.iter().map(most).max().unwrap_or(0);
    coming + feeding(placed) * LARGE_FACTOR * largest
}

/// Workers that have feeds.
fn feeding(placed: &Placement) -> usize {
    let workers = placed.workers.iter();
    workers.filter(|plan| !plan.feeds.is_empty()).count()
}

/// The diffs that wait for snapshots: as many as each instrument may hold, or what a worker's books
/// may hold together and their shares beyond that.
fn waiting(instruments: usize, placed: &Placement) -> Part {
    let (each, workers) = (count(instruments, "instrument"), feeding(placed));
    let alone = instruments * BUFFER_BYTES;
    let together = workers * WAITING_BYTES_MAX + instruments * SHARE_BYTES;
    let how = match alone <= together {
        true => format!("{each} x {BUFFER_BYTES} bytes of diffs that wait for a snapshot"),
        false => format!(
            "{} x {WAITING_BYTES_MAX} + {each} x {SHARE_BYTES} bytes of diffs that wait",
            count(workers, "worker")
        ),
    };
    Part {
        name: "waiting",
        bytes: alone.min(together),
        how,
    }
}

fn book_bytes(config: &Config) -> usize {
    2 * config.engine.depth * size_of::<Level>() * BOOKS
}

/// How many instruments a feed has at most, as far as that is known before its exchange is asked. A
/// pattern without a limit counts as one.
fn instruments_of(feed: &Feed) -> usize {
    feed.instruments_max().unwrap_or(feed.instruments.len())
}

/// Prints the parts and their sum.
pub(super) fn describe(out: &mut dyn Write, config: &Config, cpus: &Cpus) -> io::Result<()> {
    let parts = parts(config, cpus);
    writeln!(out)?;
    for (index, part) in parts.iter().enumerate() {
        let head = if index == 0 { "memory" } else { "" };
        let (name, size) = (part.name, Size(part.bytes));
        writeln!(out, "{head:<12} {name:<9}{size:>10}  {}", part.how)?;
    }
    let all = Size(parts.iter().map(|part| part.bytes).sum());
    writeln!(out, "{:<12} together {all:>10}  resident at most", "")?;
    for feed in config
        .feeds
        .iter()
        .filter(|feed| feed.instruments_max().is_none())
    {
        let each = Size(book_bytes(config) + BUFFER_BYTES + INSTRUMENT_BYTES + WAITING_BYTES);
        writeln!(
            out,
            "{:<12} {}: how many its patterns match is known at the start of a run: each counts as \
             one instrument here, and one more takes {each}",
            "", feed.exchange
        )?;
    }
    Ok(())
}

/// `1 shard`, `2 shards`.
pub(super) fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// Bytes as people read them; pads like a text.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.0 as f64 / f64::from(1 << 20);
        f.pad(&format!("{mib:.2} MiB"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Known;
    use super::*;
    use std::path::Path;

    fn config(feed: &str) -> Config {
        let text = format!("[[feed]]\nexchange = \"binance\"\n{feed}\n");
        Config::parse(Path::new("x.toml"), &text, &Known::all())
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn bytes(feed: &str, name: &str) -> usize {
        let parts = parts(&config(feed), &Cpus::all(&[0, 1]));
        let part = parts.iter().find(|part| part.name == name);
        part.expect("there is such a part").bytes
    }

    #[test]
    fn patterns_count_as_what_they_may_choose() {
        let named = r#"instruments = ["BTCUSDT", "ETHUSDT"]"#;
        let top = "instruments = [\"BTCUSDT\", \"*USDC\"]\ntop = 9";
        assert_eq!(bytes(top, "books"), 5 * bytes(named, "books"));
        let many = "instruments = [\"*USDC\"]\ntop = 30\ninstruments_per_connection = 10";
        assert_eq!(bytes(many, "events"), 3 * bytes(named, "events"));
    }

    #[test]
    fn thousands_that_begin_at_once_share_what_waits() {
        let config = config(r#"instruments = ["BTCUSDT"]"#);
        let placed = place(&Cpus::all(&[0]), 1, false, wait_choice(&config));
        let bytes = |instruments| waiting(instruments, &placed).bytes;
        assert_eq!(bytes(20), 20 * BUFFER_BYTES);
        assert_eq!(bytes(5_000) - bytes(4_000), 1_000 * SHARE_BYTES);
        assert!(bytes(5_000) < 300 << 20);
    }

    #[test]
    fn a_count_that_nobody_knows_yet_is_said() {
        let said = |feed: &str| {
            let mut out = Vec::new();
            describe(&mut out, &config(feed), &Cpus::all(&[0])).expect("a vector takes all");
            String::from_utf8(out).expect("it is text")
        };
        let open = said(r#"instruments = ["*USDT"]"#);
        assert!(open.contains("known at the start of a run"), "{open}");
        let named = said(r#"instruments = ["BTCUSDT"]"#);
        assert!(!named.contains("patterns"), "{named}");
    }
}
