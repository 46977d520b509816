//! A desk and an exchange that do as they please, and what the maker wants of them.

use super::*;
use crate::base::instrument::name;
use crate::base::{
    Asset, ClientId, Decimal, Fee, Fill, Flags, Position, Stamps, Status, Symbol, UnixNanos,
};
use crate::market::Picture;

const ID: InstrumentId = InstrumentId(0);
/// A quote, in units of quantity.
const QUOTE: u64 = 100;

/// Prices in hundredths, quantities in thousandths; a tick is 0.01, a lot 0.010.
fn listed(kind: InstrumentKind) -> Instrument {
    let asset = |text| Asset::from(text).unwrap();
    Instrument {
        name: name("x", &["BTC", "USDT"]),
        base: asset("BTC"),
        quote: asset("USDT"),
        lot: Qty(10),
        qty_min: Qty(20),
        kind,
        ..Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }
}

/// As it is tested: half a percent around, no skews, three quotes at most.
fn values(set: &[(&Key, u64)]) -> Values {
    let mut values = Values::default();
    values.set(&QUANTITY, crate::strategy::Value::Quantity("0.1".into()));
    let plain = [
        (&HALF_SPREAD_PPM, 5_000),
        (&FLOW_SKEW_PPM, 0),
        (&INVENTORY_SKEW_PPM, 0),
        (&PULL_PPM, 50_000),
        (&PULL_FLOW, 1_000_000),
        (&SHORT_QUOTES, 3),
    ];
    for (key, int) in plain.iter().chain(set) {
        values.set(key, crate::strategy::Value::Int(*int));
    }
    values
}

/// A desk: what it shows, and what it was asked for.
struct Bench {
    maker: Maker,
    market: Picture,
    orders: Vec<Working>,
    /// What an order may come down to, once the exchange says so.
    reduces: Vec<(ClientId, Qty)>,
    position: Position,
    now: Nanos,
    ids: u64,
    best: (i64, i64),
}

impl Bench {
    fn of(kind: InstrumentKind, set: &[(&Key, u64)]) -> Self {
        let table = [listed(kind)];
        Self {
            maker: Maker::new(&values(set), &Table::of(&table)).unwrap(),
            market: Picture::new(&table),
            orders: Vec::new(),
            reduces: Vec::new(),
            position: Position::default(),
            now: Nanos::from_secs(5),
            ids: 0,
            best: (0, 0),
        }
    }

    fn new(set: &[(&Key, u64)]) -> Self {
        Self::of(InstrumentKind::Spot, set)
    }

    fn wait_ms(&mut self, ms: u64) -> &mut Self {
        self.now = self.now + Span::from_millis(ms);
        self
    }

    fn event(&mut self, body: Body) -> Vec<Intent> {
        let event = Event {
            stamps: Stamps::default(),
            exch_time: UnixNanos(0),
            as_of: self.now,
            update_id: 7,
            epoch: 1,
            instrument: ID,
            flags: Flags::default(),
            body,
        };
        self.market.handle_event(self.now, &event);
        let positions = [self.position];
        let view = View::new(&self.market, &positions, &self.orders, StrategyId(0));
        let mut out = Intents::new();
        self.maker.handle_event(self.now, &event, &view, &mut out);
        out.iter().for_each(|intent| self.take(intent));
        out.to_vec()
    }

    /// Does as the desk does with what is wanted.
    fn take(&mut self, intent: &Intent) {
        let order = |id: u64, side, px, qty| Working {
            client_id: ClientId(id),
            strategy: StrategyId(0),
            tag: 0,
            instrument: ID,
            side,
            px,
            qty,
            filled: Qty(0),
            order_type: OrderType::PostOnly,
            acked: false,
            in_doubt: false,
            changing: false,
        };
        self.ids += 1;
        match *intent {
            Intent::Place(place) => {
                assert_eq!(place.order_type, OrderType::PostOnly);
                self.check(place.side, place.px, place.qty);
                let new = order(self.ids, place.side, place.px, place.qty);
                self.orders.push(new);
            }
            Intent::Replace(Replace {
                order: old,
                px,
                qty,
                ..
            }) => {
                let at = self.place_of(old);
                let was = &mut self.orders[at];
                assert!(was.acked && !was.in_doubt && !was.changing, "{was:?}");
                was.changing = true;
                let (side, was) = (was.side, *was);
                if px == was.px && qty < was.remaining() {
                    self.reduces.push((old, Qty(was.filled.0 + qty.0)));
                    return;
                }
                self.check(side, px, qty);
                self.orders.push(order(self.ids, side, px, qty));
            }
            Intent::Cancel(Cancel { order, .. }) => {
                let at = self.place_of(order);
                assert!(!self.orders[at].in_doubt && !self.orders[at].changing);
                self.orders[at].changing = true;
            }
            Intent::CancelAll(_) => panic!("it cancels one by one"),
        }
    }

    /// An order that the exchange takes, and that crosses neither its book nor our own order.
    fn check(&self, side: Side, px: Px, qty: Qty) {
        assert!(qty >= Qty(20) && qty.0.is_multiple_of(10) && qty.0 <= QUOTE);
        let mut others = self.orders.iter().filter(|order| order.side != side);
        match side {
            Side::Buy => assert!(px.0 < self.best.1 && others.all(|order| px < order.px)),
            Side::Sell => assert!(px.0 > self.best.0 && others.all(|order| px > order.px)),
        }
    }

    fn place_of(&self, id: ClientId) -> usize {
        let place = self.orders.iter().position(|order| order.client_id == id);
        place.expect("an order that there is")
    }

    fn book_of(&mut self, (bid, bid_qty): (i64, u64), (ask, ask_qty): (i64, u64)) -> Vec<Intent> {
        self.best = (bid, ask);
        let level = |px, qty| Level {
            px: Px(px),
            qty: Qty(qty),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(bid, bid_qty)].into_iter(), 1, false);
        top.set(Side::Sell, [level(ask, ask_qty)].into_iter(), 1, false);
        self.event(Body::Book(top))
    }

    /// A book around this mid, 0.10 wide.
    fn mid(&mut self, mid: i64) -> Vec<Intent> {
        self.book_of((mid - 5, 500), (mid + 5, 500))
    }

    fn report(&mut self, at: usize, outcome: Outcome) -> Vec<Intent> {
        let order = self.orders[at];
        if outcome.is_end() {
            self.orders.remove(at);
        }
        self.event(Body::Report(Report {
            client_id: order.client_id,
            strategy: order.strategy,
            tag: order.tag,
            instrument: ID,
            side: order.side,
            px: order.px,
            qty: order.qty,
            remaining: order.remaining(),
            outcome,
        }))
    }

    /// The exchange took the order.
    fn ack(&mut self, at: usize) -> Vec<Intent> {
        self.orders[at].acked = true;
        self.report(at, Outcome::Acked { exchange_id: 1 })
    }

    fn ack_all(&mut self) {
        for at in 0..self.orders.len() {
            if !self.orders[at].acked {
                self.ack(at);
            }
        }
    }

    fn fill(&mut self, at: usize, qty: u64, fee: Option<Fee>) -> Vec<Intent> {
        let order = &mut self.orders[at];
        order.filled.0 += qty;
        let (order, all) = (*order, order.remaining() == Qty(0));
        let fill = Fill {
            fee,
            ..Fill::bare(self.ids, order.side, order.px, Qty(qty))
        };
        let spot = listed(InstrumentKind::Spot);
        assert!(self.position.add(&spot, &fill));
        let mut wanted = self.report(at, Outcome::Fill(fill));
        if all {
            let at = self.place_of(order.client_id);
            wanted.extend(self.report(at, Outcome::Filled));
        }
        wanted
    }

    /// Side, price and quantity of what it has in the market.
    fn rests(&self) -> Vec<(Side, i64, u64)> {
        let told = |order: &Working| (order.side, order.px.0, order.remaining().0);
        self.orders.iter().map(told).collect()
    }
}

fn replaced(intents: &[Intent]) -> (u64, i64, u64) {
    let [Intent::Replace(replace)] = intents else {
        panic!("{intents:?}")
    };
    (replace.order.0, replace.px.0, replace.qty.0)
}

fn cancelled(intents: &[Intent]) -> Vec<(u64, &'static str)> {
    let of = |intent: &Intent| match intent {
        Intent::Cancel(cancel) => (cancel.order.0, cancel.why),
        other => panic!("{other:?}"),
    };
    intents.iter().map(of).collect()
}

use Side::{Buy, Sell};

/// Both sides are quoted around 100.00, and taken.
fn quoting(set: &[(&Key, u64)]) -> Bench {
    let mut bench = Bench::new(set);
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Buy, 9_950, 100), (Sell, 10_050, 100)]);
    bench.ack_all();
    bench
}

#[test]
fn it_quotes_both_sides_of_the_fair_price_and_says_why() {
    let mut bench = Bench::new(&[]);
    let wanted = bench.mid(10_000);
    let [Intent::Place(buy), Intent::Place(sell)] = wanted[..] else {
        panic!("{wanted:?}")
    };
    assert_eq!((buy.side, buy.px, buy.qty), (Buy, Px(9_950), Qty(100)));
    assert_eq!((sell.side, sell.px, sell.qty), (Sell, Px(10_050), Qty(100)));
    assert_eq!((buy.why.signal, buy.why.value), ("maker", 0.0));
    assert_eq!((buy.why.threshold, buy.why.update_id), (50.0, 7));
    // Three quarters rest at the bid: the fair price is a quarter of the spread above the mid.
    let mut bench = Bench::new(&[]);
    bench.book_of((9_990, 750), (10_010, 250));
    assert_eq!(bench.rests(), [(Buy, 9_955, 100), (Sell, 10_055, 100)]);
}

#[test]
fn what_it_holds_and_what_flows_move_both_quotes() {
    let mut bench = Bench::new(&[(&INVENTORY_SKEW_PPM, 3_000)]);
    bench.position.qty = 150; // Half of the limit: 0.15 percent down.
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Buy, 9_935, 100), (Sell, 10_035, 100)]);
    let mut bench = Bench::new(&[(&INVENTORY_SKEW_PPM, 3_000)]);
    bench.position.qty = -150;
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Buy, 9_965, 100), (Sell, 10_065, 100)]);
    let mut bench = Bench::new(&[(&FLOW_SKEW_PPM, 1_000)]);
    bench.event(Body::Trading(false));
    bench.book_of((9_995, 100), (10_005, 500));
    bench.event(Body::Trading(true));
    // 400 came to the bid, and 300 were the mean: a third of a tenth of a percent more, 0.13.
    bench.orders.clear();
    bench.maker.seats[0].holds = [Hold::default(); 2];
    bench.book_of((9_995, 500), (10_005, 500));
    assert_eq!(bench.rests(), [(Buy, 9_963, 100), (Sell, 10_064, 100)]);
}

#[test]
fn a_quote_that_would_cross_stays_on_its_own_side_of_the_book() {
    let mut bench = Bench::new(&[(&HALF_SPREAD_PPM, 0), (&INVENTORY_SKEW_PPM, 50_000)]);
    bench.position.qty = -290;
    bench.mid(10_000);
    // 4.83 too high to buy at, and what it is short of fits whole.
    assert_eq!(bench.rests(), [(Buy, 10_004, 100)]);
}

#[test]
fn a_quote_keeps_its_place_until_its_price_is_far_enough_away() {
    let mut bench = quoting(&[(&REQUOTE_TICKS, 10), (&POSITION_QUOTES, 9)]);
    assert_eq!(bench.mid(10_008), []);
    assert_eq!(bench.mid(9_992), []);
    let wanted = bench.mid(10_011);
    let [Intent::Replace(buy), Intent::Replace(sell)] = wanted[..] else {
        panic!("{wanted:?}")
    };
    assert_eq!((buy.order.0, buy.px.0, buy.qty.0), (1, 9_960, 100));
    assert_eq!((sell.order.0, sell.px.0, sell.qty.0), (2, 10_062, 100));
    // Both are being changed: it waits, whatever the book does.
    assert_eq!(bench.mid(10_400), []);
}

#[test]
fn a_successor_that_has_no_room_beside_the_first_one_comes_after_its_end() {
    let mut bench = quoting(&[(&POSITION_QUOTES, 1), (&SHORT_QUOTES, 1)]);
    let wanted = bench.mid(10_100);
    assert_eq!(cancelled(&wanted), [(1, "requote"), (2, "requote")]);
    let wanted = bench.report(0, Outcome::Cancelled);
    assert!(matches!(wanted[..], [Intent::Place(place)] if place.px == Px(10_049)));
}

#[test]
fn only_the_side_that_reduces_is_quoted_at_the_limit() {
    let mut bench = Bench::new(&[]);
    bench.position.qty = 300;
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Sell, 10_050, 100)]);
    let mut bench = Bench::new(&[]);
    bench.position.qty = -300;
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Buy, 9_950, 100)]);
    // What is left of the room is quoted, in whole lots, unless the exchange takes no such order.
    for (held, left) in [(245, Some(50)), (285, None)] {
        let mut bench = Bench::new(&[]);
        bench.position.qty = held;
        bench.mid(10_000);
        let mut buys = bench.rests().into_iter().filter(|(side, ..)| *side == Buy);
        assert_eq!(buys.next().map(|(_, _, qty)| qty), left);
    }
}

#[test]
fn less_room_takes_from_a_quote_in_its_place_and_none_takes_it_away() {
    let mut bench = quoting(&[]);
    bench.position.qty = 240; // By an order that it no longer knew.
    assert_eq!(replaced(&bench.mid(10_001)), (1, 9_950, 60));
    let mut bench = quoting(&[]);
    bench.position.qty = 300;
    assert_eq!(cancelled(&bench.mid(10_001)), [(1, "limit")]);
}

#[test]
fn a_side_that_was_filled_is_not_added_to_until_it_is_cool() {
    let mut bench = quoting(&[(&COOLDOWN_MS, 500), (&POSITION_QUOTES, 9)]);
    assert_eq!(bench.fill(0, 40, None), []);
    // Nearer to the market it goes not, and farther only with what is left.
    let up = bench.mid(10_100);
    assert!(matches!(up[..], [Intent::Replace(sell)] if sell.order.0 == 2));
    assert_eq!(replaced(&bench.mid(9_900)), (1, 9_850, 60));
    let mut bench = quoting(&[(&COOLDOWN_MS, 500)]);
    assert_eq!(bench.fill(0, 100, None), []);
    bench.wait_ms(499);
    assert_eq!(bench.mid(10_000), []);
    bench.wait_ms(1);
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Sell, 10_050, 100), (Buy, 9_950, 100)]);
}

#[test]
fn a_move_or_much_flow_pulls_both_quotes_and_they_come_back() {
    let mut bench = quoting(&[(&PULL_PPM, 10_000), (&PULL_MS, 2_000), (&WINDOW_MS, 1_000)]);
    bench.wait_ms(100);
    let wanted = bench.mid(9_890);
    assert_eq!(cancelled(&wanted), [(1, "moved"), (2, "moved")]);
    assert_eq!(bench.report(1, Outcome::Cancelled), []);
    assert_eq!(bench.report(0, Outcome::Cancelled), []);
    bench.wait_ms(1_999);
    assert_eq!(bench.mid(9_890), []);
    bench.wait_ms(1);
    bench.mid(9_890);
    assert_eq!(bench.rests().len(), 2);
    // The same for flow: twelve times what rests comes to the bid.
    let mut bench = quoting(&[(&PULL_FLOW, 5), (&PULL_MS, 2_000)]);
    let wanted = bench.book_of((9_995, 6_500), (10_005, 500));
    assert_eq!(cancelled(&wanted), [(1, "moved"), (2, "moved")]);
}

#[test]
fn quotes_are_pulled_from_books_that_may_not_be_quoted_on() {
    let mut crossed = Top::EMPTY;
    let level = |px| Level {
        px: Px(px),
        qty: Qty(9),
    };
    crossed.set(Buy, [level(10_010)].into_iter(), 1, false);
    crossed.set(Sell, [level(10_000)].into_iter(), 1, false);
    let mut hidden = Top::EMPTY;
    hidden.set(Buy, [level(9_990)].into_iter(), 0, false);
    hidden.set(Sell, [level(10_000)].into_iter(), 1, false);
    let coarse = Instrument {
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        ..listed(InstrumentKind::Spot)
    };
    for (body, why) in [
        (Body::Status(Status::Stale), "dark"),
        (Body::Status(Status::Resyncing), "dark"),
        (Body::Book(crossed), "dark"),
        (Body::Book(hidden), "dark"),
        (Body::Book(Top::EMPTY), "dark"),
        (Body::Trading(false), "halted"),
        (Body::Instrument(coarse), "misfit"),
    ] {
        let mut bench = quoting(&[]);
        let wanted = bench.event(body);
        assert_eq!(cancelled(&wanted), [(1, why), (2, why)], "{body:?}");
    }
}

#[test]
fn what_is_in_doubt_is_left_alone_and_what_is_not_answered_is_waited_for() {
    let mut bench = quoting(&[]);
    bench.orders[0].in_doubt = true;
    bench.report(0, Outcome::InDoubt);
    bench.wait_ms(60_000);
    let wanted = bench.mid(10_300);
    assert!(matches!(wanted[..], [Intent::Replace(sell)] if sell.order.0 == 2));
    // Nor is it cancelled, but what else there is.
    let mut bench = quoting(&[]);
    bench.orders[0].in_doubt = true;
    assert_eq!(
        cancelled(&bench.event(Body::Trading(false))),
        [(2, "halted")]
    );
    let mut bench = Bench::new(&[]);
    bench.mid(10_000);
    assert_eq!(bench.mid(10_300), []);
    // Its word came: it never was there.
    let mut bench = quoting(&[]);
    bench.orders[0].in_doubt = true;
    bench.report(0, Outcome::InDoubt);
    assert_eq!(bench.report(0, Outcome::NotSent), []);
    bench.wait_ms(1_000);
    assert!(matches!(bench.mid(10_000)[..], [Intent::Place(buy)] if buy.side == Buy));
}

#[test]
fn what_is_refused_is_not_asked_for_again_at_once() {
    for outcome in [
        Outcome::Rejected { code: -2010 },
        Outcome::Refused { gate: "order_rate" },
        Outcome::NotSent,
        Outcome::Expired,
    ] {
        let mut bench = Bench::new(&[]);
        bench.mid(10_000);
        bench.ack(1);
        assert_eq!(bench.report(0, outcome), []);
        for _ in 0..9 {
            bench.wait_ms(100);
            assert_eq!(bench.mid(10_000), [], "{outcome:?}");
        }
        bench.wait_ms(100);
        assert!(matches!(bench.mid(10_000)[..], [Intent::Place(buy)] if buy.side == Buy));
    }
    // Before risk has said no, nothing is wanted again, either.
    let mut bench = Bench::new(&[]);
    bench.mid(10_000);
    bench.orders.clear();
    assert_eq!(bench.mid(10_000), []);
}

#[test]
fn a_rejection_does_not_keep_a_quote_from_being_pulled_but_a_refused_cancel_does_for_a_while() {
    let mut bench = quoting(&[(&POSITION_QUOTES, 9)]);
    bench.mid(10_100);
    let successor = bench.orders.len() - 1;
    bench.report(successor, Outcome::Rejected { code: -2010 });
    bench
        .orders
        .iter_mut()
        .for_each(|order| order.changing = false);
    assert_eq!(cancelled(&bench.event(Body::Trading(false))).len(), 3);
    bench.orders[0].changing = false;
    assert_eq!(bench.report(0, Outcome::ChangeRefused { code: -2011 }), []);
    bench.wait_ms(999);
    assert_eq!(bench.event(Body::Trading(false)), []);
    bench.wait_ms(1);
    assert_eq!(bench.event(Body::Trading(false)).len(), 1);
}

#[test]
fn values_that_are_set_count_for_the_quotes_that_it_has() {
    let mut bench = quoting(&[]);
    let mut set = values(&[(&HALF_SPREAD_PPM, 2_000)]).whole(KEYS);
    set.set(&QUANTITY, crate::strategy::Value::Quantity("0.05".into()));
    let positions = [bench.position];
    let view = View::new(&bench.market, &positions, &bench.orders, StrategyId(0));
    bench.maker.handle_values(&mut set, &view).unwrap();
    let wanted = bench.mid(10_000);
    assert_eq!(replaced(&wanted[..1]), (1, 9_980, 50));
    assert_eq!(replaced(&wanted[1..]), (2, 10_020, 50));
}

#[test]
fn spot_is_sold_only_as_far_as_it_was_bought_and_the_account_has_more() {
    let mut bench = Bench::new(&[(&SHORT_QUOTES, 0)]);
    bench.mid(10_000);
    assert_eq!(bench.rests(), [(Buy, 9_950, 100)]);
    bench.ack(0);
    let fee = Fee {
        asset: Asset::from("BTC").unwrap(),
        amount: Decimal { units: 1, scale: 4 },
        rebate: false,
    };
    bench.fill(0, 100, Some(fee));
    // A thousandth of it is the exchange's: nine lots are left.
    assert_eq!(bench.rests(), [(Sell, 10_050, 90)]);
    let mut bench = Bench::of(InstrumentKind::Perpetual, &[(&SHORT_QUOTES, 0)]);
    bench.mid(10_000);
    assert_eq!(
        bench.rests().len(),
        2,
        "contracts are sold as they are bought"
    );
}

#[test]
fn of_two_orders_on_a_side_that_an_earlier_run_left_one_is_cancelled() {
    let mut bench = quoting(&[]);
    let mut second = bench.orders[0];
    second.client_id = ClientId(77);
    bench.orders.push(second);
    assert_eq!(cancelled(&bench.mid(10_000)), [(77, "second")]);
}

#[path = "tests/random.rs"]
mod random;
