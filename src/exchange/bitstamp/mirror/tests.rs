use super::*;

/// A market of one instrument and nothing in its book.
struct Empty(Vec<Listing>);

impl Market for Empty {
    fn now(&self) -> UnixNanos {
        UnixNanos(2_000_000_000)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (0, 0)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }
}

fn empty() -> Empty {
    let listing = |n: usize| Listing {
        instrument: BitstampMirror.list(&format!("A{n}"), "USD", 2, 4),
        volume: 1,
    };
    Empty((0..=CHANNELS_MAX).map(listing).collect())
}

fn tell(session: &mut Session, market: &mut Empty, text: &str) -> Result<String, Offence> {
    let mut out = Vec::new();
    session.handle_text(text, market, &mut out)?;
    assert_eq!(out.len(), 1);
    Ok(out.remove(0))
}

#[test]
fn every_request_is_answered_by_its_channel() {
    let (mut session, mut market) = (Session::default(), empty());
    let mut ask = |event: &str, channel: &str| {
        let text = json!({"event": event, "data": {"channel": channel}}).to_string();
        let answer = tell(&mut session, &mut market, &text).unwrap();
        (answer, session.streams())
    };
    let (answer, streams) = ask("bts:subscribe", "live_trades_a0usd");
    assert!(answer.contains("bts:subscription_succeeded") && answer.contains("live_trades_a0usd"));
    assert_eq!(streams, 1);
    assert_eq!(ask("bts:subscribe", "live_trades_a0usd"), (answer, 1));
    for bad in ["live_trades_none", "order_book_a0usd", ""] {
        let (answer, streams) = ask("bts:subscribe", bad);
        assert!(answer.contains("bts:error"), "{bad}: {answer}");
        assert_eq!(streams, 1);
    }
    assert!(ask("zz", "").0.contains("bts:error"));
    assert!(ask("bts:heartbeat", "").0.contains("success"));
    assert_eq!(ask("bts:unsubscribe", "live_trades_a0usd").1, 0);
}

#[test]
fn one_channel_too_many_ends_the_connection() {
    let (mut session, mut market) = (Session::default(), empty());
    for n in 0..=CHANNELS_MAX {
        let channel = format!("diff_order_book_a{n}usd");
        let text = json!({"event": "bts:subscribe", "data": {"channel": channel}}).to_string();
        let done = tell(&mut session, &mut market, &text);
        assert_eq!(done.is_err(), n == CHANNELS_MAX, "{n}");
    }
}

#[test]
fn a_snapshot_is_stamped_a_microsecond_early() {
    let call = |target| Call::get(target);
    let rest = |target| BitstampMirror.rest(call(target), &mut empty());
    let reply = rest("/api/v2/order_book/a0usd/");
    let expected = r#"{"timestamp": "1", "microtimestamp": "1999999", "bids": [], "asks": []}"#;
    assert_eq!((reply.status, reply.body.as_str()), (200, expected));
    assert_eq!(rest("/api/v2/order_book/none/").status, 404);
    assert!(BitstampMirror.session("/v5").is_none());
}

#[test]
fn decimals_are_those_of_the_step() {
    assert_eq!(
        [1, 10, 1_000_000, 100_000_000].map(|step| decimals(step, 8)),
        [8, 7, 2, 0]
    );
    assert_eq!(decimals(1, 0), 0);
}
