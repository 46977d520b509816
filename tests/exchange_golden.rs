//! Golden frames of every exchange of the registry: what they say, and that they say the same when an exchange
//! changes what it may change. Names no exchange: each has its frames in `src/exchange/*/golden/<name>.frames`.

#[path = "exchange_golden/forms.rs"]
mod forms;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tickwire::exchange::{ALL, Decoder, Exchange, Survey, Words};

/// Golden frames of one exchange, with everything that decodes them.
struct Golden {
    exchange: &'static dyn Exchange,
    words_file: PathBuf,
    frames: Vec<String>,
    decoder: Box<dyn Decoder>,
    words: Words,
}

impl Golden {
    /// Of every exchange. Each must have a file, in whichever folder of the room it is.
    fn all() -> Vec<Self> {
        ALL.iter().map(|exchange| Self::of(*exchange)).collect()
    }

    fn of(exchange: &'static dyn Exchange) -> Self {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/exchange");
        let folders = std::fs::read_dir(room)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let file = format!("golden/{}.frames", exchange.name());
        let frames_file = folders
            .map(|folder| folder.join(&file))
            .find(|path| path.is_file());
        let frames_file = frames_file.unwrap_or_else(|| panic!("no {file} in src/exchange/*/"));
        let text = std::fs::read_to_string(&frames_file).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let frames: Vec<String> = lines.map(str::to_owned).collect();
        let mut survey = Survey::default();
        frames
            .iter()
            .for_each(|frame| exchange.survey(frame, &mut survey));
        let depth = survey
            .recorded_depth(exchange)
            .expect("a depth stream of the exchange");
        let instruments = survey.instruments(exchange.name());
        Self {
            exchange,
            words_file: frames_file.with_extension("words"),
            decoder: exchange.decoder(&instruments, depth),
            frames,
            words: Words::new(),
        }
    }

    /// What a frame says, for a person to read and for comparison.
    fn said(&mut self, frame: &str) -> String {
        match self.decoder.decode(frame.as_bytes(), &mut self.words) {
            Err(why) => format!("refused: {why:?}"),
            Ok(()) => {
                let mut said = String::new();
                if let Some(number) = self.words.line_seq() {
                    let _ = write!(said, "frame {number} ");
                }
                for (n, word) in self.words.iter().enumerate() {
                    let _ = write!(said, "{}{word:?}", if n == 0 { "" } else { "; " });
                }
                said
            }
        }
    }
}

#[test]
fn golden_frames_say_what_is_written_beside_them() {
    for mut golden in Golden::all() {
        let mut got = String::new();
        for frame in golden.frames.clone() {
            let said = golden.said(&frame);
            assert!(
                !said.starts_with("refused"),
                "{}: {frame}\n{said}",
                golden.exchange.name()
            );
            got.push_str(&said);
            got.push('\n');
        }
        let path = &golden.words_file;
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &got).unwrap();
        }
        let want = std::fs::read_to_string(path).unwrap_or_default();
        let path = path.display();
        assert!(
            got == want,
            "{path} differs; UPDATE_GOLDEN=1 rewrites it, `git diff` judges it"
        );
        for word in ["Book(", "Diff(", "Trade("] {
            // Where a snapshot is fetched there is no whole book in the stream, and some streams have nothing else.
            let needed = word == "Trade(" || got.contains("Book(") == got.contains("Diff(");
            assert!(
                !needed || got.contains(word),
                "{path}: no frame says {word}…"
            );
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused_and_changes_nothing() {
    for mut golden in Golden::all() {
        for frame in golden.frames.clone() {
            let whole = golden.said(&frame);
            if !frame.starts_with(['{', '[']) {
                continue;
            }
            for end in (0..frame.len()).filter(|end| frame.is_char_boundary(*end)) {
                let said = golden.said(&frame[..end]);
                assert!(
                    said.starts_with("refused"),
                    "{}: {}",
                    golden.exchange.name(),
                    &frame[..end]
                );
            }
            assert_eq!(golden.said(&frame), whole);
        }
    }
}

#[test]
fn unknown_fields_and_events_are_passed_over() {
    for mut golden in Golden::all() {
        let name = golden.exchange.name();
        for frame in golden.frames.clone() {
            let plain = golden.said(&frame);
            for changed in forms::with_unknown_fields(&frame) {
                assert_eq!(golden.said(&changed), plain, "{name}: {changed}");
            }
        }
        for frame in forms::UNKNOWN_EVENTS {
            let said = golden.said(frame);
            assert!(!said.contains('('), "{name}: {frame}\n{said}");
        }
    }
}

#[test]
fn numbers_mean_the_same_as_strings_as_numbers_and_with_exponents() {
    for mut golden in Golden::all() {
        let name = golden.exchange.name();
        for frame in golden.frames.clone() {
            let plain = golden.said(&frame);
            for (form, changed) in forms::of_numbers(&frame) {
                assert_eq!(golden.said(&changed), plain, "{name}, {form}: {changed}");
            }
        }
    }
}
