//! Every fault of market data at every exchange of the registry, on the virtual clock: no book is
//! ever wrong, a fault of one stream leaves its neighbour alone, and all books come back.

use std::sync::{Arc, Mutex};
use tickwire::base::feed::Chain;
use tickwire::base::{Body, Channel, Event, Instrument, InstrumentId, Nanos, Span, Status};
use tickwire::exchange::{ALL, Exchange};
use tickwire::strategy::{Intents, Strategy, View};
use tickwire::trading::limits::{RiskLimits, RiskParams};
use tickwire::trading::risk::Risk;
use tickwire::venue::faults::{MarketFault, Step};
use tickwire::wiring::desk::Seated;
use tickwire::wiring::plan::{FeedPlan, LanePlan, Plan};
use tickwire::world::sim::driver::{Exchanges, World, WorldEnd};

/// All books are live before the first fault.
const HEALTHY: Span = Span::from_secs(6);
/// How long a world goes on once all books are live after its last fault.
const CALM: Span = Span::from_secs(3);
/// All books are live so long after the last fault.
const LIVE_AFTER: Span = Span::from_secs(75);

/// Notes when the state of each book changed.
struct Watch(Arc<Mutex<Vec<(Nanos, InstrumentId, Status)>>>);

impl Strategy for Watch {
    fn handle_event(&mut self, now: Nanos, event: &Event, _: &View<'_>, _: &mut Intents) {
        if let Body::Status(status) = event.body {
            self.0.lock().unwrap().push((now, event.instrument, status));
        }
    }
}

/// What a world was like from the first fault on.
struct Ran {
    end: WorldEnd,
    /// When the last fault was over.
    over: Nanos,
    /// States of each book, in the order of time.
    states: Vec<(Nanos, InstrumentId, Status)>,
    /// When the faults began.
    began: Nanos,
}

impl Ran {
    /// The states of this book after the faults began.
    fn states(&self, id: u16) -> Vec<(Nanos, Status)> {
        let of = self.states.iter().filter(|one| one.1 == InstrumentId(id));
        let after = of.filter(|one| one.0 >= self.began);
        after.map(|one| (one.0, one.2)).collect()
    }

    /// How long after the faults this book was live for good; `None` if it never was.
    fn live_after(&self, id: u16) -> Option<Span> {
        let mut all = self.states.iter().filter(|one| one.1 == InstrumentId(id));
        match all.next_back() {
            Some((at, _, Status::Live)) => Some(Span(at.0.saturating_sub(self.over.0))),
            _ => None,
        }
    }
}

/// Two instruments of this exchange, healthy, then these faults; steps count from there.
fn run(exchange: &'static dyn Exchange, steps: &[Step]) -> Ran {
    let exchanges = Exchanges::new(&[exchange.name()], 2, 7).unwrap();
    let instruments: Vec<Instrument> = exchanges.instruments().into_iter().take(2).collect();
    let params = RiskParams {
        qty_max: "1".to_owned(),
        notional_max: "1".to_owned(),
        ..RiskParams::default()
    };
    let limits = RiskLimits::parse(&params, &instruments).unwrap();
    let feed = FeedPlan {
        channels: vec![Channel::Depth],
        ..FeedPlan::new(exchange, &exchange.depth_streams()[0], &instruments)
    };
    let endpoint = exchanges.endpoint(exchange.endpoints().stream);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let plan = Plan {
        risk: Risk::new(limits, &instruments, 1),
        levels: 1_024,
        lanes: vec![LanePlan::new(feed, endpoint)],
        gateways: Vec::new(),
        strategies: vec![Seated::everywhere(Box::new(Watch(seen.clone())))],
        instruments: instruments.into(),
        paper_fees: Vec::new(),
    };
    let mut world = World::new(exchanges, plan).unwrap();
    for step in steps {
        // A moment later: the world must be seen healthy first.
        let later = Span(step.at.0 + HEALTHY.0 + 1_000_000);
        let later = step.clone().after(later);
        world.plan_market(&later).unwrap();
    }
    let began = world.now() + HEALTHY;
    let over = steps.iter().map(|step| step.at.0 + step.lasts.0).max();
    let over = began + Span(over.unwrap_or(0));
    world.run(HEALTHY).unwrap();
    let live = |id| {
        let seen = seen.lock().unwrap();
        let mut of = seen.iter().filter(|one| one.1 == InstrumentId(id));
        of.next_back().is_some_and(|one| one.2 == Status::Live)
    };
    assert!(live(0) && live(1), "{}: {seen:?}", exchange.name());
    world.run(Span(over.0 - began.0)).unwrap();
    let mut calm = Span::ZERO;
    while calm < CALM && world.now() < over + LIVE_AFTER + CALM {
        let second = Span::from_secs(1);
        world.run(second).unwrap();
        calm = match live(0) && live(1) {
            true => calm + second,
            false => Span::ZERO,
        };
    }
    let end = world.finish();
    let states = seen.lock().unwrap().clone();
    Ran {
        end,
        over,
        states,
        began,
    }
}

/// What is wrong with how an exchange took a fault of its first instrument, or of all.
fn found(exchange: &'static dyn Exchange, fault: MarketFault, lasts: Span) -> Vec<String> {
    let symbol = Exchanges::new(&[exchange.name()], 2, 7)
        .unwrap()
        .instruments()[0]
        .symbol;
    let step = Step::now(fault).lasting(lasts);
    let mut steps = vec![match fault.is_of_one() {
        true => step.on(&symbol),
        false => step,
    }];
    steps.extend(fault.shown_by().map(Step::now));
    let ran = run(exchange, &steps);
    let mut wrong = Vec::new();
    let struck = ran.end.struck.iter().filter(|one| one.fault == fault);
    if struck.count() == 0 {
        wrong.push("it never struck".to_owned());
    }
    for (n, book) in ran.end.books.iter().enumerate() {
        // Books that change level by level have states in between that nobody vouches for.
        let unlike = book.unverified > 0 && vouches(exchange);
        if (book.wrong_ns != Some(0) || unlike) && !is_hidden(fault, exchange) {
            wrong.push(format!("book {n} was wrong: {book:?}"));
        }
    }
    let states = ran.states(1);
    // A number of the connection is of all its books.
    let shared = exchange.depth_streams()[0].rule.numbered_line;
    if fault.is_of_one() && fault.shown_by().is_none() && !states.is_empty() && !shared {
        wrong.push(format!("the neighbour was not left alone: {states:?}"));
    }
    for id in [0, 1] {
        match ran.live_after(id) {
            Some(after) if after <= LIVE_AFTER => {}
            after => wrong.push(format!(
                "book {id} was live after {after:?}: {:?}",
                ran.states(id)
            )),
        }
    }
    println!(
        "{:<18} {:<16} struck {:?}, live after {:?}, dark {:?}",
        exchange.name(),
        fault,
        ran.end
            .struck
            .iter()
            .map(|one| one.fault.name())
            .collect::<Vec<_>>(),
        ran.live_after(0),
        ran.states(0)
            .iter()
            .map(|(at, status)| (Span(at.0 - ran.began.0), status))
            .collect::<Vec<_>>(),
    );
    wrong
}

/// Whether the exchange knows each state that its healthy books are shown in.
fn vouches(exchange: &'static dyn Exchange) -> bool {
    run(exchange, &[])
        .end
        .books
        .iter()
        .all(|book| book.unverified == 0)
}

/// Whether nobody can know at once: the exchange's protocol cannot show that messages are missing,
/// as it has no numbers and no checksum (only an audit finds out), or the exchange itself says that
/// its book is crossed: it is shown as that, and nobody trades on it.
fn is_hidden(fault: MarketFault, exchange: &'static dyn Exchange) -> bool {
    let rule = exchange.depth_streams()[0].rule;
    let numbered = matches!(rule.chain, Chain::Dense | Chain::Previous);
    let shows = numbered || rule.numbered_line || rule.checksum.is_some();
    let loses = matches!(
        fault,
        MarketFault::Gap | MarketFault::Reorder | MarketFault::Silent | MarketFault::HalfOpen
    );
    fault == MarketFault::Crossed || (loses && !shows)
}

/// Tries a kind at every exchange where it means something.
fn everywhere(fault: MarketFault, lasts: Span) {
    let applies = |exchange: &&&'static dyn Exchange| fault.applies(**exchange);
    let mut wrong = Vec::new();
    for exchange in ALL.iter().filter(applies) {
        let found = found(*exchange, fault, lasts);
        wrong.extend(
            found
                .iter()
                .map(|what| format!("{fault} at {}: {what}", exchange.name())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_message_that_is_lost() {
    everywhere(MarketFault::Gap, Span::ZERO);
}

#[test]
fn a_message_that_comes_twice() {
    everywhere(MarketFault::Duplicate, Span::ZERO);
}

#[test]
fn a_message_that_comes_after_the_next_one() {
    everywhere(MarketFault::Reorder, Span::ZERO);
}

#[test]
fn a_message_that_nobody_can_read() {
    everywhere(MarketFault::Corrupt, Span::ZERO);
}

#[test]
fn a_checksum_that_is_not_its_books() {
    everywhere(MarketFault::Checksum, Span::ZERO);
}

#[test]
fn a_stream_that_falls_silent() {
    everywhere(MarketFault::Silent, Span::from_secs(8));
}

#[test]
fn a_stream_that_is_late() {
    everywhere(MarketFault::Late, Span::from_secs(8));
}

#[test]
fn a_whole_book_that_nobody_asked_for() {
    everywhere(MarketFault::Unasked, Span::ZERO);
}

#[test]
fn a_book_that_is_crossed_for_a_message() {
    everywhere(MarketFault::Crossed, Span::ZERO);
}

#[test]
fn answers_that_are_late_or_refused_for_a_while() {
    everywhere(MarketFault::LateAnswer, Span::from_secs(5));
    everywhere(MarketFault::TooMany, Span::from_secs(5));
    everywhere(MarketFault::Unavailable, Span::from_secs(5));
}

#[test]
fn an_exchange_that_counts_anew() {
    everywhere(MarketFault::Reset, Span::ZERO);
}

#[test]
fn a_side_that_nobody_offers_on() {
    everywhere(MarketFault::EmptySide, Span::from_secs(5));
}

#[test]
fn an_instrument_that_is_delisted_for_a_while() {
    everywhere(MarketFault::Delisted, Span::from_secs(10));
}

#[test]
fn a_burst_of_messages() {
    everywhere(MarketFault::Burst, Span::from_secs(1));
}
