//! The contract of order entry: what a gateway asks of an exchange's account, and the words that
//! come back. Values only; keeps no order's state.

use super::DecodeError;
use crate::base::{
    Balance, ClientId, Fill, Instrument, InstrumentId, NewOrder, OrderRef, Qty, Question, Resting,
    Said, Span, UnixNanos,
};

/// What a request is about. Its answer names it by that, and a connection has at most one of each
/// under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKey {
    /// The session's logon.
    Logon,
    /// What the exchange's clock shows.
    Time,
    /// The private stream.
    Follow,
    /// The order under this name is to be placed. Also of an order that replaces another one.
    Place(ClientId),
    /// The order under this name is to be cancelled.
    Cancel(ClientId),
    /// Less is to be ordered under this name.
    Reduce(ClientId),
    /// How the order under this name stands.
    Order(ClientId),
    /// Trades in this instrument.
    Trades(InstrumentId),
    /// Every order that rests.
    OpenOrders,
    /// What the account has.
    Balances,
}

/// What an order connection said. A frame that answers a request begins with
/// [`AccountWord::Answered`]; what a frame without it says comes from the private stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AccountWord {
    /// This is the answer to the request. `refused` has the exchange's code if it was refused; what
    /// that means for an order is said by an [`AccountWord::Order`] behind it.
    Answered {
        /// Which request.
        key: RequestKey,
        /// The exchange's code; zero if it refused without one, `None` if it did not.
        refused: Option<i32>,
    },
    /// When the exchange took the request that is answered, or made what the stream tells of.
    At(UnixNanos),
    /// Something about one of our orders.
    Order(ClientId, InstrumentId, Said),
    /// A trade of the account, in the answer to [`Question::Trades`]: the exchange's own number of
    /// its order, and the trade.
    Trade(InstrumentId, u64, Fill),
    /// All trades were listed up to here; `Some` is the last one's number if there are more.
    TradesListed(InstrumentId, Option<u64>),
    /// An order of the account that rests, in the answer to [`Question::OpenOrders`].
    Resting(Resting),
    /// What the account has of an asset: in the answer to [`Question::Balances`] of every asset, by
    /// the stream of those that changed.
    Balance(Balance),
    /// What the exchange's clock shows.
    Time(UnixNanos),
    /// So much of this limit (its place in [`OrderCodec::budgets`]) is used now, by the exchange's
    /// own count, and so much is allowed.
    Used(usize, u32, u32),
    /// The exchange takes no request from this address or account before this time of its clock.
    Banned(UnixNanos),
    /// In the answer to a logon: the session ends so long after it unless it is renewed by another
    /// one.
    LogonLasts(Span),
    /// The session was dropped: no more orders before another logon.
    LoggedOff {
        /// The exchange's code.
        code: i32,
    },
    /// The private stream has ended, and the connection goes on.
    StreamEnded,
    /// The exchange is about to cut the connection.
    Shutdown,
}

/// One of the exchange's limits on an account's requests, in windows that begin at whole multiples
/// of their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The exchange's own word for what is counted, for people.
    pub name: &'static str,
    /// How much fits into a window, before the exchange says it.
    pub limit: u32,
    /// How long it is.
    pub per: Span,
}

/// Requests to frames, and the answers and the private stream back, for one account.
///
/// Frames are made in the codec's own buffer; nothing that is sent while trading allocates once
/// warm. A frame that is empty is not to be sent: its instrument is none of the codec's, or the
/// exchange has no such request. `now` is by the exchange's clock.
pub trait OrderCodec: Send {
    /// Path and query of the WebSocket upgrade.
    fn path(&self) -> String;
    /// The frame that authenticates a connection; empty if each request is signed by itself.
    fn logon(&mut self, now: UnixNanos) -> &[u8];
    /// The frame that asks for the account's private stream.
    fn follow(&mut self, now: UnixNanos) -> &[u8];
    /// The frame that asks for the exchange's time.
    fn time(&self) -> &'static str;
    /// Places an order.
    fn place(&mut self, order: &NewOrder, now: UnixNanos) -> &[u8];
    /// Cancels an order, and places another one only if that was done. Empty if the exchange cannot
    /// do both as one.
    fn replace(&mut self, old: &OrderRef, new: &NewOrder, now: UnixNanos) -> &[u8];
    /// Lets only so much be ordered in all, what traded included, and keeps the order's place in
    /// the queue. Empty if the exchange cannot.
    fn reduce(&mut self, order: &OrderRef, qty: Qty, now: UnixNanos) -> &[u8];
    /// Cancels an order.
    fn cancel(&mut self, order: &OrderRef, now: UnixNanos) -> &[u8];
    /// Asks.
    fn ask(&mut self, question: &Question, now: UnixNanos) -> &[u8];
    /// Decodes one text frame into `words`, which is cleared first. Allocates nothing once warm.
    fn decode(&mut self, frame: &[u8], words: &mut Vec<AccountWord>) -> Result<(), DecodeError>;
    /// The exchange's own words in the frame decoded last: raw, cut to 160 bytes, empty if it
    /// gave none.
    fn last_error(&self) -> &str;

    /// A refusal with this code says that the time in our request was wrong.
    fn blames_clock(&self, code: i32) -> bool;
    /// The exchange's limits on requests.
    fn budgets(&self) -> &'static [Budget];
    /// What a request takes of each budget, by its place, if it is not refused.
    fn cost(&self, key: RequestKey, budget: usize) -> u32;
    /// For so long after it was sent the exchange may deny an order that it has.
    fn visibility(&self) -> Span;
    /// Whether it writes orders of this instrument of its exchange.
    fn takes(&self, instrument: &Instrument) -> bool;
    /// Whether [`Self::reduce`] can be done.
    fn can_reduce(&self) -> bool;
    /// Whether [`Self::replace`] can be done. If not, the old order is cancelled and the new one is
    /// not sent: whoever wanted it is told both, and places it anew.
    fn can_replace(&self) -> bool;
}
