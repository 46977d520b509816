//! What a run leaves behind, and the exit code that says so.

use super::RunError;
use super::claim::Claim;
use super::screen::Screen;
use crate::app::cli::{DOWN, FAILED, WRONG_USE, complain};
use crate::strategy::Strategy;
use crate::watch::summary::Summary;
use crate::wiring::desk::Seated;
use std::any::Any;
use std::process::ExitCode;

/// What a run leaves behind.
pub struct RunEnd {
    /// What is in `summary.json`.
    pub summary: Summary,
    /// Each strategy under its own name, in the order of the configuration, as the run left it.
    pub strategies: Vec<(String, Box<dyn Strategy>)>,
}

impl RunEnd {
    /// `seats` has the strategies in the order of the summary's.
    pub(crate) fn new(summary: Summary, seats: impl IntoIterator<Item = Seated>) -> Self {
        let seats = seats.into_iter();
        let names = summary.strategies.iter().map(|told| told.name.clone());
        Self {
            strategies: names.zip(seats.map(|seated| seated.strategy)).collect(),
            summary,
        }
    }

    /// The strategy of this name, if it is an `S`.
    pub fn strategy<S: Strategy>(&self, name: &str) -> Option<&S> {
        let mut all = self.strategies.iter();
        let (_, strategy) = all.find(|(own, _)| own == name)?;
        let any: &dyn Any = strategy.as_ref();
        any.downcast_ref()
    }
}

/// How a run ended, as an exit code; what is wrong is said on standard error.
pub(crate) fn exit_code(ended: Result<&Summary, &RunError>) -> ExitCode {
    match ended {
        Ok(summary) if summary.too_long.is_empty() => ExitCode::SUCCESS,
        Ok(summary) => complain(DOWN, &told(&summary.too_long)),
        Err(error @ RunError::Wrong(_)) => complain(WRONG_USE, error),
        Err(error @ RunError::Failed(_)) => complain(FAILED, error),
    }
}

/// The first few of what was down for too long.
fn told(too_long: &[String]) -> String {
    const SHOWN: usize = 5;
    let said = too_long[..too_long.len().min(SHOWN)].join("; ");
    match too_long.len().saturating_sub(SHOWN) {
        0 => format!("down for too long: {said}"),
        more => format!("down for too long: {said}; and {more} more, which are in summary.json"),
    }
}

/// Ends a run that nothing was followed in: what it leaves is that it was here.
pub(super) fn never_began(
    claim: &Claim,
    mut screen: Screen,
    head: Summary,
) -> Result<RunEnd, RunError> {
    let summary = Summary {
        ended: true,
        ..head
    };
    let written = claim.write_summary(&summary);
    screen.conclude(&summary);
    screen.close();
    let end = RunEnd {
        summary,
        strategies: Vec::new(),
    };
    written.map(|()| end).map_err(RunError::Failed)
}
