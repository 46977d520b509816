//! Runs a world by chance, and says what in it was broken.

use crate::case::{Case, What, is_hidden};
use crate::judge::Judge;
use crate::monkey::{Monkey, Saw, signed};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use tickwire::base::{Instrument, InstrumentId, Nanos, Note, Side, Span, Status, Symbol};
use tickwire::exchange::ALL;
use tickwire::trading::limits::{RiskLimits, RiskParams};
use tickwire::trading::risk::Risk;
use tickwire::venue::faults::{MarketFault, Struck};
use tickwire::wiring::desk::Seated;
use tickwire::wiring::plan::{FeedPlan, GatewayPlan, LanePlan, Plan, links};
use tickwire::world::sim::driver::{Exchanges, Trust, World, WorldEnd};
use zeroize::Zeroizing;

/// All books are live so long after the beginning.
const FIRST_LIVE: Span = Span::from_secs(60);
/// All books are live so long after the last fault.
const LIVE_AFTER: Span = Span::from_secs(60);
/// Every order has its end so long after the last fault, and the account adds up.
const SETTLED_AFTER: Span = Span::from_secs(180);
/// What was seen is judged as often.
const LOOK_EVERY: Span = Span::from_secs(1);
/// Orders of which nobody knows the end, at most.
const OPEN_MAX: usize = 8;

/// What worlds have in common.
pub struct Trusted {
    trust: Trust,
    /// Whether an exchange's messages lead through such states only as it had, and show each loss.
    /// Of the others only what is wrong by itself, late or out of step is found.
    vouched: HashMap<&'static str, bool>,
}

impl Trusted {
    pub fn new() -> Self {
        let mut trusted = Self {
            trust: Trust::new(ALL).unwrap(),
            vouched: HashMap::new(),
        };
        for exchange in ALL {
            let ran = guarded(&Case::healthy(*exchange), &trusted);
            assert_eq!(ran.broken, None, "{} without a fault", exchange.name());
            let shows = !is_hidden(MarketFault::Gap, *exchange);
            trusted
                .vouched
                .insert(exchange.name(), shows && ran.unmatched == 0);
        }
        let vouched = trusted.vouched.values().filter(|vouched| **vouched).count();
        assert!(vouched >= VOUCHED_MIN, "{:?}", trusted.vouched);
        trusted
    }
}

/// Exchanges of which every shown book is compared, at least.
const VOUCHED_MIN: usize = 6;

/// What a world's run was like.
#[derive(Default)]
pub struct Ran {
    pub broken: Option<String>,
    pub hash: u64,
    /// The log, for whoever looks at one seed.
    pub story: Vec<String>,
    pub shown: u64,
    pub levels: u64,
    pub unmatched: u64,
    pub frames: u64,
    pub fills: u64,
    pub virtual_ms: u64,
    /// How long after the last fault all books were live, and all orders settled.
    pub live_ms: u64,
    pub settled_ms: u64,
    pub struck: Vec<Struck>,
    /// When each state of each book began.
    pub states: Vec<(Nanos, Symbol, Status)>,
}

/// A world, with a panic as one more way to be broken.
pub fn guarded(case: &Case, trusted: &Trusted) -> Ran {
    catch_unwind(AssertUnwindSafe(|| run(case, trusted, false))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Ran {
            broken: Some(format!("a panic: {}", text.unwrap_or_default())),
            ..Ran::default()
        }
    })
}

/// How a world is broken, if it is.
pub fn broken(case: &Case, trusted: &Trusted) -> Option<String> {
    guarded(case, trusted).broken
}

/// A world, with its hash; with its log too, if that is wanted.
pub fn run(case: &Case, trusted: &Trusted, tell: bool) -> Ran {
    let mut life = Life::new(case, trusted);
    let lived = life.live(case);
    let Life {
        world,
        judge,
        saw,
        instruments,
        struck,
        began,
        mut ran,
        ..
    } = life;
    ran.virtual_ms = world.now().since(began).0 / 1_000_000;
    let (shown, levels, unmatched) = judge.counts();
    (ran.shown, ran.levels, ran.unmatched) = (shown, levels, unmatched);
    let vouched = case.exchanges.iter().all(|one| trusted.vouches(one.name()));
    let end = world.finish();
    let counted = counts(&end, vouched, lived.is_ok());
    ran.broken = lived.and(counted).err();
    ran.frames = end.tally.feed.frames + end.tally.gateway.sent;
    ran.fills = end.desk.counters.fills;
    let saw = saw.lock().unwrap();
    if tell {
        ran.story = end.notes.iter().map(|note| story(note, began)).collect();
        let at = |at: Nanos| at.since(began).0 as f64 / 1e9;
        let states = saw.states.iter();
        let states =
            states.map(|(when, of, what)| format!("{:9.3} book {of:?}: {what:?}", at(*when)));
        let faults = struck.iter().map(|one| {
            format!(
                "{:9.3} strikes: {} {:?}",
                at(one.at),
                one.fault,
                one.instrument
            )
        });
        ran.story.extend(states.chain(faults));
        ran.story.sort();
    }
    ran.struck = struck;
    let symbol = |id: InstrumentId| instruments.get(id.index()).map(|one| one.symbol);
    let states = saw.states.iter();
    let states = states.filter_map(|(at, id, status)| Some((*at, symbol(*id)?, *status)));
    ran.states = states.collect();
    let mut hasher = DefaultHasher::new();
    if tell || case.hashed {
        let told = format!(
            "{:?} {:?}",
            (&end.books, &end.desk),
            (&end.tally, &end.notes)
        );
        told.hash(&mut hasher);
        saw.states
            .iter()
            .for_each(|state| format!("{state:?}").hash(&mut hasher));
    }
    ran.hash = hasher.finish();
    ran
}

fn story(note: &Note, began: Nanos) -> String {
    format!(
        "{:9.3} {:?} {} {:?} {:?} {}",
        note.at.since(began).0 as f64 / 1e9,
        note.severity,
        note.event,
        note.instrument,
        note.fields,
        note.text
    )
}

impl Trusted {
    fn vouches(&self, exchange: &str) -> bool {
        self.vouched.get(exchange).copied().unwrap_or(false)
    }
}

/// A world while it runs.
struct Life {
    world: World,
    instruments: Vec<Instrument>,
    judge: Judge,
    saw: Arc<Mutex<Saw>>,
    began: Nanos,
    /// The end of the last fault.
    over: Nanos,
    struck: Vec<Struck>,
    trades: bool,
    ran: Ran,
}

impl Life {
    fn new(case: &Case, trusted: &Trusted) -> Self {
        let names: Vec<&str> = case.exchanges.iter().map(|one| one.name()).collect();
        let exchanges = Exchanges::of(&names, case.markets, case.seed, &trusted.trust).unwrap();
        let instruments = case.followed();
        let params = RiskParams {
            qty_max: "1000".to_owned(),
            notional_max: "10000000".to_owned(),
            collar_bps: 500,
            orders_per_s: 4, // As many as the slowest exchange takes.
            open_orders_max: OPEN_MAX as u32,
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &instruments).unwrap();
        let lane = |exchange: &&'static dyn tickwire::exchange::Exchange| {
            let depth = &exchange.depth_streams()[0];
            let own = instruments
                .iter()
                .filter(|one| one.exchange == exchange.name());
            let own: Vec<Instrument> = own.copied().collect();
            let feed = FeedPlan {
                channels: case.channels.clone(),
                total: instruments.len(),
                ..FeedPlan::new(*exchange, depth, &own)
            };
            let endpoint = exchanges.endpoint(exchange.endpoints().stream);
            LanePlan {
                lines: case.lines,
                links: links(depth, case.lines),
                ..LanePlan::new(feed, endpoint)
            }
        };
        let lanes = case.exchanges.iter().map(lane).collect();
        let gateway = case.trades.then(|| {
            let exchange = case.exchanges[0];
            let accounts = exchange.mirror().accounts().unwrap();
            let account = accounts.account(&Zeroizing::new([7; 32])).unwrap();
            let codec = exchange.order_codec(account, &instruments).unwrap();
            let endpoint = exchanges.endpoint(exchange.endpoints().orders);
            GatewayPlan::new(exchange, codec, endpoint)
        });
        let (monkey, saw) = Monkey::new(case.seed, instruments.len(), case.trades);
        let plan = Plan {
            risk: Risk::new(limits, &instruments, 1),
            levels: 1_024,
            lanes,
            gateways: gateway.into_iter().collect(),
            strategies: vec![Seated::everywhere(Box::new(monkey))],
            instruments: instruments.clone().into(),
            paper_fees: Vec::new(),
        };
        let mut world = World::new(exchanges, plan).unwrap();
        world.take_seen();
        Self {
            judge: Judge::new(&instruments, |name| trusted.vouches(name)),
            began: world.now(),
            over: world.now(),
            world,
            instruments,
            saw,
            struck: Vec::new(),
            trades: case.trades,
            ran: Ran::default(),
        }
    }

    fn saw(&self) -> MutexGuard<'_, Saw> {
        self.saw.lock().unwrap()
    }

    fn live(&mut self, case: &Case) -> Result<(), String> {
        self.until(
            self.began + FIRST_LIVE,
            "all books are live at the beginning",
            |life| Ok(life.saw().all_live()),
        )?;
        self.run_to(self.world.now() + Span::from_secs(2))?;
        let zero = self.world.now();
        for step in &case.steps {
            self.run_to(zero + step.at)?;
            match &step.what {
                What::Market(step) => {
                    self.world.plan_market(step)?;
                    self.over = self.over.max(self.world.now() + step.lasts);
                }
                What::Order(planned) => self.world.plan(case.exchanges[0].name(), *planned),
                What::Clock(ahead_ms) => self.world.set_clock(ahead_ms * 1_000_000),
            }
        }
        self.run_to((zero + case.chaos).max(self.over))?;
        self.world.set_clock(0);
        self.over = self.world.now();
        self.saw().stopped = true;
        self.until(
            Nanos::ZERO,
            "all books are live after the last fault",
            |life| {
                let current = life.judge.is_current() == Some(true);
                let vouched = life.judge.is_vouched();
                Ok(life.saw().all_live() && (current || !vouched))
            },
        )?;
        self.ran.live_ms = self.world.now().since(self.over).0 / 1_000_000;
        if self.trades {
            let until = self.over + SETTLED_AFTER;
            self.until(until, "all orders have their end", |life| life.is_settled())?;
            self.ran.settled_ms = self.world.now().since(self.over).0 / 1_000_000;
        }
        Ok(())
    }

    /// Runs until something holds, at most to this time; if that is zero, until a while after the
    /// last fault, which may yet come.
    fn until(
        &mut self,
        until: Nanos,
        what: &str,
        holds: impl Fn(&Self) -> Result<bool, String>,
    ) -> Result<(), String> {
        loop {
            if holds(self)? {
                return Ok(());
            }
            let until = match until {
                Nanos::ZERO => self.over + LIVE_AFTER,
                until => until,
            };
            if self.world.now() >= until {
                let states: Vec<_> = self.saw().books.iter().map(|book| book.status).collect();
                let settled = self.is_settled();
                return Err(format!(
                    "it never came to be that {what}: {states:?}, {settled:?}"
                ));
            }
            self.run_to(self.world.now() + LOOK_EVERY)?;
        }
    }

    fn run_to(&mut self, until: Nanos) -> Result<(), String> {
        while self.world.now() < until {
            self.world
                .run(until.since(self.world.now()).min(LOOK_EVERY))?;
            self.look().map_err(|what| {
                format!(
                    "at {} ms {what}",
                    self.world.now().since(self.began).0 / 1_000_000
                )
            })?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), String> {
        let seen = self.world.take_seen();
        for one in self.world.take_struck() {
            self.over = self.over.max(one.until);
            self.struck.push(one);
        }
        for seen in &seen {
            self.judge.see(seen)?;
        }
        let saw = self.saw();
        if let Some(found) = &saw.found {
            return Err(found.clone());
        }
        // Nothing is on its way: the desk has what the feed shows, and no more.
        for (n, book) in saw.books.iter().enumerate() {
            let fed = self.judge.showing(n);
            let same = match (&book.live, fed) {
                (None, None) => true,
                (Some((id, top)), Some((fed_id, fed))) => {
                    let begins = |side: Side| fed.side(side).starts_with(top.side(side));
                    *id == fed_id && begins(Side::Buy) && begins(Side::Sell)
                }
                _ => false,
            };
            if !same {
                let (desk, fed) = (book.live.map(|live| live.0), fed.map(|fed| fed.0));
                return Err(format!(
                    "the desk has book {n} at {desk:?}, and its feed at {fed:?}"
                ));
            }
        }
        if self.trades {
            self.look_at_account(&saw)?;
        }
        Ok(())
    }

    fn look_at_account(&self, saw: &Saw) -> Result<(), String> {
        for account in self.world.accounts() {
            if account.open.len() > OPEN_MAX {
                return Err(format!("{} orders rest", account.open.len()));
            }
            let mut names = BTreeSet::new();
            let all = account.open.iter().chain(&account.ended);
            if let Some(twice) = all.into_iter().find(|name| !names.insert(*name)) {
                return Err(format!("two orders are called {twice}"));
            }
        }
        for (n, book) in saw.books.iter().enumerate() {
            if book.filled != book.position {
                let (filled, position) = (book.filled, book.position);
                return Err(format!(
                    "book {n}: filled {filled}, a position of {position}"
                ));
            }
        }
        Ok(())
    }

    /// Nothing works, and the exchange's own account is what we believe.
    fn is_settled(&self) -> Result<bool, String> {
        let saw = self.saw();
        let accounts = self.world.accounts();
        let open = accounts
            .iter()
            .map(|account| account.open.len())
            .sum::<usize>();
        let same = |(n, book): (usize, &crate::monkey::SawBook)| {
            let of = self.instruments[n].symbol;
            let trades = accounts.iter().flat_map(|account| &account.trades);
            let own = trades.filter(|trade| trade.symbol == of);
            own.map(|trade| signed(trade.side, trade.qty)).sum::<i128>() == book.position
        };
        Ok(saw.working == 0 && open == 0 && saw.books.iter().enumerate().all(same))
    }
}

/// What was counted must add up.
fn counts(end: &WorldEnd, vouched: bool, lived: bool) -> Result<(), String> {
    let desk = end.desk.counters;
    let wrong = end.books.iter().find(|book| book.wrong_ns != Some(0));
    let unlike = end.books.iter().find(|book| vouched && book.unverified > 0);
    if let Some(book) = wrong.or(unlike) {
        return Err(format!("the audit found a wrong book: {book:?}"));
    }
    let checks = [
        (
            desk.intents == desk.admitted + desk.changes + end.desk.refusals.total(),
            "intents",
        ),
        (
            end.exceeded.total() == 0,
            "limits of the exchange were exceeded",
        ),
        (end.tally.feed.audit_lost == 0, "shown books were lost"),
        (end.tally.feed.bad_frames <= end.tally.feed.frames, "frames"),
        (desk.filled <= desk.fills, "fills"),
        (!lived || desk.unknown == 0, "an order without an end"),
    ];
    match checks.iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(format!("{what}: {desk:?}, {:?}", end.exceeded)),
        None => Ok(()),
    }
}

/// What many worlds were like.
#[derive(Default)]
pub struct Sums {
    worlds: u64,
    shown: u64,
    levels: u64,
    unmatched: u64,
    frames: u64,
    fills: u64,
    virtual_ms: u64,
    live_ms_max: u64,
    settled_ms_max: u64,
    struck: BTreeMap<&'static str, u64>,
}

impl Sums {
    pub fn add(&mut self, ran: &Ran) {
        self.worlds += 1;
        self.shown += ran.shown;
        self.levels += ran.levels;
        self.unmatched += ran.unmatched;
        self.frames += ran.frames;
        self.fills += ran.fills;
        self.virtual_ms += ran.virtual_ms;
        self.live_ms_max = self.live_ms_max.max(ran.live_ms);
        self.settled_ms_max = self.settled_ms_max.max(ran.settled_ms);
        for one in &ran.struck {
            *self.struck.entry(one.fault.name()).or_insert(0) += 1;
        }
    }

    pub fn join(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.shown += other.shown;
        self.levels += other.levels;
        self.unmatched += other.unmatched;
        self.frames += other.frames;
        self.fills += other.fills;
        self.virtual_ms += other.virtual_ms;
        self.live_ms_max = self.live_ms_max.max(other.live_ms_max);
        self.settled_ms_max = self.settled_ms_max.max(other.settled_ms_max);
        for (name, count) in &other.struck {
            *self.struck.entry(name).or_insert(0) += count;
        }
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} worlds, {} virtual s: {} messages, {} books shown ({} levels compared, {} like \
             none of the exchange's), {} fills",
            self.worlds,
            self.virtual_ms / 1_000,
            self.frames,
            self.shown,
            self.levels,
            self.unmatched,
            self.fills,
        )?;
        writeln!(f, "faults that struck: {:?}", self.struck)?;
        write!(
            f,
            "after the last fault all books were live within {} ms, all orders settled within \
             {} ms",
            self.live_ms_max, self.settled_ms_max,
        )
    }
}
