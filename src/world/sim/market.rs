//! The instruments that the simulated exchange lists when it plays no recording. Holds numbers only.

use super::flow::Profile;
use crate::base::{Instrument, InstrumentId, Px, Qty, Symbol};
use crate::exchange::binance_spot::mirror::{Listing, PRECISION, QTY_MAX};

/// One unit at the scale of every price and quantity here.
const ONE: u64 = 10u64.pow(PRECISION as u32);

/// BTCUSDT, ETHUSDT and SOLUSDT with their usual ticks and lots, and how lively each is.
pub fn default_market() -> Vec<(Listing, Profile)> {
    // base, price in USDT, lots of a usual order, depth in ticks, decimals of a lot
    vec![
        lively(0, "BTC", 64_250, (40_000, 180), 5),
        lively(1, "ETH", 3_120, (8_000, 150), 4),
        lively(2, "SOL", 148, (25_000, 140), 3),
    ]
}

fn lively(
    n: usize,
    base: &str,
    price: i64,
    (lots, depth_ticks): (u64, i64),
    lot_decimals: u32,
) -> (Listing, Profile) {
    let lot = Qty(ONE / 10u64.pow(lot_decimals));
    let mut instrument = listed(n, &format!("{base}USDT"));
    instrument.tick = Px(ONE as i64 / 100);
    (instrument.lot, instrument.qty_min) = (lot, lot);
    instrument.qty_max = Qty(9_000 * ONE);
    instrument.notional_min = 5 * u128::from(ONE) * u128::from(ONE);
    let (base, quote) = (base.to_owned(), "USDT".to_owned());
    let profile = Profile {
        fair: Px(price * ONE as i64),
        lots,
        depth_ticks,
        actions_per_s: 200,
    };
    (
        Listing {
            instrument,
            base,
            quote,
        },
        profile,
    )
}

/// A listing for a symbol of a recording: the finest tick and lot that the wire can carry.
pub fn recorded_listing(n: usize, symbol: &str) -> Listing {
    let quotes = [
        "USDT", "BUSD", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "USD", "AUD", "BRL",
    ];
    let split = quotes
        .iter()
        .find_map(|quote| symbol.strip_suffix(quote).map(|base| (base, *quote)));
    let (base, quote) = split
        .filter(|(base, _)| !base.is_empty())
        .unwrap_or((symbol, ""));
    let (base, quote) = (base.to_owned(), quote.to_owned());
    Listing {
        instrument: listed(n, symbol),
        base,
        quote,
    }
}

fn listed(n: usize, symbol: &str) -> Instrument {
    Instrument {
        exchange: "binance-spot",
        id: InstrumentId(n as u16),
        // Longer symbols are refused where a recording is read.
        symbol: Symbol::from(symbol).unwrap_or_default(),
        px_scale: PRECISION,
        qty_scale: PRECISION,
        tick: Px(1),
        lot: Qty(1),
        qty_min: Qty(1),
        qty_max: QTY_MAX,
        notional_min: 0,
        trading: true,
    }
}
