//! Words that every room uses. Names no other room, touches no clock and no socket.

pub mod decimal;
pub mod event;
pub mod feed;
pub mod instrument;
pub mod level;
pub mod note;
pub mod order;
pub mod shown;
pub mod text;
pub mod time;

pub use decimal::{Decimal, DecimalError};
pub use event::{Body, Event, Flags, Stamps, Status};
pub use feed::{Channel, Diff, Quote, Snapshot, Trade, Word};
pub use instrument::{Asset, Contract, Instrument, InstrumentId, Kind, Name, Symbol};
pub use level::{Level, Px, Qty, Side, Top};
pub use note::{Field, Note, Severity, Value};
pub use order::{ClientId, Intent, NewOrder, News, Outcome, Report, StrategyId, TimeInForce, Why};
pub use time::{Clock, Nanos, RxStamps, ServerTime, UnixNanos};
