//! Plays a recording to one session: what it subscribed to, in recorded order, at the speed that
//! was asked for. Changes no byte of a frame.

use super::recording::{Connections, Lines};
use crate::base::{Nanos, Span};
use crate::exchange::Exchange;
use crate::exchange::mirror::MirrorSession;
use crate::journal::{Entry, Kind, Merge, ReadError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// This frame is due.
    Send(String),
    /// This binary frame is due.
    SendBinary(Vec<u8>),
    /// Nothing is due before this time.
    Wait(Nanos),
    /// The next line is a snapshot that the client has not asked for yet.
    NeedsSnapshot,
    /// The recording is over.
    End,
}

/// A recording starts this long after the last subscription, so that one which a client must spread
/// over several messages and connections is whole before the first frame.
pub(super) const UNCHANGED: Span = Span::from_millis(300);

/// When a recording starts for all connections that are subscribed by then, of all its exchanges:
/// they stay in step.
#[derive(Debug)]
pub(crate) struct Start {
    /// [`Nanos::NEVER`] before the first subscription.
    at: AtomicU64,
    /// The first frame's recorded time, which belongs to it.
    first: Option<u64>,
}

impl Start {
    /// Nobody is subscribed yet.
    pub(super) fn new(first: Option<u64>) -> Self {
        Self {
            at: AtomicU64::new(Nanos::NEVER.0),
            first,
        }
    }

    /// When it starts, if nobody subscribes to more before.
    pub(super) fn at(&self) -> Nanos {
        Nanos(self.at.load(Relaxed))
    }

    /// The recorded time at which it starts, if there are times.
    pub(super) fn first(&self) -> Option<u64> {
        self.first
    }

    /// A connection subscribed to more. False: it has started already.
    pub(super) fn handle_subscribed(&self, now: Nanos) -> bool {
        let before = now < self.at();
        if before {
            self.at.store((now + UNCHANGED).0, Relaxed);
        }
        before
    }
}

/// Where one session is in a recording.
pub(crate) struct Playhead {
    merge: Merge,
    exchange: &'static dyn Exchange,
    lines: Lines,
    next: Option<Entry<'static>>,
    speed: Speed,
    /// A moment and the recorded time that belongs to it; none after a pause.
    anchor: Option<(Nanos, u64)>,
}

impl Playhead {
    /// At the first entry of `merge`, to be played at `speed`. Without an anchor the first frame is
    /// due at once.
    pub(super) fn new(
        merge: Merge,
        exchange: &'static dyn Exchange,
        connections: Arc<Connections>,
        speed: Speed,
        anchor: Option<(Nanos, u64)>,
    ) -> Self {
        Self {
            merge,
            exchange,
            lines: Lines::new(connections),
            next: None,
            speed,
            anchor,
        }
    }

    /// The next step at `now`. `asked` says whether a symbol's snapshot was asked for.
    ///
    /// # Errors
    /// When the recording changed under us since it was indexed.
    pub(super) fn step(
        &mut self,
        now: Nanos,
        session: &dyn MirrorSession,
        asked: impl Fn(&str) -> bool,
    ) -> Result<Step, ReadError> {
        loop {
            let Some(entry) = self.next_for(session)? else {
                return Ok(Step::End);
            };
            match entry.kind {
                Kind::Ws | Kind::Binary => {
                    let due = self.due(now, entry.ts_ns);
                    if due > now {
                        self.next = Some(entry);
                        return Ok(Step::Wait(due));
                    }
                    return Ok(match entry.kind {
                        Kind::Binary => Step::SendBinary(entry.bytes().into_owned()),
                        Kind::Ws | Kind::Rest => Step::Send(entry.raw.into_owned()),
                    });
                }
                Kind::Rest => {
                    let symbol = self.exchange.snapshot_asked(&entry.conn);
                    let waits = |symbol: &str| session.awaits(symbol) && !asked(symbol);
                    if symbol.is_some_and(|(symbol, _)| waits(&symbol)) {
                        (self.next, self.anchor) = (Some(entry), None);
                        return Ok(Step::NeedsSnapshot);
                    }
                }
            }
        }
    }

    /// The next body, or frame that this session is sent.
    fn next_for(
        &mut self,
        session: &dyn MirrorSession,
    ) -> Result<Option<Entry<'static>>, ReadError> {
        if let Some(entry) = self.next.take() {
            return Ok(Some(entry));
        }
        while let Some((_, entry)) = self.merge.next_entry()? {
            let is_sent = self.exchange.owns(&entry.conn)
                && match entry.kind {
                    Kind::Ws | Kind::Binary => {
                        self.lines.take(entry.place) && session.carries(&entry.raw)
                    }
                    Kind::Rest => true,
                };
            if is_sent {
                return Ok(Some(entry.into_owned()));
            }
        }
        Ok(None)
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

    fn playhead(speed: Speed) -> (Playhead, Box<dyn MirrorSession>) {
        let mut merge = Merge::default();
        merge.add(Box::new(TEXT.as_bytes())).unwrap();
        let exchange = by_name("binance").unwrap();
        let session = exchange.mirror().session("/stream?streams=a@depth@100ms");
        let playhead = Playhead::new(merge, exchange, Arc::default(), speed, None);
        (playhead, session.unwrap())
    }

    fn send(raw: &str) -> Step {
        Step::Send(raw.to_owned())
    }

    #[test]
    fn only_what_is_subscribed_to_is_sent_and_a_missing_snapshot_stops_it() {
        let (mut head, session) = playhead(Speed::Client);
        let mut step = |asked: bool| head.step(Nanos(5), &*session, |_| asked).unwrap();
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
            let (mut head, session) = playhead(speed);
            let mut step = |now| head.step(Nanos(now), &*session, |_| true).unwrap();
            assert!(matches!(step(100), Step::Send(_)));
            assert_eq!(step(100), Step::Wait(Nanos(100 + gap / 5)));
            assert!(matches!(step(100 + gap / 5), Step::Send(_)));
            assert_eq!(step(100 + gap / 5), Step::Wait(Nanos(100 + gap)));
        }
    }

    #[test]
    fn what_begins_together_stays_in_step_however_late_its_own_first_frame_comes() {
        let (mut head, session) = playhead(Speed::Recorded);
        head.anchor = Some((Nanos(50), 400));
        let mut step = |now| head.step(Nanos(now), &*session, |_| true).unwrap();
        assert_eq!(step(100), Step::Wait(Nanos(650)));
        assert!(matches!(step(660), Step::Send(_)));
        assert_eq!(step(660), Step::Wait(Nanos(1_650)));
    }

    #[test]
    fn a_recording_starts_once_nobody_has_subscribed_to_more_for_a_while() {
        let start = Start::new(Some(7));
        assert_eq!(start.at(), Nanos::NEVER);
        assert!(start.handle_subscribed(Nanos::from_millis(10)));
        assert!(start.handle_subscribed(Nanos::from_millis(309)));
        assert_eq!(start.at(), Nanos::from_millis(609));
        assert!(!start.handle_subscribed(Nanos::from_millis(609)));
        assert_eq!(start.at(), Nanos::from_millis(609));
    }

    #[test]
    fn a_pause_for_a_snapshot_is_not_caught_up_in_a_burst() {
        let (mut head, session) = playhead(Speed::Recorded);
        assert!(matches!(
            head.step(Nanos(100), &*session, |_| false).unwrap(),
            Step::Send(_)
        ));
        assert_eq!(
            head.step(Nanos(100), &*session, |_| false).unwrap(),
            Step::NeedsSnapshot
        );
        assert!(matches!(
            head.step(Nanos(90_000), &*session, |_| true).unwrap(),
            Step::Send(_)
        ));
        let next = head.step(Nanos(90_000), &*session, |_| true).unwrap();
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
