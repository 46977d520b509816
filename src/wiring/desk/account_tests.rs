//! A desk against an exchange of the test's own, on a virtual clock, from one seed: requests are
//! swallowed, answers are late, lost and told twice, connections are cut, trades race cancels. The
//! exchange shares no code with `trading`; it knows the truth at every step.

mod cases;
mod exchange;
mod fickle;
mod kills;
mod money;

use super::test_clock::TestClock;
use super::*;
use crate::base::{
    Balance, Cancel, Clock, Decimal, End, Fee, Level, OrderType, Px, Resting, Side, Status, Symbol,
    Top, TradesOf, Why,
};
use crate::trading::limits::{RiskLimits, RiskParams};
use crate::watch::latency::Histograms;
use crate::wiring::ring::{Bell, ring};
use crate::wiring::turn::Notes;
use fickle::Fickle;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::{Arc, Mutex};

/// For so long the exchange may deny an order that it has.
const VISIBILITY: Span = Span::from_secs(5);
/// A request that reaches the exchange later than that is refused.
const WINDOW: Span = Span::from_secs(1);
/// A gateway gives an answer up after this.
const ANSWER_DEADLINE: Span = Span::from_secs(3);
const FAULTS_END: Nanos = Nanos::from_secs(60);
/// Built with `TICKWIRE_SHOW=1`, the test prints all that is said.
const SHOW: bool = option_env!("TICKWIRE_SHOW").is_some();
const QUIET_AT: Nanos = Nanos::from_secs(140);
const BTC: InstrumentId = InstrumentId(0);
const TRADING: usize = 0;
const ACCOUNT: usize = 1;

fn instruments() -> Vec<Instrument> {
    let mut one = Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 3));
    one.base = crate::base::Asset::from("BTC").unwrap();
    one.quote = crate::base::Asset::from("USDT").unwrap();
    one.qty_max = Qty(1_000_000);
    vec![one]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    Over(End),
}

/// An order as the exchange has it.
#[derive(Debug, Clone, Copy)]
struct Theirs {
    exchange_id: u64,
    client_id: ClientId,
    tag: u64,
    side: Side,
    px: Px,
    qty: u64,
    executed: u64,
    state: State,
    since: Nanos,
}

#[derive(Debug, Clone, Copy)]
struct Trade {
    exchange_id: u64,
    fill: Fill,
    at: Nanos,
}

/// What travels.
#[derive(Debug, Clone)]
enum Parcel {
    /// To the exchange.
    Asked(u64, What),
    /// The exchange answers request number n.
    Answer(u64, Vec<Body>),
    /// By the private stream.
    Stream(Vec<Body>),
    /// The gateway's own: nobody answered request n in time.
    GiveUp(u64),
    /// A line is cut now, or comes back.
    Cut(usize),
    Back(usize),
    /// The market does something to what rests.
    Market,
    /// A book for the strategy.
    Book,
    /// The process is killed, and another one goes on.
    Kill,
    /// Somebody pays so many thousandths of BTC in.
    Deposit(i128),
    /// The desk looks at its clock.
    Tick,
}

/// A request as the exchange hears it.
#[derive(Debug, Clone)]
enum What {
    Place(NewOrder, u64),
    Replace(ClientId, NewOrder, u64),
    Reduce(ClientId, u64),
    Cancel(ClientId),
    Ask(Question),
}

impl What {
    fn ids(&self) -> Vec<ClientId> {
        match self {
            Self::Place(new, _) => vec![new.client_id],
            Self::Replace(old, new, _) => vec![new.client_id, *old],
            Self::Reduce(id, _) | Self::Cancel(id) => vec![*id],
            Self::Ask(_) => Vec::new(),
        }
    }
}

struct World {
    dice: fastrand::Rng,
    clock: TestClock,
    desk: Desk,
    requests: Receiver<Request>,
    /// Set if the process may be killed: requests come by it.
    journal: Option<kills::Journal>,
    /// When requests left of processes that were killed since.
    orphans: BTreeMap<u64, Nanos>,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<Note>,
    stop: Arc<Mutex<bool>>,
    /// What travels, in the order of its arrival.
    road: BinaryHeap<Reverse<(Nanos, u64, usize)>>,
    parcels: Vec<Option<Parcel>>,
    number: u64,
    /// Requests without an answer: what, by which line, when it left.
    open: BTreeMap<u64, (What, usize, Nanos)>,
    /// Each line's connection; zero while it is down.
    up: [u64; 2],
    epoch: u64,
    connected: bool,
    orders: Vec<Theirs>,
    trades: Vec<Trade>,
    /// Position and cash by the exchange's ledger.
    position: i128,
    balances: BTreeMap<&'static str, i128>,
    /// What was paid in, in thousandths of BTC.
    deposited: i128,
}

/// A desk whose strategy wants things by these dice, and gives its intents tags from here on.
fn new_desk(dice: u64, tag: u64, first_id: u64, stop: &Arc<Mutex<bool>>, exit: Exit) -> Desk {
    let params = RiskParams {
        qty_max: "10".into(),
        notional_max: "10000000".into(),
        collar_bps: 500,
        orders_per_s: 1_000,
        open_orders_max: 24,
        ..RiskParams::default()
    };
    let limits = RiskLimits::parse(&params, &instruments()).unwrap();
    let strategy = Fickle {
        dice: fastrand::Rng::with_seed(dice),
        tag,
        stop: stop.clone(),
    };
    let rules = ExitRules {
        visibility: VISIBILITY,
        reduces: true,
    };
    Desk::new(
        &instruments(),
        Vec::new(),
        vec![Seated::everywhere(Box::new(strategy))],
        Risk::new(limits, &instruments(), first_id),
        vec![Way::only(exit, rules)],
    )
}

impl World {
    fn new(seed: u64) -> Self {
        let dice = fastrand::Rng::with_seed(seed);
        let (tickets, requests) = ring(256, Bell::new(|| {}));
        let stop = Arc::<Mutex<bool>>::default();
        let desk = new_desk(!seed, 0, 1, &stop, Exit::Gateway(tickets));
        let (sender, log) = crossbeam_channel::bounded(65_536);
        let mut world = Self {
            dice,
            clock: TestClock::at(Nanos::from_secs(10)),
            desk,
            requests,
            journal: None,
            orphans: BTreeMap::new(),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
            stop,
            road: BinaryHeap::new(),
            parcels: Vec::new(),
            number: 0,
            open: BTreeMap::new(),
            up: [1, 1],
            epoch: 1,
            connected: false,
            orders: Vec::new(),
            trades: Vec::new(),
            position: 0,
            balances: money::OPENING.into(),
            deposited: 0,
        };
        world.say_connected();
        for parcel in [Parcel::Book, Parcel::Market, Parcel::Tick] {
            world.post(Span::from_millis(20), parcel);
        }
        for _ in 0..world.dice.usize(..6) {
            let at = world.dice.u64(..FAULTS_END.0 - world.now().0);
            let line = world.dice.usize(..2);
            world.post(Span(at), Parcel::Cut(line));
        }
        world
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn faulty(&self) -> bool {
        self.now() < FAULTS_END
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.faulty() && self.dice.u32(..one_in) == 0
    }

    fn post(&mut self, after: Span, parcel: Parcel) {
        let place = self.parcels.len();
        self.parcels.push(Some(parcel));
        let at = self.now() + after;
        self.road.push(Reverse((at, place as u64, place)));
    }

    /// How long something travels: mostly a moment, at times long.
    fn delay(&mut self) -> Span {
        match self.chance(8) {
            true => Span::from_millis(self.dice.u64(100..2_500)),
            false => Span(self.dice.u64(100_000..20_000_000)),
        }
    }

    fn run_to(&mut self, end: Nanos) {
        while let Some(&Reverse((at, _, place))) = self.road.peek()
            && at <= end
        {
            self.road.pop();
            self.clock.0.set(at);
            self.timers();
            if let Some(parcel) = self.parcels[place].take() {
                self.deliver(parcel);
            }
            self.take_requests();
            self.check();
        }
    }

    fn desk_do(&mut self, act: impl FnOnce(&mut Desk, &mut Turn)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        act(&mut self.desk, &mut turn);
        while self.desk.has_input() {
            self.desk.handle_turn(&mut turn);
        }
        while let Ok(note) = self.log.try_recv() {
            if SHOW {
                eprintln!(
                    "{:>12} {} {:?} {}",
                    note.at.0 / 1_000_000,
                    note.event,
                    note.fields,
                    note.text
                );
            }
        }
    }

    fn timers(&mut self) {
        if self.desk.poll_timeout() <= self.now() {
            self.desk_do(|desk, turn| desk.handle_timeout(turn));
            self.take_requests();
        }
    }

    fn tell(&mut self, instrument: InstrumentId, body: Body) {
        let now = self.now();
        if SHOW && !matches!(body, Body::Book(_) | Body::Status(_)) {
            eprintln!("{:>12} < {body:?}", now.0 / 1_000_000);
        }
        let event = Event {
            instrument,
            epoch: 1,
            update_id: 7,
            ..own_event(now, body)
        };
        self.desk_do(|desk, turn| desk.handle_event(turn, 0, &event));
    }

    fn say_connected(&mut self) {
        let connected = self.up.iter().all(|epoch| *epoch > 0);
        if connected != self.connected {
            self.connected = connected;
            self.tell(InstrumentId::NONE, Body::Gateway(connected));
        }
    }

    fn news(client_id: ClientId, source: Source, said: Said) -> Body {
        Body::News(News {
            client_id,
            instrument: BTC,
            source,
            said,
        })
    }

    /// The gateway: sends what the desk wants, by the line that is for it.
    fn take_requests(&mut self) {
        while let Some(request) = self.next_request() {
            let what = match request {
                Request::Place(ticket) => {
                    let order = *ticket.order.order();
                    What::Place(order, self.tag_of(order.client_id))
                }
                Request::Replace(old, ticket) => {
                    let order = *ticket.order.order();
                    What::Replace(old.client_id, order, self.tag_of(order.client_id))
                }
                Request::Reduce(order, qty) => What::Reduce(order.client_id, qty.0),
                Request::Cancel(order) => What::Cancel(order.client_id),
                Request::Ask(question) => What::Ask(question),
            };
            if SHOW {
                eprintln!("{:>12} > {what:?}", self.now().0 / 1_000_000);
            }
            let line = match what {
                What::Ask(_) => ACCOUNT,
                _ => TRADING,
            };
            let places = matches!(what, What::Place(..) | What::Replace(..));
            if self.up[line] == 0 || (places && !self.connected) {
                self.not_sent(&what);
                continue;
            }
            self.number += 1;
            let number = self.number;
            self.open.insert(number, (what.clone(), line, self.now()));
            self.post(ANSWER_DEADLINE, Parcel::GiveUp(number));
            if !self.chance(15) {
                let after = self.delay();
                self.post(after, Parcel::Asked(number, what));
            }
        }
    }

    fn tag_of(&self, client_id: ClientId) -> u64 {
        self.desk.orders.get(client_id).unwrap().tag
    }

    fn not_sent(&mut self, what: &What) {
        let refused = Said::ChangeRefused { code: 0 };
        let told: Vec<(ClientId, Said)> = match what {
            What::Place(new, _) => vec![(new.client_id, Said::NotSent)],
            What::Replace(old, new, _) => vec![(new.client_id, Said::NotSent), (*old, refused)],
            What::Reduce(id, _) | What::Cancel(id) => vec![(*id, refused)],
            What::Ask(_) => Vec::new(),
        };
        for (id, said) in told {
            self.tell(BTC, Self::news(id, Source::Answer, said));
        }
    }

    fn unanswered(&mut self, what: &What) {
        for id in what.ids() {
            self.tell(BTC, Self::news(id, Source::Answer, Said::Unanswered));
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Asked(number, what) => self.asked(number, &what),
            Parcel::Answer(number, bodies) => {
                self.open.remove(&number);
                self.tell_all(bodies);
            }
            Parcel::Stream(bodies) => {
                if self.up[ACCOUNT] > 0 {
                    self.tell_all(bodies);
                }
            }
            Parcel::GiveUp(number) => {
                if let Some((what, ..)) = self.open.remove(&number) {
                    self.unanswered(&what);
                }
            }
            Parcel::Cut(line) => self.cut(line),
            Parcel::Back(line) => {
                self.epoch += 1;
                self.up[line] = self.epoch;
                self.say_connected();
            }
            Parcel::Market => {
                self.market();
                let after = Span(self.dice.u64(5_000_000..400_000_000));
                self.post(after, Parcel::Market);
            }
            Parcel::Book => {
                self.show_book();
                let quiet = self.now() > FAULTS_END + Span::from_secs(10);
                *self.stop.lock().unwrap() = quiet;
                let after = Span(self.dice.u64(20_000_000..600_000_000));
                self.post(after, Parcel::Book);
            }
            Parcel::Kill => self.kill(),
            Parcel::Deposit(milli) => self.deposit(milli),
            Parcel::Tick => self.post(Span::from_millis(50), Parcel::Tick),
        }
    }

    fn tell_all(&mut self, bodies: Vec<Body>) {
        for body in bodies {
            let instrument = match body {
                Body::Account(
                    AccountNews::Balance(_)
                    | AccountNews::BalancesListed { .. }
                    | AccountNews::RestingListed { .. },
                ) => InstrumentId::NONE,
                _ => BTC,
            };
            self.tell(instrument, body);
        }
    }

    fn cut(&mut self, line: usize) {
        if self.up[line] == 0 {
            return;
        }
        self.up[line] = 0;
        self.say_connected();
        let lost: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, (_, by, _))| *by == line)
            .map(|(n, _)| *n)
            .collect();
        for number in lost {
            let (what, ..) = self.open.remove(&number).unwrap();
            self.unanswered(&what);
        }
        let after = Span::from_millis(self.dice.u64(50..6_000));
        self.post(after, Parcel::Back(line));
    }

    fn show_book(&mut self) {
        let mut top = Top::EMPTY;
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        top.set(Side::Buy, [level(9_999)].into_iter(), 1, true);
        top.set(Side::Sell, [level(10_001)].into_iter(), 1, true);
        self.tell(BTC, Body::Status(Status::Live));
        self.tell(BTC, Body::Book(top));
    }

    fn known_position(&self) -> i128 {
        self.desk.risk.pnl().positions(StrategyId(0))[0].qty
    }

    /// What must hold at every step.
    fn check(&self) {
        let live = || {
            self.orders
                .iter()
                .filter(|order| order.state == State::Live)
        };
        for order in live() {
            let same = live().filter(|other| other.tag == order.tag).count();
            assert_eq!(same, 1, "two live orders of intent {}", order.tag);
        }
        let (mut long, mut short) = (self.position, self.position);
        for order in live() {
            let left = i128::from(order.qty - order.executed);
            match order.side {
                Side::Buy => long += left,
                Side::Sell => short -= left,
            }
        }
        let known = self.known_position();
        let pending = self.desk.orders.pending(BTC);
        assert!(
            known + pending.buy as i128 >= long,
            "understated: {known} {pending:?} {long}"
        );
        assert!(
            known - pending.sell as i128 <= short,
            "understated: {known} {pending:?} {short}"
        );
    }

    /// What must hold when the last fault is long over.
    fn check_quiet(&self) {
        assert_eq!(self.known_position(), self.position, "position");
        let live = self
            .orders
            .iter()
            .filter(|order| order.state == State::Live);
        let mut theirs: Vec<(ClientId, u64)> = live
            .map(|order| (order.client_id, order.qty - order.executed))
            .collect();
        let ours = self.desk.orders.working().iter();
        assert!(
            ours.clone().all(|order| !order.in_doubt),
            "{:?}",
            self.desk.orders
        );
        let mut ours: Vec<(ClientId, u64)> = ours
            .map(|order| (order.client_id, order.remaining().0))
            .collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(
            ours, theirs,
            "open orders {:?} {:?}",
            self.desk.orders, self.orders
        );
        let found = self.desk.counters.differences > 0;
        assert!(!found || self.deposited > 0, "balances");
        assert_eq!(self.desk.counters.adopted, 0);
        assert!(self.desk.ways[0].reconcile.as_ref().unwrap().is_ready());
    }
}

/// `TICKWIRE_SEEDS=0..10000 cargo test --lib under_faults` builds the test for other seeds.
fn seeds() -> std::ops::Range<u64> {
    let asked = option_env!("TICKWIRE_SEEDS").and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    asked.unwrap_or(0..300)
}

/// Runs one seed; the counters are for those that look whether anything happened at all.
fn run(seed: u64) -> DeskCounters {
    let mut world = World::new(seed);
    world.run_to(QUIET_AT);
    world.check_quiet();
    world.check_pnl();
    world.check_balances();
    world.desk.counters()
}

#[test]
fn under_faults_no_order_is_lost_or_doubled_and_no_exposure_is_understated() {
    let mut all = DeskCounters::default();
    for seed in seeds() {
        let world = std::panic::catch_unwind(|| run(seed));
        let counters =
            world.unwrap_or_else(|_| panic!("TICKWIRE_SEEDS={seed}..{} replays it", seed + 1));
        all.admitted += counters.admitted;
        all.in_doubt += counters.in_doubt;
        all.fills += counters.fills;
        all.changes += counters.changes;
    }
    let seeds = seeds().end - seeds().start;
    // Each seed trades, and most have doubts.
    assert!(
        all.admitted > 50 * seeds && all.fills > 20 * seeds,
        "{all:?}"
    );
    assert!(
        all.in_doubt > 5 * seeds && all.changes > 20 * seeds,
        "{all:?}"
    );
}
