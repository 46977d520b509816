//! The part of [`Subscriptions`] for a lane whose streams do not fit on one connection: what a full
//! session refuses, and what another line carries instead. Moves nothing itself.

use super::{REFUSED_RETRY, Refusal, State, Subscriptions};
use crate::base::{Channel, Nanos};

impl Subscriptions {
    /// The exchange refused a request without saying which one. It answers in order: the oldest one
    /// without an answer is meant, and is divided as in [`Self::handle_answer`]. A topic that was
    /// asked for alone, beside others that the session carries, is crowded out.
    pub(crate) fn handle_nameless_refusal(&mut self, now: Nanos, code: i64) -> Option<Refusal> {
        let sent = |state: &State| match state {
            State::Sent(id) => Some(*id),
            State::Wanted | State::Queued | State::Confirmed | State::Absent => None,
            State::Refused | State::Crowded | State::LeftAlone | State::Elsewhere => None,
        };
        let oldest = self.states.iter().filter_map(sent).min()?;
        let of_it = |state: &State| *state == State::Sent(oldest);
        let alone = self.states.iter().filter(|state| of_it(state)).count() == 1;
        let topic = self.states.iter().position(of_it)?;
        let news = self.handle_answer(now, oldest, Some(code));
        if alone && self.carried() > 0 {
            self.set(topic, State::Crowded);
        }
        self.check();
        news
    }

    /// The topics that the session had no room for.
    pub(crate) fn crowded(&self) -> impl Iterator<Item = usize> {
        let states = self.states.iter().enumerate();
        states.filter_map(|(topic, state)| (*state == State::Crowded).then_some(topic))
    }

    /// The topics that this line is to carry.
    pub(crate) fn own(&self) -> impl Iterator<Item = usize> {
        (0..self.states.len()).filter(|topic| self.is_own(*topic))
    }

    /// This line is to carry the topic.
    pub(crate) fn is_own(&self, topic: usize) -> bool {
        self.states[topic] != State::Elsewhere
    }

    /// How many topics this line is to carry.
    pub(crate) fn ours(&self) -> usize {
        self.own().count()
    }

    /// How many topics the exchange has confirmed.
    pub(crate) fn carried(&self) -> usize {
        let states = self.states.iter();
        states.filter(|state| **state == State::Confirmed).count()
    }

    /// As [`Self::carried`], of the depth topics.
    pub(crate) fn books(&self) -> usize {
        let topics = self.desired.topics.iter().zip(&self.states);
        let books = topics.filter(|((.., channel), _)| *channel == Channel::Depth);
        books
            .filter(|(_, state)| **state == State::Confirmed)
            .count()
    }

    /// Everything that this line is to carry was refused.
    pub(crate) fn is_in_vain(&self) -> bool {
        let refused = |topic| matches!(self.states[topic], State::Refused | State::Crowded);
        self.open == 0 && self.own().all(refused)
    }

    /// The topic is confirmed, or may become so.
    pub(crate) fn may_carry(&self, topic: usize) -> bool {
        let state = self.states[topic];
        state == State::Confirmed || state.is_open()
    }

    /// This line is to carry these topics and no others, from its next connection on.
    pub(crate) fn assign(&mut self, ours: impl Fn(usize) -> bool) {
        for topic in 0..self.states.len() {
            let state = match ours(topic) {
                true => State::Wanted,
                false => State::Elsewhere,
            };
            self.set(topic, state);
        }
        self.together = usize::MAX;
        self.check();
    }

    /// Another line carries the topic from here on.
    pub(crate) fn leave(&mut self, topic: usize) {
        self.set(topic, State::Elsewhere);
        self.check();
    }

    /// This line is to carry the topic, too.
    pub(crate) fn take(&mut self, topic: usize) {
        self.want(topic);
        self.check();
    }

    /// The topic is this line's again, and was refused: it is tried again in its time.
    pub(crate) fn take_back(&mut self, now: Nanos, topic: usize) {
        self.set(topic, State::Refused);
        self.retry_at = self.retry_at.min(now + REFUSED_RETRY);
        self.check();
    }
}
