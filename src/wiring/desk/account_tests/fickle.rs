//! A strategy of the test: it wants all that can be wanted.

use super::*;

/// Wants this and that, by its dice.
pub(super) struct Fickle {
    pub(super) dice: fastrand::Rng,
    pub(super) tag: u64,
    pub(super) stop: Arc<Mutex<bool>>,
}

impl Strategy for Fickle {
    fn handle_event(&mut self, _: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        if !matches!(event.body, Body::Book(_)) || *self.stop.lock().unwrap() {
            return;
        }
        let own: Vec<Working> = view.orders().copied().collect();
        let dice = &mut self.dice;
        let why = Why {
            signal: "fickle",
            value: 0.0,
            threshold: 0.0,
            update_id: 7,
            epoch: 1,
            bid: Level::default(),
            ask: Level::default(),
        };
        let one = own.get(dice.usize(..own.len().max(1)));
        let intent: Intent = match (dice.u8(..10), one) {
            (0..5, _) | (_, None) => {
                self.tag += 1;
                let side = if dice.bool() { Side::Buy } else { Side::Sell };
                Place {
                    strategy: StrategyId::NONE,
                    instrument: BTC,
                    side,
                    px: Px(10_000 + dice.i64(-3..=3)),
                    qty: Qty(dice.u64(1..=5)),
                    order_type: OrderType::ALL[dice.usize(..OrderType::ALL.len())],
                    tag: self.tag,
                    why,
                }
                .into()
            }
            (5..7, Some(order)) => Replace {
                order: order.client_id,
                px: Px(order.px.0 + dice.i64(-1..=1)),
                qty: Qty(dice.u64(1..=5)),
                why,
            }
            .into(),
            (7..9, Some(order)) => Cancel {
                order: order.client_id,
                why: "fickle",
            }
            .into(),
            (_, Some(_)) => CancelAll {
                instrument: InstrumentId::NONE,
                why: "fickle",
            }
            .into(),
        };
        out.push(intent);
    }
}
