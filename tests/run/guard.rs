//! An engine that stands still with orders in the book: its guard cancels them, as long as it does.

use crate::client::Client;
use crate::fault_server::engine::time_us;
use crate::fault_server::now_us;
use crate::quoting::{World, cancelled_by_others, count, ids, until, until_every};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn orders_of_an_engine_that_stands_still_are_cancelled_and_it_goes_on_afterwards() {
    let world = World::new("");
    let engine = world.quoting("o");
    engine.signal("STOP");
    let swept = until("the guard\u{2019}s report", || world.swept("o"));
    assert!(swept["cancelled"].as_u64().unwrap() >= 1, "{swept}");
    let before = count(&world.log("o"), "order.acked");
    engine.signal("CONT");
    until("orders after the stop", || {
        let records = world.log("o");
        let cancelled = count(&records, "order.cancelled") >= 1;
        (cancelled && count(&records, "order.acked") >= before + 2).then_some(())
    });
    engine.signal("INT");
    engine.wait();
}

#[test]
fn an_engine_that_goes_on_while_its_orders_are_being_cancelled_is_left_alone_from_then_on() {
    let world = World::new("");
    let mut owner = Client::new(&world.sim, &world.account);
    let engine = world.quoting("o");
    engine.signal("STOP");
    until_every(Duration::from_millis(200), "cancels", || {
        let rest = ["BTCUSDT", "ETHUSDT"].map(|symbol| owner.open_orders(symbol).len());
        (rest == [0, 0]).then_some(())
    });
    assert!(
        world.swept("o").is_none(),
        "one more order may be under way"
    );
    engine.signal("CONT");
    let went_on_us = now_us();
    // The guard hears of it at the next beat of the heart.
    let later = |record: &Value| time_us(record) > went_on_us + 1_500_000;
    let log = until("orders that came and went", || {
        let log = world.log("o");
        let admitted = |record: &Value| record["event"] == "order.admitted" && later(record);
        let ended = |record: &Value| record["end"].is_string();
        let over = &ids(&log, admitted) & &ids(&log, ended);
        let long = log
            .last()
            .is_some_and(|last| time_us(last) > went_on_us + 8_000_000);
        (long && over.len() >= 4).then_some(log)
    });
    let (before, after): (Vec<Value>, Vec<Value>) = log.into_iter().partition(|r| !later(r));
    assert!(!cancelled_by_others(&[&before[..], &after].concat()).is_empty());
    assert_eq!(cancelled_by_others(&after), BTreeSet::new());
    engine.signal("INT");
    engine.wait().expect(0);
}
