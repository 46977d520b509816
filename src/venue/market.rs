//! The instruments that a simulated exchange lists when it plays no recording. Holds numbers only.

use super::flow::Profile;
use crate::base::{InstrumentId, Px, Span};
use crate::exchange::Mirror;
use crate::exchange::mirror::Listing;

/// Instruments of one exchange, at most.
pub(crate) const INSTRUMENTS_MAX: usize = 1_000;

/// An asset as the market sees it.
struct Coin {
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

/// The first `instruments` that this exchange lists, and how lively each is: BTC, ETH and SOL, then
/// invented assets, which are calmer. `pause` is the mean time between two actions on each, if
/// it is given.
pub(crate) fn listed(
    mirror: &dyn Mirror,
    instruments: usize,
    pause: Option<Span>,
) -> Vec<(Listing, Profile)> {
    let coins = (0..instruments.min(INSTRUMENTS_MAX)).map(coin);
    let mut market = Vec::new();
    for (n, coin) in coins.enumerate() {
        let mut instrument = mirror.list(
            &coin.base,
            mirror.quote(),
            coin.px_decimals,
            coin.qty_decimals,
        );
        instrument.id = InstrumentId(n as u16);
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
        let volume = 1_000_000_000 / (n as u64 + 1);
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
    const LIVELY: Span = Span::from_millis(5);
    let real = |base: &str, price, qty_decimals, (usual, depth_ticks)| Coin {
        base: base.to_owned(),
        price,
        px_decimals: 2,
        qty_decimals,
        usual,
        depth_ticks,
        orders_per_side: 350,
        pause: LIVELY,
    };
    match n {
        0 => real("BTC", 6_425_000, 5, (40_000, 180)),
        1 => real("ETH", 312_000, 4, (8_000, 150)),
        2 => real("SOL", 14_800, 3, (25_000, 140)),
        _ => {
            // From 0.2 to 80,000 of the quote asset, each with five digits.
            let px_decimals = (n % 6) as u8;
            Coin {
                base: format!("C{:03}", n + 1),
                price: 20_000 + (n as i64 * 7_919) % 60_000,
                px_decimals,
                qty_decimals: 5 - px_decimals,
                usual: 10_000,
                depth_ticks: 100,
                orders_per_side: 100,
                pause: Span::from_millis(50),
            }
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
            let market = listed(exchange.mirror(), INSTRUMENTS_MAX, None);
            let symbols: BTreeSet<_> = market
                .iter()
                .map(|(listing, _)| listing.instrument.symbol)
                .collect();
            assert_eq!(symbols.len(), INSTRUMENTS_MAX, "{}", exchange.name());
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
