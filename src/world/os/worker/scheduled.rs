//! What the kernel's scheduler tells of the thread that asks. Measures nothing itself.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// `/proc/thread-self/schedstat` of the thread that opened it.
pub struct Scheduled(Option<File>);

/// Two counts since the thread began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds in which it could have run and did not.
    pub delay_ns: u64,
    /// Times that it was given a CPU.
    pub slices: u64,
}

impl Scheduled {
    pub fn open() -> Self {
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// One system call; `None` where the kernel does not say.
    pub fn read(&self) -> Option<Reading> {
        let mut text = [0u8; 64];
        let length = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let mut numbers = text.trim_end().split(' ').skip(1);
        Some(Reading {
            delay_ns: numbers.next()?.parse().ok()?,
            slices: numbers.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_thread_that_slept_was_given_a_cpu_once_more() {
        let scheduled = Scheduled::open();
        let Some(before) = scheduled.read() else {
            return; // A kernel without schedstat: the worker then claims less.
        };
        std::thread::sleep(Duration::from_millis(2));
        let after = scheduled.read().unwrap();
        assert!(after.slices > before.slices);
        assert!(after.delay_ns >= before.delay_ns);
    }
}
