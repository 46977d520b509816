//! The bell that wakes a parked consumer. Knows no ring. `loom/src/models.rs` runs it, and the
//! rings beside it, through every order in which two threads may do what they do.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Wakes one worker out of its wait. Shared by all who produce for it.
pub struct Bell {
    /// The worker has announced that it is about to wait, and nobody has rung since.
    asleep: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// `wake` is the system call that ends the wait; it must also end a wait that has not begun
    /// yet.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            asleep: AtomicBool::new(false),
            wake: Box::new(wake),
        })
    }

    /// Producer: something was pushed. The fence orders the push before the look at the flag; its
    /// partner is in [`Bell::sleep`], so that either this sees the flag or the sleeper sees the
    /// item.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.take() {
            (self.wake)();
        }
    }

    /// Producer: takes it on itself to wake the consumer; of several only one does. It writes
    /// nothing if the consumer woke up meanwhile, whose next sleep it must not hide.
    fn take(&self) -> bool {
        let (order, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        let taken = self.asleep.compare_exchange(true, false, order, failed);
        taken.is_ok()
    }

    /// Consumer: about to wait. Look at every ring once more after this, and wait only if all are
    /// empty.
    pub(crate) fn sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Consumer: the wait is over, or did not begin.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Ends a wait whatever the flag says: for stopping.
    pub(crate) fn wake(&self) {
        (self.wake)();
    }
}
