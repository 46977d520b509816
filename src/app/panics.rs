//! What a panic leaves behind: the words of the last one, for the error that the command ends with. A panic is a
//! mistake of ours; it ends the command with a code, and never waits for a console.

use crate::world::os::console;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::{Mutex, PoisonError};
use std::thread;

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Lets panics of this process be told by [`last`], and said on standard error without waiting for its reader.
pub fn keep() {
    std::panic::set_hook(Box::new(|info| {
        let current = thread::current();
        let text = format!("{}: {info}", current.name().unwrap_or("a thread"));
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => console::complain(&format!("{text}\n{trace}")),
            _ => console::complain(&text),
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }));
}

/// The words of the last panic, where there was one.
pub fn last() -> Option<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
