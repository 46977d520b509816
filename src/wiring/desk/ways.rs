//! The ways out of a desk: one to each account, or one to paper. What an account says comes back by
//! its own way, so that nobody takes it for another one's.

use super::*;
use crate::trading::reconcile::Balanced;

/// The way to one account and back, or to paper.
pub struct Way {
    /// The account's exchange; `None` if there is but one account.
    pub(super) exchange: Option<&'static str>,
    /// Whether the orders of an instrument go by it, by instrument id; all do if this says nothing.
    takes: Option<Box<[bool]>>,
    pub(super) exit: Exit,
    pub(super) rules: ExitRules,
    /// What comes back.
    pub(super) inputs: Vec<Receiver<Event>>,
    /// What the account's exchange says against what we know; paper has nothing to compare with.
    pub(super) reconcile: Option<Reconcile>,
    /// What the account did that nobody can explain.
    pub(super) unexplained: Unexplained,
    /// The way to the account's order journal, if there is one.
    pub(super) keep: Option<Keep>,
}

/// What an account has of each asset against what our trades brought, or why nobody knows.
#[derive(Debug, Clone)]
pub(crate) struct AccountBalances {
    /// The account's exchange; `None` if there is but one account.
    pub(crate) exchange: Option<&'static str>,
    /// What was found.
    pub(crate) found: Result<Vec<Balanced>, &'static str>,
}

impl Way {
    /// The only way of a desk: the orders of all instruments go by it.
    pub fn only(exit: Exit, rules: ExitRules) -> Self {
        Self {
            exchange: None,
            takes: None,
            exit,
            rules,
            inputs: Vec::new(),
            reconcile: None,
            unexplained: Unexplained::default(),
            keep: None,
        }
    }

    /// The way to an account at this exchange, which `takes` the orders of these instruments; what
    /// it says comes by `inputs`, and what is done with it is recorded by `keep`.
    pub(crate) fn to(
        (exchange, takes): (&'static str, Box<[bool]>),
        exit: Exit,
        rules: ExitRules,
        inputs: Vec<Receiver<Event>>,
        keep: Option<Keep>,
    ) -> Self {
        Self {
            exchange: Some(exchange),
            takes: Some(takes),
            inputs,
            keep,
            ..Self::only(exit, rules)
        }
    }

    /// Whether the orders of this instrument go by it.
    pub(super) fn takes(&self, id: InstrumentId) -> bool {
        let takes = self.takes.as_ref();
        takes.is_none_or(|takes| takes.get(id.index()) == Some(&true))
    }

    /// An account is to be compared with its exchange.
    pub(super) fn is_account(&self) -> bool {
        match self.exit {
            Exit::Gateway(_) | Exit::Journal => true,
            Exit::Paper(_) => false,
        }
    }

    pub(super) fn keep(&mut self, now: Nanos, deed: Deed) {
        if let Some(keep) = &mut self.keep {
            keep.keep(now, deed);
        }
    }

    /// Something was recorded that is not being written yet.
    pub(super) fn is_to_wake(&self) -> bool {
        self.keep.as_ref().is_some_and(Keep::is_to_wake)
    }

    /// Has it written. To be called when requests are out.
    pub(super) fn wake(&mut self) {
        if let Some(keep) = &mut self.keep {
            keep.wake();
        }
    }
}

impl Desk {
    /// The place of the way by which orders of this instrument go. Risk lets out no order of an
    /// instrument that has none, and what comes of one is of nobody's account.
    pub(super) fn way_of(&self, id: InstrumentId) -> Option<usize> {
        self.way_of.get(id.index()).copied().flatten()
    }

    /// As [`Self::way_of`], the way itself.
    pub(super) fn way_mut(&mut self, id: InstrumentId) -> Option<&mut Way> {
        let at = self.way_of(id)?;
        self.ways.get_mut(at)
    }

    /// All that something may wait on.
    pub(super) fn rings(&self) -> impl Iterator<Item = &Receiver<Event>> {
        let back = self.ways.iter().flat_map(|way| &way.inputs);
        self.feeds.iter().chain(back)
    }

    /// What an account has changes by this trade.
    pub(super) fn explain(&mut self, instrument: InstrumentId, fill: &Fill) {
        let way = self.way_mut(instrument);
        if let Some(reconcile) = way.and_then(|way| way.reconcile.as_mut()) {
            reconcile.handle_fill(instrument, fill);
        }
    }

    /// Records something of an instrument.
    pub(super) fn keep(&mut self, now: Nanos, of: InstrumentId, deed: Deed) {
        if let Some(way) = self.way_mut(of) {
            way.keep(now, deed);
        }
    }

    /// Records something of a strategy, or of all: in every account's journal, since each of them
    /// may be all that the next run has.
    pub(super) fn keep_everywhere(&mut self, now: Nanos, deed: Deed) {
        self.ways.iter_mut().for_each(|way| way.keep(now, deed));
    }

    /// What the accounts have, against what our trades brought: there is no account on paper.
    pub(super) fn balances(&self) -> Vec<AccountBalances> {
        let compared = |way: &Way| {
            let reconcile = way.reconcile.as_ref()?;
            Some(AccountBalances {
                exchange: way.exchange,
                found: reconcile.balances(self.risk.pnl()),
            })
        };
        self.ways.iter().filter_map(compared).collect()
    }
}
