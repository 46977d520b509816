//! The one account that the fault server has: orders, trades and balances, as the exchange itself
//! has them, and what it reports of them. Money is counted in units of 10^-8.

use super::book::{Level, px_text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::Sender;

/// What there is of each asset at the start.
const OPENING: i128 = 100_000_000 * ONE;
const ONE: i128 = 100_000_000;
/// The smallest step of a quantity.
const LOT: i128 = ONE / 100_000;
/// One part in so many is the fee, of what a trade brings.
const FEE: i128 = 1_000;
/// Who trades with resting orders takes all that is so near the best price, in cents.
const NEAR: i64 = 50;
/// A resting order that is near trades within a step in one case of so many.
const TRADES: u64 = 15;

/// Why a request is refused.
pub type Refusal = (i64, &'static str);
const CROSSES: Refusal = (-2010, "Order would immediately match and take.");
const DUPLICATE: Refusal = (-2010, "Duplicate order sent.");
const NOT_OPEN: Refusal = (-2011, "Unknown order sent.");
const NO_ORDER: Refusal = (-2013, "Order does not exist.");
const NO_AMENDMENT: Refusal = (-2038, "Quantity must be less than that of the order.");

/// What a client wants.
#[derive(Clone)]
pub struct New {
    pub name: String,
    pub symbol: String,
    pub buy: bool,
    /// In cents.
    pub px: i64,
    pub qty: i128,
    /// `LIMIT` or `LIMIT_MAKER`.
    pub kind: String,
    /// `GTC`, `IOC` or `FOK`.
    pub life: String,
}

/// An order as it is now.
#[derive(Clone)]
pub struct Held {
    pub new: New,
    pub status: &'static str,
    pub filled: i128,
    /// All that its trades cost or brought.
    spent: i128,
    /// Its cancel has a name of its own, by which alone it is found from then on.
    called: String,
    placed_ms: i64,
    updated_ms: i64,
}

#[derive(Clone)]
pub struct Trade {
    pub id: u64,
    /// The number of its order.
    pub order: u64,
    pub symbol: String,
    pub buy: bool,
    pub px: i64,
    pub qty: i128,
    maker: bool,
    fee: i128,
    at_ms: i64,
}

impl Trade {
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }
}

/// An order in a request.
pub enum Which<'w> {
    Number(u64),
    Name(&'w str),
}

pub struct Ledger {
    /// The order with the number `n` is at `n - 1`.
    pub orders: Vec<Held>,
    pub trades: Vec<Trade>,
    /// Numbers of orders that rest.
    open: Vec<u64>,
    /// What there is of each asset, also what is locked.
    has: BTreeMap<String, i128>,
    followers: Vec<Sender<String>>,
    /// Best bid and best ask of each symbol.
    bests: HashMap<&'static str, (i64, i64)>,
    reports: u64,
    dice: u64,
}

impl Ledger {
    pub fn new(symbols: &[&'static str]) -> Self {
        let assets = symbols.iter().flat_map(|symbol| assets(symbol));
        let has = assets.map(|asset| (asset.to_owned(), OPENING)).collect();
        Self {
            orders: Vec::new(),
            trades: Vec::new(),
            open: Vec::new(),
            has,
            followers: Vec::new(),
            bests: HashMap::new(),
            reports: 0,
            dice: 0x2545_F491_4F6C_DD1D,
        }
    }

    /// Reports go here from now on.
    pub fn follow(&mut self, to: Sender<String>) {
        self.followers.push(to);
    }

    /// The market moved: somebody may trade with what rests near the best price, with half of it or
    /// with all.
    pub fn step(&mut self, symbol: &'static str, (bid, ask): (Level, Level), at_ms: i64) {
        let best = (bid.0, ask.0);
        self.bests.insert(symbol, best);
        for number in self.open.clone() {
            let Held { new, filled, .. } = self.held(number);
            let near = match new.buy {
                true => new.px > best.0 - NEAR,
                false => new.px < best.1 + NEAR,
            };
            let (px, left) = (new.px, new.qty - filled);
            if new.symbol != symbol || !near || self.roll(TRADES) > 0 {
                continue;
            }
            let half = left / 2 / LOT * LOT;
            let qty = if half > 0 && self.roll(2) == 0 {
                half
            } else {
                left
            };
            self.trade(number, (px, qty), true, at_ms);
            self.report_balances(number, at_ms);
        }
    }

    pub fn place(&mut self, new: New, at_ms: i64) -> Result<u64, Refusal> {
        let same = |number: &u64| self.held(*number).called == new.name;
        if self.open.iter().any(same) {
            return Err(DUPLICATE);
        }
        let (bid, ask) = self
            .bests
            .get(&*new.symbol)
            .copied()
            .unwrap_or((0, i64::MAX));
        let (best, takes) = match new.buy {
            true => (ask, new.px >= ask),
            false => (bid, new.px <= bid),
        };
        if takes && new.kind == "LIMIT_MAKER" {
            return Err(CROSSES);
        }
        let (qty, rests) = (new.qty, new.kind == "LIMIT_MAKER" || new.life == "GTC");
        self.orders.push(Held {
            status: "NEW",
            filled: 0,
            spent: 0,
            called: new.name.clone(),
            placed_ms: at_ms,
            updated_ms: at_ms,
            new,
        });
        let number = self.orders.len() as u64;
        self.open.push(number);
        self.report(number, "NEW", None, at_ms);
        match (takes, rests) {
            (true, _) => self.trade(number, (best, qty), false, at_ms),
            (false, true) => {}
            (false, false) => self.end(number, "EXPIRED", None, at_ms),
        }
        self.report_balances(number, at_ms);
        Ok(number)
    }

    /// An order that rests.
    pub fn resting(&self, symbol: &str, which: &Which<'_>) -> Result<u64, Refusal> {
        let found = self.find(symbol, which).ok();
        found
            .filter(|number| self.open.contains(number))
            .ok_or(NOT_OPEN)
    }

    pub fn find(&self, symbol: &str, which: &Which<'_>) -> Result<u64, Refusal> {
        let same = |number: &u64| {
            let held = self.held(*number);
            held.new.symbol == symbol
                && match which {
                    Which::Number(wanted) => wanted == number,
                    Which::Name(name) => held.called == **name,
                }
        };
        let numbers = 1..=self.orders.len() as u64;
        numbers.rev().find(same).ok_or(NO_ORDER)
    }

    /// `by`: the cancel's own name.
    pub fn cancel(&mut self, number: u64, by: &str, at_ms: i64) {
        self.end(number, "CANCELED", Some(by), at_ms);
        self.report_balances(number, at_ms);
    }

    pub fn amend(&mut self, number: u64, qty: i128, at_ms: i64) -> Result<(), Refusal> {
        let held = &mut self.orders[number as usize - 1];
        if qty >= held.new.qty || qty <= held.filled {
            return Err(NO_AMENDMENT);
        }
        (held.new.qty, held.updated_ms) = (qty, at_ms);
        self.report(number, "REPLACED", None, at_ms);
        self.report_balances(number, at_ms);
        Ok(())
    }

    pub fn held(&self, number: u64) -> &Held {
        &self.orders[number as usize - 1]
    }

    /// Orders that rest, at this symbol or at all.
    pub fn open(&self, symbol: Option<&str>) -> Vec<Value> {
        let of = |number: &&u64| symbol.is_none_or(|only| self.held(**number).new.symbol == only);
        self.open
            .iter()
            .filter(of)
            .map(|number| self.standing(*number))
            .collect()
    }

    /// What an answer says of an order.
    pub fn standing(&self, number: u64) -> Value {
        let held = self.held(number);
        json!({"symbol": held.new.symbol, "orderId": number, "orderListId": -1,
            "clientOrderId": held.called, "price": px_text(held.new.px),
            "origQty": text(held.new.qty), "executedQty": text(held.filled),
            "cummulativeQuoteQty": text(held.spent), "status": held.status,
            "timeInForce": held.new.life, "type": held.new.kind, "side": side(held.new.buy),
            "time": held.placed_ms, "updateTime": held.updated_ms, "isWorking": true})
    }

    /// What the answer to a new order says of its trades.
    pub fn fills(&self, number: u64) -> Vec<Value> {
        let of = self.trades.iter().filter(|trade| trade.order == number);
        let fill = |trade: &Trade| {
            json!({"price": px_text(trade.px), "qty": text(trade.qty),
                "commission": text(trade.fee), "commissionAsset": fee_asset(trade),
                "tradeId": trade.id})
        };
        of.map(fill).collect()
    }

    /// The trades of a symbol of which `wanted` is true, oldest first.
    pub fn trades(&self, symbol: &str, limit: usize, wanted: impl Fn(&Trade) -> bool) -> Value {
        let of = |trade: &&Trade| trade.symbol == symbol && wanted(trade);
        let said = |trade: &Trade| {
            json!({"symbol": symbol, "id": trade.id, "orderId": trade.order, "orderListId": -1,
                "price": px_text(trade.px), "qty": text(trade.qty),
                "quoteQty": text(worth(trade.px, trade.qty)), "commission": text(trade.fee),
                "commissionAsset": fee_asset(trade), "time": trade.at_ms,
                "isBuyer": trade.buy, "isMaker": trade.maker, "isBestMatch": true})
        };
        self.trades
            .iter()
            .filter(of)
            .take(limit)
            .map(said)
            .collect()
    }

    /// Free and locked of every asset, by the names that a list or a report has for them.
    pub fn balances(&self, keys: [&str; 3], of: impl Fn(&str) -> bool) -> Value {
        let balance = |(asset, has): (&String, &i128)| {
            let locked = |number: &u64| {
                let Held { new, filled, .. } = self.held(*number);
                let [base, quote] = assets(&new.symbol);
                match new.buy {
                    true if quote == asset => worth(new.px, new.qty - filled),
                    false if base == asset => new.qty - filled,
                    _ => 0,
                }
            };
            let locked: i128 = self.open.iter().map(locked).sum();
            json!({keys[0]: asset, keys[1]: text(has - locked), keys[2]: text(locked)})
        };
        self.has
            .iter()
            .filter(|(asset, _)| of(asset))
            .map(balance)
            .collect()
    }

    /// What was bought of this symbol, less what was sold.
    pub fn position(&self, symbol: &str) -> i128 {
        let of = self.trades.iter().filter(|trade| trade.symbol == symbol);
        of.map(|trade| if trade.buy { trade.qty } else { -trade.qty })
            .sum()
    }

    fn trade(&mut self, number: u64, (px, qty): (i64, i128), maker: bool, at_ms: i64) {
        let held = &mut self.orders[number as usize - 1];
        held.filled += qty;
        held.spent += worth(px, qty);
        held.updated_ms = at_ms;
        let whole = held.filled == held.new.qty;
        held.status = if whole { "FILLED" } else { "PARTIALLY_FILLED" };
        let (symbol, buy) = (held.new.symbol.clone(), held.new.buy);
        let [base, quote] = assets(&symbol);
        let (gets, gives) = match buy {
            true => ((base, qty), (quote, worth(px, qty))),
            false => ((quote, worth(px, qty)), (base, qty)),
        };
        let fee = gets.1 / FEE;
        *self.has.get_mut(gets.0).unwrap() += gets.1 - fee;
        *self.has.get_mut(gives.0).unwrap() -= gives.1;
        let id = self.trades.len() as u64 + 1;
        self.trades.push(Trade {
            id,
            order: number,
            symbol,
            buy,
            px,
            qty,
            maker,
            fee,
            at_ms,
        });
        if whole {
            self.open.retain(|open| *open != number);
        }
        self.report(number, "TRADE", None, at_ms);
    }

    fn end(&mut self, number: u64, status: &'static str, by: Option<&str>, at_ms: i64) {
        let held = &mut self.orders[number as usize - 1];
        (held.status, held.updated_ms) = (status, at_ms);
        let was = held.called.clone();
        if let Some(by) = by {
            by.clone_into(&mut held.called);
        }
        self.open.retain(|open| *open != number);
        self.report(number, status, by.map(|_| &*was), at_ms);
    }

    /// `original`: the order's name, if something else gave this report another one.
    fn report(&mut self, number: u64, what: &str, original: Option<&str>, at_ms: i64) {
        self.reports += 1;
        let held = self.held(number);
        let last = self.trades.last().filter(|_| what == "TRADE");
        let nothing = || text(0);
        let event = json!({"e": "executionReport", "E": at_ms, "s": held.new.symbol,
            "c": held.called, "S": side(held.new.buy), "o": held.new.kind, "f": held.new.life,
            "q": text(held.new.qty), "p": px_text(held.new.px), "P": nothing(), "F": nothing(),
            "g": -1, "C": original.unwrap_or_default(), "x": what, "X": held.status, "r": "NONE",
            "i": number, "l": last.map_or_else(nothing, |trade| text(trade.qty)),
            "z": text(held.filled), "L": last.map_or_else(nothing, |trade| px_text(trade.px)),
            "n": last.map_or_else(nothing, |trade| text(trade.fee)),
            "N": last.map(fee_asset), "T": at_ms, "t": last.map_or(-1, |trade| trade.id as i64),
            "I": self.reports, "w": held.status == "NEW", "m": last.is_some_and(|t| t.maker),
            "O": held.placed_ms, "Z": text(held.spent), "V": "NONE"});
        self.tell(&event);
    }

    /// What there is of the assets of an order.
    fn report_balances(&mut self, number: u64, at_ms: i64) {
        let symbol = self.held(number).new.symbol.clone();
        let changed = self.balances(["a", "f", "l"], |asset| assets(&symbol).contains(&asset));
        let event = json!({"e": "outboundAccountPosition", "E": at_ms, "u": at_ms, "B": changed});
        self.tell(&event);
    }

    fn tell(&mut self, event: &Value) {
        let text = json!({"subscriptionId": 0, "event": event}).to_string();
        self.followers.retain(|to| to.send(text.clone()).is_ok());
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}

fn side(buy: bool) -> &'static str {
    if buy { "BUY" } else { "SELL" }
}

/// What is traded, and what it is paid in.
fn assets(symbol: &str) -> [&str; 2] {
    let base = symbol.strip_suffix("USDT").unwrap_or(symbol);
    [base, "USDT"]
}

fn fee_asset(trade: &Trade) -> &str {
    assets(&trade.symbol)[usize::from(!trade.buy)]
}

fn worth(px: i64, qty: i128) -> i128 {
    i128::from(px) * qty / 100
}

fn text(units: i128) -> String {
    format!("{}.{:08}", units / ONE, units % ONE)
}
