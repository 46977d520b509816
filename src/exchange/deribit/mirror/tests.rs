//! What the mirror refuses, and what it does at its time. The conversation itself is tried on every
//! exchange alike.

use crate::base::{Level, Side, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::deribit::Deribit;
use crate::exchange::mirror::{Call, Listing, Market, MirrorSession, Pace};

/// A market with one empty book, BTC-PERPETUAL.
struct Quiet(Vec<Listing>);

impl Quiet {
    fn new() -> Self {
        Self(vec![Listing {
            instrument: Deribit.mirror().list("BTC", "USD", 1, 8),
            volume: 1,
        }])
    }
}

impl Market for Quiet {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (44, 1)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }
}

fn connect() -> Box<dyn MirrorSession> {
    assert!(Deribit.mirror().session("/ws").is_none());
    Deribit.mirror().session("/ws/api/v2").unwrap()
}

fn say(session: &mut dyn MirrorSession, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let done = session.handle_text(text, &mut Quiet::new(), &mut out);
    assert_eq!(done, Ok(()));
    out
}

#[test]
fn what_cannot_be_served_is_refused_or_missing_from_the_answer() {
    let mut session = connect();
    for (text, code) in [
        ("{", "-32700"),
        (r#"{"id":1,"method":"public/hello"}"#, "-32601"),
        (
            r#"{"id":1,"method":"public/subscribe","params":{}}"#,
            "-32602",
        ),
        (
            r#"{"id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.raw"]}}"#,
            "13778",
        ),
        (
            r#"{"id":1,"method":"public/set_heartbeat","params":{"interval":9}}"#,
            "-32602",
        ),
    ] {
        let said = say(&mut *session, text);
        assert!(said[0].contains(&format!(r#""code":{code}"#)), "{said:?}");
    }
    assert_eq!((session.streams(), session.poll_timeout()), (0, None));
    let ask = r#"{"id":4,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.agg2","quote.X","trades.BTC-PERPETUAL.5s"]}}"#;
    let said = say(&mut *session, ask);
    assert!(said[0].contains(r#""result":["book.BTC-PERPETUAL.agg2"]"#));
    assert!(said[1].contains(r#""type":"snapshot""#) && said[1].contains(r#""change_id":44"#));
    assert_eq!(session.streams(), 1);
    let leave = ask.replace("subscribe", "unsubscribe");
    assert_eq!(say(&mut *session, &leave).len(), 1);
    assert_eq!(session.streams(), 0);
}

#[test]
fn a_client_that_does_not_answer_a_test_request_is_dropped() {
    const HALF: i64 = 15_000_000_000;
    let mut session = connect();
    assert!(say(&mut *session, Deribit.greeting()[0])[0].contains(r#""result":"ok""#));
    for beat in 1..3 {
        let due = UnixNanos(beat * HALF);
        assert_eq!(session.poll_timeout(), Some(due));
        let mut out = Vec::new();
        assert_eq!(session.handle_timeout(due, &mut out), Ok(()));
        assert!(out[1].contains("test_request"), "{out:?}");
        say(
            &mut *session,
            r#"{"id":0,"method":"public/test","params":{}}"#,
        );
    }
    let mut out = Vec::new();
    assert_eq!(
        session.handle_timeout(UnixNanos(3 * HALF), &mut out),
        Ok(())
    );
    let late = session.handle_timeout(UnixNanos(4 * HALF), &mut out);
    assert!(late.is_err());
}

#[test]
fn an_unknown_rest_method_is_not_found() {
    let call = Call::get("/api/v2/public/nothing");
    let reply = Deribit.mirror().rest(call, &mut Quiet::new());
    assert_eq!(reply.status, 404);
}
