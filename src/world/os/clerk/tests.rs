//! The clerk against hosts that are slow, silent or angry.

use super::*;
use crate::exchange::binance_spot::BINANCE;
use crate::venue::market;
use crate::world::os::server::{self, SimOptions};
use std::net::TcpListener;

/// How long a test waits for what must come: it may take long on a busy host, and that is no fault.
const PATIENCE: Duration = Duration::from_secs(120);

fn client(rest: usize, replies: &Sender<Reply>) -> Client {
    Client {
        stream: "127.0.0.1:443".into(),
        market: Some(MarketSource {
            host: rest,
            exchange: &BINANCE,
            levels: 1_000,
            instruments: vec![InstrumentId(0), InstrumentId(1)],
        }),
        replies: replies.clone(),
        bell: Bell::new(|| ()),
    }
}

fn snapshot(id: u16) -> Ask {
    Ask::Snapshot {
        id: InstrumentId(id),
        repeat: false,
    }
}

fn instruments() -> Vec<Instrument> {
    let market = market::listed(BINANCE.mirror(), &market::coins(3), None);
    let listed = market.into_iter().map(|(listing, _)| listing.instrument);
    listed.collect()
}

fn notes() -> (Notes, Receiver<Note>) {
    let (sender, receiver) = crossbeam_channel::bounded(64);
    (Notes::new(sender), receiver)
}

fn rest(host_port: &str, ca_pem: Option<&[u8]>) -> Rest {
    Rest::new(host_port, None, None, ca_pem, BINANCE.limits().rest_weight).unwrap()
}

#[test]
fn a_silent_host_holds_up_no_resolve_no_other_host_and_no_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sim = server::start(SimOptions::default()).unwrap();
    let hosts = vec![
        rest(&silent.local_addr().unwrap().to_string(), None),
        rest(&sim.addr().to_string(), Some(sim.ca_pem().as_bytes())),
    ];
    let (replies_to, replies) = crossbeam_channel::bounded(8);
    let clients = vec![client(0, &replies_to), client(1, &replies_to)];
    let clerk = Clerk::start(clients, hosts, &instruments(), &[0; 3], notes().0).unwrap();
    let ask = |lane, ask| assert!(clerk.jobs.send(Job { lane, ask }));
    ask(0, snapshot(0));
    ask(0, snapshot(1));
    ask(0, Ask::Addresses);
    ask(1, snapshot(1));
    for _ in 0..2 {
        match replies.recv_timeout(PATIENCE).unwrap().answer {
            Answer::Addresses(found) => assert_eq!(found.len(), 1),
            Answer::Snapshot(id, fetched) => {
                assert_eq!(id, InstrumentId(1), "the silent host's come last");
                assert!(!fetched.unwrap().bids.is_empty());
            }
            Answer::Time(time) => assert!(time.received > time.sent),
            Answer::Instrument(changed) => panic!("{changed:?}"),
        }
    }
    clerk.stop();
    assert!(replies.is_empty(), "the end waited for the silent host");
}

#[test]
fn a_connection_is_kept_alive_between_requests() {
    // A busy host may take longer than a request may: that says nothing, and the test begins again.
    for _ in 0..10 {
        match requests_of_one_connection() {
            Err(FetchError::Transport(why)) if why.contains("timeout") => println!("{why}"),
            done => return done.unwrap(),
        }
    }
    panic!("no request was answered in time");
}

fn requests_of_one_connection() -> Result<(), FetchError> {
    let sim = server::start(SimOptions::default()).unwrap();
    let get = |path: &str| RestRequest::get(path, 20);
    let mut rest = rest(&sim.addr().to_string(), Some(sim.ca_pem().as_bytes()));
    for _ in 0..3 {
        rest.fetch(&get("/api/v3/exchangeInfo"))?;
    }
    match rest.fetch(&get("/api/v3/depth?symbol=NOPE")) {
        Err(FetchError::Status(400, text)) => assert!(text.contains("-1121"), "{text}"),
        Err(error) => return Err(error),
        Ok(_) => panic!("nobody lists NOPE"),
    }
    rest.fetch(&get("/api/v3/depth?symbol=BTCUSDT"))?;
    assert_eq!(sim.progress().sessions, 1);
    Ok(())
}

#[test]
fn what_does_not_fit_into_the_budget_is_announced_and_waits() {
    let sim = server::start(SimOptions::default()).unwrap();
    let tight = crate::exchange::Rate {
        count: 120,
        per: Span::from_secs(60),
    };
    let ca_pem = sim.ca_pem();
    let host = Rest::new(
        &sim.addr().to_string(),
        None,
        None,
        Some(ca_pem.as_bytes()),
        tight,
    )
    .unwrap();
    let (replies_to, replies) = crossbeam_channel::bounded(8);
    let (notes, log) = notes();
    let ranks = [2, 1, 0];
    let clients = vec![client(0, &replies_to)];
    let clerk = Clerk::start(clients, vec![host], &instruments(), &ranks, notes).unwrap();
    // A hundred a minute are ours, and a snapshot weighs fifty: the least urgent one has to wait.
    for id in 0..3 {
        let (lane, ask) = (0, snapshot(id));
        assert!(clerk.jobs.send(Job { lane, ask }));
    }
    let planned = loop {
        let note = log.recv_timeout(PATIENCE).unwrap();
        if note.event == "snapshot.planned" {
            break note;
        }
    };
    let mut served = Vec::new();
    for _ in 0..2 {
        let reply = replies.recv_timeout(PATIENCE).unwrap();
        let Answer::Snapshot(id, Some(_)) = reply.answer else {
            panic!("{:?}", reply.answer);
        };
        served.push(id);
    }
    // Whoever was asked first may be served first; the last one of the three is still announced.
    assert!(!served.contains(&planned.instrument), "{served:?}");
    assert!(replies.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(clerk.backlogs[0].waiting.load(Ordering::Relaxed), 1);
    clerk.stop();
}

#[test]
fn a_host_that_is_reached_via_another_place_keeps_its_name() {
    let sim = server::start(SimOptions::default()).unwrap();
    let (via, ca_pem) = (sim.addr().to_string(), sim.ca_pem().as_bytes());
    let own = BINANCE.endpoints().rest;
    let budget = BINANCE.limits().rest_weight;
    let mut host = Rest::new(&own, Some(&via), None, Some(ca_pem), budget).unwrap();
    host.fetch(&RestRequest::get("/api/v3/ping", 1)).unwrap();
    // Its certificate is checked against its own name, wherever it is.
    let mut other =
        Rest::new("elsewhere.test:443", Some(&via), None, Some(ca_pem), budget).unwrap();
    let refused = other.fetch(&RestRequest::get("/api/v3/ping", 1));
    assert!(
        matches!(refused, Err(FetchError::Transport(_))),
        "{refused:?}"
    );
}
