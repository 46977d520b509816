//! What a [`super::BookBuilder`] says: what it wants, what became of what it was given, and its
//! counts.

use crate::base::Channel;

/// What a builder asks of its owner. Each [`Want::Snapshot`] is answered by exactly one
/// `BookBuilder::handle_snapshot` or `BookBuilder::handle_snapshot_failed`;
/// before that no other is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Fetch a snapshot of this instrument.
    Snapshot {
        /// It is one more since the book was healthy last, or to confirm what the last one claimed,
        /// so that others go first.
        repeat: bool,
    },
    /// Unsubscribe this instrument's book and subscribe to it again, on every line: the stream
    /// starts with a whole book again, or speaks again. Needs no answer but that.
    Resubscribe,
    /// The same of its trades or quotes: they are silent.
    Renew(Channel),
    /// Replace the connection of this line: it is silent about changes although it stands, or lost
    /// some. Healthy neighbours on it come first.
    Reconnect(u8),
    /// Fetch this instrument's metadata: its stream says numbers that its scales cannot hold.
    Metadata,
}

/// What became of a diff, or of a whole book in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiffOutcome {
    /// The book changed, and was handed to `applied`.
    Applied,
    /// The book has it already.
    Duplicate,
    /// Waits for a snapshot.
    Buffered,
    /// Something is missing before it: the book is gone, and the diff waits for a snapshot.
    Gap,
    /// Something is missing before it: it waits for another line to bring that, and the book stays.
    Held,
    /// Its checksum says that the book is wrong: the book is gone.
    Mismatch,
    /// There is no connection that it could belong to, or another one carries the book, or there is
    /// no book yet that it could change.
    Ignored,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotOutcome {
    /// The book starts from it and is live.
    Live,
    /// Older than the oldest diff that is held: of no use. Another one is asked for later.
    TooOld,
    /// It started the book, but the diffs held do not follow one another: resynchronising.
    Gap,
    /// It replaced a live or stale book at the same update id.
    Refreshed,
    /// Newer than the stale book, and no different: the stream was silent because nothing had
    /// changed.
    Confirmed,
    /// Newer than the book: replaces it as soon as the stream is there.
    Held,
    /// The book needs none, or there is no stream that could keep it true.
    Ignored,
    /// Crossed or locked: no exchange's book is. Another one is asked for later.
    Unbelieved,
    /// It says otherwise than the live book, which is gone: a message was lost that nothing else
    /// shows.
    Contradicted,
}

/// What happened so far; never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Calls of `applied`: snapshots that started a book, and diffs.
    pub updates: u64,
    /// Those `updates` whose best [`AUDIT_LEVELS`] levels were not all provably the exchange's.
    ///
    /// [`AUDIT_LEVELS`]: crate::base::shown::AUDIT_LEVELS
    pub incomplete: u64,
    /// Diffs that the book had already.
    pub duplicates: u64,
    /// Diffs that waited for a snapshot.
    pub(crate) buffered: u64,
    /// Times that updates were missing.
    pub gaps: u64,
    /// Books thrown away within a connection, for a gap or a lasting cross.
    pub resyncs: u64,
    /// Live books replaced by a snapshot at the same update id.
    pub(crate) refreshes: u64,
    /// Live books that another snapshot contradicted: a message was lost, and nothing else showed
    /// it. Each is one of `gaps`, too.
    pub(crate) contradicted: u64,
    /// Snapshots that were older than the diffs that were held.
    pub(crate) too_old: u64,
    /// Snapshots and whole books that were crossed or locked: none was believed.
    pub(crate) unbelieved: u64,
    /// Times that the book became crossed.
    pub(crate) crossed: u64,
    /// Times that the book became stale.
    pub stale: u64,
    /// Messages whose checksum agreed with the book.
    pub checksum_ok: u64,
    /// Messages whose checksum did not.
    pub(crate) checksum_bad: u64,
    /// Gaps of a line that another line filled.
    pub healed: u64,
    /// Diffs dropped for want of a book that the stream must send first.
    pub(crate) unsynced: u64,
    /// Diffs dropped from the full buffer while there was no book.
    pub(crate) overflow: u64,
}
