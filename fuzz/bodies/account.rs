//! Any bytes as a frame of an order connection, of every exchange of the registry that takes
//! orders. The first byte chooses the exchange.

use crate::base::{Instrument, InstrumentId};
use crate::exchange::{ALL, Account, AccountKey, AccountWord, Exchange, OrderCodec};
use std::cell::RefCell;

/// The instruments that the seeds are about, by their places.
const PAIRS: [(u16, &str); 2] = [(0, "BTC"), (3, "ETH")];

type Warm = (Vec<Box<dyn OrderCodec>>, Vec<AccountWord>);

thread_local! {
    static WARM: RefCell<Warm> = RefCell::new((codecs().collect(), Vec::new()));
}

fn codecs() -> impl Iterator<Item = Box<dyn OrderCodec>> {
    ALL.iter().filter_map(|exchange| codec(*exchange))
}

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

pub(super) fn body(data: &[u8]) {
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
}
