//! What a desk takes in one turn: it stops when an order is on its way out. Decides nothing.

use super::*;

/// Events that one turn takes from each ring.
const EVENTS_PER_TURN: usize = 64;

impl Desk {
    /// There is an event to take.
    pub fn has_input(&self) -> bool {
        let asked = |commands: &Commands| !commands.asked.is_empty();
        self.left.is_some()
            || self.ways.iter().any(Way::is_to_wake)
            || !self.own.is_empty()
            || self.rings().any(|ring| !ring.is_empty())
            || self.commands.as_ref().is_some_and(asked)
            || self.switch.is_killed() && !self.killed
    }

    /// Sees to what was put off while orders left. Then takes events from every ring in turn, until
    /// an order is on its way out: that leaves before anything else is looked at. Returns how many
    /// events it took.
    pub fn handle_turn(&mut self, turn: &mut Turn) -> usize {
        self.look_after(turn);
        self.ways.iter_mut().for_each(Way::wake);
        let thrown = self.switch.is_killed() && self.look_at_switch(turn, turn.clock.now());
        let mut taken = usize::from(thrown) + self.handle_commands(turn);
        for _ in 0..self.own.len().min(EVENTS_PER_TURN) {
            if self.left.is_some() {
                return taken;
            }
            taken += 1;
            if let Some((strategy, event)) = self.own.pop_front() {
                let now = turn.clock.now();
                self.show_to(turn, now, strategy, &event);
            }
        }
        // Lent for the turn: an event is read where it lies.
        let mut feeds = std::mem::take(&mut self.feeds);
        for ring in &mut feeds {
            for _ in 0..EVENTS_PER_TURN {
                if self.left.is_some() {
                    break;
                }
                let Ok(event) = ring.peek() else { break };
                self.handle_event(turn, 0, event);
                let _taken_off = ring.pop(); // And not copied: nobody looks at it.
                taken += 1;
            }
        }
        self.feeds = feeds;
        for way in 0..self.ways.len() {
            for ring in 0..self.ways[way].inputs.len() {
                for _ in 0..EVENTS_PER_TURN {
                    if self.left.is_some() {
                        return taken;
                    }
                    let Ok(event) = self.ways[way].inputs[ring].pop() else {
                        break;
                    };
                    self.handle_event(turn, way, &event);
                    taken += 1;
                }
            }
        }
        self.check();
        taken
    }
}
