//! `tickwire check`: says what a configuration file would run, without running it. Opens no
//! connection; reads the secrets that it names, and shows none of them.

use super::cli::{self, CheckArgs};
use super::config::{Account, Config, Feed, SecretSource, Socket, Strategy};
use super::memory::{self, count};
use super::{secrets, session};
use crate::exchange::{self, DepthSpeed};
use crate::world::os::placement::place;
use crate::world::os::sys;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command. Code 2: the file is wrong; code 1: it is right, and a run would still fail now.
pub fn run(args: CheckArgs) -> ExitCode {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(errors) => return cli::complain(cli::WRONG_USE, &errors),
    };
    let cpus = match sys::affinity() {
        Ok(cpus) => cpus,
        Err(error) => return cli::complain(cli::FAILED, &format!("no CPU: {error}")),
    };
    let printed = cli::print(|out| describe(out, &args.config, &config, &cpus));
    let missing = missing(&config);
    for what in &missing {
        cli::complain(cli::FAILED, &format!("a run would fail now: {what}"));
    }
    match missing.is_empty() {
        true => printed,
        false => ExitCode::from(cli::FAILED),
    }
}

/// Prints what `config` makes of a process that may use `cpus`.
fn describe(out: &mut dyn Write, path: &Path, config: &Config, cpus: &[usize]) -> io::Result<()> {
    writeln!(out, "{} is right", path.display())?;
    let (wait, depth) = (config.engine.wait.name(), config.engine.depth);
    writeln!(out, "\nengine       wait {wait}, {depth} levels a side")?;
    socket(out, &config.socket)?;
    for feed in &config.feeds {
        describe_feed(out, feed)?;
    }
    account(out, config.account.as_ref())?;
    strategy_and_risk(out, config)?;
    placement(out, config, cpus)?;
    memory::describe(out, config)
}

fn socket(out: &mut dyn Write, socket: &Socket) -> io::Result<()> {
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
    writeln!(
        out,
        "             user timeout {user_timeout}; receive buffer {buffer}"
    )
}

fn describe_feed(out: &mut dyn Write, feed: &Feed) -> io::Result<()> {
    let own = exchange::by_name(&feed.exchange).map(|exchange| exchange.endpoints());
    let stream = feed
        .stream
        .clone()
        .or_else(|| own.as_ref().map(|own| own.stream.clone()));
    let rest = feed.rest.clone().or_else(|| own.map(|own| own.rest));
    let depth = match feed.streams.depth {
        DepthSpeed::Ms100 => "depth every 100 ms",
        DepthSpeed::Ms1000 => "depth every 1000 ms",
    };
    let trades = if feed.streams.trades { ", trades" } else { "" };
    let quotes = if feed.streams.quotes { ", quotes" } else { "" };
    writeln!(
        out,
        "\nfeed         {}: {depth}{trades}{quotes}",
        feed.exchange
    )?;
    writeln!(
        out,
        "             streams from {}",
        stream.unwrap_or_default()
    )?;
    let levels = feed.snapshot_levels;
    writeln!(
        out,
        "             snapshots of {levels} levels from {}",
        rest.unwrap_or_default()
    )?;
    if let Some(path) = &feed.ca_file {
        writeln!(out, "             also trusts {}", path.display())?;
    }
    for (n, shard) in feed.shards().enumerate() {
        let streams = shard.len() * feed.streams_per_instrument();
        let names = Names(shard);
        writeln!(
            out,
            "  connection {}: {}, {streams} streams: {names}",
            n + 1,
            count(shard.len(), "instrument")
        )?;
    }
    Ok(())
}

fn account(out: &mut dyn Write, account: Option<&Account>) -> io::Result<()> {
    let Some(account) = account else {
        return writeln!(out, "\naccount      none: orders are paper");
    };
    let own = exchange::by_name(&account.exchange).map(|exchange| exchange.endpoints().orders);
    let orders = account.orders.clone().or(own).unwrap_or_default();
    writeln!(
        out,
        "\naccount      {}, orders to {orders}; live only with --live",
        account.exchange
    )?;
    for (what, source) in [
        ("API key", &account.api_key),
        ("private key", &account.private_key),
    ] {
        let place = match source {
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::Credential(name) => format!("systemd credential {name}"),
            SecretSource::Env(name) => format!("environment variable {name}"),
        };
        writeln!(out, "             {what} from {place}")?;
    }
    Ok(())
}

fn strategy_and_risk(out: &mut dyn Write, config: &Config) -> io::Result<()> {
    let Strategy::Imbalance(imbalance) = &config.strategy;
    writeln!(
        out,
        "\nstrategy     imbalance over {} levels exceeds {}: {} an order, {} ms between two",
        imbalance.depth, imbalance.threshold, imbalance.quantity, imbalance.cooldown_ms
    )?;
    let risk = &config.risk;
    let (quantity, notional) = (&risk.quantity_max, &risk.notional_max);
    let collar = f64::from(risk.price_collar_bps) / 100.0;
    writeln!(
        out,
        "risk         an order: at most {quantity}, notional {notional}, price within {collar} %"
    )?;
    let (rate, open) = (risk.orders_per_s, risk.open_orders_max);
    writeln!(
        out,
        "             all orders: {rate} a second, {open} open at once"
    )
}

/// What would run on which CPU. The order connection is there with `--live` only.
fn placement(out: &mut dyn Write, config: &Config, cpus: &[usize]) -> io::Result<()> {
    let feeds = config.feeds.iter().map(|feed| feed.shards().len()).sum();
    let placed = |gateway| place(cpus, feeds, gateway, session::wait_choice(config));
    write!(out, "\n{}", placed(false))?;
    if config.account.is_some() {
        write!(out, "with --live, {}", placed(true))?;
    }
    Ok(())
}

/// What a run needs and does not find.
fn missing(config: &Config) -> Vec<String> {
    let feeds = config.feeds.iter().filter_map(|feed| feed.ca_file.as_ref());
    let account = config.account.as_ref();
    let authorities = feeds.chain(account.and_then(|account| account.ca_file.as_ref()));
    let mut missing: Vec<String> = authorities
        .filter(|path| !path.is_file())
        .map(|path| {
            format!(
                "ca_file {} is not there (`tickwire sim --ca-out` writes one)",
                path.display()
            )
        })
        .collect();
    missing.dedup();
    missing.extend(
        account
            .and_then(|account| secrets::load(account).err())
            .map(|e| e.to_string()),
    );
    missing
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
    use crate::exchange::Limits;

    #[test]
    fn every_connection_instrument_limit_and_byte_is_shown() {
        let config = config(
            "[engine]\ndepth = 256\n[socket]\nbusy_poll_us = 50\n[[feed]]\n\
             exchange = \"binance-spot\"\ninstruments = [\"A\", \"B\", \"C\"]\nquotes = false\n\
             instruments_per_connection = 2\nstream = \"127.0.0.1:9443\"\n[risk]\nnotional_max = \"77\"\n",
        );
        let mut out = Vec::new();
        describe(&mut out, Path::new("my.toml"), &config, &[3, 5, 7, 9]).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "my.toml is right\n",
            "256 levels a side\n",
            "busy poll 50 us\n",
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
    fn what_a_run_would_miss_is_named_once() {
        let config = config(
            "[[feed]]\nexchange = \"binance-spot\"\ninstruments = [\"A\"]\nca_file = \"none.pem\"\n\
             [account]\nexchange = \"binance-spot\"\nca_file = \"none.pem\"\n\
             api_key_file = \"none.key\"\nprivate_key_file = \"none.key\"\n",
        );
        let missing = missing(&config);
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[0].contains("ca_file none.pem is not there"));
        assert!(missing[1].contains("api_key_file of [account]: none.key cannot be opened"));
    }

    #[test]
    fn many_names_are_cut_and_counted() {
        let names: Vec<String> = (0..9).map(|n| format!("S{n}")).collect();
        assert_eq!(Names(&names).to_string(), "S0 S1 S2 S3 S4 S5 and 3 more");
    }

    fn config(text: &str) -> Config {
        let limits = Limits {
            streams_per_connection: 1024,
            client_messages_per_s: 5,
            connection_life_s: 86_400,
            snapshot_levels_max: 5000,
        };
        let known = [Known {
            name: "binance-spot",
            limits,
        }];
        Config::parse(Path::new("my.toml"), text, &known).unwrap_or_else(|e| panic!("{e}"))
    }
}
