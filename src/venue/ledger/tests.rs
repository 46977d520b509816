use super::*;
use crate::base::Symbol;
use crate::base::instrument::name;
use crate::exchange::Rate;
use crate::exchange::mirror::orders::{Fees, Life, SelfTrade};
use proptest::prelude::*;

const TERMS: Terms = Terms {
    fees: Fees {
        maker_ppm: 750,
        taker_ppm: 1_000,
        decimals: 8,
    },
    orders: &[Rate {
        count: 3,
        per: crate::base::Span::from_secs(10),
    }],
    credit: (5, 1),
};
const NOW: UnixNanos = UnixNanos(1_750_000_000_000_000_000);
const ONE: u128 = 10u128.pow(18);

fn asset(text: &str) -> Asset {
    Asset::from(text).unwrap()
}

fn instrument() -> Instrument {
    let symbol = Symbol::from("BTCUSDT").unwrap();
    Instrument {
        name: name("x", &["BTC", "USDT"]),
        base: asset("BTC"),
        quote: asset("USDT"),
        ..Instrument::bare("x", symbol, (2, 5))
    }
}

fn ledger() -> Ledger {
    let opening = [("BTC", 10), ("USDT", 1_000_000)];
    Ledger::new(
        TERMS,
        opening.map(|(name, whole)| (asset(name), Amount::of(whole, 0))),
    )
}

fn limit(side: Side, px: i64, qty: u64) -> Place {
    Place {
        listing: 0,
        side,
        sort: Sort::Limit,
        px: Px(px),
        size: Size::Qty(Qty(qty)),
        life: Life::GoodTillCancel,
        client_id: "c".to_owned(),
        meets: SelfTrade::Allowed,
    }
}

impl Ledger {
    fn put(&mut self, owner: Owner, id: u64, order: Place) -> Result<(), Denied> {
        let Size::Qty(qty) = order.size else {
            panic!("{order:?}")
        };
        let instrument = instrument();
        let needs = needed(&instrument, order.side, order.px, qty);
        self.open(owner, (&instrument, NOW), (id, order), (qty, needs))
    }

    fn fill(&mut self, owner: Owner, id: u64, px: i64, qty: u64, maker: bool) -> OwnTrade {
        let execution = Execution {
            trade_id: 7,
            px: Px(px),
            qty: Qty(qty),
            maker,
        };
        self.trade(owner, (&instrument(), NOW), (0, id), execution)
            .unwrap()
    }

    fn has(&self, owner: Owner, name: &str) -> (u128, u128) {
        let balance = self.holdings(owner).unwrap().balances[&asset(name)];
        (balance.free.0, balance.locked.0)
    }
}

#[test]
fn an_order_locks_what_it_needs_and_a_better_price_gives_the_rest_back() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    // Two at 30,000.00 each.
    ledger
        .put(alice, 1, limit(Side::Buy, 3_000_000, 200_000))
        .unwrap();
    assert_eq!(ledger.has(alice, "USDT"), (940_000 * ONE, 60_000 * ONE));
    // One of them at 29,000.00: 0.001 of it is the fee.
    let trade = ledger.fill(alice, 1, 2_900_000, 100_000, false);
    assert_eq!((trade.worth.0, trade.fee.0), (29_000 * ONE, ONE / 1000));
    assert_eq!(ledger.has(alice, "USDT"), (941_000 * ONE, 30_000 * ONE));
    assert_eq!(ledger.has(alice, "BTC"), (11 * ONE - ONE / 1000, 0));
    ledger
        .end(
            alice,
            (&instrument(), NOW),
            (0, 1),
            Change::Cancelled("x".to_owned()),
        )
        .unwrap();
    assert_eq!(ledger.has(alice, "USDT"), (971_000 * ONE, 0));
    let order = ledger.holdings(alice).unwrap().order(0, 1).unwrap();
    assert_eq!(
        (order.status, order.executed),
        (Status::Cancelled, Qty(100_000))
    );
}

#[test]
fn whoever_sells_pays_in_what_is_received_and_a_maker_less() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    ledger
        .put(alice, 1, limit(Side::Sell, 3_000_000, 200_000))
        .unwrap();
    assert_eq!(ledger.has(alice, "BTC"), (8 * ONE, 2 * ONE));
    let trade = ledger.fill(alice, 1, 3_000_000, 200_000, true);
    assert_eq!((trade.fee.0, &*trade.fee_asset), (45 * ONE, "USDT"));
    assert_eq!(ledger.has(alice, "USDT"), (1_059_955 * ONE, 0));
    assert_eq!(ledger.has(alice, "BTC"), (8 * ONE, 0));
}

#[test]
fn what_an_account_does_not_have_it_cannot_lock_and_accounts_are_apart() {
    let mut ledger = ledger();
    let [alice, bob] = ["alice", "bob"].map(|name| ledger.enter(name).unwrap());
    assert_eq!(ledger.enter("alice"), Some(alice));
    let whole = limit(Side::Sell, 1, 1_000_000);
    ledger.put(alice, 1, whole.clone()).unwrap();
    assert_eq!(
        ledger.put(alice, 2, limit(Side::Sell, 1, 1)),
        Err(Denied::Insufficient)
    );
    ledger.put(bob, 2, whole).unwrap();
    assert_eq!(ledger.has(bob, "BTC"), (0, 10 * ONE));
    assert!(ledger.holdings(alice).unwrap().order(0, 2).is_none());
}

#[test]
fn a_smaller_order_needs_less_and_is_found_under_its_new_client_id() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    ledger
        .put(alice, 1, limit(Side::Buy, 3_000_000, 200_000))
        .unwrap();
    ledger.fill(alice, 1, 3_000_000, 50_000, true);
    let (order, _) = ledger
        .amend(alice, (&instrument(), NOW), (0, 1), (Qty(100_000), "d"))
        .unwrap();
    assert_eq!((order.left(), order.amends), (Qty(50_000), 1));
    assert_eq!(ledger.has(alice, "USDT").1, 15_000 * ONE);
    let holdings = ledger.holdings(alice).unwrap();
    assert!(holdings.named(0, "d").is_some() && holdings.named(0, "c").is_none());
}

#[test]
fn orders_are_counted_by_interval_and_the_first_trade_gives_some_back() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    for id in 1..=3 {
        ledger.count(alice, NOW).unwrap();
        ledger.put(alice, id, limit(Side::Sell, 100, 100)).unwrap();
    }
    assert_eq!(ledger.count(alice, NOW), Err(Denied::TooMany(0)));
    let later = UnixNanos(NOW.0 + 10_000_000_000);
    assert_eq!(ledger.count(alice, later), Ok(()));
    assert_eq!(
        ledger.holdings(alice).unwrap().windows[0].count_at(later),
        1
    );
    let mut ledger = self::ledger();
    let alice = ledger.enter("alice").unwrap();
    for id in 1..=3 {
        ledger.count(alice, NOW).unwrap();
        ledger.put(alice, id, limit(Side::Sell, 100, 100)).unwrap();
    }
    ledger.fill(alice, 1, 100, 50, false);
    ledger.fill(alice, 1, 100, 50, false);
    let count = |ledger: &Ledger| ledger.holdings(alice).unwrap().windows[0].count_at(NOW);
    assert_eq!(count(&ledger), 2);
    ledger.fill(alice, 2, 100, 50, true);
    assert_eq!(count(&ledger), 0);
}

#[test]
fn only_the_newest_ended_orders_and_trades_are_kept_and_only_so_many_accounts() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    for id in 1..=ENDED_MAX as u64 + 1 {
        ledger.put(alice, id, limit(Side::Sell, 100, 1)).unwrap();
        ledger.fill(alice, id, 100, 1, true);
    }
    let holdings = ledger.holdings(alice).unwrap();
    assert_eq!(
        (holdings.ended.len(), holdings.trades.len()),
        (ENDED_MAX, TRADES_MAX)
    );
    assert!(holdings.order(0, 1).is_none() && holdings.order(0, 2).is_some());
    assert_eq!(holdings.trades.front().unwrap().order_id, 2);
    for n in 1..ACCOUNTS_MAX {
        assert!(ledger.enter(&n.to_string()).is_some());
    }
    assert_eq!(ledger.enter("one more"), None);
    assert_eq!(ledger.enter("alice"), Some(alice));
}

#[test]
fn an_account_is_told_what_changed_and_then_its_balances() {
    let mut ledger = ledger();
    let alice = ledger.enter("alice").unwrap();
    ledger.put(alice, 1, limit(Side::Buy, 100, 10)).unwrap();
    ledger.fill(alice, 1, 100, 10, false);
    ledger.settle(NOW);
    let reports = std::mem::take(ledger.reports());
    let numbers: Vec<u64> = reports.iter().map(|report| report.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(reports.iter().all(|report| &*report.account == "alice"));
    let News::Order(placed, Change::Placed) = &reports[0].news else {
        panic!("{reports:?}")
    };
    assert_eq!((placed.status, placed.executed), (Status::New, Qty(0)));
    let News::Order(filled, Change::Traded(_)) = &reports[1].news else {
        panic!("{reports:?}")
    };
    assert_eq!(filled.status, Status::Filled);
    let News::Balances(balances) = &reports[2].news else {
        panic!("{reports:?}")
    };
    let assets: Vec<&str> = balances.iter().map(|(asset, _)| asset.as_str()).collect();
    assert_eq!(assets, ["BTC", "USDT"]);
    ledger.settle(NOW);
    assert!(ledger.reports().is_empty());
}

/// The naive twin: what an account has, from all that ever happened to it.
#[derive(Default)]
struct Naive {
    /// Side, price and what is left, by number.
    open: BTreeMap<u64, (Side, i64, u64)>,
    trades: Vec<OwnTrade>,
}

impl Naive {
    /// What there is of both assets together, and what of it open orders need.
    fn balances(&self) -> [(u128, u128); 2] {
        // Of a price in cents and a quantity in 10^-5.
        let worth =
            |px: i64, qty: u64| px.unsigned_abs() as u128 * u128::from(qty) * 10u128.pow(11);
        let (mut btc, mut usdt) = (10 * ONE as i128, 1_000_000 * ONE as i128);
        for trade in &self.trades {
            let base = (u128::from(trade.qty.0) * 10u128.pow(13)) as i128;
            let quote = worth(trade.px.0, trade.qty.0) as i128;
            let fee = trade.fee.0 as i128;
            match trade.side {
                Side::Buy => (btc, usdt) = (btc + base - fee, usdt - quote),
                Side::Sell => (btc, usdt) = (btc - base, usdt + quote - fee),
            }
        }
        let (mut locked_btc, mut locked_usdt) = (0, 0);
        for (side, px, left) in self.open.values() {
            match side {
                Side::Buy => locked_usdt += worth(*px, *left),
                Side::Sell => locked_btc += u128::from(*left) * 10u128.pow(13),
            }
        }
        [(btc as u128, locked_btc), (usdt as u128, locked_usdt)]
    }
}

proptest! {
    #[test]
    fn balances_are_what_came_in_and_out_and_locked_is_what_open_orders_need(
        steps in prop::collection::vec((0u8..8, 0usize..6, 1i64..5_000, 1u64..400_000), 1..120),
    ) {
        let mut ledger = ledger();
        let alice = ledger.enter("alice").unwrap();
        let mut naive = Naive::default();
        for (id, (act, at, px, qty)) in (1..).zip(steps) {
            let at = naive.open.keys().copied().nth(at);
            match (act, at) {
                (0..3, _) | (_, None) => {
                    let side = if qty % 2 == 0 { Side::Buy } else { Side::Sell };
                    if ledger.put(alice, id, limit(side, px * 1_000, qty)).is_ok() {
                        naive.open.insert(id, (side, px * 1_000, qty));
                    }
                }
                (3..6, Some(id)) => {
                    let (side, limit, left) = naive.open[&id];
                    let qty = qty.min(left);
                    // At the limit, or better.
                    let px = match side {
                        Side::Buy => px.min(limit),
                        Side::Sell => limit + px,
                    };
                    naive.trades.push(ledger.fill(alice, id, px, qty, act == 3));
                    naive.open.get_mut(&id).unwrap().2 -= qty;
                    naive.open.retain(|_, order| order.2 > 0);
                }
                (6, Some(id)) => {
                    let change = Change::Cancelled("x".to_owned());
                    ledger.end(alice, (&instrument(), NOW), (0, id), change).unwrap();
                    naive.open.remove(&id);
                }
                (_, Some(id)) => {
                    let order = ledger.holdings(alice).unwrap().order(0, id).unwrap();
                    let less = Qty(order.qty.0 - 1);
                    if less > order.executed {
                        let amended = (less, "less");
                        ledger.amend(alice, (&instrument(), NOW), (0, id), amended).unwrap();
                        naive.open.get_mut(&id).unwrap().2 -= 1;
                    }
                }
            }
            ledger.settle(NOW);
            let has = ["BTC", "USDT"].map(|name| {
                let (free, locked) = ledger.has(alice, name);
                (free + locked, locked)
            });
            prop_assert_eq!(has, naive.balances());
            for trade in &naive.trades {
                let got = match trade.side {
                    Side::Buy => u128::from(trade.qty.0) * 10u128.pow(13),
                    Side::Sell => trade.worth.0,
                };
                let ppm = if trade.maker { 750 } else { 1_000 };
                // What is finer than eight decimals is not charged.
                let finest = 10u128.pow(10);
                let fee = got * ppm / 1_000_000 / finest * finest;
                prop_assert_eq!(trade.fee.0, fee);
            }
        }
    }
}
