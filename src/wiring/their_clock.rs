//! What another's clock shows at an instant of ours: the host's clock, as far as nothing that the
//! other said contradicts it. Reads no clock, and judges no data: it says when data was true.
//!
//! Everything is on the monotonic scale, and stays there when the wall clock steps: what that shows
//! afterwards is believed only if the other confirms it.

use crate::base::{Nanos, Note, ServerTime, Severity, Span, UnixNanos, Value};

/// What the host's clock and the other's may be apart before it is the host's clock that is wrong:
/// machines that follow NTP are within some milliseconds. A delay that was there from the first
/// message on is not told from it.
pub(crate) const APART_NS_MAX: i64 = 250_000_000;
/// The quickest message of this time, and of the time before, counts as having had no delay.
pub(crate) const WINDOW: Span = Span::from_secs(60);
/// Messages must come from the future for so long before the host's clock is taken to be behind,
/// with no longer pause between two: one wrong time in one message makes no other message old.
pub(crate) const FUTURE_LASTS: Span = Span::from_secs(1);

/// Times that are further apart are not of this day: a recording is played, and its times say
/// nothing of age.
pub(crate) const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// A span of what the other's clock is ahead of the monotonic clock, in nanoseconds.
type Bounds = (i64, i64);

/// An estimate of another's clock, within a bound.
///
/// Invariant: `told.0 <= told.1`; if there is a bound, `bound.0 <= bound.1`, and both leads are
/// at most `bound.1`; there is none while nothing is known of either clock.
#[derive(Debug, Clone)]
pub(crate) struct TheirClock {
    /// The host's own clock ahead of the monotonic one, as it was looked at last; `None` before
    /// that.
    host: Option<i64>,
    /// What answers to requests prove. Narrowed by each; one that contradicts the ones before takes
    /// their place.
    told: Bounds,
    /// If the estimate must lie: around the host's clock, or around what was told if that
    /// contradicts it.
    bound: Option<Bounds>,
    /// The largest lead of a message's own time over its arrival, in this window and in the one
    /// before.
    lead: i64,
    lead_before: i64,
    window_ends: Nanos,
    future: Future,
    /// What was last said about the host's clock, in nanoseconds that the other is ahead; 0 while
    /// they agree.
    said: i64,
}

/// Messages that came before their own time.
#[derive(Debug, Clone, Copy, Default)]
struct Future {
    since: Nanos,
    last: Nanos,
    /// The smallest lead of them.
    lead: i64,
}

/// The host's clock was found to be wrong, or right again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// How many nanoseconds the other's clock is ahead of the host's (behind it, if negative).
    Wrong(i64),
    /// The two agree again.
    Right,
}

impl Default for TheirClock {
    fn default() -> Self {
        Self {
            host: None,
            told: (i64::MIN, i64::MAX),
            bound: None,
            lead: i64::MIN,
            lead_before: i64::MIN,
            window_ends: Nanos::ZERO,
            future: Future::default(),
            said: 0,
        }
    }
}

impl TheirClock {
    /// Looks at the host's clock, which shows `unix` at `now`. The first look counts; a later one
    /// only if messages fit what it shows, and not what it showed before. A clock that shows
    /// nothing (zero) is none.
    pub(crate) fn look(&mut self, now: Nanos, unix: UnixNanos) {
        if unix.0 == 0 {
            return;
        }
        let (shown, lead) = (ahead(unix, now), self.lead.max(self.lead_before));
        let fits = |host: i64| lead.abs_diff(host) <= APART_NS_MAX as u64;
        if self.host.is_none_or(|host| !fits(host) && fits(shown)) {
            self.host = Some(shown);
            self.draw_bound();
        }
    }

    /// Takes in what the other's clock showed; the host's clock shows `unix` at `now`.
    pub(crate) fn handle_time(
        &mut self,
        time: ServerTime,
        now: Nanos,
        unix: UnixNanos,
    ) -> Option<Verdict> {
        let shown_until = UnixNanos(time.shown.0.saturating_add(time.unit_ns));
        let proven = (
            ahead(time.shown, time.received),
            ahead(shown_until, time.sent),
        );
        let of_this_day = unix.0 == 0 || ahead(unix, now).abs_diff(proven.0) <= DAY_NS as u64;
        if proven.0 > proven.1 || time.shown.0 <= 0 || !of_this_day {
            return None; // An answer before its request proves nothing, nor does a recorded one.
        }
        self.told = meet(self.told, proven).unwrap_or(proven);
        if unix.0 != 0 {
            self.host = Some(ahead(unix, now));
        }
        self.draw_bound();
        self.verdict()
    }

    /// When data was true that the other says is of `theirs`, and that arrived at `at`: never later
    /// than that. [`Nanos::ZERO`], as old as can be, if it comes from a future that no clock
    /// explains; `at` if nothing is known of either clock, and if the times are of another
    /// day.
    #[inline]
    pub(crate) fn as_of(&mut self, at: Nanos, theirs: UnixNanos) -> Nanos {
        let (Some((least, most)), true) = (self.bound, theirs.0 > 0) else {
            return at;
        };
        let lead = ahead(theirs, at);
        if lead > most || lead < least {
            let days = lead < least.saturating_sub(DAY_NS) || lead > most.saturating_add(DAY_NS);
            if days {
                return at;
            }
            if lead > most {
                self.handle_future(at, lead);
                return Nanos::ZERO;
            }
        }
        if at >= self.window_ends {
            (self.lead_before, self.lead) = (self.lead, i64::MIN);
            self.window_ends = at + WINDOW;
        }
        self.lead = self.lead.max(lead);
        let estimate = self.lead.max(self.lead_before).max(least);
        debug_assert!(estimate >= lead, "nothing arrives before it happened");
        self.check();
        let as_of = Nanos(theirs.0.saturating_sub(estimate).max(0) as u64);
        debug_assert!(as_of <= at);
        as_of
    }

    /// What the other's clock shows at `now`, when the host's shows `unix`: the same, unless what
    /// the other told contradicts it. Then the middle of what it can be.
    pub(crate) fn shows(&self, now: Nanos, unix: UnixNanos) -> UnixNanos {
        let (least, most) = self.told;
        match ahead(unix, now) {
            host if (least..=most).contains(&host) => unix,
            _ => UnixNanos(least.midpoint(most).saturating_add_unsigned(now.0)),
        }
    }

    /// How far the other's clock is ahead of the host's, which shows `unix` at `now`; zero while
    /// the other told nothing, or nothing that contradicts the host's.
    pub(crate) fn apart_ns(&self, now: Nanos, unix: UnixNanos) -> i64 {
        match unix.0 {
            0 => 0, // The host has no clock.
            host => self.shows(now, unix).0.saturating_sub(host),
        }
    }

    /// What there is to say of the host's clock, once.
    pub(crate) fn verdict(&mut self) -> Option<Verdict> {
        let ((least, most), host) = (self.bound?, self.host?);
        let off = match host {
            host if (least..=most).contains(&host) => 0,
            host => least.midpoint(most).saturating_sub(host),
        };
        if off.abs_diff(self.said) <= APART_NS_MAX as u64 {
            return None;
        }
        self.said = off;
        Some(match off {
            0 => Verdict::Right,
            off => Verdict::Wrong(off),
        })
    }

    /// Messages come before they happened by any clock within the bound: if that lasts, the
    /// bound is wrong.
    #[cold]
    fn handle_future(&mut self, at: Nanos, lead: i64) {
        let future = &mut self.future;
        if future.last == Nanos::ZERO || at.since(future.last) > FUTURE_LASTS {
            *future = Future {
                since: at,
                last: at,
                lead,
            };
            return;
        }
        (future.last, future.lead) = (at, future.lead.min(lead));
        if at.since(future.since) >= FUTURE_LASTS {
            let lead = future.lead;
            // What was told before cannot be: their clock has gone on by more than ours since.
            self.told = (lead, lead.saturating_add(APART_NS_MAX));
            self.draw_bound();
        }
    }

    /// Draws the bound again: around the host's clock if nothing contradicts it, else around what
    /// was told.
    fn draw_bound(&mut self) {
        let widen = |(least, most): Bounds| {
            (
                least.saturating_sub(APART_NS_MAX),
                most.saturating_add(APART_NS_MAX),
            )
        };
        let host = self.host.map(|host| widen((host, host)));
        let told = (self.told != (i64::MIN, i64::MAX)).then_some(self.told);
        self.bound = match (host, told) {
            (Some(host), Some(told)) if meet(host, told).is_some() => Some(host),
            (_, Some(told)) => Some(widen(told)),
            (host, None) => host,
        };
        self.future = Future::default();
        if let Some((_, most)) = self.bound {
            for lead in [&mut self.lead, &mut self.lead_before] {
                if *lead > most {
                    *lead = i64::MIN; // Of a clock that is no longer theirs.
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        debug_assert!(self.told.0 <= self.told.1);
        debug_assert!(self.host.is_none() || self.bound.is_some());
        debug_assert!(self.bound.is_none_or(|(least, most)| least <= most));
        debug_assert!(self.bound.is_none_or(|(_, most)| self.lead <= most));
        debug_assert!(self.bound.is_none_or(|(_, most)| self.lead_before <= most));
    }
}

/// The record of a verdict, and what a person can do about it.
pub(crate) fn clock_note(now: Nanos, verdict: Verdict) -> Note {
    match verdict {
        Verdict::Wrong(ahead_ns) => Note::new(now, Severity::Error, "clock.wrong")
            .with("behind_ms", Value::Int(ahead_ns / 1_000_000))
            .text(match ahead_ns > 0 {
                true => "this host's clock is behind the exchange's: see `chronyc tracking`",
                false => "this host's clock is ahead of the exchange's: see `chronyc tracking`",
            }),
        Verdict::Right => Note::new(now, Severity::Info, "clock.right"),
    }
}

/// What a clock that shows `unix` at `at` is ahead of the monotonic one.
fn ahead(unix: UnixNanos, at: Nanos) -> i64 {
    unix.0.saturating_sub_unsigned(at.0)
}

fn meet(a: Bounds, b: Bounds) -> Option<Bounds> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 <= both.1).then_some(both)
}

#[cfg(test)]
mod tests;
