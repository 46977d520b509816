//! One feed lane and the mirror that it talks to, on a clock that jumps from one due time to the
//! next.

pub mod town;

use crate::lane_support::{Rig, START, Tap};
use std::collections::VecDeque;
use tickwire::base::feed::SnapshotFrom;
use tickwire::base::{
    Channel, Event, Instrument, InstrumentId, Level, Nanos, Note, Side, Span, Top, UnixNanos,
    Value, Word,
};
use tickwire::conn::Phase;
use tickwire::exchange::Streams;
use tickwire::exchange::mirror::{Call, Market as _, MirrorSession};
use tickwire::exchange::{Decoder, DepthStream, Exchange, Words};
use tickwire::market::Counters;
use tickwire::watch::audit::{AUDIT_LEVELS, Shown};
use tickwire::wiring::ask::Answer;
use tickwire::wiring::feed_lane::FeedLane;
use tickwire::wiring::lane::{LINES, Lane};
use tickwire::wiring::plan::{self, FeedPlan, LanePlan};
use tickwire::wiring::ring::Receiver;
use town::Town;
use tungstenite::Message;
use zeroize::Zeroizing;

/// Levels a side that the books hold: more than the market has.
const LEVELS: usize = 256;
/// The exchange's wall clock at the test's zero.
const EPOCH: i64 = 1_767_323_045_000_000_000;
/// Books of the market that one which is shown may be: a message that was lost leaves it behind.
const TRUTHS: usize = 64;
/// No symbol of the market.
const UNKNOWN: &str = "NOPE";

/// What one connection of an exchange carries.
#[derive(Clone)]
pub struct Route {
    pub exchange: &'static dyn Exchange,
    pub depth: &'static DepthStream,
    pub path: String,
    pub channels: Vec<Channel>,
}

impl Route {
    /// All routes of an exchange with this depth stream.
    pub fn all(exchange: &'static dyn Exchange, depth: &'static DepthStream) -> Vec<Self> {
        let streams = Streams {
            depth,
            trades: true,
            quotes: true,
        };
        let one = |route: plan::Route| Self {
            exchange,
            depth,
            path: route.path,
            channels: route.channels,
        };
        plan::routes(exchange, &streams)
            .into_iter()
            .map(one)
            .collect()
    }

    pub fn has_books(&self) -> bool {
        self.channels.contains(&Channel::Depth)
    }

    /// What the mirror makes of a connection that asks for this.
    fn upgrade(&self) -> Option<Box<dyn MirrorSession>> {
        let mirror = self.exchange.mirror();
        let Some(binary) = self.exchange.binary(self.depth) else {
            return mirror.session(&self.path);
        };
        let account = mirror.accounts()?.account(&Zeroizing::new([7; 32])).ok()?;
        let headers = [(binary.key_header, account.api_key.expose())];
        let call = Call {
            headers: &headers,
            ..Call::get(&self.path)
        };
        mirror.binary_session(call)?.ok()
    }
}

/// What the exchange said in one frame to one line.
pub struct Said<'a> {
    pub line: usize,
    pub words: &'a [Heard],
}

/// A word without its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A whole book.
    Book(usize),
    /// A change of one.
    Diff(usize),
    /// Of another channel.
    Other(usize, Channel),
    Subscribed(usize, Channel, Option<i64>),
    Answer(u64, Option<i64>),
    Reply,
}

impl Heard {
    fn of(word: Word<'_>) -> Option<Self> {
        Some(match word {
            Word::Book(diff, ..) => Self::Book(diff.instrument.index()),
            Word::Diff(diff, ..) => Self::Diff(diff.instrument.index()),
            Word::Trade(trade) => Self::Other(trade.instrument.index(), Channel::Trades),
            Word::Quote(quote) => Self::Other(quote.instrument.index(), Channel::Quotes),
            Word::Trading(..) | Word::Shutdown | Word::Unfit { .. } => return None,
            Word::Answer { id, refused } => Self::Answer(id, refused),
            Word::Subscribed {
                instrument,
                channel,
                refused,
            } => Self::Subscribed(instrument.index(), channel, refused),
            Word::Reply(_) => Self::Reply,
        })
    }

    /// Tells of the depth of this instrument.
    pub fn is_depth_of(self, n: usize) -> bool {
        self == Self::Book(n) || self == Self::Diff(n)
    }
}

type Filter = Box<dyn FnMut(Said<'_>) -> bool>;

/// The lane, the mirror, the market.
pub struct World {
    pub route: Route,
    pub town: Town,
    pub rig: Rig<FeedLane<Tap, LEVELS>>,
    /// Instruments that the market has; the lane may follow more.
    pub good: usize,
    /// True for a frame that is to be lost between the mirror and the lane.
    pub lose: Option<Filter>,
    /// A book may be shown that the market never had.
    pub may_be_wrong: bool,
    /// What the lane sent, line by line, in the order of its frames.
    pub sent: Vec<(usize, Nanos, String)>,
    /// Connections that the mirror ended, and why.
    pub cuts: Vec<String>,
    pub notes: Vec<Note>,
    /// REST answers so far.
    pub snapshots: usize,
    /// Epochs of the books, as events told them.
    pub epochs: Vec<u32>,
    events: Receiver<Event>,
    audit: rtrb::Consumer<Shown>,
    sessions: [Option<Box<dyn MirrorSession>>; LINES],
    spy: Box<dyn Decoder>,
    words: Words,
    shown: Vec<Option<Top<AUDIT_LEVELS>>>,
    truths: Vec<VecDeque<[Vec<Level>; 2]>>,
    step: String,
    seed: u64,
}

impl World {
    /// A lane of `lines` lines that follows two assets of the market, and one that is unknown if
    /// that is wanted.
    pub fn new(route: &Route, lines: usize, unknown: bool) -> Self {
        let (exchange, depth, seed) = (route.exchange, route.depth, seed());
        let mirror = exchange.mirror();
        let town = Town::new(mirror, &["BTC", "ETH"], seed);
        let mut instruments: Vec<Instrument> = town
            .listings()
            .iter()
            .map(|listing| listing.instrument)
            .collect();
        let good = instruments.len();
        if unknown {
            let mut bad = mirror.list(UNKNOWN, mirror.quote(), 2, 4);
            bad.id = InstrumentId(good as u16);
            instruments.push(bad);
        }
        let total = instruments.len();
        let feed = FeedPlan {
            channels: route.channels.clone(),
            events: 4_096,
            ..FeedPlan::new(exchange, depth, &instruments)
        };
        let (rig, ends) = Rig::of_feed(|endpoint| LanePlan {
            path: route.path.clone(),
            lines,
            links: plan::links(depth, lines),
            ..LanePlan::new(feed, endpoint)
        });
        let mut world = Self {
            route: route.clone(),
            town,
            rig,
            good,
            lose: None,
            may_be_wrong: false,
            sent: Vec::new(),
            cuts: Vec::new(),
            notes: Vec::new(),
            snapshots: 0,
            epochs: Vec::new(),
            events: ends.events,
            audit: ends.shown,
            sessions: std::array::from_fn(|_| None),
            spy: exchange.decoder(&instruments, depth),
            words: Words::new(),
            shown: vec![None; total],
            truths: vec![VecDeque::new(); good],
            step: "start".to_owned(),
            seed,
        };
        world.learn();
        world
    }

    /// Names what is tried now, for whoever reads a failure.
    pub fn step(&mut self, step: &str) {
        step.clone_into(&mut self.step);
    }

    /// Where a failure happened.
    pub fn place(&self) -> String {
        let last: Vec<String> = self.notes.iter().rev().take(12).map(told).collect();
        format!(
            "{} {} at {}, step `{}`, seed {}, {} s; last notes: {last:#?}",
            self.route.exchange.name(),
            self.route.depth.name,
            self.route.path,
            self.step,
            self.seed,
            self.now().since(START).0 as f64 / 1e9,
        )
    }

    pub fn now(&self) -> Nanos {
        self.rig.now()
    }

    pub fn live(&self) -> usize {
        self.rig.lane.feed().live_books()
    }

    pub fn is_shown(&self, n: usize) -> bool {
        self.shown[n].is_some()
    }

    pub fn counters(&self, n: usize) -> Counters {
        let mut books = self.rig.lane.feed().books();
        books.nth(n).map(|book| book.counters).unwrap()
    }

    pub fn noted(&self, event: &str) -> Vec<&Note> {
        self.notes
            .iter()
            .filter(|note| note.event == event)
            .collect()
    }

    /// Everything that is followed is there, and every book equals the market's.
    pub fn assert_live(&self) {
        if !self.route.has_books() {
            return;
        }
        let place = self.place();
        for n in 0..self.good {
            let top = self.shown[n].as_ref();
            let top = top.unwrap_or_else(|| panic!("book {n} is dark: {place}"));
            let count = self.visible();
            for side in [Side::Buy, Side::Sell] {
                let truth = self.town.best(n, side, count);
                let ours = &top.side(side)[..top.side(side).len().min(count)];
                assert_eq!(ours, truth, "{side:?} of book {n}: {place}");
            }
            assert!(top.complete(count), "book {n} is incomplete: {place}");
        }
    }

    /// Levels a side that every message of the stream tells of and the audit shows.
    fn visible(&self) -> usize {
        let rule = self.route.depth.rule;
        let window = rule.short.or(rule.window);
        window.map_or(usize::MAX, usize::from).min(AUDIT_LEVELS)
    }

    /// The books move once in this time; not at all with [`Nanos::NEVER`].
    pub fn move_every(&mut self, pause: Span, span: Span, books: &[usize]) {
        let until = self.now() + span;
        while self.now() < until {
            self.run((self.now() + pause).min(until));
            if self.now() < until {
                for &n in books {
                    self.town.now = unix(self.now());
                    self.town.move_one(n);
                }
                self.pump();
            }
        }
    }

    /// A level near the best one gets another quantity, now.
    pub fn touch(&mut self, n: usize, side: Side, place: i64) {
        self.town.now = unix(self.now());
        self.town.touch(n, side, place);
        self.pump();
    }

    /// The market is quiet for a while.
    pub fn rest(&mut self, span: Span) {
        let until = self.now() + span;
        self.run(until);
    }

    /// Jumps from one due time to the next until `until`.
    fn run(&mut self, until: Nanos) {
        loop {
            self.pump();
            if self.now() >= until {
                return;
            }
            let sessions = self.sessions.iter().flatten();
            let due = sessions.filter_map(|session| session.poll_timeout());
            let mirror = due.min().map_or(Nanos::NEVER, nanos);
            let next = self.rig.lane.poll_timeout().min(mirror).min(until);
            // What is overdue already waits for something else: a little later, then.
            let next = next.max(self.now() + Span::from_millis(1));
            self.rig.clock.set(next);
        }
    }

    /// Both sides work until nothing moves.
    pub fn pump(&mut self) {
        let mut still = 0;
        for _ in 0..200 {
            let moved = self.turn();
            let shaking = self.rig.lane.links().any(|link| match link.phase() {
                Phase::Connecting | Phase::Tunnelling => true,
                Phase::Securing | Phase::Upgrading => true,
                Phase::Waiting | Phase::Resolving | Phase::Live => false,
            });
            still = if moved || shaking { 0 } else { still + 1 };
            if still >= 2 {
                self.look();
                return;
            }
        }
        panic!("it never comes to rest: {}", self.place());
    }

    /// One turn of each. True if something moved.
    fn turn(&mut self) -> bool {
        self.town.now = unix(self.now());
        self.rig.ready();
        self.rig.turn();
        let mut moved = self.answer_requests();
        let happened = std::mem::take(&mut self.town.happened);
        if !happened.is_empty() {
            self.learn();
        }
        for line in 0..LINES {
            if !self.rig.is_up(line) {
                self.sessions[line] = None;
                continue;
            }
            let mut out = Vec::new();
            let session = self.sessions[line].get_or_insert_with(|| {
                let session = self.route.upgrade();
                let mut session = session.expect("nothing listens there");
                session.handle_open(&mut self.town, &mut out);
                session
            });
            let mut done = Ok(());
            for (at, text) in self.rig.take_on(line) {
                if done.is_ok() {
                    done = session.handle_text(&text, &mut self.town, &mut out);
                }
                self.sent.push((line, at, text));
                moved = true;
            }
            for event in &happened {
                session.handle_event(event, &self.town, &mut out);
            }
            let now = self.town.now;
            if done.is_ok() && session.poll_timeout().is_some_and(|due| due <= now) {
                done = session.handle_timeout(now, &mut out);
            }
            let binary: Vec<Vec<u8>> = std::iter::from_fn(|| session.poll_binary()).collect();
            moved |= !out.is_empty() || !binary.is_empty();
            let texts = out.into_iter().map(Message::text);
            for frame in texts.chain(binary.into_iter().map(Message::binary)) {
                self.deliver(line, frame);
            }
            if let Err(offence) = done {
                self.cuts.push(offence.reason);
                self.rig.hang_up_on(line, offence.code);
                moved = true;
            }
        }
        moved
    }

    fn deliver(&mut self, line: usize, frame: Message) {
        let decoded = self.spy.decode(&frame.clone().into_data(), &mut self.words);
        assert_eq!(decoded, Ok(()), "{frame:?}: {}", self.place());
        let words: Vec<Heard> = self.words.iter().filter_map(Heard::of).collect();
        let said = Said {
            line,
            words: &words,
        };
        let lost = self.lose.as_mut().is_some_and(|lose| lose(said));
        if !lost {
            self.rig.try_send_on(line, frame);
        }
    }

    /// Answers the lane's requests for snapshots and metadata.
    fn answer_requests(&mut self) -> bool {
        let asked = std::mem::take(&mut self.rig.snapshots_asked);
        for &id in &asked {
            let exchange = self.route.exchange;
            assert_eq!(self.route.depth.rule.snapshot, SnapshotFrom::Rest);
            let levels = exchange.limits().snapshot_levels_max.min(1_000);
            let snapshot = self.instrument(id).and_then(|instrument| {
                let request = exchange.snapshot_request(&instrument.symbol, levels)?;
                let reply = exchange.mirror().rest(request.call(), &mut self.town);
                assert_eq!(reply.status, 200, "{}: {}", request.path, reply.body);
                let snapshot = exchange.snapshot(reply.body.into_bytes(), &instrument, levels);
                Some(snapshot.unwrap())
            });
            self.snapshots += 1;
            self.rig
                .answer(Answer::Snapshot(id, snapshot.map(Box::new)));
        }
        assert!(self.rig.metadata_asked.is_empty(), "{}", self.place());
        !asked.is_empty()
    }

    /// The market's own; `None` for one that it does not know.
    fn instrument(&self, id: InstrumentId) -> Option<Instrument> {
        let listing = self.town.listings().get(id.index())?;
        Some(listing.instrument)
    }

    /// Notes the books of the market as they are now.
    fn learn(&mut self) {
        for n in 0..self.good {
            let book = [Side::Buy, Side::Sell].map(|side| self.town.best(n, side, AUDIT_LEVELS));
            if self.truths[n].back() != Some(&book) {
                self.truths[n].push_back(book);
                while self.truths[n].len() > TRUTHS {
                    self.truths[n].pop_front();
                }
            }
        }
    }

    /// Takes what the lane told.
    fn look(&mut self) {
        self.notes.extend(self.rig.notes());
        while let Ok(event) = self.events.pop() {
            if event.instrument != InstrumentId::NONE && !self.epochs.contains(&event.epoch) {
                self.epochs.push(event.epoch);
            }
        }
        while let Ok(shown) = self.audit.pop() {
            let n = shown.instrument.index();
            self.shown[n] = shown.top;
            self.check(n);
        }
        (0..self.good).for_each(|n| self.check(n));
        let counters = self.rig.lane.feed().counters();
        assert_eq!(counters.bad_frames, 0, "{}", self.place());
        assert_eq!(counters.audit_lost, 0, "{}", self.place());
    }

    /// The book that is shown is one that the market had.
    fn check(&self, n: usize) {
        let Some(top) = self.shown[n].as_ref().filter(|_| !self.may_be_wrong) else {
            return;
        };
        let visible = self.visible();
        let is = |truth: &[Vec<Level>; 2]| {
            [Side::Buy, Side::Sell].into_iter().all(|side| {
                let (ours, theirs) = (top.side(side), &truth[side as usize]);
                ours[..ours.len().min(visible)] == theirs[..theirs.len().min(visible)]
            })
        };
        let known = self.truths[n].iter().any(is);
        assert!(
            known,
            "book {n} is none that the market had: {}",
            self.place()
        );
    }
}

/// A note as one line.
pub fn told(note: &Note) -> String {
    let fields: Vec<String> = note
        .fields
        .iter()
        .map(|(name, value)| match value {
            Value::Int(value) => format!("{name}={value}"),
            Value::Word(value) => format!("{name}={value}"),
            Value::Code(value) => format!("{name}={value}"),
            Value::Ratio(_) | Value::Px(_) | Value::Qty(_) => (*name).to_owned(),
            Value::Level(_) | Value::Scaled(..) => (*name).to_owned(),
        })
        .collect();
    let at = note.at.since(START).0 as f64 / 1e9;
    let (event, id) = (note.event, note.instrument.0);
    format!("{at} {event} {id} {} {}", fields.join(" "), note.text)
}

/// `LIFE_SEED`, or seven.
fn seed() -> u64 {
    let seed = std::env::var("LIFE_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

fn unix(at: Nanos) -> UnixNanos {
    UnixNanos(EPOCH + at.0 as i64)
}

fn nanos(at: UnixNanos) -> Nanos {
    Nanos((at.0 - EPOCH).max(0) as u64)
}
