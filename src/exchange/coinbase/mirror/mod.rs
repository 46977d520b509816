//! What the mirrors of both protocols do alike: how products and numbers are written, and what a
//! client follows. Knows neither's messages; holds no socket and no book.

use crate::base::instrument::{Asset, name};
use crate::base::{Channel, Decimal, Instrument, Px, Qty, Symbol, Trade, UnixNanos};
use crate::exchange::kit::listing;
use crate::exchange::kit::text::{self, plain};
use crate::exchange::mirror::{Call, Happened, Market, Offence, Pace, Played, Reply};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A client that has not subscribed so long after the upgrade is dropped.
pub(crate) const FIRST_SUBSCRIPTION_NS: i64 = 5_000_000_000;

/// How either service lists an instrument.
pub(crate) fn list(
    exchange: &'static str,
    base: &str,
    quote: &str,
    scales: (u8, u8),
) -> Instrument {
    let symbol = Symbol::from(&format!("{base}-{quote}")).unwrap_or_default();
    let asset = |code: &str| Asset::from(code).unwrap_or_default();
    Instrument {
        name: name(exchange, &[base, quote]),
        base: asset(base),
        quote: asset(quote),
        settle: asset(quote),
        notional_min: 10u128.pow(u32::from(scales.0 + scales.1)),
        ..Instrument::bare(exchange, symbol, scales)
    }
}

/// How either service lists what a recording shows: `BTC-USD`.
pub(crate) fn recorded(seen: &Instrument) -> Instrument {
    let (base, quote) = seen.symbol.split_once('-').unwrap_or((&seen.symbol, ""));
    listing::traded(seen, base, quote)
}

/// A price as a text.
pub(crate) fn px(px: Px, found: &Instrument) -> String {
    text::fixed(px.0.unsigned_abs(), found.px_scale)
}

/// A quantity as a text.
pub(crate) fn qty(qty: Qty, found: &Instrument) -> String {
    text::fixed(qty.0, found.qty_scale)
}

/// The step of prices as a text.
pub(crate) fn px_step(found: &Instrument) -> String {
    plain(found.tick.0.unsigned_abs(), found.px_scale)
}

/// The step of quantities as a text.
pub(crate) fn qty_step(found: &Instrument) -> String {
    plain(found.lot.0, found.qty_scale)
}

/// The smallest notional as a text.
pub(crate) fn notional(found: &Instrument) -> String {
    Decimal {
        units: found.notional_min,
        scale: found.px_scale + found.qty_scale,
    }
    .to_string()
}

/// A time as either service writes it, to the microsecond.
pub(crate) fn rfc3339(at: UnixNanos) -> String {
    let nanos = u64::try_from(at.0).unwrap_or_default();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    humantime::format_rfc3339_micros(time).to_string()
}

/// What people call an asset.
pub(crate) fn asset_name(asset: &str) -> &str {
    match asset {
        "BTC" => "Bitcoin",
        "ETH" => "Ethereum",
        "SOL" => "Solana",
        "USD" => "US Dollar",
        other => other,
    }
}

/// Whether an asset is money of a state, of which this exchange here lists one.
pub(crate) fn is_money(asset: &str) -> bool {
    asset == "USD"
}

/// The decimals of an asset, and the smallest amount of it.
pub(crate) fn asset_step(asset: &str) -> (u8, &'static str) {
    match is_money(asset) {
        true => (2, "0.01"),
        false => (8, "0.00000001"),
    }
}

/// All that is traded and paid with, each once.
pub(crate) fn assets(market: &dyn Market) -> BTreeSet<Asset> {
    let listings = market.listings().iter();
    let both = listings.map(|listing| [listing.instrument.base, listing.instrument.quote]);
    both.flatten().collect()
}

/// A number of the query.
pub(crate) fn number<N: std::str::FromStr>(call: Call<'_>, name: &str) -> Option<N> {
    call.value(name)?.parse().ok()
}

/// An answer that costs one.
pub(crate) fn answer(body: &Value) -> Reply {
    Reply::json(200, body.to_string(), 1)
}

/// The newest prints, newest first, at most so many.
pub(crate) fn newest(market: &dyn Market, listing: usize, count: usize) -> Vec<Trade> {
    market.prints(listing).rev().take(count).collect()
}

/// Whether a request subscribes (true) or unsubscribes; `None` for any other.
pub(crate) fn is_subscribe(request: &Value) -> Option<bool> {
    match request["type"].as_str() {
        Some("subscribe") => Some(true),
        Some("unsubscribe") => Some(false),
        _ => None,
    }
}

/// The end of a connection.
pub(crate) fn dropped(reason: &str) -> Result<(), Offence> {
    Err(Offence {
        code: 1000,
        reason: reason.to_owned(),
    })
}

/// The listings that one client follows, and how far it knows their books.
#[derive(Default)]
pub(crate) struct Followed {
    listings: BTreeMap<Channel, BTreeSet<usize>>,
    /// The id that each followed book was last shown at.
    shown: BTreeMap<usize, u64>,
    played: Played,
}

impl Followed {
    /// Nothing of this market is followed yet.
    pub(crate) fn open(market: &dyn Market) -> Self {
        Self {
            played: Played::of(market),
            ..Self::default()
        }
    }

    /// Whether a recording is played of which the client follows this channel of this product.
    pub(crate) fn carries(&self, channel: Channel, product: &str) -> bool {
        let listing = self.played.find(product);
        let followed = self.listings.get(&channel);
        listing.is_some_and(|n| followed.is_some_and(|all| all.contains(&n)))
    }

    /// Follows (`on`) or leaves one channel of these products. Gives the listings to follow, each
    /// with whether it is new to the client; products that are none are refused with `refuse`.
    pub(crate) fn change(
        &mut self,
        on: bool,
        channel: Channel,
        products: &Value,
        market: &dyn Market,
        mut refuse: impl FnMut(&str),
    ) -> Vec<(usize, bool)> {
        let mut begun = Vec::new();
        for product in products.as_array().into_iter().flatten() {
            let product = product.as_str().unwrap_or_default();
            let Some(listing) = market.find(product) else {
                refuse(&format!("{product} is not a valid product"));
                continue;
            };
            let listings = self.listings.entry(channel).or_default();
            if on {
                begun.push((listing, listings.insert(listing)));
            } else {
                listings.remove(&listing);
            }
        }
        begun
    }

    /// The book of this listing is about to be shown as it stands now.
    pub(crate) fn show(&mut self, listing: usize, market: &mut dyn Market) -> Instrument {
        market.flush(listing, Pace::Fast);
        let (id, _) = market.stands_at(listing, Pace::Fast);
        self.shown.insert(listing, id);
        market.listings()[listing].instrument
    }

    /// The instrument that something happened to, if the client follows it and does not know yet.
    pub(crate) fn news(&mut self, event: &Happened, market: &dyn Market) -> Option<Instrument> {
        let (channel, id) = match event {
            Happened::Depth { pace, diff, .. } if *pace == Pace::Fast => {
                (Channel::Depth, diff.instrument)
            }
            Happened::Depth { .. } => return None,
            Happened::Trade(trade) => (Channel::Trades, trade.instrument),
            Happened::Quote(quote) => (Channel::Quotes, quote.instrument),
        };
        self.listings.get(&channel)?.get(&id.index())?;
        let found = market.listings().get(id.index())?.instrument;
        if let Happened::Depth { diff, .. } = event {
            let shown = self.shown.entry(id.index()).or_default();
            if diff.last_id <= *shown {
                return None; // The snapshot had it.
            }
            *shown = diff.last_id;
        }
        Some(found)
    }

    /// The channels that are followed, each with its products.
    pub(crate) fn all(&self, market: &dyn Market) -> Vec<(Channel, Vec<String>)> {
        let symbol = |listing: &usize| market.listings()[*listing].instrument.symbol.to_string();
        let followed = self.listings.iter().filter(|(_, all)| !all.is_empty());
        followed
            .map(|(channel, all)| (*channel, all.iter().map(symbol).collect()))
            .collect()
    }

    /// How many streams the client follows.
    pub(crate) fn streams(&self) -> usize {
        self.listings.values().map(BTreeSet::len).sum()
    }
}

#[cfg(test)]
mod tests;
