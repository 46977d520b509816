//! What is known of one order, and what that makes of it. Believes no word that contradicts the
//! order; knows no other order.

use super::{ANSWER_MAX, ASK_AGAIN, ASK_AGAIN_MAX, TRADES_MAX};
use crate::base::{
    End, Fill, Nanos, OpenOrder, OrderRef, Outcome, Qty, Question, Said, Source, Span, TradesOf,
    Working,
};
use arrayvec::ArrayVec;

/// What one word makes of an order.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// What its strategy is told, in order.
    pub(super) told: ArrayVec<Outcome, 3>,
    /// What is to be asked of it now.
    pub(super) ask: Option<Question>,
    /// How the order ended, if it did.
    pub(super) end: Option<Outcome>,
}

impl Step {
    fn tell(&mut self, outcome: Outcome) {
        debug_assert!(!outcome.is_end());
        self.told.push(outcome);
    }
}

/// How an order is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The exchange took it, and it ended there.
    Ended(End),
    /// The exchange refused it.
    Rejected(i32),
    /// It never reached the exchange.
    NotSent,
}

/// What is known of an order beside what its strategy sees of it. Nothing of it is ever taken back
/// but a doubt.
///
/// Invariant: `filled <= told <= qty` unless it is contradicted; a total is that of an end.
#[derive(Debug)]
pub(super) struct Life {
    exchange_id: Option<u64>,
    /// The most that anybody said traded; what was filled is in it.
    told: Qty,
    over: Option<Over>,
    /// How much traded in all, if whoever said that it is over said that, too.
    total: Option<Qty>,
    /// What was said of it cannot all be true.
    contradicted: bool,
    /// A cancel or a change of it was asked for: less of it than was ordered may be all of it.
    changed: bool,
    /// Nobody can say what became of the last request.
    doubted: bool,
    /// It went out, or was taken over from an earlier run.
    sent: Nanos,
    /// How old it was then.
    age: Span,
    /// The last request about it left.
    since: Nanos,
    /// That request has no answer.
    unanswered: bool,
    /// Something was refused that depends on how it stands.
    unclear: bool,
    /// The exchange knew no such order when it was asked then, and that counts.
    absent: Option<Nanos>,
    /// It wants nothing before this.
    due: Nanos,
    /// Questions in a row.
    asked: u32,
}

impl Life {
    /// It goes out now.
    pub(super) fn begin(now: Nanos) -> Self {
        Self {
            exchange_id: None,
            told: Qty(0),
            over: None,
            total: None,
            contradicted: false,
            changed: false,
            doubted: false,
            sent: now,
            age: Span::ZERO,
            since: now,
            unanswered: true,
            unclear: false,
            absent: None,
            due: now + ANSWER_MAX,
            asked: 0,
        }
    }

    /// It rests under our name, and nobody here sent it.
    pub(super) fn adopted(now: Nanos, exchange_id: u64) -> Self {
        Self {
            exchange_id: Some(exchange_id),
            unanswered: false,
            due: Nanos::NEVER,
            ..Self::begin(now)
        }
    }

    /// It is from an earlier run. What was asked for it last may still be under way.
    pub(super) fn resumed(now: Nanos, open: &OpenOrder) -> Self {
        let (over, total) = open.over.unzip();
        Self {
            exchange_id: open.exchange_id,
            told: open.told,
            over: over.map(Over::Ended),
            total: total.flatten(),
            contradicted: open.contradicted,
            changed: open.changed,
            doubted: true,
            age: open.age,
            ..Self::begin(now)
        }
    }

    /// All that is known of it.
    pub(super) fn known(&self, now: Nanos, working: &Working) -> OpenOrder {
        let over = match self.over {
            Some(Over::Ended(end)) => Some((end, self.total)),
            // A denial that something contradicts: whoever goes on asks again.
            Some(Over::Rejected(_) | Over::NotSent) | None => None,
        };
        OpenOrder {
            working: *working,
            exchange_id: self.exchange_id,
            told: self.told,
            over,
            contradicted: self.contradicted,
            changed: self.changed,
            age: self.age(now),
        }
    }

    /// Whoever asks has somebody to ask again.
    pub(super) fn ask_now(&mut self, now: Nanos) {
        (self.asked, self.due) = (0, now);
    }

    /// When it went out, or was taken over.
    pub(super) fn sent(&self) -> Nanos {
        self.sent
    }

    /// How long ago it went out.
    pub(super) fn age(&self, now: Nanos) -> Span {
        now.since(self.sent) + self.age
    }

    /// Takes a first step: what it is known by may want something.
    pub(super) fn look(&mut self, now: Nanos, working: &mut Working) -> Step {
        self.settle(now, working, Step::default())
    }

    /// The exchange is to say how it stands.
    pub(super) fn question_it(&mut self, now: Nanos, working: &mut Working) -> Step {
        (self.unclear, self.since) = (true, now);
        self.settle(now, working, Step::default())
    }

    /// The exchange's own number of it.
    pub(super) fn exchange_id(&self) -> Option<u64> {
        self.exchange_id
    }

    /// The order by all its names.
    pub(super) fn name(&self, working: &Working) -> OrderRef {
        OrderRef {
            client_id: working.client_id,
            instrument: working.instrument,
            exchange_id: self.exchange_id,
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(super) fn due(&self) -> Nanos {
        self.due
    }

    /// Nobody waits for what became of it, or for trades that were told of. A refused cancel ends a
    /// doubt, and says nothing of what the order did.
    pub(super) fn is_settled(&self, working: &Working) -> bool {
        let open = working.in_doubt || self.unclear || self.absent.is_some();
        !open && self.told <= working.filled
    }

    /// What may still trade of it, at worst.
    pub(super) fn worst(&self, working: &Working) -> Qty {
        let left = working.remaining();
        match (self.over, self.total) {
            _ if self.contradicted => left,
            (Some(Over::Ended(_)), Some(total)) => Qty(total.0.saturating_sub(working.filled.0)),
            (Some(Over::Rejected(_) | Over::NotSent), _) => Qty(0),
            (Some(Over::Ended(_)) | None, _) => left,
        }
    }

    /// Whether a trade that was not seen before can be one of this order.
    pub(super) fn takes(&self, working: &Working, fill: &Fill) -> bool {
        let denied = matches!(self.over, Some(Over::Rejected(_) | Over::NotSent));
        let left = working.remaining();
        !denied && fill.side == working.side && fill.qty.0 > 0 && fill.qty <= left
    }

    /// A cancel or a change of it goes out now.
    pub(super) fn change(&mut self, now: Nanos, working: &mut Working) {
        working.changing = true;
        self.changed = true;
        (self.since, self.unanswered) = (now, true);
        self.due = self.due.min(now + ANSWER_MAX);
    }

    /// Takes in what a source says; a trade was not seen before.
    pub(super) fn hear(
        &mut self,
        now: Nanos,
        working: &mut Working,
        (source, said): (Source, Said),
        visibility: Span,
    ) -> Step {
        let mut step = Step::default();
        let untouched = !self.exists(working) && self.over.is_none();
        match said {
            Said::Taken { exchange_id } => self.taken(working, exchange_id, &mut step),
            Said::Fill(fill) if self.takes(working, &fill) => {
                working.filled.0 += fill.qty.0;
                self.told = self.told.max(working.filled);
                step.tell(Outcome::Fill(fill));
            }
            Said::Traded(qty) if qty <= working.qty => self.told = self.told.max(qty),
            Said::Ended(end, total) => self.ended(working, end, total, &mut step),
            Said::Reduced(qty) if self.told <= qty && 0 < qty.0 => {
                if qty < working.qty {
                    working.qty = qty;
                    step.tell(Outcome::Reduced);
                }
            }
            Said::Rejected { code } if untouched => self.over = Some(Over::Rejected(code)),
            Said::NotSent if untouched => self.over = Some(Over::NotSent),
            // A second one of the same kind says nothing new.
            Said::Rejected { .. } if matches!(self.over, Some(Over::Rejected(_))) => {}
            Said::NotSent if self.over == Some(Over::NotSent) => {}
            Said::ChangeRefused { code } => {
                if working.changing {
                    step.tell(Outcome::ChangeRefused { code });
                }
                self.unclear = true; // It may be over: the exchange is to say.
                self.since = now;
            }
            Said::Absent => self.denied(source, untouched, visibility),
            // The stream told of something that could not be read: the exchange is to say it again.
            Said::Unanswered if source == Source::Stream => {
                self.unclear = true;
                self.since = now;
            }
            Said::Unanswered => self.doubted |= self.unanswered,
            Said::Fill(_)
            | Said::Traded(_)
            | Said::Reduced(_)
            | Said::Rejected { .. }
            | Said::NotSent => self.contradicted = true,
        }
        self.clear(source, said, working);
        if self.exists(working) {
            self.absent = None; // So it was there, whatever the answers are about.
        }
        self.settle(now, working, step)
    }

    /// The account's trades were listed whole, as of a question that left at `asked`.
    pub(super) fn trades_listed(&mut self, working: &mut Working, asked: Nanos) -> Step {
        let untouched = !self.exists(working) && self.over.is_none();
        if untouched && self.absent.is_some_and(|absent| absent <= asked) {
            self.over = Some(Over::NotSent);
        }
        self.settle(asked, working, Step::default())
    }

    /// Doubts a request that nobody answers, and asks what is open.
    pub(super) fn handle_timeout(
        &mut self,
        now: Nanos,
        working: &mut Working,
        visibility: Span,
    ) -> Step {
        self.doubted |= self.unanswered && now.since(self.since) >= ANSWER_MAX;
        let mut step = self.settle(now, working, Step::default());
        if now < self.due {
            return step;
        }
        step.ask = self.question(now, working);
        if step.ask.is_none() {
            return step;
        }
        let again = ASK_AGAIN * (1 << self.asked.min(8));
        self.asked += 1;
        self.due = now + again.min(ASK_AGAIN_MAX);
        // Until the exchange must know of it, a denial is worth nothing.
        let visible = self.since + visibility;
        if !self.exists(working) && now < visible && visible < self.due {
            self.due = visible;
        }
        self.await_answer();
        step
    }

    /// Something of it was seen at the exchange.
    fn exists(&self, working: &Working) -> bool {
        let ended = matches!(self.over, Some(Over::Ended(_)));
        self.exchange_id.is_some() || ended || self.told.0 > 0 || working.filled.0 > 0
    }

    fn taken(&mut self, working: &mut Working, exchange_id: u64, step: &mut Step) {
        let denied = matches!(self.over, Some(Over::Rejected(_) | Over::NotSent));
        match self.exchange_id {
            None if !denied => {
                self.exchange_id = Some(exchange_id);
                working.acked = true;
                step.tell(Outcome::Acked { exchange_id });
            }
            Some(known) if known == exchange_id => {}
            None | Some(_) => self.contradicted = true,
        }
    }

    fn ended(&mut self, working: &mut Working, end: End, total: Option<Qty>, step: &mut Step) {
        let total = match end {
            End::Filled => total.or(Some(working.qty)),
            End::Cancelled | End::Expired => total,
        };
        // Less than all of it is all of what was left of it by a change that nobody told of yet.
        let less = |total: Qty| self.changed && 0 < total.0 && total < working.qty;
        let fits = |total: Qty| {
            let whole = end != End::Filled || total == working.qty || less(total);
            self.told <= total && total <= working.qty && whole
        };
        let denied = matches!(self.over, Some(Over::Rejected(_) | Over::NotSent));
        let other = |total| self.total.is_some_and(|before| before != total);
        if denied || total.is_some_and(|total| !fits(total) || other(total)) {
            self.contradicted = true;
            return;
        }
        if let (End::Filled, Some(total)) = (end, total)
            && total < working.qty
        {
            working.qty = total;
            step.tell(Outcome::Reduced);
        }
        self.over = self.over.or(Some(Over::Ended(end)));
        self.total = self.total.or(total);
        self.told = self.told.max(self.total.unwrap_or_default());
    }

    /// The exchange knows no such order. That counts once it must have heard of it.
    fn denied(&mut self, source: Source, untouched: bool, visibility: Span) {
        let Source::Query { asked } = source else {
            return;
        };
        if asked < self.since + visibility {
            return;
        }
        if untouched {
            self.absent = Some(asked);
            (self.asked, self.due) = (0, asked);
        } else if self.over.is_none() {
            self.doubted = true; // It was there.
        }
    }

    /// What this word leaves of the doubts.
    fn clear(&mut self, source: Source, said: Said, working: &mut Working) {
        let answers = match (source, said) {
            (_, Said::Absent | Said::Unanswered) => false,
            // What it left before the last request cannot know of that.
            (Source::Query { asked }, _) => self.since <= asked,
            (_, Said::Ended(..) | Said::Reduced(_) | Said::ChangeRefused { .. }) => true,
            (_, Said::Rejected { .. } | Said::NotSent) => true,
            // It says that the order is there, and nothing of a change that is under way.
            (_, Said::Taken { .. } | Said::Fill(_) | Said::Traded(_)) => !working.changing,
        };
        if !answers {
            return;
        }
        (self.unanswered, self.doubted, self.absent) = (false, false, None);
        working.changing = false;
        if matches!(source, Source::Query { .. }) || self.over.is_some() {
            self.unclear = false;
        }
    }

    /// A request that is not answered by then is in doubt, whatever else is asked meanwhile.
    fn await_answer(&mut self) {
        if self.unanswered && !self.doubted {
            self.due = self.due.min(self.since + ANSWER_MAX);
        }
    }

    /// Whether it is over, what its strategy is to be told, and what is to be asked when.
    fn settle(&mut self, now: Nanos, working: &mut Working, mut step: Step) -> Step {
        self.contradicted |= self.total.is_some_and(|total| total < self.told);
        step.end = self.end(working);
        if step.end.is_some() {
            self.due = Nanos::NEVER;
            return step;
        }
        let doubt = self.doubted || self.contradicted;
        if doubt && !working.in_doubt {
            working.in_doubt = true;
            step.tell(Outcome::InDoubt);
            self.due = now;
        }
        working.in_doubt = doubt;
        let wait = match self.question(now, working) {
            None => {
                (self.asked, self.due) = (0, Nanos::NEVER);
                self.await_answer();
                return step;
            }
            Some(_) if doubt || self.unclear || self.absent.is_some() => Span(0),
            Some(Question::Trades(..)) => TRADES_MAX,
            Some(_) => ANSWER_MAX,
        };
        if self.asked == 0 {
            self.due = self.due.min(now + wait);
        }
        self.await_answer();
        step
    }

    /// The end, if what is known says that nothing more can come of it.
    fn end(&self, working: &Working) -> Option<Outcome> {
        if working.remaining() == Qty(0) {
            return Some(Outcome::Filled);
        }
        match self.over? {
            _ if self.contradicted => None,
            Over::Rejected(code) => Some(Outcome::Rejected { code }),
            Over::NotSent => Some(Outcome::NotSent),
            Over::Ended(end) if self.total == Some(working.filled) => match end {
                End::Filled => None,
                End::Cancelled => Some(Outcome::Cancelled),
                End::Expired => Some(Outcome::Expired),
            },
            Over::Ended(_) => None,
        }
    }

    /// What is to be asked at `now`, if anything is open.
    fn question(&self, now: Nanos, working: &Working) -> Option<Question> {
        let order = Some(Question::Order(self.name(working)));
        let trades = |of| Some(Question::Trades(working.instrument, of));
        match (self.over, self.exchange_id) {
            // A margin of a minute: whose clock counts the while is not said.
            _ if self.absent.is_some() => {
                let age = now.since(self.since) + Span::from_secs(60);
                trades(TradesOf::Last(age))
            }
            _ if self.doubted || self.contradicted || self.unclear => order,
            (_, Some(id)) if working.filled < self.told => trades(TradesOf::Order(id)),
            _ if working.filled < self.told => order,
            (Some(Over::Ended(_)), _) if self.total.is_none() => order,
            // It cannot rest, so it is over, and somebody will have said how.
            (None, _) if !working.order_type.rests() && self.exists(working) => order,
            _ => None,
        }
    }
}
