//! Risk beside a picture and orders, for its tests.

use super::*;
use crate::base::{News, Said, Side, Source, Working};
use crate::trading::orders::Output;
use std::ops::{Deref, DerefMut};

/// Risk, and what a desk would lend it.
pub(crate) struct Gate {
    risk: Risk,
    view: Picture,
    pub(crate) orders: Orders,
    trades: u64,
}

impl Gate {
    pub(crate) fn new(
        params: &RiskParams,
        instruments: &[Instrument],
        first_client_id: u64,
    ) -> Self {
        let limits = RiskLimits::parse(params, instruments).unwrap();
        let risk = Risk::new(limits, instruments, first_client_id);
        Self {
            orders: Orders::new(risk.open_orders_max(), instruments.len(), Span::ZERO),
            risk,
            view: Picture::new(instruments),
            trades: 0,
        }
    }

    pub(crate) fn handle_event(&mut self, now: Nanos, event: &Event) {
        self.view.handle_event(now, event);
        self.risk.handle_event(event);
    }

    /// As a desk admits, and opens what was admitted.
    pub(crate) fn admit(&mut self, now: Nanos, intent: Place) -> Result<Admitted, Refused> {
        let admitted = self
            .risk
            .admit(now, intent, &self.view, &self.orders)
            .inspect(|admitted| self.orders.open(now, admitted.order(), intent.tag));
        self.risk.follow(&mut self.orders);
        admitted
    }

    /// Admits what must pass, and gives its id.
    pub(crate) fn order(&mut self, now: u64, intent: Place) -> ClientId {
        self.admit(Nanos(now), intent).unwrap().order().client_id
    }

    /// The exit says something of an order.
    pub(crate) fn say(&mut self, now: Nanos, client_id: ClientId, said: Said) {
        let order = self.orders.get(client_id).copied();
        let instrument = order.map_or(InstrumentId(0), |order| order.instrument);
        let news = News {
            client_id,
            instrument,
            source: Source::Answer,
            said,
        };
        self.orders.hear(now, &news);
        self.risk.follow(&mut self.orders);
        while let Some(output) = self.orders.poll_output() {
            if let Output::Stray(instrument, fill) = output {
                self.risk.handle_stray(instrument, &fill);
            }
        }
    }

    /// Its strategy cancels an order.
    pub(crate) fn cancel(&mut self, now: Nanos, client_id: ClientId) {
        let strategy = self.orders.get(client_id).unwrap().strategy;
        self.risk.handle_cancel(now, strategy);
        self.orders.change(now, client_id);
        self.risk.follow(&mut self.orders);
    }

    /// The order trades so much at its own limit.
    pub(crate) fn fill(&mut self, now: Nanos, client_id: ClientId, qty: u64) {
        let Working { side, px, .. } = *self.orders.get(client_id).unwrap();
        self.fill_at(now, client_id, (side, px, qty));
    }

    pub(crate) fn fill_at(
        &mut self,
        now: Nanos,
        client_id: ClientId,
        (side, px, qty): (Side, Px, u64),
    ) {
        self.trades += 1;
        let fill = Fill::bare(self.trades, side, px, crate::base::Qty(qty));
        self.say(now, client_id, Said::Fill(fill));
    }

    pub(crate) fn open_orders(&self) -> usize {
        self.orders.len()
    }
}

impl Deref for Gate {
    type Target = Risk;

    fn deref(&self) -> &Risk {
        &self.risk
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Risk {
        &mut self.risk
    }
}
