//! The kinds of faults of market data, as data: a name, where each acts, the one number that it
//! may take. Breaks nothing itself.

use crate::base::feed::SnapshotFrom;
use crate::exchange::Exchange;
use std::fmt;

/// A kind of fault. Numbers are those of the list of failure modes of public engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarketFault {
    /// A message of a book's stream is lost (3).
    Gap,
    /// A message of a book's stream comes twice (5).
    Duplicate,
    /// A message of a book's stream comes after the next one (2).
    Reorder,
    /// A byte of a message is another one, so that nobody can read it (19).
    Corrupt,
    /// A book's stream says nothing, and its connection is as alive as ever (14).
    Silent,
    /// Messages of a book's stream come so many milliseconds later (15).
    Late,
    /// A whole book is so many milliseconds older than the changes that follow it (1).
    StaleSnapshot,
    /// REST requests are refused with 429 and `Retry-After`, and with 418 those that come all the
    /// same, if the exchange bans (25).
    TooMany,
    /// REST requests are refused with 503 and `Retry-After` (22).
    Unavailable,
    /// Open connections end after so many further bytes, in the middle of a frame (31).
    Cut,
    /// Nothing is read from the open connections and nothing written; they stay open (16).
    HalfOpen,
}

/// Where a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On messages about one book.
    Stream,
    /// On a whole book that a client asks for, in the stream or by REST.
    Snapshot,
    /// On all requests to the REST service.
    Rest,
    /// On all connections for streams that are open when it begins.
    Connection,
}

/// The number that a fault takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// As a file names it, with its unit at the end.
    pub key: &'static str,
    /// What a file may say.
    pub range: (u64, u64),
    /// What it is if nobody says it.
    pub default: u64,
}

const fn amount(key: &'static str, range: (u64, u64), default: u64) -> Option<Amount> {
    Some(Amount {
        key,
        range,
        default,
    })
}

impl MarketFault {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Gap,
        Self::Duplicate,
        Self::Reorder,
        Self::Corrupt,
        Self::Silent,
        Self::Late,
        Self::StaleSnapshot,
        Self::TooMany,
        Self::Unavailable,
        Self::Cut,
        Self::HalfOpen,
    ];

    /// As files, tables and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Corrupt => "corrupt",
            Self::Silent => "silent",
            Self::Late => "late",
            Self::StaleSnapshot => "stale-snapshot",
            Self::TooMany => "too-many",
            Self::Unavailable => "unavailable",
            Self::Cut => "cut",
            Self::HalfOpen => "half-open",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Where it acts.
    pub const fn place(self) -> Place {
        match self {
            Self::Gap
            | Self::Duplicate
            | Self::Reorder
            | Self::Corrupt
            | Self::Silent
            | Self::Late => Place::Stream,
            Self::StaleSnapshot => Place::Snapshot,
            Self::TooMany | Self::Unavailable => Place::Rest,
            Self::Cut | Self::HalfOpen => Place::Connection,
        }
    }

    /// Whether it may be of one instrument only.
    pub const fn is_of_one(self) -> bool {
        matches!(self.place(), Place::Stream | Place::Snapshot)
    }

    /// The number that it takes, if it takes one.
    pub const fn amount(self) -> Option<Amount> {
        match self {
            Self::Late => amount("by_ms", (1, 600_000), 3_000),
            Self::StaleSnapshot => amount("back_ms", (1, 600_000), 5_000),
            Self::TooMany | Self::Unavailable => amount("retry_after_s", (1, 86_400), 5),
            Self::Cut => amount("bytes", (0, 1 << 20), 40),
            Self::Gap
            | Self::Duplicate
            | Self::Reorder
            | Self::Corrupt
            | Self::Silent
            | Self::HalfOpen => None,
        }
    }

    /// How often it comes by chance, beside the others.
    pub(crate) const fn weight(self) -> u32 {
        match self.place() {
            Place::Stream => 10,
            Place::Snapshot => 6,
            Place::Rest | Place::Connection => 3,
        }
    }

    /// How long it lasts if it comes by chance, in milliseconds.
    pub(crate) const fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::Gap
            | Self::Duplicate
            | Self::Reorder
            | Self::Corrupt
            | Self::Cut
            | Self::HalfOpen => (0, 0),
            Self::Silent | Self::Late => (500, 15_000),
            Self::StaleSnapshot | Self::TooMany | Self::Unavailable => (1_000, 20_000),
        }
    }

    /// The kind that makes a client do what this one waits for: ask for whole books, or connect.
    /// Whoever wants to see it in any case plans both for the same moment.
    pub const fn shown_by(self) -> Option<Self> {
        match self.place() {
            Place::Stream | Place::Connection => None,
            Place::Snapshot | Place::Rest => Some(Self::Cut),
        }
    }

    /// Whether it means something at this exchange: one that sends whole books in the stream is
    /// asked for none by REST.
    pub fn applies(self, exchange: &dyn Exchange) -> bool {
        let rule = exchange.depth_streams().first().map(|depth| depth.rule);
        match self.place() {
            Place::Rest => rule.is_some_and(|rule| rule.snapshot == SnapshotFrom::Rest),
            Place::Stream | Place::Snapshot | Place::Connection => true,
        }
    }
}

impl fmt::Display for MarketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
