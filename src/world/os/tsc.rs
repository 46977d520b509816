//! Nanoseconds by the processor's time stamp counter, which costs a third of asking the kernel.
//! Never trusts the counter for long: the kernel's clock is asked again every millisecond, and
//! tells the counter's rate. Reads neither of them.

/// For so long a reading of the kernel's clock is carried on.
const CARRY_NS: u64 = 1_000_000;
/// The first rate is measured over at least this long, and each later one over more. A reading is
/// some 30 ns wide: what is carried on is off by no more than that.
const FIRST_RATE_NS: u64 = 1_000_000;
/// See [`FIRST_RATE_NS`].
const RATE_NS: u64 = 100_000_000;
/// A rate that differs from the one before by more than one part in this many is no rate: the
/// counter or the kernel's clock has jumped. What the kernel slews is half of that at most.
const JUMP: u64 = 1_000;

/// One thread's clock.
///
/// Invariant: without a rate nothing is carried on; `from_ns <= at_ns`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    /// The kernel's clock is carried on from this reading.
    at_ticks: u64,
    at_ns: u64,
    /// Nanoseconds in 2³² ticks; zero while it is not known.
    rate: u64,
    /// Ticks for which it is carried on.
    carry: u64,
    /// The next rate is measured from this reading on; the time is zero if there is none.
    from_ticks: u64,
    from_ns: u64,
}

impl Carried {
    /// Knows nothing yet.
    pub(super) const NEW: Self = Self {
        at_ticks: 0,
        at_ns: 0,
        rate: 0,
        carry: 0,
        from_ticks: 0,
        from_ns: 0,
    };

    /// The time at this tick; `None` if the kernel must be asked.
    #[inline]
    pub(super) fn at(&self, ticks: u64) -> Option<u64> {
        let passed = ticks.wrapping_sub(self.at_ticks);
        // At most `CARRY_NS` times 2³².
        (passed < self.carry).then(|| self.at_ns + ((passed * self.rate) >> 32))
    }

    /// The kernel's clock showed `ns` at this tick. Gives the time: it never goes back.
    pub(super) fn set(&mut self, ticks: u64, ns: u64) -> u64 {
        let passed = ticks.wrapping_sub(self.at_ticks).min(self.carry);
        let given = self.at_ns + ((passed * self.rate) >> 32);
        (self.at_ticks, self.at_ns) = (ticks, ns.max(given));
        self.measure(ticks, ns);
        self.check();
        self.at_ns
    }

    fn measure(&mut self, ticks: u64, ns: u64) {
        let ran = ticks.checked_sub(self.from_ticks).filter(|ran| *ran > 0);
        let took = ns.checked_sub(self.from_ns);
        let (true, Some(ran), Some(took)) = (self.from_ns > 0, ran, took) else {
            return self.restart(ticks, ns);
        };
        let first = self.rate == 0;
        if took < if first { FIRST_RATE_NS } else { RATE_NS } {
            return;
        }
        let rate = (u128::from(took) << 32) / u128::from(ran);
        // Between a hundredth of a nanosecond per tick and a hundred of them.
        let Some(rate) = u64::try_from(rate)
            .ok()
            .filter(|rate| (1 << 25..1 << 39).contains(rate))
        else {
            return self.restart(ticks, ns);
        };
        if !first && rate.abs_diff(self.rate) > self.rate / JUMP {
            return self.restart(ticks, ns);
        }
        (self.rate, self.carry) = (rate, (CARRY_NS << 32) / rate);
        (self.from_ticks, self.from_ns) = (ticks, ns);
    }

    fn restart(&mut self, ticks: u64, ns: u64) {
        (self.rate, self.carry) = (0, 0);
        (self.from_ticks, self.from_ns) = (ticks, ns);
    }

    fn check(&self) {
        debug_assert_eq!(self.rate == 0, self.carry == 0);
        debug_assert!(self.from_ns <= self.at_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastrand::Rng;

    /// A counter and a kernel's clock beside it, both as functions of true nanoseconds.
    struct World {
        now: u64,
        /// Ticks in 1,000 ns.
        speed: u64,
        /// The counter stood still for so long, and the kernel's clock jumped ahead by so much.
        stood: u64,
        jumped: u64,
        rng: Rng,
        clock: Carried,
        asked: u64,
    }

    impl World {
        fn new(seed: u64, speed: u64) -> Self {
            Self {
                now: 5_000_000_000,
                speed,
                stood: 0,
                jumped: 0,
                rng: Rng::with_seed(seed),
                clock: Carried::NEW,
                asked: 0,
            }
        }

        fn ticks(&self) -> u64 {
            (u128::from(self.now - self.stood) * u128::from(self.speed) / 1_000) as u64
        }

        fn kernel(&self) -> u64 {
            self.now + self.jumped
        }

        /// What is read, with up to 30 ns between the two readings of a look at the kernel.
        fn read(&mut self) -> u64 {
            if let Some(ns) = self.clock.at(self.ticks()) {
                return ns;
            }
            self.asked += 1;
            let ns = self.kernel();
            self.now += self.rng.u64(..30);
            self.clock.set(self.ticks(), ns)
        }
    }

    #[test]
    fn it_keeps_within_a_hundred_nanoseconds_of_the_kernel_and_never_goes_back() {
        for seed in 0..50 {
            let mut world = World::new(seed, 900 + 100 * seed);
            let mut last = 0;
            for step in 0..20_000 {
                world.now += match world.rng.u8(..100) {
                    0 => world.rng.u64(..200_000_000),
                    _ => world.rng.u64(..2_000),
                };
                let (read, kernel) = (world.read(), world.kernel());
                assert!(last <= read, "seed={seed} step={step}");
                let off = read.abs_diff(kernel);
                assert!(off < 100, "seed={seed} step={step}: {off} ns");
                last = read;
            }
            assert!(world.asked < 2_000, "{} of 20,000", world.asked);
        }
    }

    #[test]
    fn after_a_jump_of_either_it_asks_the_kernel_until_the_rate_is_known_again() {
        for jump in [
            |world: &mut World| world.stood = 3_000_000,
            |world: &mut World| {
                world.jumped = 60_000_000_000;
            },
        ] {
            let mut world = World::new(7, 2_500);
            let run = |world: &mut World, worst: u64| {
                let mut last = 0;
                for _ in 0..300_000 {
                    world.now += 1_000;
                    let read = world.read();
                    assert!(last <= read);
                    last = read;
                    assert!(read.abs_diff(world.kernel()) <= worst);
                }
            };
            run(&mut world, 100);
            jump(&mut world);
            // What is carried on already may run out, a millisecond later.
            world.now += 2 * CARRY_NS;
            run(&mut world, 20_000);
            run(&mut world, 100);
        }
    }

    #[test]
    fn a_counter_that_stands_still_or_goes_back_is_never_carried_on() {
        let mut clock = Carried::NEW;
        for step in 1..10_000u64 {
            let ticks = if step % 2 == 0 { 7 } else { 10_000 - step };
            let ns = step * 1_000_000;
            assert_eq!(clock.at(ticks), None);
            assert_eq!(clock.set(ticks, ns), ns);
        }
    }
}
