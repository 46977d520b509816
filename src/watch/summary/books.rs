//! What the books and the exchanges of a run did.

use crate::base::Instrument;
use crate::watch::audit::BookAudit;
use crate::watch::latency::Totals;
use serde::{Deserialize, Serialize};

/// What one book did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Book {
    /// The engine's own name, one spelling for all exchanges: `okx:BTC-USDT`.
    #[serde(default)]
    pub name: String,
    /// The name of its exchange.
    #[serde(default)]
    pub exchange: String,
    /// The symbol as the exchange writes it.
    #[serde(alias = "instrument")]
    pub symbol: String,
    /// Books that were shown: one for each update that was applied.
    pub updates: u64,
    /// Times that updates were missing.
    pub gaps: u64,
    /// Times that the book was thrown away and begun again.
    pub resyncs: u64,
    /// How long a book was shown that differed from the exchange's; absent if nobody knew the
    /// truth, or the audit missed some books.
    pub wrong_ns: Option<u64>,
    /// Those `updates` whose best 20 levels were not all provably the exchange's.
    pub incomplete: u64,
    /// SHA-256 of the canonical dump of all shown books, lower-case hexadecimal; empty if they were
    /// not audited, or the audit missed some of them.
    pub sha256: String,
    /// Those `updates` for which no truth was found; zero if nobody knew the truth.
    #[serde(default)]
    pub unverified: u64,
    /// Updates that were dropped because the book already had them.
    #[serde(default)]
    pub duplicates: u64,
    /// Snapshots merged into the live book, to make it complete again.
    #[serde(default)]
    pub refreshes: u64,
    /// The last connection epoch: 1 if the connection never broke.
    #[serde(default)]
    pub epoch: u32,
    /// Why strategies could not read it when the run ended; empty if they could.
    #[serde(default)]
    pub dark: String,
    /// For how long they could not, by then; zero if they could.
    #[serde(default)]
    pub dark_ns: u64,
    /// Snapshots that were older than the stream, and of no use.
    #[serde(default)]
    pub too_old: u64,
    /// Snapshots that were crossed or locked, and not believed.
    #[serde(default)]
    pub unbelieved: u64,
    /// Times that another snapshot contradicted the live book; each is one of `gaps`, too.
    #[serde(default)]
    pub contradicted: u64,
}

/// What one exchange sent, and how fast its books were here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exchange {
    /// Its name.
    pub exchange: String,
    /// Text frames that came in.
    pub frames: u64,
    /// Those `frames` that were refused whole.
    pub bad_frames: u64,
    /// Those that were read where they lay, by the order of keys that the exchange is known to
    /// write: the others took the way over a tape, which is longer.
    #[serde(default)]
    pub scanned: u64,
    /// Books, prints and quotes with a number that does not fit their instrument.
    #[serde(default)]
    pub unfit: u64,
    /// Levels without a price or, in a whole book, without a quantity.
    #[serde(default)]
    pub levels_dropped: u64,
    /// Prints without a price or a quantity.
    #[serde(default)]
    pub trades_dropped: u64,
    /// Quotes of one side.
    #[serde(default)]
    pub quotes_dropped: u64,
    /// Connections that went live.
    pub connects: u64,
    /// Updates of books that were more than 500 ms old when they came.
    #[serde(default)]
    pub late_updates: u64,
    /// How long all of its data was as late as that. If it has several feeds, this is the longest
    /// one's.
    #[serde(default)]
    pub late_ns: u64,
    /// The longest delay. Each second counts with its smallest delay, so that one late message
    /// among others does not count.
    #[serde(default)]
    pub delay_max_ns: u64,
    /// Its instruments.
    pub books: usize,
    /// Books that strategies could read when the run ended.
    pub books_live: usize,
    /// Updates that were timed from the kernel's receive stamp (the read call if there is none)
    /// until the book was changed and its event ready for the ring.
    pub ticks: u64,
    /// The median of that time. This and the next two are exact to one percent.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The largest value.
    pub max_ns: u64,
}

impl Book {
    /// What the audit found, if there was one; the counts that only the feed knows stay zero.
    pub fn of(instrument: &Instrument, audit: Option<BookAudit>) -> Self {
        let audit = audit.unwrap_or_default();
        Self {
            name: instrument.name.to_string(),
            exchange: instrument.exchange.to_owned(),
            symbol: instrument.symbol.to_string(),
            wrong_ns: audit.wrong_ns,
            sha256: audit.sha256,
            unverified: audit.unverified,
            ..Self::default()
        }
    }
}

impl Exchange {
    /// The exchanges of these instruments, each once, with what the workers timed.
    pub fn all(instruments: &[Instrument], totals: &Totals) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for instrument in instruments {
            let known = all.iter_mut().find(|e| e.exchange == instrument.exchange);
            match known {
                Some(known) => known.books += 1,
                None => all.push(Self::of(instrument.exchange, totals)),
            }
        }
        all
    }

    fn of(exchange: &str, totals: &Totals) -> Self {
        let one = Self {
            exchange: exchange.to_owned(),
            books: 1,
            ..Self::default()
        };
        let Some(ticks) = totals.ticks(exchange) else {
            return one;
        };
        Self {
            ticks: ticks.len(),
            p50_ns: ticks.value_at_quantile(0.5),
            p99_ns: ticks.value_at_quantile(0.99),
            max_ns: ticks.max(),
            ..one
        }
    }
}
