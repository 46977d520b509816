//! A replacement and all that may happen to it, in every order: which orders of its intent live at
//! the exchange, and which the desk counts.

use super::*;

/// What may happen next to an intent of which one order rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// The strategy wants another price of the newest order that it has.
    Replace,
    /// The oldest request that is under way arrives.
    Arrive,
    /// The oldest answer that is under way comes, and is told twice.
    Answer,
    /// The connection is cut: requests that are under way still arrive, no answer does.
    Cut,
    /// It is back, and every question is answered.
    Back,
    /// The time for answers is over, and every question is answered. They may still come.
    Wait,
}

const ACTS: [Act; 6] = [
    Act::Replace,
    Act::Arrive,
    Act::Answer,
    Act::Cut,
    Act::Back,
    Act::Wait,
];

/// A new order, the one whose place it takes, and when it left.
#[derive(Debug, Clone, Copy)]
struct Sent {
    new: ClientId,
    old: Option<ClientId>,
    at: Nanos,
}

/// An exchange that replaces an order only if it can cancel it, and what travels to and from it.
struct Market {
    up: bool,
    px: i64,
    to: VecDeque<Sent>,
    from: VecDeque<Vec<(ClientId, Said)>>,
    /// Requests that the gateway waits for.
    open: Vec<Sent>,
    live: Vec<ClientId>,
    /// What lived.
    over: Vec<ClientId>,
}

impl Market {
    fn taken(id: ClientId) -> Said {
        let exchange_id = 100 + id.0;
        Said::Taken { exchange_id }
    }

    fn cancelled() -> Said {
        Said::Ended(End::Cancelled, Some(Qty(0)))
    }

    fn arrive(&mut self, now: Nanos) {
        let Some(Sent { new, old, at }) = self.to.pop_front() else {
            return;
        };
        let late = now.since(at) > WINDOW;
        let lives = self.live.iter().position(|id| Some(*id) == old);
        let mut said = Vec::new();
        match (old, lives) {
            (Some(old), Some(at)) if !late => {
                self.over.push(self.live.remove(at));
                self.live.push(new);
                said.extend([(old, Self::cancelled()), (new, Self::taken(new))]);
            }
            (Some(old), _) => {
                let code = if late { -1021 } else { -2011 };
                said.extend([(old, Said::ChangeRefused { code }), (new, Said::NotSent)]);
            }
            (None, _) => {
                self.live.push(new);
                said.push((new, Self::taken(new)));
            }
        }
        assert!(self.live.len() <= 1, "two live orders of one intent");
        if self.up {
            self.from.push_back(said);
        }
    }

    /// How an order stands. What is still under way is not known.
    fn stands(&self, id: ClientId) -> Vec<Said> {
        match (self.live.contains(&id), self.over.contains(&id)) {
            (true, _) => vec![Self::taken(id)],
            (_, true) => vec![Self::taken(id), Self::cancelled()],
            _ => vec![Said::Absent],
        }
    }

    fn resting(&self) -> Vec<Resting> {
        let resting = |id: &ClientId| Resting {
            client_id: Some(*id),
            exchange_id: 100 + id.0,
            instrument: Some(BTC),
            side: Side::Buy,
            px: Px(10_000),
            qty: Qty(10),
            traded: Qty(0),
        };
        self.live.iter().map(resting).collect()
    }
}

impl Bench {
    /// What the desk sent goes on its way; its questions are answered if somebody is there.
    fn exchange(&mut self, market: &mut Market) {
        while !self.requests.is_empty() {
            let now = self.now();
            let (new, old) = match self.requests.remove(0) {
                Request::Place(ticket) => (ticket, None),
                Request::Replace(old, ticket) => (ticket, Some(old.client_id)),
                Request::Ask(question) => {
                    if market.up {
                        self.answer_as(market, &question);
                    }
                    continue;
                }
                Request::Reduce(..) | Request::Cancel(_) => panic!("nobody wanted it"),
            };
            let new = new.order.order().client_id;
            let sent = Sent { new, old, at: now };
            let busy = |one: &Sent| old.is_some() && [one.old, Some(one.new)].contains(&old);
            assert!(
                !market.open.iter().any(busy),
                "a change of what is being changed"
            );
            market.to.push_back(sent);
            market.open.push(sent);
        }
    }

    fn answer_as(&mut self, market: &Market, question: &Question) {
        let asked = self.now();
        if let Question::Order(name) = question {
            for said in market.stands(name.client_id) {
                self.say(name.client_id.0, Source::Query { asked }, said);
            }
            return;
        }
        self.account.resting = market.resting();
        for (instrument, body) in self.account.answer(asked, question) {
            self.tell(instrument, body);
        }
    }

    /// The gateway gives up waiting.
    fn give_up(&mut self, market: &mut Market) {
        for sent in std::mem::take(&mut market.open) {
            for id in [Some(sent.new), sent.old].into_iter().flatten() {
                self.say(id.0, Source::Answer, Said::Unanswered);
            }
        }
    }

    fn play(&mut self, market: &mut Market, act: Act) {
        self.clock.0.set(self.now() + Span::from_millis(1));
        match act {
            Act::Replace => {
                market.px -= 1;
                let ours = self.desk.orders.working().iter();
                if let Some(order) = ours.map(|order| order.client_id).max() {
                    let replace = Replace {
                        order,
                        px: Px(market.px),
                        qty: Qty(10),
                        why: why(),
                    };
                    self.want(BTC, replace);
                }
            }
            Act::Arrive => market.arrive(self.now()),
            Act::Answer => {
                if let Some(said) = market.from.pop_front() {
                    let answered = |new| said.iter().any(|(id, _)| *id == new);
                    market.open.retain(|sent| !answered(sent.new));
                    for (id, said) in said.iter().chain(&said) {
                        self.say(id.0, Source::Answer, *said);
                    }
                }
            }
            Act::Cut if market.up => {
                market.up = false;
                market.from.clear();
                self.connect(false);
                self.give_up(market);
            }
            Act::Back if !market.up => {
                market.up = true;
                self.connect(true);
            }
            Act::Cut | Act::Back => {}
            Act::Wait => {
                self.clock.0.set(self.now() + Span::from_secs(3));
                self.give_up(market);
            }
        }
        self.exchange(market);
        while self.desk.poll_timeout() <= self.now() {
            self.act(|desk, turn| desk.handle_timeout(turn));
            self.exchange(market);
        }
        let known = |id: &ClientId| self.desk.orders.get(*id).is_some();
        assert!(
            market.live.iter().all(known),
            "a live order that nobody counts"
        );
    }
}

/// T7, failure mode 40: whatever a replacement, a cut, late answers and further tries do to each
/// other, the exchange has at most one live order of an intent, and the desk counts it.
#[test]
fn at_most_one_order_of_an_intent_is_live_under_every_interleaving() {
    const LENGTH: u32 = 5;
    let mut replaced = 0;
    for number in 0..ACTS.len().pow(LENGTH) {
        let mut bench = Bench::ready();
        let id = ClientId(bench.resting());
        let mut market = Market {
            up: true,
            px: 10_000,
            to: VecDeque::new(),
            from: VecDeque::new(),
            open: Vec::new(),
            live: vec![id],
            over: Vec::new(),
        };
        let mut acts = vec![Act::Replace];
        let mut rest = number;
        for _ in 0..LENGTH {
            acts.push(ACTS[rest % ACTS.len()]);
            rest /= ACTS.len();
        }
        // And in the end it is known which one.
        acts.extend([Act::Arrive; 6]);
        acts.extend([Act::Cut, Act::Back, Act::Wait, Act::Wait, Act::Wait]);
        for act in &acts {
            bench.play(&mut market, *act);
        }
        let ours = bench.desk.orders.working().iter();
        let ours: Vec<ClientId> = ours.map(|order| order.client_id).collect();
        assert_eq!(ours, market.live, "{acts:?}");
        replaced += market.over.len();
    }
    assert!(
        replaced > ACTS.len().pow(LENGTH) / 2,
        "{replaced} were replaced"
    );
}
