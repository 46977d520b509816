//! Words that every room uses. Names no other room, touches no clock and no socket.

pub(crate) mod account;
pub mod decimal;
pub(crate) mod deed;
pub mod event;
pub mod feed;
pub(crate) mod instrument;
pub(crate) mod level;
pub(crate) mod note;
pub(crate) mod order;
pub(crate) mod position;
pub(crate) mod secret;
pub(crate) mod shown;
pub(crate) mod signed;
pub(crate) mod text;
pub(crate) mod time;

pub use account::{AccountNews, Balance, OrderRef, Question, Resting, TradesOf};
pub use decimal::Decimal;
pub(crate) use decimal::DecimalError;
pub use deed::{Accepter, Change, DayGain, Deed, Mode, OpenOrder};
pub(crate) use deed::{KeyName, KeyValue, VALUE_SCALE};
pub use event::{Body, Event, Flags, Stamps, Status};
pub use feed::{Channel, Diff, Quote, Snapshot, Trade, Word};
pub use instrument::{Asset, Contract, Instrument, InstrumentId, Kind, Name, Symbol};
pub use level::{Level, Px, Qty, Side, Top};
pub(crate) use note::Field;
pub use note::{Code, Note, Severity, Value};
pub use order::{
    Cancel, CancelAll, ClientId, End, Fee, Fill, Intent, NewOrder, News, OrderType, Outcome, Place,
    Replace, Report, Said, Source, StrategyId, Why, Working,
};
pub(crate) use position::ASSET_SCALE;
pub use position::Position;
pub use secret::Secret;
pub use time::{Clock, Nanos, RxStamps, Span, UnixNanos};
pub(crate) use time::{DAY_NS, ServerTime};
