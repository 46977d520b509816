//! A market as faults let a client see it: the exchange's own, but for one book. Changes nothing;
//! what is shown here is no truth, and none is told of it.

use crate::base::{Level, Side, Trade, UnixNanos};
use crate::exchange::mirror::{Day, Listing, Market, Pace};
use crate::venue::simulated::Venue;

/// A book that is shown in the place of the true one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The exchange's clock, as it is shown beside.
    pub(crate) at: UnixNanos,
    /// The newest update id.
    pub(crate) id: u64,
    /// The number of the last message of each pace.
    pub(crate) numbers: [u64; 2],
    /// Bids and asks, best first.
    pub(crate) sides: [Vec<Level>; 2],
}

/// The exchange's market with one book as in a view.
pub(crate) struct Lens<'v> {
    pub(crate) venue: &'v Venue,
    pub(crate) listing: usize,
    pub(crate) view: &'v View,
}

impl Market for Lens<'_> {
    fn now(&self) -> UnixNanos {
        self.view.at
    }

    fn listings(&self) -> &[Listing] {
        self.venue.listings()
    }

    /// What is shown stands where it stands.
    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, listing: usize, pace: Pace) -> (u64, u64) {
        match listing == self.listing {
            true => (self.view.id, self.view.numbers[pace as usize]),
            false => self.venue.stands_at(listing, pace),
        }
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        match listing == self.listing {
            true => Box::new(self.view.sides[side as usize].iter().copied()),
            false => self.venue.levels(listing, side),
        }
    }

    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        self.venue.prints(listing)
    }

    fn day(&self, listing: usize) -> Day {
        self.venue.day(listing)
    }

    fn is_played(&self) -> bool {
        self.venue.is_played()
    }
}
