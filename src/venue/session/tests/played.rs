//! When a played recording begins.

use super::*;
use crate::journal::Reader;
use crate::venue::play::Speed;
use crate::venue::recording::{Files, Recording};

const TWO: &str = concat!(
    r#"{"ts_ns":5000000000,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"a@trade\"}"}"#,
    "\n",
    r#"{"ts_ns":7000000000,"conn":"wss://stream.binance.us/stream","kind":"ws","raw":"{\"stream\":\"a@trade\"}"}"#,
    "\n",
);

fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

/// When the session's first frame goes out, with whatever it is woken for before.
fn first_frame(session: &mut Session, venue: &Venue) -> Nanos {
    let mut out = Vec::new();
    for _ in 0..10 {
        let due = session.poll_timeout(true, venue);
        session.play(due, venue, 1, &mut out).unwrap();
        if !out.is_empty() {
            return due;
        }
    }
    panic!("no frame came");
}

#[test]
fn exchanges_of_a_recording_start_together_and_who_comes_later_by_itself() {
    let open = Box::new(|_| Ok(Box::new(TWO.as_bytes()) as Reader));
    let recordings = Recording::index(Files { count: 1, open });
    let recordings = recordings.unwrap().recordings.into_iter();
    let play = |one| Venue::play(one, Speed::Recorded, UnixNanos(0));
    let venues: Vec<Venue> = recordings.map(play).collect();
    let names: Vec<&str> = venues.iter().map(|one| one.exchange.name()).collect();
    assert_eq!(names, ["binance", "binance-us"]);
    let session = |now, venue| Session::new(now, HERE, venue, "/stream?streams=a@trade").unwrap();
    let mut first = session(ms(0), &venues[0]);
    let mut second = session(ms(200), &venues[1]);
    assert_eq!(first_frame(&mut first, &venues[0]), ms(500));
    assert_eq!(first_frame(&mut second, &venues[1]), ms(2_500));
    let mut late = session(ms(500), &venues[1]);
    assert_eq!(first_frame(&mut late, &venues[1]), ms(800));
}
