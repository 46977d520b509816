//! What every account at one simulated exchange has: balances, orders and own trades, and what it
//! is told of them. Matches nothing and knows no protocol; spot only.

use super::matching::Owner;
use crate::base::{Asset, Instrument, Px, Qty, Side, UnixNanos};
use crate::exchange::mirror::orders::{
    Amount, Balance, Change, Denied, Holdings, News, Order, OwnTrade, Place, Report, Size, Sort,
    Status, Terms, Window,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Accounts that one exchange keeps: at some 300 bytes an order and a trade, 300 MB at worst.
pub(crate) const ACCOUNTS_MAX: usize = 100;
/// Ended orders that are kept of an account, and trades.
pub(crate) const ENDED_MAX: usize = 5_000;
/// See `ENDED_MAX`.
pub(crate) const TRADES_MAX: usize = 5_000;

/// An order by its listing and its number.
pub(crate) type Key = (usize, u64);

/// One match as an account sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution {
    /// The number that everybody sees.
    pub(crate) trade_id: u64,
    /// At this price.
    pub(crate) px: Px,
    /// So much.
    pub(crate) qty: Qty,
    /// The account's order rested.
    pub(crate) maker: bool,
}

struct Account {
    name: Arc<str>,
    holdings: Holdings,
    /// Keys of `holdings.ended` in the order in which they ended.
    ended_in: VecDeque<Key>,
}

/// All accounts of one exchange.
///
/// Invariant: what is locked of an asset is the sum of what its account's open orders lock.
pub(crate) struct Ledger {
    terms: Terms,
    opening: BTreeMap<Asset, Balance>,
    names: HashMap<Arc<str>, Owner>,
    /// The account of `Owner(n)` is at `n - 1`.
    accounts: Vec<Account>,
    reports: Vec<Report>,
    number: u64,
    changed: BTreeSet<(Owner, Asset)>,
}

impl Ledger {
    /// No account yet; each will begin with these balances.
    pub(crate) fn new(terms: Terms, opening: impl IntoIterator<Item = (Asset, Amount)>) -> Self {
        let balance = |(asset, free)| {
            let locked = Amount::ZERO;
            (asset, Balance { free, locked })
        };
        Self {
            terms,
            opening: opening.into_iter().map(balance).collect(),
            names: HashMap::new(),
            accounts: Vec::new(),
            reports: Vec::new(),
            number: 0,
            changed: BTreeSet::new(),
        }
    }

    /// Whose account this is; one that was never seen is opened, unless there are too many.
    pub(crate) fn enter(&mut self, name: &str) -> Option<Owner> {
        if let Some(owner) = self.names.get(name) {
            return Some(*owner);
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return None;
        }
        let name: Arc<str> = name.into();
        let window = |&rate| Window {
            rate,
            interval: 0,
            count: 0,
        };
        self.accounts.push(Account {
            name: Arc::clone(&name),
            holdings: Holdings {
                balances: self.opening.clone(),
                open: BTreeMap::new(),
                ended: BTreeMap::new(),
                trades: VecDeque::new(),
                windows: self.terms.orders.iter().map(window).collect(),
                updated: UnixNanos(0),
            },
            ended_in: VecDeque::new(),
        });
        let owner = Owner(self.accounts.len() as u32);
        self.names.insert(name, owner);
        Some(owner)
    }

    /// What an account has.
    pub(crate) fn holdings(&self, owner: Owner) -> Option<&Holdings> {
        let account = self.accounts.get((owner.0 as usize).checked_sub(1)?)?;
        Some(&account.holdings)
    }

    /// What every account has.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Holdings> {
        self.accounts.iter().map(|account| &account.holdings)
    }

    /// Every order that rests, by account.
    pub(crate) fn all_open(&self) -> Vec<Order> {
        let accounts = self.accounts.iter();
        let open = accounts.flat_map(|account| account.holdings.open.values());
        open.cloned().collect()
    }

    /// Counts an order that an account wants to place at `now`.
    pub(crate) fn count(&mut self, owner: Owner, now: UnixNanos) -> Result<(), Denied> {
        let windows = &mut self.account(owner).holdings.windows;
        let full = |window: &Window| window.count_at(now) >= window.rate.count;
        if let Some(n) = windows.iter().position(full) {
            return Err(Denied::TooMany(n));
        }
        for window in windows {
            window.count = window.count_at(now) + 1;
            window.interval = window.interval_at(now);
        }
        Ok(())
    }

    /// Takes an order in, and locks what it needs: this much.
    pub(crate) fn open(
        &mut self,
        owner: Owner,
        (instrument, now): (&Instrument, UnixNanos),
        (id, asked): (u64, Place),
        (qty, needs): (Qty, Amount),
    ) -> Result<(), Denied> {
        let asset = gives(instrument, asked.side);
        let balance = self.balance(owner, asset);
        if balance.free < needs {
            return Err(Denied::Insufficient);
        }
        balance.free.0 -= needs.0;
        balance.locked.0 += needs.0;
        let order = Order {
            id,
            asked,
            qty,
            executed: Qty(0),
            paid: Amount::ZERO,
            locked: needs,
            prevented: None,
            status: Status::New,
            amends: 0,
            created: now,
            updated: now,
        };
        self.report(owner, now, Change::Placed, &order);
        let key = (order.asked.listing, id);
        let before = self.account(owner).holdings.open.insert(key, order);
        assert!(before.is_none(), "two orders under one number");
        Ok(())
    }

    /// Whether an account could lock this much.
    pub(crate) fn affords(
        &self,
        owner: Owner,
        instrument: &Instrument,
        side: Side,
        needs: Amount,
    ) -> bool {
        let holdings = self.holdings(owner);
        let has = holdings.and_then(|has| has.balances.get(&gives(instrument, side)));
        has.is_some_and(|balance| balance.free >= needs)
    }

    /// An open order of this account traded. What was locked for it beyond what it still needs is
    /// free again.
    pub(crate) fn trade(
        &mut self,
        owner: Owner,
        (instrument, now): (&Instrument, UnixNanos),
        key: Key,
        execution: Execution,
    ) -> Option<OwnTrade> {
        let Execution {
            trade_id: id,
            px,
            qty,
            maker,
        } = execution;
        let (credit, fees) = (self.terms.credit, self.terms.fees);
        let account = self.account(owner);
        let mut order = account.holdings.open.remove(&key)?;
        assert!(
            qty.0 > 0 && qty <= order.left(),
            "more traded than was left"
        );
        let worth = worth(instrument, px, qty);
        let of_base = base(instrument, qty);
        let side = order.asked.side;
        let (spent, got) = match side {
            Side::Buy => (worth, of_base),
            Side::Sell => (of_base, worth),
        };
        if order.executed.0 == 0 {
            let credit = if maker { credit.0 } else { credit.1 };
            for window in &mut account.holdings.windows {
                window.count = window.count_at(now).saturating_sub(credit);
                window.interval = window.interval_at(now);
            }
        }
        order.executed.0 += qty.0;
        order.paid.0 += worth.0;
        order.updated = now;
        order.status = match order.left() {
            Qty(0) => Status::Filled,
            _ => Status::PartlyFilled,
        };
        let needs = match order.asked.sort {
            Sort::Market if order.left().0 > 0 => Amount(order.locked.0 - spent.0),
            Sort::Market | Sort::Limit | Sort::PostOnly => {
                needed(instrument, side, order.asked.px, order.left())
            }
        };
        assert!(
            order.locked.0 >= spent.0 + needs.0,
            "it paid what it had not locked"
        );
        let freed = order.locked.0 - spent.0 - needs.0;
        let ppm = if maker {
            fees.maker_ppm
        } else {
            fees.taker_ppm
        };
        let fee = Amount(got.0.saturating_mul(ppm.into()) / 1_000_000);
        let fee = Amount::of(fee.units(fees.decimals), fees.decimals);
        let (paid_in, fee_asset) = (gives(instrument, side), gets(instrument, side));
        let balance = self.balance(owner, paid_in);
        balance.locked.0 -= spent.0 + freed;
        balance.free.0 += freed;
        self.balance(owner, fee_asset).free.0 += got.0 - fee.0;
        order.locked = needs;
        let trade = OwnTrade {
            id,
            order_id: order.id,
            listing: key.0,
            side,
            px,
            qty,
            worth,
            fee,
            fee_asset,
            maker,
            at: now,
        };
        let trades = &mut self.account(owner).holdings.trades;
        if trades.len() >= TRADES_MAX {
            trades.pop_front();
        }
        trades.push_back(trade);
        self.report(owner, now, Change::Traded(trade), &order);
        self.keep(owner, key, order);
        Some(trade)
    }

    /// An open order of this account ends with what is left of it; what was locked for that is free
    /// again.
    pub(crate) fn end(
        &mut self,
        owner: Owner,
        (instrument, now): (&Instrument, UnixNanos),
        key: Key,
        change: Change,
    ) -> Option<Order> {
        let mut order = self.account(owner).holdings.open.remove(&key)?;
        order.status = match change {
            Change::Cancelled(_) => Status::Cancelled,
            Change::Prevented => Status::Prevented,
            Change::Placed | Change::Traded(_) | Change::Amended(_) | Change::Expired => {
                Status::Expired
            }
        };
        if order.status == Status::Prevented {
            order.prevented = Some((self.number, order.left()));
        }
        order.updated = now;
        let freed = std::mem::take(&mut order.locked);
        let balance = self.balance(owner, gives(instrument, order.asked.side));
        balance.locked.0 -= freed.0;
        balance.free.0 += freed.0;
        self.report(owner, now, change, &order);
        self.keep(owner, key, order.clone());
        Some(order)
    }

    /// An open order of this account is for less from now on, and has this client id. Gives the
    /// number of the report.
    pub(crate) fn amend(
        &mut self,
        owner: Owner,
        (instrument, now): (&Instrument, UnixNanos),
        key: Key,
        (qty, client_id): (Qty, &str),
    ) -> Option<(Order, u64)> {
        let mut order = self.account(owner).holdings.open.remove(&key)?;
        assert!(order.executed < qty && qty < order.qty, "no smaller order");
        (order.qty, order.asked.size) = (qty, Size::Qty(qty));
        order.amends += 1;
        order.updated = now;
        let needs = needed(instrument, order.asked.side, order.asked.px, order.left());
        let freed = order.locked.0 - needs.0;
        order.locked = needs;
        let balance = self.balance(owner, gives(instrument, order.asked.side));
        balance.locked.0 -= freed;
        balance.free.0 += freed;
        let was = std::mem::replace(&mut order.asked.client_id, client_id.to_owned());
        let number = self.report(owner, now, Change::Amended(was), &order);
        self.keep(owner, key, order.clone());
        Some((order, number))
    }

    /// Tells each account which of its balances changed since the last time.
    pub(crate) fn settle(&mut self, now: UnixNanos) {
        while let Some(&(owner, _)) = self.changed.first() {
            let mut balances = Vec::new();
            while let Some(&(whose, asset)) = self.changed.first()
                && whose == owner
            {
                self.changed.pop_first();
                balances.push((asset, *self.balance_of(owner, asset)));
            }
            self.tell(owner, now, News::Balances(balances));
        }
        self.check();
    }

    /// What accounts are told, oldest first, since it was taken last.
    pub(crate) fn reports(&mut self) -> &mut Vec<Report> {
        &mut self.reports
    }

    fn account(&mut self, owner: Owner) -> &mut Account {
        &mut self.accounts[owner.0 as usize - 1]
    }

    /// Puts an order where it belongs now: among those that rest, or those that ended.
    fn keep(&mut self, owner: Owner, key: Key, order: Order) {
        let account = self.account(owner);
        if order.is_open() {
            account.holdings.open.insert(key, order);
            return;
        }
        assert!(
            order.locked == Amount::ZERO,
            "an ended order locks something"
        );
        account.holdings.ended.insert(key, order);
        account.ended_in.push_back(key);
        if account.ended_in.len() > ENDED_MAX
            && let Some(oldest) = account.ended_in.pop_front()
        {
            account.holdings.ended.remove(&oldest);
        }
    }

    /// A balance that is about to change.
    fn balance(&mut self, owner: Owner, asset: Asset) -> &mut Balance {
        self.changed.insert((owner, asset));
        self.balance_of(owner, asset)
    }

    fn balance_of(&mut self, owner: Owner, asset: Asset) -> &mut Balance {
        self.account(owner)
            .holdings
            .balances
            .entry(asset)
            .or_default()
    }

    fn report(&mut self, owner: Owner, at: UnixNanos, change: Change, order: &Order) -> u64 {
        self.tell(owner, at, News::Order(Box::new(order.clone()), change))
    }

    fn tell(&mut self, owner: Owner, at: UnixNanos, news: News) -> u64 {
        self.number += 1;
        let number = self.number;
        let account = self.account(owner);
        account.holdings.updated = at;
        let account = Arc::clone(&account.name);
        self.reports.push(Report {
            number,
            account,
            at,
            news,
        });
        number
    }

    fn check(&self) {
        debug_assert!(self.accounts.iter().all(|account| {
            let open = account.holdings.open.values();
            let all: u128 = open.map(|order| order.locked.0).sum();
            let balances = account.holdings.balances.values();
            all == balances.map(|balance| balance.locked.0).sum::<u128>()
        }));
    }
}

/// What so much of it is worth in the quote asset.
pub(crate) fn worth(instrument: &Instrument, px: Px, qty: Qty) -> Amount {
    let units = instrument.notional(px, qty).unwrap_or(u128::MAX);
    Amount::of(units, instrument.notional_scale())
}

/// What such an order needs.
pub(crate) fn needed(instrument: &Instrument, side: Side, px: Px, qty: Qty) -> Amount {
    match side {
        Side::Buy => worth(instrument, px, qty),
        Side::Sell => base(instrument, qty),
    }
}

fn base(instrument: &Instrument, qty: Qty) -> Amount {
    Amount::of(qty.0.into(), instrument.qty_scale)
}

fn gives(instrument: &Instrument, side: Side) -> Asset {
    match side {
        Side::Buy => instrument.quote,
        Side::Sell => instrument.base,
    }
}

fn gets(instrument: &Instrument, side: Side) -> Asset {
    gives(instrument, side.opposite())
}

#[cfg(test)]
mod tests;
