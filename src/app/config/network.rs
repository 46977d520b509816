//! The section `[network]`, and the way to each host: straight, or through a proxy. Streams, REST
//! and order connections all ask here. Loopback addresses are always reached straight.

use super::read::{Reader, Section};
use super::{Config, Feed};
use crate::conn::Proxy;
use std::net::IpAddr;

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// `none`: straight, whatever the environment says.
    #[default]
    Straight,
    /// `environment`: as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// Through this proxy.
    By(Proxy),
}

/// The key `proxy` of a section. Its value may hold a password, so no error message repeats it.
pub(super) fn proxy(reader: &mut Reader, section: &mut Section) -> Option<Way> {
    let value = section.get("proxy")?;
    let way = match value.get_ref().as_str() {
        Some("none") => Ok(Way::Straight),
        Some("environment") => Ok(Way::Environment),
        Some(url) => Proxy::parse(url).map(Way::By),
        None => Err("write it as a text"),
    };
    match way {
        Ok(way) => Some(way),
        Err(why) => {
            let what = format!("proxy: {why}, or \"environment\", or \"none\"");
            reader.refuse(value.span(), what);
            None
        }
    }
}

/// The proxy on the way to `host_port`, for a feed or for another connection.
pub(crate) fn proxy_to(
    config: &Config,
    feed: Option<&Feed>,
    host_port: &str,
) -> Result<Option<Proxy>, String> {
    let own = feed.and_then(|feed| feed.proxy.as_ref());
    chosen(own.unwrap_or(&config.proxy), host_port, |name| {
        std::env::var(name).ok()
    })
}

fn chosen(
    way: &Way,
    host_port: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, String> {
    let host = host_port
        .rsplit_once(':')
        .map_or(host_port, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    if is_loopback(host) {
        return Ok(None);
    }
    let either = |names: [&str; 2]| names.into_iter().find_map(&variable);
    match way {
        Way::Straight => Ok(None),
        Way::By(proxy) => Ok(Some(proxy.clone())),
        Way::Environment => {
            let except = either(["NO_PROXY", "no_proxy"]).unwrap_or_default();
            let named = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
            let found = named.into_iter().find_map(|name| {
                let url = variable(name).filter(|url| !url.is_empty());
                url.map(|url| (name, url))
            });
            match found {
                Some((name, url)) if !is_excepted(host, &except) => match Proxy::parse(&url) {
                    Ok(proxy) => Ok(Some(proxy)),
                    Err(why) => Err(format!("the environment's {name}: {why}")),
                },
                Some(_) | None => Ok(None),
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// `NO_PROXY` lists hosts and domains, with or without a dot ahead; `*` is all.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split(',').map(str::trim).any(|entry| {
        let domain = entry.trim_start_matches('*').trim_start_matches('.');
        let host = host.to_ascii_lowercase();
        let below = host.strip_suffix(&domain.to_ascii_lowercase());
        entry == "*"
            || (!domain.is_empty()
                && below.is_some_and(|ahead| ahead.is_empty() || ahead.ends_with('.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(way: &Way, host_port: &str, environment: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let proxy = chosen(way, host_port, variable)?;
        Ok(proxy.map_or("straight".into(), |proxy| proxy.to_string()))
    }

    #[test]
    fn the_environment_decides_only_where_it_is_asked_and_loopback_is_reached_straight() {
        let named = Way::By(Proxy::parse("socks5://10.0.0.1:1080").unwrap());
        let set = [
            ("HTTPS_PROXY", "http://10.0.0.2:3128"),
            ("NO_PROXY", "a.test, .b.test"),
        ];
        let all = [("all_proxy", "socks5h://10.0.0.3:1080")];
        let mine = Ok("socks5://10.0.0.1:1080".to_owned());
        let straight = || Ok("straight".to_owned());
        let environment = Ok("http://10.0.0.2:3128".to_owned());
        assert_eq!(by(&Way::Straight, "x.test:443", &set), straight());
        assert_eq!(by(&named, "x.test:443", &set), mine);
        assert_eq!(by(&Way::Environment, "x.test:443", &set), environment);
        assert_eq!(by(&Way::Environment, "x.test:443", &[]), straight());
        let socks = Ok("socks5://10.0.0.3:1080".to_owned());
        assert_eq!(by(&Way::Environment, "x.test:443", &all), socks);
        for excepted in ["a.test:443", "c.b.test:443", "b.test:443"] {
            assert_eq!(by(&Way::Environment, excepted, &set), straight());
        }
        assert_eq!(by(&Way::Environment, "ba.test:443", &set), environment);
        for near in ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"] {
            assert_eq!(by(&named, near, &set), straight());
            assert_eq!(by(&Way::Environment, near, &set), straight());
        }
        let wrong = by(
            &Way::Environment,
            "x.test:443",
            &[("ALL_PROXY", "ftp://u:geheim@h:1")],
        );
        let wrong = wrong.unwrap_err();
        assert!(
            wrong.contains("ALL_PROXY") && !wrong.contains("geheim"),
            "{wrong}"
        );
    }
}
