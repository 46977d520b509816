//! The exchange's half of the protocol: what Binance itself writes and reads, for the simulated
//! exchange. Pure functions of values: holds no socket, no clock and no book.

mod account;
pub(crate) mod candles;
pub(crate) mod control;
mod market;
mod public;
mod recorded;
pub(crate) mod route;
mod sbe;
mod session;
pub(crate) mod ticker;

use crate::base::instrument::name;
use crate::base::{Asset, Instrument, Px, Qty, Side, Span, Symbol, UnixNanos};
use crate::exchange::binance_spot::SBE;
use crate::exchange::kit::listing;
use crate::exchange::mirror::{
    Accounts, Ban, Call, Listing, Market, Method, Mirror, MirrorSession, Pace, Refusal, Reply,
};
use route::{Get, Sort, Symbols};
use serde_json::Value;
use session::SpotSession;
use std::fmt::Write;
use ticker::{Decimals, Ticker};

/// Decimals that Binance pads every price and quantity to.
pub(crate) const PRECISION: u8 = 8;

/// The unit of every timestamp on one connection (`timeUnit` in its URL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimeUnit {
    /// Milliseconds, the exchange's default.
    #[default]
    Millis,
    /// Microseconds, if the client asked for them.
    Micros,
}

impl TimeUnit {
    /// `at` in this unit since 1970.
    pub(crate) const fn of(self, at: UnixNanos) -> i64 {
        match self {
            Self::Millis => at.as_millis(),
            Self::Micros => at.as_micros(),
        }
    }
}

/// A refusal: HTTP-like status, Binance's code, and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// HTTP status, or the `status` of a WebSocket API answer.
    pub(crate) status: u16,
    /// Binance's error code, below zero.
    pub(crate) code: i32,
    /// Binance's words for it.
    pub(crate) msg: String,
    /// What else it says; null if nothing.
    pub(crate) data: Value,
}

impl Fault {
    /// A refusal of these three.
    pub(crate) fn new(status: u16, code: i32, msg: impl Into<String>) -> Self {
        Self {
            status,
            code,
            msg: msg.into(),
            data: Value::Null,
        }
    }

    /// The same, with what else it says.
    pub(crate) fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// -1102: this parameter must be sent.
    pub(crate) fn missing(name: &str) -> Self {
        let msg =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Self::new(400, -1102, msg)
    }

    /// -1100: this parameter cannot be read.
    pub(crate) fn illegal(name: &str) -> Self {
        let msg = format!("Illegal characters found in parameter '{name}'.");
        Self::new(400, -1100, msg)
    }

    /// -1121: no such symbol here.
    pub(crate) fn invalid_symbol() -> Self {
        Self::new(400, -1121, "Invalid symbol.")
    }

    /// What a request is refused with that is not looked at.
    pub(crate) fn refusal(why: Refusal) -> Self {
        match why {
            Refusal::TooMany { .. } => Self::new(429, -1003, "Too many requests."),
            Refusal::Banned { .. } => Self::new(418, -1003, "Way too many requests; IP banned."),
            Refusal::NoPath => Self::new(404, -1000, "No such endpoint."),
            Refusal::NoMethod => Self::new(405, -1020, "This operation is not supported."),
        }
    }

    /// The body of a REST refusal.
    pub(crate) fn body(&self) -> String {
        self.error().to_string()
    }

    /// As answers have it.
    pub(crate) fn error(&self) -> Value {
        let mut error = serde_json::json!({"code": self.code, "msg": self.msg});
        if !self.data.is_null() {
            error["data"] = self.data.clone();
        }
        error
    }
}

/// Appends `units` of 10^-`scale` with at least [`PRECISION`] decimals: `30000.01000000`.
pub(crate) fn push_padded(out: &mut String, units: u64, scale: u8) {
    let one = 10u64.pow(u32::from(scale));
    let (whole, part, width) = (units / one, units % one, usize::from(scale));
    // Writing into a `String` cannot fail.
    let _ = match scale {
        0 => write!(out, "{whole}."),
        _ => write!(out, "{whole}.{part:0width$}"),
    };
    out.extend((scale..PRECISION).map(|_| '0'));
}

/// Pads a plain decimal with zeros to [`PRECISION`] decimals.
fn pad_text(mut text: String) -> String {
    let point = text.find('.').unwrap_or_else(|| {
        text.push('.');
        text.len() - 1
    });
    while text.len() - point - 1 < usize::from(PRECISION) {
        text.push('0');
    }
    text
}

fn padded(units: u64, scale: u8) -> String {
    let mut text = String::with_capacity(24);
    push_padded(&mut text, units, scale);
    text
}

/// Largest quantity of a listing's orders when nothing smaller is wanted, at `qty_scale` 8.
pub(crate) const QTY_MAX: Qty = Qty(900_000_000_000_000_000);

/// Largest worth of an order, in whole units of the quote asset.
pub(crate) const NOTIONAL_MAX: u64 = 9_000_000;

/// Whoever goes on after 429 is banned, for two minutes at first.
pub(crate) const BAN: Ban = Ban {
    warnings: 10,
    span: Span::from_secs(120),
};

/// The listing that the exchange calls so, and its place among `listings`.
pub(crate) fn find<'l>(listings: &'l [Listing], symbol: &str) -> Option<(usize, &'l Listing)> {
    let mut numbered = listings.iter().enumerate();
    numbered.find(|(_, listing)| listing.instrument.symbol.as_str() == symbol)
}

/// The server half of a spot market of the Binance family.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpotMirror {
    exchange: &'static str,
    /// It takes orders, too.
    whole: bool,
}

impl SpotMirror {
    /// The market that the registry calls `exchange`, with order entry.
    pub(crate) const fn whole(exchange: &'static str) -> Self {
        let whole = true;
        Self { exchange, whole }
    }

    /// The market that the registry calls `exchange`, market data only.
    pub(crate) const fn market(exchange: &'static str) -> Self {
        let whole = false;
        Self { exchange, whole }
    }

    /// Answers a GET, times in `unit`.
    fn answer(
        &self,
        unit: TimeUnit,
        call: Call<'_>,
        market: &mut dyn Market,
    ) -> Result<Reply, Fault> {
        if call.method != Method::Get {
            return Err(Fault::refusal(Refusal::NoMethod));
        }
        let get = route::get(call)?;
        let weight = get.weight();
        let now = market.now();
        let mut status = 200;
        let body = match get {
            Get::Ping => "{}".to_owned(),
            Get::Time => market::server_time(unit, now).to_string(),
            Get::Depth { symbol, levels } => {
                let n = named(market, &symbol)?;
                match market.take_recorded(n) {
                    None => depth(market, n, levels),
                    Some(Some(body)) => body,
                    Some(None) => {
                        status = 503;
                        Fault::new(status, -1001, "no further snapshot was recorded").body()
                    }
                }
            }
            Get::ExchangeInfo(symbols) => {
                let listings = asked(market, &symbols)?;
                let listings = listings.into_iter().map(|n| &market.listings()[n]);
                market::exchange_info(unit, now, self.weight_max(), listings).to_string()
            }
            Get::Ticker(sort, symbols) => {
                let listings = asked(market, &symbols)?;
                let mut all = listings.into_iter().map(|n| ticker(market, n, sort, unit));
                match symbols {
                    Symbols::One(_) => all.next().unwrap_or_default().to_string(),
                    Symbols::All | Symbols::Some(_) => all.collect::<Value>().to_string(),
                }
            }
            Get::Prints(asked) => {
                let n = named(market, &asked.symbol)?;
                let instrument = &market.listings()[n].instrument;
                let prints = asked.pick(market.prints(n));
                let write = |trade| match asked.aggregated {
                    true => market::aggregate(instrument, unit, trade),
                    false => market::print(instrument, unit, trade),
                };
                prints.iter().map(write).collect::<Value>().to_string()
            }
            Get::Candles(asked) => {
                let n = named(market, &asked.symbol)?;
                let format = Ticker::of(market, n, Decimals::Eight, unit);
                asked.write(market, n, &format).to_string()
            }
            Get::Status => r#"{"status":0,"msg":"normal"}"#.to_owned(),
            Get::AvgPrice(symbol) => {
                let n = named(market, &symbol)?;
                market::average(market, n, unit).to_string()
            }
        };
        Ok(Reply::json(status, body, weight))
    }

    /// Weight of requests that one address has in a minute.
    fn weight_max(&self) -> u32 {
        let exchange = crate::exchange::by_name(self.exchange);
        exchange.map_or(0, |exchange| exchange.limits().rest_weight.count)
    }
}

impl Mirror for SpotMirror {
    /// Prices have eight decimals, whatever the tick is, as at the exchange. A symbol that is too
    /// long is cut.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let qty_decimals = qty_decimals.min(PRECISION);
        let qty_scale = listing::qty_scale(qty_decimals, PRECISION);
        let step = |scale: u8, decimals: u8| 10u64.pow(u32::from(scale - decimals.min(scale)));
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        let symbol = Symbol::from(&format!("{base}{quote}")).unwrap_or_default();
        let lot = Qty(step(qty_scale, qty_decimals));
        Instrument {
            name: name(self.exchange, &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            tick: Px(step(PRECISION, px_decimals) as i64),
            lot,
            qty_min: lot,
            qty_max: Qty(9_000 * step(qty_scale, 0)),
            notional_min: 5 * 10u128.pow(u32::from(PRECISION + qty_scale)),
            ..Instrument::bare(self.exchange, symbol, (PRECISION, qty_scale))
        }
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        Some(Box::new(SpotSession::open(target)?))
    }

    /// Who names a key, or asks at the host for it, is asking for SBE: other streams need none, and
    /// by an address the host is not named. How a bad key is refused there is not documented.
    fn binary_session(&self, upgrade: Call<'_>) -> Option<Result<Box<dyn MirrorSession>, Reply>> {
        let key = upgrade.header(SBE.key_header);
        let name = |host_port: &str| host_port.split(':').next().map(str::to_ascii_lowercase);
        let asked = upgrade.header("host").and_then(name) == name(SBE.stream);
        if !self.whole || (key.is_none() && !asked) {
            return None;
        }
        let session = SpotSession::open(upgrade.target)?.in_sbe();
        Some(match key.is_some_and(account::is_ed25519) {
            true => Ok(Box::new(session)),
            false => {
                let fault = account::unauthorised();
                Err(Reply::json(fault.status, fault.body(), 1))
            }
        })
    }

    fn recorded(&self, seen: &Instrument) -> Instrument {
        recorded::list(seen)
    }

    fn accounts(&self) -> Option<&dyn Accounts> {
        self.whole.then_some(self)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        self.answer(TimeUnit::Millis, call, market)
            .unwrap_or_else(|fault| Reply::json(fault.status, fault.body(), 1))
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        let fault = Fault::refusal(why);
        let reply = Reply::json(fault.status, fault.body(), 1);
        match why {
            Refusal::TooMany { retry_after_s } | Refusal::Banned { retry_after_s } => {
                reply.retry_after(retry_after_s)
            }
            Refusal::NoPath | Refusal::NoMethod => reply,
        }
    }

    fn spent_headers(&self) -> &'static [&'static str] {
        &["X-MBX-USED-WEIGHT", "X-MBX-USED-WEIGHT-1M"]
    }

    fn ban(&self) -> Option<Ban> {
        Some(BAN)
    }
}

fn depth(market: &dyn Market, n: usize, levels: usize) -> String {
    // Both streams share the ids of the book: nothing needs to be published before it is shown.
    let (last_id, _) = market.stands_at(n, Pace::Fast);
    let side = |side| market.levels(n, side).take(levels);
    let instrument = &market.listings()[n].instrument;
    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
    market::snapshot(instrument, last_id, bids, asks)
}

fn ticker(market: &dyn Market, n: usize, sort: Sort, unit: TimeUnit) -> Value {
    let ticker = Ticker::of(market, n, Decimals::Eight, unit);
    match sort {
        Sort::Full => ticker.full(),
        Sort::Window => ticker.window(),
        Sort::Mini => ticker.mini(),
        Sort::Price => ticker.price(),
        Sort::Best => ticker.best(),
    }
}

fn named(market: &dyn Market, symbol: &str) -> Result<usize, Fault> {
    market.find(symbol).ok_or_else(Fault::invalid_symbol)
}

/// The places of the listings that are asked for.
fn asked(market: &dyn Market, symbols: &Symbols) -> Result<Vec<usize>, Fault> {
    match symbols {
        Symbols::All => Ok((0..market.listings().len()).collect()),
        Symbols::One(symbol) => Ok(vec![named(market, symbol)?]),
        Symbols::Some(symbols) => symbols.iter().map(|symbol| named(market, symbol)).collect(),
    }
}

#[cfg(test)]
mod tests;
