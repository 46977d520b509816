//! What a person sees of a run: on a real terminal of 80 columns, which `script` makes, and where
//! the lines are kept.

use crate::support::{Ran, finished, folder, summary, tickwire};
use std::path::Path;
use std::process::Command;

const COLUMNS: usize = 80;

#[test]
fn on_a_terminal_the_status_stays_its_last_line_and_no_line_is_too_wide() {
    let folder = folder();
    let raw = on_a_terminal(folder.path(), "run --for 8s --out o", &[])
        .expect(0)
        .out;
    let redrawn = raw.matches("\r\x1b[K0:0").count();
    assert!(redrawn >= 6, "{redrawn} times in\n{raw:?}");
    let shown = shown(&raw);
    for line in &shown {
        assert!(line.chars().count() <= COLUMNS, "{line}");
        assert!(!line.contains("msg/s"), "a status that was left: {line}");
        assert!(!line.contains("DEBUG"), "{line}");
    }
    let orders = &summary(&folder.path().join("o"))["orders"];
    let ended = ["filled", "expired"].map(|end| orders[end].as_u64().unwrap());
    let lines = shown.iter().filter(|line| line.contains("  imbalance "));
    assert_eq!(
        lines.count() as u64,
        ended.iter().sum::<u64>(),
        "one per order"
    );
    assert!(ended[0] > 0, "{orders}");
}

#[test]
fn colours_and_the_cursor_follow_the_conventions() {
    // What is asked, what the environment says, then whether lines are coloured and redrawn.
    let cases = [
        (&[][..], true, true),
        (&[("NO_COLOR", "1")], false, true),
        (&[("NO_COLOR", "")], true, true),
        (&[("TERM", "dumb")], false, false),
    ];
    for (environment, coloured, redrawn) in cases {
        let folder = folder();
        let ran = on_a_terminal(folder.path(), "run -v --for 2s --out o", environment);
        let raw = ran.expect(0).out;
        assert_eq!(
            raw.contains("\x1b[32m"),
            coloured,
            "{environment:?}: {raw:?}"
        );
        assert_eq!(
            raw.contains("\r\x1b[K"),
            redrawn,
            "{environment:?}: {raw:?}"
        );
    }
}

#[test]
fn where_lines_are_kept_the_status_is_one_only_if_something_changed() {
    let folder = folder();
    let ran = finished(tickwire(
        folder.path(),
        &["run", "--for", "6s", "--out", "o"],
    ))
    .expect(0);
    let status: Vec<&str> = ran
        .err
        .lines()
        .filter(|line| line.contains("msg/s"))
        .collect();
    let states: Vec<&str> = status
        .iter()
        .map(|line| line.split_once("  books ").unwrap().1)
        .map(|rest| rest.split_once("  ").unwrap().0)
        .collect();
    let live = states.last().expect("a status");
    assert!(live.contains("3/3"), "{status:?}");
    assert!(status.len() < 5, "not one per second: {status:?}");
    assert!(!ran.err.contains('\x1b'), "{}", ran.err);

    let mut command = tickwire(folder.path(), &["run", "-v", "--for", "2s", "--out", "c"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(finished(command).expect(0).err.contains("\x1b[32mINFO"));
}

#[test]
fn a_quiet_run_says_what_went_wrong_and_its_tables() {
    let folder = folder();
    let arguments = ["run", "-q", "--for", "4s", "--out", "o"];
    let ran = finished(tickwire(folder.path(), &arguments)).expect(0);
    for line in ran.err.lines() {
        assert!(
            line.contains(" WARN ") || line.contains(" ERROR "),
            "{line}"
        );
    }
    assert!(ran.out.contains("tick_to_wire"), "{}", ran.out);
    let both = finished(tickwire(folder.path(), &["run", "-q", "-v"])).expect(2);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}

#[test]
fn what_check_and_sim_print_fits_the_terminal() {
    let folder = folder();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let config = |name: &str| format!("check {}", configs.join(name).display());
    for arguments in [
        config("many.toml"),
        config("default.toml"),
        config("binance.toml"),
    ] {
        let raw = on_a_terminal(folder.path(), &arguments, &[]).expect(0).out;
        for line in shown(&raw) {
            // A path is one word: it stays whole, so that it can be copied.
            let words = line.split_whitespace().count();
            assert!(line.chars().count() <= COLUMNS || words == 1, "{line}");
        }
    }
}

/// Runs the command on a terminal of 24 lines and 80 columns.
fn on_a_terminal(folder: &Path, arguments: &str, environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new("script");
    let binary = env!("CARGO_BIN_EXE_tickwire");
    let inner = format!("stty rows 24 cols {COLUMNS} && exec {binary} {arguments}");
    command
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &inner,
            "/dev/null",
        ])
        .current_dir(folder)
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .envs(environment.iter().copied());
    finished(command)
}

/// The lines that stand there at the end, as a terminal shows them.
fn shown(raw: &str) -> Vec<String> {
    let (mut lines, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                lines.push(line.iter().collect());
                line.clear();
                at = 0;
            }
            '\r' => at = 0,
            '\x1b' => {
                let mut sequence = String::new();
                while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                    sequence.push(chars.next().expect("a whole sequence"));
                }
                if sequence == "[K" {
                    line.truncate(at);
                } else {
                    assert!(sequence.ends_with('m'), "{sequence:?}");
                }
            }
            c => {
                line.resize(line.len().max(at + 1), ' ');
                line[at] = c;
                at += 1;
            }
        }
    }
    lines.push(line.iter().collect());
    lines
}
