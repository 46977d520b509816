use super::*;
use crate::base::{Balance, Resting};

#[test]
fn trades_are_listed_and_whether_there_are_more() {
    let word = |seq| AccountWord::Trade(ETH, 584_849_853, filled(seq, 2_000));
    let list = |seqs: &[u64]| {
        let items: Vec<String> = seqs.iter().map(|seq| trade(*seq, "0.2")).collect();
        items.join(",")
    };
    let object = |seqs: &[u64], more: bool| {
        let rest = format!(
            r#""result":{{"trades":[{}],"has_more":{more}}}"#,
            list(seqs)
        );
        answered(TRADES, &rest)
    };
    let all = AccountWord::TradesListed(ETH, None);
    assert_eq!(object(&[], false), [all]);
    assert_eq!(object(&[7, 8], false), [word(7), word(8), all]);
    let more = AccountWord::TradesListed(ETH, Some(8));
    assert_eq!(object(&[7, 8], true), [word(7), word(8), more]);
    assert_eq!(object(&[], true), [all], "the same would be asked again");
    let array = answered(TRADES, &format!(r#""result":[{}]"#, list(&[9])));
    assert_eq!(array, [word(9), all]);
    assert_eq!(refused(TRADES, 10_028, "too_many_requests"), []);
}

#[test]
fn a_list_with_something_unreadable_is_no_list() {
    for (id, rest) in [
        (TRADES, format!(r#"[{}]"#, trade(7, "0.00001"))),
        (
            TRADES,
            format!(r#"[{}]"#, trade(7, "0.2").replace("sell", "x")),
        ),
        (TRADES, "{}".to_owned()),
        ("w", "[{}]".to_owned()),
        ("w", "{}".to_owned()),
        ("b", "{}".to_owned()),
        ("b", r#"{"summaries":[{"currency":"BTC"}]}"#.to_owned()),
        (
            "b",
            r#"{"summaries":[{"currency":"USDC","balance":-0.5}]}"#.to_owned(),
        ),
        (
            "b",
            r#"{"summaries":[{"currency":"BTC","balance":1.0,"spot_reserve":1.5}]}"#.to_owned(),
        ),
    ] {
        let frame = frame(id, &format!(r#""result":{rest}"#));
        assert!(said(&frame).is_err(), "{frame}");
    }
}

#[test]
fn every_order_that_rests_is_listed_whosever_it_is() {
    let ours = Resting {
        client_id: Some(ClientId(7)),
        exchange_id: 584_849_853,
        instrument: Some(ETH),
        side: Side::Sell,
        px: Px(250_012),
        qty: Qty(6_000),
        traded: Qty(2_000),
    };
    let list = |order: String| answered("w", &format!(r#""result":[{order}]"#));
    let shown = shown("open", "0.2", "");
    assert_eq!(list(shown.clone()), [AccountWord::Resting(ours)]);
    let theirs = shown.replace("tw00000000000000000007", "mine");
    let foreign = Resting {
        client_id: None,
        ..ours
    };
    assert_eq!(list(theirs.clone()), [AccountWord::Resting(foreign)]);
    let elsewhere = theirs.replace("ETH_USDT\"", "ETH-PERPETUAL\"");
    let unknown = Resting {
        instrument: None,
        px: Px(0),
        qty: Qty(0),
        traded: Qty(0),
        ..foreign
    };
    assert_eq!(list(elsewhere), [AccountWord::Resting(unknown)]);
    let waits = theirs
        .replace("ETH_USDT-584849853", "ETH-SLIS-12")
        .replace("2500.12", r#""market_price""#);
    let waiting = Resting {
        exchange_id: 12,
        px: Px(0),
        ..foreign
    };
    assert_eq!(list(waits), [AccountWord::Resting(waiting)]);
    assert_eq!(answered("w", r#""result":[]"#), []);
}

#[test]
fn a_balance_is_what_is_free_and_what_orders_hold() {
    let summary = |rest: &str| {
        answered(
            "b",
            &format!(r#""result":{{"summaries":[{{"currency":"USDT",{rest}}}],"id":7}}"#),
        )
    };
    let is = |free: (u128, u8), locked: (u128, u8)| {
        let amount = |(units, scale)| Decimal { units, scale };
        [AccountWord::Balance(Balance {
            asset: Asset::from("USDT").unwrap(),
            free: amount(free),
            locked: amount(locked),
        })]
    };
    assert_eq!(
        summary(r#""balance":302.60065765,"spot_reserve":2.6,"equity":9.0"#),
        is((30_000_065_765, 8), (26, 1))
    );
    assert_eq!(
        summary(r#""balance":1.5e-05,"spot_reserve":0.0"#),
        is((15, 6), (0, 1))
    );
    assert_eq!(summary(r#""balance":7"#), is((7, 0), (0, 0)));
}
