use super::*;
use crate::app::panics;
use crate::base::{Event, Nanos};
use crate::exchange;
use crate::strategy::{Intents, Strategy, View};
use crate::venue::account::generate_account;
use crate::world::os::server::SimOptions;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const CHILD: &str = "TICKWIRE_TEST_PANICS";
const WRITTEN: &str = "[strategy]\nname = \"imbalance\"\ndepth = 5\nthreshold = 0.2\n\
    cooldown_ms = 100\nquantity = \"1\"\n[risk]\nquantity_max = \"1\"\n\
    notional_max = \"1000000\"\nprice_collar_bps = 50\norders_per_s = 50\nopen_orders_max = 4\n\
    position_max = \"1000000\"\ngross_notional_max = \"100000000\"\n\
    net_notional_max = \"100000000\"\nexchange_gross_notional_max = \"100000000\"\n\
    exchange_net_notional_max = \"100000000\"\ndaily_loss_max = \"100000000\"\n\
    drawdown_max = \"100000000\"\ncancels_per_s = 1000\norders_per_trade_max = 1000000\n\
    instrument_open_orders_max = 256\nidentical_orders_max = 256\nreference_bps = 10000\n\
    clock_skew_max_ms = 60000\n";

struct Panics;

impl Strategy for Panics {
    fn handle_event(&mut self, _: Nanos, _: &Event, _: &View<'_>, _: &mut Intents) {
        panic!("of a test");
    }
}

/// Runs live with the configuration that the test below wrote, in a process of its own.
#[test]
fn a_live_run_whose_strategy_panics() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    panics::keep();
    let path = PathBuf::from(path);
    let config = Config::load(&path).unwrap();
    let run = Run {
        live: true,
        out: Some(path.with_extension("out")),
        ..Run::configured(config).strategy(Box::new(|_| Ok(Box::new(Panics))))
    };
    console::complain(&run.start().err().unwrap());
}

#[test]
fn a_panic_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let sim = server::start(SimOptions::default()).unwrap();
    let account = generate_account(exchange::unnamed()).unwrap();
    let (name, pem) = (account.api_key.expose(), account.key.expose());
    file("api.key", name);
    file("private.pem", pem);
    file("ca.pem", sim.ca_pem());
    let (at, of) = (sim.addr(), exchange::unnamed().name());
    let config = file(
        "c.toml",
        &format!(
            "[[feed]]\nexchange = \"{of}\"\nstream = \"{at}\"\nrest = \"{at}\"\n\
             ca_file = \"ca.pem\"\ninstruments = [\"BTCUSDT\"]\n[account]\nexchange = \"{of}\"\n\
             orders = \"{at}\"\nca_file = \"ca.pem\"\napi_key_file = \"api.key\"\n\
             private_key_file = \"private.pem\"\njournal = \"orders\"\n{WRITTEN}"
        ),
    );
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "app::run::tests::a_live_run_whose_strategy_panics",
    ]);
    child
        .arg("--nocapture")
        .env(CHILD, &config)
        .env("RUST_BACKTRACE", "full");
    let said = child.output().unwrap();
    sim.stop();
    let [out, err] = [said.stdout, said.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(
        err.contains("panicked") && err.contains("died: "),
        "{out}\n{err}"
    );
    let log = fs::read_to_string(folder.path().join("c.out/log.jsonl")).unwrap();
    let secrets = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .chain([name]);
    for secret in secrets {
        for text in [&out, &err, &log] {
            assert!(!text.contains(secret), "a secret is shown");
        }
    }
}
