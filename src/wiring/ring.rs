//! SPSC rings between lanes, and the bell that wakes a parked consumer.
//! A producer makes no system call while its consumer is awake; nobody ever waits on a ring.

pub use super::bell::Bell;
use std::sync::Arc;

/// The producing end of a ring, with its consumer's bell.
pub struct Sender<T> {
    ring: rtrb::Producer<T>,
    bell: Arc<Bell>,
}

/// The consuming end of a ring.
pub type Receiver<T> = rtrb::Consumer<T>;

/// A ring of `capacity` items whose consumer is woken through `bell`.
pub fn ring<T>(capacity: usize, bell: Arc<Bell>) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    (
        Sender {
            ring: producer,
            bell,
        },
        consumer,
    )
}

impl<T> Sender<T> {
    /// Items that it takes now.
    pub(crate) fn room(&self) -> usize {
        self.ring.slots()
    }

    /// Pushes `item`, or gives it back when the ring is full.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        self.push_silently(item)?;
        self.bell.ring();
        Ok(())
    }

    /// As [`Self::push`], but a consumer that sleeps is left asleep until [`Self::wake`].
    pub(crate) fn push_silently(&mut self, item: T) -> Result<(), T> {
        let pushed = self.ring.push(item);
        pushed.map_err(|rtrb::PushError::Full(item)| item)
    }

    /// Wakes the consumer if it sleeps.
    pub(crate) fn wake(&self) {
        self.bell.ring();
    }
}

#[cfg(test)]
#[cfg(not(loom))] // Its models are in loom/.
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn counting_bell() -> (Arc<Bell>, Arc<AtomicU64>) {
        let calls = Arc::new(AtomicU64::new(0));
        let seen = calls.clone();
        let bell = Bell::new(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        (bell, calls)
    }

    #[test]
    fn a_push_to_an_awake_consumer_makes_no_wake_up_call() {
        let (bell, calls) = counting_bell();
        let (mut sender, _receiver) = ring(8, bell);
        assert!(sender.push(1).is_ok());
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_sleeping_consumer_is_woken_once_however_much_is_pushed() {
        let (bell, calls) = counting_bell();
        let (mut sender, mut receiver) = ring(8, bell.clone());
        bell.sleep();
        assert!(receiver.pop().is_err());
        assert!(sender.push(1).is_ok());
        assert!(sender.push(2).is_ok());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_full_ring_gives_the_item_back() {
        let (bell, _) = counting_bell();
        let (mut sender, _receiver) = ring(1, bell);
        assert_eq!(sender.push(1), Ok(()));
        assert_eq!(sender.push(2), Err(2));
    }

    #[test]
    fn no_push_is_slept_through() {
        // The consumer parks on a real thread park; a lost wake-up would hang it until the timeout.
        let sleeper = std::thread::current();
        let bell = Bell::new(move || sleeper.unpark());
        let (mut sender, mut receiver) = ring(4, bell.clone());
        const ITEMS: u64 = 20_000;
        let producer = std::thread::spawn(move || {
            for item in 0..ITEMS {
                let mut item = item;
                while let Err(back) = sender.push(item) {
                    item = back;
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < ITEMS {
            if let Ok(item) = receiver.pop() {
                assert_eq!(item, next);
                next += 1;
                continue;
            }
            bell.sleep();
            if receiver.is_empty() {
                let parked = std::time::Instant::now();
                std::thread::park_timeout(std::time::Duration::from_secs(10));
                assert!(
                    parked.elapsed().as_secs() < 9,
                    "a wake-up was lost at item {next}"
                );
            }
            bell.awake();
        }
        assert!(producer.join().is_ok());
    }
}
