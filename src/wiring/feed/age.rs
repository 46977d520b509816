//! How old the data of a feed is: of each message as of when it is true, and of all of them whether
//! the exchange's data comes late. Publishes nothing, and refuses nothing: risk does.

use super::Arrival;
use crate::base::event::LATE_MAX;
use crate::base::{InstrumentId, Nanos, Note, ServerTime, Severity, Span, UnixNanos, Value};
use crate::wiring::their_clock::{TheirClock, Verdict};

/// From one look at the delays to the next.
const LOOK: Span = Span::from_secs(1);
/// Data must have come in time for this long before it counts as no longer late.
const CLEAR: Span = Span::from_secs(5);
/// While it is late, the log says so again this often.
const AGAIN: Span = Span::from_secs(60);

/// What a feed found out about the age of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delays {
    /// Depth messages that were late.
    pub late: u64,
    /// The least delay of a second in which messages came, in nanoseconds: now, and the longest of
    /// the run.
    pub(crate) now_ns: u64,
    /// See `now_ns`.
    pub max_ns: u64,
    /// How long data was late, all in all, in nanoseconds.
    pub late_ns: u64,
}

/// Data that comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Some instrument of the exchange whose data it is.
    pub(crate) instrument: InstrumentId,
    /// By how much, in nanoseconds.
    pub delay_ns: u64,
}

/// News about the age of a feed's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// No message of the last second was newer than this, in nanoseconds.
    Late(u64),
    /// It comes in time again, after this many nanoseconds.
    InTime(u64),
}

/// The age of the data of one feed, over all its lines: the quickest of them counts.
///
/// Invariant: `now_ns <= max_ns`; while data is late, the time of the next word about it is set.
#[derive(Debug, Default)]
pub(super) struct Age {
    clock: TheirClock,
    /// A recording is played: its times are of then, and say nothing about the age of anything.
    played: bool,
    delays: Delays,
    /// The least delay in this second, and how many messages came in it.
    least_ns: u64,
    messages: u64,
    look_at: Nanos,
    late_since: Option<Nanos>,
    /// When the last second in which it was late ended.
    late_until: Nanos,
    say_at: Nanos,
}

impl Age {
    /// A recording is played from here on, maybe one of today.
    pub(crate) fn set_played(&mut self) {
        self.played = true;
    }

    /// The host's clock shows `unix` at `now`.
    pub(crate) fn look(&mut self, now: Nanos, unix: UnixNanos) {
        if !self.played {
            self.clock.look(now, unix);
        }
    }

    /// The exchange told its time.
    pub(crate) fn handle_time(
        &mut self,
        time: ServerTime,
        now: Nanos,
        unix: UnixNanos,
    ) -> Option<Verdict> {
        match self.played {
            true => None,
            false => self.clock.handle_time(time, now, unix),
        }
    }

    /// What is to be said about the host's clock, once.
    pub(crate) fn verdict(&mut self) -> Option<Verdict> {
        self.clock.verdict()
    }

    /// As of when a message that arrived then is true, by the exchange's time of it if it states
    /// one.
    #[inline]
    pub(crate) fn as_of(&mut self, Arrived { surely, at }: Arrived, exch_time: UnixNanos) -> Nanos {
        let as_of = self.clock.as_of(at, exch_time).min(surely);
        debug_assert!(as_of <= at);
        as_of
    }

    /// Notes a depth message that was true as of `as_of` and taken in at `now`.
    #[inline]
    pub(crate) fn note(&mut self, now: Nanos, as_of: Nanos) {
        let delay = now.since(as_of);
        self.delays.late += u64::from(delay > LATE_MAX);
        self.least_ns = match self.messages {
            0 => delay.0,
            _ => self.least_ns.min(delay.0),
        };
        self.messages += 1;
        debug_assert!(self.least_ns <= delay.0);
    }

    /// True once a second, as long as messages come: then [`Self::judge`] has something to say.
    #[inline]
    pub(crate) fn is_due(&self, now: Nanos) -> bool {
        now >= self.look_at
    }

    /// Looks at the messages since it was called last.
    pub(crate) fn judge(&mut self, now: Nanos) -> Option<News> {
        self.look_at = now + LOOK;
        debug_assert!(now <= self.look_at);
        if std::mem::take(&mut self.messages) == 0 {
            return None;
        }
        let delay_ns = self.least_ns;
        self.delays.now_ns = delay_ns;
        self.delays.max_ns = self.delays.max_ns.max(delay_ns);
        let news = self.news(now, delay_ns);
        self.check();
        news
    }

    fn news(&mut self, now: Nanos, delay_ns: u64) -> Option<News> {
        match (delay_ns > LATE_MAX.0, self.late_since) {
            (true, None) => {
                (self.late_since, self.late_until) = (Some(now), now);
                self.say_at = now + AGAIN;
                Some(News::Late(delay_ns))
            }
            (true, Some(_)) => {
                self.delays.late_ns += now.since(self.late_until).0;
                self.late_until = now;
                (now >= self.say_at).then(|| {
                    self.say_at = now + AGAIN;
                    News::Late(delay_ns)
                })
            }
            (false, Some(since)) if now.since(self.late_until) >= CLEAR => {
                self.late_since = None;
                Some(News::InTime(self.late_until.since(since).0))
            }
            (false, _) => None,
        }
    }

    /// How late data comes now, in nanoseconds; `None` while it comes in time, or does not come.
    pub(crate) fn late_ns(&self, now: Nanos) -> Option<u64> {
        let Delays { now_ns, .. } = self.delays;
        (now_ns > LATE_MAX.0 && now.since(self.late_until) < CLEAR).then_some(now_ns)
    }

    /// What was found out so far.
    pub(crate) fn delays(&self) -> Delays {
        self.delays
    }

    fn check(&self) {
        debug_assert!(self.delays.now_ns <= self.delays.max_ns);
        debug_assert!(self.late_since.is_none() || Nanos::ZERO < self.say_at);
        debug_assert!(self.late_since.is_some() || self.delays.now_ns <= LATE_MAX.0);
    }
}

/// What is said of it.
pub(super) fn age_note(now: Nanos, news: News) -> Note {
    let ms = |ns: u64| Value::Int((ns / 1_000_000) as i64);
    match news {
        News::Late(ns) => Note::new(now, Severity::Warn, "data.late")
            .with("delay_ms", ms(ns))
            .with("limit_ms", ms(LATE_MAX.0))
            .text("no order is sent on data that is late"),
        News::InTime(ns) => {
            Note::new(now, Severity::Info, "data.in_time").with("late_for_ms", ms(ns))
        }
    }
}

/// When a frame arrived.
///
/// Invariant: `surely <= at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// Not before this.
    surely: Nanos,
    /// As stamps have it: the kernel's is of the newest byte of a read.
    at: Nanos,
}

impl Arrived {
    /// A frame's bytes came after the socket was last seen empty. After a stop that is long before
    /// the stamp.
    #[inline]
    pub(crate) fn of(arrival: &Arrival) -> Self {
        let Arrival { rx, frame } = arrival;
        let at = match (rx.read, rx.kernel) {
            (Nanos::ZERO, _) => *frame, // It never was in a kernel.
            (_, Nanos::ZERO) => rx.call,
            (_, kernel) => kernel,
        };
        let surely = match rx.empty {
            Nanos::ZERO => at,
            empty => empty.min(at),
        };
        debug_assert!(surely <= at);
        Self { surely, at }
    }
}

#[cfg(test)]
mod tests;
