//! A simulated exchange as values: matching engine, order flow, sessions, recordings. Owns no socket and no clock.
