//! Trades orders on paper, against the picture that the desk keeps. Invents no liquidity beyond it.
//!
//! What fills at once is filled level by level, each at its own price. What rests is filled whole
//! once the other side's best price reaches it: somebody then offered what it asks for. That leaves
//! the queue at its price out, in which it stood last: it is not filled by trades at its price that
//! leave the other side where it is.
//!
//! It is optimistic in three ways, which a live run is not: an order takes nothing out of the book,
//! so that the next one meets the same levels; it arrives at once; and nobody reacts to it. Levels
//! below the completeness horizon do exist at their price; a better level that is not seen there
//! would only have filled better. Fees are not taken.

use crate::base::event::EVENT_LEVELS;
use crate::base::{
    ClientId, End, Fill, InstrumentId, NewOrder, News, OrderRef, OrderType, Px, Qty, Said, Side,
    Source, Top,
};
use crate::market::Picture;
use std::collections::VecDeque;

/// Rejected: there is no live book to fill from. Our own code, far from any exchange's.
pub(crate) const REJECTED_BOOK_NOT_LIVE: i32 = -900_001;
/// Rejected: the best bid is at or above the best ask, so that nobody could trade at these prices.
/// Our own code.
pub(crate) const REJECTED_BOOK_CROSSED: i32 = -900_002;
/// Rejected: it would trade at once, and asked not to. Our own code.
pub(crate) const REJECTED_WOULD_TRADE: i32 = -900_003;
/// A change was refused: there is no such order. Our own code.
pub(crate) const REFUSED_NO_ORDER: i32 = -900_004;
/// Orders that may rest before a list must grow.
const RESTING: usize = 256;

/// What a paper account is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish<'a> {
    /// A new order.
    Place(&'a NewOrder),
    /// A new order in the place of this one.
    Replace(&'a OrderRef, &'a NewOrder),
    /// Only so much of this order in all.
    Reduce(&'a OrderRef, Qty),
    /// The end of this order.
    Cancel(&'a OrderRef),
}

/// An order that rests.
///
/// Invariant: `filled < order.qty`.
#[derive(Debug)]
struct Resting {
    order: NewOrder,
    filled: Qty,
}

/// The exchange of a paper account.
///
/// Invariant: exchange ids and trade ids rise; each order is told one end, as the last thing.
#[derive(Debug)]
pub struct Paper {
    /// The last exchange id that was given.
    exchange_id: u64,
    /// The last trade's number.
    trade_id: u64,
    resting: Vec<Resting>,
    news: VecDeque<News>,
}

impl Default for Paper {
    fn default() -> Self {
        Self {
            exchange_id: 0,
            trade_id: 0,
            resting: Vec::with_capacity(RESTING),
            news: VecDeque::with_capacity(RESTING),
        }
    }
}

impl Paper {
    /// A paper account that took no order yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is to be said of an order next.
    pub(crate) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Does what is asked for, as far as it can.
    pub(crate) fn handle(&mut self, wish: Wish<'_>, view: &Picture) {
        match wish {
            Wish::Place(order) => self.place(order, view),
            Wish::Replace(old, order) => match self.cancel(old) {
                true => self.place(order, view),
                false => self.say(order.client_id, order.instrument, Said::NotSent),
            },
            Wish::Reduce(old, qty) => self.reduce(old, qty),
            Wish::Cancel(old) => {
                self.cancel(old);
            }
        }
    }

    /// Fills what rests where a newer book reaches it.
    pub(crate) fn handle_book(&mut self, instrument: InstrumentId, view: &Picture) {
        let Some(top) = view.live(instrument).map(|shown| &shown.top) else {
            return;
        };
        if top.crossed() {
            return;
        }
        for at in (0..self.resting.len()).rev() {
            let Resting { order, filled } = &self.resting[at];
            let best = top.side(order.side.opposite()).first();
            let reached = best.is_some_and(|best| reaches(order, best.px));
            if order.instrument == instrument && reached {
                let (order, left) = (*order, Qty(order.qty.0 - filled.0));
                self.resting.swap_remove(at);
                self.fill(&order, order.px, left, Some(true));
                self.say_ended(&order, End::Filled, order.qty);
            }
        }
    }

    fn place(&mut self, order: &NewOrder, view: &Picture) {
        assert!(order.qty.0 > 0, "risk admits no order of nothing");
        assert!(order.px.0 > 0, "risk admits no order at no price");
        let reject = |code| Said::Rejected { code };
        let shown = view.live(order.instrument);
        let refused = match shown.map(|shown| &shown.top) {
            None => Some(reject(REJECTED_BOOK_NOT_LIVE)),
            Some(top) if top.crossed() => Some(reject(REJECTED_BOOK_CROSSED)),
            Some(top) if order.order_type == OrderType::PostOnly => {
                let best = top.side(order.side.opposite()).first();
                let trades = best.is_some_and(|best| reaches(order, best.px));
                trades.then_some(reject(REJECTED_WOULD_TRADE))
            }
            Some(_) => None,
        };
        let (Some(shown), None) = (shown, refused) else {
            let said = refused.unwrap_or(reject(REJECTED_BOOK_NOT_LIVE));
            return self.say(order.client_id, order.instrument, said);
        };
        self.exchange_id += 1;
        let exchange_id = self.exchange_id;
        self.say(
            order.client_id,
            order.instrument,
            Said::Taken { exchange_id },
        );
        let filled = self.take(order, &shown.top);
        debug_assert!(filled <= order.qty);
        if filled == order.qty {
            self.say_ended(order, End::Filled, filled);
        } else if order.order_type.rests() {
            let order = *order;
            self.resting.push(Resting { order, filled });
        } else {
            self.say_ended(order, End::Expired, filled);
        }
    }

    /// Walks the opposite side, best level first, and says what was taken of each.
    fn take(&mut self, order: &NewOrder, top: &Top<EVENT_LEVELS>) -> Qty {
        let reached = top.side(order.side.opposite());
        let reached = reached.iter().take_while(|level| reaches(order, level.px));
        let there: u64 = reached
            .clone()
            .fold(0, |sum, level| sum.saturating_add(level.qty.0));
        if order.order_type == OrderType::FillOrKill && there < order.qty.0 {
            return Qty(0);
        }
        let mut left = order.qty;
        for level in reached {
            let qty = left.min(level.qty);
            if qty.0 == 0 {
                break;
            }
            self.fill(order, level.px, qty, Some(false));
            left = Qty(left.0 - qty.0);
        }
        Qty(order.qty.0 - left.0)
    }

    fn reduce(&mut self, old: &OrderRef, qty: Qty) {
        let Some(at) = self.place_of(old) else {
            return self.refuse(old);
        };
        let Resting { order, filled } = &mut self.resting[at];
        if qty > order.qty {
            return self.refuse(old);
        }
        order.qty = qty.max(*filled);
        let (order, filled) = (*order, *filled);
        self.say(old.client_id, old.instrument, Said::Reduced(order.qty));
        if filled == order.qty {
            self.resting.swap_remove(at);
            self.say_ended(&order, End::Filled, filled);
        }
    }

    fn cancel(&mut self, old: &OrderRef) -> bool {
        let Some(at) = self.place_of(old) else {
            self.refuse(old);
            return false;
        };
        let Resting { order, filled } = self.resting.swap_remove(at);
        self.say_ended(&order, End::Cancelled, filled);
        true
    }

    fn refuse(&mut self, old: &OrderRef) {
        let code = REFUSED_NO_ORDER;
        self.say(old.client_id, old.instrument, Said::ChangeRefused { code });
    }

    fn place_of(&self, old: &OrderRef) -> Option<usize> {
        let mut all = self.resting.iter();
        all.position(|resting| resting.order.client_id == old.client_id)
    }

    fn fill(&mut self, order: &NewOrder, px: Px, qty: Qty, maker: Option<bool>) {
        debug_assert!(qty.0 > 0, "a book keeps no level of nothing");
        self.trade_id += 1;
        let fill = Fill {
            maker,
            ..Fill::bare(self.trade_id, order.side, px, qty)
        };
        self.say(order.client_id, order.instrument, Said::Fill(fill));
    }

    fn say_ended(&mut self, order: &NewOrder, end: End, total: Qty) {
        let said = Said::Ended(end, Some(total));
        self.say(order.client_id, order.instrument, said);
    }

    fn say(&mut self, client_id: ClientId, instrument: InstrumentId, said: Said) {
        self.news.push_back(News {
            client_id,
            instrument,
            source: Source::Answer,
            said,
        });
    }
}

/// Whether the order's limit allows this price.
fn reaches(order: &NewOrder, px: Px) -> bool {
    match (order.order_type, order.side) {
        (OrderType::Market, _) => true,
        (_, Side::Buy) => px <= order.px,
        (_, Side::Sell) => px >= order.px,
    }
}

#[cfg(test)]
mod tests;
