//! What one line is to be subscribed to, against what the exchange has confirmed in this epoch.
//! Never sees a connection: it names frames, and is told when they left.

mod elsewhere;

use crate::base::{Channel, Instrument, InstrumentId, Nanos, Span, Symbol};
use crate::exchange::{DepthStream, Exchange, Request, Topic};
use std::collections::VecDeque;
use std::sync::Arc;

/// What is not confirmed this long after the last request left counts as lost.
pub const SUBSCRIBE_DEADLINE: Span = Span::from_secs(10);
/// What the exchange refused is tried again after this.
pub const REFUSED_RETRY: Span = Span::from_secs(60);
/// A stream that we ended, for what it sends is too long, is tried again after this.
pub const TOO_LONG_RETRY: Span = Span::from_secs(600);
/// How often what was lost is asked for again, before it is left alone for a while. The wait
/// doubles with each.
pub const REPAIRS_MAX: u32 = 3;

/// In the place of a topic's number: the lane does not carry it.
const NO_TOPIC: u16 = u16::MAX;

/// What every line of a lane is to be subscribed to.
pub(crate) struct Desired {
    exchange: &'static dyn Exchange,
    depth: &'static DepthStream,
    /// One channel behind the other: some exchanges take one channel a frame.
    topics: Box<[(InstrumentId, Symbol, Channel)]>,
    /// From an instrument and a channel to the topic; [`NO_TOPIC`] if it has none.
    places: Box<[[u16; Channel::ALL.len()]]>,
}

impl Desired {
    /// These channels of these instruments.
    pub(crate) fn new(
        (exchange, depth): (&'static dyn Exchange, &'static DepthStream),
        instruments: &[Instrument],
        channels: &[Channel],
    ) -> Self {
        let topics: Vec<_> = channels
            .iter()
            .flat_map(|&channel| {
                let topic = move |one: &Instrument| (one.id, one.symbol, channel);
                instruments.iter().map(topic)
            })
            .collect();
        let ids = instruments.iter().map(|one| one.id.index() + 1);
        assert!(
            topics.len() < usize::from(NO_TOPIC),
            "topics without a number"
        );
        let mut places = vec![[NO_TOPIC; Channel::ALL.len()]; ids.max().unwrap_or(0)];
        for (place, (id, _, channel)) in topics.iter().enumerate() {
            places[id.index()][*channel as usize] = place as u16;
        }
        Self {
            exchange,
            depth,
            topics: topics.into(),
            places: places.into(),
        }
    }

    /// Whose streams they are.
    pub(crate) fn exchange(&self) -> &'static dyn Exchange {
        self.exchange
    }

    /// Seed of the dice of a lane that carries these: each instrument is on one lane only.
    pub(crate) fn seed(&self) -> u64 {
        let first = self.topics.first();
        first.map_or(0, |(id, _, channel)| u64::from(id.0) << 2 | *channel as u64)
    }

    /// How many topics there are.
    pub(super) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// The stream of this topic.
    pub(super) fn stream(&self, topic: usize) -> (InstrumentId, Channel) {
        let (instrument, _, channel) = self.topics[topic];
        (instrument, channel)
    }

    pub(super) fn place(&self, instrument: InstrumentId, channel: Channel) -> Option<usize> {
        let places = self.places.get(instrument.index())?;
        let place = places[channel as usize];
        (place != NO_TOPIC).then_some(usize::from(place))
    }
}

/// How far a topic has come in this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No frame names it yet.
    Wanted,
    /// In a frame that waits for room in the exchange's message limit.
    Queued,
    /// In the request with this number, which has left.
    Sent(u64),
    /// By an answer, or by data.
    Confirmed,
    /// The exchange has no such stream: there is nothing to ask for.
    Absent,
    /// Tried again in its time. Without a code the exchange kept silent about it, again and again.
    Refused,
    /// Refused without a name, alone, by a session that carries others: it may be full. Tried again
    /// in its time.
    Crowded,
    /// We ended it, for what it sends is too long. What still comes of it confirms nothing; tried
    /// again in its time.
    LeftAlone,
    /// Another part of the lane's lines carries it: there is nothing to ask for.
    Elsewhere,
}

impl State {
    fn is_open(self) -> bool {
        match self {
            Self::Wanted | Self::Queued | Self::Sent(_) => true,
            Self::Confirmed | Self::Absent | Self::Elsewhere => false,
            Self::Refused | Self::Crowded | Self::LeftAlone => false,
        }
    }

    fn is_refused(self) -> bool {
        matches!(self, Self::Refused | Self::Crowded | Self::LeftAlone)
    }
}

/// A frame that is to be sent, and the topics that it subscribes to.
struct Frame {
    text: String,
    id: u64,
    topics: Box<[u16]>,
}

/// A refusal of one topic that was not told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whose stream.
    pub(crate) instrument: InstrumentId,
    /// Which stream.
    pub(crate) channel: Channel,
    /// The exchange's code.
    pub(crate) code: i64,
}

/// What a deadline brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing that anyone need know.
    Nothing,
    /// This many topics are asked for again.
    Repaired(usize),
    /// No topic has an answer, and there are this many: the line's connection is to be replaced.
    Unanswered(usize),
    /// This many topics stay without an answer, and others have theirs: these are left alone for a
    /// while.
    GivenUp(usize),
}

/// The subscriptions of one line.
///
/// Invariant: `open` topics are Wanted, Queued or Sent, `refused` are Refused, Crowded or
/// LeftAlone, and all others are Confirmed, Absent or Elsewhere. What is Queued is in a frame of
/// `queue`, and what is Sent is in a request with a number below `next_id`. While something is
/// refused it is known when it is tried again. `1 <= together`; `repairs <=` [`REPAIRS_MAX`].
pub(crate) struct Subscriptions {
    desired: Arc<Desired>,
    states: Box<[State]>,
    open: usize,
    refused: usize,
    /// The code that each topic's refusal was last told with; outlives the connection.
    told: Box<[Option<i64>]>,
    /// Depth topics to end before they are asked for again.
    renewed: Vec<u16>,
    queue: VecDeque<Frame>,
    next_id: u64,
    /// Topics that one request may be about: halved if one was refused whole, since it may be
    /// for one of them.
    together: usize,
    /// When what is open counts as lost; unset until the last request has left.
    due: Nanos,
    /// When what was refused is tried again.
    retry_at: Nanos,
    repairs: u32,
    /// Topics that became confirmed or refused, and whether they are confirmed: news for their
    /// owner.
    decided: VecDeque<(u16, bool)>,
}

impl Subscriptions {
    /// None yet. Allocates here what it needs, but for the frames themselves.
    pub(crate) fn new(desired: Arc<Desired>) -> Self {
        let topics = desired.topics.len();
        Self {
            states: vec![State::Wanted; topics].into(),
            open: topics,
            refused: 0,
            told: vec![None; topics].into(),
            renewed: Vec::with_capacity(topics),
            queue: VecDeque::new(),
            next_id: 1,
            together: usize::MAX,
            due: Nanos::NEVER,
            retry_at: Nanos::NEVER,
            repairs: 0,
            decided: VecDeque::with_capacity(2 * topics),
            desired,
        }
    }

    /// The connection is open: its greeting first, and everything is wanted.
    pub(crate) fn handle_opened(&mut self) {
        self.forget();
        let greeting = self.desired.exchange.greeting().iter().map(|text| Frame {
            text: (*text).to_owned(),
            id: 0,
            topics: Box::default(),
        });
        self.queue.extend(greeting);
    }

    /// The connection ended, and with it whatever was confirmed.
    pub(crate) fn handle_closed(&mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        if self.open == 0 && self.refused == 0 {
            self.together = usize::MAX; // Nothing among them keeps the others back.
        }
        let ours = self.states.iter_mut();
        let ours = ours.filter(|state| **state != State::Elsewhere);
        (self.open, self.refused) = (ours.map(|state| *state = State::Wanted).count(), 0);
        self.renewed.clear();
        self.queue.clear();
        self.decided.clear();
        (self.next_id, self.repairs) = (1, 0);
        (self.due, self.retry_at) = (Nanos::NEVER, Nanos::NEVER);
        self.check();
    }

    /// The frame to send next; it stays until [`Self::handle_sent`].
    pub(crate) fn poll_frame(&mut self, now: Nanos) -> Option<&str> {
        if self.queue.is_empty() {
            let asked = self.open == 0 || self.due != Nanos::NEVER;
            if asked && self.renewed.is_empty() {
                return None; // All that is open has been asked for.
            }
            self.ask();
            self.due = match self.queue.is_empty() {
                true => now + self.patience(),
                false => Nanos::NEVER,
            };
        }
        self.queue.front().map(|frame| frame.text.as_str())
    }

    /// The frame has left.
    pub(crate) fn handle_sent(&mut self, now: Nanos) {
        let Some(frame) = self.queue.pop_front() else {
            return;
        };
        for topic in frame.topics.iter().map(|&topic| usize::from(topic)) {
            if self.states[topic] == State::Queued {
                self.set(topic, State::Sent(frame.id));
            }
        }
        if self.queue.is_empty() && !self.states.contains(&State::Wanted) {
            self.due = now + self.patience();
        }
        self.check();
    }

    /// The exchange answered the request with this number. One that it refused is divided, until it
    /// is known which topics are refused. Tells of a refusal that is news.
    pub(crate) fn handle_answer(
        &mut self,
        now: Nanos,
        id: u64,
        refused: Option<i64>,
    ) -> Option<Refusal> {
        let sent = State::Sent(id);
        let topics = self.states.iter().filter(|state| **state == sent).count();
        let mut news = None;
        if refused.is_some() && topics > 1 {
            self.together = self.together.min(topics / 2);
            self.want_all(|state| state == sent);
        } else if let Some(topic) = self.states.iter().position(|state| *state == sent) {
            news = self.take_answer(now, topic, refused);
            (topic..self.states.len()).for_each(|topic| {
                if self.states[topic] == sent {
                    self.set(topic, State::Confirmed);
                }
            });
        }
        self.check();
        news
    }

    /// The exchange answered about one stream. Tells of a refusal that is news.
    pub(crate) fn handle_subscribed(
        &mut self,
        now: Nanos,
        (instrument, channel): (InstrumentId, Channel),
        refused: Option<i64>,
    ) -> Option<Refusal> {
        let topic = self.desired.place(instrument, channel)?;
        let awaited = match self.states[topic] {
            State::Sent(_) => true,
            State::Wanted | State::Queued | State::Confirmed | State::Elsewhere => false,
            State::Absent | State::Refused | State::Crowded | State::LeftAlone => false,
        };
        let news = awaited.then(|| self.take_answer(now, topic, refused));
        self.check();
        news.flatten()
    }

    /// A stream said something, which confirms it whatever was answered.
    pub(crate) fn handle_data(&mut self, instrument: InstrumentId, channel: Channel) {
        let Some(topic) = self.desired.place(instrument, channel) else {
            return;
        };
        let ends = self.renewed.contains(&(topic as u16));
        match self.states[topic] {
            _ if ends => {}
            State::LeftAlone => {}
            // No stream may come on two connections: it ends here.
            State::Elsewhere => self.renewed.push(topic as u16),
            State::Wanted | State::Queued | State::Sent(_) | State::Confirmed => {
                self.set(topic, State::Confirmed);
            }
            State::Absent | State::Refused | State::Crowded => self.set(topic, State::Confirmed),
        }
        self.check();
    }

    /// This stream of this instrument is to be ended, and begun again. False if it is about to
    /// begin anyhow, was refused, or does not exist: sooner would put off all that waits.
    pub(crate) fn resubscribe(&mut self, instrument: InstrumentId, channel: Channel) -> bool {
        let Some(topic) = self.desired.place(instrument, channel) else {
            return false;
        };
        match self.states[topic] {
            State::Wanted | State::Queued | State::Sent(_) => false,
            State::Refused | State::Crowded | State::LeftAlone => false,
            State::Absent | State::Elsewhere => false,
            State::Confirmed => {
                self.renewed.push(topic as u16);
                self.want(topic);
                self.check();
                true
            }
        }
    }

    /// A stream that was confirmed or refused since the last call, and whether it was confirmed.
    pub(crate) fn poll_decided(&mut self) -> Option<((InstrumentId, Channel), bool)> {
        let (topic, confirmed) = self.decided.pop_front()?;
        let (instrument, _, channel) = self.desired.topics[usize::from(topic)];
        Some(((instrument, channel), confirmed))
    }

    /// The depth stream of this instrument is ended, and begun again after a while.
    pub(crate) fn leave_alone(&mut self, now: Nanos, instrument: InstrumentId) {
        let Some(topic) = self.desired.place(instrument, Channel::Depth) else {
            return;
        };
        if self.states[topic] == State::Elsewhere {
            return;
        }
        if !self.renewed.contains(&(topic as u16)) {
            self.renewed.push(topic as u16);
        }
        self.set(topic, State::LeftAlone);
        self.retry_at = self.retry_at.min(now + TOO_LONG_RETRY);
        self.check();
    }

    /// When [`Self::handle_timeout`] is due; [`Nanos::NEVER`] if nothing waits.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let due = if self.open > 0 {
            self.due
        } else {
            Nanos::NEVER
        };
        due.min(self.retry_at)
    }

    /// Wants again what was refused long enough ago, and what was lost.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> Due {
        if now >= self.retry_at {
            (self.retry_at, self.together) = (Nanos::NEVER, usize::MAX);
            self.want_all(State::is_refused);
        }
        if self.open == 0 || now < self.due {
            return Due::Nothing;
        }
        let lost = self.open;
        let heard = lost < self.ours();
        self.divide();
        if heard && self.repairs < REPAIRS_MAX {
            self.repairs += 1;
            self.want_all(State::is_open);
            return Due::Repaired(lost);
        }
        self.due = Nanos::NEVER;
        // One dead product never takes its neighbours along: the connection is replaced only if the
        // line says nothing at all.
        if heard {
            self.repairs = 0;
            for topic in 0..self.states.len() {
                if self.states[topic].is_open() {
                    self.refuse(now, topic);
                }
            }
            self.check();
            return Due::GivenUp(lost);
        }
        Due::Unanswered(lost)
    }

    /// Topics that were asked for together and got no answer are asked for in halves: an exchange
    /// may refuse a request for one bad topic without saying which request it was.
    fn divide(&mut self) {
        let of = |id| {
            self.states
                .iter()
                .filter(move |state| **state == State::Sent(id))
        };
        let largest = (1..self.next_id).map(|id| of(id).count()).max();
        let half = largest.unwrap_or(0) / 2;
        if half > 0 {
            self.together = self.together.min(half);
        }
    }

    /// Every topic is confirmed or refused.
    pub(crate) fn is_decided(&self) -> bool {
        self.open == 0
    }

    /// Topics that the exchange refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    /// How long a topic waits for its answer.
    fn patience(&self) -> Span {
        Span(SUBSCRIBE_DEADLINE.0 << self.repairs)
    }

    /// Makes frames of everything that is wanted.
    fn ask(&mut self) {
        let desired = self.desired.clone();
        let topic = |&place: &u16| {
            let (_, symbol, channel) = &desired.topics[usize::from(place)];
            Topic {
                symbol,
                channel: *channel,
            }
        };
        let ended: Vec<Topic<'_>> = self.renewed.iter().map(topic).collect();
        if !ended.is_empty() {
            let first_id = self.next_id;
            let requests = desired
                .exchange
                .unsubscribe(&ended, desired.depth, first_id);
            self.queue(requests, &[]);
            self.renewed.clear();
        }
        for channel in Channel::ALL {
            let wanted: Vec<u16> = (0..)
                .zip(desired.topics.iter().zip(&self.states))
                .filter(|(_, (topic, state))| topic.2 == channel && **state == State::Wanted)
                .map(|(place, _)| place)
                .collect();
            for wanted in wanted.chunks(self.together) {
                let topics: Vec<Topic<'_>> = wanted.iter().map(topic).collect();
                let first_id = self.next_id;
                let requests = desired.exchange.subscribe(&topics, desired.depth, first_id);
                let named = self.queue(requests, wanted);
                for &topic in wanted.iter().skip(named) {
                    self.set(topic.into(), State::Absent);
                }
            }
        }
        self.check();
    }

    /// Queues requests about `topics`, in their order. Returns how many topics they name.
    fn queue(&mut self, requests: Vec<Request>, topics: &[u16]) -> usize {
        let mut named = 0;
        for request in requests {
            let until = (named + request.topics).min(topics.len());
            let about: Box<[u16]> = topics[named..until].into();
            for &topic in &about {
                self.set(topic.into(), State::Queued);
            }
            self.queue.push_back(Frame {
                text: request.text,
                id: self.next_id,
                topics: about,
            });
            (named, self.next_id) = (until, self.next_id + 1);
        }
        named
    }

    /// An answer to a topic. Tells of a refusal that is news.
    fn take_answer(&mut self, now: Nanos, topic: usize, refused: Option<i64>) -> Option<Refusal> {
        let Some(code) = refused else {
            self.set(topic, State::Confirmed);
            return None;
        };
        self.refuse(now, topic);
        if self.told[topic].replace(code) == Some(code) {
            return None;
        }
        let (instrument, _, channel) = self.desired.topics[topic];
        Some(Refusal {
            instrument,
            channel,
            code,
        })
    }

    fn refuse(&mut self, now: Nanos, topic: usize) {
        self.set(topic, State::Refused);
        self.retry_at = self.retry_at.min(now + REFUSED_RETRY);
    }

    fn want(&mut self, topic: usize) {
        self.set(topic, State::Wanted);
        self.due = Nanos::NEVER;
    }

    fn want_all(&mut self, which: impl Fn(State) -> bool) {
        for topic in 0..self.states.len() {
            if which(self.states[topic]) {
                self.want(topic);
            }
        }
        self.check();
    }

    fn set(&mut self, topic: usize, state: State) {
        let was = std::mem::replace(&mut self.states[topic], state);
        self.open += usize::from(state.is_open());
        self.open -= usize::from(was.is_open());
        self.refused += usize::from(state.is_refused());
        self.refused -= usize::from(was.is_refused());
        if self.open == 0 {
            self.repairs = 0;
        }
        match state {
            _ if state == was => {}
            State::Confirmed | State::Refused | State::LeftAlone => {
                let confirmed = state == State::Confirmed;
                self.decided.push_back((topic as u16, confirmed));
            }
            State::Wanted | State::Queued | State::Sent(_) | State::Absent => {}
            State::Crowded | State::Elsewhere => {}
        }
    }

    /// Looks at every topic, in debug builds.
    fn check(&self) {
        debug_assert!(self.open + self.refused <= self.states.len());
        let count = |which: fn(State) -> bool| {
            let states = self.states.iter().filter(|state| which(**state));
            states.count()
        };
        debug_assert_eq!(self.open, count(State::is_open));
        debug_assert_eq!(self.refused, count(State::is_refused));
        debug_assert!(self.states.iter().all(|state| match state {
            State::Queued => !self.queue.is_empty(),
            State::Sent(id) => *id < self.next_id,
            State::Wanted | State::Confirmed | State::Absent | State::Elsewhere => true,
            State::Refused | State::Crowded | State::LeftAlone => self.retry_at != Nanos::NEVER,
        }));
        debug_assert!(self.queue.iter().all(|frame| frame.id < self.next_id));
        debug_assert!(self.renewed.len() <= self.states.len());
        debug_assert!(self.together > 0);
        debug_assert!(self.repairs <= REPAIRS_MAX);
    }
}
