//! A desk with two accounts: what one of them says, or fails to say, is never taken for the
//! other's.

use super::test_clock::TestClock;
use super::*;
use crate::base::{
    Asset, Balance, Clock, Decimal, Level, Mode, OrderType, Px, Side, Status, Symbol, Top, Why,
};
use crate::trading::limits::{RiskLimits, RiskParams};
use crate::trading::recover::Recovered;
use crate::watch::latency::Histograms;
use crate::wiring::keep::{KeepEnd, Kept, keep};
use crate::wiring::ring::{Bell, ring};
use crate::wiring::turn::Notes;
use std::sync::Mutex;

const EXCHANGES: [&str; 2] = ["near", "far"];

/// Instrument `n` is BTC at exchange `n`.
fn table() -> Vec<Instrument> {
    let listed = |(n, exchange): (usize, &&'static str)| Instrument {
        id: InstrumentId(n as u16),
        base: Asset::from("BTC").unwrap(),
        quote: Asset::from("USDT").unwrap(),
        ..Instrument::bare(exchange, Symbol::from("BTCUSDT").unwrap(), (2, 3))
    };
    EXCHANGES.iter().enumerate().map(listed).collect()
}

/// Buys one of what it is told to, at the next book, and remembers whether orders were taken.
#[derive(Default)]
struct Script {
    buys: Option<usize>,
    taken: [bool; 2],
}

struct Buyer(Arc<Mutex<Script>>);

impl Strategy for Buyer {
    fn handle_event(&mut self, _: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let mut script = self.0.lock().unwrap();
        script.taken = [0, 1].map(|id| view.market.takes_orders(InstrumentId(id)));
        let Body::Book(top) = &event.body else { return };
        let (bid, ask) = top.best().unwrap();
        if script.buys == Some(event.instrument.index()) {
            script.buys = None;
            out.push(Intent::from(Place {
                strategy: StrategyId::NONE,
                instrument: event.instrument,
                side: Side::Buy,
                px: Px(bid.px.0 - 100),
                qty: Qty(1),
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
}

struct Bench {
    desk: Desk,
    clock: TestClock,
    histograms: Histograms,
    notes: Notes,
    _log: crossbeam_channel::Receiver<Note>,
    script: Arc<Mutex<Script>>,
    requests: Vec<Receiver<Request>>,
    kept: Vec<KeepEnd>,
}

impl Bench {
    fn new() -> Self {
        Self::resumed(&[Recovered::default(), Recovered::default()])
    }

    fn resumed(left: &[Recovered; 2]) -> Self {
        let params = RiskParams {
            qty_max: "1".into(),
            notional_max: "10000000".into(),
            collar_bps: 500,
            orders_per_s: 1_000,
            open_orders_max: 24,
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &table()).unwrap();
        let script = Arc::<Mutex<Script>>::default();
        let silent = || Bell::new(|| {});
        let (mut ways, mut requests, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let rules = ExitRules {
            visibility: Span::from_secs(10),
            reduces: true,
        };
        for (n, exchange) in EXCHANGES.into_iter().enumerate() {
            let (tickets, taken) = ring(64, silent());
            let (keep, end, input) = keep(None, silent(), silent(), Arc::default());
            let (exit, inputs) = (Exit::Gateway(tickets), vec![input]);
            let takes: Box<[bool]> = Box::new([n == 0, n == 1]);
            ways.push(Way::to((exchange, takes), exit, rules, inputs, Some(keep)));
            requests.push(taken);
            kept.push(end);
        }
        let mut desk = Desk::new(
            &table(),
            Vec::new(),
            vec![Seated::everywhere(Box::new(Buyer(script.clone())))],
            Risk::new(limits, &table(), 1),
            ways,
        );
        let began = Nanos::from_secs(10);
        desk.resume(began, &[(0, &left[0]), (1, &left[1])]);
        let (sender, log) = crossbeam_channel::bounded(1_024);
        Self {
            desk,
            clock: TestClock::at(began),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            _log: log,
            script,
            requests,
            kept,
        }
    }

    fn tell(&mut self, way: usize, instrument: InstrumentId, body: Body) {
        let event = Event {
            instrument,
            epoch: 1,
            update_id: 7,
            ..own_event(self.clock.now(), body)
        };
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        self.desk.handle_event(&mut turn, way, &event);
        while self.desk.has_input() {
            self.desk.handle_turn(&mut turn);
        }
    }

    /// Its own words and nothing else: how much BTC there is, in thousandths, and no order rests.
    fn answer(&mut self, way: usize, btc: u128) {
        let asked = self.clock.now();
        let none = InstrumentId::NONE;
        let amount = |units| Decimal { units, scale: 3 };
        let balance = Balance {
            asset: Asset::from("BTC").unwrap(),
            free: amount(btc),
            locked: amount(0),
        };
        for news in [
            AccountNews::RestingListed { asked },
            AccountNews::Balance(balance),
            AccountNews::BalancesListed { asked },
        ] {
            self.tell(way, none, Body::Account(news));
        }
    }

    fn connect(&mut self, way: usize, btc: u128) {
        self.tell(way, InstrumentId::NONE, Body::Gateway(true));
        self.answer(way, btc);
    }

    /// Each has a fresh book, and the strategy buys at the one that is said.
    fn books(&mut self, buys: Option<usize>) {
        self.script.lock().unwrap().buys = buys;
        let mut top = Top::EMPTY;
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        top.set(Side::Buy, [level(9_999)].into_iter(), 1, true);
        top.set(Side::Sell, [level(10_001)].into_iter(), 1, true);
        for id in [0, 1].map(InstrumentId) {
            self.tell(0, id, Body::Status(Status::Live));
            self.tell(0, id, Body::Book(top));
        }
    }

    /// Ids of the orders that went to each account.
    fn sent(&mut self) -> [Vec<u64>; 2] {
        [0, 1].map(|at| {
            let taken = std::iter::from_fn(|| self.requests[at].pop().ok());
            let placed = taken.filter_map(|request| match request {
                Request::Place(ticket) => Some(ticket.order.order().client_id.0),
                _ => None,
            });
            placed.collect()
        })
    }

    /// Records of each account's journal since.
    fn records(&mut self) -> [Vec<Deed>; 2] {
        [0, 1].map(|at| {
            let kept = std::iter::from_fn(|| self.kept[at].kept.pop().ok());
            let deeds = kept.filter_map(|kept| match kept {
                Kept::Deed(_, deed) => Some(deed),
                Kept::Request(_) => None,
            });
            deeds.collect()
        })
    }

    fn mode(&self, id: u16) -> Mode {
        self.desk.risk.mode(Whose::Instrument(InstrumentId(id)))
    }

    /// Accounts are compared again.
    fn later(&mut self) {
        self.wait(Span::from_secs(61));
    }

    fn wait(&mut self, span: Span) {
        let now = self.clock.now() + span;
        self.clock.0.set(now);
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        self.desk.handle_timeout(&mut turn);
    }
}

#[test]
fn an_order_goes_to_the_account_at_its_own_exchange_and_only_while_that_takes_orders() {
    let mut bench = Bench::new();
    bench.connect(0, 50);
    bench.books(Some(0));
    assert_eq!(bench.sent(), [vec![1], vec![]]);
    assert_eq!(bench.script.lock().unwrap().taken, [true, false]);
    bench.books(Some(1));
    assert_eq!(bench.sent().concat(), [0u64; 0]);
    assert_eq!(bench.desk.refusals().count(Refusal::GatewayDown), 1);
    bench.connect(1, 70);
    bench.books(Some(1));
    assert_eq!(bench.sent(), [vec![], vec![2]]);
    assert_eq!(bench.script.lock().unwrap().taken, [true, true]);
    bench.tell(0, InstrumentId::NONE, Body::Gateway(false));
    bench.books(Some(1));
    assert_eq!(bench.sent(), [vec![], vec![3]], "the other one goes on");
    bench.books(Some(0));
    assert_eq!(bench.sent().concat(), [0u64; 0]);
}

#[test]
fn what_one_account_lists_says_nothing_of_the_orders_at_another() {
    let mut bench = Bench::new();
    bench.connect(0, 50);
    bench.connect(1, 70);
    bench.books(Some(1));
    assert_eq!(bench.sent()[1], [1]);
    let taken = News {
        client_id: ClientId(1),
        instrument: InstrumentId(1),
        source: Source::Answer,
        said: Said::Taken { exchange_id: 900 },
    };
    bench.tell(1, InstrumentId(1), Body::News(taken));
    bench.later();
    let asks = |bench: &mut Bench| {
        bench.wait(Span::from_secs(1));
        [0, 1].map(|way| {
            let all = std::iter::from_fn(|| bench.requests[way].pop().ok());
            let of = |request: &Request| matches!(request, Request::Ask(Question::Order(_)));
            all.filter(of).count()
        })
    };
    bench.answer(0, 50);
    assert_eq!(asks(&mut bench), [0, 0]);
    bench.later();
    bench.answer(1, 70); // Nothing rests there, says the one that should know.
    assert_eq!(asks(&mut bench), [0, 1], "it is asked what became of it");
}

#[test]
fn what_nobody_can_explain_of_one_account_holds_the_instruments_of_that_one() {
    let mut bench = Bench::new();
    bench.connect(0, 50);
    bench.connect(1, 70);
    bench.records();
    for _ in 0..3 {
        bench.later();
        bench.answer(0, 50);
        bench.answer(1, 77);
    }
    assert_eq!(
        [0, 1].map(|id| bench.mode(id)),
        [Mode::Trading, Mode::ReduceOnly]
    );
    let [near, far] = bench.records();
    let differs = |deed: &&Deed| matches!(deed, Deed::Differs { .. });
    assert_eq!(near.iter().filter(differs).count(), 0);
    assert_eq!(far.iter().filter(differs).count(), 1);
    let accepted = {
        let mut turn = Turn {
            clock: &bench.clock,
            latency: &mut bench.histograms,
            notes: &bench.notes,
        };
        bench.desk.accept(&mut turn, Asset::from("BTC").unwrap())
    };
    assert_eq!((accepted, bench.mode(1)), (1, Mode::Trading));
}

#[test]
fn each_journal_has_its_own_orders_and_both_have_what_was_gained_and_who_may_trade() {
    let mut bench = Bench::new();
    bench.connect(0, 50);
    bench.connect(1, 70);
    bench.records();
    bench.books(Some(1));
    bench.tell(
        1,
        InstrumentId(1),
        Body::News(News {
            client_id: ClientId(1),
            instrument: InstrumentId(1),
            source: Source::Answer,
            said: Said::Fill(Fill::bare(4, Side::Buy, Px(9_899), Qty(1))),
        }),
    );
    let [near, far] = bench.records();
    let day = |deed: &&Deed| matches!(deed, Deed::Day(gain) if gain.gained > 0);
    assert!(near.iter().find(day).is_some(), "{near:?}");
    assert_eq!(near.iter().find(day), far.iter().find(day));
    let brought = |at| {
        let btc = Asset::from("BTC").unwrap();
        bench.desk.risk.pnl().brought(None, at, btc).unwrap()
    };
    let all = [Some("near"), Some("far"), None].map(brought);
    assert_eq!(all, [0, 10i128.pow(15), 10i128.pow(15)]);
    let own = |deed: &Deed| matches!(deed, Deed::Admitted { .. } | Deed::Heard(_));
    assert!(!near.iter().any(own), "{near:?}");
    assert_eq!(far.iter().filter(|deed| own(deed)).count(), 2);
    bench.desk.risk.set_mode(Whose::All, Mode::Halted, "test");
    bench.books(None);
    let halted = |deeds: &Vec<Deed>| {
        let mode = Deed::Mode {
            strategy: StrategyId::NONE,
            mode: Mode::Halted,
        };
        deeds.contains(&mode)
    };
    assert_eq!(bench.records().each_ref().map(halted), [true, true]);
}

/// A process was killed between two journals: the one that lags would let more be lost.
#[test]
fn of_two_journals_that_differ_the_worse_day_counts() {
    let gain = |gained, best| DayGain {
        strategy: StrategyId::NONE,
        quote: Asset::from("USDT").unwrap(),
        gained,
        best,
    };
    let left = |day, gain| Recovered {
        day,
        gains: vec![gain],
        ..Recovered::default()
    };
    let days = |left: [Recovered; 2]| {
        let bench = Bench::resumed(&left);
        bench.desk.risk.day_deeds().collect::<Vec<_>>()
    };
    let worse = days([left(3, gain(-5, 7)), left(3, gain(-2, 9))]);
    assert_eq!(worse, [Deed::Day(gain(-5, 9))]);
    let newer = days([left(2, gain(-50, 7)), left(3, gain(-2, 9))]);
    assert_eq!(
        newer,
        [Deed::Day(gain(-2, 9))],
        "yesterday's does not count"
    );
}
