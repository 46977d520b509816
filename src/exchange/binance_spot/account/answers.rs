//! What the exchange answers, as words. Believes no more than the answer says: what could mean yes
//! and no means neither.

use super::lists::{balance, resting, trades, used};
use super::orders::Reader;
use super::standing::Standing;
use crate::base::{ClientId, End, Qty, Said, UnixNanos};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::account::{append, unknown};
use crate::exchange::kit::ids::RequestId;
use crate::exchange::kit::{Listed, Value, keys};
use crate::exchange::{AccountWord, DecodeError, RequestKey};
use DecodeError::Shape;

/// The user data stream is subscribed to already.
const FOLLOWED: i32 = -2035;
/// Too many orders: said of new ones only, and no ban.
const TOO_MANY_ORDERS: i32 = -1015;
/// There is no such order.
const NO_ORDER: i32 = -2013;
/// It was cancelled or expired without a trade more than 90 days ago.
const ARCHIVED: i32 = -2026;

keys! {
    struct Envelope {
        id,
        status,
        result,
        error,
        limits = "rateLimits",
    }
}

/// A refusal.
#[derive(Debug, Clone, Copy)]
struct Refusal<'t> {
    status: u64,
    /// Zero if it has none.
    code: i32,
    message: &'t str,
    data: Value<'t>,
}

impl<'t> Refusal<'t> {
    fn of(status: u64, error: Value<'t>) -> Self {
        keys! {
            struct Error { code, msg, data }
        }
        let error = Error::of(error);
        let code = error.code.signed().ok();
        Self {
            status,
            code: code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
            message: error.msg.string().unwrap_or(""),
            data: error.data,
        }
    }

    /// Whether the request certainly was not carried out. A 5xx says that nobody knows, and so do
    /// these codes, whatever their status: behind the exchange's door something went wrong. A code
    /// outside of the documented thousands could mean anything. What has no code was refused in
    /// front of the door only if it is one of three.
    fn is_sure(&self) -> bool {
        let unknown = matches!(self.code, -1000 | -1001 | -1006 | -1007);
        let documented = matches!(self.code, -2999..=-1000);
        match self.status {
            403 | 418 | 429 => !unknown,
            409 => false,
            400..500 => documented && !unknown,
            _ => false,
        }
    }

    /// As [`Self::is_sure`], of a new order: one under its name may have been taken before.
    fn is_sure_of_new(&self) -> bool {
        self.is_sure() && !self.message.starts_with("Duplicate order")
    }

    /// Whether it can be the refusal of one half of two, without saying of which.
    fn may_be_half(&self) -> bool {
        matches!(self.code, -2010 | -2011 | -2021 | -2022)
    }
}

/// Says an answer.
pub(super) fn answer(
    reader: &mut Reader,
    root: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let envelope = Envelope::of(root);
    let id = envelope.id.some().ok_or(Shape)?;
    let status = envelope.status.unsigned()?;
    let refusal = (status != 200).then(|| Refusal::of(status, envelope.error));
    if let Some(refusal) = refusal {
        note(reader, refusal.message);
        note_half(reader, refusal.data);
    }
    let Some(request) = id.string().and_then(RequestId::parse) else {
        if let Some(Refusal { code, .. }) = refusal.filter(|_| id.is_null() && status == 401) {
            words.push(AccountWord::LoggedOff { code });
        }
        banned(refusal, words);
        return Ok(());
    };
    let refused = refusal.map(|refusal| refusal.code);
    let refused = refused.filter(|code| (request.key, *code) != (RequestKey::Follow, FOLLOWED));
    let key = request.key;
    words.push(AccountWord::Answered { key, refused });
    remember(reader, request, words);
    match refusal {
        None => taken(reader, request, envelope.result, words)?,
        Some(refusal) => refuse(reader, request, &refusal, words)?,
    }
    for limit in envelope.limits.items() {
        words.extend(used(limit));
    }
    banned(refusal, words);
    Ok(())
}

/// What is to be said if the rest of the answer cannot be read.
fn remember(reader: &mut Reader, request: RequestId, words: &[AccountWord]) {
    let (RequestKey::Place(id)
    | RequestKey::Cancel(id)
    | RequestKey::Reduce(id)
    | RequestKey::Order(id)) = request.key
    else {
        return;
    };
    reader.otherwise.extend(words.iter().copied());
    for id in request.replaces.into_iter().chain([id]) {
        reader.otherwise.push(unknown(id, request.instrument));
    }
}

/// Keeps the exchange's own words.
fn note(reader: &mut Reader, message: &str) {
    reader.last_error.clear();
    append(&mut reader.last_error, message);
}

keys! {
    /// The two halves of a replacement.
    struct Halves {
        cancel_result = "cancelResult",
        new_result = "newOrderResult",
        cancel = "cancelResponse",
        new = "newOrderResponse",
    }
}

/// Keeps the words of the half that failed, if the refusal has two: those of the whole say less.
fn note_half(reader: &mut Reader, data: Value<'_>) {
    let halves = Halves::of(data);
    let messages = [halves.new, halves.cancel].map(|half| half.find(b"msg").string());
    if let Some(message) = messages.into_iter().flatten().next() {
        note(reader, message);
    }
}

/// Says what a request brought that was not refused.
fn taken(
    reader: &Reader,
    request: RequestId,
    result: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let listed = || reader.listed(request.instrument);
    let at = |object: Value<'_>| time_of(object, b"transactTime").map(AccountWord::At);
    match (request.key, request.replaces) {
        (RequestKey::Logon | RequestKey::Follow, _) => {}
        (RequestKey::Time, _) => {
            words.push(AccountWord::Time(
                time_of(result, b"serverTime").ok_or(Shape)?,
            ));
        }
        (RequestKey::Place(id), None) | (RequestKey::Cancel(id), _) => {
            words.extend(at(result));
            Standing::of(result).say(id, &listed()?, words)?;
        }
        (RequestKey::Place(id), Some(old)) => {
            let halves = Halves::of(result);
            words.extend(at(halves.new));
            say_halves((old, id), &listed()?, &halves, words)?;
        }
        (RequestKey::Reduce(id), _) => {
            words.extend(at(result));
            let order = result.find(b"amendedOrder");
            Standing::of(order).say_whole(id, &listed()?, words)?;
        }
        (RequestKey::Order(id), _) => Standing::of(result).say_whole(id, &listed()?, words)?,
        (RequestKey::Trades(_), _) => trades(&listed()?, result, words)?,
        (RequestKey::OpenOrders, _) => {
            for order in result.array()? {
                words.push(AccountWord::Resting(resting(reader, order)?));
            }
        }
        (RequestKey::Balances, _) => {
            for asset in result.find(b"balances").array()? {
                let [asset, free, locked] =
                    [b"asset".as_slice(), b"free", b"locked"].map(|key| asset.find(key));
                words.push(balance([asset, free, locked])?);
            }
        }
    }
    Ok(())
}

/// Says what a refusal means for the orders that the request was about.
fn refuse(
    reader: &Reader,
    request: RequestId,
    refusal: &Refusal<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let code = refusal.code;
    let instrument = request.instrument;
    let mut say = |id, said| words.push(AccountWord::Order(id, instrument, said));
    match (request.key, request.replaces) {
        (RequestKey::Place(id), Some(old)) => {
            let halves = Halves::of(refusal.data);
            if !halves.cancel_result.is_absent() {
                let listed = reader.listed(instrument)?;
                return say_halves((old, id), &listed, &halves, words);
            }
            // Without data it was refused before either half was tried, or nobody knows.
            let sure = refusal.is_sure_of_new() && !refusal.may_be_half();
            say(old, change_refused(sure, code));
            say(id, new_refused(sure, code));
        }
        (RequestKey::Place(id), None) => say(id, new_refused(refusal.is_sure_of_new(), code)),
        (RequestKey::Cancel(id) | RequestKey::Reduce(id), _) => {
            say(id, change_refused(refusal.is_sure(), code));
        }
        (RequestKey::Order(id), _) => match code {
            NO_ORDER => say(id, Said::Absent),
            ARCHIVED => say(id, Said::Ended(End::Cancelled, Some(Qty(0)))),
            _ => {}
        },
        (
            RequestKey::Logon
            | RequestKey::Time
            | RequestKey::Follow
            | RequestKey::Trades(_)
            | RequestKey::OpenOrders
            | RequestKey::Balances,
            _,
        ) => {}
    }
    Ok(())
}

fn new_refused(sure: bool, code: i32) -> Said {
    match sure {
        true => Said::Rejected { code },
        false => Said::Unanswered,
    }
}

fn change_refused(sure: bool, code: i32) -> Said {
    match sure {
        true => Said::ChangeRefused { code },
        false => Said::Unanswered,
    }
}

/// Says what became of an order and of the one that was to take its place.
fn say_halves(
    (old, new): (ClientId, ClientId),
    listed: &Listed,
    halves: &Halves<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let refusal = |half| Refusal::of(400, half);
    match halves.cancel_result.string() {
        Some("SUCCESS") => Standing::of(halves.cancel).say(old, listed, words)?,
        Some("FAILURE") => {
            let refusal = refusal(halves.cancel);
            let said = change_refused(refusal.is_sure(), refusal.code);
            words.push(AccountWord::Order(old, listed.id, said));
        }
        _ => words.push(unknown(old, listed.id)),
    }
    match halves.new_result.string() {
        Some("SUCCESS") => Standing::of(halves.new).say(new, listed, words)?,
        Some("FAILURE") => {
            let refusal = refusal(halves.new);
            let said = new_refused(refusal.is_sure_of_new(), refusal.code);
            words.push(AccountWord::Order(new, listed.id, said));
        }
        Some("NOT_ATTEMPTED") => words.push(AccountWord::Order(new, listed.id, Said::NotSent)),
        _ => words.push(unknown(new, listed.id)),
    }
    Ok(())
}

/// Says until when nothing is taken, if it is so. Too many orders are no ban: a cancel still goes.
fn banned(refusal: Option<Refusal<'_>>, words: &mut Vec<AccountWord>) {
    let refusal = refusal
        .filter(|refusal| matches!(refusal.status, 418 | 429) && refusal.code != TOO_MANY_ORDERS);
    let until = refusal.and_then(|refusal| time_of(refusal.data, b"retryAfter"));
    words.extend(until.map(AccountWord::Banned));
}

/// The time that this key has; `None` if it has none.
pub(super) fn time_of(object: Value<'_>, key: &[u8]) -> Option<UnixNanos> {
    unix_time(object.find(key).unsigned().ok()?)
}
