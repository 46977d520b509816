//! What faults of market data make of what one connection says.

use super::{Session, Speaker};
use crate::base::{Level, Nanos, Qty, Side, Symbol};
use crate::exchange::mirror::{Happened, Market};
use crate::venue::faults::MarketFault;
use crate::venue::faults::lens::{Lens, View};
use crate::venue::faults::reader::About;
use crate::venue::faults::spoil::Frame;
use crate::venue::faults::text;
use crate::venue::simulated::Venue;

/// Requests of one client that are kept, to say what a client like it would be told.
const ASKED_MAX: usize = 1_024;

/// The listing whose book this is about.
pub(super) fn book_of(event: &Happened) -> Option<usize> {
    match event {
        Happened::Depth { diff, .. } => Some(diff.instrument.index()),
        Happened::Trade(_) | Happened::Quote(_) => None,
    }
}

/// How a request for streams is treated.
pub(super) enum Asked {
    /// As it should be.
    Right,
    /// It is neither carried out nor answered.
    Lost,
    /// With names that nobody has in the places of these.
    Hidden(Vec<Symbol>),
}

impl Session {
    /// Keeps a request that led to further streams.
    pub(super) fn remember(&mut self, text: &str) {
        if self.asked.len() < ASKED_MAX {
            self.asked.push(text.to_owned());
        }
    }

    /// How a request is treated. What names no symbol asks for no stream.
    pub(super) fn asks(&self, now: Nanos, text: &str, venue: &Venue) -> Asked {
        if self.is_account() || venue.schedule.borrow().is_idle() {
            return Asked::Right;
        }
        let all: Vec<Symbol> = venue.symbols().collect();
        let names: Vec<&str> = all.iter().map(Symbol::as_str).collect();
        if text::masked(text, &names).is_none() {
            return Asked::Right;
        }
        if venue.strike(now, MarketFault::RequestLost, None).is_some() {
            return Asked::Lost;
        }
        if venue.strike(now, MarketFault::Refused, None).is_some() {
            return Asked::Hidden(all);
        }
        match venue.hidden(now) {
            hidden if hidden.is_empty() => Asked::Right,
            hidden => Asked::Hidden(hidden),
        }
    }

    /// What happened, as faults let this client see it: a book may be crossed.
    pub(super) fn handle_crossed(
        &mut self,
        event: &Happened,
        venue: &Venue,
        out: &mut Vec<String>,
    ) {
        let Speaker::Market(session) = &mut self.speaker else {
            return;
        };
        let Happened::Depth { pace, diff, .. } = event else {
            return session.handle_event(event, venue, out);
        };
        let key = (diff.instrument.index(), *pace);
        let before = self.crossed.remove(&key);
        let idle = venue.schedule.borrow().is_idle();
        let crossed = match idle {
            true => None,
            false => venue.crossed(venue.at(), key.0),
        };
        if before.is_none() && crossed.is_none() {
            return session.handle_event(event, venue, out);
        }
        let mut event = event.clone();
        let Happened::Depth { bids, .. } = &mut event else {
            return;
        };
        // What was shown falsely is as it is again.
        if let Some(level) = before
            && !bids.iter().any(|bid| bid.px == level.px)
        {
            let mut true_bids = venue.levels(key.0, Side::Buy);
            let found = true_bids.find(|bid| bid.px == level.px);
            let qty = found.map_or(Qty(0), |bid| bid.qty);
            bids.push(Level { qty, ..level });
        }
        let Some((view, level)) = crossed else {
            return session.handle_event(&event, venue, out);
        };
        bids.retain(|bid| bid.px != level.px);
        bids.insert(0, level);
        self.crossed.insert(key, level);
        let market = Lens {
            venue,
            listing: key.0,
            view: &view,
        };
        session.handle_event(&event, &market, out);
    }

    /// Lets faults have what was said since `out` had this length. It was about this book, or about
    /// whatever it says.
    pub(super) fn spoil(
        &mut self,
        now: Nanos,
        book: Option<usize>,
        venue: &Venue,
        from: usize,
        out: &mut Vec<String>,
    ) {
        if venue.schedule.borrow().is_idle() && self.spoiler.poll_timeout() == Nanos::NEVER {
            return;
        }
        let mut said: Vec<Frame> = out.drain(from..).map(Frame::Text).collect();
        if let Speaker::Market(session) | Speaker::Player(session, _) = &mut self.speaker {
            said.extend(std::iter::from_fn(|| session.poll_binary()).map(Frame::Binary));
        }
        let mut left = Vec::new();
        self.spoiler.handle_timeout(now, &mut left);
        for mut frame in said {
            let about = match book {
                Some(listing) => About::Change(listing),
                None => venue.about(&frame),
            };
            let mut beside = None;
            match about {
                About::Book(listing) => {
                    let view = venue.false_book(now, listing);
                    let other = view.and_then(|view| self.whole_book(listing, &view, venue));
                    frame = other.unwrap_or(frame);
                }
                About::Change(listing) => {
                    let unasked = venue.strike(now, MarketFault::Unasked, Some(listing));
                    let view = unasked.map(|_| venue.view(listing));
                    beside = view.and_then(|view| self.whole_book(listing, &view, venue));
                }
                About::Answer | About::Other => {}
            }
            match about {
                About::Book(listing) | About::Change(listing) => {
                    let schedule = &mut venue.schedule.borrow_mut();
                    let spoiler = &mut self.spoiler;
                    spoiler.handle_frame(now, listing, frame, schedule, &mut left);
                }
                About::Answer if venue.strike(now, MarketFault::AckLost, None).is_some() => {}
                About::Answer | About::Other => left.push(frame),
            }
            left.extend(beside);
        }
        for frame in left {
            match frame {
                Frame::Text(text) => out.push(text),
                Frame::Binary(bytes) => self.binary.push_back(bytes),
            }
        }
    }

    /// The frame of a whole book as this view has it.
    fn whole_book(&self, listing: usize, view: &View, venue: &Venue) -> Option<Frame> {
        let mut market = Lens {
            venue,
            listing,
            view,
        };
        // Another client of the same sort is shown it: what this session has shown stays true.
        let mut other = venue.exchange.mirror().session(&self.target)?;
        let mut out = Vec::new();
        other.handle_open(&mut market, &mut out);
        for text in &self.asked {
            other.handle_text(text, &mut market, &mut out).ok()?;
        }
        let mut frames = out.into_iter().map(Frame::Text);
        frames.find(|frame| venue.about(frame) == About::Book(listing))
    }
}
