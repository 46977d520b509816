//! Ours against the exchange's: open orders, trades and balances, after each connection and now and
//! then. What does not fit becomes a named difference; nothing is dropped because sums do not fit.
//! Sends nothing itself.

mod last;

use super::orders::Orders;
use crate::base::{
    AccountNews, Asset, Balance, ClientId, Decimal, Deed, Fill, Instrument, InstrumentId, Nanos,
    Question, Resting, Side, Span, TradesOf,
};
pub(crate) use last::Balanced;
use std::collections::{BTreeMap, VecDeque};

/// An account that is connected is compared again after this long.
pub(crate) const COMPARED_EVERY: Span = Span::from_secs(60);
/// A question that was not answered is asked again after this long.
const ASK_AGAIN: Span = Span::from_secs(3);
/// A balance that does not fit is looked at again after this long: a trade may be under way.
const LOOK_AGAIN: Span = Span::from_secs(2);
/// What does not fit so many times in a row, by the same amount, is a difference.
const SAME_TIMES: u32 = 3;
/// Trades before the first one that we know are asked for with this to spare.
const TRADES_MARGIN: Span = Span::from_secs(60);
/// Balances are compared in units of 10^-18.
const SCALE: u8 = 18;

/// What an account has of an asset that our trades do not explain. The entry that balances it has
/// the name of its cause, so that whoever finds the same cause again finds the same entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Of what.
    pub(crate) asset: Asset,
    /// What our trades explain, in units of 10^-18.
    pub(crate) expected: i128,
    /// What the exchange says.
    pub(crate) found: i128,
}

impl Difference {
    /// The name of the entry: the same for the same asset and amounts.
    pub(crate) fn name(&self) -> u64 {
        // FNV-1a.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let bytes = self.asset.bytes();
        let amounts = [self.expected, self.found];
        let amounts = amounts.iter().flat_map(|amount| amount.to_le_bytes());
        bytes.chain(amounts).fold(0xcbf2_9ce4_8422_2325, mix)
    }

    /// How much more the exchange says than our trades explain.
    pub(crate) fn off(&self) -> i128 {
        self.found.saturating_sub(self.expected)
    }

    /// The same without its sign.
    pub(crate) fn size(&self) -> i128 {
        self.off().saturating_abs()
    }

    /// Its record.
    pub(crate) fn deed(&self) -> Deed {
        Deed::Differs {
            entry: self.name(),
            asset: self.asset,
            expected: self.expected,
            found: self.found,
        }
    }
}

/// What is wanted of the owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Output {
    /// For the exchange.
    Ask(Question),
    /// We know how the account stands: orders may be sent from now on.
    Ready,
    /// An order under our name rests there that nobody here knows.
    Unknown(Resting),
    /// An order of ours that should rest does not.
    Missing(ClientId),
    /// Something does not fit, and is balanced from now on.
    Balanced(Difference),
}

/// What is still to be answered before the account is known.
#[derive(Debug, Default)]
struct Open {
    resting: bool,
    balances: bool,
    trades: Vec<InstrumentId>,
}

impl Open {
    fn is_done(&self) -> bool {
        !self.resting && !self.balances && self.trades.is_empty()
    }
}

/// What there is of an asset.
#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    /// What our trades explain; `None` before the first list.
    expected: Option<i128>,
    /// What the last list said, and whether the list that comes now says it.
    found: i128,
    listed: bool,
    /// By how much it did not fit the last time, and how often in a row.
    off: (i128, u32),
    /// What there was before the first trade of this run.
    before: Option<i128>,
    /// The name of the last difference.
    entry: Option<u64>,
}

/// The comparison of one account with its exchange.
///
/// Invariant: it is ready only while connected, and after everything was answered that was asked
/// since.
#[derive(Debug)]
pub(crate) struct Reconcile {
    /// The run's table.
    instruments: Vec<Instrument>,
    /// The account's exchange; `None` if all instruments are the account's.
    exchange: Option<&'static str>,
    connected: bool,
    ready: bool,
    /// It was, at some time of this run.
    was_ready: bool,
    open: Open,
    /// The first connection.
    began: Nanos,
    /// For so long before it trades of an earlier run may not be known.
    earlier: Span,
    /// When the questions that are open were asked.
    asked: Nanos,
    /// Questions are asked, or asked again, then.
    due: Nanos,
    /// Instruments that traded here, with the number up to which their trades were listed whole,
    /// and the largest of the list that comes now. A trade may be missed though later ones were
    /// heard.
    traded: BTreeMap<InstrumentId, (Option<u64>, u64)>,
    /// Our orders that the list of resting ones has named so far. Which question it answers is
    /// known at its end only.
    named: Vec<Resting>,
    /// Orders of the account that are not ours, as of the last list.
    foreign: usize,
    foreign_now: usize,
    holdings: BTreeMap<Asset, Holding>,
    /// A list was compared: of what it did not name there is nothing.
    listed: bool,
    /// Something did not fit the last time, and is looked at again.
    again: bool,
    /// The last look was begun.
    last: bool,
    out: VecDeque<Output>,
}

impl Reconcile {
    /// Nothing is known yet. `instruments` is the run's table, of which those of `exchange` are the
    /// account's, or all.
    pub(crate) fn new(instruments: &[Instrument], exchange: Option<&'static str>) -> Self {
        Self {
            instruments: instruments.to_vec(),
            exchange,
            connected: false,
            ready: false,
            was_ready: false,
            open: Open::default(),
            began: Nanos::NEVER,
            earlier: Span::ZERO,
            asked: Nanos::ZERO,
            due: Nanos::NEVER,
            traded: BTreeMap::new(),
            named: Vec::new(),
            foreign: 0,
            foreign_now: 0,
            holdings: BTreeMap::new(),
            listed: false,
            again: false,
            last: false,
            out: VecDeque::new(),
        }
    }

    /// The account has this much of an asset, as an earlier run knew it, in units of 10^-18.
    pub(crate) fn hold(&mut self, asset: Asset, units: i128) {
        let held = self.held(asset);
        (held.expected, held.before) = (Some(units), Some(units));
    }

    /// The account has nothing of any other asset, as an earlier run knew it.
    pub(crate) fn hold_no_other(&mut self) {
        self.listed = true;
    }

    /// Whether it is known of every asset how much the account has.
    pub(crate) fn holds_no_other(&self) -> bool {
        self.listed
    }

    /// What the account has, as far as our trades explain it.
    pub(crate) fn holdings(&self) -> impl Iterator<Item = (Asset, i128)> {
        let all = self.holdings.iter();
        all.filter_map(|(asset, held)| Some((*asset, held.expected?)))
    }

    /// An earlier run traded in this instrument. Its trades are known up to `listed`; if there is
    /// no such number, what is not known may be as old as `age`.
    pub(crate) fn resume(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        listed: Option<u64>,
        age: Span,
    ) {
        self.traded.insert(instrument, (listed, 0));
        self.began = self.began.min(now);
        if listed.is_none() {
            self.earlier = self.earlier.max(age);
        }
    }

    /// The number up to which the trades in this instrument were listed whole.
    pub(crate) fn listed(&self, instrument: InstrumentId) -> Option<u64> {
        self.traded.get(&instrument)?.0
    }

    /// Whether it is known how the account stands.
    #[cfg(test)]
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Orders of the account that are not ours, as of the last list.
    pub(crate) fn foreign_orders(&self) -> usize {
        self.foreign
    }

    /// Whether an instrument is one of the account's.
    fn has(&self, id: InstrumentId) -> bool {
        let its = self.instruments.get(id.index());
        let at = |exchange| its.is_some_and(|its| its.exchange == exchange);
        self.exchange.is_none_or(at)
    }

    /// What is wanted next.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.due
    }

    /// The gateway is connected, or no longer. A new connection knows nothing.
    pub(crate) fn handle_connected(&mut self, now: Nanos, connected: bool, orders: &Orders) {
        (self.connected, self.ready) = (connected, false);
        self.began = self.began.min(now);
        match connected {
            true => self.begin(now, orders),
            false => (self.open, self.due) = (Open::default(), Nanos::NEVER),
        }
    }

    /// Asks what is due to be asked.
    pub(crate) fn handle_timeout(&mut self, now: Nanos, orders: &Orders) {
        if now < self.due || !self.connected {
            return;
        }
        match self.open.is_done() {
            true => self.begin(now, orders),
            false => self.ask(now, orders),
        }
    }

    /// One of our orders traded: what the account has changes by that.
    pub(crate) fn handle_fill(&mut self, instrument: InstrumentId, fill: &Fill) {
        self.traded.entry(instrument).or_default();
        let Some(traded) = self.instruments.get(instrument.index()).copied() else {
            return;
        };
        let base = widen(u128::from(fill.qty.0), traded.qty_scale);
        let quote = traded.notional(fill.px, fill.qty);
        let quote = quote.and_then(|units| widen(units, traded.notional_scale()));
        let (Some(base), Some(quote)) = (base, quote) else {
            return; // What does not fit shows as a difference.
        };
        let (base, quote) = match fill.side {
            Side::Buy => (base, -quote),
            Side::Sell => (-base, quote),
        };
        self.add(traded.base, base);
        self.add(traded.quote, quote);
        if let Some(fee) = fill.fee {
            let Decimal { units, scale } = fee.amount;
            let fee_units = widen(units, scale).unwrap_or(0);
            self.add(fee.asset, if fee.rebate { fee_units } else { -fee_units });
        }
    }

    /// Takes in what the account says. What its orders and trades say of one of ours, `orders`
    /// hear from whoever calls.
    pub(crate) fn handle_news(
        &mut self,
        now: Nanos,
        instrument: InstrumentId,
        news: &AccountNews,
        orders: &Orders,
    ) {
        match *news {
            AccountNews::Trade { fill, .. } => {
                let (_, largest) = self.traded.entry(instrument).or_default();
                *largest = (*largest).max(fill.trade_id);
            }
            AccountNews::TradesListed { asked } if asked >= self.asked => {
                self.open.trades.retain(|open| *open != instrument);
                if let Some((listed, largest)) = self.traded.get_mut(&instrument)
                    && *largest > 0
                {
                    *listed = (*listed).max(Some(*largest));
                }
            }
            AccountNews::Resting(resting) => self.handle_resting(&resting),
            AccountNews::RestingListed { asked } => self.handle_resting_listed(asked, orders),
            AccountNews::Balance(balance) => self.handle_balance(&balance),
            AccountNews::BalancesListed { asked } => {
                let settled = orders.is_settled(|id| self.has(id));
                self.handle_balances_listed(now, asked, settled)
            }
            AccountNews::TradesListed { .. } | AccountNews::Clock { .. } => {}
        }
        if self.connected && self.open.is_done() && !self.ready {
            (self.ready, self.was_ready) = (true, true);
            self.due = self.due.min(now + COMPARED_EVERY);
            self.out.push_back(Output::Ready);
        }
        debug_assert!(self.connected || !self.ready);
    }

    fn begin(&mut self, now: Nanos, orders: &Orders) {
        let working = orders.working().iter().map(|order| order.instrument);
        let ours = working.filter(|id| self.has(*id));
        let mut trades: Vec<InstrumentId> = ours.chain(self.traded.keys().copied()).collect();
        trades.sort_unstable();
        trades.dedup();
        self.open = Open {
            resting: true,
            balances: true,
            trades,
        };
        self.ask(now, orders);
    }

    fn ask(&mut self, now: Nanos, orders: &Orders) {
        self.asked = now;
        self.due = now + ASK_AGAIN;
        self.named.clear();
        self.foreign_now = 0;
        if self.open.resting {
            self.out.push_back(Output::Ask(Question::OpenOrders));
        }
        if self.open.balances {
            self.holdings
                .values_mut()
                .for_each(|held| held.listed = false);
            self.out.push_back(Output::Ask(Question::Balances));
        }
        for instrument in &self.open.trades {
            let of = match self.traded.get(instrument) {
                Some((Some(listed), _)) => TradesOf::After(*listed),
                Some((None, _)) | None => {
                    TradesOf::Last(self.since(*instrument, now, orders) + TRADES_MARGIN)
                }
            };
            let question = Question::Trades(*instrument, of);
            self.out.push_back(Output::Ask(question));
        }
    }

    /// How long ago the first order of this instrument may have traded that is not known whole.
    fn since(&self, instrument: InstrumentId, now: Nanos, orders: &Orders) -> Span {
        match self.traded.contains_key(&instrument) {
            true => now.since(self.began) + self.earlier,
            false => orders.oldest(instrument, now),
        }
    }

    fn handle_resting(&mut self, resting: &Resting) {
        match resting.client_id {
            None => self.foreign_now += 1,
            Some(_) => self.named.push(*resting),
        }
    }

    fn handle_resting_listed(&mut self, asked: Nanos, orders: &Orders) {
        let named = std::mem::take(&mut self.named);
        let foreign = std::mem::take(&mut self.foreign_now);
        if asked < self.asked || !self.open.resting {
            return; // A late answer to a question before: orders in it may be over since.
        }
        self.open.resting = false;
        self.foreign = foreign;
        for resting in &named {
            let Some(client_id) = resting.client_id else {
                continue;
            };
            // A list that was under way when the order's end came is old news.
            let over = orders.over(client_id).is_some_and(|over| over >= asked);
            if orders.get(client_id).is_none() && !over {
                self.out.push_back(Output::Unknown(*resting));
            }
        }
        for order in orders.working() {
            let id = order.client_id;
            if !self.has(order.instrument) {
                continue; // Another account has it.
            }
            // One that was sent later is not in the list; one that is not taken yet has a question
            // of its own.
            let should = order.acked && orders.sent(id).is_some_and(|sent| sent < asked);
            if should && named.iter().all(|resting| resting.client_id != Some(id)) {
                self.out.push_back(Output::Missing(id));
            }
        }
    }

    fn handle_balance(&mut self, balance: &Balance) {
        let units = |amount: Decimal| widen(amount.units, amount.scale);
        if let (Some(free), Some(locked)) = (units(balance.free), units(balance.locked))
            && let Some(all) = free.checked_add(locked)
        {
            let held = self.held(balance.asset);
            (held.found, held.listed) = (all, true);
        }
    }

    fn handle_balances_listed(&mut self, now: Nanos, asked: Nanos, settled: bool) {
        if asked < self.asked || !self.open.balances {
            return;
        }
        self.open.balances = false;
        let mut again = false;
        for (asset, held) in &mut self.holdings {
            // What a list leaves out there is nothing of.
            let found = if held.listed { held.found } else { 0 };
            let Some(expected) = held.expected else {
                (held.expected, held.before) = (Some(found), Some(found));
                continue;
            };
            let off = found.saturating_sub(expected);
            if off == 0 {
                held.off = (0, 0);
                continue;
            }
            // While nobody knows what became of an order, it may be its trades that do not fit.
            let times = match held.off.0 == off && settled {
                true => held.off.1 + 1,
                false => u32::from(settled),
            };
            held.off = (off, times);
            if times < SAME_TIMES {
                again = true;
                continue;
            }
            let asset = *asset;
            held.off = (0, 0);
            held.expected = Some(found);
            let difference = Difference {
                asset,
                expected,
                found,
            };
            held.entry = Some(difference.name());
            self.out.push_back(Output::Balanced(difference));
        }
        (self.listed, self.again) = (true, again);
        self.due = match again {
            true => now + LOOK_AGAIN,
            false => now + COMPARED_EVERY,
        };
    }

    fn add(&mut self, asset: Asset, units: i128) {
        if let Some(expected) = &mut self.held(asset).expected {
            *expected = expected.saturating_add(units);
        }
    }

    fn held(&mut self, asset: Asset) -> &mut Holding {
        let nothing = self.listed.then_some(0);
        let none = Holding {
            expected: nothing,
            before: nothing,
            ..Holding::default()
        };
        self.holdings.entry(asset).or_insert(none)
    }
}

/// Units of `scale` in units of 10^-18; `None` if that does not fit.
fn widen(units: u128, scale: u8) -> Option<i128> {
    let units = i128::try_from(units).ok()?;
    let shift = |by: u8| 10i128.checked_pow(u32::from(by));
    match scale <= SCALE {
        true => units.checked_mul(shift(SCALE - scale)?),
        false => Some(units / shift(scale - SCALE)?),
    }
}

#[cfg(test)]
mod tests;
