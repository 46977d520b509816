//! Streams that come in time, late, and in time again.

use super::*;
use crate::base::RxStamps;

const MS: u64 = 1_000_000;

fn arrival(kernel: u64, empty: u64, call: u64) -> Arrival {
    Arrival {
        rx: RxStamps {
            kernel: Nanos(kernel),
            empty: Nanos(empty),
            call: Nanos(call),
            read: Nanos(call + 1),
        },
        frame: Nanos(call + 2),
    }
}

fn as_of(arrival: &Arrival) -> u64 {
    Age::default().as_of(Arrived::of(arrival), UnixNanos(0)).0
}

/// T14: bytes that lay there while the machine was stopped.
#[test]
fn what_lay_in_a_socket_is_as_old_as_the_socket_was_last_seen_empty() {
    assert_eq!(
        as_of(&arrival(900, 100, 1_000)),
        100,
        "the stamp is of the newest byte"
    );
    assert_eq!(as_of(&arrival(900, 0, 1_000)), 900);
    assert_eq!(as_of(&arrival(0, 0, 1_000)), 1_000);
    let replayed = Arrival {
        frame: Nanos(7),
        ..Arrival::default()
    };
    assert_eq!(as_of(&replayed), 7);
}

#[test]
fn a_recording_of_this_day_that_is_played_is_not_late() {
    let (now, unix) = (Nanos::from_secs(100), UnixNanos(1_750_000_000_000_000_000));
    let an_hour_ago = UnixNanos(unix.0 - 3_600_000_000_000);
    let as_of = |mut age: Age| {
        age.look(now, unix);
        let arrived = Arrived {
            surely: now,
            at: now,
        };
        age.as_of(arrived, an_hour_ago)
    };
    let mut played = Age::default();
    played.set_played();
    assert_eq!(as_of(played), now);
    assert!(as_of(Age::default()) < now);
}

/// A second of messages, one in 100 ms, that are so late.
fn second(age: &mut Age, now: &mut u64, delay_ms: u64) -> Option<News> {
    for _ in 0..10 {
        *now += 100 * MS;
        age.note(Nanos(*now), Nanos(*now - delay_ms * MS));
    }
    assert!(age.is_due(Nanos(*now)));
    age.judge(Nanos(*now))
}

#[test]
fn late_data_is_said_at_once_and_again_and_its_end_after_a_while() {
    let (mut age, mut now) = (Age::default(), 100_000 * MS);
    assert_eq!(second(&mut age, &mut now, 40), None);
    assert_eq!(
        second(&mut age, &mut now, 2_000),
        Some(News::Late(2_000 * MS))
    );
    for _ in 0..59 {
        assert_eq!(second(&mut age, &mut now, 3_000), None);
    }
    assert_eq!(
        second(&mut age, &mut now, 4_000),
        Some(News::Late(4_000 * MS))
    );
    for _ in 0..4 {
        assert_eq!(second(&mut age, &mut now, 40), None, "it may not be over");
    }
    assert_eq!(
        second(&mut age, &mut now, 40),
        Some(News::InTime(60_000 * MS))
    );
    let delays = age.delays();
    assert_eq!((delays.late, delays.late_ns), (610, 60_000 * MS));
    assert_eq!((delays.now_ns, delays.max_ns), (40 * MS, 4_000 * MS));
}

#[test]
fn one_message_in_time_says_that_the_line_is() {
    let (mut age, mut now) = (Age::default(), 100_000 * MS);
    age.note(Nanos(now), Nanos(now));
    assert_eq!(
        second(&mut age, &mut now, 2_000),
        None,
        "another product's are late"
    );
    assert_eq!(age.delays().late, 10);
}

#[test]
fn a_delay_is_shown_while_data_comes_late_and_not_once_it_stops_or_is_in_time() {
    let (mut age, mut now) = (Age::default(), 100_000 * MS);
    second(&mut age, &mut now, 40);
    assert_eq!(age.late_ns(Nanos(now)), None);
    for delay_ms in [2_000, 4_200] {
        second(&mut age, &mut now, delay_ms);
        assert_eq!(age.late_ns(Nanos(now)), Some(delay_ms * MS));
    }
    assert_eq!(age.late_ns(Nanos(now + 4_999 * MS)), Some(4_200 * MS));
    assert_eq!(
        age.late_ns(Nanos(now + 5_000 * MS)),
        None,
        "nothing comes any more: what it was says nothing"
    );
    second(&mut age, &mut now, 40);
    assert_eq!(age.late_ns(Nanos(now)), None);
}
