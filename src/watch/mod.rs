//! What people see: latency stages, HDR files, logs, audit of the books, reports. Holds values
//! only; the scribe, a thread in `world/os`, drives them.

pub mod audit;
pub mod hdr;
pub mod latency;
pub mod log;
pub mod plot;
pub mod report;
pub mod stage;
pub mod summary;
pub mod table;

pub use latency::{Collector, Recorder, Totals};
pub use stage::Stage;
