//! `tickwire orders`: what an account's order journal knows, and what a person decides of that
//! while no engine runs. Dials nobody and reads no key.

use super::{Folder, learn, nanos};
use crate::app::cli::{self, FAILED, OrdersArgs, WRONG_USE};
use crate::app::config::Config;
use crate::app::run::RunError;
use crate::base::signed::text as plain;
use crate::base::text::rfc3339_millis;
use crate::base::{
    Asset, Clock as _, Deed, Instrument, InstrumentId, Mode, OpenOrder, Side, Span, StrategyId,
    UnixNanos,
};
use crate::exchange::{self, Account, AccountKey};
use crate::journal::orders::{ASSET_SCALE, Names, Reader, Tables, Writer};
use crate::strategy::Kind;
use crate::trading::recover::Recovered;
use crate::world::os::clock::OsClock;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub(crate) fn run(args: &OrdersArgs, kinds: &[&'static Kind]) -> ExitCode {
    match asked(args, kinds) {
        Ok(text) => cli::print_text(&text),
        Err(RunError::Wrong(why)) => cli::complain(WRONG_USE, &why),
        Err(RunError::Failed(why)) => cli::complain(FAILED, &why),
    }
}

fn asked(args: &OrdersArgs, kinds: &[&'static Kind]) -> Result<String, RunError> {
    let config = Config::load_with(&args.config, kinds);
    let config = config.map_err(|errors| RunError::Wrong(errors.to_string()))?;
    if config.accounts.is_empty() {
        let path = args.config.display();
        return Err(RunError::Wrong(format!(
            "{path} has no [account]: only what sends orders keeps a journal of them"
        )));
    }
    let decision = match (&args.accept, &args.resume) {
        (Some(asset), _) => Some(Decision::Accept(asset)),
        (None, Some(strategy)) => Some(Decision::Resume(strategy.as_deref())),
        (None, None) => None,
    };
    let (mut said, mut refused, mut done) = (Vec::new(), Vec::new(), false);
    for account in &config.accounts {
        let visibility = visibility(&account.exchange).map_err(RunError::Wrong)?;
        match answer(&account.journal, visibility, decision) {
            Ok(text) => {
                said.push(text);
                done = true;
            }
            // What is decided may be of another account only.
            Err(RunError::Wrong(why)) if decision.is_some() => refused.push(why),
            Err(error) => return Err(error),
        }
    }
    match done {
        true => Ok(said.join("\n")),
        false => Err(RunError::Wrong(refused.join("\n"))),
    }
}

/// For so long after it was sent the exchange may deny an order that it has. Only its codec says
/// so, and for that it needs no real key.
fn visibility(exchange: &str) -> Result<Span, String> {
    let exchange = exchange::by_name(exchange)
        .ok_or_else(|| format!("{exchange}: this build does not know it"))?;
    let nobody = Account {
        api_key: "none".to_owned().into(),
        key: AccountKey::Hmac("none".to_owned().into()),
    };
    Ok(exchange.order_codec(nobody, &[])?.visibility())
}

/// What a person decides.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decision<'d> {
    /// What is not explained of this asset is accepted.
    Accept(&'d str),
    /// This strategy, or everybody together, may order again.
    Resume(Option<&'d str>),
}

/// What is known from the journal in this folder, once this was decided.
pub(super) fn answer(
    dir: &Path,
    visibility: Span,
    decision: Option<Decision<'_>>,
) -> Result<String, RunError> {
    if !dir.exists() {
        let none = format!("{}: no order was ever kept here\n", dir.display());
        return match decision {
            None => Ok(none),
            Some(_) => Err(RunError::Wrong(none.trim_end().to_owned())),
        };
    }
    let folder = Folder::take(dir).map_err(RunError::Failed)?;
    let name = folder.path().display().to_string();
    let failed = |error: std::io::Error| RunError::Failed(format!("{name}: {error}"));
    let mut bytes = folder.read().map_err(failed)?;
    let known = Known::read(&name, &bytes, visibility)?;
    let Some(decision) = decision else {
        return Ok(known.listed());
    };
    let mut said = String::new();
    let deeds = known.decide(decision, &mut said).map_err(RunError::Wrong)?;
    // What a writer that was killed left of its last line goes: ours must not continue it.
    bytes.truncate(bytes.len() - known.torn);
    let (at, mut writer) = (OsClock.unix(), Writer::new(known.next_number));
    for deed in &deeds {
        let unix = |_| at;
        writer.deed(known.names(), (nanos(at), &unix), deed, &mut bytes);
    }
    // Nothing is put on the disk that cannot be read again.
    let known = Known::read(&name, &bytes, visibility)?;
    folder.replace(&bytes).map_err(failed)?;
    Ok(said + &known.listed())
}

/// What a journal says.
struct Known<'n> {
    name: &'n str,
    /// Whose it is, and how the last run ended.
    whose: String,
    tables: Tables,
    recovered: Recovered,
    next_number: u64,
    torn: usize,
}

impl<'n> Known<'n> {
    fn read(name: &'n str, bytes: &[u8], visibility: Span) -> Result<Self, RunError> {
        let mut reader = Reader::new(name, bytes).map_err(RunError::Failed)?;
        let recovered = learn(&mut reader, visibility, OsClock.unix()).map_err(RunError::Failed)?;
        let ended = if reader.ended() {
            "ended"
        } else {
            "was killed"
        };
        let whose = match reader.begun() {
            None => "nothing was written yet".to_owned(),
            Some(begun) => format!(
                "account {} at {}, the last run {ended}",
                begun.account, begun.exchange
            ),
        };
        Ok(Self {
            name,
            whose,
            next_number: reader.next_number(),
            torn: reader.torn(),
            tables: reader.into_tables(),
            recovered,
        })
    }

    fn names(&self) -> Names<'_> {
        Names {
            instruments: &self.tables.instruments,
            strategies: &self.tables.strategies,
        }
    }

    /// The records of a decision; what is done is added to `said`.
    fn decide(&self, decision: Decision<'_>, said: &mut String) -> Result<Vec<Deed>, String> {
        match decision {
            Decision::Accept(name) => {
                let mut unexplained = self.recovered.unexplained();
                let asset = Asset::from(name).ok();
                let table = &self.tables.instruments;
                let ended = asset.map(|asset| unexplained.accept(asset, table));
                let ended = ended.filter(|ended| !ended.is_empty()).ok_or_else(|| {
                    format!("nothing of {name} is to be accepted: {}", self.acceptable())
                })?;
                *said += &format!("accepted: all of {name} that was not explained\n");
                Ok(ended.iter().map(|one| one.deed()).collect())
            }
            Decision::Resume(name) => {
                let mut all = self.tables.strategies.iter();
                let strategy = match name {
                    None => Some(StrategyId::NONE),
                    Some(name) => {
                        let at = all.position(|known| known == name);
                        at.and_then(|at| u8::try_from(at).ok()).map(StrategyId)
                    }
                };
                let mut modes = self.recovered.modes.iter();
                let strategy = strategy.filter(|of| modes.any(|(whose, _)| whose == of));
                let strategy = strategy.ok_or_else(|| {
                    let name = name.unwrap_or("all together");
                    format!("{name}: not halted; {}", self.halted())
                })?;
                *said += &format!("resumed: {}\n", self.whose_mode(strategy));
                let mode = Mode::Trading;
                Ok(vec![Deed::Mode { strategy, mode }])
            }
        }
    }

    fn acceptable(&self) -> String {
        let differences = self.recovered.differences.iter();
        let differences = differences.map(|difference| difference.asset.to_string());
        let strays = self.recovered.held.iter();
        let strays = strays.filter_map(|id| Some(self.instrument(*id)?.base.to_string()));
        let mut assets: Vec<String> = differences.chain(strays).collect();
        assets.sort_unstable();
        assets.dedup();
        match assets.is_empty() {
            true => "everything is explained".to_owned(),
            false => format!("there is something of {}", assets.join(", ")),
        }
    }

    fn halted(&self) -> String {
        let modes = self.recovered.modes.iter();
        let whose = modes.map(|(strategy, _)| self.whose_mode(*strategy));
        let whose: Vec<&str> = whose.collect();
        match whose.is_empty() {
            true => "nobody is".to_owned(),
            false => format!("halted: {}", whose.join(", ")),
        }
    }

    /// All of it, for a person.
    fn listed(&self) -> String {
        let known = &self.recovered;
        let mut out = format!("{}: {}\n", self.name, self.whose);
        let orders = known.orders.iter().map(|open| self.order(open));
        section(&mut out, "open orders", orders);
        let positions = known.positions.iter().map(|(strategy, id, held)| {
            let of = self.instrument(*id);
            let qty = plain(held.qty, of.map_or(0, |of| of.qty_scale));
            format!("{} {} {qty}", self.strategy(*strategy), symbol(of))
        });
        section(&mut out, "positions", positions);
        let differences = known.differences.iter().map(|difference| {
            let amount = |units| plain(units, ASSET_SCALE);
            format!(
                "{}: the exchange says {}, our trades {}: {}",
                difference.asset,
                amount(difference.found),
                amount(difference.expected),
                amount(difference.off())
            )
        });
        let strays = known.held.iter().map(|id| {
            let of = self.instrument(*id);
            let base = of.map_or("?", |of| of.base.as_str());
            format!("{base}: {} had trades of no known order", symbol(of))
        });
        section(&mut out, "not explained", differences.chain(strays));
        let unexplained = known.unexplained();
        let table = self.tables.instruments.iter();
        let held = table.filter(|of| unexplained.holds(of));
        let held = held.map(|of| format!("{} may only be reduced", of.symbol));
        let modes = known.modes.iter().map(|(strategy, mode)| {
            let what = match mode {
                Mode::Trading => "may trade",
                Mode::ReduceOnly => "may only reduce",
                Mode::Halted => "halted",
            };
            format!("{} {what}", self.whose_mode(*strategy))
        });
        section(&mut out, "held", modes.chain(held));
        let set = known.set.iter().map(|((strategy, key), (value, at))| {
            let at = rfc3339_millis(UnixNanos(i64::try_from(at.0).unwrap_or(i64::MAX)));
            format!("{} {key} = {value}, at {at}", self.strategy(*strategy))
        });
        section(&mut out, "set until the run's end", set);
        out
    }

    fn order(&self, open: &OpenOrder) -> String {
        let order = &open.working;
        let of = self.instrument(order.instrument);
        let (px_scale, qty_scale) = of.map_or((0, 0), |of| (of.px_scale, of.qty_scale));
        let qty = |qty: u64| plain(qty.into(), qty_scale);
        let side = match order.side {
            Side::Buy => "buys",
            Side::Sell => "sells",
        };
        let doubt = if order.in_doubt { ", in doubt" } else { "" };
        format!(
            "{} {} {side} {} {} at {}, {} traded{doubt}",
            order.client_id.0,
            self.strategy(order.strategy),
            qty(order.qty.0),
            symbol(of),
            plain(order.px.0.into(), px_scale),
            qty(open.told.0),
        )
    }

    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.tables.instruments.get(id.index())
    }

    fn strategy(&self, id: StrategyId) -> &str {
        let name = self.tables.strategies.get(id.index());
        name.map_or("nobody", String::as_str)
    }

    fn whose_mode(&self, id: StrategyId) -> &str {
        match id {
            StrategyId::NONE => "all together",
            id => self.strategy(id),
        }
    }
}

fn symbol(of: Option<&Instrument>) -> &str {
    of.map_or("?", |of| of.symbol.as_str())
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    let none = if lines.peek().is_none() { " none" } else { "" };
    let _ = writeln!(out, "{title}:{none}"); // A string takes all.
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}
