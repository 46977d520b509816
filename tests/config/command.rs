//! The command from outside: exit codes, what goes to which stream, and pipes that close early.

use std::process::{Command, Output, Stdio};

#[test]
fn help_and_version_are_answers_not_errors() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let output = tickwire(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
    let help = String::from_utf8(tickwire(&["--help"]).stdout).unwrap();
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
}

#[test]
fn wrong_arguments_and_wrong_files_end_with_code_2_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.toml");
    std::fs::write(&path, "[engine]\nwiat = \"spin\"\n").unwrap();
    let path = path.to_str().unwrap();
    for (arguments, what) in [
        (&["walk"][..], "unrecognized subcommand"),
        (&["run", "--depth", "7"], "write 256, 1024 or 4096"),
        (
            &["check", "no/such/file.toml"],
            "no/such/file.toml: cannot be read",
        ),
        (
            &["check", path],
            ":2:1: unknown key \"wiat\" in [engine]; did you mean \"wait\"?",
        ),
    ] {
        let output = tickwire(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(what), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn orders_of_an_account_that_never_traded_are_none_and_there_is_nothing_to_accept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let text = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n[account]\n\
                exchange = \"binance\"\napi_key_file = \"k\"\nprivate_key_file = \"p\"\n\
                journal = \"j\"\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let output = tickwire(&["orders", path]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no order was ever kept here"), "{said}");
    let output = tickwire(&["orders", path, "--accept", "BTC"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no order was ever kept here"), "{said}");
    assert!(!folder.path().join("j").exists(), "nothing is made");
}

#[test]
fn check_says_what_the_binance_example_would_run() {
    let output = tickwire(&["check", "configs/binance.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for what in [
        "connection 1: 2 instruments",
        "BTCUSDT ETHUSDT",
        "paper",
        "imbalance",
        "placement: ",
        "  worker 0  cpu ",
        "memory",
    ] {
        assert!(text.contains(what), "no {what:?} in\n{text}");
    }
}

#[test]
fn books_with_too_few_levels_for_the_strategy_are_named_by_check_and_at_the_start_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let text = "[simulate]\n[[feed]]\nexchange = \"hyperliquid\"\ninstruments = [\"*\"]\n\
                [strategy]\ndepth = 10\n";
    std::fs::write(&path, text).unwrap();
    let (path, out) = (path.to_str().unwrap(), folder.path().join("o"));
    let warning = "hyperliquid: depth_stream \"fast\" has 5 levels per side";
    let checked = tickwire(&["check", path]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains(warning), "{said}");
    let out = out.to_str().unwrap();
    let ran = tickwire(&["run", path, "--out", out, "--for", "1s"]);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains(warning), "{said}");
}

#[test]
fn a_reader_that_goes_away_causes_no_panic() {
    let arguments: &[&[&str]] = &[&["--help"], &["check", "configs/binance.toml"]];
    for arguments in arguments {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code().is_some(),
            "{arguments:?} died of a signal"
        );
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}

fn tickwire(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
    command.args(arguments);
    command
}
