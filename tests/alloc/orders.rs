//! Zero allocations a request and an answer, from the first that comes once the buffers are warm,
//! whatever sort of key the account has; and how long they take, printed.

use crate::counting::allocations;
use std::time::Instant;
use tickwire::base::{
    ClientId, Instrument, InstrumentId, NewOrder, OrderRef, OrderType, Px, Qty, Question, Side,
    StrategyId, TradesOf, UnixNanos,
};
use tickwire::exchange::{self, Account, AccountKey, AccountWord, OrderCodec};

const ROUNDS: u32 = if cfg!(debug_assertions) {
    2_000
} else {
    200_000
};
const NOW: UnixNanos = UnixNanos(1_750_000_000_123_456_789);
/// Answers and reports of each exchange that takes orders.
const FRAMES: [(&str, &str); 2] = [
    (
        "binance",
        include_str!("../../src/exchange/binance_spot/golden/binance.account.frames"),
    ),
    (
        "deribit",
        include_str!("../../src/exchange/deribit/golden/deribit.account.frames"),
    ),
];

fn codecs() -> Vec<(&'static str, Box<dyn OrderCodec>)> {
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
        -----END PRIVATE KEY-----\n";
    let secret = || AccountKey::Hmac("test-secret-0001".to_owned().into());
    let keys = [
        ("binance", AccountKey::Ed25519Pem(pem.to_owned().into())),
        ("binance", secret()),
        ("deribit", secret()),
    ];
    let codec = |(name, key)| {
        let account = Account {
            api_key: "test-key-0001".to_owned().into(),
            key,
        };
        let exchange = exchange::by_name(name).unwrap();
        let pairs = [(0, "BTC"), (3, "ETH")].map(|(id, base)| Instrument {
            id: InstrumentId(id),
            ..exchange.mirror().list(base, "USDT", 8, 8)
        });
        (name, exchange.order_codec(account, &pairs).unwrap())
    };
    keys.into_iter().map(codec).collect()
}

fn order(order_type: OrderType, id: u64) -> NewOrder {
    NewOrder {
        client_id: ClientId(id),
        strategy: StrategyId(0),
        instrument: InstrumentId(3),
        side: Side::Buy,
        px: Px(250_012_000_000),
        qty: Qty(123_456_789),
        order_type,
    }
}

fn old(id: u64) -> OrderRef {
    OrderRef {
        client_id: ClientId(id),
        instrument: InstrumentId(3),
        exchange_id: (id.is_multiple_of(2)).then_some(12_569_099_453),
    }
}

fn request_all(codec: &mut dyn OrderCodec, id: u64) -> usize {
    let mut bytes = codec.follow(NOW).len() + codec.logon(NOW).len();
    for order_type in OrderType::ALL {
        let order = order(order_type, id + 1);
        bytes += codec.place(&order, NOW).len();
        bytes += codec.replace(&old(id), &order, NOW).len();
    }
    bytes += codec.cancel(&old(id), NOW).len();
    bytes += codec.reduce(&old(id), Qty(1), NOW).len();
    let trades = Question::Trades(InstrumentId(3), TradesOf::After(id));
    for question in [
        Question::Order(old(id)),
        trades,
        Question::OpenOrders,
        Question::Balances,
    ] {
        bytes += codec.ask(&question, NOW).len();
    }
    bytes
}

#[test]
fn requests_allocate_nothing_from_the_first_on() {
    for (name, mut codec) in codecs() {
        let mut bytes = 0;
        let count = allocations(|| {
            for id in 0..u64::from(ROUNDS / 10) {
                bytes += request_all(&mut *codec, id);
            }
        });
        assert!(bytes > 0);
        assert_eq!(count, 0, "{name}");
        let began = Instant::now();
        for id in 0..ROUNDS {
            std::hint::black_box(codec.place(&order(OrderType::Limit, id.into()), NOW));
        }
        println!(
            "orders: {name}: {:?} an order encoded",
            began.elapsed() / ROUNDS
        );
    }
}

#[test]
fn answers_and_reports_allocate_nothing_once_warm() {
    for (name, frames) in FRAMES {
        let mut codecs = codecs().into_iter();
        let (_, codec) = codecs.find(|(exchange, _)| *exchange == name).unwrap();
        reads(codec, frames);
    }
}

fn reads(mut codec: Box<dyn OrderCodec>, frames: &str) {
    let frames = frames.lines().filter(|line| line.starts_with('{'));
    let frames: Vec<&str> = frames.collect();
    let mut words: Vec<AccountWord> = Vec::with_capacity(64);
    let mut decode = |frame: &str| codec.decode(frame.as_bytes(), &mut words).unwrap();
    frames.iter().for_each(|frame| decode(frame));
    let count = allocations(|| {
        for _ in 0..ROUNDS / 10 {
            frames.iter().for_each(|frame| decode(frame));
        }
    });
    assert_eq!(count, 0);
    for frame in [frames[3], frames[frames.len() - 2]] {
        let began = Instant::now();
        (0..ROUNDS).for_each(|_| decode(frame));
        println!(
            "orders: {:?} a frame of {} bytes",
            began.elapsed() / ROUNDS,
            frame.len()
        );
    }
}
