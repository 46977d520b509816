//! How an order stands, as answers and the private stream have it. Says nothing of an order whose
//! status it does not know but that nobody knows.

use crate::base::{ClientId, End, Fill, Qty, Said, UnixNanos};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::account::{fee, px, unknown};
use crate::exchange::kit::{Listed, Value, keys};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;

/// The exchange's code for an order that its engine refused. The places that give none mean it.
const ENGINE_REFUSED: i32 = -2010;

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It is in the market.
    Live,
    /// It is over.
    Over(End),
    /// It was refused.
    Rejected,
}

impl Status {
    /// `None` for one that this build does not know.
    pub(super) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" | "PENDING_CANCEL" => Self::Live,
            "FILLED" => Self::Over(End::Filled),
            "CANCELED" => Self::Over(End::Cancelled),
            "EXPIRED" | "EXPIRED_IN_MATCH" => Self::Over(End::Expired),
            "REJECTED" => Self::Rejected,
            _ => return None,
        })
    }

    /// What is said of an order that has this status, and of which so much was ordered and traded.
    pub(super) fn said(self, ordered: Qty, traded: Qty) -> Option<Said> {
        match self {
            Self::Live => (traded.0 > 0).then_some(Said::Traded(traded)),
            // The rest was not allowed to trade with the account's own orders: it is gone.
            Self::Over(End::Filled) if traded < ordered => {
                Some(Said::Ended(End::Expired, Some(traded)))
            }
            Self::Over(end) => Some(Said::Ended(end, Some(traded))),
            Self::Rejected => Some(rejected()),
        }
    }
}

/// The engine refused it.
pub(super) fn rejected() -> Said {
    Said::Rejected {
        code: ENGINE_REFUSED,
    }
}

keys! {
    /// An order in an answer. The shortest sort of answer has no status.
    struct Keys {
        number = "orderId",
        time = "transactTime",
        ordered = "origQty",
        amended = "qty",
        traded = "executedQty",
        status,
        side,
        fills,
    }
}

/// An order in an answer.
pub(super) struct Standing<'t>(Keys<'t>);

impl<'t> Standing<'t> {
    pub(super) fn of(order: Value<'t>) -> Self {
        Self(Keys::of(order))
    }

    /// Says that it was taken, what it traded, and how it stands.
    pub(super) fn say(
        &self,
        id: ClientId,
        listed: &Listed,
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        self.say_all(id, listed, false, words)
    }

    /// As [`Self::say`], and how much is ordered in all: it may be less than before.
    pub(super) fn say_whole(
        &self,
        id: ClientId,
        listed: &Listed,
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        self.say_all(id, listed, true, words)
    }

    fn say_all(
        &self,
        id: ClientId,
        listed: &Listed,
        whole: bool,
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        let order = &self.0;
        let exchange_id = order.number.unsigned()?;
        let mut say = |said| words.push(AccountWord::Order(id, listed.id, said));
        let Some(status) = order.status.some() else {
            if whole {
                return Err(Shape);
            }
            say(Said::Taken { exchange_id });
            return Ok(());
        };
        let Some(status) = Status::of(status.text()?) else {
            words.push(unknown(id, listed.id));
            return Ok(());
        };
        let ordered = order.ordered.or(order.amended).qty(listed)?;
        let traded = order.traded.qty(listed)?;
        if status == Status::Rejected {
            say(rejected());
            return Ok(());
        }
        say(Said::Taken { exchange_id });
        if whole {
            say(Said::Reduced(ordered));
        }
        for fill in order.fills.items() {
            say(Said::Fill(self.fill(fill, listed)?));
        }
        if let Some(said) = status.said(ordered, traded) {
            say(said);
        }
        Ok(())
    }

    /// A trade in the answer to a new order, which took what was there.
    fn fill(&self, fill: Value<'_>, listed: &Listed) -> Result<Fill, DecodeError> {
        keys! {
            struct Traded {
                price,
                qty,
                commission,
                asset = "commissionAsset",
                number = "tradeId",
            }
        }
        let fill = Traded::of(fill);
        Ok(Fill {
            trade_id: fill.number.unsigned()?,
            side: self.0.side.side(["BUY", "SELL"])?,
            px: px(fill.price, listed)?,
            qty: fill.qty.qty(listed)?,
            fee: fee(fill.commission, fill.asset)?,
            maker: Some(false),
            at: self.time(),
        })
    }

    fn time(&self) -> UnixNanos {
        self.0
            .time
            .unsigned()
            .ok()
            .and_then(unix_time)
            .unwrap_or_default()
    }
}
