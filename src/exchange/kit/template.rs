//! A text made beforehand, with holes for what differs from one use to the next: it costs the
//! digits of its numbers and some copies. Knows nothing of what fills them.

use zeroize::Zeroizing;

/// A text with holes of these sorts.
pub(crate) struct Text<H> {
    /// It may have a key in it.
    fixed: Zeroizing<Vec<u8>>,
    /// Behind how much of `fixed` each hole is; they rise.
    holes: Vec<(usize, H)>,
}

impl<H: Copy> Text<H> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            fixed: Zeroizing::new(Vec::new()),
            holes: Vec::new(),
        }
    }

    /// Goes on with this.
    pub(crate) fn push(&mut self, text: &str) {
        self.fixed.extend_from_slice(text.as_bytes());
    }

    /// Goes on with a hole.
    pub(crate) fn hole(&mut self, hole: H) {
        self.holes.push((self.fixed.len(), hole));
    }

    /// Writes the text over `out`, each hole as `of` fills it.
    pub(crate) fn fill<'v>(&self, of: impl Fn(H) -> &'v [u8], out: &mut Vec<u8>) {
        out.clear();
        let mut from = 0;
        for &(to, hole) in &self.holes {
            out.extend_from_slice(&self.fixed[from..to]);
            out.extend_from_slice(of(hole));
            from = to;
        }
        out.extend_from_slice(&self.fixed[from..]);
    }
}
