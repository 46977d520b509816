//! REST bodies on their way to the recorder. Never blocks whoever fetched them.

use crate::base::{InstrumentId, Nanos};
use crate::exchange::{Exchange, RestRequest};
use crate::world::os::clock::monotonic;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bodies that may wait for the recorder; the metadata of a run's start wait here for its thread.
const BODIES: usize = 1_024;

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Body {
    /// Whose it is.
    pub(crate) exchange: &'static str,
    /// URL of the request, at the exchange's own host.
    pub(crate) conn: String,
    /// When it was there.
    pub(crate) at: Nanos,
    /// The instrument of a snapshot: it stands in the recording where the lane took it in.
    pub(crate) snapshot: Option<InstrumentId>,
    /// Exactly as it came.
    pub(crate) bytes: Vec<u8>,
}

/// The fetchers' end.
#[derive(Clone)]
pub(crate) struct BodyTap {
    sender: Sender<Body>,
    lost: Arc<AtomicU64>,
}

/// The recorder's end.
pub(crate) struct BodyEnd {
    pub(super) inbox: Receiver<Body>,
    lost: Arc<AtomicU64>,
}

/// The way of bodies to the recorder.
pub(crate) fn bodies() -> (BodyTap, BodyEnd) {
    let (sender, inbox) = crossbeam_channel::bounded(BODIES);
    let lost = Arc::new(AtomicU64::new(0));
    let tap = BodyTap {
        sender,
        lost: lost.clone(),
    };
    (tap, BodyEnd { inbox, lost })
}

impl BodyTap {
    /// Hands over the body of the answer to `request`; `snapshot` names the instrument if a lane
    /// gets it.
    pub(crate) fn keep(
        &self,
        exchange: &dyn Exchange,
        request: &RestRequest,
        bytes: Vec<u8>,
        snapshot: Option<InstrumentId>,
    ) {
        let host = exchange.endpoints().rest;
        let body = Body {
            exchange: exchange.name(),
            conn: format!("https://{}{}", bare(&host), request.path),
            at: monotonic(),
            snapshot,
            bytes,
        };
        match self.sender.try_send(body) {
            // A recorder that has ended says itself why.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl BodyEnd {
    /// Bodies that found no room, since the beginning.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A host without the port that everybody means.
pub(crate) fn bare(host_port: &str) -> &str {
    host_port.strip_suffix(":443").unwrap_or(host_port)
}
