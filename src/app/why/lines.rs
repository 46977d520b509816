//! `decisions.jsonl`, read again. Trusts nothing of it.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::Path;

/// The points of the road, in its order.
pub(super) const STAMPS: [&str; 12] = [
    "kernel", "call", "read", "frame", "decoded", "book", "popped", "decided", "admitted", "sent",
    "wired", "acked",
];
/// No line of ours is longer.
const LINE_MAX: u64 = 1 << 20;

/// A line. `docs/decisions.md` says what its fields are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub(super) time: String,
    pub(super) time_ns: i64,
    pub(super) kind: String,
    pub(super) instrument: String,
    pub(super) symbol: String,
    pub(super) strategy: String,
    pub(super) order: Option<u64>,
    pub(super) origin: Option<String>,
    pub(super) replaces: Option<u64>,
    pub(super) side: Option<String>,
    pub(super) px: Option<String>,
    pub(super) qty: Option<String>,
    #[serde(rename = "type")]
    pub(super) order_type: Option<String>,
    pub(super) tag: Option<i64>,
    pub(super) signal: Option<Signal>,
    pub(super) picture: Option<Seen>,
    pub(super) risk: Option<String>,
    pub(super) gate: Option<String>,
    pub(super) nth: Option<u64>,
    pub(super) unit: Option<String>,
    pub(super) limit: Option<String>,
    pub(super) found: Option<String>,
    pub(super) arrived: Option<String>,
    pub(super) arrived_ns: Option<i64>,
    pub(super) stamps: Option<Map<String, Value>>,
    pub(super) events: Vec<Value>,
    pub(super) events_left_out: u64,
    pub(super) fills: u64,
    pub(super) filled: Option<String>,
    pub(super) end: Option<String>,
    pub(super) lost: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Signal {
    pub(super) name: String,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    pub(super) epoch: Option<u64>,
    pub(super) update_id: Option<i64>,
    pub(super) best_bid: Option<String>,
    pub(super) best_bid_qty: Option<String>,
    pub(super) best_ask: Option<String>,
    pub(super) best_ask_qty: Option<String>,
    pub(super) age_ns: Option<i64>,
}

/// Gives every line of the run that `may` be meant to `each`, with its text.
///
/// # Errors
/// In words, when there is no such file. A line that is none, such as the last half one of a run
/// that was killed, is passed over.
pub(super) fn decisions(
    run: &Path,
    may: impl Fn(&str) -> bool,
    mut each: impl FnMut(Line, &str),
) -> Result<(), String> {
    let path = run.join("decisions.jsonl");
    let file = match File::open(&path) {
        Ok(file) => file,
        // A run without an order, and without an intent that was held back, has none.
        Err(error) if error.kind() == ErrorKind::NotFound && run.join("summary.json").exists() => {
            return Ok(());
        }
        Err(error) => {
            return Err(format!(
                "{} is no run's directory: cannot read {}: {error}",
                run.display(),
                path.display()
            ));
        }
    };
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut limited = (&mut reader).take(LINE_MAX);
        let read = limited.read_until(b'\n', &mut bytes);
        match read.map_err(|error| format!("cannot read {}: {error}", path.display()))? {
            0 => return Ok(()),
            _ => {
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_end();
                if may(text)
                    && let Ok(line) = serde_json::from_str(text)
                {
                    each(line, text);
                }
            }
        }
    }
}
