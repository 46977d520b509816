//! Applying diffs of 2, 20 and 100 levels to a book of a thousand levels per side: the array book
//! beside the ordinary way (`BTreeMap`), and the array's search beside its alternatives. And the
//! diffs of real recordings, if `../shared/corpus` is there.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use tickwire::base::{Instrument, Level, Px, Qty, Side, Snapshot, Symbol, Word};
use tickwire::exchange::{Exchange as _, Words, binance_spot::BINANCE};
use tickwire::market::Book;

const DEPTH: i64 = 1_000;
/// Diffs that are applied in turn, so that no branch predictor learns them by heart.
const DIFFS: usize = 20_000;

/// Changed bids and asks, each best first, as exchanges send them.
type Diff = (Vec<Level>, Vec<Level>);

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("book");
    for size in [2, 20, 100] {
        let diffs = diffs(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("ours", size), |b| {
            let mut book = Book::<1024>::new();
            fill(&mut book, &snapshot());
            let mut diffs = diffs.iter().cycle();
            b.iter(|| {
                if let Some((bids, asks)) = diffs.next() {
                    book.apply(bids, asks);
                }
                black_box(book.best_bid())
            });
        });
        group.bench_function(BenchmarkId::new("ordinary", size), |b| {
            let mut book = Ordinary::new(&snapshot());
            let mut diffs = diffs.iter().cycle();
            b.iter(|| {
                if let Some((bids, asks)) = diffs.next() {
                    book.apply(bids, asks);
                }
                black_box(book.best_bid())
            });
        });
    }
    group.finish();
}

fn fill(book: &mut Book<1024>, snapshot: &Snapshot) {
    book.load(
        &snapshot.bids,
        snapshot.bids_whole,
        &snapshot.asks,
        snapshot.asks_whole,
    );
}

fn load(c: &mut Criterion) {
    let snapshot = snapshot();
    let mut book = Book::<1024>::new();
    let mut group = c.benchmark_group("book_whole");
    group.bench_function("load", |b| b.iter(|| fill(&mut book, black_box(&snapshot))));
    group.bench_function("top10", |b| b.iter(|| black_box(&book).top::<10>()));
    group.finish();
}

/// One message of a recording is one iteration; the books start again with each pass.
fn recorded(c: &mut Criterion) {
    let mut group = c.benchmark_group("book_recorded");
    for (file, symbol) in [
        ("binance-spot-btcusdt-20240808", "BTCUSDT"),
        ("binance-spot-multi3-20210404", "BTCUSDT"),
        ("binance-spot-multi-20210405", "ZILUSDT"),
    ] {
        let Some((snapshot, diffs)) = recording(file, symbol) else {
            continue;
        };
        let levels = diffs.iter().map(|(bids, asks)| bids.len() + asks.len());
        println!(
            "{file} {symbol}: {} messages of {:.1} levels",
            diffs.len(),
            levels.sum::<usize>() as f64 / diffs.len() as f64
        );
        group.bench_function(file, |b| {
            let mut book = Book::<1024>::new();
            let mut next = 0;
            b.iter(|| {
                if next % diffs.len() == 0 {
                    fill(&mut book, &snapshot);
                }
                let (bids, asks) = &diffs[next % diffs.len()];
                book.apply(bids, asks);
                next += 1;
                black_box(book.best_bid())
            });
        });
    }
    group.finish();
}

/// The first snapshot of this instrument in a recording, and the changes that follow it.
fn recording(file: &str, symbol: &str) -> Option<(Snapshot, Vec<Diff>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.join(format!("../shared/corpus/{file}.jsonl.gz"));
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).ok()?)).lines();
    let instrument = Instrument {
        qty_max: Qty(i64::MAX as u64),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (8, 8))
    };
    let mut decoder = BINANCE.decoder(&[instrument], &BINANCE.depth_streams()[0]);
    let (mut words, mut snapshot, mut diffs) = (Words::new(), None, Vec::new());
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let (raw, conn) = (line["raw"].as_str()?, line["conn"].as_str()?);
        if let Some((of, levels)) = BINANCE.snapshot_asked(conn) {
            if of == symbol && snapshot.is_none() {
                let body = raw.as_bytes().to_vec();
                snapshot = Some(BINANCE.snapshot(body, &instrument, levels).unwrap());
            }
            continue;
        }
        if decoder.decode(raw.as_bytes(), &mut words).is_ok() {
            for word in words.iter() {
                if let Word::Diff(head, bids, asks) = word {
                    diffs.push((head.last_id, (bids.to_vec(), asks.to_vec())));
                }
            }
        }
    }
    let snapshot = snapshot?;
    let after = diffs.into_iter().filter(|(id, _)| *id > snapshot.last_id);
    let diffs = after.map(|(_, diff)| diff).collect();
    Some((snapshot, diffs))
}

/// The search alone, over ranks that rise to the best at the end, as the book keeps them.
fn search(c: &mut Criterion) {
    let ranks: Vec<(i64, u64)> = (0..DEPTH).map(|n| (2 * n, 1)).collect();
    let mut dice = fastrand::Rng::with_seed(1);
    let asked: Vec<i64> = (0..4_096)
        .map(|_| 2 * DEPTH - distance(&mut dice))
        .collect();
    let mut group = c.benchmark_group("search");
    let mut bench = |name: &str, find: fn(&[(i64, u64)], i64) -> usize| {
        assert!(
            asked
                .iter()
                .all(|&rank| find(&ranks, rank) == halving(&ranks, rank))
        );
        group.bench_function(name, |b| {
            b.iter_batched(
                || (),
                |()| {
                    asked
                        .iter()
                        .map(|&rank| find(&ranks, black_box(rank)))
                        .sum::<usize>()
                },
                BatchSize::SmallInput,
            );
        });
    };
    bench("halving", halving);
    bench("linear", linear);
    bench("sum8_halving", sum::<8>);
    bench("scan8_halving", scan::<8>);
    bench("scan32_halving", scan::<32>);
    bench("scan128_halving", scan::<128>);
    bench("gallop", gallop);
    group.finish();
}

fn halving(ranks: &[(i64, u64)], rank: i64) -> usize {
    ranks.partition_point(|held| held.0 < rank)
}

fn linear(ranks: &[(i64, u64)], rank: i64) -> usize {
    ranks
        .iter()
        .rposition(|held| held.0 < rank)
        .map_or(0, |at| at + 1)
}

/// Counts among the nearest ones without a branch, else halves.
fn sum<const NEAR: usize>(ranks: &[(i64, u64)], rank: i64) -> usize {
    let far = ranks.len().saturating_sub(NEAR);
    match ranks.get(far) {
        Some(first) if first.0 <= rank => {
            far + ranks[far..]
                .iter()
                .map(|held| usize::from(held.0 < rank))
                .sum::<usize>()
        }
        _ => halving(&ranks[..far], rank),
    }
}

/// Looks at the nearest ones in turn, else halves.
fn scan<const NEAR: usize>(ranks: &[(i64, u64)], rank: i64) -> usize {
    let far = ranks.len().saturating_sub(NEAR);
    match ranks[far..].iter().rposition(|held| held.0 < rank) {
        Some(at) => far + at + 1,
        None => halving(&ranks[..far], rank),
    }
}

fn gallop(ranks: &[(i64, u64)], rank: i64) -> usize {
    let (mut span, len) = (8, ranks.len());
    while span < len && ranks[len - span].0 >= rank {
        span *= 4;
    }
    let from = len.saturating_sub(span);
    from + halving(&ranks[from..], rank)
}

/// The ordinary way.
struct Ordinary {
    bids: BTreeMap<Px, Qty>,
    asks: BTreeMap<Px, Qty>,
}

impl Ordinary {
    fn new(snapshot: &Snapshot) -> Self {
        let map = |levels: &[Level]| levels.iter().map(|level| (level.px, level.qty)).collect();
        Self {
            bids: map(&snapshot.bids),
            asks: map(&snapshot.asks),
        }
    }

    fn set(&mut self, side: Side, level: Level) {
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if level.qty == Qty(0) {
            levels.remove(&level.px);
        } else {
            levels.insert(level.px, level.qty);
        }
    }

    fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        for &level in bids {
            self.set(Side::Buy, level);
        }
        for &level in asks {
            self.set(Side::Sell, level);
        }
    }

    fn best_bid(&self) -> Option<Level> {
        let (&px, &qty) = self.bids.last_key_value()?;
        Some(Level { px, qty })
    }
}

/// Levels at every second price around a middle of 100,000, and not all there are.
fn snapshot() -> Snapshot {
    let level = |px| Level {
        px: Px(px),
        qty: Qty(1_000),
    };
    Snapshot {
        dropped: 0,
        last_id: 1,
        bids: (0..DEPTH).map(|n| level(100_000 - 2 * n)).collect(),
        asks: (0..DEPTH).map(|n| level(100_001 + 2 * n)).collect(),
        ..Snapshot::default()
    }
}

/// Most changes are near the touch, some anywhere; one in two removes what is there or adds what is
/// not.
fn diffs(size: usize) -> Vec<Diff> {
    let mut dice = fastrand::Rng::with_seed(size as u64);
    let mut diff = || {
        let (mut bids, mut asks) = Diff::default();
        for _ in 0..size {
            let distance = distance(&mut dice);
            let removed = dice.u8(..10) < 4;
            let qty = Qty(if removed { 0 } else { dice.u64(1..1_000_000) });
            let level = |px| Level { px: Px(px), qty };
            match dice.bool() {
                true => bids.push(level(100_000 - distance)),
                false => asks.push(level(100_001 + distance)),
            }
        }
        bids.sort_by_key(|level| -level.px.0);
        asks.sort_by_key(|level| level.px.0);
        bids.dedup_by_key(|level| level.px);
        asks.dedup_by_key(|level| level.px);
        (bids, asks)
    };
    (0..DIFFS).map(|_| diff()).collect()
}

/// How far from the best price a change is: half of them within 20 prices, a tenth anywhere.
fn distance(dice: &mut fastrand::Rng) -> i64 {
    match dice.u8(..10) {
        0..5 => dice.i64(0..20),
        5..9 => dice.i64(0..200),
        _ => dice.i64(0..2 * DEPTH),
    }
}

criterion_group!(benches, apply, load, recorded, search);
criterion_main!(benches);
