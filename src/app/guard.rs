//! `tickwire guard`: what a live run starts beside itself where an exchange has no timer of its own
//! that cancels orders. People have no use for it: it reads a letter of the engine and then listens
//! to its heart.

use super::cli::{FAILED, complain};
use super::config::{self, Config};
use super::parts::lanes::{endpoint, reached_at};
use super::universe;
use crate::base::{Instrument, InstrumentId, Secret, Symbol};
use crate::conn::Proxy;
use crate::exchange::{self, Account, AccountKey};
use crate::wiring::plan::GatewayPlan;
use crate::wiring::sweep::Swept;
use crate::world::os::console;
use crate::world::os::guard::{GIVES_UP, watch};
use crate::world::os::orders::guard_seat;
use crate::world::os::sys;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Bytes that a letter may have: keys, a certificate authority, and some hundred instruments.
const LETTER_BYTES_MAX: usize = 1 << 20;
/// How often a run looks whether the guard of an earlier one is done.
const LOOK: Duration = Duration::from_millis(20);
/// What the guard of an account at this exchange leaves in the run's folder after each sweep.
fn report_file(exchange: &str) -> String {
    format!("guard-{exchange}.json")
}

/// How many guards of a run have swept since.
pub(crate) fn swept_since(dir: &Path, since: SystemTime) -> usize {
    let reports = exchange::ALL.iter().filter(|exchange| {
        let report = fs::metadata(dir.join(report_file(exchange.name())));
        let swept = report.and_then(|file| file.modified());
        swept.is_ok_and(|at| at >= since)
    });
    reports.count()
}

/// All that the guard must know, as the engine writes it (`T` is `&str`) and as the guard reads it.
/// It holds keys: its text is kept in [`Zeroizing`] only.
#[derive(Serialize, Deserialize)]
struct Letter<T> {
    exchange: T,
    /// `host:port` of order entry.
    orders: T,
    /// `host:port` to connect to instead.
    via: Option<T>,
    ca_pem: Option<T>,
    proxy: Option<T>,
    proxy_login: Option<(T, T)>,
    api_key: T,
    private_key_pem: Option<T>,
    secret_key: Option<T>,
    /// Symbol, decimals of its prices and of its quantities.
    instruments: Vec<(T, u8, u8)>,
    /// The run's folder.
    dir: PathBuf,
}

/// The letter of a run that trades with this account, one line.
///
/// # Errors
/// In words, when something that it needs cannot be read.
pub(crate) fn letter(
    config: &Config,
    keys: &Account,
    account: &config::Account,
    instruments: &[Instrument],
    dir: &Path,
) -> Result<Zeroizing<String>, String> {
    let exchange = exchange::by_name(&account.exchange).ok_or("no such exchange")?;
    let orders = account.orders.clone();
    let orders = orders.unwrap_or(exchange.endpoints().orders);
    let ca_pem = account
        .ca_file
        .as_deref()
        .map(universe::read_ca)
        .transpose()?;
    let ca_pem = ca_pem.map(|pem| String::from_utf8_lossy(&pem).into_owned());
    let straight = account.via.as_ref().unwrap_or(&orders);
    let proxy = config::proxy_to(config, None, straight)?;
    let (private_key_pem, secret_key) = match &keys.key {
        AccountKey::Ed25519Pem(pem) => (Some(pem.expose()), None),
        AccountKey::Hmac(secret) => (None, Some(secret.expose())),
    };
    let ours = instruments.iter().filter(|i| i.exchange == exchange.name());
    let proxy_text = proxy.as_ref().map(ToString::to_string);
    let letter = Letter {
        exchange: exchange.name(),
        orders: &orders,
        via: account.via.as_deref(),
        ca_pem: ca_pem.as_deref(),
        proxy: proxy_text.as_deref(),
        proxy_login: proxy.as_ref().and_then(Proxy::login),
        api_key: keys.api_key.expose(),
        private_key_pem,
        secret_key,
        instruments: ours
            .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
            .collect(),
        dir: dir.to_owned(),
    };
    // Allocated once at full size: growing would leave copies behind that nobody wipes.
    let mut text = Zeroizing::new(Vec::with_capacity(LETTER_BYTES_MAX));
    serde_json::to_writer(&mut *text, &letter).map_err(|error| error.to_string())?;
    if text.len() > LETTER_BYTES_MAX {
        return Err("too many instruments for a guard".into());
    }
    let text = std::str::from_utf8(&text).map_err(|error| error.to_string())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The place of a run's guard. Waits until the guard of an earlier run is done: it would take the
/// orders of this one for left behind, and cancel them.
///
/// # Errors
/// In words, when the account's folder cannot be used.
pub(crate) fn seat(dir: &Path) -> Result<File, String> {
    let mut said = false;
    loop {
        if let Some(seat) = guard_seat(dir)? {
            return Ok(seat);
        }
        if !said {
            console::complain(&"the guard of an earlier run cancels what it left: waiting for it");
            said = true;
        }
        std::thread::sleep(LOOK);
    }
}

/// The command.
pub(crate) fn run() -> ExitCode {
    match guard() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => complain(FAILED, &format!("guard: {why}")),
    }
}

fn guard() -> Result<(), String> {
    // Who started us could not do it for us: it ends where another program begins.
    let forbidden = sys::forbid_core_dumps();
    forbidden.map_err(|error| format!("cannot keep keys out of core dumps: {error}"))?;
    let mut pipe = BufReader::new(std::io::stdin());
    let mut text = Zeroizing::new(String::with_capacity(LETTER_BYTES_MAX));
    let read = pipe.read_line(&mut text);
    if read.map_err(|error| error.to_string())? == 0 {
        return Err("a live run starts it; there is nothing to start by hand".into());
    }
    let letter: Letter<String> = serde_json::from_str(&text)
        .map_err(|_| "its standard input is no letter of a live run".to_owned())?;
    drop(text);
    let (dir, of) = (letter.dir.clone(), letter.exchange.clone());
    let (plan, opened_to) = planned(letter)?;
    let tell = |swept: &Swept| report(&dir, &of, swept);
    let watched = watch(plan, &opened_to, pipe, GIVES_UP, tell);
    watched.inspect_err(|why| write_report(&dir, &of, &serde_json::json!({"gave_up": why})))
}

/// How the account of a letter is reached, and `host:port` of it.
fn planned(letter: Letter<String>) -> Result<(GatewayPlan, String), String> {
    let exchange = exchange::by_name(&letter.exchange).ok_or("no such exchange")?;
    // The texts of the keys move into types that wipe them.
    let key = match (letter.private_key_pem, letter.secret_key) {
        (Some(pem), _) => AccountKey::Ed25519Pem(pem.into()),
        (None, secret) => AccountKey::Hmac(secret.unwrap_or_default().into()),
    };
    let account = Account {
        api_key: letter.api_key.into(),
        key,
    };
    let login = letter.proxy_login.map(|(user, password)| {
        let (user, password) = (Secret::from(user), Secret::from(password));
        Arc::new((user, password))
    });
    let listed = |(n, (symbol, px, qty)): (u16, &(String, u8, u8))| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare(
            exchange.name(),
            Symbol::from(symbol).unwrap_or_default(),
            (*px, *qty),
        )
    };
    let instruments: Vec<Instrument> = (0..).zip(&letter.instruments).map(listed).collect();
    let codec = exchange.order_codec(account, &instruments)?;
    let proxy = letter.proxy.map(|url| Proxy::with_login(&url, login));
    let proxy = proxy.transpose()?;
    let straight = letter.via.as_ref().unwrap_or(&letter.orders);
    let opened_to = reached_at(straight, proxy.as_ref());
    let ca_pem = letter.ca_pem.as_ref().map(String::as_bytes);
    let endpoint = endpoint(&letter.orders, straight, ca_pem, proxy)?;
    Ok((GatewayPlan::new(exchange, codec, endpoint), opened_to))
}

/// Says what was done, to the terminal if somebody still looks at it, and to the run's folder.
fn report(dir: &Path, exchange: &str, swept: &Swept) {
    let Swept {
        ours,
        out_of_reach,
        foreign,
        took,
    } = swept;
    let took_ms = took.as_millis();
    let mut said = format!(
        "tickwire guard of {exchange}: the engine's heart stopped: {ours} of its orders \
         cancelled, none rests after {took_ms} ms; {foreign} orders of others left alone"
    );
    if *out_of_reach > 0 {
        said.push_str(&format!(
            "; {out_of_reach} of ours in instruments that the run did not follow STILL REST"
        ));
    }
    let _ = writeln!(std::io::stderr(), "{said}"); // Nobody may be there to read it.
    let text = serde_json::json!({
        "cancelled": ours,
        "still_resting": out_of_reach,
        "foreign": foreign,
        "took_ms": took_ms,
    });
    write_report(dir, exchange, &text);
}

fn write_report(dir: &Path, exchange: &str, text: &serde_json::Value) {
    let path: PathBuf = dir.join(report_file(exchange));
    if let Err(error) = std::fs::write(&path, format!("{text}\n")) {
        let _ = writeln!(std::io::stderr(), "{}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;
    use crate::venue::account::generate_account;
    use std::net::TcpListener;

    #[test]
    fn a_guard_whose_engine_and_exchange_are_gone_gives_up_and_says_so() {
        // A port at which nobody listens any more.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let keys = generate_account(exchange::unnamed()).unwrap();
        let AccountKey::Ed25519Pem(pem) = &keys.key else {
            panic!("another key");
        };
        let letter = Letter {
            exchange: exchange::unnamed().name().to_owned(),
            orders: gone.unwrap().to_string(),
            via: None,
            ca_pem: None,
            proxy: None,
            proxy_login: None,
            api_key: keys.api_key.expose().to_owned(),
            private_key_pem: Some(pem.expose().to_owned()),
            secret_key: None,
            instruments: vec![("BTCUSDT".to_owned(), 2, 5)],
            dir: PathBuf::new(),
        };
        let (plan, opened_to) = planned(letter).unwrap();
        // The pipe ends at once: so does an engine that is killed.
        let gives_up = Span::from_millis(100);
        let watched = watch(plan, &opened_to, std::io::empty(), gives_up, |swept| {
            panic!("{swept:?}")
        });
        let why = watched.unwrap_err();
        assert!(
            why.contains("it gives up") && why.contains("order journal"),
            "{why}"
        );
    }
}
