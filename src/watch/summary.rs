//! `summary.json`: what a run was and what it measured. Its schema is the fields below; nothing is computed here
//! but quantiles.
//!
//! Spans are integers in nanoseconds. Readers must ignore fields that they do not know: later versions add some.

use super::audit::BookAudit;
use super::latency::{Totals, WorkerTotals};
use super::stage::Stage;
use super::table::span;
use crate::base::{Instrument, Nanos, Symbol};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Summary {
    /// The version of tickwire that ran.
    pub version: String,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// How long it ran.
    pub duration_ns: u64,
    /// How workers waited: `spin` or `park` (what `auto` chose, where it chose).
    pub wait: String,
    /// What happened to orders: `paper`, or where they and the prices were of one world `live`, `testnet`, `demo`
    /// or `simulated`; `none` where a recording was made.
    pub mode: String,
    /// The seed of the simulated exchange and of all dice; absent where there was none.
    pub seed: Option<u64>,
    /// Feeds whose exchange could not be reached at the start, and why: they were not followed.
    pub left_out: Vec<String>,
    /// The workers and what ran on them, by worker number.
    pub placement: Vec<Placement>,
    /// The books, one object an instrument.
    pub books: Vec<Book>,
    /// The exchanges that were followed, in the order of the configuration.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// When exchanges had no connection, market data and orders apart: those that lost one, or never had one.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// What was down for too long, in words: where there is any, the exit code is 3.
    #[serde(default)]
    pub too_long: Vec<String>,
    /// The stages that had at least one value, in road order.
    pub stages: Vec<StageLatency>,
    /// What became of orders.
    pub orders: Orders,
    /// How evenly the workers turned, by worker number.
    pub workers: Vec<Worker>,
    /// Log records that did not reach the log because the scribe was behind.
    #[serde(default)]
    pub notes_lost: u64,
    /// Shown books that found no room on the way to the audit. Where there are any, no book has a `sha256`
    /// (it is empty) or a `wrong_ns` (it is absent).
    #[serde(default)]
    pub audit_lost: u64,
    /// How often the engine went over a limit of the exchanges, by their own count; absent where they were not
    /// simulated.
    #[serde(default)]
    pub limits_exceeded: Option<u64>,
    /// Writes into the run's directory that failed. Where this is not zero, its files are not whole.
    #[serde(default)]
    pub disk_errors: u64,
    /// Lines that no reader of the console took; they are in `log.jsonl`.
    #[serde(default)]
    pub console_lost: u64,
    /// The run ended. False in what is written while it goes on: one that stays so was killed, and what it did
    /// since is missing.
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
    /// The CPU it was pinned to; absent where pinning was refused.
    pub cpu: Option<usize>,
    /// `spin` or `park`.
    pub wait: String,
    /// Names of its lanes, in the order in which they run.
    pub lanes: Vec<String>,
}

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
    /// How long a book was shown that differed from the exchange's; absent where nobody knew the truth, or
    /// the audit missed some books.
    pub wrong_ns: Option<u64>,
    /// Of `updates`, those whose best 20 levels were not all provably the exchange's.
    pub incomplete: u64,
    /// SHA-256 of the canonical dump of all shown books, lower-case hexadecimal; empty where the audit missed
    /// some of them.
    pub sha256: String,
    /// Of `updates`, those that no truth was found for; zero where nobody knew the truth.
    #[serde(default)]
    pub unverified: u64,
    /// Updates that were dropped because the book already had them.
    #[serde(default)]
    pub duplicates: u64,
    /// Snapshots merged into the live book, to make it complete again.
    #[serde(default)]
    pub refreshes: u64,
    /// The last connection epoch: 1 where the connection never broke.
    #[serde(default)]
    pub epoch: u32,
    /// Why strategies could not read it when the run ended; empty where they could.
    #[serde(default)]
    pub dark: String,
    /// How long they could not by then; zero where they could.
    #[serde(default)]
    pub dark_ns: u64,
    /// Snapshots that were older than the stream, and of no use.
    #[serde(default)]
    pub too_old: u64,
    /// Snapshots that were crossed or locked, and not believed.
    #[serde(default)]
    pub unbelieved: u64,
}

/// What one exchange sent, and how fast its books were here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exchange {
    /// Its name.
    pub exchange: String,
    /// Text frames that came in.
    pub frames: u64,
    /// Of `frames`, those that were refused whole.
    pub bad_frames: u64,
    /// Connections that went live.
    pub connects: u64,
    /// Its instruments.
    pub books: usize,
    /// Books that strategies could read when the run ended.
    pub books_live: usize,
    /// Updates whose time from the socket to the book's event was taken: from the kernel's receive stamp (the
    /// read call where there is none) until the book was changed and its event ready for the ring.
    pub ticks: u64,
    /// The median of that time; this and the others are exact to a hundredth.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The largest value.
    pub max_ns: u64,
}

/// The times in which an exchange had no connection. Of several connections to it the one that was without one for
/// longest speaks for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outage {
    /// Its name.
    pub exchange: String,
    /// What the connection is for: `market data` or `orders`.
    pub of: String,
    /// Since when it was down when the run ended, RFC 3339 in UTC; absent where it was up.
    pub down_since: Option<String>,
    /// For how long it was, by then; zero where it was up.
    pub down_ns: u64,
    /// Why the last connection ended, or was not made.
    pub why: String,
    /// How often a connection was lost.
    pub times: u64,
    /// The longest time without one.
    pub longest_ns: u64,
    /// All of them together.
    pub total_ns: u64,
}

/// `binance: down since 18:16:24 (6.00 s), refused`.
impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exchange, of, why, ..
        } = self;
        let orders = match of.as_str() {
            "market data" => "",
            _ => " (orders)",
        };
        match &self.down_since {
            Some(since) => {
                let clock = since.get(11..19).unwrap_or(since);
                let lasted = span(self.down_ns);
                write!(
                    f,
                    "{exchange}{orders}: down since {clock} ({lasted}), {why}"
                )
            }
            None => {
                let (longest, total) = (span(self.longest_ns), span(self.total_ns));
                let times = self.times;
                write!(
                    f,
                    "{exchange}{orders}: was down {times} time(s), {longest} at the longest, {total} in all, {why}"
                )
            }
        }
    }
}

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

/// What became of orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// Handed to the order connection; on paper, admitted.
    pub sent: u64,
    /// Taken by the exchange, or on paper.
    pub acked: u64,
    /// Fills of all of them.
    #[serde(default)]
    pub fills: u64,
    /// Ends: filled whole.
    #[serde(default)]
    pub filled: u64,
    /// Ends: cancelled with something left.
    #[serde(default)]
    pub cancelled: u64,
    /// Ends: what was left expired, all of it or a part.
    #[serde(default)]
    pub expired: u64,
    /// Ends: refused by the exchange, or on paper.
    pub rejected: u64,
    /// Ends: never left, because the order connection was not ready.
    #[serde(default)]
    pub not_sent: u64,
    /// Ends: nobody ever said how much of it traded.
    #[serde(default)]
    pub unknown: u64,
    /// Orders that were in doubt for a time, whatever their end.
    #[serde(default)]
    pub in_doubt: u64,
    /// What was traded, an object an instrument that had fills.
    #[serde(default)]
    pub traded: Vec<Traded>,
    /// Intents that risk refused, by the gate that did.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// The same with what each gate compared, in the order in which gates are asked.
    #[serde(default)]
    pub refusals: Vec<Refused>,
}

/// What was traded of one instrument. Numbers are decimal text, and without fees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traded {
    /// The instrument's name in the engine.
    pub name: String,
    /// Fills.
    pub fills: u64,
    /// Quantity bought.
    pub bought: String,
    /// Quantity sold.
    pub sold: String,
    /// Price times quantity of what was bought.
    pub paid: String,
    /// Price times quantity of what was sold.
    pub received: String,
}

/// What one gate of risk refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub gate: String,
    /// Intents that it stopped.
    pub count: u64,
    /// What `limit` and `found` are numbers of: `bps`, `ns`, `orders`, `price`, `quantity` or `notional`; absent,
    /// as they are, where the gate compares no numbers.
    pub unit: Option<String>,
    /// The limit, as decimal text.
    pub limit: Option<String>,
    /// What was found beyond it, as decimal text: the worst of the run, or where instruments cannot be compared
    /// (prices, quantities, notionals) the latest.
    pub found: Option<String>,
    /// The instrument of the latest, where instruments cannot be compared.
    pub instrument: Option<String>,
}

/// How evenly one worker turned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Worker {
    /// Its number, from zero.
    pub worker: u8,
    /// The longest time between two turns when it did not wait on purpose.
    pub gap_max_ns: u64,
    /// Turns of its loop.
    pub turns: u64,
    /// The median of one turn's length.
    pub turn_p50_ns: u64,
    /// The 99th percentile of one turn's length.
    pub turn_p99_ns: u64,
    /// The longest turn.
    pub turn_max_ns: u64,
    /// Turns longer than [`super::latency::TURN_BUDGET_NS`].
    pub turns_over_budget: u64,
    /// Page faults without a read from disk, from the worker's first turn to its last.
    /// The first touch of each queue's memory is among them.
    pub faults_minor: u64,
    /// Page faults with a read from disk, in the same time.
    pub faults_major: u64,
    /// Times that it was taken off its CPU although it wanted to run.
    pub switches_involuntary: u64,
}

/// Where nobody said how long an exchange may be down: for so long at the end.
pub const DOWN_AT_END_MAX: Duration = Duration::from_secs(3);

/// Connections that were lost, before they end again and again.
const LOST_MIN: u64 = 3;

impl Summary {
    /// What was down when, and what of it counts as too long: what was down for more than `down_max` at any time, or
    /// where nobody said what is too long, for more than [`DOWN_AT_END_MAX`] at the end. So counts an exchange that
    /// could not be followed at all.
    pub fn set_outages(
        &mut self,
        outages: impl Iterator<Item = Outage>,
        keep_closing: Vec<(String, String)>,
        down_max: Option<Duration>,
    ) {
        self.outages = outages.collect();
        let left_out = self.left_out.iter().map(|why| {
            let (exchange, why) = why.split_once(": ").unwrap_or((why, ""));
            Outage {
                exchange: exchange.to_owned(),
                of: "market data".to_owned(),
                down_since: Some(self.started.clone()),
                down_ns: self.duration_ns,
                why: format!("left out at the start: {why}"),
                times: 0,
                longest_ns: self.duration_ns,
                total_ns: self.duration_ns,
            }
        });
        let left_out: Vec<Outage> = left_out.collect();
        self.outages.extend(left_out);
        let max_ns = |max: Duration| max.as_nanos() as u64;
        let too_long = self.outages.iter().filter(|outage| match down_max {
            Some(max) => outage.longest_ns > max_ns(max),
            None => outage.down_ns > max_ns(DOWN_AT_END_MAX),
        });
        let down: Vec<&Outage> = too_long.collect();
        // Of an exchange that is down, no book is live.
        let dark = self.books.iter().filter(|book| {
            let at_end_max = down_max.unwrap_or(DOWN_AT_END_MAX);
            let told = down.iter().any(|outage| outage.exchange == book.exchange);
            book.dark_ns > max_ns(at_end_max) && !told
        });
        let dark = dark.map(|book| {
            let Book { name, dark, .. } = book;
            format!("{name}: not live for {}, {dark}", span(book.dark_ns))
        });
        // A dial that fails is no connection that ends: one outage is judged by its time, however often was dialled.
        let flaps = |exchange: &String| {
            let mut outages = self.outages.iter();
            outages.any(|outage| outage.exchange == *exchange && outage.times >= LOST_MIN)
        };
        let closing = keep_closing
            .into_iter()
            .filter(|(exchange, _)| flaps(exchange));
        let closing = closing.map(|(exchange, what)| format!("{exchange}: {what}"));
        let too_long = down.iter().map(|outage| outage.to_string());
        self.too_long = too_long.chain(closing).chain(dark).collect();
    }

    /// As it stands in `summary.json`.
    ///
    /// # Errors
    /// None that is known: it is plain data.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// `lost` shown books did not reach the audit: what it says of all books together is void, for nobody
    /// knows whose they were. An empty digest equals no other's.
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

impl Orders {
    /// Counts a record of the log by its name. Refusals are not counted: the log has only some of them.
    pub fn count(&mut self, event: &str) {
        match event {
            "order.admitted" => self.sent += 1,
            "order.acked" => self.acked += 1,
            "order.filled" => self.fills += 1,
            "order.done" => self.filled += 1,
            "order.cancelled" => self.cancelled += 1,
            "order.expired" => self.expired += 1,
            "order.in_doubt" => self.in_doubt += 1,
            "order.rejected" => self.rejected += 1,
            "order.not_sent" => self.not_sent += 1,
            "order.unknown" => self.unknown += 1,
            _ => {}
        }
    }
}

impl Book {
    /// What the audit found; the counts that only the feed knows stay zero.
    pub fn of(instrument: &Instrument, audit: BookAudit) -> Self {
        Self {
            name: instrument.name.to_string(),
            exchange: instrument.exchange.to_owned(),
            symbol: instrument.symbol.to_string(),
            updates: audit.updates,
            wrong_ns: audit.wrong_ns,
            incomplete: audit.incomplete,
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

impl StageLatency {
    /// Every stage that has a value, in road order.
    pub fn all(totals: &Totals) -> Vec<Self> {
        let stages = Stage::ALL.into_iter();
        stages
            .filter_map(|stage| Some(Self::of(stage, totals.stage(stage)?)))
            .collect()
    }

    /// What these values of a stage come to.
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

/// A book that strategies cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DarkBook {
    /// Its exchange.
    pub exchange: &'static str,
    /// Its instrument, as that exchange calls it.
    pub symbol: Symbol,
    /// For how long.
    pub span: Nanos,
    /// Why.
    pub why: &'static str,
}

/// Where a run is, for its status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Since the run began.
    pub elapsed: Nanos,
    /// Books that strategies can read now.
    pub books_live: usize,
    /// All books of the run.
    pub books: usize,
    /// The book that has been dark for the longest time, where that is worth a word.
    pub dark: Option<DarkBook>,
    /// How long from now the last snapshot that waits for an exchange's budget will be asked for; `None` where
    /// none waits.
    pub snapshots_in: Option<Nanos>,
    /// Frames of market data in the second before.
    pub messages_per_s: u64,
    /// Orders that risk admitted so far.
    pub orders_sent: u64,
    /// p50 and p99 of tick-to-wire over the run so far, in nanoseconds.
    pub tick_to_wire_ns: Option<(u64, u64)>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::latency::Recorder;
    use super::*;

    #[test]
    fn a_book_that_the_audit_missed_has_no_digest_and_no_wrong_time() {
        let mut summary = example();
        summary.set_audit_lost(0);
        assert_eq!(summary, example());
        summary.set_audit_lost(3);
        let json = serde_json::to_value(&summary).expect("plain data");
        assert_eq!(json["audit_lost"], 3);
        assert_eq!(json["books"][0]["sha256"], "");
        assert!(json["books"][0]["wrong_ns"].is_null());
        assert!(!example().books[0].sha256.is_empty());
    }

    #[test]
    fn a_summary_survives_its_own_json_and_has_the_promised_keys() {
        let summary = example();
        let json = serde_json::to_value(&summary).expect("plain data");
        for key in ["placement", "books", "stages", "orders", "workers"] {
            assert!(!json[key].is_null(), "{key}");
        }
        for key in [
            "name",
            "exchange",
            "symbol",
            "updates",
            "gaps",
            "resyncs",
            "wrong_ns",
            "incomplete",
            "sha256",
        ] {
            assert!(json["books"][0].get(key).is_some(), "{key}");
        }
        for key in [
            "stage", "count", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns",
        ] {
            assert!(json["stages"][0].get(key).is_some(), "{key}");
        }
        let back: Summary = serde_json::from_value(json).expect("its own JSON");
        assert_eq!(back, summary);
    }

    #[test]
    fn quantiles_come_from_all_values_of_the_run() {
        let (mut recorder, mut collector) = Recorder::new(2, &[Stage::Ack, Stage::Book]);
        (1..=1_000).for_each(|us| recorder.record(Stage::Ack, us * 1_000));
        recorder.finish(Nanos(1));
        let mut totals = Totals::default();
        collector.collect(&mut totals, &mut |_, _, _, _| {});
        let stages = StageLatency::all(&totals);
        let [ack] = &stages[..] else {
            panic!("only stages with values: {stages:?}");
        };
        assert_eq!((ack.stage.as_str(), ack.count), ("ack", 1_000));
        for (value, exact) in [
            (ack.p50_ns, 500_000),
            (ack.p90_ns, 900_000),
            (ack.p99_ns, 990_000),
            (ack.p999_ns, 999_000),
            (ack.max_ns, 1_000_000),
        ] {
            assert!(
                (exact..=exact + exact / 1_000).contains(&value),
                "{value} {exact}"
            );
        }
        let worker = Worker::from(&totals.workers()[0]);
        assert_eq!((worker.worker, worker.turns), (2, 0));
    }

    #[test]
    fn what_is_down_at_the_end_or_for_longer_than_allowed_is_too_long() {
        let outage = |down_s: u64, longest_s: u64| Outage {
            exchange: "binance".to_owned(),
            of: "market data".to_owned(),
            down_since: (down_s > 0).then(|| "2026-11-22T18:16:24.123Z".to_owned()),
            down_ns: down_s * 1_000_000_000,
            why: "refused".to_owned(),
            times: 1,
            longest_ns: longest_s * 1_000_000_000,
            total_ns: longest_s * 1_000_000_000,
        };
        let seconds = |s| Some(Duration::from_secs(s));
        for (down, longest, max, too_long) in [
            (0, 60, None, false),
            (3, 3, None, false),
            (4, 4, None, true),
            (0, 60, seconds(59), true),
            (0, 60, seconds(60), false),
            (6, 6, seconds(10), false),
            (6, 6, seconds(5), true),
        ] {
            let mut summary = example();
            summary.set_outages([outage(down, longest)].into_iter(), Vec::new(), max);
            assert_eq!(
                !summary.too_long.is_empty(),
                too_long,
                "{down} {longest} {max:?}"
            );
        }
        let mut summary = example();
        summary.left_out = vec!["kraken: no address".to_owned()];
        let again = "connections end again and again (9 in a row): eof".to_owned();
        let closing = vec![
            ("okx".to_owned(), again.clone()),
            ("binance".to_owned(), again.clone()),
        ];
        summary.books[0].exchange = "okx".to_owned();
        summary.books[0].dark = "no snapshot".to_owned();
        summary.books[0].dark_ns = 3_000_000_001;
        let flapping = Outage {
            exchange: "okx".to_owned(),
            times: 3,
            ..outage(1, 1)
        };
        let all = [outage(6, 6), outage(0, 2), flapping].into_iter();
        summary.set_outages(all, closing, None);
        let said: Vec<String> = summary.outages.iter().map(Outage::to_string).collect();
        assert_eq!(
            said,
            [
                "binance: down since 18:16:24 (6.00 s), refused",
                "binance: was down 1 time(s), 2.00 s at the longest, 2.00 s in all, refused",
                "okx: down since 18:16:24 (1.00 s), refused",
                "kraken: down since 16:38:00 (15.0 s), left out at the start: no address",
            ]
        );
        let dark = "binance:BTC-USDT: not live for 3.00 s, no snapshot".to_owned();
        let wanted = [
            said[0].clone(),
            said[3].clone(),
            format!("okx: {again}"),
            dark,
        ];
        assert_eq!(summary.too_long, wanted);
        let all = [outage(6, 6)].into_iter();
        summary.books[0].exchange = "binance".to_owned();
        summary.set_outages(all, Vec::new(), None);
        assert_eq!(summary.too_long.len(), 2, "its books are down with it");
    }

    pub fn example() -> Summary {
        let latency = |stage: &str, p50_ns| StageLatency {
            stage: stage.to_owned(),
            count: 12_345,
            p50_ns,
            p90_ns: p50_ns * 2,
            p99_ns: p50_ns * 5,
            p999_ns: p50_ns * 40,
            max_ns: p50_ns * 900,
        };
        Summary {
            version: "0.1.0".to_owned(),
            started: "2026-11-22T16:38:00Z".to_owned(),
            duration_ns: 15_000_000_000,
            wait: "spin".to_owned(),
            mode: "paper".to_owned(),
            left_out: Vec::new(),
            seed: Some(7),
            placement: vec![Placement {
                worker: 0,
                cpu: Some(1),
                wait: "spin".to_owned(),
                lanes: vec!["feed 0".to_owned(), "gateway".to_owned()],
            }],
            exchanges: vec![Exchange {
                exchange: "binance".to_owned(),
                frames: 1_510,
                connects: 1,
                books: 1,
                books_live: 1,
                ticks: 1_500,
                p50_ns: 21_000,
                p99_ns: 99_000,
                max_ns: 1_200_000,
                ..Exchange::default()
            }],
            books: vec![Book {
                name: "binance:BTC-USDT".to_owned(),
                exchange: "binance".to_owned(),
                symbol: "BTCUSDT".to_owned(),
                updates: 1_500,
                wrong_ns: Some(0),
                sha256: "ab".repeat(32),
                ..Book::default()
            }],
            stages: vec![latency("decode", 1_450), latency("tick_to_wire", 13_000)],
            orders: Orders {
                sent: 10,
                acked: 9,
                fills: 7,
                filled: 5,
                expired: 4,
                rejected: 1,
                traded: vec![Traded {
                    name: "binance:BTC-USDT".to_owned(),
                    fills: 7,
                    bought: "0.5".to_owned(),
                    sold: "0.2".to_owned(),
                    paid: "32125.5".to_owned(),
                    received: "12850.2".to_owned(),
                }],
                ..Orders::default()
            },
            outages: Vec::new(),
            too_long: Vec::new(),
            workers: vec![Worker {
                turns: 1_000_000,
                ..Worker::default()
            }],
            notes_lost: 0,
            audit_lost: 0,
            limits_exceeded: None,
            disk_errors: 0,
            console_lost: 0,
            ended: true,
        }
    }
}
