//! The engine's own sources, compiled with loom's atomics, and models of how threads use them.

#[allow(dead_code, reason = "models use what they need of it")]
#[path = "../../src/wiring/bell.rs"]
pub mod bell;
#[allow(dead_code, reason = "models use what they need of it")]
#[path = "../../src/wiring/ring.rs"]
pub mod ring;

#[cfg(test)]
mod models;
