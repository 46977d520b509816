//! An exact rolling window: never more than `limit` events in any span of the given length. It is
//! not a token bucket, which lets twice the limit through around a refill, and gets clients banned.

use crate::base::{Nanos, Span};

/// Remembers the times of the newest `limit` events, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    /// A ring of event times; `next` is the place of the oldest, which the next one overwrites.
    times: Box<[Option<Nanos>]>,
    next: usize,
    span: Span,
}

impl Limiter {
    /// At most `limit` events (at least one) in any half-open window of `span`.
    pub(crate) fn new(limit: u32, span: Span) -> Self {
        let times = vec![None; limit.max(1) as usize].into_boxed_slice();
        Self {
            times,
            next: 0,
            span,
        }
    }

    /// Counts an event, or says when there will be room for it. `now` does not go back. Leaves room
    /// for `spare` more: for those that cannot wait. A limit that `spare` would use up is shared
    /// instead.
    pub(crate) fn admit_sparing(&mut self, now: Nanos, spare: usize) -> Result<(), Nanos> {
        let spare = spare.min(self.times.len() - 1);
        let until = self.room_at(spare);
        if now < until {
            return Err(until);
        }
        self.count(now);
        Ok(())
    }

    /// Counts an event that weighs as much as `weight` of them, whole or not at all. One that is
    /// heavier than the limit waits until nothing else is in the window. Leaves room for `spare`
    /// more after its whole weight.
    pub(crate) fn admit_weighing_sparing(
        &mut self,
        now: Nanos,
        weight: u32,
        spare: u32,
    ) -> Result<(), Nanos> {
        let weight = (weight as usize).clamp(1, self.times.len());
        self.admit_sparing(now, weight - 1 + spare as usize)?;
        (1..weight).for_each(|_| self.count(now));
        Ok(())
    }

    /// Counts an event that happens whether there is room or not.
    pub(crate) fn count(&mut self, now: Nanos) {
        self.times[self.next] = Some(now);
        self.next = (self.next + 1) % self.times.len();
    }

    /// The peer may have counted the newest event, which weighed `weight`, as late as `now`.
    pub(crate) fn redate_weighing(&mut self, now: Nanos, weight: u32) {
        let all = self.times.len();
        for back in 1..=(weight as usize).clamp(1, all) {
            self.times[(self.next + all - back) % all] = Some(now);
        }
    }

    /// From when on `spare + 1` more events fit: when the `(limit - spare)`-th newest leaves the
    /// window.
    fn room_at(&self, spare: usize) -> Nanos {
        let oldest = self.times[(self.next + spare) % self.times.len()];
        oldest.map_or(Nanos::ZERO, |at| at + self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span::from_secs(1);

    /// The naive twin: keeps every event, and counts those in the window.
    struct Ledger(Vec<Nanos>);

    impl Ledger {
        fn in_window(&self, now: Nanos) -> usize {
            self.0.iter().filter(|at| **at + SPAN > now).count()
        }
    }

    #[test]
    fn decides_like_a_ledger_that_forgets_nothing() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let limit = rng.u32(1..=7);
            let mut limiter = Limiter::new(limit, SPAN);
            let mut ledger = Ledger(Vec::new());
            let mut now = Nanos::ZERO;
            for step in 0..400 {
                now = now + Span(rng.u64(0..400_000_000));
                if rng.u8(0..10) == 0 {
                    limiter.count(now);
                    ledger.0.push(now);
                    continue;
                }
                let spare = rng.usize(0..3).min(limit as usize - 1);
                let want = ledger.in_window(now) + spare < limit as usize;
                let got = limiter.admit_sparing(now, spare);
                assert_eq!(got.is_ok(), want, "seed={seed} step={step}");
                match got {
                    Ok(()) => ledger.0.push(now),
                    Err(until) => {
                        assert!(ledger.in_window(until) + spare < limit as usize);
                        let just_before = Nanos(until.0 - 1);
                        assert!(ledger.in_window(just_before) + spare >= limit as usize);
                    }
                }
            }
        }
    }

    #[test]
    fn weights_are_admitted_like_so_many_events_of_a_ledger() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let limit = rng.u32(5..=20);
            let mut limiter = Limiter::new(limit, SPAN);
            let mut ledger = Ledger(Vec::new());
            let mut now = Nanos::ZERO;
            for step in 0..200 {
                now = now + Span(rng.u64(0..400_000_000));
                let weight = rng.u32(1..=limit + 2).min(limit);
                let spare = if rng.bool() { rng.u32(0..4) } else { 0 };
                let needed = (weight + spare).min(limit) as usize;
                let want = ledger.in_window(now) + needed <= limit as usize;
                let got = limiter.admit_weighing_sparing(now, weight, spare).is_ok();
                assert_eq!(got, want, "seed={seed} step={step}");
                ledger.0.extend((0..weight).filter(|_| got).map(|_| now));
            }
        }
    }

    /// Failure mode 23, T15: a strict window, and no bucket that is refilled.
    #[test]
    fn a_burst_at_the_end_of_a_second_is_not_followed_by_another() {
        let mut limiter = Limiter::new(5, SPAN);
        for _ in 0..5 {
            limiter.admit_sparing(Nanos::from_millis(1_999), 0).unwrap();
        }
        // A fixed window, or a refilled bucket, would let this through.
        let refused = limiter.admit_sparing(Nanos::from_millis(2_001), 0);
        assert_eq!(refused, Err(Nanos::from_millis(2_999)));
        assert_eq!(limiter.admit_sparing(Nanos::from_millis(2_999), 0), Ok(()));
    }

    #[test]
    fn an_event_that_may_have_counted_late_holds_its_room_for_longer() {
        let mut limiter = Limiter::new(10, SPAN);
        let at = Nanos::from_millis;
        limiter.admit_weighing_sparing(at(1_000), 4, 0).unwrap();
        limiter.admit_weighing_sparing(at(1_100), 6, 0).unwrap();
        limiter.redate_weighing(at(1_500), 6);
        assert_eq!(
            limiter.admit_weighing_sparing(at(1_600), 4, 0),
            Err(at(2_000))
        );
        assert_eq!(limiter.admit_weighing_sparing(at(2_000), 4, 0), Ok(()));
        assert_eq!(
            limiter.admit_weighing_sparing(at(2_100), 6, 0),
            Err(at(2_500))
        );
        // One that is heavier than the limit is the whole of it.
        limiter.redate_weighing(at(2_100), 60);
        assert_eq!(limiter.admit_sparing(at(2_600), 0), Err(at(3_100)));
    }

    /// Failure mode 24: attempts to connect keep to one budget of the process.
    #[test]
    fn three_hundred_attempts_in_five_minutes() {
        let mut limiter = Limiter::new(300, Span::from_secs(300));
        let granted = (0..1_000).filter(|s| {
            limiter
                .admit_sparing(Nanos::from_millis(s * 200), 0)
                .is_ok()
        });
        assert_eq!(granted.count(), 300);
    }
}
