use super::*;
use crate::base::{Balance, End};
use proptest::prelude::*;

/// A report of order 7, of which these differ.
fn report(execution: &str, status: &str, change: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("e", r#""executionReport""#),
        ("E", "1684804350068100"),
        ("s", r#""ETHUSDT""#),
        ("c", r#""tw00000000000000000007""#),
        ("S", r#""SELL""#),
        ("o", r#""LIMIT""#),
        ("f", r#""GTC""#),
        ("q", r#""0.60000000""#),
        ("p", r#""2500.12000000""#),
        ("P", r#""0.00000000""#),
        ("F", r#""0.00000000""#),
        ("g", "-1"),
        ("C", r#""""#),
        ("r", r#""NONE""#),
        ("i", "12569099453"),
        ("l", r#""0.00000000""#),
        ("z", r#""0.00000000""#),
        ("L", r#""0.00000000""#),
        ("n", r#""0""#),
        ("N", "null"),
        ("T", "1684804350068000"),
        ("t", "-1"),
        ("I", "8641984"),
        ("w", "true"),
        ("m", "false"),
        ("M", "false"),
        ("O", "1684804350068000"),
        ("Z", r#""0.00000000""#),
        ("Y", r#""0.00000000""#),
        ("Q", r#""0.00000000""#),
        ("V", r#""NONE""#),
    ];
    for (name, value) in change {
        let field = fields.iter_mut().find(|(field, _)| field == name).unwrap();
        field.1 = value;
    }
    let mut text = format!(r#""x":"{execution}","X":"{status}""#);
    for (name, value) in fields {
        text.push_str(&format!(r#","{name}":{value}"#));
    }
    format!(r#"{{"subscriptionId":0,"event":{{{text}}}}}"#)
}

fn says(execution: &str, status: &str, change: &[(&str, &str)]) -> Vec<AccountWord> {
    let mut words = said(&report(execution, status, change)).unwrap();
    assert_eq!(words.remove(0), AT, "{words:?}");
    words
}

const TRADED: [(&str, &str); 7] = [
    ("t", "900123"),
    ("l", r#""0.20000000""#),
    ("L", r#""2500.50000000""#),
    ("z", r#""0.20000000""#),
    ("n", r#""0.00012300""#),
    ("N", r#""BNB""#),
    ("m", "true"),
];

fn fill() -> AccountWord {
    of(Said::Fill(Fill {
        fee: fee(12_300, 8, "BNB"),
        maker: Some(true),
        at: UnixNanos(1_684_804_350_068_000_000),
        ..Fill::bare(900_123, Side::Sell, Px(250_050_000_000), Qty(20_000_000))
    }))
}

fn ended(end: End, qty: u64) -> AccountWord {
    of(Said::Ended(end, Some(Qty(qty))))
}

#[test]
fn a_report_says_what_happened_to_the_order_and_how_it_stands() {
    let taken = of(TAKEN);
    let traded = of(Said::Traded(Qty(20_000_000)));
    let z = ("z", r#""0.20000000""#);
    assert_eq!(says("NEW", "NEW", &[]), [taken]);
    assert_eq!(
        says("TRADE", "PARTIALLY_FILLED", &TRADED),
        [taken, fill(), traded]
    );
    let last = [&TRADED[..], &[("z", r#""0.60000000""#)]].concat();
    let filled = ended(End::Filled, 60_000_000);
    assert_eq!(says("TRADE", "FILLED", &last), [taken, fill(), filled]);
    let cancelled = ended(End::Cancelled, 20_000_000);
    assert_eq!(says("CANCELED", "CANCELED", &[z]), [taken, cancelled]);
    for status in ["EXPIRED", "EXPIRED_IN_MATCH"] {
        let expired = ended(End::Expired, 20_000_000);
        assert_eq!(says("EXPIRED", status, &[z]), [taken, expired]);
    }
    let less = ("q", r#""0.50000000""#);
    let reduced = of(Said::Reduced(Qty(50_000_000)));
    assert_eq!(says("REPLACED", "NEW", &[less]), [taken, reduced]);
    assert_eq!(
        says("REPLACED", "PARTIALLY_FILLED", &[less, z]),
        [taken, reduced, traded]
    );
    assert_eq!(
        says("TRADE_PREVENTION", "PARTIALLY_FILLED", &[z]),
        [taken, traded]
    );
    let prevented = ended(End::Expired, 20_000_000);
    assert_eq!(
        says("TRADE_PREVENTION", "EXPIRED_IN_MATCH", &[z]),
        [taken, prevented]
    );
}

#[test]
fn a_refused_order_is_told_with_the_exchanges_reason() {
    let frame = report(
        "REJECTED",
        "REJECTED",
        &[("r", r#""WOULD_MATCH_IMMEDIATELY""#)],
    );
    let (mut codec, mut words) = (codec(), Vec::new());
    codec.decode(frame.as_bytes(), &mut words).unwrap();
    assert_eq!(words, [AT, of(Said::Rejected { code: -2010 })]);
    assert_eq!(codec.last_error(), "WOULD_MATCH_IMMEDIATELY");
}

#[test]
fn what_happened_may_be_unknown_if_how_it_stands_is_not_and_the_other_way_round() {
    let taken = of(TAKEN);
    let z = ("z", r#""0.20000000""#);
    let cancelled = ended(End::Cancelled, 20_000_000);
    assert_eq!(says("LATER", "CANCELED", &[z]), [taken, cancelled]);
    assert_eq!(says("LATER", "NEW", &[]), [taken]);
    assert_eq!(says("CANCELED", "LATER", &[z]), [taken, cancelled]);
    let traded = of(Said::Traded(Qty(20_000_000)));
    assert_eq!(says("TRADE", "LATER", &TRADED), [taken, fill(), traded]);
    assert_eq!(says("LATER", "LATER", &[z]), [of(Said::Unanswered)]);
}

#[test]
fn an_order_is_known_by_its_first_name_and_a_cancel_by_its_own() {
    let cancel = [
        ("c", r#""tc00000000000000000007""#),
        ("C", r#""tw00000000000000000007""#),
    ];
    let over = [of(TAKEN), ended(End::Cancelled, 0)];
    assert_eq!(says("CANCELED", "CANCELED", &cancel), over);
    // Somebody cancelled it by hand.
    let by_hand = [("c", r#""web_91fe37ce9e69c90d6358c0""#), cancel[1]];
    assert_eq!(says("CANCELED", "CANCELED", &by_hand), over);
    // It was cancelled under the name that it has.
    assert_eq!(says("CANCELED", "CANCELED", &[cancel[1]]), over);
}

/// T11, failure mode 45: what a person or another program orders is never heard of as ours, though
/// it have a name like ours.
#[test]
fn what_is_not_ours_says_nothing() {
    for change in [
        ("c", r#""web_91fe37ce9e69c90d6358c0""#),
        ("c", r#""x-A6SIDXVS1700000000000000001""#),
        ("c", r#""xy00000000000000000007""#),
        ("s", r#""SOLUSDT""#),
    ] {
        assert_eq!(said(&report("NEW", "NEW", &[change])), Ok(vec![]));
    }
}

#[test]
fn a_report_of_ours_that_cannot_be_read_makes_the_order_unanswered() {
    let unanswered = Ok(vec![of(Said::Unanswered)]);
    for (name, value) in [
        ("t", "-1"),
        ("l", r#""0.000000001""#),
        ("L", r#""x""#),
        ("L", r#""-1.00000000""#),
        ("z", "null"),
        ("i", r#""x""#),
        ("S", r#""BOTH""#),
        ("n", r#""x""#),
        ("m", "7"),
        ("T", "null"),
    ] {
        let change = [&TRADED[..], &[(name, value)]].concat();
        let frame = report("TRADE", "PARTIALLY_FILLED", &change);
        assert_eq!(said(&frame), unanswered, "{name} {value}");
    }
}

#[test]
fn balances_that_changed_are_told() {
    let frame = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":1684804350068100,"u":1684804350068000,"B":[{"a":"ETH","f":"10000.000000","l":"0.000000"},{"a":"BTC","f":"0.5","l":"0.25"}]}}"#;
    let balance = |asset: &str, free: (u128, u8), locked: (u128, u8)| {
        let decimal = |(units, scale)| Decimal { units, scale };
        AccountWord::Balance(Balance {
            asset: asset.try_into().unwrap(),
            free: decimal(free),
            locked: decimal(locked),
        })
    };
    let eth = balance("ETH", (10_000_000_000, 6), (0, 6));
    let btc = balance("BTC", (5, 1), (25, 2));
    assert_eq!(said(frame), Ok(vec![AT, eth, btc]));
}

/// T16: a stream that ends says so.
#[test]
fn the_end_of_the_stream_and_of_the_connection_are_told() {
    let event = |kind: &str| {
        said(&format!(
            r#"{{"subscriptionId":0,"event":{{"e":"{kind}","E":1728973001334000}}}}"#
        ))
    };
    assert_eq!(
        event("eventStreamTerminated"),
        Ok(vec![AccountWord::StreamEnded])
    );
    assert_eq!(event("serverShutdown"), Ok(vec![AccountWord::Shutdown]));
    for other in [
        "balanceUpdate",
        "listStatus",
        "externalLockUpdate",
        "newKind",
    ] {
        assert_eq!(event(other), Ok(vec![]), "{other}");
    }
    assert_eq!(said(r#"{"event":{"E":1}}"#), Err(DecodeError::Shape));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = codec().decode(&frame, &mut Vec::new());
    }

    #[test]
    fn no_change_of_a_report_makes_it_panic_or_lose_the_order(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut frame = report("TRADE", "PARTIALLY_FILLED", &TRADED).into_bytes();
        let at = at.index(frame.len());
        frame[at] = byte;
        let mut words = Vec::new();
        if codec().decode(&frame, &mut words).is_err() {
            prop_assert!(words.is_empty());
        }
    }
}
