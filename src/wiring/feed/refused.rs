//! A frame that was not understood: whose books it may have been. Reads names, never a protocol.

use crate::base::feed::SeqRule;
use crate::conn::EXCERPT_BYTES;
use crate::exchange::DecodeError;

/// Bytes at each end of a frame that are searched for names: exchanges put them before or after the
/// levels.
const SEARCHED: usize = 4_096;

/// Whose books miss what a refused frame may have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nobody's: it was none of theirs, or the next message shows what is missing.
    Nobodys,
    /// Those that the frame names; all of the line's if it names none.
    Named,
    /// Those that the frame names, and no others: its symbol was read, and is none of ours.
    NamedOnly,
}

impl Missing {
    pub(crate) fn by(why: DecodeError, rule: SeqRule) -> Self {
        let shows = rule.shows_losses();
        match why {
            _ if shows => Self::Nobodys,
            DecodeError::Number(..) => Self::Nobodys, // A word of its own says so.
            DecodeError::UnknownSymbol => Self::NamedOnly,
            DecodeError::TooLong
            | DecodeError::Json
            | DecodeError::Shape
            | DecodeError::Schema
            | DecodeError::TooManyLevels => Self::Named,
        }
    }
}

/// True if the frame names this symbol, at one of its ends, however its letters are written.
pub(super) fn names(frame: &[u8], symbol: &str) -> bool {
    let symbol = symbol.as_bytes();
    let tail = frame
        .len()
        .saturating_sub(SEARCHED)
        .max(SEARCHED.min(frame.len()));
    let ends = [&frame[..frame.len().min(SEARCHED)], &frame[tail..]];
    debug_assert!(ends[0].len() + ends[1].len() <= frame.len());
    debug_assert!(ends.iter().all(|end| end.len() <= SEARCHED));
    // JSON may write a slash behind a backslash.
    let plain = |end: &[u8]| {
        end.iter()
            .copied()
            .filter(|byte| *byte != b'\\')
            .collect::<Vec<u8>>()
    };
    ends.into_iter().any(|end| contains(&plain(end), symbol))
}

/// The beginning of a frame, for a note.
pub(super) fn printable(frame: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&frame[..frame.len().min(crate::base::note::NOTE_TEXT_MAX)])
}

/// The beginning and the end of a frame.
pub(super) fn ends(frame: &[u8]) -> Vec<u8> {
    let n = EXCERPT_BYTES.min(frame.len());
    [&frame[..n], &frame[frame.len() - n..]].concat()
}

/// `symbol` stands in `text` as a word of its own: not as the part of a longer symbol.
fn contains(text: &[u8], symbol: &[u8]) -> bool {
    let part = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(byte))
    };
    let found = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        !part(before) && !part(text.get(at + symbol.len()))
    };
    let mut places = text.windows(symbol.len().max(1)).enumerate();
    places.any(|(at, word)| word.eq_ignore_ascii_case(symbol) && found(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(frame: &str, symbol: &str) -> bool {
        names(frame.as_bytes(), symbol)
    }

    #[test]
    fn a_symbol_is_found_as_a_word_of_its_own_at_both_ends_of_a_frame() {
        let levels = "x".repeat(3 * SEARCHED);
        for frame in [
            r#"{"channel":"diff_order_book_btcusd","data":{"bids"#.to_owned(),
            format!(r#"{{"data":"{levels}","channel":"diff_order_book_btcusd"}}"#),
        ] {
            assert!(named(&frame, "btcusd"), "{frame}");
            assert!(!named(&frame, "btcusdc"), "{frame}");
            assert!(!named(&frame, "cusd"), "{frame}");
        }
        assert!(!named(r#"{"product_id":"BTC-USD-PERP"}"#, "BTC-USD"));
        assert!(named(r#"{"product_id":"BTC-USD"}"#, "BTC-USD"));
        assert!(!named("", "BTC-USD"));
        assert!(named(r#"{"stream":"btcusdt@depth","data""#, "BTCUSDT"));
        assert!(named(r#"{"topic":"orderbook.1000.BTCUSDT""#, "BTCUSDT"));
        assert!(named(r#"["1","2"]],"book-1000","XBT\/USD"]"#, "XBT/USD"));
        assert!(!named(r#"{"product_id":"WBTC-USD","#, "BTC-USD"));
    }
}
