//! What others on the host can do to a run: nobody outside the host reaches it, and another user
//! gets no answer, whatever the modes of its folder let in.

use crate::support::{Process, folder, tickwire};
use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// A user that has no rights.
const NOBODY: u32 = 65_534;
/// A listening socket, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

#[test]
fn a_run_with_its_own_exchange_listens_on_loopback_and_at_a_socket_of_mode_0600() {
    let folder = folder();
    let process = started(folder.path());
    let ours = sockets_of(process.id());
    let tcp = ["tcp", "tcp6"].map(|name| listeners(name, &ours)).concat();
    assert!(!tcp.is_empty(), "the simulated exchange listens");
    assert!(tcp.iter().all(IpAddr::is_loopback), "{tcp:?}");
    let socket = folder.path().join("o/control.sock");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    process.signal("INT");
    process.wait().expect(0);
}

#[test]
fn another_user_gets_no_answer_though_folder_and_socket_were_opened_to_everybody() {
    let folder = folder();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        return println!("skipped: only root can run a program as another user");
    }
    let process = started(folder.path());
    for (path, mode) in [("", 0o777), ("o", 0o777), ("o/control.sock", 0o666)] {
        fs::set_permissions(folder.path().join(path), Permissions::from_mode(mode)).unwrap();
    }
    let status = || tickwire(folder.path(), &["ctl", "status", "--run", "o"]);
    let other = status().uid(NOBODY).output().unwrap();
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert!(other.stdout.is_empty(), "{other:?}");
    assert!(status().output().unwrap().status.success());
    process.signal("INT");
    process.wait().expect(0);
}

fn started(dir: &Path) -> Process {
    let mut process = Process::start(tickwire(dir, &["run", "--for", "5m", "--out", "o"]));
    process.until("a connection", |_, err| {
        err.contains("books ").then_some(())
    });
    process
}

/// The inodes of a process's sockets.
fn sockets_of(id: u32) -> HashSet<String> {
    let links = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let links = links.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let name = link.to_str()?.strip_prefix("socket:[")?;
        Some(name.strip_suffix(']')?.to_owned())
    };
    links.filter_map(inode).collect()
}

/// Where those of these sockets listen that `/proc/net/NAME` has.
fn listeners(name: &str, inodes: &HashSet<String>) -> Vec<IpAddr> {
    let table = fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let lines = table.lines().skip(1);
    let rows = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| inodes.contains(row[9]) && row[3] == LISTENS)
        .map(|row| address(row[1].split(':').next().unwrap()))
        .collect()
}

/// The kernel writes an address as words of its own byte order, in hexadecimal.
fn address(hex: &str) -> IpAddr {
    let words = (0..hex.len()).step_by(8);
    let words = words.map(|at| u32::from_str_radix(&hex[at..at + 8], 16).unwrap());
    let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap()).into(),
    }
}
