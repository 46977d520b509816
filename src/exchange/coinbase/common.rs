//! What both protocols do alike: refusals, products, ticks. Knows neither's messages.

use crate::base::instrument::name;
use crate::base::{Channel, Instrument, Level, Px, Qty, UnixNanos, decimal};
use crate::exchange::kit::cursor::{self, Items};
use crate::exchange::kit::{Listed, Symbols, Value, listing};
use crate::exchange::{DecodeError, Words};

/// Coinbase gives its refusals no number.
pub(crate) const REFUSED: i64 = -1;

/// The elements of an array. An empty one may be written as `null`.
#[inline]
pub(crate) fn list(value: Value<'_>) -> Result<Items<'_>, DecodeError> {
    match value.is_null() {
        true => Ok(value.items()),
        false => value.array(),
    }
}

/// The RFC 3339 time; zero if the message has none.
#[inline]
pub(crate) fn time(value: Value<'_>) -> Result<UnixNanos, DecodeError> {
    value.some().map_or(Ok(UnixNanos(0)), Value::rfc3339)
}

/// A side of the book that a quote may lack: `None` if a text is absent, null or empty.
pub(crate) fn level(
    [px, qty]: [Value<'_>; 2],
    listed: &Listed,
) -> Result<Option<Level>, DecodeError> {
    for part in [px, qty] {
        if part.is_absent() || part.is_null() || part.text()?.is_empty() {
            return Ok(None);
        }
    }
    cursor::level(px, qty, listed).map(Some)
}

/// The products that the connection follows on this channel, by the exchange's list of them all.
pub(crate) fn subscribed(
    channel: Channel,
    products: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for product in list(products)? {
        if let Some(listed) = symbols.find(product.text()?) {
            words.subscribed(listed.id, channel, None)?;
        }
    }
    Ok(())
}

/// `{"type":"error","message":"…","reason":"…"}`: it names neither a request nor a channel. Each
/// product of ours that its text names is refused on every channel; if it names none, no request
/// of ours is known to be meant.
pub(crate) fn refusal(
    said: [Value<'_>; 2],
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let mut named = false;
    for text in said.into_iter().filter_map(Value::string) {
        let apart = |c: char| !(c.is_alphanumeric() || c == '-');
        for listed in text.split(apart).filter_map(|word| symbols.find(word)) {
            named = true;
            for channel in Channel::ALL {
                words.subscribed(listed.id, channel, Some(REFUSED))?;
            }
        }
    }
    if named {
        Ok(())
    } else {
        words.answer(0, Some(REFUSED))
    }
}

/// A product as either REST service lists it, its numbers as texts.
#[derive(Debug, Default)]
pub(crate) struct Product<'p> {
    /// `BTC-USD`.
    pub(crate) symbol: &'p str,
    /// What is traded.
    pub(crate) base: &'p str,
    /// What it is paid with.
    pub(crate) quote: &'p str,
    /// Step of prices.
    pub(crate) px_step: &'p str,
    /// Step of quantities.
    pub(crate) qty_step: &'p str,
    /// Smallest quantity of an order; empty if none is stated.
    pub(crate) qty_min: &'p str,
    /// Largest quantity of an order; empty if none is stated.
    pub(crate) qty_max: &'p str,
    /// Smallest price times quantity of an order; empty if none is stated.
    pub(crate) notional_min: &'p str,
    /// It takes orders now.
    pub(crate) trading: bool,
}

impl Product<'_> {
    /// The table entry; the error says what of it cannot be represented.
    pub(crate) fn instrument(&self, exchange: &'static str) -> Result<Instrument, String> {
        let (px_scale, tick) = listing::step("price step", self.px_step)?;
        let (qty_scale, lot) = listing::step("quantity step", self.qty_step)?;
        let qty = |what, text: &str, absent| match text {
            "" => Ok(absent),
            _ => listing::units(what, text, qty_scale),
        };
        let (base, quote) = (listing::asset(self.base)?, listing::asset(self.quote)?);
        let symbol = listing::symbol(self.symbol)?;
        Ok(Instrument {
            name: name(exchange, &[&base, &quote]),
            base,
            quote,
            settle: quote,
            tick: Px(tick as i64), // At most `i64::MAX`.
            lot: Qty(lot),
            qty_min: Qty(qty("smallest order", self.qty_min, lot)?.max(1)),
            qty_max: Qty(qty("largest order", self.qty_max, i64::MAX as u64)?),
            notional_min: notional(self.notional_min, px_scale + qty_scale).ok_or_else(|| {
                format!("its smallest worth {:?} does not fit", self.notional_min)
            })?,
            trading: self.trading,
            ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
        })
    }
}

/// A notional at `scale`, up to 36; zero if none is stated.
fn notional(text: &str, scale: u8) -> Option<u128> {
    if text.is_empty() {
        return Some(0);
    }
    let near = scale.min(decimal::SCALE_MAX);
    let units = decimal::parse(text.as_bytes(), near).ok()?;
    10u128
        .checked_pow(u32::from(scale - near))?
        .checked_mul(u128::from(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_give_scales_and_what_does_not_fit_is_left_out() {
        let product = Product {
            symbol: "ADA-BTC",
            base: "ADA",
            quote: "BTC",
            px_step: "0.00000010",
            qty_step: "5",
            notional_min: "0.000016",
            trading: true,
            ..Product::default()
        };
        let made = product.instrument("coinbase").unwrap();
        assert_eq!(made.name.as_str(), "coinbase:ADA-BTC");
        assert_eq!(
            (made.px_scale, made.tick, made.qty_scale, made.lot),
            (7, Px(1), 0, Qty(5))
        );
        assert_eq!((made.qty_min, made.notional_min), (Qty(5), 160));
        let with = |px_step, qty_max| Product {
            px_step,
            qty_max,
            ..Product { ..product_of() }
        };
        for (px_step, qty_max) in [("", ""), ("0", ""), ("x", ""), ("1", "1.5"), ("1", "1e40")] {
            assert!(with(px_step, qty_max).instrument("coinbase").is_err());
        }
    }

    fn product_of() -> Product<'static> {
        Product {
            symbol: "A-B",
            base: "A",
            quote: "B",
            qty_step: "1",
            ..Product::default()
        }
    }
}
