//! How long to wait before the next attempt. Never sleeps and never dials: it only names a time.

use crate::base::{Nanos, Span};
use fastrand::Rng;

/// 1 s, doubling with each failure to 30 s.
///
/// Jitter: a delay is drawn evenly from the upper half of its nominal value,
/// `[nominal/2, nominal]`, so that connections cut together come back apart, and none comes back at
/// once.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    /// The delay of the next failure, before jitter; `FIRST <= nominal <= MOST`.
    nominal: Span,
    /// When the attempt after the latest failure may start.
    until: Nanos,
    rng: Rng,
}

impl Backoff {
    /// The nominal delay of a first failure.
    pub(crate) const FIRST: Span = Span::from_secs(1);
    /// The nominal delay never grows past this.
    pub(crate) const MOST: Span = Span::from_secs(30);

    /// A backoff without failures; the first attempt may start at once.
    pub(crate) fn new(seed: u64) -> Self {
        let (nominal, until) = (Self::FIRST, Nanos::ZERO);
        Self {
            nominal,
            until,
            rng: Rng::with_seed(seed),
        }
    }

    /// Takes a failure in, and gives the time of the next attempt.
    pub(crate) fn on_failure(&mut self, now: Nanos) -> Nanos {
        let delay = Span(self.rng.u64(self.nominal.0 / 2..=self.nominal.0));
        self.nominal = Self::MOST.min(self.nominal + self.nominal);
        self.until = now + delay;
        debug_assert!(self.until > now, "an attempt without a delay");
        self.until
    }

    /// Forgets the failures: things went well for long enough.
    pub(crate) fn reset(&mut self) {
        self.nominal = Self::FIRST;
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
    fn delays_double_to_the_cap_and_stay_in_the_upper_half() {
        for seed in 0..200 {
            let nominal_s = [1, 2, 4, 8, 16, 30, 30, 30];
            let got: [Span; 8] = delays(&mut Backoff::new(seed));
            for (delay, nominal) in got.into_iter().zip(nominal_s) {
                let nominal = Span::from_secs(nominal);
                assert!(
                    delay >= nominal / 2,
                    "seed {seed}: {delay:?} of {nominal:?}"
                );
                assert!(delay <= nominal, "seed {seed}: {delay:?} of {nominal:?}");
            }
        }
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
    fn a_reset_starts_again_at_a_second() {
        let mut backoff = Backoff::new(7);
        let _: [Span; 6] = delays(&mut backoff);
        backoff.reset();
        assert!(backoff.on_failure(NOW).since(NOW) <= Backoff::FIRST);
        assert_eq!(backoff.poll_timeout(), backoff.until);
    }
}
