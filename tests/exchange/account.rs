//! Golden frames of the accounts of every exchange of the registry that takes orders, and what they
//! say. Names no exchange: each has its frames in `src/exchange/*/golden/<name>.account.frames`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use tickwire::base::{
    ClientId, Instrument, InstrumentId, NewOrder, OrderRef, OrderType, Px, Qty, Question, Said,
    Side, StrategyId, UnixNanos,
};
use tickwire::exchange::mirror::{AccountSession, Asks, Refuses};
use tickwire::exchange::{ALL, Account, AccountKey, AccountWord, Exchange, OrderCodec};

/// The instruments that the frames are about, by their places: the pairs of both with USDT, as each
/// exchange lists them.
const PAIRS: [(u16, &str); 2] = [(0, "BTC"), (3, "ETH")];

fn codec(exchange: &dyn Exchange) -> Option<Box<dyn OrderCodec>> {
    let account = Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Hmac("test-secret-0001".to_owned().into()),
    };
    let instruments = PAIRS.map(|(id, base)| Instrument {
        id: InstrumentId(id),
        ..exchange.mirror().list(base, "USDT", 8, 8)
    });
    exchange.order_codec(account, &instruments).ok()
}

/// The file with this end in whichever folder of the room has it.
fn golden(file: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/exchange");
    let folders = fs::read_dir(room)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths = folders.map(|folder| folder.join("golden").join(file));
    let found = paths.find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no golden/{file} in src/exchange/*/"))
}

fn check(exchange: &dyn Exchange, mut codec: Box<dyn OrderCodec>) {
    let path = golden(&format!("{}.account.frames", exchange.name()));
    let frames = fs::read_to_string(&path).unwrap();
    let lines = frames.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut words, mut got) = (Vec::new(), String::new());
    for frame in lines {
        codec.decode(frame.as_bytes(), &mut words).unwrap();
        for word in &words {
            writeln!(got, "{word:?}").unwrap();
        }
        got.push('\n');
        // What is unknown to this build is passed over.
        let more = frame.replacen('{', r#"{"new":{"id":7,"status":"NEW"},"#, 2);
        let plain = words.clone();
        codec.decode(more.as_bytes(), &mut words).unwrap();
        assert_eq!(words, plain, "{more}");
        for end in (0..frame.len()).filter(|end| frame.is_char_boundary(*end)) {
            let cut = codec.decode(&frame.as_bytes()[..end], &mut words);
            assert!(cut.is_err() && words.is_empty(), "{}", &frame[..end]);
        }
    }
    let path = path.with_extension("words");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    let path = path.display();
    assert!(
        got == want,
        "{path} differs; UPDATE_GOLDEN=1 rewrites it, `git diff` judges it"
    );
}

#[test]
fn golden_frames_of_accounts_say_what_is_written_beside_them() {
    let mut checked = 0;
    for exchange in ALL {
        if let Some(codec) = codec(*exchange) {
            check(*exchange, codec);
            checked += 1;
        }
    }
    assert!(checked > 0);
}

const NOW: UnixNanos = UnixNanos(1_790_000_000_123_456_789);

/// The exchange's half of a connection for orders: of its own, or one for streams that became it.
fn session(exchange: &dyn Exchange, codec: &mut dyn OrderCodec) -> Box<dyn AccountSession> {
    let (mirror, path) = (exchange.mirror(), codec.path());
    let accounts = mirror.accounts().unwrap();
    accounts.session(&path, NOW).unwrap_or_else(|| {
        let logon = std::str::from_utf8(codec.logon(NOW)).unwrap();
        let mut streams = mirror.session(&path).unwrap();
        accounts.join(logon, &mut streams).unwrap()
    })
}

fn placed() -> NewOrder {
    NewOrder {
        client_id: ClientId(7),
        strategy: StrategyId(0),
        instrument: InstrumentId(3),
        side: Side::Buy,
        px: Px(250_012_000_000),
        qty: Qty(123_456_789),
        order_type: OrderType::Limit,
    }
}

/// A frame of each sort about order 7, and what it asks for.
fn frames(codec: &mut dyn OrderCodec) -> Vec<(Asks, String)> {
    let order = OrderRef {
        client_id: ClientId(7),
        instrument: InstrumentId(3),
        exchange_id: None,
    };
    let text = |frame: &[u8]| String::from_utf8(frame.to_vec()).unwrap();
    vec![
        (Asks::Place, text(codec.place(&placed(), NOW))),
        (Asks::Cancel, text(codec.cancel(&order, NOW))),
        (Asks::Amend, text(codec.reduce(&order, Qty(1), NOW))),
        (Asks::Query, text(codec.ask(&Question::Order(order), NOW))),
        (Asks::Query, text(codec.ask(&Question::OpenOrders, NOW))),
        (Asks::Query, text(codec.ask(&Question::Balances, NOW))),
        (Asks::Other, codec.time().to_owned()),
    ]
}

#[test]
fn a_simulated_exchange_knows_what_our_requests_ask_for_and_we_what_its_refusals_mean() {
    let mut words = Vec::new();
    for exchange in ALL {
        let Some(mut codec) = codec(*exchange) else {
            continue;
        };
        let session = session(*exchange, &mut *codec);
        for (asks, frame) in frames(&mut *codec) {
            assert_eq!(session.asks(&frame), asks, "{frame}");
            for why in [
                Refuses::Clock,
                Refuses::Weight,
                Refuses::Orders,
                Refuses::Rejected,
                Refuses::Unknown,
                Refuses::Strange,
            ] {
                let answer = session.refuse(&frame, why, NOW);
                codec.decode(answer.as_bytes(), &mut words).unwrap();
                let AccountWord::Answered {
                    refused: Some(code),
                    ..
                } = words[0]
                else {
                    panic!("{answer}: {words:?}");
                };
                assert!(!codec.last_error().is_empty(), "{answer}");
                let said = words.iter().find_map(|word| match word {
                    AccountWord::Order(ClientId(7), InstrumentId(3), said) => Some(*said),
                    _ => None,
                });
                let sure = match asks {
                    Asks::Place => Some(Said::Rejected { code }),
                    Asks::Cancel | Asks::Amend => Some(Said::ChangeRefused { code }),
                    _ => None,
                };
                let doubt = sure.map(|_| Said::Unanswered);
                match why {
                    Refuses::Unknown => assert_eq!(said, doubt, "{answer}"),
                    Refuses::Strange => assert!(said == sure || said == doubt, "{answer}"),
                    _ => assert_eq!(said, sure, "{answer}"),
                }
                assert_eq!(codec.blames_clock(code), why == Refuses::Clock, "{answer}");
            }
        }
    }
}
