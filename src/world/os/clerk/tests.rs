//! The clerk against hosts that are slow, silent or angry.

use super::*;
use crate::exchange::binance_spot::BinanceSpot;
use crate::world::os::server::{self, SimOptions};
use std::net::TcpListener;
use std::time::Instant;

const SECOND: Nanos = Nanos::from_secs(1);

fn client(rest: usize, replies: &Sender<Reply>) -> Client {
    Client {
        stream: "127.0.0.1:443".into(),
        snapshots: Some(SnapshotSource {
            host: rest,
            exchange: &BinanceSpot,
            levels: 1_000,
        }),
        replies: replies.clone(),
        bell: Bell::new(|| ()),
    }
}

fn instruments() -> Arc<[Instrument]> {
    let market = crate::world::sim::market::default_market();
    let listed = market.into_iter().map(|(listing, _)| listing.instrument);
    listed.collect()
}

#[test]
fn a_budget_is_spent_by_weight_and_not_by_count() {
    let mut budget = Budget::new();
    let heavy = BinanceSpot.snapshot_weight(5_000);
    let taken = (0..100).filter(|_| budget.spend(SECOND, heavy).is_ok());
    assert_eq!(taken.count(), 20);
    assert_eq!(budget.spend(SECOND, 5), Err(FetchError::Limited));
    assert_eq!(budget.spend(Nanos::from_secs(61), heavy), Ok(()));
}

#[test]
fn a_ban_holds_however_it_is_written() {
    for (retry_after, spans_s) in [
        (Some("120"), 120),
        (None, 60),
        (Some("Wed, 21 Oct 2026 07:28:00 GMT"), 60),
        (Some("18446744073709551615"), BAN_S_MAX),
    ] {
        let mut budget = Budget::new();
        budget.ban(SECOND, retry_after);
        let last = Nanos::from_secs(spans_s);
        assert_eq!(
            budget.spend(last, 1),
            Err(FetchError::Limited),
            "{retry_after:?}"
        );
        assert_eq!(budget.spend(last + SECOND, 1), Ok(()), "{retry_after:?}");
    }
}

#[test]
fn feeds_of_one_host_share_its_budget() {
    let rest = |host: &str| Rest::new(host, None).unwrap();
    let mut hosts = [rest("a:443"), rest("b:443"), rest("a:443")];
    share_budgets(&mut hosts);
    hosts[2].with_budget(|budget| budget.ban(sys::monotonic(), None));
    let refused = |host: &Rest| host.with_budget(|b| b.spend(sys::monotonic(), 1)).is_err();
    assert_eq!(hosts.each_ref().map(refused), [true, false, true]);
}

#[test]
fn a_silent_host_holds_up_no_resolve_no_other_host_and_no_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sim = server::start(SimOptions::default()).unwrap();
    let hosts = vec![
        Rest::new(&silent.local_addr().unwrap().to_string(), None).unwrap(),
        Rest::new(&sim.addr().to_string(), Some(sim.ca_pem().as_bytes())).unwrap(),
    ];
    let (replies_to, replies) = crossbeam_channel::bounded(8);
    let clients = vec![client(0, &replies_to), client(1, &replies_to)];
    let clerk = Clerk::start(clients, hosts, instruments()).unwrap();
    let ask = |lane, task| assert!(clerk.jobs.send(Job { lane, task }));
    let begun = Instant::now();
    ask(0, Task::Snapshot(InstrumentId(0)));
    ask(0, Task::Snapshot(InstrumentId(1)));
    ask(0, Task::Resolve);
    ask(1, Task::Snapshot(InstrumentId(1)));
    for _ in 0..2 {
        match replies.recv_timeout(REQUEST_DEADLINE / 2).unwrap().answer {
            Answer::Resolved(found) => assert_eq!(found.unwrap().len(), 1),
            Answer::Snapshot(id, fetched) => {
                assert_eq!(id, InstrumentId(1));
                assert!(!fetched.unwrap().bids.is_empty());
            }
        }
    }
    clerk.stop();
    assert!(begun.elapsed() < REQUEST_DEADLINE / 2);
}

#[test]
fn a_connection_is_kept_alive_between_requests() {
    let sim = server::start(SimOptions::default()).unwrap();
    let mut rest = Rest::new(&sim.addr().to_string(), Some(sim.ca_pem().as_bytes())).unwrap();
    for _ in 0..3 {
        rest.get("/api/v3/exchangeInfo").unwrap();
    }
    let refused = rest.get("/api/v3/depth?symbol=NOPE");
    assert!(matches!(refused, Err(FetchError::Status(400, text)) if text.contains("-1121")));
    rest.get("/api/v3/depth?symbol=BTCUSDT").unwrap();
    assert_eq!(sim.progress().sessions, 1);
}
