//! What is known about a run at its start and at its end. Writes no file.

use super::money;
use crate::base::text::rfc3339;
use crate::base::{
    Clock as _, Decimal, Instrument, InstrumentId, Nanos, Note, Severity, Span, Value,
};
use crate::trading::refusal::{Compared, Refusal, Refusals, Unit};
use crate::watch::log::Anchor;
use crate::watch::summary::{self, Summary};
use crate::wiring::desk::{DeskCounters, DeskEnd, Judged, StrategyEnd, Traded};
use crate::wiring::feed::{BookTally, Delays};
use crate::wiring::outage::Downtime;
use crate::wiring::tally::LaneOutage;
use crate::wiring::turn::Notes;
use crate::world::os::clock::OsClock;
use crate::world::os::placement::Placement;
use crate::world::os::scribe::ScribeTotals;
use crate::world::os::worker::Ended;

/// Adds what everybody counted to `head`, which has what was known at the start.
pub(super) fn summarize(
    head: Summary,
    placement: &Placement,
    instruments: &[Instrument],
    ended: &[Option<Ended>],
    totals: ScribeTotals,
) -> Summary {
    let mut summary = Summary {
        wait: placement.wait.name().into(),
        ended: true,
        ..head
    };
    let mut sent = 0;
    for (index, (plan, end)) in placement.workers.iter().zip(ended).enumerate() {
        summary.placement.push(summary::Placement {
            worker: index as u8,
            cpu: end.as_ref().and_then(|end| end.pinned),
            wait: end
                .as_ref()
                .map_or(placement.wait, |end| end.wait)
                .name()
                .into(),
            lanes: plan.lanes(),
        });
        let Some(end) = end else { continue };
        if let Some(desk) = &end.desk {
            tell_desk(&mut summary, desk, instruments);
            if placement.workers.iter().all(|worker| !worker.gateway) {
                // On paper an admitted order has been handed over.
                summary.orders.sent = desk.counters.admitted;
            }
        }
        sent += end.tally.gateway.sent;
    }
    summary.orders.sent += sent;
    let feeds = || ended.iter().flatten().map(|end| &end.tally);
    let audit_lost: u64 = feeds().map(|tally| tally.feed.audit_lost).sum();
    for (instrument, audit) in instruments.iter().zip(totals.audits) {
        let mut book = summary::Book::of(instrument, audit);
        // If trades come by a route of their own, only one lane has the book.
        let told = feeds()
            .flat_map(|tally| tally.books.iter().map(|told| (tally.at, told)))
            .filter(|(_, told)| told.instrument == instrument.id)
            .max_by_key(|(_, told)| (told.dark.is_some(), told.counters.updates));
        if let Some((ended_at, told)) = told {
            tell_book(&mut book, told, ended_at);
        }
        summary.books.push(book);
    }
    summary.exchanges = totals.exchanges;
    for lane in feeds().flat_map(|tally| &tally.exchanges) {
        let mut exchanges = summary.exchanges.iter_mut();
        if let Some(of) = exchanges.find(|of| of.exchange == lane.exchange) {
            of.frames += lane.frames;
            of.bad_frames += lane.bad_frames;
            of.scanned += lane.scanned;
            of.unfit += lane.unfit;
            of.levels_dropped += lane.levels_dropped;
            of.trades_dropped += lane.trades_dropped;
            of.quotes_dropped += lane.quotes_dropped;
            of.connects += lane.connects;
            of.books_live += lane.books_live;
            add_delays(of, lane.delays);
        }
    }
    summary.stages = totals.stages;
    summary.workers = totals.workers;
    summary.notes_lost = totals.notes_lost;
    summary.disk_errors = totals.disk_errors;
    summary.console_lost = totals.console_lost;
    summary.set_audit_lost(audit_lost);
    summary
}

/// What the desk counted, of all strategies and of each.
pub(crate) fn tell_desk(summary: &mut Summary, desk: &DeskEnd, instruments: &[Instrument]) {
    summary.orders = orders(&desk.counters, &desk.refusals, instruments);
    let traded = instruments.iter().zip(&desk.traded);
    let traded = traded.filter(|(_, traded)| traded.fills > 0);
    summary.orders.traded = traded.map(traded_of).collect();
    for (told, end) in summary.strategies.iter_mut().zip(&desk.strategies) {
        told.intents = end.counters.intents;
        told.orders = orders(&end.counters, &end.refusals, instruments);
        told.orders.sent = end.counters.admitted;
        told.judged = judged(end, instruments);
    }
    money::tell(summary, desk, instruments);
}

/// What became of a strategy's intents, by instrument.
fn judged(end: &StrategyEnd, instruments: &[Instrument]) -> Vec<summary::Judged> {
    let named = instruments.iter().map(|one| (one.id, one.name.to_string()));
    let none = std::iter::once((InstrumentId::NONE, String::new()));
    let all = named.chain(none).map(|(id, name)| {
        let of: &Judged = end.judged.of(id);
        let gates = Refusal::ALL.iter().map(|gate| (*gate, of.count(*gate)));
        let refused = gates.filter(|(_, count)| *count > 0);
        summary::Judged {
            name,
            intents: of.intents,
            orders: of.orders,
            changes: of.changes,
            refused: refused
                .map(|(gate, count)| (gate.name().to_owned(), count))
                .collect(),
        }
    });
    all.filter(|of| of.intents > 0).collect()
}

/// What its feed counted of a book.
pub(crate) fn tell_book(book: &mut summary::Book, told: &BookTally, ended_at: Nanos) {
    let counters = told.counters;
    book.epoch = told.epoch;
    book.too_old = counters.too_old;
    book.unbelieved = counters.unbelieved;
    book.contradicted = counters.contradicted;
    if let Some(why) = told.dark {
        book.dark = why.name().to_owned();
        book.dark_ns = ended_at.since(told.dark_since).0;
    }
    (book.updates, book.incomplete) = (counters.updates, counters.incomplete);
    book.gaps = counters.gaps;
    book.resyncs = counters.resyncs;
    book.duplicates = counters.duplicates;
    book.refreshes = counters.refreshes;
}

/// Does not add the times of an exchange's feeds up: they are late at the same time.
fn add_delays(of: &mut summary::Exchange, delays: Delays) {
    of.late_updates += delays.late;
    of.late_ns = of.late_ns.max(delays.late_ns);
    of.delay_max_ns = of.delay_max_ns.max(delays.max_ns);
}

/// When each exchange had no connection, by what the connection is for. If there are several, the
/// one that was down for longest speaks for all.
pub(super) fn outages(
    ended: &[Option<Ended>],
    began: Nanos,
    stopped: Nanos,
) -> Vec<(&'static str, summary::Outage)> {
    let mut worst: Vec<(LaneOutage, Downtime)> = Vec::new();
    let lanes = ended.iter().flatten().flat_map(|end| &end.tally.outages);
    for lane in lanes {
        let told = lane.outage.at(began, stopped);
        let same =
            |(of, _): &&mut (LaneOutage, _)| (of.exchange, of.of) == (lane.exchange, lane.of);
        match worst.iter_mut().find(same) {
            None => worst.push((*lane, told)),
            Some((_, known)) => {
                let (down, was) = (told.since.is_some(), known.since.is_some());
                if (down, told.longest) > (was, known.longest) {
                    *known = told;
                }
            }
        }
    }
    let anchor = Anchor {
        mono: stopped,
        unix: OsClock.unix(),
    };
    let outage = |(lane, told): &(LaneOutage, Downtime)| {
        let since = told.since.map(|since| rfc3339(anchor.unix(since)));
        let outage = summary::Outage {
            exchange: lane.exchange.to_owned(),
            of: lane.of.to_owned(),
            down_since: since,
            down_ns: told.since.map_or(0, |since| stopped.since(since).0),
            why: told.why.to_owned(),
            times: told.times,
            longest_ns: told.longest.0,
            total_ns: told.total.0,
        };
        (lane.exchange, outage)
    };
    let down = worst.iter().filter(|(_, told)| told.total > Span::ZERO);
    down.map(outage).collect()
}

/// Connections that ended again and again, up to the end.
pub(super) fn keep_closing(ended: &[Option<Ended>]) -> Vec<(String, String)> {
    let tallies = ended.iter().flatten().flat_map(|end| &end.tally.exchanges);
    let said = tallies.filter_map(|of| {
        let (why, times) = of.keeps_closing?;
        let what = format!("connections end again and again ({times} in a row): {why}");
        Some((of.exchange.to_owned(), what))
    });
    said.collect()
}

/// The log's last word about what is down.
pub(super) fn say_down(notes: &Notes, outages: &[(&'static str, summary::Outage)], now: Nanos) {
    for (exchange, outage) in outages
        .iter()
        .filter(|(_, outage)| outage.down_since.is_some())
    {
        let note = Note::new(now, Severity::Error, "exchange.down")
            .exchange(exchange)
            .with("down_ms", Value::Int((outage.down_ns / 1_000_000) as i64))
            .with("times", Value::Int(outage.times as i64))
            .text(&outage.to_string());
        notes.record(note);
    }
}

/// What became of orders.
fn orders(
    counters: &DeskCounters,
    refusals: &Refusals,
    instruments: &[Instrument],
) -> summary::Orders {
    let refusals = refused(refusals, instruments);
    summary::Orders {
        sent: 0,
        acked: counters.acked,
        fills: counters.fills,
        filled: counters.filled,
        cancelled: counters.cancelled,
        expired: counters.expired,
        rejected: counters.rejected,
        not_sent: counters.not_sent,
        unknown: counters.unknown,
        in_doubt: counters.in_doubt,
        refused: refusals
            .iter()
            .map(|of| (of.gate.clone(), of.count))
            .collect(),
        refusals,
        traded: Vec::new(),
    }
}

fn traded_of((instrument, traded): (&Instrument, &Traded)) -> summary::Traded {
    let text = |units, scale| Decimal { units, scale }.to_string();
    let qty = traded.qty.map(|qty| text(qty, instrument.qty_scale));
    let notional = traded
        .notional
        .map(|worth| text(worth, instrument.notional_scale()));
    let ([bought, sold], [paid, received]) = (qty, notional);
    summary::Traded {
        name: instrument.name.to_string(),
        fills: traded.fills,
        bought,
        sold,
        paid,
        received,
    }
}

/// The gates that refused something, with the worst that each found.
fn refused(refusals: &Refusals, instruments: &[Instrument]) -> Vec<summary::Refused> {
    let refused = Refusal::ALL
        .iter()
        .filter(|gate| refusals.count(**gate) > 0);
    let of = |gate: &Refusal| {
        let plain = summary::Refused {
            gate: gate.name().to_owned(),
            count: refusals.count(*gate),
            ..Default::default()
        };
        let Some((id, Compared { unit, limit, found })) = refusals.shown(*gate) else {
            return plain;
        };
        let (unit, scale, comparable) = match unit {
            Unit::Bps => ("bps", 0, true),
            Unit::Ns => ("ns", 0, true),
            Unit::Orders => ("orders", 0, true),
            Unit::Price(scale) => ("price", scale, false),
            Unit::Quantity(scale) => ("quantity", scale, false),
            Unit::Notional(scale) => ("notional", scale, false),
        };
        let text = |units| Some(Decimal { units, scale }.to_string());
        let instrument = instruments.get(id.index()).filter(|_| !comparable);
        summary::Refused {
            unit: Some(unit.to_owned()),
            limit: text(limit),
            found: text(found),
            instrument: instrument.map(|instrument| instrument.name.to_string()),
            ..plain
        }
    };
    refused.map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_of_one_exchange_that_are_late_together_are_not_late_for_twice_as_long() {
        let mut of = summary::Exchange::default();
        for (late, late_ns, max_ns) in [(600, 12, 4), (10, 9, 5)] {
            add_delays(
                &mut of,
                Delays {
                    late,
                    now_ns: 0,
                    max_ns,
                    late_ns,
                },
            );
        }
        assert_eq!((of.late_updates, of.late_ns, of.delay_max_ns), (610, 12, 5));
    }
}
