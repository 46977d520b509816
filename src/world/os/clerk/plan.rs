//! What waits for one REST host, the most urgent first, within the weight that the host takes from
//! us. Fetches nothing and reads no clock.

use crate::base::{Nanos, Span};
use crate::conn::Limiter;
use crate::exchange::Rate;
use std::collections::BTreeMap;

/// We leave one part in this many of a host's budget to other programs behind our address.
const SPARED_PART: u32 = 6;
/// The part of our own budget that repeats leave free: half. Books that are lost again and again
/// must not use up what a healthy book needs when it loses a message.
const RESERVED_PART: u32 = 2;
/// How long a host is left alone after a 429 or 418 that does not say for how long.
const BAN_DEFAULT: Span = Span::from_secs(60);

/// How urgent a request is: the smallest value is the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency {
    /// Another request for a book that was not healthy since the last one. It goes behind all
    /// others, and leaves a part of the budget to them.
    pub(crate) repeat: bool,
    /// The rank of its instrument; 0 is the most urgent.
    pub(crate) rank: u8,
}

/// One request that waits. If two are equally urgent, the older one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting<J> {
    /// Who goes first.
    pub(crate) urgency: Urgency,
    /// What it costs of the host's budget.
    pub(crate) weight: u32,
    /// What it is for.
    pub(crate) job: J,
    /// Its place among those that are as urgent.
    order: u64,
}

/// The queue of one host, generic over what waits in it.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    waiting: BTreeMap<(Urgency, u64), Waiting<J>>,
    next: u64,
}

impl<J: Copy> Queue<J> {
    /// Nothing waits.
    pub(crate) fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// Adds a request behind those that are as urgent.
    pub(crate) fn push(&mut self, urgency: Urgency, weight: u32, job: J) {
        let order = self.next;
        self.next += 1;
        self.put_back(Waiting {
            urgency,
            weight,
            job,
            order,
        });
    }

    /// Puts back what was taken and could not be done: it keeps its place.
    pub(crate) fn put_back(&mut self, waiting: Waiting<J>) {
        let place = (waiting.urgency, waiting.order);
        self.waiting.insert(place, waiting);
    }

    /// Takes the most urgent request if the host takes it now; else says when to look again,
    /// [`Nanos::NEVER`] if nothing waits.
    pub(crate) fn pop(&mut self, now: Nanos, plan: &mut Plan) -> Result<Waiting<J>, Nanos> {
        let Some(first) = self.waiting.first_entry() else {
            return Err(Nanos::NEVER);
        };
        plan.spend_as(now, first.get().urgency, first.get().weight)?;
        Ok(first.remove())
    }

    /// Requests that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What waits, the most urgent first, each with the time at which the host will take it, as far
    /// as its budget tells: requests take time of their own.
    pub(crate) fn schedule(&self, now: Nanos, plan: &Plan) -> Vec<(J, Nanos)> {
        let (mut plan, mut at) = (plan.clone(), now);
        let one = |waiting: &Waiting<J>| {
            while let Err(until) = plan.spend_as(at, waiting.urgency, waiting.weight) {
                at = until;
            }
            (waiting.job, at)
        };
        self.waiting.values().map(one).collect()
    }
}

/// What one host still takes from us.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    weight: Limiter,
    /// What repeats leave of it.
    reserve: u32,
    banned_until: Nanos,
}

impl Plan {
    /// For a host that takes `budget` from one address.
    pub(crate) fn new(budget: Rate) -> Self {
        let ours = budget.count - budget.count / SPARED_PART;
        Self {
            weight: Limiter::new(ours, budget.per),
            reserve: ours / RESERVED_PART,
            banned_until: Nanos::ZERO,
        }
    }

    /// Spends `weight`, or says when there will be room.
    pub(crate) fn spend(&mut self, now: Nanos, weight: u32) -> Result<(), Nanos> {
        self.spend_sparing(now, weight, 0)
    }

    /// The same; a repeat leaves the reserve.
    fn spend_as(&mut self, now: Nanos, urgency: Urgency, weight: u32) -> Result<(), Nanos> {
        let spare = if urgency.repeat { self.reserve } else { 0 };
        self.spend_sparing(now, weight, spare)
    }

    fn spend_sparing(&mut self, now: Nanos, weight: u32, spare: u32) -> Result<(), Nanos> {
        if now < self.banned_until {
            return Err(self.banned_until);
        }
        self.weight.admit_weighing_sparing(now, weight, spare)
    }

    /// How long it takes from `now` until the last of requests of these weights may be sent.
    pub(crate) fn time_needed(&self, now: Nanos, weights: impl Iterator<Item = u32>) -> Span {
        let (mut plan, mut at) = (self.clone(), now);
        for weight in weights {
            while let Err(until) = plan.spend(at, weight) {
                at = until;
            }
        }
        at.since(now)
    }

    /// The newest request, of this weight, was answered: the host counted it some time before
    /// `now`, and not when we sent it.
    pub(crate) fn redate(&mut self, now: Nanos, weight: u32) {
        self.weight.redate_weighing(now, weight);
    }

    /// The host answered with this status; `asked` is how long it tells us to stay away, if it says
    /// so. True if it tells us to stay away at all.
    pub(crate) fn answered(&mut self, now: Nanos, status: u16, asked: Option<Span>) -> bool {
        let span = match (status, asked) {
            (200..=299, _) => None,
            (418 | 429, None) => Some(BAN_DEFAULT),
            (_, asked) => asked,
        };
        if let Some(span) = span {
            self.banned_until = self.banned_until.max(now + span);
        }
        span.is_some()
    }

    /// Until when the host is left alone; in the past if it is not.
    pub(crate) fn banned_until(&self) -> Nanos {
        self.banned_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = Nanos::from_secs(1);
    /// 6,000 a minute, of which 5,000 are ours.
    const BINANCE: Rate = Rate {
        count: 6_000,
        per: Span::from_secs(60),
    };

    /// Failure mode 3: requests keep to the host's budget by weight, and sick books leave half of
    /// it to the others.
    #[test]
    fn a_budget_is_spent_by_weight_and_not_by_count() {
        let mut plan = Plan::new(BINANCE);
        let taken = (0..100).filter(|_| plan.spend(SECOND, 250).is_ok());
        assert_eq!(taken.count(), 20);
        assert_eq!(plan.spend(SECOND, 5), Err(Nanos::from_secs(61)));
        assert_eq!(plan.spend(Nanos::from_secs(61), 250), Ok(()));
    }

    const fn urgency(repeat: bool, rank: u8) -> Urgency {
        Urgency { repeat, rank }
    }

    /// With five thousand levels: 20 a minute.
    const DEEP: u32 = 250;

    /// Failure mode 3: requests keep to the host's budget by weight, and sick books leave half of
    /// it to the others.
    #[test]
    fn repeats_use_half_of_the_budget_and_the_rest_is_there_for_a_first_request() {
        let (mut queue, mut plan) = (Queue::new(), Plan::new(BINANCE));
        for n in 0..20 {
            queue.push(urgency(true, 0), DEEP, n);
        }
        let sent = std::iter::from_fn(|| queue.pop(SECOND, &mut plan).ok());
        assert_eq!(sent.count(), 10);
        assert_eq!(
            queue.pop(SECOND, &mut plan),
            Err(Nanos::from_secs(61)),
            "half is kept"
        );
        for n in 100..111 {
            queue.push(urgency(false, 9), DEEP, n);
        }
        let later = Nanos::from_secs(2);
        let sent = std::iter::from_fn(|| queue.pop(later, &mut plan).ok());
        let sent: Vec<_> = sent.map(|waiting| waiting.job).collect();
        assert_eq!(
            sent,
            (100..110).collect::<Vec<_>>(),
            "at once, as far as the budget goes"
        );
    }

    #[test]
    fn repeats_wait_while_first_requests_use_more_than_half() {
        let (mut queue, mut plan) = (Queue::new(), Plan::new(BINANCE));
        for n in 0..11 {
            let at = Nanos::from_secs(n);
            assert_eq!(plan.spend(at, DEEP), Ok(()));
        }
        queue.push(urgency(true, 0), DEEP, 'r');
        let eleventh = Nanos::from_secs(10);
        // Half of twenty stays free: a repeat goes when two of the eleven have left the window.
        assert_eq!(queue.pop(eleventh, &mut plan), Err(Nanos::from_secs(61)));
        let schedule = queue.schedule(eleventh, &plan);
        assert_eq!(schedule, [('r', Nanos::from_secs(61))]);
        assert!(queue.pop(Nanos::from_secs(61), &mut plan).is_ok());
    }

    #[test]
    fn a_repeat_of_what_the_strategy_trades_goes_behind_every_first_request() {
        let (mut queue, mut plan) = (Queue::new(), Plan::new(BINANCE));
        for (repeat, rank, job) in [
            (true, 0, 'c'),
            (true, 1, 'd'),
            (false, 1, 'b'),
            (false, 0, 'a'),
        ] {
            queue.push(urgency(repeat, rank), 50, job);
        }
        let all = std::iter::from_fn(|| queue.pop(SECOND, &mut plan).ok());
        assert_eq!(all.map(|waiting| waiting.job).collect::<String>(), "abcd");
    }

    #[test]
    fn a_host_that_takes_one_request_at_a_time_takes_repeats_too() {
        let one = Rate {
            count: 1,
            per: Span::from_secs(1),
        };
        let (mut queue, mut plan) = (Queue::new(), Plan::new(one));
        queue.push(urgency(true, 0), 1, 'r');
        assert!(queue.pop(SECOND, &mut plan).is_ok());
    }

    #[test]
    fn whoever_is_sent_away_stays_away_whatever_the_status() {
        let s = Span::from_secs;
        for (status, asked, span) in [
            (429, Some(s(120)), Some(s(120))),
            (418, None, Some(BAN_DEFAULT)),
            (503, Some(s(5)), Some(s(5))),
            (403, Some(s(7)), Some(s(7))),
            (301, Some(s(7)), Some(s(7))),
            (503, None, None),
            (200, Some(s(9)), None),
        ] {
            let mut plan = Plan::new(BINANCE);
            let case = format!("{status} {asked:?}");
            assert_eq!(
                plan.answered(SECOND, status, asked),
                span.is_some(),
                "{case}"
            );
            let again = span.map_or(SECOND, |span| SECOND + span);
            assert_eq!(plan.spend(again, 1), Ok(()), "{case}");
            if span.is_some() {
                let early = again - Span(1);
                assert_eq!(plan.spend(early, 1), Err(again), "{case}");
            }
        }
    }

    #[test]
    fn the_most_urgent_goes_first_and_what_comes_back_keeps_its_place() {
        let (mut queue, mut plan) = (Queue::new(), Plan::new(BINANCE));
        for (rank, job) in [(1, 'c'), (1, 'd'), (0, 'a'), (0, 'b')] {
            queue.push(urgency(false, rank), 50, job);
        }
        let first = queue.pop(SECOND, &mut plan).unwrap();
        assert_eq!(first.job, 'a');
        queue.put_back(first);
        let all = std::iter::from_fn(|| queue.pop(SECOND, &mut plan).ok());
        assert_eq!(all.map(|waiting| waiting.job).collect::<String>(), "abcd");
        assert_eq!(queue.pop(SECOND, &mut plan), Err(Nanos::NEVER));
    }

    #[test]
    fn the_schedule_says_when_each_request_will_go_and_it_goes_then() {
        let (mut queue, mut plan) = (Queue::new(), Plan::new(BINANCE));
        for job in 0..300 {
            queue.push(urgency(false, 0), 50, job);
        }
        let schedule = queue.schedule(SECOND, &plan);
        let at = |job: usize| schedule[job].1;
        // A hundred at once, a hundred a minute later, and so on.
        assert_eq!([at(0), at(99)], [SECOND; 2]);
        assert_eq!([at(100), at(199)], [Nanos::from_secs(61); 2]);
        assert_eq!([at(200), at(299)], [Nanos::from_secs(121); 2]);
        let (mut now, mut done) = (SECOND, Vec::new());
        while done.len() < 300 {
            match queue.pop(now, &mut plan) {
                Ok(waiting) => done.push((waiting.job, now)),
                Err(until) => now = until,
            }
        }
        assert_eq!(done, schedule);
        let fresh = Plan::new(BINANCE);
        let needed = |count| fresh.time_needed(SECOND, std::iter::repeat_n(50, count));
        assert_eq!(needed(300), Span::from_secs(120));
        assert_eq!([needed(100), needed(0)], [Span::ZERO; 2]);
    }
}
