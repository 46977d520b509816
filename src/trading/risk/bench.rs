//! Risk beside a picture, for its tests.

use super::*;
use std::ops::{Deref, DerefMut};

/// Risk, and the picture that a desk would lend it.
pub(crate) struct Gate {
    risk: Risk,
    view: Picture,
}

impl Gate {
    pub(crate) fn new(
        params: &RiskParams,
        instruments: &[Instrument],
        first_client_id: u64,
    ) -> Self {
        let limits = RiskLimits::parse(params, instruments).unwrap();
        Self {
            risk: Risk::new(limits, instruments, first_client_id),
            view: Picture::new(instruments),
        }
    }

    pub(crate) fn handle_event(&mut self, now: Nanos, event: &Event) {
        self.view.handle_event(now, event);
        self.risk.handle_event(event);
    }

    pub(crate) fn admit(&mut self, now: Nanos, intent: Place) -> Result<Admitted, Refused> {
        self.risk.admit(now, intent, &self.view)
    }
}

impl Deref for Gate {
    type Target = Risk;

    fn deref(&self) -> &Risk {
        &self.risk
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Risk {
        &mut self.risk
    }
}
