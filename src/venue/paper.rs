//! Trades orders on paper, against the picture that the desk keeps and the prints that it hears.
//! Invents no liquidity beyond them.
//!
//! What fills at once is filled level by level, each at its own price. What rests stands in a queue
//! (`queue.rs`): behind all that was shown at its price, of which only prints take something, and
//! what the price no longer shows. It is filled by prints that are left when nothing is ahead of
//! it, by prints beyond its price, and whole once the other side's best price reaches it: somebody
//! then offered what it asks for. Without prints only the last rule is left.
//!
//! It is optimistic in four ways, which a live run is not: an order takes nothing out of the book,
//! so that the next one meets the same levels; it arrives at once; nobody reacts to it; and if a
//! book comes before the print that changed it, the print counts twice. A queue model whose error
//! was measured comes later. Levels below the completeness horizon do exist at their price; a
//! better level that is not seen there would only have filled better.
//!
//! Each fill pays the fee of its instrument, as an exchange takes it: spot in what it brings,
//! contracts in what they settle in, rounded up.

mod queue;

use crate::base::event::EVENT_LEVELS;
use crate::base::{
    ClientId, End, Fill, InstrumentId, NewOrder, News, OrderRef, OrderType, Px, Qty, Said, Side,
    Source, Top, Trade,
};
use crate::market::Picture;
use queue::{Queue, fee};
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

/// What an instrument's exchange takes of a fill, in parts per million of its worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeesPpm {
    /// Of an order that rested.
    pub maker: u32,
    /// Of one that traded at once.
    pub taker: u32,
}

/// An order that rests.
///
/// Invariant: `filled < order.qty`.
#[derive(Debug)]
struct Resting {
    order: NewOrder,
    filled: Qty,
    queue: Queue,
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
    /// In the order in which they came.
    resting: Vec<Resting>,
    news: VecDeque<News>,
    /// By instrument id; none beyond the end.
    fees: Vec<FeesPpm>,
}

impl Default for Paper {
    fn default() -> Self {
        Self {
            exchange_id: 0,
            trade_id: 0,
            resting: Vec::with_capacity(RESTING),
            news: VecDeque::with_capacity(RESTING),
            fees: Vec::new(),
        }
    }
}

impl Paper {
    /// A paper account that took no order yet, and pays no fees.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that pays these, by instrument id.
    pub(crate) fn paying(fees: Vec<FeesPpm>) -> Self {
        Self {
            fees,
            ..Self::default()
        }
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

    /// Fills what rests where a newer book reaches it. Of what is ahead of the rest, no more is
    /// believed than the book shows.
    pub(crate) fn handle_book(&mut self, instrument: InstrumentId, view: &Picture) {
        let Some(top) = view.live(instrument).map(|shown| &shown.top) else {
            return;
        };
        if top.crossed() {
            return;
        }
        let mut at = 0;
        while let Some(Resting { order, queue, .. }) = self.resting.get_mut(at) {
            let best = top.side(order.side.opposite()).first();
            let reached = best.is_some_and(|best| reaches(order, best.px));
            if order.instrument != instrument {
                at += 1;
            } else if reached {
                let left = self.left(at);
                self.fill_resting(at, left, view);
            } else {
                queue.show(order.side, order.px, top);
                at += 1;
            }
        }
    }

    /// Fills what rests with a print, as far as it goes: better prices first, and at each price
    /// what came first.
    pub(crate) fn handle_print(&mut self, print: &Trade, view: &Picture) {
        if view.live(print.instrument).is_none() {
            return;
        }
        let side = print.taker.opposite();
        let meets = |order: &NewOrder| {
            let reached = match side {
                Side::Buy => order.px >= print.px,
                Side::Sell => order.px <= print.px,
            };
            (order.instrument, order.side) == (print.instrument, side) && reached
        };
        let better = |px: Px, than: Px| match side {
            Side::Buy => px > than,
            Side::Sell => px < than,
        };
        let (mut left, mut before) = (print.qty, None::<Px>);
        while left > Qty(0) {
            let prices = self.resting.iter().map(|resting| &resting.order);
            let prices = prices.filter(|order| meets(order)).map(|order| order.px);
            let next = prices.filter(|px| before.is_none_or(|before| better(before, *px)));
            let Some(px) = next.reduce(|best, px| if better(px, best) { px } else { best }) else {
                break;
            };
            before = Some(px);
            left = self.print_at(px, (print, side), left, view);
        }
    }

    /// Lets what is left of a print go through the queue of one price. Returns what is left of it.
    fn print_at(
        &mut self,
        px: Px,
        (print, side): (&Trade, Side),
        mut left: Qty,
        view: &Picture,
    ) -> Qty {
        // Of others' quantity ahead of the orders so far.
        let (mut gone, mut at) = (0, 0);
        while let Some(Resting { order, queue, .. }) = self.resting.get_mut(at) {
            let here = (order.instrument, order.side, order.px) == (print.instrument, side, px);
            if !here {
                at += 1;
                continue;
            }
            let first = match px == print.px {
                true => queue.take(&mut gone, &mut left),
                false => queue.clear(), // Its price was traded through.
            };
            let qty = if first {
                left.min(self.left(at))
            } else {
                Qty(0)
            };
            left = Qty(left.0 - qty.0);
            if qty == Qty(0) || !self.fill_resting(at, qty, view) {
                at += 1;
            }
        }
        left
    }

    /// How much of an order is not filled.
    fn left(&self, at: usize) -> Qty {
        let Resting { order, filled, .. } = &self.resting[at];
        Qty(order.qty.0 - filled.0)
    }

    /// Fills so much of an order at its own price. Whether that ended it.
    fn fill_resting(&mut self, at: usize, qty: Qty, view: &Picture) -> bool {
        let resting = &mut self.resting[at];
        resting.filled.0 += qty.0;
        let (order, filled) = (resting.order, resting.filled);
        assert!(filled <= order.qty, "more than was ordered");
        self.fill((&order, view), order.px, qty, true);
        if filled < order.qty {
            return false;
        }
        self.resting.remove(at);
        self.say_ended(&order, End::Filled, order.qty);
        true
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
        let filled = self.take((order, view), &shown.top);
        debug_assert!(filled <= order.qty);
        if filled == order.qty {
            self.say_ended(order, End::Filled, filled);
        } else if order.order_type.rests() {
            let queue = Queue::behind(order.side, order.px, &shown.top);
            self.resting.push(Resting {
                order: *order,
                filled,
                queue,
            });
        } else {
            self.say_ended(order, End::Expired, filled);
        }
    }

    /// Walks the opposite side, best level first, and says what was taken of each.
    fn take(&mut self, (order, view): (&NewOrder, &Picture), top: &Top<EVENT_LEVELS>) -> Qty {
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
            self.fill((order, view), level.px, qty, false);
            left = Qty(left.0 - qty.0);
        }
        Qty(order.qty.0 - left.0)
    }

    fn reduce(&mut self, old: &OrderRef, qty: Qty) {
        let Some(at) = self.place_of(old) else {
            return self.refuse(old);
        };
        let Resting { order, filled, .. } = &mut self.resting[at];
        if qty > order.qty {
            return self.refuse(old);
        }
        order.qty = qty.max(*filled);
        let (order, filled) = (*order, *filled);
        self.say(old.client_id, old.instrument, Said::Reduced(order.qty));
        if filled == order.qty {
            self.resting.remove(at);
            self.say_ended(&order, End::Filled, filled);
        }
    }

    fn cancel(&mut self, old: &OrderRef) -> bool {
        let Some(at) = self.place_of(old) else {
            self.refuse(old);
            return false;
        };
        let Resting { order, filled, .. } = self.resting.remove(at);
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

    fn fill(&mut self, (order, view): (&NewOrder, &Picture), px: Px, qty: Qty, maker: bool) {
        debug_assert!(qty.0 > 0, "a book keeps no level of nothing");
        self.trade_id += 1;
        let ppm = self.fees.get(order.instrument.index()).copied();
        let ppm = ppm.unwrap_or_default();
        let ppm = if maker { ppm.maker } else { ppm.taker };
        let of = view.instrument(order.instrument);
        let fill = Fill {
            maker: Some(maker),
            fee: of.and_then(|of| fee(of, order.side, (px, qty), ppm)),
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
