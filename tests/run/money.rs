//! Profit and loss of a run with an account: it adds up to what the exchange says, to the last
//! unit, per strategy and in total.

use crate::support::{Process, Sim, finished, folder, summary, tickwire, wide_limits, write_keys};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

const BOTH: &str = concat!(
    "[[strategy]]\nname = \"one\"\nkind = \"imbalance\"\ninstruments = [\"BTCUSDT\"]\n\
     depth = 5\nthreshold = 0.2\nquantity = \"0.05\"\ncooldown_ms = 20\n\
     [[strategy]]\nname = \"two\"\nkind = \"imbalance\"\n\
     instruments = [\"BTCUSDT\", \"ETHUSDT\"]\n\
     depth = 3\nthreshold = 0.2\nquantity = \"0.04\"\ncooldown_ms = 20\n\
     [risk]\nquantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
     orders_per_s = 100\nopen_orders_max = 64\n",
    wide_limits!()
);

/// Decimal text in units of 10^-18.
fn units(text: &Value) -> i128 {
    let text = text.as_str().unwrap();
    let plain = text.trim_start_matches('-');
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    let units: i128 = format!("{whole}{part:0<18}").parse().unwrap();
    if text.starts_with('-') { -units } else { units }
}

#[test]
fn what_a_run_gained_is_what_the_exchange_says_that_the_account_has_more() {
    let folder = folder();
    let dir = folder.path();
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
    write_keys(dir);
    let (feed, account) = (sim.feed(&["BTCUSDT", "ETHUSDT"]), sim.account());
    fs::write(dir.join("c.toml"), format!("{feed}{account}{BOTH}")).unwrap();
    let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", "o"];
    let mut engine = Process::start(tickwire(dir, &arguments));
    engine.until("fills of both", |_, err| {
        let filled = |of: &str| {
            let whose = format!("\"strategy\":\"{of}\"");
            let fills = err.lines().filter(|line| line.contains("\"order.filled\""));
            fills.filter(|line| line.contains(&whose)).count() >= 5
        };
        (filled("one") && filled("two")).then_some(())
    });
    engine.signal("INT");
    let ran = engine.wait().expect(0);
    assert!(ran.out.contains("\nbalances: they add up\n"), "{}", ran.out);

    let summary = summary(&dir.join("o"));
    let balances = &summary["balances"][0];
    assert_eq!(balances["add_up"], true, "{balances}");
    let rows = summary["pnl"].as_array().unwrap();
    let names: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["strategy"].as_str())
        .collect();
    assert!(
        names.contains(&"one") && names.contains(&"two"),
        "{names:?}"
    );

    // What was traded is counted apart from profit and loss; only the fees are its own.
    let mut brought = BTreeMap::<&str, i128>::new();
    for traded in summary["orders"]["traded"].as_array().unwrap() {
        let name = traded["name"].as_str().unwrap();
        let (base, quote) = name.split_once(':').unwrap().1.split_once('-').unwrap();
        *brought.entry(base).or_default() += units(&traded["bought"]) - units(&traded["sold"]);
        *brought.entry(quote).or_default() += units(&traded["received"]) - units(&traded["paid"]);
        let own = rows.iter().filter(|row| row["instrument"] == name);
        let fills = own.map(|row| row["fills"].as_u64().unwrap()).sum::<u64>();
        assert_eq!(fills, traded["fills"].as_u64().unwrap(), "{name}");
    }
    for fee in rows.iter().flat_map(|row| row["fees"].as_array().unwrap()) {
        let asset = fee["asset"].as_str().unwrap();
        *brought.entry(asset).or_default() -= units(&fee["amount"]);
        assert!(fee["value"].is_string(), "{fee}");
    }
    let assets = balances["assets"].as_array().unwrap();
    assert!(assets.len() >= 2, "{balances}");
    for of in assets {
        let asset = of["asset"].as_str().unwrap();
        assert_eq!(units(&of["brought"]), brought[asset], "{of}");
        assert_eq!(
            units(&of["after"]),
            units(&of["before"]) + brought[asset],
            "{of}"
        );
        assert_eq!(of["off"], "0", "{of}");
    }

    // Each row adds up, and the rows to their total.
    let mut sum = 0;
    for row in rows {
        let values = row["fees"].as_array().unwrap().iter();
        let fees: i128 = values.map(|fee| units(&fee["value"])).sum();
        let total = units(&row["realised"]) + units(&row["unrealised"]) - fees;
        assert_eq!(units(&row["total"]), total, "{row}");
        assert!(
            units(&row["unrealised_worst"]) <= units(&row["unrealised"]),
            "{row}"
        );
        sum += total;
    }
    let [total] = &summary["pnl_totals"].as_array().unwrap()[..] else {
        panic!("everything is paid in USDT");
    };
    assert_eq!(
        (&total["asset"], &total["unvalued"]),
        (&"USDT".into(), &0.into())
    );
    assert_eq!(units(&total["total"]), sum);

    let shown = finished(tickwire(dir, &["report", "o"])).expect(0);
    for said in ["total USDT", "\nfees: ", "\nbalances: they add up\n"] {
        assert!(shown.out.contains(said), "{}", shown.out);
    }
    let page = fs::read_to_string(dir.join("o/report.html")).unwrap();
    assert!(page.contains("<h2>Profit and loss</h2>"), "{page}");
    assert!(page.contains("<p>balances: they add up</p>"), "{page}");
}
