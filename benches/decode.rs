//! Decoding of depth updates of 2, 20 and 100 levels: the engine's way beside the ordinary one.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::messages::instrument;
use support::{MESSAGES, Script, ordinary, sbe, timed};
use tickwire::exchange::{self, Words};

/// A decoded side as an ordinary client holds it.
fn floats(side: &[[String; 2]]) -> Vec<(f64, f64)> {
    let level = |[px, qty]: &[String; 2]| (px.parse().unwrap(), qty.parse().unwrap());
    side.iter().map(level).collect()
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for levels in [2, 20, 100] {
        let script = Script::new(levels);
        group.bench_function(BenchmarkId::new("ours", levels), |bencher| {
            let exchange = exchange::by_name("binance").unwrap();
            let mut way = (
                exchange.decoder(&[instrument()], &exchange.depth_streams()[0]),
                Words::new(),
            );
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut way,
                    |_| {},
                    |(decoder, words), message| {
                        let decoded = decoder.decode(message.as_bytes(), words);
                        assert!(black_box(decoded).is_ok());
                    },
                )
            });
        });
        let frames: Vec<Vec<u8>> = (0..MESSAGES).map(|n| sbe::of(script.message(n))).collect();
        group.bench_function(BenchmarkId::new("sbe", levels), |bencher| {
            let mut way = (sbe::decoder(), Words::new(), frames.iter().cycle());
            bencher.iter(|| {
                let (decoder, words, frames) = &mut way;
                let frame = frames.next().unwrap();
                assert!(black_box(decoder.decode(frame, words)).is_ok());
            });
        });
        group.bench_function(BenchmarkId::new("ordinary", levels), |bencher| {
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut (),
                    |_| {},
                    |_, message| {
                        let update = ordinary::decode(message);
                        black_box((floats(&update.bids), floats(&update.asks)));
                    },
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
