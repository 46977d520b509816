//! Changes of orders that there are, and what the exit is asked to do. Admits no order.

use super::*;

impl Desk {
    /// Another price or quantity. At most one of an intent's orders is live: while a change is
    /// under way, or nobody knows how the order stands, there is no other change.
    pub(super) fn handle_replace(
        &mut self,
        turn: &mut Turn,
        receipt: Receipt,
        strategy: StrategyId,
        replace: &Replace,
    ) {
        let now = receipt.popped;
        let own = |order: &&Working| order.strategy == strategy;
        let Some(order) = self.orders.get(replace.order).filter(own).copied() else {
            return self.refuse_change(turn, now, strategy, replace.order, Refusal::OrderOver);
        };
        if order.changing || order.in_doubt || !order.acked {
            return self.refuse_change(turn, now, strategy, replace.order, Refusal::OrderBusy);
        }
        let less = replace.px == order.px && replace.qty < order.remaining() && replace.qty.0 > 0;
        let way = self.way_mut(order.instrument);
        if less && way.is_some_and(|way| way.rules.reduces) {
            let qty = Qty(order.filled.0 + replace.qty.0);
            self.changed(strategy, order.instrument);
            self.change(turn, now, order.client_id, |name| {
                Request::Reduce(name, qty)
            });
            return;
        }
        let place = Place {
            strategy,
            instrument: order.instrument,
            side: order.side,
            px: replace.px,
            qty: replace.qty,
            order_type: order.order_type,
            tag: order.tag,
            why: replace.why,
        };
        self.handle_place(turn, receipt, &place, Some(order.client_id), By::Strategy);
    }

    /// A cancel always goes, but not while another change is under way.
    pub(super) fn handle_cancel(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        client_id: ClientId,
        why: &'static str,
    ) {
        let own = |order: &&Working| order.strategy == strategy;
        match self.orders.get(client_id).filter(own) {
            None => self.refuse_change(turn, now, strategy, client_id, Refusal::OrderOver),
            Some(order) if order.changing => {
                self.refuse_change(turn, now, strategy, client_id, Refusal::OrderBusy);
            }
            Some(order) => {
                let instrument = order.instrument;
                self.changed(strategy, instrument);
                self.cancel(turn, now, client_id, why);
            }
        }
    }

    pub(super) fn handle_cancel_all(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        cancel: &CancelAll,
    ) {
        self.changed(strategy, cancel.instrument);
        let meant = |order: &&Working| {
            let everywhere = cancel.instrument == InstrumentId::NONE;
            order.strategy == strategy
                && !order.changing
                && (everywhere || order.instrument == cancel.instrument)
        };
        for at in (0..self.orders.len()).rev() {
            let order = self.orders.working().get(at).filter(meant);
            if let Some(client_id) = order.map(|order| order.client_id) {
                self.cancel(turn, now, client_id, cancel.why);
            }
        }
    }

    pub(super) fn cancel(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        client_id: ClientId,
        why: &'static str,
    ) {
        if let Some(order) = self.orders.get(client_id) {
            self.risk.handle_cancel(now, order.strategy);
            turn.notes.record(cancel_note(now, order, why));
        }
        self.change(turn, now, client_id, Request::Cancel);
    }

    pub(super) fn change(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        client_id: ClientId,
        request: impl FnOnce(OrderRef) -> Request,
    ) {
        self.look_after(turn);
        let Some(name) = self.orders.name(client_id) else {
            return;
        };
        let request = request(name);
        let change = match request {
            Request::Reduce(_, qty) => Change::Reduce(qty),
            _ => Change::Cancel,
        };
        let Some(way) = self.way_of(name.instrument) else {
            return; // Risk let no order of it out.
        };
        self.ways[way].keep(now, asked(name, change));
        self.orders.change(now, client_id);
        if let Err(request) = self.dispatch(way, request) {
            self.not_dispatched(now, &request);
        }
        self.hear_paper(turn, now);
        self.drain(turn, now, false);
    }

    pub(super) fn changed(&mut self, strategy: StrategyId, instrument: InstrumentId) {
        self.counters.changes += 1;
        self.chairs[strategy.index()].changed(instrument);
    }

    /// Hands a request to the exit at the end of this way; gives it back if the gateway is stuck.
    #[expect(
        clippy::result_large_err,
        reason = "the request is given back, and never is but when the gateway is stuck"
    )]
    pub(super) fn dispatch(&mut self, way: usize, request: Request) -> Result<(), Request> {
        let way = &mut self.ways[way];
        match &mut way.exit {
            Exit::Gateway(ring) => ring.push(request),
            Exit::Journal => match &mut way.keep {
                Some(keep) => keep.request(request),
                None => Err(request),
            },
            Exit::Paper(paper) => {
                let wish = match &request {
                    Request::Place(ticket) => Wish::Place(ticket.order.order()),
                    Request::Replace(old, ticket) => Wish::Replace(old, ticket.order.order()),
                    Request::Reduce(old, qty) => Wish::Reduce(old, *qty),
                    Request::Cancel(old) => Wish::Cancel(old),
                    Request::Ask(_) => return Ok(()), // Paper has said all that it knows.
                };
                paper.handle(wish, &self.picture);
                Ok(())
            }
        }
    }

    /// The gateway is stuck: the request never left.
    pub(super) fn not_dispatched(&mut self, now: Nanos, request: &Request) {
        for news in request.undone() {
            self.hear(now, &news);
        }
    }

    /// Takes in what paper made of a request or of a book: strategies hear of it at the next turn.
    pub(super) fn hear_paper(&mut self, turn: &mut Turn, now: Nanos) {
        while let Exit::Paper(paper) = &mut self.ways[0].exit
            && let Some(news) = paper.poll_news()
        {
            self.hear(now, &news);
        }
        self.drain(turn, now, false);
    }
}
