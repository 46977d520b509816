//! Books that an order may be argued from. Judges whether a book is live, of the right connection
//! and young enough; what its prices mean is for others to judge.

use super::picture::Picture;
use crate::base::event::{EVENT_LEVELS, LATE_MAX};
use crate::base::{Instrument, InstrumentId, Nanos, Span, Top};

/// The oldest book that an order may be argued from, from when it was true: a market that is quiet
/// for longer may have changed without our hearing of it.
pub(crate) const BOOK_AGE_MAX: Span = Span::from_secs(3);

/// The picture as an order is judged by it, at one time. Of a book it gives what is fresh then, and
/// nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Present<'p> {
    picture: &'p Picture,
    now: Nanos,
}

/// A book that was live, in time and young when the order was judged. It is needed to admit one
/// ([`Risk::admit`](crate::trading::risk::Risk::admit)), and only [`Present::fresh`] makes it:
///
/// ```
/// use tickwire::market::Fresh;
/// use tickwire::{Event, InstrumentId, Nanos, Picture, Px, Shown};
///
/// fn ask(picture: &mut Picture, id: InstrumentId, event: &Event) -> Option<Px> {
///     picture.handle_event(Nanos(1), event);
///     let fresh: Fresh<'_> = picture.at(Nanos(2)).fresh(id, None).ok()?;
///     Some(fresh.top().best()?.1.px)
/// }
/// fn px(shown: &Shown) -> Option<Px> {
///     Some(shown.top.best()?.1.px)
/// }
/// ```
///
/// A book that was merely shown does not become one:
///
/// ```compile_fail
/// use tickwire::market::Fresh;
/// use tickwire::{Event, InstrumentId, Nanos, Picture, Px, Shown};
///
/// fn fresh(shown: &Shown) -> Fresh<'_> {
///     Fresh { top: &shown.top }
/// }
/// ```
///
/// Nor does one stay fresh while the picture goes on:
///
/// ```compile_fail
/// use tickwire::market::Fresh;
/// use tickwire::{Event, InstrumentId, Nanos, Picture, Px, Shown};
///
/// fn ask(picture: &mut Picture, id: InstrumentId, event: &Event) -> Option<Px> {
///     let fresh: Fresh<'_> = picture.at(Nanos(2)).fresh(id, None).ok()?;
///     picture.handle_event(Nanos(3), event);
///     Some(fresh.top().best()?.1.px)
/// }
/// ```
///
/// Nor can it be kept beside a picture that is gone:
///
/// ```compile_fail
/// use tickwire::market::Fresh;
/// use tickwire::{Event, InstrumentId, Nanos, Picture, Px, Shown};
///
/// fn kept(picture: Picture, id: InstrumentId) -> Option<Fresh<'static>> {
///     picture.at(Nanos(2)).fresh(id, None).ok()
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'p> {
    top: &'p Top<EVENT_LEVELS>,
}

/// Why a book is not fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFresh {
    /// There is none that is live.
    Dark,
    /// It is of another connection than the one that was asked for.
    Moved,
    /// It was so old when it came that newer data is on its way.
    Late(Span),
    /// It was true so long ago.
    Stale(Span),
}

impl Picture {
    /// The picture as an order is judged by it at `now`.
    pub fn at(&self, now: Nanos) -> Present<'_> {
        Present { picture: self, now }
    }
}

impl<'p> Present<'p> {
    /// When that is.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// As the exchange lists it now; `None` if it is not in the run's table.
    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&'p Instrument> {
        self.picture.instrument(id)
    }

    /// The book of this instrument, of the connection `epoch` if one is given.
    ///
    /// # Errors
    /// The first reason for which no order may be argued from it.
    #[inline]
    pub fn fresh(&self, id: InstrumentId, epoch: Option<u32>) -> Result<Fresh<'p>, NotFresh> {
        let shown = self.picture.live(id).ok_or(NotFresh::Dark)?;
        if epoch.is_some_and(|epoch| epoch != shown.epoch) {
            return Err(NotFresh::Moved);
        }
        if shown.delay > LATE_MAX {
            return Err(NotFresh::Late(shown.delay));
        }
        match shown.age(self.now) {
            age if age > BOOK_AGE_MAX => Err(NotFresh::Stale(age)),
            _ => Ok(Fresh { top: &shown.top }),
        }
    }
}

impl<'p> Fresh<'p> {
    /// Its best levels.
    pub fn top(&self) -> &'p Top<EVENT_LEVELS> {
        self.top
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::event;
    use super::*;
    use crate::base::{Body, Status, Symbol};

    const ID: InstrumentId = InstrumentId(0);

    /// A book of this epoch that was true at 10 s, and when it came.
    fn shown(came: Nanos) -> Picture {
        let listed = Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 5));
        let mut picture = Picture::new(&[listed]);
        let book = event(Nanos::from_secs(10), 3, Body::Book(Top::EMPTY));
        picture.handle_event(came, &book);
        picture
    }

    #[test]
    fn a_book_is_fresh_if_it_is_live_of_this_connection_in_time_and_young() {
        let (true_at, late) = (Nanos::from_secs(10), LATE_MAX + Span(1));
        let picture = shown(true_at + LATE_MAX);
        let why = |picture: &Picture, now, epoch| picture.at(now).fresh(ID, epoch).err();
        for epoch in [None, Some(3)] {
            assert_eq!(why(&picture, true_at + BOOK_AGE_MAX, epoch), None);
        }
        let old = BOOK_AGE_MAX + Span(1);
        let stale = Some(NotFresh::Stale(old));
        assert_eq!(why(&picture, true_at + old, Some(3)), stale);
        assert_eq!(why(&picture, true_at + old, Some(2)), Some(NotFresh::Moved));
        let picture = shown(true_at + late);
        let said = why(&picture, true_at + old, None);
        assert_eq!(said, Some(NotFresh::Late(late)));
        let mut picture = shown(true_at);
        picture.handle_event(true_at, &event(true_at, 3, Body::Status(Status::Stale)));
        assert_eq!(why(&picture, true_at, Some(2)), Some(NotFresh::Dark));
        let other = picture.at(true_at).fresh(InstrumentId(1), None);
        assert_eq!(other.err(), Some(NotFresh::Dark));
    }
}
