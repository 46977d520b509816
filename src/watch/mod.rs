//! What people see: latency stages, HDR files, logs, audit of the books, reports. Holds values
//! only; the scribe, a thread in `world/os`, drives them.

pub mod audit;
pub(crate) mod brief;
pub(crate) mod compare;
pub(crate) mod decisions;
pub(crate) mod figures;
pub(crate) mod fold;
pub mod hdr;
pub mod latency;
pub(crate) mod log;
pub(crate) mod plot;
pub(crate) mod report;
pub mod stage;
pub(crate) mod status;
pub mod summary;
pub(crate) mod table;

pub(crate) use latency::Collector;
pub use latency::{Histograms, Totals};
pub use stage::Stage;
