//! Where and when a frame came in, and the stages up to its decoding. Decides nothing.

use crate::base::{Nanos, RxStamps, Span, Stamps};
use crate::watch::stage::Stage;
use crate::wiring::turn::Turn;

/// Where and when a frame came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Stamps of the socket read that completed the frame.
    pub rx: RxStamps,
    /// TLS and WebSocket gave it up.
    pub frame: Nanos,
}

/// Records how long the frame took from the kernel until it was decoded.
pub(super) fn record_arrival(turn: &mut Turn, stamps: &Stamps) {
    let rx = stamps.rx;
    if rx.read == Nanos::ZERO {
        return; // A replayed frame never was in a kernel.
    }
    let empty_since = if rx.empty == Nanos::ZERO {
        Span::ZERO
    } else {
        rx.call.since(rx.empty)
    };
    if rx.kernel != Nanos::ZERO {
        let lower = rx.call.since(rx.kernel);
        turn.latency.record(Stage::Kernel, lower);
        turn.latency
            .record(Stage::KernelSafe, lower.max(empty_since));
    }
    turn.latency.record(Stage::Read, rx.read.since(rx.call));
    turn.latency
        .record(Stage::Frame, stamps.frame.since(rx.read));
    turn.latency
        .record(Stage::Decode, stamps.decode.since(stamps.frame));
}
