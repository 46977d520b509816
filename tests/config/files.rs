//! The configuration file as a person meets it: the examples load, defaults are the documented
//! ones, and each mistake is named with its line and with what to write instead.

use std::path::Path;
use tickwire::app::config::{Config, KeySource, Known, SecretSource, Wait};
use tickwire::base::Span;
use tickwire::base::feed::{Chain, SeqRule};
use tickwire::exchange::{DepthStream, Limits, Rate};
use tickwire::strategy::{ALL, Value};

const FEED: &str = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n";

#[test]
fn both_examples_load_and_say_what_they_are_for() {
    let sim = example("configs/sim.toml");
    assert_eq!(sim.feeds[0].stream.as_deref(), Some("127.0.0.1:9443"));
    assert_eq!(sim.feeds[0].instruments.len(), 3);
    assert_eq!(
        sim.feeds[0].ca_file.as_deref(),
        Some(Path::new("configs/sim-ca.pem"))
    );
    let binance = example("configs/binance.toml");
    assert_eq!(
        binance.feeds[0].stream, None,
        "the exchange's own endpoints"
    );
    assert!(binance.accounts.is_empty(), "paper");
    assert_eq!(binance.socket.user_timeout_ms, Some(10_000));
}

#[test]
fn every_line_that_the_binance_example_comments_out_is_accepted_too() {
    let text = std::fs::read_to_string("configs/binance.toml").unwrap();
    let is_key = |line: &str| {
        let word = line.split([' ', ']']).next().unwrap_or_default();
        line.starts_with('[') || (line.contains(" = ") && word.chars().all(key_char))
    };
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let full: Vec<String> = text.lines().map(uncomment).collect();
    let config = parse(&full.join("\n")).unwrap_or_else(|errors| panic!("{errors}"));
    let plain = example("configs/binance.toml");
    assert_eq!(
        config.feeds[0].streams, plain.feeds[0].streams,
        "a default is not what it says"
    );
    assert_eq!(
        config.feeds[0].snapshot_levels,
        plain.feeds[0].snapshot_levels
    );
    assert_eq!(
        config.feeds[0].instruments_per_connection,
        plain.feeds[0].instruments_per_connection
    );
    let account = &config.accounts[0];
    assert_eq!(
        account.key,
        KeySource::Private(SecretSource::File("/etc/tickwire/binance.pem".into()))
    );
    assert_eq!(config.socket.busy_poll_us, Some(50));
}

#[test]
fn the_shortest_file_has_the_documented_defaults() {
    let config = parse(FEED).unwrap();
    let unwritten: Vec<&str> = config
        .unwritten
        .iter()
        .map(|key| key.what.as_str())
        .collect();
    assert_eq!(unwritten.len(), 23, "{unwritten:?}");
    let first = "[risk] needs quantity_max: write quantity_max = \"1\"";
    assert_eq!(
        unwritten[0], first,
        "what paper takes by default, live wants written out"
    );
    assert_eq!(
        (config.engine.wait, config.engine.depth),
        (Wait::Auto, 1024)
    );
    assert_eq!(config.socket, Default::default());
    let feed = &config.feeds[0];
    assert_eq!(
        (feed.streams.depth.name, feed.streams.trades),
        ("100ms", true)
    );
    assert_eq!(
        (feed.snapshot_levels, feed.instruments_per_connection),
        (1000, 50)
    );
    assert_eq!(feed.lines, 1);
    let [strategy] = &config.strategies[..] else {
        panic!("one strategy");
    };
    assert_eq!(strategy.name, ALL[0].name);
    assert_eq!(strategy.kind, ALL[0]);
    let values = strategy
        .kind
        .keys
        .iter()
        .map(|key| (key.name, strategy.values.get(key)));
    let wanted = [
        ("depth", Value::Int(5)),
        ("threshold", Value::Ratio(0.6)),
        ("cooldown_ms", Value::Int(500)),
        ("quantity", Value::Quantity("0.001".to_owned())),
    ];
    assert_eq!(values.collect::<Vec<_>>(), wanted);
    assert_eq!(
        (config.risk.qty_max.as_str(), config.risk.collar_bps),
        ("1", 50)
    );
}

/// What is added below [`FEED`], where the error points, and what it says.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "[engine]\nwiat = \"spin\"",
        "5:1",
        "unknown key \"wiat\" in [engine]; did you mean \"wait\"?",
    ),
    (
        "[engine]\nwait = \"fast\"",
        "5:8",
        "wait = \"fast\": write \"spin\", \"park\" or \"auto\"",
    ),
    (
        "[engine]\ndepth = 512",
        "5:9",
        "depth = 512: write 256, 1024 or 4096",
    ),
    (
        "[engine]\ndepth = \"1024\"",
        "5:9",
        "depth = \"1024\": write 256, 1024 or 4096",
    ),
    (
        "[engin]\n",
        "4:2",
        "unknown table \"engin\" in this file; did you mean \"engine\"?",
    ),
    (
        "[metrics]\n",
        "4:2",
        "unknown table \"metrics\" in this file; known: ",
    ),
    (
        "colour = 1",
        "4:1",
        "unknown key \"colour\" in [[feed]]; known: exchange",
    ),
    (
        "[socket]\nbusy_poll_us = 0",
        "5:16",
        "busy_poll_us = 0: write a whole number from 1 to 1000",
    ),
    (
        "[socket]\nuser_timeout_ms = -1",
        "5:19",
        "user_timeout_ms = -1: write a whole number",
    ),
    (
        "trades = \"yes\"",
        "4:10",
        "trades = \"yes\": write true or false",
    ),
    (
        "depth_stream = \"10ms\"",
        "4:16",
        "write \"100ms\", \"1000ms\", \"sbe\" or \"sbe-20\"",
    ),
    (
        "snapshot_levels = 6000",
        "4:19",
        "write a whole number from 100 to 5000",
    ),
    (
        "instruments_per_connection = 400",
        "4:30",
        "write a whole number from 1 to 341",
    ),
    (
        "stream = \"wss://a.example:443\"",
        "4:10",
        "leave \"wss://\" and any path out",
    ),
    (
        "stream = \"a.example\"",
        "4:10",
        "write host:port, like stream = ",
    ),
    ("rest = \"a.example:70000\"", "4:8", "write host:port"),
    ("ca_file = \"\"", "4:11", "write a text"),
    (
        "[strategy]\nname = \"momentum\"",
        "5:8",
        "name = \"momentum\": write \"imbalance\"",
    ),
    (
        "[strategy]\ndepth = 11",
        "5:9",
        "write a whole number from 1 to 10",
    ),
    (
        "[strategy]\nthreshold = 0.0",
        "5:13",
        "write a number above 0 and below 1",
    ),
    (
        "[strategy]\nthreshold = 1",
        "5:13",
        "threshold = 1: write a number above 0 and below 1",
    ),
    (
        "[strategy]\nthreshold = nan",
        "5:13",
        "write a number above 0 and below 1",
    ),
    (
        "[strategy]\nquantity = 0.001",
        "5:12",
        "write the number in quotes",
    ),
    (
        "[strategy]\nquantity = \"1e-3\"",
        "5:12",
        "write a plain decimal above zero",
    ),
    (
        "[strategy]\nquantity = \"0.0\"",
        "5:12",
        "write a plain decimal above zero",
    ),
    (
        "[strategy]\nquantity = \"1.5\"",
        "4:1",
        "is above quantity_max \"1\" of [risk]",
    ),
    (
        "[risk]\nprice_collar_bps = 0",
        "5:20",
        "write a whole number from 1 to 10000",
    ),
    (
        "[[feed]]\nexchange = \"binnace\"\ninstruments = [\"A\"]",
        "5:12",
        "did you mean \"binance\"?",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]",
        "6:16",
        "is there twice",
    ),
    (
        "[[feed]]\nexchange = \"binance\"",
        "4:1",
        "[[feed]] needs instruments",
    ),
    (
        "[[feed]]\ninstruments = [\"A\"]",
        "4:1",
        "[[feed]] needs exchange",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = []",
        "6:15",
        "0 instruments: write 1 to 1000",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A B\"]",
        "6:16",
        "without blanks",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\ntop = 0",
        "7:7",
        "1 to 1000",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\ndepth_stream = \"books\"",
        "7:16",
        "100ms",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\ntaker_fee_ppm = -1",
        "7:17",
        "0 to 100000",
    ),
    (
        "[strategy]\nname = \"arbitrage\"\nthreshold = 0.5",
        "6:1",
        "threshold",
    ),
    (
        "[[feed]]\nexchange = \"binance\"\ninstruments = \"A\"",
        "6:15",
        "write a list",
    ),
    (
        "[account]\nexchange = \"binance\"",
        "4:1",
        "[account] needs api_key_file",
    ),
    (
        "[account]\napi_key = \"x\"",
        "5:1",
        "keys do not belong in this file",
    ),
    ("[engine]\nwait = ", "5:8", "not TOML: "),
    (
        "trades = true\ntrades = true",
        "5:1",
        "\"trades\" is there twice",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line_its_column_and_what_to_write() {
    for (added, place, what) in MISTAKES {
        let text = format!("{FEED}{added}\n");
        let errors = parse(&text).expect_err(added).to_string();
        let found = errors
            .lines()
            .any(|line| line.starts_with(&format!("my.toml:{place}: ")) && line.contains(what));
        assert!(found, "wanted {place}: {what}\nfor {added}\ngot {errors}");
    }
}

#[test]
fn all_mistakes_of_a_file_come_at_once_in_the_order_of_its_lines() {
    let text = format!("{FEED}[engine]\nwiat = 1\ndepth = 5\n[risk]\norders_per_s = 0\n");
    let errors = parse(&text).unwrap_err();
    let lines: Vec<usize> = errors.0.iter().map(|error| error.line).collect();
    assert_eq!(lines, [5, 6, 8]);
}

#[test]
fn an_empty_file_says_what_is_needed_first() {
    let errors = parse("").unwrap_err().to_string();
    assert!(
        errors.contains("there is no feed: write [[feed]]"),
        "{errors}"
    );
    let single = FEED.replace("[[feed]]", "[feed]");
    let errors = parse(&single).unwrap_err().to_string();
    assert!(errors.contains("two brackets"), "{errors}");
}

#[test]
fn columns_count_characters_not_bytes() {
    let text = FEED.replace("[\"BTCUSDT\"]", "[\"币安人生USDT\", 5]");
    let errors = parse(&text).unwrap_err();
    assert_eq!((errors.0[0].line, errors.0[0].column), (3, 28), "{errors}");
}

#[test]
fn a_key_pasted_into_the_file_is_refused_and_never_repeated() {
    let canary = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    for key in [
        "api_key",
        "api_key_file",
        "private_key",
        "secret",
        "orders",
        "exchange",
    ] {
        let text = format!("{FEED}[account]\n{key} = \"{canary}\"\n");
        let errors = parse(&text).unwrap_err();
        assert!(
            !format!("{errors} {errors:?}").contains(canary),
            "{key}: {errors}"
        );
    }
    let pem = format!("{FEED}[account]\nprivate_key_file = \"\"\"-----BEGIN\n{canary}\"\"\"\n");
    let errors = parse(&pem).unwrap_err().to_string();
    assert!(errors.contains("looks like the key itself") && !errors.contains(canary));
    let torn = format!("{FEED}[account]\napi_key_file = \"{canary}\n");
    assert!(!parse(&torn).unwrap_err().to_string().contains(canary));
}

#[test]
fn an_account_names_where_its_keys_are() {
    let text = format!(
        "{FEED}[account]\nexchange = \"binance\"\napi_key_file = \"credential:api-key\"\n\
         private_key_file = \"keys/binance.pem\"\n"
    );
    let account = Config::parse(Path::new("etc/my.toml"), &text, &known())
        .unwrap()
        .accounts
        .remove(0);
    assert_eq!(
        account.api_key,
        SecretSource::Credential("api-key".to_owned())
    );
    assert_eq!(
        account.key,
        KeySource::Private(SecretSource::File("etc/keys/binance.pem".into()))
    );
    let dots = text.replace("credential:api-key", "credential:../etc/shadow");
    assert!(
        parse(&dots)
            .unwrap_err()
            .to_string()
            .contains("write a plain name")
    );
}

#[test]
fn a_run_has_one_account_at_each_of_several_exchanges_and_no_two_share_a_journal() {
    let account = |exchange: &str, more: &str| {
        format!(
            "[[account]]\nexchange = \"{exchange}\"\napi_key_file = \"k\"\n\
             private_key_file = \"p\"\n{more}"
        )
    };
    let other = FEED.replace("binance", "uncounted");
    let read = |more: [&str; 2], at: [&str; 2]| {
        let accounts = [0, 1].map(|n| account(at[n], more[n])).concat();
        let text = format!("{FEED}{other}{accounts}");
        Config::parse(Path::new("my.toml"), &text, &exchanges(true))
    };
    let both = read(["", ""], ["binance", "uncounted"]).unwrap().accounts;
    let at: Vec<&str> = both.iter().map(|account| &*account.exchange).collect();
    assert_eq!(at, ["binance", "uncounted"]);
    let why = |more, at| read(more, at).unwrap_err().to_string();
    let twice = why(["", "journal = \"j\"\n"], ["uncounted", "uncounted"]);
    assert!(
        twice.contains("two accounts at \"uncounted\": a run has one at each"),
        "{twice}"
    );
    let shared = why(["journal = \"j\"\n"; 2], ["binance", "uncounted"]);
    assert!(
        shared.contains("keep their orders in j: write a journal of its own"),
        "{shared}"
    );
}

#[test]
fn an_account_may_name_programs_that_print_its_keys() {
    let account = |more: &str| {
        let text = format!("{FEED}[account]\nexchange = \"binance\"\n{more}");
        Config::parse(Path::new("etc/my.toml"), &text, &known())
    };
    let found = account(
        "api_key_command = [\"op\", \"read\", \"op://a b/binance/name\"]\n\
         secret_key_command = [\"./own.sh\"]\n",
    );
    let found = found.unwrap().accounts.remove(0);
    let op = SecretSource::Command {
        program: "op".into(),
        arguments: vec!["read".to_owned(), "op://a b/binance/name".to_owned()],
    };
    let own = SecretSource::Command {
        program: "etc/./own.sh".into(),
        arguments: Vec::new(),
    };
    assert_eq!((found.api_key, found.key), (op, KeySource::Secret(own)));
    let canary = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    let key = "private_key_file = \"a\"\n";
    for (more, what) in [
        (
            format!("{key}api_key_command = \"op read\""),
            "like [\"op\", \"read\", ",
        ),
        (
            format!("{key}api_key_command = []"),
            "like [\"op\", \"read\", ",
        ),
        (
            format!("{key}api_key_command = [\" \"]"),
            "like [\"op\", \"read\", ",
        ),
        (
            format!("{key}api_key_command = [\"op\", 1]"),
            "like [\"op\", \"read\", ",
        ),
        (
            format!("{key}api_key_command = [\"echo\", \"{canary}\"]"),
            "looks like the key itself",
        ),
        (
            format!("{key}api_key_file = \"b\"\napi_key_command = [\"op\"]"),
            "api_key_file and api_key_command: leave one of them out",
        ),
        (
            format!("{key}api_key_file = \"b\"\nsecret_key_file = \"c\""),
            "signs with one key: write private_key_file (Ed25519) or secret_key_file (HMAC)",
        ),
        (
            "api_key_file = \"b\"".to_owned(),
            "[account] needs private_key_file",
        ),
        (
            format!("{key}api_key_comand = [\"op\"]"),
            "or api_key_command and private_key_command",
        ),
    ] {
        let errors = account(&more).unwrap_err().to_string();
        assert!(
            errors.contains(what),
            "wanted {what}\nfor {more}\ngot {errors}"
        );
        assert!(!errors.contains(canary), "{errors}");
        assert_eq!(errors.matches("unknown key").count(), 0, "{errors}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_name() {
    let errors = Config::load(Path::new("no/such/file.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        errors.starts_with("no/such/file.toml: cannot be read: "),
        "{errors}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.toml");
    std::fs::write(&path, b"# a\n# caf\xe9\n").unwrap();
    let errors = Config::load(&path).unwrap_err().to_string();
    assert!(
        errors.ends_with("not UTF-8 text at line 2: save it as UTF-8"),
        "{errors}"
    );
    assert!(
        Config::load(Path::new("/dev/zero"))
            .unwrap_err()
            .to_string()
            .contains("longer than")
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    let example = std::fs::read_to_string("configs/binance.toml")
        .unwrap()
        .replace("\n# ", "\n");
    for seed in 0..500 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut text: Vec<char> = example.chars().collect();
        for _ in 0..dice.usize(1..8) {
            let at = dice.usize(..text.len());
            match dice.u8(..3) {
                0 => text[at] = *dice.choice(&['[', '"', '=', '\n', 'é', '9', '\0']).unwrap(),
                1 => text.truncate(at + 1),
                _ => text.insert(at, '#'),
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text) {
            assert!(!errors.0.is_empty(), "seed={seed}");
        }
    }
}

fn key_char(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

fn example(path: &str) -> Config {
    let text = std::fs::read_to_string(path).unwrap();
    Config::parse(Path::new(path), &text, &known()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn parse(text: &str) -> Result<Config, tickwire::app::config::ConfigErrors> {
    Config::parse(Path::new("my.toml"), text, &known())
}

fn known() -> Vec<Known> {
    exchanges(false)
}

fn exchanges(counted: bool) -> Vec<Known> {
    let rate = |count, s| Rate {
        count,
        per: Span::from_secs(s),
    };
    let limits = Limits {
        message_bytes_max: 2 << 20,
        books_per_connection: 1_000,
        streams_per_connection: 1024,
        messages: rate(5, 1),
        connects: rate(300, 300),
        connection_life: Span::from_secs(86_400),
        rest_weight: rate(6_000, 60),
        bursts: tickwire::exchange::Bursts::NONE,
        snapshot_levels_max: 5000,
    };
    let binance = tickwire::exchange::by_name("binance").unwrap();
    let known = |name, depth_streams| Known {
        name,
        limits,
        depth_streams,
    };
    let mut all = vec![known("binance", binance.depth_streams())];
    if counted {
        all.push(known("uncounted", &COUNTED));
    }
    all
}

/// A stream without update ids.
static COUNTED: [DepthStream; 1] = [DepthStream {
    name: "l2",
    rule: SeqRule {
        chain: Chain::Counted,
        ..SeqRule::STREAM
    },
    levels: None,
    every_ms: None,
}];

#[test]
fn lines_are_one_to_three_where_two_can_be_joined() {
    let with = |lines: &str| parse(&format!("{FEED}lines = {lines}\n"));
    let lines = |lines| with(lines).map(|config| config.feeds[0].lines);
    assert_eq!((lines("1").unwrap(), lines("3").unwrap()), (1, 3));
    for wrong in ["0", "4", "\"two\""] {
        let errors = lines(wrong).unwrap_err();
        assert!(errors.0[0].what.contains("from 1 to 3"), "{errors}");
        assert_eq!(errors.0[0].line, 4);
    }
    let counted = |lines: u8| {
        let feed = FEED.replace("binance", "uncounted");
        let text = format!("{feed}lines = {lines}\n");
        Config::parse(Path::new("my.toml"), &text, &exchanges(true))
    };
    assert_eq!(counted(1).unwrap().feeds[0].lines, 1);
    let errors = counted(2).unwrap_err();
    let want = "lines = 2: the messages of depth_stream \"l2\" have no numbers";
    assert!(errors.0[0].what.starts_with(want), "{errors}");
    assert_eq!((errors.0.len(), errors.0[0].line), (1, 4));
}
