//! The same messages as Binance sends them in SBE.

use super::messages::instrument;
use super::ordinary;
use tickwire::exchange::{self, Decoder};

/// A decoder for these messages.
pub fn decoder() -> Box<dyn Decoder> {
    let exchange = exchange::by_name("binance").unwrap();
    let mut depths = exchange.depth_streams().iter();
    let depth = depths.find(|depth| exchange.binary(depth).is_some());
    exchange.decoder(&[instrument()], depth.unwrap())
}

/// This message in SBE.
pub fn of(json: &str) -> Vec<u8> {
    let number = |name: &str| -> u64 {
        let (_, rest) = json.split_once(&format!("\"{name}\":")).unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    let update = ordinary::decode(json);
    let mut frame = Vec::new();
    for part in [26_u16, 10_003, 1, 0] {
        frame.extend(part.to_le_bytes());
    }
    for name in ["E", "U", "u"] {
        frame.extend(number(name).to_le_bytes());
    }
    frame.extend([(-8_i8) as u8; 2]);
    for side in [update.bids, update.asks] {
        frame.extend(16_u16.to_le_bytes());
        frame.extend((side.len() as u16).to_le_bytes());
        for text in side.iter().flatten() {
            // All of them have eight decimals.
            let mantissa: u64 = text.replace('.', "").parse().unwrap();
            frame.extend(mantissa.to_le_bytes());
        }
    }
    frame.extend(b"\x07BTCUSDT");
    frame
}
