//! The recording that a run makes. It begins before the first request and ends after the last
//! frame.

use super::RunError;
use super::screen::Screen;
use crate::journal::Pack;
use crate::world::os::clock::OsClock;
use crate::world::os::engine::Outputs;
use crate::world::os::recorder::{self, BodyEnd, BodyTap, Folder, Recorded, RecordingWriter};
use crate::world::os::recorder::{Inputs, RecordingHandle};
use std::io::ErrorKind;
use std::path::Path;

/// A recording that has its folder but no thread yet.
pub(super) struct Recording {
    folder: Folder,
    pack: Pack,
    bodies: (BodyTap, BodyEnd),
}

impl Recording {
    /// Makes the folder.
    pub(super) fn create(dir: &Path, pack: Pack) -> Result<Self, RunError> {
        let folder = Folder::create(dir).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                RunError::Wrong(error.to_string())
            }
            _ => RunError::Failed(error.to_string()),
        })?;
        Ok(Self {
            folder,
            pack,
            bodies: recorder::bodies(),
        })
    }

    /// Where REST bodies go.
    pub(super) fn bodies(&self) -> BodyTap {
        self.bodies.0.clone()
    }

    /// Starts the thread, which takes the engine's taps.
    pub(super) fn start(self, outputs: &mut Outputs) -> Result<RecordingHandle, RunError> {
        let inputs = Inputs {
            store: Box::new(self.folder),
            pack: self.pack,
            lanes: std::mem::take(&mut outputs.taps),
            bodies: self.bodies.1,
            clock: Box::new(OsClock),
            notes: outputs.notes_to.clone(),
        };
        RecordingWriter::start(inputs)
            .map_err(|error| RunError::Failed(format!("cannot start the recorder thread: {error}")))
    }
}

/// Says what was recorded. It is an error if that is not everything that came.
pub(super) fn conclude(
    recorded: Result<Recorded, String>,
    dir: &Path,
    screen: &mut Screen,
) -> Result<(), String> {
    let failed = |what: &str| format!("{}: {what}", dir.display());
    let Recorded { written, lost } =
        recorded.map_err(|error| failed(&format!("the recording ended early: {error}")))?;
    screen.say(&format!(
        "recorded: {} lines in {} files, {} bytes ({} unpacked), {lost} lost\n",
        written.lines, written.files, written.bytes, written.raw_bytes
    ));
    match lost {
        0 => Ok(()),
        lost => Err(failed(&format!(
            "{lost} messages are lost to the recording"
        ))),
    }
}
