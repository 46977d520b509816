//! Answers of the REST interface, which has the same methods as the WebSocket. Cold: clarity before
//! speed, and no request is made here.

use crate::base::instrument::{Contract, Kind, name};
use crate::base::{Instrument, Px, Qty, Symbol, decimal};
use crate::exchange::kit::Value;
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::kit::tape::Scratch;

/// What is listed.
pub(crate) const INSTRUMENTS: &str = "/api/v2/public/get_instruments";
/// What each instrument of a currency did in 24 hours.
pub(crate) const SUMMARIES: &str = "/api/v2/public/get_book_summary_by_currency";

/// Hands each element of `{"result":[…]}` to `each`, its numbers as texts. What it gives nothing
/// for is left out.
fn results<R>(
    body: &[u8],
    what: &str,
    each: impl Fn(&Entry<'_>) -> Option<R>,
) -> Result<Vec<R>, String> {
    let found = Scratch::warmed(b"[]").read_exact(body, |root| {
        let entries = root.find(b"result").array()?;
        Ok(entries.filter_map(|entry| each(&Entry(entry))).collect())
    });
    found.map_err(|why| format!("{what} is not of the documented shape: {}", why.name()))
}

/// One object of an answer.
struct Entry<'t>(Value<'t>);

impl<'t> Entry<'t> {
    /// A text, or a number as its text.
    fn text(&self, key: &str) -> Option<&'t str> {
        self.0.find(key.as_bytes()).string()
    }

    fn truth(&self, key: &str) -> bool {
        self.0.find(key.as_bytes()).boolean() == Ok(true)
    }

    /// Ticks of prices: below some price smaller ones hold.
    fn ticks(&self) -> impl Iterator<Item = &'t str> {
        let steps = self.0.find(b"tick_size_steps").items();
        let steps = steps.filter_map(|step| step.find(b"tick_size").string());
        self.text("tick_size").into_iter().chain(steps)
    }
}

/// Decodes `get_instruments`.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let read = |entry: &Entry<'_>| {
        let symbol = entry.text("instrument_name").unwrap_or_default();
        Some((symbol.to_owned(), instrument(entry, symbol, exchange)))
    };
    let mut listings = Listings::default();
    for (symbol, one) in results(body, "get_instruments", read)? {
        listings.add(&symbol, one);
    }
    Ok(listings)
}

/// Nothing for combinations of instruments, whose prices may be negative.
fn instrument(
    entry: &Entry<'_>,
    symbol: &str,
    exchange: &'static str,
) -> Result<Option<Instrument>, String> {
    let kind = match entry.text("kind") {
        Some("spot") => Kind::Spot,
        Some("option") => Kind::Option,
        Some("future") if entry.text("settlement_period") == Some("perpetual") => Kind::Perpetual,
        Some("future") => Kind::Future,
        _ => return Ok(None),
    };
    let symbol = listing::symbol(symbol)?;
    let said = |key| entry.text(key).ok_or_else(|| format!("it has no {key}"));
    let asset = |key| listing::asset(said(key)?);
    let (base, quote) = (asset("base_currency")?, asset("quote_currency")?);
    // An option's price is in the asset that it is settled in, its strike in another.
    let counter = asset("counter_currency").unwrap_or(quote);
    let day = || {
        let day = symbol.split('-').nth(1).and_then(date);
        day.ok_or_else(|| "its name has no day".to_owned())
    };
    let name = match kind {
        Kind::Spot => name(exchange, &[&base, &quote]),
        Kind::Perpetual => name(exchange, &[&base, &counter, "PERP"]),
        Kind::Future => name(exchange, &[&base, &counter, &day()?]),
        Kind::Option => {
            let right = match said("option_type")? {
                "call" => "C",
                "put" => "P",
                other => return Err(format!("its option_type {other:?} is unknown")),
            };
            let strike = plain(said("strike")?).ok_or("its strike is no number")?;
            name(exchange, &[&base, &counter, &day()?, &strike, right])
        }
    };
    let mut ticks: Vec<&str> = entry.ticks().collect();
    let (tick_scale, tick) = finest(&ticks).ok_or("its ticks are no steps")?;
    // Block trades are printed beside the others, and may be finer than any order.
    ticks.extend(entry.text("block_trade_tick_size"));
    let px_scale = finest(&ticks).map_or(tick_scale, |(scale, _)| scale);
    let tick = u128::from(tick) * 10u128.pow(u32::from(px_scale - tick_scale));
    let tick = i64::try_from(tick).map_err(|_| "its tick does not fit")?;
    // Orders are in whole contracts, or in steps of the smallest order if that is less than one
    // (options).
    let amounts = [entry.text("contract_size"), entry.text("min_trade_amount")];
    let amounts: Vec<&str> = amounts.into_iter().flatten().collect();
    let (qty_scale, lot) = finest(&amounts).ok_or("its amounts are no steps")?;
    let qty_min = listing::units("smallest order", said("min_trade_amount")?, qty_scale)?;
    // Amounts of inverse perpetuals and futures are in dollars; of all others, options too, in the
    // base asset.
    let futures = matches!(kind, Kind::Perpetual | Kind::Future);
    let inverse = futures && entry.text("instrument_type") == Some("reversed");
    Ok(Some(Instrument {
        name,
        base,
        quote,
        settle: asset("settlement_currency").unwrap_or(quote),
        kind,
        contract: Contract {
            inverse,
            ..Contract::ONE
        },
        tick: Px(tick),
        lot: Qty(lot),
        qty_min: Qty(qty_min.max(1)),
        trading: entry.truth("is_active"),
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    }))
}

/// The scale that all of these steps fit at, and the smallest of them at it; above zero.
fn finest(steps: &[&str]) -> Option<(u8, u64)> {
    let at = |scale| {
        let units = steps
            .iter()
            .map(|step| decimal::parse(step.as_bytes(), scale));
        let units: Vec<u64> = units.collect::<Result<_, _>>().ok()?;
        Some((scale, units.into_iter().filter(|units| *units > 0).min()?))
    };
    (0..=decimal::SCALE_MAX).find_map(at)
}

/// A number without zeros at its end: `100000.0` is `100000`.
fn plain(text: &str) -> Option<String> {
    const SCALE: u8 = 8;
    let mut out = String::new();
    let units = decimal::parse(text.as_bytes(), SCALE).ok()?;
    crate::exchange::kit::text::push_plain(&mut out, units, SCALE);
    Some(out)
}

/// `5DEC26` as `261205`.
pub(crate) fn date(text: &str) -> Option<String> {
    let [year, month, day] = listing::day(text)?;
    Some(format!("{year:02}{month:02}{day:02}"))
}

/// Decodes `get_book_summary_by_currency`: the volume in dollars.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    results(body, "get_book_summary_by_currency", |entry| {
        let symbol = Symbol::from(entry.text("instrument_name")?).ok()?;
        Some((symbol, entry.text("volume_usd")?.parse().ok()?))
    })
}
