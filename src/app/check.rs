//! `tickwire check`: says what a configuration file would run, without running it. Opens no
//! connection; reads the secrets that it names, and shows none of them.

use super::cli::{self, CheckArgs};
use super::config::{self, Account, Config, Feed, KeySource, SecretSource, Way};
use super::memory::{self, count};
use super::parts;
use super::ready::{Ready, ready};
use super::reality::Intended;
use super::run::RunError;
use super::secrets;
use crate::base::signed::text as plain;
use crate::base::{Clock as _, Nanos};
use crate::exchange::{self, Exchange};
use crate::journal::orders::ASSET_SCALE;
use crate::strategy::Kind;
use crate::trading::limits::{RiskParams, StrategyParams};
use crate::venue::paper::FeesPpm;
use crate::wiring::plan;
use crate::world::os::clerk;
use crate::world::os::clock::OsClock;
use crate::world::os::container;
use crate::world::os::orders::KEPT_WITHIN;
use crate::world::os::placement::{Cpus, place};
use crate::world::os::socket::SocketOptions;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the command. The code and what is wrong are those that a run with the same arguments would
/// begin with; the last line is the verdict.
pub(crate) fn run(args: CheckArgs, kinds: &[&'static Kind]) -> ExitCode {
    let config = Config::load_with(&args.config, kinds);
    let mut config = match config.map_err(|errors| RunError::Wrong(errors.to_string())) {
        Ok(config) => config,
        Err(wrong) => return refused(&wrong),
    };
    args.settings.adjust(&mut config.engine);
    let cpus = match container::cpus() {
        Ok(cpus) => cpus,
        Err(error) => return refused(&RunError::Failed(format!("no CPU: {error}"))),
    };
    let account = !config.accounts.is_empty();
    let variables = match secrets::take(&config, args.live || account) {
        Ok(variables) => variables,
        Err(wrong) => return refused(&wrong),
    };
    // Asked once, because a helper may ask a person.
    let live = (args.live || account).then(|| ready(&config, Intended::Live, &variables));
    let mut text = Vec::new();
    let _ = describe(&mut text, &config, &cpus, live.as_ref()); // A vector takes all.
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let ready = match live {
        Some(live) if args.live => live,
        Some(_) | None => ready(&config, Intended::Paper, &variables),
    };
    if let Ok(ready) = &ready {
        text += &format!("\nit would run: orders {}\n", ready.mode.name());
    }
    let printed = cli::print_text(&text);
    match ready {
        Ok(_) => printed,
        Err(wrong) => refused(&wrong),
    }
}

/// Says what is wrong as a run says it, and then the verdict.
fn refused(wrong: &RunError) -> ExitCode {
    let code = match wrong {
        RunError::Wrong(_) => cli::WRONG_USE,
        RunError::Failed(_) => cli::FAILED,
    };
    cli::complain(code, wrong);
    cli::complain(code, &format!("it would not run: exit code {code}"))
}

/// Prints what `config` would run in a process that may use `cpus`, and what became of it `live`.
fn describe(
    out: &mut dyn Write,
    config: &Config,
    cpus: &Cpus,
    live: Option<&Result<Ready, RunError>>,
) -> io::Result<()> {
    let (wait, depth) = (config.engine.wait.name(), config.engine.depth);
    writeln!(out, "engine       wait {wait}, {depth} levels a side")?;
    if let Some(file) = &config.engine.kill_file {
        writeln!(out, "kill file    {}", file.display())?;
    }
    if let Some(down_max) = config.engine.down_max {
        let down_max_s = down_max.as_secs();
        writeln!(
            out,
            "             an exchange is down for at most {down_max_s} s"
        )?;
    }
    socket(out, &config.socket)?;
    for feed in &config.feeds {
        describe_feed(out, config, feed)?;
    }
    if config.accounts.is_empty() {
        writeln!(out, "\naccount      none: orders are paper")?;
    }
    for account in &config.accounts {
        describe_account(out, account)?;
    }
    if let Some(verdict) = live.filter(|_| !config.accounts.is_empty()) {
        with_live(out, verdict)?;
    }
    strategy_and_risk(out, config)?;
    for warning in config.schema_warnings(OsClock.unix()) {
        writeln!(out, "warning      {warning}")?;
    }
    for shallow in config.too_shallow() {
        writeln!(out, "warning      {shallow}")?;
    }
    placement(out, config, cpus)?;
    memory::describe(out, config, cpus)
}

fn socket(out: &mut dyn Write, socket: &SocketOptions) -> io::Result<()> {
    let shown = |value: Option<u32>, unit: &str| match value {
        Some(value) => format!("{value} {unit}"),
        None => "as the host has it".to_owned(),
    };
    let busy_poll = shown(socket.busy_poll_us, "us");
    let user_timeout = shown(socket.user_timeout_ms, "ms");
    let buffer = shown(socket.receive_buffer_bytes, "bytes");
    writeln!(
        out,
        "socket       no delay (Nagle off); busy poll {busy_poll}"
    )?;
    let sent = match socket.send_stamps {
        true => "the kernel's stamp of each",
        false => "no stamp: `wire` is not measured",
    };
    writeln!(
        out,
        "             user timeout {user_timeout}; receive buffer {buffer}"
    )?;
    writeln!(out, "             orders have {sent}")
}

fn describe_feed(out: &mut dyn Write, config: &Config, feed: &Feed) -> io::Result<()> {
    let Some(exchange) = exchange::by_name(&feed.exchange) else {
        return Ok(()); // The configuration was checked: it is there.
    };
    let own = exchange.endpoints();
    let own_stream = exchange.stream_host(feed.streams.depth);
    let stream = feed.stream.as_ref().unwrap_or(&own_stream);
    let rest = feed.rest.as_ref().unwrap_or(&own.rest);
    let depth = feed.streams.depth.name;
    let trades = if feed.streams.trades { ", trades" } else { "" };
    let quotes = if feed.streams.quotes { ", quotes" } else { "" };
    let name = &feed.exchange;
    writeln!(out, "\nfeed         {name}: depth {depth}{trades}{quotes}")?;
    let every = match feed.streams.depth.every_ms {
        Some(ms) => format!("every {ms} ms while it changes, as documented"),
        None => "how often is not documented".to_owned(),
    };
    writeln!(out, "             a book's messages: {every}")?;
    writeln!(out, "             streams from {stream}")?;
    snapshots(out, exchange, feed, rest)?;
    match (&feed.via, config.simulate) {
        (Some(via), _) => writeln!(out, "             both by way of {via}")?,
        (None, Some(simulate)) if feed.is_simulated() => writeln!(
            out,
            "             both simulated in this process: seed {}, {}",
            simulate.seed,
            count(simulate.instruments, "instrument")
        )?,
        (None, _) => {}
    }
    match feed.proxy.as_ref().unwrap_or(&config.proxy) {
        _ if feed.via.is_none() && config.simulate.is_some() && feed.is_simulated() => {}
        Way::Straight => {}
        Way::Environment => writeln!(out, "             by the proxy that the environment names")?,
        Way::By(proxy) => writeln!(out, "             by the proxy {proxy}")?,
    }
    if feed.lines > 1 {
        writeln!(out, "             {} lines carry the same", feed.lines)?;
    }
    if let Some(path) = &feed.ca_file {
        writeln!(out, "             also trusts {}", path.display())?;
    }
    let FeesPpm { maker, taker } = feed.fees_ppm;
    let percent = |ppm: u32| f64::from(ppm) / 10_000.0;
    write!(
        out,
        "             taker fee {taker} ppm ({} %)",
        percent(taker)
    )?;
    writeln!(out, ", maker fee {maker} ppm ({} %)", percent(maker))?;
    connections(out, exchange, feed)
}

fn snapshots(
    out: &mut dyn Write,
    exchange: &dyn Exchange,
    feed: &Feed,
    rest: &str,
) -> io::Result<()> {
    let levels = feed.snapshot_levels;
    let Some(request) = exchange.snapshot_request("", levels) else {
        return writeln!(
            out,
            "             whole books by the stream; lists from {rest}"
        );
    };
    let budget = exchange.limits().rest_weight;
    let (weight, per_s) = (request.weight, budget.per.0 / 1_000_000_000);
    writeln!(out, "             snapshots of {levels} levels from {rest}")?;
    write!(
        out,
        "             each weighs {weight} of {} in {per_s} s",
        budget.count
    )?;
    let needed = |count| {
        let weights = std::iter::repeat_n(weight, count);
        clerk::Plan::new(budget).time_needed(Nanos::ZERO, weights).0 / 1_000_000_000
    };
    match feed.instruments_max().map(needed) {
        None | Some(0) => writeln!(out),
        Some(needed_s) => writeln!(out, ": all books are live after about {needed_s} s"),
    }
}

/// What the connections carry. Only the exchange knows what patterns match.
fn connections(out: &mut dyn Write, exchange: &dyn Exchange, feed: &Feed) -> io::Result<()> {
    let patterns: Vec<&str> = feed.patterns().collect();
    if !patterns.is_empty() {
        let kept = match feed.top {
            Some(top) => format!("the {top} most traded of what matches"),
            None => "all that match".to_owned(),
        };
        let patterns = patterns.join(" ");
        writeln!(out, "             patterns {patterns}: {kept}")?;
    }
    let routes = plan::routes(exchange, &feed.streams);
    let (several, share) = (routes.len() > 1, feed.instruments_per_connection);
    let mut n = 0;
    for route in &routes {
        let by = match several {
            true => format!(" by {}", route.path),
            false => String::new(),
        };
        let streams = |instruments: usize| instruments * route.channels.len();
        match feed.instruments_max() {
            Some(max) if patterns.is_empty() => {
                debug_assert_eq!(max, feed.instruments.len());
                for shard in feed.instruments.chunks(share) {
                    n += 1;
                    let (of, streams) = (count(shard.len(), "instrument"), streams(shard.len()));
                    let names = Names(shard);
                    writeln!(
                        out,
                        "  connection {n}: {of}, {streams} streams{by}: {names}"
                    )?;
                }
            }
            Some(max) => {
                for at in (0..max).step_by(share) {
                    n += 1;
                    let here = share.min(max - at);
                    let (of, streams) = (count(here, "instrument"), streams(here));
                    writeln!(out, "  connection {n}: at most {of}, {streams} streams{by}")?;
                }
            }
            None => {
                n += 1;
                let (of, streams) = (count(share, "instrument"), streams(share));
                writeln!(
                    out,
                    "  connection {n} and further ones: {of} each, {streams} streams{by}"
                )?;
            }
        }
    }
    Ok(())
}

fn describe_account(out: &mut dyn Write, account: &Account) -> io::Result<()> {
    let own = exchange::by_name(&account.exchange).map(|exchange| exchange.endpoints().orders);
    let orders = account.orders.clone().or(own).unwrap_or_default();
    writeln!(
        out,
        "\naccount      {}, orders to {orders}; live only with --live",
        account.exchange
    )?;
    if let Some(via) = &account.via {
        writeln!(out, "             by way of {via}")?;
    }
    let sort = match account.key {
        KeySource::Private(_) => "private key",
        KeySource::Secret(_) => "secret key",
    };
    for (what, source) in [("API key", &account.api_key), (sort, account.key.source())] {
        let place = match source {
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::Credential(name) => format!("systemd credential {name}"),
            SecretSource::Env(name) => format!("environment variable {name}"),
            // Its arguments are its own.
            SecretSource::Command { program, .. } => format!("what {} prints", program.display()),
        };
        writeln!(out, "             {what} from {place}")?;
    }
    if account.key_may_withdraw {
        writeln!(out, "             a key that may withdraw is accepted")?;
    }
    let when = match account.durable {
        true => "before they leave".to_owned(),
        false => format!("within {} ms", KEPT_WITHIN.as_millis()),
    };
    let dir = account.journal.display();
    writeln!(out, "             orders are on the disk {when}: {dir}")?;
    for (asset, units) in &account.accept_differences {
        let amount = plain(*units, ASSET_SCALE);
        writeln!(
            out,
            "             {amount} {asset} a day that no trade explains are accepted"
        )?;
    }
    Ok(())
}

/// What `--live` would do with it.
fn with_live(out: &mut dyn Write, verdict: &Result<Ready, RunError>) -> io::Result<()> {
    match verdict {
        Ok(ready) => writeln!(
            out,
            "             with --live: orders {}",
            ready.mode.name()
        ),
        Err(wrong) => {
            writeln!(out, "             with --live it would not run:")?;
            let wrong = wrong.to_string();
            let mut lines = wrong.lines();
            lines.try_for_each(|line| writeln!(out, "               {}", line.trim_start()))
        }
    }
}

fn strategy_and_risk(out: &mut dyn Write, config: &Config) -> io::Result<()> {
    writeln!(out)?;
    for config::Strategy {
        name,
        kind,
        instruments,
        values,
        risk,
    } in &config.strategies
    {
        let kind_name = match name == kind.name {
            true => String::new(),
            false => format!(", {}", kind.name),
        };
        writeln!(out, "strategy     {name}{kind_name}: {}", kind.help)?;
        for key in kind.keys {
            let (name, value) = (key.name, values.get(key));
            writeln!(out, "             {name} = {value}: {}", key.help)?;
        }
        if !instruments.is_empty() {
            writeln!(out, "             instruments: {}", instruments.join(", "))?;
        }
        own_limits(out, risk)?;
    }
    limits(out, &config.risk)
}

/// What every order keeps to.
fn limits(out: &mut dyn Write, risk: &RiskParams) -> io::Result<()> {
    let (quantity, notional) = (&risk.qty_max, &risk.notional_max);
    let percent = |bps: u32| f64::from(bps) / 100.0;
    let (collar, reference) = (percent(risk.collar_bps), percent(risk.reference_bps));
    writeln!(
        out,
        "risk         an order: at most {quantity}, notional {notional}, price within {collar} %"
    )?;
    writeln!(
        out,
        "             and within {reference} % of another exchange, clock within {} ms",
        risk.clock_skew_max_ms
    )?;
    writeln!(
        out,
        "             positions: {} each, all {} gross and {} net",
        risk.position_max, risk.gross_notional_max, risk.net_notional_max
    )?;
    writeln!(
        out,
        "             at one exchange: {} gross and {} net",
        risk.exchange_gross_notional_max, risk.exchange_net_notional_max
    )?;
    writeln!(
        out,
        "             halts after a loss of {} a day, or {} from its best moment",
        risk.daily_loss_max, risk.drawdown_max
    )?;
    let (rate, open) = (risk.orders_per_s, risk.open_orders_max);
    writeln!(
        out,
        "             all orders: {rate} a second, {open} open at once, {} an instrument, {} alike",
        risk.instrument_open_orders_max, risk.identical_orders_max
    )?;
    writeln!(
        out,
        "             a strategy: {} cancels a second, {} orders per trade",
        risk.cancels_per_s, risk.orders_per_trade_max
    )
}

/// What a strategy keeps to beside that.
fn own_limits(out: &mut dyn Write, own: &StrategyParams) -> io::Result<()> {
    let texts = [
        ("position_max", &own.position_max),
        ("gross_notional_max", &own.gross_notional_max),
        ("net_notional_max", &own.net_notional_max),
        ("daily_loss_max", &own.daily_loss_max),
        ("drawdown_max", &own.drawdown_max),
    ];
    let counts = [
        ("orders_per_s", own.orders_per_s),
        ("cancels_per_s", own.cancels_per_s),
        ("orders_per_trade_max", own.orders_per_trade_max),
        ("open_orders_max", own.open_orders_max),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            writeln!(out, "             its own {key} = {text}")?;
        }
    }
    for (key, count) in counts {
        if let Some(count) = count {
            writeln!(out, "             its own {key} = {count}")?;
        }
    }
    Ok(())
}

/// What would run on which CPU. Only `--live` has the order connection.
fn placement(out: &mut dyn Write, config: &Config, cpus: &Cpus) -> io::Result<()> {
    let feeds = config.feeds.iter().map(parts::lanes).sum();
    let placed = |gateway| place(cpus, feeds, gateway, parts::wait_choice(config));
    write!(out, "\n{}", placed(false))?;
    if !config.accounts.is_empty() {
        write!(out, "with --live, {}", placed(true))?;
    }
    Ok(())
}

/// The first few symbols, and how many more.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        let shown = self.0.len().min(SHOWN);
        f.write_str(&self.0[..shown].join(" "))?;
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Known;
    use std::path::Path;

    #[test]
    fn where_an_account_keeps_its_orders_and_when_they_are_there_is_shown() {
        let shown = |journal: &str| {
            let config = config(&format!(
                "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n[account]\n\
                 exchange = \"binance\"\napi_key_file = \"k\"\nprivate_key_file = \"p\"\n{journal}"
            ));
            let mut out = Vec::new();
            describe(&mut out, &config, &Cpus::all(&[0]), None).unwrap();
            String::from_utf8(out).unwrap()
        };
        for (journal, line) in [
            ("", "orders are on the disk within 5 ms: orders/binance\n"),
            (
                "durable = true\n",
                "orders are on the disk before they leave: orders/binance\n",
            ),
            (
                "accept_differences = { BNB = \"0.0010\", USDT = \"12\" }\n",
                "0.001 BNB a day that no trade explains are accepted\n             12 USDT a day",
            ),
            (
                "journal = \"/j/one\"\n",
                "orders are on the disk within 5 ms: /j/one\n",
            ),
        ] {
            let text = shown(journal);
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn every_connection_instrument_limit_and_byte_is_shown() {
        let config = config(
            "[engine]\ndepth = 256\n[socket]\nbusy_poll_us = 50\n[[feed]]\n\
             exchange = \"binance\"\ninstruments = [\"A\", \"B\", \"C\"]\nquotes = false\n\
             instruments_per_connection = 2\nstream = \"127.0.0.1:9443\"\n[risk]\n\
             notional_max = \"77\"\n",
        );
        let mut out = Vec::new();
        describe(&mut out, &config, &Cpus::all(&[3, 5, 7, 9]), None).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "256 levels a side\n",
            "busy poll 50 us\n",
            "a book's messages: every 100 ms while it changes, as documented\n",
            "streams from 127.0.0.1:9443\n",
            "  connection 1: 2 instruments, 4 streams: A B\n",
            "  connection 2: 1 instrument, 2 streams: C\n",
            "account      none: orders are paper\n",
            "notional 77, price within 0.5 %\n",
            "placement: spin (auto: 3 worker(s) on 4 CPU(s), so that one is left for the system)\n",
            "  worker 0  cpu 3   feed 0\n",
            "  worker 2  cpu 7   desk\n",
            "0.05 MiB  3 instruments x 2 sides x 256 levels x 16 bytes x 2 (live, spare)\n",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn patterns_lines_routes_and_fees_are_shown_before_an_exchange_is_asked() {
        let config = config(
            "[simulate]\nseed = 4\n[[feed]]\nexchange = \"binance-usdm\"\n\
             instruments = [\"*USDT\"]\n\
             top = 60\nlines = 2\ntaker_fee_ppm = 450\n[[feed]]\nexchange = \"okx\"\n\
             instruments = [\"*\"]\nvia = \"127.0.0.1:9\"\n[[feed]]\nexchange = \"binance\"\n\
             instruments = [\"*USDT\"]\ntop = 300\n",
        );
        let mut out = Vec::new();
        describe(&mut out, &config, &Cpus::all(&[0]), None).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "both simulated in this process: seed 4, 3 instruments\n",
            "2 lines carry the same\n",
            "taker fee 450 ppm (0.045 %), maker fee 450 ppm (0.045 %)\n",
            "patterns *USDT: the 60 most traded of what matches\n",
            "  connection 1: at most 50 instruments, 100 streams by /public/stream\n",
            "  connection 4: at most 10 instruments, 10 streams by /market/stream\n",
            "whole books by the stream; lists from www.okx.com:443\n",
            "both by way of 127.0.0.1:9\n",
            "patterns *: all that match\n",
            " and further ones: ",
            "each weighs 50 of 6000 in 60 s: all books are live after about 120 s\n",
            "okx: how many its patterns match is known at the start of a run",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn a_depth_stream_with_fewer_levels_than_the_strategy_looks_at_is_a_warning() {
        let text = |depth| {
            let config = config(&format!(
                "[[feed]]\nexchange = \"hyperliquid\"\ninstruments = [\"BTC\"]\n\
                 [strategy]\ndepth = {depth}\n"
            ));
            let mut out = Vec::new();
            describe(&mut out, &config, &Cpus::all(&[0]), None).unwrap();
            String::from_utf8(out).unwrap()
        };
        let warning = "warning      hyperliquid: depth_stream \"fast\" has 5 levels per side";
        assert!(text(10).contains(warning), "{}", text(10));
        assert!(!text(5).contains("warning"), "{}", text(5));
    }

    #[test]
    fn many_names_are_cut_and_counted() {
        let names: Vec<String> = (0..9).map(|n| format!("S{n}")).collect();
        assert_eq!(Names(&names).to_string(), "S0 S1 S2 S3 S4 S5 and 3 more");
    }

    fn config(text: &str) -> Config {
        Config::parse(Path::new("my.toml"), text, &Known::all()).unwrap_or_else(|e| panic!("{e}"))
    }
}
