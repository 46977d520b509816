//! Rests a bid and an ask around a fair price, and leans against what it holds. Never crosses the
//! spread, never holds more than it may, and sells no spot that it does not have.
//!
//! **To begin your own**, copy this file: in another crate, `crate` of its `use` becomes
//! `tickwire`, and the tests at its end go. `examples/own_maker.rs` runs this very file that way.
//!
//! # The price
//!
//! ```text
//! fair        = (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)
//! reservation = fair + mid * (flow_skew_ppm * x - inventory_skew_ppm * q / Q) / 1,000,000
//! half        = mid * half_spread_ppm / 1,000,000
//! buys at       reservation - half, down to a tick, below the best ask
//! sells at      reservation + half, up to a tick, above the best bid
//! ```
//!
//! | | is |
//! |---|---|
//! | `bid`, `ask`, `mid` | best prices of a live, complete and uncrossed book; their mean |
//! | `fair` | the weighted mid ([`weighted_mid`](crate::weighted_mid)), often called micro-price |
//! | `x` | flow at the best level ([`Ofi`]) per mean quantity there, within ±`pull_flow` |
//! | `q` | what it holds, in base asset, less what fees took of spot; within ±`Q` |
//! | `Q` | the most that it holds: `position_quotes * quantity` |
//!
//! The flow and the mean quantity fade over `window_ms`. Stoikov's *micro-price* (2018) is not
//! `fair`, but an estimate of the future mid.
//!
//! The reservation price, linear in what is held, is that of Avellaneda & Stoikov, *High-frequency
//! trading in a limit order book*, Quantitative Finance 8 (2008), `r = s - q * gamma * sigma^2 *
//! (T - t)`. There `s` is the mid: here it is `fair`, shifted by the flow. There the factor
//! falls until the day's end: here it stays what it is, since these markets never close, and
//! `inventory_skew_ppm` is what it makes of a full position. Their spread follows from a model of
//! how often orders are filled: here it is configured. The flow is that of Cont, Kukanov & Stoikov
//! (2014), in whose model the mid moves by half a tick for each mean quantity.
//!
//! All of it is integer arithmetic in millionths of a price unit, each division rounded down (the
//! half-spread up), so that every host decides the same.
//!
//! # When it changes a quote
//!
//! | it sees | it does |
//! |---|---|
//! | a wished price at least `requote_ticks` away | replaces the quote |
//! | one that is nearer | leaves the quote where it is, with its place in the queue |
//! | less room under the limit than the quote has left | takes from the quote, in its place |
//! | no room | cancels: only the side that reduces is quoted |
//! | a fill | for `cooldown_ms` adds nothing to that side and brings it no nearer |
//! | the mid over `pull_ppm` from its mean, or `x` at an end | quotes nothing for `pull_ms` |
//! | a book that is not live, not complete or crossed; a halt | quotes nothing |
//! | an order that is not answered, being changed or in doubt | leaves that side alone |
//! | something that was rejected or refused | leaves that side alone for a second |
//!
//! An order and its successor may both trade, so both must have room under the limit; else the
//! first is cancelled, and the next one comes after its end. A quote that was filled in part is
//! made whole again when its price changes.
//!
//! **Spot.** The account may not have the base asset. It sells what it bought itself, and
//! `short_quotes` quotes beyond that, which the account must have beside it. Contracts it sells as
//! far as it buys them. What it holds at the run's end it keeps: the next run goes on from there.

use crate::{
    Body, Cancel, Event, Instrument, InstrumentId, InstrumentKind, Intent, Intents, Key, Level,
    Nanos, Ofi, OrderType, Outcome, Place, Px, Qty, Replace, Report, Side, Sort, Span, Strategy,
    StrategyError, StrategyId, StrategyKind, Table, Top, Values, View, Why, Working, fitting_qty,
    order_qtys,
};

/// Prices are reckoned in so many parts of a price unit.
const PPM: i128 = 1_000_000;
/// Flow is reckoned in so many parts of a quantity unit, and told in thousandths.
const FINE: i128 = 1_024;
/// More flow than that is as much: its fading could not be reckoned with.
const SUM_MAX: i128 = 1 << 80;
const MILLI: i128 = 1_000;
/// How long a side is left alone after something of it was refused.
const PAUSE: Span = Span::from_secs(1);

/// How it is configured and built.
pub(crate) const KIND: StrategyKind = StrategyKind {
    name: "maker",
    help: "rests a bid and an ask around a fair price, and leans against what it holds",
    keys: KEYS,
    settable: KEYS,
    levels: None,
    exchanges_min: 1,
    build: |values, table| Ok(Box::new(Maker::new(values, table)?)),
};

/// All of them may be changed while it runs.
const KEYS: &[Key] = &[
    HALF_SPREAD_PPM,
    FLOW_SKEW_PPM,
    INVENTORY_SKEW_PPM,
    REQUOTE_TICKS,
    WINDOW_MS,
    COOLDOWN_MS,
    PULL_PPM,
    PULL_FLOW,
    PULL_MS,
    POSITION_QUOTES,
    SHORT_QUOTES,
    QUANTITY,
];

macro_rules! whole_numbers {
    ($($key:ident $name:literal, $min:literal to $max:literal, else $default:literal:
        $help:literal;)*) => {
        $(const $key: Key = Key {
            name: $name,
            sort: Sort::Int { min: $min, max: $max, default: $default },
            help: $help,
        };)*
    };
}
whole_numbers! {
    HALF_SPREAD_PPM "half_spread_ppm", 0 to 100_000, else 100:
        "half of the spread that it quotes, in parts per million of the price";
    FLOW_SKEW_PPM "flow_skew_ppm", 0 to 100_000, else 20:
        "shift of both quotes for each mean quantity of flow, in parts per million of the price";
    INVENTORY_SKEW_PPM "inventory_skew_ppm", 0 to 100_000, else 100:
        "shift of both quotes against a full position, in parts per million of the price";
    REQUOTE_TICKS "requote_ticks", 1 to 1_000_000, else 5:
        "a quote is moved when its price should be this far from where it is, in ticks";
    WINDOW_MS "window_ms", 1 to 600_000, else 1_000:
        "how long flow and prices take to fade from its memory, in milliseconds";
    COOLDOWN_MS "cooldown_ms", 0 to 3_600_000, else 500:
        "how long a side that was filled is not added to, in milliseconds";
    PULL_PPM "pull_ppm", 1 to 1_000_000, else 500:
        "distance of the mid from its mean that cancels both quotes, in parts per million";
    PULL_FLOW "pull_flow", 1 to 1_000_000, else 20:
        "flow that cancels both quotes, in mean quantities at a best price";
    PULL_MS "pull_ms", 0 to 3_600_000, else 2_000:
        "how long it quotes nothing after that, in milliseconds";
    POSITION_QUOTES "position_quotes", 1 to 1_000_000, else 3:
        "the most that it holds, in quantities of a quote";
    SHORT_QUOTES "short_quotes", 0 to 1_000_000, else 0:
        "spot that it sells beyond what it bought and the account has, in quantities of a quote";
}
const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.001" },
    help: "quantity of a quote, in base currency",
};

/// Its configuration, as it reckons with it.
#[derive(Debug)]
struct Rules {
    half_spread_ppm: i128,
    flow_skew_ppm: i128,
    inventory_skew_ppm: i128,
    requote_ticks: i128,
    window: Span,
    cooldown: Span,
    pull_ppm: i128,
    /// In thousandths of a mean quantity.
    pull_flow: i128,
    pull: Span,
    position_quotes: i128,
    short_quotes: i128,
}

/// Quotes each of its instruments by itself.
#[derive(Debug)]
pub(crate) struct Maker {
    rules: Rules,
    /// Of a quote, as decimal text.
    quantity: String,
    /// One per instrument, at the index of its id.
    seats: Vec<Seat>,
}

/// What it remembers about one instrument. Its orders and what it holds it reads from the [`View`].
#[derive(Debug)]
struct Seat {
    /// Of a quote; zero if the configured quantity does not fit the instrument.
    qty: Qty,
    flow: Flow,
    /// Nothing is quoted before this.
    pulled_until: Nanos,
    /// Of bids, then of asks.
    holds: [Hold; 2],
}

/// What keeps one side from being quoted.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    /// Nothing is added, and nothing comes nearer, before this.
    add_at: Nanos,
    /// Nothing but a cancel is asked for before this.
    ask_at: Nanos,
    /// No cancel, either, before this.
    cancel_at: Nanos,
    /// Something was asked for, and nothing was heard yet.
    waits: bool,
}

/// What books said, fading: what is `t` old counts `1 - t / window` less at the next book.
#[derive(Debug, Default)]
struct Flow {
    ofi: Ofi<1>,
    at: Nanos,
    /// Added to the bid and taken from the ask, less the opposite; all three are in [`FINE`] parts.
    sum: i128,
    /// The mean quantity at a best price; zero if no book was seen.
    depth: i128,
    /// The newest mid and the mean of mids, doubled: one counts for as long as it is the newest.
    mid: i128,
    mean: i128,
}

/// What it decides from at one time.
struct Look<'a> {
    now: Nanos,
    id: InstrumentId,
    view: &'a View<'a>,
    rules: &'a Rules,
}

/// What is to be quoted.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quotes {
    /// Not above zero if there is no such price.
    buy: Px,
    sell: Px,
    /// From the mid to the reservation price, and the half-spread, in millionths of a price unit.
    shift: i128,
    half: i128,
}

impl Rules {
    fn of(values: &Values) -> Self {
        let int = |key| i128::from(values.int(key));
        let span = |key| Span::from_millis(values.int(key));
        Self {
            half_spread_ppm: int(&HALF_SPREAD_PPM),
            flow_skew_ppm: int(&FLOW_SKEW_PPM),
            inventory_skew_ppm: int(&INVENTORY_SKEW_PPM),
            requote_ticks: int(&REQUOTE_TICKS),
            window: span(&WINDOW_MS),
            cooldown: span(&COOLDOWN_MS),
            pull_ppm: int(&PULL_PPM),
            pull_flow: int(&PULL_FLOW) * MILLI,
            pull: span(&PULL_MS),
            position_quotes: int(&POSITION_QUOTES),
            short_quotes: int(&SHORT_QUOTES),
        }
    }

    /// What the formula says; `flow` is in thousandths of a mean quantity, `held` in millionths of
    /// the limit. `None` if the prices are too large to reckon with.
    fn quotes(&self, tick: Px, best: (Level, Level), flow: i128, held: i128) -> Option<Quotes> {
        let (bid, ask) = best;
        let (bid_qty, ask_qty) = (i128::from(bid.qty.0), i128::from(ask.qty.0));
        let (bid, ask) = (i128::from(bid.px.0), i128::from(ask.px.0));
        let tick = i128::from(tick.0.max(1));
        debug_assert!(bid < ask, "a crossed book");
        let weighed = ((ask - bid) * PPM).checked_mul(bid_qty)?;
        let fair = bid * PPM + weighed / (bid_qty + ask_qty).max(1);
        let doubled = bid + ask;
        let of_flow = (doubled * self.flow_skew_ppm * flow).div_euclid(2 * MILLI);
        let of_held = (doubled * self.inventory_skew_ppm * held).div_euclid(2 * PPM);
        let reservation = fair + of_flow - of_held;
        let half = (doubled * self.half_spread_ppm + 1).div_euclid(2);
        let (low, high) = (reservation - half, reservation + half);
        let below = low.div_euclid(tick * PPM) * tick;
        let above = -(-high).div_euclid(tick * PPM) * tick;
        Some(Quotes {
            buy: Px(i64::try_from(below.min(ask - tick)).ok()?),
            sell: Px(i64::try_from(above.max(bid + tick)).ok()?),
            shift: reservation - doubled * PPM / 2,
            half,
        })
    }
}

impl Maker {
    /// Quotes those instruments of the table that are its own and that the quantity fits.
    fn new(values: &Values, table: &Table<'_>) -> Result<Self, StrategyError> {
        let quantity = values.quantity(&QUANTITY);
        let seat = |qty| Seat {
            qty,
            flow: Flow::default(),
            pulled_until: Nanos::ZERO,
            holds: [Hold::default(); 2],
        };
        let qtys = order_qtys(&quantity, table)?;
        Ok(Self {
            rules: Rules::of(values),
            quantity,
            seats: qtys.into_iter().map(seat).collect(),
        })
    }
}

impl Strategy for Maker {
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let (id, rules) = (event.instrument, &self.rules);
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return; // About no instrument.
        };
        match &event.body {
            Body::Book(top) => seat.look(now, event, top, rules),
            Body::Report(report) => seat.hear(now, report, rules),
            Body::Instrument(listed) => {
                // The next book is at other scales.
                seat.qty = fitting_qty(&self.quantity, listed);
                seat.flow = Flow::default();
            }
            // Time has passed, and the picture may be another one.
            Body::Trade(..) | Body::Quote(_) | Body::Status(_) | Body::Trading(_) => {}
            Body::Gateway(_) | Body::News(_) | Body::Account(_) => return,
        }
        let look = Look {
            now,
            id,
            view,
            rules,
        };
        seat.act(&look, out);
    }

    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        self.rules = Rules::of(values);
        values.swap_quantity(&QUANTITY, &mut self.quantity);
        // Also of instruments that are not its own: no event of theirs comes here.
        for (seat, listed) in self.seats.iter_mut().zip(view.market.instruments()) {
            seat.qty = fitting_qty(&self.quantity, listed);
        }
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        let seat = self.seats.get(instrument.index());
        seat.is_some_and(|seat| seat.qty > Qty(0))
    }
}

impl Seat {
    /// Takes a book in, and pulls the quotes if it came with too much of a move.
    fn look<const K: usize>(&mut self, now: Nanos, event: &Event, top: &Top<K>, rules: &Rules) {
        let Some(best) = usable(top) else {
            return; // Its quotes are cancelled as long as the book is like that.
        };
        let flow = self.flow.ofi.update(top, event.epoch, event.flags.fresh);
        let moved = self.flow.update(now, best, flow, rules.window);
        let flow = self.flow.value(rules);
        if flow.abs() >= rules.pull_flow || moved > rules.pull_ppm {
            self.pulled_until = now + rules.pull;
        }
    }

    /// Takes in what became of an order.
    fn hear(&mut self, now: Nanos, report: &Report, rules: &Rules) {
        let hold = &mut self.holds[report.side as usize];
        hold.waits = false;
        match report.outcome {
            Outcome::Fill(_) => hold.add_at = hold.add_at.max(now + rules.cooldown),
            Outcome::Rejected { .. }
            | Outcome::Refused { .. }
            | Outcome::Expired
            | Outcome::NotSent
            | Outcome::Unknown => hold.ask_at = now + PAUSE,
            Outcome::ChangeRefused { .. } => {
                (hold.ask_at, hold.cancel_at) = (now + PAUSE, now + PAUSE);
            }
            // The view has the order as it is now.
            Outcome::Acked { .. } | Outcome::Reduced | Outcome::InDoubt => {}
            Outcome::Filled | Outcome::Cancelled => {}
        }
    }

    /// Quotes both sides, or none.
    fn act(&mut self, look: &Look<'_>, out: &mut Intents) {
        let (id, market) = (look.id, look.view.market);
        let shown = market.live(id);
        let best = shown.and_then(|shown| usable(&shown.top));
        let (listed, shown, best) = match (market.instrument(id), shown.zip(best)) {
            (Some(listed), _) if !listed.trading => return self.pull(look, "halted", out),
            _ if self.qty == Qty(0) => return self.pull(look, "misfit", out),
            _ if look.now < self.pulled_until => return self.pull(look, "moved", out),
            (Some(listed), Some((shown, best))) => (listed, shown, best),
            _ => return self.pull(look, "dark", out),
        };
        let (rooms, held) = self.rooms(listed, look);
        let flow = self.flow.value(look.rules);
        let Some(quotes) = look.rules.quotes(listed.tick, best, flow, held) else {
            return self.pull(look, "overflow", out);
        };
        let ticks = |units: i128| units as f64 / (listed.tick.0.max(1) as f64 * PPM as f64);
        let why = Why {
            signal: "maker",
            value: ticks(quotes.shift), // From the mid to the reservation price.
            threshold: ticks(quotes.half),
            update_id: shown.update_id,
            epoch: shown.epoch,
            bid: best.0,
            ask: best.1,
        };
        for side in [Side::Buy, Side::Sell] {
            let room = rooms[side as usize];
            self.tend(side, look, (listed, room, &quotes), why, out);
        }
    }

    /// How much may be bought, and sold, from here; and what is held, in millionths of the limit.
    fn rooms(&self, listed: &Instrument, look: &Look<'_>) -> ([i128; 2], i128) {
        let held = look.view.position(look.id).sellable(listed);
        let quotes = |count| i128::from(self.qty.0) * count;
        let limit = quotes(look.rules.position_quotes);
        let short = match listed.kind == InstrumentKind::Spot {
            true => limit.min(quotes(look.rules.short_quotes)),
            false => limit,
        };
        let share = held.clamp(-limit, limit) * PPM / limit.max(1);
        ([limit - held, short + held], share)
    }

    /// Brings one side to what is wished, by one step.
    fn tend(
        &mut self,
        side: Side,
        look: &Look<'_>,
        (listed, room, quotes): (&Instrument, i128, &Quotes),
        why: Why,
        out: &mut Intents,
    ) {
        let hold = &mut self.holds[side as usize];
        if hold.waits || look.now < hold.ask_at || look.own(side).any(is_busy) {
            return;
        }
        let cools = look.now < hold.add_at;
        let px = look.apart(side, quotes, listed.tick);
        let target = lots(listed, px, room.min(self.qty.0.into()));
        let mut own = look.own(side);
        let Some(order) = own.next() else {
            if target > Qty(0) && !cools {
                let place = Place {
                    strategy: StrategyId::NONE, // The desk's to say.
                    instrument: look.id,
                    side,
                    px,
                    qty: target,
                    order_type: OrderType::PostOnly,
                    tag: 0, // The view tells orders apart by their sides.
                    why,
                };
                hold.waits = out.try_push(place.into()).is_ok();
            }
            return;
        };
        let cancel = |order, why| Intent::from(Cancel { order, why });
        let left = order.remaining();
        let replace = |px, qty| {
            let order = order.client_id;
            Intent::from(Replace {
                order,
                px,
                qty,
                why,
            })
        };
        let step = i128::from(px.0) - i128::from(order.px.0);
        let nearer = (step > 0) == (side == Side::Buy);
        let moves = step.abs() >= look.rules.requote_ticks * i128::from(listed.tick.0);
        let wish = if let Some(second) = own.next() {
            cancel(second.client_id, "second") // Of an earlier run.
        } else if target == Qty(0) {
            cancel(order.client_id, "limit")
        } else if !moves || cools && nearer {
            if left <= target {
                return;
            }
            replace(order.px, target)
        } else {
            let qty = match cools {
                true => lots(listed, px, target.min(left).0.into()),
                false => target,
            };
            // Both may trade before the first one is over.
            match qty > Qty(0) && i128::from(left.0) + i128::from(qty.0) <= room {
                true => replace(px, qty),
                false => cancel(order.client_id, "requote"),
            }
        };
        hold.waits = out.try_push(wish).is_ok() && matches!(wish, Intent::Replace(_));
    }

    /// Cancels what it has in the market.
    fn pull(&mut self, look: &Look<'_>, why: &'static str, out: &mut Intents) {
        for side in [Side::Buy, Side::Sell] {
            if look.now < self.holds[side as usize].cancel_at {
                continue;
            }
            let known = |order: &&Working| !order.changing && !order.in_doubt;
            for order in look.own(side).filter(known) {
                let order = order.client_id;
                let _ = out.try_push(Cancel { order, why }.into());
            }
        }
    }
}

impl<'a> Look<'a> {
    /// Its own orders of this side, in no order.
    fn own(&self, side: Side) -> impl Iterator<Item = &'a Working> + use<'a> {
        let id = self.id;
        let own = self.view.orders();
        own.filter(move |order| (order.instrument, order.side) == (id, side))
    }

    /// The price of a side, away from what it has on the other one, which may still trade.
    fn apart(&self, side: Side, quotes: &Quotes, tick: Px) -> Px {
        let others = self.own(side.opposite()).map(|order| order.px.0);
        match side {
            Side::Buy => Px(others.fold(quotes.buy.0, |px, other| px.min(other - tick.0))),
            Side::Sell => Px(others.fold(quotes.sell.0, |px, other| px.max(other + tick.0))),
        }
    }
}

impl Flow {
    /// Takes a book in, with what it adds to the flow, `None` if it cannot be compared with the one
    /// before. Says how far its mid is from the mean, in parts per million.
    fn update(
        &mut self,
        now: Nanos,
        (bid, ask): (Level, Level),
        flow: Option<[i128; 1]>,
        window: Span,
    ) -> i128 {
        let (age, window) = (now.since(self.at).min(window).0, i128::from(window.0));
        let fade = |mean: i128, new| mean + (new - mean) * i128::from(age) / window;
        let depth = (i128::from(bid.qty.0) + i128::from(ask.qty.0)) * FINE / 2;
        let mid = (i128::from(bid.px.0) + i128::from(ask.px.0)) * FINE;
        if self.depth == 0 {
            (self.depth, self.mid, self.mean) = (depth, mid, mid);
        }
        let sum = flow.map_or(0, |[flow]| fade(self.sum, 0) + flow * FINE);
        (self.at, self.sum) = (now, sum.clamp(-SUM_MAX, SUM_MAX));
        (self.depth, self.mean) = (fade(self.depth, depth), fade(self.mean, self.mid));
        self.mid = mid;
        (mid - self.mean).abs() * PPM / mid.max(1)
    }

    /// In thousandths of a mean quantity, as far as it counts.
    fn value(&self, rules: &Rules) -> i128 {
        let flow = self.sum.saturating_mul(MILLI) / self.depth.max(1);
        flow.clamp(-rules.pull_flow, rules.pull_flow)
    }
}

/// The best prices of a book that may be quoted on.
fn usable<const K: usize>(top: &Top<K>) -> Option<(Level, Level)> {
    top.best().filter(|_| top.complete(1) && !top.crossed())
}

/// An order that is to be left alone.
fn is_busy(order: &Working) -> bool {
    order.changing || order.in_doubt || !order.acked
}

/// So much in whole lots; zero if the exchange takes no order of that.
fn lots(listed: &Instrument, px: Px, qty: i128) -> Qty {
    let units = u64::try_from(qty.max(0)).unwrap_or(u64::MAX);
    let qty = Qty(units - units % listed.lot.0.max(1));
    let worth = listed.notional(px, qty);
    let taken = px.0 > 0 && qty >= listed.qty_min && worth >= Some(listed.notional_min);
    if taken { qty } else { Qty(0) }
}

#[cfg(test)]
#[path = "maker/tests.rs"] // Beside the file, whoever includes it.
mod tests;
