//! What answers and private streams say of orders in the same way at every exchange: fees, prices
//! of trades, the exchange's own words. Knows no exchange's messages.

use super::cursor::Value;
use super::symbols::Listed;
use crate::base::note::NOTE_TEXT_MAX;
use crate::base::{ClientId, Decimal, Fee, InstrumentId, Px, Said, decimal};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;
use arrayvec::{ArrayString, ArrayVec};

/// The exchange's own words, cut to what a note holds.
pub(crate) type ErrorText = ArrayString<NOTE_TEXT_MAX>;

/// Goes on with this, as far as there is room.
pub(crate) fn append(text: &mut ErrorText, more: &str) {
    let fits = |character: char| text.try_push(character).is_ok();
    let _cut = more.chars().all(fits);
}

/// Nobody knows of this order what the frame would say.
pub(crate) fn unknown(id: ClientId, instrument: InstrumentId) -> AccountWord {
    AccountWord::Order(id, instrument, Said::Unanswered)
}

/// What a frame comes to that was read so far: if it turned out to be unreadable, what is said
/// `otherwise` of the orders that it named. It stays unreadable if that is nothing.
pub(crate) fn or_otherwise<const N: usize>(
    read: Result<(), DecodeError>,
    words: &mut Vec<AccountWord>,
    otherwise: &mut ArrayVec<AccountWord, N>,
) -> Result<(), DecodeError> {
    if read.is_ok() {
        return Ok(());
    }
    words.clear();
    words.extend(otherwise.drain(..));
    match words.is_empty() {
        true => read,
        false => Ok(()),
    }
}

/// A price of a trade: zero and less is none.
pub(crate) fn px(value: Value<'_>, listed: &Listed) -> Result<Px, DecodeError> {
    let px = value.px(listed)?;
    match px.0 > 0 {
        true => Ok(px),
        false => Err(Shape),
    }
}

/// What was taken for a trade; `None` if it does not say in what.
pub(crate) fn fee(amount: Value<'_>, asset: Value<'_>) -> Result<Option<Fee>, DecodeError> {
    let Some(asset) = asset.string() else {
        return Ok(None);
    };
    let text = amount.text()?;
    let rebate = text.starts_with('-');
    let amount = text.strip_prefix('-').unwrap_or(text);
    Ok(Some(Fee {
        asset: asset.try_into().map_err(|_| Shape)?,
        amount: amount_of(amount)?,
        rebate,
    }))
}

/// An amount as an exchange writes it, perhaps with an exponent.
pub(crate) fn amount_of(text: &str) -> Result<Decimal, DecodeError> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Decimal::parse(text.as_bytes()).map_err(|_| Shape);
    };
    let Decimal { units, scale } = Decimal::parse(mantissa.as_bytes()).map_err(|_| Shape)?;
    let by: i16 = exponent.parse().map_err(|_| Shape)?;
    let scale = i16::from(scale).checked_sub(by).ok_or(Shape)?;
    let more = 10u128.checked_pow(u32::from(scale.min(0).unsigned_abs()));
    let units = more.and_then(|more| units.checked_mul(more)).ok_or(Shape)?;
    let scale = u8::try_from(scale.max(0)).map_err(|_| Shape)?;
    match scale <= 2 * decimal::SCALE_MAX {
        true => Ok(Decimal { units, scale }),
        false => Err(Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_with_an_exponent_is_the_number_with_its_point_moved() {
        let is = |units, scale| Ok(Decimal { units, scale });
        assert_eq!(amount_of("1.50"), is(150, 2));
        assert_eq!(amount_of("2.1e-7"), is(21, 8));
        assert_eq!(amount_of("2.1E-07"), is(21, 8));
        assert_eq!(amount_of("1.25e+1"), is(125, 1));
        assert_eq!(amount_of("1.25e3"), is(1_250, 0));
        assert_eq!(amount_of("0.0e0"), is(0, 1));
        for none in [
            "", "e5", "1e", "1e-", "1e+-5", "1e 5", "1e5.0", "-1e5", "1.e5", "1ee5", "1e-37",
            "1e39", "1e30000", "1e-32768",
        ] {
            assert_eq!(amount_of(none), Err(Shape), "{none}");
        }
    }
}
