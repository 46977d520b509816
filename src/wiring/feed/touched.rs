//! Which slots of a feed changed since somebody looked. With hundreds of instruments a message
//! changes one, and nobody looks at the others.

/// Places of slots. Never allocates after it was made.
///
/// Invariant: no place is at or beyond `count`.
pub(super) struct Touched {
    /// A bit per place, 64 to a word.
    bits: Box<[u64]>,
    count: usize,
}

impl Touched {
    /// All of this many.
    pub(super) fn all(count: usize) -> Self {
        let mut touched = Self {
            bits: vec![0; count.div_ceil(64)].into(),
            count,
        };
        touched.touch_all();
        touched
    }

    #[inline]
    pub(super) fn touch(&mut self, place: usize) {
        debug_assert!(place < self.count);
        self.bits[place / 64] |= 1 << (place % 64);
    }

    pub(super) fn touch_all(&mut self) {
        (0..self.count).for_each(|place| self.touch(place));
    }

    /// The places, in their order.
    #[inline]
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.bits.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }

    pub(super) fn first(&self) -> Option<usize> {
        self.places().next()
    }

    /// Somebody has looked at it.
    pub(super) fn leave(&mut self, place: usize) {
        debug_assert!(place < self.count);
        self.bits[place / 64] &= !(1 << (place % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_their_order_until_somebody_has_looked_at_them() {
        let mut touched = Touched::all(130);
        assert!(touched.places().eq(0..130));
        (0..130).for_each(|place| touched.leave(place));
        assert_eq!(touched.places().next(), None);
        for place in [129, 3, 64, 3, 63] {
            touched.touch(place);
        }
        assert!(touched.places().eq([3, 63, 64, 129]));
        touched.leave(63);
        assert!(touched.places().eq([3, 64, 129]));
    }
}
