//! Whether the book messages come as often as their exchange documents. Knows arrival times only.
//!
//! A quiet market is slow, too, and no fault. What tells them apart: a market speaks at any moment,
//! so that among many gaps there are short ones; a stream that is slowed down is a clock, of which
//! no gap is short.

use super::slot::Depth;
use crate::base::{InstrumentId, Nanos, Note, Severity, Span, Value};
use crate::exchange::DepthStream;
use crate::market::Update;

/// A book is judged by this many gaps between its messages, over at least this long.
const GAPS: u32 = 12;
const SPAN: Span = Span::from_secs(30);
/// Far from what is documented: longer than this many times that plus [`SLACK`].
const FACTOR: u64 = 3;
const SLACK: Span = Span::from_millis(250);
/// A stream is a clock if its mean gap is at most this many halves of the shortest.
const HALVES: u64 = 3;
/// This many short gaps in a row are a burst. For this long it shows that the stream can be quick.
const BURST: u32 = 3;
const QUICK: Span = Span::from_secs(300);
/// The log names a slow book once in this time, and one book of a feed in [`SLOW_SAID`].
const AGAIN: Span = Span::from_secs(3_600);
/// The log names one book of a feed in this time.
pub const SLOW_SAID: Span = Span::from_secs(60);

/// One book's window.
///
/// Invariant: `began <= last`; no gap is shorter than `shortest`, so that `gaps * shortest`
/// is at most `last - began`; a window that has not begun has no gap.
#[derive(Debug, Clone, Copy)]
struct Beats {
    /// The last message's time, and its id: one that comes again says nothing new.
    last: Nanos,
    last_id: u64,
    /// When the window began; [`Nanos::NEVER`] up to the second message of a subscription. The
    /// first one comes at once, at no beat of the stream's.
    began: Nanos,
    shortest: Span,
    gaps: u32,
    /// Short gaps in a row, and until when the last burst shows that the stream can be quick.
    short: u32,
    quick_until: Nanos,
    /// The log does not name it again before this.
    say_from: Nanos,
}

impl Beats {
    const NEW: Self = Self {
        last: Nanos::NEVER,
        last_id: 0,
        began: Nanos::NEVER,
        shortest: Span::MAX,
        gaps: 0,
        short: 0,
        quick_until: Nanos::ZERO,
        say_from: Nanos::ZERO,
    };

    fn begin(&mut self, now: Nanos) {
        (self.began, self.last) = (now, now);
        (self.shortest, self.gaps) = (Span::MAX, 0);
        self.check();
    }

    fn check(&self) {
        debug_assert!(self.began == Nanos::NEVER || self.began <= self.last);
        if self.gaps > 0 {
            let span = self.last.since(self.began);
            debug_assert!(self.shortest * u64::from(self.gaps) <= span);
        }
    }
}

/// The books of one feed.
#[derive(Debug)]
pub(super) struct Pace {
    documented_ms: u32,
    /// No gap shorter than this is far from what is documented.
    far: Span,
    /// By the instruments' places; empty if nothing is documented.
    books: Box<[Beats]>,
    say_from: Nanos,
}

/// A book whose messages come far too seldom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slow {
    pub(crate) documented_ms: u32,
    /// The shortest gap of the window.
    pub(crate) seen_ms: u64,
}

impl Slow {
    pub(crate) fn note(self, now: Nanos, instrument: InstrumentId) -> Note {
        Note::new(now, Severity::Warn, "stream.slow")
            .instrument(instrument)
            .with("documented_ms", Value::Int(self.documented_ms.into()))
            .with("seen_ms", Value::Int(self.seen_ms as i64))
            .text(
                "its books are that old: see whether the exchange has changed the stream, and \
                 follow another one (depth of [[feed]])",
            )
    }
}

impl Pace {
    pub(crate) fn new(depth: &DepthStream, books: usize) -> Self {
        let documented_ms = depth.every_ms.unwrap_or(0);
        let books = if documented_ms == 0 { 0 } else { books };
        Self {
            documented_ms,
            far: Span::from_millis(documented_ms.into()) * FACTOR + SLACK,
            books: vec![Beats::NEW; books].into(),
            say_from: Nanos::ZERO,
        }
    }

    /// The book in this place was subscribed to again, or its connection began or ended: what lies
    /// between is no gap.
    pub(crate) fn restart_one(&mut self, place: usize) {
        if let Some(book) = self.books.get_mut(place) {
            (book.began, book.last, book.gaps) = (Nanos::NEVER, Nanos::NEVER, 0);
            book.check();
        }
    }

    /// A message about the book in this place came; that of a line that carries the same again is
    /// left out.
    #[inline]
    pub(crate) fn beat(&mut self, place: usize, depth: &Depth<'_>) -> Option<Slow> {
        let Update {
            now, bids, asks, ..
        } = depth.update;
        let book = self.books.get_mut(place)?;
        let says = depth.whole || !bids.is_empty() || !asks.is_empty();
        let id = depth.update.diff.last_id;
        if !says || (id != 0 && id == book.last_id) {
            return None; // A heartbeat.
        }
        book.last_id = id;
        let gap = now.since(book.last);
        if book.began == Nanos::NEVER {
            match book.last {
                Nanos::NEVER => book.last = now,
                _ => book.begin(now),
            }
            return None;
        }
        if gap < self.far {
            book.short = book.short.saturating_add(1);
            if book.short >= BURST {
                book.quick_until = now + QUICK;
            }
            book.begin(now);
            return None;
        }
        (book.last, book.short) = (now, 0);
        book.shortest = book.shortest.min(gap);
        book.gaps += 1;
        debug_assert!(self.far <= book.shortest);
        book.check();
        self.judge(now, place)
    }

    /// None of the window's gaps was short.
    #[cold]
    fn judge(&mut self, now: Nanos, place: usize) -> Option<Slow> {
        let book = &mut self.books[place];
        let span = now.since(book.began);
        if book.gaps < GAPS || span < SPAN {
            return None;
        }
        let mean = span / u64::from(book.gaps);
        let clock = mean * 2 <= book.shortest * HALVES;
        let seen_ms = book.shortest.as_millis();
        book.begin(now);
        let earliest = book.quick_until.max(book.say_from).max(self.say_from);
        if !clock || now < earliest {
            return None;
        }
        (book.say_from, self.say_from) = (now + AGAIN, now + SLOW_SAID);
        debug_assert!(self.say_from <= book.say_from);
        Some(Slow {
            documented_ms: self.documented_ms,
            seen_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Diff, Level, Px, Qty, UnixNanos};
    use crate::exchange::ALL;

    const BEGIN: Nanos = Nanos::from_secs(1_000);

    fn ms(ms: u64) -> Span {
        Span::from_millis(ms)
    }

    fn pace(exchange: &str) -> Pace {
        let exchange = crate::exchange::by_name(exchange).unwrap();
        Pace::new(&exchange.depth_streams()[0], 2)
    }

    fn diff(id: u64) -> Diff {
        Diff {
            instrument: InstrumentId(0),
            first_id: id,
            last_id: id,
            prev_id: None,
            exch_time: UnixNanos(0),
            checksum: None,
        }
    }

    fn depth<'a>(now: Nanos, diff: &'a Diff, bids: &'a [Level]) -> Depth<'a> {
        Depth {
            whole: false,
            as_of: now,
            update: Update {
                now,
                line: 0,
                diff,
                bids,
                asks: &[],
            },
        }
    }

    /// A message of the book in this place, with an id of its own unless one is given.
    fn beat(pace: &mut Pace, at: Nanos, place: usize, id: u64) -> Option<Slow> {
        let level = [Level {
            px: Px(1),
            qty: Qty(1),
        }];
        let diff = diff(id);
        pace.beat(place, &depth(at, &diff, &level))
    }

    /// When and of which book something is said in messages at these milliseconds.
    fn said(pace: &mut Pace, messages: impl Iterator<Item = (u64, usize)>) -> Vec<(u64, usize)> {
        let told = messages.enumerate().filter_map(|(n, (at, place))| {
            beat(pace, BEGIN + ms(at), place, n as u64 + 1).map(|_| (at, place))
        });
        told.collect()
    }

    #[test]
    fn books_that_come_every_five_seconds_instead_of_every_half_are_told_of_once() {
        let mut pace = pace("hyperliquid");
        // The first message of a subscription comes at once, in the middle of the clock's beat.
        let messages = [(0, 0), (0, 1)].into_iter();
        let ticks = (0..720).flat_map(|n| [2_000 + n * 5_000; 2].into_iter().zip([0, 1]));
        let told = said(&mut pace, messages.chain(ticks));
        let places: Vec<usize> = told.iter().map(|(_, place)| *place).collect();
        assert_eq!(places, [0, 1], "{told:?}");
        assert!(told[0].0 <= 66_000, "{told:?}");
        assert!(told[1].0 - told[0].0 >= 60_000, "one a minute: {told:?}");
    }

    #[test]
    fn a_connection_s_end_is_no_gap_and_what_was_before_is_forgotten() {
        let mut pace = pace("hyperliquid");
        for n in 0..120 {
            if n % 10 == 0 {
                pace.restart_one(0);
            }
            assert_eq!(beat(&mut pace, BEGIN + ms(n * 5_000), 0, n + 1), None);
        }
    }

    #[test]
    fn every_exchange_at_its_own_pace_and_up_to_three_times_as_slow_is_left_alone() {
        for exchange in ALL {
            for depth in exchange.depth_streams() {
                for times in [1, 3] {
                    let every = u64::from(depth.every_ms.unwrap_or(5_000)) * times;
                    let mut pace = Pace::new(depth, 1);
                    let messages = (0..1_000).map(|n| (n * every, 0));
                    let name = exchange.name();
                    assert_eq!(said(&mut pace, messages), [], "{name} {}", depth.name);
                }
            }
        }
    }

    #[test]
    fn a_stream_at_ten_times_what_is_documented_is_told_of_wherever_that_is_documented() {
        for exchange in ALL {
            for depth in exchange.depth_streams() {
                let Some(every_ms) = depth.every_ms else {
                    continue;
                };
                let mut pace = Pace::new(depth, 1);
                let every = (u64::from(every_ms) * 10).max(400);
                let told = said(&mut pace, (0..80).map(|n| (n * every, 0)));
                assert_eq!(told.len(), 1, "{} {}", exchange.name(), depth.name);
            }
        }
    }

    #[test]
    fn a_quiet_market_is_left_alone() {
        let mut dice = fastrand::Rng::with_seed(7);
        for mean_ms in [2_000.0, 10_000.0, 60_000.0] {
            let mut pace = pace("binance");
            let mut at = 0.0;
            let messages = (0..5_000).map(|_| {
                at += 100.0 - mean_ms * (1.0 - dice.f64()).ln();
                (at as u64, 0)
            });
            assert_eq!(said(&mut pace, messages), [], "one in {mean_ms} ms");
        }
    }

    #[test]
    fn a_market_that_ticks_like_a_clock_between_bursts_is_left_alone() {
        let mut pace = pace("binance");
        let burst = |n: u64| (0..5).map(move |k| (n * 240_000 + k * 100, 0));
        let quiet = |n: u64| (1..24).map(move |k| (n * 240_000 + k * 10_000, 0));
        let messages = (0..20).flat_map(|n| burst(n).chain(quiet(n)));
        assert_eq!(said(&mut pace, messages), []);
    }

    #[test]
    fn what_an_exchange_sends_again_to_show_that_it_lives_is_no_message() {
        let mut pace = pace("bybit");
        for n in 0..100 {
            assert_eq!(beat(&mut pace, BEGIN + ms(n * 3_000), 0, 17), None);
        }
        for n in 0..100 {
            let diff = diff(n + 1);
            let empty = depth(BEGIN + ms(n * 60_000), &diff, &[]);
            assert_eq!(pace.beat(0, &empty), None);
        }
    }
}
