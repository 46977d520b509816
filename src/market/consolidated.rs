//! One asset pair over several exchanges: whose bid and whose ask are best once fees are paid, and
//! what lies between them. Compares in exact integers, and never a book that is not live and fresh.

use super::picture::Picture;
use crate::base::decimal::rounded;
use crate::base::{Instrument, InstrumentId, Level, Nanos, Position, Px, Qty, Side, Span};

/// Parts of one in which fees and edges are given: 1,000 ppm are 10 basis points.
pub(crate) const PPM: i128 = 1_000_000;

/// A member of the pair: one instrument at one exchange.
#[derive(Debug, Clone)]
struct Member {
    instrument: Instrument,
    taker_fee_ppm: u32,
    /// From the instrument's price units to those of the pair.
    px_factor: i128,
    /// From its quantity times contract size to base units of the pair; of inverse contracts to
    /// quote units.
    size_factor: i128,
}

/// The best bid or ask of one member, as it counts against the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Which member, by its place.
    pub(crate) place: usize,
    /// Its own price and quantity.
    pub(crate) level: Level,
    /// What one base unit costs to buy there, or brings when sold there, taker fee included, in
    /// units of 10^-([`Pair::px_scale`] + 6) of the quote asset.
    pub(crate) net: i128,
    /// How much there is, in units of 10^-[`Pair::base_scale`] of the base asset.
    pub(crate) base: i128,
}

/// Buying at one exchange and selling at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cross {
    /// Where to buy.
    pub(crate) buy: Offer,
    /// Where to sell: another member.
    pub(crate) sell: Offer,
    /// What is left of a unit of cost after fees, in parts per million, rounded down; below zero
    /// for a loss.
    pub(crate) edge_ppm: i64,
}

/// One asset pair over its members: what compares their prices and quantities.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    members: Vec<Member>,
    px_scale: u8,
    base_scale: u8,
}

/// The consolidated best bid and offer of one asset pair, as its members' books are shown at one
/// time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bbo<'a> {
    pair: &'a Pair,
    view: &'a Picture,
    now: Nanos,
    age_max: Span,
}

impl Pair {
    /// A pair of these instruments, each with its taker fee in parts per million. All trade the
    /// same base asset for the same quote asset.
    pub(crate) fn new(instruments: &[(Instrument, u32)]) -> Self {
        let scale = |of: fn(&Instrument) -> u8| {
            instruments
                .iter()
                .map(|(instrument, _)| of(instrument))
                .max()
                .unwrap_or(0)
        };
        let px_scale = scale(|i| i.px_scale);
        let base_scale = scale(|i| i.qty_scale + i.contract.scale);
        let ten = |exponent: u8| 10i128.pow(u32::from(exponent));
        let member = |&(instrument, taker_fee_ppm): &(Instrument, u32)| Member {
            taker_fee_ppm,
            px_factor: ten(px_scale - instrument.px_scale),
            size_factor: i128::from(instrument.contract.size)
                * ten(base_scale - instrument.qty_scale - instrument.contract.scale),
            instrument,
        };
        Self {
            members: instruments.iter().map(member).collect(),
            px_scale,
            base_scale,
        }
    }

    /// Decimals of prices of the pair.
    pub(crate) fn px_scale(&self) -> u8 {
        self.px_scale
    }

    /// Decimals of base quantities of the pair.
    pub(crate) fn base_scale(&self) -> u8 {
        self.base_scale
    }

    /// The place of this instrument, if it is a member.
    pub(crate) fn place(&self, id: InstrumentId) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.instrument.id == id)
    }

    /// The instrument at this place.
    pub(crate) fn instrument(&self, place: usize) -> &Instrument {
        &self.members[place].instrument
    }

    /// Members of the pair.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The exchange lists a member with other numbers: scales of the pair may change.
    pub(crate) fn replace(&mut self, place: usize, instrument: Instrument) {
        let members = self.members.iter();
        let mut members: Vec<_> = members.map(|m| (m.instrument, m.taker_fee_ppm)).collect();
        members[place].0 = instrument;
        assert_eq!(members.len(), self.members.len());
        *self = Self::new(&members);
        assert_eq!(self.members[place].instrument, instrument);
    }

    /// What the members offer at `now`. A book that is older than `age_max` offers nothing.
    pub(crate) fn bbo<'a>(&'a self, view: &'a Picture, now: Nanos, age_max: Span) -> Bbo<'a> {
        Bbo {
            pair: self,
            view,
            now,
            age_max,
        }
    }

    /// What one base unit at this price brings (a bid that is sold to) or costs (an ask that is
    /// bought).
    pub(crate) fn net(&self, place: usize, px: Px, side: Side) -> i128 {
        let member = &self.members[place];
        let fee = i128::from(member.taker_fee_ppm);
        let kept = match side {
            Side::Buy => PPM - fee,
            Side::Sell => PPM + fee,
        };
        i128::from(px.0) * member.px_factor * kept
    }

    /// The base quantity of `qty` at this price, rounded down; `None` at a price that is not above
    /// zero.
    pub(crate) fn base(&self, place: usize, px: Px, qty: Qty) -> Option<i128> {
        let member = &self.members[place];
        let size = i128::from(qty.0) * member.size_factor;
        if !member.instrument.contract.inverse {
            return Some(size);
        }
        // Worth `size` of the quote asset: so much base, at the price.
        let px = i128::from(px.0) * member.px_factor;
        (px > 0).then(|| size * 10i128.pow(u32::from(self.px_scale)) / px)
    }

    /// The most whole lots of this member that are worth `base` at this price, at most; zero if
    /// that is less than it takes, never more than it takes.
    pub(crate) fn lots(&self, place: usize, px: Px, base: i128) -> Qty {
        let member = &self.members[place];
        let instrument = &member.instrument;
        let size = if instrument.contract.inverse {
            base * i128::from(px.0) * member.px_factor / 10i128.pow(u32::from(self.px_scale))
        } else {
            base
        };
        let units = u64::try_from(size / member.size_factor).unwrap_or(0);
        let units = units.min(instrument.qty_max.0);
        let whole = units - units % instrument.lot.0;
        let qty = Qty(if whole < instrument.qty_min.0 {
            0
        } else {
            whole
        });
        assert!(qty <= instrument.qty_max, "more than it takes");
        assert_eq!(qty.0 % instrument.lot.0, 0, "a part of a lot");
        let worth = self.base(place, px, qty);
        debug_assert!(worth.is_none_or(|worth| worth <= base.max(0)));
        qty
    }

    /// The same, and zero if that is worth less than it takes.
    pub(crate) fn takes(&self, place: usize, px: Px, base: i128) -> Qty {
        let (qty, of) = (self.lots(place, px, base), self.instrument(place));
        let worth = of.notional(px, qty);
        if worth >= Some(of.notional_min) {
            qty
        } else {
            Qty(0)
        }
    }

    /// What a position in this member is, in base units of the pair, less what fees took of it;
    /// `None` if it does not fit. In inverse contracts it is what they stood for when they were
    /// traded.
    pub(crate) fn held(&self, place: usize, position: &Position) -> Option<i128> {
        let (member, of) = (&self.members[place], self.instrument(place));
        match of.contract.inverse {
            false => position.sellable(of).checked_mul(member.size_factor),
            true => {
                let owed = position.cost.checked_neg()?;
                rounded(owed, of.cash_scale(), self.base_scale, false)
            }
        }
    }

    /// The worst price at which taking `base` of this member still nets `total` (what was paid for
    /// as much, or what it brought), on its ticks: the lowest to sell at, the highest to buy at.
    /// `None` if there is none.
    pub(crate) fn limit(&self, place: usize, side: Side, total: i128, base: i128) -> Option<Px> {
        let member = &self.members[place];
        let fee = i128::from(member.taker_fee_ppm);
        let tick = i128::from(member.instrument.tick.0);
        let (kept, up) = match side {
            Side::Sell => (PPM - fee, true),
            Side::Buy => (PPM + fee, false),
        };
        let unit = (kept * member.px_factor)
            .checked_mul(tick)?
            .checked_mul(base)?;
        if unit <= 0 || total <= 0 {
            return None;
        }
        let ticks = if up {
            total.checked_add(unit - 1)? / unit
        } else {
            total / unit
        };
        let px = i64::try_from(ticks * tick).ok().map(Px)?;
        if px.0 <= 0 {
            return None;
        }
        let nets = self.net(place, px, side.opposite()).checked_mul(base)?;
        match side {
            Side::Sell => assert!(nets >= total, "sold for too little"),
            Side::Buy => assert!(nets <= total, "bought for too much"),
        }
        assert_eq!(i128::from(px.0) % tick, 0, "between two ticks");
        Some(px)
    }
}

impl Bbo<'_> {
    /// What this member bids (`Side::Buy`) or asks, if its book is live, complete at its best level
    /// and not crossed, and the exchange has not halted it.
    pub(crate) fn offer(&self, place: usize, side: Side) -> Option<Offer> {
        let id = self.pair.instrument(place).id;
        let shown = self.view.live(id)?;
        let trading = self
            .view
            .instrument(id)
            .is_some_and(|listed| listed.trading);
        let top = &shown.top;
        let usable = trading && top.complete(1) && !top.crossed();
        if !usable || shown.age(self.now) > self.age_max {
            return None;
        }
        let (bid, ask) = top.best()?;
        let level = match side {
            Side::Buy => bid,
            Side::Sell => ask,
        };
        Some(Offer {
            place,
            level,
            net: self.pair.net(place, level.px, side),
            base: self.pair.base(place, level.px, level.qty)?,
        })
    }

    /// The highest net bid (`Side::Buy`) or the lowest net ask of the members at these places.
    pub(crate) fn best_of(&self, side: Side, at: impl Fn(usize) -> bool) -> Option<Offer> {
        let places = (0..self.pair.len()).filter(|place| at(*place));
        let offers = places.filter_map(|place| self.offer(place, side));
        match side {
            Side::Buy => offers.max_by_key(|offer| offer.net),
            Side::Sell => offers.min_by_key(|offer| offer.net),
        }
    }

    /// The best way to buy at one member and sell at another.
    pub(crate) fn cross(&self) -> Option<Cross> {
        let mut best: Option<Cross> = None;
        for buy in (0..self.pair.len()).filter_map(|place| self.offer(place, Side::Sell)) {
            for sell in (0..self.pair.len()).filter(|sell| *sell != buy.place) {
                let Some(sell) = self.offer(sell, Side::Buy) else {
                    continue;
                };
                let edge_ppm = edge_ppm(buy.net, sell.net);
                assert_ne!(buy.place, sell.place, "a cross with itself");
                if best.is_none_or(|best| edge_ppm > best.edge_ppm) {
                    best = Some(Cross {
                        buy,
                        sell,
                        edge_ppm,
                    });
                }
            }
        }
        best
    }
}

/// `(revenue - cost) / cost` in parts per million, rounded down.
fn edge_ppm(cost: i128, revenue: i128) -> i64 {
    if cost <= 0 {
        return i64::MIN;
    }
    let edge = (revenue - cost).saturating_mul(PPM).div_euclid(cost);
    assert!(edge <= 0 || cost < revenue, "a gain out of nothing");
    assert!(edge >= 0 || revenue < cost, "a loss out of nothing");
    edge.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Body, Contract, Event, Status, Symbol, Top};
    use crate::market::picture::tests::event;

    const AGE: Span = Span::from_millis(500);
    const NOW: Nanos = Nanos::from_secs(9);

    fn instrument(id: u16, scales: (u8, u8), contract: Contract) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            contract,
            ..Instrument::bare("x", Symbol::from("BTC").unwrap(), scales)
        }
    }

    /// Spot at cents and 10^-4, linear contracts of 0.01 at tenths, inverse contracts of 100 at
    /// tenths.
    fn pair(fees: [u32; 3]) -> Pair {
        let linear = Contract {
            size: 1,
            scale: 2,
            inverse: false,
        };
        let inverse = Contract {
            size: 100,
            scale: 0,
            inverse: true,
        };
        Pair::new(&[
            (instrument(0, (2, 4), Contract::ONE), fees[0]),
            (instrument(1, (1, 0), linear), fees[1]),
            (instrument(2, (1, 0), inverse), fees[2]),
        ])
    }

    fn level(px: i64, qty: u64) -> Level {
        Level {
            px: Px(px),
            qty: Qty(qty),
        }
    }

    fn picture(pair: &Pair) -> Picture {
        let instruments: Vec<_> = (0..pair.len()).map(|n| *pair.instrument(n)).collect();
        Picture::new(&instruments)
    }

    fn tell(view: &mut Picture, place: u16, body: Body) {
        let event = Event {
            instrument: InstrumentId(place),
            ..event(NOW, 1, body)
        };
        view.handle_event(NOW, &event);
    }

    fn show(view: &mut Picture, place: u16, bid: (i64, u64), ask: (i64, u64)) {
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(bid.0, bid.1)].into_iter(), 1, false);
        top.set(Side::Sell, [level(ask.0, ask.1)].into_iter(), 1, false);
        tell(view, place, Body::Book(top));
    }

    #[test]
    fn quantities_of_contracts_count_in_the_base_asset() {
        let pair = pair([0; 3]);
        assert_eq!(pair.base_scale(), 4);
        // 1.5 BTC, 150 contracts of 0.01, and 600 contracts of 100 USD at 40,000.
        assert_eq!(pair.base(0, Px(4_000_000), Qty(15_000)), Some(15_000));
        assert_eq!(pair.base(1, Px(400_000), Qty(150)), Some(15_000));
        assert_eq!(pair.base(2, Px(400_000), Qty(600)), Some(15_000));
        assert_eq!(pair.base(2, Px(0), Qty(600)), None);
        for (place, px, lots) in [(0, 4_000_000, 15_000), (1, 400_000, 150), (2, 400_000, 600)] {
            assert_eq!(pair.lots(place, Px(px), 15_000), Qty(lots));
            let less = pair.lots(place, Px(px), 14_999);
            assert!(less < Qty(lots) && pair.base(place, Px(px), less).unwrap() < 15_000);
        }
    }

    #[test]
    fn what_is_taken_is_whole_lots_and_no_less_than_the_smallest_order() {
        let listed = Instrument {
            lot: Qty(70),
            qty_min: Qty(140),
            qty_max: Qty(700),
            ..instrument(0, (2, 4), Contract::ONE)
        };
        let pair = Pair::new(&[(listed, 0)]);
        for (base, lots) in [(139, 0), (140, 140), (209, 140), (699, 630), (9_999, 700)] {
            assert_eq!(pair.lots(0, Px(4_000_000), base), Qty(lots), "{base}");
        }
    }

    #[test]
    fn the_best_bid_and_ask_are_those_that_are_best_after_fees() {
        let pair = pair([1_000, 0, 0]);
        let mut view = picture(&pair);
        show(&mut view, 0, (4_000_000, 1), (4_000_100, 1));
        show(&mut view, 1, (399_990, 1), (400_200, 1));
        let best = |view: &Picture, now, side| {
            let best = pair.bbo(view, now, AGE).best_of(side, |_| true);
            best.map(|offer| offer.place)
        };
        // 40,000.00 less 10 bps is less than 39,999.0.
        assert_eq!(best(&view, NOW, Side::Buy), Some(1));
        assert_eq!(best(&view, NOW, Side::Sell), Some(1));
        let late = NOW + AGE + Span(1);
        assert_eq!(best(&view, late, Side::Buy), None);
        tell(&mut view, 1, Body::Status(Status::Stale));
        assert_eq!(best(&view, NOW, Side::Buy), Some(0));
        tell(&mut view, 0, Body::Trading(false));
        assert_eq!(best(&view, NOW, Side::Buy), None);
    }

    #[test]
    fn a_book_that_is_crossed_or_incomplete_at_its_best_level_offers_nothing() {
        let pair = pair([0; 3]);
        let mut view = picture(&pair);
        show(&mut view, 0, (4_000_000, 1), (4_000_100, 1));
        assert!(pair.bbo(&view, NOW, AGE).offer(0, Side::Buy).is_some());
        show(&mut view, 0, (4_000_100, 1), (4_000_000, 1));
        assert_eq!(pair.bbo(&view, NOW, AGE).offer(0, Side::Buy), None);
        let mut incomplete = Top::EMPTY;
        incomplete.set(Side::Buy, [level(4_000_000, 1)].into_iter(), 0, false);
        incomplete.set(Side::Sell, [level(4_000_100, 1)].into_iter(), 1, false);
        tell(&mut view, 0, Body::Book(incomplete));
        assert_eq!(pair.bbo(&view, NOW, AGE).offer(0, Side::Buy), None);
    }

    #[test]
    fn a_cross_is_bought_at_one_exchange_and_sold_at_another() {
        let pair = pair([100, 200, 0]);
        let mut view = picture(&pair);
        show(&mut view, 0, (4_000_000, 5), (4_000_100, 5));
        assert_eq!(pair.bbo(&view, NOW, AGE).cross(), None);
        show(&mut view, 1, (402_000, 5), (402_100, 5));
        let cross = pair.bbo(&view, NOW, AGE).cross().unwrap();
        assert_eq!((cross.buy.place, cross.sell.place), (0, 1));
        // 40,200.0 * 0.9998 against 40,001.00 * 1.0001.
        let exact: f64 = (402_000.0 * 10.0 * 0.9998) / (4_000_100.0 * 1.0001) - 1.0;
        assert_eq!(cross.edge_ppm, (exact * 1e6).floor() as i64);
        show(&mut view, 1, (400_000, 5), (400_100, 5));
        assert!(pair.bbo(&view, NOW, AGE).cross().unwrap().edge_ppm < 0);
    }

    #[test]
    fn the_limit_is_the_worst_tick_that_does_not_lose() {
        for fee in [0, 350, 1_000, 7_500] {
            let pair = pair([fee, 2 * fee, 0]);
            for px in [3_999_999, 4_000_000, 4_123_457] {
                let (base, paid) = (12_345, pair.net(0, Px(px), Side::Sell) * 12_345);
                let sell = pair.limit(1, Side::Sell, paid, base).unwrap();
                assert!(pair.net(1, sell, Side::Buy) * base >= paid);
                assert!(pair.net(1, Px(sell.0 - 1), Side::Buy) * base < paid);
                let got = pair.net(0, Px(px), Side::Buy) * base;
                let buy = pair.limit(1, Side::Buy, got, base).unwrap();
                assert!(pair.net(1, buy, Side::Sell) * base <= got);
                assert!(pair.net(1, Px(buy.0 + 1), Side::Sell) * base > got);
            }
        }
        assert_eq!(pair([0; 3]).limit(0, Side::Sell, 1, 0), None);
    }
}
