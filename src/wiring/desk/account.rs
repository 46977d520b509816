//! What a desk makes of what its account says beside its orders' own lives. Sends nothing itself.

use super::*;
use crate::base::Asset;
use crate::trading::pnl::Total;
use crate::watch::summary::GAINS_MAX;
use arrayvec::ArrayVec;

/// Something that is to be done, and who wants it.
pub(super) enum Wanted {
    ByOrders(Output),
    /// The one of the account at the end of this way.
    ByReconcile(usize, reconcile::Output),
}

impl Desk {
    /// What is wanted next. Risk knows of all that changed before anybody hears of it.
    pub(super) fn next_output(&mut self) -> Option<Wanted> {
        self.risk.follow(&mut self.orders);
        let orders = self.orders.poll_output().map(Wanted::ByOrders);
        orders.or_else(|| {
            let mut ways = self.ways.iter_mut().enumerate();
            ways.find_map(|(at, way)| {
                let output = way.reconcile.as_mut()?.poll_output()?;
                Some(Wanted::ByReconcile(at, output))
            })
        })
    }

    pub(super) fn handle_account(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        (way, instrument): (usize, InstrumentId),
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
            AccountNews::Clock { ahead_ns } => self.risk.set_clock_skew(way, ahead_ns),
            AccountNews::Resting(_)
            | AccountNews::RestingListed { .. }
            | AccountNews::Balance(_)
            | AccountNews::BalancesListed { .. } => {}
        }
        if let Some(reconcile) = &mut self.ways[way].reconcile {
            reconcile.handle_news(now, instrument, news, &self.orders);
        }
        if let AccountNews::TradesListed { asked } = *news {
            self.keep_listed(now, way, instrument, asked);
        }
        self.drain(turn, now, true);
    }

    /// An account can take orders from now on, or no longer.
    pub(super) fn set_ready(&mut self, turn: &mut Turn, now: Nanos, way: usize, ready: bool) {
        self.risk.set_ready(way, ready);
        for (at, of) in self.way_of.iter().enumerate() {
            if *of == Some(way) {
                let id = InstrumentId(at as u16);
                self.picture.set_takes_orders(id, ready);
            }
        }
        self.show(turn, now, &own_event(now, Body::Gateway(ready)));
    }

    /// Does what the comparison with the exchange wants.
    pub(super) fn handle_compared(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        way: usize,
        output: reconcile::Output,
    ) {
        match output {
            // The ring is full of requests: it is asked again.
            reconcile::Output::Ask(question) => {
                let _ = self.dispatch(way, Request::Ask(question));
            }
            reconcile::Output::Ready => {
                let reconcile = self.ways[way].reconcile.as_ref();
                let foreign = reconcile.map_or(0, Reconcile::foreign_orders);
                let exchange = self.ways[way].exchange;
                let note = ready_note(now, exchange, self.orders.len(), foreign);
                turn.notes.send(note);
                self.keep_holdings(now, way);
                self.set_ready(turn, now, way, true);
            }
            reconcile::Output::Unknown(resting) => {
                turn.notes.record(unknown_note(now, &resting));
                if self.orders.adopt(now, &resting)
                    && let Some(client_id) = resting.client_id
                {
                    self.ways[way].keep(now, Deed::Adopted(resting));
                    self.counters.adopted += 1;
                    self.cancel(turn, now, client_id, "unknown");
                }
            }
            reconcile::Output::Missing(client_id) => self.orders.doubt(now, client_id),
            reconcile::Output::Balanced(difference) => {
                self.counters.differences += 1;
                let account = &mut self.ways[way];
                turn.notes
                    .record(difference_note(now, account.exchange, &difference));
                account.keep(now, difference.deed());
                account.unexplained.open(difference);
                let unix = turn.clock.unix();
                let ended = account.unexplained.judge(unix, difference.asset);
                self.end(turn, now, way, &ended);
                self.hold(way);
            }
        }
    }

    /// When the run is ending and no order can trade: asks the exchange what the account has, once
    /// more.
    pub(super) fn look_last(&mut self, turn: &mut Turn, now: Nanos) {
        if !self.closed || self.has_orders() {
            return;
        }
        let mut looks = false;
        for way in &mut self.ways {
            let reconcile = way.reconcile.as_mut();
            looks |= reconcile.is_some_and(|all| all.compare_last(now, &self.orders));
        }
        if looks {
            self.drain(turn, now, true);
        }
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
        let mut reconciles = self.ways.iter().filter_map(|way| way.reconcile.as_ref());
        self.has_orders() || reconciles.any(Reconcile::is_looking)
    }

    /// Until then it may still be settled: an account that takes orders will say what became of
    /// those that are in doubt, and one that is connected what it has.
    pub fn settles_by(&self) -> Nanos {
        let mut reconciles = self.ways.iter().filter_map(|way| way.reconcile.as_ref());
        if reconciles.any(Reconcile::is_asking) {
            return Nanos::NEVER;
        }
        let answers = |id| self.picture.takes_orders(id);
        self.orders.settled_by(answers).unwrap_or(Nanos::ZERO)
    }

    /// A person accepts all that is not explained of an asset, at every account: its instruments
    /// are no longer reduce-only for that. Says how much there was, each difference and each
    /// instrument with trades of no known order; zero if nothing of the asset is to be accepted.
    pub fn accept(&mut self, turn: &mut Turn, asset: Asset) -> usize {
        let now = turn.clock.now();
        let listed = (0..self.picture.len()).map(|at| InstrumentId(at as u16));
        let table: Vec<Instrument> = listed
            .filter_map(|id| self.picture.instrument(id).copied())
            .collect();
        let mut all = 0;
        for way in 0..self.ways.len() {
            let ended = self.ways[way].unexplained.accept(asset, &table);
            self.end(turn, now, way, &ended);
            all += ended.len();
        }
        self.note_modes(turn, now);
        all
    }

    /// What is not explained holds the instruments of its account: their positions may only be
    /// reduced.
    pub(super) fn hold(&mut self, way: usize) {
        for at in 0..self.way_of.len() {
            let id = InstrumentId(at as u16);
            let its = self.picture.instrument(id);
            let its = its.filter(|_| self.way_of[at] == Some(way));
            if its.is_some_and(|its| self.ways[way].unexplained.holds(its)) {
                self.risk.set_reduce_only(id, true);
            }
        }
    }

    /// Records what no longer holds anything, and lets go of the instruments that nothing else
    /// holds.
    fn end(&mut self, turn: &mut Turn, now: Nanos, way: usize, ended: &[Ended]) {
        for one in ended {
            turn.notes.record(accepted_note(now, one));
            self.ways[way].keep(now, one.deed());
        }
        for at in 0..self.way_of.len() {
            let id = InstrumentId(at as u16);
            let its = self.picture.instrument(id);
            let its = its.filter(|_| self.way_of[at] == Some(way));
            let its = its.filter(|its| ended.iter().any(|one| one.held(its)));
            if its.is_some_and(|its| !self.ways[way].unexplained.holds(its)) {
                self.risk.set_reduce_only(id, false);
            }
        }
    }
}
