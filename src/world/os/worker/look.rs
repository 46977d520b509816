//! How a worker looks at its sockets: what is ready, since when the others are known to be empty,
//! and that nothing is decided on what a stop left in them. Reads no byte itself.

use super::*;

/// If a sleep ends later than this after its time, the thread did not only sleep.
const OVERSLEPT: Span = Span::from_millis(2);
/// How long it empties them at most: a feed may bring data faster than the worker takes it.
const CATCH_UP_MAX: Span = Span::from_secs(2);
/// A stop is logged once in this time.
const STOPS_SAMPLE: Span = Span::from_secs(1);

impl Running {
    /// Asks the kernel which sockets are ready; waits for it when there is nothing else to do. Says
    /// for how long nobody looked before, though there may have been something to see.
    pub(super) fn poll_sockets(&mut self) -> Span {
        let waits = self.worker.seat.wait() == Wait::Park && {
            self.worker.bell.sleep(); // Before the look: what comes after it rings.
            !self.has_work()
        };
        if waits {
            self.rehearse();
        }
        let before = if waits { self.scheduled.read() } else { None };
        self.polled = self.clock.now();
        let mut span = Span::ZERO;
        if waits {
            span = self.next_timeout().since(self.polled).min(self.park_max);
            self.worker.histograms.meter().wait();
        }
        let told = self.poll(Duration::from_nanos(span.0));
        let woke = self.clock.now();
        self.worker.bell.awake();
        let mut empty = self.empty_as_of;
        if told {
            self.empty_as_of = self.polled;
        }
        let mut missed = self.polled.since(self.looked);
        self.looked = woke;
        // A thread that slept would have been woken by any byte, so that every socket was empty
        // until it could run again. How long ago that was the scheduler says, but not how long a
        // host kept a whole virtual CPU from it, nor how long it was stopped: a thread that waited
        // but once, and not for longer than it asked, slept. (A stop that began within the
        // microsecond before the sleep, and that was over before the sleep would have been, is not
        // told from it.)
        let overslept = woke.since(self.polled + span);
        self.away = missed + overslept;
        if overslept > OVERSLEPT {
            missed = missed + woke.since(self.polled);
        } else if let (Some(before), true) = (before, told)
            && let Some(after) = self.scheduled.read()
            && let Some(delay) = after.slept_once_since(&before)
        {
            missed = missed + delay;
            empty = woke - delay;
            self.empty_as_of = empty;
        }
        self.mark_empty(empty);
        missed
    }

    /// Asks the kernel. False if it does not tell what is ready: a signal interrupted it, or
    /// more is than fits.
    fn poll(&mut self, timeout: Duration) -> bool {
        let polled = self.worker.poll.poll(&mut self.events, Some(timeout));
        if polled.is_err() {
            self.events.clear();
        }
        polled.is_ok() && self.events.iter().count() < EVENTS_MAX
    }

    /// Empties the sockets before the desk decides: what it holds is from before the stop, and what
    /// is true now lies in the sockets.
    pub(super) fn catch_up(&mut self, stopped: Span) {
        let began = self.clock.now();
        // A sleep that ended a little late is a busy host, and no stop.
        if self.away > STOPPED && began >= self.stop_logged_from {
            self.stop_logged_from = began + STOPS_SAMPLE;
            let note = Note::new(began, Severity::Warn, "worker.stopped");
            let ms = Value::Int(stopped.as_millis() as i64);
            self.worker.notes.send(note.with("for_ms", ms));
        }
        loop {
            self.handle_readiness(false);
            let Self { worker, clock, .. } = self;
            let mut turn = Turn {
                clock,
                latency: &mut worker.histograms,
                notes: &worker.notes,
            };
            for placed in &mut worker.feeds {
                placed.lane.handle_turn(&mut turn);
            }
            self.polled = self.clock.now();
            let empty = self.empty_as_of;
            if self.poll(Duration::ZERO) {
                self.empty_as_of = self.polled;
            }
            self.mark_empty(empty);
            self.looked = self.polled;
            let ready = self.events.iter().any(|event| event.token() != BELL);
            let unread = || {
                let mut feeds = self.worker.feeds.iter();
                feeds.any(|placed| placed.lane.has_unread())
            };
            if self.polled.since(began) > CATCH_UP_MAX || !(ready || unread()) {
                return;
            }
        }
    }

    /// Tells the sockets that are ready when they were seen empty: the others have no bytes to tell
    /// the age of.
    fn mark_empty(&mut self, at: Nanos) {
        let Self { worker, events, .. } = self;
        for event in events.iter() {
            let place = place(&mut worker.feeds, &mut worker.gateways, event.token());
            // What one of its lines left may be older.
            let Some((placed, line)) = place.filter(|(placed, _)| !placed.lane.has_unread()) else {
                continue;
            };
            if let Some(socket) = placed.lane.stream_mut(line) {
                socket.seen_empty(at);
            }
        }
    }
}
