//! Stands for rtrb in models: what `src/wiring/ring.rs` uses of it, on loom's atomics. Positions
//! are stored and loaded in the order and with the orderings of rtrb 0.4, cached ends included.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::cell::Cell;
use std::sync::Arc;

/// Positions only grow: models push a handful of items.
pub struct RingBuffer<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: Box<[UnsafeCell<Option<T>>]>,
}

pub struct Producer<T> {
    buffer: Arc<RingBuffer<T>>,
    cached_head: Cell<usize>,
    cached_tail: Cell<usize>,
}

pub struct Consumer<T> {
    buffer: Arc<RingBuffer<T>>,
    cached_head: Cell<usize>,
    cached_tail: Cell<usize>,
}

#[derive(Debug)]
pub enum PushError<T> {
    Full(T),
}

#[derive(Debug)]
pub enum PopError {
    Empty,
}

// SAFETY: as in rtrb: there is one producer and one consumer, and a slot is the consumer's from the
// store of `tail` behind it to the store of `head` behind it. loom checks every access.
unsafe impl<T: Send> Send for Producer<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Consumer<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for RingBuffer<T> {}

impl<T> RingBuffer<T> {
    #[expect(clippy::new_ret_no_self, reason = "as in rtrb")]
    pub fn new(capacity: usize) -> (Producer<T>, Consumer<T>) {
        let buffer = Arc::new(Self {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(None)).collect(),
        });
        let producer = Producer {
            buffer: buffer.clone(),
            cached_head: Cell::new(0),
            cached_tail: Cell::new(0),
        };
        let consumer = Consumer {
            buffer,
            cached_head: Cell::new(0),
            cached_tail: Cell::new(0),
        };
        (producer, consumer)
    }

    fn slot(&self, position: usize) -> &UnsafeCell<Option<T>> {
        &self.slots[position % self.slots.len()]
    }
}

impl<T> Producer<T> {
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        let (tail, capacity) = (self.cached_tail.get(), self.buffer.slots.len());
        if tail - self.cached_head.get() == capacity {
            self.cached_head
                .set(self.buffer.head.load(Ordering::Acquire));
            if tail - self.cached_head.get() == capacity {
                return Err(PushError::Full(value));
            }
        }
        let slot = self.buffer.slot(tail);
        // SAFETY: the slot is empty, and the producer's until the store below.
        slot.with_mut(|slot| unsafe { *slot = Some(value) });
        self.buffer.tail.store(tail + 1, Ordering::Release);
        self.cached_tail.set(tail + 1);
        Ok(())
    }

    pub fn slots(&self) -> usize {
        self.cached_head
            .set(self.buffer.head.load(Ordering::Acquire));
        self.buffer.slots.len() - (self.cached_tail.get() - self.cached_head.get())
    }
}

impl<T> Consumer<T> {
    pub fn pop(&mut self) -> Result<T, PopError> {
        if self.is_empty() {
            return Err(PopError::Empty);
        }
        let head = self.cached_head.get();
        let slot = self.buffer.slot(head);
        // SAFETY: the producer has stored it, and leaves it alone until the store below.
        let value = slot.with_mut(|slot| unsafe { (*slot).take() });
        self.buffer.head.store(head + 1, Ordering::Release);
        self.cached_head.set(head + 1);
        value.ok_or(PopError::Empty)
    }

    pub fn is_empty(&self) -> bool {
        let head = self.cached_head.get();
        if head == self.cached_tail.get() {
            self.cached_tail
                .set(self.buffer.tail.load(Ordering::Acquire));
        }
        head == self.cached_tail.get()
    }
}
