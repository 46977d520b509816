//! Turns the engine's atomics into loom's, for this package alone.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
