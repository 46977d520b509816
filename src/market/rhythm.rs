//! How often one stream speaks, and when its silence is suspicious. Knows nothing but arrival times.

use crate::base::Nanos;

/// Silence shorter than this is never suspicious.
pub const SILENCE_MIN_NS: u64 = 3_000_000_000;
/// Silence of this many times the stream's longest recent gap is.
pub const SILENCE_FACTOR: u64 = 20;
/// How long a stream may stay silent beyond that before a new connection is asked for.
pub const PATIENCE_NS: u64 = 10_000_000_000;
/// The most that patience grows to, when new connections did not make the stream speak.
pub const PATIENCE_MAX_NS: u64 = 320_000_000_000;
/// The longest gap is forgotten by one part in this many at each message.
const DECAY: u64 = 64;

/// The decayed maximum of the gaps between messages.
///
/// It outlives connections: a quiet instrument is quiet on the next one too. So does patience, which
/// doubles until a second message shows what the rhythm is; a stream that speaks once a minute is thus
/// found out to be slow, not reconnected for ever.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    gap_ns: u64,
    patience_ns: u64,
    /// Silence counts from here.
    since: Nanos,
    /// The last message of this connection.
    beat: Option<Nanos>,
    asked: bool,
}

impl Rhythm {
    pub fn new() -> Self {
        Self {
            gap_ns: 0,
            patience_ns: PATIENCE_NS,
            since: Nanos::ZERO,
            beat: None,
            asked: false,
        }
    }

    /// A connection began: silence counts from here, and what lies before is no gap.
    pub fn start(&mut self, now: Nanos) {
        (self.since, self.beat, self.asked) = (now, None, false);
    }

    /// News of another kind (a snapshot): silence counts from here.
    pub fn rewind(&mut self, now: Nanos) {
        self.since = now;
    }

    /// The stream said something new.
    pub fn beat(&mut self, now: Nanos) {
        if let Some(before) = self.beat {
            let decayed = self.gap_ns - self.gap_ns / DECAY;
            self.gap_ns = decayed.max(now.since(before));
            self.patience_ns = PATIENCE_NS;
        }
        (self.since, self.beat, self.asked) = (now, Some(now), false);
    }

    /// When silence becomes suspicious.
    pub fn stale_at(&self) -> Nanos {
        let span = self.gap_ns.saturating_mul(SILENCE_FACTOR);
        self.since + Nanos(span.max(SILENCE_MIN_NS))
    }

    /// When a new connection is to be asked for; once in a silence.
    pub fn reconnect_at(&self) -> Nanos {
        if self.asked {
            Nanos::NEVER
        } else {
            self.stale_at() + Nanos(self.patience_ns)
        }
    }

    /// A new connection is asked for.
    pub fn ask(&mut self) {
        self.asked = true;
        self.patience_ns = (self.patience_ns * 2).min(PATIENCE_MAX_NS);
    }
}
