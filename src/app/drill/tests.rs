use super::judge::Back;
use super::*;

fn sample(wrong: Span) -> Sample {
    Sample {
        wrong,
        unverified: 0,
        noticed: None,
        missed: wrong > Span::ZERO,
        back: Back::Unneeded,
    }
}

#[test]
fn a_drill_fails_if_a_book_was_ever_wrong() {
    let mut cells = vec![
        Cell::new(MarketFault::Gap, "here"),
        Cell::new(MarketFault::Cut, "there"),
    ];
    cells[0].samples = vec![Some(sample(Span::ZERO)), None];
    assert!(verdict(&cells).is_ok());
    cells[1].samples = vec![Some(sample(Span::ZERO)), Some(sample(Span(1)))];
    let failure = verdict(&cells).unwrap_err().to_string();
    let said = "cut at there: for 1 ns, and nothing said so";
    assert!(failure.contains(said), "{failure}");
    assert!(!failure.contains("gap"), "{failure}");
    let text = table::render(&cells);
    assert!(
        text.contains("| there |      2 |  1 ns |       never |"),
        "{text}"
    );
    let file = table::file(&cells, serde_json::Value::Null, true);
    assert_eq!(file["cells"][1]["wrong_ns"], 1);
    assert_eq!(file["cells"][0]["samples"][1], serde_json::Value::Null);
}

#[test]
fn each_fault_has_a_cell_wherever_it_means_something() {
    let args = |exchange: Vec<&'static str>, faults: Vec<MarketFault>| DrillArgs {
        exchange,
        faults,
        seed: 1,
        repetitions: 1,
        json: None,
    };
    let all = planned(&args(Vec::new(), Vec::new()));
    for fault in MarketFault::ALL {
        let of: Vec<&str> = all
            .iter()
            .filter(|c| c.fault == fault)
            .map(|c| c.exchange)
            .collect();
        let fits = exchange::ALL.iter().filter(|one| fault.applies(**one));
        assert_eq!(
            of,
            fits.map(|one| one.name()).collect::<Vec<_>>(),
            "{fault}"
        );
    }
    let first = exchange::unnamed().name();
    let some = planned(&args(vec![first], vec![MarketFault::Cut, MarketFault::Cut]));
    assert_eq!(some.len(), 1);
    let unfit = exchange::ALL
        .iter()
        .find(|one| !MarketFault::TooMany.applies(**one));
    let unfit = unfit.expect("one sends its books in the stream").name();
    assert!(planned(&args(vec![unfit], vec![MarketFault::TooMany])).is_empty());
}
