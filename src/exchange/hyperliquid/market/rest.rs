//! Answers of the REST interface, and what recordings tell. Cold: clarity before speed, and no
//! request is made here.

use crate::base::instrument::name;
use crate::base::{Channel, Instrument, Kind, Symbol};
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::{RestRequest, Survey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Prices have at most this many decimals, less those of the size.
pub(crate) const PERP_DECIMALS: u8 = 6;
/// See [`PERP_DECIMALS`].
pub(crate) const SPOT_DECIMALS: u8 = 8;
/// The least worth of an order, in dollars of a perpetual and in the quote token of a pair.
const NOTIONAL_MIN: u128 = 10;

/// A question to `/info`, which is always a POST. Those about instruments weigh 20 each.
pub(crate) fn info(kind: &str) -> RestRequest {
    RestRequest {
        path: "/info".to_owned(),
        body: Some(format!(r#"{{"type":"{kind}"}}"#)),
        weight: 20,
    }
}

/// True for a pair of tokens, `PURR/USDC` or `@107`; perpetuals are called by their coin.
pub(crate) fn is_spot(symbol: &str) -> bool {
    symbol.starts_with('@') || symbol.contains('/')
}

/// Requests for what these symbols are part of, for all if there is none.
pub(crate) fn metadata_requests(symbols: &[&str]) -> Vec<RestRequest> {
    let wants = |spot| symbols.is_empty() || symbols.iter().any(|s| is_spot(s) == spot);
    let all = [("meta", false), ("spotMeta", true)].into_iter();
    let asked = all.filter(|(_, spot)| wants(*spot));
    asked.map(|(kind, _)| info(kind)).collect()
}

#[derive(Deserialize)]
struct Meta {
    universe: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Perpetual {
    name: String,
    sz_decimals: u8,
    #[serde(default)]
    is_delisted: bool,
}

#[derive(Deserialize)]
struct SpotMeta {
    universe: Vec<Value>,
    tokens: Vec<Value>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    /// Base and quote, by their index.
    tokens: [u32; 2],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    name: String,
    sz_decimals: u8,
    index: u32,
}

/// Decodes `meta` or `spotMeta`: the body says which.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let body: Value = read(body)?;
    if body["tokens"].is_array() {
        let meta: SpotMeta = of_shape(body)?;
        let tokens: Vec<Token> = listing::shaped(&meta.tokens).collect();
        let token = |index| {
            let mut tokens = tokens.iter();
            let found = tokens.find(|token| token.index == index);
            found.ok_or_else(|| format!("its token {index} is not listed"))
        };
        let pair = |pair: &Pair| {
            let [base, quote] = pair.tokens;
            spot(exchange, &pair.name, token(base)?, token(quote)?).map(Some)
        };
        return Ok(listing::each(&meta.universe, "name", pair));
    }
    let meta: Meta = of_shape(body)?;
    let one = |one: &Perpetual| perpetual(exchange, one).map(Some);
    Ok(listing::each(&meta.universe, "name", one))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("info: {error}"))
}

fn of_shape<T: DeserializeOwned>(body: Value) -> Result<T, String> {
    serde_json::from_value(body)
        .map_err(|error| format!("info is not of the documented shape: {error}"))
}

/// Prices are in dollars and margin is in USDC, which the name has.
fn perpetual(exchange: &'static str, one: &Perpetual) -> Result<Instrument, String> {
    let base = one.name.to_uppercase();
    Ok(Instrument {
        name: name(exchange, &[&base, "USDC", "PERP"]),
        base: listing::asset(&base)?,
        quote: listing::asset("USD")?,
        settle: listing::asset("USDC")?,
        kind: Kind::Perpetual,
        trading: !one.is_delisted,
        ..bare(exchange, &one.name, one.sz_decimals, PERP_DECIMALS)?
    })
}

fn spot(
    exchange: &'static str,
    symbol: &str,
    base: &Token,
    quote: &Token,
) -> Result<Instrument, String> {
    let (base_name, quote_name) = (base.name.to_uppercase(), quote.name.to_uppercase());
    let quote = listing::asset(&quote_name)?;
    Ok(Instrument {
        name: name(exchange, &[&base_name, &quote_name]),
        base: listing::asset(&base_name)?,
        quote,
        settle: quote,
        ..bare(exchange, symbol, base.sz_decimals, SPOT_DECIMALS)?
    })
}

/// The scales follow from the decimals of the size. The tick is the finest there is: prices of more
/// than five figures are refused unless they are whole, which no constant tick can say.
pub(crate) fn bare(
    exchange: &'static str,
    symbol: &str,
    size: u8,
    decimals: u8,
) -> Result<Instrument, String> {
    let symbol = listing::symbol(symbol)?;
    let px_scale = decimals.checked_sub(size);
    let px_scale = px_scale.ok_or_else(|| format!("its {size} decimals of size are too many"))?;
    Ok(Instrument {
        notional_min: NOTIONAL_MIN * 10u128.pow(u32::from(decimals)),
        ..Instrument::bare(exchange, symbol, (px_scale, size))
    })
}

#[derive(Deserialize)]
struct Named {
    universe: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    /// Of pairs, which have contexts in an order of their own.
    coin: Option<String>,
    day_ntl_vlm: String,
}

/// Decodes `metaAndAssetCtxs` or `spotMetaAndAssetCtxs`: the worth of what was traded in a day.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    let (meta, contexts): (Named, Vec<Value>) = read(body)?;
    let names = meta
        .universe
        .iter()
        .map(|one| one["name"].as_str().map(str::to_owned));
    let volume = |(name, context): (Option<String>, &Value)| {
        let context = Context::deserialize(context).ok()?;
        let symbol = Symbol::from(&context.coin.or(name)?).ok()?;
        Some((symbol, context.day_ntl_vlm.parse().ok()?))
    };
    // A coin of its own needs no name from the list, which may be the shorter one.
    let names = names.chain(std::iter::repeat(None));
    Ok(names.zip(&contexts).filter_map(volume).collect())
}

/// Symbol and numbers of a recorded frame.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return;
    };
    let Some(channel) = frame["channel"].as_str() else {
        return;
    };
    let data = &frame["data"];
    if channel == "subscriptionResponse" {
        let asked = &data["subscription"];
        let known = asked["type"]
            .as_str()
            .and_then(super::super::channel)
            .is_some();
        if let Some(coin) = asked["coin"].as_str().filter(|_| known) {
            survey.symbol(coin);
        }
        return;
    }
    let Some(kind) = super::super::channel(channel) else {
        if channel != "pong" && channel != "error" {
            survey.other(channel);
        }
        return;
    };
    let mut level = |coin: &Value, item: &Value| {
        if let (Some(coin), Some(px), Some(sz)) =
            (coin.as_str(), item["px"].as_str(), item["sz"].as_str())
        {
            survey.level(coin, px, sz);
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    list(data)
        .iter()
        .for_each(|item| level(&item["coin"], item));
    let sides = list(&data["levels"]);
    let levels = sides.iter().flat_map(list).chain(list(&data["bbo"]));
    levels.for_each(|item| level(&data["coin"], &item));
    if let Some(coin) = data["coin"].as_str() {
        match kind {
            Channel::Depth => survey.book(coin, None),
            Channel::Trades | Channel::Quotes => survey.symbol(coin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Contract, Px, Qty};
    use crate::exchange::Exchange;
    use crate::exchange::hyperliquid::Hyperliquid;

    const META: &str = r#"{"universe":[
        {"szDecimals":5,"name":"BTC","maxLeverage":40,"marginTableId":56},
        {"szDecimals":0,"name":"kBONK","maxLeverage":10,"isDelisted":true},
        {"szDecimals":9,"name":"ODD","maxLeverage":3}],"marginTables":[]}"#;
    const SPOT: &str = r#"{"universe":[
        {"tokens":[1,0],"name":"PURR/USDC","index":0,"isCanonical":true},
        {"tokens":[150,0],"name":"@107","index":107,"isCanonical":false},
        {"tokens":[7,0],"name":"@2","index":2,"isCanonical":false}],
        "tokens":[{"name":"USDC","szDecimals":8,"weiDecimals":8,"index":0},
        {"name":"PURR","szDecimals":0,"weiDecimals":5,"index":1},
        {"name":"HYPE","szDecimals":2,"weiDecimals":8,"index":150}]}"#;

    #[test]
    fn scales_follow_from_the_decimals_of_the_size() {
        let mut listed = metadata(META.as_bytes(), "hyperliquid").unwrap();
        listed.extend(metadata(SPOT.as_bytes(), "hyperliquid").unwrap());
        let left: Vec<&str> = listed
            .left_out
            .iter()
            .map(|one| one.symbol.as_str())
            .collect();
        assert_eq!(left, ["ODD", "@2"]);
        let found = listed.instruments;
        let facts: Vec<_> = found
            .iter()
            .map(|i| (i.name.as_str(), i.symbol.as_str(), i.px_scale, i.qty_scale))
            .collect();
        let expected = [
            ("hyperliquid:BTC-USDC-PERP", "BTC", 1, 5),
            ("hyperliquid:KBONK-USDC-PERP", "kBONK", 6, 0),
            ("hyperliquid:PURR-USDC", "PURR/USDC", 8, 0),
            ("hyperliquid:HYPE-USDC", "@107", 6, 2),
        ];
        assert_eq!(facts, expected);
        let perp = &found[0];
        assert_eq!((perp.quote.as_str(), perp.settle.as_str()), ("USD", "USDC"));
        assert_eq!((perp.kind, perp.contract), (Kind::Perpetual, Contract::ONE));
        assert_eq!((perp.tick, perp.lot, perp.trading), (Px(1), Qty(1), true));
        assert!(!found[1].trading);
        let ten = |i: &Instrument| i.notional_min / 10u128.pow(u32::from(i.px_scale + i.qty_scale));
        assert!(found.iter().all(|i| ten(i) == 10));
        assert!(metadata(b"null", "hyperliquid").is_err());
    }

    #[test]
    fn perpetuals_and_pairs_are_asked_for_where_they_are_wanted() {
        let bodies = |symbols: &[&str]| -> Vec<String> {
            let requests = Hyperliquid.metadata_requests(symbols).into_iter();
            requests.filter_map(|request| request.body).collect()
        };
        let both = [r#"{"type":"meta"}"#, r#"{"type":"spotMeta"}"#];
        assert_eq!(bodies(&[]), both);
        assert_eq!(bodies(&["BTC", "@107"]), both);
        assert_eq!(bodies(&["kBONK"]), both[..1]);
        assert_eq!(bodies(&["PURR/USDC"]), both[1..]);
    }

    #[test]
    fn volumes_are_of_the_coin_that_they_stand_beside_or_name() {
        let perps =
            br#"[{"universe":[{"name":"BTC","szDecimals":5},{"name":"ETH","szDecimals":4}]},
            [{"dayNtlVlm":"900.5","midPx":null},{"dayNtlVlm":"70.0"}]]"#;
        let pairs = br#"[{"universe":[{"name":"PURR/USDC"}],"tokens":[]},
            [{"dayNtlVlm":"1.0","coin":"@107"},{"dayNtlVlm":"2.0","coin":"PURR/USDC"}]]"#;
        let mut found = volumes(perps).unwrap();
        found.extend(volumes(pairs).unwrap());
        let found: Vec<_> = found.iter().map(|(s, v)| (s.as_str(), *v)).collect();
        let expected = [
            ("BTC", 900.5),
            ("ETH", 70.0),
            ("@107", 1.0),
            ("PURR/USDC", 2.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_survey_finds_symbols_and_scales() {
        let mut found = Survey::default();
        for frame in [
            r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"bbo","coin":"SOL"}}}"#,
            r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"candle","coin":"NO"}}}"#,
            r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[{"px":"1.25","sz":"3","n":1}],[]]}}"#,
            r#"{"channel":"trades","data":[{"coin":"BTC","px":"1.5","sz":"0.125"}]}"#,
            r#"{"channel":"bbo","data":{"coin":"ETH","time":1,"bbo":[null,{"px":"7.5","sz":"1","n":1}]}}"#,
            r#"{"channel":"pong"}"#,
        ] {
            Hyperliquid.survey(frame, &mut found);
        }
        let instruments = found.instruments("hyperliquid");
        let facts: Vec<_> = instruments
            .iter()
            .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
            .collect();
        assert_eq!(facts, [("SOL", 0, 0), ("BTC", 2, 3), ("ETH", 1, 0)]);
        assert_eq!(found.recorded_depth(&Hyperliquid).unwrap().name, "fast");
    }
}
