//! "Push, then ring" against "announce the sleep, look, then park": whatever the order of their
//! steps, no item is slept through. loom runs every order that the memory model allows, and calls a
//! consumer that parks for ever a deadlock. The models at the end have one step out of place, and
//! must deadlock: they show that the others could fail.

use crate::ring::{Bell, Receiver, Sender, ring};
use loom::sync::Notify;
use loom::thread;
use std::sync::Arc;

/// How often threads are interrupted in one run of a model, at most: with four the model of two
/// producers takes a minute instead of seconds, and no more was ever found.
const INTERRUPTED_MAX: usize = 3;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(INTERRUPTED_MAX);
    builder.check(run);
}

/// The consumer's wait. As the kernel's does, it ends at once if somebody woke it before it began.
fn bell() -> (Arc<Bell>, Arc<Notify>) {
    let wait = Arc::new(Notify::new());
    let wake = wait.clone();
    (Bell::new(move || wake.notify()), wait)
}

/// What a worker does: it takes what there is, and parks if there is nothing.
fn take(count: usize, bell: &Bell, wait: &Notify, receivers: &mut [Receiver<usize>]) {
    let mut taken = 0;
    while taken < count {
        for receiver in &mut *receivers {
            while receiver.pop().is_ok() {
                taken += 1;
            }
        }
        if taken < count {
            bell.sleep();
            if receivers.iter().all(Receiver::is_empty) {
                wait.wait();
            }
            bell.awake();
        }
    }
}

#[test]
fn an_item_is_never_slept_through() {
    model(|| {
        let (bell, wait) = bell();
        let (mut sender, receiver) = ring(2, bell.clone());
        let producer = thread::spawn(move || {
            for item in 0..2 {
                sender.push(item).unwrap();
            }
        });
        take(2, &bell, &wait, &mut [receiver]);
        producer.join().unwrap();
    });
}

#[test]
fn two_producers_ring_one_bell_and_neither_is_slept_through() {
    model(|| {
        let (bell, wait) = bell();
        let (senders, mut receivers): (Vec<Sender<usize>>, Vec<_>) =
            (0..2).map(|_| ring(1, bell.clone())).unzip();
        let produce = |mut sender: Sender<usize>| thread::spawn(move || sender.push(1).unwrap());
        let producers: Vec<_> = senders.into_iter().map(produce).collect();
        take(2, &bell, &wait, &mut receivers);
        producers.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn items_that_were_pushed_silently_are_there_once_the_consumer_was_woken() {
    model(|| {
        let (bell, wait) = bell();
        let (mut sender, receiver) = ring(2, bell.clone());
        let producer = thread::spawn(move || {
            sender.push_silently(0).unwrap();
            sender.push_silently(1).unwrap();
            sender.wake();
        });
        take(2, &bell, &wait, &mut [receiver]);
        producer.join().unwrap();
    });
}

/// The kill switch and the end of a run: a flag that no ring carries.
#[test]
fn a_wait_is_ended_whatever_the_bell_says_and_the_flag_is_seen() {
    use loom::sync::atomic::{AtomicBool, Ordering};
    model(|| {
        let (bell, wait) = bell();
        let flag = Arc::new(AtomicBool::new(false));
        let (thrown, rung) = (flag.clone(), bell.clone());
        let other = thread::spawn(move || {
            thrown.store(true, Ordering::Release);
            rung.wake();
        });
        while !flag.load(Ordering::Acquire) {
            bell.sleep();
            wait.wait(); // It does not look at the flag first: the wake-up alone must do.
            bell.awake();
        }
        other.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_producer_that_rings_before_it_pushes_is_slept_through() {
    model(|| {
        let (bell, wait) = bell();
        let (mut sender, receiver) = ring(1, bell.clone());
        let producer = thread::spawn(move || {
            sender.wake();
            sender.push_silently(0).unwrap();
        });
        take(1, &bell, &wait, &mut [receiver]);
        producer.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_consumer_that_looks_before_it_announces_its_sleep_sleeps_through_an_item() {
    model(|| {
        let (bell, wait) = bell();
        let (mut sender, mut receiver) = ring(1, bell.clone());
        let producer = thread::spawn(move || sender.push(0).unwrap());
        while receiver.pop().is_err() {
            let empty = receiver.is_empty();
            bell.sleep();
            if empty {
                wait.wait();
            }
            bell.awake();
        }
        producer.join().unwrap();
    });
}
