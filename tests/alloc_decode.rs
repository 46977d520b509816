//! Zero allocations a message, from frame payload to word and from order to frame, once the buffers are warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tickwire::base::{
    ClientId, Instrument, InstrumentId, NewOrder, Px, Qty, Side, Symbol, TimeInForce, UnixNanos,
    Word,
};
use tickwire::exchange::{self, Account, Answer};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks of it.
struct Counting;

// SAFETY: every call is handed on unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's own promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's own promise.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A million where the code is optimized; fewer where a debug build would take minutes.
const MESSAGES: usize = if cfg!(debug_assertions) {
    200_000
} else {
    1_000_000
};

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn instruments() -> Vec<Instrument> {
    let one = |(id, symbol)| Instrument {
        exchange: "binance-spot",
        id: InstrumentId(id),
        symbol: Symbol::from(symbol).unwrap(),
        px_scale: 8,
        qty_scale: 8,
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(i64::MAX as u64),
        notional_min: 0,
        trading: true,
    };
    (0..).zip(["BTCUSDT", "ETHUSDT"]).map(one).collect()
}

fn depth(levels: usize) -> String {
    let side = vec![r#"["61737.63000000","0.02000000"]"#; levels].join(",");
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":1750000000123456,"s":"BTCUSDT","U":157,"u":160,"b":[{side}],"a":[{side}]}}}}"#
    )
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
}

#[test]
fn decoding_allocates_nothing_from_the_first_message_on() {
    let exchange = exchange::by_name("binance-spot").unwrap();
    let mut decoder = exchange.decoder(&instruments());
    let rare = [4_000, 500].map(depth);
    let mixed = [
        depth(10),
        depth(1),
        r#"{"stream":"ethusdt@trade","data":{"e":"trade","E":1750000000123,"s":"ETHUSDT","t":1,"p":"3000.01000000","q":"0.5","T":1750000000122,"m":true,"M":true}}"#.to_owned(),
        r#"{"stream":"btcusdt@bookTicker","data":{"u":4,"s":"BTCUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}}"#.to_owned(),
        r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1}"#.to_owned(),
        r#"{"result":null,"id":1}"#.to_owned(),
        r#"{"e":"serverShutdown","E":1770000000000}"#.to_owned(),
    ];
    let broken = [
        "{\"e\":",
        "[1]",
        r#"{"e":"trade","s":"NONE","m":true}"#,
        r#"{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"E":3,"b":[["x","1"]],"a":[]}"#,
    ];
    let mut words = 0;
    let count = allocations(|| {
        for frame in &rare {
            words += usize::from(matches!(
                decoder.decode(frame.as_bytes()),
                Ok(Word::Diff(..))
            ));
        }
        for n in 0..MESSAGES {
            words += usize::from(decoder.decode(mixed[n % mixed.len()].as_bytes()).is_ok());
            if n % 1_000 == 0 {
                for frame in broken {
                    assert!(decoder.decode(frame.as_bytes()).is_err());
                }
            }
        }
    });
    assert_eq!(words, MESSAGES + rare.len());
    assert_eq!(count, 0);
}

#[test]
fn encoding_orders_and_reading_their_answers_allocates_nothing() {
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
    let account = Account {
        api_key: "test-key-0001".to_owned().into(),
        private_key_pem: key.to_owned().into(),
    };
    let exchange = exchange::by_name("binance-spot").unwrap();
    let mut codec = exchange.order_codec(account, &instruments()).unwrap();
    let acked = br#"{"id":"tw00000000000000000007","status":200,"result":{"symbol":"BTCUSDT","orderId":12,"orderListId":-1,"clientOrderId":"tw00000000000000000007","transactTime":1750000000123456}}"#;
    let refused = br#"{"id":"tw00000000000000000007","status":400,"error":{"code":-2010,"msg":"Account has insufficient balance for requested action."}}"#;
    let count = allocations(|| {
        for n in 0..MESSAGES as u64 / 4 {
            let order = NewOrder {
                client_id: ClientId(n * 0x1234_5678_9abc),
                instrument: InstrumentId((n % 2) as u16),
                side: [Side::Buy, Side::Sell][(n % 2) as usize],
                px: Px(6_173_763_000_000 + n as i64),
                qty: Qty(1_000 + n),
                tif: TimeInForce::ImmediateOrCancel,
            };
            assert!(
                codec
                    .encode(&order, UnixNanos(1_750_000_000_123_456_789))
                    .len()
                    > 200
            );
            assert!(matches!(codec.decode(acked), Ok(Answer::Acked { .. })));
            assert!(matches!(codec.decode(refused), Ok(Answer::Rejected { .. })));
        }
    });
    assert_eq!(count, 0);
}
