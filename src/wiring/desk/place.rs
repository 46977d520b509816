//! New orders: what risk lets through goes to the exit, and what it refuses is told.

use super::*;
use crate::base::Side;

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
        self.look_after(turn);
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
        self.rehearsed = Some(*place);
        self.orders.open(now, order.order(), place.tag);
        let admitted = Deed::Admitted {
            order: *order.order(),
            tag: place.tag,
            replaces,
        };
        self.ways[way].keep(now, admitted);
        let client_id = order.order().client_id;
        let ticket = Ticket { order, receipt };
        let old = replaces.and_then(|old| self.orders.name(old));
        let request = match old {
            None => Request::Place(ticket),
            Some(old) => {
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
        self.left = Some(Left {
            now,
            client_id,
            place: *place,
            replaces: old.map(|old| old.client_id),
            receipt,
            stays,
        });
        if stays {
            self.look_after(turn);
        }
    }

    /// Goes the way of the newest order again, as far as nothing comes of it: what the next one
    /// needs is then in the processor's caches, and need not be fetched while it waits. An order is
    /// rare, and its way long: a hundred times as much lies in between.
    pub(crate) fn rehearse(&self, now: Nanos) {
        let Some(mut place) = self.rehearsed.filter(|_| !self.closed) else {
            return;
        };
        let shown = self.picture.live(place.instrument);
        if let Some((bid, ask)) = shown.and_then(|shown| shown.top.best()) {
            // An old price would be refused at the first look at the book.
            place.px = match place.side {
                Side::Buy => bid.px,
                Side::Sell => ask.px,
            };
        }
        self.risk.rehearse(now, &place, &self.picture, &self.orders);
    }

    /// Does what was put off until the newest order is out: its record, what it means to positions,
    /// and what its strategy is to hear. To be called before anything else happens at the desk.
    pub(super) fn look_after(&mut self, turn: &mut Turn) {
        let Some(left) = self.left.take() else {
            return;
        };
        let (now, place, id) = (left.now, &left.place, left.client_id.0 as i64);
        let note = decision(now, "order.admitted", place, &self.picture);
        let note = note.with("order", Value::Int(id));
        turn.notes.record(match left.replaces {
            None => note,
            Some(old) => note.with("replaces", Value::Int(old.0 as i64)),
        });
        if left.stays {
            // No gateway will tell its road.
            let note = receipt_note(now, place, id, &left.receipt);
            turn.notes.record(note);
        }
        self.hear_paper(turn, now);
        self.drain(turn, now, false);
    }
}

/// An order that is on its way out, of which the desk has not seen to the rest yet.
pub(super) struct Left {
    now: Nanos,
    client_id: ClientId,
    place: Place,
    replaces: Option<ClientId>,
    receipt: Receipt,
    /// It goes to no gateway.
    stays: bool,
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
