//! What bytes from outside must not do, a function per target. The fuzzer calls it with bytes of
//! its own (`fuzz/fuzz_targets`), the test below with the committed seeds and damaged copies of
//! them. It is a module of the library, because it looks at what the library shows to nobody.

mod account;
mod answers;
mod book;
mod config;
mod decode;
mod frame;
mod numbers;
mod recording;
mod tls;

#[path = "../../tests/support/scan.rs"]
mod scan;
#[cfg(test)]
mod tests;

/// A target's body. It panics if the bytes did what they must not.
pub type Body = fn(&[u8]);

/// Every target by its name, which its seeds and its binary have, too.
pub const TARGETS: [(&str, Body); 9] = [
    ("account", account::body),
    ("answers", answers::body),
    ("book", book::body),
    ("config", config::body),
    ("decode", decode::body),
    ("frame", frame::body),
    ("numbers", numbers::body),
    ("recording", recording::body),
    ("tls", tls::body),
];

/// Calls the body of the target with this name.
pub fn call(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.unwrap_or_else(|| panic!("no target {name}"));
    body(data);
}

/// The fuzzer's bytes as choices, the first byte first; zeros once there are no more.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes, this many at most.
    fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    fn u64(&mut self) -> u64 {
        let mut eight = [0; 8];
        let taken = self.bytes(8);
        eight[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(eight)
    }

    /// Below `end`, which is 256 at most.
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.u8()) % end
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}
