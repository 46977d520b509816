//! What an exchange of the test did with an order, which its words are about.

use super::*;

/// What really became of an order at its exchange, as far as anybody may hear of it.
pub(super) struct Truth {
    pub(super) exchange_id: u64,
    side: Side,
    /// It does not exist, as this says.
    never: Option<Said>,
    taken: bool,
    pub(super) trades: Vec<Fill>,
    qty: u64,
    end: Option<End>,
    rests: bool,
    /// A cancel or a change of it was asked for.
    changed: bool,
    /// What is said of its end leaves out how much traded.
    curt: bool,
}

impl Truth {
    pub(super) fn of(order: &NewOrder) -> Self {
        Self {
            // No two orders have the same one.
            exchange_id: order.client_id.0 ^ 0x5555,
            side: order.side,
            never: None,
            taken: false,
            trades: Vec::new(),
            qty: order.qty.0,
            end: None,
            rests: order.order_type.rests(),
            changed: false,
            curt: false,
        }
    }

    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    pub(super) fn traded(&self) -> u64 {
        self.trades.iter().map(|fill| fill.qty.0).sum()
    }

    pub(super) fn goes_on(&mut self, dice: &mut fastrand::Rng, trade_id: &mut u64) {
        if self.never.is_some() || self.end.is_some() {
            return;
        }
        if !self.taken {
            match dice.u8(..12) {
                0 => self.never = Some(Said::Rejected { code: -2_010 }),
                1 => self.never = Some(Said::NotSent),
                2..9 => self.taken = true,
                _ => {}
            }
            return;
        }
        let left = self.qty - self.traded();
        match dice.u8(..8) {
            0..3 => {
                let qty = Qty(if dice.bool() {
                    left
                } else {
                    dice.u64(1..=left)
                });
                *trade_id += 1;
                let fill = Fill::bare(*trade_id, self.side, Px(10_000), qty);
                self.trades.push(fill);
            }
            3 if !self.rests => self.end = Some(End::Expired),
            3 | 5 if self.changed => self.end = Some(End::Cancelled),
            4 if self.changed => self.qty = self.traded() + dice.u64(1..=left),
            _ => {}
        }
        if self.traded() == self.qty {
            self.end = Some(End::Filled);
        }
        self.curt = dice.u8(..16) == 0;
    }

    /// Something that is true of it, or was.
    pub(super) fn word(&self, dice: &mut fastrand::Rng, source: Source) -> Said {
        if dice.u8(..12) == 0 {
            return Said::Unanswered;
        }
        match (self.never, source) {
            (Some(_), Source::Query { .. }) => return Said::Absent,
            (Some(never), _) => return never,
            (None, Source::Query { .. }) if !self.taken => return Said::Absent,
            (None, _) if !self.taken => return Said::Unanswered,
            (None, _) => {}
        }
        let taken = Said::Taken {
            exchange_id: self.exchange_id,
        };
        let until = dice.usize(..=self.trades.len());
        let before: u64 = self.trades[..until].iter().map(|fill| fill.qty.0).sum();
        match dice.u8(..12) {
            0..4 => taken,
            4..7 if !self.trades.is_empty() => Said::Fill(*pick(dice, &self.trades)),
            7 => Said::Traded(Qty(before)),
            8 if self.changed => Said::Reduced(Qty(self.qty)),
            9 if self.changed => Said::ChangeRefused { code: -2_011 },
            _ => match self.end {
                Some(end) if self.curt => Said::Ended(end, None),
                Some(end) => Said::Ended(end, Some(Qty(self.traded()))),
                None => taken,
            },
        }
    }
}
