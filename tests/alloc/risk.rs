//! Risk allocates nothing: not for an intent, a book, an order or a fill.

#[path = "../../benches/support/risk.rs"]
mod rig;

use super::counting::allocations;
use rig::Rig;

#[test]
fn intents_books_orders_and_fills_are_judged_and_followed_without_an_allocation() {
    let mut rig = Rig::new();
    let calls = allocations(|| {
        for _ in 0..20_000 {
            rig.tick();
            rig.admit();
            rig.book(7);
            rig.trade();
        }
    });
    assert_eq!(calls, 0);
    assert_eq!(rig.working(), rig::WORKING as usize);
}

#[test]
fn from_an_intent_to_the_bytes_of_its_order_nothing_is_allocated_with_either_sort_of_key() {
    for signs_each in [false, true] {
        let (mut rig, mut codec) = (Rig::new(), rig::codec(signs_each));
        let calls = allocations(|| {
            for _ in 0..5_000 {
                rig.tick();
                rig.order(&mut *codec);
                rig.refuse_all();
            }
        });
        assert_eq!(calls, 0);
        assert_eq!(rig.working(), rig::WORKING as usize);
    }
}
