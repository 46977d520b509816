//! What a desk makes of what its account says beside its orders' own lives. Sends nothing itself.

use super::*;
use crate::base::Asset;
use crate::trading::pnl::Total;
use crate::trading::reconcile::Balanced;
use crate::watch::summary::GAINS_MAX;
use arrayvec::ArrayVec;

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
            AccountNews::Clock { ahead_ns } => self.risk.set_clock_skew(ahead_ns),
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
                self.unexplained.open(difference);
                let ended = self.unexplained.judge(turn.clock.unix(), difference.asset);
                self.end(turn, now, &ended);
                self.hold();
            }
        }
    }

    /// When the run is ending and no order can trade: asks the exchange what the account has, once
    /// more.
    pub(super) fn look_last(&mut self, turn: &mut Turn, now: Nanos) {
        if !self.closed || self.has_orders() {
            return;
        }
        let reconcile = self.reconcile.as_mut();
        if reconcile.is_some_and(|reconcile| reconcile.compare_last(now, &self.orders)) {
            self.drain(turn, now, true);
        }
    }

    /// What the account has, against what our trades brought: there is no account on paper.
    pub(super) fn balances(&self) -> Option<Result<Vec<Balanced>, &'static str>> {
        let reconcile = self.reconcile.as_ref()?;
        Some(reconcile.balances(self.risk.pnl()))
    }

    /// What was gained or lost so far, per asset that instruments are paid in, each with one of
    /// them: the first few assets, and nothing before the first fill.
    pub(crate) fn gains(&self) -> ArrayVec<(InstrumentId, Total), GAINS_MAX> {
        let mut gains = ArrayVec::<(InstrumentId, Total), GAINS_MAX>::new();
        if self.counters.fills == 0 {
            return gains;
        }
        for row in self.risk.pnl_rows() {
            let mut known = gains.iter_mut();
            match known.find(|(_, total)| total.asset == row.asset) {
                Some((_, total)) => total.add(&row),
                None => {
                    let _ = gains.try_push((row.instrument, Total::of(&row)));
                }
            }
        }
        gains
    }

    /// Some order has no end yet.
    pub fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Something is still to be heard of the exchange before the run can end.
    pub fn is_settling(&self) -> bool {
        let looking = self.reconcile.as_ref().is_some_and(Reconcile::is_looking);
        self.has_orders() || looking
    }

    /// A person accepts all that is not explained of an asset: its instruments are no longer
    /// reduce-only for that. Says how much there was, each difference and each instrument with
    /// trades of no known order; zero if nothing of the asset is to be accepted.
    pub fn accept(&mut self, turn: &mut Turn, asset: Asset) -> usize {
        let now = turn.clock.now();
        let listed = (0..self.picture.len()).map(|at| InstrumentId(at as u16));
        let table: Vec<Instrument> = listed
            .filter_map(|id| self.picture.instrument(id).copied())
            .collect();
        let ended = self.unexplained.accept(asset, &table);
        self.end(turn, now, &ended);
        self.note_modes(turn, now);
        ended.len()
    }

    /// What is not explained holds its instruments: their positions may only be reduced.
    pub(super) fn hold(&mut self) {
        for at in 0..self.picture.len() {
            let id = InstrumentId(at as u16);
            let its = self.picture.instrument(id);
            if its.is_some_and(|its| self.unexplained.holds(its)) {
                self.risk.set_reduce_only(id, true);
            }
        }
    }

    /// Records what no longer holds anything, and lets go of the instruments that nothing else
    /// holds.
    fn end(&mut self, turn: &mut Turn, now: Nanos, ended: &[Ended]) {
        for one in ended {
            turn.notes.record(accepted_note(now, one));
            self.keep(now, one.deed());
        }
        for at in 0..self.picture.len() {
            let id = InstrumentId(at as u16);
            let its = self.picture.instrument(id);
            let its = its.filter(|its| ended.iter().any(|one| one.held(its)));
            if its.is_some_and(|its| !self.unexplained.holds(its)) {
                self.risk.set_reduce_only(id, false);
            }
        }
    }
}
