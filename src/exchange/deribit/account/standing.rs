//! How an order stands, and what it traded, as answers and the private stream have it. Says nothing
//! of an order whose state it does not know but that nobody knows.

use super::orders::Reader;
use super::refusals::OTHER_REJECT;
use crate::base::{ClientId, End, Fill, Said};
use crate::exchange::kit::account::{fee, px, unknown};
use crate::exchange::kit::{Listed, Value, ids, keys};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;

keys! {
    struct Keys {
        number = "order_id",
        state = "order_state",
        amount,
        filled = "filled_amount",
        label,
        symbol = "instrument_name",
        lasts = "time_in_force",
        sort = "order_type",
        replaced,
    }
}

/// An order in an answer or in the stream.
pub(super) struct Standing<'t>(Keys<'t>);

impl<'t> Standing<'t> {
    pub(super) fn of(order: Value<'t>) -> Self {
        Self(Keys::of(order))
    }

    /// Our name for it, if it is one of ours.
    pub(super) fn client_id(&self) -> Option<ClientId> {
        self.0.label.string().and_then(ids::client_id)
    }

    /// Whether it is of this instrument.
    pub(super) fn is_of(&self, listed: &Listed) -> bool {
        self.0.symbol.string() == Some(listed.symbol.as_str())
    }

    /// Says that it was taken, and how much is ordered in all if that may be less than before.
    pub(super) fn say_taken(
        &self,
        reader: &mut Reader,
        (id, listed): (ClientId, &Listed),
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        if let Some("rejected" | "untriggered" | "triggered") = self.0.state.string() {
            return Ok(());
        }
        let exchange_id = reader.learn(self.0.number.text()?, listed.id)?;
        let mut say = |said| words.push(AccountWord::Order(id, listed.id, said));
        say(Said::Taken { exchange_id });
        if self.0.replaced.boolean() == Ok(true) {
            say(Said::Reduced(self.0.amount.qty(listed)?));
        }
        Ok(())
    }

    /// Says how it stands, behind the trades that are told with it.
    pub(super) fn say_state(
        &self,
        (id, listed): (ClientId, &Listed),
        words: &mut Vec<AccountWord>,
    ) -> Result<(), DecodeError> {
        // What has no such amount has none of it traded, or all.
        let filled = self.0.filled.some();
        let filled = filled.map(|filled| filled.qty(listed)).transpose()?;
        let said = match self.0.state.text()? {
            "open" => match filled.filter(|filled| filled.0 > 0) {
                Some(filled) => Said::Traded(filled),
                None => return Ok(()),
            },
            "filled" => Said::Ended(End::Filled, filled),
            "cancelled" => Said::Ended(self.end(), filled),
            "rejected" => Said::Rejected { code: OTHER_REJECT },
            _ => {
                words.push(unknown(id, listed.id));
                return Ok(());
            }
        };
        words.push(AccountWord::Order(id, listed.id, said));
        Ok(())
    }

    /// An order that was not to rest is called cancelled, too, when the rest of it expires.
    fn end(&self) -> End {
        let rests = matches!(
            self.0.lasts.string(),
            Some("good_til_cancelled" | "good_til_day")
        );
        match rests && self.0.sort.string() != Some("market") {
            true => End::Cancelled,
            false => End::Expired,
        }
    }
}

/// A trade of the account, under its number within the instrument.
///
/// The documents call its direction the taker's, here as in public trades. Clients that trade there
/// (ccxt, nautilus) take it for the account's own, and so does this. If it were not, a trade of an
/// order that rested would contradict its order, which is then in doubt: none is booked wrongly.
pub(super) fn fill(trade: Value<'_>, listed: &Listed) -> Result<Fill, DecodeError> {
    keys! {
        struct Traded {
            number = "trade_seq",
            side = "direction",
            price,
            amount,
            fee,
            currency = "fee_currency",
            liquidity,
            time = "timestamp",
        }
    }
    let trade = Traded::of(trade);
    Ok(Fill {
        trade_id: trade.number.unsigned()?,
        side: trade.side.side(["buy", "sell"])?,
        px: px(trade.price, listed)?,
        qty: trade.amount.qty(listed)?,
        fee: fee(trade.fee, trade.currency)?,
        maker: match trade.liquidity.some() {
            Some(role) => Some(role.is_first(["M", "T"])?),
            None => None,
        },
        at: trade.time.millis()?,
    })
}

/// Says how an order stands that an answer shows alone.
pub(super) fn say(
    reader: &mut Reader,
    order: Value<'_>,
    of: (ClientId, &Listed),
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    say_with_trades(reader, order, Value::default(), of, words)
}

/// Says how an order stands, and what it traded just now.
pub(super) fn say_with_trades(
    reader: &mut Reader,
    order: Value<'_>,
    trades: Value<'_>,
    (id, listed): (ClientId, &Listed),
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let standing = Standing::of(order);
    if !standing.is_of(listed) {
        return Err(Shape);
    }
    standing.say_taken(reader, (id, listed), words)?;
    for trade in trades.items() {
        let said = Said::Fill(fill(trade, listed)?);
        words.push(AccountWord::Order(id, listed.id, said));
    }
    standing.say_state((id, listed), words)
}
