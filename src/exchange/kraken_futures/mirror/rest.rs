//! The REST answers of the simulated exchange: instruments and tickers.

use crate::exchange::kit::text::push_plain;
use crate::exchange::mirror::{Call, Listing, Market, Reply};
use serde_json::json;

/// Answers one request.
pub(crate) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    let path = call.target.split('?').next().unwrap_or_default();
    let (key, of): (_, fn(&Listing) -> String) = match path {
        "/derivatives/api/v3/instruments" => ("instruments", instrument),
        "/derivatives/api/v3/tickers" => ("tickers", ticker),
        _ => {
            return Reply {
                status: 404,
                body: r#"{"result":"error","error":"notFound"}"#.to_owned(),
                weight: 1,
            };
        }
    };
    let items: Vec<String> = market.listings().iter().map(of).collect();
    Reply {
        status: 200,
        body: format!(r#"{{"result":"success","{key}":[{}]}}"#, items.join(",")),
        weight: 1,
    }
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
