//! What goes wrong with market data at this exchange: plans, markets, older books, and REST
//! answers.

use super::*;
use crate::base::Px;
use crate::venue::faults::Dice;
use crate::venue::faults::reader::About;
use crate::venue::faults::schedule::Strike;
use crate::venue::faults::spoil::Frame;
use crate::venue::faults::text;

/// Between two older books that are kept.
const PAST_PERIOD: Span = Span::from_millis(500);
/// By how many ticks a crossed book is crossed.
const CROSSED_TICKS: i64 = 2;

impl Venue {
    /// Where the markets are.
    pub(crate) fn at(&self) -> Nanos {
        self.now
    }

    /// Plans a fault at `now`, for what it is about that is listed here.
    pub(crate) fn plan(&mut self, now: Nanos, step: &Step) {
        let name = self.exchange.name();
        let listed = self.symbols().enumerate();
        let listed: Vec<(usize, Symbol)> = listed
            .filter(|(_, symbol)| step.is_about(name, symbol))
            .collect();
        if !listed.is_empty() {
            self.schedule.get_mut().plan(now, step, &listed);
        }
    }

    /// From `now` on faults come by chance, so long apart on average. Each exchange has dice of its
    /// own.
    pub(crate) fn by_chance(&mut self, now: Nanos, seed: u64, mean: Span) {
        let symbols: Vec<Symbol> = self.symbols().collect();
        let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        let seed = dice_seed(seed, self.exchange.name(), u64::MAX - 1);
        let dice = Dice::new(seed, self.exchange, &names, mean);
        self.schedule.get_mut().by_chance(now, dice, symbols);
    }

    /// Lets the faults begin and end that are due.
    pub(super) fn turn_faults(&mut self, now: Nanos) {
        for (listing, strike) in self.schedule.get_mut().handle_timeout(now) {
            if let Source::Flow(flows) = &mut self.source {
                let first = self.events.len();
                let flow = &mut flows.markets[listing];
                fail(flow, now, strike, &mut self.events);
                flows.due = Flows::due_of(&flows.markets);
                self.take_in(first);
            }
        }
    }

    /// What a frame is about.
    pub(crate) fn about(&self, frame: &Frame) -> About {
        let mut reader = self.reader.borrow_mut();
        let new = || Reader::new(self.exchange, &self.listings);
        reader.get_or_insert_with(new).about(frame)
    }

    /// If a fault of this kind is on, it strikes.
    pub(crate) fn strike(
        &self,
        now: Nanos,
        fault: MarketFault,
        listing: Option<usize>,
    ) -> Option<Strike> {
        self.schedule.borrow_mut().strike(now, fault, listing)
    }

    /// The symbols that a request names and that a fault hides from the exchange: it refuses what
    /// it does not know.
    pub(crate) fn hidden(&self, now: Nanos) -> Vec<Symbol> {
        if self.schedule.borrow().is_idle() {
            return Vec::new();
        }
        let gone = |(n, symbol)| {
            let is_gone = self.strike(now, MarketFault::Delisted, Some(n)).is_some();
            is_gone.then_some(symbol)
        };
        self.symbols().enumerate().filter_map(gone).collect()
    }

    /// The symbols of all that is listed.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.listings
            .iter()
            .map(|listing| listing.instrument.symbol)
    }

    /// A whole book of this listing as a fault shows it; `None` if none does.
    pub(crate) fn false_book(&self, now: Nanos, listing: usize) -> Option<View> {
        if let Some(stale) = self.stale(now, listing) {
            return Some(stale);
        }
        let strike = |fault| self.strike(now, fault, Some(listing));
        if strike(MarketFault::EmptySnapshot).is_some() {
            let mut view = self.view(listing);
            view.sides = [Vec::new(), Vec::new()];
            return Some(view);
        }
        let short = strike(MarketFault::ShortSnapshot)?;
        let mut view = self.view(listing);
        for side in &mut view.sides {
            side.truncate(usize::try_from(short.amount).unwrap_or(usize::MAX));
        }
        Some(view)
    }

    /// The book of this listing with a bid above the best ask, if a fault crosses it; and that bid.
    pub(crate) fn crossed(&self, now: Nanos, listing: usize) -> Option<(View, Level)> {
        let ask = self.levels(listing, Side::Sell).next()?;
        self.strike(now, MarketFault::Crossed, Some(listing))?;
        let tick = self.listings[listing].instrument.tick.0;
        let px = Px(ask.px.0.saturating_add(CROSSED_TICKS * tick));
        let bid = Level { px, ..ask };
        let mut view = self.view(listing);
        view.sides[Side::Buy as usize].insert(0, bid);
        Some((view, bid))
    }

    /// The book of this listing as it is.
    pub(crate) fn view(&self, listing: usize) -> View {
        let number = |pace| self.stands_at(listing, pace);
        let ((id, fast), (_, slow)) = (number(Pace::Fast), number(Pace::Slow));
        View {
            at: self.unix(self.now),
            id,
            numbers: [fast, slow],
            sides: [Side::Buy, Side::Sell].map(|side| self.levels(listing, side).collect()),
        }
    }

    /// The book of this listing as it was so long ago, if a fault shows that now.
    fn stale(&self, now: Nanos, listing: usize) -> Option<View> {
        let oldest = self.past[listing].front()?;
        let stale = self.strike(now, MarketFault::StaleSnapshot, Some(listing))?;
        let back = Span::from_millis(stale.amount);
        let wanted = self.unix(Nanos(now.0.saturating_sub(back.0)));
        let mut newest_first = self.past[listing].iter().rev();
        let found = newest_first.find(|view| view.at <= wanted);
        Some(found.unwrap_or(oldest).clone())
    }

    /// Keeps the book of this listing as it stands, if a planned fault will show an older one.
    pub(super) fn remember(&mut self, listing: usize) {
        let Some(back_ms) = self.schedule.get_mut().wanted(MarketFault::StaleSnapshot) else {
            self.past[listing].clear();
            return;
        };
        let newest = self.past[listing].back();
        let newest = newest.map_or(Nanos::ZERO, |view| self.nanos(view.at));
        if !self.past[listing].is_empty() && self.now.since(newest) < PAST_PERIOD {
            return;
        }
        let view = self.view(listing);
        let back = Span::from_millis(back_ms) + PAST_PERIOD;
        let kept_from = view.at.0.saturating_sub_unsigned(back.0);
        let past = &mut self.past[listing];
        past.push_back(view);
        // One that is old enough stays.
        while past.get(1).is_some_and(|view| view.at.0 < kept_from) {
            past.pop_front();
        }
    }

    /// Refuses a request, if a fault is on that refuses all.
    pub(super) fn refuse_by_fault(&mut self, now: Nanos, call: Call<'_>) -> Option<Reply> {
        if self.schedule.get_mut().is_idle() {
            return None;
        }
        if let Some(strike) = self.strike(now, MarketFault::Unavailable, None) {
            let reply = Reply::text(503, "Service Unavailable", 0);
            return Some(reply.retry_after(strike.amount));
        }
        let strike = self.strike(now, MarketFault::TooMany, None)?;
        let ban = self.exchange.mirror().ban();
        let refusal = self.schedule.get_mut().refuse(now, strike.amount, ban);
        Some(self.refuse(refusal, call).retry_after(strike.amount))
    }

    /// Answers a request that is about no account; a fault may let it see another book, or come
    /// late.
    pub(super) fn respond(&mut self, now: Nanos, call: Call<'_>) -> Reply {
        let mirror = self.exchange.mirror();
        if self.schedule.get_mut().is_idle() {
            return mirror.rest(call, self);
        }
        let late = self.strike(now, MarketFault::LateAnswer, None);
        let late = late.map_or(Span::ZERO, |late| Span::from_millis(late.amount));
        let hidden = self.hidden(now);
        let hidden: Vec<&str> = hidden.iter().map(Symbol::as_str).collect();
        let masked = text::masked(call.target, &hidden);
        let call = Call {
            target: masked.as_deref().unwrap_or(call.target),
            ..call
        };
        let listing = self.book_asked(call);
        let view = listing.and_then(|listing| Some((listing, self.false_book(now, listing)?)));
        let reply = match view {
            Some((listing, view)) => {
                let venue = &*self;
                let mut lens = Lens {
                    venue,
                    listing,
                    view: &view,
                };
                mirror.rest(call, &mut lens)
            }
            None => mirror.rest(call, self),
        };
        Reply { late, ..reply }
    }

    /// The listing whose whole book is asked for by REST.
    fn book_asked(&self, call: Call<'_>) -> Option<usize> {
        let url = format!("https://{}{}", self.exchange.endpoints().rest, call.target);
        let (symbol, _) = self.exchange.snapshot_asked(&url)?;
        self.find(&symbol)
    }
}

/// Lets a fault of its market happen.
fn fail(flow: &mut Flow, now: Nanos, strike: Strike, out: &mut Vec<Happened>) {
    match strike.fault {
        MarketFault::Reset => flow.renumber(),
        MarketFault::EmptySide => flow.empty(now, Side::Sell, strike.until, out),
        MarketFault::Delisted => flow.halt(strike.until),
        MarketFault::Burst => {
            let whole = strike.until.since(now).0;
            flow.hurry(now, strike.until, Span(whole / strike.amount.max(1)));
        }
        _ => {}
    }
}
