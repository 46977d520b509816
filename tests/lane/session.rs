//! The gateway at an exchange whose sessions end, and which takes no cancel and order as one.

use crate::lane_support::desk::{admit, ready_risk};
use crate::lane_support::{BTC, Rig, Tap};
use tickwire::base::{
    Body, ClientId, End, Event, Instrument, InstrumentId, Nanos, OrderRef, Said, Span, Symbol,
};
use tickwire::exchange::{Account, AccountKey, by_name};
use tickwire::trading::risk::Risk;
use tickwire::wiring::desk::{Receipt, Request, Ticket};
use tickwire::wiring::gateway::{ANSWER_DEADLINE, Gateway};
use tickwire::wiring::plan::GatewayPlan;
use tickwire::wiring::ring::{Receiver, Sender};
use tickwire::wiring::road::{self, Bells};

const TRADING: usize = 0;
const ACCOUNT: usize = 1;
const BOTH: [usize; 2] = [TRADING, ACCOUNT];
const LOGON: &str = "public/auth";

struct Bench {
    rig: Rig<Gateway<Tap>>,
    requests: Sender<Request>,
    events: Receiver<Event>,
    risk: Risk,
}

impl Bench {
    /// Logged on for a minute.
    fn ready() -> Self {
        let account = Account {
            api_key: "test-key-0001".to_owned().into(),
            key: AccountKey::Hmac("test-secret-0001".to_owned().into()),
        };
        let pair = Instrument {
            id: InstrumentId(0),
            ..Instrument::bare("deribit", Symbol::from("BTC_USDT").unwrap(), (2, 3))
        };
        let exchange = by_name("deribit").unwrap();
        let codec = exchange.order_codec(account, &[pair]).unwrap();
        let (rig, (requests, events)) = Rig::of(|endpoint| {
            let plan = GatewayPlan::new(exchange, codec, endpoint);
            let ends = road::gateway(plan, &Bells::silent()).unwrap();
            (ends.gateway, (ends.tickets, ends.reports))
        });
        let mut bench = Self {
            rig,
            requests,
            events,
            risk: ready_risk(),
        };
        for line in BOTH {
            bench.until_asked(line, LOGON, 1);
            bench.grant(line);
        }
        bench.until_asked(ACCOUNT, "private/subscribe", 1);
        bench.answer(ACCOUNT, "f", r#""result":["user.changes.BTC_USDT.raw"]"#);
        assert_eq!(bench.bodies(), [Body::Gateway(true)]);
        bench
    }

    /// The line has sent so many requests of this method on its connection.
    fn sent(&self, line: usize, method: &str) -> usize {
        let method = format!(r#""method":"{method}""#);
        let heard = self.rig.heard_on(line).iter();
        heard.filter(|(_, text)| text.contains(&method)).count()
    }

    fn until_asked(&mut self, line: usize, method: &str, count: usize) {
        for _ in 0..400 {
            if self.rig.is_up(line) && self.sent(line, method) >= count {
                return;
            }
            self.rig.later(Span::from_millis(50));
        }
        panic!("no {method} on line {line}");
    }

    fn answer(&mut self, line: usize, id: &str, rest: &str) {
        let now_us = self.rig.now().0 / 1_000;
        let text = format!(r#"{{"jsonrpc":"2.0","id":"{id}",{rest},"usOut":{now_us}}}"#);
        self.rig.say_on(line, &text);
        self.rig.run_until_idle();
    }

    fn grant(&mut self, line: usize) {
        let rest = r#""result":{"access_token":"x","expires_in":60,"refresh_token":"y","scope":"connection","token_type":"bearer"}"#;
        self.answer(line, "l", rest);
    }

    /// Time goes on while both lines show that they live.
    fn later(&mut self, span: Span) {
        let until = self.rig.now() + span;
        while self.rig.now() < until {
            let step = until.since(self.rig.now()).min(Span::from_millis(500));
            self.rig.later(step);
            for line in BOTH {
                let beat =
                    r#"{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}"#;
                self.rig.say_on(line, beat);
            }
            self.rig.run_until_idle();
        }
    }

    /// What the desk hears of the connection and of orders.
    fn bodies(&mut self) -> Vec<Body> {
        let mut bodies = Vec::new();
        while let Ok(event) = self.events.pop() {
            if matches!(event.body, Body::Gateway(_) | Body::News(_)) {
                bodies.push(event.body);
            }
        }
        bodies
    }

    fn news(&mut self) -> Vec<(ClientId, Said)> {
        let bodies = self.bodies().into_iter();
        let said = bodies.filter_map(|body| match body {
            Body::News(news) => Some((news.client_id, news.said)),
            _ => None,
        });
        said.collect()
    }

    fn ticket(&mut self) -> (ClientId, Ticket) {
        let now = self.rig.now();
        let order = admit(&mut self.risk, now, BTC);
        let receipt = Receipt {
            admitted: Nanos(now.0 - 100),
            ..Receipt::default()
        };
        (order.order().client_id, Ticket { order, receipt })
    }

    fn request(&mut self, request: Request) {
        assert!(self.requests.push(request).is_ok());
        self.rig.turn();
    }
}

#[test]
fn a_session_is_renewed_at_half_its_length_and_orders_go_on_meanwhile() {
    let mut bench = Bench::ready();
    bench.later(Span::from_secs(28));
    assert_eq!(BOTH.map(|line| bench.sent(line, LOGON)), [1, 1]);
    bench.later(Span::from_secs(3));
    assert_eq!(BOTH.map(|line| bench.sent(line, LOGON)), [2, 2]);
    let (_, ticket) = bench.ticket();
    bench.request(Request::Place(ticket));
    assert_eq!(bench.sent(TRADING, "private/buy"), 1);
    for line in BOTH {
        bench.grant(line);
    }
    bench.later(Span::from_secs(26));
    assert_eq!(BOTH.map(|line| bench.sent(line, LOGON)), [2, 2]);
    bench.later(Span::from_secs(4));
    assert_eq!(BOTH.map(|line| bench.sent(line, LOGON)), [3, 3]);
    assert_eq!(bench.rig.dials, 2, "on the connections that there are");
    assert_eq!(bench.sent(ACCOUNT, "private/subscribe"), 1);
    let lost = |body: &Body| matches!(body, Body::Gateway(false));
    assert!(!bench.bodies().iter().any(lost));
}

#[test]
fn a_renewal_without_an_answer_is_tried_again() {
    let mut bench = Bench::ready();
    bench.later(Span::from_secs(31));
    assert_eq!(bench.sent(TRADING, LOGON), 2);
    bench.later(ANSWER_DEADLINE + Span::from_secs(2));
    assert!(bench.sent(TRADING, LOGON) >= 3);
    assert_eq!(bench.rig.dials, 2);
}

#[test]
fn a_renewal_that_is_refused_ends_the_connection() {
    let mut bench = Bench::ready();
    bench.later(Span::from_secs(31));
    let refused = r#""error":{"code":13004,"message":"invalid_credentials"}"#;
    bench.answer(TRADING, "l", refused);
    assert!(bench.bodies().contains(&Body::Gateway(false)));
    bench.rig.later(Span::from_secs(3));
    assert!(bench.rig.dials >= 3);
}

#[test]
fn an_order_that_cannot_be_replaced_is_cancelled_and_its_successor_is_not_sent() {
    let mut bench = Bench::ready();
    let (old, ticket) = bench.ticket();
    bench.request(Request::Place(ticket));
    let (new, ticket) = bench.ticket();
    let old_name = OrderRef {
        client_id: old,
        instrument: BTC,
        exchange_id: None,
    };
    bench.request(Request::Replace(old_name, ticket));
    assert_eq!(bench.sent(TRADING, "private/buy"), 1);
    assert_eq!(bench.sent(TRADING, "private/cancel_by_label"), 1);
    assert_eq!(bench.news(), [(new, Said::NotSent)]);
    let cancel = format!("c00000{:020}", old.0);
    bench.answer(TRADING, &cancel, r#""result":1"#);
    let ended = Said::Ended(End::Cancelled, None);
    assert_eq!(bench.news(), [(old, ended)]);
}
