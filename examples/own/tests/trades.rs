//! The program as it is run: its strategy is configured, checked and traded by name.

use std::path::Path;
use std::process::{Command, Output};

fn own(args: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_own"));
    command.current_dir(folder).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn its_keys_are_checked_and_explained() {
    let checked = own(&["check", "own.toml"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let told = text(&checked.stdout);
    assert!(
        told.contains("threshold = 0.5: flow that must be exceeded"),
        "{told}"
    );
}

#[test]
fn it_trades_on_paper_and_says_its_own_numbers_at_the_end() {
    let out = std::env::temp_dir().join(format!("own-{}", std::process::id()));
    let ran = own(&[
        "run",
        "own.toml",
        "--for",
        "5s",
        "--out",
        out.to_str().unwrap(),
    ]);
    let told = text(&ran.stdout);
    assert!(ran.status.success(), "{told}{}", text(&ran.stderr));
    let line = told.lines().find(|line| line.starts_with("own: "));
    let fills = line.and_then(|line| line.split(", ").nth(1));
    assert!(fills.is_some_and(|fills| fills != "0 fills"), "{told}");
    assert!(out.join("summary.json").is_file());
    std::fs::remove_dir_all(out).unwrap();
}
