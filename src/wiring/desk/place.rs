//! New orders: what risk lets through goes to the exit, and what it refuses is told.

use super::*;

impl Desk {
    /// A new order, also one in the place of another.
    pub(super) fn handle_place(
        &mut self,
        turn: &mut Turn,
        mut receipt: Receipt,
        place: &Place,
        replaces: Option<ClientId>,
        by: By,
    ) {
        assert!(!self.closed, "an order after the run's end");
        let now = receipt.popped;
        let keep = self.way_mut(place.instrument).map(|way| &way.keep);
        let kept = keep.is_none_or(|keep| keep.as_ref().is_none_or(Keep::takes_orders));
        let chair = &mut self.chairs[place.strategy.index()];
        self.risk.set_recorded(turn.notes.takes_orders() && kept);
        let admitted = match chair.seated.owns(place.instrument) {
            true => {
                let (picture, orders) = (&self.picture, &self.orders);
                match by {
                    By::Strategy => self.risk.admit(now, *place, picture, orders),
                    By::Desk => self.risk.admit_closing(now, *place, picture, orders),
                }
            }
            false => Err(self
                .risk
                .refuse(place.instrument, Refusal::NotItsInstrument)),
        };
        let order = match admitted {
            Ok(order) => order,
            Err(refused) => return self.refused(turn, now, place, refused),
        };
        receipt.admitted = turn.clock.now();
        turn.latency
            .record(Stage::Admit, receipt.admitted.since(receipt.decided));
        receipt.check();
        check_admitted(&chair.seated, order.order(), place);
        #[expect(
            clippy::expect_used,
            reason = "risk admits no order without an account"
        )]
        let way = self.way_of[place.instrument.index()].expect("a way out");
        self.counters.admitted += 1;
        chair.ordered(place.instrument);
        let id = order.order().client_id.0 as i64;
        let mut note =
            decision(now, "order.admitted", place, &self.picture).with("order", Value::Int(id));
        self.orders.open(now, order.order(), place.tag);
        let admitted = Deed::Admitted {
            order: *order.order(),
            tag: place.tag,
            replaces,
        };
        self.ways[way].keep(now, admitted);
        let ticket = Ticket { order, receipt };
        let old = replaces.and_then(|old| self.orders.name(old));
        let request = match old {
            None => Request::Place(ticket),
            Some(old) => {
                note = note.with("replaces", Value::Int(old.client_id.0 as i64));
                self.risk.handle_cancel(now, place.strategy);
                self.ways[way].keep(now, asked(old, Change::Replace));
                self.orders.change(now, old.client_id);
                Request::Replace(old, ticket)
            }
        };
        let mut stays = matches!(self.ways[way].exit, Exit::Paper(_));
        if let Err(request) = self.dispatch(way, request) {
            self.not_dispatched(now, &request);
            stays = true;
        }
        // After the order left: it can wait, and its place is kept.
        turn.notes.record(note);
        if stays {
            // No gateway will tell its road.
            turn.notes.record(receipt_note(now, place, id, &receipt));
        }
        self.hear_paper(turn, now);
        self.drain(turn, now, false);
    }
}

/// Who wants an order.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// Its strategy.
    Strategy,
    /// The desk, to close a position.
    Desk,
}

/// What leaves is what its strategy wanted, and of an instrument of its own.
fn check_admitted(seated: &Seated, order: &NewOrder, intent: &Place) {
    assert!(seated.owns(order.instrument), "an order of another's");
    assert!(order.strategy == intent.strategy);
    assert!((order.instrument, order.side) == (intent.instrument, intent.side));
    assert!((order.px, order.qty) == (intent.px, intent.qty));
}
