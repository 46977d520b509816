//! The order journal as a run finds it: whose it is, what is known from it, and a new one that says
//! the same. Dials nobody.

pub(super) mod command;

use crate::base::text::hex;
use crate::base::{Asset, Clock as _, Instrument, Nanos, Note, Severity, Span, UnixNanos, Value};
use crate::exchange::Account;
use crate::journal::orders::{Begun, Names, Reader, VERSION, Writer};
use crate::trading::recover::{Recovered, Recovery, Table};
use crate::wiring::keep::JournalPlan;
use crate::world::os::clock::OsClock;
use crate::world::os::orders::{Folder, Kit};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Bytes of a key's digest that tell accounts apart.
const FINGERPRINT_BYTES: usize = 8;

/// Whose orders are kept, and where.
pub(super) struct Whose<'w> {
    /// The account's folder.
    pub(super) dir: &'w Path,
    /// The account's exchange.
    pub(super) exchange: &'static str,
    /// See [`fingerprint`].
    pub(super) fingerprint: String,
    /// For so long after it was sent the exchange may deny an order that it has.
    pub(super) visibility: Span,
    /// An order is on the disk before it leaves.
    pub(super) durable: bool,
    /// See [`JournalPlan::accepts`].
    pub(super) accepts: Vec<(Asset, i128)>,
}

/// A journal that is ready to be written.
pub(super) struct Opened {
    /// What the road is to know of it.
    pub(super) plan: JournalPlan,
    /// What its thread writes with.
    pub(super) kit: Kit,
    /// Every client id below it is used up.
    pub(super) next_client_id: u64,
}

/// What an account's key is recognised by. The key does not follow from it.
pub(super) fn fingerprint(account: &Account) -> String {
    hex(&Sha256::digest(account.api_key.expose())[..FINGERPRINT_BYTES])
}

/// Takes the account's folder, learns what an earlier run left, and begins a new journal with it.
///
/// # Errors
/// In words, if another engine trades with the account, if the journal is another account's or not
/// as it was written, or if it holds an order that this run could not look after.
pub(super) fn open(
    whose: &Whose<'_>,
    instruments: &[Instrument],
    strategies: &[String],
) -> Result<Opened, String> {
    let folder = Folder::take(whose.dir)?;
    let name = folder.path().display().to_string();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let bytes = folder.read().map_err(failed)?;
    let (unix, now) = (OsClock.unix(), OsClock.now());
    let mut reader = Reader::new(&name, &bytes)?;
    let recovered = recover(&mut reader, whose, unix)?;
    let ours: Vec<Instrument> = {
        let all = instruments.iter();
        all.filter(|one| one.exchange == whose.exchange)
            .copied()
            .collect()
    };
    let mut writer = Writer::new(reader.next_number());
    let text = begin(&mut writer, &reader, whose, &recovered, (unix, &ours));
    folder.replace(&text).map_err(failed)?;
    let tables = reader.tables();
    let from = Table {
        instruments: &tables.instruments,
        strategies: &tables.strategies,
    };
    let to = Table {
        instruments: &ours,
        strategies,
    };
    let next_client_id = recovered.used_to.saturating_add(1);
    let not_kept = not_kept(now, &recovered, &tables.strategies);
    let recovered = recovered.into_table(from, to)?;
    let notes = match bytes.is_empty() {
        true => Vec::new(),
        false => [Some(said(now, &reader, &recovered)), not_kept]
            .into_iter()
            .flatten()
            .collect(),
    };
    Ok(Opened {
        plan: JournalPlan {
            durable: whose.durable,
            accepts: whose.accepts.clone(),
            recovered,
            at: now,
        },
        kit: Kit {
            log: Box::new(folder.into_log()),
            next: writer.next(),
            strategies: strategies.to_vec(),
            notes,
        },
        next_client_id,
    })
}

/// What is known from a journal.
fn recover(
    reader: &mut Reader<'_>,
    whose: &Whose<'_>,
    now: UnixNanos,
) -> Result<Recovered, String> {
    let recovered = learn(reader, whose.visibility, now)?;
    let same =
        |begun: &Begun| begun.exchange == whose.exchange && begun.account == whose.fingerprint;
    if reader.begun().is_none_or(same) {
        return Ok(recovered);
    }
    let flat = recovered.positions.iter().all(|(_, _, held)| held.qty == 0);
    match flat && recovered.orders.is_empty() {
        // Nothing of the other account would be forgotten.
        true => Ok(Recovered {
            used_to: recovered.used_to,
            ..Recovered::default()
        }),
        false => Err(format!(
            "order journal {}: it has orders or positions of another account, or of this one under \
             another key: give each account a folder of its own with journal in [account], or move \
             this one away once what it has is settled",
            whose.dir.display()
        )),
    }
}

/// What is known from a journal, whosever it is.
fn learn(reader: &mut Reader<'_>, visibility: Span, now: UnixNanos) -> Result<Recovered, String> {
    let mut recovery = Recovery::new(&reader.tables().instruments, visibility);
    let mut last = nanos(now);
    while let Some((at, deed)) = reader.next_deed()? {
        last = last.max(nanos(at));
        let taken = recovery.take(nanos(at), &deed);
        taken.map_err(|why| reader.bad(why))?;
    }
    Ok(recovery.finish(last))
}

/// A journal that begins with what is known.
fn begin(
    writer: &mut Writer,
    reader: &Reader<'_>,
    whose: &Whose<'_>,
    recovered: &Recovered,
    (at, ours): (UnixNanos, &[Instrument]),
) -> Vec<u8> {
    let tables = reader.tables();
    let names = Names {
        instruments: &tables.instruments,
        strategies: &tables.strategies,
    };
    let mut out = Vec::new();
    let begun = Begun {
        journal: VERSION,
        tickwire: env!("CARGO_PKG_VERSION").to_owned(),
        exchange: whose.exchange.to_owned(),
        account: whose.fingerprint.clone(),
    };
    writer.begun(at, begun, &mut out);
    for instrument in &tables.instruments {
        writer.instrument(at, instrument, &mut out);
    }
    for deed in recovered.deeds(nanos(at)) {
        let unix = |at: Nanos| UnixNanos(i64::try_from(at.0).unwrap_or(i64::MAX));
        writer.deed(names, (nanos(at), &unix), &deed, &mut out);
    }
    for instrument in ours {
        writer.instrument(at, instrument, &mut out);
    }
    out
}

/// What was found, for the log.
fn said(now: Nanos, reader: &Reader<'_>, recovered: &Recovered) -> Note {
    let (severity, ended) = match reader.ended() {
        true => (Severity::Info, "in_order"),
        false => (Severity::Warn, "killed"),
    };
    let int = |n: usize| Value::Int(n as i64);
    Note::new(now, severity, "orders.recovered")
        .with("last_run", Value::Word(ended))
        .with("open_orders", int(recovered.orders.len()))
        .with("positions", int(recovered.positions.len()))
        .with("differences", int(recovered.differences.len()))
        .with("torn_bytes", int(reader.torn()))
}

/// What a person set while the last run went on: this one goes by its configuration again.
fn not_kept(now: Nanos, recovered: &Recovered, strategies: &[String]) -> Option<Note> {
    let all = recovered.set.iter().map(|((strategy, key), (value, _))| {
        let name = strategies.get(strategy.index());
        format!("{} {key} = {value}", name.map_or("?", String::as_str))
    });
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| {
        Note::new(now, Severity::Warn, "strategy.set_ended")
            .with("values", Value::Int(all.len() as i64))
            .text(&all.join(", "))
    })
}

/// In records, times since 1970 take the place of a monotonic clock's.
fn nanos(unix: UnixNanos) -> Nanos {
    Nanos(u64::try_from(unix.0).unwrap_or(0))
}

#[cfg(test)]
mod tests;
