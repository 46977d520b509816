//! Kinds of values that several sections share: exchanges, decimals, endpoints, paths.
//! Opens no path and looks up no name.

use super::Known;
use super::read::{Reader, Section, Text, nearest, one_of};
use crate::base::{Asset, decimal};
use crate::exchange::unnamed;
use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

pub(super) fn exchange<'k>(
    reader: &mut Reader,
    section: &mut Section,
    known: &'k [Known],
) -> Option<&'k Known> {
    let example = format!("\"{}\"", unnamed().name());
    let written = section.required(reader, "exchange", &example)?;
    let found = known.iter().find(|known| known.name == written.value);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|known| known.name).collect();
        let instead = match nearest(written.value, &names) {
            Some(name) => format!("no such exchange; did you mean \"{name}\"?"),
            None => {
                let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
                format!("no such exchange; write {}", one_of(&names))
            }
        };
        section.wrong_at(reader, "exchange", written.span, &instead);
    }
    found
}

pub(super) fn decimal(
    reader: &mut Reader,
    section: &mut Section,
    key: &'static str,
    default: &'static str,
) -> String {
    let Some(value) = section.get_or(key, || format!("\"{default}\"")) else {
        return default.to_owned();
    };
    match value.get_ref().as_str() {
        Some(text) if units(text).is_some_and(|units| units > 0) => return text.to_owned(),
        None if value.get_ref().is_float() || value.get_ref().is_integer() => {
            let instead = "write the number in quotes: it is kept exactly, never as a float";
            section.wrong(reader, key, value, instead);
        }
        _ => {
            let instead = format!(
                "write a plain decimal above zero with at most 18 decimals, like {key} = \
                 \"{default}\""
            );
            section.wrong(reader, key, value, &instead);
        }
    }
    default.to_owned()
}

/// Amounts of assets, in units of 10^-18: `{ USDT = "0.5" }`.
pub(super) fn amounts(
    reader: &mut Reader,
    section: &mut Section,
    key: &'static str,
) -> Vec<(Asset, i128)> {
    let Some(value) = section.get(key) else {
        return Vec::new();
    };
    let amount = |(name, amount): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let asset = Asset::from(name.get_ref())
            .ok()
            .filter(|asset| !asset.is_empty())?;
        let units = amount.get_ref().as_str().and_then(units)?;
        let units = i128::try_from(units).ok().filter(|units| *units > 0)?;
        Some((asset, units))
    };
    let entries = value.get_ref().as_table();
    let amounts = entries.and_then(|entries| entries.iter().map(amount).collect());
    amounts.unwrap_or_else(|| {
        let instead = format!(
            "write assets with plain decimals above zero in quotes, like {key} = {{ USDT = \
             \"0.5\" }}"
        );
        section.wrong(reader, key, value, &instead);
        Vec::new()
    })
}

/// A decimal in units of 10^-18, so that two of them can be compared.
pub(super) fn units(text: &str) -> Option<u128> {
    let decimals = text.split_once('.').map_or(0, |(_, part)| part.len());
    let scale = u8::try_from(decimals)
        .ok()
        .filter(|&scale| scale <= decimal::SCALE_MAX)?;
    let units = decimal::parse(text.as_bytes(), scale).ok()?;
    Some(u128::from(units) * 10u128.pow(u32::from(decimal::SCALE_MAX - scale)))
}

pub(super) fn host_port(
    reader: &mut Reader,
    section: &mut Section,
    key: &'static str,
    example: &str,
) -> Option<String> {
    let example = format!("\"{example}\"");
    let Text { value, span } = section.text(reader, key, &example)?;
    if is_host_port(value) {
        return Some(value.to_owned());
    }
    let instead = match value.split_once("://") {
        Some((scheme, _)) => {
            format!("leave \"{scheme}://\" and any path out, like {key} = {example}")
        }
        None => format!("write host:port, like {key} = {example}"),
    };
    section.wrong_at(reader, key, span, &instead);
    None
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let ipv6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_fits = match ipv6 {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            !host.is_empty() && host.len() <= 253 && host.chars().all(plain)
        }
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host_fits && digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

pub(super) fn path(
    reader: &mut Reader,
    section: &mut Section,
    key: &'static str,
) -> Option<PathBuf> {
    let text = section.text(reader, key, "\"authority.pem\"")?;
    Some(beside(reader, text.value))
}

/// A path in the file. A relative one starts at the file's own folder, wherever the command runs.
pub(super) fn beside(reader: &Reader, path: &str) -> PathBuf {
    reader
        .path
        .parent()
        .unwrap_or_else(|| "".as_ref())
        .join(path)
}

#[cfg(test)]
mod tests {
    use crate::app::config::{Config, Known};
    use std::path::Path;

    fn accepted(amounts: &str) -> Result<Vec<(String, i128)>, String> {
        let text = format!(
            "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n[account]\n\
             exchange = \"binance\"\napi_key_file = \"k\"\nprivate_key_file = \"p\"\n\
             accept_differences = {amounts}\n"
        );
        let config = Config::parse(Path::new("c.toml"), &text, &Known::all());
        let account = config
            .map_err(|errors| errors.to_string())?
            .accounts
            .remove(0);
        let amounts = account.accept_differences.into_iter();
        Ok(amounts
            .map(|(asset, units)| (asset.to_string(), units))
            .collect())
    }

    #[test]
    fn amounts_of_assets_are_exact_or_refused() {
        let mut found = accepted("{ USDT = \"0.5\", BNB = \"0.000000000000000001\" }").unwrap();
        found.sort_unstable();
        let usdt = 5 * 10i128.pow(17);
        assert_eq!(found, [("BNB".to_owned(), 1), ("USDT".to_owned(), usdt)]);
        assert_eq!(accepted("{}").unwrap(), []);
        for wrong in [
            "\"0.5\"",
            "{ USDT = 0.5 }",
            "{ USDT = \"0\" }",
            "{ USDT = \"-1\" }",
            "{ USDT = \"0.0000000000000000001\" }",
            "{ \"\" = \"1\" }",
            "{ AN_ASSET_WITH_A_NAME_THAT_NO_EXCHANGE_HAS = \"1\" }",
        ] {
            let why = accepted(wrong).unwrap_err();
            assert!(
                why.contains("like accept_differences = { USDT"),
                "{wrong}: {why}"
            );
        }
    }
}
