//! What the codec of an account writes and reads, one sentence each.

mod answers;
mod lists;
mod names;
mod requests;
mod stream;

use super::orders::SpotOrders;
use super::sign::Signer;
use crate::base::{
    ClientId, Decimal, Fee, Fill, InstrumentId, NewOrder, OrderRef, OrderType, Px, Qty, Said, Side,
    StrategyId, UnixNanos,
};
use crate::exchange::binance_spot::rest::test_instrument;
use crate::exchange::{AccountWord, DecodeError, OrderCodec, RequestKey};
use base64::Engine;

const API_KEY: &str = "test-key-0001";
const SECRET: &str = "test-secret-0001";
const NOW: UnixNanos = UnixNanos(1_750_000_000_123_456_789);
const ETH: InstrumentId = InstrumentId(3);

/// Seed 00 01 … 1f, as PKCS#8.
fn pem() -> String {
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend(0..32u8);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn signed_by(signer: Signer) -> SpotOrders {
    let instruments = [test_instrument(3, "ETHUSDT"), test_instrument(0, "BTCUSDT")];
    SpotOrders::with(API_KEY, signer, &instruments).unwrap()
}

/// With an Ed25519 key.
fn codec() -> SpotOrders {
    signed_by(Signer::of_private_key(&pem()).unwrap())
}

/// With an HMAC key.
fn signing_codec() -> SpotOrders {
    signed_by(Signer::of_secret(SECRET).unwrap())
}

fn order(order_type: OrderType) -> NewOrder {
    NewOrder {
        client_id: ClientId(1_306),
        strategy: StrategyId(0),
        instrument: ETH,
        side: Side::Buy,
        px: Px(250_012_000_000),
        qty: Qty(5_000),
        order_type,
    }
}

/// Order 7, by its number if there is one.
fn seven(exchange_id: Option<u64>) -> OrderRef {
    OrderRef {
        client_id: ClientId(7),
        instrument: ETH,
        exchange_id,
    }
}

fn json(frame: &[u8]) -> serde_json::Value {
    serde_json::from_slice(frame).unwrap()
}

/// What a frame says.
fn said(frame: &str) -> Result<Vec<AccountWord>, DecodeError> {
    let mut words = vec![AccountWord::Shutdown]; // Of the frame before.
    codec().decode(frame.as_bytes(), &mut words).map(|()| words)
}

/// What an answer to the request with this id says behind that it is one.
fn answered(id: &str, status: u16, rest: &str) -> Vec<AccountWord> {
    let frame = format!(r#"{{"id":"{id}","status":{status},{rest}}}"#);
    let mut words = said(&frame).unwrap();
    assert!(
        matches!(words[0], AccountWord::Answered { .. }),
        "{words:?}"
    );
    words.remove(0);
    words
}

fn refused(id: &str, status: u16, code: i32, message: &str) -> Vec<AccountWord> {
    let error = format!(r#""error":{{"code":{code},"msg":"{message}"}}"#);
    answered(id, status, &error)
}

/// About order 7 of ETHUSDT.
fn of(said: Said) -> AccountWord {
    of_order(7, said)
}

fn of_order(id: u64, said: Said) -> AccountWord {
    AccountWord::Order(ClientId(id), ETH, said)
}

fn fee(units: u128, scale: u8, asset: &str) -> Option<Fee> {
    Some(Fee {
        asset: asset.try_into().unwrap(),
        amount: Decimal { units, scale },
        rebate: false,
    })
}

const PLACE: &str = "p0000300000000000000000007";
const CANCEL: &str = "c0000300000000000000000007";
const REDUCE: &str = "a0000300000000000000000007";
const ORDER: &str = "o0000300000000000000000007";
const TRADES: &str = "m00003";
/// Order 8 in the place of 7.
const REPLACE: &str = "r000030000000000000000000800000000000000000007";
const TAKEN: Said = Said::Taken {
    exchange_id: 12_569_099_453,
};
const AT: AccountWord = AccountWord::At(UnixNanos(1_684_804_350_068_000_000));
