//! What the exchange answers, as words. Believes no more than the answer says: what could mean yes
//! and no means neither.

use super::lists::{balance, resting, trades};
use super::orders::{Reader, Rpc};
use super::refusals::{Fate, ORDER_NOT_FOUND, TIMED_OUT, fate};
use super::standing::{Standing, say, say_with_trades};
use crate::base::{ClientId, End, InstrumentId, Said, Span};
use crate::exchange::kit::account::{append, unknown};
use crate::exchange::kit::ids::{RequestId, letter};
use crate::exchange::kit::{Listed, Value};
use crate::exchange::{AccountWord, DecodeError, RequestKey};

/// A connection on which nothing is sent for ten minutes is cut: a logon in between is something.
const QUIET_MAX: Span = Span::from_secs(600);
/// The code of a refusal that has none, and of a subscription that was taken in part.
const NO_CODE: i32 = 0;

/// Says an answer. One to what the engine does not wait for says nothing.
pub(super) fn answer(
    reader: &mut Reader,
    rpc: &Rpc<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let Some((id, request)) = rpc
        .id
        .string()
        .and_then(|id| Some((id, RequestId::parse(id)?)))
    else {
        return Ok(());
    };
    let key = request.key;
    let mut refused = rpc.error.some().map(|error| reader.note(error));
    if (key, refused) == (RequestKey::Follow, None) && rpc.result.items().count() < reader.count() {
        append(&mut reader.last_error, "a channel was not taken");
        refused = Some(NO_CODE);
    }
    words.push(AccountWord::Answered { key, refused });
    remember(reader, &request, words);
    words.extend(rpc.out.micros().ok().map(AccountWord::At));
    match refused {
        None => taken(reader, (id, &request), rpc.result, words)?,
        Some(code) => refuse(&request, code, words),
    }
    Ok(())
}

impl Reader {
    /// Keeps the exchange's own words of an error, and gives its code.
    fn note(&mut self, error: Value<'_>) -> i32 {
        let message = error.find(b"message").string().unwrap_or_default();
        append(&mut self.last_error, message);
        let data = error.find(b"data");
        for more in [b"param".as_slice(), b"reason"] {
            if let Some(more) = data.find(more).string() {
                append(&mut self.last_error, " ");
                append(&mut self.last_error, more);
            }
        }
        if message == "timed_out" {
            return TIMED_OUT;
        }
        let code = error.find(b"code").signed().ok();
        code.and_then(|code| i32::try_from(code).ok())
            .unwrap_or(NO_CODE)
    }
}

/// What is to be said if the rest of the answer cannot be read.
fn remember(reader: &mut Reader, request: &RequestId, words: &[AccountWord]) {
    let (RequestKey::Place(id)
    | RequestKey::Cancel(id)
    | RequestKey::Reduce(id)
    | RequestKey::Order(id)) = request.key
    else {
        return;
    };
    reader.otherwise.extend(words.iter().copied());
    reader.otherwise.push(unknown(id, request.instrument));
}

/// Says what a request brought that was not refused.
fn taken(
    reader: &mut Reader,
    (text, request): (&str, &RequestId),
    result: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let listed = |reader: &Reader| reader.listed(request.instrument);
    match request.key {
        RequestKey::Logon => {
            let token = Span::from_secs(result.find(b"expires_in").unsigned()?);
            words.push(AccountWord::LogonLasts(token.min(QUIET_MAX)));
        }
        RequestKey::Follow => {}
        RequestKey::Time => words.push(AccountWord::Time(result.millis()?)),
        RequestKey::Place(id) | RequestKey::Reduce(id) => {
            let listed = listed(reader)?;
            let (order, trades) = (result.find(b"order"), result.find(b"trades"));
            say_with_trades(reader, order, trades, (id, &listed), words)?;
        }
        RequestKey::Cancel(id) if result.is_object() => {
            let listed = listed(reader)?;
            say(reader, result, (id, &listed), words)?;
        }
        RequestKey::Cancel(id) => {
            // How many orders had the label: how much of it traded is for another one to say.
            let said = match result.unsigned()? {
                0 => Said::ChangeRefused {
                    code: ORDER_NOT_FOUND,
                },
                _ => Said::Ended(End::Cancelled, None),
            };
            words.push(AccountWord::Order(id, request.instrument, said));
        }
        RequestKey::Order(id) => {
            let listed = listed(reader)?;
            match result.is_object() {
                true => say(reader, result, (id, &listed), words)?,
                false => found(reader, text, result, (id, &listed), words)?,
            }
        }
        RequestKey::Trades(_) => trades(&listed(reader)?, result, words)?,
        RequestKey::OpenOrders => {
            for order in result.array()? {
                words.push(AccountWord::Resting(resting(reader, order)?));
            }
        }
        RequestKey::Balances => {
            for summary in result.find(b"summaries").array()? {
                words.push(balance(summary)?);
            }
        }
    }
    Ok(())
}

/// Says what a search for our name in one currency found.
fn found(
    reader: &mut Reader,
    text: &str,
    orders: Value<'_>,
    (id, listed): (ClientId, &Listed),
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let mut any = false;
    for order in orders.array()? {
        let standing = Standing::of(order);
        if standing.client_id() == Some(id) && standing.is_of(listed) {
            any = true;
            say(reader, order, (id, listed), words)?;
        }
    }
    if reader.searched(text, (id, listed.id), any) {
        words.push(AccountWord::Order(id, listed.id, Said::Absent));
    }
    Ok(())
}

/// Says what a refusal means for the order that the request was about.
fn refuse(request: &RequestId, code: i32, words: &mut Vec<AccountWord>) {
    let fate = fate(code);
    let said = match (request.key, fate) {
        (RequestKey::Place(_) | RequestKey::Cancel(_) | RequestKey::Reduce(_), Fate::Unknown) => {
            Some(Said::Unanswered)
        }
        (RequestKey::Place(_), _) => Some(Said::Rejected { code }),
        (RequestKey::Cancel(_) | RequestKey::Reduce(_), _) => Some(Said::ChangeRefused { code }),
        (RequestKey::Order(_), _) if code == ORDER_NOT_FOUND => Some(Said::Absent),
        (
            RequestKey::Order(_)
            | RequestKey::Logon
            | RequestKey::Time
            | RequestKey::Follow
            | RequestKey::Trades(_)
            | RequestKey::OpenOrders
            | RequestKey::Balances,
            _,
        ) => None,
    };
    if let (
        Some(said),
        RequestKey::Place(id)
        | RequestKey::Cancel(id)
        | RequestKey::Reduce(id)
        | RequestKey::Order(id),
    ) = (said, request.key)
    {
        words.push(AccountWord::Order(id, request.instrument, said));
    }
    // The gateway ends the session itself if its logon or its stream was refused.
    let asked = !matches!(request.key, RequestKey::Logon | RequestKey::Follow);
    if asked && fate == Fate::LoggedOff {
        words.push(AccountWord::LoggedOff { code });
    }
}

impl Reader {
    /// A search for our name was made that this text names; `any` is whether it found the order.
    /// Whether there is no such order.
    ///
    /// An order of a pair is looked for in either currency, because nobody documents under which
    /// of the two it is: only the one that has found an order of the pair before is believed alone.
    fn searched(
        &mut self,
        text: &str,
        (id, instrument): (ClientId, InstrumentId),
        any: bool,
    ) -> bool {
        let at = usize::from(text.starts_with(letter::ORDER_OTHERWISE));
        let Some(market) = self.market_mut(instrument) else {
            return false;
        };
        if any {
            (market.search, market.finds) = (at, Some(at));
            return false;
        }
        let elsewhere = market.searched == Some((id, 1 - at));
        if market.finds == Some(at) || elsewhere {
            market.searched = None;
            return true;
        }
        market.searched = Some((id, at));
        market.search = 1 - at;
        false
    }
}
