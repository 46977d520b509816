//! What the calls say of this thread and of its clocks.

use super::*;

#[test]
fn clocks_advance_and_are_in_their_own_scales() {
    let (before, after) = (boottime(), boottime());
    assert!(before > Nanos::ZERO);
    assert!(after >= before);
    let std_now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos() as i64;
    assert!((realtime().0 - std_now).abs() < 5_000_000_000);
}

#[test]
fn a_thread_that_touches_new_pages_shows_minor_faults() {
    let before = thread_usage();
    // More than the allocator ever keeps for itself (32 MiB): new pages each time.
    let pages = std::hint::black_box(vec![1u8; 40 << 20]);
    let after = thread_usage();
    assert!(
        after.minor_faults > before.minor_faults,
        "{} bytes",
        pages.len()
    );
}

#[test]
fn affinity_follows_what_the_thread_is_pinned_to() {
    let all = affinity().unwrap();
    assert!(!all.is_empty());
    assert!(all.is_sorted());
    let last = *all.last().unwrap();
    std::thread::spawn(move || {
        pin(last).unwrap();
        assert_eq!(affinity().unwrap(), [last]);
        assert!(is_pinned_to(last));
        assert!(!is_pinned_to(last + 1));
        assert!(pin(1 << 20).is_err(), "no host has so many");
    })
    .join()
    .unwrap();
}

#[test]
fn a_cpu_that_no_host_has_is_an_error_and_no_panic() {
    for cpu in [8_191, 8_192, usize::MAX] {
        assert!(pin(cpu).is_err(), "{cpu}");
    }
}

#[test]
fn a_clock_outside_of_what_nanoseconds_can_say_stays_at_the_last_that_they_can() {
    let at = |tv_sec| unix_nanos(&libc::timespec { tv_sec, tv_nsec: 5 });
    assert_eq!(at(1), UnixNanos(1_000_000_005));
    assert_eq!(at(-1), UnixNanos(-999_999_995));
    assert_eq!(at(i64::MAX), UnixNanos(i64::MAX));
    assert_eq!(at(i64::MIN), UnixNanos(i64::MIN + 5));
}
