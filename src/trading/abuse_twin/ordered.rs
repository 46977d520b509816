//! One order of the twin: everything of it is looked up in what was said.

use super::*;

impl Heard {
    /// The exchange is to say after it how the order stands.
    pub(super) fn raises(&self) -> bool {
        match self.what {
            // Of what the stream says and nobody can read nothing else is known.
            What::Said(Source::Stream, Said::Unanswered)
            | What::Said(_, Said::ChangeRefused { .. })
            | What::Missing => true,
            What::Said(..) | What::Change | What::Listed | What::Late => false,
        }
    }
}

impl Ordered {
    pub(super) fn id(&self) -> ClientId {
        self.order.client_id
    }

    pub(super) fn new(now: Nanos, order: NewOrder, tag: u64) -> Self {
        let working = Working {
            client_id: order.client_id,
            strategy: order.strategy,
            tag,
            instrument: order.instrument,
            side: order.side,
            px: order.px,
            qty: order.qty,
            filled: Qty(0),
            order_type: order.order_type,
            acked: false,
            in_doubt: false,
            changing: false,
        };
        let name = OrderRef {
            client_id: order.client_id,
            instrument: order.instrument,
            exchange_id: None,
        };
        Self {
            at: now,
            order,
            tag,
            history: Vec::new(),
            end: None,
            stands: Stands {
                working,
                name,
                worst: order.qty,
            },
        }
    }

    /// What was said and can be true.
    pub(super) fn truths(&self) -> impl Iterator<Item = Said> {
        let truths = self.history.iter().filter(|heard| !heard.lie);
        truths.filter_map(|heard| match heard.what {
            What::Said(_, said) => Some(said),
            _ => None,
        })
    }

    /// How much is ordered: the least that anybody said.
    pub(super) fn qty(&self) -> u64 {
        let least = self.truths().filter_map(|said| match said {
            Said::Reduced(qty) | Said::Ended(End::Filled, Some(qty)) => Some(qty.0),
            _ => None,
        });
        least.fold(self.order.qty.0, u64::min)
    }

    pub(super) fn filled(&self) -> u64 {
        let fills = self.truths().map(|said| match said {
            Said::Fill(fill) => fill.qty.0,
            _ => 0,
        });
        fills.sum()
    }

    /// The most that anybody said of it traded.
    pub(super) fn most(&self) -> u64 {
        let amounts = self.truths().filter_map(|said| match said {
            Said::Traded(qty) => Some(qty.0),
            Said::Ended(End::Filled, None) => Some(self.qty()),
            Said::Ended(_, total) => total.map(|total| total.0),
            _ => None,
        });
        amounts.fold(self.filled(), u64::max)
    }

    pub(super) fn exchange_id(&self) -> Option<u64> {
        self.truths().find_map(|said| match said {
            Said::Taken { exchange_id } => Some(exchange_id),
            _ => None,
        })
    }

    /// How it ended at the exchange.
    pub(super) fn ended(&self) -> Option<End> {
        self.truths().find_map(|said| match said {
            Said::Ended(end, _) => Some(end),
            _ => None,
        })
    }

    /// How much traded of it in all, as its end says.
    pub(super) fn total(&self) -> Option<u64> {
        self.truths().find_map(|said| match said {
            Said::Ended(End::Filled, None) => Some(self.qty()),
            Said::Ended(_, total) => total.map(|total| total.0),
            _ => None,
        })
    }

    /// It never was at the exchange, and why.
    pub(super) fn never(&self) -> Option<Outcome> {
        let said = self.truths().find_map(|said| match said {
            Said::Rejected { code } => Some(Outcome::Rejected { code }),
            Said::NotSent => Some(Outcome::NotSent),
            _ => None,
        });
        let buried = self.history.iter().any(|heard| heard.buries);
        said.or(buried.then_some(Outcome::NotSent))
    }

    pub(super) fn was_there(&self) -> bool {
        self.exchange_id().is_some() || self.ended().is_some() || self.most() > 0
    }

    pub(super) fn contradicted(&self) -> bool {
        let lied = self.history.iter().any(|heard| heard.lie);
        lied || self.total().is_some_and(|total| total < self.most())
    }

    /// What came after the last answer.
    pub(super) fn unanswered_part(&self) -> &[Heard] {
        let last = self.history.iter().rposition(|heard| heard.answers);
        &self.history[last.map_or(0, |last| last + 1)..]
    }

    pub(super) fn last_change(&self) -> Option<usize> {
        let is_change = |heard: &Heard| matches!(heard.what, What::Change);
        self.history.iter().rposition(is_change)
    }

    pub(super) fn unanswered(&self) -> bool {
        let after = self.last_change().map_or(0, |change| change + 1);
        !self.history[after..].iter().any(|heard| heard.answers)
    }

    pub(super) fn changing(&self) -> bool {
        self.last_change().is_some() && self.unanswered()
    }

    pub(super) fn doubted(&self) -> bool {
        self.unanswered_part().iter().any(|heard| heard.doubts)
    }

    pub(super) fn denied(&self) -> Option<Nanos> {
        let denials = self.unanswered_part().iter();
        let last = denials.filter_map(|heard| heard.denies).next_back();
        last.filter(|_| !self.was_there())
    }

    pub(super) fn unclear(&self) -> bool {
        let last = self.history.iter().rposition(Heard::raises);
        last.is_some_and(|last| !self.history[last..].iter().any(|heard| heard.resolves))
    }

    /// Nothing that left before this can know of the last that was done.
    pub(super) fn since(&self) -> Nanos {
        let acts = |heard: &&Heard| heard.raises() || matches!(heard.what, What::Change);
        let last = self.history.iter().rfind(acts);
        last.map_or(self.at, |heard| heard.now)
    }

    pub(super) fn can_be(&self, said: Said) -> bool {
        let (qty, most) = (self.qty(), self.most());
        let left = qty - self.filled();
        match said {
            Said::Taken { exchange_id } => match self.exchange_id() {
                Some(known) => known == exchange_id,
                None => self.never().is_none(),
            },
            Said::Fill(fill) => {
                let ours = fill.side == self.order.side && self.never().is_none();
                ours && 0 < fill.qty.0 && fill.qty.0 <= left
            }
            Said::Traded(traded) => traded.0 <= qty,
            Said::Ended(end, total) => {
                let all = total.map_or(qty, |total| total.0);
                let some = match end {
                    End::Filled if self.last_change().is_some() => all == qty || 0 < all,
                    End::Filled => all == qty,
                    End::Cancelled | End::Expired if total.is_none() => {
                        return self.never().is_none();
                    }
                    End::Cancelled | End::Expired => true,
                };
                let same = self.total().is_none_or(|total| total == all);
                some && same && most <= all && all <= qty && self.never().is_none()
            }
            Said::Reduced(to) => most <= to.0 && 0 < to.0,
            Said::Rejected { .. } => match self.never() {
                Some(never) => matches!(never, Outcome::Rejected { .. }),
                None => !self.was_there(),
            },
            Said::NotSent => match self.never() {
                Some(never) => never == Outcome::NotSent,
                None => !self.was_there(),
            },
            Said::ChangeRefused { .. } | Said::Absent | Said::Unanswered => true,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended().is_some() || self.never().is_some()
    }

    pub(super) fn push(&mut self, now: Nanos, what: What) -> &mut Heard {
        self.history.push(Heard {
            now,
            what,
            lie: false,
            answers: false,
            resolves: false,
            doubts: false,
            denies: None,
            buries: false,
        });
        self.history.last_mut().unwrap()
    }

    pub(super) fn hear(&mut self, now: Nanos, source: Source, said: Said) {
        let (lie, changing) = (!self.can_be(said), self.changing());
        let (open, fresh) = (self.unanswered(), !self.was_there() && !self.is_over());
        let lost = !fresh && !self.is_over();
        self.push(now, What::Said(source, said)).lie = lie;
        let (since, over) = (self.since(), self.is_over());
        let heard = self.history.last_mut().unwrap();
        match (said, source) {
            // Before the exchange must know of it, that it does not says nothing.
            (Said::Absent, Source::Query { asked }) if since + VISIBILITY <= asked => {
                heard.denies = fresh.then_some(asked);
                heard.doubts = lost;
            }
            (Said::Absent, _) => {}
            (Said::Unanswered, Source::Stream) => {}
            (Said::Unanswered, _) => heard.doubts = open,
            (_, Source::Query { asked }) => heard.answers = since <= asked,
            (Said::Taken { .. } | Said::Fill(_) | Said::Traded(_), _) => heard.answers = !changing,
            _ => heard.answers = true,
        }
        let asked = matches!(source, Source::Query { .. });
        heard.resolves = heard.answers && (asked || over);
    }

    /// Lets something happen to it, and says what is to be told of that.
    pub(super) fn after(&mut self, happens: impl FnOnce(&mut Self)) -> Vec<Report> {
        let (taken, qty) = (self.exchange_id(), self.qty());
        let (changing, doubt) = (self.changing(), self.stands.working.in_doubt);
        let before = self.history.len();
        happens(self);
        let mut told = Vec::new();
        if let Some(heard) = self.history.get(before)
            && let What::Said(_, said) = heard.what
            && !heard.lie
        {
            match said {
                Said::Taken { exchange_id } if taken.is_none() => {
                    told.push(Outcome::Acked { exchange_id });
                }
                Said::Fill(fill) => told.push(Outcome::Fill(fill)),
                Said::ChangeRefused { code } if changing => {
                    told.push(Outcome::ChangeRefused { code });
                }
                _ => {}
            }
        }
        if self.qty() < qty {
            told.push(Outcome::Reduced);
        }
        self.stand();
        self.end = self.ending();
        match self.end {
            Some(end) => told.push(end),
            None if self.stands.working.in_doubt && !doubt => told.push(Outcome::InDoubt),
            None => {}
        }
        self.check();
        told.iter().map(|outcome| self.report(*outcome)).collect()
    }

    pub(super) fn stand(&mut self) {
        let left = self.qty() - self.filled();
        let doubt = self.doubted() || self.contradicted();
        let working = &mut self.stands.working;
        working.in_doubt = doubt;
        self.stands.working = Working {
            qty: Qty(self.qty()),
            filled: Qty(self.filled()),
            acked: self.exchange_id().is_some(),
            changing: self.changing(),
            ..self.stands.working
        };
        self.stands.name.exchange_id = self.exchange_id();
        self.stands.worst = Qty(match self.total() {
            Some(total) if !self.contradicted() => total - self.filled(),
            _ => left,
        });
    }

    pub(super) fn ending(&self) -> Option<Outcome> {
        if self.qty() == self.filled() {
            return Some(Outcome::Filled);
        }
        if self.contradicted() {
            return None;
        }
        let all_told = self.total() == Some(self.filled());
        let ended = self.ended().filter(|_| all_told).map(|end| match end {
            End::Filled => unreachable!("filled, with something left"),
            End::Cancelled => Outcome::Cancelled,
            End::Expired => Outcome::Expired,
        });
        self.never().or(ended)
    }

    /// What the exchange is to be asked, if anything is open.
    pub(super) fn question(&self, now: Nanos) -> Option<Question> {
        let instrument = self.order.instrument;
        let unseen = self.filled() < self.most();
        let of_order = match (self.exchange_id(), self.doubted() || self.contradicted()) {
            (Some(id), false) if unseen && !self.unclear() => {
                return Some(Question::Trades(instrument, TradesOf::Order(id)));
            }
            _ => Some(Question::Order(self.stands.name)),
        };
        if self.denied().is_some() {
            let age = now.since(self.since()) + Span(60 * SECOND);
            return Some(Question::Trades(instrument, TradesOf::Last(age)));
        }
        let gone = !self.is_over() && self.was_there() && !self.order.order_type.rests();
        let untold = self.ended().is_some() && self.total().is_none();
        let open = self.doubted() || self.contradicted() || self.unclear();
        of_order.filter(|_| open || unseen || gone || untold)
    }

    pub(super) fn report(&self, outcome: Outcome) -> Report {
        let Self { order, tag, .. } = self;
        Report {
            client_id: order.client_id,
            strategy: order.strategy,
            tag: *tag,
            instrument: order.instrument,
            side: order.side,
            px: order.px,
            qty: Qty(self.qty()),
            remaining: Qty(self.qty() - self.filled()),
            outcome,
        }
    }

    /// Exposure never understates: what anybody said that it traded is filled, or the order counts
    /// as open, whatever else was said. Only if nobody knows, it is said so.
    pub(super) fn check(&self) {
        if self.end.is_none() {
            return;
        }
        let said = self.history.iter().filter_map(|heard| match heard.what {
            What::Said(_, said) => Some(said),
            _ => None,
        });
        let (mut trades, mut most) = (BTreeMap::new(), 0);
        for said in said {
            match said {
                Said::Fill(fill) => _ = trades.insert(fill.trade_id, u128::from(fill.qty.0)),
                Said::Traded(qty) | Said::Ended(_, Some(qty)) => most = most.max(qty.0),
                _ => {}
            }
        }
        let said = trades.values().sum::<u128>().max(most.into());
        assert!(said.min(self.qty().into()) <= self.filled().into());
    }
}
