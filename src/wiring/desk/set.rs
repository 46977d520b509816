//! A desk that hands other values to a strategy, between two events. What they are was checked
//! before they came here, and nothing is allocated or freed: what is left of them goes back.

use super::command::{Answer, Setting};
use super::halt::GONE;
use super::*;
use crate::base::KeyName;

impl Desk {
    /// Whatever the strategy decides after this, it decides by these values.
    pub(super) fn set(&mut self, turn: &mut Turn, now: Nanos, mut setting: Box<Setting>) -> Answer {
        setting.at = now;
        let taken = self.hand_over(turn, now, &mut setting);
        if taken.is_ok() {
            let Setting {
                strategy,
                key,
                value,
                noted,
                ..
            } = *setting;
            // A kind with a longer one is refused.
            let name = KeyName::from(key).unwrap_or_default();
            let note = Note::new(now, Severity::Warn, "strategy.set").strategy(strategy);
            let note = note.with("key", Value::Word(key));
            turn.notes.record(note.with("value", noted));
            self.keep_everywhere(
                now,
                Deed::Set {
                    strategy,
                    key: name,
                    value,
                },
            );
        }
        Answer::Set(setting, taken)
    }

    fn hand_over(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        setting: &mut Setting,
    ) -> Result<(), &'static str> {
        let strategy = setting.strategy;
        let Some(chair) = self.chairs.get_mut(strategy.index()) else {
            return Err("there is no such strategy");
        };
        if chair.gone {
            return Err(GONE);
        }
        let positions = self.risk.pnl().positions(strategy);
        let view = View::new(&self.picture, positions, self.orders.working(), strategy);
        let takes = &mut chair.seated.strategy;
        self.switch.enter(now, strategy);
        let taken = catch_unwind(AssertUnwindSafe(|| {
            takes.handle_values(&mut setting.values, &view)
        }));
        self.switch.leave();
        taken.unwrap_or_else(|words| {
            self.panicked(turn, now, strategy, words);
            Err(GONE)
        })
    }
}
