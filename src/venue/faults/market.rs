//! The kinds of faults of market data, as data: a name, where each acts, the one number that it
//! may take. Breaks nothing itself.

use crate::base::feed::{Chain, SnapshotFrom};
use crate::exchange::Exchange;
use std::fmt;

/// Where a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the market itself: what it makes of it is the truth.
    Market,
    /// On messages about one book.
    Stream,
    /// On a whole book that a client asks for, in the stream or by REST.
    Snapshot,
    /// On answers to requests for streams.
    Answer,
    /// On all requests to the REST service.
    Rest,
    /// On all connections for streams that are open when it begins.
    Open,
    /// On connections that are made.
    Connect,
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

/// Each kind with its name, its place, how many milliseconds it lasts if it comes by chance, and
/// the number that it takes: key, least, most and default.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident $name:literal $place:ident $least:literal..$most:literal
        $($key:literal $from:literal..$to:literal = $default:literal)?;
    )*) => {
        /// A kind of fault. Numbers are those of the list of failure modes of public engines.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MarketFault {
            $($(#[$doc])* $kind,)*
        }

        impl MarketFault {
            /// Every kind.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$kind),*];
            const COUNT: usize = [$(Self::$kind),*].len();

            /// As files, tables and logs name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Where it acts.
            pub const fn place(self) -> Place {
                match self {
                    $(Self::$kind => Place::$place,)*
                }
            }

            /// The number that it takes, if it takes one.
            pub const fn amount(self) -> Option<Amount> {
                match self {
                    $(Self::$kind => {
                        #[allow(unused_mut, unused_assignments)]
                        let mut amount = None;
                        $(amount = Some(Amount {
                            key: $key,
                            range: ($from, $to),
                            default: $default,
                        });)?
                        amount
                    })*
                }
            }

            /// How long it lasts if it comes by chance, in milliseconds.
            pub(crate) const fn lasts_ms(self) -> (u64, u64) {
                match self {
                    $(Self::$kind => ($least, $most),)*
                }
            }
        }
    };
}

kinds! {
    /// A message of a book's stream is lost (3).
    Gap "gap" Stream 0..0;
    /// A message of a book's stream comes twice (41).
    Duplicate "duplicate" Stream 0..0;
    /// A message of a book's stream comes after the next one (2).
    Reorder "reorder" Stream 0..0;
    /// A byte of a message is another one, so that nobody can read it (19).
    Corrupt "corrupt" Stream 0..0;
    /// A message has another checksum than its book (10).
    Checksum "checksum" Stream 0..0;
    /// A book's stream says nothing, and its connection is as alive as ever (14).
    Silent "silent" Stream 500..15_000;
    /// Messages of a book's stream come so much later (15).
    Late "late" Stream 500..15_000 "by_ms" 1..600_000 = 3_000;
    /// What a book's stream said in the last while comes again (15).
    Repeated "repeated" Stream 0..0 "back_ms" 1..60_000 = 10_000;
    /// A text that is no JSON, before a message (19).
    Prose "prose" Stream 0..2_000;
    /// A message of a kind that nobody knows, before another one (20).
    UnknownEvent "unknown-event" Stream 0..2_000;
    /// Fields that nobody knows, in each object of a message (20).
    UnknownField "unknown-field" Stream 0..10_000;
    /// A whole book that nobody asked for (5).
    Unasked "unasked-snapshot" Stream 0..0;

    /// A whole book is so much older than the changes that follow it (1).
    StaleSnapshot "stale-snapshot" Snapshot 1_000..20_000 "back_ms" 1..600_000 = 5_000;
    /// A whole book has no levels (13).
    EmptySnapshot "empty-snapshot" Snapshot 1_000..10_000;
    /// A whole book has fewer levels than are there, and lacks the best ones (9).
    ShortSnapshot "short-snapshot" Snapshot 1_000..10_000 "levels" 1..100 = 5;

    /// Requests for streams are carried out, and nobody says so (27).
    AckLost "ack-lost" Answer 0..10_000;
    /// Requests for streams are neither carried out nor answered (27).
    RequestLost "request-lost" Answer 0..10_000;
    /// Requests for streams are refused, in the exchange's own words (27).
    Refused "refused" Answer 0..10_000;

    /// REST answers come so much later (1).
    LateAnswer "late-answer" Rest 1_000..20_000 "by_ms" 1..60_000 = 3_000;
    /// REST requests are refused with 429 and `Retry-After`, and with 418 those that come all the
    /// same, if the exchange bans (25).
    TooMany "too-many" Rest 1_000..20_000 "retry_after_s" 1..86_400 = 5;
    /// REST requests are refused with 503 and `Retry-After` (22).
    Unavailable "unavailable" Rest 1_000..20_000 "retry_after_s" 1..86_400 = 5;

    /// Open connections end after so many further bytes, in the middle of a frame (31).
    Cut "cut" Open 0..0 "bytes" 0..1_048_576 = 40;
    /// Nothing is read from the open connections and nothing written; they stay open (16).
    HalfOpen "half-open" Open 0..0;
    /// Open connections get one byte in so many milliseconds (31).
    Drip "drip" Open 1_000..10_000 "every_ms" 1..1_000 = 10;
    /// Open connections are closed with this code: 1012 before maintenance, 1001 for going away
    /// (22).
    Closed "closed" Open 0..0 "code" 1_000..4_999 = 1_012;
    /// Open connections are as old as the exchange lets one become (17).
    OldAge "old-age" Open 0..0;

    /// Connections are accepted and closed before TLS (26).
    ConnectRefused "connect-refused" Connect 0..10_000;
    /// Connections for streams are closed after their upgrade (26).
    UpgradeClosed "upgrade-closed" Connect 0..10_000;
    /// Upgrades are answered with this status and a body (31).
    UpgradeRefused "upgrade-refused" Connect 0..10_000 "status" 300..599 = 503;
    /// The certificate is no longer valid (30).
    CertificateExpired "certificate-expired" Connect 0..10_000;
    /// The certificate is another host's (30).
    CertificateOfOther "certificate-of-other" Connect 0..10_000;
    /// Nobody trusts who signed the certificate (30).
    CertificateUnknown "certificate-unknown" Connect 0..10_000;

    /// The exchange counts its messages anew from a small number (4).
    Reset "reset" Market 0..0;
    /// Nobody offers on one side of a book (13).
    EmptySide "empty-side" Market 500..10_000;
    /// The instrument is not listed, and its stream says nothing (13).
    Delisted "delisted" Market 1_000..20_000;
    /// So many changes of a book come, each with a message, spread over its time (28).
    Burst "burst" Market 500..2_000 "messages" 1..1_000_000 = 5_000;
    /// A book is shown crossed, until it is over (7).
    Crossed "crossed" Stream 0..2_000;
}

impl MarketFault {
    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.name() == name)
    }

    /// Whether it may be of one instrument only.
    pub const fn is_of_one(self) -> bool {
        match self.place() {
            Place::Market | Place::Stream | Place::Snapshot => true,
            Place::Answer | Place::Rest | Place::Open | Place::Connect => false,
        }
    }

    /// How often it comes by chance, beside the others.
    pub(crate) const fn weight(self) -> u32 {
        match self.place() {
            Place::Stream => 10,
            Place::Market | Place::Snapshot => 5,
            Place::Answer | Place::Rest | Place::Open | Place::Connect => 3,
        }
    }

    /// The kind that makes a client do what this one waits for: ask for whole books, or connect.
    /// Whoever wants to see it in any case plans both for the same moment.
    pub const fn shown_by(self) -> Option<Self> {
        match self.place() {
            Place::Market | Place::Stream | Place::Open => None,
            Place::Snapshot | Place::Answer | Place::Rest | Place::Connect => Some(Self::Cut),
        }
    }

    /// Whether it means something at this exchange, on its default depth stream. Whole books are
    /// asked for by REST only where none comes in the stream, and are then needed; not every
    /// exchange sends checksums, or numbers.
    pub fn applies(self, exchange: &dyn Exchange) -> bool {
        let Some(depth) = exchange.depth_streams().first() else {
            return false;
        };
        let by_rest = depth.rule.snapshot == SnapshotFrom::Rest;
        match self {
            Self::Checksum => depth.rule.checksum.is_some(),
            Self::Reset => depth.rule.chain != Chain::Counted,
            // Where each message is a whole book, none is asked for.
            Self::Unasked => {
                !by_rest && (depth.rule.numbered_line || depth.rule.chain != Chain::Rising)
            }
            _ if self.place() == Place::Rest => by_rest,
            _ => true,
        }
    }
}

impl fmt::Display for MarketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
