//! Golden frames of Binance's streams in SBE: what they say. The bytes are explained beside them.

use std::path::PathBuf;
use tickwire::base::{Instrument, InstrumentId, Symbol};
use tickwire::exchange::{Words, by_name};

fn file(ending: &str) -> PathBuf {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/exchange/binance_spot/golden"
    );
    PathBuf::from(folder).join(format!("binance.sbe.{ending}"))
}

/// Hexadecimal, with words for the reader behind `#`; an empty line ends a frame.
fn frames(text: &str) -> Vec<Vec<u8>> {
    let byte = |pair: &str| u8::from_str_radix(pair, 16).unwrap();
    let bytes = |block: &str| -> Vec<u8> {
        let lines = block.lines().map(|line| line.split('#').next().unwrap());
        lines.flat_map(str::split_whitespace).map(byte).collect()
    };
    let frames = text.split("\n\n").map(bytes);
    frames.filter(|frame| !frame.is_empty()).collect()
}

#[test]
fn golden_frames_in_sbe_say_what_is_written_beside_them() {
    let exchange = by_name("binance").unwrap();
    let mut depths = exchange.depth_streams().iter();
    let depth = depths.find(|depth| exchange.binary(depth).is_some());
    let instrument = Instrument {
        id: InstrumentId(0),
        ..Instrument::bare("binance", Symbol::from("ETHUSDT").unwrap(), (8, 8))
    };
    let mut decoder = exchange.decoder(&[instrument], depth.unwrap());
    let (mut words, mut got) = (Words::new(), String::new());
    for frame in frames(&std::fs::read_to_string(file("frames")).unwrap()) {
        assert_eq!(decoder.decode(&frame, &mut words), Ok(()), "{frame:?}");
        let said: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        got += &said.join("; ");
        got.push('\n');
    }
    let path = file("words");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    let path = path.display();
    assert!(
        got == want,
        "{path} differs; UPDATE_GOLDEN=1 rewrites it, `git diff` judges it"
    );
    for word in ["Book(", "Diff(", "Trade(", "Quote(", "Unfit"] {
        assert!(got.contains(word), "{path}: no frame says {word}…");
    }
}
