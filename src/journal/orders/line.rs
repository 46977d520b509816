//! A line of the order journal as its JSON has it. One definition reads and writes it.

use crate::base::{Accepter, End, Mode, OrderType, Side};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What every line has.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head<'l> {
    /// The running number, from 1.
    pub(super) n: u64,
    /// When it happened, in nanoseconds since 1970.
    pub(super) ts_ns: i64,
    /// What sort of line it is.
    #[serde(borrow)]
    pub(super) kind: Cow<'l, str>,
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The version of the format.
    pub(crate) journal: u32,
    /// The version of tickwire.
    pub(crate) tickwire: String,
    /// The exchange of the account.
    pub(crate) exchange: String,
    /// The fingerprint of the account's key.
    pub(crate) account: String,
}

/// What a line says, beside its head. The name of its arm is the line's kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Body {
    Begun(Begun),
    /// What the amounts of an instrument are to be read with.
    Instrument {
        symbol: String,
        base: String,
        quote: String,
        px_scale: u8,
        qty_scale: u8,
        contract: String,
        inverse: bool,
    },
    Admitted {
        #[serde(flatten)]
        order: OrderText,
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<u64>,
    },
    Asked {
        order: u64,
        symbol: String,
        change: ChangeWord,
        #[serde(skip_serializing_if = "Option::is_none")]
        qty: Option<String>,
    },
    Heard {
        order: u64,
        symbol: String,
        source: SourceWord,
        #[serde(skip_serializing_if = "Option::is_none")]
        asked_ns: Option<i64>,
        #[serde(flatten)]
        said: SaidText,
    },
    Listed {
        symbol: String,
        asked_ns: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<u64>,
    },
    Unlisted {
        symbol: String,
        since_ns: i64,
    },
    Adopted {
        order: u64,
        exchange_id: u64,
        symbol: String,
        side: SideWord,
        px: String,
        qty: String,
        traded: String,
    },
    Open {
        #[serde(flatten)]
        order: OrderText,
        filled: String,
        told: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        exchange_id: Option<u64>,
        acked: bool,
        in_doubt: bool,
        changing: bool,
        contradicted: bool,
        changed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        over: Option<EndWord>,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<String>,
        sent_ns: i64,
    },
    Position {
        strategy: Option<String>,
        symbol: String,
        qty: String,
        cash: String,
        /// Absent in what earlier versions wrote.
        cost: Option<String>,
        /// What fees took of the base asset; absent in what earlier versions wrote.
        taken: Option<String>,
    },
    Seen {
        symbol: String,
        trade_id: u64,
    },
    SeenTo {
        symbol: String,
        trade_id: u64,
    },
    UsedTo {
        order: u64,
    },
    Holds {
        asset: String,
        amount: String,
    },
    HoldsNoOther,
    Differs {
        entry: u64,
        asset: String,
        expected: String,
        found: String,
    },
    Accepted {
        entry: u64,
        by: AccepterWord,
    },
    AcceptedSoFar {
        asset: String,
        amount: String,
    },
    Held {
        symbol: String,
        on: bool,
    },
    Day {
        strategy: Option<String>,
        quote: String,
        gained: String,
        best: String,
    },
    Marked {
        symbol: String,
        bid: String,
        ask: String,
    },
    Set {
        strategy: String,
        key: String,
        value: String,
    },
    Mode {
        strategy: Option<String>,
        mode: ModeWord,
    },
    /// The run ended in order.
    Ended,
}

/// The kinds of [`Body`], to tell one that a later version writes from a line that is wrong.
pub(super) const KINDS: [&str; 24] = [
    "begun",
    "instrument",
    "admitted",
    "asked",
    "heard",
    "listed",
    "unlisted",
    "adopted",
    "open",
    "position",
    "seen",
    "seen_to",
    "used_to",
    "holds",
    "holds_no_other",
    "differs",
    "accepted",
    "accepted_so_far",
    "held",
    "day",
    "marked",
    "set",
    "mode",
    "ended",
];

/// A new order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderText {
    pub(super) order: u64,
    /// `None` if it is nobody's.
    pub(super) strategy: Option<String>,
    pub(super) tag: u64,
    pub(super) symbol: String,
    pub(super) side: SideWord,
    pub(super) px: String,
    pub(super) qty: String,
    pub(super) order_type: TypeWord,
}

/// What was said of an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub(super) enum SaidText {
    NotSent,
    Taken {
        exchange_id: u64,
    },
    Fill {
        trade_id: u64,
        side: SideWord,
        px: String,
        qty: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        fee: Option<FeeText>,
        #[serde(skip_serializing_if = "Option::is_none")]
        maker: Option<bool>,
        at_ns: i64,
    },
    Traded {
        qty: String,
    },
    Ended {
        end: EndWord,
        #[serde(skip_serializing_if = "Option::is_none")]
        traded: Option<String>,
    },
    Reduced {
        qty: String,
    },
    Rejected {
        code: i32,
    },
    ChangeRefused {
        code: i32,
    },
    Absent,
    Unanswered,
}

/// What the exchange took for a trade.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FeeText {
    pub(super) asset: String,
    pub(super) amount: String,
    pub(super) rebate: bool,
}

/// An enum of the journal's own words for the arms of another one.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident for $of:ty { $($arm:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name { $($arm),+ }

        impl From<$of> for $name {
            fn from(of: $of) -> Self {
                match of { $(<$of>::$arm => Self::$arm),+ }
            }
        }

        impl From<$name> for $of {
            fn from(word: $name) -> Self {
                match word { $($name::$arm => Self::$arm),+ }
            }
        }
    };
}

words! { SideWord for Side { Buy, Sell } }
words! { EndWord for End { Filled, Cancelled, Expired } }
words! { TypeWord for OrderType { Limit, PostOnly, ImmediateOrCancel, FillOrKill, Market } }
words! { AccepterWord for Accepter { Rule, Person, Exchange } }
words! { ModeWord for Mode { Trading, ReduceOnly, Halted } }

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeWord {
    Cancel,
    Replace,
    Reduce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SourceWord {
    Answer,
    Stream,
    Query,
}
