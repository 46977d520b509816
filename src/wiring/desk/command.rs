//! What a person may ask of a desk while it works, and what it answers. Data only: a control thread
//! asks one thing at a time and waits for its answer.

use super::{DeskCounters, Receiver, Sender};
use crate::base::{Asset, KeyValue, Mode, Nanos, StrategyId, Value, Working};
use crate::strategy::Values;
use crate::trading::pnl::Row;

/// What is asked; [`StrategyId::NONE`] means all strategies.
#[derive(Debug)]
pub(crate) enum Command {
    /// It orders nothing from here on; what works stays.
    Pause(StrategyId),
    /// As [`Self::Pause`], and what works is cancelled. Then what it holds is closed, if that is
    /// asked.
    Kill {
        /// Whose.
        strategy: StrategyId,
        /// Close what it holds.
        flatten: bool,
    },
    /// It may order again.
    Resume(StrategyId),
    /// What the account has of this asset counts as right: what is not explained of it holds no
    /// instrument any more.
    Accept(Asset),
    /// A strategy goes by these values from the next event on.
    Set(Box<Setting>),
    /// How all stands, written into this.
    Show(Box<DeskState>),
}

/// What a desk answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// It is not, and why.
    Refused(&'static str),
    /// How all stands.
    State(Box<DeskState>),
    /// A strategy goes by other values now, or why it does not. Whoever asked frees what is left.
    Set(Box<Setting>, Result<(), &'static str>),
}

/// A strategy's values of which one is another. Checked, and made with all that it needs, by
/// whoever asks.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Whose.
    pub(crate) strategy: StrategyId,
    /// The key whose value is another.
    pub(crate) key: &'static str,
    /// That value.
    pub(crate) value: KeyValue,
    /// The same, for the log.
    pub(crate) noted: Value,
    /// All of them; the strategy may leave its own here for those that it takes.
    pub(crate) values: Values,
    /// When the desk handed them over.
    pub(crate) at: Nanos,
}

/// The desk's end.
pub(crate) struct Commands {
    /// What is asked.
    pub(crate) asked: Receiver<Command>,
    /// Where the answers go.
    pub(crate) answers: Sender<Answer>,
}

/// How a desk stands. Made with all the room that it needs, by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct DeskState {
    /// When.
    pub(crate) at: Nanos,
    /// The gateway takes orders, and the account is known.
    pub(crate) ready: bool,
    /// The kill switch is thrown.
    pub(crate) killed: bool,
    /// What anybody may order.
    pub(crate) mode: Mode,
    /// By strategy id.
    pub(crate) strategies: Vec<StrategyState>,
    /// What each traded or holds.
    pub(crate) rows: Vec<Row>,
    /// Orders without an end.
    pub(crate) orders: Vec<Working>,
}

/// How a strategy stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StrategyState {
    /// What it may order.
    pub(crate) mode: Mode,
    /// Its orders are being cancelled, or what it holds is being closed.
    pub(crate) closing: bool,
    /// It panicked, and decides nothing more.
    pub(crate) gone: bool,
    /// What was counted of it.
    pub(crate) counters: DeskCounters,
}

impl DeskState {
    /// With room for a desk of this size.
    pub(crate) fn with_room(strategies: usize, instruments: usize, orders: usize) -> Box<Self> {
        Box::new(Self {
            strategies: Vec::with_capacity(strategies),
            rows: Vec::with_capacity((strategies + 1) * instruments),
            orders: Vec::with_capacity(orders),
            ..Self::default()
        })
    }
}
