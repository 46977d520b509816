//! What the exchanges' folders share: JSON to words, symbols, texts, listings, surveys. Names no exchange.

pub mod listing;
pub mod read;
pub mod survey;
mod symbols;
pub(super) mod tape;
pub mod text;
pub mod words;
