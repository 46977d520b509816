//! `summary.json`: what a run was and what it measured. Its schema is the fields below; nothing is
//! computed here but quantiles.
//!
//! Spans are integers in nanoseconds. Readers must ignore fields that they do not know: later
//! versions add some.

mod books;
mod orders;
mod outages;
mod pnl;
mod status;
mod timing;

pub use books::{Book, Exchange};
pub use orders::{Judged, Orders, Refused, Set, Strategy, Traded};
pub use outages::Outage;
pub use pnl::{Balance, Balances, Fees, Pnl, PnlTotal};
use serde::{Deserialize, Serialize};
pub(crate) use status::{DarkBook, GAINS_MAX};
pub use status::{LateData, Status};
pub use timing::{StageLatency, Worker};

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Summary {
    /// The version of tickwire that ran.
    pub version: String,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// How long it ran.
    pub duration_ns: u64,
    /// How workers waited: `spin` or `park`, also if `auto` chose it.
    pub wait: String,
    /// Where orders went: `paper` if they stayed in the process; else the world of orders and
    /// prices, `live`, `testnet`, `demo` or `simulated`; `none` if a recording was made.
    pub mode: String,
    /// The seed of the simulated exchange and of all dice; absent if there was none.
    pub seed: Option<u64>,
    /// Feeds whose exchange could not be reached at the start, and instruments that cannot be
    /// represented, and why: they were not followed.
    pub left_out: Vec<String>,
    /// The feeds of which nothing was followed, and why. Each counts as an outage of its exchange.
    #[serde(skip)]
    pub absent: Vec<String>,
    /// The workers and what ran on them, by worker number.
    pub placement: Vec<Placement>,
    /// The books, one object per instrument.
    pub books: Vec<Book>,
    /// The exchanges that were followed, in the order of the configuration.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// When exchanges had no connection, separately for market data and for orders. Lists those
    /// that lost a connection or never had one.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// What was down for too long, in words. If there is any, the exit code is 3.
    #[serde(default)]
    pub too_long: Vec<String>,
    /// The stages that had at least one value, in road order.
    pub stages: Vec<StageLatency>,
    /// What became of orders.
    pub orders: Orders,
    /// The same for each strategy, in the order of the configuration.
    #[serde(default)]
    pub strategies: Vec<Strategy>,
    /// What was gained and lost, an object per strategy and instrument that traded or is held.
    #[serde(default)]
    pub pnl: Vec<Pnl>,
    /// The same of each asset that instruments are paid in.
    #[serde(default)]
    pub pnl_totals: Vec<PnlTotal>,
    /// Whether that adds up to what each account has, an object per account; empty on paper.
    #[serde(default)]
    pub balances: Vec<Balances>,
    /// How evenly the workers turned, by worker number.
    pub workers: Vec<Worker>,
    /// Log records that did not reach the log because the scribe was behind.
    #[serde(default)]
    pub notes_lost: u64,
    /// Shown books that found no room on the way to the audit. If there are any, no book has a
    /// `sha256` (it is empty) or a `wrong_ns` (it is absent).
    #[serde(default)]
    pub audit_lost: u64,
    /// How often the engine exceeded a limit of the exchanges, by their own count; absent if they
    /// were not simulated.
    #[serde(default)]
    pub limits_exceeded: Option<u64>,
    /// Writes into the run's directory that failed. If this is not zero, its files are not whole.
    #[serde(default)]
    pub disk_errors: u64,
    /// Lines that no reader of the console took; they are in `log.jsonl`.
    #[serde(default)]
    pub console_lost: u64,
    /// Whether the run ended. False in what is written while it goes on. If it stays false, the run
    /// was killed, and the file lacks what the run did after its last write.
    #[serde(default = "yes")]
    pub ended: bool,
}

/// Earlier versions wrote summaries of runs that had ended, and did not say so.
fn yes() -> bool {
    true
}

/// One worker and where it ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Its number, from zero.
    pub worker: u8,
    /// The CPU it was pinned to; absent if pinning was refused.
    pub cpu: Option<usize>,
    /// `spin` or `park`.
    pub wait: String,
    /// Names of its lanes, in the order in which they run.
    pub lanes: Vec<String>,
}

impl Summary {
    /// The text of `summary.json`.
    ///
    /// # Errors
    /// None that is known: it is plain data.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// `lost` shown books did not reach the audit. Nobody knows whose they were, so what the audit
    /// says of every book is void. An empty digest equals no other.
    pub fn set_audit_lost(&mut self, lost: u64) {
        self.audit_lost = lost;
        if lost > 0 {
            for book in &mut self.books {
                book.sha256.clear();
                book.wrong_ns = None;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
