//! The sections of the configuration file, key by key: ranges, defaults, and which values must
//! agree. Collects mistakes and continues, so that one check shows them all.

use super::feeds::feeds;
use super::read::{Reader, Section};
use super::values::{amounts, beside, decimal, exchange, host_port, path};
use super::{Account, Config, Engine, Feed, KeySource, Known, Simulate, Strategy, Wait};
use super::{keys, limits, network};
use crate::exchange::unnamed;
use crate::strategy::{Key, Kind, Sort, Value, Values};
use crate::trading::limits::RiskParams;
use crate::venue::market::INSTRUMENTS_MAX;
use crate::wiring::kill::ACCOUNTS_MAX;
use crate::world::os::socket::SocketOptions;
use std::path::Path;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Depths that are compiled in.
const DEPTHS: [u64; 3] = [256, 1024, 4096];
/// Folder of all accounts' order journals, under the current one.
const ORDERS: &str = "orders";

/// Reads the whole file. `None` if it is not TOML at all; mistakes are in the reader.
pub(super) fn config(
    reader: &mut Reader,
    known: &[Known],
    kinds: &[&'static Kind],
) -> Option<Config> {
    let root = reader.toml()?;
    let mut top = Section::new("this file", 0..0, Some(root.get_ref()));
    let risk = limits::of_all(reader, &mut top);
    let feeds = feeds(reader, &mut top, known);
    let config = Config {
        engine: engine(reader, &mut top),
        socket: socket(reader, &mut top),
        proxy: network(reader, &mut top),
        simulate: simulate(reader, &mut top, &feeds),
        accounts: accounts(reader, &mut top, known, &feeds),
        strategies: strategies(reader, &mut top, &risk, kinds),
        feeds,
        risk,
        unwritten: Vec::new(),
    };
    top.finish(reader);
    Some(Config {
        unwritten: std::mem::take(&mut reader.unwritten),
        ..config
    })
}

pub(super) fn table<'a>(
    reader: &mut Reader,
    top: &mut Section<'a>,
    key: &'static str,
    name: &'static str,
) -> Section<'a> {
    let Some(value) = top.get(key) else {
        return Section::new(name, 0..0, None);
    };
    let entries = value.get_ref().as_table();
    if entries.is_none() {
        let at = value.span();
        reader.refuse(
            at,
            format!("{key} is a section: write {name} and its keys below it"),
        );
    }
    Section::new(name, value.span(), entries)
}

fn engine(reader: &mut Reader, top: &mut Section) -> Engine {
    let mut section = table(reader, top, "engine", "[engine]");
    let default = Engine::default();
    let waits = [Wait::Spin, Wait::Park, Wait::Auto].map(|wait| (wait.name(), wait));
    let wait = section.choice(reader, "wait", &waits, default.wait);
    let mut depth = default.depth;
    if let Some(value) = section.get("depth") {
        let asked = value
            .get_ref()
            .as_integer()
            .and_then(|int| int.as_str().parse().ok());
        match asked.filter(|asked| DEPTHS.contains(asked)) {
            Some(known) => depth = known as usize,
            None => section.wrong(reader, "depth", value, "write 256, 1024 or 4096"),
        }
    }
    let down_max_s = section.int(reader, "down_max_s", 1..=86_400);
    let kill_file = section.text(reader, "kill_file", "\"/run/tickwire.kill\"");
    let kill_file = kill_file.map(|text| beside(reader, text.value));
    let digests = section.flag(reader, "digests", default.digests);
    section.finish(reader);
    Engine {
        wait,
        depth,
        down_max: down_max_s.map(Duration::from_secs),
        kill_file,
        digests,
    }
}

fn socket(reader: &mut Reader, top: &mut Section) -> SocketOptions {
    let mut section = table(reader, top, "socket", "[socket]");
    let default = SocketOptions::default();
    let send_stamps = section.flag(reader, "send_stamps", default.send_stamps);
    let mut int = |key, range| section.int(reader, key, range).map(|int| int as u32);
    let socket = SocketOptions {
        send_stamps,
        busy_poll_us: int("busy_poll_us", 1..=1000),
        user_timeout_ms: int("user_timeout_ms", 100..=600_000),
        receive_buffer_bytes: int("receive_buffer_bytes", 16_384..=268_435_456),
    };
    section.finish(reader);
    socket
}

fn network(reader: &mut Reader, top: &mut Section) -> network::Way {
    let mut section = table(reader, top, "network", "[network]");
    let way = network::proxy(reader, &mut section);
    section.finish(reader);
    way.unwrap_or_default()
}

fn simulate(reader: &mut Reader, top: &mut Section, feeds: &[Feed]) -> Option<Simulate> {
    let mut section = table(reader, top, "simulate", "[simulate]");
    if section.absent() {
        return None;
    }
    let mut int = |key, range| section.int(reader, key, range);
    let simulate = Simulate {
        seed: int("seed", 0..=i64::MAX as u64).unwrap_or(1),
        instruments: int("instruments", 1..=INSTRUMENTS_MAX as u64).unwrap_or(3) as usize,
        messages_per_s: int("messages_per_s", 1..=1_000_000),
    };
    if !feeds.is_empty() && !feeds.iter().any(Feed::is_simulated) {
        let what = "[simulate] has nothing to simulate: each [[feed]] has stream, rest or via";
        reader.refuse(section.span.clone(), what.to_owned());
    }
    section.finish(reader);
    Some(simulate)
}

/// `[account]`, or `[[account]]` for each of several exchanges.
fn accounts(
    reader: &mut Reader,
    top: &mut Section,
    known: &[Known],
    feeds: &[Feed],
) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    for section in one_or_several(reader, top, "account", "[account]", "[[account]]") {
        if section.absent() {
            continue;
        }
        let span = section.span.clone();
        let Some(account) = account(reader, section.discreet(), known, feeds) else {
            continue;
        };
        let same = |other: &&Account| other.exchange == account.exchange;
        if accounts
            .iter()
            .any(|other| other.journal == account.journal)
        {
            let what = format!(
                "two accounts keep their orders in {}: write a journal of its own for each",
                account.journal.display()
            );
            reader.refuse(span.clone(), what);
        }
        if accounts.iter().find(same).is_some() {
            let what = format!(
                "two accounts at \"{}\": a run has one at each exchange; start another run for \
                 the other one",
                account.exchange
            );
            reader.refuse(span.clone(), what);
        }
        if accounts.len() == ACCOUNTS_MAX {
            let what = format!("a run has at most {ACCOUNTS_MAX} accounts");
            reader.refuse(span, what);
        }
        accounts.push(account);
    }
    accounts
}

fn account(
    reader: &mut Reader,
    mut section: Section,
    known: &[Known],
    feeds: &[Feed],
) -> Option<Account> {
    let exchange = exchange(reader, &mut section, known);
    if let Some(known) = exchange
        && !feeds.iter().any(|feed| feed.exchange == known.name)
    {
        let what = format!(
            "[account] trades at \"{0}\", which has no [[feed]]: add one with \
                            exchange = \"{0}\"",
            known.name
        );
        reader.refuse(section.span.clone(), what);
    }
    let example = unnamed().endpoints().orders;
    let orders = host_port(reader, &mut section, "orders", &example);
    let via = host_port(reader, &mut section, "via", "127.0.0.1:9443");
    let ca_file = path(reader, &mut section, "ca_file");
    let api_key = keys::api_key(reader, &mut section);
    let key = keys::signing_key(reader, &mut section);
    let key_may_withdraw = section.flag(reader, "key_may_withdraw", false);
    let journal = section.text(reader, "journal", "\"orders/main\"");
    let journal = journal.map(|text| beside(reader, text.value));
    let durable = section.flag(reader, "durable", false);
    let accept_differences = amounts(reader, &mut section, "accept_differences");
    let section_span = section.span.clone();
    section.finish(reader);
    let (exchange, api_key, key) = (exchange?.name.to_owned(), api_key?, key?);
    let same = |feed: &Feed| feed.exchange == exchange && feed.api_key.as_ref() == Some(&api_key);
    if matches!(key, KeySource::Secret(_)) && feeds.iter().any(same) {
        let what = "[account] signs with secret_key_file (HMAC) for the API key that [[feed]] \
                    names, too: its streams take Ed25519 keys only; make one of these at the \
                    exchange, and write it there";
        reader.refuse(section_span, what.to_owned());
    }
    Some(Account {
        orders,
        via,
        ca_file,
        api_key,
        key,
        key_may_withdraw,
        journal: journal.unwrap_or_else(|| Path::new(ORDERS).join(&exchange)),
        durable,
        accept_differences,
        exchange,
    })
}

/// There are no ids for more, and nobody has a use for so many.
const STRATEGIES_MAX: usize = 16;
const STRATEGY_NAME_MAX: usize = 32;

/// `[strategy]`, or `[[strategy]]` several times.
fn strategies(
    reader: &mut Reader,
    top: &mut Section,
    risk: &RiskParams,
    kinds: &[&'static Kind],
) -> Vec<Strategy> {
    let span = top.peek("strategy").map_or(0..0, |value| value.span());
    let sections = one_or_several(reader, top, "strategy", "[strategy]", "[[strategy]]");
    if !(1..=STRATEGIES_MAX).contains(&sections.len()) {
        let count = sections.len();
        let what = format!("{count} strategies: write 1 to {STRATEGIES_MAX} of them");
        reader.refuse(span, what);
    }
    let mut strategies = Vec::new();
    for section in sections {
        strategies.push(strategy(reader, section, risk, kinds, &strategies));
    }
    strategies
}

/// The section `[key]`, or each `[[key]]`, under the name that errors have for it.
fn one_or_several<'a>(
    reader: &mut Reader,
    top: &mut Section<'a>,
    key: &'static str,
    one: &'static str,
    several: &'static str,
) -> Vec<Section<'a>> {
    let items = top.peek(key).and_then(|value| value.get_ref().as_array());
    let Some(items) = items else {
        return vec![table(reader, top, key, one)];
    };
    top.get(key);
    let mut sections = Vec::new();
    for item in items.iter() {
        let entries = item.get_ref().as_table();
        if entries.is_none() {
            let what = format!("{key}: write {several} and its keys below it");
            reader.refuse(item.span(), what);
        }
        sections.push(Section::new(several, item.span(), entries));
    }
    sections
}

/// `before` holds the strategies of the sections before this one.
fn strategy(
    reader: &mut Reader,
    mut section: Section,
    risk: &RiskParams,
    kinds: &[&'static Kind],
    before: &[Strategy],
) -> Strategy {
    let names: Vec<(&str, &'static Kind)> = kinds.iter().map(|kind| (kind.name, *kind)).collect();
    // Without a kind the name says it.
    let (kind, name) = match section.has("kind") {
        false => {
            let kind = section.choice(reader, "name", &names, kinds[0]);
            (kind, kind.name.to_owned())
        }
        true => {
            let kind = section.choice(reader, "kind", &names, kinds[0]);
            let name = section.text(reader, "name", "\"slow\"");
            let name = name.map_or(kind.name, |name| name.value);
            (kind, name.to_owned())
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.len() > STRATEGY_NAME_MAX || !name.chars().all(plain) {
        let instead = format!("write at most {STRATEGY_NAME_MAX} letters, digits, - and _");
        let what = format!("name of {}: {instead}", section.name);
        reader.refuse(section.span.clone(), what);
    }
    if before.iter().any(|other| other.name == name) {
        let what = format!(
            "two strategies are called \"{name}\": write a name of its own for each, and \
             kind = \"{}\" beside it",
            kind.name
        );
        reader.refuse(section.span.clone(), what);
    }
    let instruments = own_instruments(reader, &mut section);
    let mut values = Values::default();
    for key in kind.keys {
        values.set(key, value(reader, &mut section, key, risk));
    }
    let own = limits::of_strategy(reader, &mut section);
    section.finish_noting(reader);
    Strategy {
        name,
        kind,
        instruments,
        values,
        risk: own,
    }
}

/// The value of a strategy's key.
fn value(reader: &mut Reader, section: &mut Section, key: &Key, risk: &RiskParams) -> Value {
    match &key.sort {
        Sort::Int { min, max, default } => {
            Value::Int(section.int_or(reader, key.name, *min..=*max, *default))
        }
        Sort::Ratio {
            above,
            below,
            default,
        } => Value::Ratio(section.ratio(reader, key.name, (*above, *below), *default)),
        Sort::Quantity { default } => {
            let quantity = decimal(reader, section, key.name, default);
            limits::allow(reader, section, key.name, &quantity, risk);
            Value::Quantity(quantity)
        }
    }
}

/// The value of a strategy's key as a person writes it without a file: text needs no quotes.
///
/// # Errors
/// As for a file: what is wrong, and what to write instead.
pub(crate) fn value_of(key: &Key, written: &str, risk: &RiskParams) -> Result<Value, String> {
    let name = key.name;
    let bare = format!("{name} = {written}");
    let is_number = |text: &str| {
        let entries = DeTable::parse(text).ok();
        let mut entries = entries.iter().flat_map(|entries| entries.get_ref().iter());
        let number = |value: &DeValue<'_>| value.is_integer() || value.is_float();
        let first = entries.next().is_some_and(|(_, of)| number(of.get_ref()));
        first && entries.next().is_none()
    };
    let text = match &key.sort {
        Sort::Int { .. } | Sort::Ratio { .. } if is_number(&bare) => bare,
        // A text of JSON is one of TOML.
        _ => format!("{name} = {}", serde_json::Value::from(written)),
    };
    let mut reader = Reader::new(Path::new(""), &text);
    let read = reader.toml().map(|root| {
        let mut section = Section::new("[strategy]", root.span(), Some(root.get_ref()));
        value(&mut reader, &mut section, key, risk)
    });
    match (read, reader.errors.into_iter().next()) {
        (Some(value), None) => Ok(value),
        (_, Some(error)) => Err(error.what),
        (None, None) => Err(format!("{name} = {written}: not a value")),
    }
}

/// A strategy's own instruments; an empty list means all.
fn own_instruments(reader: &mut Reader, section: &mut Section) -> Vec<String> {
    let Some(value) = section.get("instruments") else {
        return Vec::new();
    };
    let items = value.get_ref().as_array();
    let texts = items.and_then(|items| {
        let text = |item: &toml::Spanned<DeValue>| item.get_ref().as_str().map(str::to_owned);
        items.iter().map(text).collect::<Option<Vec<String>>>()
    });
    match texts.filter(|texts| !texts.is_empty()) {
        Some(texts) => texts,
        None => {
            let name = unnamed().name();
            let instead =
                format!("write a list, like instruments = [\"{name}:*-USDT\", \"BTC-USD\"]");
            section.wrong(reader, "instruments", value, &instead);
            Vec::new()
        }
    }
}
