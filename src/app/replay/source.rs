//! What recordings hold, and several of them as one. Replays nothing itself.

use crate::base::Instrument;
use crate::exchange::{self, DepthStream, Exchange, Survey};
use crate::world::os::server::opener;
use crate::world::sim::recording::{Line, Lines};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What recordings hold: whose messages, of which instruments.
pub(super) struct Source {
    pub exchange: &'static dyn Exchange,
    pub depth: &'static DepthStream,
    pub instruments: Vec<Instrument>,
    /// The lanes that a recorder names; none where the messages say nothing of their connections.
    pub lanes: BTreeSet<u16>,
}

impl Source {
    /// Reads the recordings through, so that a bad line is known before anything is replayed.
    pub fn survey(files: &[PathBuf]) -> Result<Self, String> {
        let (mut owner, mut survey) = (None, Survey::default());
        let mut lanes = BTreeSet::new();
        let mut merged = Merged::open(files)?;
        while let Some((_, line)) = merged.next_line()? {
            lanes.extend(line.place.map(|place| place.lane));
            let found = owner.or_else(|| {
                let mut all = exchange::ALL.iter().copied();
                all.find(|exchange| exchange.owns(&line.conn))
            });
            let Some(exchange) = found.filter(|exchange| exchange.owns(&line.conn)) else {
                continue;
            };
            owner = found;
            match line.rest {
                false => exchange.survey(&line.raw, &mut survey),
                true => {
                    if let Some((symbol, _)) = exchange.snapshot_asked(&line.conn) {
                        survey.symbol(&symbol);
                    }
                }
            }
        }
        let exchange = owner.ok_or("holds no message of an exchange of this build")?;
        let depth = survey.recorded_depth(exchange);
        let instruments = survey.instruments(exchange.name());
        if instruments.is_empty() {
            return Err(format!("holds no market data of {}", exchange.name()));
        }
        Ok(Self {
            exchange,
            depth: depth.ok_or("holds books of a depth that this build does not know")?,
            instruments,
            lanes,
        })
    }
}

fn lines(file: &Path) -> Result<Lines, String> {
    let reader = opener(file.to_owned())().map_err(|error| error.to_string())?;
    Ok(Lines::new(reader))
}

/// Several recordings as one, by the time at which each line was received.
pub(super) struct Merged {
    files: Vec<(Lines, Option<Line>)>,
}

impl Merged {
    pub fn open(files: &[PathBuf]) -> Result<Self, String> {
        let open = |file: &PathBuf| {
            let mut lines = lines(file)?;
            let first = lines.next_line().map_err(|error| error.to_string())?;
            Ok((lines, first))
        };
        let files = files.iter().map(open).collect::<Result<_, String>>()?;
        Ok(Self { files })
    }

    /// The next line and the number of its file. One without a time comes at once.
    pub fn next_line(&mut self) -> Result<Option<(u8, Line)>, String> {
        let mut next = None;
        for (number, (_, line)) in self.files.iter().enumerate() {
            let Some(line) = line else { continue };
            let time = line.ts_ns.unwrap_or(0);
            if next.is_none_or(|(_, earliest)| time < earliest) {
                next = Some((number, time));
            }
        }
        let Some((number, _)) = next else {
            return Ok(None);
        };
        let (lines, line) = &mut self.files[number];
        let after = lines.next_line().map_err(|error| error.to_string())?;
        let line = std::mem::replace(line, after);
        Ok(line.map(|line| (number as u8, line)))
    }

    /// Nothing more comes from this file.
    pub fn ended(&self, number: u8) -> bool {
        self.files[usize::from(number)].1.is_none()
    }
}
