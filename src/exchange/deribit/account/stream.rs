//! The account's private stream, as words: orders and trades of one event together. It has no
//! numbers of its own: what it says may come twice, late or never, and is joined with the orders
//! elsewhere.

use super::orders::Reader;
use super::standing::{Standing, fill};
use crate::base::Said;
use crate::exchange::kit::account::unknown;
use crate::exchange::kit::{Listed, Value, ids};
use crate::exchange::{AccountWord, DecodeError};

/// Says a notification. What is none of the engine's business says nothing.
pub(super) fn notification(
    reader: &mut Reader,
    params: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let data = params.find(b"data");
    let name = data.find(b"instrument_name").string();
    let Some(&listed) = name.and_then(|name| reader.symbols.find(name)) else {
        return Ok(());
    };
    let (orders, trades) = (data.find(b"orders"), data.find(b"trades"));
    for label in orders.items().chain(trades.items()) {
        if let Some(id) = label.find(b"label").string().and_then(ids::client_id) {
            let doubt = unknown(id, listed.id);
            if !reader.otherwise.contains(&doubt) {
                // More orders than have room are told of again by those who ask.
                let _ = reader.otherwise.try_push(doubt);
            }
        }
    }
    changes(reader, (orders, trades), &listed, words)
}

fn changes(
    reader: &mut Reader,
    (orders, trades): (Value<'_>, Value<'_>),
    listed: &Listed,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let ours = || {
        let all = orders.items().map(Standing::of);
        all.filter_map(|order| Some((order.client_id()?, order)))
    };
    for (id, order) in ours() {
        order.say_taken(reader, (id, listed), words)?;
    }
    for trade in trades.items() {
        if let Some(id) = trade.find(b"label").string().and_then(ids::client_id) {
            let said = Said::Fill(fill(trade, listed)?);
            words.push(AccountWord::Order(id, listed.id, said));
        }
    }
    for (id, order) in ours() {
        order.say_state((id, listed), words)?;
    }
    Ok(())
}
