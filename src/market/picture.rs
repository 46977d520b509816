//! What each instrument's newest live book says. The desk keeps it once, and lends it to whoever
//! decides. Keeps no book over a change of epoch, and none that is no longer live.

use crate::base::event::EVENT_LEVELS;
use crate::base::{Body, Event, Instrument, InstrumentId, Nanos, Span, Status, Top};

/// A live book as its event brought it.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The best levels of each side, complete or saying that they are not.
    pub top: Top<EVENT_LEVELS>,
    /// The connection that it belongs to.
    pub epoch: u32,
    /// The update that it stands at.
    pub update_id: u64,
    /// The first book of its epoch or after a resync: what came before is not comparable.
    pub fresh: bool,
    /// It was true then, and may have changed since.
    pub as_of: Nanos,
    /// How old it was when it came. If that is much, newer data is on its way.
    pub delay: Span,
}

impl Shown {
    /// How old it is now, in nanoseconds.
    pub fn age(&self, now: Nanos) -> Span {
        now.since(self.as_of)
    }
}

/// The run's instruments as they are listed now, each with its live book if it has one.
#[derive(Debug)]
pub struct Picture {
    /// One per instrument, at the index of its id.
    seats: Box<[Seat]>,
}

/// Invariant: a book that is shown is live and of the newest epoch: `shown.epoch == epoch`.
#[derive(Debug)]
struct Seat {
    instrument: Instrument,
    /// The newest epoch that a book or a status named.
    epoch: u32,
    status: Status,
    shown: Option<Shown>,
    /// Somebody takes orders of it now.
    takes_orders: bool,
}

impl Picture {
    /// Every book is dark, and orders are taken everywhere. `instruments` is the run's table:
    /// instrument `i` has the id `i`.
    pub fn new(instruments: &[Instrument]) -> Self {
        let seat = |(index, instrument): (usize, &Instrument)| {
            assert_eq!(instrument.id.index(), index, "the table is in id order");
            Seat {
                instrument: *instrument,
                epoch: 0,
                status: Status::Connecting,
                shown: None,
                takes_orders: true,
            }
        };
        Self {
            seats: instruments.iter().enumerate().map(seat).collect(),
        }
    }

    /// Instruments of the run's table.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// The run has no instrument.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// As the exchange lists it now; `None` if it is not in the run's table.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.seats.get(id.index()).map(|seat| &seat.instrument)
    }

    /// All of them as they are listed now, by their ids.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.seats.iter().map(|seat| &seat.instrument)
    }

    /// What the book's own machine said of it last; `None` if it is not in the run's table.
    pub fn status(&self, id: InstrumentId) -> Option<Status> {
        self.seats.get(id.index()).map(|seat| seat.status)
    }

    /// Whether somebody takes orders of this instrument now: the account at its exchange is
    /// connected, and known. Risk refuses every order of it otherwise.
    pub fn takes_orders(&self, id: InstrumentId) -> bool {
        self.seats
            .get(id.index())
            .is_some_and(|seat| seat.takes_orders)
    }

    /// Somebody takes orders of this instrument from here on, or nobody does.
    pub(crate) fn set_takes_orders(&mut self, id: InstrumentId, on: bool) {
        if let Some(seat) = self.seats.get_mut(id.index()) {
            seat.takes_orders = on;
        }
    }

    /// The newest live book, or `None` while there is none.
    pub fn live(&self, id: InstrumentId) -> Option<&Shown> {
        self.seats.get(id.index())?.shown.as_ref()
    }

    /// Follows books, their status and listings. False for a late book of an earlier epoch: it
    /// changes nothing, and nobody is to decide from it.
    pub fn handle_event(&mut self, now: Nanos, event: &Event) -> bool {
        let Some(seat) = self.seats.get_mut(event.instrument.index()) else {
            return true;
        };
        match &event.body {
            Body::Book(top) => {
                if event.epoch < seat.epoch {
                    return false;
                }
                (seat.epoch, seat.status) = (event.epoch, Status::Live);
                seat.shown = Some(Shown {
                    top: *top,
                    epoch: event.epoch,
                    update_id: event.update_id,
                    fresh: event.flags.fresh,
                    as_of: event.as_of,
                    delay: now.since(event.as_of),
                });
            }
            Body::Status(status) => {
                let keeps = *status == Status::Live && event.epoch <= seat.epoch;
                if !keeps {
                    seat.shown = None; // Darkness is believed whatever the epoch.
                }
                seat.status = *status;
                seat.epoch = seat.epoch.max(event.epoch);
            }
            Body::Trading(on) => seat.instrument.trading = *on,
            Body::Instrument(instrument) => {
                seat.instrument = *instrument;
                seat.shown = None; // Its levels are at other scales.
            }
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Gateway(_)
            | Body::News(_)
            | Body::Account(_)
            | Body::Report(_) => {}
        }
        seat.check();
        true
    }
}

impl Seat {
    fn check(&self) {
        if let Some(shown) = &self.shown {
            debug_assert_eq!(shown.epoch, self.epoch);
            debug_assert_eq!(self.status, Status::Live);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::{Flags, Stamps, Symbol, UnixNanos};

    /// An event of instrument 0 that was true at `as_of`.
    pub(crate) fn event(as_of: Nanos, epoch: u32, body: Body) -> Event {
        Event {
            stamps: Stamps::default(),
            exch_time: UnixNanos(0),
            as_of,
            update_id: 7,
            epoch,
            instrument: InstrumentId(0),
            flags: Flags::default(),
            body,
        }
    }

    fn listed() -> Instrument {
        Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 5))
    }

    fn book(epoch: u32) -> Told {
        (epoch, Body::Book(Top::EMPTY))
    }

    fn status(epoch: u32, status: Status) -> Told {
        (epoch, Body::Status(status))
    }

    type Told = (u32, Body);

    fn after(told: &[Told]) -> Picture {
        let mut picture = Picture::new(&[listed()]);
        for (epoch, body) in told {
            picture.handle_event(Nanos(9), &event(Nanos(4), *epoch, *body));
        }
        picture
    }

    fn epoch_after(told: &[Told]) -> Option<u32> {
        after(told).live(InstrumentId(0)).map(|shown| shown.epoch)
    }

    #[test]
    fn a_book_is_live_until_its_status_says_otherwise() {
        assert_eq!(epoch_after(&[]), None);
        assert_eq!(epoch_after(&[status(3, Status::Live)]), None);
        assert_eq!(epoch_after(&[book(3)]), Some(3));
        assert_eq!(epoch_after(&[book(3), status(3, Status::Live)]), Some(3));
        for dark in [
            Status::Connecting,
            Status::Buffering,
            Status::Stale,
            Status::Resyncing,
        ] {
            assert_eq!(epoch_after(&[book(3), status(3, dark)]), None);
            assert_eq!(epoch_after(&[book(3), status(0, dark)]), None);
            let again = [book(3), status(3, dark), book(3)];
            assert_eq!(epoch_after(&again), Some(3));
            let picture = after(&[book(3), status(3, dark)]);
            assert_eq!(picture.status(InstrumentId(0)), Some(dark));
        }
    }

    #[test]
    fn a_new_epoch_ends_the_book_of_the_one_before() {
        assert_eq!(epoch_after(&[book(3), status(4, Status::Live)]), None);
        assert_eq!(epoch_after(&[status(4, Status::Stale), book(3)]), None);
        assert_eq!(epoch_after(&[book(3), book(4)]), Some(4));
        assert_eq!(epoch_after(&[book(4), book(3)]), Some(4));
    }

    #[test]
    fn nobody_is_to_decide_from_a_late_book_of_an_earlier_epoch() {
        let mut picture = after(&[book(4)]);
        let mut takes =
            |epoch| picture.handle_event(Nanos(9), &event(Nanos(4), epoch, Body::Book(Top::EMPTY)));
        assert_eq!([takes(3), takes(4), takes(5)], [false, true, true]);
    }

    #[test]
    fn the_age_of_a_book_counts_from_when_it_was_true() {
        let picture = after(&[book(3)]);
        let shown = picture.live(InstrumentId(0)).unwrap();
        assert_eq!((shown.delay, shown.age(Nanos(11))), (Span(5), Span(7)));
    }

    #[test]
    fn an_instrument_is_as_the_exchange_lists_it_now() {
        let halted = [book(3), (3, Body::Trading(false))];
        let of = |told: &[Told]| *after(told).instrument(InstrumentId(0)).unwrap();
        assert!(of(&halted[..1]).trading && !of(&halted).trading);
        let finer = Instrument {
            qty_scale: 6,
            ..listed()
        };
        let listed_anew = [book(3), (3, Body::Instrument(finer))];
        assert_eq!(of(&listed_anew), finer);
        assert_eq!(
            epoch_after(&listed_anew),
            None,
            "its levels are at other scales"
        );
    }

    #[test]
    fn an_instrument_that_is_not_in_the_table_has_no_picture() {
        let picture = after(&[book(3)]);
        for other in [InstrumentId(1), InstrumentId::NONE] {
            assert!(picture.live(other).is_none() && picture.instrument(other).is_none());
            assert!(picture.status(other).is_none());
        }
        assert_eq!((picture.len(), picture.is_empty()), (1, false));
    }
}
