//! A copy of what a feed lane takes in, for a recorder on another thread. Never blocks the lane,
//! and allocates for large messages only: what finds no room is counted, and is not in the
//! recording.

use super::lane::LINES;
use crate::base::{InstrumentId, Nanos};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Bytes that may wait for the recorder, of all lanes together.
const TAPS_BYTES: usize = 256 << 20;
/// The room of one lane's tap: some seconds of a busy feed if lanes are few.
const TAP_BYTES: std::ops::RangeInclusive<usize> = 1 << 20..=8 << 20;
/// Frames from this size on (whole books) go beside the ring, each in memory of its own.
const LARGE_BYTES: usize = 256 << 10;
/// Of those, as many bytes of a lane may wait, and as many frames.
const LARGE_WAITING_BYTES: usize = 256 << 20;
const LARGE_WAITING: usize = 256;
/// In front of every item: time, length, epoch, line, kind, instrument.
const HEAD: usize = 20;

/// The number that a line has in a recording: a replay must know which part of its lane's streams
/// it carried.
pub(crate) fn recorded_line(line: u8, part: u8) -> u8 {
    debug_assert!(usize::from(line) < LINES);
    let recorded = part * LINES as u8 + line;
    debug_assert_eq!(line_and_part(recorded), (line, part));
    recorded
}

/// The line of this number in a recording, and its part.
pub(crate) fn line_and_part(recorded: u8) -> (u8, u8) {
    (recorded % LINES as u8, recorded / LINES as u8)
}

/// What a lane took in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A frame; its bytes follow.
    Frame,
    /// The answer to a snapshot request; its body has gone another way.
    Snapshot(InstrumentId),
}

/// What is known of an item besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// When the lane had it.
    pub(crate) at: Nanos,
    /// The line of the lane that brought it, as [`recorded_line`] has it; of a snapshot the one
    /// with the newest connection among those that carry the book.
    pub(crate) line: u8,
    /// The number of that connection, counted over all lines of the lane; zero if there is none.
    pub(crate) epoch: u32,
    /// What it is.
    pub(crate) kind: Kind,
    len: usize,
    /// Its bytes went beside the ring.
    large: bool,
}

/// The lane's end.
///
/// Invariant: an item is whole: its head stands in the ring with its bytes behind it, or with them
/// beside the ring; `large_bytes <= LARGE_WAITING_BYTES`.
pub(crate) struct Tap {
    ring: rtrb::Producer<u8>,
    large: Sender<Vec<u8>>,
    large_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

/// The recorder's end.
pub(crate) struct TapEnd {
    ring: rtrb::Consumer<u8>,
    large: Receiver<Vec<u8>>,
    large_bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

/// The room of each tap if there are this many lanes.
pub(crate) fn tap_bytes(lanes: usize) -> usize {
    (TAPS_BYTES / lanes.max(1)).clamp(*TAP_BYTES.start(), *TAP_BYTES.end())
}

/// A tap with room for `bytes`, which are touched here: the lane meets no page that is new to it.
pub(crate) fn tap(bytes: usize) -> (Tap, TapEnd) {
    let (mut to, mut from) = rtrb::RingBuffer::new(bytes);
    if let Ok(chunk) = to.write_chunk(bytes) {
        chunk.commit_all();
    }
    if let Ok(chunk) = from.read_chunk(bytes) {
        chunk.commit_all();
    }
    let lost = Arc::new(AtomicU64::new(0));
    let (large, large_end) = crossbeam_channel::bounded(LARGE_WAITING);
    let large_bytes = Arc::new(AtomicUsize::new(0));
    let tap = Tap {
        ring: to,
        large,
        large_bytes: large_bytes.clone(),
        lost: lost.clone(),
    };
    let end = TapEnd {
        ring: from,
        large: large_end,
        large_bytes,
        lost,
    };
    (tap, end)
}

impl Tap {
    /// Copies a frame that came on a line, in its epoch, and stood there at `at`.
    pub(crate) fn frame(&mut self, from: (u8, u32), at: Nanos, frame: &[u8]) {
        self.push(at, from, None, frame);
    }

    /// Marks the place at which the lane took in a snapshot of `id`: a replay must do the same.
    /// `newest` is the line, and its epoch, that connected last: it may not have brought anything
    /// yet.
    pub(crate) fn snapshot(&mut self, newest: (u8, u32), at: Nanos, id: InstrumentId) {
        self.push(at, newest, Some(id), &[]);
    }

    fn push(&mut self, at: Nanos, from: (u8, u32), snapshot: Option<InstrumentId>, bytes: &[u8]) {
        let large = bytes.len() >= LARGE_BYTES;
        let in_ring = if large { &[] } else { bytes };
        let fits = self.ring.slots() >= HEAD + in_ring.len() && (!large || self.push_large(bytes));
        let Some(len) = u32::try_from(bytes.len()).ok().filter(|_| fits) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&at.0.to_le_bytes());
        head[8..12].copy_from_slice(&len.to_le_bytes());
        head[12..16].copy_from_slice(&from.1.to_le_bytes());
        head[16] = from.0;
        head[17] = match (snapshot, large) {
            (Some(_), _) => SNAPSHOT,
            (None, true) => LARGE_FRAME,
            (None, false) => FRAME,
        };
        head[18..].copy_from_slice(&snapshot.unwrap_or(InstrumentId::NONE).0.to_le_bytes());
        // Neither can fail: there is room, and nobody else takes it.
        let whole = self.ring.push_entire_slice(&head).is_ok()
            & self.ring.push_entire_slice(in_ring).is_ok();
        debug_assert!(whole, "a head without its bytes");
    }

    /// Copies a large frame, if there is room for it: a cold event, a whole book.
    #[cold]
    fn push_large(&self, bytes: &[u8]) -> bool {
        let waiting = self.large_bytes.load(Ordering::Relaxed);
        if waiting + bytes.len() > LARGE_WAITING_BYTES || self.large.is_full() {
            return false;
        }
        let before = self.large_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        debug_assert!(before + bytes.len() <= LARGE_WAITING_BYTES);
        self.large.try_send(bytes.to_vec()).is_ok()
    }
}

const FRAME: u8 = 0;
const SNAPSHOT: u8 = 1;
const LARGE_FRAME: u8 = 2;

impl TapEnd {
    /// What is next, if all of it is there.
    pub(crate) fn peek(&mut self) -> Option<Head> {
        let mut head = [0; HEAD];
        let chunk = self.ring.read_chunk(HEAD).ok()?;
        let (one, two) = chunk.as_slices();
        head[..one.len()].copy_from_slice(one);
        head[one.len()..].copy_from_slice(two); // It stays in the ring: the chunk is not committed.
        let [t0, t1, t2, t3, t4, t5, t6, t7, behind @ ..] = head;
        let [l0, l1, l2, l3, e0, e1, e2, e3, line, kind, i0, i1] = behind;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let large = kind == LARGE_FRAME;
        let in_ring = if large { 0 } else { len };
        (self.ring.slots() >= HEAD + in_ring).then_some(Head {
            at: Nanos(u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7])),
            line,
            epoch: u32::from_le_bytes([e0, e1, e2, e3]),
            kind: match kind {
                FRAME | LARGE_FRAME => Kind::Frame,
                _ => Kind::Snapshot(InstrumentId(u16::from_le_bytes([i0, i1]))),
            },
            len,
            large,
        })
    }

    /// Takes the item whose head was just seen, and puts its bytes in place of those of `into`.
    pub(crate) fn take(&mut self, head: &Head, into: &mut Vec<u8>) {
        into.clear();
        if head.large {
            if let (Ok(bytes), Ok(chunk)) = (self.large.try_recv(), self.ring.read_chunk(HEAD)) {
                let before = self.large_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                debug_assert!(bytes.len() <= before);
                *into = bytes;
                chunk.commit_all();
            }
        } else if let Ok(chunk) = self.ring.read_chunk(HEAD + head.len) {
            let (one, two) = chunk.as_slices();
            let in_one = one.len().min(HEAD);
            into.extend_from_slice(&one[in_one..]);
            into.extend_from_slice(&two[HEAD - in_one..]);
            chunk.commit_all();
        }
        debug_assert_eq!(into.len(), head.len);
    }

    /// Items that found no room, since the beginning.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(end: &mut TapEnd) -> Vec<(Head, Vec<u8>)> {
        let (mut all, mut bytes) = (Vec::new(), Vec::new());
        while let Some(head) = end.peek() {
            end.take(&head, &mut bytes);
            all.push((head, bytes.clone()));
        }
        all
    }

    #[test]
    fn what_goes_in_comes_out_in_order_around_the_end_of_the_ring() {
        let (mut tap, mut end) = tap(64);
        for round in 0..100_u64 {
            let frame = vec![round as u8; (round % 24) as usize];
            tap.frame((3, round as u32), Nanos(round), &frame);
            tap.snapshot((0, 1), Nanos(round + 1), InstrumentId(7));
            let all = drained(&mut end);
            assert_eq!(all.len(), 2, "round {round}");
            let (head, bytes) = &all[0];
            assert_eq!(
                (head.at, head.line, head.epoch, head.kind),
                (Nanos(round), 3, round as u32, Kind::Frame)
            );
            assert_eq!(bytes, &frame);
            let (head, bytes) = &all[1];
            assert_eq!(head.kind, Kind::Snapshot(InstrumentId(7)));
            assert!(bytes.is_empty());
        }
        assert_eq!(end.lost(), 0);
    }

    #[test]
    fn a_message_that_is_larger_than_the_ring_goes_beside_it_in_its_order() {
        let (mut tap, mut end) = tap(64);
        let large = vec![7; LARGE_BYTES];
        tap.frame((0, 1), Nanos(1), &[1; 10]);
        tap.frame((0, 1), Nanos(2), &large);
        let all = drained(&mut end);
        assert_eq!(
            (all[0].1.len(), all[1].1.len(), end.lost()),
            (10, LARGE_BYTES, 0)
        );
        let most = vec![8; LARGE_WAITING_BYTES - LARGE_BYTES];
        tap.frame((0, 1), Nanos(3), &most);
        tap.frame((0, 1), Nanos(4), &large);
        drop(most);
        tap.frame((0, 1), Nanos(5), &large);
        assert_eq!(end.lost(), 1);
        assert_eq!(drained(&mut end).len(), 2);
        assert_eq!(end.large_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_rest_is_whole() {
        let (mut tap, mut end) = tap(64);
        tap.frame((0, 1), Nanos(1), &[1; 36]);
        tap.frame((0, 1), Nanos(2), &[2; 36]);
        tap.snapshot((0, 1), Nanos(3), InstrumentId(1));
        tap.frame((0, 1), Nanos(4), &[4; 1_000]);
        let all = drained(&mut end);
        assert_eq!((all.len(), end.lost()), (1, 3));
        assert_eq!(all[0].1, [1; 36]);
        tap.frame((0, 1), Nanos(5), &[5; 44]);
        assert_eq!(drained(&mut end)[0].1, [5; 44]);
    }
}
