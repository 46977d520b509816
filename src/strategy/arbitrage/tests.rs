//! Two exchanges that drift apart, and what the strategy makes of it. The tests make fills, as
//! books would.

use super::super::{Value, placed, sees};
use super::*;
use crate::base::instrument::name;
use crate::base::{
    Asset, ClientId, Decimal, Fee, Flags, Level, Position, Stamps, Status, Symbol, Top, UnixNanos,
    Working,
};

fn instrument(id: u16, exchange: &'static str) -> Instrument {
    let asset = |text| Asset::from(text).unwrap();
    Instrument {
        id: InstrumentId(id),
        name: name(exchange, &["BTC", "USDT"]),
        base: asset("BTC"),
        quote: asset("USDT"),
        lot: Qty(10),
        qty_min: Qty(10),
        ..Instrument::bare(exchange, Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }
}

/// What each exchange takes of a trade.
const FEES_PPM: [u32; 2] = [400, 600];

fn build(params: &Params, instruments: &[Instrument]) -> Result<Arbitrage, StrategyError> {
    let table = Table {
        instruments,
        taker_fees_ppm: &FEES_PPM,
        own: None,
    };
    Arbitrage::new(params, &table)
}

fn params() -> Params {
    Params {
        quantity: "1".into(),
        edge_min_ppm: 100,
        age_max: Span::from_millis(500),
        cooldown: Span::from_millis(100),
        unwind_after: Span::from_secs(1),
        unwind_slippage_ppm: 1_000,
    }
}

struct Bench {
    strategy: Arbitrage,
    view: Picture,
    now: Nanos,
    /// The order that was wanted last, and how much of it is not filled.
    last: Option<(Place, u64)>,
    trade_id: u64,
    /// What the desk knows: orders without an end, and positions by instrument.
    orders: Vec<Working>,
    positions: [Position; 2],
}

impl Bench {
    fn new() -> Self {
        let all = [instrument(0, "a"), instrument(1, "b")];
        Self {
            strategy: build(&params(), &all).unwrap(),
            view: Picture::new(&all),
            now: Nanos::from_secs(5),
            last: None,
            trade_id: 0,
            orders: Vec::new(),
            positions: [Position::default(); 2],
        }
    }

    fn wait_ms(&mut self, ms: u64) -> &mut Self {
        self.now = self.now + Span::from_millis(ms);
        self
    }

    fn event(&mut self, id: u16, body: Body) -> Vec<Place> {
        let event = Event {
            stamps: Stamps::default(),
            exch_time: UnixNanos(0),
            as_of: self.now,
            update_id: 7,
            epoch: 1,
            instrument: InstrumentId(id),
            flags: Flags::default(),
            body,
        };
        let mut out = Intents::new();
        self.view.handle_event(self.now, &event);
        let (orders, positions) = (&self.orders, &self.positions);
        let view = View::new(&self.view, positions, orders, StrategyId(0));
        self.strategy
            .handle_event(self.now, &event, &view, &mut out);
        let out: Vec<Place> = out.into_iter().map(placed).collect();
        self.orders.extend(out.iter().map(working));
        assert!(self.orders.len() <= 1, "two orders at once");
        let last = out.first().map(|intent| (*intent, intent.qty.0));
        self.last = last.or(self.last);
        out
    }

    /// A book with this best bid and ask: price in cents, quantity in thousandths.
    fn book(&mut self, id: u16, bid: (i64, u64), ask: (i64, u64)) -> Vec<Place> {
        let level = |(px, qty)| Level {
            px: Px(px),
            qty: Qty(qty),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(bid)].into_iter(), 1, false);
        top.set(Side::Sell, [level(ask)].into_iter(), 1, false);
        self.event(id, Body::Book(top))
    }

    /// News of the order that was wanted last.
    fn report(&mut self, id: u16, outcome: Outcome) -> Vec<Place> {
        let (intent, left) = self.last.expect("an order");
        let report = Report {
            client_id: ClientId(1),
            strategy: StrategyId(0),
            tag: intent.tag,
            instrument: InstrumentId(id),
            side: intent.side,
            px: intent.px,
            qty: intent.qty,
            remaining: Qty(left),
            outcome,
        };
        if outcome.is_end() {
            self.orders.clear();
        }
        self.event(id, Body::Report(report))
    }

    /// A fill, and the end if nothing is left.
    fn fill(&mut self, id: u16, px: i64, qty: u64) -> Vec<Place> {
        self.fill_with(id, px, qty, None)
    }

    /// As [`Self::fill`], with a fee.
    fn fill_with(&mut self, id: u16, px: i64, qty: u64, fee: Option<Fee>) -> Vec<Place> {
        let side = self.last.map_or(Side::Buy, |(intent, _)| intent.side);
        self.trade_id += 1;
        let fill = Fill {
            fee,
            ..Fill::bare(self.trade_id, side, Px(px), Qty(qty))
        };
        let (at, of) = (usize::from(id), instrument(id, "a"));
        assert!(self.positions[at].add(&of, &fill));
        if let Some(order) = self.orders.first_mut() {
            order.filled.0 += qty;
        }
        if let Some((_, left)) = &mut self.last {
            *left -= qty;
        }
        let wanted = self.report(id, Outcome::Fill(fill));
        match self.last {
            Some((_, 0)) if wanted.is_empty() => self.report(id, Outcome::Filled),
            _ => wanted,
        }
    }
}

fn working(place: &Place) -> Working {
    Working {
        client_id: ClientId(place.tag),
        strategy: StrategyId(0),
        tag: place.tag,
        instrument: place.instrument,
        side: place.side,
        px: place.px,
        qty: place.qty,
        filled: Qty(0),
        order_type: place.order_type,
        acked: false,
        in_doubt: false,
        changing: false,
    }
}

fn order(intents: &[Place]) -> (u16, Side, i64, u64, &'static str) {
    let [intent] = intents else {
        panic!("{intents:?}")
    };
    let Place {
        instrument,
        side,
        px,
        qty,
        why,
        ..
    } = *intent;
    (instrument.0, side, px.0, qty.0, why.signal)
}

/// Exchange `a` asks 100.00 for 0.4, `b` bids 101.00 for 0.7: nearly 9,000 ppm after fees.
fn opened(bench: &mut Bench) {
    assert!(bench.book(0, (9_990, 900), (10_000, 400)).is_empty());
    let first = bench.book(1, (10_100, 700), (10_110, 900));
    // The thinner leg first, for what both have.
    assert_eq!(order(&first), (0, Side::Buy, 10_000, 400, OPEN));
}

#[test]
fn nothing_is_traded_for_less_than_the_edge_or_on_books_that_may_not_be_traded_on() {
    let mut bench = Bench::new();
    assert!(bench.book(0, (9_990, 900), (10_000, 400)).is_empty());
    // 10,011 less 600 ppm is more than 10,000 plus 400 ppm, by 10 ppm.
    assert!(bench.book(1, (10_011, 700), (10_020, 900)).is_empty());
    assert!(bench.book(1, (10_013, 700), (10_020, 900)).len() == 1);
    let mut bench = Bench::new();
    bench.book(0, (9_990, 900), (10_000, 400));
    bench.wait_ms(501);
    assert!(
        bench.book(1, (10_100, 700), (10_110, 900)).is_empty(),
        "the other book is old"
    );
    let mut bench = Bench::new();
    bench.book(0, (9_990, 900), (10_000, 400));
    bench.event(0, Body::Status(Status::Stale));
    assert!(
        bench.book(1, (10_100, 700), (10_110, 900)).is_empty(),
        "the other book is dark"
    );
    let mut bench = Bench::new();
    bench.book(0, (10_010, 900), (10_000, 400));
    assert!(
        bench.book(1, (10_100, 700), (10_110, 900)).is_empty(),
        "the other book is crossed"
    );
}

#[test]
fn the_second_leg_is_for_what_the_first_got_and_never_at_a_loss() {
    let mut bench = Bench::new();
    opened(&mut bench);
    bench.report(0, Outcome::Acked { exchange_id: 1 });
    assert!(bench.fill(0, 10_000, 250).is_empty());
    let second = bench.report(0, Outcome::Expired);
    // 0.25 were bought at 100.00 and 400 ppm: sold for less than 100.11 less 600 ppm they lose.
    assert_eq!(order(&second), (1, Side::Sell, 10_011, 250, HEDGE));
    assert!(bench.fill(1, 10_100, 250).is_empty());
    // Over, and the pair rests for as long as it was told to.
    assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
    bench.wait_ms(101);
    assert_eq!(order(&bench.book(0, (9_990, 900), (10_000, 400))).4, OPEN);
}

#[test]
fn a_first_leg_that_gets_nothing_costs_nothing() {
    for outcome in [
        Outcome::Expired,
        Outcome::Refused { gate: "killed" },
        Outcome::NotSent,
        Outcome::Rejected { code: -1 },
    ] {
        let mut bench = Bench::new();
        opened(&mut bench);
        assert!(bench.report(0, outcome).is_empty());
        bench.wait_ms(101);
        let again = bench.book(0, (9_990, 900), (10_000, 400));
        assert_eq!(order(&again).4, OPEN, "{outcome:?}");
    }
}

#[test]
fn a_second_leg_that_was_missed_waits_for_its_price_and_is_unwound_after_its_time() {
    let mut bench = Bench::new();
    opened(&mut bench);
    // The bid has gone when the first leg is done.
    bench.book(1, (10_000, 700), (10_020, 900));
    assert!(
        bench.fill(0, 10_000, 400).is_empty(),
        "100.00 would be a loss"
    );
    bench.wait_ms(200);
    let back = bench.book(1, (10_050, 100), (10_060, 900));
    assert_eq!(order(&back), (1, Side::Sell, 10_011, 400, HEDGE));
    bench.fill(1, 10_050, 100);
    assert!(
        bench.report(1, Outcome::Expired).is_empty(),
        "not again in the same moment"
    );
    bench.wait_ms(600);
    // The second leg's limit is out of reach at both.
    assert!(bench.book(1, (9_900, 700), (9_910, 900)).is_empty());
    assert!(bench.book(0, (9_950, 900), (9_960, 400)).is_empty());
    bench.wait_ms(400);
    // Time is over. `a` bids more than `b` now: there it goes, a tenth of a percent below the bid.
    let unwind = bench.book(1, (9_900, 700), (9_910, 900));
    assert_eq!(order(&unwind), (0, Side::Sell, 9_941, 300, UNWIND));
    bench.fill(0, 9_950, 200);
    bench.report(0, Outcome::Expired);
    bench.wait_ms(100);
    let rest = bench.book(0, (9_950, 900), (9_960, 400));
    assert_eq!(order(&rest), (0, Side::Sell, 9_941, 100, UNWIND));
    bench.fill(0, 9_950, 100);
    assert!(bench.book(0, (9_950, 900), (9_960, 400)).is_empty());
}

#[test]
fn an_order_in_doubt_is_waited_for_and_what_it_turns_out_to_have_got_is_hedged() {
    let mut bench = Bench::new();
    opened(&mut bench);
    bench.orders[0].in_doubt = true;
    bench.report(0, Outcome::InDoubt);
    for _ in 0..60 {
        bench.wait_ms(10_000);
        bench.book(0, (9_990, 900), (10_000, 400));
        assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
    }
    // Ten minutes later the exchange says that a part of it had traded.
    assert!(bench.fill(0, 10_000, 250).is_empty());
    let hedge = bench.report(0, Outcome::Expired);
    assert_eq!(order(&hedge), (1, Side::Sell, 10_011, 250, HEDGE));
    // Nor is a second leg given up, or sent twice.
    bench.report(1, Outcome::InDoubt);
    bench.wait_ms(600_000);
    assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
    bench.book(0, (9_990, 900), (10_000, 400));
    // It never was there: now it is too late to wait for its price.
    assert!(bench.report(1, Outcome::NotSent).is_empty());
    bench.wait_ms(500);
    let unwind = bench.book(1, (10_100, 700), (10_110, 900));
    assert_eq!(order(&unwind), (1, Side::Sell, 10_090, 250, UNWIND));
}

#[test]
fn nothing_is_wanted_while_nobody_answered_whether_the_desk_shows_the_order_or_not() {
    let mut bench = Bench::new();
    opened(&mut bench);
    bench.orders.clear(); // Risk judges it, and has not said.
    bench.wait_ms(60_000);
    bench.book(0, (9_990, 900), (10_000, 400));
    assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
}

#[test]
fn a_fill_that_comes_after_the_end_is_closed_before_the_next_trade() {
    let mut bench = Bench::new();
    opened(&mut bench);
    assert!(bench.report(0, Outcome::Unknown).is_empty());
    bench.positions[0].qty = 300;
    bench.wait_ms(200);
    // What it cost nobody told: it waits as long as a second leg may take.
    assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
    bench.wait_ms(1_000);
    let unwind = bench.book(1, (10_100, 700), (10_110, 900));
    assert_eq!(order(&unwind), (1, Side::Sell, 10_090, 300, UNWIND));
    bench.fill(1, 10_100, 300);
    bench.wait_ms(101);
    assert_eq!(order(&bench.book(0, (9_990, 900), (10_000, 400))).4, OPEN);
}

#[test]
fn what_an_earlier_run_left_open_is_closed_first_in_orders_of_at_most_the_quantity() {
    let mut bench = Bench::new();
    bench.positions[0].qty = -2_500;
    bench.positions[1].qty = 1_000;
    bench.book(0, (9_990, 900), (10_000, 400));
    assert!(bench.book(1, (10_100, 700), (10_110, 900)).is_empty());
    bench.wait_ms(1_000);
    let unwind = bench.book(0, (9_990, 900), (10_000, 400));
    // 1.5 were sold too much: it is bought where that is cheapest.
    assert_eq!(order(&unwind), (0, Side::Buy, 10_010, 1_000, UNWIND));
    bench.fill(0, 10_000, 400);
    bench.report(0, Outcome::Expired);
    bench.wait_ms(50);
    let rest = bench.book(0, (9_990, 900), (10_000, 400));
    assert_eq!(order(&rest), (0, Side::Buy, 10_010, 1_000, UNWIND));
    bench.fill(0, 10_000, 1_000);
    bench.wait_ms(50);
    let rest = bench.book(0, (9_990, 900), (10_000, 400));
    assert_eq!(order(&rest), (0, Side::Buy, 10_010, 100, UNWIND));
    bench.fill(0, 10_000, 100);
    bench.wait_ms(101);
    let next = bench.book(1, (10_100, 700), (10_110, 900));
    assert_eq!(order(&next).4, OPEN);
}

#[test]
fn a_second_leg_that_is_refused_is_not_hammered_and_is_closed_elsewhere_in_the_end() {
    for outcome in [
        Outcome::Rejected { code: -2010 },
        Outcome::Refused { gate: "order_rate" },
    ] {
        let mut bench = Bench::new();
        opened(&mut bench);
        bench.fill(0, 10_000, 400);
        let mut tries = 0;
        for _ in 0..90 {
            bench.wait_ms(10);
            if bench.orders.is_empty() {
                bench.book(1, (10_100, 700), (10_110, 900));
            }
            if !bench.orders.is_empty() {
                tries += 1;
                assert!(bench.report(1, outcome).is_empty());
            }
        }
        assert_eq!(tries, 2, "{outcome:?}");
        bench.wait_ms(200);
        bench.book(1, (10_100, 700), (10_110, 900));
        let at_first = bench.report(1, outcome);
        assert!(at_first.is_empty());
        bench.wait_ms(60);
        // Its place refused again: what is open goes where it can.
        let unwind = bench.book(0, (9_990, 900), (10_000, 400));
        assert_eq!(order(&unwind), (0, Side::Sell, 9_981, 400, UNWIND));
    }
}

#[test]
fn a_fee_in_the_base_asset_leaves_less_for_the_second_leg_and_dust_keeps_nothing_from_trading() {
    let mut bench = Bench::new();
    opened(&mut bench);
    let fee = Fee {
        asset: Asset::from("BTC").unwrap(),
        amount: Decimal { units: 4, scale: 4 },
        rebate: false,
    };
    let hedge = bench.fill_with(0, 10_000, 400, Some(fee));
    // 0.3996 were received: 39 lots.
    assert_eq!(order(&hedge), (1, Side::Sell, 10_011, 390, HEDGE));
    bench.fill(1, 10_100, 390);
    bench.wait_ms(101);
    let next = bench.book(0, (9_990, 900), (10_000, 400));
    assert_eq!((order(&next).4, next[0].qty), (OPEN, Qty(400)));
    // As much as is left over, the next trade may be less.
    assert_eq!(bench.strategy.desks[0].base_max, 1_000);
    bench.report(0, Outcome::Expired);
    bench.wait_ms(101);
    bench.book(1, (10_100, 2_000), (10_110, 900));
    bench.report(0, Outcome::Expired);
    bench.wait_ms(101);
    let next = bench.book(0, (9_990, 900), (10_000, 2_000));
    assert_eq!(next[0].qty, Qty(990));
}

#[test]
fn what_has_no_partner_at_another_exchange_is_not_traded() {
    let mut alone = instrument(2, "b");
    alone.base = Asset::from("DOGE").unwrap();
    let all = [instrument(0, "a"), instrument(1, "b"), alone];
    let strategy = build(&params(), &all).unwrap();
    assert_eq!(
        [0, 1, 2, 3].map(|id| strategy.trades(InstrumentId(id))),
        [true, true, false, false]
    );
}

#[test]
fn a_run_without_a_pair_is_refused() {
    let error = |all: &[Instrument]| build(&params(), all).err();
    assert_eq!(error(&[instrument(0, "a")]), Some(StrategyError::NoPair));
    assert_eq!(
        error(&[instrument(0, "a"), instrument(1, "a")]),
        Some(StrategyError::NoPair)
    );
    let none = Params {
        edge_min_ppm: 0,
        ..params()
    };
    let both = [instrument(0, "a"), instrument(1, "b")];
    assert!(matches!(build(&none, &both), Err(StrategyError::Edge)));
}

/// On any drift, what is bought is sold, a trade that was hedged in time does not lose, and no
/// order is for more than was wanted.
#[test]
fn over_random_drifts_every_trade_ends_flat() {
    for seed in 0..300 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new();
        let (mut fair, mut position, mut unwound) = ([10_000i64; 2], 0i64, false);
        let (mut paid, mut books) = (0i128, [((0, 0), (0, 0)); 2]);
        let mut pending: Option<Place> = None;
        for step in 0..2_000 {
            bench.wait_ms(dice.u64(1..120));
            let id = dice.usize(0..2);
            // Near the end the two come together, so that everything can be closed.
            let drift = if step < 1_600 { dice.i64(-25..26) } else { 0 };
            fair[id] = (fair[id] + drift).clamp(9_700, 10_300);
            let spread = dice.i64(1..8);
            let qty = |dice: &mut fastrand::Rng| dice.u64(10..900);
            books[id] = (
                (fair[id] - spread, qty(&mut dice)),
                (fair[id] + spread, qty(&mut dice)),
            );
            let (bid, ask) = books[id];
            let mut wanted = bench.book(id as u16, bid, ask);
            loop {
                if let [intent] = wanted[..] {
                    assert!(
                        pending.is_none(),
                        "seed={seed} step={step}: two orders at once"
                    );
                    assert!(intent.qty.0 > 0 && intent.qty.0 <= 1_000);
                    assert!(intent.qty.0.is_multiple_of(10));
                    unwound |= intent.why.signal == UNWIND;
                    pending = Some(intent);
                }
                let Some(intent) = pending.take() else { break };
                let place = intent.instrument.index();
                let (bid, ask) = books[place];
                let (px, there) = match intent.side {
                    Side::Buy => ask,
                    Side::Sell => bid,
                };
                let reaches = match intent.side {
                    Side::Buy => intent.px.0 >= px,
                    Side::Sell => intent.px.0 <= px,
                };
                let qty = if reaches {
                    there.min(intent.qty.0) / 10 * 10
                } else {
                    0
                };
                wanted = Vec::new();
                if qty > 0 {
                    let fee = i128::from(FEES_PPM[place]);
                    let (sign, kept) = match intent.side {
                        Side::Buy => (1, PPM + fee),
                        Side::Sell => (-1, PPM - fee),
                    };
                    position += sign * qty as i64;
                    paid += i128::from(sign) * i128::from(px) * i128::from(qty) * kept;
                    wanted = bench.fill(place as u16, px, qty);
                }
                if qty < intent.qty.0 {
                    assert!(wanted.is_empty());
                    wanted = bench.report(place as u16, Outcome::Expired);
                }
            }
            assert!(
                position.abs() <= 1_000,
                "seed={seed} step={step}: {position}"
            );
            if position == 0 && !unwound {
                assert!(
                    paid <= 0,
                    "seed={seed} step={step}: {paid} was lost on hedged trades"
                );
            }
        }
        assert_eq!(position, 0, "seed={seed}");
    }
}

#[test]
fn values_that_are_set_count_from_the_next_book_on_unless_a_pair_cannot_hold_them() {
    let mut bench = Bench::new();
    let mut values = Values::default().whole(KIND.keys);
    values.set(&EDGE_MIN_PPM, Value::Int(7));
    values.set(&QUANTITY, Value::Quantity("0.0001".into()));
    let view = sees(&bench.view);
    let refused = bench.strategy.handle_values(&mut values, &view);
    assert!(refused.unwrap_err().contains("cannot hold the quantity"));
    assert_eq!(bench.strategy.params, params(), "nothing of it is taken");
    assert_eq!(values.quantity(&QUANTITY), "0.0001");
    values.set(&QUANTITY, Value::Quantity("0.5".into()));
    bench.strategy.handle_values(&mut values, &view).unwrap();
    assert_eq!(bench.strategy.desks[0].base_max, 500);
    let now = &bench.strategy.params;
    assert_eq!((now.edge_min_ppm, now.quantity.as_str()), (7, "0.5"));
    assert_eq!(now.cooldown, Span::from_millis(500), "its default");
    assert_eq!(values.quantity(&QUANTITY), "1", "what it had goes back");
}

mod random;
