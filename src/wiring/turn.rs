//! What a worker lends its lanes for one turn. Owns nothing.

use crate::base::{Clock, Note};
use crate::watch::latency::Histograms;
use crossbeam_channel::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One turn of a worker: its clock, its histograms, its way to the scribe.
pub struct Turn<'a> {
    /// Where stamps come from.
    pub clock: &'a dyn Clock,
    /// Where spans are recorded.
    pub latency: &'a mut Histograms,
    /// Where log records go.
    pub notes: &'a Notes,
}

/// The way to the scribe for log records. Never blocks: what finds no room is counted.
///
/// Its room is shared out, so that the record of an order always finds some: ordinary records take
/// up to a half, and while more than five eighths are taken no order is admitted
/// (`takes_orders`). What is left holds six records of each order that is open by then, of
/// which risk allows 256: its receipt, its ack, its end, and three fills.
///
/// Invariant: `ordinary <= room` and `orders <= room` of the channel.
#[derive(Clone)]
pub struct Notes {
    sender: Sender<Note>,
    /// Places for ordinary records, and the most that may be taken when an order is admitted.
    ordinary: usize,
    orders: usize,
    lost: Arc<AtomicU64>,
    unwritable: Arc<AtomicBool>,
}

impl Notes {
    /// The way through `sender`, a bounded channel.
    pub fn new(sender: Sender<Note>) -> Self {
        let room = sender.capacity().unwrap_or(usize::MAX / 8);
        let notes = Self {
            sender,
            ordinary: room.div_ceil(2),
            orders: room / 8 * 5,
            lost: Arc::default(),
            unwritable: Arc::default(),
        };
        assert!(notes.ordinary <= room);
        assert!(notes.orders <= room);
        notes
    }

    /// Sends an ordinary record, or counts it as lost. Never waits.
    pub fn send(&self, note: Note) {
        if self.sender.len() < self.ordinary {
            self.record(note);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends the record of an order. It finds room if orders are admitted only while
    /// [`Self::takes_orders`] says so. Never waits.
    pub(crate) fn record(&self, note: Note) {
        if self.sender.try_send(note).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether an order that is admitted now has a place for its record and its outcome, and the
    /// log takes them.
    pub(crate) fn takes_orders(&self) -> bool {
        !self.unwritable.load(Ordering::Relaxed) && self.sender.len() <= self.orders
    }

    /// Records that found no room so far, as the scribe reports them.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }

    /// What the scribe raises while the log cannot be written.
    pub fn unwritable(&self) -> Arc<AtomicBool> {
        self.unwritable.clone()
    }
}
