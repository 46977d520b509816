//! What one exchange takes from one address, counted by the exchange itself. Keeps no clock.

use super::simulated::Venue;
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{Ban, Quota, Refusal};
use crate::exchange::{Limits, Rate};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// How often clients went over a limit, by the exchanges' own count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exceeded {
    /// REST requests that were refused for their weight.
    pub requests: u64,
    /// Connections that were closed for too many messages.
    pub(crate) messages: u64,
    /// Connections that were refused because an address opened too many.
    pub(crate) connects: u64,
    /// Connections that were closed or refused for too many streams.
    pub(crate) streams: u64,
}

impl Exceeded {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self {
            requests,
            messages,
            connects,
            streams,
        } = self;
        requests + messages + connects + streams
    }
}

impl std::ops::AddAssign for Exceeded {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.messages += other.messages;
        self.connects += other.connects;
        self.streams += other.streams;
    }
}

/// A rate, and what was spent of it. A burst beyond the rate is a bucket that flows off at the
/// rate; without one the rate holds in any span.
///
/// Invariant: `sum` is what `items` weigh together.
#[derive(Debug)]
pub(crate) struct Meter {
    rate: Rate,
    burst: u32,
    items: VecDeque<(Nanos, u32)>,
    sum: u64,
    /// When all that was spent of a burst will have flowed off.
    dry_at: Nanos,
}

impl Meter {
    /// Nothing was spent yet. A burst of no more than the rate is none.
    pub(crate) fn new(rate: Rate, burst: u32) -> Self {
        Self {
            rate,
            burst,
            items: VecDeque::new(),
            sum: 0,
            dry_at: Nanos::ZERO,
        }
    }

    /// When `weight` more will fit; now, if it does.
    pub(crate) fn room_at(&mut self, now: Nanos, weight: u32) -> Nanos {
        let rate = self.rate;
        if let Some(burst) = self.bucket() {
            let dry_at = self.dry_at.max(now) + self.flows_off(weight);
            let latest = now + self.flows_off(burst);
            return now + dry_at.since(latest);
        }
        while let Some(&(at, weight)) = self.items.front()
            && at + rate.per <= now
        {
            self.sum -= u64::from(weight);
            self.items.pop_front();
        }
        let mut left = self.sum;
        if left + u64::from(weight) <= u64::from(rate.count) {
            return now;
        }
        for &(at, spent) in &self.items {
            left -= u64::from(spent);
            if left + u64::from(weight) <= u64::from(rate.count) {
                return at + rate.per;
            }
        }
        now + rate.per
    }

    /// Spends this weight at `now`.
    pub(crate) fn count(&mut self, now: Nanos, weight: u32) {
        if self.bucket().is_some() {
            self.dry_at = self.dry_at.max(now) + self.flows_off(weight);
        } else {
            self.items.push_back((now, weight));
            self.sum += u64::from(weight);
        }
    }

    /// What was spent in the interval up to `now`; of a burst, what has not flowed off.
    fn spent(&self, now: Nanos) -> u32 {
        let sum = match self.bucket() {
            Some(_) => {
                let left = u128::from(self.dry_at.since(now).0);
                left * u128::from(self.rate.count) / u128::from(self.rate.per.0.max(1))
            }
            None => {
                let within = self
                    .items
                    .iter()
                    .filter(|(at, _)| *at + self.rate.per > now);
                within.map(|(_, weight)| u128::from(*weight)).sum()
            }
        };
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    fn bucket(&self) -> Option<u32> {
        (self.burst > self.rate.count).then_some(self.burst)
    }

    /// How long this weight takes to flow off.
    fn flows_off(&self, weight: u32) -> Span {
        let whole = u128::from(self.rate.per.0) * u128::from(weight);
        let ns = whole / u128::from(self.rate.count.max(1));
        Span(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

#[derive(Debug)]
struct Visitor {
    requests: Meter,
    connects: Meter,
    /// Of services that have limits of their own, by name.
    quotas: BTreeMap<&'static str, Meter>,
    /// Refusals since the last request that was answered.
    warnings: u32,
    banned_until: Nanos,
}

/// Holds addresses to the limits of one exchange.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    ban: Option<Ban>,
    visitors: BTreeMap<IpAddr, Visitor>,
    /// How often that was necessary.
    pub(crate) exceeded: Exceeded,
}

impl Gate {
    /// Nobody has come yet.
    pub(crate) fn new(limits: Limits, ban: Option<Ban>) -> Self {
        Self {
            limits,
            ban,
            visitors: BTreeMap::new(),
            exceeded: Exceeded::default(),
        }
    }

    /// Takes a REST request of this weight, which may count in a quota too, or refuses it.
    pub(crate) fn admit_request(
        &mut self,
        now: Nanos,
        from: IpAddr,
        weight: u32,
        quota: Option<Quota>,
    ) -> Result<(), Refusal> {
        let ban = self.ban;
        let visitor = self.visitor(from);
        let mut room_at = visitor.requests.room_at(now, weight);
        let own = quota.map(|quota| {
            let meter = || Meter::new(quota.rate, quota.burst);
            visitor.quotas.entry(quota.name).or_insert_with(meter)
        });
        if let Some(own) = own {
            room_at = room_at.max(own.room_at(now, 1));
            if now >= visitor.banned_until && room_at <= now {
                own.count(now, 1);
            }
        }
        if now >= visitor.banned_until && room_at <= now {
            visitor.requests.count(now, weight);
            visitor.warnings = 0;
            return Ok(());
        }
        visitor.warnings += 1;
        if let Some(ban) = ban
            && visitor.warnings > ban.warnings
        {
            visitor.banned_until = now + ban.span;
        }
        let retry_after_s = seconds(now, room_at.max(visitor.banned_until));
        let banned = now < visitor.banned_until;
        self.exceeded.requests += 1;
        Err(match banned {
            true => Refusal::Banned { retry_after_s },
            false => Refusal::TooMany { retry_after_s },
        })
    }

    /// What this address has spent of its weight in the last interval.
    pub(crate) fn spent(&self, now: Nanos, from: IpAddr) -> u32 {
        let visitor = self.visitors.get(&from);
        visitor.map_or(0, |visitor| visitor.requests.spent(now))
    }

    /// Lets a WebSocket in, or refuses it.
    pub(crate) fn admit_connect(&mut self, now: Nanos, from: IpAddr) -> Result<(), Refusal> {
        let visitor = self.visitor(from);
        let room_at = visitor.connects.room_at(now, 1);
        if room_at <= now {
            visitor.connects.count(now, 1);
            return Ok(());
        }
        self.exceeded.connects += 1;
        let retry_after_s = seconds(now, room_at);
        Err(Refusal::TooMany { retry_after_s })
    }

    fn visitor(&mut self, from: IpAddr) -> &mut Visitor {
        let Limits {
            rest_weight,
            connects,
            bursts,
            ..
        } = self.limits;
        self.visitors.entry(from).or_insert_with(|| Visitor {
            requests: Meter::new(rest_weight, bursts.rest_weight),
            connects: Meter::new(connects, bursts.connects),
            quotas: BTreeMap::new(),
            warnings: 0,
            banned_until: Nanos::ZERO,
        })
    }
}

fn seconds(now: Nanos, until: Nanos) -> u64 {
    until.since(now).0.div_ceil(1_000_000_000)
}

/// The sum over all exchanges.
pub(crate) fn total<'v>(venues: impl Iterator<Item = &'v Venue>) -> Exceeded {
    venues.fold(Exceeded::default(), |mut total, venue| {
        total += venue.gate.exceeded;
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::by_name;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn gate() -> Gate {
        let exchange = by_name("binance").unwrap();
        Gate::new(exchange.limits(), exchange.mirror().ban())
    }

    fn too_many(retry_after_s: u64) -> Result<(), Refusal> {
        Err(Refusal::TooMany { retry_after_s })
    }

    #[test]
    fn weight_over_the_limit_is_refused_until_there_is_room_for_each_address_alone() {
        let mut gate = gate();
        let second = Nanos::from_secs;
        assert_eq!(gate.admit_request(second(1), HERE, 5_000, None), Ok(()));
        assert_eq!(gate.admit_request(second(21), HERE, 1_000, None), Ok(()));
        let refused = gate.admit_request(second(31), HERE, 1, None);
        assert_eq!(refused, too_many(30));
        assert_eq!(gate.admit_request(second(31), THERE, 6_000, None), Ok(()));
        assert_eq!(gate.admit_request(second(61), HERE, 5_000, None), Ok(()));
        assert_eq!(gate.exceeded.total(), 1);
    }

    #[test]
    fn whoever_goes_on_after_429_is_banned_with_418() {
        let mut gate = gate();
        let now = Nanos::from_secs(1);
        gate.admit_request(now, HERE, 6_000, None).unwrap();
        for _ in 0..10 {
            assert_eq!(gate.admit_request(now, HERE, 1, None), too_many(60));
        }
        let banned = |retry_after_s| Err(Refusal::Banned { retry_after_s });
        assert_eq!(gate.admit_request(now, HERE, 1, None), banned(120));
        // There would be room again after a minute, but the ban is longer.
        let later = Nanos::from_secs(100);
        assert_eq!(gate.admit_request(later, HERE, 1, None), banned(120));
    }

    #[test]
    fn who_goes_on_at_an_exchange_that_bans_nobody_is_only_refused() {
        let mut gate = Gate::new(by_name("binance").unwrap().limits(), None);
        let now = Nanos::from_secs(1);
        gate.admit_request(now, HERE, 6_000, None).unwrap();
        for _ in 0..100 {
            assert_eq!(gate.admit_request(now, HERE, 1, None), too_many(60));
        }
        assert_eq!(
            gate.admit_request(Nanos::from_secs(61), HERE, 1, None),
            Ok(())
        );
    }

    /// How many of `n` requests a meter takes, each as soon as it may be.
    fn taken(meter: &mut Meter, now: Nanos, n: usize) -> usize {
        let take = |_: &usize| {
            let fits = meter.room_at(now, 1) <= now;
            if fits {
                meter.count(now, 1);
            }
            fits
        };
        (0..n).filter(take).count()
    }

    #[test]
    fn a_burst_is_taken_at_once_and_comes_back_at_the_rate() {
        let (count, per) = (1, Span::from_secs(1));
        let mut meter = Meter::new(Rate { count, per }, 50);
        let at = |s: u64| Nanos::from_secs(1_000 + s);
        assert_eq!(taken(&mut meter, at(0), 60), 50);
        assert_eq!(meter.room_at(at(0), 1), at(1));
        assert_eq!(meter.room_at(at(0), 3), at(3));
        assert_eq!(taken(&mut meter, at(2), 60), 2);
        assert_eq!(taken(&mut meter, at(12), 60), 10);
        assert_eq!(taken(&mut meter, at(500), 60), 50);
    }

    #[test]
    fn a_service_with_a_quota_of_its_own_leaves_the_others_alone() {
        let mut gate = gate();
        let now = Nanos::from_secs(1);
        let quota = |name| {
            Some(Quota {
                name,
                rate: Rate {
                    count: 2,
                    per: Span::from_secs(2),
                },
                burst: 0,
            })
        };
        for _ in 0..2 {
            assert_eq!(gate.admit_request(now, HERE, 1, quota("a")), Ok(()));
        }
        assert_eq!(gate.admit_request(now, HERE, 1, quota("a")), too_many(2));
        assert_eq!(gate.admit_request(now, HERE, 1, quota("b")), Ok(()));
        assert_eq!(gate.admit_request(now, THERE, 1, quota("a")), Ok(()));
        assert_eq!(gate.admit_request(now, HERE, 5_997, None), Ok(()));
        assert_eq!(gate.exceeded.requests, 1);
    }

    #[test]
    fn an_address_opens_as_many_connections_as_the_exchange_says() {
        let mut gate = gate();
        let now = Nanos::from_secs(1);
        let open = (0..310).filter(|_| gate.admit_connect(now, HERE).is_ok());
        assert_eq!(open.count(), 300);
        assert_eq!(gate.exceeded.connects, 10);
        assert_eq!(gate.admit_connect(Nanos::from_secs(302), HERE), Ok(()));
    }
}
