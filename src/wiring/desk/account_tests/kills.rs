//! The process is killed at any moment, and another one goes on from the order journal. What was
//! recorded before a request left is on the disk; of what was recorded after it, any first part is.

use super::*;
use crate::trading::reconcile::Difference;
use crate::trading::recover::{Recovered, Recovery};
use crate::wiring::keep::{KeepEnd, Kept, keep};

/// The journal as its thread has it.
pub(super) struct Journal {
    end: KeepEnd,
    deeds: Vec<(Nanos, Deed)>,
    /// So many of them are on the disk for sure.
    synced: usize,
    kills: u64,
}

impl Journal {
    /// All that was recorded; requests never left.
    fn take(&mut self) {
        while let Ok(kept) = self.end.kept.pop() {
            if let Kept::Deed(at, deed) = kept {
                self.deeds.push((at, deed));
            }
        }
    }
}

impl World {
    /// A world in which the process is killed now and then.
    fn killed(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.restart(Vec::new(), 0);
        for _ in 0..1 + world.dice.usize(..4) {
            let at = world.dice.u64(..FAULTS_END.0 - world.now().0);
            world.post(Span(at), Parcel::Kill);
        }
        world
    }

    pub(super) fn next_request(&mut self) -> Option<Request> {
        let Some(journal) = &mut self.journal else {
            return self.requests.pop().ok();
        };
        loop {
            match journal.end.kept.pop().ok()? {
                Kept::Deed(at, deed) => journal.deeds.push((at, deed)),
                Kept::Request(request) => {
                    journal.synced = journal.deeds.len();
                    return Some(request);
                }
            }
        }
    }

    pub(super) fn kill(&mut self) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        journal.take();
        let kept = self.dice.usize(journal.synced..=journal.deeds.len());
        journal.deeds.truncate(kept);
        for (number, (_, _, sent)) in std::mem::take(&mut self.open) {
            self.orphans.insert(number, sent);
        }
        self.restart(journal.deeds, journal.kills + 1);
        (self.up, self.connected) = ([0, 0], false);
        let after = Span::from_millis(self.dice.u64(10..8_000));
        for line in [TRADING, ACCOUNT] {
            self.post(after, Parcel::Back(line));
        }
    }

    /// Something is paid in, once no process can forget what there was before, and early enough
    /// for a comparison to find it.
    pub(super) fn deposit(&mut self, milli: i128) {
        let journal = self.journal.as_ref();
        let synced = journal.map_or(&[][..], |journal| &journal.deeds[..journal.synced]);
        if !self.faulty() {
            return;
        }
        if !synced.iter().any(|(_, deed)| *deed == Deed::HoldsNoOther) {
            return self.post(Span::from_millis(100), Parcel::Deposit(milli));
        }
        self.deposited += milli;
        *self.balances.get_mut("BTC").unwrap() += milli;
    }

    /// A new process, which knows what the journal says and nothing else.
    fn restart(&mut self, deeds: Vec<(Nanos, Deed)>, kills: u64) {
        let now = self.now();
        let recovered = recovered(&deeds, now);
        let dice = self.dice.u64(..);
        let (tag, first_id) = (kills * 1_000_000, recovered.used_to + 1);
        self.desk = new_desk(dice, tag, first_id, &self.stop, Exit::Journal);
        let silent = || Bell::new(|| {});
        let (unused, _) = ring(1, silent());
        let (keep, end, input) = keep(Some(unused), silent(), silent(), Arc::default());
        self.desk.ways[0].inputs.push(input);
        self.desk.ways[0].keep = Some(keep);
        self.desk.resume(now, &[(0, &recovered)]);
        // It begins with a journal that says the same.
        let deeds: Vec<_> = recovered.deeds(now).map(|deed| (now, deed)).collect();
        self.journal = Some(Journal {
            end,
            synced: deeds.len(),
            deeds,
            kills,
        });
        if kills == 0 {
            self.connected = false;
            self.say_connected();
        }
    }
}

fn recovered(deeds: &[(Nanos, Deed)], now: Nanos) -> Recovered {
    let mut recovery = Recovery::new(&instruments(), VISIBILITY);
    for (at, deed) in deeds {
        recovery.take(*at, deed).unwrap();
    }
    recovery.finish(now)
}

/// Runs one seed; says how often the process was killed, and how many orders it was killed over.
fn run(seed: u64) -> (u64, u64) {
    let mut world = World::killed(seed);
    world.run_to(QUIET_AT);
    world.check_quiet();
    world.check_balances();
    let kills = world.journal.as_ref().map_or(0, |journal| journal.kills);
    (kills, world.desk.counters.resumed)
}

#[test]
fn under_faults_and_kills_no_order_is_lost_or_doubled_and_no_exposure_is_understated() {
    let (mut kills, mut resumed) = (0, 0);
    for seed in seeds() {
        let world = std::panic::catch_unwind(|| run(seed));
        let (times, orders) =
            world.unwrap_or_else(|_| panic!("TICKWIRE_SEEDS={seed}..{} replays it", seed + 1));
        (kills, resumed) = (kills + times, resumed + orders);
    }
    let seeds = seeds().end - seeds().start;
    assert!(kills > seeds, "{kills} kills");
    assert!(resumed > seeds, "{resumed} orders were taken over");
}

/// Runs one seed in which somebody pays something in, now and then.
fn run_deposits(seed: u64) -> u64 {
    let mut world = World::killed(seed);
    for _ in 0..1 + world.dice.usize(..3) {
        let at = world.dice.u64(..FAULTS_END.0 - world.now().0);
        let milli = world.dice.i128(1..40);
        world.post(Span(at), Parcel::Deposit(milli));
    }
    world.run_to(QUIET_AT);
    world.check_quiet();
    let left = |world: &mut World| {
        let now = world.now();
        let journal = world.journal.as_mut().unwrap();
        journal.take();
        recovered(&journal.deeds, now)
    };
    let known = left(&mut world);
    let explained: i128 = known.differences.iter().map(Difference::off).sum();
    assert_eq!(explained, world.deposited * 10i128.pow(15));
    assert_eq!(
        known.differences,
        world.desk.ways[0].unexplained.differences()
    );
    let btc = crate::base::Asset::from("BTC").unwrap();
    let mut accepted = 0;
    world.desk_do(|desk, turn| accepted = desk.accept(turn, btc));
    assert_eq!(accepted, known.differences.len());
    assert!(left(&mut world).differences.is_empty());
    world.journal.as_ref().map_or(0, |journal| journal.kills)
}

/// T6 of the cases.
#[test]
fn over_kills_each_deposit_is_one_difference_until_somebody_accepts_it() {
    let seeds = seeds().start..seeds().start + seeds().count() as u64 / 4;
    let mut kills = 0;
    for seed in seeds.clone() {
        let world = std::panic::catch_unwind(|| run_deposits(seed));
        kills += world.unwrap_or_else(|_| panic!("TICKWIRE_SEEDS={seed}..{} replays it", seed + 4));
    }
    assert!(kills > seeds.end - seeds.start, "{kills} kills");
}
