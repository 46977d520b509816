//! What can be known of a run before anything is made or dialled: whether it may start, and as
//! what. `run` starts by this verdict and `check` prints it, so that the two cannot differ.

use super::config::{self, Config, Feed};
use super::reality::{self, Intended, Mode};
use super::run::RunError;
use super::secrets::{self, Variables};
use super::{rights, universe};
use crate::conn::KeyHeader;
use crate::exchange::{self, Account};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A run that may start.
pub(crate) struct Ready {
    /// Where its orders go.
    pub(crate) mode: Mode,
    /// Who sends them, if they are sent at all.
    pub(crate) accounts: Vec<(Account, config::Account)>,
    /// The API key of each feed, if it names one.
    pub(crate) feed_keys: Vec<Option<KeyHeader>>,
}

/// Whether `config` may run as it is intended, with the `variables` that its account names. What
/// only an exchange knows (which instruments it lists, at which scales) shows when the run asks it.
///
/// # Errors
/// Everything that is wrong, in words.
pub(crate) fn ready(
    config: &Config,
    intended: Intended,
    variables: &Variables,
) -> Result<Ready, RunError> {
    let decided = reality::decide(config, intended);
    if intended == Intended::Live {
        has_accounts(config)?;
        may_be_live(config, decided.as_ref().err())?;
    }
    let mode = decided.map_err(RunError::Wrong)?;
    if matches!(intended, Intended::Paper | Intended::Live) {
        enough_exchanges(config)?;
    }
    let mut accounts = Vec::new();
    if intended == Intended::Live {
        for account in &config.accounts {
            accounts.push((keys(account, variables)?, account.clone()));
        }
    }
    let missing = missing(config, &accounts);
    match missing.is_empty() {
        true => Ok(Ready {
            mode,
            accounts,
            feed_keys: feed_keys(config, variables)?,
        }),
        false => Err(RunError::Failed(missing.join("\n"))),
    }
}

/// Orders that leave the process follow no default: a person must have written the strategy and
/// every limit. The error names everything that is missing at once, and `mixed` too.
fn may_be_live(config: &Config, mixed: Option<&String>) -> Result<(), RunError> {
    let wrong = |what: String| Err(RunError::Wrong(what));
    let mut missing = String::new();
    for key in &config.unwritten {
        missing += &format!("\n  {key}");
    }
    match (missing.is_empty(), mixed) {
        (true, None) => Ok(()),
        (true, Some(mixed)) => wrong(mixed.clone()),
        (false, mixed) => wrong(format!(
            "{}--live sends orders by nothing but what is written out; this is left to \
             defaults:{missing}",
            mixed.map(|mixed| format!("{mixed}\n")).unwrap_or_default()
        )),
    }
}

/// A strategy that trades between exchanges needs as many of them as it says.
fn enough_exchanges(config: &Config) -> Result<(), RunError> {
    for strategy in &config.strategies {
        let traded = exchanges_of(config, strategy);
        let (count, least) = (traded.len(), strategy.kind.exchanges_min);
        if count < least {
            let names: Vec<&str> = traded.iter().copied().collect();
            return Err(RunError::Wrong(format!(
                "{} trades between {least} exchanges or more, and has {count} ({}): add a [[feed]] \
                 of another exchange that lists the same assets, and to its instruments if it has \
                 some of its own",
                strategy.name,
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// The exchanges that a strategy may trade at.
fn exchanges_of<'c>(config: &'c Config, strategy: &'c config::Strategy) -> BTreeSet<&'c str> {
    let own: Option<BTreeSet<&str>> = strategy
        .instruments
        .iter()
        .map(|entry| entry.split_once(':').map(|(exchange, _)| exchange))
        .collect();
    // Without instruments of its own, or with bare symbols among them, it may have any.
    let own = own.filter(|own| !own.is_empty());
    own.unwrap_or_else(|| config.feeds.iter().map(|feed| &*feed.exchange).collect())
}

/// A strategy that trades between exchanges needs accounts at so many of them.
fn has_accounts(config: &Config) -> Result<(), RunError> {
    if config.accounts.is_empty() {
        return Ok(()); // That is said of every run.
    }
    let at: BTreeSet<&str> = config.accounts.iter().map(|a| &*a.exchange).collect();
    for strategy in &config.strategies {
        let traded = exchanges_of(config, strategy);
        let (count, least) = (
            traded.intersection(&at).count(),
            strategy.kind.exchanges_min,
        );
        if count < least {
            let lacking: Vec<&str> = traded.difference(&at).copied().collect();
            return Err(RunError::Wrong(format!(
                "--live: {} trades between {least} exchanges or more, and has an account at \
                 {count}: write an [[account]] for each (there is none at {})",
                strategy.name,
                lacking.join(", ")
            )));
        }
    }
    Ok(())
}

fn keys(account: &config::Account, variables: &Variables) -> Result<Account, RunError> {
    let keys = secrets::load(account, variables);
    let keys = keys.map_err(|error| RunError::Wrong(error.to_string()))?;
    rights::check(&keys, account)?;
    Ok(keys)
}

fn feed_keys(config: &Config, variables: &Variables) -> Result<Vec<Option<KeyHeader>>, RunError> {
    let read = |feed: &Feed| {
        let exchange = exchange::by_name(&feed.exchange);
        let binary = exchange.and_then(|exchange| exchange.binary(feed.streams.depth));
        let (Some(binary), Some(source)) = (binary, &feed.api_key) else {
            return Ok(None);
        };
        let key = secrets::load_feed(source, variables);
        let key = key.map_err(|error| RunError::Wrong(error.to_string()))?;
        Ok(Some(KeyHeader {
            name: binary.key_header,
            key: Arc::new(key),
        }))
    };
    config.feeds.iter().map(read).collect()
}

/// What the host does not have: files of authorities, a proxy that can be used.
fn missing(config: &Config, accounts: &[(Account, config::Account)]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut note = |whose: &str, found: Result<(), String>| {
        if let Err(why) = found {
            missing.push(format!("{whose}: {why}"));
        }
    };
    // Those that are simulated in the process get a host and an authority from it.
    let simulated = |feed: &&Feed| config.simulate.is_some() && feed.is_simulated();
    for feed in config.feeds.iter().filter(|feed| !simulated(feed)) {
        let Some(exchange) = exchange::by_name(&feed.exchange) else {
            continue; // The configuration was checked: it is there.
        };
        note(&feed.exchange, authority(feed.ca_file.as_deref()));
        let own = exchange.endpoints();
        let own_stream = exchange.stream_host(feed.streams.depth);
        let [stream, rest] = [(&feed.stream, own_stream), (&feed.rest, own.rest)]
            .map(|(at, own)| feed.via.clone().or(at.clone()).unwrap_or(own));
        let ways = [rest, stream].map(|to| config::proxy_to(config, Some(feed), &to).map(drop));
        note(&feed.exchange, ways.into_iter().collect());
    }
    for (_, account) in accounts {
        note("[account]", authority(account.ca_file.as_deref()));
        let own = exchange::by_name(&account.exchange).map(|exchange| exchange.endpoints().orders);
        let to = account.via.clone().or(account.orders.clone()).or(own);
        let to = to.unwrap_or_default();
        note("[account]", config::proxy_to(config, None, &to).map(drop));
    }
    missing.dedup();
    missing
}

fn authority(path: Option<&Path>) -> Result<(), String> {
    match path {
        None => Ok(()),
        Some(path) if !path.exists() => Err(format!(
            "ca_file {} is not there (`tickwire sim --ca-out FILE` writes one)",
            path.display()
        )),
        Some(path) => universe::read_ca(path).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Known;

    const FEED: &str = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n";

    #[test]
    fn what_the_host_does_not_have_is_named_once_and_only_if_the_run_needs_it() {
        let text = format!(
            "{FEED}ca_file = \"none.pem\"\n[account]\nexchange = \"binance\"\n\
             ca_file = \"none.pem\"\napi_key_file = \"none.key\"\n\
             private_key_file = \"none.key\"\n"
        );
        let RunError::Failed(paper) = refused(&text, Intended::Paper) else {
            panic!("the file itself is right");
        };
        assert_eq!(
            paper,
            "binance: ca_file none.pem is not there (`tickwire sim --ca-out FILE` writes one)"
        );
    }

    #[test]
    fn arbitrage_needs_two_exchanges_among_its_own_instruments() {
        let other = "[[feed]]\nexchange = \"okx\"\ninstruments = [\"A\"]\n";
        let arbitrage = "[[strategy]]\nname = \"arbitrage\"\n";
        let one = format!("{FEED}{arbitrage}");
        let own = format!("{FEED}{other}{arbitrage}instruments = [\"okx:*\"]\n");
        for (text, names) in [(one, "(binance)"), (own, "(okx)")] {
            let said = refused(&text, Intended::Paper).to_string();
            assert!(said.contains("has 1") && said.contains(names), "{said}");
        }
        for own in [
            "",
            "instruments = [\"okx:*\", \"binance:A\"]\n",
            "instruments = [\"A\"]\n",
        ] {
            let text = format!("{FEED}{other}{arbitrage}{own}");
            assert!(
                ready(&config(&text), Intended::Paper, &Variables::default()).is_ok(),
                "{own}"
            );
        }
        // A program's own strategy takes the place of the configured one.
        let alone = config(&format!("{FEED}{arbitrage}"));
        assert!(ready(&alone, Intended::Own, &Variables::default()).is_ok());
    }

    fn refused(text: &str, intended: Intended) -> RunError {
        match ready(&config(text), intended, &Variables::default()) {
            Ok(_) => panic!("{text} may run"),
            Err(error) => error,
        }
    }

    fn config(text: &str) -> Config {
        Config::parse(Path::new("my.toml"), text, &Known::all()).unwrap_or_else(|e| panic!("{e}"))
    }
}
