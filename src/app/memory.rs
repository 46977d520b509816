//! How much memory a configuration's run takes, from the sizes that the engine is built with. An
//! estimate from above: it takes every queue as used. `configs/sim.toml` comes to 37 MiB; a run of it
//! had 26 MiB resident after 4 s, and 32 MiB with the simulated exchange in the same process.

use super::config::Config;
use super::session::{AUDITS, EVENTS, NOTES};
use crate::base::{Event, Level, Note};
use crate::market::buffer::BUFFER_BYTES;
use crate::watch::Stage;
use crate::watch::audit::Shown;
use std::fmt;
use std::io::{self, Write};

/// Books of an instrument: the one that is shown, and a spare that a fresh snapshot is merged into.
const BOOKS: usize = 2;
/// A connection's decoder: room for 8,192 levels a side, and a scratch that is warm for a message of
/// 256 KiB. Measured; a test holds it.
pub const DECODER_BYTES: usize = 2_540_000;
/// The rest of a connection: the reader under TLS (64 KiB), TLS records, and WebSocket's own buffer.
const CONNECTION_BYTES: usize = (64 + 2 * 16 + 8) * 1024;
/// A stage's histograms: two of a worker, and the scribe's total of twice their width. Measured; a
/// test holds it.
pub const STAGE_BYTES: usize = 2 * 221_000;
/// An allowance for code, certificate authorities, stacks of the threads and what libraries keep.
const PROCESS_BYTES: usize = 8 << 20;

/// One line of the estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What takes it.
    pub name: &'static str,
    /// Bytes, when all of it is in use.
    pub bytes: usize,
    /// The arithmetic, so that it can be checked.
    pub how: String,
}

/// Everything that grows with the configuration, and what does not in the last lines.
pub fn parts(config: &Config) -> Vec<Part> {
    let instruments: usize = config.feeds.iter().map(|feed| feed.instruments.len()).sum();
    let connections: usize = config.feeds.iter().map(|feed| feed.shards().len()).sum();
    let (depth, level) = (config.engine.depth, size_of::<Level>());
    let (each, line) = (
        count(instruments, "instrument"),
        count(connections, "connection"),
    );
    let (event, shown, note) = (size_of::<Event>(), size_of::<Shown>(), size_of::<Note>());
    let part = |name, bytes, how| Part { name, bytes, how };
    vec![
        part(
            "books",
            instruments * 2 * depth * level * BOOKS,
            format!("{each} x 2 sides x {depth} levels x {level} bytes x {BOOKS} (live, spare)"),
        ),
        part(
            "waiting",
            instruments * BUFFER_BYTES,
            format!("{each} x {BUFFER_BYTES} bytes of diffs that wait for a snapshot"),
        ),
        part(
            "decoders",
            connections * DECODER_BYTES,
            format!("{line} x {DECODER_BYTES} bytes"),
        ),
        part(
            "streams",
            connections * CONNECTION_BYTES,
            format!("{line} x {CONNECTION_BYTES} bytes under TLS and WebSocket"),
        ),
        part(
            "events",
            connections * EVENTS * event,
            format!("{line} x {EVENTS} events x {event} bytes, to the desk"),
        ),
        part(
            "audit",
            connections * AUDITS * shown,
            format!("{line} x {AUDITS} books x {shown} bytes, to the scribe"),
        ),
        part(
            "notes",
            NOTES * note,
            format!("{NOTES} log records x {note} bytes, to the scribe"),
        ),
        part(
            "latency",
            Stage::ALL.len() * STAGE_BYTES,
            format!("{} stages x {STAGE_BYTES} bytes", Stage::ALL.len()),
        ),
        part("process", PROCESS_BYTES, "code, stacks, libraries".into()),
    ]
}

/// Prints the parts and their sum.
pub(super) fn describe(out: &mut dyn Write, config: &Config) -> io::Result<()> {
    let parts = parts(config);
    writeln!(out)?;
    for (index, part) in parts.iter().enumerate() {
        let head = if index == 0 { "memory" } else { "" };
        let (name, size) = (part.name, Size(part.bytes));
        writeln!(out, "{head:<12} {name:<9}{size:>10}  {}", part.how)?;
    }
    let all = Size(parts.iter().map(|part| part.bytes).sum());
    writeln!(
        out,
        "{:<12} together {all:>10}  resident at most; a queue counts once it was used",
        ""
    )
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
