//! Many changes of one side at once. Each comes best level first, and each level moves once at the
//! most.

use super::{Half, Ranked};
use crate::base::{Level, Qty};
use std::cell::RefCell;
use std::hint::select_unpredictable;

/// Searches that go side by side.
const ABREAST: usize = 4;
/// Changes of one sweep, at most; a longer message takes several.
const SWEEP_MAX: usize = 128;

/// Where a side changes its length: an insert before the level `at`, or its removal (no quantity).
#[derive(Debug, Clone, Copy)]
struct Edit {
    at: usize,
    entry: Ranked,
    /// Inserts less removals up to and with this one: how far what follows moves.
    shift: isize,
}

impl Edit {
    const NONE: Self = Self {
        at: 0,
        entry: Ranked {
            rank: 0,
            qty: Qty(0),
        },
        shift: 0,
    };
}

std::thread_local! {
    /// Scratch of a sweep: none is under way while another one begins.
    static EDITS: RefCell<[Edit; SWEEP_MAX]> = const { RefCell::new([Edit::NONE; SWEEP_MAX]) };
}

impl<const N: usize> Half<N> {
    /// Applies changes that come best level first, and for all of which there is room.
    pub(super) fn sweep_all(&mut self, changes: &[Level]) {
        // The worst first: what is better does not move what is worse.
        EDITS.with_borrow_mut(|edits| {
            for part in changes.rchunks(SWEEP_MAX) {
                self.sweep(part, edits);
            }
        });
    }

    /// Applies changes that come best first, each level moving once at the most: inserts and
    /// removals divide the side into runs, and a run moves by the inserts less the removals below
    /// it. Often that is nothing.
    fn sweep(&mut self, changes: &[Level], edits: &mut [Edit; SWEEP_MAX]) {
        debug_assert!(changes.len() <= SWEEP_MAX);
        // All places first: no search waits for another, or for a branch on what one found. One
        // that goes from the place of the change before takes a fifth fewer instructions and no
        // less time: how far it goes is a branch mispredicted. The loop after it has none, either.
        let mut places = [[0; ABREAST]; SWEEP_MAX / ABREAST];
        for (places, changes) in places.iter_mut().zip(changes.rchunks(ABREAST)) {
            let mut ranks = [0; ABREAST];
            for (rank, change) in ranks.iter_mut().zip(changes.iter().rev()) {
                *rank = change.px.0 ^ self.flip;
            }
            *places = self.search_abreast(ranks);
        }
        let places = places.as_flattened();
        let (mut count, mut shift, mut nowhere) = (0, 0, Ranked::default());
        for (&at, change) in places.iter().zip(changes.iter().rev()) {
            let at = usize::from(at);
            let (rank, qty) = (change.px.0 ^ self.flip, change.qty);
            let entry = Ranked { rank, qty };
            let (found, removes) = (self.holds(at, rank), qty == Qty(0));
            let held = if found {
                &mut self.levels[at]
            } else {
                &mut nowhere
            };
            *held = entry;
            shift += isize::from(!found & !removes) - isize::from(found & removes);
            edits[count] = Edit { at, entry, shift };
            count += usize::from(found == removes);
        }
        debug_assert!(count <= changes.len());
        self.move_runs(&edits[..count]);
        self.len = self.len.wrapping_add_signed(shift);
        // Those outside are below the horizon, and so is what changes them.
        let worst = changes
            .last()
            .map_or(i64::MAX, |last| last.px.0 ^ self.flip);
        if worst < self.horizon {
            self.outside = self.search(self.horizon);
        }
        self.check(0);
    }

    /// As [`Self::search`], for several: they halve the same length in the same steps, so that no
    /// step is counted more than once.
    #[inline]
    fn search_abreast(&self, ranks: [i64; ABREAST]) -> [u16; ABREAST] {
        const { assert!(N <= u16::MAX as usize) };
        let mut places = [0; ABREAST];
        let mut size = self.len;
        while size > 1 {
            let half = size / 2;
            for (place, rank) in places.iter_mut().zip(ranks) {
                let middle = *place + half; // Below `len`: the remainder spares the comparison.
                let below = self.levels[middle % N].rank < rank;
                *place = select_unpredictable(below, middle, *place);
            }
            size -= half;
        }
        std::array::from_fn(|n| {
            let below = size == 1 && self.levels[places[n] % N].rank < ranks[n];
            (places[n] + usize::from(below)) as u16
        })
    }

    /// Moves the runs between `edits`, and puts in what was inserted.
    fn move_runs(&mut self, edits: &[Edit]) {
        // A run that moves up may end on the next one only if that moves up, too, and one that
        // moves down may begin on the one before only if that moves down: so these two orders
        // lose nothing.
        for index in (0..edits.len())
            .rev()
            .filter(|&index| edits[index].shift > 0)
        {
            self.move_run(edits, index);
        }
        for index in (0..edits.len()).filter(|&index| edits[index].shift < 0) {
            self.move_run(edits, index);
        }
        for edit in edits.iter().filter(|edit| edit.entry.qty != Qty(0)) {
            self.levels[edit.at.wrapping_add_signed(edit.shift) - 1] = edit.entry;
        }
    }

    /// Moves the levels between the edit `index` and the next one to where they belong.
    fn move_run(&mut self, edits: &[Edit], index: usize) {
        let Edit { at, entry, shift } = edits[index];
        let begin = at + usize::from(entry.qty == Qty(0)); // A removed level is no part of it.
        let end = edits.get(index + 1).map_or(self.len, |next| next.at);
        self.levels
            .copy_within(begin..end, begin.wrapping_add_signed(shift));
    }
}
