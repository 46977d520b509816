//! A desk that is killed, paused and resumed, whose strategies panic and flood: on paper, with a
//! book that does not move.

use super::command::{Answer, Command, DeskState, Setting};
use super::halt::{CLOSING_LOOK, CLOSING_TAG, CLOSING_TRIES};
use super::test_clock::TestClock;
use super::*;
use crate::base::{KeyName, KeyValue, Level, Mode, OrderType, Px, Side, Status, Symbol, Top, Why};
use crate::strategy::{Key, Sort, Values};
use crate::trading::limits::{RiskLimits, RiskParams, StrategyParams};
use crate::watch::latency::Histograms;
use crate::wiring::keep::Kept;
use crate::wiring::ring::{Bell, ring};
use crate::wiring::turn::Notes;
use std::sync::Mutex;

const BTC: InstrumentId = InstrumentId(0);

/// What a strategy of the test does at its next books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Does {
    #[default]
    Nothing,
    /// Buys three at the ask.
    Buys,
    /// Rests a bid far below.
    Rests,
    Panics,
    /// Wants what is refused, as often as fits.
    Floods,
}

struct Puppet {
    does: Arc<Mutex<Does>>,
    seen: Arc<Mutex<Vec<u64>>>,
    /// What it buys.
    qty: u64,
}

/// How much a puppet buys. It refuses 8, and 9 is more than it can stand.
const BUYS: Key = Key {
    name: "buys",
    sort: Sort::Int {
        min: 1,
        max: 9,
        default: 3,
    },
    help: "how much it buys",
};

impl Strategy for Puppet {
    fn handle_event(&mut self, _: Nanos, event: &Event, _: &View<'_>, out: &mut Intents) {
        if let Body::Report(report) = event.body {
            self.seen.lock().unwrap().push(report.tag);
        }
        let Body::Book(top) = &event.body else { return };
        let (bid, ask) = top.best().unwrap();
        let does = *self.does.lock().unwrap();
        let (px, qty, times) = match does {
            Does::Nothing => return,
            Does::Buys => (ask.px, self.qty, 1),
            Does::Rests => (Px(bid.px.0 - 100), 3, 1),
            Does::Panics => panic!("of a test"),
            Does::Floods => (ask.px, 0, out.capacity()),
        };
        for _ in 0..times {
            let _ = out.try_push(Intent::from(Place {
                strategy: StrategyId::NONE,
                instrument: BTC,
                side: Side::Buy,
                px,
                qty: Qty(qty),
                order_type: OrderType::Limit,
                tag: 1,
                why: Why {
                    signal: "test",
                    value: 0.0,
                    threshold: 0.0,
                    update_id: 7,
                    epoch: 1,
                    bid,
                    ask,
                },
            }));
        }
    }

    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        assert_eq!(view.market.len(), 1);
        match values.int(&BUYS) {
            8 => return Err("not 8"),
            9 => panic!("of a test"),
            qty => self.qty = qty,
        }
        Ok(())
    }
}

struct Bench {
    desk: Desk,
    clock: TestClock,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<Note>,
    does: Vec<Arc<Mutex<Does>>>,
    seen: Vec<Arc<Mutex<Vec<u64>>>>,
    ask: Sender<Command>,
    answers: Receiver<Answer>,
    events: Sender<Event>,
    switch: Arc<KillSwitch>,
}

impl Bench {
    /// Two strategies on one instrument.
    fn new() -> Self {
        let mut btc = Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 3));
        btc.qty_max = Qty(1_000_000);
        let params = RiskParams {
            qty_max: "0.004".into(), // Less than what comes to be held: closing takes two orders.
            notional_max: "10000000".into(),
            collar_bps: 500,
            orders_per_s: 1_000,
            open_orders_max: 24,
            strategies: vec![StrategyParams::default(); 2],
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &[btc]).unwrap();
        let does: Vec<Arc<Mutex<Does>>> = vec![Arc::default(), Arc::default()];
        let seen: Vec<Arc<Mutex<Vec<u64>>>> = vec![Arc::default(), Arc::default()];
        let puppet = |at: usize| {
            let (does, seen) = (does[at].clone(), seen[at].clone());
            let qty = 3;
            Seated::everywhere(Box::new(Puppet { does, seen, qty }))
        };
        let silent = || Bell::new(|| {});
        let (events, input) = ring(16, silent());
        let mut desk = Desk::new(
            &[btc],
            vec![input],
            vec![puppet(0), puppet(1)],
            Risk::new(limits, &[btc], 1),
            vec![Way::only(Exit::Paper(Paper::new()), ExitRules::PAPER)],
        );
        let ((ask, asked), (answers, answered)) = (ring(4, silent()), ring(4, silent()));
        desk.obey(Commands { asked, answers });
        let switch = Arc::<KillSwitch>::default();
        desk.watch(switch.clone());
        let (sender, log) = crossbeam_channel::bounded(65_536);
        Self {
            desk,
            clock: TestClock::at(Nanos::from_secs(10)),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
            does,
            seen,
            ask,
            answers: answered,
            events,
            switch,
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut Desk, &mut Turn)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        act(&mut self.desk, &mut turn);
        while self.desk.has_input() {
            self.desk.handle_turn(&mut turn);
        }
    }

    /// A book, a little later; each strategy does what is said.
    fn book(&mut self, does: [Does; 2]) {
        let now = self.clock.0.get() + Span::from_millis(200);
        self.clock.0.set(now);
        for event in self.next_book(does) {
            self.turn(|desk, turn| desk.handle_event(turn, 0, &event));
        }
        if self.desk.poll_timeout() <= now {
            self.turn(|desk, turn| desk.handle_timeout(turn));
        }
    }

    fn next_book(&self, does: [Does; 2]) -> [Event; 2] {
        for (one, does) in self.does.iter().zip(does) {
            *one.lock().unwrap() = does;
        }
        let now = self.clock.0.get();
        let mut top = Top::EMPTY;
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        top.set(Side::Buy, [level(9_999)].into_iter(), 1, true);
        top.set(Side::Sell, [level(10_001)].into_iter(), 1, true);
        [Body::Status(Status::Live), Body::Book(top)].map(|body| Event {
            instrument: BTC,
            epoch: 1,
            update_id: 7,
            ..own_event(now, body)
        })
    }

    fn set(&mut self, strategy: StrategyId, buys: u64) -> Result<(), &'static str> {
        match self.say(Command::Set(setting(strategy, buys))) {
            Answer::Set(setting, taken) => {
                assert_eq!(setting.at, self.clock.0.get());
                taken
            }
            other => panic!("{other:?}"),
        }
    }

    fn say(&mut self, command: Command) -> Answer {
        assert!(self.ask.push(command).is_ok());
        assert!(self.desk.has_input());
        self.turn(|desk, turn| {
            desk.handle_turn(turn);
        });
        self.answers.pop().unwrap()
    }

    fn held(&self) -> [i128; 2] {
        [0, 1].map(|at| self.desk.risk.pnl().positions(StrategyId(at))[0].qty)
    }

    fn working(&self) -> usize {
        self.desk.orders.len()
    }

    fn told(&self) -> Vec<(&'static str, StrategyId)> {
        let all = self.log.try_iter();
        all.map(|note| (note.event, note.strategy)).collect()
    }
}

/// Books that do not move, and a clock that stands.
fn looks_as_often_as_it_wants(bench: &mut Bench) -> usize {
    let mut looks = 0;
    while bench.desk.poll_timeout() <= bench.clock.0.get() {
        bench.turn(|desk, turn| desk.handle_timeout(turn));
        looks += 1;
    }
    looks
}

fn setting(strategy: StrategyId, buys: u64) -> Box<Setting> {
    let mut values = Values::default();
    values.set(&BUYS, crate::strategy::Value::Int(buys));
    Box::new(Setting {
        strategy,
        key: BUYS.name,
        value: KeyValue::from(&buys.to_string()).unwrap(),
        noted: Value::Int(buys as i64),
        values,
        at: Nanos::ZERO,
    })
}

const ONE: StrategyId = StrategyId(0);
const OTHER: StrategyId = StrategyId(1);

#[test]
fn a_kill_cancels_what_works_and_lets_nothing_out_until_somebody_resumes() {
    let mut bench = Bench::new();
    bench.book([Does::Rests, Does::Rests]);
    assert_eq!(bench.working(), 2);
    bench.switch.kill();
    assert!(bench.desk.has_input(), "it does not sleep over it");
    bench.turn(|desk, turn| {
        desk.handle_turn(turn);
    });
    assert_eq!(bench.working(), 0);
    bench.book([Does::Buys, Does::Buys]);
    assert_eq!((bench.working(), bench.held()), (0, [0, 0]));
    assert!(matches!(
        bench.say(Command::Resume(StrategyId::NONE)),
        Answer::Done
    ));
    assert!(!bench.switch.is_killed());
    bench.book([Does::Buys, Does::Nothing]);
    assert_eq!(bench.held(), [3, 0]);
}

#[test]
fn one_strategy_is_killed_or_paused_alone_and_what_works_of_a_paused_one_stays() {
    let mut bench = Bench::new();
    bench.book([Does::Rests, Does::Rests]);
    bench.say(Command::Kill {
        strategy: ONE,
        flatten: false,
    });
    bench.say(Command::Pause(OTHER));
    let left: Vec<StrategyId> = bench
        .desk
        .orders
        .working()
        .iter()
        .map(|o| o.strategy)
        .collect();
    assert_eq!(left, [OTHER]);
    bench.book([Does::Buys, Does::Buys]);
    assert_eq!(bench.held(), [0, 0]);
    bench.say(Command::Resume(OTHER));
    bench.book([Does::Buys, Does::Buys]);
    assert_eq!(bench.held(), [0, 3]);
    assert!(!bench.switch.is_killed(), "the gateway lets others out");
}

#[test]
fn flattening_closes_what_each_holds_by_orders_of_its_own_and_nothing_else() {
    let mut bench = Bench::new();
    bench.book([Does::Buys, Does::Buys]);
    bench.book([Does::Buys, Does::Nothing]);
    assert_eq!(bench.held(), [6, 3]);
    bench.say(Command::Kill {
        strategy: ONE,
        flatten: true,
    });
    for _ in 0..4 {
        bench.book([Does::Buys, Does::Nothing]);
    }
    assert_eq!(bench.held(), [0, 3]);
    assert!(bench.told().contains(&("strategy.flat", ONE)));
    let tags = bench.seen[0].lock().unwrap().clone();
    assert!(tags.contains(&CLOSING_TAG), "it hears of them");
    // It is halted still.
    bench.book([Does::Buys, Does::Nothing]);
    assert_eq!(bench.held(), [0, 3]);
}

#[test]
fn flattening_goes_on_at_once_after_an_order_that_traded_however_many_it_takes() {
    let mut bench = Bench::new();
    for _ in 0..80 {
        bench.book([Does::Buys, Does::Nothing]);
    }
    assert_eq!(bench.held(), [240, 0]);
    bench.say(Command::Kill {
        strategy: ONE,
        flatten: true,
    });
    looks_as_often_as_it_wants(&mut bench);
    assert_eq!(bench.held(), [0, 0], "60 orders of 4, and no time passed");
    assert!(bench.told().contains(&("strategy.flat", ONE)));
}

#[test]
fn what_cannot_be_closed_is_tried_again_only_once_the_book_could_move() {
    let mut bench = Bench::new();
    bench.book([Does::Buys, Does::Nothing]);
    // The book is dark: nobody knows what it could be sold for.
    let [mut event, _] = bench.next_book([Does::Nothing; 2]);
    event.body = Body::Status(Status::Stale);
    bench.turn(|desk, turn| desk.handle_event(turn, 0, &event));
    bench.say(Command::Kill {
        strategy: ONE,
        flatten: true,
    });
    assert_eq!(looks_as_often_as_it_wants(&mut bench), 0);
    for _ in 0..CLOSING_TRIES {
        let later = bench.clock.0.get() + CLOSING_LOOK;
        bench.clock.0.set(later);
        assert_eq!(looks_as_often_as_it_wants(&mut bench), 1);
    }
    assert_eq!(bench.held(), [3, 0]);
    assert!(bench.told().contains(&("strategy.not_flat", ONE)));
}

#[test]
fn a_kill_with_flattening_opens_the_gateway_for_what_closes_and_for_nothing_else() {
    let mut bench = Bench::new();
    bench.book([Does::Buys, Does::Buys]);
    bench.switch.kill();
    assert!(!bench.switch.lets_out());
    bench.say(Command::Kill {
        strategy: StrategyId::NONE,
        flatten: true,
    });
    assert!(bench.switch.lets_out() && bench.switch.is_killed());
    for _ in 0..4 {
        bench.book([Does::Buys, Does::Buys]);
    }
    assert_eq!(bench.held(), [0, 0]);
    bench.switch.kill();
    assert!(!bench.switch.lets_out(), "killed once more");
}

#[test]
fn a_strategy_that_panics_is_stopped_and_named_and_the_others_go_on() {
    let mut bench = Bench::new();
    bench.book([Does::Rests, Does::Rests]);
    bench.book([Does::Panics, Does::Buys]);
    assert_eq!((bench.working(), bench.held()), (1, [0, 3]));
    assert!(bench.told().contains(&("strategy.panicked", ONE)));
    let answer = bench.say(Command::Resume(ONE));
    assert!(matches!(answer, Answer::Refused(why) if why.contains("panicked")));
    // The last one takes the run with it.
    let last = std::panic::AssertUnwindSafe(|| bench.book([Does::Nothing, Does::Panics]));
    assert!(std::panic::catch_unwind(last).is_err());
}

#[test]
fn a_strategy_that_wants_too_much_is_stopped_and_named_and_the_others_go_on() {
    let mut bench = Bench::new();
    let one = Intents::new().capacity() as u32;
    for _ in 0..INTENTS_PER_S_MAX / one {
        let now = bench.clock.0.get();
        bench.book([Does::Floods, Does::Nothing]);
        bench.clock.0.set(now); // All in one second.
    }
    let of = |bench: &Bench| bench.desk.risk.mode(Whose::Strategy(ONE));
    assert_eq!(of(&bench), Mode::Trading);
    for _ in 0..2 {
        let now = bench.clock.0.get();
        bench.book([Does::Floods, Does::Nothing]);
        bench.clock.0.set(now);
    }
    assert_eq!(of(&bench), Mode::Halted);
    let named = bench.told();
    let named = named
        .iter()
        .filter(|(event, _)| *event == "strategy.floods");
    assert_eq!(named.map(|(_, who)| *who).collect::<Vec<_>>(), [ONE]);
    bench.book([Does::Nothing, Does::Buys]);
    assert_eq!(bench.held(), [0, 3]);
}

#[test]
fn what_is_shown_has_all_that_works_and_is_held_and_fills_no_more_than_its_room() {
    let mut bench = Bench::new();
    bench.book([Does::Rests, Does::Buys]);
    let Answer::State(state) = bench.say(Command::Show(DeskState::with_room(2, 1, 8))) else {
        panic!("no state");
    };
    assert_eq!((state.ready, state.killed), (true, false));
    assert_eq!(state.orders.len(), 1);
    assert_eq!(state.orders[0].strategy, ONE);
    let held: Vec<_> = state
        .rows
        .iter()
        .map(|row| (row.strategy, row.position.qty))
        .collect();
    assert_eq!(held, [(OTHER, 3)]);
    assert_eq!(state.strategies[1].counters.fills, 1);
    let Answer::State(state) = bench.say(Command::Show(DeskState::with_room(1, 1, 0))) else {
        panic!("no state");
    };
    assert_eq!((state.strategies.len(), state.orders.len()), (1, 0));
}

#[test]
fn a_value_that_is_set_counts_for_the_very_next_event_and_for_its_strategy_alone() {
    let mut bench = Bench::new();
    bench.book([Does::Buys, Does::Buys]);
    assert_eq!(bench.held(), [3, 3]);
    let (switch, now) = (bench.switch.clone(), bench.clock.0.get());
    let (keep, mut end, _) = crate::wiring::keep::keep(None, bell(), bell(), switch);
    bench.desk.ways[0].keep = Some(keep);
    bench.desk.resume(now, &[(0, &Default::default())]);
    // Both wait for the desk, and one turn does both.
    for event in bench.next_book([Does::Buys, Does::Buys]) {
        assert!(bench.events.push(event).is_ok());
    }
    assert!(bench.ask.push(Command::Set(setting(OTHER, 1))).is_ok());
    let mut turn = Turn {
        clock: &bench.clock,
        latency: &mut bench.histograms,
        notes: &bench.notes,
    };
    bench.desk.handle_turn(&mut turn);
    assert_eq!(bench.held(), [6, 4]);
    assert!(matches!(bench.answers.pop(), Ok(Answer::Set(_, Ok(())))));
    // The log and the order journal say so.
    let noted = bench
        .log
        .try_iter()
        .find(|note| note.event == "strategy.set");
    let noted = noted.unwrap();
    assert_eq!(noted.strategy, OTHER);
    let fields = [("key", Value::Word("buys")), ("value", Value::Int(1))];
    assert_eq!(noted.fields[..], fields);
    let mut kept = std::iter::from_fn(|| end.kept.pop().ok());
    let set = Deed::Set {
        strategy: OTHER,
        key: KeyName::from("buys").unwrap(),
        value: KeyValue::from("1").unwrap(),
    };
    assert!(kept.any(|kept| matches!(kept, Kept::Deed(at, deed) if (at, deed) == (now, set))));
}

#[test]
fn what_a_strategy_does_not_take_changes_nothing_and_is_recorded_nowhere() {
    let mut bench = Bench::new();
    bench.book([Does::Nothing, Does::Nothing]);
    bench.told();
    assert_eq!(bench.set(ONE, 8), Err("not 8"));
    assert_eq!(
        bench.set(StrategyId(2), 1),
        Err("there is no such strategy")
    );
    assert_eq!(bench.told(), []);
    bench.book([Does::Buys, Does::Nothing]);
    assert_eq!(bench.held(), [3, 0]);
    let other = bench.set(ONE, 9).unwrap_err();
    assert!(other.contains("panicked"), "{other}");
    assert!(bench.told().contains(&("strategy.panicked", ONE)));
    assert_eq!(bench.set(ONE, 1), Err(other), "also from then on");
    bench.book([Does::Buys, Does::Buys]);
    assert_eq!(bench.held(), [3, 3], "the other one goes on");
}

#[test]
fn a_strategy_that_says_nothing_of_values_takes_none() {
    struct Idle;
    impl Strategy for Idle {
        fn handle_event(&mut self, _: Nanos, _: &Event, _: &View<'_>, _: &mut Intents) {}
    }
    let mut bench = Bench::new();
    bench.desk.chairs[0].seated.strategy = Box::new(Idle);
    assert_eq!(
        bench.set(ONE, 1),
        Err("this strategy takes no values while it runs")
    );
}

fn bell() -> Arc<Bell> {
    Bell::new(|| {})
}
