//! Builds the road: feed lanes, the desk, the gateway, and the rings between them, for any
//! transport. Starts nothing and dials nothing: whoever runs the lanes does.

use super::desk::{Desk, Exit, ExitRules, Request, Way};
use super::feed::Feed;
use super::feed_lane::{Desired, FeedLane};
use super::gateway::Gateway;
use super::keep::{JournalPlan, Keep, KeepEnd, keep};
use super::kill::{ACCOUNTS_MAX, KillSwitch};
use super::lane::Lane;
use super::plan::{FeedPlan, GatewayPlan, LanePlan, Plan, with_levels};
use super::publisher::Publisher;
use super::ring::{Bell, Receiver, Sender, ring};
use super::tap::{TapEnd, tap};
use crate::base::{Channel, Event, Instrument};
use crate::conn::Transport;
use crate::venue::paper::{FeesPpm, Paper};
use crate::watch::audit::Shown;
use std::sync::Arc;

/// What a feed publishes to, and the feed itself or the lane that it is on.
pub struct FeedEnds<F> {
    /// The feed, or its lane.
    pub feed: F,
    /// The desk's end of its events.
    pub events: Receiver<Event>,
    /// The scribe's end of its shown books: none comes if they are not audited.
    pub shown: rtrb::Consumer<Shown>,
    /// The recorder's end of what it takes in, if that was wanted.
    pub(crate) tap: Option<TapEnd>,
}

/// A gateway lane, and the desk's ends of its rings.
pub struct GatewayEnds<S: Transport> {
    /// The lane.
    pub gateway: Gateway<S>,
    /// Orders to it.
    pub tickets: Sender<Request>,
    /// Its reports.
    pub reports: Receiver<Event>,
}

/// Whom a ring wakes when there is something on it, and what stops them all.
pub struct Bells {
    /// Whoever runs the desk.
    pub(crate) desk: Arc<Bell>,
    /// Whoever runs the gateway.
    pub(crate) gateway: Arc<Bell>,
    /// Whoever keeps each account's order journal, by its place.
    pub(crate) journals: Vec<Arc<Bell>>,
    /// What all of them look at.
    pub switch: Arc<KillSwitch>,
}

impl Bells {
    /// Nobody sleeps: one thread runs all of the road.
    pub fn silent() -> Self {
        let silent = || Bell::new(|| {});
        Self {
            desk: silent(),
            gateway: silent(),
            journals: (0..ACCOUNTS_MAX).map(|_| silent()).collect(),
            switch: Arc::default(),
        }
    }
}

/// All lanes of a run.
pub(crate) struct Road<S> {
    /// In the order of [`Plan::lanes`]; the desk has their events.
    pub(crate) feeds: Vec<FeedRoad<S>>,
    /// The one desk.
    pub(crate) desk: Desk,
    /// Where orders go, in the order of [`Plan::gateways`].
    pub(crate) gateways: Vec<Box<dyn Lane<S>>>,
    /// What is for each account's order journal, if one is kept.
    pub(crate) journals: Vec<Option<KeepEnd>>,
}

/// A feed lane, and its ends beside the road.
pub(crate) struct FeedRoad<S> {
    /// The lane.
    pub(crate) lane: Box<dyn Lane<S>>,
    /// The scribe's end of its shown books, if they are audited.
    pub(crate) shown: Option<rtrb::Consumer<Shown>>,
    /// The recorder's end of what it takes in.
    pub(crate) tap: Option<TapEnd>,
}

impl<S: Transport + Send + 'static> Road<S> {
    /// Builds all of it.
    ///
    /// # Errors
    /// In words, when a host, a path or a book size is none.
    pub(crate) fn build(plan: Plan, bells: &Bells) -> Result<Self, String> {
        let Plan {
            instruments,
            levels,
            lanes,
            gateways: plans,
            strategies,
            risk,
            paper_fees,
        } = plan;
        let (mut feeds, mut inputs) = (Vec::new(), Vec::new());
        for lane in &lanes {
            let total = lane.feed.total;
            assert_eq!(total, instruments.len(), "a lane of another table");
            let desk = bells.desk.clone();
            let (events, road) = with_levels!(levels, N => boxed::<S, N>(lane, desk))?;
            inputs.push(events);
            feeds.push(road);
        }
        let open_max = risk.open_orders_max();
        let (mut ways, mut gateways, mut journals) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = Vec::new();
        for (place, mut plan) in plans.into_iter().enumerate() {
            assert!(open_max <= plan.tickets, "an order without a place");
            plan.place = place;
            let (exchange, journal) = (plan.exchange.name(), plan.journal.take());
            let rules = ExitRules {
                visibility: plan.codec.visibility(),
                reduces: plan.codec.can_reduce(),
            };
            let ours = |of: &Instrument| of.exchange == exchange && plan.codec.takes(of);
            let takes: Box<[bool]> = instruments.iter().map(ours).collect();
            let ends = self::gateway(plan, bells)?;
            gateways.push(Box::new(ends.gateway) as Box<dyn Lane<S>>);
            let (exit, kept) = kept(ends.tickets, journal.as_ref(), place, bells);
            let mut inputs = vec![ends.reports];
            let (keep, end) = match kept {
                Some((keep, end, input)) => {
                    inputs.push(input);
                    (Some(keep), Some(end))
                }
                None => (None, None),
            };
            ways.push(Way::to((exchange, takes), exit, rules, inputs, keep));
            journals.push(end);
            left.extend(journal.map(|journal| (place, journal)));
        }
        if ways.is_empty() {
            ways.push(paper(paper_fees));
        }
        let mut desk = Desk::new(&instruments, inputs, strategies, risk, ways);
        desk.watch(bells.switch.clone());
        let recovered: Vec<_> = left.iter().map(|(way, of)| (*way, &of.recovered)).collect();
        if let Some(at) = left.iter().map(|(_, of)| of.at).max() {
            desk.resume(at, &recovered);
        }
        for (way, journal) in left {
            desk.accept_by_rule(way, journal.accepts);
        }
        Ok(Self {
            feeds,
            desk,
            gateways,
            journals,
        })
    }
}

/// The desk's end of an account's order journal, its thread's end, and what comes back of it.
type Kept = (Keep, KeepEnd, Receiver<Event>);

/// Puts an account's order journal beside the desk's way to its gateway, or into it.
fn kept(
    tickets: Sender<Request>,
    plan: Option<&JournalPlan>,
    place: usize,
    bells: &Bells,
) -> (Exit, Option<Kept>) {
    let Some(plan) = plan else {
        return (Exit::Gateway(tickets), None);
    };
    let (exit, through) = match plan.durable {
        true => (Exit::Journal, Some(tickets)),
        false => (Exit::Gateway(tickets), None),
    };
    let (desk, bell) = (bells.desk.clone(), bells.journals[place].clone());
    (exit, Some(keep(through, desk, bell, bells.switch.clone())))
}

fn boxed<S: Transport + Send + 'static, const N: usize>(
    plan: &LanePlan,
    desk: Arc<Bell>,
) -> Result<(Receiver<Event>, FeedRoad<S>), String> {
    let ends = feed_lane::<S, N>(plan, desk)?;
    let road = FeedRoad {
        lane: Box::new(ends.feed),
        shown: (plan.feed.audits > 0).then_some(ends.shown),
        tap: ends.tap,
    };
    Ok((ends.events, road))
}

/// The way of a desk whose orders are filled on paper, for these fees by instrument id.
pub(crate) fn paper(fees: Vec<FeesPpm>) -> Way {
    Way::only(Exit::Paper(Paper::paying(fees)), ExitRules::PAPER)
}

/// A feed by itself, with the rings that it publishes to; `desk` rings when there are events.
pub fn feed<const N: usize>(plan: &FeedPlan, desk: Arc<Bell>) -> FeedEnds<Feed<N>> {
    let (sender, events) = ring(plan.events, desk);
    let (audit, shown) = rtrb::RingBuffer::new(plan.audits);
    let feed = Feed::new(
        (plan.exchange, plan.depth),
        &plan.instruments,
        plan.total,
        plan.depth_needed,
        plan.channels.contains(&Channel::Depth),
        Publisher::new(sender, plan.instruments.iter().map(|one| one.id)),
        (plan.audits > 0).then_some(audit),
    );
    FeedEnds {
        feed: match plan.played {
            true => feed.played(),
            false => feed,
        },
        events,
        shown,
        tap: None,
    }
}

/// A feed lane with its connections, of which none is open.
///
/// # Errors
/// In words, when the host and port, or the path, are none.
pub fn feed_lane<S: Transport, const N: usize>(
    plan: &LanePlan,
    desk: Arc<Bell>,
) -> Result<FeedEnds<FeedLane<S, N>>, String> {
    let FeedPlan {
        exchange, depth, ..
    } = plan.feed;
    let links: Result<Vec<_>, String> = (0..plan.links as u64).map(|n| plan.link(n)).collect();
    let ends = feed::<N>(&plan.feed, desk);
    let desired = Desired::new(
        (exchange, depth),
        &plan.feed.instruments,
        &plan.feed.channels,
    );
    let (tap, end) = plan.tap_bytes.map(tap).unzip();
    let lane = FeedLane::new(links?, plan.lines, ends.feed, desired).tapped(tap);
    Ok(FeedEnds {
        feed: match plan.with_desk {
            true => lane.frame_by_frame(),
            false => lane,
        },
        events: ends.events,
        shown: ends.shown,
        tap: end,
    })
}

/// A gateway lane with its connection, which is not open.
///
/// # Errors
/// In words, when the host and port, or the path, are none.
pub fn gateway<S: Transport>(plan: GatewayPlan, bells: &Bells) -> Result<GatewayEnds<S>, String> {
    let (tickets, orders) = ring(plan.tickets, bells.gateway.clone());
    let (events, reports) = ring(plan.reports, bells.desk.clone());
    let link = plan.endpoint.link(&plan.codec.path(), 0, |_| {})?;
    Ok(GatewayEnds {
        gateway: Gateway::new(
            link,
            plan.codec,
            (plan.exchange.name(), plan.place),
            orders,
            events,
            bells.switch.clone(),
        ),
        tickets,
        reports,
    })
}
