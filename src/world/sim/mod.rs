//! The connections of the simulated exchange as values: TLS, HTTP and WebSockets. Owns no socket
//! and no clock.

pub mod connection;
pub mod tls;
mod ws;
