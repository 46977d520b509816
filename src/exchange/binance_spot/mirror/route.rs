//! Paths and queries that the exchange answers. Reads text only; says what was meant, and serves
//! nothing.

use super::{Fault, TimeUnit, market};
use crate::exchange::kit::text::percent_decode;
use crate::exchange::mirror::Refusal;

/// Path of order entry.
pub(crate) const API: &str = "/ws-api/v3";

/// What a WebSocket upgrade asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// Market streams, some named in the URL; `combined` wraps payloads with the stream's name.
    Streams {
        /// Each payload comes in an envelope with its stream's name.
        combined: bool,
        /// Names in the URL, like `btcusdt@trade`.
        streams: Vec<String>,
        /// The unit of times in payloads.
        unit: TimeUnit,
    },
    /// Order entry.
    Api {
        /// The unit of times in answers.
        unit: TimeUnit,
        /// Answers carry `rateLimits`.
        rate_limits: bool,
    },
}

/// What a GET asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Get {
    /// `/api/v3/ping`.
    Ping,
    /// `/api/v3/time`.
    Time,
    /// `/api/v3/depth`: a snapshot.
    Depth {
        /// As the client wrote it.
        symbol: String,
        /// Levels a side that are asked for; the answer has [`market::SNAPSHOT_LEVELS_MAX`] at
        /// most.
        levels: usize,
    },
    /// Empty means every symbol.
    ExchangeInfo {
        /// As the client wrote them.
        symbols: Vec<String>,
    },
    /// `/api/v3/ticker/24hr`; empty means every symbol.
    Ticker {
        /// As the client wrote them.
        symbols: Vec<String>,
    },
}

impl Get {
    /// What the exchange counts it as.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Ping | Self::Time => 1,
            Self::Depth { levels, .. } => match levels {
                0..=100 => 5,
                101..=500 => 25,
                501..=1_000 => 50,
                1_001.. => 250,
            },
            Self::ExchangeInfo { .. } => 20,
            Self::Ticker { symbols } => match symbols.len() {
                1..=20 => 2,
                21..=100 => 40,
                _ => 80,
            },
        }
    }
}

/// Reads the target of an upgrade request; `None` if nothing listens.
pub(crate) fn upgrade(target: &str) -> Option<Upgrade> {
    let target = percent_decode(target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let unit = match param(query, "timeUnit") {
        Some("MICROSECOND" | "microsecond") => TimeUnit::Micros,
        _ => TimeUnit::Millis,
    };
    let split = |names: &str| {
        names
            .split('/')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    match path {
        API => Some(Upgrade::Api {
            unit,
            rate_limits: param(query, "returnRateLimits") != Some("false"),
        }),
        "/stream" => Some(Upgrade::Streams {
            combined: true,
            streams: split(param(query, "streams").unwrap_or("")),
            unit,
        }),
        _ => {
            let names = path
                .strip_prefix("/ws")
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some(Upgrade::Streams {
                combined: false,
                streams: split(names),
                unit,
            })
        }
    }
}

/// Reads the target of a GET, or refuses it as the exchange does.
pub(crate) fn get(target: &str) -> Result<Get, Fault> {
    let target = percent_decode(target);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    match path {
        "/api/v3/ping" => Ok(Get::Ping),
        "/api/v3/time" => Ok(Get::Time),
        "/api/v3/depth" | "/api/v1/depth" => depth(query),
        "/api/v3/exchangeInfo" => symbols(query).map(|symbols| Get::ExchangeInfo { symbols }),
        "/api/v3/ticker/24hr" => symbols(query).map(|symbols| Get::Ticker { symbols }),
        _ => Err(Fault::refusal(Refusal::NoPath)),
    }
}

fn depth(query: &str) -> Result<Get, Fault> {
    let symbol = param(query, "symbol")
        .filter(|symbol| !symbol.is_empty())
        .ok_or_else(|| {
            let msg = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.";
            Fault::new(400, -1102, msg)
        })?;
    let levels = match param(query, "limit") {
        None => market::SNAPSHOT_LEVELS,
        Some(text) => match text.parse::<usize>() {
            Ok(levels) if levels > 0 => levels.min(market::SNAPSHOT_LEVELS_MAX),
            _ => {
                return Err(Fault::new(
                    400,
                    -1100,
                    "Illegal characters found in parameter 'limit'.",
                ));
            }
        },
    };
    Ok(Get::Depth {
        symbol: symbol.to_owned(),
        levels,
    })
}

/// `symbol` or `symbols`; neither means all.
fn symbols(query: &str) -> Result<Vec<String>, Fault> {
    match (param(query, "symbol"), param(query, "symbols")) {
        (None, None) => Ok(Vec::new()),
        (Some(symbol), None) => Ok(vec![symbol.to_owned()]),
        (None, Some(list)) => serde_json::from_str(list).map_err(|_| {
            Fault::new(
                400,
                -1100,
                "Illegal characters found in parameter 'symbols'.",
            )
        }),
        (Some(_), Some(_)) => Err(Fault::new(
            400,
            -1128,
            "Combination of optional parameters invalid.",
        )),
    }
}

fn param<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_are_told_apart_by_path() {
        let streams = |combined, names: &[&str], unit| {
            let streams = names.iter().map(|&name| name.to_owned()).collect();
            Some(Upgrade::Streams {
                combined,
                streams,
                unit,
            })
        };
        let (ms, us) = (TimeUnit::Millis, TimeUnit::Micros);
        assert_eq!(upgrade("/ws"), streams(false, &[], ms));
        assert_eq!(upgrade("/ws/a@trade"), streams(false, &["a@trade"], ms));
        assert_eq!(
            upgrade("/stream?streams=a@trade/b@depth%40100ms&timeUnit=MICROSECOND"),
            streams(true, &["a@trade", "b@depth@100ms"], us)
        );
        assert_eq!(
            upgrade("/ws-api/v3?returnRateLimits=false"),
            Some(Upgrade::Api {
                unit: ms,
                rate_limits: false
            })
        );
        assert_eq!(upgrade("/wsx"), None);
        assert_eq!(upgrade("/"), None);
    }

    #[test]
    fn a_snapshot_has_100_levels_unless_asked_and_never_over_5000() {
        let depth = |levels| {
            Ok(Get::Depth {
                symbol: "BTCUSDT".into(),
                levels,
            })
        };
        assert_eq!(get("/api/v3/depth?symbol=BTCUSDT"), depth(100));
        assert_eq!(get("/api/v1/depth?symbol=BTCUSDT&limit=9000"), depth(5000));
        assert_eq!(get("/api/v3/depth").unwrap_err().code, -1102);
        assert_eq!(
            get("/api/v3/depth?symbol=A&limit=x").unwrap_err().code,
            -1100
        );
        assert_eq!(get("/nowhere").unwrap_err().status, 404);
    }

    #[test]
    fn metadata_is_asked_for_one_some_or_all_symbols() {
        let info = |names: &[&str]| {
            Ok(Get::ExchangeInfo {
                symbols: names.iter().map(|&name| name.to_owned()).collect(),
            })
        };
        assert_eq!(get("/api/v3/exchangeInfo"), info(&[]));
        assert_eq!(get("/api/v3/exchangeInfo?symbol=A"), info(&["A"]));
        assert_eq!(
            get("/api/v3/exchangeInfo?symbols=%5B%22A%22,%22B%22%5D"),
            info(&["A", "B"])
        );
        assert_eq!(
            get("/api/v3/exchangeInfo?symbols=A").unwrap_err().code,
            -1100
        );
    }
}
