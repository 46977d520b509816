use super::*;
use crate::base::{Instrument, InstrumentId, Note, Qty, Severity, Symbol, Top};
use crate::watch::audit::Shown;

const FINE: [Audited; 3] = [Audited {
    wrong: Span::ZERO,
    unverified: 0,
}; 3];

/// Two books of one exchange and one of another, all live.
fn seen() -> Seen {
    let one = |id, exchange, symbol: &str| Instrument {
        id: InstrumentId(id),
        qty_max: Qty(1),
        ..Instrument::bare(exchange, Symbol::from(symbol).unwrap(), (2, 2))
    };
    let mut seen = Seen::of(&[
        one(0, "here", "A"),
        one(1, "here", "B"),
        one(2, "there", "A"),
    ]);
    for id in 0..3 {
        seen.shown(&shown(id, 1, true));
    }
    seen.begin();
    seen
}

fn shown(id: u16, at_ms: u64, live: bool) -> Shown {
    Shown {
        at: Nanos::from_millis(at_ms),
        instrument: InstrumentId(id),
        update_id: 1,
        top: live.then_some(Top::EMPTY),
        again: false,
    }
}

/// A fault of the first exchange that lasted from 1 s to 3 s.
fn struck(symbol: Option<&str>) -> Struck {
    Struck {
        fault: MarketFault::Silent,
        exchange: "here",
        instrument: symbol.map(|symbol| Symbol::from(symbol).unwrap()),
        at: Nanos::from_millis(1_000),
        until: Nanos::from_millis(3_000),
    }
}

#[test]
fn a_fault_is_noticed_when_the_book_goes_dark_and_over_when_it_is_live_for_good() {
    let mut seen = seen();
    for (at_ms, live) in [(1_400, false), (2_000, true), (2_500, false), (3_700, true)] {
        seen.shown(&shown(0, at_ms, live));
    }
    let sample = judge(&struck(Some("A")), &seen, &FINE);
    assert_eq!(sample.noticed, Some(Span::from_millis(400)));
    assert_eq!(sample.back, Back::After(Span::from_millis(700)));
    assert_eq!((sample.wrong, sample.missed), (Span::ZERO, false));
    // It went again, and stayed away.
    seen.shown(&shown(0, 4_000, false));
    assert_eq!(judge(&struck(Some("A")), &seen, &FINE).back, Back::Never);
}

#[test]
fn a_warning_is_a_notice_if_it_is_about_the_book_or_its_exchange() {
    let warn = |at_ms| Note::new(Nanos::from_millis(at_ms), Severity::Warn, "data.late");
    let told = |note: Note| {
        let mut seen = seen();
        seen.note(&note);
        judge(&struck(Some("A")), &seen, &FINE).noticed
    };
    let after = Some(Span::from_millis(500));
    assert_eq!(told(warn(1_500).exchange("here")), after);
    assert_eq!(told(warn(1_500).instrument(InstrumentId(0))), after);
    assert_eq!(told(warn(1_500).exchange("there")), None);
    assert_eq!(told(warn(1_500).instrument(InstrumentId(1))), None);
    assert_eq!(
        told(warn(999).exchange("here")),
        None,
        "it was before the fault"
    );
    let info = Note::new(Nanos::from_millis(1_500), Severity::Info, "book.live");
    assert_eq!(told(info.exchange("here")), None);
}

#[test]
fn a_fault_of_a_whole_exchange_is_noticed_with_its_last_book() {
    let mut seen = seen();
    for (id, dark_ms, live_ms) in [(0, 1_100, 3_100), (1, 1_900, 3_050), (2, 1_950, 8_000)] {
        seen.shown(&shown(id, dark_ms, false));
        seen.shown(&shown(id, live_ms, true));
    }
    let sample = judge(&struck(None), &seen, &FINE);
    assert_eq!(sample.noticed, Some(Span::from_millis(900)));
    assert_eq!(sample.back, Back::After(Span::from_millis(100)));
}

#[test]
fn a_book_that_is_dark_already_shows_nothing_wrong_and_one_that_stays_live_needs_no_way_back() {
    let mut dark = seen();
    dark.shown(&shown(0, 900, false));
    dark.shown(&shown(0, 2_000, true));
    let sample = judge(&struck(Some("A")), &dark, &FINE);
    assert_eq!(sample.noticed, Some(Span::ZERO));
    assert_eq!(sample.back, Back::After(Span::ZERO));
    // Live again, and wrong: that it was dark before is no notice of it.
    let mut found = FINE;
    found[0].wrong = Span::from_millis(30);
    let sample = judge(&struck(Some("A")), &dark, &found);
    assert_eq!((sample.noticed, sample.missed), (None, true));
    dark.shown(&shown(0, 2_500, false));
    let sample = judge(&struck(Some("A")), &dark, &found);
    assert_eq!(sample.noticed, Some(Span::from_millis(1_500)));
    assert!(!sample.missed);
    let sample = judge(&struck(Some("A")), &seen(), &FINE);
    assert_eq!((sample.noticed, sample.back), (None, Back::Unneeded));
}

#[test]
fn a_wrong_book_of_the_exchange_counts_whichever_the_fault_was_about() {
    let wrong = |id: usize| {
        let mut found = FINE;
        found[id].wrong = Span::from_millis(30);
        judge(&struck(Some("A")), &seen(), &found)
    };
    for id in [0, 1] {
        let sample = wrong(id);
        assert_eq!((sample.wrong, sample.missed), (Span::from_millis(30), true));
    }
    assert_eq!((wrong(2).wrong, wrong(2).missed), (Span::ZERO, false));
    let mut noticed = seen();
    noticed.shown(&shown(0, 1_200, false));
    let mut found = FINE;
    found[0].wrong = Span::from_millis(30);
    assert!(!judge(&struck(Some("A")), &noticed, &found).missed);
}

#[test]
fn samples_are_summed_up_by_their_median_and_their_worst() {
    let sample = |ms: u64| Sample {
        wrong: Span::from_millis(ms % 2),
        unverified: 0,
        noticed: (ms > 1).then(|| Span::from_millis(ms)),
        missed: ms == 1,
        back: match ms {
            4 => Back::Never,
            ms => Back::After(Span::from_millis(ms)),
        },
    };
    let all = [
        Some(sample(1)),
        None,
        Some(sample(4)),
        Some(sample(2)),
        Some(sample(9)),
    ];
    let sum = Sum::of(all.iter());
    let spread = |p50, max| {
        let [p50, max] = [p50, max].map(Span::from_millis);
        Some(Spread { p50, max })
    };
    let wanted = Sum {
        struck: 4,
        unstruck: 1,
        wrong: Span::from_millis(1),
        noticed: spread(4, 9),
        missed: 1,
        back: spread(2, 9),
        never_back: 1,
    };
    assert_eq!(sum, wanted);
    assert_eq!(Sum::of([].iter()), Sum::default());
}
