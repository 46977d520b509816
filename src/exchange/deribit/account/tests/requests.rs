use super::super::sign::checked;
use super::*;
use crate::base::{Question, Span, TradesOf};

fn asked(codec: &mut DeribitOrders, question: Question) -> String {
    text(codec.ask(&question, NOW)).to_owned()
}

#[test]
fn a_signature_equals_the_published_vector() {
    let account = account();
    let (client_id, signer) = checked(&account).unwrap();
    assert_eq!(client_id, "test-key-0001");
    assert_eq!(
        text(&signer.sign(b"1750000000123", b"abcd")),
        "b7fb4c39e548562aaf741d7aaa427cc29eca3946d2944a535d426711750f2287"
    );
}

#[test]
fn the_logon_is_signed_and_shows_no_secret() {
    let account = account();
    let (_, signer) = checked(&account).unwrap();
    let signature = signer.sign(b"1750000000123", b"1750000000123456789");
    let golden = format!(
        r#"{{"jsonrpc":"2.0","id":"l","method":"public/auth","params":{{"grant_type":"client_signature","client_id":"test-key-0001","timestamp":1750000000123,"nonce":"1750000000123456789","data":"","signature":"{}","scope":"connection"}}}}"#,
        text(&signature)
    );
    let mut codec = codec();
    assert_eq!(text(codec.logon(NOW)), golden);
    assert!(!golden.contains(SECRET));
    assert_eq!(codec.path(), "/ws/api/v2");
}

#[test]
fn what_happens_to_orders_of_every_pair_is_followed_and_of_nothing_else() {
    assert_eq!(
        text(codec().follow(NOW)),
        r#"{"jsonrpc":"2.0","id":"f","method":"private/subscribe","params":{"channels":["user.changes.BTC_USDT.raw","user.changes.ETH_USDT.raw"]}}"#
    );
    assert_eq!(
        codec().time(),
        r#"{"jsonrpc":"2.0","id":"t","method":"public/get_time","params":{}}"#
    );
}

#[test]
fn every_type_of_order_says_what_it_is_and_when_it_is_too_late() {
    let mut codec = codec();
    let head = r#"{"jsonrpc":"2.0","id":"p0000300000000000000001306","method":"private/buy","params":{"instrument_name":"ETH_USDT","amount":0.5,"type":"#;
    let label = r#""label":"tw00000000000000001306""#;
    let until = r#""valid_until":1750000001123}}"#;
    for (order_type, golden) in [
        (
            OrderType::Limit,
            format!(
                r#"{head}"limit","price":2500.12,{label},"time_in_force":"good_til_cancelled","post_only":false,{until}"#
            ),
        ),
        (
            OrderType::PostOnly,
            format!(
                r#"{head}"limit","price":2500.12,{label},"time_in_force":"good_til_cancelled","post_only":true,"reject_post_only":true,{until}"#
            ),
        ),
        (
            OrderType::ImmediateOrCancel,
            format!(
                r#"{head}"limit","price":2500.12,{label},"time_in_force":"immediate_or_cancel","post_only":false,{until}"#
            ),
        ),
        (
            OrderType::FillOrKill,
            format!(
                r#"{head}"limit","price":2500.12,{label},"time_in_force":"fill_or_kill","post_only":false,{until}"#
            ),
        ),
        (
            OrderType::Market,
            format!(r#"{head}"market",{label},"post_only":false,{until}"#),
        ),
    ] {
        assert_eq!(text(codec.place(&order(order_type), NOW)), golden);
        let sell = NewOrder {
            side: Side::Sell,
            ..order(order_type)
        };
        let golden = golden.replace("private/buy", "private/sell");
        assert_eq!(text(codec.place(&sell, NOW)), golden);
    }
}

#[test]
fn an_order_is_cancelled_by_its_label_until_the_exchange_has_named_one_of_its_pair() {
    let mut codec = codec();
    let labelled = r#"{"jsonrpc":"2.0","id":"c0000300000000000000000007","method":"private/cancel_by_label","params":{"label":"tw00000000000000000007"}}"#;
    assert_eq!(text(codec.cancel(&seven(None), NOW)), labelled);
    assert_eq!(text(codec.cancel(&seven(Some(42)), NOW)), labelled);
    let placed = format!(
        r#""result":{{"order":{},"trades":[]}}"#,
        shown("open", "0.0", "")
    );
    said_by(&mut codec, &frame(PLACE, &placed)).unwrap();
    assert_eq!(
        text(codec.cancel(&seven(Some(42)), NOW)),
        r#"{"jsonrpc":"2.0","id":"c0000300000000000000000007","method":"private/cancel","params":{"order_id":"ETH_USDT-42"}}"#
    );
    assert_eq!(text(codec.cancel(&seven(None), NOW)), labelled);
}

#[test]
fn a_smaller_order_keeps_its_price_and_is_no_post_only_one_by_omission() {
    assert_eq!(
        text(codec().reduce(&seven(Some(42)), Qty(1_200), NOW)),
        r#"{"jsonrpc":"2.0","id":"a0000300000000000000000007","method":"private/edit_by_label","params":{"label":"tw00000000000000000007","instrument_name":"ETH_USDT","amount":0.12,"post_only":false}}"#
    );
    assert!(codec().can_reduce());
}

#[test]
fn an_order_has_no_successor_of_another_name() {
    let mut codec = codec();
    assert!(!codec.can_replace());
    let new = order(OrderType::Limit);
    assert!(codec.replace(&seven(Some(42)), &new, NOW).is_empty());
}

#[test]
fn an_order_is_asked_about_by_its_number_or_by_its_label() {
    let mut codec = codec();
    let labelled = r#"{"jsonrpc":"2.0","id":"o0000300000000000000000007","method":"private/get_order_state_by_label","params":{"currency":"USDT","label":"tw00000000000000000007"}}"#;
    assert_eq!(
        asked(&mut codec, Question::Order(seven(Some(42)))),
        labelled
    );
    let shown = format!(r#""result":[{}]"#, shown("open", "0.0", ""));
    said_by(&mut codec, &frame(ORDER, &shown)).unwrap();
    assert_eq!(
        asked(&mut codec, Question::Order(seven(Some(42)))),
        r#"{"jsonrpc":"2.0","id":"o0000300000000000000000007","method":"private/get_order_state","params":{"order_id":"ETH_USDT-42"}}"#
    );
    assert_eq!(asked(&mut codec, Question::Order(seven(None))), labelled);
}

#[test]
fn trades_are_asked_for_in_the_order_of_their_numbers() {
    let mut codec = codec();
    let trades = |of| Question::Trades(ETH, of);
    let by_instrument = r#"{"jsonrpc":"2.0","id":"m00003","method":"private/get_user_trades_by_instrument","params":{"instrument_name":"ETH_USDT","#;
    assert_eq!(
        asked(&mut codec, trades(TradesOf::After(7))),
        format!(r#"{by_instrument}"start_seq":8,"count":1000,"sorting":"asc"}}}}"#)
    );
    assert_eq!(
        asked(&mut codec, trades(TradesOf::Last(Span::from_secs(60)))),
        format!(
            r#"{by_instrument}"start_timestamp":1749999940123,"count":1000,"sorting":"asc"}}}}"#
        )
    );
    // Whose name the exchange has not told: all of a day, each of which says whose it is.
    assert_eq!(
        asked(&mut codec, trades(TradesOf::Order(42))),
        format!(
            r#"{by_instrument}"start_timestamp":1749913600123,"count":1000,"sorting":"asc"}}}}"#
        )
    );
    let shown = format!(r#""result":[{}]"#, shown("open", "0.0", ""));
    said_by(&mut codec, &frame(ORDER, &shown)).unwrap();
    assert_eq!(
        asked(&mut codec, trades(TradesOf::Order(42))),
        r#"{"jsonrpc":"2.0","id":"m00003","method":"private/get_user_trades_by_order","params":{"order_id":"ETH_USDT-42","sorting":"asc"}}"#
    );
}

#[test]
fn what_rests_and_what_there_is_is_asked_of_the_whole_account() {
    let mut codec = codec();
    assert_eq!(
        asked(&mut codec, Question::OpenOrders),
        r#"{"jsonrpc":"2.0","id":"w","method":"private/get_open_orders","params":{}}"#
    );
    assert_eq!(
        asked(&mut codec, Question::Balances),
        r#"{"jsonrpc":"2.0","id":"b","method":"private/get_account_summaries","params":{}}"#
    );
}

#[test]
fn an_instrument_that_is_no_pair_of_the_account_has_no_frames() {
    let mut codec = codec();
    for id in [1, 2, 9] {
        let instrument = InstrumentId(id);
        let new = NewOrder {
            instrument,
            ..order(OrderType::Limit)
        };
        assert!(codec.place(&new, NOW).is_empty());
        let old = OrderRef {
            instrument,
            ..seven(Some(42))
        };
        assert!(codec.cancel(&old, NOW).is_empty());
        assert!(codec.reduce(&old, Qty(1), NOW).is_empty());
        assert!(codec.ask(&Question::Order(old), NOW).is_empty());
        let trades = Question::Trades(instrument, TradesOf::After(1));
        assert!(codec.ask(&trades, NOW).is_empty());
    }
}

#[test]
fn keys_that_cannot_sign_are_refused_in_words_that_do_not_show_them() {
    let new = |api_key: &str, key| {
        let account = Account {
            api_key: api_key.to_owned().into(),
            key,
        };
        let spot = [instrument(3, "ETH", Kind::Spot)];
        DeribitOrders::new(&account, &spot).err().unwrap()
    };
    let secret = |text: &str| AccountKey::Hmac(text.to_owned().into());
    for client_id in ["", " ", "a b", "a\"b", "ä", "a,b"] {
        let why = new(client_id, secret(SECRET));
        assert!(why.contains("the client id is empty or has"), "{why}");
    }
    assert!(new("abc", secret(" ")).contains("the client secret is empty"));
    let pem = AccountKey::Ed25519Pem("-----BEGIN".to_owned().into());
    assert!(new("abc", pem).contains("give the secret instead of a private key"));
}

#[test]
fn an_account_without_a_spot_pair_is_refused_in_words() {
    let none = [instrument(1, "BTC", Kind::Perpetual)];
    let why = DeribitOrders::new(&account(), &none).err().unwrap();
    assert!(why.contains("spot pairs only"), "{why}");
    assert!(why.contains("BTC_USDT"), "{why}");
}

#[test]
fn matching_requests_and_all_others_have_a_limit_of_their_own() {
    let codec = codec();
    let budgets = codec.budgets();
    let names: Vec<_> = budgets.iter().map(|budget| budget.name).collect();
    assert_eq!(names, ["matching engine", "credits"]);
    let id = ClientId(7);
    for key in [
        RequestKey::Place(id),
        RequestKey::Cancel(id),
        RequestKey::Reduce(id),
    ] {
        assert_eq!((codec.cost(key, 0), codec.cost(key, 1)), (1, 0));
    }
    for key in [
        RequestKey::Logon,
        RequestKey::Time,
        RequestKey::Follow,
        RequestKey::Order(id),
        RequestKey::Trades(ETH),
        RequestKey::OpenOrders,
        RequestKey::Balances,
    ] {
        assert_eq!((codec.cost(key, 0), codec.cost(key, 1)), (0, 1));
    }
    // As much as flows into the exchange's buckets, and no more at once than they hold.
    for (budget, (a_second, burst)) in budgets.iter().zip([(5, 20), (20, 100)]) {
        assert!(2 * budget.limit <= burst, "{}", budget.name);
        let millis = budget.per.0 / 1_000_000;
        assert_eq!(u64::from(budget.limit) * 1_000, a_second * millis);
    }
}
