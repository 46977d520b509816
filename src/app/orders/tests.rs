//! What a run finds in an account's folder.

use super::command::{Decision, answer};
use super::*;
use crate::app::run::RunError;
use crate::base::{
    Asset, ClientId, Deed, Fill, InstrumentId, KeyName, KeyValue, Mode, NewOrder, News, OrderType,
    Px, Qty, Said, Side, Source, StrategyId, Symbol,
};
use crate::trading::reconcile::Difference;
use std::fs;
use std::path::PathBuf;

fn table() -> Vec<Instrument> {
    let other = Instrument::bare("b", Symbol::from("BTCUSDT").unwrap(), (0, 0));
    let ours = Instrument {
        id: InstrumentId(1),
        base: Asset::from("BTC").unwrap(),
        quote: Asset::from("USDT").unwrap(),
        ..Instrument::bare("a", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    };
    vec![other, ours]
}

struct Account {
    _base: tempfile::TempDir,
    dir: PathBuf,
    key: &'static str,
}

impl Account {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        Self {
            dir: base.path().join("orders/a"),
            _base: base,
            key: "0011",
        }
    }

    fn open_with(&self, instruments: &[Instrument]) -> Result<Opened, String> {
        let whose = Whose {
            dir: &self.dir,
            exchange: "a",
            fingerprint: self.key.to_owned(),
            visibility: Span::from_secs(5),
            durable: false,
            accepts: Vec::new(),
        };
        open(&whose, instruments, &["one".to_owned()])
    }

    fn open(&self) -> Result<Opened, String> {
        self.open_with(&table())
    }

    fn file(&self) -> PathBuf {
        self.dir.join("orders.jsonl")
    }

    /// A run that writes this and is killed.
    fn run(&self, deeds: &[Deed]) {
        let mut opened = self.open().unwrap();
        let (table, strategies) = (table(), ["one".to_owned()]);
        let names = Names {
            instruments: &table,
            strategies: &strategies,
        };
        let mut writer = Writer::new(opened.kit.next);
        let (now, unix) = (OsClock.now(), OsClock.unix());
        let unix = move |_: Nanos| unix;
        for deed in deeds {
            writer.deed(names, (now, &unix), deed, opened.kit.log.waiting());
        }
        opened.kit.log.write().unwrap();
    }
}

fn admitted(id: u64) -> Deed {
    Deed::Admitted {
        order: NewOrder {
            client_id: ClientId(id),
            strategy: StrategyId(0),
            instrument: InstrumentId(1),
            side: Side::Buy,
            px: Px(100),
            qty: Qty(10),
            order_type: OrderType::Limit,
        },
        tag: 3,
        replaces: None,
    }
}

fn traded(id: u64, trade_id: u64, qty: u64) -> Deed {
    Deed::Heard(News {
        client_id: ClientId(id),
        instrument: InstrumentId(1),
        source: Source::Stream,
        said: Said::Fill(Fill::bare(trade_id, Side::Buy, Px(100), Qty(qty))),
    })
}

#[test]
fn a_run_after_one_that_was_killed_has_its_orders_and_each_one_after_it_the_same() {
    let account = Account::new();
    assert!(
        account.open().unwrap().kit.notes.is_empty(),
        "nothing to recover"
    );
    account.run(&[admitted(50), traded(50, 1, 4)]);
    let mut before = None;
    for _ in 0..3 {
        let opened = account.open().unwrap();
        assert_eq!(opened.next_client_id, 51);
        let recovered = &opened.plan.recovered;
        let working = recovered.orders[0].working;
        assert_eq!((working.client_id, working.tag), (ClientId(50), 3));
        assert_eq!(working.instrument, InstrumentId(1));
        assert_eq!(working.filled, Qty(4));
        assert_eq!(recovered.trades, [(InstrumentId(1), 1)]);
        assert_eq!(opened.kit.notes[0].event, "orders.recovered");
        let lines = fs::read_to_string(account.file()).unwrap().lines().count();
        assert_eq!(*before.get_or_insert(lines), lines, "it does not grow");
    }
}

#[test]
fn a_part_of_a_line_is_left_out_for_good_and_the_journal_goes_on() {
    let account = Account::new();
    account.run(&[admitted(50), admitted(51)]);
    let whole = fs::read(account.file()).unwrap();
    fs::write(account.file(), &whole[..whole.len() - 9]).unwrap();
    let opened = account.open().unwrap();
    assert_eq!(opened.plan.recovered.orders.len(), 1);
    let note = &opened.kit.notes[0];
    let torn = note.fields.iter().find(|(name, _)| *name == "torn_bytes");
    assert!(matches!(torn, Some((_, Value::Int(1..)))), "{note:?}");
    drop(opened);
    account.run(&[admitted(52)]);
    assert_eq!(account.open().unwrap().plan.recovered.orders.len(), 2);
}

#[test]
fn a_journal_that_is_not_as_it_was_written_stays_as_it_is_and_nobody_trades() {
    let account = Account::new();
    account.run(&[admitted(50), admitted(51)]);
    let text = fs::read_to_string(account.file()).unwrap();
    let bad = text.replace("\"order\":50", "\"order\":40");
    fs::write(account.file(), &bad).unwrap();
    let why = account.open().err().unwrap();
    assert!(
        why.contains("orders.jsonl line") && why.contains("checksum"),
        "{why}"
    );
    assert_eq!(fs::read_to_string(account.file()).unwrap(), bad);
}

#[test]
fn a_folder_with_the_orders_of_another_account_is_refused_unless_nothing_of_it_is_left() {
    let mut account = Account::new();
    account.run(&[admitted(50)]);
    account.key = "2233";
    let why = account.open().err().unwrap();
    assert!(
        why.contains("another account") && why.contains("journal in [account]"),
        "{why}"
    );
    account.key = "0011";
    account.run(&[Deed::Heard(News {
        client_id: ClientId(50),
        instrument: InstrumentId(1),
        source: Source::Answer,
        said: Said::Rejected { code: -1 },
    })]);
    account.key = "2233";
    let opened = account.open().unwrap();
    assert!(opened.plan.recovered.orders.is_empty());
    assert_eq!(opened.next_client_id, 51, "ids stay used");
}

#[test]
fn two_engines_do_not_trade_with_one_account() {
    let account = Account::new();
    let opened = account.open().unwrap();
    let why = account.open().err().unwrap();
    let expected = format!(
        "another tickwire (pid {}) trades with this",
        std::process::id()
    );
    assert!(why.starts_with(&expected), "{why}");
    drop(opened);
    assert!(account.open().is_ok());
}

#[test]
fn an_order_of_an_instrument_that_is_not_followed_is_not_forgotten() {
    let account = Account::new();
    account.run(&[admitted(50)]);
    let why = account.open_with(&table()[..1]).err().unwrap();
    assert!(why.contains("BTCUSDT") && why.contains("[[feed]]"), "{why}");
    assert_eq!(account.open().unwrap().plan.recovered.orders.len(), 1);
}

#[test]
fn a_fingerprint_tells_accounts_apart_and_does_not_hold_the_key() {
    let of = |key: &str| {
        fingerprint(&crate::exchange::Account {
            api_key: key.to_owned().into(),
            key: crate::exchange::AccountKey::Hmac("s".to_owned().into()),
        })
    };
    let one = of("Cb9xkQ2mVnCb9xkQ2mVn");
    assert_eq!(one.len(), 2 * FINGERPRINT_BYTES);
    assert!(one != of("Cb9xkQ2mVnCb9xkQ2mVm") && !one.contains("Cb9"));
}

/// A run that was killed over an order, a difference, a trade of nobody's order, and a halt.
fn troubled() -> Account {
    let account = Account::new();
    let difference = |name: &str, expected, found| {
        let asset = Asset::from(name).unwrap();
        let units = |milli: i128| milli * 10i128.pow(15);
        Difference {
            asset,
            expected: units(expected),
            found: units(found),
        }
    };
    let mode = |strategy| Deed::Mode {
        strategy,
        mode: Mode::Halted,
    };
    account.run(&[
        admitted(50),
        traded(50, 1, 4),
        traded(60, 2, 1),
        Deed::Held {
            instrument: InstrumentId(1),
            on: true,
        },
        difference("BTC", 1_500, 1_200).deed(),
        difference("BNB", 0, 7).deed(),
        mode(StrategyId(0)),
        mode(StrategyId::NONE),
    ]);
    account
}

impl Account {
    fn answer(&self, decision: Option<Decision<'_>>) -> Result<String, RunError> {
        answer(&self.dir, Span::from_secs(5), decision)
    }

    fn wrong(&self, decision: Decision<'_>) -> String {
        match self.answer(Some(decision)) {
            Err(RunError::Wrong(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_journal_knows_is_listed_and_the_journal_stays_as_it_is() {
    let account = troubled();
    let before = fs::read(account.file()).unwrap();
    let text = account.answer(None).unwrap();
    let expected = "account 0011 at a, the last run was killed\n\
                    open orders:\n\
                    \x20 50 one buys 0.01 BTCUSDT at 1, 0.004 traded\n\
                    positions:\n\
                    \x20 one BTCUSDT 0.004\n\
                    \x20 nobody BTCUSDT 0.001\n\
                    not explained:\n\
                    \x20 BTC: the exchange says 1.2, our trades 1.5: -0.3\n\
                    \x20 BNB: the exchange says 0.007, our trades 0: 0.007\n\
                    \x20 BTC: BTCUSDT had trades of no known order\n\
                    held:\n\
                    \x20 one halted\n\
                    \x20 all together halted\n\
                    \x20 BTCUSDT may only be reduced\n\
                    set until the run's end: none\n";
    assert_eq!(text.split_once(": ").unwrap().1, expected);
    assert_eq!(fs::read(account.file()).unwrap(), before);
}

#[test]
fn a_person_accepts_an_asset_offline_and_the_next_run_knows_it() {
    let account = troubled();
    let why = account.wrong(Decision::Accept("ETH"));
    assert_eq!(
        why,
        "nothing of ETH is to be accepted: there is something of BNB, BTC"
    );
    // A line that was cut by the kill is not continued.
    let mut bytes = fs::read(account.file()).unwrap();
    bytes.extend(b"{\"n\":9");
    fs::write(account.file(), bytes).unwrap();
    let text = account.answer(Some(Decision::Accept("BTC"))).unwrap();
    assert!(text.starts_with("accepted: all of BTC"), "{text}");
    assert!(!text.contains("BTC:"), "{text}");
    let recovered = account.open().unwrap().plan.recovered;
    assert!(recovered.held.is_empty());
    assert_eq!(recovered.differences.len(), 1);
    assert_eq!(recovered.differences[0].asset.as_str(), "BNB");
    let why = account.wrong(Decision::Accept("BTC"));
    assert!(why.contains("there is something of BNB"), "{why}");
}

#[test]
fn a_person_resumes_a_strategy_or_all_offline() {
    let account = troubled();
    let why = account.wrong(Decision::Resume(Some("two")));
    assert_eq!(why, "two: not halted; halted: one, all together");
    account.answer(Some(Decision::Resume(None))).unwrap();
    let modes = account.open().unwrap().plan.recovered.modes;
    assert_eq!(modes, [(StrategyId(0), Mode::Halted)]);
    let why = account.wrong(Decision::Resume(None));
    assert_eq!(why, "all together: not halted; halted: one");
    account.answer(Some(Decision::Resume(Some("one")))).unwrap();
    assert!(account.open().unwrap().plan.recovered.modes.is_empty());
}

#[test]
fn while_an_engine_has_the_account_nothing_is_decided_beside_it() {
    let account = troubled();
    let opened = account.open().unwrap();
    for decision in [None, Some(Decision::Accept("BTC"))] {
        match account.answer(decision) {
            Err(RunError::Failed(why)) => assert!(why.contains("another tickwire"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    drop(opened);
    account.answer(None).unwrap();
}

#[test]
fn what_was_set_while_a_run_went_on_is_listed_and_the_next_run_says_that_it_ended() {
    let set = |value| Deed::Set {
        strategy: StrategyId(0),
        key: KeyName::from("threshold").unwrap(),
        value: KeyValue::from(value).unwrap(),
    };
    let account = Account::new();
    account.run(&[set("0.7"), set("0.8")]);
    let listed = account.answer(None).unwrap();
    assert!(
        listed.contains("set until the run's end:\n  one threshold = 0.8, at "),
        "{listed}"
    );
    let notes = account.open().unwrap().kit.notes;
    let said = notes.iter().find(|note| note.event == "strategy.set_ended");
    assert_eq!(said.unwrap().text.as_str(), "one threshold = 0.8");
    // Once is enough.
    let notes = account.open().unwrap().kit.notes;
    assert!(notes.iter().all(|note| note.event != "strategy.set_ended"));
    let listed = account.answer(None).unwrap();
    assert!(listed.ends_with("set until the run's end: none\n"));
}
