//! The sizes that `tickwire check` counts with are those that are allocated.

use crate::counting::held;
use tickwire::app::memory::{
    DECODER_BYTES, INSTRUMENT_BYTES, LARGE_FACTOR, STAGE_BYTES, WAITING_BYTES, WORDS_BYTES,
};
use tickwire::base::{Instrument, InstrumentId, Level, Span, Symbol};
use tickwire::exchange::{self, Exchange, Words};
use tickwire::watch::{Histograms, Stage, Totals};
use tickwire::wiring::feed::Feed;
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::publisher::Publisher;
use tickwire::wiring::ring::{Bell, ring};
use tickwire::wiring::road;

#[test]
fn what_is_allocated_is_what_check_says() {
    let depth = |exchange: &dyn Exchange| &exchange.depth_streams()[0];
    let decoders = exchange::ALL
        .iter()
        .map(|exchange| bytes_of(|| exchange.decoder(&[], depth(*exchange))));
    assert_near(
        decoders.max().unwrap_or(0),
        DECODER_BYTES,
        "largest decoder",
    );
    assert_near(bytes_of(Words::new), WORDS_BYTES, "words");

    // In an order of keys that is not scanned: a tape takes more.
    for (name, level) in [
        ("coinbase-exchange", r#"["68900.00","1.50000000"]"#),
        (
            "coinbase",
            r#"{"side":"bid","event_time":"2026-01-02T03:04:05.123456Z","price_level":"68900.00","new_quantity":"1.5"}"#,
        ),
    ] {
        let levels = vec![level; (8 << 20) / level.len()].join(",");
        let whole = match name {
            "coinbase" => format!(
                r#"{{"sequence_num":0,"channel":"l2_data","timestamp":"2026-01-02T03:04:05Z","events":[{{"type":"snapshot","product_id":"A-B","updates":[{levels}]}}]}}"#
            ),
            _ => format!(r#"{{"type":"snapshot","product_id":"A-B","bids":[{levels}],"asks":[]}}"#),
        };
        let exchange = exchange::by_name(name).expect("it is in the registry");
        let listed = Instrument::bare(name, Symbol::from("A-B").expect("it is short"), (2, 8));
        let (mut decoder, mut words) = (exchange.decoder(&[listed], depth(exchange)), Words::new());
        let ((), kept, peak) = held(|| {
            assert_eq!(decoder.decode(whole.as_bytes(), &mut words), Ok(()));
            words.shrink();
        });
        let factor = peak / whole.len();
        assert!(
            (LARGE_FACTOR / 3..LARGE_FACTOR).contains(&factor),
            "{name}: {factor}"
        );
        assert!(
            kept < 64 << 10,
            "{name} keeps {kept} bytes of a large message"
        );
    }

    let book = 2 * DEPTH * size_of::<Level>();
    let beside = bytes_per_pair() - book - WAITING_BYTES;
    assert_near(beside, INSTRUMENT_BYTES, "instrument");
    let of = |instruments| {
        let ids = (0..instruments).map(InstrumentId);
        bytes_of(|| Publisher::new(ring(1, Bell::new(|| {})).0, ids))
    };
    assert_near(of(2) - of(1), WAITING_BYTES, "news");

    let of = |stages: &[Stage]| {
        bytes_of(|| {
            let (mut histograms, mut collector) = Histograms::new(0, stages);
            stages
                .iter()
                .for_each(|&stage| histograms.record(stage, Span(1)));
            histograms.finish(tickwire::base::Nanos(1));
            let mut totals = Totals::default();
            collector.collect(&mut totals, &mut |_, _, _, _| {});
            (collector, totals)
        })
    };
    let (one, two) = (of(&[Stage::Ack]), of(&[Stage::Ack, Stage::Book]));
    assert_near(two - one, 2 * STAGE_BYTES, "stage");
}

/// The spare book and the diffs that wait are there only while they are needed.
#[test]
fn a_pair_with_a_thousand_levels_per_side_holds_less_than_80_kib() {
    assert!(bytes_per_pair() < 80 << 10, "{}", bytes_per_pair());
}

/// What one more instrument takes.
fn bytes_per_pair() -> usize {
    bytes_of(|| feed(2)) - bytes_of(|| feed(1))
}

/// Levels a side.
const DEPTH: usize = 1_024;

/// A feed of this many instruments, out of two.
fn feed(instruments: usize) -> Feed<DEPTH> {
    let exchange = exchange::by_name("okx").expect("it is in the registry");
    let one = |(id, symbol)| Instrument {
        id: InstrumentId(id),
        ..Instrument::bare("okx", Symbol::from(symbol).expect("it is short"), (2, 2))
    };
    let both: Vec<Instrument> = (0..).zip(["A-B", "C-D"]).map(one).collect();
    let depth = &exchange.depth_streams()[0];
    let plan = FeedPlan {
        total: both.len(),
        events: 1,
        audits: 1,
        ..FeedPlan::new(exchange, depth, &both[..instruments])
    };
    road::feed(&plan, Bell::new(|| {})).feed
}

fn bytes_of<T>(make: impl FnOnce() -> T) -> usize {
    let (_made, bytes, _) = held(make);
    bytes
}

fn assert_near(bytes: usize, said: usize, what: &str) {
    let far = bytes.abs_diff(said);
    assert!(far < said / 20, "{what}: {bytes} bytes, check says {said}");
}
