mod played;
mod rest;

use super::*;
use crate::base::{Diff, InstrumentId, Quote};
use crate::exchange::mirror::{Day, Listing};

/// A market of one instrument and nothing in its book.
struct Empty(Vec<Listing>);

impl Market for Empty {
    fn now(&self) -> UnixNanos {
        UnixNanos(2_000_000_000)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (0, 0)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }
}

fn empty() -> Empty {
    let listing = |n: usize| Listing {
        instrument: BitstampMirror.list(&format!("A{n}"), "USD", 2, 4),
        volume: 1,
    };
    Empty((0..=CHANNELS_MAX).map(listing).collect())
}

fn tell(session: &mut Session, market: &mut Empty, text: &str) -> Result<String, Offence> {
    let mut out = Vec::new();
    session.handle_text(text, market, &mut out)?;
    assert_eq!(out.len(), 1);
    Ok(out.remove(0))
}

#[test]
fn every_request_is_answered_by_its_channel() {
    let (mut session, mut market) = (Session::default(), empty());
    let mut ask = |event: &str, channel: &str| {
        let text = json!({"event": event, "data": {"channel": channel}}).to_string();
        let answer = tell(&mut session, &mut market, &text).unwrap();
        (answer, session.streams())
    };
    let (answer, streams) = ask("bts:subscribe", "live_trades_a0usd");
    assert!(answer.contains("bts:subscription_succeeded") && answer.contains("live_trades_a0usd"));
    assert_eq!(streams, 1);
    assert_eq!(ask("bts:subscribe", "live_trades_a0usd"), (answer, 1));
    for bad in ["live_trades_none", "live_orders_a0usd", ""] {
        let (answer, streams) = ask("bts:subscribe", bad);
        assert!(answer.contains("bts:error"), "{bad}: {answer}");
        assert_eq!(streams, 1);
    }
    assert!(ask("zz", "").0.contains("bts:error"));
    assert!(ask("bts:heartbeat", "").0.contains("success"));
    assert_eq!(ask("bts:unsubscribe", "live_trades_a0usd").1, 0);
}

#[test]
fn one_channel_too_many_ends_the_connection() {
    let (mut session, mut market) = (Session::default(), empty());
    for n in 0..=CHANNELS_MAX {
        let channel = format!("diff_order_book_a{n}usd");
        let text = json!({"event": "bts:subscribe", "data": {"channel": channel}}).to_string();
        let done = tell(&mut session, &mut market, &text);
        assert_eq!(done.is_err(), n == CHANNELS_MAX, "{n}");
    }
}

#[test]
fn a_snapshot_is_stamped_a_microsecond_early() {
    let call = |target| Call::get(target);
    let rest = |target| BitstampMirror.rest(call(target), &mut empty());
    let reply = rest("/api/v2/order_book/a0usd/");
    let expected = r#"{"timestamp": "1", "microtimestamp": "1999999", "bids": [], "asks": []}"#;
    assert_eq!((reply.status, reply.body.as_str()), (200, expected));
    assert_eq!(rest("/api/v2/order_book/none/").status, 404);
    assert!(BitstampMirror.session("/v5").is_none());
}

/// BTC/USD and SOL/USD from 100 and 200 dollars on, with 150 levels per side; only the first was
/// traded.
struct Shown(Vec<Listing>);

const SECOND: i64 = 1_000_000_000;
/// A cent.
const CENT: i64 = 1_000_000;
const COIN: u64 = 100_000_000;

impl Market for Shown {
    fn now(&self) -> UnixNanos {
        UnixNanos(7_200 * SECOND)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (0, 0)
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let middle = 10_000 * (listing as i64 + 1);
        let sign = if side == Side::Buy { -1 } else { 1 };
        Box::new((1..=150).map(move |n| Level {
            px: Px((middle + sign * n) * CENT),
            qty: Qty(n as u64 * COIN),
        }))
    }

    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new((1..=120).filter(move |_| listing == 0).map(print_of))
    }

    /// From 101 to 101.20 dollars; one and a half coins, at 100.50.
    fn day(&self, _listing: usize) -> Day {
        let px = |cents| Px(cents * CENT);
        Day {
            since: UnixNanos(0),
            open: px(10_100),
            high: px(10_200),
            low: px(9_900),
            last: px(10_120),
            volume: 150_000_000,
            turnover: 150_000_000 * 10_050_000_000,
            count: 120,
        }
    }
}

/// The `n`th print, a minute after the one before it, two hours at last: of `n` coins, by a buyer
/// if `n` is odd.
fn print_of(n: u64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id: n,
        px: Px((10_000 + n as i64) * CENT),
        qty: Qty(n * COIN),
        taker: match n % 2 {
            0 => Side::Sell,
            _ => Side::Buy,
        },
        exch_time: UnixNanos(n as i64 * 60 * SECOND),
    }
}

fn shown() -> Shown {
    let listing = |(n, base): (u16, &str)| Listing {
        instrument: Instrument {
            id: InstrumentId(n),
            ..BitstampMirror.list(base, "USD", 2, 8)
        },
        volume: 1,
    };
    Shown([(0, "BTC"), (1, "SOL")].map(listing).into())
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What a client that follows this channel is told of an event.
fn hear(channel: &str, event: &Happened) -> Vec<Value> {
    let (mut session, mut market, mut out) = (Session::default(), shown(), Vec::new());
    let text = json!({"event": "bts:subscribe", "data": {"channel": channel}}).to_string();
    session.handle_text(&text, &mut market, &mut out).unwrap();
    assert!(out[0].contains("bts:subscription_succeeded"), "{}", out[0]);
    out.clear();
    session.handle_event(event, &market, &mut out);
    out.iter().map(|text| value(text)).collect()
}

#[test]
fn a_book_is_told_by_its_changes_or_by_its_best_hundred_levels() {
    let level = Level {
        px: Px(9_999 * CENT),
        qty: Qty(0),
    };
    let event = Happened::Depth {
        pace: Pace::Fast,
        diff: Diff {
            instrument: InstrumentId(0),
            first_id: 1,
            last_id: 1,
            prev_id: None,
            checksum: None,
            exch_time: UnixNanos(5_000_006_000),
        },
        number: 1,
        bids: vec![level],
        asks: vec![],
    };
    let said = |channel: &str| {
        let mut all = hear(channel, &event);
        let frame = all.remove(0);
        assert!(all.is_empty());
        assert_eq!(
            (&frame["event"], &frame["channel"]),
            (&json!("data"), &json!(channel))
        );
        assert_eq!(frame["data"]["microtimestamp"], "5000006");
        frame["data"].clone()
    };
    let changes = said("diff_order_book_btcusd");
    assert_eq!(changes["bids"], json!([["99.99", "0.00000000"]]));
    assert_eq!(changes["asks"], json!([]));
    let best = said("order_book_btcusd");
    assert_eq!(best["bids"].as_array().unwrap().len(), 100);
    assert_eq!(best["bids"][0], json!(["99.99", "1.00000000"]));
    assert_eq!(best["asks"][1], json!(["100.02", "2.00000000"]));
    let orders = said("detail_order_book_btcusd");
    assert_eq!(
        orders["asks"][0],
        json!(["100.01", "1.00000000", "10001000000"])
    );
    assert!(hear("order_book_solusd", &event).is_empty());
}

#[test]
fn a_print_has_its_numbers_as_text_too() {
    let said = hear("live_trades_btcusd", &Happened::Trade(print_of(2)));
    let expected = json!({
        "amount": 2.0, "amount_str": "2.00000000", "price": 100.02, "price_str": "100.02",
        "id": 2, "id_str": "2", "type": 1, "timestamp": "120", "microtimestamp": "120000000",
        "buy_order_id": 1, "sell_order_id": 2,
    });
    assert_eq!(
        (&said[0]["event"], &said[0]["data"]),
        (&json!("trade"), &expected)
    );
    let quote = Happened::Quote(Quote {
        ..shown().best(0).unwrap()
    });
    assert!(hear("live_trades_btcusd", &quote).is_empty());
}
