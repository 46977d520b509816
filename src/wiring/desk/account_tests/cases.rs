//! Cases of public failures that only a whole desk shows, each by its number
//! (`docs/order-cases.md`): what it makes of an account that does not say what it should.

mod interleaved;

use super::*;
use crate::trading::reconcile::COMPARED_EVERY;
use crate::trading::recover::Recovery;
use crate::trading::refusal::Refusal;
use crate::wiring::keep::{KeepEnd, Kept, keep};

const ETH: InstrumentId = InstrumentId(1);
const BEGAN: Nanos = Nanos::from_secs(10);

fn table() -> Vec<Instrument> {
    let mut eth = instruments()[0];
    eth.id = ETH;
    eth.symbol = Symbol::from("ETHUSDT").unwrap();
    eth.base = crate::base::Asset::from("ETH").unwrap();
    vec![instruments()[0], eth]
}

/// What the strategy wants at its next event, and what it saw.
#[derive(Default)]
struct Script {
    wants: Vec<Intent>,
    seen: Vec<Body>,
}

struct Scripted(Arc<Mutex<Script>>);

impl Strategy for Scripted {
    fn handle_event(&mut self, _: Nanos, event: &Event, _: &View<'_>, out: &mut Intents) {
        let mut script = self.0.lock().unwrap();
        script.seen.push(event.body);
        out.extend(script.wants.drain(..));
    }
}

/// The account as its exchange has it.
#[derive(Clone)]
struct Account {
    /// In thousandths.
    balances: BTreeMap<&'static str, u128>,
    resting: Vec<Resting>,
    /// Trades, and the exchange's numbers of their orders; all are of BTC.
    trades: Vec<(u64, Fill)>,
}

impl Account {
    fn new() -> Self {
        Self {
            balances: BTreeMap::from([("BTC", 50), ("ETH", 50), ("USDT", 1_000_000)]),
            resting: Vec::new(),
            trades: Vec::new(),
        }
    }

    /// Some thousandths of an order of ours trade at 100.00.
    fn buys(&mut self, exchange_id: u64, trade_id: u64, qty: u64) {
        let fill = Fill::bare(trade_id, Side::Buy, Px(10_000), Qty(qty));
        self.trades.push((exchange_id, fill));
        *self.balances.get_mut("BTC").unwrap() += u128::from(qty);
        *self.balances.get_mut("USDT").unwrap() -= u128::from(qty) * 100;
        for order in &mut self.resting {
            let its = order.exchange_id == exchange_id;
            order.traded.0 += if its { qty } else { 0 };
        }
        self.resting.retain(|order| order.traded < order.qty);
    }

    fn answer(&self, asked: Nanos, question: &Question) -> Vec<(InstrumentId, Body)> {
        let none = InstrumentId::NONE;
        let mut bodies = Vec::new();
        let mut tell = |of, news| bodies.push((of, Body::Account(news)));
        match question {
            Question::OpenOrders => {
                let all = self.resting.iter();
                all.for_each(|order| tell(BTC, AccountNews::Resting(*order)));
                tell(none, AccountNews::RestingListed { asked });
            }
            Question::Balances => {
                for (asset, units) in &self.balances {
                    let amount = |units| Decimal { units, scale: 3 };
                    let balance = Balance {
                        asset: crate::base::Asset::from(asset).unwrap(),
                        free: amount(*units),
                        locked: amount(0),
                    };
                    tell(none, AccountNews::Balance(balance));
                }
                tell(none, AccountNews::BalancesListed { asked });
            }
            Question::Trades(of, _) => {
                for &(exchange_id, fill) in self.trades.iter().filter(|_| *of == BTC) {
                    let trade = AccountNews::Trade {
                        exchange_id,
                        asked,
                        fill,
                    };
                    tell(*of, trade);
                }
                tell(*of, AccountNews::TradesListed { asked });
            }
            Question::Order(name) => {
                let known = self
                    .resting
                    .iter()
                    .find(|one| one.client_id == Some(name.client_id));
                let source = Source::Query { asked };
                let said = known.map_or(Said::Absent, |order| Said::Traded(order.traded));
                bodies.push((BTC, World::news(name.client_id, source, said)));
            }
        }
        bodies
    }
}

/// A desk with an order journal, and the account that it trades with.
struct Bench {
    desk: Desk,
    clock: TestClock,
    account: Account,
    script: Arc<Mutex<Script>>,
    end: KeepEnd,
    deeds: Vec<(Nanos, Deed)>,
    requests: Vec<Request>,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<Note>,
}

impl Bench {
    /// A process that begins now with what this journal says.
    fn begin(now: Nanos, deeds: &[(Nanos, Deed)], account: Account) -> Self {
        let mut recovery = Recovery::new(&table(), VISIBILITY);
        for (at, deed) in deeds {
            recovery.take(*at, deed).unwrap();
        }
        let recovered = recovery.finish(now);
        let params = RiskParams {
            qty_max: "10".into(),
            notional_max: "10000000".into(),
            collar_bps: 500,
            orders_per_s: 1_000,
            open_orders_max: 24,
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &table()).unwrap();
        let risk = Risk::new(limits, &table(), recovered.used_to + 1);
        let script = Arc::<Mutex<Script>>::default();
        let seated = vec![Seated::everywhere(Box::new(Scripted(script.clone())))];
        let rules = ExitRules {
            visibility: VISIBILITY,
            reduces: true,
        };
        let ways = vec![Way::only(Exit::Journal, rules)];
        let mut desk = Desk::new(&table(), Vec::new(), seated, risk, ways);
        let silent = || Bell::new(|| {});
        let (unused, _) = ring(1, silent());
        let (keep, end, input) = keep(Some(unused), silent(), silent(), Arc::default());
        desk.ways[0].inputs.push(input);
        desk.ways[0].keep = Some(keep);
        desk.resume(now, &[(0, &recovered)]);
        let (sender, log) = crossbeam_channel::bounded(1_024);
        Self {
            desk,
            clock: TestClock::at(now),
            account,
            script,
            end,
            deeds: recovered.deeds(now).map(|deed| (now, deed)).collect(),
            requests: Vec::new(),
            histograms: Histograms::new(0, &[]).0,
            notes: Notes::new(sender),
            log,
        }
    }

    /// Connected, and all that was asked is answered.
    fn ready() -> Self {
        let mut bench = Self::begin(BEGAN, &[], Account::new());
        bench.connect(true);
        bench.answer_all();
        assert_eq!(bench.seen(), [Body::Gateway(true)]);
        bench
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn act(&mut self, act: impl FnOnce(&mut Desk, &mut Turn)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        act(&mut self.desk, &mut turn);
        while self.desk.has_input() {
            self.desk.handle_turn(&mut turn);
        }
        while let Ok(kept) = self.end.kept.pop() {
            match kept {
                Kept::Deed(at, deed) => self.deeds.push((at, deed)),
                Kept::Request(request) => self.requests.push(request),
            }
        }
    }

    fn tell(&mut self, instrument: InstrumentId, body: Body) {
        let event = Event {
            instrument,
            epoch: 1,
            update_id: 7,
            ..own_event(self.now(), body)
        };
        self.act(|desk, turn| desk.handle_event(turn, 0, &event));
    }

    fn connect(&mut self, up: bool) {
        self.tell(InstrumentId::NONE, Body::Gateway(up));
    }

    fn say(&mut self, id: u64, source: Source, said: Said) {
        self.tell(BTC, World::news(ClientId(id), source, said));
    }

    /// The exchange answers every question; gives how many those were.
    fn answer_all(&mut self) -> usize {
        let mut count = 0;
        while let Some(at) = self
            .requests
            .iter()
            .position(|one| matches!(one, Request::Ask(_)))
        {
            if let Request::Ask(question) = self.requests.remove(at) {
                for (instrument, body) in self.account.answer(self.now(), &question) {
                    self.tell(instrument, body);
                }
                count += 1;
            }
        }
        count
    }

    /// Time goes on, and every question is answered.
    fn later(&mut self, span: Span) {
        let until = self.now() + span;
        while self.desk.poll_timeout() <= until {
            let due = self.desk.poll_timeout().max(self.now());
            self.clock.0.set(due);
            self.act(|desk, turn| desk.handle_timeout(turn));
            self.answer_all();
        }
        self.clock.0.set(until);
    }

    /// The strategy wants this, at a book of its own instrument.
    fn want(&mut self, instrument: InstrumentId, intent: impl Into<Intent>) {
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(9_999)].into_iter(), 1, true);
        top.set(Side::Sell, [level(10_001)].into_iter(), 1, true);
        self.tell(instrument, Body::Status(Status::Live));
        self.script.lock().unwrap().wants.push(intent.into());
        self.tell(instrument, Body::Book(top));
    }

    /// A buy of ten that the exchange took under the number of a hundred more.
    fn resting(&mut self) -> u64 {
        self.want(BTC, buy(BTC));
        let Some(Request::Place(ticket)) = self.requests.pop() else {
            panic!("no order went out");
        };
        let order = *ticket.order.order();
        let id = order.client_id.0;
        self.account.resting.push(Resting {
            client_id: Some(order.client_id),
            exchange_id: 100 + id,
            instrument: Some(BTC),
            side: order.side,
            px: order.px,
            qty: order.qty,
            traded: Qty(0),
        });
        let exchange_id = 100 + id;
        self.say(id, Source::Answer, Said::Taken { exchange_id });
        self.seen();
        id
    }

    /// What strategies saw since they were asked last.
    fn seen(&self) -> Vec<Body> {
        std::mem::take(&mut self.script.lock().unwrap().seen)
    }

    fn refused(&self, gate: Refusal) -> u64 {
        self.desk.refusals().count(gate)
    }

    fn logged(&self, event: &str) -> usize {
        self.log
            .try_iter()
            .filter(|note| note.event == event)
            .count()
    }

    /// The names of the entries in the journal.
    fn entries(&self) -> Vec<u64> {
        let entry = |(_, deed): &(Nanos, Deed)| match deed {
            Deed::Differs { entry, .. } => Some(*entry),
            _ => None,
        };
        self.deeds.iter().filter_map(entry).collect()
    }
}

fn why() -> Why {
    Why {
        signal: "test",
        value: 0.0,
        threshold: 0.0,
        update_id: 7,
        epoch: 1,
        bid: Level::default(),
        ask: Level::default(),
    }
}

fn buy(instrument: InstrumentId) -> Place {
    Place {
        strategy: StrategyId::NONE,
        instrument,
        side: Side::Buy,
        px: Px(10_000),
        qty: Qty(10),
        order_type: OrderType::Limit,
        tag: 1,
        why: why(),
    }
}

fn fills(seen: &[Body]) -> Vec<u64> {
    let fill = |body: &Body| match body {
        Body::Report(report) => match report.outcome {
            Outcome::Fill(fill) => Some(fill.trade_id),
            _ => None,
        },
        _ => None,
    };
    seen.iter().filter_map(fill).collect()
}

/// T4: fills and balances that do not add up end no order: what is left over is an entry with a
/// name, and only that instrument may no longer grow.
#[test]
fn a_working_order_stays_when_sums_do_not_fit_and_the_difference_has_a_name() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    *bench.account.balances.get_mut("BTC").unwrap() += 7; // Somebody paid in.
    bench.later(COMPARED_EVERY + Span::from_secs(10));
    assert_eq!(bench.logged("account.difference"), 1);
    assert_eq!(bench.entries().len(), 1);
    let stands = bench.desk.orders.working();
    assert_eq!((stands.len(), stands[0].client_id), (1, ClientId(id)));
    assert!(!stands[0].in_doubt && !stands[0].changing);
    assert_eq!(bench.desk.orders.pending(BTC).buy, 10);
    assert!(bench.requests.is_empty(), "nothing of it was cancelled");
    bench.want(BTC, buy(BTC));
    assert_eq!(bench.refused(Refusal::ReduceOnly), 1);
    bench.later(Span::from_secs(600));
    assert_eq!(bench.entries().len(), 1, "it is explained from then on");
}

/// T5: an account that is not as the run before left it stops nobody from starting: it is shown,
/// that instrument may only be reduced, and the rest trades.
#[test]
fn a_difference_at_the_start_is_shown_and_holds_its_own_instrument_only() {
    let before = Bench::ready();
    let mut account = before.account.clone();
    account.balances.insert("BTC", 53);
    let mut bench = Bench::begin(BEGAN + Span::from_secs(100), &before.deeds, account);
    bench.connect(true);
    bench.answer_all();
    assert_eq!(bench.seen(), [Body::Gateway(true)], "it starts");
    bench.later(Span::from_secs(10));
    let notes: Vec<Note> = bench.log.try_iter().collect();
    let count = |event: &str| notes.iter().filter(|note| note.event == event).count();
    let held = notes.iter().filter(|note| note.event == "risk.reduce_only");
    let held: Vec<InstrumentId> = held.map(|note| note.instrument).collect();
    assert_eq!((count("account.difference"), held), (1, vec![BTC]));
    bench.want(BTC, buy(BTC));
    assert_eq!(bench.refused(Refusal::ReduceOnly), 1);
    bench.want(ETH, buy(ETH));
    assert!(matches!(bench.requests[..], [Request::Place(_)]));
}

/// T6: whoever finds the same cause again finds the same entry: a restart invents none, also one
/// that forgot the first.
#[test]
fn the_same_difference_found_again_is_the_same_entry() {
    let before = Bench::ready();
    let mut account = before.account.clone();
    account.balances.insert("BTC", 53);
    let began = BEGAN + Span::from_secs(100);
    let found = |deeds: &[(Nanos, Deed)], at: Nanos| {
        let mut bench = Bench::begin(at, deeds, account.clone());
        bench.connect(true);
        bench.answer_all();
        bench.later(Span::from_secs(300));
        bench
    };
    let first = found(&before.deeds, began);
    assert_eq!(first.entries().len(), 1);
    // Another process, long after, from what the first one wrote.
    let later = began + Span::from_secs(86_400);
    let second = found(&first.deeds, later);
    assert_eq!(
        second.entries(),
        first.entries(),
        "one, and it is not a new one"
    );
    assert_eq!(second.logged("account.difference"), 0);
    // One that was killed before the entry was written.
    let again = found(&before.deeds, later);
    assert_eq!(again.entries(), first.entries());
}

/// T16, failure mode 43: a private stream that says nothing and does not end is crossed by
/// questions of its own rhythm.
#[test]
fn what_a_silent_stream_does_not_tell_is_found_within_a_minute() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.account.buys(100 + id, 900, 4);
    bench.later(COMPARED_EVERY);
    assert_eq!(fills(&bench.seen()), [900]);
    assert_eq!(bench.desk.orders.pending(BTC).buy, 6);
    bench.account.buys(100 + id, 901, 6);
    bench.later(COMPARED_EVERY);
    let seen = bench.seen();
    assert_eq!(fills(&seen), [901]);
    let filled = |body: &Body| matches!(body, Body::Report(one) if one.outcome == Outcome::Filled);
    assert!(seen.iter().any(filled));
    assert!(bench.desk.orders.is_empty());
    assert_eq!(bench.desk.risk.pnl().positions(StrategyId(0))[0].qty, 10);
    bench.later(Span::from_secs(600));
    assert_eq!(bench.desk.counters().differences, 0);
}

/// T18, failure mode 42: what traded while nobody listened is known before orders go again.
#[test]
fn fills_of_a_disconnection_are_taken_in_before_the_account_is_ready() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.connect(false);
    assert_eq!(bench.seen(), [Body::Gateway(false)]);
    bench.account.buys(100 + id, 900, 4);
    bench.account.buys(100 + id, 901, 6);
    bench.clock.0.set(bench.now() + Span::from_secs(30));
    bench.connect(true);
    assert_eq!(bench.seen(), [], "connected is not ready");
    assert!(bench.answer_all() >= 3, "orders, balances, trades");
    let seen = bench.seen();
    assert_eq!(fills(&seen), [900, 901]);
    assert_eq!(seen.last(), Some(&Body::Gateway(true)));
    let ready = seen.iter().filter(|body| matches!(body, Body::Gateway(_)));
    assert_eq!(ready.count(), 1);
    assert_eq!(bench.desk.risk.pnl().positions(StrategyId(0))[0].qty, 10);
    bench.later(Span::from_secs(600));
    assert_eq!(bench.desk.counters().differences, 0);
}
