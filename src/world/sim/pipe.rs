//! A connection in memory: what one end writes, the other end reads. A seed adds faults.

use crate::base::RxStamps;
use crate::conn::{Transport, TxMark, TxStamp};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Channel {
    bytes: VecDeque<u8>,
    closed: bool,
}

/// One direction, as both ends hold it.
#[derive(Clone, Default)]
struct Half(Arc<Mutex<Channel>>);

impl Half {
    fn lock(&self) -> MutexGuard<'_, Channel> {
        // Whoever panicked while holding it left whole bytes behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One end of a pipe that holds `capacity` bytes in each direction.
pub struct End {
    inbox: Half,
    outbox: Half,
    capacity: usize,
    /// Dice for faults: short reads and writes, and blocking without need.
    dice: Option<fastrand::Rng>,
    tx: TxMark,
}

/// A pipe. With a seed it hands over few bytes at a time, and every other call or so blocks.
pub fn pipe(capacity: usize, seed: Option<u64>) -> (End, End) {
    let (a, b) = (Half::default(), Half::default());
    let end = |inbox: &Half, outbox: &Half, salt: u64| End {
        inbox: inbox.clone(),
        outbox: outbox.clone(),
        capacity,
        dice: seed.map(|seed| fastrand::Rng::with_seed(seed ^ salt)),
        tx: TxMark::default(),
    };
    (end(&a, &b, 0), end(&b, &a, 1 << 40))
}

impl End {
    /// How many bytes this call moves at most, or that it blocks.
    fn share(&mut self, wanted: usize) -> io::Result<usize> {
        let Some(dice) = &mut self.dice else {
            return Ok(wanted);
        };
        match dice.u8(0..4) {
            0 | 1 => Err(ErrorKind::WouldBlock.into()),
            2 => Ok(wanted.min(1)),
            _ => Ok(wanted.min(dice.usize(1..3_000))),
        }
    }

    /// There is something to read: bytes, or that the other end is gone.
    pub(crate) fn is_readable(&self) -> bool {
        let inbox = self.inbox.lock();
        !inbox.bytes.is_empty() || inbox.closed
    }

    /// Puts bytes on the wire that did not come from the stream's owner.
    pub fn inject(&mut self, bytes: &[u8]) {
        self.outbox.lock().bytes.extend(bytes);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outbox.lock().closed = true;
        self.inbox.lock().closed = true;
    }
}

impl Read for End {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let share = self.share(out.len())?;
        let mut inbox = self.inbox.lock();
        if inbox.bytes.is_empty() && !inbox.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = share.min(inbox.bytes.len());
        for (to, from) in out.iter_mut().zip(inbox.bytes.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for End {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let share = self.share(data.len())?;
        let mut outbox = self.outbox.lock();
        if outbox.closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = share.min(self.capacity.saturating_sub(outbox.bytes.len()));
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        outbox.bytes.extend(&data[..n]);
        self.tx.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for End {
    fn rx(&self) -> RxStamps {
        RxStamps::default()
    }

    fn tx(&self) -> TxMark {
        self.tx
    }

    fn poll_tx_stamp(&mut self) -> Option<TxStamp> {
        None
    }
}
