//! What one exchange takes from one address, counted by the exchange itself. Keeps no clock.

use super::simulated::Venue;
use crate::base::Nanos;
use crate::exchange::{Limits, Rate};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Requests that are refused with 429 in a row; whoever goes on is banned.
const WARNINGS_MAX: u32 = 10;
/// How long a ban lasts, and so how long it is answered with 418.
const BAN: Nanos = Nanos::from_secs(120);

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

/// A refusal, and when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// 429, or 418 once the address is banned.
    pub(crate) status: u16,
    /// For the header `Retry-After`.
    pub(crate) retry_after_s: u64,
}

/// What was spent in the newest span of a rate.
#[derive(Debug, Default)]
struct Spent {
    items: VecDeque<(Nanos, u32)>,
    sum: u64,
}

impl Spent {
    /// When `weight` more will fit; now, if it does.
    fn room_at(&mut self, now: Nanos, rate: Rate, weight: u32) -> Nanos {
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

    fn count(&mut self, now: Nanos, weight: u32) {
        self.items.push_back((now, weight));
        self.sum += u64::from(weight);
    }
}

#[derive(Debug, Default)]
struct Visitor {
    requests: Spent,
    connects: Spent,
    /// Refusals since the last request that was answered.
    warnings: u32,
    banned_until: Nanos,
}

/// Holds addresses to the limits of one exchange.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    visitors: BTreeMap<IpAddr, Visitor>,
    /// How often that was necessary.
    pub(crate) exceeded: Exceeded,
}

impl Gate {
    /// Nobody has come yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            visitors: BTreeMap::new(),
            exceeded: Exceeded::default(),
        }
    }

    /// Takes a REST request of this weight, or refuses it.
    pub(crate) fn admit_request(
        &mut self,
        now: Nanos,
        from: IpAddr,
        weight: u32,
    ) -> Result<(), Refusal> {
        let visitor = self.visitors.entry(from).or_default();
        let room_at = visitor
            .requests
            .room_at(now, self.limits.rest_weight, weight);
        if now >= visitor.banned_until && room_at <= now {
            visitor.requests.count(now, weight);
            visitor.warnings = 0;
            return Ok(());
        }
        self.exceeded.requests += 1;
        visitor.warnings += 1;
        if visitor.warnings > WARNINGS_MAX {
            visitor.banned_until = now + BAN;
        }
        let banned = now < visitor.banned_until;
        Err(Refusal {
            status: if banned { 418 } else { 429 },
            retry_after_s: seconds(now, room_at.max(visitor.banned_until)),
        })
    }

    /// Lets a WebSocket in, or refuses it.
    pub(crate) fn admit_connect(&mut self, now: Nanos, from: IpAddr) -> Result<(), Refusal> {
        let visitor = self.visitors.entry(from).or_default();
        let room_at = visitor.connects.room_at(now, self.limits.connects, 1);
        if room_at <= now {
            visitor.connects.count(now, 1);
            return Ok(());
        }
        self.exceeded.connects += 1;
        Err(Refusal {
            status: 429,
            retry_after_s: seconds(now, room_at),
        })
    }
}

fn seconds(now: Nanos, until: Nanos) -> u64 {
    until.since(now).div_ceil(1_000_000_000)
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
        Gate::new(by_name("binance").unwrap().limits())
    }

    #[test]
    fn weight_over_the_limit_is_refused_until_there_is_room_for_each_address_alone() {
        let mut gate = gate();
        let second = Nanos::from_secs;
        assert_eq!(gate.admit_request(second(1), HERE, 5_000), Ok(()));
        assert_eq!(gate.admit_request(second(21), HERE, 1_000), Ok(()));
        let refused = gate.admit_request(second(31), HERE, 1).unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (429, 30));
        assert_eq!(gate.admit_request(second(31), THERE, 6_000), Ok(()));
        assert_eq!(gate.admit_request(second(61), HERE, 5_000), Ok(()));
        assert_eq!(gate.exceeded.total(), 1);
    }

    #[test]
    fn whoever_goes_on_after_429_is_banned_with_418() {
        let mut gate = gate();
        let now = Nanos::from_secs(1);
        gate.admit_request(now, HERE, 6_000).unwrap();
        let statuses: Vec<u16> = (0..12)
            .map(|_| gate.admit_request(now, HERE, 1).unwrap_err().status)
            .collect();
        assert!(statuses[..10].iter().all(|status| *status == 429));
        assert_eq!(statuses[10..], [418, 418]);
        // There would be room again after a minute, but the ban is longer.
        let refused = gate.admit_request(Nanos::from_secs(100), HERE, 1);
        assert_eq!(refused.unwrap_err().status, 418);
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
