//! What one instrument's newest live book said, and that it says nothing any more once it is not live.
//! Never keeps a book over a change of epoch.

use crate::base::event::EVENT_LEVELS;
use crate::base::{Body, Event, Status, Top};

/// The part `T` of the newest live book that its owner keeps.
#[derive(Debug, Clone, Copy)]
pub struct Picture<T> {
    /// The newest epoch that a book or a status named.
    epoch: u32,
    live: Option<T>,
}

impl<T> Picture<T> {
    pub const DARK: Self = Self {
        epoch: 0,
        live: None,
    };

    /// What was kept of the live book and its epoch, or `None` while there is no live book.
    pub fn live(&self) -> Option<(&T, u32)> {
        self.live.as_ref().map(|kept| (kept, self.epoch))
    }

    /// Follows books and status. A late book of an earlier epoch changes nothing.
    pub fn handle_event(&mut self, event: &Event, keep: impl FnOnce(&Top<EVENT_LEVELS>) -> T) {
        match &event.body {
            Body::Book(top) => {
                if event.epoch >= self.epoch {
                    self.epoch = event.epoch;
                    self.live = Some(keep(top));
                }
            }
            Body::Status(status) => {
                let went_dark = match status {
                    Status::Live => event.epoch > self.epoch,
                    Status::Connecting | Status::Buffering | Status::Stale | Status::Resyncing => {
                        true // Whatever the epoch: darkness is always believed.
                    }
                };
                if went_dark {
                    self.live = None;
                }
                self.epoch = self.epoch.max(event.epoch);
            }
            Body::Instrument(_) => self.live = None, // Its levels are at other scales.
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Trading(_)
            | Body::Gateway(_)
            | Body::News(_)
            | Body::Report(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trading::risk::tests::{book, status};

    fn after(events: &[Event]) -> Option<(Status, u32)> {
        let mut picture = Picture::DARK;
        for event in events {
            picture.handle_event(event, |_| Status::Live);
        }
        picture.live().map(|(kept, epoch)| (*kept, epoch))
    }

    #[test]
    fn a_book_is_live_until_its_status_says_otherwise() {
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[status(3, Status::Live)]), None);
        let live = Some((Status::Live, 3));
        assert_eq!(after(&[book(3)]), live);
        assert_eq!(after(&[book(3), status(3, Status::Live)]), live);
        for dark in [
            Status::Connecting,
            Status::Buffering,
            Status::Stale,
            Status::Resyncing,
        ] {
            assert_eq!(after(&[book(3), status(3, dark)]), None);
            assert_eq!(after(&[book(3), status(0, dark)]), None);
            assert_eq!(after(&[book(3), status(3, dark), book(3)]), live);
        }
    }

    #[test]
    fn a_new_epoch_ends_the_book_of_the_one_before() {
        assert_eq!(after(&[book(3), status(4, Status::Live)]), None);
        assert_eq!(after(&[status(4, Status::Stale), book(3)]), None);
        let fourth = Some((Status::Live, 4));
        assert_eq!(after(&[book(3), book(4)]), fourth);
        assert_eq!(after(&[book(4), book(3)]), fourth);
    }
}
