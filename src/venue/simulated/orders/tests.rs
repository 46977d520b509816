use super::*;
use crate::base::{Nanos, Span, UnixNanos};
use crate::exchange::by_name;
use crate::exchange::mirror::orders::{News, Status};
use crate::exchange::mirror::{Happened, Report};
use crate::venue::market::{coins, listed};

/// A market that does nothing by itself, unless it is told how often.
fn venue(pause: Option<Span>) -> Venue {
    let exchange = by_name("binance").unwrap();
    let pause = pause.unwrap_or(Span::from_secs(1 << 30));
    let market = listed(exchange.mirror(), &coins(2), Some(pause));
    Venue::flow(exchange, market, 1, UnixNanos(1_750_000_000_000_000_000))
}

fn lot(venue: &Venue) -> u64 {
    venue.listings[0].instrument.lot.0
}

fn best(venue: &Venue, side: Side) -> Level {
    venue.levels(0, side).next().unwrap()
}

/// A bid far below the market, so that it rests.
fn bid(venue: &Venue, client_id: &str) -> Place {
    Place {
        listing: 0,
        side: Side::Buy,
        sort: Sort::Limit,
        px: Px(100_000_000),
        size: Size::Qty(Qty(100 * lot(venue))),
        life: Life::GoodTillCancel,
        client_id: client_id.to_owned(),
        meets: SelfTrade::ExpireMaker,
    }
}

fn placed(venue: &mut Venue, account: &str, order: &Place) -> Placed {
    venue.place(account, order).unwrap()
}

fn names(venue: &mut Venue, account: &str, listing: usize) -> Vec<String> {
    let holdings = venue.holdings(account).unwrap();
    let resting = holdings.resting(listing);
    resting.map(|order| order.asked.client_id.clone()).collect()
}

/// What was told since the last look.
fn reports(venue: &mut Venue) -> Vec<Report> {
    std::mem::take(venue.ledger.reports())
}

fn told(report: &Report) -> String {
    match &report.news {
        News::Order(order, change) => {
            let change = format!("{change:?}");
            let change = change.split('(').next().unwrap_or_default();
            format!("{} {change} {:?}", order.asked.client_id, order.status)
        }
        News::Balances(_) => "balances".to_owned(),
    }
}

#[test]
fn only_what_rests_is_an_accounts_open_order() {
    let mut venue = venue(None);
    let once = Place {
        life: Life::ImmediateOrCancel,
        ..bid(&venue, "w")
    };
    placed(&mut venue, "a", &once);
    for (account, id) in [("a", "x"), ("a", "y"), ("b", "x")] {
        let order = bid(&venue, id);
        placed(&mut venue, account, &order);
    }
    assert_eq!(names(&mut venue, "a", 0), ["x", "y"]);
    assert_eq!(names(&mut venue, "b", 0), ["x"]);
    assert_eq!(names(&mut venue, "a", 1), [""; 0]);
    assert_eq!(venue.orders, 4);
    let again = bid(&venue, "x");
    assert_eq!(venue.place("a", &again), Err(Denied::Duplicate));
}

#[test]
fn an_order_that_traded_whole_rests_no_more() {
    let mut venue = venue(None);
    // Above what is asked: the market's own asks fill it at once.
    let ask = best(&venue, Side::Sell);
    let order = Place {
        px: Px(ask.px.0 + 1_000_000_000),
        size: Size::Qty(Qty(lot(&venue))),
        ..bid(&venue, "x")
    };
    let placed = placed(&mut venue, "a", &order);
    assert_eq!(placed.trades.len(), 1);
    assert_eq!(
        (placed.trades[0].px, placed.trades[0].maker),
        (ask.px, false)
    );
    assert_eq!(placed.order.status, Status::Filled);
    assert_eq!(names(&mut venue, "a", 0), [""; 0]);
    let said: Vec<String> = reports(&mut venue).iter().map(told).collect();
    assert_eq!(said, ["x Placed New", "x Traded Filled", "balances"]);
}

#[test]
fn a_resting_order_that_the_flow_fills_later_is_told_to_its_owner() {
    let mut venue = venue(Some(Span::from_millis(1)));
    let best = best(&venue, Side::Buy);
    let order = Place {
        px: best.px,
        ..bid(&venue, "x")
    };
    let id = placed(&mut venue, "a", &order).order.id;
    reports(&mut venue);
    let mut now = Nanos::ZERO;
    let mut told = Vec::new();
    while venue.holdings("a").unwrap().order(0, id).unwrap().is_open() {
        now = now + Span::from_millis(10);
        assert!(now < Nanos::from_secs(60), "nobody sells");
        while venue.step(now) {
            told.extend(reports(&mut venue));
        }
    }
    let trades: Vec<OwnTrade> = told
        .iter()
        .filter_map(|report| match &report.news {
            News::Order(_, Change::Traded(trade)) => Some(*trade),
            News::Order(..) | News::Balances(_) => None,
        })
        .collect();
    assert!(
        trades
            .iter()
            .all(|trade| trade.maker && trade.px == best.px)
    );
    let sum: u64 = trades.iter().map(|trade| trade.qty.0).sum();
    assert_eq!(sum, 100 * lot(&venue));
    assert_eq!(venue.holdings("a").unwrap().trades, trades);
    assert!(matches!(told.last().unwrap().news, News::Balances(_)));
    // Everybody sees the same numbers.
    let seen = trades.iter().filter(|trade| {
        venue.events.iter().any(|event| {
            matches!(event, Happened::Trade(print)
                if (print.id, print.qty) == (trade.id, trade.qty))
        })
    });
    assert_eq!(seen.count(), trades.len());
}

#[test]
fn a_cancelled_order_is_out_of_the_book_and_cannot_be_cancelled_again() {
    let mut venue = venue(None);
    let order = bid(&venue, "x");
    let id = placed(&mut venue, "a", &order).order.id;
    let level = |venue: &Venue| {
        venue
            .levels(0, Side::Buy)
            .find(|level| level.px == order.px)
    };
    assert!(level(&venue).is_some());
    assert_eq!(venue.cancel("b", (0, id), "c"), Err(Denied::Unknown));
    assert_eq!(venue.cancel("a", (1, id), "c"), Err(Denied::Unknown));
    let ended = venue.cancel("a", (0, id), "c").unwrap();
    assert_eq!(ended.status, Status::Cancelled);
    assert_eq!(level(&venue), None);
    assert_eq!(venue.cancel("a", (0, id), "c"), Err(Denied::Unknown));
}

#[test]
fn an_order_made_smaller_keeps_its_number_and_only_smaller_is_possible() {
    let mut venue = venue(None);
    let order = bid(&venue, "x");
    let id = placed(&mut venue, "a", &order).order.id;
    let lot = lot(&venue);
    let (amended, _) = venue.amend("a", (0, id), Qty(40 * lot), "y").unwrap();
    assert_eq!((amended.id, amended.qty), (id, Qty(40 * lot)));
    let level = venue
        .levels(0, Side::Buy)
        .find(|level| level.px == order.px);
    assert_eq!(level.unwrap().qty, Qty(40 * lot));
    for (qty, why) in [
        (40, Denied::NoChange),
        (41, Denied::NotLess),
        (0, Denied::NotLess),
    ] {
        assert_eq!(venue.amend("a", (0, id), Qty(qty * lot), "z"), Err(why));
    }
    assert_eq!(names(&mut venue, "a", 0), ["y"]);
}

#[test]
fn a_market_order_takes_a_quantity_or_what_an_amount_pays_for() {
    let mut venue = venue(None);
    let (ask, lot) = (best(&venue, Side::Sell), lot(&venue));
    let market = |size, id: &str, venue: &Venue| Place {
        sort: Sort::Market,
        px: Px(0),
        size,
        life: Life::ImmediateOrCancel,
        ..bid(venue, id)
    };
    let order = market(Size::Qty(Qty(3 * lot)), "x", &venue);
    let got = placed(&mut venue, "a", &order);
    assert_eq!(
        (got.order.status, got.order.executed),
        (Status::Filled, Qty(3 * lot))
    );
    // As much as five and a half lots cost: five.
    let instrument = venue.listings[0].instrument;
    let five = worth(&instrument, ask.px, Qty(11 * lot));
    let order = market(Size::Worth(Amount(five.0 / 2)), "y", &venue);
    let got = placed(&mut venue, "a", &order);
    assert_eq!(
        (got.order.status, got.order.qty),
        (Status::Filled, Qty(5 * lot))
    );
    assert!(got.order.paid.0 <= five.0 / 2);
    let order = market(Size::Worth(Amount(1)), "z", &venue);
    assert_eq!(venue.place("a", &order), Err(Denied::NoLiquidity));
    // More than there is: what does not trade expires.
    let all: u64 = venue.levels(0, Side::Sell).map(|level| level.qty.0).sum();
    let order = market(Size::Qty(Qty(all + lot)), "w", &venue);
    let got = placed(&mut venue, "a", &order);
    assert_eq!(
        (got.order.status, got.order.executed),
        (Status::Expired, Qty(all))
    );
}

#[test]
fn all_of_a_fill_or_kill_order_trades_or_none() {
    let mut venue = venue(None);
    let (ask, lot) = (best(&venue, Side::Sell), lot(&venue));
    let order = |qty: u64, id: &str, venue: &Venue| Place {
        px: ask.px,
        size: Size::Qty(Qty(qty)),
        life: Life::FillOrKill,
        ..bid(venue, id)
    };
    let much = order(ask.qty.0 + lot, "x", &venue);
    let got = placed(&mut venue, "a", &much);
    assert_eq!((got.order.status, got.trades.len()), (Status::Expired, 0));
    assert_eq!(best(&venue, Side::Sell), ask);
    let all = order(ask.qty.0, "y", &venue);
    assert_eq!(placed(&mut venue, "a", &all).order.status, Status::Filled);
}

#[test]
fn a_post_only_order_never_takes() {
    let mut venue = venue(None);
    let ask = best(&venue, Side::Sell);
    let order = |px: Px, venue: &Venue| Place {
        sort: Sort::PostOnly,
        px,
        ..bid(venue, "x")
    };
    let crossing = order(ask.px, &venue);
    assert_eq!(venue.place("a", &crossing), Err(Denied::WouldTake));
    let tick = venue.listings[0].instrument.tick.0;
    let resting = order(Px(ask.px.0 - tick), &venue);
    assert_eq!(placed(&mut venue, "a", &resting).order.status, Status::New);
}

#[test]
fn orders_of_one_account_do_not_trade_with_each_other_unless_they_may() {
    for (meets, ask_ends, bid_ends) in [
        (SelfTrade::ExpireMaker, Status::Prevented, Status::New),
        (SelfTrade::ExpireTaker, Status::New, Status::Prevented),
        (SelfTrade::ExpireBoth, Status::Prevented, Status::Prevented),
        (SelfTrade::Allowed, Status::Filled, Status::Filled),
    ] {
        let mut venue = venue(None);
        // Somebody takes the best price away, so that nobody else is met there.
        let Level { px, qty } = best(&venue, Side::Sell);
        let taker = Place {
            px,
            size: Size::Qty(qty),
            ..bid(&venue, "taker")
        };
        assert_eq!(placed(&mut venue, "b", &taker).order.status, Status::Filled);
        let ask = Place {
            side: Side::Sell,
            px,
            ..bid(&venue, "ask")
        };
        let bid = Place {
            px,
            meets,
            ..bid(&venue, "bid")
        };
        let ask = placed(&mut venue, "a", &ask).order.id;
        let bid = placed(&mut venue, "a", &bid).order.id;
        let holdings = venue.holdings("a").unwrap();
        let status = |id| holdings.order(0, id).unwrap().status;
        assert_eq!(
            (status(ask), status(bid)),
            (ask_ends, bid_ends),
            "{meets:?}"
        );
    }
}

#[test]
fn what_an_account_cannot_pay_for_never_reaches_the_market() {
    let mut venue = venue(None);
    let before = venue.events.len();
    let much = Place {
        px: Px(6_000_000_000_000),
        size: Size::Qty(Qty(900_000_000_000)),
        ..bid(&venue, "x")
    };
    assert_eq!(venue.place("a", &much), Err(Denied::Insufficient));
    assert_eq!(venue.events.len(), before);
    assert!(reports(&mut venue).is_empty());
    assert_eq!(names(&mut venue, "a", 0), [""; 0]);
}

#[test]
fn an_account_begins_with_round_amounts_of_all_that_is_listed() {
    let mut venue = venue(None);
    let balances = venue.holdings("a").unwrap().balances.clone();
    let whole = |name: &str| {
        let balance = balances[&Asset::from(name).unwrap()];
        assert_eq!(balance.locked, Amount::ZERO);
        balance.free.units(0)
    };
    assert_eq!(
        (whole("USDT"), whole("BTC"), whole("ETH")),
        (100_000_000, 1_000, 10_000)
    );
}
