//! Plays a recording to one session: what it subscribed to, in recorded order, at the speed that
//! was asked for. Changes no byte of a frame.

use super::recording::recorded;
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{Player, Recorded};
use crate::journal::{Entries, Entry, ReadError};
use std::collections::BTreeSet;

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As it was recorded.
    Recorded,
    /// This many times as fast as it was recorded; above zero.
    Times(f64),
    /// As fast as the client reads.
    Client,
}

impl std::str::FromStr for Speed {
    type Err = String;

    /// Reads `recorded`, `max`, or a number above zero.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "recorded" => Ok(Self::Recorded),
            "max" => Ok(Self::Client),
            _ => match text.parse::<f64>() {
                Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
                _ => Err("write recorded, max, or how many times as fast, like 10".to_owned()),
            },
        }
    }
}

/// What a session is subscribed to, by stream name.
pub(crate) type Subscriptions = BTreeSet<String>;

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// This frame is due.
    Send(String),
    /// Nothing is due before this time.
    Wait(Nanos),
    /// The next line is a snapshot that the client has not asked for yet.
    NeedsSnapshot,
    /// The recording is over.
    End,
}

/// Where one session is in a recording.
pub(crate) struct Playhead {
    entries: Entries,
    player: &'static dyn Player,
    next: Option<Entry<'static>>,
    speed: Speed,
    /// A moment and the recorded time that belongs to it; none after a pause.
    anchor: Option<(Nanos, u64)>,
}

impl Playhead {
    /// At the first of `entries`, to be played at `speed`.
    pub(super) fn new(entries: Entries, player: &'static dyn Player, speed: Speed) -> Self {
        Self {
            entries,
            player,
            next: None,
            speed,
            anchor: None,
        }
    }

    /// The next step at `now`. `asked` says whether a symbol's snapshot was asked for.
    ///
    /// # Errors
    /// When the recording changed under us since it was indexed.
    pub(super) fn step(
        &mut self,
        now: Nanos,
        streams: &Subscriptions,
        asked: impl Fn(&str) -> bool,
    ) -> Result<Step, ReadError> {
        loop {
            let entry = match self.next.take() {
                Some(entry) => entry,
                None => match self.entries.next_entry()? {
                    Some(entry) => entry.into_owned(),
                    None => return Ok(Step::End),
                },
            };
            let wanted = match &recorded(self.player, &entry) {
                Recorded::Stream(name) => streams.contains(name),
                Recorded::Symbol(symbol) => follows(streams, symbol, ""),
                Recorded::Snapshot(symbol)
                    if follows(streams, symbol, "depth") && !asked(symbol) =>
                {
                    (self.next, self.anchor) = (Some(entry), None);
                    return Ok(Step::NeedsSnapshot);
                }
                Recorded::Snapshot(_) | Recorded::Other => false,
            };
            if !wanted {
                continue;
            }
            let due = self.due(now, entry.ts_ns);
            if due > now {
                self.next = Some(entry);
                return Ok(Step::Wait(due));
            }
            return Ok(Step::Send(entry.raw.into_owned()));
        }
    }

    /// When a frame with this recorded time goes out.
    fn due(&mut self, now: Nanos, ts_ns: Option<u64>) -> Nanos {
        let times = match self.speed {
            Speed::Recorded => 1.0,
            Speed::Times(times) => times,
            Speed::Client => return now,
        };
        let Some(ts_ns) = ts_ns else { return now };
        let &mut (start, first) = self.anchor.get_or_insert((now, ts_ns));
        start + Span((ts_ns.saturating_sub(first) as f64 / times) as u64)
    }
}

/// Whether a stream of `symbol` whose kind starts with `kind` is subscribed to.
fn follows(streams: &Subscriptions, symbol: &str, kind: &str) -> bool {
    let prefix = format!("{}@{kind}", symbol.to_lowercase());
    streams
        .range(prefix.clone()..)
        .next()
        .is_some_and(|name| name.starts_with(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::by_name;

    const TEXT: &str = concat!(
        r#"{"ts_ns":1000,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"a@depth@100ms\",\"n\":1}"}"#,
        "\n",
        r#"{"ts_ns":1000,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"b@depth@100ms\",\"n\":2}"}"#,
        "\n",
        r#"{"ts_ns":1500,"conn":"https://api.binance.com/depth?symbol=B&limit=9","kind":"rest","raw":"{}"}"#,
        "\n",
        r#"{"ts_ns":1500,"conn":"https://api.binance.com/depth?symbol=A&limit=9","kind":"rest","raw":"{}"}"#,
        "\n",
        r#"{"ts_ns":2000,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"e\":\"trade\",\"s\":\"A\"}"}"#,
        "\n",
        r#"{"ts_ns":6000,"conn":"wss://stream.binance.com/stream","kind":"ws","raw":"{\"stream\":\"a@depth@100ms\",\"n\":3}"}"#,
        "\n",
    );

    fn playhead(speed: Speed) -> (Playhead, Subscriptions) {
        let entries = Entries::new(Box::new(TEXT.as_bytes()));
        let player = by_name("binance").unwrap().mirror().player().unwrap();
        (
            Playhead::new(entries, player, speed),
            Subscriptions::from(["a@depth@100ms".to_owned()]),
        )
    }

    fn send(raw: &str) -> Step {
        Step::Send(raw.to_owned())
    }

    #[test]
    fn only_what_is_subscribed_to_is_sent_and_a_missing_snapshot_stops_it() {
        let (mut head, streams) = playhead(Speed::Client);
        let mut step = |asked: bool| head.step(Nanos(5), &streams, |_| asked).unwrap();
        assert_eq!(step(false), send(r#"{"stream":"a@depth@100ms","n":1}"#));
        assert_eq!(step(false), Step::NeedsSnapshot);
        assert_eq!(step(false), Step::NeedsSnapshot);
        assert_eq!(step(true), send(r#"{"e":"trade","s":"A"}"#));
        assert_eq!(step(true), send(r#"{"stream":"a@depth@100ms","n":3}"#));
        assert_eq!(step(true), Step::End);
    }

    #[test]
    fn recorded_gaps_are_kept_and_divided_by_the_speed() {
        for (speed, gap) in [(Speed::Recorded, 5000), (Speed::Times(10.0), 500)] {
            let (mut head, streams) = playhead(speed);
            let mut step = |now| head.step(Nanos(now), &streams, |_| true).unwrap();
            assert!(matches!(step(100), Step::Send(_)));
            assert_eq!(step(100), Step::Wait(Nanos(100 + gap / 5)));
            assert!(matches!(step(100 + gap / 5), Step::Send(_)));
            assert_eq!(step(100 + gap / 5), Step::Wait(Nanos(100 + gap)));
        }
    }

    #[test]
    fn a_pause_for_a_snapshot_is_not_caught_up_in_a_burst() {
        let (mut head, streams) = playhead(Speed::Recorded);
        assert!(matches!(
            head.step(Nanos(100), &streams, |_| false).unwrap(),
            Step::Send(_)
        ));
        assert_eq!(
            head.step(Nanos(100), &streams, |_| false).unwrap(),
            Step::NeedsSnapshot
        );
        assert!(matches!(
            head.step(Nanos(90_000), &streams, |_| true).unwrap(),
            Step::Send(_)
        ));
        let next = head.step(Nanos(90_000), &streams, |_| true).unwrap();
        assert_eq!(next, Step::Wait(Nanos(94_000)));
    }

    #[test]
    fn a_speed_is_a_word_or_a_positive_number() {
        assert_eq!("10".parse(), Ok(Speed::Times(10.0)));
        assert_eq!("max".parse(), Ok(Speed::Client));
        assert_eq!("recorded".parse(), Ok(Speed::Recorded));
        for bad in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
