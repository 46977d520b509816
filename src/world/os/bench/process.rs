//! What a client costs: the processor time of its process and of everything that it started, as the
//! scheduler counts it.

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
            let children = read("children");
            ids.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
    }
    Some(sum)
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
