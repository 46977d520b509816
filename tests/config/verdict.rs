//! `check` and `run` with the same arguments give one verdict: the same exit code, and the same
//! words.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

const FEED: &str = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n";
const OTHER: &str = "[[feed]]\nexchange = \"okx\"\ninstruments = [\"BTC-USDT\"]\n";
const KEYS: &str = "api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n";
const WRITTEN: &str = "[strategy]\nname = \"imbalance\"\ndepth = 5\nthreshold = 0.5\n\
                       cooldown_ms = 300\nquantity = \"1\"\n[risk]\nquantity_max = \"1\"\n\
                       notional_max = \"1000\"\nprice_collar_bps = 50\norders_per_s = 5\n\
                       open_orders_max = 4\nposition_max = \"1000000\"\n\
                       gross_notional_max = \"100000000\"\nnet_notional_max = \"100000000\"\n\
                       exchange_gross_notional_max = \"100000000\"\n\
                       exchange_net_notional_max = \"100000000\"\n\
                       daily_loss_max = \"100000000\"\ndrawdown_max = \"100000000\"\n\
                       cancels_per_s = 1000\norders_per_trade_max = 1000000\n\
                       instrument_open_orders_max = 256\nidentical_orders_max = 256\n\
                       reference_bps = 10000\nclock_skew_max_ms = 60000\n";

/// Files that a run does not begin with: text, flags, exit code, and what is said.
fn wrong() -> Vec<(String, &'static str, i32, &'static str)> {
    let account = |exchange: &str| format!("[account]\nexchange = \"{exchange}\"\n{KEYS}");
    let many: String = (0..30).map(|n| format!("key{n} = {n}\n")).collect();
    let arbitrage = "[strategy]\nname = \"arbitrage\"\n";
    vec![
        (
            format!("{FEED}[engine]\nwiat = \"spin\"\n"),
            "",
            2,
            "c.toml:5:1: unknown key \"wiat\" in [engine]; did you mean \"wait\"?",
        ),
        (
            FEED.replace("binance", "binanse"),
            "",
            2,
            "no such exchange; did you mean \"binance\"?",
        ),
        (
            format!("{FEED}[strategy]\nname = \"imbalanse\"\n"),
            "",
            2,
            "did you mean \"imbalance\"?",
        ),
        (format!("{many}{FEED}"), "", 2, "\nand 10 more mistakes\n"),
        (
            format!("{FEED}[strategy]\nname = \"imbalance\"\n[strategy]\nname = \"order_flow\"\n"),
            "",
            2,
            "c.toml:6:2: [strategy] is there twice: write [[strategy]] with two brackets, once for \
             each\n",
        ),
        (
            format!("{FEED}[engine]\ndepth = 256\ndepth = 256\n"),
            "",
            2,
            "\"depth\" is there twice\n",
        ),
        ("[[feed\n".to_owned(), "", 2, "not TOML"),
        (
            format!("{FEED}{arbitrage}"),
            "",
            2,
            "arbitrage trades between 2 exchanges or more, and has 1 (binance)",
        ),
        (
            format!("{FEED}{OTHER}{}{arbitrage}", account("binance")),
            "--live",
            2,
            "arbitrage trades between 2 exchanges or more, and has an account at 1: write an \
             [[account]] for each (there is none at okx)",
        ),
        (
            format!("{FEED}stream = \"127.0.0.1:9443\"\n"),
            "",
            2,
            "a book cannot be made of both",
        ),
        (
            format!("{FEED}{WRITTEN}"),
            "--live",
            2,
            "needs an [account]",
        ),
        (
            format!("{FEED}{}", account("binance")),
            "--live",
            2,
            "this is left to defaults:\n  ",
        ),
        (
            format!("{OTHER}{}{WRITTEN}", account("okx")),
            "--live",
            2,
            "this build sends no orders to okx",
        ),
        (
            format!("{FEED}{}{WRITTEN}", account("binance")),
            "--live",
            2,
            "api.key has mode 0644, others may read it: chmod 600 ",
        ),
        (
            format!("{FEED}{}{WRITTEN}", account("binance")).replace("api.key", "link.key"),
            "--live",
            2,
            "link.key is a symbolic link: write the path of the file itself",
        ),
        (
            format!("{FEED}{}{WRITTEN}", account("binance")).replace(
                "file = \"api.key\"",
                "command = [\"sh\", \"-c\", \"echo no >&2; exit 4\"]",
            ),
            "--live",
            2,
            "api_key_command of [account]: sh ended with exit status: 4: no\n",
        ),
        (
            format!("{FEED}{}{WRITTEN}", account("binance")).replace("api.key", "env:NO_SUCH_KEY"),
            "--live",
            2,
            "the environment variable NO_SUCH_KEY is not set: export it, or use a file",
        ),
        (
            format!("[simulate]\n{FEED}{}{WRITTEN}", account("binance")),
            "--live",
            2,
            "--live with [simulate]",
        ),
        (
            format!("{FEED}ca_file = \"none.pem\"\n"),
            "--wait park",
            1,
            "none.pem is not there (`tickwire sim --ca-out FILE` writes one)",
        ),
        (
            format!("{FEED}[network]\nproxy = \"ftp://here\"\n"),
            "",
            2,
            "proxy",
        ),
    ]
}

#[test]
fn check_and_run_refuse_the_same_files_with_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["api.key", "private.pem"] {
        let path = folder.path().join(name);
        fs::write(&path, "abc\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }
    symlink("api.key", folder.path().join("link.key")).unwrap();
    for (text, flags, code, what) in wrong() {
        fs::write(folder.path().join("c.toml"), &text).unwrap();
        let [checked, ran] = both(folder.path(), "c.toml", flags, "");
        let (verdict, told) = (last(&checked.stderr), words(&ran.stderr));
        assert_eq!(
            verdict,
            format!("tickwire: it would not run: exit code {code}"),
            "{text}"
        );
        assert_eq!(checked.status.code(), Some(code), "{text}: {told}");
        assert_eq!(ran.status.code(), Some(code), "{text}: {told}");
        assert_eq!(
            words(&checked.stderr),
            format!("{told}{verdict}\n"),
            "{text}"
        );
        assert!(told.contains(what), "no {what:?} in {told}");
        assert!(
            !folder.path().join("o").exists(),
            "nothing is left of {text}"
        );
    }
}

#[test]
fn check_and_run_agree_on_every_configuration_of_this_repository() {
    let folder = tempfile::tempdir().unwrap();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let files = fs::read_dir(configs)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension() == Some("toml".as_ref()))
        .collect();
    assert!(files.len() > 5);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        // Nothing leaves this host; a feed with hosts of its own keeps them.
        let own = text.contains("\n[simulate]") || text.contains("\nstream = ");
        let simulate = if own { "" } else { "[simulate]\n" };
        fs::write(folder.path().join(name), format!("{simulate}{text}")).unwrap();
        for flags in ["", "--live", "--wait park --depth 256"] {
            let _ = fs::remove_dir_all(folder.path().join("o"));
            let [checked, ran] = both(folder.path(), name, flags, "--for 2s");
            let (code, said) = (ran.status.code(), words(&ran.stderr));
            assert_eq!(checked.status.code(), code, "{name} {flags}: {said}");
            let verdict = match code {
                Some(0) => {
                    assert!(words(&ran.stdout).contains("  orders: paper\n"), "{name}");
                    assert!(checked.stderr.is_empty(), "{name}");
                    assert_eq!(
                        last(&checked.stdout),
                        "it would run: orders paper",
                        "{name}"
                    );
                    continue;
                }
                code => format!("tickwire: it would not run: exit code {}\n", code.unwrap()),
            };
            assert_eq!(words(&checked.stderr), said + &verdict, "{name} {flags}");
        }
    }
}

/// What `check` and `run` say to this file and these flags.
fn both(folder: &Path, config: &str, flags: &str, more: &str) -> [Output; 2] {
    let command = |line: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
        command.args(line.split_whitespace()).current_dir(folder);
        command.output().unwrap()
    };
    [
        command(format!("check {config} {flags}")),
        command(format!("run {config} {flags} {more} --out o")),
    ]
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last(bytes: &[u8]) -> String {
    words(bytes).lines().last().unwrap_or_default().to_owned()
}
