//! Paths and queries that the exchange answers. Reads text only; says what was meant, and serves
//! nothing.

use super::candles::{self, Candles};
use super::{Fault, TimeUnit, market};
use crate::base::Trade;
use crate::exchange::kit::text::percent_decode;
use crate::exchange::mirror::{Call, Refusal};
use std::borrow::Cow;
use std::str::FromStr;

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

/// Which symbols are asked for, as the client wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Symbols {
    /// None is named: all of them.
    All,
    /// `symbol`: the answer is an object where it would be a list.
    One(String),
    /// `symbols`.
    Some(Vec<String>),
}

impl Symbols {
    /// What costs by symbol: so much for as many, the last for more, or for all.
    fn weight(&self, steps: [(usize, u32); 2], all: u32) -> u32 {
        let count = match self {
            Self::All => return all,
            Self::One(_) => 1,
            Self::Some(symbols) => symbols.len(),
        };
        let step = steps.into_iter().find(|(most, _)| count <= *most);
        step.map_or(all, |(_, weight)| weight)
    }
}

/// What a ticker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// `ticker/24hr`.
    Full,
    /// `ticker/tradingDay`, `ticker`.
    Window,
    /// The same, or `ticker/24hr`, with `type=MINI`.
    Mini,
    /// `ticker/price`.
    Price,
    /// `ticker/bookTicker`.
    Best,
}

/// Which prints are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prints {
    /// As the client wrote it.
    pub(crate) symbol: String,
    /// `aggTrades` and not `trades`.
    pub(crate) aggregated: bool,
    /// From this number on.
    pub(crate) from_id: Option<u64>,
    /// Not before this time, in milliseconds.
    pub(crate) since_ms: Option<i64>,
    /// Not after this time, in milliseconds.
    pub(crate) until_ms: Option<i64>,
    /// How many at most.
    pub(crate) limit: usize,
}

impl Prints {
    /// Of all prints, oldest first, those that are asked for: the first ones if it is said where
    /// they begin, else the newest.
    pub(crate) fn pick(&self, prints: impl DoubleEndedIterator<Item = Trade>) -> Vec<Trade> {
        let after = |trade: &Trade| {
            let ms = trade.exch_time.as_millis();
            self.from_id.is_none_or(|from| trade.id >= from)
                && self.since_ms.is_none_or(|since| ms >= since)
                && self.until_ms.is_none_or(|until| ms <= until)
        };
        let wanted = prints.filter(after);
        if self.from_id.is_some() || self.since_ms.is_some() {
            return wanted.take(self.limit).collect();
        }
        let mut newest: Vec<Trade> = wanted.rev().take(self.limit).collect();
        newest.reverse();
        newest
    }
}

/// Prints of an answer that names no limit, and at most.
const PRINTS: usize = 500;
const PRINTS_MAX: usize = 1_000;

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
    /// `/api/v3/exchangeInfo`.
    ExchangeInfo(Symbols),
    /// Tickers of any sort.
    Ticker(Sort, Symbols),
    /// `/api/v3/trades` and the like.
    Prints(Prints),
    /// `/api/v3/avgPrice` of this symbol.
    AvgPrice(String),
    /// `/api/v3/klines` and the like.
    Candles(Candles),
    /// `/sapi/v1/system/status`.
    Status,
}

impl Get {
    /// What the exchange counts it as.
    pub(crate) fn weight(&self) -> u32 {
        match self {
            Self::Ping | Self::Time | Self::Status => 1,
            Self::Depth { levels, .. } => match levels {
                0..=100 => 5,
                101..=500 => 25,
                501..=1_000 => 50,
                1_001.. => 250,
            },
            Self::ExchangeInfo(_) => 20,
            Self::Ticker(Sort::Full | Sort::Mini, symbols) => {
                symbols.weight([(20, 2), (100, 40)], 80)
            }
            Self::Ticker(Sort::Window, symbols) => symbols.weight([(1, 4), (49, 4 * 49)], 200),
            Self::Ticker(Sort::Price | Sort::Best, symbols) => symbols.weight([(0, 4), (1, 2)], 4),
            Self::Prints(Prints {
                aggregated: true, ..
            }) => 4,
            Self::Prints(_) => 25,
            Self::AvgPrice(_) | Self::Candles(_) => 2,
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

/// Reads a GET, or refuses it as the exchange does.
pub(crate) fn get(call: Call<'_>) -> Result<Get, Fault> {
    if call.path() == "/sapi/v1/system/status" {
        return Ok(Get::Status);
    }
    let path = call.path().strip_prefix("/api").unwrap_or_default();
    let mini = call.value("type").is_some_and(|sort| sort == "MINI");
    let sort = |sort| if mini { Sort::Mini } else { sort };
    match path {
        "/v3/ping" => Ok(Get::Ping),
        "/v3/time" => Ok(Get::Time),
        "/v3/depth" | "/v1/depth" => depth(call),
        "/v3/exchangeInfo" => symbols(call).map(Get::ExchangeInfo),
        "/v3/ticker/24hr" => Ok(Get::Ticker(sort(Sort::Full), symbols(call)?)),
        "/v3/ticker/tradingDay" | "/v3/ticker" => match symbols(call)? {
            Symbols::All => Err(Fault::missing("symbol")),
            named => Ok(Get::Ticker(sort(Sort::Window), named)),
        },
        "/v3/ticker/price" => Ok(Get::Ticker(Sort::Price, symbols(call)?)),
        "/v3/ticker/bookTicker" => Ok(Get::Ticker(Sort::Best, symbols(call)?)),
        "/v3/avgPrice" => symbol(call).map(Get::AvgPrice),
        "/v3/trades" | "/v3/historicalTrades" => prints(call, false).map(Get::Prints),
        "/v3/klines" | "/v3/uiKlines" => candles(call).map(Get::Candles),
        "/v3/aggTrades" => prints(call, true).map(Get::Prints),
        _ => Err(Fault::refusal(Refusal::NoPath)),
    }
}

fn depth(call: Call<'_>) -> Result<Get, Fault> {
    let levels = number(call, "limit")?.unwrap_or(market::SNAPSHOT_LEVELS);
    Ok(Get::Depth {
        symbol: symbol(call)?,
        levels: levels.clamp(1, market::SNAPSHOT_LEVELS_MAX),
    })
}

/// Which prints, `aggregated` or not.
pub(crate) fn prints(call: Call<'_>, aggregated: bool) -> Result<Prints, Fault> {
    let limit = number(call, "limit")?.unwrap_or(PRINTS);
    Ok(Prints {
        symbol: symbol(call)?,
        aggregated,
        from_id: number(call, "fromId")?,
        since_ms: number(call, "startTime")?,
        until_ms: number(call, "endTime")?,
        limit: limit.clamp(1, PRINTS_MAX),
    })
}

/// Which candles.
pub(crate) fn candles(call: Call<'_>) -> Result<Candles, Fault> {
    let interval = call
        .value("interval")
        .ok_or_else(|| Fault::missing("interval"))?;
    let limit = number(call, "limit")?.unwrap_or(PRINTS);
    Ok(Candles {
        symbol: symbol(call)?,
        interval_ms: candles::interval_ms(&interval)
            .ok_or_else(|| Fault::new(400, -1120, "Invalid interval."))?,
        since_ms: number(call, "startTime")?,
        until_ms: number(call, "endTime")?,
        limit: limit.clamp(1, PRINTS_MAX),
    })
}

fn symbol(call: Call<'_>) -> Result<String, Fault> {
    let symbol = call.value("symbol").filter(|symbol| !symbol.is_empty());
    symbol
        .map(Cow::into_owned)
        .ok_or_else(|| Fault::missing("symbol"))
}

fn number<N: FromStr>(call: Call<'_>, name: &str) -> Result<Option<N>, Fault> {
    let read = |text: Cow<'_, str>| text.parse().map_err(|_| Fault::illegal(name));
    call.value(name).map(read).transpose()
}

/// `symbol` or `symbols`, which is a list as in JSON; neither means all.
fn symbols(call: Call<'_>) -> Result<Symbols, Fault> {
    match (call.value("symbol"), call.value("symbols")) {
        (None, None) => Ok(Symbols::All),
        (Some(symbol), None) => Ok(Symbols::One(symbol.into_owned())),
        // A space between two of them may be written as a plus.
        (None, Some(list)) => serde_json::from_str(&list.replace('+', " "))
            .map(Symbols::Some)
            .map_err(|_| Fault::illegal("symbols")),
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
    use crate::base::UnixNanos;

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

    fn read(target: &str) -> Result<Get, Fault> {
        get(Call::get(target))
    }

    #[test]
    fn a_snapshot_has_100_levels_unless_asked_and_never_over_5000() {
        let depth = |levels| {
            Ok(Get::Depth {
                symbol: "BTCUSDT".into(),
                levels,
            })
        };
        assert_eq!(read("/api/v3/depth?symbol=BTCUSDT"), depth(100));
        assert_eq!(read("/api/v1/depth?symbol=BTCUSDT&limit=9000"), depth(5000));
        assert_eq!(read("/api/v3/depth").unwrap_err().code, -1102);
        assert_eq!(
            read("/api/v3/depth?symbol=A&limit=x").unwrap_err().code,
            -1100
        );
        assert_eq!(read("/nowhere").unwrap_err().status, 404);
    }

    #[test]
    fn one_some_or_all_symbols_are_asked_for() {
        let info = |symbols| Ok(Get::ExchangeInfo(symbols));
        let some = |names: &[&str]| Symbols::Some(names.iter().map(|&n| n.to_owned()).collect());
        assert_eq!(read("/api/v3/exchangeInfo"), info(Symbols::All));
        assert_eq!(
            read("/api/v3/exchangeInfo?symbol=A"),
            info(Symbols::One("A".into()))
        );
        for list in ["%5B%22A%22,%22B%22%5D", "%5B%22A%22%2C+%22B%22%5D"] {
            let target = format!("/api/v3/exchangeInfo?symbols={list}");
            assert_eq!(read(&target), info(some(&["A", "B"])));
        }
        for (query, code) in [
            ("symbols=A", -1100),
            ("symbol=A&symbols=%5B%22A%22%5D", -1128),
        ] {
            let fault = read(&format!("/api/v3/exchangeInfo?{query}"));
            assert_eq!(fault.unwrap_err().code, code);
        }
        assert_eq!(read("/api/v3/ticker").unwrap_err().code, -1102);
    }

    #[test]
    fn a_request_weighs_what_the_documents_say() {
        for (target, weight) in [
            ("ping", 1),
            ("depth?symbol=A&limit=100", 5),
            ("depth?symbol=A&limit=5000", 250),
            ("ticker/24hr?symbol=A", 2),
            ("ticker/24hr", 80),
            ("ticker/price?symbol=A", 2),
            ("ticker/price", 4),
            ("ticker/bookTicker?symbols=%5B%22A%22%5D", 2),
            ("trades?symbol=A", 25),
            ("aggTrades?symbol=A", 4),
            ("avgPrice?symbol=A", 2),
        ] {
            let got = read(&format!("/api/v3/{target}")).unwrap();
            assert_eq!(got.weight(), weight, "{target}");
        }
    }

    #[test]
    fn prints_are_the_newest_or_begin_where_the_client_says() {
        let print = |id: u64| Trade {
            instrument: crate::base::InstrumentId(0),
            id,
            px: crate::base::Px(1),
            qty: crate::base::Qty(1),
            taker: crate::base::Side::Buy,
            exch_time: UnixNanos(id as i64 * 1_000_000),
        };
        for (query, ids) in [
            ("", 1..=9),
            ("&limit=2", 8..=9),
            ("&fromId=3&limit=2", 3..=4),
            ("&startTime=4&endTime=7", 4..=7),
            ("&endTime=7&limit=1", 7..=7),
        ] {
            let target = format!("/api/v3/aggTrades?symbol=A{query}");
            let Ok(Get::Prints(asked)) = read(&target) else {
                panic!("{target}")
            };
            let got = asked.pick((1..=9).map(print));
            assert!(got.iter().map(|trade| trade.id).eq(ids), "{query} {got:?}");
        }
    }
}
