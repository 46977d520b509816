//! What a simulated market keeps for an account: its orders, own trades and balances, and what it
//! reports of them. Values only: the market changes them, an exchange's mirror words them.

use crate::base::{Asset, Px, Qty, Side, UnixNanos};
use crate::exchange::Rate;
use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Decimals of an [`Amount`].
const AMOUNT_SCALE: u8 = 18;

/// An amount of one asset, in units of 10^-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub(crate) u128);

impl Amount {
    /// Nothing.
    pub(crate) const ZERO: Self = Self(0);

    /// `units` of 10^-`scale`. What an amount is too coarse for is cut off, and what it is too
    /// small for is its maximum.
    pub(crate) fn of(units: u128, scale: u8) -> Self {
        let power = 10u128.pow(AMOUNT_SCALE.abs_diff(scale).into());
        Self(match scale <= AMOUNT_SCALE {
            true => units.saturating_mul(power),
            false => units / power,
        })
    }

    /// In units of 10^-`scale`; what is finer is cut off.
    pub(crate) fn units(self, scale: u8) -> u128 {
        let power = 10u128.pow(AMOUNT_SCALE.abs_diff(scale).into());
        match scale <= AMOUNT_SCALE {
            true => self.0 / power,
            false => self.0.saturating_mul(power),
        }
    }
}

/// What an account has of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// What new orders may use.
    pub(crate) free: Amount,
    /// What open orders need.
    pub(crate) locked: Amount,
}

/// How long an order may live in the simulated market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is filled or cancelled.
    GoodTillCancel,
    /// What does not fill at once expires.
    ImmediateOrCancel,
    /// All of it fills at once, or all of it expires.
    FillOrKill,
}

/// At which price an order trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// At its limit or better.
    Limit,
    /// The same, and never as taker: it is refused if it would.
    PostOnly,
    /// At whatever price there is.
    Market,
}

/// How much an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// This quantity.
    Qty(Qty),
    /// As many lots as this much of the quote asset pays for. Market orders only.
    Worth(Amount),
}

/// What happens to an order that meets another one of its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfTrade {
    /// They trade.
    Allowed,
    /// The resting one expires.
    ExpireMaker,
    /// The incoming one expires.
    ExpireTaker,
    /// Both expire.
    ExpireBoth,
}

/// An order that the exchange's own rules let into the market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the listing.
    pub(crate) listing: usize,
    /// Buy or sell.
    pub(crate) side: Side,
    /// At which price it trades.
    pub(crate) sort: Sort,
    /// The limit price; zero of a market order.
    pub(crate) px: Px,
    /// How much.
    pub(crate) size: Size,
    /// How long it may live.
    pub(crate) life: Life,
    /// The client's name for it.
    pub(crate) client_id: String,
    /// What happens if it meets another one of its account.
    pub(crate) meets: SelfTrade,
}

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It rests, and nothing of it has traded.
    New,
    /// It rests, and some of it has traded.
    PartlyFilled,
    /// All of it has traded.
    Filled,
    /// Its owner took it out.
    Cancelled,
    /// What did not trade at once was not allowed to rest.
    Expired,
    /// It met another order of its own account.
    Prevented,
}

/// An order that the market took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The exchange's number of it, unique within its listing.
    pub(crate) id: u64,
    /// What was asked for, under the newest client id; `size` is what was asked for last.
    pub(crate) asked: Place,
    /// How much it is for: of an order by worth, what that was enough for.
    pub(crate) qty: Qty,
    /// What has traded.
    pub(crate) executed: Qty,
    /// What that was worth in the quote asset.
    pub(crate) paid: Amount,
    /// What is locked for the rest of it: of the quote asset if it buys, else of the base asset.
    pub(crate) locked: Amount,
    /// What was left when it met another one of its account, with the number of that event.
    pub(crate) prevented: Option<(u64, Qty)>,
    /// Where it is in its life.
    pub(crate) status: Status,
    /// How often it was made smaller.
    pub(crate) amends: u32,
    /// When it was placed.
    pub(crate) created: UnixNanos,
    /// When it changed last.
    pub(crate) updated: UnixNanos,
}

impl Order {
    /// What may still trade.
    pub(crate) fn left(&self) -> Qty {
        Qty(self.qty.0 - self.executed.0)
    }

    /// Whether it rests in the market.
    pub(crate) fn is_open(&self) -> bool {
        match self.status {
            Status::New | Status::PartlyFilled => true,
            Status::Filled | Status::Cancelled | Status::Expired | Status::Prevented => false,
        }
    }
}

/// One trade of an account's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnTrade {
    /// The number that everybody sees.
    pub(crate) id: u64,
    /// The order's number.
    pub(crate) order_id: u64,
    /// Index of the listing.
    pub(crate) listing: usize,
    /// The order's side.
    pub(crate) side: Side,
    /// At this price.
    pub(crate) px: Px,
    /// So much.
    pub(crate) qty: Qty,
    /// What it was worth in the quote asset.
    pub(crate) worth: Amount,
    /// What the exchange kept of what was received.
    pub(crate) fee: Amount,
    /// The asset that was received.
    pub(crate) fee_asset: Asset,
    /// The order rested, and another one came.
    pub(crate) maker: bool,
    /// When.
    pub(crate) at: UnixNanos,
}

/// Orders that an account placed in the running interval of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// The limit. Intervals begin at whole multiples of its length.
    pub(crate) rate: Rate,
    /// Which interval was counted last.
    pub(crate) interval: i64,
    /// How many orders.
    pub(crate) count: u32,
}

impl Window {
    /// How many orders were placed in the interval that `now` is in.
    pub(crate) fn count_at(&self, now: UnixNanos) -> u32 {
        match self.interval == self.interval_at(now) {
            true => self.count,
            false => 0,
        }
    }

    /// When the interval ends that `now` is in.
    pub(crate) fn end(&self, now: UnixNanos) -> UnixNanos {
        UnixNanos((self.interval_at(now) + 1).saturating_mul(self.per()))
    }

    /// The interval that `now` is in.
    pub(crate) fn interval_at(&self, now: UnixNanos) -> i64 {
        now.0.div_euclid(self.per())
    }

    fn per(&self) -> i64 {
        i64::try_from(self.rate.per.0).unwrap_or(i64::MAX).max(1)
    }
}

/// What the market keeps for one account. Keys are the listing and the order's number.
#[derive(Debug, Clone)]
pub struct Holdings {
    /// What it has, by asset.
    pub(crate) balances: BTreeMap<Asset, Balance>,
    /// Orders that rest.
    pub(crate) open: BTreeMap<(usize, u64), Order>,
    /// Orders that ended: the newest, as many as the market keeps.
    pub(crate) ended: BTreeMap<(usize, u64), Order>,
    /// Its trades, oldest first: the newest, as many as the market keeps.
    pub(crate) trades: VecDeque<OwnTrade>,
    /// How many orders it placed, by limit.
    pub(crate) windows: Vec<Window>,
    /// When anything here changed last.
    pub(crate) updated: UnixNanos,
}

impl Holdings {
    /// The order of this number.
    pub(crate) fn order(&self, listing: usize, id: u64) -> Option<&Order> {
        let key = (listing, id);
        self.open.get(&key).or_else(|| self.ended.get(&key))
    }

    /// The order under this client id: one that rests, else the newest one.
    pub(crate) fn named(&self, listing: usize, client_id: &str) -> Option<&Order> {
        let open = self.open.range(of(listing)).rev();
        let all = open.chain(self.ended.range(of(listing)).rev());
        let mut all = all.map(|(_, order)| order);
        all.find(|order| order.asked.client_id == client_id)
    }

    /// The orders of a listing that rest, oldest first.
    pub(crate) fn resting(&self, listing: usize) -> impl Iterator<Item = &Order> {
        self.open.range(of(listing)).map(|(_, order)| order)
    }

    /// All orders of a listing, oldest first.
    pub(crate) fn orders(&self, listing: usize) -> Vec<&Order> {
        let (open, ended) = (self.open.range(of(listing)), self.ended.range(of(listing)));
        let mut all: Vec<&Order> = open.chain(ended).map(|(_, order)| order).collect();
        all.sort_by_key(|order| order.id);
        all
    }
}

/// The keys of a listing's orders.
fn of(listing: usize) -> RangeInclusive<(usize, u64)> {
    (listing, 0)..=(listing, u64::MAX)
}

/// What a market made of an order at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// How it stands.
    pub(crate) order: Order,
    /// What it traded.
    pub(crate) trades: Vec<OwnTrade>,
}

/// Why a market refuses what an account asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The account has no such open order.
    Unknown,
    /// One of the account's open orders has this client id.
    Duplicate,
    /// Its free balance is too small.
    Insufficient,
    /// A post-only order would trade at once.
    WouldTake,
    /// Nothing rests on the other side that so much of the quote asset could buy or be had for.
    NoLiquidity,
    /// The new quantity is not below the old one.
    NotLess,
    /// The new quantity is the old one.
    NoChange,
    /// Too many orders in the running interval of this limit, by its place.
    TooMany(usize),
}

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was taken.
    Placed,
    /// Some of it traded.
    Traded(OwnTrade),
    /// Its owner took it out, by a request of this client id.
    Cancelled(String),
    /// Its owner made it smaller; before, it had this client id.
    Amended(String),
    /// The rest of it was not allowed to rest.
    Expired,
    /// It met another one of its account, and expired.
    Prevented,
}

/// What an account is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// An order changed; this is how it stands afterwards.
    Order(Box<Order>, Change),
    /// These balances may have changed.
    Balances(Vec<(Asset, Balance)>),
}

/// One report to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its number among the reports of the exchange: ascending.
    pub(crate) number: u64,
    /// Whose it is.
    pub(crate) account: Arc<str>,
    /// When it happened.
    pub(crate) at: UnixNanos,
    /// What it says.
    pub(crate) news: News,
}

/// What an exchange keeps of what a trade gives, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Of the order that rested.
    pub(crate) maker_ppm: u32,
    /// Of the order that came.
    pub(crate) taker_ppm: u32,
    /// Decimals of a fee; what is finer is not charged.
    pub(crate) decimals: u8,
}

/// How an exchange counts and charges orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What trades cost.
    pub(crate) fees: Fees,
    /// How many orders an account may place.
    pub(crate) orders: &'static [Rate],
    /// What the first trade of an order takes off that count: of one that rested, and of one that
    /// came.
    pub(crate) credit: (u32, u32),
}

/// What a request is about, or that it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    /// Places an order.
    Place,
    /// Cancels orders.
    Cancel,
    /// Cancels one order and places another.
    Replace,
    /// Makes an order smaller.
    Amend,
    /// Asks how orders, trades or balances stand.
    Query,
    /// Anything else.
    Other,
    /// No request: a report that another connection caused, or the market.
    Report,
}

/// Why an exchange refuses a request with which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuses {
    /// Its time is not the exchange's.
    Clock,
    /// The address asked for too much; it is told when it may come back.
    Weight,
    /// The account placed too many orders.
    Orders,
    /// The matching engine does not want it.
    Rejected,
    /// The exchange does not know what became of it.
    Unknown,
    /// For a reason that no document has.
    Strange,
}
