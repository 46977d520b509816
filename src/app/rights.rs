//! What the key of an account may do: its exchange is asked before anything is sent with it. A key
//! that may withdraw is refused, because whoever gets hold of it may take everything.

use super::config::{self, Config};
use super::reality::Mode;
use super::run::RunError;
use super::universe;
use crate::base::{Clock as _, UnixNanos};
use crate::exchange::{self, Account, Exchange, KeyRights, SignedRequest};
use crate::world::os::clerk::{FetchError, Rest};
use crate::world::os::clock::OsClock;

/// An exchange whose clock shows another time than ours by this much may have refused the question
/// for that.
const CLOCKS_APART_NS: u64 = 1_000_000_000;

/// Whether these keys can sign at all, by signing the question once. Asks nobody.
pub(super) fn check(keys: &Account, account: &config::Account) -> Result<(), RunError> {
    match exchange::by_name(&account.exchange) {
        Some(known) => signed(known, keys, UnixNanos(0)).map(drop),
        None => Ok(()), // The configuration was checked: it is there.
    }
}

fn signed(
    known: &dyn Exchange,
    keys: &Account,
    now: UnixNanos,
) -> Result<Option<SignedRequest>, RunError> {
    let request = known.key_rights_request(keys, now);
    request.map_err(|why| RunError::Wrong(format!("[account]: {why}")))
}

/// Asks what the key may do. Blocks. Returns what a person should know about it.
///
/// # Errors
/// If orders must not leave with this key.
pub(super) fn ask(
    config: &Config,
    mode: Mode,
    (keys, account): &(Account, config::Account),
) -> Result<Option<String>, RunError> {
    let name = &account.exchange;
    let Some(known) = exchange::by_name(name) else {
        return Ok(None); // The configuration was checked: it is there.
    };
    let at = match mode {
        Mode::Live => Some(known.endpoints().rest),
        // All of it is at one address.
        Mode::Simulated => match account.via {
            Some(_) => Some(known.endpoints().rest),
            None => account.orders.clone(),
        },
        // The test sites that we know do not offer it, and their money is none.
        Mode::Test(_) | Mode::Paper | Mode::Recording => None,
    };
    let asked = match (at, signed(known, keys, OsClock.unix())?) {
        (Some(at), Some(first)) => {
            let host = host(config, account, known, &at);
            Some(host.and_then(|host| answer(known, keys, host, first)))
        }
        _ => None,
    };
    judge(name, asked, mode == Mode::Live, account.key_may_withdraw)
}

fn host(
    config: &Config,
    account: &config::Account,
    known: &dyn Exchange,
    at: &str,
) -> Result<Rest, String> {
    let ca_pem = account
        .ca_file
        .as_deref()
        .map(universe::read_ca)
        .transpose()?;
    let via = account.via.as_deref();
    let proxy = config::proxy_to(config, None, via.unwrap_or(at))?;
    let budget = known.limits().rest_weight;
    let host = Rest::new(at, via, proxy, ca_pem.as_deref(), budget);
    host.map_err(|error| error.to_string())
}

/// Asks, and if clocks differ asks again by the other one.
fn answer(
    known: &dyn Exchange,
    keys: &Account,
    mut host: Rest,
    first: SignedRequest,
) -> Result<KeyRights, String> {
    let mut body = host.fetch_signed(&first);
    if let (Err(FetchError::Status(..)), Some(time)) = (&body, host.take_time())
        && time.shown.0.abs_diff(OsClock.unix().0) > CLOCKS_APART_NS
        && let Ok(Some(again)) = known.key_rights_request(keys, time.shown)
    {
        body = host.fetch_signed(&again);
    }
    known.key_rights(&body.map_err(|error| error.to_string())?)
}

/// `asked`: what was found out, or why nothing was; `None` if the exchange cannot be asked.
fn judge(
    name: &str,
    asked: Option<Result<KeyRights, String>>,
    real: bool,
    may_withdraw: bool,
) -> Result<Option<String>, RunError> {
    let found = match asked {
        Some(Ok(found)) => found,
        Some(Err(why)) if real && !may_withdraw => {
            return Err(RunError::Failed(format!(
                "--live: {name} did not say what the API key may do: {why}; try again, or write \
                 key_may_withdraw = true in [account] to run without knowing"
            )));
        }
        Some(Err(why)) => {
            return Ok(Some(format!(
                "{name} did not say what the API key may do: {why}"
            )));
        }
        None => {
            return Ok(Some(format!(
                "{name} is not asked what the API key may do: see to it that it cannot withdraw"
            )));
        }
    };
    if !found.trade {
        return Err(RunError::Wrong(format!(
            "--live: the API key may not trade: allow it to at {name}, or use another key"
        )));
    }
    if found.withdraw && !may_withdraw {
        return Err(RunError::Wrong(format!(
            "--live: the API key may withdraw, so that whoever gets hold of it may take \
             everything: forbid it to at {name}, or write key_may_withdraw = true in [account]"
        )));
    }
    let mut warnings = Vec::new();
    if found.withdraw {
        warnings.push("may withdraw");
    }
    if found.address_bound == Some(false) {
        warnings.push("works from every address: tie it to this host's");
    }
    let warning = || format!("the API key at {name} {}", warnings.join(", and "));
    Ok((!warnings.is_empty()).then(warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: KeyRights = KeyRights {
        trade: true,
        withdraw: false,
        address_bound: Some(true),
    };
    const POWERFUL: KeyRights = KeyRights {
        withdraw: true,
        ..SAFE
    };

    #[test]
    fn a_key_that_can_only_trade_from_this_host_is_nobodys_concern() {
        let unsaid = KeyRights {
            address_bound: None,
            ..SAFE
        };
        for found in [SAFE, unsaid] {
            assert_eq!(judge("x", Some(Ok(found)), true, false).unwrap(), None);
        }
    }

    #[test]
    fn one_that_can_withdraw_or_cannot_trade_is_refused_with_what_to_do() {
        for real in [true, false] {
            let refused = refused(Ok(POWERFUL), real);
            assert!(refused.contains("forbid it to at x, or write key_may_withdraw = true"));
        }
        let accepted = judge("x", Some(Ok(POWERFUL)), true, true).unwrap().unwrap();
        assert_eq!(accepted, "the API key at x may withdraw");
        let idle = KeyRights {
            trade: false,
            ..SAFE
        };
        assert!(refused(Ok(idle), true).contains("may not trade: allow it to at x"));
    }

    #[test]
    fn one_that_works_from_everywhere_is_a_warning() {
        let everywhere = KeyRights {
            address_bound: Some(false),
            ..POWERFUL
        };
        let warning = judge("x", Some(Ok(everywhere)), true, true)
            .unwrap()
            .unwrap();
        assert_eq!(
            warning,
            "the API key at x may withdraw, and works from every address: tie it to this host's"
        );
    }

    #[test]
    fn an_exchange_that_does_not_say_stops_real_orders_only_and_never_without_a_word() {
        let silent = || Some(Err("HTTP 503: down".to_owned()));
        let refused = refused(Err("HTTP 503: down".to_owned()), true);
        assert!(refused.contains("HTTP 503: down; try again, or write key_may_withdraw = true"));
        for (real, may_withdraw) in [(true, true), (false, false), (false, true)] {
            let warning = judge("x", silent(), real, may_withdraw).unwrap().unwrap();
            assert_eq!(
                warning,
                "x did not say what the API key may do: HTTP 503: down"
            );
            let warning = judge("x", None, real, may_withdraw).unwrap().unwrap();
            assert!(warning.contains("is not asked") && warning.contains("cannot withdraw"));
        }
    }

    fn refused(asked: Result<KeyRights, String>, real: bool) -> String {
        judge("x", Some(asked), real, false)
            .unwrap_err()
            .to_string()
    }
}
