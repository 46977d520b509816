//! Decoding of depth updates of 2, 20 and 100 levels: the engine's way beside the ordinary one.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde::Deserialize;
use std::hint::black_box;
use tickwire::base::{Instrument, InstrumentId, Px, Qty, Symbol};
use tickwire::exchange;

/// What most clients do: every string owned, then parsed.
#[derive(Deserialize)]
struct Combined {
    #[serde(rename = "stream")]
    _stream: String,
    data: Update,
}

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "e")]
    _kind: String,
    #[serde(rename = "E")]
    time: u64,
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "U")]
    first_id: u64,
    #[serde(rename = "u")]
    last_id: u64,
    #[serde(rename = "b")]
    bids: Vec<[String; 2]>,
    #[serde(rename = "a")]
    asks: Vec<[String; 2]>,
}

/// A decoded update as an ordinary client holds it.
#[derive(Debug)]
#[allow(dead_code)] // Made, and looked at by nobody: that is what is measured.
struct Ordinary {
    time: u64,
    symbol: String,
    ids: (u64, u64),
    bids: Vec<(f64, f64)>,
    asks: Vec<(f64, f64)>,
}

fn ordinary(frame: &str) -> Ordinary {
    let Combined { data, .. } = serde_json::from_str(frame).unwrap();
    let parse = |side: Vec<[String; 2]>| {
        let level = |[px, qty]: &[String; 2]| (px.parse().unwrap(), qty.parse().unwrap());
        side.iter().map(level).collect()
    };
    Ordinary {
        time: data.time,
        symbol: data.symbol,
        ids: (data.first_id, data.last_id),
        bids: parse(data.bids),
        asks: parse(data.asks),
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(0),
        symbol: Symbol::from("BTCUSDT").unwrap(),
        px_scale: 8,
        qty_scale: 8,
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(i64::MAX as u64),
        notional_min: 0,
        trading: true,
    }
}

/// An update as the exchange writes it, half of its levels a side.
fn frame(levels: usize) -> String {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut side = |step: i64| -> String {
        let level = |n| {
            let cents = 6_173_763 + step * n * dice.i64(1..40);
            let removed = dice.u8(0..3) == 0;
            let lots = if removed { 0 } else { dice.i64(1..300_000) };
            let (px, qty) = (cents as f64 / 100.0, lots as f64 / 100_000.0);
            format!(r#"["{px:.8}","{qty:.8}"]"#)
        };
        let levels: Vec<String> = (0..levels as i64 / 2).map(level).collect();
        levels.join(",")
    };
    let (bids, asks) = (side(-1), side(1));
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239188,"u":50093239211,"b":[{bids}],"a":[{asks}]}}}}"#
    )
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for levels in [2, 20, 100] {
        let frame = frame(levels);
        let exchange = exchange::by_name("binance-spot").unwrap();
        let mut decoder = exchange.decoder(&[instrument()]);
        assert!(decoder.decode(frame.as_bytes()).is_ok());
        group.bench_function(BenchmarkId::new("tickwire", levels), |bencher| {
            bencher.iter(|| black_box(decoder.decode(black_box(frame.as_bytes()))).is_ok());
        });
        group.bench_function(BenchmarkId::new("serde_json", levels), |bencher| {
            bencher.iter(|| ordinary(black_box(&frame)));
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
