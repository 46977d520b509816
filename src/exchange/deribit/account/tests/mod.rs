//! What the codec of an account writes and reads, one sentence each.

mod answers;
mod lists;
mod requests;
mod search;
mod stream;

use super::orders::DeribitOrders;
use crate::base::instrument::{Asset, Kind};
use crate::base::{
    ClientId, Decimal, Fee, Fill, Instrument, InstrumentId, NewOrder, OrderRef, OrderType, Px, Qty,
    Said, Side, StrategyId, Symbol, UnixNanos,
};
use crate::exchange::{Account, AccountKey, AccountWord, DecodeError, OrderCodec, RequestKey};

const SECRET: &str = "test-secret-0001";
const NOW: UnixNanos = UnixNanos(1_750_000_000_123_456_789);
const ETH: InstrumentId = InstrumentId(3);

fn account() -> Account {
    Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Hmac(SECRET.to_owned().into()),
    }
}

fn instrument(id: u16, base: &str, kind: Kind) -> Instrument {
    let symbol = match kind {
        Kind::Spot => format!("{base}_USDT"),
        _ => format!("{base}-PERPETUAL"),
    };
    Instrument {
        id: InstrumentId(id),
        base: Asset::from(base).unwrap(),
        quote: Asset::from("USDT").unwrap(),
        kind,
        ..Instrument::bare("deribit", Symbol::from(&symbol).unwrap(), (2, 4))
    }
}

fn codec() -> DeribitOrders {
    let instruments = [
        instrument(3, "ETH", Kind::Spot),
        instrument(0, "BTC", Kind::Spot),
        instrument(1, "BTC", Kind::Perpetual),
    ];
    DeribitOrders::new(&account(), &instruments).unwrap()
}

fn order(order_type: OrderType) -> NewOrder {
    NewOrder {
        client_id: ClientId(1_306),
        strategy: StrategyId(0),
        instrument: ETH,
        side: Side::Buy,
        px: Px(250_012),
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

fn text(frame: &[u8]) -> &str {
    std::str::from_utf8(frame).unwrap()
}

/// What this codec makes of a frame.
fn said_by(codec: &mut DeribitOrders, frame: &str) -> Result<Vec<AccountWord>, DecodeError> {
    let mut words = vec![AccountWord::Shutdown]; // Of the frame before.
    codec.decode(frame.as_bytes(), &mut words).map(|()| words)
}

fn said(frame: &str) -> Result<Vec<AccountWord>, DecodeError> {
    said_by(&mut codec(), frame)
}

fn frame(id: &str, rest: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"{id}",{rest},"usIn":1750000000122000,"usOut":1750000000123000,"usDiff":1000,"testnet":false}}"#
    )
}

/// What an answer to the request with this id says behind that it is one, and when it came.
fn answered(id: &str, rest: &str) -> Vec<AccountWord> {
    let mut words = said(&frame(id, rest)).unwrap();
    assert!(
        matches!(words[0], AccountWord::Answered { .. }),
        "{words:?}"
    );
    assert_eq!(words[1], AT);
    words.split_off(2)
}

fn refused(id: &str, code: i32, message: &str) -> Vec<AccountWord> {
    answered(id, &error(code, message))
}

fn error(code: i32, message: &str) -> String {
    format!(r#""error":{{"code":{code},"message":"{message}"}}"#)
}

/// Order 7 as the exchange shows it.
fn shown(state: &str, filled: &str, rest: &str) -> String {
    format!(
        r#"{{"order_id":"ETH_USDT-584849853","order_state":"{state}","order_type":"limit","time_in_force":"good_til_cancelled","instrument_name":"ETH_USDT","creation_timestamp":1750000000100,"last_update_timestamp":1750000000123,"direction":"sell","price":2500.12,"label":"tw00000000000000000007","post_only":false,"api":true,"amount":0.6,"filled_amount":{filled},"average_price":0.0{rest}}}"#
    )
}

/// A trade of order 7.
fn trade(seq: u64, amount: &str) -> String {
    format!(
        r#"{{"trade_seq":{seq},"trade_id":"ETH_USDT-37{seq}","timestamp":1750000000123,"tick_direction":2,"state":"open","price":2500.13,"order_type":"limit","order_id":"ETH_USDT-584849853","matching_id":null,"mark_price":2500.0,"liquidity":"M","label":"tw00000000000000000007","instrument_name":"ETH_USDT","index_price":2500.1,"fee_currency":"USDT","fee":-2.1e-05,"direction":"sell","amount":{amount}}}"#
    )
}

fn filled(seq: u64, qty: u64) -> Fill {
    Fill {
        fee: Some(Fee {
            asset: Asset::from("USDT").unwrap(),
            amount: Decimal {
                units: 21,
                scale: 6,
            },
            rebate: true,
        }),
        maker: Some(true),
        at: UnixNanos(1_750_000_000_123_000_000),
        ..Fill::bare(seq, Side::Sell, Px(250_013), Qty(qty))
    }
}

/// About order 7 of ETH_USDT.
fn of(said: Said) -> AccountWord {
    AccountWord::Order(ClientId(7), ETH, said)
}

const PLACE: &str = "p0000300000000000000000007";
const CANCEL: &str = "c0000300000000000000000007";
const REDUCE: &str = "a0000300000000000000000007";
const ORDER: &str = "o0000300000000000000000007";
const OTHERWISE: &str = "u0000300000000000000000007";
const TRADES: &str = "m00003";
const TAKEN: Said = Said::Taken {
    exchange_id: 584_849_853,
};
const AT: AccountWord = AccountWord::At(UnixNanos(1_750_000_000_123_000_000));
