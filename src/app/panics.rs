//! Keeps the words of the last panic, for the error with which the command ends. A panic is a
//! mistake of ours. It ends the command with a code, and never waits for a console.

use crate::world::os::console;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::{Mutex, PoisonError};
use std::thread;

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// From now on [`last`] knows the panics of this process, and standard error gets their words
/// without a wait for its reader.
pub(crate) fn keep() {
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

/// The words of the last panic, if there was one.
pub(crate) fn last() -> Option<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
