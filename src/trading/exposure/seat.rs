//! What an instrument's units are worth: its listing, and its last prices.

use super::VALUE_SCALE;
use crate::base::decimal::{divided, rounded, ten};
use crate::base::{Instrument, Px, Qty};

/// Decimals of the base asset in which gains of inverse contracts are kept.
const BASE_SCALE: u8 = 12;
/// The largest worth: so many of them fit into a sum that no sum overflows.
pub(super) const VALUE_MAX: u128 = 1 << 100;

/// `units * mul / div` is the value of so many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    mul: i128,
    div: i128,
}

impl Rate {
    /// Rounded up, or down; `None` if it is too much for a sum.
    pub(super) fn value(self, units: i128, up: bool) -> Option<i128> {
        let product = times(units, self.mul)?;
        let value = divided(product, self.div, up);
        (value.unsigned_abs() <= VALUE_MAX).then_some(value)
    }
}

/// The touch that an instrument was seen at last.
#[derive(Debug, Clone, Copy)]
struct Touch {
    bid: i64,
    ask: i64,
    /// A book said it; else it is as wide as what was ordered and held.
    seen: bool,
}

/// An instrument.
#[derive(Debug)]
pub(super) struct Seat {
    touch: Option<Touch>,
    /// Of a unit at half a unit of price; of inverse contracts at any price.
    factor: Option<Rate>,
    quote: usize,
    exchange: usize,
    /// The listing that all of it is counted at.
    listing: Instrument,
    /// The listing that it has once no order is open.
    next: Option<Instrument>,
    /// It is listed as something that is not what is held.
    other: bool,
}

impl Seat {
    pub(super) fn new(listing: &Instrument, quote: usize, exchange: usize) -> Self {
        Self {
            touch: None,
            factor: factor(listing),
            quote,
            exchange,
            listing: *listing,
            next: None,
            other: false,
        }
    }

    pub(super) fn quote(&self) -> usize {
        self.quote
    }

    pub(super) fn exchange(&self) -> usize {
        self.exchange
    }

    pub(super) fn qty_scale(&self) -> u8 {
        self.listing.qty_scale
    }

    pub(super) fn listing(&self) -> &Instrument {
        &self.listing
    }

    pub(super) fn is_inverse(&self) -> bool {
        self.listing.contract.inverse
    }

    /// A book's touch; false if it is none that anything can be valued at.
    pub(super) fn mark(&mut self, bid: Px, ask: Px) -> bool {
        let fits = 0 < bid.0 && bid < ask && self.is_settled();
        if fits {
            self.touch = Some(Touch {
                bid: bid.0,
                ask: ask.0,
                seen: true,
            });
        }
        fits
    }

    /// A touch that it was valued at before, also if no book ever said it; false if it is none.
    pub(super) fn remember(&mut self, bid: Px, ask: Px) -> bool {
        let fits = 0 < bid.0 && bid <= ask;
        if fits {
            self.touch = Some(Touch {
                bid: bid.0,
                ask: ask.0,
                seen: true,
            });
        }
        fits
    }

    /// Something is ordered or held at this price: it is all that is known before the first book.
    /// True if what is held is worth something else by that.
    pub(super) fn widen(&mut self, px: Px) -> bool {
        let before = self.touch.map(|touch| (touch.bid, touch.ask));
        let touch = self.touch.get_or_insert(Touch {
            bid: px.0,
            ask: px.0,
            seen: false,
        });
        if !touch.seen {
            (touch.bid, touch.ask) = (touch.bid.min(px.0), touch.ask.max(px.0));
        }
        before != Some((touch.bid, touch.ask))
    }

    /// The last book's.
    pub(super) fn touch(&self) -> Option<(Px, Px)> {
        let touch = self.touch.filter(|touch| touch.seen)?;
        Some((Px(touch.bid), Px(touch.ask)))
    }

    /// What it is valued at, by a book or not.
    pub(super) fn valued_at(&self) -> Option<(Px, Px)> {
        self.touch.map(|touch| (Px(touch.bid), Px(touch.ask)))
    }

    pub(super) fn is_marked(&self) -> bool {
        self.touch.is_some_and(|touch| touch.seen)
    }

    /// What a unit is exposed to.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate_at(self.touch)
    }

    /// The same, with an order at this price, too.
    pub(super) fn rate_with(&self, px: Px) -> Option<Rate> {
        match self.touch {
            Some(touch) if touch.seen => self.rate_at(Some(touch)),
            Some(touch) => self.rate_at(Some(Touch {
                ask: touch.ask.max(px.0),
                ..touch
            })),
            None => self.rate_at(Some(Touch {
                bid: px.0,
                ask: px.0,
                seen: false,
            })),
        }
    }

    fn rate_at(&self, touch: Option<Touch>) -> Option<Rate> {
        let factor = self.factor?;
        if self.is_inverse() {
            return Some(factor);
        }
        let doubled = match touch? {
            Touch { bid, ask, seen } if seen => i128::from(bid) + i128::from(ask),
            Touch { ask, .. } => 2 * i128::from(ask),
        };
        priced(factor, doubled)
    }

    /// What a position of this sign would be given up at.
    fn exit(&self, long: bool) -> Option<i64> {
        self.touch
            .map(|touch| if long { touch.bid } else { touch.ask })
    }

    /// What a position gained, if so much cash was taken in for it.
    pub(super) fn gain(&self, qty: i128, cash: i128) -> Option<i128> {
        if self.is_inverse() {
            return self.inverse_gain(qty, cash);
        }
        if qty == 0 {
            return Some(cash);
        }
        let px = self.exit(qty > 0)?;
        let rate = priced(self.factor?, 2 * i128::from(px))?;
        cash.checked_add(rate.value(qty, false)?)
    }

    /// Gains of inverse contracts are in the base asset, and worth what that is.
    fn inverse_gain(&self, qty: i128, cash: i128) -> Option<i128> {
        if qty == 0 && cash == 0 {
            return Some(0);
        }
        let px = self.exit(qty > 0 || qty == 0 && cash > 0)?;
        let rate = Rate {
            mul: i128::from(px),
            div: ten(BASE_SCALE + self.listing.px_scale - VALUE_SCALE)?,
        };
        let size = self.factor?.value(qty, true)?;
        rate.value(cash, false)?.checked_sub(size)
    }

    /// What a purchase pays, rounded up, or what a sale brings, rounded down. Of inverse contracts
    /// it is of the base asset, and the other way round.
    pub(super) fn cash(&self, px: Px, qty: Qty, buys: bool) -> Option<i128> {
        let (qty, px) = (i128::from(qty.0), i128::from(px.0));
        if !self.is_inverse() {
            return priced(self.factor?, px.checked_mul(2)?)?.value(qty, buys);
        }
        let listing = &self.listing;
        let size = qty.checked_mul(i128::from(listing.contract.size))?;
        let units = size.checked_mul(ten(listing.px_scale + BASE_SCALE)?)?;
        let per = px.checked_mul(ten(listing.qty_scale + listing.contract.scale)?)?;
        (per > 0).then(|| divided(units, per, !buys))
    }

    /// An amount of the asset that gains are paid in, at the scale of [`Self::cash`].
    pub(super) fn paid(&self, units: u128, scale: u8, up: bool) -> Option<i128> {
        let to = match self.is_inverse() {
            true => BASE_SCALE,
            false => VALUE_SCALE,
        };
        rounded(i128::try_from(units).ok()?, scale, to, up)
    }

    /// Takes note of other numbers in the listing. What is held stays at the old ones for good if
    /// the exit writes orders at those, or if it is another contract.
    pub(super) fn await_listing(&mut self, listed: &Instrument, keeps_scales: bool) {
        let scales = |of: &Instrument| (of.px_scale, of.qty_scale);
        let what = |of: &Instrument| (of.contract, of.base, of.quote);
        let rescaled = scales(listed) != scales(&self.listing);
        self.other = what(listed) != what(&self.listing) || keeps_scales && rescaled;
        self.next = (rescaled && !self.other).then_some(*listed);
    }

    /// Its books and its orders are at the numbers that all of it is counted at.
    pub(super) fn is_settled(&self) -> bool {
        self.next.is_none() && !self.other
    }

    /// Takes the listing that is waited for, unless orders are open. Gives the quantity's scale of
    /// the one before.
    pub(super) fn take_listing(&mut self, has_orders: bool) -> Option<u8> {
        let next = self.next.take_if(|_| !has_orders)?;
        let (px, qty) = (self.listing.px_scale, self.listing.qty_scale);
        let moved = |of: i64, up| {
            let units = rounded(of.into(), px, next.px_scale, up);
            units.map_or(i64::MAX, |units| i64::try_from(units).unwrap_or(i64::MAX))
        };
        self.touch = self.touch.map(|touch| Touch {
            bid: moved(touch.bid, false),
            ask: moved(touch.ask, true),
            ..touch
        });
        self.factor = factor(&next);
        self.listing = next;
        Some(qty)
    }
}

fn factor(listing: &Instrument) -> Option<Rate> {
    let size = i128::from(listing.contract.size);
    let scale = listing.notional_scale();
    let (mul, div) = match VALUE_SCALE.checked_sub(scale) {
        Some(wider) => (size.checked_mul(ten(wider)?)?, 1),
        None => (size, ten(scale - VALUE_SCALE)?),
    };
    let doubled = if listing.contract.inverse { 1 } else { 2 };
    let div = div.checked_mul(doubled)?;
    let common = common_divisor(mul, div);
    (size > 0).then_some(Rate {
        mul: mul / common,
        div: div / common,
    })
}

fn priced(factor: Rate, px_doubled: i128) -> Option<Rate> {
    Some(Rate {
        mul: times(px_doubled, factor.mul)?,
        ..factor
    })
}

fn common_divisor(a: i128, b: i128) -> i128 {
    if b == 0 {
        a.max(1)
    } else {
        common_divisor(b, a % b)
    }
}

/// Most numbers are short: a product of two of 64 bits cannot overflow.
fn times(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}
