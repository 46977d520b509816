//! Order entry over Deribit's JSON-RPC WebSocket: requests to frames. Keeps no order's state: an
//! answer names its order, and what that means is for others to decide.
//!
//! Source: the exchange's own API documentation (version 2.1.1: trading, account management,
//! authentication, rate limits). A session is one connection's (scope `connection`), so that later
//! requests carry no token, and none of the sixteen named sessions of a key is used up. Only spot
//! pairs are traded: cash and positions of what is settled otherwise are not kept here.
//!
//! An edit keeps an order's number and its name, so that there is no successor of another name that
//! exists only if the order was cancelled: orders are not replaced, they are cancelled and placed
//! anew. A smaller size keeps the place in the queue.

use super::forms::{Form, Forms, Number, Pen, Values, number};
use super::refusals::TIMED_OUT;
use super::sign::{Signer, checked, millis};
use super::{answers, stream};
use crate::base::instrument::Kind;
use crate::base::{
    ClientId, Instrument, InstrumentId, NewOrder, OrderRef, Qty, Question, Span, TradesOf,
    UnixNanos, decimal,
};
use crate::exchange::kit::account::{ErrorText, or_otherwise};
use crate::exchange::kit::ids::digits;
use crate::exchange::kit::tape::Scratch;
use crate::exchange::kit::{Listed, Symbols, Value, keys, text};
use crate::exchange::{Account, AccountWord, Budget, DecodeError, OrderCodec, RequestKey};
use DecodeError::Shape;
use arrayvec::{ArrayString, ArrayVec};

/// An order reaches the engine within its window or not at all. How long after that it may be
/// missing in what the exchange answers is not documented: this is beyond all that was seen
/// elsewhere.
const VISIBILITY: Span = Span::from_secs(10);
/// Trades are kept that long for those who do not ask for older records.
const RECENT: Span = Span::from_secs(24 * 3600);
/// Bytes of what the exchange's own name of an order begins with.
const PREFIX_MAX: usize = 40;
/// Orders of ours that one notification tells of, and is remembered for.
const TOLD_MAX: usize = 8;

/// Where each limit stands in [`BUDGETS`].
const MATCHING: usize = 0;
const OTHER: usize = 1;

/// The exchange's limits are buckets: matching requests 5 a second and 20 at once, all others 20 a
/// second and 100 at once. Two windows that follow each other take no more at once than the bucket
/// has, and no more in the long run than flows in. Whoever exceeds them is cut off.
static BUDGETS: [Budget; 2] = [
    Budget {
        name: "matching engine",
        limit: 10,
        per: Span::from_secs(2),
    },
    Budget {
        name: "credits",
        limit: 50,
        per: Span::from_millis(2_500),
    },
];

keys! {
    /// A JSON-RPC object.
    struct Keys { id, method, params, result, error, out = "usOut" }
}

/// An answer.
pub(super) struct Rpc<'t> {
    pub(super) id: Value<'t>,
    pub(super) result: Value<'t>,
    pub(super) error: Value<'t>,
    /// When the exchange sent it, in microseconds.
    pub(super) out: Value<'t>,
}

/// The codec of an account. Has no `Debug`: it holds the account's key, wiped when dropped.
pub(crate) struct DeribitOrders {
    signer: Signer,
    pen: Pen,
    forms: Forms,
    reader: Reader,
    scratch: Scratch,
}

/// What is needed to understand a frame.
pub(super) struct Reader {
    /// Sorted by id.
    markets: Vec<Market>,
    pub(super) symbols: Symbols,
    pub(super) last_error: ErrorText,
    /// What is said of a frame that turns out to be unreadable further on: that it was an answer,
    /// and that nobody knows of which orders. Empty if it names none.
    pub(super) otherwise: ArrayVec<AccountWord, TOLD_MAX>,
}

/// An instrument as orders need it.
pub(super) struct Market {
    listed: Listed,
    /// Its symbol as a JSON string.
    quoted: String,
    /// The currencies that an order of it may be found in, as JSON strings.
    currencies: [String; 2],
    /// With what the exchange's own names of its orders begin, once one was seen.
    prefix: Option<ArrayString<PREFIX_MAX>>,
    /// In which of the currencies a name is looked for next.
    pub(super) search: usize,
    /// In which of them one was found.
    pub(super) finds: Option<usize>,
    /// Which name was looked for last without being found, and in which of them.
    pub(super) searched: Option<(ClientId, usize)>,
}

/// The two parts of the exchange's own name of an order: `BTC_USDT-` and 42.
pub(super) fn numbered(order_id: &str) -> Result<(&str, u64), DecodeError> {
    let start = order_id.rfind('-').map_or(0, |at| at + 1);
    let (prefix, number) = order_id.split_at(start);
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| number.parse().ok()).flatten();
    Ok((prefix, number.ok_or(Shape)?))
}

impl Reader {
    fn market(&self, id: InstrumentId) -> Option<&Market> {
        let found = self
            .markets
            .binary_search_by_key(&id, |market| market.listed.id);
        found.ok().map(|at| &self.markets[at])
    }

    pub(super) fn market_mut(&mut self, id: InstrumentId) -> Option<&mut Market> {
        let found = self
            .markets
            .binary_search_by_key(&id, |market| market.listed.id);
        found.ok().map(|at| &mut self.markets[at])
    }

    /// How many instruments there are.
    pub(super) fn count(&self) -> usize {
        self.markets.len()
    }

    /// The instrument with this place in the run's table.
    pub(super) fn listed(&self, id: InstrumentId) -> Result<Listed, DecodeError> {
        let market = self.market(id).ok_or(DecodeError::UnknownSymbol)?;
        Ok(market.listed)
    }

    /// The number in the exchange's own name of an order of this instrument; what it begins with is
    /// remembered.
    pub(super) fn learn(&mut self, order_id: &str, id: InstrumentId) -> Result<u64, DecodeError> {
        let (prefix, number) = numbered(order_id)?;
        let market = self.market_mut(id).ok_or(DecodeError::UnknownSymbol)?;
        if market.prefix.is_none_or(|known| known.as_str() != prefix) {
            market.prefix = ArrayString::from(prefix).ok();
        }
        Ok(number)
    }

    fn values(&self, id: InstrumentId, now: UnixNanos) -> Option<Values<'_>> {
        let market = self.market(id)?;
        Some(Values {
            instrument: digits(u64::from(id.0)),
            prefix: market.prefix.as_ref().map_or(b"", |text| text.as_bytes()),
            symbol: market.quoted.as_bytes(),
            currency: market.currencies[market.search].as_bytes(),
            ..Values::plain(now)
        })
    }

    fn order(&self, order: &OrderRef, now: UnixNanos) -> Option<Values<'_>> {
        Some(Values {
            order: digits(order.client_id.0),
            number: number(order.exchange_id.unwrap_or_default()),
            ..self.values(order.instrument, now)?
        })
    }

    fn qty(&self, id: InstrumentId, qty: Qty) -> Number {
        let scale = self.market(id).map_or(0, |market| market.listed.qty_scale);
        decimal::encode(qty.0, scale)
    }

    /// Whether the exchange's own name of the order is known, and not only its number.
    fn is_named(&self, order: &OrderRef) -> bool {
        let market = self.market(order.instrument);
        order.exchange_id.is_some() && market.is_some_and(|market| market.prefix.is_some())
    }

    fn walk(&mut self, root: Value<'_>, words: &mut Vec<AccountWord>) -> Result<(), DecodeError> {
        words.clear();
        self.last_error.clear();
        self.otherwise.clear();
        if !root.is_object() {
            return Err(Shape);
        }
        let keys = Keys::of(root);
        match keys.method.some() {
            None => {
                let rpc = Rpc {
                    id: keys.id,
                    result: keys.result,
                    error: keys.error,
                    out: keys.out,
                };
                answers::answer(self, &rpc, words)
            }
            Some(method) => match method.text()? {
                "subscription" => stream::notification(self, keys.params, words),
                _ => Ok(()),
            },
        }
    }
}

impl DeribitOrders {
    /// A codec for this account. The error says what is wrong with the keys, without showing them,
    /// or that none of these instruments can be traded.
    pub(crate) fn new(account: &Account, instruments: &[Instrument]) -> Result<Self, String> {
        let (client_id, signer) = checked(account)?;
        let spot = |instrument: &&Instrument| instrument.kind == Kind::Spot;
        let instruments: Vec<Instrument> = instruments.iter().filter(spot).copied().collect();
        if instruments.is_empty() {
            return Err(
                "this build sends orders for Deribit's spot pairs only, and no feed follows one: \
                 name one, like BTC_USDT"
                    .to_owned(),
            );
        }
        let mut markets: Vec<Market> = instruments.iter().map(Market::of).collect();
        markets.sort_by_key(|market| market.listed.id);
        let channels: Vec<String> = markets.iter().map(Market::channel).collect();
        let forms = Forms::new(client_id, &text::json_list(&channels));
        let mut scratch = Scratch::warmed(b"{}");
        // Numbers in quotes need more room.
        let warm = scratch.read_exact(sample(channels.len()).as_bytes(), |_| Ok(()));
        debug_assert!(warm.is_ok());
        Ok(Self {
            signer,
            pen: Pen::new(&forms),
            forms,
            reader: Reader {
                markets,
                symbols: Symbols::new(&instruments),
                last_error: ErrorText::new(),
                otherwise: ArrayVec::new(),
            },
            scratch,
        })
    }
}

impl Market {
    fn of(instrument: &Instrument) -> Self {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        Self {
            listed: Listed {
                symbol: instrument.symbol,
                id: instrument.id,
                px_scale: instrument.px_scale,
                qty_scale: instrument.qty_scale,
            },
            quoted: quoted(&instrument.symbol),
            currencies: [quoted(&instrument.quote), quoted(&instrument.base)],
            prefix: None,
            search: 0,
            finds: None,
            searched: None,
        }
    }

    /// The channel of what happens to our orders of it, at once.
    fn channel(&self) -> String {
        format!("user.changes.{}.raw", self.listed.symbol)
    }
}

/// A frame of the shape that comes, with two dozen trades, and no smaller than the answer that
/// names so many channels.
fn sample(channels: usize) -> String {
    let trade = r#"{"trade_seq":30289442,"trade_id":"BTC_USDT-48079269","timestamp":1750000000123,"tick_direction":2,"state":"filled","price":64250.01,"order_type":"limit","order_id":"BTC_USDT-104819327443","matching_id":null,"mark_price":64250.01,"liquidity":"T","label":"tw00000000000000000007","instrument_name":"BTC_USDT","index_price":64250.01,"fee_currency":"USDT","fee":3.2125e-05,"direction":"buy","amount":0.12345}"#;
    format!("[{trade}{}]", format!(",{trade}").repeat(23 + channels / 8))
}

fn write<'p>(pen: &'p mut Pen, form: &Form, values: Option<Values<'_>>) -> &'p [u8] {
    match values {
        Some(values) => pen.write(form, &values),
        None => pen.nothing(),
    }
}

impl OrderCodec for DeribitOrders {
    fn path(&self) -> String {
        "/ws/api/v2".to_owned()
    }

    fn logon(&mut self, now: UnixNanos) -> &[u8] {
        let values = Values::plain(now).signed(&self.signer);
        self.pen.write(&self.forms.logon, &values)
    }

    fn follow(&mut self, now: UnixNanos) -> &[u8] {
        self.pen.write(&self.forms.follow, &Values::plain(now))
    }

    fn time(&self) -> &'static str {
        r#"{"jsonrpc":"2.0","id":"t","method":"public/get_time","params":{}}"#
    }

    fn place(&mut self, order: &NewOrder, now: UnixNanos) -> &[u8] {
        let form = self.forms.place(order.order_type, order.side);
        let market = self.reader.market(order.instrument);
        let scale = market.map_or(0, |market| market.listed.px_scale);
        let values = self.reader.values(order.instrument, now);
        let px = u64::try_from(order.px.0).ok();
        let values = values.zip(px).map(|(values, px)| Values {
            order: digits(order.client_id.0),
            px: decimal::encode(px, scale),
            qty: self.reader.qty(order.instrument, order.qty),
            ..values
        });
        write(&mut self.pen, form, values)
    }

    fn replace(&mut self, _: &OrderRef, _: &NewOrder, _: UnixNanos) -> &[u8] {
        self.pen.nothing()
    }

    fn reduce(&mut self, order: &OrderRef, qty: Qty, now: UnixNanos) -> &[u8] {
        let values = self.reader.order(order, now).map(|values| Values {
            qty: self.reader.qty(order.instrument, qty),
            ..values
        });
        write(&mut self.pen, &self.forms.reduce, values)
    }

    fn cancel(&mut self, order: &OrderRef, now: UnixNanos) -> &[u8] {
        let form = &self.forms.cancel[usize::from(self.reader.is_named(order))];
        write(&mut self.pen, form, self.reader.order(order, now))
    }

    fn ask(&mut self, question: &Question, now: UnixNanos) -> &[u8] {
        let Self {
            pen, forms, reader, ..
        } = self;
        match question {
            Question::Order(order) => {
                let search = reader
                    .market(order.instrument)
                    .map_or(0, |market| market.search);
                let form = match reader.is_named(order) {
                    true => &forms.order,
                    false => &forms.order_labelled[search],
                };
                write(pen, form, reader.order(order, now))
            }
            Question::Trades(instrument, of) => {
                let since = |span: Span| {
                    let back = i64::try_from(span.0).unwrap_or(i64::MAX);
                    millis(UnixNanos(now.0.saturating_sub(back)))
                };
                let order = OrderRef {
                    client_id: ClientId(0),
                    instrument: *instrument,
                    exchange_id: Some(0),
                };
                let (form, from) = match *of {
                    TradesOf::Order(id) if reader.is_named(&order) => (&forms.trades_of, id),
                    // Whose they are says each of them.
                    TradesOf::Order(_) => (&forms.trades_since, since(RECENT)),
                    TradesOf::After(id) => (&forms.trades_from, id.saturating_add(1)),
                    TradesOf::Last(span) => (&forms.trades_since, since(span)),
                };
                let values = reader.values(*instrument, now).map(|values| Values {
                    number: number(from),
                    ..values
                });
                write(pen, form, values)
            }
            Question::OpenOrders => pen.write(&forms.open_orders, &Values::plain(now)),
            Question::Balances => pen.write(&forms.balances, &Values::plain(now)),
        }
    }

    fn decode(&mut self, frame: &[u8], words: &mut Vec<AccountWord>) -> Result<(), DecodeError> {
        let reader = &mut self.reader;
        words.clear();
        reader.otherwise.clear();
        let read = self
            .scratch
            .read_exact(frame, |root| reader.walk(root, words));
        or_otherwise(read, words, &mut reader.otherwise)
    }

    fn last_error(&self) -> &str {
        &self.reader.last_error
    }

    fn blames_clock(&self, code: i32) -> bool {
        code == TIMED_OUT
    }

    fn budgets(&self) -> &'static [Budget] {
        &BUDGETS
    }

    fn cost(&self, key: RequestKey, budget: usize) -> u32 {
        let matching = matches!(
            key,
            RequestKey::Place(_) | RequestKey::Cancel(_) | RequestKey::Reduce(_)
        );
        match budget {
            MATCHING => u32::from(matching),
            OTHER => u32::from(!matching),
            _ => 0,
        }
    }

    fn visibility(&self) -> Span {
        VISIBILITY
    }

    fn takes(&self, instrument: &Instrument) -> bool {
        instrument.kind == Kind::Spot
    }

    fn can_reduce(&self) -> bool {
        true
    }

    fn can_replace(&self) -> bool {
        false
    }
}
