use super::*;
use crate::base::{Balance, Resting};

fn trade(id: u64, qty: &str) -> String {
    format!(
        r#"{{"symbol":"ETHUSDT","id":{id},"orderId":12569099453,"orderListId":-1,"price":"2341.61000000","qty":"{qty}","quoteQty":"148.69223500","commission":"0.00000100","commissionAsset":"BNB","time":1684804350068000,"isBuyer":false,"isMaker":true,"isBestMatch":true}}"#
    )
}

#[test]
fn trades_are_listed_and_whether_there_are_more() {
    let fill = |id| {
        let fill = Fill {
            fee: fee(100, 8, "BNB"),
            maker: Some(true),
            at: UnixNanos(1_684_804_350_068_000_000),
            ..Fill::bare(id, Side::Sell, Px(234_161_000_000), Qty(635_000))
        };
        AccountWord::Trade(ETH, 12_569_099_453, fill)
    };
    let list = |ids: std::ops::Range<u64>| {
        let items: Vec<String> = ids.map(|id| trade(id, "0.00635000")).collect();
        format!(r#""result":[{}]"#, items.join(","))
    };
    let all = AccountWord::TradesListed(ETH, None);
    assert_eq!(answered(TRADES, 200, &list(0..0)), [all]);
    assert_eq!(answered(TRADES, 200, &list(7..9)), [fill(7), fill(8), all]);
    let full = answered(TRADES, 200, &list(1..1_001));
    assert_eq!(full.len(), 1_001);
    assert_eq!(
        full.last(),
        Some(&AccountWord::TradesListed(ETH, Some(1_000)))
    );
    assert_eq!(refused(TRADES, 400, -1127, "More than 24 hours"), []);
}

#[test]
fn a_list_with_something_unreadable_is_no_list() {
    let trades = format!(
        r#"{{"id":"{TRADES}","status":200,"result":[{}]}}"#,
        trade(1, "0.000000001")
    );
    assert!(matches!(said(&trades), Err(DecodeError::Number(ETH, _))));
    for list in [
        format!(r#"{{"id":"{TRADES}","status":200}}"#),
        r#"{"id":"w","status":200,"result":[{}]}"#.to_owned(),
        r#"{"id":"w","status":200}"#.to_owned(),
        r#"{"id":"b","status":200,"result":{"balances":[{"asset":"BTC"}]}}"#.to_owned(),
        r#"{"id":"b","status":200,"result":{}}"#.to_owned(),
    ] {
        assert_eq!(said(&list), Err(DecodeError::Shape), "{list}");
    }
}

#[test]
fn every_order_that_rests_is_listed_whosever_it_is() {
    let order = |symbol: &str, name: &str| {
        format!(
            r#"{{"symbol":"{symbol}","orderId":42,"orderListId":-1,"clientOrderId":"{name}","price":"2500.12000000","origQty":"0.60000000","executedQty":"0.10000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"172.43931000","status":"PARTIALLY_FILLED","timeInForce":"GTC","type":"LIMIT","side":"SELL","stopPrice":"0.00000000","icebergQty":"0.00000000","time":1660801715639000,"updateTime":1660801717945000,"isWorking":true,"workingTime":1660801715639000,"selfTradePreventionMode":"NONE"}}"#
        )
    };
    let list = format!(
        r#""result":[{},{},{}]"#,
        order("ETHUSDT", "tw00000000000000000007"),
        order("ETHUSDT", "web_4d96324ff9d44481926157"),
        order("币USDT", "tw00000000000000000009"),
    );
    let ours = Resting {
        client_id: Some(ClientId(7)),
        exchange_id: 42,
        instrument: Some(ETH),
        side: Side::Sell,
        px: Px(250_012_000_000),
        qty: Qty(60_000_000),
        traded: Qty(10_000_000),
    };
    let foreign = Resting {
        client_id: None,
        ..ours
    };
    let elsewhere = Resting {
        client_id: Some(ClientId(9)),
        instrument: None,
        px: Px(0),
        qty: Qty(0),
        traded: Qty(0),
        ..ours
    };
    let words = answered("w", 200, &list);
    assert_eq!(words, [ours, foreign, elsewhere].map(AccountWord::Resting));
    assert_eq!(answered("w", 200, r#""result":[]"#), []);
}

#[test]
fn balances_are_of_every_asset_at_their_own_scale() {
    let words = answered(
        "b",
        200,
        r#""result":{"makerCommission":15,"canTrade":true,"balances":[{"asset":"BTC","free":"1.3447112","locked":"0.08600000"},{"asset":"币安人生","free":"1021210000000000.00000000","locked":"0.00000000"}],"permissions":["SPOT"],"uid":354937868}"#,
    );
    let balance = |asset: &str, free: (u128, u8), locked: (u128, u8)| {
        let decimal = |(units, scale)| Decimal { units, scale };
        AccountWord::Balance(Balance {
            asset: asset.try_into().unwrap(),
            free: decimal(free),
            locked: decimal(locked),
        })
    };
    let many = (102_121_000_000_000_000_000_000, 8);
    let expected = [
        balance("BTC", (13_447_112, 7), (8_600_000, 8)),
        balance("币安人生", many, (0, 8)),
    ];
    assert_eq!(words, expected);
}

/// T15: the exchange's own count is read.
#[test]
fn the_exchanges_own_count_of_its_limits_is_told() {
    let limits = r#""rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":12},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":4043},{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":321},{"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":5,"limit":9,"count":9},{"rateLimitType":"NEW"}]"#;
    let used = [
        AccountWord::Used(1, 12, 50),
        AccountWord::Used(2, 4_043, 160_000),
        AccountWord::Used(0, 321, 6_000),
    ];
    let words = answered("b", 200, &format!(r#""result":{{"balances":[]}},{limits}"#));
    assert_eq!(words, used);
    let rejected = r#""error":{"code":-2010,"msg":"Account has insufficient balance."}"#;
    let words = answered(PLACE, 400, &format!("{rejected},{limits}"));
    assert_eq!(words[0], of(Said::Rejected { code: -2010 }));
    assert_eq!(words[1..], used);
}
