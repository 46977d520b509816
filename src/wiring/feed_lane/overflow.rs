//! What a feed lane does about streams that a session of the exchange does not take beside the
//! others: they move onto a connection that carries them alone. Knows no exchange's limit: refusals
//! show it.
//!
//! A lane's streams begin in part 0, which its regular lines carry. What is refused without a name,
//! although it was asked for alone, moves from part to part, each with one line, until a session
//! takes it. One that a session of its own refuses, too, is not kept out by its neighbours: it goes
//! back, and its connection rests.

use super::line::{Line, Role};
use super::subscriptions::Desired;
use super::{FeedLane, LINES};
use crate::base::{Channel, InstrumentId, Nanos, Severity, Span, Value};
use crate::conn::Transport;
use crate::wiring::tap::recorded_line;
use crate::wiring::turn::Turn;
use std::sync::Arc;

/// Parts of a lane's streams beside the first one.
pub const OVERFLOW_PARTS: u8 = 4;
/// What the log says if a connection carries fewer books than are known to fit.
const ADVICE: &str = "the exchange takes fewer books per connection than we knew: \
     set instruments_per_connection";
/// A stream that moved in vain is moved again after this, doubled each time that it was in vain.
pub(crate) const VAIN_RETRY: Span = Span::from_secs(600);
/// How often that time is doubled at most.
const DOUBLINGS_MAX: u32 = 4;

/// Which part of its lane's lines carries each topic.
///
/// Invariant: no part is above [`OVERFLOW_PARTS`]; a line that does not rest carries the topics of
/// its part and no others.
pub(super) struct Homes {
    pub(crate) desired: Arc<Desired>,
    parts: Box<[u8]>,
    /// How often each topic was refused by a session of its own, and from when on it may move
    /// again.
    vain: Box<[(u32, Nanos)]>,
}

impl Homes {
    pub(crate) fn new(desired: Arc<Desired>) -> Self {
        let topics = desired.topics();
        Self {
            desired,
            parts: vec![0; topics].into(),
            vain: vec![(0, Nanos::ZERO); topics].into(),
        }
    }

    /// The exchange took the stream: whatever kept it out is over.
    pub(crate) fn handle_confirmed(&mut self, (instrument, channel): (InstrumentId, Channel)) {
        if let Some(topic) = self.desired.place(instrument, channel) {
            self.vain[topic].0 = 0;
        }
    }

    /// The topic moved in vain.
    fn give_up(&mut self, now: Nanos, topic: usize) {
        let (times, from) = &mut self.vain[topic];
        *from = now + Span(VAIN_RETRY.0 << (*times).min(DOUBLINGS_MAX));
        *times += 1;
        debug_assert!(now < *from);
    }

    /// Looks at every topic of every line: after something moved.
    fn check<S: Transport>(&self, lines: &[Line<S>]) {
        debug_assert!(self.parts.iter().all(|part| *part <= OVERFLOW_PARTS));
        let holds = |line: &Line<S>| {
            let mut topics = (0..self.parts.len()).zip(&self.parts);
            topics.all(|(topic, part)| line.subscriptions.is_own(topic) == (*part == line.part))
        };
        let mut working = lines.iter().filter(|line| line.role != Role::Resting);
        debug_assert!(working.all(holds));
    }
}

impl<S: Transport, const N: usize> FeedLane<S, N> {
    /// The line carries this part from its next connection on.
    pub(super) fn assign(&mut self, at: usize, part: u8) {
        let (homes, line) = (&self.homes, &mut self.lines[at]);
        (line.part, line.proven) = (part, false);
        line.subscriptions
            .assign(|topic| homes.parts[topic] == part);
        self.feed.join(at as u8, part);
    }

    /// Moves what this line's session had no room for, except what another line of its part
    /// carries. True if nothing of it is left.
    pub(super) fn relieve(&mut self, turn: &mut Turn, now: Nanos, at: usize) -> bool {
        let part = self.lines[at].part;
        let crowded: Vec<usize> = self.lines[at].subscriptions.crowded().collect();
        let mut moved = 0;
        for &topic in &crowded {
            let mut others = self.lines.iter().enumerate().filter(|(n, _)| *n != at);
            let carried = others.any(|(_, other)| {
                other.is_of(part) && other.is_open() && other.subscriptions.may_carry(topic)
            });
            let may_move = !carried && now >= self.homes.vain[topic].1;
            if may_move && let Some(to) = self.next_part(now, part) {
                self.move_topic(turn, now, topic, to);
                moved += 1;
            }
        }
        self.lines[at].moved += moved;
        self.check_homes();
        moved > 0 && moved == crowded.len()
    }

    /// As [`Self::relieve`], of every line: one that carried what others have no room for is gone.
    pub(super) fn relieve_all(&mut self, turn: &mut Turn, now: Nanos) {
        for at in 0..self.lines.len() {
            if self.lines[at].is_open() && self.lines[at].role != Role::Resting {
                self.relieve(turn, now, at);
            }
        }
    }

    /// The part after this one, with a line that carries it; none if there are as many as there
    /// may be.
    fn next_part(&mut self, now: Nanos, part: u8) -> Option<u8> {
        let next = part + 1;
        if next > OVERFLOW_PARTS {
            return None;
        }
        if !self.lines.iter().any(|line| line.is_of(next)) {
            let at = self.idle_line()?;
            self.assign(at, next);
            self.lines[at].role = Role::Regular;
            self.lines[at].link.start(now);
        }
        Some(next)
    }

    /// A line without a connection, but never the one that is to take another's place.
    fn idle_line(&mut self) -> Option<usize> {
        let idle = self.lines.iter().filter(|line| line.is_idle()).count();
        if idle > usize::from(self.heirs) {
            return self.lines.iter().rposition(Line::is_idle);
        }
        if self.lines.len() == LINES {
            return None;
        }
        let link = self.lines.first_mut()?.link.another();
        let line = Line::new(link, self.homes.desired.clone(), Role::Resting);
        self.lines.push(line);
        Some(self.lines.len() - 1)
    }

    fn check_homes(&self) {
        if cfg!(debug_assertions) {
            self.homes.check(&self.lines);
        }
    }

    fn move_topic(&mut self, turn: &mut Turn, now: Nanos, topic: usize, to: u8) {
        let from = std::mem::replace(&mut self.homes.parts[topic], to);
        for line in &mut self.lines {
            if line.is_of(from) {
                line.subscriptions.leave(topic);
            } else if line.is_of(to) {
                match to {
                    0 => line.subscriptions.take_back(now, topic),
                    _ => line.subscriptions.take(topic),
                }
            }
        }
        let stream = self.homes.desired.stream(topic);
        self.feed.handle_moved(turn, now, stream, to);
    }

    /// A session that never carried anything of what moved there, and refuses all of it, is not
    /// full: its streams go back to where they came from, and it rests.
    pub(super) fn send_home(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        let line = &self.lines[at];
        let overflows = line.part > 0 && line.role == Role::Regular;
        if !overflows || line.proven || !line.is_open() || !line.subscriptions.is_in_vain() {
            return;
        }
        let topics: Vec<usize> = line.subscriptions.own().collect();
        for &topic in &topics {
            self.homes.give_up(now, topic);
            self.move_topic(turn, now, topic, 0);
        }
        let note = self.note(now, Severity::Warn, "subscribe.moved_back", at);
        turn.notes
            .send(note.with("topics", Value::Int(topics.len() as i64)));
        let heir = Role::Replaces(at as u8);
        let ending = self.lines.iter_mut().enumerate();
        for (_, line) in ending.filter(|(n, line)| *n == at || line.role == heir) {
            line.role = Role::Resting;
            line.link.shutdown(now);
        }
        self.check();
        self.check_homes();
        for home in 0..self.lines.len() {
            if self.lines[home].is_of(0) {
                self.handle_decided(turn, now, home);
            }
        }
    }

    /// The newest connection that carries this instrument's book: its epoch, and its line as
    /// recordings number it.
    pub(super) fn newest_line(&self, id: InstrumentId) -> (u32, u8) {
        let topic = self.homes.desired.place(id, Channel::Depth);
        let part = topic.map_or(0, |topic| self.homes.parts[topic]);
        let lines = self.lines.iter().zip(0..);
        let lines = lines.filter(|(line, _)| line.part == part);
        let newest = lines.map(|(line, at)| (line.epoch, recorded_line(at, part)));
        newest.max().unwrap_or_default()
    }

    /// Says once what left this line, when it is known what stays.
    pub(super) fn tell_moved(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        let line = &mut self.lines[at];
        if line.moved == 0 || !line.subscriptions.is_decided() {
            return;
        }
        let (moved, books) = (std::mem::take(&mut line.moved), line.subscriptions.books());
        let next = line.part + 1;
        let to = self.lines.iter().position(|line| line.is_of(next));
        let known = self.feed.exchange().limits().books_per_connection;
        let mut note = self
            .note(now, Severity::Warn, "subscribe.moved", at)
            .with("topics", Value::Int(moved as i64))
            .with("to", Value::Int(to.map_or(-1, |to| to as i64)))
            .with("books", Value::Int(books as i64))
            .with("books_known", Value::Int(known as i64));
        if books < known {
            note = note.with("advice", Value::Word(ADVICE));
        }
        turn.notes.send(note.text(&self.feed.refusal_text()));
    }
}
