//! `scripts/host-tune` on a made-up host: it shows, sets, remembers and puts back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const GOVERNOR: &str = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
const HUGE_PAGES: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const BUSY_POLL: &str = "proc/sys/net/core/busy_poll";
const IRQ: &str = "proc/irq/7/smp_affinity_list";

#[test]
fn without_a_flag_nothing_changes_and_every_change_is_announced() {
    let host = host();
    let output = tune(host.path(), &["--cpus", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for what in [
        "powersave, --apply sets performance",
        "always, --apply sets madvise",
        "isolcpus=",
    ] {
        assert!(text.contains(what), "no {what:?} in\n{text}");
    }
    assert_eq!(read(host.path(), GOVERNOR), "powersave");
    assert!(!host.path().join("state").exists());
}

#[test]
fn apply_sets_and_undo_puts_back_even_after_two_applies() {
    let host = host();
    for _ in 0..2 {
        let output = tune(host.path(), &["--apply", "--cpus", "1"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(read(host.path(), GOVERNOR), "performance");
        assert_eq!(read(host.path(), HUGE_PAGES), "madvise");
        assert_eq!(read(host.path(), BUSY_POLL), "50");
        assert_eq!(read(host.path(), IRQ), "0,2,3", "off the engine's CPU");
    }
    let output = tune(host.path(), &["--undo"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(read(host.path(), GOVERNOR), "powersave");
    assert_eq!(read(host.path(), HUGE_PAGES), "always");
    assert_eq!(read(host.path(), BUSY_POLL), "0");
    assert_eq!(read(host.path(), IRQ), "0-3");
    assert!(!host.path().join("state").exists());
}

#[test]
fn a_host_that_has_none_of_it_is_no_failure() {
    let host = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["--apply"],
        &["--cpus", "0", "--apply"],
        &["--undo"],
    ] {
        let output = tune(host.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
    }
}

#[test]
fn wrong_use_ends_with_code_2() {
    let host = host();
    for arguments in [
        &["--cpus", "x"][..],
        &["--cpus"],
        &["--apply", "--undo"],
        &["--now"],
    ] {
        assert_eq!(
            tune(host.path(), arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

fn host() -> TempDir {
    let host = tempfile::tempdir().unwrap();
    for (path, value) in [
        ("sys/devices/system/cpu/online", "0-3"),
        (GOVERNOR, "powersave"),
        (HUGE_PAGES, "[always] madvise never"),
        (BUSY_POLL, "0"),
        (IRQ, "0-3"),
    ] {
        let path = host.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }
    host
}

fn read(host: &Path, path: &str) -> String {
    fs::read_to_string(host.join(path))
        .unwrap()
        .trim()
        .to_owned()
}

fn tune(host: &Path, arguments: &[&str]) -> Output {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/host-tune"))
        .args(arguments)
        .env("TICKWIRE_HOST_ROOT", host)
        .env("TICKWIRE_TUNE_STATE", host.join("state"))
        .output()
        .unwrap()
}
