//! What faults of market data make of what one connection says.

use super::{Session, Speaker};
use crate::base::Nanos;
use crate::exchange::mirror::Happened;
use crate::venue::faults::lens::Lens;
use crate::venue::faults::reader::About;
use crate::venue::faults::spoil::Frame;
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

impl Session {
    /// Keeps a request that led to further streams.
    pub(super) fn remember(&mut self, text: &str) {
        if self.asked.len() < ASKED_MAX {
            self.asked.push(text.to_owned());
        }
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
            if let About::Book(listing) = about
                && let Some(stale) = self.stale(now, listing, venue)
            {
                frame = stale;
            }
            match about {
                About::Book(listing) | About::Change(listing) => {
                    let schedule = &mut venue.schedule.borrow_mut();
                    let spoiler = &mut self.spoiler;
                    spoiler.handle_frame(now, listing, frame, schedule, &mut left);
                }
                About::Other => left.push(frame),
            }
        }
        for frame in left {
            match frame {
                Frame::Text(text) => out.push(text),
                Frame::Binary(bytes) => self.binary.push_back(bytes),
            }
        }
    }

    /// The frame of a whole book that is older than it should be, if a fault wants that.
    fn stale(&self, now: Nanos, listing: usize, venue: &Venue) -> Option<Frame> {
        let view = venue.stale(now, listing)?;
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
