//! What a journal says after it was written, cut, damaged, or written by somebody else.

use super::*;
use crate::base::{
    Accepter, Asset, Change, ClientId, Contract, DayGain, Decimal, Deed, End, Fee, Fill,
    Instrument, InstrumentId, KeyName, KeyValue, Mode, Nanos, NewOrder, News, OpenOrder, OrderType,
    Position, Px, Qty, Resting, Said, Side, Source, Span, StrategyId, Symbol, UnixNanos, Working,
};

const FILE: &str = "orders/a/orders.jsonl";
const AT: Nanos = Nanos(1_700_000_000_000_000_007);

fn listed(id: u16, symbol: &str, scales: (u8, u8)) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        base: Asset::from("B").unwrap(),
        quote: Asset::from("Q").unwrap(),
        ..Instrument::bare("", Symbol::from(symbol).unwrap(), scales)
    }
}

fn table() -> Vec<Instrument> {
    let contract = Contract {
        size: 5,
        scale: 3,
        inverse: true,
    };
    vec![
        listed(0, "BTCUSDT", (2, 5)),
        Instrument {
            contract,
            ..listed(1, "币安\"USDT", (0, 0))
        },
    ]
}

fn strategies() -> Vec<String> {
    vec!["maker".to_owned(), "taker".to_owned()]
}

fn begun() -> Begun {
    Begun {
        journal: VERSION,
        tickwire: "0.1.0".to_owned(),
        exchange: "a".to_owned(),
        account: "0011".to_owned(),
    }
}

fn unix(at: Nanos) -> UnixNanos {
    UnixNanos(at.0 as i64)
}

/// A journal of one run whose first line has the number 7.
fn written(deeds: &[Deed]) -> Vec<u8> {
    let (table, strategies) = (table(), strategies());
    let names = Names {
        instruments: &table,
        strategies: &strategies,
    };
    let (mut out, mut writer) = (Vec::new(), Writer::new(7));
    writer.begun(unix(AT), begun(), &mut out);
    for instrument in &table {
        writer.instrument(unix(AT), instrument, &mut out);
    }
    for deed in deeds {
        writer.deed(names, (AT, &unix), deed, &mut out);
    }
    out
}

fn read(bytes: &[u8]) -> Result<Vec<Deed>, String> {
    let mut reader = Reader::new(FILE, bytes)?;
    let mut deeds = Vec::new();
    while let Some((at, deed)) = reader.next_deed()? {
        assert_eq!(at, unix(AT));
        deeds.push(deed);
    }
    Ok(deeds)
}

fn order() -> NewOrder {
    NewOrder {
        client_id: ClientId(u64::MAX - 1),
        strategy: StrategyId(0),
        instrument: InstrumentId(0),
        side: Side::Sell,
        px: Px(6_173_763),
        qty: Qty(i64::MAX as u64),
        order_type: OrderType::PostOnly,
    }
}

fn heard(source: Source, said: Said) -> Deed {
    Deed::Heard(News {
        client_id: ClientId(9),
        instrument: InstrumentId(1),
        source,
        said,
    })
}

/// At least one of each kind, and every word that may be in them.
fn all() -> Vec<Deed> {
    let fee = Fee {
        asset: Asset::from("BNB").unwrap(),
        amount: Decimal {
            units: 75,
            scale: 9,
        },
        rebate: true,
    };
    let fill = Fill {
        fee: Some(fee),
        maker: Some(false),
        at: UnixNanos(3),
        ..Fill::bare(u64::MAX, Side::Buy, Px(-3), Qty(2))
    };
    let open = OpenOrder {
        working: Working {
            client_id: ClientId(4),
            strategy: StrategyId::NONE,
            tag: u64::MAX,
            instrument: InstrumentId(0),
            side: Side::Buy,
            px: Px(1),
            qty: Qty(10),
            filled: Qty(3),
            order_type: OrderType::Limit,
            acked: true,
            in_doubt: false,
            changing: true,
        },
        exchange_id: Some(77),
        told: Qty(4),
        over: Some((End::Cancelled, Some(Qty(4)))),
        contradicted: true,
        changed: true,
        age: Span::from_secs(100),
    };
    let asked = |change| Deed::Asked {
        client_id: ClientId(9),
        instrument: InstrumentId(0),
        change,
    };
    let query = Source::Query { asked: Nanos(11) };
    let mut all = vec![
        Deed::Admitted {
            order: order(),
            tag: 5,
            replaces: Some(ClientId(8)),
        },
        asked(Change::Cancel),
        asked(Change::Replace),
        asked(Change::Reduce(Qty(1))),
        heard(query, Said::Fill(fill)),
        heard(
            Source::Stream,
            Said::Fill(Fill::bare(0, Side::Sell, Px(1), Qty(1))),
        ),
        Deed::Listed {
            instrument: InstrumentId(1),
            asked: Nanos(12),
            to: None,
        },
        Deed::Listed {
            instrument: InstrumentId(0),
            asked: Nanos(12),
            to: Some(u64::MAX),
        },
        Deed::Unlisted {
            instrument: InstrumentId(0),
            age: Span(5),
        },
        Deed::Adopted(Resting {
            client_id: Some(ClientId(1)),
            exchange_id: 2,
            instrument: Some(InstrumentId(0)),
            side: Side::Buy,
            px: Px(3),
            qty: Qty(4),
            traded: Qty(1),
        }),
        Deed::Open(open),
        Deed::Open(OpenOrder {
            exchange_id: None,
            over: Some((End::Expired, None)),
            ..open
        }),
        Deed::Position {
            strategy: StrategyId(1),
            instrument: InstrumentId(1),
            position: Position {
                qty: -5,
                cash: i128::from(i64::MAX) * 1_000,
                cost: -1_234,
                taken: 12_345,
            },
        },
        Deed::Seen {
            instrument: InstrumentId(0),
            trade_id: 1,
        },
        Deed::SeenTo {
            instrument: InstrumentId(0),
            trade_id: u64::MAX,
        },
        Deed::UsedTo {
            client_id: ClientId(6),
        },
        Deed::Holds {
            asset: Asset::from("USDT").unwrap(),
            units: -1,
        },
        Deed::HoldsNoOther,
        Deed::Differs {
            entry: u64::MAX,
            asset: Asset::from("USDT").unwrap(),
            expected: 5,
            found: 10i128.pow(30),
        },
        Deed::Accepted {
            entry: 3,
            by: Accepter::Rule,
        },
        Deed::Accepted {
            entry: u64::MAX,
            by: Accepter::Person,
        },
        Deed::Accepted {
            entry: 0,
            by: Accepter::Exchange,
        },
        Deed::Day(DayGain {
            strategy: StrategyId(1),
            quote: Asset::from("USDT").unwrap(),
            gained: -123_456_789_012,
            best: 7,
        }),
        Deed::Marked {
            instrument: InstrumentId(0),
            bid: Px(6_173_763),
            ask: Px(6_173_764),
        },
        Deed::AcceptedSoFar {
            asset: Asset::from("USDT").unwrap(),
            units: i128::from(u64::MAX) * 1_000,
        },
        Deed::Held {
            instrument: InstrumentId(0),
            on: true,
        },
    ];
    for said in [
        Said::NotSent,
        Said::Taken { exchange_id: 5 },
        Said::Traded(Qty(4)),
        Said::Ended(End::Filled, None),
        Said::Ended(End::Cancelled, Some(Qty(0))),
        Said::Reduced(Qty(2)),
        Said::Rejected { code: -2010 },
        Said::ChangeRefused { code: 0 },
        Said::Absent,
        Said::Unanswered,
    ] {
        all.push(heard(Source::Answer, said));
    }
    all.push(Deed::Set {
        strategy: StrategyId(1),
        key: KeyName::from("cooldown_ms").unwrap(),
        value: KeyValue::from("0.1\"").unwrap(),
    });
    for mode in [Mode::Trading, Mode::ReduceOnly, Mode::Halted] {
        let strategy = StrategyId(0);
        all.push(Deed::Mode { strategy, mode });
    }
    for order_type in OrderType::ALL {
        all.push(Deed::Admitted {
            order: NewOrder {
                order_type,
                ..order()
            },
            tag: 0,
            replaces: None,
        });
    }
    all
}

#[test]
fn every_record_is_read_as_it_was_written() {
    assert_eq!(read(&written(&all())), Ok(all()));
}

#[test]
fn symbols_and_names_are_written_and_ids_are_not() {
    let text = String::from_utf8(written(&all()[..1])).unwrap();
    let line = text.lines().last().unwrap();
    let begins = concat!(
        r#"{"n":10,"ts_ns":1700000000000000007,"kind":"admitted","order":18446744073709551614,"#,
        r#""strategy":"maker","tag":5,"symbol":"BTCUSDT","side":"sell","px":"61737.63","#,
        r#""qty":"92233720368547.75807","order_type":"post_only","replaces":8,"crc32":""#
    );
    assert!(line.starts_with(begins), "{line}");
}

#[test]
fn a_journal_that_was_cut_anywhere_has_every_whole_line_and_no_other() {
    let whole = written(&all());
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for cut in 0..whole.len() {
        let bytes = &whole[..cut];
        let lines = ends.iter().filter(|end| **end < cut).count();
        let deeds = lines.saturating_sub(3); // How the run begins.
        assert_eq!(read(bytes).as_deref(), Ok(&all()[..deeds]), "cut at {cut}");
        let torn = Reader::new(FILE, bytes).unwrap().torn();
        let last = ends.get(lines.wrapping_sub(1)).map_or(0, |end| end + 1);
        assert_eq!(torn, cut - last, "cut at {cut}");
    }
}

#[test]
fn zeros_where_the_last_lines_were_to_be_are_left_out_like_a_part_of_a_line() {
    let mut bytes = written(&all());
    bytes.extend([0; 5_000]);
    assert_eq!(read(&bytes), Ok(all()));
    assert_eq!(Reader::new(FILE, &bytes).unwrap().torn(), 5_000);
}

#[test]
fn a_line_that_is_not_as_it_was_written_is_named_and_nothing_is_read() {
    let whole = written(&all()[..3]);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        // The last line feed: without it that line is a part of one.
        if at + 1 == whole.len() {
            assert_eq!(read(&bytes).as_deref(), Ok(&all()[..2]));
            continue;
        }
        let why = read(&bytes).unwrap_err();
        let line = 1 + whole[..at].iter().filter(|byte| **byte == b'\n').count();
        assert!(why.starts_with(&format!("{FILE} line {line}: ")), "{why}");
        assert!(why.contains("look at them at the exchange"), "{why}");
    }
}

#[test]
fn a_line_that_is_missing_is_noticed() {
    let text = String::from_utf8(written(&all())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for left_out in 1..lines.len() - 1 {
        let mut some = lines.clone();
        some.remove(left_out);
        let why = read((some.join("\n") + "\n").as_bytes()).unwrap_err();
        let (has, expected) = (left_out + 8, left_out + 7);
        let said = format!(
            "line {}: it has the number {has}, and not {expected}",
            left_out + 1
        );
        assert!(why.contains(&said), "{why}");
    }
}

#[test]
fn what_a_later_version_wrote_is_refused_by_the_name_of_that_version() {
    let later = |text: &str| {
        let mut bytes = Vec::new();
        let begun = Begun {
            tickwire: "9.9.9".to_owned(),
            ..begun()
        };
        Writer::new(1).begun(unix(AT), begun, &mut bytes);
        let line = String::from_utf8(bytes).unwrap() + &crate::journal::sealed::seal(text.into());
        read(line.as_bytes()).unwrap_err()
    };
    let why = later(r#"{"n":2,"ts_ns":1,"kind":"borrowed","asset":"X"}"#);
    let what = "line 2: lines of the kind \"borrowed\" are not known to tickwire";
    assert!(why.contains(what) && why.contains("version 9.9.9"), "{why}");
    let why = later(
        r#"{"n":2,"ts_ns":1,"kind":"begun","journal":2,"tickwire":"9.9.9","exchange":"a","account":""}"#,
    );
    assert!(why.contains("journals of version 2"), "{why}");
}

#[test]
fn amounts_stay_what_they_are_when_an_exchange_changes_its_scales() {
    let mut bytes = written(&all()[..1]);
    let (table, strategies) = ([listed(0, "BTCUSDT", (4, 2))], strategies());
    let mut writer = Writer::new(11);
    writer.begun(unix(AT), begun(), &mut bytes);
    writer.instrument(unix(AT), &table[0], &mut bytes);
    let names = Names {
        instruments: &table,
        strategies: &strategies,
    };
    let newer = NewOrder {
        qty: Qty(5),
        ..order()
    };
    let newer = Deed::Admitted {
        order: newer,
        tag: 0,
        replaces: None,
    };
    writer.deed(names, (AT, &unix), &newer, &mut bytes);
    let read = read(&bytes).unwrap();
    let amounts = |deed: &Deed| match deed {
        Deed::Admitted { order, .. } => (order.px.0, order.qty.0),
        other => panic!("{other:?}"),
    };
    let all: Vec<_> = read.iter().map(amounts).collect();
    assert_eq!(all, [(617_376_300, i64::MAX as u64), (6_173_763, 5_000)]);
}

#[test]
fn how_the_last_run_began_and_whether_it_ended_is_known() {
    let mut bytes = written(&[]);
    let mut reader = Reader::new(FILE, &bytes).unwrap();
    assert_eq!(reader.next_deed(), Ok(None));
    assert_eq!((reader.begun(), reader.ended()), (Some(&begun()), false));
    assert_eq!(reader.next_number(), 10);
    let mut writer = Writer::new(10);
    writer.ended(unix(AT), &mut bytes);
    assert_eq!(writer.next(), 11);
    let mut reader = Reader::new(FILE, &bytes).unwrap();
    assert_eq!(reader.next_deed(), Ok(None));
    assert!(reader.ended());
    assert_eq!(read(b""), Ok(Vec::new()), "nothing was written yet");
}
