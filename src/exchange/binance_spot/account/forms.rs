//! Every sort of request that the exchange is sent.
//!
//! A form is the same for all instruments, and their symbol is one of its holes: a form of each for
//! every instrument would be as much to copy, and hundreds of them do not stay in a cache.
//!
//! # Names of orders
//! An order keeps the name that we placed it under while it lives: an amendment passes the name
//! that the order has. A cancel gives the order another name, which the exchange invents if none is
//! sent, and from then on it may not be found under the old one. So an order whose number is not
//! known yet is cancelled under its own name, so that it can still be asked about. The exchange
//! does not say that it takes that; if it should not, the order is asked about, which tells its
//! number. One whose number is known is cancelled and asked about by that alone, and gets a name of
//! the cancel's own, which collides with none.

use super::form::{Form, Hole, Param};
use crate::base::{OrderType, Side};
use crate::exchange::kit::ids::{OURS, letter};

/// How old an order may be when it reaches the exchange's engine, in milliseconds. One that is late
/// was decided on a book that is gone, and is better refused.
const ORDER_WINDOW_MS: &str = "1000";
/// The same for all else, which nothing depends on being fresh: a late cancel is still wanted.
const WINDOW_MS: &str = "5000";
/// With what the name of an order begins once we have cancelled it.
const CANCELLED: &str = "tc";
/// Trades that one answer lists, at most.
pub(super) const TRADES_MAX: &str = "1000";

/// Every sort of request. Pairs are of the one that names an order by our name for it, and the one
/// that does so by its number at the exchange.
pub(super) struct Forms {
    pub(super) logon: Form,
    pub(super) follow: Form,
    place: [[Form; 2]; OrderType::ALL.len()],
    replace: [[[Form; 2]; 2]; OrderType::ALL.len()],
    pub(super) cancel: [Form; 2],
    pub(super) reduce: [Form; 2],
    pub(super) order: [Form; 2],
    pub(super) trades_of: Form,
    pub(super) trades_from: Form,
    pub(super) trades_since: Form,
    pub(super) open_orders: Form,
    pub(super) balances: Form,
}

/// The id of a request about one order.
const ONE: [Hole; 2] = [Hole::Instrument, Hole::Order];
const SIDES: [(Side, &str); 2] = [(Side::Buy, "BUY"), (Side::Sell, "SELL")];

impl Forms {
    /// The API key goes into the logon, or, if there is none, into every request.
    pub(super) fn new(api_key: &str, logs_on: bool) -> Self {
        let each = (!logs_on).then_some(api_key);
        let form = |id: (char, &[Hole]), method: &str, params: &[(&str, Param<'_>)]| {
            let timed = [("timestamp", Param::Whole(Hole::Now))];
            Form::new(id, method, &[params, &timed].concat(), each)
        };
        let loose = ("recvWindow", Param::Bare(WINDOW_MS));
        let pair = |letter, method: &str, ways: [&[(&str, Param<'_>)]; 2]| {
            ways.map(|way| form((letter, &ONE), method, &[&[loose, SYMBOL], way].concat()))
        };
        let signed = |letter, method: &str| {
            let params = [loose, ("timestamp", Param::Whole(Hole::Now))];
            Form::new((letter, &[]), method, &params, Some(api_key))
        };
        let trades = |name: &'static str| {
            let params = [
                loose,
                SYMBOL,
                ("limit", Param::Bare(TRADES_MAX)),
                (name, Param::Whole(Hole::Number)),
            ];
            form((letter::TRADES, &[Hole::Instrument]), "myTrades", &params)
        };
        let keep = ("newClientOrderId", Param::Name(OURS, Hole::Order));
        let rename = ("newClientOrderId", Param::Name(CANCELLED, Hole::Order));
        let named = ("origClientOrderId", Param::Name(OURS, Hole::Order));
        let numbered = ("orderId", Param::Whole(Hole::Number));
        let quantity = ("newQty", Param::Decimal(Hole::Qty));
        Self {
            logon: signed(letter::LOGON, "session.logon"),
            follow: match each {
                Some(_) => signed(letter::FOLLOW, "userDataStream.subscribe.signature"),
                None => Form::new((letter::FOLLOW, &[]), "userDataStream.subscribe", &[], None),
            },
            place: OrderType::ALL.map(|order_type| {
                SIDES.map(|(_, side)| {
                    let params = new_order(order_type, side);
                    form((letter::PLACE, &ONE), "order.place", &params)
                })
            }),
            replace: OrderType::ALL.map(|order_type| {
                SIDES.map(|(_, side)| {
                    replaced().map(|way| {
                        let params = [&new_order(order_type, side)[..], &way].concat();
                        let id = [Hole::Instrument, Hole::Order, Hole::Replaced];
                        form((letter::REPLACE, &id), "order.cancelReplace", &params)
                    })
                })
            }),
            cancel: pair(
                letter::CANCEL,
                "order.cancel",
                [&[named, keep], &[numbered, rename]],
            ),
            reduce: pair(
                letter::REDUCE,
                "order.amend.keepPriority",
                [&[named, keep, quantity], &[numbered, keep, quantity]],
            ),
            order: pair(letter::ORDER, "order.status", [&[named], &[numbered]]),
            trades_of: trades("orderId"),
            trades_from: trades("fromId"),
            trades_since: trades("startTime"),
            open_orders: form((letter::OPEN_ORDERS, &[]), "openOrders.status", &[loose]),
            balances: form(
                (letter::BALANCES, &[]),
                "account.status",
                &[loose, ("omitZeroBalances", Param::Bare("true"))],
            ),
        }
    }

    /// The form of a new order.
    pub(super) fn place(&self, order_type: OrderType, side: Side) -> &Form {
        &self.place[order_type as usize][side as usize]
    }

    /// The form of a new order in the place of another one; `numbered` if that one's number is
    /// known.
    pub(super) fn replace(&self, order_type: OrderType, side: Side, numbered: bool) -> &Form {
        &self.replace[order_type as usize][side as usize][usize::from(numbered)]
    }
}

const SYMBOL: (&str, Param<'static>) = ("symbol", Param::Symbol);

/// The order that a new one takes the place of, by name and by number. If it cannot be cancelled
/// the new one is not placed.
fn replaced() -> [[(&'static str, Param<'static>); 3]; 2] {
    let mode = ("cancelReplaceMode", Param::Text("STOP_ON_FAILURE"));
    let id = "cancelNewClientOrderId";
    [
        [
            mode,
            ("cancelOrigClientOrderId", Param::Name(OURS, Hole::Replaced)),
            (id, Param::Name(OURS, Hole::Replaced)),
        ],
        [
            mode,
            ("cancelOrderId", Param::Whole(Hole::Number)),
            (id, Param::Name(CANCELLED, Hole::Replaced)),
        ],
    ]
}

/// An order that may trade at once is answered in full, with its trades: the answer is the first
/// word of them. One that only rests has none, so that the shortest answer says all of it.
fn new_order(order_type: OrderType, side: &'static str) -> Vec<(&'static str, Param<'static>)> {
    let (name, lasts, answer) = match order_type {
        OrderType::Limit => ("LIMIT", Some("GTC"), "FULL"),
        OrderType::PostOnly => ("LIMIT_MAKER", None, "ACK"),
        OrderType::ImmediateOrCancel => ("LIMIT", Some("IOC"), "FULL"),
        OrderType::FillOrKill => ("LIMIT", Some("FOK"), "FULL"),
        OrderType::Market => ("MARKET", None, "FULL"),
    };
    let mut params = vec![
        ("newClientOrderId", Param::Name(OURS, Hole::Order)),
        ("newOrderRespType", Param::Text(answer)),
        ("quantity", Param::Decimal(Hole::Qty)),
        ("recvWindow", Param::Bare(ORDER_WINDOW_MS)),
        ("side", Param::Text(side)),
        SYMBOL,
        ("type", Param::Text(name)),
    ];
    params.extend(lasts.map(|lasts| ("timeInForce", Param::Text(lasts))));
    if order_type != OrderType::Market {
        params.push(("price", Param::Decimal(Hole::Px)));
    }
    params
}
