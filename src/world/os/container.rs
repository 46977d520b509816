//! What a container leaves this process of the host's CPUs: quota and throttling of its control
//! groups, version 1 and 2. Reads text files and changes nothing.

use super::placement::Cpus;
use super::sys;
use std::io;
use std::path::{Path, PathBuf};

/// Where the kernel says which control groups a process is in, and where their files are.
const MEMBERSHIP: &str = "/proc/self/cgroup";
const MOUNTS: &str = "/proc/self/mountinfo";

/// What the process's control groups say now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// Thousandths of a CPU: the smallest quota of its group and of all above; none if nobody
    /// set one.
    pub(crate) quota_milli: Option<u64>,
    /// Since the groups began; only differences mean something.
    pub(crate) throttled: Throttled,
}

/// How often and how long the kernel kept the process's groups from running because their quota was
/// used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Throttled {
    /// Scheduling periods with at least one stop.
    pub(crate) periods: u64,
    /// Nanoseconds, added up over CPUs.
    pub(crate) ns: u64,
}

/// The CPUs and the quota of the calling thread.
///
/// # Errors
/// When the system does not tell the affinity mask.
pub(crate) fn cpus() -> io::Result<Cpus> {
    Ok(Cpus {
        allowed: sys::affinity()?,
        quota_milli: read().quota_milli,
    })
}

/// What the system says now. A process may be moved to another group: everything is looked up
/// again.
pub(crate) fn read() -> Reading {
    reading(&|path| std::fs::read_to_string(path).ok())
}

/// From the texts that `file` gives.
fn reading(file: &dyn Fn(&Path) -> Option<String>) -> Reading {
    let mut sum = Reading::default();
    let membership = file(Path::new(MEMBERSHIP)).unwrap_or_default();
    let mounts = file(Path::new(MOUNTS)).unwrap_or_default();
    for group in groups(&membership, &mounts) {
        let quota = match group.version {
            Version::One => quota_v1(
                &file(&group.dir.join("cpu.cfs_quota_us")).unwrap_or_default(),
                &file(&group.dir.join("cpu.cfs_period_us")).unwrap_or_default(),
            ),
            Version::Two => quota_v2(&file(&group.dir.join("cpu.max")).unwrap_or_default()),
        };
        sum.quota_milli = match (sum.quota_milli, quota) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let stat = file(&group.dir.join("cpu.stat")).unwrap_or_default();
        let here = throttled(&stat);
        sum.throttled.periods += here.periods;
        sum.throttled.ns += here.ns;
    }
    sum
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A directory whose quota counts for this process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    dir: PathBuf,
    version: Version,
}

/// The process's own group and every one above it that can be seen, of each hierarchy that has CPU
/// quotas.
fn groups(membership: &str, mounts: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let version = match (id, controllers) {
            ("0", "") => Version::Two,
            (_, names) if names.split(',').any(|name| name == "cpu") => Version::One,
            _ => continue,
        };
        for (root, point) in mounts.lines().filter_map(|line| mounted(line, version)) {
            groups.extend(upwards(path, &root, &point).map(|dir| Group { dir, version }));
        }
    }
    groups.dedup();
    groups
}

/// The root within its hierarchy and the mount point of a line about this version's CPU controller.
fn mounted(line: &str, version: Version) -> Option<(String, PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, options) = (after.next()?, after.nth(1)?);
    let right = match version {
        Version::Two => kind == "cgroup2",
        Version::One => kind == "cgroup" && options.split(',').any(|name| name == "cpu"),
    };
    right.then(|| (unescaped(root), PathBuf::from(unescaped(point))))
}

/// Directories from the group at `path` up to the mount point. If the path lies outside of the
/// mounted part (another namespace's name for it), only the mount point itself is read.
fn upwards(path: &str, root: &str, point: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let inside = match root {
        "/" => Some(path),
        root => path
            .strip_prefix(root)
            .filter(|rest| rest.is_empty() || rest.starts_with('/')),
    };
    let names: Vec<&str> = inside
        .unwrap_or_default()
        .split('/')
        .filter(|name| !name.is_empty() && *name != "..")
        .collect();
    let dirs = (0..=names.len()).rev().map(|n| {
        let mut dir = point.to_owned();
        dir.extend(&names[..n]);
        dir
    });
    dirs.collect::<Vec<_>>().into_iter()
}

/// The kernel writes blanks and the like as three octal digits after a backslash.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (byte, value) {
            (b'\\', Some(value)) => {
                out.push(value);
                rest = &after[3..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `cpu.cfs_quota_us` and `cpu.cfs_period_us`; a quota of -1 is none.
fn quota_v1(quota_us: &str, period_us: &str) -> Option<u64> {
    milli(quota_us.trim(), period_us.trim())
}

/// `cpu.max`: `max 100000`, or `50000 100000`.
fn quota_v2(max: &str) -> Option<u64> {
    let (quota_us, period_us) = max.trim().split_once(' ')?;
    milli(quota_us, period_us.trim())
}

fn milli(quota_us: &str, period_us: &str) -> Option<u64> {
    let (quota_us, period_us): (u64, u64) = (quota_us.parse().ok()?, period_us.parse().ok()?);
    quota_us.saturating_mul(1_000).checked_div(period_us)
}

/// `cpu.stat`: version 1 counts `throttled_time` in nanoseconds, version 2 `throttled_usec`.
fn throttled(stat: &str) -> Throttled {
    let mut sum = Throttled::default();
    for line in stat.lines() {
        let Some((name, Ok(count))) = line.split_once(' ').map(|(n, v)| (n, v.trim().parse()))
        else {
            continue;
        };
        let count: u64 = count;
        match name {
            "nr_throttled" => sum.periods = count,
            "throttled_time" => sum.ns = count,
            "throttled_usec" => sum.ns = count.saturating_mul(1_000),
            _ => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose files are these.
    fn host<'a>(files: &'a [(&'a str, &'a str)]) -> Reading {
        reading(&|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    const V1_MOUNTS: &str = "\
        30 28 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
        31 28 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - \
            cgroup cgroup rw,cpu,cpuacct\n\
        32 28 0:29 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n";

    #[test]
    fn version_one_counts_the_smallest_quota_on_the_way_up() {
        let files = [
            (MEMBERSHIP, "5:cpuset:/x\n4:cpu,cpuacct:/docker/abc\n0::/\n"),
            (MOUNTS, V1_MOUNTS),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us",
                "250000\n",
            ),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us",
                "100000\n",
            ),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.stat",
                "nr_periods 9\nnr_throttled 3\nthrottled_time 70000\n",
            ),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us",
                "50000\n",
            ),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us",
                "100000\n",
            ),
            (
                "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat",
                "nr_periods 9\nnr_throttled 4\nthrottled_time 30000\n",
            ),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ];
        let throttled = Throttled {
            periods: 7,
            ns: 100_000,
        };
        let quota_milli = Some(500);
        assert_eq!(
            host(&files),
            Reading {
                quota_milli,
                throttled
            }
        );
    }

    #[test]
    fn version_two_reads_cpu_max_of_the_group_and_of_those_above_it() {
        let mounts =
            "25 20 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let pod = "/sys/fs/cgroup/kubepods.slice/pod7";
        let (own_max, own_stat) = (format!("{pod}/c1/cpu.max"), format!("{pod}/c1/cpu.stat"));
        let pod_max = format!("{pod}/cpu.max");
        let files = [
            (MEMBERSHIP, "0::/kubepods.slice/pod7/c1\n"),
            (MOUNTS, mounts),
            (&*own_max, "max 100000\n"),
            (
                &*own_stat,
                "usage_usec 5\nnr_throttled 2\nthrottled_usec 31\n",
            ),
            (&*pod_max, "150000 50000\n"),
        ];
        let throttled = Throttled {
            periods: 2,
            ns: 31_000,
        };
        let quota_milli = Some(3_000);
        assert_eq!(
            host(&files),
            Reading {
                quota_milli,
                throttled
            }
        );
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point() {
        // Without a namespace of its own: the mount's root is the group. With one, its path is `/`.
        // A group that was moved out of the namespace has a path that leads above it.
        for (membership, root) in [
            ("3:cpu:/docker/ab c\n", "/docker/ab\\040c"),
            ("3:cpu:/\n", "/"),
            ("3:cpu:/../other\n", "/x"),
            ("3:cpu:/docker/abc2\n", "/docker/abc"),
        ] {
            let mounts = format!("31 28 0:28 {root} /sys/fs/c\\040g ro - cgroup cgroup rw,cpu\n");
            let files = [
                (MEMBERSHIP, membership),
                (MOUNTS, &*mounts),
                ("/sys/fs/c g/cpu.cfs_quota_us", "30000"),
                ("/sys/fs/c g/cpu.cfs_period_us", "20000"),
            ];
            assert_eq!(host(&files).quota_milli, Some(1_500), "{membership} {root}");
        }
    }

    #[test]
    fn a_host_without_groups_or_with_odd_ones_has_no_quota() {
        let mounts = "25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for max in ["", "max", "max 100000", "5 0", "x y", "-1 100000"] {
            let files = [
                (MEMBERSHIP, "garbage\n0::/\n"),
                (MOUNTS, mounts),
                ("/sys/fs/cgroup/cpu.max", max),
                (
                    "/sys/fs/cgroup/cpu.stat",
                    "nr_throttled\nthrottled_usec x\n",
                ),
            ];
            assert_eq!(host(&files), Reading::default(), "{max:?}");
        }
        assert_eq!(host(&[]), Reading::default());
        assert_eq!(host(&[(MOUNTS, "a - b\n - \n")]), Reading::default());
    }
}
