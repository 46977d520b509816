//! What people see: latency stages, HDR files, logs, audit of the books, reports.
//! Holds values only; the scribe thread in `world/os` drives them.

pub mod audit;
