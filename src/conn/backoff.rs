//! How long to wait before the next attempt. Never sleeps and never dials: it only names a time.

use crate::base::{Nanos, Span};
use fastrand::Rng;

/// Decorrelated jitter: a delay is drawn evenly between the last one and three times that, up to
/// 30 s; from 15 s on it need not grow. It doubles on average. Connections that were cut together
/// come back apart, further with each failure, and none comes back at once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    /// The delay of the latest failure; `LEAST <= last <= MOST`.
    last: Span,
    /// When the attempt after the latest failure may start.
    until: Nanos,
    rng: Rng,
}

impl Backoff {
    /// No delay is shorter.
    pub(crate) const LEAST: Span = Span::from_millis(350);
    /// No delay is longer.
    pub(crate) const MOST: Span = Span::from_secs(30);

    /// A backoff without failures; the first attempt may start at once.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            last: Self::LEAST,
            until: Nanos::ZERO,
            rng: Rng::with_seed(seed),
        }
    }

    /// Takes a failure in, and gives the time of the next attempt.
    pub(crate) fn on_failure(&mut self, now: Nanos) -> Nanos {
        let most = Self::MOST.min(self.last + self.last + self.last);
        let least = self.last.min(Self::MOST / 2);
        self.last = Span(self.rng.u64(least.0..=most.0));
        self.until = now + self.last;
        debug_assert!(self.until > now, "an attempt without a delay");
        self.until
    }

    /// Forgets the failures: things went well for long enough.
    pub(crate) fn reset(&mut self) {
        self.last = Self::LEAST;
    }

    /// When the next attempt may start.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(1_000);

    fn delays<const N: usize>(backoff: &mut Backoff) -> [Span; N] {
        std::array::from_fn(|_| backoff.on_failure(NOW).since(NOW))
    }

    #[test]
    fn a_delay_is_one_to_three_times_the_last_one_and_half_to_all_of_the_cap_in_the_end() {
        for seed in 0..200 {
            let mut last = Backoff::LEAST;
            let delays = delays::<40>(&mut Backoff::new(seed));
            for delay in delays {
                assert!(delay >= last.min(Backoff::MOST / 2), "seed {seed}");
                assert!(
                    delay <= Backoff::MOST.min(last + last + last),
                    "seed {seed}"
                );
                last = delay;
            }
            let [shortest, longest] = [delays[20..].iter().min(), delays[20..].iter().max()];
            assert!(*shortest.unwrap() < Span::from_secs(20), "seed {seed}");
            assert!(*longest.unwrap() > Span::from_secs(25), "seed {seed}");
        }
    }

    /// Delays that only doubled would be as close together after each failure as after the first.
    #[test]
    fn what_fails_together_again_and_again_is_ever_further_apart() {
        let mut all: Vec<Backoff> = (0..50).map(Backoff::new).collect();
        let mut spread = || {
            let times = all.iter_mut().map(|backoff| backoff.on_failure(NOW).0);
            let times: Vec<u64> = times.collect();
            let mean = times.iter().sum::<u64>() / 50;
            times.iter().map(|at| at.abs_diff(mean)).sum::<u64>() / 50
        };
        let first = spread();
        let later = (0..5).map(|_| spread()).last().unwrap();
        assert!(later > 10 * first, "{first} ns, then {later} ns");
    }

    #[test]
    fn jitter_spreads_what_was_cut_together() {
        let first: std::collections::BTreeSet<_> = (0..50)
            .map(|seed| Backoff::new(seed).on_failure(NOW))
            .collect();
        assert!(first.len() > 45);
        let (earliest, latest) = (first.first().unwrap(), first.last().unwrap());
        assert!(
            latest.since(*earliest) > Span::from_millis(300),
            "50 draws cover most of half a second"
        );
    }

    #[test]
    fn a_reset_starts_again_at_the_shortest() {
        let mut backoff = Backoff::new(7);
        let _: [Span; 6] = delays(&mut backoff);
        backoff.reset();
        assert!(backoff.on_failure(NOW).since(NOW).0 <= 3 * Backoff::LEAST.0);
        assert_eq!(backoff.poll_timeout(), backoff.until);
    }
}
