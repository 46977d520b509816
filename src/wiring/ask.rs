//! What lanes ask of the world beside their sockets, and what comes back. Workers and the clerk
//! carry both without looking at what they mean, so that a new kind of request is a variant here,
//! an arm in the lane that makes it and an arm in the clerk that serves it.

use crate::base::{Instrument, InstrumentId, ServerTime, Snapshot};
use std::net::SocketAddr;

/// What a lane asks. It is `Copy` and small: asking allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The addresses of the lane's host.
    Addresses,
    /// A snapshot.
    Snapshot {
        /// Of which instrument.
        id: InstrumentId,
        /// Its book was not healthy since the last one, so that others go first.
        repeat: bool,
    },
    /// What the exchange now lists of this instrument: a number of it did not fit.
    Instrument(InstrumentId),
}

impl Ask {
    /// What a lane is told if nobody could take its request. It asks for an instrument's listing
    /// again anyway.
    pub(crate) fn unanswered(self) -> Option<Answer> {
        match self {
            Self::Addresses => Some(Answer::Addresses(Vec::new())),
            Self::Snapshot { id, .. } => Some(Answer::Snapshot(id, None)),
            Self::Instrument(_) => None,
        }
    }
}

/// What comes back. Nobody need have asked for an instrument or for the time.
#[derive(Debug)]
pub enum Answer {
    /// To [`Ask::Addresses`]; none if they could not be found.
    Addresses(Vec<SocketAddr>),
    /// To [`Ask::Snapshot`]; `None` if the clerk could not fetch it.
    Snapshot(InstrumentId, Option<Box<Snapshot>>),
    /// An instrument as its exchange lists it now.
    Instrument(Box<Instrument>),
    /// The exchange told its time with an answer.
    Time(ServerTime),
}
