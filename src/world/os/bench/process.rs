//! What a client costs: the processor time of its process and of everything that it started, as the
//! scheduler counts it. And what it leaves behind.

use crate::world::os::sys;
use std::fs;

/// Nanoseconds on a CPU that this process and all below it have had; `None` if it is gone. Threads
/// that ended are not counted.
pub(crate) fn cpu_ns(id: u32) -> Option<u64> {
    let mut sum = 0;
    let mut ids = vec![id];
    let mut first = true;
    while let Some(id) = ids.pop() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else {
            if first {
                return None;
            }
            continue;
        };
        first = false;
        for task in tasks.flatten() {
            let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let first_word = |text: String| text.split(' ').next().and_then(|n| n.parse().ok());
            sum += first_word(read("schedstat")).unwrap_or(0);
            ids.extend(numbers(&read("children")));
        }
    }
    Some(sum)
}

/// Kills all children of this process, and theirs, as far as [`sys::adopt_orphans`] makes them
/// children of this process.
pub(crate) fn end_children() {
    loop {
        let tasks = fs::read_dir("/proc/self/task");
        let tasks = tasks.into_iter().flatten().flatten();
        let listed = tasks.map(|task| fs::read_to_string(task.path().join("children")));
        let children: Vec<u32> = listed.flatten().flat_map(|text| numbers(&text)).collect();
        let ended = children.iter().filter(|id| sys::end_child(**id).is_ok());
        if ended.count() == 0 {
            return;
        }
    }
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_whitespace();
    words.filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_costs_more_and_more_and_one_that_is_gone_is_none() {
        let own = std::process::id();
        let before = cpu_ns(own).unwrap();
        let sum = (0..2_000_000u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(cpu_ns(own).unwrap() > before);
        assert_eq!(cpu_ns(u32::MAX), None);
    }
}
