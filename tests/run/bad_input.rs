//! Bad input from the command line inwards: each is refused with its own exit code, and named so
//! that a person can mend it.

use crate::support::{EAGER, Sim, finished, folder, recording, tickwire, write_gz, write_keys};
use std::fs;
use std::path::Path;

#[test]
fn wrong_use_ends_with_code_2_before_anything_is_started() {
    let folder = folder();
    let wrong = "[[feed]]\nexchange = \"binance\"\ninstrument = [\"BTCUSDT\"]\n";
    fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    fs::write(folder.path().join("no.toml"), "[engine\n").unwrap();
    for (arguments, what) in [
        (&["run", "none.toml"][..], "none.toml"),
        (
            &["run", "wrong.toml"],
            "wrong.toml:3:1: unknown key \"instrument\"",
        ),
        (&["run", "wrong.toml"], "did you mean \"instruments\"?"),
        (&["run", "no.toml"], "no.toml:1:"),
        (&["run", "--fast"], "unexpected argument '--fast'"),
        (&["run", "--live"], "<CONFIG>"),
        (&["run", "--for", "soon"], "write a number with its unit"),
    ] {
        let ran = finished(tickwire(folder.path(), arguments)).expect(2);
        assert!(ran.err.contains(what), "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty(), "{arguments:?}: {}", ran.out);
    }
    assert!(!folder.path().join("runs").exists(), "nothing was started");
}

#[test]
fn a_recording_that_cannot_be_played_is_named_with_its_line() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("dir.gz")).unwrap();
    let times: Vec<u64> = (1..3_000).collect();
    let good = recording(&times);
    write_gz(&at("whole.gz"), &good);
    let whole = fs::read(at("whole.gz")).unwrap();
    fs::write(at("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    write_gz(&at("bad.gz"), &format!("{}nonsense\n", recording(&[1, 2])));
    fs::write(at("text.gz"), "neither gzip nor a recording\n").unwrap();
    fs::write(at("empty.gz"), "").unwrap();
    fs::write(at("empty.jsonl"), "").unwrap();
    for (file, what) in [
        ("none.gz", "No such file"),
        ("dir.gz", "directory"),
        ("cut.gz", "line "),
        ("bad.gz", "line 4 is not a line of a recording"),
        ("text.gz", "is not gzip"),
        ("empty.gz", "is not gzip"),
        ("empty.jsonl", "holds no message"),
    ] {
        for arguments in [
            &["run", "--out", "out", "--play", file][..],
            &["replay", "--digest", file],
            &["sim", "--play", file],
        ] {
            let ran = finished(tickwire(folder.path(), arguments)).expect(1);
            let named = ran.err.contains(file) && ran.err.contains(what);
            assert!(named, "{arguments:?}: no {what:?} in {}", ran.err);
            assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
        }
    }
    // What a refused run left behind is no obstacle to the next one. It has few messages: of
    // thousands at once a slow host may not keep all until it has the one snapshot.
    write_gz(&at("few.gz"), &recording(&[1, 2, 3]));
    let arguments = ["run", "--out", "out", "--play", "few.gz"];
    finished(tickwire(folder.path(), &arguments)).expect(0);
}

#[test]
fn one_bad_recording_does_not_keep_the_others_from_a_replay() {
    let folder = folder();
    write_gz(&folder.path().join("good.gz"), &recording(&[1, 2, 3]));
    let arguments = ["replay", "--digest", "none.gz", "good.gz"];
    let ran = finished(tickwire(folder.path(), &arguments)).expect(1);
    assert!(
        ran.out.contains("\"good.gz\"") && ran.out.contains("\"applied\":4"),
        "{}",
        ran.out
    );
}

#[test]
fn an_address_in_use_and_one_that_is_not_loopback_are_named() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    for (address, what) in [
        (sim.addr.as_str(), "in use"),
        ("192.0.2.1:9443", "loopback"),
    ] {
        let ran = finished(tickwire(folder.path(), &["sim", "--listen", address])).expect(1);
        assert!(
            ran.err.contains(address) && ran.err.contains(what),
            "{}",
            ran.err
        );
    }
}

#[test]
fn the_example_for_the_simulated_exchange_is_checked_and_says_what_is_missing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ran = finished(tickwire(root, &["check", "configs/sim.toml"]));
    assert!(ran.out.contains("BTCUSDT ETHUSDT SOLUSDT"), "{}", ran.out);
    if root.join("configs/sim-ca.pem").exists() {
        assert_eq!(ran.code, Some(0));
        assert!(
            ran.out.ends_with("\nit would run: orders paper\n"),
            "{}",
            ran.out
        );
    } else {
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("sim-ca.pem is not there"), "{}", ran.err);
    }
}

#[test]
fn an_exchange_that_is_not_there_or_not_trusted_ends_the_start_with_code_1() {
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let other = Sim::start(folder.path(), "127.0.0.1:0", "other.pem", &[]);
    let right = sim.feed(&["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
    let gone = "127.0.0.1:1"; // Nobody listens on a port that only root may have.
    for (config, what) in [
        (
            right.replace("ca.pem", "other.pem"),
            "invalid peer certificate",
        ),
        (right.replace(&sim.addr, gone), "refused"),
        (
            right.replace("ETHUSDT", "NOSUCH"),
            "refuses \"NOSUCH\" of instruments",
        ),
        (right.replace("ca.pem", "none.pem"), "none.pem"),
    ] {
        fs::write(folder.path().join("c.toml"), config).unwrap();
        let arguments = ["run", "c.toml", "--for", "1s"];
        let ran = finished(tickwire(folder.path(), &arguments)).expect(1);
        assert!(ran.err.contains(what), "no {what:?} in {}", ran.err);
    }
    drop(other);
}

#[test]
fn keys_that_others_may_read_and_a_missing_account_end_with_code_2_and_advice() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let (_, canaries) = write_keys(folder.path());
    let paper = sim.feed(&["BTCUSDT"]) + EAGER;
    fs::write(folder.path().join("paper.toml"), &paper).unwrap();
    fs::write(folder.path().join("live.toml"), paper + &sim.account()).unwrap();
    let live = |config| finished(tickwire(folder.path(), &["run", config, "--live"])).expect(2);
    assert!(live("paper.toml").err.contains("[account]"));

    let key = folder.path().join("private.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = live("live.toml");
    assert!(
        ran.err.contains("private_key_file of [account]"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("mode 0644") && ran.err.contains("chmod 600 "),
        "{}",
        ran.err
    );
    // A run on paper reads no keys: `check` tells of them, and judges them only with --live.
    let paper = finished(tickwire(folder.path(), &["check", "live.toml"])).expect(0);
    assert!(
        paper.out.contains("with --live it would not run:\n"),
        "{}",
        paper.out
    );
    assert!(paper.out.contains("mode 0644"), "{}", paper.out);
    let check = finished(tickwire(folder.path(), &["check", "live.toml", "--live"])).expect(2);
    assert!(check.err.starts_with(&ran.err), "{}", check.err);
    for canary in canaries {
        let checked = [&paper.out, &paper.err, &check.out, &check.err];
        for said in [&ran.out, &ran.err].into_iter().chain(checked) {
            assert!(!said.contains(&canary), "a secret was shown:\n{said}");
        }
    }
    let left = folder.path().join("runs");
    assert!(
        !left.exists(),
        "a run that never began left {left:?} behind"
    );
}

#[test]
fn live_without_the_strategy_and_every_limit_written_out_is_refused_with_each_key_that_is_missing()
{
    let folder = folder();
    write_keys(folder.path());
    let account = "[account]\nexchange = \"binance\"\napi_key_file = \"api.key\"\n\
                   private_key_file = \"private.pem\"\n";
    let feed = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n";
    let run = |text: &str| {
        fs::write(folder.path().join("c.toml"), text).unwrap();
        let ran = finished(tickwire(folder.path(), &["run", "c.toml", "--live"])).expect(2);
        assert!(!folder.path().join("runs").exists(), "nothing was started");
        ran.err
    };
    let keys = EAGER.lines().filter_map(|line| line.split_once(" = "));
    let keys: Vec<(&str, &str)> = keys.collect();
    assert_eq!(keys.len(), 23);
    let said = run(&format!("{feed}{account}"));
    for (key, _) in &keys {
        let section = if key.contains("_max") || key.contains("_per") || key.contains("_bps") {
            "[risk]"
        } else {
            "[strategy]"
        };
        let wanted = format!("{section} needs {key}: write {key} = ");
        assert!(
            said.contains("c.toml:") && said.contains(&wanted),
            "no {wanted:?} in {said}"
        );
    }
    // One key that is left out is enough, and the only one that is named.
    for (key, value) in &keys {
        let line = format!("\n{key} = {value}\n");
        let said = run(&format!("{feed}{account}{}", EAGER.replace(&line, "\n")));
        assert!(said.contains(&format!("needs {key}: write")), "{said}");
        assert_eq!(said.matches(" needs ").count(), 1, "{said}");
    }
}

#[test]
fn simulated_prices_and_an_account_at_the_real_exchange_are_refused_before_anything_is_dialled() {
    let folder = folder();
    write_keys(folder.path());
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &[]);
    let keys = "api_key_file = \"api.key\"\nprivate_key_file = \"private.pem\"\n";
    let by_way = format!(
        "[[feed]]\nexchange = \"binance\"\nvia = \"{}\"\nca_file = \"ca.pem\"\n\
         instruments = [\"BTCUSDT\"]\n",
        sim.addr
    );
    let real_account = format!("[account]\nexchange = \"binance\"\n{keys}");
    let real_feed = "[[feed]]\nexchange = \"okx\"\ninstruments = [\"BTC-USDT\"]\n";
    for (text, what) in [
        (
            format!("{by_way}{real_account}"),
            "the account at binance is the exchange itself",
        ),
        (
            format!("{}{}", real_feed.replace("okx", "binance"), sim.account()),
            "the account at binance is a simulated exchange",
        ),
        (
            format!("{by_way}{real_feed}{}", sim.account()),
            "the stream of okx is the exchange itself",
        ),
    ] {
        fs::write(folder.path().join("c.toml"), text + EAGER).unwrap();
        let ran = finished(tickwire(folder.path(), &["run", "c.toml", "--live"])).expect(2);
        assert!(
            ran.err.contains(what) && ran.err.contains("same world"),
            "{}",
            ran.err
        );
        assert!(!folder.path().join("runs").exists(), "nothing was started");
        let check = finished(tickwire(folder.path(), &["check", "c.toml"])).expect(0);
        assert!(
            check.out.contains("with --live it would not run:\n"),
            "{}",
            check.out
        );
        assert!(check.out.contains(what), "{}", check.out);
        let check = finished(tickwire(folder.path(), &["check", "c.toml", "--live"])).expect(2);
        assert!(check.err.starts_with(&ran.err), "{}", check.err);
    }
    sim.process.signal("INT");
    let said = sim.process.wait().expect(0);
    assert!(said.out.contains("took 0 orders"), "{}", said.out);
    println!("{}", said.out);
}
