//! What a desk makes of what its account says beside its orders' own lives. Sends nothing itself.

use super::*;

/// Something that is to be done, and who wants it.
pub(super) enum Wanted {
    ByOrders(Output),
    ByReconcile(reconcile::Output),
}

impl Desk {
    /// What is wanted next. Risk knows of all that changed before anybody hears of it.
    pub(super) fn next_output(&mut self) -> Option<Wanted> {
        self.risk.follow(&mut self.orders);
        let orders = self.orders.poll_output().map(Wanted::ByOrders);
        orders.or_else(|| {
            let output = self.reconcile.as_mut()?.poll_output()?;
            Some(Wanted::ByReconcile(output))
        })
    }

    pub(super) fn handle_account(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        instrument: InstrumentId,
        news: &AccountNews,
    ) {
        match *news {
            AccountNews::Trade {
                exchange_id,
                asked,
                fill,
            } => {
                self.keep_trade(now, (instrument, exchange_id), asked, fill);
                self.orders
                    .hear_trade(now, (instrument, exchange_id), asked, fill);
            }
            AccountNews::TradesListed { asked } => {
                self.orders.hear_trades_listed(instrument, asked);
            }
            AccountNews::Resting(_)
            | AccountNews::RestingListed { .. }
            | AccountNews::Balance(_)
            | AccountNews::BalancesListed { .. } => {}
        }
        if let Some(reconcile) = &mut self.reconcile {
            reconcile.handle_news(now, instrument, news, &self.orders);
        }
        if let AccountNews::TradesListed { asked } = *news {
            self.keep_listed(now, instrument, asked);
        }
        self.drain(turn, now, true);
    }

    /// Orders can be taken from now on, or no longer.
    pub(super) fn set_ready(&mut self, turn: &mut Turn, now: Nanos, ready: bool) {
        let event = own_event(now, Body::Gateway(ready));
        self.risk.handle_event(&event);
        self.show(turn, now, &event);
    }

    /// Does what the comparison with the exchange wants.
    pub(super) fn handle_compared(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        output: reconcile::Output,
    ) {
        match output {
            // The ring is full of requests: it is asked again.
            reconcile::Output::Ask(question) => {
                let _ = self.dispatch(Request::Ask(question));
            }
            reconcile::Output::Ready => {
                let foreign = self.reconcile.as_ref().map_or(0, Reconcile::foreign_orders);
                turn.notes.send(ready_note(now, self.orders.len(), foreign));
                self.keep_holdings(now);
                self.set_ready(turn, now, true);
            }
            reconcile::Output::Unknown(resting) => {
                turn.notes.record(unknown_note(now, &resting));
                if self.orders.adopt(now, &resting)
                    && let Some(client_id) = resting.client_id
                {
                    self.keep(now, Deed::Adopted(resting));
                    self.counters.adopted += 1;
                    self.cancel(turn, now, client_id, "unknown");
                }
            }
            reconcile::Output::Missing(client_id) => self.orders.doubt(now, client_id),
            reconcile::Output::Balanced(difference) => {
                self.counters.differences += 1;
                turn.notes.record(difference_note(now, &difference));
                self.keep(now, difference.deed());
                self.hold(now, &difference);
            }
        }
    }

    /// What has a difference in it may only be reduced from now on.
    pub(super) fn hold(&mut self, now: Nanos, difference: &Difference) {
        for at in 0..self.picture.len() {
            let id = InstrumentId(at as u16);
            let its = self.picture.instrument(id);
            if its.is_some_and(|instrument| instrument.base == difference.asset) {
                self.set_reduce_only(now, id);
            }
        }
    }
}
