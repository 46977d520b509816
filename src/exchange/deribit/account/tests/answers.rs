use super::super::refusals::{Fate, fate};
use super::*;
use crate::base::{End, Span};

fn result(rest: &str) -> String {
    format!(r#""result":{rest}"#)
}

fn with_trades(order: &str, trades: &[String]) -> String {
    let trades = trades.join(",");
    result(&format!(r#"{{"order":{order},"trades":[{trades}]}}"#))
}

#[test]
fn a_logon_the_time_and_the_stream_are_answered() {
    let logon = |lasts_s: u64| {
        let rest = format!(
            r#""result":{{"access_token":"x","expires_in":{lasts_s},"refresh_token":"y","scope":"connection trade:read_write","token_type":"bearer"}}"#
        );
        answered("l", &rest)
    };
    let lasts = |s| [AccountWord::LogonLasts(Span::from_secs(s))];
    assert_eq!(logon(300), lasts(300));
    // The token counts for a year, and the connection is cut if nothing is sent for ten minutes.
    assert_eq!(logon(31_536_000), lasts(600));
    let time = AccountWord::Time(UnixNanos(1_750_000_000_123_000_000));
    assert_eq!(answered("t", r#""result":1750000000123"#), [time]);
    let all = r#""result":["user.changes.BTC_USDT.raw","user.changes.ETH_USDT.raw"]"#;
    let key = RequestKey::Follow;
    assert_eq!(
        said(&frame("f", all)).unwrap()[0],
        AccountWord::Answered { key, refused: None }
    );
}

#[test]
fn a_stream_that_is_not_all_that_was_asked_for_is_refused() {
    let mut codec = codec();
    let one = r#""result":["user.changes.BTC_USDT.raw"]"#;
    let words = said_by(&mut codec, &frame("f", one)).unwrap();
    let (key, refused) = (RequestKey::Follow, Some(0));
    assert_eq!(words[0], AccountWord::Answered { key, refused });
    assert_eq!(codec.last_error(), "a channel was not taken");
}

#[test]
fn a_new_order_rests_trades_ends_or_is_refused() {
    let place = |state: &str, traded: &str, rest: &str, trades: &[String]| {
        answered(PLACE, &with_trades(&shown(state, traded, rest), trades))
    };
    assert_eq!(place("open", "0.0", "", &[]), [of(TAKEN)]);
    assert_eq!(
        place("open", "0.2", "", &[trade(9, "0.2")]),
        [
            of(TAKEN),
            of(Said::Fill(filled(9, 2_000))),
            of(Said::Traded(Qty(2_000)))
        ]
    );
    assert_eq!(
        place("filled", "0.6", "", &[trade(9, "0.2"), trade(10, "0.4")]),
        [
            of(TAKEN),
            of(Said::Fill(filled(9, 2_000))),
            of(Said::Fill(filled(10, 4_000))),
            of(Said::Ended(End::Filled, Some(Qty(6_000))))
        ]
    );
    assert_eq!(
        place("rejected", "0.0", "", &[]),
        [of(Said::Rejected { code: 11_030 })]
    );
    for unknown in ["untriggered", "triggered", "new_state"] {
        let words = place(unknown, "0.0", "", &[]);
        assert_eq!(words.last(), Some(&of(Said::Unanswered)), "{unknown}");
    }
    assert_eq!(
        refused(PLACE, 10_009, "not_enough_funds"),
        [of(Said::Rejected { code: 10_009 })]
    );
}

#[test]
fn what_was_not_to_rest_expires_and_what_was_is_cancelled() {
    let ended = |lasts: &str, sort: &str| {
        let order = shown("cancelled", "0.2", "")
            .replace("good_til_cancelled", lasts)
            .replace(
                r#""order_type":"limit""#,
                &format!(r#""order_type":"{sort}""#),
            );
        answered(PLACE, &with_trades(&order, &[]))
    };
    let end = |end| [of(TAKEN), of(Said::Ended(end, Some(Qty(2_000))))];
    assert_eq!(ended("good_til_cancelled", "limit"), end(End::Cancelled));
    assert_eq!(ended("good_til_day", "limit"), end(End::Cancelled));
    assert_eq!(ended("immediate_or_cancel", "limit"), end(End::Expired));
    assert_eq!(ended("fill_or_kill", "limit"), end(End::Expired));
    assert_eq!(ended("good_til_cancelled", "market"), end(End::Expired));
}

#[test]
fn a_cancel_says_how_much_traded_if_it_was_by_the_number() {
    assert_eq!(
        answered(CANCEL, &result(&shown("cancelled", "0.2", ""))),
        [of(TAKEN), of(Said::Ended(End::Cancelled, Some(Qty(2_000))))]
    );
    assert_eq!(
        answered(CANCEL, r#""result":1"#),
        [of(Said::Ended(End::Cancelled, None))]
    );
    assert_eq!(
        answered(CANCEL, r#""result":0"#),
        [of(Said::ChangeRefused { code: 10_004 })]
    );
    for code in [10_004, 10_010, 11_008, 11_044] {
        assert_eq!(
            refused(CANCEL, code, "gone"),
            [of(Said::ChangeRefused { code })]
        );
    }
}

#[test]
fn a_smaller_order_says_how_much_is_ordered_in_all() {
    let order = shown("open", "0.2", r#","replaced":true"#);
    assert_eq!(
        answered(REDUCE, &with_trades(&order, &[])),
        [
            of(TAKEN),
            of(Said::Reduced(Qty(6_000))),
            of(Said::Traded(Qty(2_000)))
        ]
    );
    assert_eq!(
        refused(REDUCE, 13_032, "non_unique_order_label"),
        [of(Said::ChangeRefused { code: 13_032 })]
    );
}

#[test]
fn an_order_that_is_asked_about_is_there_or_is_not() {
    assert_eq!(
        answered(ORDER, &result(&shown("cancelled", "0.0", ""))),
        [of(TAKEN), of(Said::Ended(End::Cancelled, Some(Qty(0))))]
    );
    assert_eq!(
        refused(ORDER, 10_004, "order_not_found"),
        [of(Said::Absent)]
    );
    assert_eq!(refused(ORDER, 10_028, "too_many_requests"), []);
}

#[test]
fn an_answer_that_says_neither_yes_nor_no_leaves_the_order_in_doubt() {
    for (code, message) in [
        (10_001, "error"),
        (11_031, "other_error"),
        (11_094, "internal_server_error"),
        (13_028, "temporarily_unavailable"),
        (-32_603, "Internal error"),
        (19_999, "something new"),
    ] {
        for id in [PLACE, CANCEL, REDUCE] {
            let words = refused(id, code, message);
            assert_eq!(words, [of(Said::Unanswered)], "{code} {id}");
        }
        assert_eq!(refused(ORDER, code, message), []);
    }
}

#[test]
fn codes_that_say_that_nothing_was_done_mean_that() {
    for code in [
        10_002, 10_003, 10_005, 10_009, 10_012, 10_020, 10_026, 10_028, 10_040, 10_041, 10_043,
        10_047, 10_066, 10_072, 11_008, 11_021, 11_029, 11_030, 11_050, 11_051, 11_054, 11_055,
        13_004, 13_019, 13_021, 13_503, 13_888, -32_602,
    ] {
        assert_eq!(fate(code), Fate::NotDone, "{code}");
        let words = refused(PLACE, code, "no");
        assert_eq!(words, [of(Said::Rejected { code })], "{code}");
    }
    let late = refused(PLACE, 1, "timed_out");
    assert_eq!(late, [of(Said::Rejected { code: 13_888 })], "by its word");
    assert!(codec().blames_clock(13_888) && !codec().blames_clock(13_004));
}

#[test]
fn an_authorization_that_is_over_ends_the_session_and_nothing_was_done() {
    for code in [10_000, 13_009] {
        assert_eq!(
            refused(PLACE, code, "unauthorized"),
            [of(Said::Rejected { code }), AccountWord::LoggedOff { code }]
        );
        assert_eq!(
            refused("w", code, "unauthorized"),
            [AccountWord::LoggedOff { code }]
        );
        assert_eq!(refused("l", code, "unauthorized"), [], "the gateway does");
    }
}

#[test]
fn the_exchanges_own_words_are_kept_with_what_is_wrong() {
    let mut codec = codec();
    let why = r#""error":{"code":-32602,"message":"Invalid params","data":{"param":"price","reason":"wrong format"}}"#;
    said_by(&mut codec, &frame(PLACE, why)).unwrap();
    assert_eq!(codec.last_error(), "Invalid params price wrong format");
    said_by(&mut codec, &frame("t", r#""result":1750000000123"#)).unwrap();
    assert_eq!(codec.last_error(), "");
}

#[test]
fn an_answer_about_an_order_that_cannot_be_read_leaves_it_in_doubt() {
    let readable = with_trades(&shown("open", "0.0", ""), &[]);
    for (from, to) in [
        (r#""order_id":"ETH_USDT-584849853""#, r#""order_id":"x""#),
        (r#""order_state":"open""#, r#""order_state":7"#),
        (r#""filled_amount":0.0"#, r#""filled_amount":0.00001"#),
        ("ETH_USDT\"", "BTC_USDT\""),
    ] {
        let words = said(&frame(PLACE, &readable.replace(from, to))).unwrap();
        assert!(matches!(words[0], AccountWord::Answered { .. }));
        assert_eq!(words.last(), Some(&of(Said::Unanswered)), "{to}");
    }
    for empty in ["{}", "null", "[]", r#"{"order":{},"trades":[]}"#] {
        let words = said(&frame(PLACE, &result(empty))).unwrap();
        assert_eq!(words.last(), Some(&of(Said::Unanswered)), "{empty}");
    }
}

#[test]
fn an_answer_to_nothing_of_ours_says_nothing() {
    for id in ["7", "\"x\"", "\"p1\"", "null"] {
        let frame = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"order":{{}}}}}}"#);
        assert_eq!(said(&frame), Ok(vec![]), "{id}");
    }
    assert_eq!(said("[]"), Err(DecodeError::Shape));
    assert_eq!(said("{"), Err(DecodeError::Json));
}
