//! What a worker lends its lanes for one turn. Owns nothing.

use crate::base::{Clock, InstrumentId, Note};
use crate::watch::latency::Recorder;
use crossbeam_channel::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One turn of a worker: its clock, its histograms, its way to the scribe.
pub struct Turn<'a> {
    /// Where stamps come from.
    pub clock: &'a dyn Clock,
    /// Where spans are recorded.
    pub latency: &'a mut Recorder,
    /// Where log records go.
    pub notes: &'a Notes,
}

/// The way to the scribe for log records. Never blocks: what finds no room is counted.
#[derive(Clone)]
pub struct Notes {
    sender: Sender<Note>,
    lost: Arc<AtomicU64>,
}

impl Notes {
    /// The way through `sender`, a bounded channel.
    pub fn new(sender: Sender<Note>) -> Self {
        Self {
            sender,
            lost: Arc::default(),
        }
    }

    /// Sends a record, or counts it as lost. Never waits.
    pub fn send(&self, note: Note) {
        if self.sender.try_send(note).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that found no room so far, as the scribe reports them.
    pub fn lost(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }
}

/// What a lane asks of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The addresses of its host.
    Resolve,
    /// A connection to this address.
    Dial(std::net::SocketAddr),
    /// A snapshot of this instrument.
    Snapshot(InstrumentId),
    /// What the exchange now says of this instrument.
    Metadata(InstrumentId),
}
