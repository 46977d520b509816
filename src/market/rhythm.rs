//! How often one stream speaks, and when its silence is suspicious. Knows nothing but arrival
//! times.

use crate::base::{Nanos, Span};

/// Silence shorter than this is never suspicious.
pub(crate) const SILENCE_MIN: Span = Span::from_secs(3);
/// Silence of this many times the stream's longest recent gap is.
pub(crate) const SILENCE_FACTOR: u64 = 20;
/// Silence longer than this always is.
pub(crate) const SILENCE_MAX: Span = Span::from_secs(60);
/// From one new connection that is asked for to the next: doubled while they do not make the stream
/// speak.
pub(crate) const PATIENCE: Span = Span::from_secs(10);
pub(crate) const PATIENCE_MAX: Span = Span::from_secs(320);
/// The longest gap is forgotten by one part in this many at each message.
const DECAY: u64 = 64;

/// The decayed maximum of the gaps between messages.
///
/// Invariant: [`PATIENCE`] `<= patience <=` [`PATIENCE_MAX`].
///
/// It outlives connections: a quiet instrument is quiet on the next one too. So does patience,
/// which doubles until a second message shows that the stream is there: one that never speaks must
/// not cut the connection that it shares with others for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    gap: Span,
    patience: Span,
    /// Silence counts from here.
    since: Nanos,
    /// The last message of this connection.
    beat: Option<Nanos>,
    /// No new connection before this.
    reconnect_from: Nanos,
    /// Times that it was tried to make the stream speak, and it did not.
    revived: u32,
}

impl Rhythm {
    pub(crate) fn new() -> Self {
        Self {
            gap: Span::ZERO,
            patience: PATIENCE,
            since: Nanos::ZERO,
            beat: None,
            reconnect_from: Nanos::ZERO,
            revived: 0,
        }
    }

    /// A connection began: silence counts from here, and what lies before is no gap.
    pub(crate) fn start(&mut self, now: Nanos) {
        (self.since, self.beat) = (now, None);
    }

    /// News of another kind (a snapshot): silence counts from here.
    pub(crate) fn rewind(&mut self, now: Nanos) {
        self.since = now;
    }

    /// The silence up to `until` is proved to have been quiet: there was nothing to say.
    pub(crate) fn quiet(&mut self, until: Nanos) {
        if until > self.since {
            let from = self.beat.unwrap_or(self.since);
            self.gap = self.gap.max(until.since(from));
            self.since = until;
        }
        self.check();
    }

    /// The stream said something new.
    pub(crate) fn beat(&mut self, now: Nanos) {
        if let Some(before) = self.beat {
            let decayed = self.gap - self.gap / DECAY;
            self.gap = decayed.max(now.since(before));
            self.patience = PATIENCE;
        }
        (self.since, self.beat, self.revived) = (now, Some(now), 0);
        self.check();
    }

    /// When silence becomes suspicious.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let at = self.since + (self.gap * SILENCE_FACTOR).clamp(SILENCE_MIN, SILENCE_MAX);
        debug_assert!(self.since + SILENCE_MIN <= at);
        debug_assert!(at <= self.since + SILENCE_MAX);
        at
    }

    /// The earliest time at which the stream may be made to speak again.
    pub(crate) fn reconnect_from(&self) -> Nanos {
        self.reconnect_from
    }

    /// The stream is to be made to speak. Returns how often that was tried before in vain.
    pub(crate) fn revive(&mut self, now: Nanos) -> u32 {
        self.reconnect_from = now + self.patience;
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        self.revived += 1;
        debug_assert!(now <= self.reconnect_from);
        self.check();
        self.revived - 1
    }

    fn check(&self) {
        debug_assert!(PATIENCE <= self.patience);
        debug_assert!(self.patience <= PATIENCE_MAX);
    }
}
