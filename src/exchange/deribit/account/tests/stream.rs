use super::*;
use crate::base::End;

fn changes(orders: &[String], trades: &[String]) -> Result<Vec<AccountWord>, DecodeError> {
    let (orders, trades) = (orders.join(","), trades.join(","));
    said(&format!(
        r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"user.changes.ETH_USDT.raw","data":{{"trades":[{trades}],"positions":[],"orders":[{orders}],"instrument_name":"ETH_USDT"}}}}}}"#
    ))
}

#[test]
fn an_event_tells_of_orders_and_of_their_trades_together() {
    assert_eq!(
        changes(&[shown("open", "0.0", "")], &[]),
        Ok(vec![of(TAKEN)])
    );
    assert_eq!(
        changes(&[shown("filled", "0.6", "")], &[trade(9, "0.6")]),
        Ok(vec![
            of(TAKEN),
            of(Said::Fill(filled(9, 6_000))),
            of(Said::Ended(End::Filled, Some(Qty(6_000))))
        ])
    );
    assert_eq!(
        changes(&[], &[trade(9, "0.6")]),
        Ok(vec![of(Said::Fill(filled(9, 6_000)))])
    );
    assert_eq!(
        changes(&[shown("open", "0.2", r#","replaced":true"#)], &[]),
        Ok(vec![
            of(TAKEN),
            of(Said::Reduced(Qty(6_000))),
            of(Said::Traded(Qty(2_000)))
        ])
    );
}

#[test]
fn orders_that_are_not_ours_say_nothing() {
    let mine = |text: String| text.replace("tw00000000000000000007", "mine");
    let unnamed = trade(9, "0.6").replace(r#""label":"tw00000000000000000007","#, "");
    assert_eq!(
        changes(
            &[mine(shown("open", "0.0", ""))],
            &[mine(trade(9, "0.6")), unnamed]
        ),
        Ok(vec![])
    );
    let frame = r#"{"jsonrpc":"2.0","method":"subscription","params":{"channel":"user.changes.SOL_USDT.raw","data":{"instrument_name":"SOL_USDT","orders":[{}],"trades":[]}}}"#;
    assert_eq!(said(frame), Ok(vec![]));
}

#[test]
fn an_event_that_cannot_be_read_leaves_all_its_orders_in_doubt() {
    let eight = shown("open", "0.0", "").replace("0007\"", "0008\"");
    let fine = trade(9, "0.00001");
    assert_eq!(
        changes(&[shown("open", "0.0", ""), eight], &[fine]),
        Ok(vec![
            of(Said::Unanswered),
            AccountWord::Order(ClientId(8), ETH, Said::Unanswered)
        ])
    );
}

#[test]
fn what_else_the_connection_tells_says_nothing() {
    for frame in [
        r#"{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}"#,
        r#"{"jsonrpc":"2.0","method":"subscription","params":{"channel":"platform_state","data":{"locked":true}}}"#,
        r#"{"jsonrpc":"2.0","method":"something","params":{}}"#,
    ] {
        assert_eq!(said(frame), Ok(vec![]), "{frame}");
    }
}
