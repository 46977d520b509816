//! What the exchange's error codes mean for the request that they answer. Knows no request.

/// What became of a request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It certainly was not carried out.
    NotDone,
    /// It was not, and neither will another one be before a new logon.
    LoggedOff,
    /// Nobody can say.
    Unknown,
}

/// There is no such order, or none that is open.
pub(super) const ORDER_NOT_FOUND: i32 = 10_004;
/// The request reached the engine after its `valid_until`.
pub(super) const TIMED_OUT: i32 = 13_888;
/// The code that an order has which is called rejected, and nobody says why (`other_reject`).
pub(super) const OTHER_REJECT: i32 = 11_030;

/// The codes of the documents (version 2.1.1). What is not among them could mean anything.
pub(super) fn fate(code: i32) -> Fate {
    match code {
        10_000 | 13_009 => Fate::LoggedOff, // No authorization, or one that has expired.
        // `error`, `other_error`, `internal_server_error`, and a service that does not respond.
        10_001 | 11_031 | 11_094 | 13_028 => Fate::Unknown,
        // The order, its price, its size or its owner; limits; books that are closed.
        10_002..=10_072 => Fate::NotDone,
        // The order as it stands; arguments; maintenance; post only.
        11_008..=11_055 => Fate::NotDone,
        // Who asks, and for what.
        13_004..=13_032 => Fate::NotDone,
        // A method that is switched off; a request that is too late, cancelled or replaced.
        13_503 | 13_666 | 13_667 | 13_780 | TIMED_OUT => Fate::NotDone,
        // JSON-RPC's own: a request that could not be read, or is none.
        -32_700 | -32_602..=-32_600 | -32_000 => Fate::NotDone,
        _ => Fate::Unknown,
    }
}
