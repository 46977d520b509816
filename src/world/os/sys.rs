//! The system calls that no safe crate offers: kernel stamps, socket options, clocks, what a thread
//! cost, and what a process shows of its secrets. Wraps each in a safe function, keeps no state.
#![allow(unsafe_code)]

use super::memory::What;
use crate::base::{Nanos, Secret, UnixNanos};
use std::ffi::CStr;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::ptr;

/// A clock reading in nanoseconds of that clock's own scale.
fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live timespec of ours, which the call fills. Both clocks that are asked
    // for exist on every Linux, so that the call cannot fail; if it did, `time` would stay zero.
    unsafe { libc::clock_gettime(clock, &mut time) };
    unix_nanos(&time).0
}

fn unix_nanos(time: &libc::timespec) -> UnixNanos {
    let seconds = time.tv_sec.saturating_mul(1_000_000_000);
    UnixNanos(seconds.saturating_add(time.tv_nsec))
}

/// The time stamp counter, if it counts at one rate whatever the processor does. Not ordered with
/// what stands around it.
#[cfg(target_arch = "x86_64")]
pub(super) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and Linux forbids it to no process that
    // does not ask for that.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// There is no counter that we know.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn ticks() -> u64 {
    0
}

/// `CLOCK_BOOTTIME`, now: the monotonic clock that goes on while the machine is suspended, as the
/// market does.
pub(super) fn boottime() -> Nanos {
    Nanos(clock_ns(libc::CLOCK_BOOTTIME) as u64)
}

/// `CLOCK_REALTIME`, now.
pub(crate) fn realtime() -> UnixNanos {
    UnixNanos(clock_ns(libc::CLOCK_REALTIME))
}

/// What the calling thread cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ThreadUsage {
    /// Page faults served without the disk, and with it.
    pub(crate) minor_faults: u64,
    /// See `minor_faults`.
    pub(crate) major_faults: u64,
    /// Times that the scheduler took the core away.
    pub(crate) involuntary_switches: u64,
    /// Times that it gave the core away: it waited, slept, or was stopped.
    pub(crate) voluntary_switches: u64,
}

/// Has the kernel give these pages now, or large ones later. Returns how many bytes that are; zero
/// if it does not, or if it is older than Linux 5.14.
pub(super) fn populate(range: Range<usize>, what: What) -> usize {
    let advice = match what {
        What::Data => libc::MADV_POPULATE_WRITE,
        What::Text => libc::MADV_HUGEPAGE,
    };
    // SAFETY: no advice changes what lies in the pages, whoever uses them meanwhile: it does what a
    // first access would do, or says how. The kernel refuses a range that is not mapped.
    let done = unsafe {
        libc::madvise(
            ptr::without_provenance_mut(range.start),
            range.len(),
            advice,
        )
    };
    if done == 0 { range.len() } else { 0 }
}

/// How far cold threads step back: of a whole core that they share with a worker, about a tenth
/// stays theirs.
const COLD_NICENESS: libc::c_int = 10;

/// Lets workers go first on a core that they share with the calling thread. One that the system
/// refuses stays as it is: nothing depends on it but a tail.
pub(crate) fn step_back() {
    // SAFETY: it takes three numbers, and of threads Linux takes zero for the calling one.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, COLD_NICENESS) };
}

/// How many columns of characters the terminal at `fd` has; `None` if there is no terminal, or if
/// it does not say.
pub(crate) fn terminal_columns(fd: BorrowedFd<'_>) -> Option<usize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the request fills a winsize, and the pointer is to a whole one of ours. It was
    // zeroed, and winsize is numbers only, so that it is a valid value whether or not the call
    // filled it.
    let size = unsafe {
        libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr());
        size.assume_init()
    };
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// From now on this process leaves no core file, and only root may read its memory, trace it, or
/// see its variables. For good, and its children leave no core files either.
pub(crate) fn forbid_core_dumps() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a whole rlimit of ours, which the call only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })?;
    // A core file that a pipe takes (`core_pattern`) knows no limit: this one ends that, too.
    // SAFETY: this option takes one number, as wide as a long.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0 as libc::c_ulong) })
}

unsafe extern "C" {
    /// The variables of the process, by POSIX: pointers to `NAME=value`, and a null at the end.
    static environ: *const *mut libc::c_char;
}

/// The value of an environment variable, which this process then no longer has: the bytes are
/// overwritten where they are, so that `/proc/PID/environ` does not show them either. `None` if
/// there is no such variable.
///
/// # Errors
/// If the process has other threads, which may be reading its variables, or if the value is not
/// UTF-8.
pub(crate) fn take_variable(name: &str) -> io::Result<Option<Secret>> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Ok(None);
    }
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other(
            "other threads of this process run already",
        ));
    }
    let value = std::env::var(name);
    // SAFETY: this is the only thread, so that nobody else reads or changes a variable meanwhile,
    // and no other thread can begin before this function returns. `environ` is null, or leads to
    // pointers to strings that end with a zero, and then to a null. The kernel laid them out in our
    // stack, or `setenv` in our heap: both may be written to. What is written stays within a
    // string, before its zero, and no reference into it lives at that time.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            let entry = CStr::from_ptr(*at).to_bytes();
            let rest = entry.strip_prefix(name.as_bytes());
            if let Some(len) = rest
                .and_then(|rest| rest.strip_prefix(b"="))
                .map(<[u8]>::len)
            {
                ptr::write_bytes((*at).add(name.len() + 1), 0, len);
            }
            at = at.add(1);
        }
        std::env::remove_var(name);
    }
    match value {
        Ok(value) => Ok(Some(Secret::from(value))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(io::Error::other("it is not UTF-8")),
    }
}

/// Page faults and switches of the calling thread since it began.
pub(crate) fn thread_usage() -> ThreadUsage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole rusage of ours. It was zeroed, and rusage is numbers only,
    // so that it is a valid value whether or not the call filled it.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    ThreadUsage {
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
        involuntary_switches: usage.ru_nivcsw as u64,
        voluntary_switches: usage.ru_nvcsw as u64,
    }
}

/// The CPUs that the calling thread may run on, by the kernel's own numbers, ascending.
pub(crate) fn affinity() -> io::Result<Vec<usize>> {
    let mask = affinity_mask()?;
    let cpus = 0..mask.len() * 64;
    Ok(cpus
        .filter(|cpu| mask[cpu / 64] >> (cpu % 64) & 1 == 1)
        .collect())
}

/// The calling thread may run on this CPU and on no other. Allocates nothing.
pub(crate) fn is_pinned_to(cpu: usize) -> bool {
    affinity_mask().is_ok_and(|mask| only(cpu).is_ok_and(|only| mask == only))
}

/// Lets the calling thread run on this CPU alone, by the kernel's own number: also on one that is
/// isolated.
///
/// # Errors
/// When the system refuses it, or has no such CPU.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    // `core_affinity` keeps a `cpu_set_t`: it aborts on a CPU that has no place in one.
    if cpu < libc::CPU_SETSIZE as usize {
        let set = core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
        return set.then_some(()).ok_or_else(io::Error::last_os_error);
    }
    let mask = only(cpu)?;
    // SAFETY: as in `affinity_mask`; this call only reads the mask.
    let result =
        unsafe { libc::sched_setaffinity(0, mem::size_of_val(&mask), mask.as_ptr().cast()) };
    check(result).map(|_| ())
}

/// A bit for each CPU, of kernels of up to 8,192 CPUs: a mask smaller than the kernel's is refused.
type Mask = [u64; 128];

fn only(cpu: usize) -> io::Result<Mask> {
    let mut mask: Mask = [0; 128];
    let word = mask.get_mut(cpu / 64).ok_or(io::ErrorKind::InvalidInput)?;
    *word = 1 << (cpu % 64);
    Ok(mask)
}

fn affinity_mask() -> io::Result<Mask> {
    let mut mask: Mask = [0; 128];
    // SAFETY: the mask's address and its true size in bytes are given; cpu_set_t is an array of
    // unsigned longs, which are the u64 of `mask` in size, alignment and bit order on 64-bit Linux.
    let result =
        unsafe { libc::sched_getaffinity(0, mem::size_of_val(&mask), mask.as_mut_ptr().cast()) };
    check(result)?;
    Ok(mask)
}

/// Lets what this command starts be asked to end (SIGTERM) when the thread that starts it ends,
/// however that ends.
pub(crate) fn end_with_us(command: &mut Command) {
    let bound = || {
        // SAFETY: this option takes one number, as wide as a long.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong) })
    };
    // SAFETY: between fork and exec the closure makes one system call, and reads `errno` if that
    // fails: it takes no lock and allocates nothing.
    unsafe { command.pre_exec(bound) };
}

/// Makes whatever a child of this process leaves behind when it ends a child of this process.
///
/// # Errors
/// What the system says.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    // SAFETY: this option takes one number, as wide as a long.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong) })
}

/// Kills a child of this process, and waits until it is gone.
///
/// # Errors
/// If it is no child of this process.
pub(crate) fn end_child(id: u32) -> io::Result<()> {
    let id = i32::try_from(id).map_err(io::Error::other)?;
    send_signal(id, libc::SIGKILL);
    // SAFETY: the kernel writes nothing to a null pointer.
    match unsafe { libc::waitpid(id, ptr::null_mut(), 0) } == id {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to a process, or to a process group if `id` is below zero. If there is none,
/// nobody is told.
pub(crate) fn send_signal(id: i32, signal: libc::c_int) {
    debug_assert!(id.abs() > 1, "every process, or the first one");
    // SAFETY: it takes two numbers.
    let _ = unsafe { libc::kill(id, signal) };
}

/// Asks for kernel stamps of what arrives, and with `sent` of what is sent (`SO_TIMESTAMPING`, by
/// software). Before the first write: send stamps count bytes from here. On a socket that is
/// connecting or connected.
pub(crate) fn enable_stamps(fd: BorrowedFd<'_>, sent: bool) -> io::Result<()> {
    let received = libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE;
    // OPT_ID_TCP counts from the next byte to be written, which OPT_ID alone does not. TSONLY
    // keeps the sent bytes themselves out of the error queue.
    let sends = libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_ID_TCP
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    let flags = if sent { received | sends } else { received };
    set_option(
        fd,
        libc::SOL_SOCKET,
        libc::SO_TIMESTAMPING,
        flags as libc::c_int,
    )
}

/// Microseconds that a read may poll the device before it blocks or gives up. Needs
/// CAP_NET_ADMIN above `net.core.busy_read`.
pub(crate) fn set_busy_poll(fd: BorrowedFd<'_>, us: u32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, clamp(us))
}

/// Microseconds for which waiting at a poll keeps polling the device before it sleeps
/// (`EPIOCSPARAMS`, Linux 6.9). Needs no rights.
pub(super) fn set_busy_wait(poll: &mio::Poll, us: u32) -> io::Result<()> {
    let params = libc::epoll_params {
        busy_poll_usecs: us,
        busy_poll_budget: 0, // The kernel's own.
        prefer_busy_poll: 0,
        __pad: 0,
    };
    // SAFETY: the borrow keeps the descriptor open; the request reads one whole epoll_params of
    // ours.
    check(unsafe { libc::ioctl(poll.as_raw_fd(), libc::EPIOCSPARAMS, &params) })
}

/// Milliseconds that sent bytes may stay unacknowledged before the connection is given up.
pub(crate) fn set_user_timeout(fd: BorrowedFd<'_>, ms: u32) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, clamp(ms))
}

/// Bytes that the kernel may hold for us. It doubles the number, and bounds it by
/// `net.core.rmem_max`.
pub(crate) fn set_receive_buffer(fd: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, clamp(bytes))
}

fn clamp(value: u32) -> libc::c_int {
    libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX)
}

fn set_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = mem::size_of_val(&value) as libc::socklen_t;
    // SAFETY: the borrow keeps the descriptor open; the pointer is to one c_int that outlives the
    // call, and `size` is its size.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size,
        )
    })
}

/// Whether whoever is at the other end of a Unix socket is this process's own user, or root. The
/// kernel noted who it was when it connected.
pub(crate) fn is_own_peer(stream: &std::os::unix::net::UnixStream) -> bool {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut size = mem::size_of_val(&peer) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `stream` is; the pointers are to a whole ucred and
    // to its size, and the call writes no more than that.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            ptr::from_mut(&mut peer).cast(),
            &mut size,
        )
    };
    // SAFETY: it takes nothing and cannot fail.
    let own = unsafe { libc::geteuid() };
    done == 0 && (peer.uid == 0 || peer.uid == own)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Room for the control messages of one `recvmsg`, aligned as their headers must be. A stamp
/// takes 64 bytes, an extended error with its address 44 to 60.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

const CONTROL_BYTES: usize = 256;
const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());

/// What came with one `recvmsg`.
#[derive(Default)]
struct Received {
    bytes: usize,
    stamp: Option<UnixNanos>,
    /// `ee_data` of a send stamp.
    stamp_id: Option<u32>,
}

/// Reads bytes from a socket, and the kernel's receive stamp of the newest of them (wall clock).
pub(crate) fn recv_stamped(
    fd: BorrowedFd<'_>,
    out: &mut [u8],
) -> io::Result<(usize, Option<UnixNanos>)> {
    let received = recv(fd, out, 0)?;
    Ok((received.bytes, received.stamp))
}

/// As [`recv_stamped`], but the bytes stay in the socket until [`discard`] takes them off.
pub(super) fn peek_stamped(
    fd: BorrowedFd<'_>,
    out: &mut [u8],
) -> io::Result<(usize, Option<UnixNanos>)> {
    let received = recv(fd, out, libc::MSG_PEEK)?;
    Ok((received.bytes, received.stamp))
}

/// Takes so many bytes off a TCP socket without a copy of them, and says how many there were.
pub(super) fn discard(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: the borrow keeps the descriptor open. With this flag TCP writes nothing to the place
    // that it is given (tcp(7)).
    let n = unsafe { libc::recv(fd.as_raw_fd(), ptr::null_mut(), bytes, flags) };
    if n < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(n as usize)
}

/// The next send stamp of a socket's error queue: the byte it is for, counted from where stamps
/// were enabled (modulo 2³²), and when that byte was handed to the device (wall clock). `None`
/// if the queue is empty.
pub fn recv_send_stamp(fd: BorrowedFd<'_>) -> io::Result<Option<(u32, UnixNanos)>> {
    loop {
        match recv(fd, &mut [], libc::MSG_ERRQUEUE) {
            Ok(Received {
                stamp: Some(at),
                stamp_id: Some(id),
                ..
            }) => return Ok(Some((id, at))),
            Ok(_) => {} // Another kind of report. It is taken off the queue, so that this ends.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn recv(fd: BorrowedFd<'_>, out: &mut [u8], flags: libc::c_int) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut slice = libc::iovec {
        iov_base: out.as_mut_ptr().cast(),
        iov_len: out.len(),
    };
    // SAFETY: msghdr is integers and pointers, for which zero is a value (no name, no control).
    let mut head: libc::msghdr = unsafe { mem::zeroed() };
    head.msg_iov = &mut slice;
    head.msg_iovlen = 1;
    head.msg_control = control.0.as_mut_ptr().cast();
    head.msg_controllen = CONTROL_BYTES as _;
    // SAFETY: the borrow keeps the descriptor open. `head` names one iovec, which names all of
    // `out`, and `control` with its size; all three are borrowed mutably by nobody else and
    // outlive the call, and the kernel writes inside the sizes given.
    let n = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut head, flags | libc::MSG_DONTWAIT) };
    if n < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut received = Received {
        bytes: n as usize,
        ..Received::default()
    };
    // SAFETY: the kernel filled `control` with whole messages and set `msg_controllen` to what it
    // used; `control` is still alive and aligned for their headers.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&head) };
    while !message.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null, or a header that lies whole inside
        // `control`, whose data follows it for `cmsg_len` bytes.
        unsafe {
            take_control(&*message, libc::CMSG_DATA(message), &mut received);
            message = libc::CMSG_NXTHDR(&head, message);
        }
    }
    Ok(received)
}

/// Takes one control message in.
///
/// # Safety
/// `data` points to the bytes that `head.cmsg_len` counts behind the header.
unsafe fn take_control(head: &libc::cmsghdr, data: *const u8, received: &mut Received) {
    // SAFETY: CMSG_LEN is arithmetic on its argument.
    let holds = |bytes: usize| head.cmsg_len >= unsafe { libc::CMSG_LEN(bytes as u32) } as usize;
    match (head.cmsg_level, head.cmsg_type) {
        // Three stamps: by software, an obsolete one, and by hardware.
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) if holds(mem::size_of::<libc::timespec>()) => {
            // SAFETY: the data holds a timespec at least, by the caller's word and the guard; it
            // is copied out unaligned.
            let at = unsafe { data.cast::<libc::timespec>().read_unaligned() };
            received.stamp = (at.tv_sec != 0).then(|| unix_nanos(&at));
        }
        (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
            if holds(mem::size_of::<libc::sock_extended_err>()) =>
        {
            // SAFETY: as above, for a sock_extended_err.
            let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
            if error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING {
                received.stamp_id = Some(error.ee_data);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod asked_back {
    use super::*;

    #[test]
    fn a_process_that_forbids_core_dumps_makes_none_even_for_a_pipe() {
        forbid_core_dumps().unwrap();
        // SAFETY: this option takes no argument.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }, 0);
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        assert!(
            core.unwrap()
                .split_whitespace()
                .eq(["Max", "core", "file", "size", "0", "0", "bytes"])
        );
    }

    #[test]
    fn a_poll_keeps_polling_the_device_for_as_long_as_it_is_told() {
        let poll = mio::Poll::new().unwrap();
        if set_busy_wait(&poll, 50).is_err() {
            return; // Before Linux 6.9, a worker says so and goes on without.
        }
        let mut params = MaybeUninit::<libc::epoll_params>::zeroed();
        // SAFETY: the request fills an epoll_params of ours, which is numbers only and was zeroed.
        let params = unsafe {
            libc::ioctl(poll.as_raw_fd(), libc::EPIOCGPARAMS, params.as_mut_ptr());
            params.assume_init()
        };
        assert_eq!(params.busy_poll_usecs, 50);
    }
}
