//! Why an intent did not become an order, one word a gate. Counts nothing itself.

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
    /// The kill switch was thrown.
    Killed => "killed",
    /// The order connection is not ready, or never said that it is.
    GatewayDown => "gateway_down",
    /// Not in the run's table.
    UnknownInstrument => "unknown_instrument",
    /// The exchange takes no orders for the instrument.
    NotTrading => "not_trading",
    /// Of nothing.
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
    /// The book is older than [`super::risk::BOOK_AGE_NS_MAX`].
    BookStale => "book_stale",
    /// The best bid and ask are not provably the exchange's, or there is none.
    BookIncomplete => "book_incomplete",
    /// The best bid is at or above the best ask.
    BookCrossed => "book_crossed",
    /// The limit price is further beyond the opposite best price than the collar allows.
    PriceCollar => "price_collar",
    /// As many orders are open as may be.
    OpenOrders => "open_orders",
    /// As many orders were admitted within one second as may be.
    OrderRate => "order_rate",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_stands_at_its_own_index_under_its_own_name() {
        for (index, gate) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*gate as usize, index);
            let same = Refusal::ALL.iter().filter(|g| g.name() == gate.name());
            assert_eq!(same.count(), 1, "{}", gate.name());
        }
    }
}
