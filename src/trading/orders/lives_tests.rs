//! One order's life, exhaustively: what an exchange did, and every order of up to six words of
//! three sources about it.

use super::*;
use crate::base::{End, OrderType, Px};
use std::collections::HashMap;

/// What the exchange does not show of an order before this.
const VISIBILITY: Span = Span(10);
const EARLY: Source = Source::Query { asked: Nanos(5) };
const LATE: Source = Source::Query { asked: Nanos(20) };
const ANSWER: Source = Source::Answer;
const STREAM: Source = Source::Stream;
const WORDS_MAX: usize = 6;
const QTY: u64 = 2;

/// What really happened to an order of two units, and what may be heard of it.
struct History {
    name: &'static str,
    order_type: OrderType,
    /// A cancel was sent, too.
    cancelled: bool,
    /// How much traded in the end.
    traded: u64,
    /// How it ended; `None` if it still rests.
    end: Option<Outcome>,
    words: &'static [(Source, Said)],
}

const fn fill(trade_id: u64) -> Said {
    Said::Fill(Fill::bare(trade_id, Side::Buy, Px(100), Qty(1)))
}

const TAKEN: Said = Said::Taken { exchange_id: 7 };

const fn ended(end: End, total: u64) -> Said {
    Said::Ended(end, Some(Qty(total)))
}

const HISTORIES: &[History] = &[
    History {
        name: "it rests, and is filled in two parts",
        order_type: OrderType::Limit,
        cancelled: false,
        traded: 2,
        end: Some(Outcome::Filled),
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, Said::Unanswered),
            (STREAM, TAKEN),
            (STREAM, fill(1)),
            (STREAM, fill(2)),
            (STREAM, ended(End::Filled, 2)),
            (EARLY, Said::Absent),
            (LATE, Said::Traded(Qty(1))),
            (LATE, ended(End::Filled, 2)),
        ],
    },
    History {
        name: "it is filled in part, and cancelled",
        order_type: OrderType::Limit,
        cancelled: true,
        traded: 1,
        end: Some(Outcome::Cancelled),
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, ended(End::Cancelled, 1)),
            (ANSWER, Said::Unanswered),
            (STREAM, TAKEN),
            (STREAM, fill(1)),
            (STREAM, ended(End::Cancelled, 1)),
            (EARLY, TAKEN),
            (LATE, Said::Traded(Qty(1))),
        ],
    },
    History {
        name: "it is cancelled too late, since it was filled",
        order_type: OrderType::PostOnly,
        cancelled: true,
        traded: 2,
        end: Some(Outcome::Filled),
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, Said::ChangeRefused { code: -2011 }),
            (STREAM, fill(1)),
            (STREAM, fill(2)),
            (STREAM, ended(End::Filled, 2)),
            (EARLY, TAKEN),
            (LATE, ended(End::Filled, 2)),
        ],
    },
    History {
        name: "what does not fill at once expires",
        order_type: OrderType::ImmediateOrCancel,
        cancelled: false,
        traded: 1,
        end: Some(Outcome::Expired),
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, fill(1)),
            (ANSWER, ended(End::Expired, 1)),
            (STREAM, TAKEN),
            (STREAM, fill(1)),
            (STREAM, ended(End::Expired, 1)),
            (EARLY, Said::Absent),
            (LATE, Said::Ended(End::Expired, None)),
        ],
    },
    History {
        name: "it is refused",
        order_type: OrderType::Limit,
        cancelled: false,
        traded: 0,
        end: Some(Outcome::Rejected { code: -2010 }),
        words: &[
            (ANSWER, Said::Rejected { code: -2010 }),
            (STREAM, Said::Rejected { code: -2010 }),
            (ANSWER, Said::Unanswered),
            (EARLY, Said::Absent),
        ],
    },
    History {
        name: "it never arrives",
        order_type: OrderType::Limit,
        cancelled: false,
        traded: 0,
        end: Some(Outcome::NotSent),
        words: &[
            (ANSWER, Said::Unanswered),
            (EARLY, Said::Absent),
            (LATE, Said::Absent),
        ],
    },
    History {
        name: "it is filled in part, and rests",
        order_type: OrderType::Limit,
        cancelled: false,
        traded: 1,
        end: None,
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, Said::Unanswered),
            (STREAM, TAKEN),
            (STREAM, fill(1)),
            (EARLY, Said::Absent),
            (LATE, TAKEN),
            (LATE, Said::Traded(Qty(1))),
        ],
    },
    History {
        name: "it is amended, and what is left is filled",
        order_type: OrderType::Limit,
        cancelled: true,
        traded: 1,
        end: Some(Outcome::Filled),
        words: &[
            (ANSWER, TAKEN),
            (ANSWER, Said::Reduced(Qty(1))),
            (STREAM, TAKEN),
            (STREAM, Said::Reduced(Qty(1))),
            (STREAM, fill(1)),
            (STREAM, ended(End::Filled, 1)),
            (EARLY, TAKEN),
        ],
    },
];

/// An order of this history, as it stands after what was heard of it.
struct Case<'h> {
    history: &'h History,
    orders: Orders,
    filled: u64,
    end: Option<Outcome>,
}

const ID: ClientId = ClientId(1);

impl<'h> Case<'h> {
    fn new(history: &'h History) -> Self {
        let mut orders = Orders::new(1, 1, VISIBILITY);
        let order = NewOrder {
            client_id: ID,
            strategy: StrategyId(0),
            instrument: InstrumentId(0),
            side: Side::Buy,
            px: Px(100),
            qty: Qty(QTY),
            order_type: history.order_type,
        };
        orders.open(Nanos(0), &order, 3);
        if history.cancelled {
            orders.change(Nanos(0), ID);
        }
        Self {
            history,
            orders,
            filled: 0,
            end: None,
        }
    }

    fn hear(&mut self, (source, said): (Source, Said)) {
        let news = News {
            client_id: ID,
            instrument: InstrumentId(0),
            source,
            said,
        };
        self.orders.hear(Nanos(30), &news);
        self.look();
    }

    fn look(&mut self) {
        while let Some(output) = self.orders.poll_output() {
            let Output::Report(report) = output else {
                assert!(!matches!(output, Output::Stray(..)), "{output:?}");
                continue;
            };
            assert_eq!(self.end, None, "a report after the end");
            match report.outcome {
                Outcome::Fill(fill) => self.filled += fill.qty.0,
                end if end.is_end() => self.end = Some(end),
                _ => {}
            }
            assert_eq!(report.filled(), Qty(self.filled));
        }
        self.check();
    }

    fn check(&self) {
        let (name, wanted) = (self.history.name, self.history.end);
        assert!(self.filled <= self.history.traded, "{name}");
        if self.end.is_some() {
            assert_eq!(
                (self.end, self.filled),
                (wanted, self.history.traded),
                "{name}"
            );
        }
        let may = self.orders.pending(InstrumentId(0)).buy as u64;
        assert!(
            self.filled + may >= self.history.traded,
            "{name}: understated"
        );
    }

    /// What the exchange says when it is asked for all of it.
    fn settle(&mut self) {
        let end = match self.history.end {
            Some(Outcome::Filled) => Some(End::Filled),
            Some(Outcome::Cancelled) => Some(End::Cancelled),
            Some(Outcome::Expired) => Some(End::Expired),
            _ => None,
        };
        let asked = Nanos(40);
        let total = Qty(self.history.traded);
        match (end, self.history.end) {
            (Some(end), _) => {
                self.hear((Source::Query { asked }, TAKEN));
                self.hear((Source::Query { asked }, Said::Ended(end, Some(total))));
            }
            (None, None) => {
                self.hear((Source::Query { asked }, TAKEN));
                self.hear((Source::Query { asked }, Said::Traded(total)));
            }
            (None, Some(Outcome::Rejected { .. })) => {
                self.hear((ANSWER, Said::Rejected { code: -2010 }));
            }
            (None, Some(_)) => self.hear((Source::Query { asked }, Said::Absent)),
        }
        for trade in 1..=self.history.traded {
            let fill = Fill::bare(trade, Side::Buy, Px(100), Qty(1));
            let of = (InstrumentId(0), 7);
            self.orders.hear_trade(Nanos(50), of, asked, fill);
            self.look();
        }
        self.orders.hear_trades_listed(InstrumentId(0), asked);
        self.look();
    }
}

/// Failure mode 38: a fill may come before the answer, and all else in any order.
#[test]
fn whatever_is_heard_in_whatever_order_no_end_is_early_and_no_exposure_too_small() {
    let mut sequences = 0;
    for history in HISTORIES {
        let count = history.words.len();
        // What the same words made of it in another order.
        let mut made: HashMap<Vec<u8>, (u64, Option<Outcome>)> = HashMap::new();
        for length in 1..=WORDS_MAX {
            for number in 0..count.pow(length as u32) {
                let mut case = Case::new(history);
                let mut heard = vec![0u8; count];
                let mut rest = number;
                for _ in 0..length {
                    case.hear(history.words[rest % count]);
                    heard[rest % count] = 1;
                    rest /= count;
                }
                let now = (case.filled, case.end);
                // A word of the last question may make up for one that was too early; all else is
                // one and the same in every order and however often it is said.
                let before = made.entry(heard).or_insert(now);
                assert_eq!(*before, now, "{}: {number} of {length}", history.name);
                case.settle();
                assert_eq!(case.end, history.end, "{}: {number}", history.name);
                assert_eq!(case.filled, history.traded, "{}", history.name);
                sequences += 1;
            }
        }
    }
    assert!(sequences > 1_000_000, "{sequences}");
}
