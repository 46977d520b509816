//! Several recordings on the cores that there are, each whole on one of them. What comes of them
//! is handed on in their order. Knows nothing of what is done with one.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, Builder};

/// As much as a program's first thread has.
const STACK_BYTES: usize = 8 << 20;

/// Does `work` with each of `all`, and `done` with each and its result, on this thread and one
/// after the other.
///
/// # Errors
/// The first error of `done`, or that a thread did not start. Nothing further is begun then.
pub(super) fn in_order<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(&T, R) -> io::Result<()>,
) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores.min(all.len()) < 2 {
        return all.iter().try_for_each(|one| done(one, work(one)));
    }
    let next = AtomicUsize::new(0);
    let (results, received) = mpsc::channel();
    let take = |results: mpsc::Sender<(usize, R)>| {
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(one) = all.get(at)
            && results.send((at, work(one))).is_ok()
        {}
    };
    thread::scope(|scope| {
        // If this ends early, nobody receives any longer and nothing further is begun.
        let received = received;
        for _ in 0..cores.min(all.len()) {
            let (take, results) = (&take, results.clone());
            let named = Builder::new().name("tickwire-replay".into());
            let sized = named.stack_size(STACK_BYTES);
            sized.spawn_scoped(scope, move || take(results))?;
        }
        drop(results);
        let mut early = BTreeMap::new();
        let mut left = all.iter().enumerate().peekable();
        for (at, result) in received {
            early.insert(at, result);
            while let Some((at, one)) = left.peek()
                && let Some(result) = early.remove(at)
            {
                done(one, result)?;
                left.next();
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whichever_is_ready_first() {
        let all: Vec<usize> = (0..20).collect();
        let (first, waits) = mpsc::channel();
        let waits = std::sync::Mutex::new(waits);
        let work = |n: &usize| {
            // With two threads, the first one is ready after the second one.
            match n {
                0 => drop(waits.lock().unwrap().recv()),
                1 => drop(first.send(())),
                _ => {}
            }
            n * n
        };
        if thread::available_parallelism().unwrap().get() < 2 {
            first.send(()).unwrap();
        }
        let mut got = Vec::new();
        let done = in_order(&all, work, |n, square| {
            got.push((*n, square));
            Ok(())
        });
        assert!(done.is_ok());
        assert_eq!(got, all.iter().map(|n| (*n, n * n)).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_further_is_begun_after_an_error() {
        let begun = AtomicUsize::new(0);
        let work = |_: &usize| begun.fetch_add(1, Ordering::Relaxed);
        let all: Vec<usize> = (0..1_000_000).collect();
        let mut shown = 0;
        let ended = in_order(&all, work, |_, _| {
            shown += 1;
            Err(io::ErrorKind::BrokenPipe.into())
        });
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(shown, 1);
        assert!(begun.load(Ordering::Relaxed) < all.len());
    }
}
