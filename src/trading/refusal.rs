//! Why an intent did not become an order: one word per gate, how often each refused, and what it
//! compared. Decides nothing itself.

use crate::base::{Field, InstrumentId, Px, Qty, Value};

macro_rules! refusals {
    ($($(#[$doc:meta])* $gate:ident => $name:literal,)*) => {
        /// The gate that an intent failed: the first one in the order of these arms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refusal {
            $($(#[$doc])* $gate,)*
        }

        impl Refusal {
            /// Every gate; gate `g` stands at index `g as usize`.
            pub const ALL: &[Self] = &[$(Self::$gate,)*];

            /// A static word for logs and reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$gate => $name,)*
                }
            }
        }
    };
}

// The order of the checks: what stops everything, what is wrong with the intent itself, what the
// market says, and last what only an otherwise good order may use up.
refusals! {
    /// Everything, the strategy or the instrument is halted: by a loss, by a person, or killed.
    Halted => "halted",
    /// The order connection is not ready, or never said that it is.
    GatewayDown => "gateway_down",
    /// Its record could not be written: the disk takes none, or too many wait.
    Unrecorded => "unrecorded",
    /// Our clock is further from the exchange's than it may be.
    ClockSkew => "clock_skew",
    /// Not in the run's table.
    UnknownInstrument => "unknown_instrument",
    /// A change of an order that is over, or that is not its strategy's.
    OrderOver => "order_over",
    /// A change of an order while another one is under way, or nobody knows how it stands.
    OrderBusy => "order_busy",
    /// Not among the instruments that its strategy is configured for.
    NotItsInstrument => "not_its_instrument",
    /// The instrument is of an exchange where there is no account.
    NoAccount => "no_account",
    /// The exchange takes no orders for the instrument.
    NotTrading => "not_trading",
    /// Everything, the strategy or the instrument may only reduce its positions, and this order
    /// could do something else.
    ReduceOnly => "reduce_only",
    /// The quantity is zero.
    QuantityZero => "quantity_zero",
    /// Below the exchange's smallest quantity.
    QuantityMin => "quantity_min",
    /// Above the exchange's or our own largest quantity.
    QuantityMax => "quantity_max",
    /// Not a multiple of the instrument's lot.
    LotMultiple => "lot_multiple",
    /// Not a positive multiple of the instrument's tick.
    TickMultiple => "tick_multiple",
    /// Price times quantity is below the exchange's smallest.
    NotionalMin => "notional_min",
    /// Price times quantity is above our own largest.
    NotionalMax => "notional_max",
    /// A number would leave its range: no client id is left, or a notional does not fit.
    Overflow => "overflow",
    /// No live book of the instrument.
    BookNotLive => "book_not_live",
    /// The intent was argued from a book of another epoch.
    BookMoved => "book_moved",
    /// The book's last change was older than `LATE_MAX` when it came: the
    /// exchange's data is late, or we are.
    BookLate => "book_late",
    /// The book is older than `BOOK_AGE_MAX`.
    BookStale => "book_stale",
    /// The best bid and ask are not provably the exchange's, or there is none.
    BookIncomplete => "book_incomplete",
    /// The best bid is at or above the best ask.
    BookCrossed => "book_crossed",
    /// The limit price is further beyond the opposite best price than the collar allows.
    PriceCollar => "price_collar",
    /// The limit price is further beyond the opposite best price of every other exchange that is
    /// followed than may be.
    PriceReference => "price_reference",
    /// It would trade with an order of our own that rests, or may.
    SelfTrade => "self_trade",
    /// Nobody knows what became of an order of ours at this price.
    SlotInDoubt => "slot_in_doubt",
    /// As many orders like it are open as may be: same strategy, instrument, side, price, quantity.
    Duplicate => "duplicate",
    /// The position could get larger than may be.
    PositionMax => "position_max",
    /// The strategy's position could get larger than may be.
    StrategyPositionMax => "strategy_position_max",
    /// All positions together could get larger than may be.
    GrossMax => "gross_max",
    /// Those at its exchange could.
    ExchangeGrossMax => "exchange_gross_max",
    /// Those of its strategy could.
    StrategyGrossMax => "strategy_gross_max",
    /// What was bought and what was sold could differ by more than may be.
    NetMax => "net_max",
    /// At its exchange they could.
    ExchangeNetMax => "exchange_net_max",
    /// Of its strategy they could.
    StrategyNetMax => "strategy_net_max",
    /// As many orders are open as may be.
    OpenOrders => "open_orders",
    /// As many orders of its strategy are.
    StrategyOpenOrders => "strategy_open_orders",
    /// As many orders of its instrument are.
    InstrumentOpenOrders => "instrument_open_orders",
    /// Its strategy cancelled as often within one second as may be.
    CancelRate => "cancel_rate",
    /// Its strategy had as many orders for the trades that they made as may be.
    OrdersPerTrade => "orders_per_trade",
    /// As many orders were admitted within one second as may be.
    OrderRate => "order_rate",
    /// As many orders of its strategy were.
    StrategyOrderRate => "strategy_order_rate",
}

/// What a limit and what was found beyond it are numbers of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Hundredths of a percent of the opposite best price.
    Bps,
    /// Nanoseconds.
    Ns,
    /// Orders.
    Orders,
    /// A price, at the scale beside it.
    Price(u8),
    /// A quantity, at the scale beside it.
    Quantity(u8),
    /// Price times quantity, at the scale beside it.
    Notional(u8),
}

/// A limit, and what was found beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    /// What both are numbers of.
    pub(crate) unit: Unit,
    /// The limit.
    pub(crate) limit: u128,
    /// What was found.
    pub(crate) found: u128,
}

impl Compared {
    /// Both as fields of a log record; their names say the unit.
    pub(crate) fn fields(&self) -> [Field; 2] {
        let int = |number: u128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let px = |number| Value::Px(Px(i64::try_from(number).unwrap_or(i64::MAX)));
        let qty = |number| Value::Qty(Qty(u64::try_from(number).unwrap_or(u64::MAX)));
        let (limit, found) = (self.limit, self.found);
        match self.unit {
            Unit::Bps => [("limit_bps", int(limit)), ("found_bps", int(found))],
            Unit::Ns => [("limit_ns", int(limit)), ("found_ns", int(found))],
            Unit::Orders => [("limit_orders", int(limit)), ("found_orders", int(found))],
            Unit::Price(_) => [("limit_px", px(limit)), ("found_px", px(found))],
            Unit::Quantity(_) => [("limit_qty", qty(limit)), ("found_qty", qty(found))],
            Unit::Notional(scale) => {
                let worth =
                    |number: u128| Value::Ratio(number as f64 / 10f64.powi(i32::from(scale)));
                [
                    ("limit_notional", worth(limit)),
                    ("found_notional", worth(found)),
                ]
            }
        }
    }

    /// The unit is the same for all instruments, so that one of them can be worse than another.
    pub(crate) const fn comparable(&self) -> bool {
        match self.unit {
            Unit::Bps | Unit::Ns | Unit::Orders => true,
            Unit::Price(_) | Unit::Quantity(_) | Unit::Notional(_) => false,
        }
    }
}

/// An intent that did not pass, and at which gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The gate.
    pub(crate) gate: Refusal,
    /// What the gate compared, if it compares numbers.
    pub(crate) compared: Option<Compared>,
}

impl From<Refusal> for Refused {
    fn from(gate: Refusal) -> Self {
        let compared = None;
        Self { gate, compared }
    }
}

/// Refused intents by gate. Fixed in size: counting one allocates nothing.
///
/// Invariant: a comparison is shown only of a gate that refused; if instruments can be compared
/// it never gets milder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    counts: [u64; Refusal::ALL.len()],
    /// The worst comparison if instruments can be compared, the latest elsewhere.
    shown: [Option<(InstrumentId, Compared)>; Refusal::ALL.len()],
}

impl Default for Refusals {
    fn default() -> Self {
        let (counts, shown) = ([0; Refusal::ALL.len()], [None; Refusal::ALL.len()]);
        Self { counts, shown }
    }
}

impl Refusals {
    /// Counts one.
    pub(crate) fn record(&mut self, instrument: InstrumentId, refused: &Refused) {
        let at = refused.gate as usize;
        self.counts[at] += 1;
        let Some(compared) = refused.compared else {
            return self.check(at);
        };
        let milder = |shown: &(InstrumentId, Compared)| {
            compared.comparable() && shown.1.unit == compared.unit && compared.found < shown.1.found
        };
        if !self.shown[at].as_ref().is_some_and(milder) {
            self.shown[at] = Some((instrument, compared));
        }
        debug_assert!(self.shown[at].is_some_and(|(_, worst)| {
            worst.unit != compared.unit || !compared.comparable() || compared.found <= worst.found
        }));
        self.check(at);
    }

    fn check(&self, at: usize) {
        debug_assert!(0 < self.counts[at]);
        debug_assert_eq!(Refusal::ALL[at] as usize, at);
    }

    /// How many intents this gate refused.
    pub fn count(&self, gate: Refusal) -> u64 {
        self.counts[gate as usize]
    }

    /// How many intents were refused.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The worst that this gate found, or the latest if instruments cannot be compared.
    pub(crate) fn shown(&self, gate: Refusal) -> Option<(InstrumentId, Compared)> {
        self.shown[gate as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_numbers_that_compare_the_worst_is_shown_and_of_others_the_latest() {
        let mut refusals = Refusals::default();
        let mut refuse = |id, gate, unit, found| {
            let compared = Some(Compared {
                unit,
                limit: 50,
                found,
            });
            refusals.record(InstrumentId(id), &Refused { gate, compared });
        };
        for (id, found) in [(0, 63), (1, 90), (2, 70)] {
            refuse(id, Refusal::PriceCollar, Unit::Bps, found);
            refuse(id, Refusal::QuantityMax, Unit::Quantity(5), found);
        }
        refusals.record(InstrumentId(3), &Refusal::Halted.into());
        let found = |gate| {
            refusals
                .shown(gate)
                .map(|(id, compared)| (id.0, compared.found))
        };
        assert_eq!(found(Refusal::PriceCollar), Some((1, 90)));
        assert_eq!(found(Refusal::QuantityMax), Some((2, 70)));
        assert_eq!(
            (found(Refusal::Halted), refusals.count(Refusal::Halted)),
            (None, 1)
        );
        assert_eq!(
            (refusals.count(Refusal::PriceCollar), refusals.total()),
            (3, 7)
        );
    }

    #[test]
    fn every_gate_stands_at_its_own_index_under_its_own_name() {
        for (index, gate) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*gate as usize, index);
            let same = Refusal::ALL.iter().filter(|g| g.name() == gate.name());
            assert_eq!(same.count(), 1, "{}", gate.name());
        }
    }
}
