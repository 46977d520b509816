//! What the guard does when the engine is gone, and a gateway when somebody kills it: every order
//! of the account that carries our prefix is cancelled, and no other, until the exchange lists
//! none. Knows no socket and no engine.

use super::desk::Request;
use crate::base::{AccountNews, Body, Event, Nanos, OrderRef, Question, Span};
use std::collections::VecDeque;

/// The exchange is asked again for what rests after this long.
const ASK_AGAIN: Span = Span::from_secs(1);

/// What became of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Swept {
    /// Orders of ours that rested, each counted once.
    pub(crate) ours: usize,
    /// Orders of ours in instruments that nobody told us of: they still rest.
    pub(crate) out_of_reach: usize,
    /// Orders of other people and programs, which were left alone.
    pub(crate) foreign: usize,
    /// From the order to sweep to the list without any of ours.
    pub(crate) took: Span,
}

/// One sweep of an account. Takes in what a gateway says, and wants requests of it.
///
/// Invariant: it is done only by a list that was asked for after all that could still have been
/// under way when it began must have arrived.
pub(crate) struct Sweep {
    requests: VecDeque<Request>,
    /// An order that was sent just before may be invisible for this long.
    visibility: Span,
    /// Since when it sweeps; `None` while the engine is well.
    since: Option<Nanos>,
    connected: bool,
    due: Nanos,
    /// Orders of ours that the list that comes now names.
    listed: Vec<OrderRef>,
    /// All that were found.
    found: Vec<OrderRef>,
    out_of_reach: usize,
    foreign: usize,
    /// When the first list came that named none, since the last one that did.
    clear: Option<Nanos>,
    /// When the exchange last listed what rests, since it began.
    heard: Nanos,
    done: Option<Swept>,
}

impl Sweep {
    /// Sweeps nothing yet.
    pub(crate) fn new(visibility: Span) -> Self {
        Self {
            requests: VecDeque::new(),
            visibility,
            since: None,
            connected: false,
            due: Nanos::NEVER,
            listed: Vec::new(),
            found: Vec::new(),
            out_of_reach: 0,
            foreign: 0,
            clear: None,
            heard: Nanos::ZERO,
            done: None,
        }
    }

    /// Begins, unless it sweeps already.
    pub(crate) fn begin(&mut self, now: Nanos) {
        if self.since.is_none() || self.done.is_some() {
            (self.since, self.due, self.done) = (Some(now), now, None);
            self.found.clear();
            (self.clear, self.heard) = (None, now);
        }
    }

    /// It sweeps no more.
    pub(crate) fn end(&mut self) {
        (self.since, self.due, self.clear, self.done) = (None, Nanos::NEVER, None, None);
        self.requests.clear();
    }

    /// The newest list has none of ours.
    pub(crate) fn is_clear(&self) -> bool {
        self.clear.is_some()
    }

    /// For how long the exchange has listed nothing although it is to.
    pub(crate) fn silence(&self, now: Nanos) -> Span {
        match (self.since, self.done) {
            (Some(_), None) => now.since(self.heard),
            (None, _) | (_, Some(_)) => Span::ZERO,
        }
    }

    /// Orders of ours that it found so far, each counted once.
    pub(crate) fn found(&self) -> usize {
        self.found.len()
    }

    /// What became of it, once it is done.
    pub(crate) fn done(&self) -> Option<Swept> {
        self.done
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        match self.connected && self.since.is_some() && self.done.is_none() {
            true => self.due,
            false => Nanos::NEVER,
        }
    }

    /// What it wants of the gateway next. What is not done it wants again.
    pub(crate) fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// Asks what rests, if that is due.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) {
        if now >= self.poll_timeout() {
            self.due = now + ASK_AGAIN;
            self.listed.clear();
            (self.out_of_reach, self.foreign) = (0, 0);
            self.requests.push_back(Request::Ask(Question::OpenOrders));
        }
    }

    /// Takes in what the gateway says.
    pub(crate) fn handle_event(&mut self, now: Nanos, event: &Event) {
        match event.body {
            Body::Gateway(connected) => {
                self.connected = connected;
                self.due = self.due.min(now);
            }
            Body::Account(AccountNews::Resting(resting)) => match resting.client_id {
                None => self.foreign += 1,
                Some(client_id) => match resting.instrument {
                    None => self.out_of_reach += 1,
                    Some(instrument) => self.listed.push(OrderRef {
                        client_id,
                        instrument,
                        exchange_id: Some(resting.exchange_id),
                    }),
                },
            },
            Body::Account(AccountNews::RestingListed { asked }) => self.handle_listed(now, asked),
            _ => {}
        }
    }

    fn handle_listed(&mut self, now: Nanos, asked: Nanos) {
        let Some(since) = self.since.filter(|since| *since <= asked) else {
            return;
        };
        self.heard = now;
        let listed = std::mem::take(&mut self.listed);
        if listed.is_empty() {
            let clear = *self.clear.get_or_insert(now);
            if since + self.visibility <= asked {
                self.done = Some(Swept {
                    ours: self.found.len(),
                    out_of_reach: self.out_of_reach,
                    foreign: self.foreign,
                    took: clear.since(since),
                });
            }
            return;
        }
        self.clear = None;
        for order in listed {
            if !self
                .found
                .iter()
                .any(|known| known.client_id == order.client_id)
            {
                self.found.push(order);
            }
            self.requests.push_back(Request::Cancel(order));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ClientId, Flags, InstrumentId, Px, Qty, Resting, Side, Stamps, UnixNanos};

    const VISIBILITY: Span = Span::from_secs(5);

    struct Bench {
        sweep: Sweep,
        now: Nanos,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self {
                sweep: Sweep::new(VISIBILITY),
                now: Nanos::from_secs(10),
            };
            bench.tell(Body::Gateway(true));
            bench
        }

        fn tell(&mut self, body: Body) {
            let event = Event {
                stamps: Stamps::default(),
                exch_time: UnixNanos(0),
                as_of: self.now,
                update_id: 0,
                epoch: 1,
                instrument: InstrumentId::NONE,
                flags: Flags::default(),
                body,
            };
            self.sweep.handle_event(self.now, &event);
            self.sweep.handle_timeout(self.now);
        }

        /// The exchange lists these, as of a question that left now.
        fn list(&mut self, ids: &[Option<u64>]) {
            for id in ids {
                self.tell(Body::Account(AccountNews::Resting(Resting {
                    client_id: id.map(ClientId),
                    exchange_id: 100 + id.unwrap_or(0),
                    instrument: Some(InstrumentId(0)),
                    side: Side::Buy,
                    px: Px(1),
                    qty: Qty(1),
                    traded: Qty(0),
                })));
            }
            let asked = self.now;
            self.tell(Body::Account(AccountNews::RestingListed { asked }));
        }

        fn later(&mut self, ms: u64) {
            self.now = self.now + Span::from_millis(ms);
            self.sweep.handle_timeout(self.now);
        }

        /// Ids that are to be cancelled, and how often what rests was asked for.
        fn wanted(&mut self) -> (Vec<u64>, usize) {
            let (mut cancelled, mut asked) = (Vec::new(), 0);
            while let Some(request) = self.sweep.poll_request() {
                match request {
                    Request::Cancel(order) => cancelled.push(order.client_id.0),
                    Request::Ask(Question::OpenOrders) => asked += 1,
                    _ => panic!("neither a cancel nor a question"),
                }
            }
            (cancelled, asked)
        }
    }

    #[test]
    fn while_the_engine_is_well_it_asks_and_cancels_nothing() {
        let mut bench = Bench::new();
        bench.later(60_000);
        bench.list(&[Some(1), None]);
        assert_eq!(bench.wanted(), (vec![], 0));
        assert_eq!(bench.sweep.poll_timeout(), Nanos::NEVER);
    }

    /// T11, failure mode 45: a sweep touches what carries our prefix, and shows the rest.
    #[test]
    fn ours_are_cancelled_until_none_is_listed_and_others_are_left_alone() {
        let mut bench = Bench::new();
        bench.sweep.begin(bench.now);
        bench.later(0);
        assert_eq!(bench.wanted(), (vec![], 1));
        bench.list(&[Some(1), None, Some(2)]);
        assert_eq!(bench.wanted(), (vec![1, 2], 0));
        bench.later(1_000);
        assert_eq!(bench.wanted(), (vec![], 1));
        bench.list(&[None, Some(2)]); // The cancel was lost, or not yet there.
        assert_eq!(bench.wanted(), (vec![2], 0));
        bench.later(1_000);
        bench.list(&[None]);
        assert_eq!(bench.sweep.done(), None, "one may still be under way");
        bench.later(3_000);
        bench.list(&[None]);
        let swept = Swept {
            ours: 2,
            out_of_reach: 0,
            foreign: 1,
            took: Span::from_secs(2),
        };
        assert_eq!(bench.sweep.done(), Some(swept));
        bench.wanted();
        bench.later(60_000);
        assert_eq!(bench.wanted(), (vec![], 0), "it is done");
    }

    #[test]
    fn once_the_engine_is_well_again_nothing_is_cancelled_and_a_later_sweep_begins_anew() {
        let mut bench = Bench::new();
        bench.sweep.begin(bench.now);
        bench.later(0);
        bench.list(&[Some(1)]);
        bench.later(1_000);
        assert_eq!(bench.wanted(), (vec![1], 2));
        bench.sweep.end();
        bench.list(&[Some(2)]); // What was asked for before is answered after it.
        bench.later(60_000);
        assert_eq!(bench.wanted(), (vec![], 0));
        assert_eq!(bench.sweep.done(), None);
        bench.sweep.begin(bench.now);
        bench.later(0);
        bench.list(&[Some(3)]);
        assert_eq!(bench.wanted(), (vec![3], 1));
        bench.later(6_000);
        bench.list(&[]);
        assert_eq!(bench.sweep.done().map(|swept| swept.ours), Some(1));
    }

    #[test]
    fn it_says_for_how_long_the_exchange_has_listed_nothing() {
        let mut bench = Bench::new();
        assert_eq!(bench.sweep.silence(bench.now), Span::ZERO, "nobody asked");
        bench.sweep.begin(bench.now);
        bench.later(2_000);
        assert_eq!(bench.sweep.silence(bench.now), Span::from_secs(2));
        bench.list(&[Some(1)]);
        bench.later(500);
        // A line that comes back, and is asked in vain, says nothing.
        bench.tell(Body::Gateway(true));
        assert_eq!(bench.sweep.silence(bench.now), Span::from_millis(500));
        bench.later(5_000);
        bench.list(&[]);
        bench.later(60_000);
        assert_eq!(bench.sweep.silence(bench.now), Span::ZERO, "it is done");
    }

    #[test]
    fn a_list_that_was_asked_for_before_proves_nothing() {
        let mut bench = Bench::new();
        bench.sweep.begin(bench.now);
        let before = bench.now;
        bench.later(10_000);
        let asked = Nanos(before.0 - 1);
        bench.tell(Body::Account(AccountNews::RestingListed { asked }));
        assert_eq!(bench.sweep.done(), None);
    }
}
