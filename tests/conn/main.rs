//! Connections over real TLS and WebSocket: handshakes, links, sockets, REST.

#[path = "../support/conn.rs"]
mod conn_support;
mod handshakes;
mod link;
mod rest;
mod tls;
mod wire;
