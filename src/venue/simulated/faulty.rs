//! What goes wrong with market data at this exchange: plans, older books, and REST answers.

use super::*;
use crate::venue::faults::Dice;
use crate::venue::faults::reader::About;
use crate::venue::faults::spoil::Frame;

/// Between two older books that are kept.
const PAST_PERIOD: Span = Span::from_millis(500);

impl Venue {
    /// Where the markets are.
    pub(crate) fn at(&self) -> Nanos {
        self.now
    }

    /// Plans a fault at `now`, for what it is about that is listed here.
    pub(crate) fn plan(&mut self, now: Nanos, step: &Step) {
        let name = self.exchange.name();
        let listed = self
            .listings
            .iter()
            .map(|listing| listing.instrument.symbol);
        let meant = |(_, symbol): &(usize, Symbol)| step.is_about(name, symbol);
        let listed: Vec<(usize, Symbol)> = listed.enumerate().filter(meant).collect();
        if !listed.is_empty() {
            self.schedule.get_mut().plan(now, step, &listed);
        }
    }

    /// From `now` on faults come by chance, so long apart on average. Each exchange has dice of its
    /// own.
    pub(crate) fn by_chance(&mut self, now: Nanos, seed: u64, mean: Span) {
        let listings = self.listings.iter();
        let symbols: Vec<Symbol> = listings.map(|one| one.instrument.symbol).collect();
        let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        let seed = dice_seed(seed, self.exchange.name(), u64::MAX - 1);
        let dice = Dice::new(seed, self.exchange, &names, mean);
        self.schedule.get_mut().by_chance(now, dice, symbols);
    }

    /// What a frame is about.
    pub(crate) fn about(&self, frame: &Frame) -> About {
        let mut reader = self.reader.borrow_mut();
        let new = || Reader::new(self.exchange, &self.listings);
        reader.get_or_insert_with(new).about(frame)
    }

    /// The book of this listing as it was so long ago, if a fault shows that now.
    pub(crate) fn stale(&self, now: Nanos, listing: usize) -> Option<&View> {
        let oldest = self.past[listing].front()?;
        let fault = MarketFault::StaleSnapshot;
        let (back_ms, _) = self
            .schedule
            .borrow_mut()
            .strike(now, fault, Some(listing))?;
        let wanted = self.unix(Nanos(now.0.saturating_sub(Span::from_millis(back_ms).0)));
        let mut newest_first = self.past[listing].iter().rev();
        Some(
            newest_first
                .find(|view| view.at <= wanted)
                .unwrap_or(oldest),
        )
    }

    /// Keeps the book of this listing as it stands, if a planned fault will show an older one.
    pub(super) fn remember(&mut self, listing: usize) {
        let Some(back_ms) = self.schedule.get_mut().wanted(MarketFault::StaleSnapshot) else {
            return;
        };
        let (now, at) = (self.now, self.unix(self.now));
        let past = &self.past[listing];
        let newest = past.back().map_or(Nanos::ZERO, |view| self.nanos(view.at));
        if !past.is_empty() && now.since(newest) < PAST_PERIOD {
            return;
        }
        let number = |pace| self.stands_at(listing, pace);
        let ((id, fast), (_, slow)) = (number(Pace::Fast), number(Pace::Slow));
        let sides = [Side::Buy, Side::Sell].map(|side| self.levels(listing, side).collect());
        let back = Span::from_millis(back_ms) + PAST_PERIOD;
        let past = &mut self.past[listing];
        past.push_back(View {
            at,
            id,
            numbers: [fast, slow],
            sides,
        });
        let too_old = |view: &View| at.0 - view.at.0 > back.0 as i64;
        // One that is old enough stays.
        while past.get(1).is_some_and(too_old) {
            past.pop_front();
        }
    }

    /// Refuses a request, if a fault is on that refuses all.
    pub(super) fn refuse_by_fault(&mut self, now: Nanos, call: Call<'_>) -> Option<Reply> {
        let schedule = self.schedule.get_mut();
        if schedule.is_idle() {
            return None;
        }
        if let Some((retry_after_s, _)) = schedule.strike(now, MarketFault::Unavailable, None) {
            let reply = Reply::text(503, "Service Unavailable", 0);
            return Some(reply.retry_after(retry_after_s));
        }
        let (retry_after_s, _) = schedule.strike(now, MarketFault::TooMany, None)?;
        let ban = self.exchange.mirror().ban();
        let refusal = schedule.refuse(now, retry_after_s, ban);
        Some(self.refuse(refusal, call).retry_after(retry_after_s))
    }

    /// Answers a request that is about no account; a fault may let it see a book that is not as it
    /// is.
    pub(super) fn respond(&mut self, now: Nanos, call: Call<'_>) -> Reply {
        let mirror = self.exchange.mirror();
        if !self.schedule.get_mut().is_idle()
            && let Some(listing) = self.book_asked(call)
            && let Some(view) = self.stale(now, listing)
        {
            let venue = &*self;
            let mut lens = Lens {
                venue,
                listing,
                view,
            };
            return mirror.rest(call, &mut lens);
        }
        mirror.rest(call, self)
    }

    /// The listing whose whole book is asked for by REST.
    fn book_asked(&self, call: Call<'_>) -> Option<usize> {
        let url = format!("https://{}{}", self.exchange.endpoints().rest, call.target);
        let (symbol, _) = self.exchange.snapshot_asked(&url)?;
        self.find(&symbol)
    }
}
