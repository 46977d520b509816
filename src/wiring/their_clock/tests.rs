//! Clocks that are right, off by minutes, stepped and frozen, on an exchange that says so or does
//! not.

use super::*;

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;
/// What the wall clock of a host whose clock is right shows when its monotonic one shows zero.
const BOOT: i64 = 1_750_000_000 * S;

/// A host, its exchange, and the way between them.
struct World {
    clock: TheirClock,
    now: Nanos,
    /// The host's wall clock, ahead of the true time.
    host: i64,
    /// What the host's monotonic clock has missed of the true time.
    frozen: i64,
}

impl World {
    fn new(host: i64) -> Self {
        let mut world = Self {
            clock: TheirClock::default(),
            now: Nanos::from_secs(100),
            host,
            frozen: 0,
        };
        world.clock.look(world.now, world.wall());
        world
    }

    fn wall(&self) -> UnixNanos {
        UnixNanos(BOOT + self.now.0 as i64 + self.frozen + self.host)
    }

    fn truth(&self) -> i64 {
        BOOT + self.now.0 as i64 + self.frozen
    }

    fn wait(&mut self, ns: i64) -> &mut Self {
        self.now = self.now + Span(ns as u64);
        self
    }

    /// The age by our clock of a message that is so old by the true one.
    fn age(&mut self, delay: i64) -> i64 {
        let theirs = UnixNanos(self.truth() - delay);
        self.now.since(self.clock.as_of(self.now, theirs)).0 as i64
    }

    /// A second of messages that are so old, a hundred of them; what the last of them is worth.
    fn stream(&mut self, delay: i64) -> i64 {
        (0..100)
            .map(|_| self.wait(10 * MS).age(delay))
            .last()
            .unwrap()
    }

    /// An answer of the exchange after 40 ms, in whole seconds.
    fn ask(&mut self) -> Option<Verdict> {
        let sent = self.now;
        let shown = UnixNanos((self.wait(20 * MS).truth() / S) * S);
        let received = self.wait(20 * MS).now;
        let time = ServerTime {
            sent,
            received,
            shown,
            unit_ns: S,
        };
        let (now, wall) = (self.now, self.wall());
        self.clock.handle_time(time, now, wall)
    }
}

/// Failure mode 15: old data is of its own age, whenever it comes.
#[test]
fn a_stream_that_is_late_from_its_first_message_is_seen_as_late() {
    let mut world = World::new(0);
    let first = world.age(10 * S);
    assert!(first >= 10 * S - APART_NS_MAX, "{first}");
    let later = world.stream(10 * S);
    assert!((10 * S - APART_NS_MAX..=10 * S).contains(&later), "{later}");
}

#[test]
fn the_way_of_the_quickest_message_is_no_age_and_a_delay_beyond_it_is() {
    let mut world = World::new(0);
    world.stream(80 * MS);
    assert_eq!(world.age(80 * MS), 0);
    assert_eq!(world.age(980 * MS), 900 * MS);
    for _ in 0..300 {
        world.stream(2 * S);
    }
    let age = world.age(2 * S);
    assert!(
        age >= 2 * S - APART_NS_MAX,
        "minutes do not make it the rule: {age}"
    );
}

#[test]
fn the_windows_forget_a_clock_that_drifts_within_the_bound() {
    let mut world = World::new(0);
    world.stream(0);
    // 150 ms in ten minutes: the exchange's clock falls behind ours.
    for _ in 0..600 {
        world.host += MS / 4;
        world.frozen -= MS / 4;
        world.stream(0);
    }
    assert!(
        world.age(0) <= 60 * MS,
        "what the last two windows drifted at the most"
    );
}

#[test]
fn a_host_clock_that_is_off_by_minutes_is_told_and_data_is_judged_right() {
    for off in [120 * S, -120 * S] {
        let mut world = World::new(off);
        let told = world.ask();
        let Some(Verdict::Wrong(ahead)) = told else {
            panic!("{told:?}");
        };
        assert!((ahead + off).abs() <= S, "{ahead}");
        assert_eq!(world.stream(5 * MS), 0);
        let late = world.stream(10 * S);
        assert!((8 * S..=10 * S).contains(&late), "{late}");
        assert_eq!(world.ask(), None, "said once");
    }
}

#[test]
fn answers_narrow_what_the_other_clock_can_be() {
    let mut world = World::new(-120 * S);
    for _ in 0..50 {
        world.ask();
        world.wait(370 * MS);
    }
    let (least, most) = world.clock.told;
    assert!(most - least <= 100 * MS, "{}", most - least);
    let error = world.clock.shows(world.now, world.wall()).0 - world.truth();
    assert!(error.abs() <= 100 * MS, "{error}");
}

#[test]
fn a_host_clock_that_agrees_is_left_alone() {
    let mut world = World::new(0);
    assert_eq!(world.ask(), None);
    assert_eq!(world.clock.shows(world.now, world.wall()), world.wall());
}

#[test]
fn without_an_answer_a_host_behind_is_found_out_by_messages_from_the_future() {
    let mut world = World::new(-120 * S);
    assert_eq!(
        world.age(0),
        world.now.0 as i64,
        "nothing is known of it yet"
    );
    world.stream(0);
    world.stream(0);
    assert_eq!(world.age(0), 0);
    assert!(matches!(world.clock.verdict(), Some(Verdict::Wrong(ahead)) if ahead > 119 * S));
}

#[test]
fn one_message_from_the_future_makes_no_other_old() {
    let mut world = World::new(0);
    world.stream(0);
    for _ in 0..9 {
        assert_eq!(world.age(-3_600 * S), world.now.0 as i64, "of no known age");
        assert_eq!(world.age(0), 0);
        world.wait(2 * S);
    }
    assert_eq!(world.age(0), 0);
    assert_eq!(world.clock.verdict(), None);
}

/// Failure mode 34: no clock that is wrong or steps makes data look newer, or an order look old.
#[test]
fn a_step_of_the_wall_clock_changes_the_age_of_nothing() {
    for step in [3_600 * S, -3_600 * S] {
        let mut world = World::new(0);
        world.stream(0);
        world.host += step;
        let (now, wall) = (world.now, world.wall());
        world.clock.look(now, wall);
        assert_eq!(world.stream(0), 0);
        assert!(world.age(10 * S) >= 10 * S - APART_NS_MAX);
        // The next answer tells that it is the wall clock that is wrong now, and later that it is
        // right.
        assert!(matches!(world.ask(), Some(Verdict::Wrong(ahead)) if (ahead + step).abs() <= S));
        assert_eq!(world.stream(0), 0);
        world.host = 0;
        assert_eq!(world.ask(), Some(Verdict::Right));
        assert_eq!(world.stream(0), 0);
    }
}

#[test]
fn a_host_clock_that_is_put_right_is_believed_when_messages_fit_it() {
    let mut world = World::new(120 * S);
    assert!(
        world.stream(0) > 100 * S,
        "ahead by minutes: a stream that is late looks the same"
    );
    world.host = 0;
    let (now, wall) = (world.now, world.wall());
    world.clock.look(now, wall);
    assert_eq!(world.stream(0), 0);
}

#[test]
fn a_machine_that_was_frozen_believes_nothing_until_messages_come_evenly_again() {
    let mut world = World::new(0);
    world.stream(0);
    world.frozen = 8 * S;
    // What was sent meanwhile comes in one burst, oldest first: all but its beginning is from the
    // future.
    let ages = (1..=80).map(|n| world.age(8 * S - n * 100 * MS));
    let young = ages.filter(|age| *age < 400 * MS).count();
    assert!(young <= 3, "{young}: as many as the bound lets through");
    world.stream(0);
    world.stream(0);
    assert_eq!(world.stream(0), 0);
}

#[test]
fn times_of_another_day_are_of_a_recording_and_say_nothing() {
    let mut world = World::new(0);
    let (now, day) = (world.now, 24 * 3_600 * S);
    assert_eq!(world.age(day), day.min(now.0 as i64), "late by a day");
    for days in [-400, -2, 2, 1_500] {
        assert_eq!(world.stream(days * day), 0, "{days}");
    }
    assert_eq!(world.clock.verdict(), None);
}

#[test]
fn what_states_no_time_is_as_old_as_its_arrival() {
    let mut world = World::new(0);
    assert_eq!(world.clock.as_of(world.now, UnixNanos(0)), world.now);
    let mut unknown = TheirClock::default();
    assert_eq!(unknown.as_of(world.now, UnixNanos(BOOT)), world.now);
    unknown.look(world.now, UnixNanos(0));
    assert_eq!(unknown.as_of(world.now, UnixNanos(BOOT)), world.now);
}

#[test]
fn times_at_the_ends_of_their_range_do_no_harm() {
    let mut world = World::new(0);
    for theirs in [i64::MIN, -1, 1, i64::MAX] {
        for at in [Nanos::ZERO, world.now, Nanos::NEVER] {
            let as_of = world.clock.as_of(at, UnixNanos(theirs));
            assert!(as_of <= at);
        }
        let time = |shown| ServerTime {
            sent: Nanos::ZERO,
            received: Nanos::NEVER,
            shown: UnixNanos(shown),
            unit_ns: S,
        };
        let (now, wall) = (world.now, world.wall());
        world.clock.handle_time(time(theirs), now, wall);
        world.clock.shows(Nanos::NEVER, UnixNanos(theirs));
    }
}

#[test]
fn what_messages_led_by_is_forgotten_with_the_bound_that_it_lay_in() {
    let mut world = World::new(0);
    assert_eq!(world.age(-200 * MS), 0);
    let shown = UnixNanos(world.truth() - 10 * S);
    let (now, wall) = (world.now, world.wall());
    let time = ServerTime {
        sent: now,
        received: now,
        shown,
        unit_ns: 0,
    };
    world.clock.handle_time(time, now, wall);
    assert_eq!(world.age(10 * S), 0);
}
