//! Whether anybody waits for what became of orders, and for how long that is worth while.

use super::{ASK_AGAIN_MAX, Orders};
use crate::base::{InstrumentId, Nanos};

impl Orders {
    /// Nobody waits for what became of an order of these instruments, or for trades that were told
    /// of.
    pub(crate) fn is_settled(&self, of: impl Fn(InstrumentId) -> bool) -> bool {
        let all = self.working.iter().zip(&self.lives);
        let mut its = all.filter(|(working, _)| of(working.instrument));
        its.all(|(working, life)| life.is_settled(working))
    }

    /// When the exchange's word will have settled every order of these instruments, if it answers;
    /// `None` if all are.
    pub(crate) fn settled_by(&self, of: impl Fn(InstrumentId) -> bool) -> Option<Nanos> {
        let all = self.working.iter().zip(&self.lives);
        let open =
            all.filter(|(working, life)| of(working.instrument) && !life.is_settled(working));
        let newest = open.map(|(_, life)| life.sent()).max();
        // It is asked how the order stands, and then what traded.
        newest.map(|sent| sent + self.visibility + ASK_AGAIN_MAX + ASK_AGAIN_MAX)
    }
}
