use super::*;
use crate::base::End;

/// An order as answers have it, from its number on.
fn result(status: &str, executed: &str, more: &str) -> String {
    format!(
        r#""result":{{"symbol":"ETHUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000007","transactTime":1684804350068000,"price":"2500.12000000","origQty":"0.60000000","executedQty":"{executed}","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.00000000","status":"{status}","timeInForce":"GTC","type":"LIMIT","side":"SELL","workingTime":1684804350068000,"selfTradePreventionMode":"NONE"{more}}}"#
    )
}

const FILLS: &str = r#","fills":[{"price":"2500.50000000","qty":"0.20000000","commission":"0.00012300","commissionAsset":"BNB","tradeId":1},{"price":"2500.49000000","qty":"0.10000000","commission":"-0.5","commissionAsset":"USDT","tradeId":2}]"#;

fn fills() -> [Said; 2] {
    let fill = |trade_id, px, qty, fee| {
        Said::Fill(Fill {
            fee,
            maker: Some(false),
            at: UnixNanos(1_684_804_350_068_000_000),
            ..Fill::bare(trade_id, Side::Sell, Px(px), Qty(qty))
        })
    };
    let rebate = fee(5, 1, "USDT").map(|fee| Fee {
        rebate: true,
        ..fee
    });
    [
        fill(1, 250_050_000_000, 20_000_000, fee(12_300, 8, "BNB")),
        fill(2, 250_049_000_000, 10_000_000, rebate),
    ]
}

fn ended(end: End, qty: u64) -> AccountWord {
    of(Said::Ended(end, Some(Qty(qty))))
}

#[test]
fn a_new_order_is_answered_with_its_trades_and_how_it_stands() {
    let [first, second] = fills().map(of);
    for (status, last) in [
        ("EXPIRED", ended(End::Expired, 30_000_000)),
        ("EXPIRED_IN_MATCH", ended(End::Expired, 30_000_000)),
        ("CANCELED", ended(End::Cancelled, 30_000_000)),
        ("PARTIALLY_FILLED", of(Said::Traded(Qty(30_000_000)))),
    ] {
        let words = answered(PLACE, 200, &result(status, "0.30000000", FILLS));
        assert_eq!(words, [AT, of(TAKEN), first, second, last], "{status}");
    }
    let rests = answered(PLACE, 200, &result("NEW", "0.00000000", r#","fills":[]"#));
    assert_eq!(rests, [AT, of(TAKEN)]);
    let filled = answered(PLACE, 200, &result("FILLED", "0.60000000", ""));
    assert_eq!(filled, [AT, of(TAKEN), ended(End::Filled, 60_000_000)]);
}

#[test]
fn what_was_kept_from_trading_with_our_own_orders_expired() {
    let words = answered(PLACE, 200, &result("FILLED", "0.20000000", ""));
    assert_eq!(words, [AT, of(TAKEN), ended(End::Expired, 20_000_000)]);
}

#[test]
fn the_shortest_answer_says_that_the_order_was_taken() {
    let ack = r#""result":{"symbol":"ETHUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000007","transactTime":1684804350068000}"#;
    assert_eq!(answered(PLACE, 200, ack), [AT, of(TAKEN)]);
}

#[test]
fn what_cannot_be_read_of_an_order_leaves_it_unanswered() {
    for unreadable in [
        r#""result":{}"#,
        r#""result":{"orderId":"x"}"#,
        r#""rateLimits":[]"#,
        r#""result":null"#,
        &result("EXPIRED", "0.600000001", ""), // Finer than its instrument's scale.
        &result("EXPIRED", "-1", ""),
        &result("NEW", "x", ""),
        &result(
            "FILLED",
            "0.60000000",
            r#","fills":[{"price":"1.5","qty":"0.2"}]"#,
        ),
        &result(
            "FILLED",
            "0.60000000",
            r#","fills":[{"price":"1.000000001","qty":"0.2","commission":"0","commissionAsset":"BNB","tradeId":1}]"#,
        ),
        &result("SLEEPING", "0.60000000", FILLS), // Of which this build knows nothing.
    ] {
        for id in [PLACE, CANCEL, ORDER, REDUCE] {
            let words = answered(id, 200, unreadable);
            let unknown = of(Said::Unanswered);
            assert_eq!(words.last(), Some(&unknown), "{id}: {unreadable}");
            let others = |word: &&AccountWord| matches!(word, AccountWord::Order(..));
            assert_eq!(words.iter().filter(others).count(), 1, "{id}: {unreadable}");
        }
    }
}

#[test]
fn a_number_may_come_as_a_number() {
    let text = result("FILLED", "0.60000000", "").replace("\"0.60000000\"", "0.6");
    let words = answered(PLACE, 200, &text);
    assert_eq!(words, [AT, of(TAKEN), ended(End::Filled, 60_000_000)]);
}

#[test]
fn a_refusal_for_sure_rejects_a_new_order_and_leaves_an_old_one() {
    for (status, code, message) in [
        (
            400,
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        (400, -1013, "Filter failure: LOT_SIZE"),
        (
            400,
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        ),
        (
            401,
            -2015,
            "Invalid API-key, IP, or permissions for action.",
        ),
        (400, -2011, "Unknown order sent."),
        (
            400,
            -2038,
            "The requested action would change no state; rejecting",
        ),
        (429, -1015, "Too many new orders."),
        (
            418,
            -1003,
            "Way too much request weight used; IP banned until 1.",
        ),
        (403, 0, ""),
        (400, -1130, "Data sent for parameter 'price' is not valid."),
    ] {
        let rejected = [of(Said::Rejected { code })];
        assert_eq!(refused(PLACE, status, code, message), rejected, "{code}");
        for id in [CANCEL, REDUCE] {
            let stands = [of(Said::ChangeRefused { code })];
            assert_eq!(refused(id, status, code, message), stands, "{code}");
        }
        assert_eq!(refused(ORDER, status, code, message), [], "{code}");
    }
    let unnamed = [of(Said::Rejected { code: 0 })];
    assert_eq!(answered(PLACE, 403, r#""rateLimits":[]"#), unnamed);
}

#[test]
fn what_is_neither_yes_nor_no_leaves_an_order_unanswered() {
    for (status, code, message) in [
        (
            400,
            -1006,
            "An unexpected response was received from the message bus.",
        ),
        (
            408,
            -1007,
            "Timeout waiting for response from backend server.",
        ),
        (500, -1000, "Internal error."),
        (
            400,
            -1000,
            "An unknown error occurred while processing the request.",
        ),
        (
            400,
            -1001,
            "Internal error; unable to process your request.",
        ),
        (503, -1008, "Server is currently overloaded."),
        (302, -1, ""),
        (400, -9999, "A code that this build has not heard of."),
        (409, -2021, "Order cancel-replace partially failed."),
        (400, 0, ""),
    ] {
        for id in [PLACE, CANCEL, REDUCE] {
            let unknown = [of(Said::Unanswered)];
            assert_eq!(
                refused(id, status, code, message),
                unknown,
                "{id} {status} {code}"
            );
        }
        assert_eq!(refused(ORDER, status, code, message), []);
    }
}

/// T19, failure mode 36: whoever sends an order twice under one name learns that it exists, not
/// that it failed.
#[test]
fn a_duplicate_means_that_the_order_may_exist() {
    let duplicate = "Duplicate order sent.";
    assert_eq!(
        refused(PLACE, 400, -2010, duplicate),
        [of(Said::Unanswered)]
    );
    // Of a cancel it says that the name was not free, and that nothing was done.
    let code = -2011;
    assert_eq!(
        refused(CANCEL, 400, code, duplicate),
        [of(Said::ChangeRefused { code })]
    );
}

/// T9: what answers a cancel and says that the order stands is no cancel.
#[test]
fn a_cancel_that_is_answered_is_done_if_the_answer_says_so() {
    let cancelled = result("CANCELED", "0.20000000", "");
    let over = ended(End::Cancelled, 20_000_000);
    assert_eq!(answered(CANCEL, 200, &cancelled), [AT, of(TAKEN), over]);
    let live = result("PARTIALLY_FILLED", "0.20000000", "");
    let traded = of(Said::Traded(Qty(20_000_000)));
    assert_eq!(answered(CANCEL, 200, &live), [AT, of(TAKEN), traded]);
}

fn amended(status: &str, qty: &str, executed: &str) -> String {
    format!(
        r#""result":{{"transactTime":1684804350068000,"executionId":16,"amendedOrder":{{"symbol":"ETHUSDT","orderId":12569099453,"orderListId":-1,"origClientOrderId":"tw00000000000000000007","clientOrderId":"tw00000000000000000007","price":"2500.12000000","qty":"{qty}","executedQty":"{executed}","preventedQty":"0.00000000","quoteOrderQty":"0.00000000","cumulativeQuoteQty":"0.00000000","status":"{status}","timeInForce":"GTC","type":"LIMIT","side":"BUY","workingTime":1741923284364000,"selfTradePreventionMode":"NONE"}}}}"#
    )
}

#[test]
fn an_amendment_says_how_much_is_ordered_now_or_that_it_ended_the_order() {
    let reduced = of(Said::Reduced(Qty(50_000_000)));
    let words = answered(REDUCE, 200, &amended("NEW", "0.50000000", "0.00000000"));
    assert_eq!(words, [AT, of(TAKEN), reduced]);
    let words = answered(
        REDUCE,
        200,
        &amended("PARTIALLY_FILLED", "0.50000000", "0.10000000"),
    );
    assert_eq!(
        words,
        [AT, of(TAKEN), reduced, of(Said::Traded(Qty(10_000_000)))]
    );
    let words = answered(REDUCE, 200, &amended("EXPIRED", "0.50000000", "0.50000000"));
    assert_eq!(
        words,
        [AT, of(TAKEN), reduced, ended(End::Expired, 50_000_000)]
    );
}

#[test]
fn a_question_about_an_order_says_all_of_it_that_only_grows() {
    let reduced = of(Said::Reduced(Qty(60_000_000)));
    // The time in it is not that of the request.
    let plain = |text: &str| text.replace("transactTime", "time");
    let words = answered(ORDER, 200, &plain(&result("NEW", "0.00000000", "")));
    assert_eq!(words, [of(TAKEN), reduced]);
    let words = answered(ORDER, 200, &plain(&result("PARTIALLY_FILLED", "0.2", "")));
    assert_eq!(
        words,
        [of(TAKEN), reduced, of(Said::Traded(Qty(20_000_000)))]
    );
    for (status, end) in [("CANCELED", End::Cancelled), ("EXPIRED", End::Expired)] {
        let words = answered(ORDER, 200, &plain(&result(status, "0.20000000", "")));
        assert_eq!(words, [of(TAKEN), reduced, ended(end, 20_000_000)]);
    }
    let words = answered(ORDER, 200, &plain(&result("FILLED", "0.60000000", "")));
    assert_eq!(words, [of(TAKEN), reduced, ended(End::Filled, 60_000_000)]);
    let code = -2010;
    let words = answered(ORDER, 200, &plain(&result("REJECTED", "0.00000000", "")));
    assert_eq!(words, [of(Said::Rejected { code })]);
}

/// T1, T2: a refused question says nothing of the order, but for two codes that do.
#[test]
fn only_the_exchanges_own_word_denies_an_order() {
    assert_eq!(
        refused(ORDER, 400, -2013, "Order does not exist."),
        [of(Said::Absent)]
    );
    let archived = "Order was canceled or expired with no executed qty over 90 days ago and has \
                    been archived.";
    assert_eq!(
        refused(ORDER, 400, -2026, archived),
        [ended(End::Cancelled, 0)]
    );
    for (status, code) in [
        (400, -2039),
        (400, -1021),
        (503, -1008),
        (429, -1003),
        (500, 0),
    ] {
        assert_eq!(refused(ORDER, status, code, ""), [], "{code}");
    }
}

/// A cancelled half.
const CANCELLED: &str = r#"{"symbol":"ETHUSDT","origClientOrderId":"tw00000000000000000007","orderId":42,"orderListId":-1,"clientOrderId":"tc00000000000000000007","transactTime":1684804350068000,"price":"2500.12000000","origQty":"0.60000000","executedQty":"0.10000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.23450000","status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"SELL","selfTradePreventionMode":"NONE"}"#;
/// A placed half.
const PLACED: &str = r#"{"symbol":"ETHUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000008","transactTime":1684804350068000}"#;

fn halves(cancel: (&str, &str), new: (&str, &str)) -> String {
    format!(
        r#"{{"cancelResult":"{}","newOrderResult":"{}","cancelResponse":{},"newOrderResponse":{}}}"#,
        cancel.0, new.0, cancel.1, new.1
    )
}

/// The words of an answer to the replacement of 7 by 8.
fn replaced(status: u16, code: i32, halves: &str) -> Vec<AccountWord> {
    let rest = match status {
        200 => format!(r#""result":{halves}"#),
        _ => format!(
            r#""error":{{"code":{code},"msg":"Order cancel-replace failed.","data":{halves}}}"#
        ),
    };
    answered(REPLACE, status, &rest)
}

#[test]
fn t7_a_replacement_says_what_became_of_both_orders() {
    let was = of(Said::Taken { exchange_id: 42 });
    let over = ended(End::Cancelled, 10_000_000);
    let placed = of_order(8, TAKEN);
    let both = halves(("SUCCESS", CANCELLED), ("SUCCESS", PLACED));
    assert_eq!(replaced(200, 0, &both), [AT, was, over, placed]);

    let lost = r#"{"code":-2011,"msg":"Unknown order sent."}"#;
    let neither = halves(("FAILURE", lost), ("NOT_ATTEMPTED", "null"));
    let stands = of(Said::ChangeRefused { code: -2011 });
    assert_eq!(
        replaced(400, -2022, &neither),
        [stands, of_order(8, Said::NotSent)]
    );

    let taker = r#"{"code":-2010,"msg":"Order would immediately match and take."}"#;
    let first = halves(("SUCCESS", CANCELLED), ("FAILURE", taker));
    let rejected = of_order(8, Said::Rejected { code: -2010 });
    assert_eq!(replaced(409, -2021, &first), [was, over, rejected]);

    let second = halves(("FAILURE", lost), ("SUCCESS", PLACED));
    assert_eq!(replaced(409, -2021, &second), [stands, placed]);

    let twice = r#"{"code":-2010,"msg":"Duplicate order sent."}"#;
    let duplicate = halves(("SUCCESS", CANCELLED), ("FAILURE", twice));
    let unknown = of_order(8, Said::Unanswered);
    assert_eq!(replaced(409, -2021, &duplicate), [was, over, unknown]);

    let gone = r#"{"code":-1007,"msg":"Timeout waiting for response from backend server."}"#;
    let nobody = halves(("FAILURE", gone), ("FAILURE", gone));
    let doubtful = [of(Said::Unanswered), unknown];
    assert_eq!(replaced(400, -2022, &nobody), doubtful);
    let strange = halves(("PERHAPS", "null"), ("PERHAPS", "null"));
    assert_eq!(replaced(200, 0, &strange), doubtful);
    assert_eq!(replaced(200, 0, "{}"), doubtful);
    let unreadable = halves(("SUCCESS", "{}"), ("SUCCESS", PLACED));
    assert_eq!(replaced(200, 0, &unreadable), doubtful);
}

#[test]
fn a_replacement_that_was_refused_as_a_whole_did_nothing() {
    for (status, code) in [
        (400, -1013),
        (400, -1021),
        (429, -1015),
        (401, -2015),
        (403, 0),
    ] {
        let words = refused(REPLACE, status, code, "");
        let stands = of(Said::ChangeRefused { code });
        assert_eq!(
            words,
            [stands, of_order(8, Said::Rejected { code })],
            "{code}"
        );
    }
    // These could be half of it.
    for (status, code) in [
        (409, -2021),
        (400, -2022),
        (400, -2010),
        (400, -2011),
        (500, -1000),
    ] {
        let words = refused(REPLACE, status, code, "");
        assert_eq!(
            words,
            [of(Said::Unanswered), of_order(8, Said::Unanswered)],
            "{code}"
        );
    }
}

#[test]
fn the_words_that_are_kept_are_those_of_the_half_that_failed() {
    let lost = r#"{"code":-2011,"msg":"Unknown order sent."}"#;
    let neither = halves(("FAILURE", lost), ("NOT_ATTEMPTED", "null"));
    let frame = format!(
        r#"{{"id":"{REPLACE}","status":400,"error":{{"code":-2022,"msg":"Order cancel-replace failed.","data":{neither}}}}}"#
    );
    let mut codec = codec();
    codec.decode(frame.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(codec.last_error(), "Unknown order sent.");
}

#[test]
fn a_ban_is_told_and_the_request_was_not_done() {
    let until = AccountWord::Banned(UnixNanos(1_659_146_400_000_000_000));
    for retry in ["1659146400000", "1659146400000000"] {
        let ban = format!(
            r#""error":{{"code":-1003,"msg":"Way too much request weight used; IP banned until 1659146400000.","data":{{"serverTime":1659142907531,"retryAfter":{retry}}}}}"#
        );
        let code = -1003;
        assert_eq!(
            answered(PLACE, 418, &ban),
            [of(Said::Rejected { code }), until]
        );
        assert_eq!(
            answered(CANCEL, 429, &ban),
            [of(Said::ChangeRefused { code }), until]
        );
        assert_eq!(answered(ORDER, 429, &ban), [until]);
        let nameless = format!(r#"{{"id":null,"status":418,{ban}}}"#);
        assert_eq!(said(&nameless), Ok(vec![until]));
    }
    // A cancel still goes.
    let orders = r#""error":{"code":-1015,"msg":"Too many new orders; current limit is 50 orders per 10 SECOND.","data":{"retryAfter":1659146400000}}"#;
    assert_eq!(
        answered(PLACE, 429, orders),
        [of(Said::Rejected { code: -1015 })]
    );
}

#[test]
fn sessions_begin_and_end() {
    let word = |key, refused| Ok(vec![AccountWord::Answered { key, refused }]);
    let logon = |rest: &str| said(&format!(r#"{{"id":"l",{rest}}}"#));
    assert_eq!(
        logon(r#""status":200,"result":{"apiKey":"k","authorizedSince":1,"serverTime":2}"#),
        word(RequestKey::Logon, None)
    );
    assert_eq!(
        logon(r#""status":401,"error":{"code":-2015,"msg":"Invalid"}"#),
        word(RequestKey::Logon, Some(-2015))
    );
    let dropped = r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid"}}"#;
    assert_eq!(
        said(dropped),
        Ok(vec![AccountWord::LoggedOff { code: -2015 }])
    );
    let follow = |rest: &str| said(&format!(r#"{{"id":"f",{rest}}}"#));
    assert_eq!(
        follow(r#""status":200,"result":{"subscriptionId":0}"#),
        word(RequestKey::Follow, None)
    );
    assert_eq!(
        follow(
            r#""status":400,"error":{"code":-2035,"msg":"User Data Stream subscription already active."}"#
        ),
        word(RequestKey::Follow, None)
    );
    assert_eq!(
        follow(r#""status":400,"error":{"code":-2042,"msg":"Maximum subscription ID reached."}"#),
        word(RequestKey::Follow, Some(-2042))
    );
    let time = said(r#"{"id":"t","status":200,"result":{"serverTime":1684804350068000}}"#);
    let shown = AccountWord::Time(UnixNanos(1_684_804_350_068_000_000));
    assert_eq!(time.unwrap()[1..], [shown]);
}

#[test]
fn what_answers_nothing_of_ours_says_nothing() {
    for ignored in [
        r#"{"id":"other","status":200,"result":{}}"#,
        r#"{"id":3,"status":400,"error":{"code":-1100}}"#,
        r#"{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON."}}"#,
        r#"{"id":"tw00000000000000000007","status":200,"result":{}}"#,
    ] {
        assert_eq!(said(ignored), Ok(vec![]), "{ignored}");
    }
    for broken in [
        "{}",
        "[]",
        "7",
        r#"{"id":"l"}"#,
        r#"{"id":"l","status":true}"#,
    ] {
        assert_eq!(said(broken), Err(DecodeError::Shape), "{broken}");
    }
    assert_eq!(said("{"), Err(DecodeError::Json));
}

#[test]
fn the_exchanges_words_are_kept_until_the_next_frame() {
    let (mut codec, mut words) = (codec(), Vec::new());
    let long = "é".repeat(200);
    let frame =
        format!(r#"{{"id":"{PLACE}","status":400,"error":{{"code":-1013,"msg":"{long}"}}}}"#);
    codec.decode(frame.as_bytes(), &mut words).unwrap();
    assert_eq!(codec.last_error(), "é".repeat(80));
    codec
        .decode(br#"{"id":"l","status":200}"#, &mut words)
        .unwrap();
    assert_eq!(codec.last_error(), "");
}
