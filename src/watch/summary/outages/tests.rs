use super::super::tests::example;
use super::*;

#[test]
fn what_is_down_at_the_end_or_for_longer_than_allowed_is_too_long() {
    let outage = |down_s: u64, longest_s: u64| Outage {
        exchange: "binance".to_owned(),
        of: "market data".to_owned(),
        down_since: (down_s > 0).then(|| "2026-11-22T18:16:24.123Z".to_owned()),
        down_ns: down_s * 1_000_000_000,
        why: "refused".to_owned(),
        times: 1,
        longest_ns: longest_s * 1_000_000_000,
        total_ns: longest_s * 1_000_000_000,
    };
    let seconds = |s| Some(Duration::from_secs(s));
    for (down, longest, max, too_long) in [
        (0, 60, None, false),
        (3, 3, None, false),
        (4, 4, None, true),
        (0, 60, seconds(59), true),
        (0, 60, seconds(60), false),
        (6, 6, seconds(10), false),
        (6, 6, seconds(5), true),
    ] {
        let mut summary = example();
        summary.set_outages([outage(down, longest)].into_iter(), Vec::new(), max);
        assert_eq!(
            !summary.too_long.is_empty(),
            too_long,
            "{down} {longest} {max:?}"
        );
    }
    let mut summary = example();
    summary.absent = vec!["kraken: no address".to_owned()];
    let odd = "binance: FINEUSDT: its tickSize of 0.000000001 does not fit at 8 decimals";
    summary.left_out = vec![summary.absent[0].clone(), odd.to_owned()];
    let again = "connections end again and again (9 in a row): eof".to_owned();
    let closing = vec![
        ("okx".to_owned(), again.clone()),
        ("binance".to_owned(), again.clone()),
    ];
    summary.books[0].exchange = "okx".to_owned();
    summary.books[0].dark = "no snapshot".to_owned();
    summary.books[0].dark_ns = 3_000_000_001;
    let flapping = Outage {
        exchange: "okx".to_owned(),
        times: 3,
        ..outage(1, 1)
    };
    let all = [outage(6, 6), outage(0, 2), flapping].into_iter();
    summary.set_outages(all, closing, None);
    let said: Vec<String> = summary.outages.iter().map(Outage::to_string).collect();
    assert_eq!(
        said,
        [
            "binance: down since 18:16:24 (6.00 s), refused",
            "binance: was down 1 time(s), 2.00 s at the longest, 2.00 s in all, refused",
            "okx: down since 18:16:24 (1.00 s), refused",
            "kraken: down since 16:38:00 (15.0 s), left out at the start: no address",
        ]
    );
    let dark = "binance:BTC-USDT: not live for 3.00 s, no snapshot".to_owned();
    let wanted = [
        said[0].clone(),
        said[3].clone(),
        format!("okx: {again}"),
        dark,
    ];
    assert_eq!(summary.too_long, wanted);
    let all = [outage(6, 6)].into_iter();
    summary.books[0].exchange = "binance".to_owned();
    summary.set_outages(all, Vec::new(), None);
    assert_eq!(summary.too_long.len(), 2, "its books are down with it");
}
