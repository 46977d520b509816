//! Whether an instrument's trades or quotes are silent while its book is not: every stream has a
//! rhythm. Knows arrival times and how the book moved; says when to subscribe again.

use crate::base::{Channel, Nanos, Px, Span};

/// Silence shorter than this is never suspicious: of trades, of trades of which few or none came or
/// whose book cannot be seen, and of quotes.
pub(crate) const TRADES_SILENT: Span = Span::from_secs(30);
/// See [`TRADES_SILENT`].
pub(crate) const FIRST_TRADES_SILENT: Span = Span::from_secs(120);
/// See [`TRADES_SILENT`].
pub(crate) const QUOTES_SILENT: Span = Span::from_secs(10);
/// Trades or quotes of which few or none came, and whose book cannot be seen, are named once after
/// this, until they speak.
pub(crate) const UNSEEN_SILENT: Span = Span::from_secs(600);
/// Silence of this many times the longest gap lately is suspicious.
const FACTOR: u64 = 20;
/// Trades from which on their rhythm is known.
const KNOWN: u32 = 8;
/// Changes of the book, and of its best prices, without which silence says nothing.
const CHANGES_MIN: u32 = 100;
const BEST_CHANGES_MIN: u32 = 20;
/// The longest gap is that of this span and the one before.
const SPAN: Span = Span::from_secs(300);
/// From one new subscription to the next while it stays silent: doubled each time, up to the
/// longest.
const WAIT_MIN: Span = Span::from_secs(30);
const WAIT_MAX: Span = Span::from_secs(1_920);

/// One stream's rhythm.
///
/// Invariant: [`WAIT_MIN`] `<= wait <=` [`WAIT_MAX`], and it is the shortest until a renewal.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    /// Silence counts from here; [`Nanos::NEVER`] while the stream is not confirmed.
    since: Nanos,
    heard: u32,
    /// The longest gap of this span and of the one before, in nanoseconds.
    longest: [u64; 2],
    span_ends: Nanos,
    /// Changes that it should have told of since it spoke last.
    owed: u32,
    /// No other subscription before this; the wait after the next one.
    renew_from: Nanos,
    wait: Span,
    renewals: u32,
}

impl Rhythm {
    const NEW: Self = Self {
        since: Nanos::NEVER,
        heard: 0,
        longest: [0; 2],
        span_ends: Nanos::ZERO,
        owed: 0,
        renew_from: Nanos::ZERO,
        wait: WAIT_MIN,
        renewals: 0,
    };

    fn begin(&mut self, now: Nanos) {
        (self.since, self.owed) = (now, 0);
    }

    #[inline]
    fn beat(&mut self, now: Nanos) {
        if self.since != Nanos::NEVER {
            if now >= self.span_ends {
                (self.longest, self.span_ends) = ([0, self.longest[0]], now + SPAN);
            }
            self.longest[0] = self.longest[0].max(now.since(self.since).0);
        }
        (self.since, self.owed) = (now, 0);
        self.heard = self.heard.saturating_add(1);
        (self.wait, self.renewals) = (WAIT_MIN, 0);
        self.check();
    }

    /// When its silence is suspicious, unless it is by then that nothing happened.
    fn silent_at(&self, least: Span) -> Nanos {
        let longest = self.longest[0].max(self.longest[1]);
        let span = least.0.max(longest.saturating_mul(FACTOR));
        let at = (self.since + Span(span)).max(self.renew_from);
        debug_assert!(self.since <= at);
        debug_assert!(self.renew_from <= at);
        at
    }

    fn renew(&mut self, now: Nanos) -> u32 {
        self.renew_from = now + self.wait;
        self.wait = Span((self.wait.0 * 2).min(WAIT_MAX.0));
        self.renewals += 1;
        debug_assert!(now <= self.renew_from);
        self.check();
        self.renewals
    }

    fn check(&self) {
        debug_assert!(WAIT_MIN <= self.wait);
        debug_assert!(self.wait <= WAIT_MAX);
        debug_assert!(self.renewals > 0 || self.wait == WAIT_MIN);
    }
}

/// The rhythms of one instrument's trades and quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulse {
    trades: Rhythm,
    quotes: Rhythm,
    best: (Px, Px),
    /// The feed keeps the instrument's book: its changes are seen.
    book: bool,
}

impl Pulse {
    pub(crate) fn new(book: bool) -> Self {
        Self {
            trades: Rhythm::NEW,
            quotes: Rhythm::NEW,
            best: (Px(0), Px(0)),
            book,
        }
    }

    /// The stream was confirmed, or ended.
    pub(crate) fn subscribed(&mut self, now: Nanos, channel: Channel, confirmed: bool) {
        let stream = match channel {
            Channel::Depth => return,
            Channel::Trades => &mut self.trades,
            Channel::Quotes => &mut self.quotes,
        };
        match confirmed {
            true => stream.begin(now),
            false => stream.since = Nanos::NEVER,
        }
    }

    #[inline]
    pub(crate) fn trade(&mut self, now: Nanos) {
        self.trades.beat(now);
    }

    #[inline]
    pub(crate) fn quote(&mut self, now: Nanos) {
        self.quotes.beat(now);
    }

    /// The book changed, and has these best prices.
    #[inline]
    pub(crate) fn book(&mut self, best: (Px, Px)) {
        self.trades.owed = self.trades.owed.saturating_add(1);
        let moved = u32::from(best != self.best);
        self.quotes.owed = self.quotes.owed.saturating_add(moved);
        self.best = best;
    }

    fn trades_silent_at(&self) -> Nanos {
        match self.trades.heard >= KNOWN {
            true => self.trades.silent_at(TRADES_SILENT),
            false => self.trades.silent_at(FIRST_TRADES_SILENT),
        }
    }

    /// Without a book nothing shows that there was something to tell: only their own rhythm does.
    fn unseen_silent_at(stream: &Rhythm) -> Nanos {
        match (stream.heard >= KNOWN, stream.renewals) {
            (true, _) => stream.silent_at(FIRST_TRADES_SILENT),
            (false, 0) => stream.silent_at(UNSEEN_SILENT),
            (false, _) => Nanos::NEVER,
        }
    }

    fn unseen_timeout(&mut self, now: Nanos) -> Option<(Channel, u32)> {
        let streams = [
            (Channel::Trades, &mut self.trades),
            (Channel::Quotes, &mut self.quotes),
        ];
        let mut silent = streams.into_iter();
        let silent = silent.find(|(_, stream)| now >= Self::unseen_silent_at(stream));
        silent.map(|(channel, stream)| (channel, stream.renew(now)))
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        if !self.book {
            let [trades, quotes] = [&self.trades, &self.quotes].map(Self::unseen_silent_at);
            return trades.min(quotes);
        }
        let quotes = self.quotes.silent_at(QUOTES_SILENT);
        self.trades_silent_at().min(quotes)
    }

    /// A stream that is silent, and how often that was said in a row.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> Option<(Channel, u32)> {
        if !self.book {
            return self.unseen_timeout(now);
        }
        if now >= self.quotes.silent_at(QUOTES_SILENT) {
            if self.quotes.owed >= BEST_CHANGES_MIN {
                return Some((Channel::Quotes, self.quotes.renew(now)));
            }
            // Nothing to tell of: looked at again later.
            self.quotes.renew_from = now + QUOTES_SILENT;
        }
        if now >= self.trades_silent_at() {
            if self.trades.owed >= CHANGES_MIN {
                return Some((Channel::Trades, self.trades.renew(now)));
            }
            self.trades.renew_from = now + QUOTES_SILENT;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Nanos = Nanos::from_secs(1_000);

    /// What the pulse says in this many seconds about a book that changes ten times a second.
    fn said(
        seconds: u64,
        moves: bool,
        mut speak: impl FnMut(&mut Pulse, u64, Nanos),
    ) -> Vec<(u64, Channel, u32)> {
        let mut pulse = Pulse::new(true);
        for channel in [Channel::Trades, Channel::Quotes] {
            pulse.subscribed(BEGIN, channel, true);
        }
        let mut said = Vec::new();
        for tenth in 0..seconds * 10 {
            let now = BEGIN + Span::from_millis(tenth * 100);
            pulse.book((Px(if moves { tenth as i64 } else { 1 }), Px(9)));
            speak(&mut pulse, tenth, now);
            if now >= pulse.poll_timeout() {
                let news = pulse.handle_timeout(now);
                said.extend(news.map(|(channel, times)| (tenth / 10, channel, times)));
            }
        }
        said
    }

    #[test]
    fn quotes_that_are_silent_while_the_best_prices_move_are_told_of_ever_later() {
        let trades = |pulse: &mut Pulse, _, now| pulse.trade(now);
        let told = [(10, 1), (40, 2), (100, 3), (220, 4)];
        let told = told.map(|(at, times)| (at, Channel::Quotes, times));
        assert_eq!(said(300, true, trades), told);
        assert_eq!(said(300, false, trades), []);
    }

    #[test]
    fn trades_are_silent_after_twenty_times_their_longest_gap_and_half_a_minute() {
        for (every, silent_at) in [(10, 99 + 30), (30, 99 + 60)] {
            let told = said(200, true, |pulse, tenth, now| {
                pulse.quote(now);
                if tenth % every == 0 && tenth < 1_000 {
                    pulse.trade(now);
                }
            });
            assert_eq!(told[0], (silent_at, Channel::Trades, 1), "{told:?}");
        }
    }

    #[test]
    fn a_market_that_never_trades_is_asked_about_after_two_minutes() {
        let told = said(300, true, |pulse, _, now| pulse.quote(now));
        let told: Vec<u64> = told.iter().map(|(at, ..)| *at).collect();
        assert_eq!(told, [120, 150, 210]);
    }

    #[test]
    fn a_quiet_market_and_a_stream_that_nobody_confirmed_are_left_alone() {
        let mut pulse = Pulse::new(true);
        pulse.book((Px(1), Px(2)));
        assert_eq!(pulse.poll_timeout(), Nanos::NEVER);
        pulse.subscribed(BEGIN, Channel::Trades, true);
        for second in 0..10_000 {
            let now = BEGIN + Span::from_secs(second);
            assert_eq!(pulse.handle_timeout(now), None);
        }
        pulse.subscribed(BEGIN, Channel::Trades, false);
        assert_eq!(pulse.poll_timeout(), Nanos::NEVER);
    }

    /// What is said each second of a stream without a book that spoke at these seconds.
    fn said_unseen(channel: Channel, seconds: u64, spoke: &[u64]) -> Vec<(u64, Channel)> {
        let mut pulse = Pulse::new(false);
        pulse.subscribed(BEGIN, channel, true);
        let mut said = Vec::new();
        for second in 0..seconds {
            let now = BEGIN + Span::from_secs(second);
            match channel {
                _ if !spoke.contains(&second) => {}
                Channel::Trades => pulse.trade(now),
                Channel::Quotes | Channel::Depth => pulse.quote(now),
            }
            if now >= pulse.poll_timeout()
                && let Some((channel, _)) = pulse.handle_timeout(now)
            {
                said.push((second, channel));
                pulse.subscribed(now, channel, true); // It is subscribed to again, and confirmed.
            }
        }
        said
    }

    #[test]
    fn a_stream_without_a_book_of_which_nothing_came_is_told_of_once_after_ten_minutes() {
        for channel in [Channel::Trades, Channel::Quotes] {
            assert_eq!(said_unseen(channel, 7_200, &[]), [(600, channel)]);
            let told = said_unseen(channel, 7_200, &[10, 20, 630]);
            assert_eq!(told, [(620, channel), (1_230, channel)]);
        }
    }

    #[test]
    fn a_stream_without_a_book_whose_rhythm_is_known_is_judged_by_it() {
        let spoke: Vec<u64> = (0..20).collect();
        for channel in [Channel::Trades, Channel::Quotes] {
            let told = said_unseen(channel, 150, &spoke);
            assert_eq!(told, [(19 + 120, channel)]);
        }
    }
}
