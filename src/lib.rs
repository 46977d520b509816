//! Tickwire: a low-latency trading engine for crypto exchanges. Thread per core, no async runtime.
//!
//! A program of your own hands the kinds of its strategies to [`main_with`], and has the whole
//! command line: `examples/own` is such a program, to be copied. Or it gives a [`Strategy`] to a
//! [`Run`], and reads the [`Summary`] at its end. Everything that such a program names is here:
//!
//! | for | names |
//! |---|---|
//! | the command line | [`main_with`], [`StrategyKind`], [`Key`], [`Sort`], [`Values`], [`Table`] |
//! | starting the engine | [`Run`], [`RunError`], [`Config`], [`ConfigErrors`], [`StrategyMaker`] |
//! | its end | [`RunEnd`], [`Summary`] |
//! | deciding | [`Strategy`], [`StrategyError`], [`Intents`], [`Intent`], [`Why`] |
//! | how much | [`order_qty`], [`order_qtys`] |
//! | what happens | [`Event`], [`Body`], [`Flags`], [`Status`], [`Trade`], [`Quote`], [`Stamps`] |
//! | your own orders | [`Report`], [`Outcome`], [`ClientId`], [`StrategyId`], [`TimeInForce`] |
//! | books | [`Picture`], [`Shown`], [`Top`], [`Level`], [`Side`], [`Px`], [`Qty`] |
//! | what a book says | [`spread`], [`mid_doubled`], [`weighted_mid`], [`imbalance`], [`Ofi`] |
//! | instruments | [`Instrument`], [`InstrumentId`], [`InstrumentKind`], [`Contract`] |
//! | names and numbers | [`Name`], [`Symbol`], [`Asset`], [`Decimal`] |
//! | time | [`Nanos`], [`UnixNanos`], [`RxStamps`] |
//!
//! The modules are the engine's inside, and change without notice; what is public in them is so for
//! this repository's own tests and benches. They stand in the order of the road that a byte takes;
//! `ARCHITECTURE.md` walks one through them.
#![deny(unsafe_code)]
#![warn(missing_docs)]
// No input of a host, a shell or an exchange may end the process, and nothing may wait for a
// console.
#![cfg_attr(
    not(test),
    deny(
        clippy::dbg_macro,
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod app; //      the commands
pub mod base; //     words that every room uses
pub mod conn; //     bytes to frames
pub mod exchange; // frames to words
mod journal; //      what came in, readable again
pub mod market; //   words to picture
pub mod strategy; // picture to intent
pub mod trading; //  intent to order
pub mod venue; //    order to fill, where the exchange is ours
pub mod watch; //    what people see
pub mod wiring; //   rooms joined into lanes, lanes joined by rings
pub mod world; //    os: every system call; sim: connections to the exchange that we make

#[doc(inline)]
pub use app::cli::main_with;
#[doc(inline)]
pub use app::config::{Config, ConfigErrors};
#[doc(inline)]
pub use app::parts::StrategyMaker;
#[doc(inline)]
pub use app::run::{Run, RunEnd, RunError};
#[doc(inline)]
pub use base::{
    Asset, Body, ClientId, Contract, Decimal, Event, Flags, Instrument, InstrumentId, Intent,
    Kind as InstrumentKind, Level, Name, Nanos, Outcome, Px, Qty, Quote, Report, RxStamps, Side,
    Stamps, Status, StrategyId, Symbol, TimeInForce, Top, Trade, UnixNanos, Why,
};
#[doc(inline)]
pub use market::picture::{Picture, Shown};
#[doc(inline)]
pub use market::signals::{Ofi, imbalance, mid_doubled, spread, weighted_mid};
#[doc(inline)]
pub use strategy::{
    Intents, Key, Kind as StrategyKind, Sort, Strategy, StrategyError, Table, Values, order_qty,
    order_qtys,
};
#[doc(inline)]
pub use watch::summary::Summary;
