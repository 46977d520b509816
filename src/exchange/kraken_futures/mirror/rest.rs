//! The REST answers of the simulated exchange: instruments and tickers.

use crate::exchange::kit::text::push_plain;
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::json;

/// Answers one request.
pub(crate) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let (key, of): (_, fn(&Listing) -> String) = match call.path() {
        "/derivatives/api/v3/instruments" => ("instruments", instrument),
        "/derivatives/api/v3/tickers" => ("tickers", ticker),
        _ => return refuse(Refusal::NoPath),
    };
    let items: Vec<String> = market.listings().iter().map(of).collect();
    let items = items.join(",");
    Reply::json(
        200,
        format!(r#"{{"result":"success","{key}":[{items}]}}"#),
        1,
    )
}

/// Refuses a request.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, error) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "apiLimitExceeded"),
        Refusal::NoPath => (404, "notFound"),
        Refusal::NoMethod => (405, "methodNotAllowed"),
    };
    let body = json!({"result": "error", "error": error});
    Reply::json(status, body.to_string(), 1)
}

/// Numbers are written as text, exactly.
fn instrument(listing: &Listing) -> String {
    let instrument = &listing.instrument;
    let mut tick = String::new();
    push_plain(
        &mut tick,
        instrument.tick.0.unsigned_abs(),
        instrument.px_scale,
    );
    format!(
        r#"{{"symbol":{},"type":"flexible_futures","tickSize":{tick},"contractSize":1,"tradeable":{},"contractValueTradePrecision":{},"base":{},"quote":{}}}"#,
        json!(instrument.symbol.as_str()),
        instrument.trading,
        instrument.qty_scale,
        json!(instrument.base.as_str()),
        json!(instrument.quote.as_str()),
    )
}

fn ticker(listing: &Listing) -> String {
    let symbol = listing.instrument.symbol;
    let symbol = symbol.as_str();
    json!({"symbol": symbol, "vol24h": 1.0, "volumeQuote": listing.volume as f64}).to_string()
}
