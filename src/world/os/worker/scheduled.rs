//! What the kernel's scheduler tells of the thread that asks. Measures nothing itself.

use super::super::sys;
use crate::base::Span;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// `/proc/thread-self/schedstat` of the thread that opened it.
pub(crate) struct Scheduled(Option<File>);

/// Counts since the thread began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Nanoseconds in which it could have run and did not.
    delay_ns: u64,
    /// Times that it gave its CPU away: for a sleep, a stop, or a wait within the kernel.
    waits: u64,
}

impl Reading {
    /// How long it took to run again after the one sleep since `before`; `None` if that was no
    /// single sleep: it was stopped too (a signal, a debugger, a frozen container), or never slept.
    pub(crate) fn slept_once_since(&self, before: &Self) -> Option<Span> {
        (self.waits == before.waits + 1).then(|| Span(self.delay_ns - before.delay_ns))
    }
}

impl Scheduled {
    pub(crate) fn open() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Two system calls; `None` if the kernel does not say.
    pub(crate) fn read(&self) -> Option<Reading> {
        let mut text = [0u8; 64];
        let length = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let delay_ns = text.trim_end().split(' ').nth(1)?.parse().ok()?;
        let waits = sys::thread_usage().voluntary_switches;
        Some(Reading { delay_ns, waits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_sleep_is_told_from_none_and_from_two() {
        let scheduled = Scheduled::open();
        let Some(before) = scheduled.read() else {
            return; // A kernel without schedstat: the worker then claims less.
        };
        let nap = || std::thread::sleep(Duration::from_millis(2));
        assert_eq!(scheduled.read().unwrap().slept_once_since(&before), None);
        nap();
        let once = scheduled.read().unwrap().slept_once_since(&before);
        nap();
        assert_eq!(scheduled.read().unwrap().slept_once_since(&before), None);
        // A page of this program may have to be waited for: then it claims less, and never more.
        assert!(once.is_none_or(|delay| delay < Span::from_secs(60)));
    }
}
