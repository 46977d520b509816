//! The whole road on a virtual clock, against the simulated exchange: feed, desk and gateway lanes.

use tickwire::base::{
    Body, Event, Instrument, InstrumentId, Intent, Kind, Nanos, Note, OrderType, Place, Px, Qty,
    Replace, Severity, Side, Span, StrategyId, Why,
};
use tickwire::exchange::{ALL, by_name};
use tickwire::strategy::{Intents, Strategy, Table, View, imbalance};
use tickwire::trading::limits::{RiskLimits, RiskParams};
use tickwire::trading::refusal::Refusal;
use tickwire::trading::risk::Risk;
use tickwire::venue::faults::{Asks, Fault, Planned, Refuses};
use tickwire::wiring::desk::Seated;
use tickwire::wiring::plan::{FeedPlan, GatewayPlan, LanePlan, Plan};
use tickwire::world::sim::driver::{Exchanges, World, WorldEnd};
use zeroize::Zeroizing;

/// The exchange whose orders the tests are about that need one only.
const ONE: &str = "binance";

/// The exchanges at which orders are simulated, and sent to.
fn traded() -> impl Iterator<Item = &'static str> {
    let all = ALL.iter().filter(|one| one.mirror().accounts().is_some());
    all.map(|exchange| exchange.name())
}

/// Three pairs of an exchange followed and traded for a minute.
fn minute(exchange: &str, seed: u64) -> WorldEnd {
    run(world_at(exchange, seed, RiskParams::default()))
}

fn run(mut world: World) -> WorldEnd {
    world.run(Span::from_secs(60)).unwrap();
    world.finish()
}

/// A world with these limits, but for those of orders.
fn world_with(seed: u64, params: RiskParams) -> World {
    world_at(ONE, seed, params)
}

fn world_at(name: &str, seed: u64, params: RiskParams) -> World {
    world_of(name, seed, params, |table| {
        let eager = imbalance::Params {
            depth: 5,
            threshold: 0.2,
            cooldown: Span::from_millis(100),
            quantity: "0.01".to_owned(),
        };
        Box::new(imbalance::Imbalance::new(&eager, table).unwrap())
    })
}

fn world_of(
    name: &str,
    seed: u64,
    params: RiskParams,
    strategy: impl FnOnce(&Table<'_>) -> Box<dyn Strategy>,
) -> World {
    let exchange = by_name(name).unwrap();
    let exchanges = Exchanges::new(&[name], 3, seed).unwrap();
    let listed = exchanges.instruments();
    let pairs = listed.iter().filter(|listed| listed.kind == Kind::Spot);
    let numbered = pairs.zip(0..).map(|(pair, id)| Instrument {
        id: InstrumentId(id),
        ..*pair
    });
    let instruments: Vec<Instrument> = numbered.collect();
    let params = RiskParams {
        qty_max: "10".to_owned(),
        notional_max: "10000000".to_owned(),
        collar_bps: 500,
        orders_per_s: 4, // As many as the slowest exchange takes.
        open_orders_max: 8,
        ..params
    };
    let limits = RiskLimits::parse(&params, &instruments).unwrap();
    let strategy = strategy(&Table::of(&instruments));
    let accounts = exchange.mirror().accounts().unwrap();
    let account = accounts.account(&Zeroizing::new([7; 32])).unwrap();
    let codec = exchange.order_codec(account, &instruments).unwrap();
    let (stream, orders) = (exchange.endpoints().stream, exchange.endpoints().orders);
    let feed = FeedPlan::new(exchange, &exchange.depth_streams()[0], &instruments);
    let plan = Plan {
        risk: Risk::new(limits, &instruments, 1),
        levels: 1_024,
        lanes: vec![LanePlan::new(feed, exchanges.endpoint(stream))],
        gateways: vec![GatewayPlan::new(
            exchange,
            codec,
            exchanges.endpoint(orders),
        )],
        strategies: vec![Seated::everywhere(strategy)],
        instruments: instruments.into(),
        paper_fees: Vec::new(),
    };
    World::new(exchanges, plan).unwrap()
}

#[test]
fn a_minute_of_a_whole_road_has_no_wrong_book_and_every_order_has_its_end() {
    for exchange in traded() {
        println!("{exchange}");
        has_no_wrong_book_and_every_order_has_its_end(&minute(exchange, 7));
    }
}

fn has_no_wrong_book_and_every_order_has_its_end(end: &WorldEnd) {
    assert_eq!(end.books.len(), 3);
    for book in &end.books {
        assert!(book.updates > 100 && book.wrong_ns == Some(0), "{book:?}");
    }
    let bad = |note: &&Note| matches!(note.severity, Severity::Warn | Severity::Error);
    assert_eq!(end.notes.iter().find(bad), None);
    let counted = end.desk.counters;
    assert!(counted.admitted > 100, "{counted:?}");
    assert_eq!(counted.acked, counted.admitted);
    assert_eq!(counted.filled + counted.expired, counted.admitted);
    assert_eq!(
        (end.tally.gateway.sent, end.tally.connects),
        (counted.admitted, 3),
        "market data, trading and account"
    );
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another_one() {
    let told = |end: WorldEnd| format!("{:?} {:?}", (end.books, end.desk), (end.tally, end.notes));
    for exchange in traded() {
        let first = told(minute(exchange, 7));
        assert_eq!(first, told(minute(exchange, 7)));
        assert_ne!(first, told(minute(exchange, 8)));
    }
}

#[test]
fn what_goes_wrong_with_an_order_is_planned_on_the_virtual_clock() {
    for exchange in traded() {
        println!("{exchange}");
        goes_wrong_with_an_order(exchange);
    }
}

fn goes_wrong_with_an_order(exchange: &str) {
    let with = |asks, fault| {
        let mut world = world_at(exchange, 7, RiskParams::default());
        let after = 3;
        let asks = Some(asks);
        world.plan(exchange, Planned { asks, after, fault });
        run(world).desk.counters
    };
    let lost = with(Asks::Place, Fault::AnswerLost);
    assert_eq!((lost.in_doubt, lost.rejected), (0, 0), "{lost:?}");
    assert_eq!(
        lost.acked, lost.admitted,
        "the private stream says what the answer did not"
    );
    let swallowed = with(Asks::Place, Fault::Swallowed);
    assert_eq!((swallowed.in_doubt, swallowed.rejected), (1, 0));
    let unknown = with(Asks::Place, Fault::Answered(Refuses::Unknown));
    assert_eq!((unknown.in_doubt, unknown.rejected), (1, 0));
    let refused = with(Asks::Place, Fault::Refused(Refuses::Orders));
    assert_eq!((refused.in_doubt, refused.rejected), (0, 1));
    let twice = with(Asks::Place, Fault::AnswerTwice);
    assert_eq!((twice.in_doubt, twice.rejected), (0, 0));
    assert_eq!(twice.acked, twice.admitted);
}

#[test]
fn what_goes_wrong_by_chance_is_the_same_for_a_seed() {
    for exchange in traded() {
        let told = |chance| {
            let mut world = world_at(exchange, 7, RiskParams::default());
            world.by_chance(exchange, chance, 100_000);
            let end = run(world);
            assert!(end.desk.counters.in_doubt > 0, "{:?}", end.desk.counters);
            format!("{:?}", (end.desk, end.tally))
        };
        let first = told(1);
        assert_eq!(first, told(1));
        assert_ne!(first, told(2));
    }
}

#[test]
fn while_our_clock_is_too_far_from_the_exchanges_no_order_goes_out_and_then_they_go_on() {
    let mut world = world_with(
        7,
        RiskParams {
            clock_skew_max_ms: 1_000,
            ..RiskParams::default()
        },
    );
    let mut steps = Vec::new();
    // The exchange's clock is right, 5 s ahead of ours, and right again.
    for (behind_s, run_s) in [(0, 20), (5, 60), (0, 90)] {
        world.set_clock(-behind_s * 1_000_000_000);
        steps.push(world.now());
        world.run(Span::from_secs(run_s)).unwrap();
    }
    let end = world.finish();
    let refused = end.desk.refusals.count(Refusal::ClockSkew);
    assert!(refused > 0);
    let admitted = |from: Nanos, to: Nanos| {
        let notes = end.notes.iter();
        let admitted = notes.filter(|note| note.event == "order.admitted");
        admitted
            .filter(|note| from <= note.at && note.at < to)
            .count()
    };
    // The first answer after the step shows it.
    let seen = steps[1] + Span::from_secs(1);
    assert!(admitted(steps[0], steps[1]) > 20);
    assert_eq!(admitted(seen, steps[2]), 0);
    assert!(admitted(steps[2], Nanos::NEVER) > 20);
}

/// Rests an order a little behind a side, and in turn makes it smaller, moves it, and cancels it.
#[derive(Default)]
struct Rester {
    due: [Nanos; 3],
    turns: u64,
}

impl Strategy for Rester {
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let Body::Book(top) = &event.body else { return };
        let id = event.instrument;
        let (Some((bid, ask)), Some(listed)) = (top.best(), view.market.instrument(id)) else {
            return;
        };
        if now < self.due[id.index()] {
            return;
        }
        self.due[id.index()] = now + Span::from_secs(1);
        self.turns += 1;
        let why = Why {
            signal: "rests",
            value: 0.0,
            threshold: 0.0,
            update_id: event.update_id,
            epoch: event.epoch,
            bid,
            ask,
        };
        let (side, px) = match self.turns % 2 {
            0 => (Side::Buy, bid.px.0 - listed.tick.0),
            _ => (Side::Sell, ask.px.0 + listed.tick.0),
        };
        let qty = Qty(40 * listed.lot.0.max(listed.qty_min.0));
        let mut own = view.orders().filter(|order| order.instrument == id);
        let wish = match own.next() {
            None => Intent::from(Place {
                strategy: StrategyId::NONE,
                instrument: id,
                side,
                px: Px(px),
                qty: Qty(qty.0 * 20),
                order_type: OrderType::PostOnly,
                tag: 0,
                why,
            }),
            Some(order) if order.changing || order.in_doubt || !order.acked => return,
            Some(order) => match self.turns % 5 {
                0 => Intent::from(tickwire::base::Cancel {
                    order: order.client_id,
                    why: "in turn",
                }),
                1 | 2 if order.remaining().0 > 2 * qty.0 => Intent::from(Replace {
                    order: order.client_id,
                    px: order.px,
                    qty: Qty(order.remaining().0 - qty.0),
                    why,
                }),
                _ => Intent::from(Replace {
                    order: order.client_id,
                    px: match order.side {
                        Side::Buy => Px(bid.px.0),
                        Side::Sell => Px(ask.px.0),
                    },
                    qty: order.remaining(),
                    why,
                }),
            },
        };
        let _ = out.try_push(wish);
    }
}

#[test]
fn orders_that_rest_are_changed_and_filled_and_the_account_adds_up_to_the_last_unit() {
    for exchange in traded() {
        let rester = |_: &Table<'_>| Box::<Rester>::default() as Box<dyn Strategy>;
        let mut world = world_of(exchange, 7, RiskParams::default(), rester);
        // The account is compared with the exchange every minute.
        world.run(Span::from_secs(200)).unwrap();
        let end = world.finish();
        let counted = end.desk.counters;
        let told = |event: &str| end.notes.iter().filter(|note| note.event == event).count();
        println!("{exchange}: {counted:?}");
        assert!(counted.acked > 50, "{counted:?}");
        assert!(counted.changes > 50, "{counted:?}");
        assert!(counted.fills > 10, "{counted:?}");
        assert!(counted.cancelled > 20, "{counted:?}");
        assert_eq!(
            (counted.in_doubt, counted.differences, counted.adopted),
            (0, 0, 0)
        );
        assert_eq!(told("frame.refused"), 0);
        assert_eq!(told("gateway.closed"), 0);
    }
}
