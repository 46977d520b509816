//! Kinds of values that several sections share: exchanges, decimals, endpoints, paths.
//! Opens no path and looks up no name.

use super::Known;
use super::read::{Reader, Section, Text, nearest, one_of};
use crate::base::decimal;
use crate::exchange::unnamed;
use std::net::Ipv6Addr;
use std::path::PathBuf;

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
