//! What is measured: a schedule of encrypted frames and the orders that answer them, and a flood.

use super::{Act, Answer, Duration, Instant, Nanos, Stage, Trouble, WATCH_PERIOD, Wanted, Watch};
use crate::base::{Span, UnixNanos};
use crate::venue::simulated::News;
use crate::world::os::sys;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

/// From the last frame that is encrypted to the first that is sent, at least.
const LEAD: Span = Span::from_millis(100);
/// How much longer encryption may take, per frame.
const LEAD_PER_FRAME: Span = Span(if cfg!(debug_assertions) {
    400_000
} else {
    40_000
});
/// From the last trigger to the messages that take back what was shown.
const TAIL: Span = Span::from_millis(2);
/// How long a client has for its last answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// How long a client may take for a flood, and what comes then every so often.
const FLOOD_MAX: Duration = Duration::from_secs(60);
const ASK_PERIOD: Duration = Duration::from_millis(20);
/// Longer than any write to a client that reads.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// A schedule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Messages per second, on average: the time between two is random.
    pub(crate) rate: u64,
    /// Each trigger comes after this many messages, and is one of them.
    pub(crate) every: usize,
    /// Triggers that only warm the client up.
    pub(crate) warm_up: usize,
    /// Triggers that are measured.
    pub(crate) triggers: usize,
    /// The same seed is the same schedule.
    pub(crate) seed: u64,
}

/// What came of a schedule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    /// From the frame to the order, in nanoseconds, ascending.
    pub(crate) ns: Vec<u64>,
    /// Triggers that were measured.
    pub(crate) triggers: usize,
    /// Times for which the kernel stamped both ends.
    pub(crate) by_kernel: usize,
    /// Orders that answer no trigger.
    pub(crate) strays: usize,
    /// How late the exchange itself was with a frame, at most, in nanoseconds.
    pub(crate) late_ns_max: u64,
}

/// A frame that waits for its time.
struct Frame {
    due: Nanos,
    /// Bytes for each client that follows its book.
    parts: Vec<(usize, Vec<u8>)>,
    wanted: Option<Wanted>,
    measured: bool,
}

/// A trigger that was sent.
#[derive(Clone, Copy)]
struct Sent {
    /// Just before the write.
    before: UnixNanos,
    stamp: Option<UnixNanos>,
}

impl Stage {
    /// Sends what the plan says at its times, and takes the answers.
    pub(crate) fn measure(&mut self, plan: &Plan, watch: Watch<'_>) -> Result<Answers, Trouble> {
        let frames = self.scheduled(plan);
        let mut sent: Vec<Option<Sent>> = vec![None; frames.len()];
        let mut open: BTreeMap<Wanted, usize> = BTreeMap::new();
        let mut answered: Vec<(usize, Answer)> = Vec::new();
        let last = frames.iter().rposition(|frame| frame.wanted.is_some());
        let mut answers = Answers {
            triggers: frames.iter().filter(|frame| frame.measured).count(),
            ..Answers::default()
        };
        let hot: Vec<bool> = self.hot(&frames);
        self.answers.clear();
        let (mut next, mut watch_at) = (0, Instant::now());
        let mut over = None;
        while over.is_none_or(|over| Instant::now() < over) {
            let now = self.now();
            if let Some(frame) = frames.get(next)
                && now >= frame.due
            {
                let late = now.since(frame.due).0;
                answers.late_ns_max = answers.late_ns_max.max(late);
                sent[next] = Some(self.send(frame, next)?);
                open.extend(frame.wanted.map(|wanted| (wanted, next)));
                next += 1;
                if next == frames.len() {
                    over = Some(Instant::now() + LAST_ANSWER);
                }
                continue;
            }
            for (n, is_hot) in hot.iter().enumerate() {
                if !is_hot {
                    if self.read(n)? {
                        while self.clients[n].take_stamp().is_some() {}
                    }
                    continue;
                }
                while let Some((frame, at)) = self.clients[n].take_stamp() {
                    if let Some(Some(sent)) = frame.map(|frame| &mut sent[frame]) {
                        sent.stamp.get_or_insert(at);
                    }
                }
            }
            for answer in self.answers.drain(..) {
                match open.remove(&answer.wanted) {
                    Some(frame) => answered.push((frame, answer)),
                    None => answers.strays += 1,
                }
            }
            if next == frames.len() && answered.iter().any(|(frame, _)| Some(*frame) == last) {
                break;
            }
            if Instant::now() >= watch_at {
                watch()?;
                watch_at = Instant::now() + WATCH_PERIOD;
            }
        }
        for (n, answer) in answered.into_iter().filter(|(n, _)| frames[*n].measured) {
            let Some(sent) = sent[n] else { continue };
            let from = sent.stamp.unwrap_or(sent.before);
            let took = answer.at.0.saturating_sub(from.0);
            answers.ns.push(u64::try_from(took).unwrap_or(0));
            answers.by_kernel += usize::from(sent.stamp.is_some() && answer.by_kernel);
        }
        answers.ns.sort_unstable();
        match answers.ns.is_empty() {
            true => Err(Trouble::Silent),
            false => Ok(answers),
        }
    }

    /// Sends this many messages as fast as the client takes them, and then triggers until one is
    /// answered. `cpu_ns` says what the client has cost so far; gives what that cost.
    pub(crate) fn flood(
        &mut self,
        messages: usize,
        mut cpu_ns: impl FnMut() -> Option<u64>,
        watch: Watch<'_>,
    ) -> Result<u64, Trouble> {
        let due = self.now() + LEAD + LEAD_PER_FRAME * messages as u64;
        let mut bytes: Vec<Vec<u8>> = vec![Vec::new(); self.clients.len()];
        for n in 0..messages {
            let frame = self.frame(n % self.pairs, Act::Calm, due);
            for (client, part) in frame.parts {
                bytes[client].extend(part);
            }
        }
        let gone = || Trouble::Died("its processes cannot be found".to_owned());
        let mut at = vec![0; bytes.len()];
        self.answers.clear();
        let (began, from) = (Instant::now(), cpu_ns().ok_or_else(gone)?);
        let mut watch_at = began;
        while at.iter().zip(&bytes).any(|(at, bytes)| *at < bytes.len()) {
            for (n, bytes) in bytes.iter().enumerate() {
                let client = &mut self.clients[n];
                match client.socket.write(&bytes[at[n]..]) {
                    _ if at[n] == bytes.len() => {}
                    Ok(written) => {
                        at[n] += written;
                        client.written += written as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        while client.take_stamp().is_some() {}
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Trouble::Died(format!("its connection: {error}"))),
                }
            }
            if Instant::now() >= watch_at {
                watch()?;
                watch_at = Instant::now() + WATCH_PERIOD;
                if began.elapsed() > FLOOD_MAX {
                    return Err(Trouble::NotReading);
                }
            }
        }
        let mut open = BTreeMap::new();
        let mut ask_at = Instant::now();
        loop {
            if Instant::now() >= ask_at {
                ask_at = Instant::now() + ASK_PERIOD;
                // Takes back what an earlier trigger showed.
                self.say(0, Act::Calm)?;
                open.extend(self.say(0, Act::Trigger)?.1.map(|wanted| (wanted, ())));
            }
            self.serve()?;
            let mut answers = self.answers.drain(..);
            if answers.any(|answer| open.contains_key(&answer.wanted)) {
                let to = cpu_ns().ok_or_else(gone)?;
                return Ok(to.saturating_sub(from));
            }
            drop(answers);
            if Instant::now() >= watch_at {
                watch()?;
                watch_at = Instant::now() + WATCH_PERIOD;
            }
            if began.elapsed() > FLOOD_MAX {
                return Err(Trouble::Silent);
            }
        }
    }

    /// All frames of a plan, encrypted.
    fn scheduled(&mut self, plan: &Plan) -> Vec<Frame> {
        let mut dice = fastrand::Rng::with_seed(plan.seed);
        let count = plan.every * (plan.warm_up + plan.triggers);
        let mut due = self.now() + LEAD + LEAD_PER_FRAME * count as u64;
        let mut triggers = 0;
        let mut frames = Vec::with_capacity(count);
        for n in 1..=count {
            let mean_ns = 1e9 / plan.rate as f64;
            // Exponential, as messages of independent sources come.
            due = due + Span((-(1.0 - dice.f64()).ln() * mean_ns) as u64);
            let frame = match n % plan.every == 0 {
                true => {
                    triggers += 1;
                    let listing = triggers % self.triggered();
                    let measured = triggers > plan.warm_up;
                    let frame = self.frame(listing, Act::Trigger, due);
                    Frame { measured, ..frame }
                }
                false => {
                    self.turn = (self.turn + 1) % self.pairs;
                    self.frame(self.turn, Act::Calm, due)
                }
            };
            frames.push(frame);
        }
        // A snapshot that is asked for meanwhile has the books as they are after the last message,
        // and without what triggers show: no trigger may be that message.
        for listing in 0..self.triggered() {
            due = due + TAIL;
            frames.push(self.frame(listing, Act::Calm, due));
        }
        frames
    }

    /// One message of a book, encrypted for whoever follows it.
    fn frame(&mut self, listing: usize, act: Act, due: Nanos) -> Frame {
        let venue = &mut self.venues.all[0];
        let (events, wanted) = self.script.step(venue, listing, act, due);
        let news = News {
            events,
            ..News::default()
        };
        let now = self.now();
        let mut parts = Vec::new();
        for (n, client) in self.clients.iter_mut().enumerate() {
            let connection = &mut client.connection;
            if connection.handle_news(&self.venues.all[0], &news) > 0 {
                connection.handle_timeout(now, &self.venues);
                let bytes = connection.output().to_vec();
                connection.consume(bytes.len());
                parts.push((n, bytes));
            }
        }
        Frame {
            due,
            parts,
            wanted,
            measured: false,
        }
    }

    /// Which clients frames wait for. They are not read meanwhile: an answer to what they say would
    /// be encrypted after these frames and could not be sent before them.
    fn hot(&self, frames: &[Frame]) -> Vec<bool> {
        let mut hot = vec![false; self.clients.len()];
        for (client, _) in frames.iter().flat_map(|frame| &frame.parts) {
            hot[*client] = true;
        }
        hot
    }

    fn send(&mut self, frame: &Frame, place: usize) -> Result<Sent, Trouble> {
        let before = sys::realtime();
        for (n, bytes) in &frame.parts {
            let client = &mut self.clients[*n];
            let began = Instant::now();
            let mut at = 0;
            while at < bytes.len() {
                match client.socket.write(&bytes[at..]) {
                    Ok(written) => at += written,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let _ = sys::recv_send_stamp(client.socket.as_fd());
                        if began.elapsed() > WRITE_MAX {
                            return Err(Trouble::NotReading);
                        }
                    }
                    Err(error) => return Err(Trouble::Died(format!("its connection: {error}"))),
                }
            }
            client.written += bytes.len() as u64;
            if frame.wanted.is_some() {
                client.unstamped.push_back((client.written, place));
            }
        }
        Ok(Sent {
            before,
            stamp: None,
        })
    }
}
