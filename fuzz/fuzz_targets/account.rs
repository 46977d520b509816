//! Any bytes as a frame of an order connection, of every exchange of the registry that takes
//! orders. The first byte chooses the exchange. `src/exchange/*/golden/*.account.frames` are a
//! corpus to begin with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwire::base::{Instrument, InstrumentId, Symbol};
use tickwire::exchange::{ALL, Account, AccountKey, AccountWord, OrderCodec};

type Warm = (Vec<Box<dyn OrderCodec>>, Vec<AccountWord>);

thread_local! {
    static WARM: RefCell<Warm> = RefCell::new((codecs(), Vec::new()));
}

fn codecs() -> Vec<Box<dyn OrderCodec>> {
    let instrument = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("fuzz", Symbol::from(symbol).unwrap_or_default(), (8, 8))
    };
    let instruments = [(0, "BTCUSDT"), (3, "ETHUSDT")].map(instrument);
    let codec = |exchange: &&'static dyn tickwire::exchange::Exchange| {
        let account = Account {
            api_key: "fuzz".to_owned().into(),
            key: AccountKey::Hmac("fuzz".to_owned().into()),
        };
        exchange.order_codec(account, &instruments).ok()
    };
    ALL.iter().filter_map(codec).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, frame)) = data.split_first() else {
        return;
    };
    WARM.with_borrow_mut(|(codecs, words)| {
        let at = usize::from(*first) % codecs.len();
        match codecs[at].decode(frame, words) {
            Ok(()) => {
                let answered = |word: &AccountWord| matches!(word, AccountWord::Answered { .. });
                assert!(!words.iter().skip(1).any(answered), "{words:?}");
            }
            Err(_) => assert!(words.is_empty(), "{words:?}"),
        }
    });
});
