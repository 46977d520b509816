//! The instruments that a simulated exchange lists when it plays no recording. Holds numbers only.

use super::flow::Profile;
use crate::base::{InstrumentId, Px, Span};
use crate::exchange::Mirror;
use crate::exchange::mirror::Listing;
use std::ops::RangeInclusive;

/// Assets of one exchange, at most; it may list two instruments of each.
pub(crate) const INSTRUMENTS_MAX: usize = 1_000;

/// The first assets of a list are lively, the others calm.
const LIVELY: usize = 3;

/// An asset as the market sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    base: String,
    /// The price, in units of its last decimal.
    price: i64,
    px_decimals: u8,
    qty_decimals: u8,
    /// A usual order, in units of the quantity's last decimal.
    usual: u64,
    depth_ticks: i64,
    orders_per_side: usize,
    pause: Span,
}

impl Coin {
    /// Ticks at which a price may start: fewer leave no room for a book below it, more none for
    /// what multiplies it.
    pub(crate) const PRICES: RangeInclusive<u64> = 1_000..=100_000_000;
    /// Lots that a usual order may have.
    pub(crate) const USUALS: RangeInclusive<u64> = 10..=1_000_000_000;
    /// Decimals that a price or a quantity may have: every exchange writes as many.
    pub(crate) const DECIMALS_MAX: u8 = 8;

    /// The asset at this place of a list, with its price at the start and a usual order, each in
    /// units of its last decimal, and with their decimals.
    pub(crate) fn new(n: usize, base: &str, price: (u64, u8), usual: (u64, u8)) -> Self {
        debug_assert!(Self::PRICES.contains(&price.0));
        debug_assert!(Self::USUALS.contains(&usual.0));
        Self {
            base: base.to_owned(),
            price: price.0 as i64,
            px_decimals: price.1,
            qty_decimals: usual.1,
            usual: usual.0,
            depth_ticks: if n < LIVELY { 150 } else { 100 },
            orders_per_side: if n < LIVELY { 350 } else { 100 },
            pause: Span::from_millis(if n < LIVELY { 5 } else { 50 }),
        }
    }
}

/// The first `count` assets if nobody lists any: BTC, ETH and SOL, then invented ones.
pub fn coins(count: usize) -> Vec<Coin> {
    (0..count.min(INSTRUMENTS_MAX)).map(coin).collect()
}

/// What prices of an asset's instruments are in at this exchange.
pub(crate) fn quotes(mirror: &dyn Mirror) -> impl Iterator<Item = &'static str> {
    [Some(mirror.quote()), mirror.spot_quote()]
        .into_iter()
        .flatten()
}

/// What this exchange lists of these assets, and how lively each is. `pause` is the mean time
/// between two actions on each, if it is given.
pub(crate) fn listed(
    mirror: &dyn Mirror,
    coins: &[Coin],
    pause: Option<Span>,
) -> Vec<(Listing, Profile)> {
    let mut market = Vec::new();
    let coins = &coins[..coins.len().min(INSTRUMENTS_MAX)];
    let each = |quote| coins.iter().map(move |coin| (quote, coin));
    for (quote, coin) in quotes(mirror).flat_map(each) {
        let mut instrument = mirror.list(&coin.base, quote, coin.px_decimals, coin.qty_decimals);
        instrument.id = InstrumentId(market.len() as u16);
        let tick = instrument.tick.0.max(1);
        let fair = scaled(coin.price.into(), coin.px_decimals, instrument.px_scale);
        let fair = i64::try_from(fair).unwrap_or(i64::MAX / 2);
        // A coarse tick of the exchange's own moves the touch away from zero, never to it.
        let fair = Px((fair / tick).max(1_000) * tick);
        let usual = u128::from(coin.usual);
        let contract = instrument.contract;
        let worth = match contract.inverse {
            true => usual * coin.price.unsigned_abs() as u128 / 10u128.pow(coin.px_decimals.into()),
            false => usual,
        };
        let units = scaled(
            (worth * 10u128.pow(contract.scale.into()) / u128::from(contract.size.max(1))) as i128,
            coin.qty_decimals,
            instrument.qty_scale,
        );
        let lots = units.unsigned_abs() / u128::from(instrument.lot.0.max(1));
        let profile = Profile {
            fair,
            lots: (lots as u64).clamp(10, 1_000_000_000),
            depth_ticks: coin.depth_ticks,
            orders_per_side: coin.orders_per_side,
            pause: pause.unwrap_or(coin.pause),
        };
        let volume = 1_000_000_000 / (market.len() as u64 + 1);
        market.push((Listing { instrument, volume }, profile));
    }
    market
}

/// `units` of 10^-`from` in units of 10^-`to`.
fn scaled(units: i128, from: u8, to: u8) -> i128 {
    let power = |by: u8| 10i128.pow(by.into());
    match to >= from {
        true => units * power(to - from),
        false => units / power(from - to),
    }
}

fn coin(n: usize) -> Coin {
    let real = |base, price, usual, depth_ticks| Coin {
        depth_ticks,
        ..Coin::new(n, base, (price, 2), usual)
    };
    match n {
        0 => real("BTC", 6_425_000, (40_000, 5), 180),
        1 => real("ETH", 312_000, (8_000, 4), 150),
        2 => real("SOL", 14_800, (25_000, 3), 140),
        _ => {
            // From 0.2 to 80,000 of the quote asset, each with five digits.
            let px_decimals = (n % 6) as u8;
            let price = 20_000 + (n as u64 * 7_919) % 60_000;
            let usual = (10_000, 5 - px_decimals);
            Coin::new(n, &format!("C{:03}", n + 1), (price, px_decimals), usual)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ALL;
    use std::collections::BTreeSet;

    #[test]
    fn a_thousand_instruments_of_every_exchange_have_names_of_their_own_and_sound_prices() {
        for exchange in ALL {
            let market = listed(exchange.mirror(), &coins(INSTRUMENTS_MAX), None);
            let symbols: BTreeSet<_> = market
                .iter()
                .map(|(listing, _)| listing.instrument.symbol)
                .collect();
            let all = quotes(exchange.mirror()).count() * INSTRUMENTS_MAX;
            assert_eq!(symbols.len(), all, "{}", exchange.name());
            for (listing, profile) in &market {
                let instrument = &listing.instrument;
                assert_eq!(instrument.exchange, exchange.name());
                assert_eq!(profile.fair.0 % instrument.tick.0, 0, "{instrument:?}");
                let ticks = profile.fair.0 / instrument.tick.0;
                assert!((1_000..=100_000_000).contains(&ticks), "{instrument:?}");
            }
        }
    }
}
