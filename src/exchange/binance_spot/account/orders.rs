//! Order entry over Binance's WebSocket API: requests to frames. Keeps no order's state: an answer
//! names its order, and what that means is for others to decide.

use super::form::{Form, Number, Pen, Values};
use super::forms::Forms;
use super::sign::{Signer, checked};
use super::{answers, stream};
use crate::base::{
    Instrument, InstrumentId, NewOrder, OrderRef, Qty, Question, Span, TradesOf, UnixNanos, decimal,
};
use crate::exchange::kit::account::{ErrorText, or_otherwise};
use crate::exchange::kit::ids::digits;
use crate::exchange::kit::tape::Scratch;
use crate::exchange::kit::{Listed, Symbols, Value};
use crate::exchange::{Account, AccountWord, Budget, DecodeError, OrderCodec, RequestKey};
use arrayvec::ArrayVec;

/// The time in a request is too old, or too far ahead.
const OUTSIDE_WINDOW: i32 = -1021;
/// The exchange itself gives up on its engine after ten seconds (`web-socket-api.md`, general
/// information). An order's own window ends long before. What is documented of the delay behind
/// that is no more than that queries are answered from a memory and then a database, so that the
/// sum of both is not known; ten seconds are beyond all that was seen.
const VISIBILITY: Span = Span::from_secs(10);

/// Where each limit stands in [`BUDGETS`].
pub(super) const WEIGHT: usize = 0;
pub(super) const ORDERS_10S: usize = 1;
pub(super) const ORDERS_DAY: usize = 2;

/// The exchange's samples, which are lower than what its accounts were seen to have. The weight is
/// that of the address, so that requests for market data are in the exchange's own count of it.
static BUDGETS: [Budget; 3] = [
    Budget {
        name: "REQUEST_WEIGHT",
        limit: 6_000,
        per: Span::from_secs(60),
    },
    Budget {
        name: "ORDERS 10 s",
        limit: 50,
        per: Span::from_secs(10),
    },
    Budget {
        name: "ORDERS day",
        limit: 160_000,
        per: Span::from_secs(24 * 3600),
    },
];

/// The codec of an account. Has no `Debug`: it holds the account's key, wiped when dropped.
pub(crate) struct SpotOrders {
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
    pub(super) otherwise: ArrayVec<AccountWord, 3>,
}

/// An instrument as orders need it.
struct Market {
    listed: Listed,
    /// Its symbol as a JSON string.
    quoted: String,
}

impl Reader {
    fn market(&self, id: InstrumentId) -> Option<&Market> {
        let found = self
            .markets
            .binary_search_by_key(&id, |market| market.listed.id);
        found.ok().map(|at| &self.markets[at])
    }

    /// The instrument with this place in the run's table.
    pub(super) fn listed(&self, id: InstrumentId) -> Result<Listed, DecodeError> {
        let market = self.market(id).ok_or(DecodeError::UnknownSymbol)?;
        Ok(market.listed)
    }

    fn values(&self, id: InstrumentId, now: UnixNanos) -> Option<Values<'_>> {
        let market = self.market(id)?;
        Some(Values {
            instrument: digits(u64::from(id.0)),
            symbol: market.listed.symbol.as_bytes(),
            quoted: market.quoted.as_bytes(),
            ..plain(now)
        })
    }

    fn new_order(&self, order: &NewOrder, now: UnixNanos) -> Option<Values<'_>> {
        let listed = &self.market(order.instrument)?.listed;
        let px = u64::try_from(order.px.0).ok()?;
        Some(Values {
            order: digits(order.client_id.0),
            px: decimal::encode(px, listed.px_scale),
            qty: decimal::encode(order.qty.0, listed.qty_scale),
            ..self.values(order.instrument, now)?
        })
    }

    fn order(&self, order: &OrderRef, now: UnixNanos) -> Option<Values<'_>> {
        Some(Values {
            order: digits(order.client_id.0),
            number: number(order.exchange_id.unwrap_or_default()),
            ..self.values(order.instrument, now)?
        })
    }

    fn walk(&mut self, root: Value<'_>, words: &mut Vec<AccountWord>) -> Result<(), DecodeError> {
        words.clear();
        self.last_error.clear();
        self.otherwise.clear();
        match root.find(b"event").some() {
            Some(event) => stream::event(self, event, words),
            None => answers::answer(self, root, words),
        }
    }
}

impl SpotOrders {
    /// A codec for this account. The error says what is wrong with the keys, without showing them.
    pub(crate) fn new(account: Account, instruments: &[Instrument]) -> Result<Self, String> {
        let signer = Signer::of(&account.key)?;
        Self::with(account.api_key.expose(), signer, instruments)
    }

    /// A codec whose requests are signed by this.
    pub(super) fn with(
        api_key: &str,
        signer: Signer,
        instruments: &[Instrument],
    ) -> Result<Self, String> {
        let api_key = checked(api_key)?;
        let mut markets: Vec<Market> = instruments.iter().map(Market::of).collect();
        markets.sort_by_key(|market| market.listed.id);
        Ok(Self {
            forms: Forms::new(api_key, signer.logs_on()),
            pen: Pen::new(signer),
            reader: Reader {
                markets,
                symbols: Symbols::new(instruments),
                last_error: ErrorText::new(),
                otherwise: ArrayVec::new(),
            },
            scratch: Scratch::warmed(sample().as_bytes()),
        })
    }
}

impl Market {
    fn of(instrument: &Instrument) -> Self {
        Self {
            listed: Listed {
                symbol: instrument.symbol,
                id: instrument.id,
                px_scale: instrument.px_scale,
                qty_scale: instrument.qty_scale,
            },
            quoted: serde_json::Value::from(instrument.symbol.as_str()).to_string(),
        }
    }
}

/// An answer of the shape that comes, with a dozen fills.
fn sample() -> String {
    let fill = r#"{"price":"64250.01000000","qty":"0.12345000","commission":"0.00000000","commissionAsset":"BNB","tradeId":12345678901}"#;
    let limit =
        r#"{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":12}"#;
    format!(
        r#"{{"id":"r000000000000000000000000000000000000000000000","status":200,"result":{{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000000","transactTime":1750000000123456,"price":"64250.01000000","origQty":"1.50000000","executedQty":"1.50000000","origQuoteOrderQty":"0.00000000","cummulativeQuoteQty":"96375.01500000","status":"FILLED","timeInForce":"IOC","type":"LIMIT","side":"BUY","workingTime":1750000000123456,"fills":[{fill}{}],"selfTradePreventionMode":"EXPIRE_MAKER"}},"rateLimits":[{limit},{limit},{limit}]}}"#,
        format!(",{fill}").repeat(11)
    )
}

/// Values of a request about nothing.
fn plain<'v>(now: UnixNanos) -> Values<'v> {
    Values {
        instrument: digits(0),
        order: digits(0),
        replaced: digits(0),
        number: Number::new(),
        px: Number::new(),
        qty: Number::new(),
        symbol: b"",
        quoted: b"",
        now: number(now.as_micros().unsigned_abs()),
    }
}

fn number(number: u64) -> Number {
    decimal::encode(number, 0)
}

/// Which of a pair of forms: by our name, or by the exchange's number.
fn way(order: &OrderRef) -> usize {
    usize::from(order.exchange_id.is_some())
}

fn write<'p>(pen: &'p mut Pen, form: &Form, values: Option<Values<'_>>) -> &'p [u8] {
    match values {
        Some(values) => pen.write(form, &values),
        None => pen.nothing(),
    }
}

impl OrderCodec for SpotOrders {
    /// Answers say how much of the limits is used. That is 300 bytes more with each, which are read
    /// when the order is out, and there is no other way to know: an order that trades gives its
    /// place back, and one that was not even tried takes one.
    fn path(&self) -> String {
        "/ws-api/v3?timeUnit=MICROSECOND".to_owned()
    }

    fn logon(&mut self, now: UnixNanos) -> &[u8] {
        match self.pen.logs_on() {
            true => self.pen.write(&self.forms.logon, &plain(now)),
            false => self.pen.nothing(),
        }
    }

    fn follow(&mut self, now: UnixNanos) -> &[u8] {
        self.pen.write(&self.forms.follow, &plain(now))
    }

    fn time(&self) -> &'static str {
        r#"{"id":"t","method":"time"}"#
    }

    fn place(&mut self, order: &NewOrder, now: UnixNanos) -> &[u8] {
        let form = self.forms.place(order.order_type, order.side);
        write(&mut self.pen, form, self.reader.new_order(order, now))
    }

    fn replace(&mut self, old: &OrderRef, new: &NewOrder, now: UnixNanos) -> &[u8] {
        let numbered = old.exchange_id.is_some();
        let form = self.forms.replace(new.order_type, new.side, numbered);
        let values = self.reader.new_order(new, now).map(|values| Values {
            replaced: digits(old.client_id.0),
            number: number(old.exchange_id.unwrap_or_default()),
            ..values
        });
        // The request has one symbol for both.
        let values = values.filter(|_| old.instrument == new.instrument);
        write(&mut self.pen, form, values)
    }

    fn reduce(&mut self, order: &OrderRef, qty: Qty, now: UnixNanos) -> &[u8] {
        let scale = self.reader.market(order.instrument);
        let scale = scale.map_or(0, |market| market.listed.qty_scale);
        let values = self.reader.order(order, now).map(|values| Values {
            qty: decimal::encode(qty.0, scale),
            ..values
        });
        write(&mut self.pen, &self.forms.reduce[way(order)], values)
    }

    fn cancel(&mut self, order: &OrderRef, now: UnixNanos) -> &[u8] {
        let form = &self.forms.cancel[way(order)];
        write(&mut self.pen, form, self.reader.order(order, now))
    }

    fn ask(&mut self, question: &Question, now: UnixNanos) -> &[u8] {
        let Self {
            pen, forms, reader, ..
        } = self;
        match question {
            Question::Order(order) => {
                write(pen, &forms.order[way(order)], reader.order(order, now))
            }
            Question::Trades(instrument, of) => {
                let since = |span: Span| {
                    let back = i64::try_from(span.0).unwrap_or(i64::MAX);
                    now.0.saturating_sub(back).max(0).unsigned_abs() / 1_000
                };
                let (form, from) = match *of {
                    TradesOf::Order(id) => (&forms.trades_of, id),
                    TradesOf::After(id) => (&forms.trades_from, id.saturating_add(1)),
                    TradesOf::Last(span) => (&forms.trades_since, since(span)),
                };
                let values = reader.values(*instrument, now).map(|values| Values {
                    number: number(from),
                    ..values
                });
                write(pen, form, values)
            }
            Question::OpenOrders => pen.write(&forms.open_orders, &plain(now)),
            Question::Balances => pen.write(&forms.balances, &plain(now)),
        }
    }

    fn decode(&mut self, frame: &[u8], words: &mut Vec<AccountWord>) -> Result<(), DecodeError> {
        let reader = &mut self.reader;
        words.clear();
        reader.otherwise.clear();
        let read = self.scratch.read(frame, |root| reader.walk(root, words));
        or_otherwise(read, words, &mut reader.otherwise)
    }

    fn last_error(&self) -> &str {
        &self.reader.last_error
    }

    fn blames_clock(&self, code: i32) -> bool {
        code == OUTSIDE_WINDOW
    }

    fn budgets(&self) -> &'static [Budget] {
        &BUDGETS
    }

    /// Since 2026-04-02 what trades costs no weight unless it is refused.
    fn cost(&self, key: RequestKey, budget: usize) -> u32 {
        match (budget, key) {
            (WEIGHT, RequestKey::Place(_) | RequestKey::Cancel(_)) => 0,
            (WEIGHT, RequestKey::Time) => 1,
            (WEIGHT, RequestKey::Logon | RequestKey::Follow) => 2,
            (WEIGHT, RequestKey::Reduce(_) | RequestKey::Order(_)) => 4,
            (WEIGHT, RequestKey::Trades(_) | RequestKey::Balances) => 20,
            (WEIGHT, RequestKey::OpenOrders) => 80,
            (ORDERS_10S | ORDERS_DAY, RequestKey::Place(_)) => 1,
            _ => 0,
        }
    }

    fn visibility(&self) -> Span {
        VISIBILITY
    }

    /// Nearly all symbols allow it; one that does not refuses it, and the order stands as before.
    fn takes(&self, _: &Instrument) -> bool {
        true
    }

    fn can_reduce(&self) -> bool {
        true
    }

    fn can_replace(&self) -> bool {
        true
    }
}
