//! Answers of every exchange's REST service, damaged: they are read or refused, and what is read
//! can be traded.

use super::fake::Fake;
use crate::base::Instrument;
use crate::exchange::mirror::Market as _;
use crate::exchange::{ALL, Exchange, RestRequest};

/// Damaged answers of each kind of each exchange.
const TIMES: usize = 200;

/// What numbers and names become.
const EXTREMES: [&str; 9] = [
    "18446744073709551616",
    "-1",
    "0",
    "1e400",
    "1e-9223372036854775808",
    "0.00000000000000000000001",
    "99999999999999999999999999999999999999999999999999",
    "null",
    "狗狗币的小弟狗狗币的小弟狗狗币的小弟狗狗币的小弟",
];

fn answer(exchange: &dyn Exchange, request: &RestRequest, market: &mut Fake) -> String {
    exchange.mirror().rest(request.call(), market).body
}

/// The body with a run of letters or digits replaced, or cut.
fn damaged(body: &str, dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..dice.usize(1..3) {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let at = dice.usize(0..bytes.len().max(1));
        let from = bytes.iter().skip(at).position(plain).map_or(at, |n| at + n);
        let end = bytes.iter().skip(from).position(|byte| !plain(byte));
        let end = end.map_or(bytes.len(), |n| from + n);
        match dice.u8(0..8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = dice.u8(..),
            _ => {
                let extreme = EXTREMES[dice.usize(0..EXTREMES.len())];
                drop(bytes.splice(from.min(end)..end, extreme.bytes()));
            }
        }
    }
    bytes
}

#[test]
fn a_damaged_answer_is_read_or_refused_and_what_is_read_can_be_traded() {
    let mut left_out = 0;
    for exchange in ALL {
        let name = exchange.name();
        let mut market = Fake::new(exchange.mirror());
        let mut dice = fastrand::Rng::with_seed(3);
        let one = market.listings()[0].instrument;
        for request in exchange.metadata_requests(&[]) {
            let body = answer(*exchange, &request, &mut market);
            for _ in 0..TIMES {
                let body = damaged(&body, &mut dice);
                let _ = exchange.metadata_next(&body);
                let Ok(listed) = exchange.metadata(&body) else {
                    continue;
                };
                left_out += listed.left_out.len();
                for found in listed.instruments {
                    check(name, &found);
                }
            }
        }
        for request in exchange.volume_requests() {
            let body = answer(*exchange, &request, &mut market);
            for _ in 0..TIMES {
                let _ = exchange.volumes(&damaged(&body, &mut dice));
            }
        }
        let Some(request) = exchange.snapshot_request(&one.symbol, 100) else {
            continue;
        };
        let body = answer(*exchange, &request, &mut market);
        for _ in 0..TIMES {
            let body = damaged(&body, &mut dice);
            if let Ok(book) = exchange.snapshot(body, &one, 100) {
                let mut levels = book.bids.iter().chain(&book.asks);
                assert!(levels.all(|at| at.px.0 > 0 && at.qty.0 > 0), "{name}");
            }
        }
    }
    assert!(left_out > 100, "{left_out}");
}

fn check(exchange: &str, found: &Instrument) {
    assert!(found.tick.0 > 0, "{exchange}: {found:?}");
    assert!(found.lot.0 > 0, "{exchange}: {found:?}");
    assert!(found.qty_min.0 > 0, "{exchange}: {found:?}");
    assert!(found.qty_max.0 <= i64::MAX as u64, "{exchange}: {found:?}");
    assert!(found.px_scale <= 18, "{exchange}: {found:?}");
    assert!(found.qty_scale <= 18, "{exchange}: {found:?}");
    assert!(found.contract.size > 0, "{exchange}: {found:?}");
}
