use super::*;
use crate::exchange::kit::ids::{DIGITS, RequestId, client_id, digits};
use proptest::prelude::*;

fn wire(id: u64) -> String {
    let digits: [u8; DIGITS] = digits(id);
    format!("tw{}", std::str::from_utf8(&digits).unwrap())
}

#[test]
fn an_orders_name_is_digits_that_spell_nothing_and_the_largest_fits() {
    assert_eq!(wire(u64::MAX), "tw18446744073709551615");
    assert!(wire(u64::MAX).len() <= 36, "the exchange's own limit");
    for other in [
        "tw18446744073709551616",
        "tw+0000000000000000007",
        "tw0000000000000000007",
        "tc00000000000000000007",
        "TW00000000000000000007",
        "tw0000000000007",
        "",
    ] {
        assert_eq!(client_id(other), None, "{other}");
    }
}

#[test]
fn an_id_that_is_none_of_ours_is_none() {
    for other in [
        "",
        "logon",
        "l1",
        "x",
        "p",
        "p0000300000000000000000007x",
        "p000030000000000000000000",
        "p99999000000000000000000 7",
        "p9999900000000000000000007",
        "p+000300000000000000000007",
        "m0000",
        "m000030",
        "é",
        "r0000300000000000000000008",
        "w0",
    ] {
        assert_eq!(RequestId::parse(other), None, "{other}");
    }
    let replaced = RequestId::parse(REPLACE).unwrap();
    assert_eq!(replaced.key, RequestKey::Place(ClientId(8)));
    assert_eq!(
        (replaced.instrument, replaced.replaces),
        (ETH, Some(ClientId(7)))
    );
}

proptest! {
    #[test]
    fn names_come_back_as_they_went(number in prop_oneof![any::<u64>(), Just(u64::MAX)]) {
        prop_assert_eq!(client_id(&wire(number)), Some(ClientId(number)));
    }

    #[test]
    fn only_our_own_names_are_read(
        text in prop_oneof!["tw[0-9]{19,21}", "tw[01][0-9]{19}", "tw[+0-9a-z]{20}", ".{0,25}"],
    ) {
        if let Some(id) = client_id(&text) {
            prop_assert_eq!(wire(id.0), text);
        }
    }

    #[test]
    fn no_text_as_an_id_makes_it_panic(text in "[ltfpcaoumrwbx]?[0-9+é]{0,50}") {
        let _ = RequestId::parse(&text);
    }
}
