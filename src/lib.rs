//! Tickwire: a low-latency trading engine for crypto exchanges. Thread per core, no async runtime.
//!
//! A strategy sees events and the newest live books, and may want orders; the simulated exchange of
//! this process answers:
//!
//! ```no_run
//! use std::time::Duration;
//! use tickwire::{
//!     Body, Event, Instrument, Intent, Intents, Nanos, OrderType, Place, Qty, Run, RunError, Side,
//!     Strategy, StrategyId, View, Why, imbalance,
//! };
//!
//! /// Buys a lot at the best ask while the best five levels of the bid are much larger.
//! struct Leaning(Vec<Qty>);
//!
//! impl Strategy for Leaning {
//!     fn handle_event(&mut self, _: Nanos, event: &Event, _: &View<'_>, out: &mut Intents) {
//!         let Body::Book(top) = &event.body else { return };
//!         let (Some(value), Some((bid, ask))) = (imbalance(top, 5), top.best()) else { return };
//!         if value < 0.9 {
//!             return;
//!         }
//!         let _ = out.try_push(Intent::from(Place {
//!             strategy: StrategyId::NONE, // The desk writes whose it is.
//!             instrument: event.instrument,
//!             side: Side::Buy,
//!             px: ask.px,
//!             qty: self.0[event.instrument.index()],
//!             order_type: OrderType::ImmediateOrCancel,
//!             tag: event.update_id, // Each report of the order carries it.
//!             why: Why {
//!                 signal: "leaning", // The decision log says why there is such an order.
//!                 value,
//!                 threshold: 0.9,
//!                 update_id: event.update_id,
//!                 epoch: event.epoch,
//!                 bid,
//!                 ask,
//!             },
//!         }));
//!     }
//! }
//!
//! let lots = |all: &[Instrument]| all.iter().map(|i| i.lot).collect();
//! let end = Run::simulated(1)
//!     .time(Duration::from_secs(5))
//!     .strategy(Box::new(move |instruments| Ok(Box::new(Leaning(lots(instruments))))))
//!     .start()?;
//! println!("{} orders", end.summary.orders.sent);
//! # Ok::<(), RunError>(())
//! ```
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
//! | deciding | [`Strategy`], [`StrategyError`], [`View`], [`Intents`], [`Intent`], [`Why`] |
//! | what is wanted | [`Place`], [`OrderType`], [`Replace`], [`Cancel`], [`CancelAll`] |
//! | how much | [`order_qty`], [`order_qtys`], [`fitting_qty`] |
//! | what happens | [`Event`], [`Body`], [`Flags`], [`Status`], [`Trade`], [`Quote`], [`Stamps`] |
//! | your own orders | [`Report`], [`Outcome`], [`Fill`], [`Fee`], [`Working`], [`Position`] |
//! | their names | [`ClientId`], [`StrategyId`] |
//! | books | [`Picture`], [`Shown`], [`Top`], [`Level`], [`Side`], [`Px`], [`Qty`] |
//! | what a book says | [`spread`], [`mid_doubled`], [`weighted_mid`], [`imbalance`], [`Ofi`] |
//! | instruments | [`Instrument`], [`InstrumentId`], [`InstrumentKind`], [`Contract`] |
//! | names and numbers | [`Name`], [`Symbol`], [`Asset`], [`Decimal`] |
//! | time | [`Nanos`], [`Span`], [`UnixNanos`], [`RxStamps`] |
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

// What the fuzzer and its smoke test call. Outside of the rooms: it is no part of the engine.
#[cfg(any(test, fuzzing))]
extern crate self as tickwire;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/bodies/mod.rs"]
pub mod hostile;

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
    Asset, Body, Cancel, CancelAll, ClientId, Contract, Decimal, Event, Fee, Fill, Flags,
    Instrument, InstrumentId, Intent, Kind as InstrumentKind, Level, Name, Nanos, OrderType,
    Outcome, Place, Position, Px, Qty, Quote, Replace, Report, RxStamps, Side, Span, Stamps,
    Status, StrategyId, Symbol, Top, Trade, UnixNanos, Why, Working,
};
#[doc(inline)]
pub use market::picture::{Picture, Shown};
#[doc(inline)]
pub use market::signals::{Ofi, imbalance, mid_doubled, spread, weighted_mid};
#[doc(inline)]
pub use strategy::{
    Intents, Key, Kind as StrategyKind, Sort, Strategy, StrategyError, Table, Values, View,
    fitting_qty, order_qty, order_qtys,
};
#[doc(inline)]
pub use watch::summary::Summary;
