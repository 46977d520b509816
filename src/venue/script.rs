//! Books that a bench moves: calm messages, and triggers that its client has to answer. Keeps no
//! time and sends nothing.

use super::flow::{Flow, Profile};
use super::market::{coins, listed};
use super::matching::{Incoming, OrderId};
use super::simulated::Venue;
use crate::base::{Instrument, Level, Nanos, Px, Qty, Side, Span, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::mirror::{Happened, Listing, Market, Pace};

/// Whole units that the best bid of a trigger has. No other level ever has as many.
pub(crate) const TRIGGER_UNITS: u64 = 777;
/// Whole units that any other level has at most.
const CALM_UNITS_MAX: u64 = 9;
/// Levels of one side that a message changes.
const CHANGED: usize = 10;
/// Levels of one side.
const LEVELS: usize = 60;
/// Prices between the best bid and the best ask: the best ask of each trigger is another one, so
/// that the price of an order says which trigger it answers.
const SLOTS: i64 = 64;
/// Nobody but the script moves these markets.
const NEVER: Span = Span::from_secs(1_000_000);

/// The order that a trigger asks for: at which place of the listings, and at which price.
pub(crate) type Wanted = (usize, Px);

/// What a message does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Changes levels, and takes back what a trigger did before.
    Calm,
    /// Changes levels, and asks for an order.
    Trigger,
}

/// The books of one exchange.
pub(crate) struct Script {
    scenes: Vec<Scene>,
    dice: fastrand::Rng,
}

/// One book.
///
/// Invariant: the best level of each side is there, and nothing is between the two.
struct Scene {
    instrument: Instrument,
    /// The best bid, in ticks.
    base: i64,
    /// By side and distance from the touch.
    levels: [[Option<OrderId>; LEVELS]; 2],
    /// The ask of the last message, if that was a trigger.
    asked: Option<Px>,
    slot: i64,
}

impl Script {
    /// An exchange that lists this many pairs, with the books at their start.
    pub(crate) fn open(
        exchange: &'static dyn Exchange,
        pairs: usize,
        seed: u64,
        epoch: UnixNanos,
    ) -> (Venue, Self) {
        let market = listed(exchange.mirror(), &coins(pairs), Some(NEVER));
        let bare = |(listing, profile): (Listing, Profile)| {
            let orders_per_side = 0;
            (
                listing,
                Profile {
                    orders_per_side,
                    ..profile
                },
            )
        };
        let market: Vec<_> = market.into_iter().map(bare).collect();
        let scenes = market
            .iter()
            .map(|(listing, profile)| Scene::new(listing.instrument, profile.fair));
        let mut script = Self {
            scenes: scenes.collect(),
            dice: fastrand::Rng::with_seed(seed),
        };
        let mut venue = Venue::flow(exchange, market, seed, epoch);
        let Self { scenes, dice } = &mut script;
        for (listing, scene) in scenes.iter_mut().enumerate() {
            // What filled it is no message: nobody has subscribed yet.
            venue.direct(listing, |flow, out| {
                scene.fill(flow, dice, out);
                flow.flush(Nanos::ZERO, Pace::Fast, out);
            });
        }
        (venue, script)
    }

    /// The message that this book sends at `at`, and the order that it asks for.
    pub(crate) fn step(
        &mut self,
        venue: &mut Venue,
        listing: usize,
        act: Act,
        at: Nanos,
    ) -> (Vec<Happened>, Option<Wanted>) {
        let Self { scenes, dice } = self;
        let scene = &mut scenes[listing];
        let mut events = venue.direct(listing, |flow, out| {
            scene.step(flow, dice, act, out);
            flow.flush(at, Pace::Fast, out);
        });
        // Quotes are not followed.
        events.retain(|event| matches!(event, Happened::Depth { .. }));
        let wanted = events
            .iter_mut()
            .find_map(|event| scene.ask(event, act))
            .map(|px| (listing, px));
        (events, wanted)
    }
}

impl Scene {
    fn new(instrument: Instrument, fair: Px) -> Self {
        Self {
            base: fair.0 / instrument.tick.0.max(1),
            instrument,
            levels: [[None; LEVELS]; 2],
            asked: None,
            slot: 0,
        }
    }

    fn fill(&mut self, flow: &mut Flow, dice: &mut fastrand::Rng, out: &mut Vec<Happened>) {
        for side in [Side::Buy, Side::Sell] {
            for away in 0..LEVELS {
                let qty = self.calm_qty(dice);
                self.set(flow, (side, away), qty, out);
            }
        }
    }

    fn step(
        &mut self,
        flow: &mut Flow,
        dice: &mut fastrand::Rng,
        act: Act,
        out: &mut Vec<Happened>,
    ) {
        let touches = self.asked.is_some() || act == Act::Trigger;
        for side in [Side::Buy, Side::Sell] {
            // A trigger changes the best bid, and adds its own ask to those that change here; what
            // takes it back changes the same two.
            let (first, count) = match (side, touches) {
                (_, false) => (None, CHANGED),
                (Side::Buy, true) => (Some(0), CHANGED),
                (Side::Sell, true) => (None, CHANGED - 1),
            };
            for away in distances(dice, first, count) {
                let gone =
                    away > 0 && self.levels[side as usize][away].is_some() && dice.u8(..8) == 0;
                let qty = if gone { Qty(0) } else { self.calm_qty(dice) };
                self.set(flow, (side, away), qty, out);
            }
        }
    }

    /// Makes a message a trigger, or takes back what the one before it showed. None of that is in
    /// the book: an order that answers never trades, and changes nothing that comes later.
    fn ask(&mut self, event: &mut Happened, act: Act) -> Option<Px> {
        let Happened::Depth { bids, asks, .. } = event else {
            return None;
        };
        if let Some(px) = self.asked.take() {
            asks.insert(0, Level { px, qty: Qty(0) });
        }
        if let (Act::Trigger, Some(best)) = (act, bids.first_mut()) {
            self.slot = (self.slot + 1) % SLOTS;
            let px = Px((self.base + 1 + self.slot) * self.instrument.tick.0);
            let qty = Qty(self.unit());
            best.qty = Qty(TRIGGER_UNITS * qty.0);
            asks.insert(0, Level { px, qty });
            self.asked = Some(px);
        }
        self.asked
    }

    /// Gives a level this quantity; zero takes it away.
    fn set(
        &mut self,
        flow: &mut Flow,
        (side, away): (Side, usize),
        qty: Qty,
        out: &mut Vec<Happened>,
    ) {
        let ticks = match side {
            Side::Buy => self.base - away as i64,
            Side::Sell => self.base + 1 + SLOTS + away as i64,
        };
        let level = &mut self.levels[side as usize][away];
        if let Some(id) = level.take() {
            flow.cancel(Nanos::ZERO, id, out);
        }
        if qty > Qty(0) {
            let px = Px(ticks * self.instrument.tick.0);
            let order = Incoming::flow(side, px, qty, true);
            *level = Some(flow.place(Nanos::ZERO, order, out));
        }
    }

    /// A whole unit of the base asset.
    fn unit(&self) -> u64 {
        10u64.pow(self.instrument.qty_scale.into())
    }

    fn calm_qty(&self, dice: &mut fastrand::Rng) -> Qty {
        let lot = self.instrument.lot.0.max(1);
        let lots = (self.unit() / lot).max(1);
        Qty(dice.u64(lots..=CALM_UNITS_MAX * lots) * lot)
    }
}

/// This many different distances from the touch, more of them near it than far away.
fn distances(dice: &mut fastrand::Rng, first: Option<usize>, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = first.into_iter().collect();
    while all.len() < count {
        let away = dice.usize(..LEVELS).min(dice.usize(..LEVELS));
        if !all.contains(&away) {
            all.push(away);
        }
    }
    all
}

/// The symbols, in the order of the listings.
pub(crate) fn symbols(venue: &Venue) -> Vec<String> {
    let listings = venue.listings().iter();
    listings
        .map(|listing| listing.instrument.symbol.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange;

    fn message(events: &[Happened]) -> (&[Level], &[Level]) {
        let [Happened::Depth { bids, asks, .. }] = events else {
            panic!("{events:?}")
        };
        (bids, asks)
    }

    #[test]
    fn a_trigger_shows_in_its_first_bid_and_asks_for_its_first_ask() {
        let (mut venue, mut script) = Script::open(exchange::unnamed(), 4, 1, UnixNanos(0));
        let mut prices = Vec::new();
        for n in 0..200 {
            let listing = n % 4;
            let unit = 10u64.pow(venue.listings[listing].instrument.qty_scale.into());
            let act = if n % 5 == 0 { Act::Trigger } else { Act::Calm };
            let (events, wanted) = script.step(&mut venue, listing, act, Nanos(n as u64));
            let (bids, asks) = message(&events);
            assert_eq!((bids.len(), asks.len()), (CHANGED, CHANGED));
            let big = bids
                .iter()
                .position(|level| level.qty.0 == TRIGGER_UNITS * unit);
            assert_eq!(big, (act == Act::Trigger).then_some(0));
            assert_eq!(wanted, (act == Act::Trigger).then(|| (listing, asks[0].px)));
            let best = |side| venue.levels(listing, side).next().unwrap();
            assert!(best(Side::Buy).px < best(Side::Sell).px);
            assert!(best(Side::Buy).qty.0 <= CALM_UNITS_MAX * unit);
            if let Some(wanted) = wanted {
                assert!(best(Side::Buy).px < wanted.1 && wanted.1 < best(Side::Sell).px);
                prices.push(wanted);
            }
        }
        let all = prices.len();
        prices.sort();
        prices.dedup();
        assert_eq!(prices.len(), all, "each trigger has a price of its own");
    }
}
