//! What somebody finds who clones the repository: scripts that say what they are, documents whose
//! commands leave nothing for git to find, and the documented exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn every_script_says_what_it_does() {
    let mut scripts = 0;
    for path in files(&root().join("scripts")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for flag in ["--help", "-h"] {
            let output = Command::new(&path)
                .arg(flag)
                .current_dir("/")
                .output()
                .unwrap();
            let (said, error) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(
                output.status.code(),
                Some(0),
                "{name} {flag}: {said}{error}"
            );
            assert!(
                said.contains(&name),
                "{name} {flag} says how it is called: {said}"
            );
            assert!(
                said.lines().count() > 3 && error.is_empty(),
                "{name}: {said}{error}"
            );
            assert!(
                !said.contains("set -euo"),
                "{name} says no more than that: {said}"
            );
        }
        scripts += 1;
    }
    assert!(scripts > 4);
}

#[test]
fn git_ignores_what_the_documents_commands_leave_behind() {
    if !root().join(".git").exists() {
        println!("skipped: this is no clone");
        return;
    }
    let mut left = vec!["runs".to_owned(), "target".to_owned()];
    for document in ["README.md", "GUIDE.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let commands = text.lines().filter(|line| line.starts_with("    "));
        for words in commands.map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            for pair in words.windows(2) {
                let makes = matches!(pair[0], "--out" | "--ca-out" | "-out" | ">");
                if makes && !pair[1].starts_with(['/', '~', '$', '-']) {
                    left.push(pair[1].trim_end_matches(['`', ';', ')']).to_owned());
                }
            }
        }
    }
    assert!(left.len() > 5, "{left:?}");
    for path in left {
        let mut git = Command::new("git");
        let ignored = git
            .args(["check-ignore", "-q", &path])
            .current_dir(root())
            .status();
        assert!(ignored.unwrap().success(), "git would find {path}");
    }
}

#[test]
fn every_documented_exit_code_is_what_the_commands_answer() {
    let help = text(&tickwire(&["--help"], Path::new("/")).stdout);
    let guide = fs::read_to_string(root().join("GUIDE.md")).unwrap();
    for code in 0..=3 {
        assert!(help.contains(&format!("{code} ")), "{help}");
        assert!(
            guide.contains(&format!("\n| {code} | ")),
            "{code} is in GUIDE.md"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let feed = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\n";
    let gone = "[[feed]]\nexchange = \"okx\"\ninstruments = [\"*\"]\nvia = \"127.0.0.1:1\"\n";
    fs::write(dir.join("right.toml"), format!("[simulate]\n{feed}")).unwrap();
    fs::write(dir.join("down.toml"), format!("[simulate]\n{feed}{gone}")).unwrap();
    fs::write(dir.join("wrong.toml"), format!("{feed}colour = 1\n")).unwrap();
    fs::write(dir.join("ca.toml"), format!("{feed}ca_file = \"none\"\n")).unwrap();
    for (line, code) in [
        ("--version", 0),
        ("help run", 0),
        ("check right.toml", 0),
        ("run right.toml --for 1s --out a", 0),
        ("report a", 0),
        ("record right.toml --for 1s --out r", 0),
        ("record --verify r", 0),
        ("replay r --digest", 0),
        ("sim --hosts", 0),
        ("check ca.toml", 1),
        ("run ca.toml --out b", 1),
        ("report nowhere", 1),
        ("record --verify nowhere", 1),
        ("replay nowhere --digest", 1),
        ("sim --listen 192.0.2.1:9443", 1),
        ("walk", 2),
        ("run --depth 7", 2),
        ("check wrong.toml", 2),
        ("run wrong.toml", 2),
        ("record wrong.toml --out b", 2),
        ("run right.toml --for 1s --out a", 2), // It holds another run.
        ("sim --instruments nowhere.toml", 2),
        ("run down.toml --for 1s --out c", 3),
        ("record down.toml --for 1s --out d", 3),
    ] {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = tickwire(&arguments, dir);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

fn tickwire(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
