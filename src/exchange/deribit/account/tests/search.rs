//! An order that has no number yet is looked for by its label, in one currency of its pair or in
//! the other one.

use super::*;
use crate::base::Question;

fn currency(codec: &mut DeribitOrders) -> (String, String) {
    let frame = text(codec.ask(&Question::Order(seven(None)), NOW)).to_owned();
    let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
    let part = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (part(&frame["id"]), part(&frame["params"]["currency"]))
}

fn finds(codec: &mut DeribitOrders, id: &str, orders: &str) -> Vec<AccountWord> {
    let mut words = said_by(codec, &frame(id, &format!(r#""result":[{orders}]"#))).unwrap();
    words.split_off(2)
}

#[test]
fn it_is_absent_if_neither_currency_has_it() {
    let mut codec = codec();
    assert_eq!(currency(&mut codec), (ORDER.into(), "USDT".into()));
    assert_eq!(finds(&mut codec, ORDER, ""), []);
    assert_eq!(currency(&mut codec), (OTHERWISE.into(), "ETH".into()));
    assert_eq!(finds(&mut codec, OTHERWISE, ""), [of(Said::Absent)]);
}

#[test]
fn answers_about_another_order_do_not_make_it_absent() {
    let mut codec = codec();
    let eight = OTHERWISE.replace('7', "8");
    assert_eq!(finds(&mut codec, ORDER, ""), []);
    assert_eq!(finds(&mut codec, &eight, ""), []);
    assert_eq!(finds(&mut codec, ORDER, ""), []);
    assert_eq!(finds(&mut codec, ORDER, ""), []);
    assert_eq!(finds(&mut codec, OTHERWISE, ""), [of(Said::Absent)]);
}

#[test]
fn the_currency_that_has_found_one_is_believed_alone() {
    let mut codec = codec();
    assert_eq!(finds(&mut codec, ORDER, ""), []);
    let shown = shown("open", "0.0", "");
    assert_eq!(finds(&mut codec, OTHERWISE, &shown), [of(TAKEN)]);
    assert_eq!(currency(&mut codec), (OTHERWISE.into(), "ETH".into()));
    let eight = OTHERWISE.replace('7', "8");
    let absent = AccountWord::Order(ClientId(8), ETH, Said::Absent);
    assert_eq!(finds(&mut codec, &eight, ""), [absent]);
}

#[test]
fn what_has_another_label_or_pair_is_not_it() {
    let mut codec = codec();
    let other = shown("open", "0.0", "").replace("tw00000000000000000007", "mine");
    assert_eq!(finds(&mut codec, ORDER, &other), []);
    let other = shown("open", "0.0", "").replace("ETH_USDT\"", "BTC_USDT\"");
    assert_eq!(finds(&mut codec, OTHERWISE, &other), [of(Said::Absent)]);
}
