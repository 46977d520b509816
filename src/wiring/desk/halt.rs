//! A desk that is killed, paused, resumed, or told to close its positions. What it stops, it stops
//! at once; what it closes, it closes with orders that fill at once or not at all, one after
//! another, until nothing is left that can be sold or bought back.

use super::command::{Answer, Command, Commands, DeskState, StrategyState};
use super::*;
use crate::base::{Mode, OrderType, Px, Side, Why};

/// How often a desk looks whether what it stopped is gone, and how long it waits after an order
/// that closed nothing: the book has to move first.
pub(super) const CLOSING_LOOK: Span = Span::from_millis(100);
/// So many orders that close a position may come to nothing, one after another.
pub(super) const CLOSING_TRIES: u32 = 50;
/// The tag of an order by which the desk closes a position. No strategy has one like it.
pub(crate) const CLOSING_TAG: u64 = u64::MAX;

/// Why nothing is asked of a strategy any more.
pub(super) const GONE: &str = "it panicked, and decides nothing more in this run";

/// A strategy's orders are being cancelled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    /// Then what it holds is closed.
    flatten: bool,
    /// When to look.
    due: Nanos,
    /// Orders that closed nothing, since the last one that did.
    tries: u32,
    /// An order that closes a position has traded, and has no end yet.
    traded: bool,
    /// Why, for the log.
    why: &'static str,
}

impl Desk {
    /// Looks at this switch from now on.
    pub(crate) fn watch(&mut self, switch: Arc<KillSwitch>) {
        self.switch = switch;
    }

    /// Does what is asked this way from now on.
    pub(crate) fn obey(&mut self, commands: Commands) {
        self.commands = Some(commands);
    }

    /// To be called before anything is decided: somebody may have thrown the switch. Says whether
    /// somebody has.
    pub(super) fn look_at_switch(&mut self, turn: &mut Turn, now: Nanos) -> bool {
        let thrown = self.switch.is_killed() && !self.killed;
        if thrown {
            self.killed = true;
            self.stop(turn, now, StrategyId::NONE, false, "killed");
        }
        thrown
    }

    /// Does what is asked. Returns how much that was.
    pub(super) fn handle_commands(&mut self, turn: &mut Turn) -> usize {
        let mut done = 0;
        while let Some(command) = self.next_command() {
            let now = turn.clock.now();
            let answer = self.obeyed(turn, now, command);
            if let Some(commands) = &mut self.commands {
                let _ = commands.answers.push(answer); // Whoever asked has gone.
            }
            done += 1;
        }
        done
    }

    fn next_command(&mut self) -> Option<Command> {
        self.commands.as_mut()?.asked.pop().ok()
    }

    fn obeyed(&mut self, turn: &mut Turn, now: Nanos, command: Command) -> Answer {
        match command {
            Command::Show(state) => return Answer::State(self.shown(now, state)),
            Command::Pause(strategy) => {
                self.risk.set_mode(whose(strategy), Mode::Halted, "paused");
                self.note_modes(turn, now);
            }
            Command::Kill { strategy, flatten } => {
                self.stop(turn, now, strategy, flatten, "killed");
            }
            Command::Set(setting) => return self.set(turn, now, setting),
            Command::Resume(strategy) => return self.go_on(turn, now, strategy),
            Command::Accept(asset) if self.accept(turn, asset) == 0 => {
                return Answer::Refused("all of it is explained");
            }
            Command::Accept(_) => {}
        }
        Answer::Done
    }

    /// Lets nobody, or not this strategy, order; cancels what works, and closes what is held if
    /// that is asked.
    pub(super) fn stop(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        flatten: bool,
        why: &'static str,
    ) {
        self.risk.set_mode(whose(strategy), Mode::Halted, why);
        self.note_modes(turn, now);
        for (at, chair) in self.chairs.iter_mut().enumerate() {
            if meant(strategy, StrategyId(at as u8)) {
                let flatten = flatten || chair.closing.is_some_and(|closing| closing.flatten);
                chair.closing = Some(Closing {
                    flatten,
                    due: now,
                    tries: 0,
                    traded: false,
                    why,
                });
            }
        }
        self.close_more(turn, now);
    }

    fn go_on(&mut self, turn: &mut Turn, now: Nanos, strategy: StrategyId) -> Answer {
        let chair = self.chairs.get_mut(strategy.index());
        if chair.is_some_and(|chair| chair.gone) {
            return Answer::Refused(GONE);
        }
        for (at, chair) in self.chairs.iter_mut().enumerate() {
            if meant(strategy, StrategyId(at as u8)) {
                chair.closing = None;
            }
        }
        if strategy == StrategyId::NONE {
            self.switch.resume();
            self.killed = false;
        }
        self.risk
            .set_mode(whose(strategy), Mode::Trading, "resumed");
        self.note_modes(turn, now);
        Answer::Done
    }

    /// When [`Self::close_more`] is wanted.
    pub(super) fn closing_due(&self) -> Nanos {
        let due = |chair: &Chair| chair.closing.map_or(Nanos::NEVER, |closing| closing.due);
        self.chairs.iter().map(due).min().unwrap_or(Nanos::NEVER)
    }

    /// Cancels what still works of those who were stopped, and then closes what they hold.
    pub(super) fn close_more(&mut self, turn: &mut Turn, now: Nanos) {
        if self.closed {
            return; // The run's end cancels everything, and orders nothing.
        }
        for at in 0..self.chairs.len() {
            let Some(closing) = self.chairs[at].closing.filter(|closing| closing.due <= now) else {
                continue;
            };
            let strategy = StrategyId(at as u8);
            let next = self.close_one(turn, now, strategy, closing);
            self.chairs[at].closing = next;
        }
    }

    /// What is left to do for one strategy; `None` if nothing is.
    fn close_one(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        closing: Closing,
    ) -> Option<Closing> {
        let again = Closing {
            due: now + CLOSING_LOOK,
            ..closing
        };
        let mut works = false;
        for at in (0..self.orders.len()).rev() {
            let order = self.orders.working().get(at).copied();
            let Some(order) = order.filter(|order| order.strategy == strategy) else {
                continue;
            };
            works = true;
            if !order.changing {
                self.cancel(turn, now, order.client_id, closing.why);
            }
        }
        let told = |name| Note::new(now, Severity::Warn, name).strategy(strategy);
        if works {
            return Some(again);
        }
        if !closing.flatten {
            turn.notes.record(told("strategy.stopped"));
            return None;
        }
        // Of what was killed the gateway lets nothing out until all that rested is gone.
        if self.killed && !self.switch.lets_out() {
            self.switch.flatten();
        }
        // An order that ends meanwhile, as on paper, says by this when to look again.
        self.chairs[strategy.index()].closing = Some(Closing {
            tries: closing.tries + 1,
            ..again
        });
        match self.close_positions(turn, now, strategy) {
            Left::Nothing => {
                turn.notes.record(told("strategy.flat"));
                None
            }
            Left::Something if closing.tries >= CLOSING_TRIES => {
                turn.notes.record(told("strategy.not_flat"));
                None
            }
            Left::Something => self.chairs[strategy.index()].closing,
        }
    }

    /// An order of a strategy that is being closed ended: the next look need not wait. If it was to
    /// close something and traded nothing, it does.
    pub(super) fn look_sooner(&mut self, now: Nanos, report: &Report) {
        let chair = self.chairs.get_mut(report.strategy.index());
        let Some(closing) = chair.and_then(|chair| chair.closing.as_mut()) else {
            return;
        };
        let closes = report.tag == CLOSING_TAG;
        if closes && matches!(report.outcome, Outcome::Fill(_)) {
            (closing.traded, closing.tries) = (true, 0);
        }
        if report.outcome.is_end() && (closing.traded || !closes) {
            (closing.traded, closing.due) = (false, now);
        }
    }

    /// Orders what closes each position of a strategy, as far as one order can.
    fn close_positions(&mut self, turn: &mut Turn, now: Nanos, strategy: StrategyId) -> Left {
        let mut left = Left::Nothing;
        let held = self.risk.pnl_rows().filter(|row| row.strategy == strategy);
        let held: Vec<_> = held.map(|row| (row.instrument, row.sellable)).collect();
        for (id, held) in held {
            let Some(instrument) = self.picture.instrument(id).copied() else {
                continue;
            };
            let lots = held.unsigned_abs() / u128::from(instrument.lot.0.max(1));
            if lots == 0 || held.unsigned_abs() < u128::from(instrument.qty_min.0) {
                continue; // The exchange takes no order for so little.
            }
            left = Left::Something;
            let side = if held > 0 { Side::Sell } else { Side::Buy };
            if let Some(place) = self.closing_order(strategy, &instrument, side, lots) {
                self.order_closing(turn, now, &place);
            }
        }
        left
    }

    /// The order at the other side's best price; `None` while there is none to be seen.
    fn closing_order(
        &self,
        strategy: StrategyId,
        instrument: &Instrument,
        side: Side,
        lots: u128,
    ) -> Option<Place> {
        let shown = self.picture.live(instrument.id)?;
        let (bid, ask) = shown.top.best()?;
        let px: Px = match side {
            Side::Sell => bid.px,
            Side::Buy => ask.px,
        };
        let largest = self.risk.largest(instrument, px).0 / instrument.lot.0.max(1);
        let lots = u64::try_from(lots).unwrap_or(u64::MAX).min(largest);
        let qty = Qty(lots * instrument.lot.0.max(1));
        (qty.0 > 0).then_some(Place {
            strategy,
            instrument: instrument.id,
            side,
            px,
            qty,
            order_type: OrderType::ImmediateOrCancel,
            tag: CLOSING_TAG,
            why: Why {
                signal: "flatten",
                value: 0.0,
                threshold: 0.0,
                update_id: shown.update_id,
                epoch: shown.epoch,
                bid,
                ask,
            },
        })
    }

    fn order_closing(&mut self, turn: &mut Turn, now: Nanos, place: &Place) {
        let receipt = Receipt {
            popped: now,
            decided: now,
            ..Receipt::default()
        };
        self.counters.intents += 1;
        self.chairs[place.strategy.index()].wanted(place.instrument);
        self.handle_place(turn, receipt, place, None, By::Desk);
    }

    /// How all stands.
    fn shown(&self, now: Nanos, mut state: Box<DeskState>) -> Box<DeskState> {
        state.at = now;
        state.ready = self.risk.is_ready();
        state.killed = self.killed;
        state.mode = self.risk.mode(Whose::All);
        state.strategies.clear();
        state.rows.clear();
        state.orders.clear();
        for (at, chair) in self.chairs.iter().enumerate() {
            let strategy = StrategyId(at as u8);
            push(
                &mut state.strategies,
                StrategyState {
                    mode: self.risk.mode(Whose::Strategy(strategy)),
                    closing: chair.closing.is_some(),
                    gone: chair.gone,
                    counters: chair.counters,
                },
            );
        }
        for row in self.risk.pnl_rows() {
            push(&mut state.rows, row);
        }
        for order in self.orders.working() {
            push(&mut state.orders, *order);
        }
        state
    }
}

/// What is left of a strategy's positions that an order could close.
enum Left {
    Nothing,
    Something,
}

/// A full list is not made longer: the desk allocates nothing.
fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() < list.capacity() {
        list.push(one);
    }
}

fn whose(strategy: StrategyId) -> Whose {
    match strategy {
        StrategyId::NONE => Whose::All,
        strategy => Whose::Strategy(strategy),
    }
}

fn meant(asked: StrategyId, strategy: StrategyId) -> bool {
    asked == StrategyId::NONE || asked == strategy
}
