//! Every sort of request that the exchange is sent.
//!
//! # Names of orders
//! An order is placed under a label of ours, which need not be unique at the exchange: it is here,
//! because client ids are. Its number at the exchange is the end of a text whose beginning is that
//! of its instrument's part of the matching engine. Nobody documents those beginnings, so that one
//! is taken from what the exchange says of an order of the instrument. Until then orders are named
//! by their labels.

use super::sign::{Signer, millis};
use crate::base::decimal::ENCODED_MAX;
use crate::base::{OrderType, Side, UnixNanos, decimal};
use crate::exchange::kit::ids::{DIGITS, OURS, PLACE_DIGITS, digits, letter};
use crate::exchange::kit::signing::HEX_DIGITS;
use crate::exchange::kit::template::Text;
use arrayvec::ArrayVec;
use zeroize::Zeroizing;

/// How old an order may be when it reaches the exchange's engine. One that is late was decided on
/// a book that is gone, and is better refused (`valid_until`).
const ORDER_WINDOW_MS: u64 = 1_000;
/// Trades that one answer lists, at most.
pub(super) const TRADES_MAX: usize = 1_000;
/// Room for the longest frame but the one that follows the account, which has its own.
const FRAME_BYTES: usize = 1_024;

/// A number as text.
pub(super) type Number = ArrayVec<u8, ENCODED_MAX>;

/// What differs between two requests of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// The place of the instrument in the run's table.
    Instrument,
    /// The digits of the order's name.
    Order,
    /// With what the exchange's own name of an order begins.
    Prefix,
    /// A number of the exchange's own, or a time.
    Number,
    Px,
    Qty,
    /// As a JSON string.
    Symbol,
    /// The currency that a label is looked for in, as a JSON string.
    Currency,
    /// In milliseconds.
    Now,
    /// Until when an order may reach the engine.
    Until,
    Nonce,
    Signature,
}

/// What goes into the holes. What a form has no hole for may be anything.
pub(super) struct Values<'v> {
    pub(super) instrument: [u8; PLACE_DIGITS],
    pub(super) order: [u8; DIGITS],
    pub(super) prefix: &'v [u8],
    pub(super) number: Number,
    pub(super) px: Number,
    pub(super) qty: Number,
    pub(super) symbol: &'v [u8],
    pub(super) currency: &'v [u8],
    pub(super) now: Number,
    pub(super) until: Number,
    pub(super) nonce: Number,
    pub(super) signature: [u8; HEX_DIGITS],
}

impl Values<'_> {
    /// Of a request about nothing.
    pub(super) fn plain(now: UnixNanos) -> Self {
        let ms = millis(now);
        Self {
            instrument: digits(0),
            order: digits(0),
            prefix: b"",
            number: Number::new(),
            px: Number::new(),
            qty: Number::new(),
            symbol: b"",
            currency: b"",
            now: number(ms),
            until: number(ms + ORDER_WINDOW_MS),
            nonce: number(now.0.max(0).unsigned_abs()),
            signature: [0; HEX_DIGITS],
        }
    }

    /// The same, signed.
    pub(super) fn signed(self, signer: &Signer) -> Self {
        let signature = signer.sign(&self.now, &self.nonce);
        Self { signature, ..self }
    }

    fn of(&self, hole: Hole) -> &[u8] {
        match hole {
            Hole::Instrument => &self.instrument,
            Hole::Order => &self.order,
            Hole::Prefix => self.prefix,
            Hole::Number => &self.number,
            Hole::Px => &self.px,
            Hole::Qty => &self.qty,
            Hole::Symbol => self.symbol,
            Hole::Currency => self.currency,
            Hole::Now => &self.now,
            Hole::Until => &self.until,
            Hole::Nonce => &self.nonce,
            Hole::Signature => &self.signature,
        }
    }
}

/// A whole number.
pub(super) fn number(number: u64) -> Number {
    decimal::encode(number, 0)
}

/// The value of a parameter.
#[derive(Clone, Copy)]
enum Param<'p> {
    /// As it stands here.
    Bare(&'p str),
    /// A string.
    Text(&'p str),
    /// What fills the hole, as it is.
    Hole(Hole),
    /// The same as a string.
    Quoted(Hole),
    /// The order's label.
    Label,
    /// The exchange's own name of the order.
    OrderId,
}

/// One sort of request.
pub(super) type Form = Text<Hole>;

fn form((letter, holes): (char, &[Hole]), method: &str, params: &[(&str, Param<'_>)]) -> Form {
    let mut text = Text::new();
    text.push(&format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{letter}"));
    holes.iter().for_each(|hole| text.hole(*hole));
    text.push(&format!("\",\"method\":\"{method}\",\"params\":{{"));
    for (n, &(name, param)) in params.iter().enumerate() {
        text.push(if n == 0 { "\"" } else { ",\"" });
        text.push(&format!("{name}\":"));
        match param {
            Param::Bare(value) => text.push(value),
            Param::Text(value) => text.push(&format!("\"{value}\"")),
            Param::Hole(hole) => text.hole(hole),
            Param::Quoted(hole) => {
                text.push("\"");
                text.hole(hole);
                text.push("\"");
            }
            Param::Label => {
                text.push(&format!("\"{OURS}"));
                text.hole(Hole::Order);
                text.push("\"");
            }
            Param::OrderId => {
                text.push("\"");
                text.hole(Hole::Prefix);
                text.hole(Hole::Number);
                text.push("\"");
            }
        }
    }
    text.push("}}");
    text
}

/// Every sort of request.
pub(super) struct Forms {
    pub(super) logon: Form,
    pub(super) follow: Form,
    place: [[Form; 2]; OrderType::ALL.len()],
    /// By the exchange's number, and by our name.
    pub(super) cancel: [Form; 2],
    pub(super) reduce: Form,
    pub(super) order: Form,
    /// By our name, which is looked for in one currency or in another one.
    pub(super) order_labelled: [Form; 2],
    pub(super) trades_of: Form,
    pub(super) trades_from: Form,
    pub(super) trades_since: Form,
    pub(super) open_orders: Form,
    pub(super) balances: Form,
}

/// The id of a request about one order.
const ONE: [Hole; 2] = [Hole::Instrument, Hole::Order];
const SIDES: [(Side, &str); 2] = [(Side::Buy, "private/buy"), (Side::Sell, "private/sell")];
const SYMBOL: (&str, Param<'static>) = ("instrument_name", Param::Hole(Hole::Symbol));
const LABEL: (&str, Param<'static>) = ("label", Param::Label);
const ORDER_ID: (&str, Param<'static>) = ("order_id", Param::OrderId);
const AMOUNT: (&str, Param<'static>) = ("amount", Param::Hole(Hole::Qty));

impl Forms {
    /// For whom, and which channels are followed.
    pub(super) fn new(client_id: &str, channels: &str) -> Self {
        let logon = [
            ("grant_type", Param::Text("client_signature")),
            ("client_id", Param::Text(client_id)),
            ("timestamp", Param::Hole(Hole::Now)),
            ("nonce", Param::Quoted(Hole::Nonce)),
            ("data", Param::Text("")),
            ("signature", Param::Quoted(Hole::Signature)),
            ("scope", Param::Text("connection")),
        ];
        let count = TRADES_MAX.to_string();
        let trades = |method: &str, named: &[(&str, Param<'_>)]| {
            let params = [named, &[("sorting", Param::Text("asc"))]].concat();
            form((letter::TRADES, &[Hole::Instrument]), method, &params)
        };
        let since = |name: &str| {
            let method = "private/get_user_trades_by_instrument";
            let count = ("count", Param::Bare(&count));
            trades(method, &[SYMBOL, (name, Param::Hole(Hole::Number)), count])
        };
        let labelled = |letter| {
            let params = [("currency", Param::Hole(Hole::Currency)), LABEL];
            let method = "private/get_order_state_by_label";
            form((letter, &ONE), method, &params)
        };
        Self {
            logon: form((letter::LOGON, &[]), "public/auth", &logon),
            follow: form(
                (letter::FOLLOW, &[]),
                "private/subscribe",
                &[("channels", Param::Bare(channels))],
            ),
            place: OrderType::ALL.map(|order_type| {
                SIDES.map(|(_, method)| form((letter::PLACE, &ONE), method, &new_order(order_type)))
            }),
            cancel: [
                form((letter::CANCEL, &ONE), "private/cancel_by_label", &[LABEL]),
                form((letter::CANCEL, &ONE), "private/cancel", &[ORDER_ID]),
            ],
            // It rests, so that nothing but its size changes: it trades with nobody at once.
            reduce: form(
                (letter::REDUCE, &ONE),
                "private/edit_by_label",
                &[LABEL, SYMBOL, AMOUNT, ("post_only", Param::Bare("false"))],
            ),
            order: form(
                (letter::ORDER, &ONE),
                "private/get_order_state",
                &[ORDER_ID],
            ),
            order_labelled: [letter::ORDER, letter::ORDER_OTHERWISE].map(labelled),
            trades_of: trades("private/get_user_trades_by_order", &[ORDER_ID]),
            trades_from: since("start_seq"),
            trades_since: since("start_timestamp"),
            open_orders: form((letter::OPEN_ORDERS, &[]), "private/get_open_orders", &[]),
            balances: form(
                (letter::BALANCES, &[]),
                "private/get_account_summaries",
                &[],
            ),
        }
    }

    /// The form of a new order.
    pub(super) fn place(&self, order_type: OrderType, side: Side) -> &Form {
        &self.place[order_type as usize][side as usize]
    }
}

/// `post_only` is always written: the documents say that it is true where it is not.
fn new_order(order_type: OrderType) -> Vec<(&'static str, Param<'static>)> {
    let (name, lasts, post_only) = match order_type {
        OrderType::Limit => ("limit", Some("good_til_cancelled"), "false"),
        OrderType::PostOnly => ("limit", Some("good_til_cancelled"), "true"),
        OrderType::ImmediateOrCancel => ("limit", Some("immediate_or_cancel"), "false"),
        OrderType::FillOrKill => ("limit", Some("fill_or_kill"), "false"),
        OrderType::Market => ("market", None, "false"),
    };
    let mut params = vec![SYMBOL, AMOUNT, ("type", Param::Text(name))];
    if order_type != OrderType::Market {
        params.push(("price", Param::Hole(Hole::Px)));
    }
    params.push(LABEL);
    params.extend(lasts.map(|lasts| ("time_in_force", Param::Text(lasts))));
    params.push(("post_only", Param::Bare(post_only)));
    if order_type == OrderType::PostOnly {
        // Else the exchange moves its price to where it does not trade.
        params.push(("reject_post_only", Param::Bare("true")));
    }
    params.push(("valid_until", Param::Hole(Hole::Until)));
    params
}

/// Fills forms in a buffer that is kept.
pub(super) struct Pen(Zeroizing<Vec<u8>>);

impl Pen {
    /// With room for any of these forms.
    pub(super) fn new(forms: &Forms) -> Self {
        let mut room = Zeroizing::new(Vec::with_capacity(FRAME_BYTES));
        // The longest one, once.
        forms.follow.fill(|_| b"", &mut room);
        Self(room)
    }

    /// The frame. Good until the next one.
    pub(super) fn write(&mut self, form: &Form, values: &Values<'_>) -> &[u8] {
        form.fill(|hole| values.of(hole), &mut self.0);
        &self.0
    }

    /// A frame that is not to be sent.
    pub(super) fn nothing(&mut self) -> &[u8] {
        self.0.clear();
        &self.0
    }
}
