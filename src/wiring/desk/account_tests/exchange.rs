//! The exchange of the test: what it does with a request, and what it says of its orders. It shares
//! no code with `trading`.

use super::*;

impl World {
    pub(super) fn asked(&mut self, number: u64, what: &What) {
        let sent = self.open.get(&number).map(|(_, _, sent)| *sent);
        let heard = sent.is_some();
        let sent = sent.or(self.orphans.get(&number).copied());
        // A request of a line that was cut since may still have been under way.
        let late = sent.is_none_or(|sent| self.now().since(sent) > WINDOW);
        let asked = sent.unwrap_or(Nanos::ZERO);
        let answer = match what {
            What::Ask(question) => self.answer(question, asked),
            _ if late => {
                // Refused for its age: that answer finds its connection, or nobody.
                let said = |id, said| Self::news(id, Source::Answer, said);
                match what {
                    What::Place(new, _) => {
                        vec![said(new.client_id, Said::Rejected { code: -1021 })]
                    }
                    What::Replace(old, new, _) => vec![
                        said(new.client_id, Said::NotSent),
                        said(*old, Said::ChangeRefused { code: -1021 }),
                    ],
                    What::Reduce(id, _) | What::Cancel(id) => {
                        vec![said(*id, Said::ChangeRefused { code: -1021 })]
                    }
                    What::Ask(_) => Vec::new(),
                }
            }
            What::Place(new, tag) => self.place(new, *tag),
            What::Replace(old, new, tag) => match self.cancel(*old) {
                (true, mut bodies) => {
                    bodies.extend(self.place(new, *tag));
                    bodies
                }
                (false, mut bodies) => {
                    bodies.push(Self::news(new.client_id, Source::Answer, Said::NotSent));
                    bodies
                }
            },
            What::Reduce(id, qty) => self.reduce(*id, *qty),
            What::Cancel(id) => self.cancel(*id).1,
        };
        let line = if matches!(what, What::Ask(_)) {
            ACCOUNT
        } else {
            TRADING
        };
        let (up, lost) = (self.up[line], self.chance(12));
        if up == 0 || lost || !heard {
            return;
        }
        let twice = self.chance(10);
        let after = self.delay();
        self.post(after, Parcel::Answer(number, answer.clone()));
        if twice {
            let after = self.delay();
            self.post(after, Parcel::Answer(number, answer));
        }
    }

    pub(super) fn stream(&mut self, client_id: ClientId, said: Vec<Said>) {
        let bodies: Vec<Body> = said
            .into_iter()
            .map(|said| Self::news(client_id, Source::Stream, said))
            .collect();
        let after = self.delay();
        if self.chance(12) {
            let again = after + self.delay();
            self.post(again, Parcel::Stream(bodies.clone()));
        }
        self.post(after, Parcel::Stream(bodies));
    }

    pub(super) fn place(&mut self, new: &NewOrder, tag: u64) -> Vec<Body> {
        assert!(
            self.orders
                .iter()
                .all(|order| order.client_id != new.client_id),
            "an order was sent twice"
        );
        let id = new.client_id;
        if self.dice.u32(..20) == 0 || new.order_type == OrderType::PostOnly && self.dice.bool() {
            let said = Said::Rejected { code: -2010 };
            self.stream(id, vec![said]);
            return vec![Self::news(id, Source::Answer, said)];
        }
        let exchange_id = 1_000 + self.orders.len() as u64;
        self.orders.push(Theirs {
            exchange_id,
            client_id: id,
            tag,
            side: new.side,
            px: new.px,
            qty: new.qty.0,
            executed: 0,
            state: State::Live,
            since: self.now(),
        });
        let at = self.orders.len() - 1;
        let taken = Said::Taken { exchange_id };
        self.stream(id, vec![taken]);
        let mut said = vec![taken];
        let takes = new.order_type != OrderType::PostOnly;
        let part = match new.order_type {
            OrderType::FillOrKill => self.dice.u64(..2) * new.qty.0,
            _ => self.dice.u64(..=new.qty.0),
        };
        if takes && part > 0 && self.dice.bool() {
            said.extend(self.trade(at, part));
        }
        if !new.order_type.rests() && self.orders[at].state == State::Live {
            said.push(self.end(at, End::Expired));
        }
        said.into_iter()
            .map(|said| Self::news(id, Source::Answer, said))
            .collect()
    }

    pub(super) fn trade(&mut self, at: usize, qty: u64) -> Vec<Said> {
        let trade_id = 50 + self.trades.len() as u64;
        let now = self.now();
        let order = &mut self.orders[at];
        order.executed += qty;
        let (exchange_id, client_id, side, px) =
            (order.exchange_id, order.client_id, order.side, order.px);
        let fee = Fee {
            asset: crate::base::Asset::from("USDT").unwrap(),
            amount: Decimal { units: 3, scale: 5 },
            rebate: false,
        };
        let fill = Fill {
            fee: Some(fee),
            ..Fill::bare(trade_id, side, px, Qty(qty))
        };
        let sign: i128 = if side == Side::Buy { 1 } else { -1 };
        self.position += sign * i128::from(qty);
        *self.balances.get_mut("BTC").unwrap() += sign * i128::from(qty);
        *self.balances.get_mut("USDT").unwrap() -= sign * i128::from(qty) * i128::from(px.0) + 3;
        self.trades.push(Trade {
            exchange_id,
            fill,
            at: now,
        });
        let total = Qty(self.orders[at].executed);
        let mut said = vec![Said::Fill(fill)];
        if self.orders[at].executed == self.orders[at].qty {
            self.orders[at].state = State::Over(End::Filled);
            said.push(Said::Ended(End::Filled, Some(total)));
        } else {
            said.push(Said::Traded(total));
        }
        self.stream(client_id, said.clone());
        said
    }

    pub(super) fn end(&mut self, at: usize, end: End) -> Said {
        self.orders[at].state = State::Over(end);
        let said = Said::Ended(end, Some(Qty(self.orders[at].executed)));
        self.stream(self.orders[at].client_id, vec![said]);
        said
    }

    pub(super) fn live(&self, id: ClientId) -> Option<usize> {
        let live = |order: &Theirs| order.client_id == id && order.state == State::Live;
        self.orders.iter().position(live)
    }

    pub(super) fn cancel(&mut self, id: ClientId) -> (bool, Vec<Body>) {
        let Some(at) = self.live(id) else {
            let said = Said::ChangeRefused { code: -2011 };
            return (false, vec![Self::news(id, Source::Answer, said)]);
        };
        let said = self.end(at, End::Cancelled);
        (true, vec![Self::news(id, Source::Answer, said)])
    }

    pub(super) fn reduce(&mut self, id: ClientId, qty: u64) -> Vec<Body> {
        let refused = Said::ChangeRefused { code: -2038 };
        let said = match self.live(id) {
            Some(at) if self.orders[at].executed < qty && qty < self.orders[at].qty => {
                self.orders[at].qty = qty;
                let said = Said::Reduced(Qty(qty));
                self.stream(id, vec![said]);
                said
            }
            _ => refused,
        };
        vec![Self::news(id, Source::Answer, said)]
    }

    pub(super) fn market(&mut self) {
        let live: Vec<usize> = (0..self.orders.len())
            .filter(|at| self.orders[*at].state == State::Live)
            .collect();
        if live.is_empty() || self.now() > FAULTS_END + Span::from_secs(20) {
            return;
        }
        let at = live[self.dice.usize(..live.len())];
        let left = self.orders[at].qty - self.orders[at].executed;
        match self.dice.u8(..12) {
            0 => {
                self.end(at, End::Expired); // The exchange's own doing.
            }
            1..7 => {
                let qty = self.dice.u64(1..=left);
                self.trade(at, qty);
            }
            _ => {}
        }
    }

    pub(super) fn answer(&mut self, question: &Question, asked: Nanos) -> Vec<Body> {
        let source = Source::Query { asked };
        match question {
            Question::Order(name) => {
                let known = self
                    .orders
                    .iter()
                    .find(|o| o.client_id == name.client_id)
                    .copied();
                let young = |order: &Theirs| self.now().since(order.since) < VISIBILITY;
                let hidden = known.as_ref().is_some_and(young) && self.dice.u32(..4) == 0;
                let Some(order) = known.filter(|_| !hidden) else {
                    return vec![Self::news(name.client_id, source, Said::Absent)];
                };
                let total = Qty(order.executed);
                let said = [
                    Said::Taken {
                        exchange_id: order.exchange_id,
                    },
                    Said::Reduced(Qty(order.qty)),
                    match order.state {
                        State::Live => Said::Traded(total),
                        State::Over(end) => Said::Ended(end, Some(total)),
                    },
                ];
                said.map(|said| Self::news(name.client_id, source, said))
                    .to_vec()
            }
            Question::Trades(_, of) => {
                let meant = |trade: &&Trade| match of {
                    TradesOf::Order(id) => trade.exchange_id == *id,
                    TradesOf::After(id) => trade.fill.trade_id > *id,
                    TradesOf::Last(span) => self.now().since(trade.at) <= *span,
                };
                let tell = |trade: &Trade| {
                    Body::Account(AccountNews::Trade {
                        exchange_id: trade.exchange_id,
                        asked,
                        fill: trade.fill,
                    })
                };
                let mut bodies: Vec<Body> = self.trades.iter().filter(meant).map(tell).collect();
                bodies.push(Body::Account(AccountNews::TradesListed { asked }));
                bodies
            }
            Question::OpenOrders => {
                let live = self
                    .orders
                    .iter()
                    .filter(|order| order.state == State::Live);
                let tell = |order: &Theirs| {
                    Body::Account(AccountNews::Resting(Resting {
                        client_id: Some(order.client_id),
                        exchange_id: order.exchange_id,
                        instrument: Some(BTC),
                        side: order.side,
                        px: order.px,
                        qty: Qty(order.qty),
                        traded: Qty(order.executed),
                    }))
                };
                let mut bodies: Vec<Body> = live.map(tell).collect();
                bodies.push(Body::Account(AccountNews::RestingListed { asked }));
                bodies
            }
            Question::Balances => {
                let tell = |(asset, units): (&&'static str, &i128)| {
                    let scale = if *asset == "BTC" { 3 } else { 5 };
                    Body::Account(AccountNews::Balance(Balance {
                        asset: crate::base::Asset::from(asset).unwrap(),
                        free: Decimal {
                            units: units.unsigned_abs(),
                            scale,
                        },
                        locked: Decimal { units: 0, scale },
                    }))
                };
                let mut bodies: Vec<Body> = self.balances.iter().map(tell).collect();
                bodies.push(Body::Account(AccountNews::BalancesListed { asked }));
                bodies
            }
        }
    }
}
