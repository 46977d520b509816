//! Binance spot. Source: the exchange's own API documentation (`binance-spot-api-docs`).
//! Names what is peculiar to it; how connections and books work is not its business.

pub mod decode;
pub mod mirror;
pub mod orders;
mod request;
mod rest;
mod symbols;
mod tape;

use super::{Account, DecodeError, Decoder, Endpoints, Exchange, Limits, OrderCodec, Streams};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{Instrument, Snapshot, UnixNanos};

/// Binance's spot market.
pub struct BinanceSpot;

impl Exchange for BinanceSpot {
    fn name(&self) -> &'static str {
        "binance-spot"
    }

    fn owns(&self, url: &str) -> bool {
        // Futures are at `fstream`, `dstream`, `fapi` and `dapi`; the names in front of the dot tell them apart.
        let Some((_, rest)) = url.split_once("://") else {
            return false;
        };
        let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
        let first = host.split('.').next().unwrap_or_default();
        let spot = [
            "stream",
            "data-stream",
            "api",
            "api1",
            "api2",
            "api3",
            "api4",
            "api-gcp",
        ];
        host.split('.').nth(1) == Some("binance")
            && (spot.contains(&first) || ["data-api", "www"].contains(&first))
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "stream.binance.com:9443".to_owned(),
            rest: "api.binance.com:443".to_owned(),
            orders: "ws-api.binance.com:443".to_owned(),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            streams_per_connection: 1_024,
            client_messages_per_s: 5,
            connection_life_s: 24 * 60 * 60,
            snapshot_levels_max: 5_000,
        }
    }

    fn rule(&self) -> SeqRule {
        SeqRule {
            snapshot: SnapshotFrom::Rest,
            splice: Splice::After,
            chain: Chain::Dense,
        }
    }

    fn stream_path(&self) -> String {
        "/stream?timeUnit=MICROSECOND".to_owned()
    }

    fn subscribe(&self, symbols: &[&str], streams: Streams) -> Vec<String> {
        request::subscribe(symbols, streams)
    }

    fn decoder(&self, instruments: &[Instrument]) -> Box<dyn Decoder> {
        Box::new(decode::SpotDecoder::new(instruments))
    }

    fn snapshot_path(&self, symbol: &str, levels: u16) -> String {
        let symbol = request::percent_encode(symbol);
        format!("/api/v3/depth?symbol={symbol}&limit={levels}")
    }

    fn snapshot_weight(&self, levels: u16) -> u32 {
        match levels {
            0..=100 => 5,
            101..=500 => 25,
            501..=1_000 => 50,
            1_001.. => 250,
        }
    }

    fn snapshot(
        &self,
        body: Vec<u8>,
        instrument: &Instrument,
        levels: u16,
    ) -> Result<Snapshot, DecodeError> {
        rest::snapshot(&body, instrument, levels)
    }

    fn metadata_path(&self, symbols: &[&str]) -> String {
        let list = request::percent_encode(&request::json_list(symbols));
        format!("/api/v3/exchangeInfo?symbols={list}&showPermissionSets=false")
    }

    fn metadata(&self, body: &[u8], symbols: &[&str]) -> Result<Vec<Instrument>, String> {
        rest::metadata(body, symbols)
    }

    fn order_codec(
        &self,
        account: Account,
        instruments: &[Instrument],
    ) -> Result<Box<dyn OrderCodec>, String> {
        Ok(Box::new(orders::SpotOrders::new(account, instruments)?))
    }
}

/// A time as Binance writes it, in milliseconds or, where asked for, microseconds. The two are
/// told apart by size: 10^14 ms is the year 5138, and 10^14 us was in 1973.
#[inline]
fn unix_time(stamp: u64) -> Option<UnixNanos> {
    const MICROS_MIN: u64 = 100_000_000_000_000;
    let unit_ns = if stamp < MICROS_MIN { 1_000_000 } else { 1_000 };
    let ns = i64::try_from(stamp).ok()?.checked_mul(unit_ns)?;
    Some(UnixNanos(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_knows_it_by_name() {
        let found = crate::exchange::by_name("binance-spot").unwrap();
        assert_eq!(found.name(), "binance-spot");
        assert!(crate::exchange::by_name("binance").is_none());
    }

    #[test]
    fn milliseconds_and_microseconds_are_the_same_time() {
        let time = Some(UnixNanos(1_750_000_000_123_000_000));
        assert_eq!(unix_time(1_750_000_000_123), time);
        assert_eq!(unix_time(1_750_000_000_123_000), time);
        assert_eq!(unix_time(99_999_999_999_999), None); // overflows as milliseconds
        assert_eq!(unix_time(u64::MAX), None);
    }

    #[test]
    fn a_snapshot_weighs_what_the_exchange_says() {
        let weights =
            [100, 101, 500, 501, 1_000, 1_001, 5_000].map(|n| BinanceSpot.snapshot_weight(n));
        assert_eq!(weights, [5, 25, 25, 50, 50, 250, 250]);
    }

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(
            BinanceSpot.metadata_path(&["BTCUSDT", "ETHUSDT"]),
            "/api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D&showPermissionSets=false"
        );
        assert_eq!(
            BinanceSpot.snapshot_path("币USDT", 5_000),
            "/api/v3/depth?symbol=%E5%B8%81USDT&limit=5000"
        );
    }
}
