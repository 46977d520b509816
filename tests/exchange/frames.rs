//! The golden frames of an exchange, with everything that decodes them.
#![allow(dead_code)] // Each test binary uses its own part.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tickwire::base::Instrument;
use tickwire::exchange::{ALL, Decoder, DepthStream, Exchange, Survey, Words};

/// Golden frames of one exchange, with everything that decodes them.
pub struct Golden {
    pub exchange: &'static dyn Exchange,
    pub words_file: PathBuf,
    pub frames: Vec<String>,
    pub depth: &'static DepthStream,
    pub instruments: Vec<Instrument>,
    pub decoder: Box<dyn Decoder>,
    pub words: Words,
}

impl Golden {
    /// Of every exchange. Each must have a file, in whichever folder of the room it is.
    pub fn all() -> Vec<Self> {
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
            depth,
            instruments,
            frames,
            words: Words::new(),
        }
    }

    /// What a frame says, for a person to read and for comparison.
    pub fn said(&mut self, frame: &str) -> String {
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
