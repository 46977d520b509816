//! What the market, as we see it ourselves, says against an order.

use super::{Compared, hold_if, refuse_if};
use crate::base::event::LATE_MAX;
use crate::base::{Instrument, InstrumentId, Kind, Place, Px, Side, Span};
use crate::market::fresh::BOOK_AGE_MAX;
use crate::market::{Fresh, NotFresh, Present};
use crate::trading::limits::BPS;
use crate::trading::refusal::{Refusal, Refused, Unit};

/// What the instrument's own book says; gives the book, without which nothing is admitted.
pub(super) fn judge_book<'p>(
    intent: &Place,
    present: Present<'p>,
    collar_bps: u32,
) -> Result<Fresh<'p>, Refused> {
    let fresh = present.fresh(intent.instrument, Some(intent.why.epoch));
    let fresh = fresh.map_err(refused)?;
    refuse_if(!fresh.top().complete(1), Refusal::BookIncomplete)?;
    let (bid, ask) = fresh.top().best().ok_or(Refusal::BookIncomplete)?;
    let (bid, ask) = (bid.px, ask.px);
    refuse_if(bid >= ask, Refusal::BookCrossed)?;
    let (outside, best) = match intent.side {
        Side::Buy => (in_bps(intent.px, BPS) > in_bps(ask, BPS + collar_bps), ask),
        Side::Sell => (in_bps(intent.px, BPS) < in_bps(bid, BPS - collar_bps), bid),
    };
    hold_if(outside, Refusal::PriceCollar, || {
        (Unit::Bps, collar_bps.into(), bps_between(intent.px, best))
    })?;
    Ok(fresh)
}

#[cold]
fn refused(why: NotFresh) -> Refused {
    let aged = |gate, limit: Span, found: Span| Refused {
        gate,
        compared: Some(Compared {
            unit: Unit::Ns,
            limit: limit.0.into(),
            found: found.0.into(),
        }),
    };
    match why {
        NotFresh::Dark => Refusal::BookNotLive.into(),
        NotFresh::Moved => Refusal::BookMoved.into(),
        NotFresh::Late(delay) => aged(Refusal::BookLate, LATE_MAX, delay),
        NotFresh::Stale(age) => aged(Refusal::BookStale, BOOK_AGE_MAX, age),
    }
}

/// What other exchanges say of the price: one of them that has a fresh book must find it
/// reasonable, so that one that is wrong stops nobody. Without any of them nothing is said.
pub(super) fn judge_reference(
    place: &Place,
    px_scale: u8,
    references: &[InstrumentId],
    present: Present<'_>,
    bps: u32,
) -> Result<(), Refused> {
    let mut nearest: Option<u128> = None;
    for id in references {
        let Some((bid, ask)) = touch(*id, present) else {
            continue;
        };
        let Some(scale) = present.instrument(*id).map(|other| other.px_scale) else {
            continue;
        };
        let best = match place.side {
            Side::Buy => (ask, scale),
            Side::Sell => (bid, scale),
        };
        let away = beyond(place.side, (place.px, px_scale), best);
        if away <= u128::from(bps) {
            return Ok(());
        }
        nearest = Some(nearest.map_or(away, |nearest| nearest.min(away)));
    }
    let away = nearest.unwrap_or(0);
    hold_if(away > 0, Refusal::PriceReference, || {
        (Unit::Bps, bps.into(), away)
    })
}

/// The touch of a book that an order could be argued from.
fn touch(id: InstrumentId, present: Present<'_>) -> Option<(Px, Px)> {
    let top = present.fresh(id, None).ok()?.top();
    let (bid, ask) = top.best()?;
    let sound = top.complete(1) && 0 < bid.px.0 && bid.px < ask.px;
    sound.then_some((bid.px, ask.px))
}

/// How far a limit is beyond the best price of the other side, in basis points rounded up, if each
/// has a scale of its own; zero if it is not beyond.
fn beyond(side: Side, (px, px_scale): (Px, u8), (best, scale): (Px, u8)) -> u128 {
    // Both fit at the finer one of two scales of at most 18: 2^63 times 10^18 is below 2^123.
    let at = |px: Px, own: u8, other: u8| {
        i128::from(px.0) * 10i128.pow(u32::from(other.saturating_sub(own)))
    };
    let (px, best) = (at(px, px_scale, scale), at(best, scale, px_scale));
    let away = match side {
        Side::Buy => px - best,
        Side::Sell => best - px,
    };
    let (away, best) = (away.max(0).unsigned_abs(), best.unsigned_abs().max(1));
    match away.checked_mul(u128::from(BPS)) {
        Some(away) => away.div_ceil(best),
        None => (away / best).saturating_mul(u128::from(BPS)),
    }
}

/// The instruments of other exchanges whose prices say something of this one's.
pub(super) fn references(of: &Instrument, all: &[Instrument]) -> Box<[InstrumentId]> {
    let known = !of.base.is_empty() && !of.quote.is_empty();
    let endless = |kind| matches!(kind, Kind::Spot | Kind::Perpetual);
    let alike = |other: &&Instrument| {
        let same = (other.base, other.quote) == (of.base, of.quote);
        same && other.exchange != of.exchange && endless(other.kind) && endless(of.kind)
    };
    let alike = all.iter().filter(alike).map(|other| other.id);
    alike.filter(|_| known).collect()
}

/// How far a price is from another in basis points, rounded up.
fn bps_between(px: Px, from: Px) -> u128 {
    let (px, from) = (i128::from(px.0), i128::from(from.0));
    let away = (px - from).unsigned_abs() * u128::from(BPS);
    away.div_ceil(from.unsigned_abs().max(1))
}

/// `px * bps` without loss: 64 bits by 15 bits always fit into 128.
fn in_bps(px: Px, bps: u32) -> i128 {
    debug_assert!(bps <= 2 * BPS);
    i128::from(px.0) * i128::from(bps)
}
