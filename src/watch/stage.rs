//! The stretches of the road that are timed. Names and meanings only: the stamps are taken where
//! the work is done.

/// A stretch of the road from an exchange's byte to our order, in the order that a byte takes.
///
/// Every stage is a span in nanoseconds on the monotonic clock; a span that came out negative
/// counts as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// The kernel's receive stamp → our read call. The stamp is of the newest byte: a lower bound.
    Kernel,
    /// Like `Kernel`, but never less than the time since the socket was last seen empty: an upper
    /// bound.
    KernelSafe,
    /// The read call itself.
    Read,
    /// The read returned → TLS and WebSocket gave up the frame.
    Frame,
    /// The frame → words.
    Decode,
    /// Words → applied to the book, and the event handed to the ring.
    Book,
    /// In the ring → popped by the desk.
    Queue,
    /// Popped → the strategy's intent.
    Decide,
    /// The intent → through risk, and on the ring to the gateway.
    Admit,
    /// Admitted → just before the write call: the ring, encoding, WebSocket and TLS.
    Send,
    /// The write call → the kernel's own send stamp.
    Wire,
    /// The write call → the exchange's answer, decoded.
    Ack,
    /// The kernel's receive stamp (the read call if there is none) → the kernel's send stamp (the
    /// write call if there is none).
    TickToWire,
    /// Like `TickToWire`, but from when the socket was last seen empty: an upper bound.
    TickToWireSafe,
    /// How much earlier an update came on line 0 than on the next of the lines that feed the same
    /// book.
    Lead0,
    /// Like `Lead0`, for line 1.
    Lead1,
    /// Like `Lead0`, for line 2.
    Lead2,
    /// Like `Lead0`, for line 3.
    Lead3,
}

impl Stage {
    /// Every stage, in road order; `ALL[stage as usize] == stage`.
    pub const ALL: [Self; 18] = [
        Self::Kernel,
        Self::KernelSafe,
        Self::Read,
        Self::Frame,
        Self::Decode,
        Self::Book,
        Self::Queue,
        Self::Decide,
        Self::Admit,
        Self::Send,
        Self::Wire,
        Self::Ack,
        Self::TickToWire,
        Self::TickToWireSafe,
        Self::Lead0,
        Self::Lead1,
        Self::Lead2,
        Self::Lead3,
    ];

    /// The lead stage of each line that may feed a book, by the line's number.
    pub const LEADS: [Self; 4] = [Self::Lead0, Self::Lead1, Self::Lead2, Self::Lead3];

    /// The name in files, tables and `summary.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::KernelSafe => "kernel_safe",
            Self::Read => "read",
            Self::Frame => "frame",
            Self::Decode => "decode",
            Self::Book => "book",
            Self::Queue => "queue",
            Self::Decide => "decide",
            Self::Admit => "admit",
            Self::Send => "send",
            Self::Wire => "wire",
            Self::Ack => "ack",
            Self::TickToWire => "tick_to_wire",
            Self::TickToWireSafe => "tick_to_wire_safe",
            Self::Lead0 => "lead_0",
            Self::Lead1 => "lead_1",
            Self::Lead2 => "lead_2",
            Self::Lead3 => "lead_3",
        }
    }

    /// The stage with this name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_at_their_own_number_and_are_found_by_name() {
        for (number, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, number);
            assert_eq!(Stage::by_name(stage.name()), Some(stage));
        }
        assert_eq!(Stage::by_name("Kernel"), None);
    }
}
