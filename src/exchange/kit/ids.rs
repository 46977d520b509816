//! Names on the wire: those of our orders, and those of requests, by which an answer says what it
//! answers, for exchanges that give both back as they were sent. Remembers none.

use crate::base::{ClientId, InstrumentId};
use crate::exchange::RequestKey;

/// Digits of a number of ours, the most that a `u64` has.
pub(crate) const DIGITS: usize = 20;
/// Digits of an instrument's place in the run's table.
pub(crate) const PLACE_DIGITS: usize = 5;
/// With what the names of our orders begin. No letters but these two: digits above nine would
/// sooner or later spell an SQL word, and some exchange's firewall refuses such requests.
pub(crate) const OURS: &str = "tw";
/// `number` with leading zeros.
pub(crate) fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for place in text.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

/// The order that is called so, if it is one of ours. Takes exactly what is written for one.
pub(crate) fn client_id(text: &str) -> Option<ClientId> {
    let number = text
        .strip_prefix(OURS)
        .filter(|digits| digits.len() == DIGITS)?;
    whole(number).map(ClientId)
}

/// What a request is about, as its id says. The id has its instrument, too, because a refusal does
/// not name it; that of a replacement has both orders, because a refusal names neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(crate) key: RequestKey,
    /// [`InstrumentId::NONE`] if it is about no instrument.
    pub(crate) instrument: InstrumentId,
    /// The order that this one takes the place of.
    pub(crate) replaces: Option<ClientId>,
}

/// The letter with which the ids of a sort of request begin.
pub(crate) mod letter {
    pub(crate) const LOGON: char = 'l';
    pub(crate) const TIME: char = 't';
    pub(crate) const FOLLOW: char = 'f';
    pub(crate) const PLACE: char = 'p';
    pub(crate) const REPLACE: char = 'r';
    pub(crate) const CANCEL: char = 'c';
    pub(crate) const REDUCE: char = 'a';
    pub(crate) const ORDER: char = 'o';
    /// The same question, put in another way.
    pub(crate) const ORDER_OTHERWISE: char = 'u';
    pub(crate) const TRADES: char = 'm';
    pub(crate) const OPEN_ORDERS: char = 'w';
    pub(crate) const BALANCES: char = 'b';
}

impl RequestId {
    /// `None` for every text that is no id of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.chars();
        let letter = rest.next()?;
        let mut rest = rest.as_str();
        let mut take = |width: usize| {
            let (number, after) = rest.split_at_checked(width)?;
            rest = after;
            whole(number)
        };
        let (of_instrument, orders) = match letter {
            letter::LOGON | letter::TIME | letter::FOLLOW => (false, 0),
            letter::OPEN_ORDERS | letter::BALANCES => (false, 0),
            letter::TRADES => (true, 0),
            letter::PLACE | letter::CANCEL | letter::REDUCE => (true, 1),
            letter::ORDER | letter::ORDER_OTHERWISE => (true, 1),
            letter::REPLACE => (true, 2),
            _ => return None,
        };
        let instrument = match of_instrument {
            true => InstrumentId(u16::try_from(take(PLACE_DIGITS)?).ok()?),
            false => InstrumentId::NONE,
        };
        let mut order = |there| match there {
            true => take(DIGITS).map(|number| Some(ClientId(number))),
            false => Some(None),
        };
        let (first, replaces) = (order(orders > 0)?, order(orders > 1)?);
        let key = match (letter, first) {
            (letter::LOGON, _) => RequestKey::Logon,
            (letter::TIME, _) => RequestKey::Time,
            (letter::FOLLOW, _) => RequestKey::Follow,
            (letter::OPEN_ORDERS, _) => RequestKey::OpenOrders,
            (letter::BALANCES, _) => RequestKey::Balances,
            (letter::TRADES, _) => RequestKey::Trades(instrument),
            (letter::PLACE | letter::REPLACE, Some(id)) => RequestKey::Place(id),
            (letter::CANCEL, Some(id)) => RequestKey::Cancel(id),
            (letter::REDUCE, Some(id)) => RequestKey::Reduce(id),
            (letter::ORDER | letter::ORDER_OTHERWISE, Some(id)) => RequestKey::Order(id),
            _ => return None,
        };
        rest.is_empty().then_some(Self {
            key,
            instrument,
            replaces,
        })
    }
}

/// The number that is written here in digits alone: `str::parse` would take a sign.
fn whole(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}
