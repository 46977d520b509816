//! Why a book may not be read, as a word for people. Decides nothing.

/// Why a book is not live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dark {
    /// There is no connection.
    NoConnection,
    /// The exchange has not confirmed the stream yet.
    NotBegun,
    /// The exchange refused the stream.
    Refused,
    /// No snapshot came yet.
    NoSnapshot,
    /// The snapshots that come are older than the stream.
    TooOld,
    /// The snapshots that come are crossed or locked.
    Unbelieved,
    /// No snapshot could be fetched.
    Failed,
    /// The messages that wait do not follow one another.
    Hole,
    /// The stream did not bring its whole book.
    NoBook,
    /// The stream is silent for longer than it ever was.
    Silent,
    /// The stream does not bring what a snapshot shows.
    Dead,
}

impl Dark {
    /// Every reason, by its number.
    pub(crate) const ALL: [Self; 11] = [
        Self::NoConnection,
        Self::NotBegun,
        Self::Refused,
        Self::NoSnapshot,
        Self::TooOld,
        Self::Unbelieved,
        Self::Failed,
        Self::Hole,
        Self::NoBook,
        Self::Silent,
        Self::Dead,
    ];

    /// For logs, the status line and the summary.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::NotBegun => "stream not confirmed",
            Self::Refused => "stream refused",
            Self::NoSnapshot => "no snapshot",
            Self::TooOld => "snapshots older than the stream",
            Self::Unbelieved => "snapshots crossed",
            Self::Failed => "snapshots fail",
            Self::Hole => "updates missing",
            Self::NoBook => "no book in the stream",
            Self::Silent => "stream silent",
            Self::Dead => "stream dead",
        }
    }
}

const _: () = {
    let mut at = 0;
    while at < Dark::ALL.len() {
        assert!(Dark::ALL[at] as usize == at);
        at += 1;
    }
};

/// What was wrong with the last snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Trouble {
    /// Nothing: none came, or the last one was good.
    #[default]
    None,
    TooOld,
    Unbelieved,
    Failed,
    Hole,
}

impl Trouble {
    pub(crate) fn dark(self) -> Dark {
        match self {
            Self::None => Dark::NoSnapshot,
            Self::TooOld => Dark::TooOld,
            Self::Unbelieved => Dark::Unbelieved,
            Self::Failed => Dark::Failed,
            Self::Hole => Dark::Hole,
        }
    }
}
