//! The threads of an engine: one that dies is named, so that the run ends with an error.

use super::*;
use crate::wiring::ask::Ask;
use crate::world::os::clerk::Job;
use std::time::Duration;

/// An engine without a lane.
fn engine() -> Engine {
    let cpus = Cpus::all(&[0]);
    let placement = place(&cpus, 1, false, WaitChoice::Park);
    let notes = Notes::new(crossbeam_channel::bounded(16).0);
    let clerk = Clerk::start(Vec::new(), Vec::new(), &[], &[], notes.clone()).unwrap();
    let watcher = Watcher::start(placement.clone(), cpus, Vec::new(), notes).unwrap();
    Engine {
        kill: Kill::new(Arc::default(), Vec::new()),
        commands: None,
        placement,
        instruments: Arc::new([]),
        pulses: Vec::new(),
        ending: Arc::default(),
        stop: Arc::default(),
        workers: Vec::new(),
        clerk,
        watcher,
        keepers: Vec::new(),
    }
}

/// Who is dead, once somebody is.
fn first_dead(engine: &Engine) -> &'static str {
    loop {
        match engine.dead() {
            Some(name) => return name,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[test]
fn every_thread_that_dies_is_named() {
    let whole = engine();
    assert_eq!(whole.dead(), None);

    let mut engine_of = engine();
    engine_of.keepers.push(KeeperHandle::that_dies());
    assert_eq!(first_dead(&engine_of), "the thread of an order journal");

    let mut engine_of = engine();
    engine_of.watcher = Watcher::that_dies();
    assert_eq!(first_dead(&engine_of), "the watcher of the host");

    let mut engine_of = engine();
    let worker = std::thread::spawn(|| panic!("a test's panic"));
    engine_of.workers.push((Bell::new(|| {}), worker));
    assert_eq!(first_dead(&engine_of), "a worker");

    // Nobody has this number: the thread that resolves names finds no client.
    let engine_of = engine();
    let (lane, ask) = (7, Ask::Addresses);
    assert!(engine_of.clerk.jobs.send(Job { lane, ask }));
    assert_eq!(first_dead(&engine_of), "the clerk");
}
