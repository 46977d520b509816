//! A gateway that somebody kills: it lets no new order out, and cancels what rests of ours, whether
//! or not the desk still does anything.

use super::*;

impl<S: Transport> Gateway<S> {
    /// Begins when the switch is thrown, and ends when it is put back. Says whether it did either.
    pub(super) fn look_at_switch(&mut self, turn: &mut Turn) -> bool {
        let killed = self.switch.is_killed();
        let moved = killed != self.sweeping;
        if moved {
            self.sweeping = killed;
            let now = turn.clock.now();
            match killed {
                true => self.sweep.begin(now),
                false => self.sweep.end(),
            }
            self.swept = false;
        }
        if self.sweeping {
            self.sweep_more(turn, turn.clock.now());
        }
        moved
    }

    /// Asks and cancels what is wanted. A cancel that is under way is not sent again.
    pub(super) fn sweep_more(&mut self, turn: &mut Turn, now: Nanos) {
        self.sweep.handle_timeout(now);
        while let Some(request) = self.sweep.poll_request() {
            match request {
                Request::Cancel(order) => {
                    let key = RequestKey::Cancel(order.client_id);
                    if !self.lines.iter().any(|line| line.has_asked(key)) {
                        self.change(turn, &order, None);
                    }
                }
                request => self.handle_request(turn, &request),
            }
        }
        self.switch.set_clear(self.place, self.sweep.is_clear());
        if let Some(swept) = self.sweep.done().filter(|_| !self.swept) {
            self.swept = true;
            let int = |n: usize| Value::Int(n as i64);
            let note = self
                .note(now, TRADING, Severity::Warn, "gateway.swept")
                .with("cancelled", int(swept.ours))
                .with("foreign", int(swept.foreign))
                .with("out_of_reach", int(swept.out_of_reach))
                .with("took_ms", Value::Int((swept.took.0 / 1_000_000) as i64));
            turn.notes.record(note);
        }
    }
}
