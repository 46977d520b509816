//! What a desk records for the order journal, and how it goes on with what an earlier run left in
//! one. Writes nothing itself.

use super::*;
use crate::base::Asset;
use crate::trading::recover::Recovered;

impl Desk {
    /// Goes on with what an earlier run left of each account, by the place of its way.
    pub(crate) fn resume(&mut self, now: Nanos, left: &[(usize, &Recovered)]) {
        for (way, left) in left {
            self.resume_account(now, *way, left);
        }
        // Gains and losses of the day are all accounts' together, and each journal has them: if one
        // was written later than another, the worse counts.
        let day = left.iter().map(|(_, left)| left.day).max();
        let mut gains: Vec<DayGain> = Vec::new();
        let of_day = left.iter().filter(|(_, left)| Some(left.day) == day);
        for gain in of_day.flat_map(|(_, left)| &left.gains) {
            let same = |of: &&mut DayGain| (of.strategy, of.quote) == (gain.strategy, gain.quote);
            match gains.iter_mut().find(same) {
                Some(known) => {
                    known.gained = known.gained.min(gain.gained);
                    known.best = known.best.max(gain.best);
                }
                None => gains.push(*gain),
            }
        }
        if let Some(day) = day {
            self.risk.resume_day(day, &gains);
        }
        for (_, left) in left {
            for &(strategy, mode) in &left.modes {
                let whose = match strategy {
                    StrategyId::NONE => Whose::All,
                    strategy => Whose::Strategy(strategy),
                };
                self.risk.set_mode(whose, mode, "earlier_run");
            }
        }
        self.check();
    }

    fn resume_account(&mut self, now: Nanos, way: usize, left: &Recovered) {
        self.orders.make_room(left.orders.len());
        for &(instrument, trade) in &left.trades {
            self.orders.seen_mut().insert(instrument, trade);
        }
        for &(instrument, trade) in &left.floors {
            self.orders.seen_mut().raise(instrument, trade);
        }
        for open in &left.orders {
            let resumed = self.orders.resume(now, open);
            assert!(resumed, "an order that cannot be open was left");
            match self.chairs.get_mut(open.working.strategy.index()) {
                Some(chair) => {
                    self.counters.resumed += 1;
                    chair.counters.resumed += 1;
                }
                None => self.counters.adopted += 1,
            }
        }
        for &(instrument, bid, ask) in &left.marks {
            self.risk.mark(instrument, bid, ask);
        }
        for &(strategy, instrument, position) in &left.positions {
            self.risk.pnl_mut().restore(strategy, instrument, position);
            // Gains and losses count from its mark, or from its first book.
            self.risk.restore(strategy, instrument, position.qty, None);
            let listed = self.picture.instrument(instrument);
            if let Some(px) = listed.and_then(|listed| position.average_px(listed)) {
                self.risk.hint(instrument, px);
            }
        }
        self.risk.follow(&mut self.orders);
        if let Some(reconcile) = &mut self.ways[way].reconcile {
            for &(asset, units) in &left.holdings {
                reconcile.hold(asset, units);
            }
            if left.holds_no_other {
                reconcile.hold_no_other();
            }
            for &(instrument, listed, age) in &left.listed {
                reconcile.resume(now, instrument, listed, age);
            }
        }
        self.ways[way].unexplained = left.unexplained();
        self.hold(way);
    }

    /// Records what was gained of this day, in every account's journal, and what it was valued at,
    /// in that of the account which trades it.
    pub(super) fn keep_day(&mut self, now: Nanos) {
        for (at, way) in self.ways.iter_mut().enumerate() {
            for deed in self.risk.day_deeds() {
                match deed {
                    Deed::Marked { instrument, .. }
                        if self.way_of[instrument.index()] != Some(at) => {}
                    _ => way.keep(now, deed),
                }
            }
        }
    }

    /// Takes in what a source says of an order, and records it unless it is old news.
    pub(super) fn hear(&mut self, now: Nanos, news: &News) {
        if let Said::Fill(_) = news.said
            && let Some(mark) = self.risk.mark_deed(news.instrument)
        {
            // What a trade gains or loses at once is judged by it.
            self.keep(now, news.instrument, mark);
        }
        let known = self.orders.get(news.client_id).is_some();
        if known || matches!(news.said, Said::Fill(_)) {
            self.keep(now, news.instrument, Deed::Heard(*news));
        }
        self.orders.hear(now, news);
    }

    /// Records a trade of a list, if it is one of our open orders'.
    pub(super) fn keep_trade(
        &mut self,
        now: Nanos,
        (instrument, exchange_id): (InstrumentId, u64),
        asked: Nanos,
        fill: Fill,
    ) {
        if let Some(client_id) = self.orders.by_exchange(instrument, exchange_id) {
            let news = News {
                client_id,
                instrument,
                source: Source::Query { asked },
                said: Said::Fill(fill),
            };
            self.keep(now, instrument, Deed::Heard(news));
        }
    }

    /// Records that the trades of an instrument were listed.
    pub(super) fn keep_listed(
        &mut self,
        now: Nanos,
        way: usize,
        instrument: InstrumentId,
        asked: Nanos,
    ) {
        let listed = self.ways[way].reconcile.as_ref();
        let to = listed.and_then(|reconcile| reconcile.listed(instrument));
        let listed = Deed::Listed {
            instrument,
            asked,
            to,
        };
        self.ways[way].keep(now, listed);
    }

    /// Records what an account has.
    pub(super) fn keep_holdings(&mut self, now: Nanos, way: usize) {
        let account = &mut self.ways[way];
        if let (Some(reconcile), Some(keep)) = (&account.reconcile, &mut account.keep) {
            for (asset, units) in reconcile.holdings().filter(|(_, units)| *units != 0) {
                keep.keep(now, Deed::Holds { asset, units });
            }
            // A list of which the end was not written says nothing of what it does not name.
            keep.keep(now, Deed::HoldsNoOther);
        }
    }

    /// Up to so much of an asset of this account that is not explained is accepted each day by
    /// itself.
    pub(crate) fn accept_by_rule(&mut self, way: usize, rule: Vec<(Asset, i128)>) {
        self.ways[way].unexplained.set_rule(rule);
    }

    /// The account traded by no order that is known: positions in this instrument may only be
    /// reduced from here on.
    pub(super) fn hold_stray(&mut self, now: Nanos, instrument: InstrumentId) {
        let Some(way) = self.way_of(instrument) else {
            return;
        };
        self.ways[way].unexplained.hold(instrument);
        self.hold(way);
        let on = true;
        self.ways[way].keep(now, Deed::Held { instrument, on });
    }
}

pub(super) fn asked(order: OrderRef, change: Change) -> Deed {
    Deed::Asked {
        client_id: order.client_id,
        instrument: order.instrument,
        change,
    }
}
