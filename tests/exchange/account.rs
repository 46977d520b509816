//! Golden frames of the accounts of every exchange of the registry that takes orders, and what they
//! say. Names no exchange: each has its frames in `src/exchange/*/golden/<name>.account.frames`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use tickwire::base::{Instrument, InstrumentId};
use tickwire::exchange::{ALL, Account, AccountKey, Exchange, OrderCodec};

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
