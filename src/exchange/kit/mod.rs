//! What the exchanges' folders share: JSON to words, symbols, texts, listings, surveys. Names no
//! exchange.

pub(super) mod account;
pub(super) mod cursor;
pub(super) mod decoder;
pub(super) mod digits;
pub(crate) mod hmac;
pub(crate) mod ids;
pub(super) mod keys;
pub(crate) mod listing;
pub(super) mod raw;
pub(super) mod scan;
pub(crate) mod signing;
pub(crate) mod survey;
pub(super) mod symbols;
pub(super) mod tape;
pub(crate) mod template;
pub mod text;
pub mod words;

pub(super) use cursor::Value;
pub(super) use decoder::Prices;
pub(super) use keys::keys;
pub(super) use symbols::{Listed, Symbols};
