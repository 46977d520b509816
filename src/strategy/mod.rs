//! Picture to intent, one file a strategy. A strategy wants; it never sends.

use crate::base::{Event, Intent, Nanos};
use arrayvec::ArrayVec;

/// Intents that one event may cause, at most.
pub const INTENTS_MAX: usize = 4;

/// What a strategy wants after one event.
pub type Intents = ArrayVec<Intent, INTENTS_MAX>;

/// A strategy: a value that sees every event of the desk, in order, and may want orders.
///
/// It sees only live books ([`crate::base::Body::Book`] is never published of another), must not block, and must
/// decide from `now` and the events alone, so that a replay decides the same.
pub trait Strategy: Send {
    fn handle_event(&mut self, now: Nanos, event: &Event, out: &mut Intents);
}
