//! Checks, off the hot path, the books that were shown: digests, completeness, and the exchange's
//! truth.

pub use crate::base::shown::{AUDIT_LEVELS, Shown, Truth};
use crate::base::text::hex;
use crate::base::{Instrument, InstrumentId, Level, Nanos, Px, Side, Span, Symbol, Top};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};

/// How many truths, and how many books that wait for one, are kept per instrument. The oldest gives
/// way.
pub(crate) const UNMATCHED_MAX: usize = 256;
/// A book that is like none of its exchange's for longer than this is wrong. Where one change comes
/// as several messages, books between them last for less.
const UNLIKE_MAX: Span = Span::from_millis(100);
/// Bytes of one side of a line, at most. Each level takes a sign, 20 digits and a point, twice, and
/// two separators.
const LINE_MAX: usize = 2 * AUDIT_LEVELS * 48 + 128;

/// Checks every book that was shown. A value: the scribe feeds it.
pub(crate) struct Auditor {
    books: Vec<Book>,
    /// Places in `books`.
    by_symbol: HashMap<(&'static str, Symbol), usize>,
    truth: bool,
    line: Vec<u8>,
}

/// What the audit of one instrument found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BookAudit {
    /// Lines: books that were shown.
    pub updates: u64,
    /// Nanoseconds for which a book was shown that differed from the exchange's. `None` without a
    /// truth.
    pub wrong_ns: Option<u64>,
    /// Books for which no truth came, or came too late. Zero without a truth.
    pub unverified: u64,
    /// Nanoseconds for which such books were shown, if they were for more than a moment on end.
    pub(crate) unlike_ns: u64,
    /// SHA-256 of all lines, as lower-case hexadecimal.
    pub(crate) sha256: String,
}

impl Auditor {
    /// An auditor of these instruments, by id. `truth` says whether the exchange's truth will come.
    pub(crate) fn new(instruments: &[Instrument], truth: bool) -> Self {
        Self {
            books: instruments.iter().map(Book::new).collect(),
            by_symbol: instruments
                .iter()
                .enumerate()
                .map(|(n, instrument)| ((instrument.exchange, instrument.symbol), n))
                .collect(),
            truth,
            line: Vec::with_capacity(LINE_MAX),
        }
    }

    /// A book was shown or went dark. Ignores unknown instruments.
    pub(crate) fn shown(&mut self, shown: &Shown) {
        let Some(book) = self.books.get_mut(shown.instrument.index()) else {
            return;
        };
        if self.truth {
            book.close(shown.at);
        }
        let Some(top) = &shown.top else { return };
        if !shown.again {
            book.updates += 1;
            self.line.clear();
            book.scale.write_line(&mut self.line, shown.update_id, top);
            book.lines.update(&self.line);
        }
        if self.truth {
            book.open(shown, top);
        }
    }

    /// The exchange says what its book was, before or after we show ours. Ignores instruments that
    /// we do not follow.
    pub(crate) fn truth(&mut self, truth: &Truth) {
        if let Some(&place) = self.by_symbol.get(&(truth.exchange, truth.symbol)) {
            self.books[place].learn(truth);
        }
    }

    /// All truths of what was shown by `now` have been told: books that wait for one will get none.
    /// What is counted from here on was shown from here on.
    pub(crate) fn settle(&mut self, now: Nanos) {
        self.books.iter_mut().for_each(|book| book.settle(now));
    }

    /// Whether the book of this instrument that is shown at `now` is none of its exchange's, as far
    /// as truths were told.
    pub(crate) fn is_wrong(&self, instrument: InstrumentId, now: Nanos) -> bool {
        let book = self.books.get(instrument.index());
        book.is_some_and(|book| book.is_wrong(now))
    }

    /// The run is over: no book is shown any longer.
    pub(crate) fn finish(&mut self, now: Nanos) {
        for book in &mut self.books {
            book.settle(now);
            book.showing = None;
        }
    }

    /// What was found about an instrument up to now; `None` for an unknown one.
    pub(crate) fn result(&self, instrument: InstrumentId) -> Option<BookAudit> {
        let book = self.books.get(instrument.index())?;
        Some(BookAudit {
            updates: book.updates,
            wrong_ns: self.truth.then_some(book.wrong_ns),
            unverified: book.unverified,
            unlike_ns: book.unlike_ns,
            sha256: hex(&book.lines.clone().finalize()),
        })
    }
}

/// One book's audit.
///
/// Invariant: `truths.len() <= UNMATCHED_MAX` and `waiting.len() <= UNMATCHED_MAX`.
struct Book {
    scale: Scale,
    lines: Sha256,
    updates: u64,
    wrong_ns: u64,
    unverified: u64,
    unlike_ns: u64,
    /// From when to when unverified books were shown without a break, the last time.
    unlike: (Nanos, Nanos),
    showing: Option<Showing>,
    /// Books that were shown until then, and whose truth is not known yet.
    waiting: VecDeque<(Showing, Nanos)>,
    truths: VecDeque<(Option<u64>, Top<AUDIT_LEVELS>)>,
}

/// A book while it is shown.
#[derive(Clone, Copy)]
struct Showing {
    since: Nanos,
    update_id: u64,
    top: Top<AUDIT_LEVELS>,
    /// Whether it differs from the truth; `None` while that is not known.
    wrong: Option<bool>,
}

impl Book {
    fn new(instrument: &Instrument) -> Self {
        Self {
            scale: Scale {
                symbol: instrument.symbol,
                px: usize::from(instrument.px_scale),
                qty: usize::from(instrument.qty_scale),
            },
            lines: Sha256::new(),
            updates: 0,
            wrong_ns: 0,
            unverified: 0,
            unlike_ns: 0,
            unlike: (Nanos::ZERO, Nanos::ZERO),
            showing: None,
            waiting: VecDeque::new(),
            truths: VecDeque::new(),
        }
    }

    fn open(&mut self, shown: &Shown, top: &Top<AUDIT_LEVELS>) {
        // Newest first: the exchange is mostly a few updates ahead of us.
        let mut truths = self.truths.iter().rev();
        let wrong = truths.find_map(|(id, truth)| verdict(shown.update_id, top, *id, truth));
        self.showing = Some(Showing {
            since: shown.at,
            update_id: shown.update_id,
            top: *top,
            wrong,
        });
    }

    fn close(&mut self, now: Nanos) {
        let Some(was) = self.showing.take() else {
            return;
        };
        match was.wrong {
            Some(true) => self.wrong_ns += now.since(was.since).0,
            Some(false) => {}
            None => {
                if let Some((oldest, until)) = push(&mut self.waiting, (was, now)) {
                    self.unverified(oldest.since, until);
                }
            }
        }
    }

    /// Books that wait for a truth get none any more. The one that is shown goes on.
    fn settle(&mut self, now: Nanos) {
        let showing = self.showing;
        self.close(now);
        while let Some((was, until)) = self.waiting.pop_front() {
            self.unverified(was.since, until);
        }
        self.unlike_ends();
        self.showing = showing.map(|was| Showing { since: now, ..was });
    }

    fn is_wrong(&self, now: Nanos) -> bool {
        let Some(showing) = &self.showing else {
            return false;
        };
        let Some(wrong) = showing.wrong else {
            // With those before it that nobody vouches for either.
            let mut since = showing.since;
            for (was, until) in self.waiting.iter().rev() {
                if *until == since {
                    since = was.since;
                }
            }
            return now.since(since) > UNLIKE_MAX;
        };
        wrong
    }

    /// A book that was shown from then to then is like none of the exchange's.
    fn unverified(&mut self, since: Nanos, until: Nanos) {
        self.unverified += 1;
        if self.unlike.1 != since {
            self.unlike_ends();
            self.unlike.0 = since;
        }
        self.unlike.1 = until;
    }

    fn unlike_ends(&mut self) {
        let (since, until) = std::mem::take(&mut self.unlike);
        let lasted = until.since(since);
        if lasted > UNLIKE_MAX {
            self.unlike_ns += lasted.0;
        }
    }

    fn learn(&mut self, truth: &Truth) {
        let judge =
            |id: u64, top: &Top<AUDIT_LEVELS>| verdict(id, top, truth.update_id, &truth.top);
        if let Some(showing) = &mut self.showing {
            showing.wrong = judge(showing.update_id, &showing.top).or(showing.wrong);
        }
        let wrong_ns = &mut self.wrong_ns;
        self.waiting.retain(|(was, until)| {
            let judged = judge(was.update_id, &was.top);
            if judged == Some(true) {
                *wrong_ns += until.since(was.since).0;
            }
            judged.is_none()
        });
        let _ = push(&mut self.truths, (truth.update_id, truth.top));
    }
}

/// Whether a book that stands at `shown_id` is wrong; `None` if this truth does not say.
fn verdict(
    shown_id: u64,
    shown: &Top<AUDIT_LEVELS>,
    id: Option<u64>,
    truth: &Top<AUDIT_LEVELS>,
) -> Option<bool> {
    match id {
        Some(id) => (id == shown_id).then(|| differs(shown, truth)),
        None => (shown.best() == truth.best() && !differs(shown, truth)).then_some(false),
    }
}

/// Whether a book differs from the truth. Compares each side as far as the side says that it is
/// complete.
fn differs(shown: &Top<AUDIT_LEVELS>, truth: &Top<AUDIT_LEVELS>) -> bool {
    [Side::Buy, Side::Sell].into_iter().any(|side| {
        let levels = levels_complete(shown, side);
        let (ours, theirs) = (shown.side(side).iter(), truth.side(side).iter());
        !ours.take(levels).eq(theirs.take(levels))
    })
}

/// How many of the audited levels of one side are provably the exchange's own.
fn levels_complete(top: &Top<AUDIT_LEVELS>, side: Side) -> usize {
    let mut alone = *top; // A whole, empty other side has no say in `complete`.
    alone.set(side.opposite(), std::iter::empty(), 0, true);
    let complete = |levels: &usize| alone.complete(*levels);
    (0..=AUDIT_LEVELS).rev().find(complete).unwrap_or(0)
}

/// Gives the oldest one, if it had to give way.
fn push<T>(queue: &mut VecDeque<T>, item: T) -> Option<T> {
    let full = queue.len() == UNMATCHED_MAX;
    let oldest = if full { queue.pop_front() } else { None };
    queue.push_back(item);
    oldest
}

/// How an instrument's lines are written.
struct Scale {
    symbol: Symbol,
    px: usize,
    qty: usize,
}

impl Scale {
    /// Writes `<symbol> <update_id> bids p:q,... asks p:q,...\n`, best level first.
    fn write_line(&self, line: &mut Vec<u8>, update_id: u64, top: &Top<AUDIT_LEVELS>) {
        line.extend_from_slice(self.symbol.as_bytes());
        line.push(b' ');
        push_decimal(line, update_id, 0);
        line.extend_from_slice(b" bids ");
        self.push_levels(line, top.bids());
        line.extend_from_slice(b" asks ");
        self.push_levels(line, top.asks());
        line.push(b'\n');
    }

    fn push_levels(&self, line: &mut Vec<u8>, levels: &[Level]) {
        for (number, level) in levels.iter().enumerate() {
            if number > 0 {
                line.push(b',');
            }
            push_px(line, level.px, self.px);
            line.push(b':');
            push_decimal(line, level.qty.0, self.qty);
        }
    }
}

fn push_px(line: &mut Vec<u8>, px: Px, scale: usize) {
    if px.0 < 0 {
        line.push(b'-');
    }
    push_decimal(line, px.0.unsigned_abs(), scale);
}

/// Writes what [`crate::base::Decimal`] prints, without `core::fmt`: 40 of these make a line.
fn push_decimal(line: &mut Vec<u8>, units: u64, scale: usize) {
    const DIGITS: usize = 40; // 20 of a `u64`, and room for the zeros of a scale up to 18.
    let mut digits = [b'0'; DIGITS];
    let (mut first, mut rest) = (DIGITS, units);
    // Two digits per division, which is what takes the time.
    while rest >= 10 {
        first -= 2;
        let two = (rest % 100) as u8;
        (digits[first], digits[first + 1]) = (b'0' + two / 10, b'0' + two % 10);
        rest /= 100;
    }
    if rest > 0 {
        first -= 1;
        digits[first] = b'0' + rest as u8;
    }
    let point = DIGITS - scale;
    line.extend_from_slice(&digits[first.min(point - 1)..point]);
    let zeros = digits[point..]
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    if zeros < scale {
        line.push(b'.');
        line.extend_from_slice(&digits[point..DIGITS - zeros]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Decimal, Qty};
    use proptest::prelude::*;

    const BTC: InstrumentId = InstrumentId(0);

    #[test]
    fn a_line_is_the_canonical_dump_of_the_book() {
        let auditor = Auditor::new(&[instrument()], false);
        let mut line = Vec::new();
        let book = top(&[(10_050, 100), (10_000, 25)], &[(10_100, 1_000)], 20);
        auditor.books[0]
            .scale
            .write_line(&mut line, 1_027_024, &book);
        assert_eq!(
            String::from_utf8_lossy(&line),
            "BTCUSDT 1027024 bids 100.5:0.1,100:0.025 asks 101:1\n"
        );
        line.clear();
        auditor.books[0].scale.write_line(&mut line, 0, &Top::EMPTY);
        assert_eq!(String::from_utf8_lossy(&line), "BTCUSDT 0 bids  asks \n");
    }

    #[test]
    fn the_digest_runs_over_the_lines_of_shown_books_only() {
        let mut auditor = Auditor::new(&[instrument()], false);
        auditor.shown(&shown(1, 7, Some(top(&[(10_050, 100)], &[], 20))));
        auditor.shown(&shown(2, 8, None));
        auditor.shown(&shown(
            3,
            9,
            Some(top(&[(10_000, 25)], &[(10_100, 1_000)], 1)),
        ));
        let result = auditor.result(BTC).expect("known");
        let dump = "BTCUSDT 7 bids 100.5:0.1 asks \nBTCUSDT 9 bids 100:0.025 asks 101:1\n";
        assert_eq!(result.sha256, hex(&Sha256::digest(dump)));
        assert_eq!(
            result.sha256,
            "c33330dca5d1373378e0e8ed427249f150bcfa487369c5725e62a82dc9457757"
        );
        assert_eq!((result.updates, result.wrong_ns), (2, None));
        assert_eq!(auditor.result(InstrumentId(1)), None);
    }

    #[test]
    fn a_wrong_book_counts_until_the_next_one_or_the_dark() {
        let (right, wrong) = (book(100), book(101));
        for late in [false, true] {
            let mut auditor = Auditor::new(&[instrument()], true);
            let truths: Vec<Truth> = (1..=5).map(|id| truth(id, right)).collect();
            if !late {
                truths.iter().for_each(|truth| auditor.truth(truth));
            }
            auditor.shown(&shown(100, 1, Some(right)));
            auditor.shown(&shown(200, 2, Some(wrong))); // 50
            auditor.shown(&shown(250, 3, Some(right)));
            auditor.shown(&shown(300, 4, Some(wrong))); // 7, then dark
            auditor.shown(&shown(307, 4, None));
            auditor.shown(&shown(900, 5, Some(wrong))); // 100, then the end
            if late {
                truths.iter().for_each(|truth| auditor.truth(truth));
            }
            auditor.finish(Nanos(1_000));
            let result = auditor.result(BTC).expect("known");
            assert_eq!(result.wrong_ns, Some(157), "late={late}");
            assert_eq!((result.updates, result.unverified), (5, 0), "late={late}");
        }
    }

    #[test]
    fn a_book_that_is_shown_again_has_no_second_line_but_may_be_wrong_again() {
        let mut auditor = Auditor::new(&[instrument()], true);
        auditor.truth(&truth(1, book(100)));
        auditor.shown(&shown(100, 1, Some(book(101)))); // 20, then dark
        auditor.shown(&shown(120, 1, None));
        let before = auditor.result(BTC).expect("known");
        let again = Shown {
            again: true,
            ..shown(500, 1, Some(book(101)))
        };
        auditor.shown(&again); // 5, then the end
        auditor.finish(Nanos(505));
        let after = auditor.result(BTC).expect("known");
        assert_eq!(
            (after.updates, &after.sha256),
            (before.updates, &before.sha256)
        );
        assert_eq!(after.wrong_ns, Some(25));
    }

    #[test]
    fn an_incomplete_book_is_wrong_only_where_it_says_it_is_complete() {
        let truth_top = top(&[(50, 1), (40, 1)], &[(60, 1)], 20);
        for (ours, wrong_ns) in [
            (top(&[(50, 1), (39, 9)], &[(60, 1)], 1), 0),
            (top(&[(50, 1), (39, 9)], &[(60, 1)], 2), 10),
            (top(&[(50, 1)], &[(60, 1)], 20), 10),
            (top(&[(50, 2)], &[(60, 1)], 0), 0),
        ] {
            let mut auditor = Auditor::new(&[instrument()], true);
            auditor.truth(&truth(1, truth_top));
            auditor.shown(&shown(5, 1, Some(ours)));
            auditor.finish(Nanos(15));
            assert_eq!(
                auditor.result(BTC).and_then(|r| r.wrong_ns),
                Some(wrong_ns),
                "{ours:?}"
            );
        }
    }

    #[test]
    fn what_finds_no_truth_is_counted_and_memory_stays_bounded() {
        let mut auditor = Auditor::new(&[instrument()], true);
        let many = UNMATCHED_MAX as u64 * 3;
        (1..=many).for_each(|id| auditor.shown(&shown(id, id, Some(book(1)))));
        (1..=many).for_each(|id| auditor.truth(&truth(id + many, book(1))));
        assert!(auditor.books[0].waiting.len() <= UNMATCHED_MAX);
        assert!(auditor.books[0].truths.len() <= UNMATCHED_MAX);
        auditor.finish(Nanos(many));
        let result = auditor.result(BTC).expect("known");
        assert_eq!((result.unverified, result.wrong_ns), (many, Some(0)));
    }

    #[test]
    fn where_the_exchange_shows_no_ids_a_book_is_verified_by_what_is_in_it() {
        let mut auditor = Auditor::new(&[instrument()], true);
        let told = |top| Truth {
            update_id: None,
            ..truth(0, top)
        };
        auditor.truth(&told(book(1)));
        auditor.shown(&shown(1, 1, Some(book(1))));
        auditor.shown(&shown(2, 2, Some(book(2)))); // Its truth is told late.
        auditor.shown(&shown(3, 3, Some(book(3)))); // The exchange never had this one.
        auditor.truth(&told(book(2)));
        auditor.finish(Nanos(4));
        let result = auditor.result(BTC).expect("known");
        assert_eq!((result.unverified, result.wrong_ns), (1, Some(0)));
    }

    #[test]
    fn a_book_like_none_of_the_exchanges_is_wrong_if_it_is_shown_for_more_than_a_moment() {
        let told = |top| Truth {
            update_id: None,
            ..truth(0, top)
        };
        let ms = |ms: u64| Nanos::from_millis(ms).0;
        let mut auditor = Auditor::new(&[instrument()], true);
        let unlike_ns = |auditor: &Auditor| auditor.result(BTC).unwrap().unlike_ns;
        auditor.truth(&told(book(1)));
        // Between two messages of one change.
        auditor.shown(&shown(ms(1_000), 0, Some(book(2))));
        auditor.shown(&shown(ms(1_090), 0, Some(book(1))));
        // The same for longer, as several books.
        for (at_ms, px) in [(2_000, 3), (2_080, 4), (2_150, 1), (2_900, 5)] {
            auditor.shown(&shown(ms(at_ms), 0, Some(book(px))));
        }
        let at = |ms| auditor.is_wrong(BTC, Nanos::from_millis(ms));
        assert_eq!([at(2_999), at(3_001)], [false, true]);
        auditor.settle(Nanos::from_millis(2_950));
        assert_eq!(unlike_ns(&auditor), ms(150));
        // What is still shown counts anew, and no truth that was told before is forgotten.
        auditor.shown(&shown(ms(3_100), 0, Some(book(1))));
        auditor.shown(&shown(ms(3_200), 0, None));
        auditor.finish(Nanos::from_millis(9_000));
        assert_eq!(unlike_ns(&auditor), ms(300));
        let result = auditor.result(BTC).unwrap();
        assert_eq!((result.wrong_ns, result.unverified), (Some(0), 5));
    }

    proptest! {
        #[test]
        fn a_decimal_is_written_as_the_slow_way_writes_it(
            units: u64,
            shift in 0u32..64,
            scale in 0u8..=18,
        ) {
            let (units, mut text) = (units >> shift, Vec::new());
            push_decimal(&mut text, units, usize::from(scale));
            let naive = Decimal { units: u128::from(units), scale }.to_string();
            prop_assert_eq!(String::from_utf8_lossy(&text), naive);
        }
    }

    fn instrument() -> Instrument {
        Instrument {
            id: BTC,
            qty_max: Qty(1_000_000),
            ..Instrument::bare("binance", Symbol::from("BTCUSDT").expect("short"), (2, 3))
        }
    }

    /// A book of `(price, quantity)`; whole if `complete` is more than it has.
    fn top(bids: &[(i64, u64)], asks: &[(i64, u64)], complete: usize) -> Top<AUDIT_LEVELS> {
        let mut top = Top::EMPTY;
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            let levels = levels.iter().map(|(px, qty)| Level {
                px: Px(*px),
                qty: Qty(*qty),
            });
            top.set(side, levels, complete, complete == AUDIT_LEVELS);
        }
        top
    }

    fn book(px: i64) -> Top<AUDIT_LEVELS> {
        top(&[(px, 1)], &[(px + 1, 1)], AUDIT_LEVELS)
    }

    fn shown(at: u64, update_id: u64, top: Option<Top<AUDIT_LEVELS>>) -> Shown {
        Shown {
            at: Nanos(at),
            instrument: BTC,
            update_id,
            top,
            again: false,
        }
    }

    fn truth(update_id: u64, top: Top<AUDIT_LEVELS>) -> Truth {
        Truth {
            exchange: "binance",
            symbol: instrument().symbol,
            update_id: Some(update_id),
            top,
        }
    }
}
