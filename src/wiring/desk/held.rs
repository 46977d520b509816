//! Intents that are held back: whose they are, and who hears of it. Judges none.

use super::*;

impl Desk {
    /// The instrument of an intent; none if nobody knows the order that it is about.
    pub(super) fn about(&self, intent: &Intent) -> InstrumentId {
        let order = match intent {
            Intent::Place(place) => return place.instrument,
            Intent::CancelAll(cancel) => return cancel.instrument,
            Intent::Replace(replace) => replace.order,
            Intent::Cancel(cancel) => cancel.order,
        };
        self.instrument_of(order)
    }

    pub(super) fn instrument_of(&self, order: ClientId) -> InstrumentId {
        let order = self.orders.get(order);
        order.map_or(InstrumentId::NONE, |order| order.instrument)
    }

    pub(super) fn refused(&mut self, turn: &mut Turn, now: Nanos, place: &Place, refused: Refused) {
        let gate = refused.gate;
        let chair = &mut self.chairs[place.strategy.index()];
        let nth = chair.refused(place.instrument, &refused);
        let report = Report {
            client_id: ClientId::default(),
            strategy: place.strategy,
            tag: place.tag,
            instrument: place.instrument,
            side: place.side,
            px: place.px,
            qty: place.qty,
            remaining: place.qty,
            outcome: Outcome::Refused { gate: gate.name() },
        };
        let event = own_event(now, Body::Report(report));
        self.own.push_back((place.strategy, event));
        if chair.logs_refusal(now, gate) {
            let note = decision(now, "order.refused", place, &self.picture)
                .with("gate", Value::Word(gate.name()))
                .with("nth", Value::Int(nth as i64))
                .text(gate.name());
            let compared = refused.compared.iter().flat_map(Compared::fields);
            let note = compared.fold(note, |note, (name, value)| note.with(name, value));
            turn.notes.send(note);
        }
    }

    /// A change of an order that cannot be changed now.
    pub(super) fn refuse_change(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        client_id: ClientId,
        gate: Refusal,
    ) {
        let instrument = self.instrument_of(client_id);
        let refused = self.risk.refuse(instrument, gate);
        let chair = &mut self.chairs[strategy.index()];
        let nth = chair.refused(instrument, &refused);
        if chair.logs_refusal(now, gate) {
            let note = Note::new(now, Severity::Info, "order.refused")
                .instrument(instrument)
                .strategy(strategy)
                .with("order", Value::Int(client_id.0 as i64))
                .with("gate", Value::Word(gate.name()))
                .with("nth", Value::Int(nth as i64))
                .text(gate.name());
            turn.notes.send(note);
        }
    }
}
