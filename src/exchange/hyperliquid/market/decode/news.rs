//! Which trades are news. The first message after a subscription to trades is of the past: as
//! recorded, 30 trades of the last minute, and nothing in it says so. Never holds a trade.

use crate::base::{Instrument, InstrumentId, UnixNanos};

/// From when on the trades of each instrument are news: the first book after the exchange's answer,
/// or the end of the first trades if those come before; `None` before either.
///
/// Times decide, not the order of messages: a frame that is seen again says the same again, and
/// if nothing of the past comes no more than one message is lost.
pub struct News(Box<[Option<UnixNanos>]>);

impl News {
    /// Nothing is news yet.
    pub(crate) fn new(instruments: &[Instrument]) -> Self {
        let places = instruments.iter().map(|one| one.id.index() + 1);
        Self(vec![None; places.max().unwrap_or(0)].into())
    }

    /// A new subscription: the past comes next.
    pub(crate) fn forget(&mut self, id: InstrumentId) {
        if let Some(from) = self.0.get_mut(id.index()) {
            *from = None;
        }
    }

    /// What happens from `time` on is news, unless it began before.
    pub(crate) fn start(&mut self, id: InstrumentId, time: UnixNanos) {
        if let Some(from) = self.0.get_mut(id.index()) {
            from.get_or_insert(time);
        }
    }

    /// True for a trade that is not of the past.
    pub(crate) fn is_new(&self, id: InstrumentId, time: UnixNanos) -> bool {
        let from = self.0.get(id.index()).copied().flatten();
        from.is_some_and(|from| time >= from)
    }
}
