//! The REST half: instruments, tickers, books, prints, the time. Holds nothing.

use super::data;
use crate::base::{Contract, Instrument, Kind, Level, Qty, Side, Span};
use crate::exchange::Rate;
use crate::exchange::mirror::{Call, Listing, Market, Method, Pace, Quota, Refusal, Reply};
use serde_json::{Value, json};

/// What an endpoint answers: its data, or why there are none.
type Answer = Result<Vec<Value>, Why>;
/// Status, code and words of a refusal.
type Why = (u16, &'static str, String);

/// What one endpoint takes from one address within two seconds.
const fn quota(name: &'static str, count: u32) -> Quota {
    let per = Span::from_secs(2);
    Quota {
        name,
        rate: Rate { count, per },
        burst: count,
    }
}

/// Answers a request.
pub(crate) fn reply(call: Call<'_>, market: &dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let asked = Asked { call, market };
    let kind = asked.value("instType").unwrap_or_default();
    let (quota, data) = match call.path() {
        "/api/v5/public/time" => (quota("time", 10), asked.time()),
        "/api/v5/public/instruments" => {
            // Each type has a limit of its own here.
            let name = match kind.as_str() {
                "SPOT" => "instruments SPOT",
                "SWAP" => "instruments SWAP",
                "FUTURES" => "instruments FUTURES",
                "OPTION" => "instruments OPTION",
                _ => "instruments",
            };
            (quota(name, 20), asked.instruments())
        }
        "/api/v5/market/tickers" => (quota("tickers", 20), asked.tickers()),
        "/api/v5/market/ticker" => (quota("ticker", 20), asked.ticker()),
        "/api/v5/market/books" => (quota("books", 40), asked.book()),
        "/api/v5/market/books-full" => (quota("books-full", 10), asked.full_book()),
        "/api/v5/market/trades" => (quota("trades", 100), asked.prints()),
        "/api/v5/market/history-trades" => (quota("history-trades", 20), asked.older_prints()),
        _ => return refuse(Refusal::NoPath),
    };
    let reply = match data {
        Ok(data) => answer(200, "0", "", data),
        Err((status, code, msg)) => answer(status, code, &msg, Vec::new()),
    };
    reply.within(quota)
}

/// Refuses a request without looking at it.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, code, msg) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "50011", "Too Many Requests"),
        Refusal::NoPath => (404, "404", "Not Found"),
        Refusal::NoMethod => (405, "50115", "Invalid request method"),
    };
    answer(status, code, msg, Vec::new())
}

/// Endpoints have limits of their own, and all of them together none.
fn answer(status: u16, code: &str, msg: &str, data: Vec<Value>) -> Reply {
    let body = json!({"code": code, "msg": msg, "data": data});
    Reply::json(status, body.to_string(), 0)
}

/// One request.
struct Asked<'a> {
    call: Call<'a>,
    market: &'a dyn Market,
}

impl<'a> Asked<'a> {
    /// A parameter; an empty one counts as none.
    fn value(&self, name: &str) -> Option<String> {
        let value = self.call.value(name).filter(|value| !value.is_empty());
        value.map(std::borrow::Cow::into_owned)
    }

    /// A number of things, at most so many of them.
    fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Why> {
        match self.value(name) {
            None => Ok(default),
            Some(text) => {
                let number = text.parse::<usize>().ok().filter(|number| *number > 0);
                number
                    .map(|number| number.min(most))
                    .ok_or_else(|| bad(name))
            }
        }
    }

    /// The one instrument that must be named.
    fn one(&self) -> Result<(usize, &'a Listing), Why> {
        let asked = self.value("instId").ok_or_else(|| {
            let msg = "Parameter instId can not be empty.".to_owned();
            (400, "50014", msg)
        })?;
        let n = self.market.find(&asked).ok_or_else(|| {
            let msg = "Instrument ID doesn't exist.".to_owned();
            (200, "51001", msg)
        })?;
        Ok((n, &self.market.listings()[n]))
    }

    /// Those of the type that must be named, and of the family and the name that may be.
    fn filtered(&self) -> Result<Vec<(usize, &'a Listing)>, Why> {
        let asked = self.value("instType").unwrap_or_default();
        let known = asked == "MARGIN" || data::kind_of(&asked).is_some();
        if !known {
            return Err(bad("instType"));
        }
        let all = self.market.listings().iter().enumerate();
        let mut listed: Vec<_> = all
            .filter(|(_, one)| data::type_of(one.instrument.kind) == asked)
            .collect();
        // Spot pairs are of no family: what is said of one does not apply to them.
        if let Some(family) = self.value("instFamily").or(self.value("uly"))
            && asked != "SPOT"
        {
            listed.retain(|(_, one)| data::family(&one.instrument) == family);
        }
        if let Some(name) = self.value("instId") {
            listed.retain(|(_, one)| one.instrument.symbol.as_str() == name);
        }
        Ok(listed)
    }

    fn time(&self) -> Answer {
        let now_ms = self.market.now().as_millis();
        Ok(vec![json!({"ts": now_ms.to_string()})])
    }

    fn instruments(&self) -> Answer {
        let family = self.value("instFamily").or(self.value("uly"));
        if self.value("instType").as_deref() == Some("OPTION") && family.is_none() {
            let msg = "Either parameter uly or instFamily is required.".to_owned();
            return Err((400, "50015", msg));
        }
        let listed = self.filtered()?;
        if listed.is_empty() && self.value("instId").is_some() {
            let msg = "Instrument ID doesn't exist.".to_owned();
            return Err((200, "51001", msg));
        }
        let details = listed.iter().map(|(n, one)| details(*n, &one.instrument));
        Ok(details.collect())
    }

    fn tickers(&self) -> Answer {
        let listed = self.filtered()?;
        let tickers = listed.iter().map(|(n, _)| data::ticker(*n, self.market));
        Ok(tickers.collect())
    }

    fn ticker(&self) -> Answer {
        let (n, _) = self.one()?;
        Ok(vec![data::ticker(n, self.market)])
    }

    /// One level unless more are asked for.
    fn book(&self) -> Answer {
        let (n, listed) = self.one()?;
        let levels = self.levels(n, self.count("sz", 1, 400)?);
        let (seq, _) = self.market.stands_at(n, Pace::Fast);
        let scales = data::scales(&listed.instrument);
        let [bids, asks] = levels;
        let book = data::levels(&bids, &asks, scales, seq, self.market.now());
        Ok(vec![book])
    }

    /// Levels without the field that is no longer used, and without an id.
    fn full_book(&self) -> Answer {
        let (n, listed) = self.one()?;
        let instrument = &listed.instrument;
        let [bids, asks] = self.levels(n, self.count("sz", 1, 5_000)?).map(|levels| {
            let level = |one: &Level| {
                let (px_scale, qty_scale) = data::scales(instrument);
                let px = data::plain(one.px.0.unsigned_abs(), px_scale);
                json!([px, data::plain(one.qty.0, qty_scale), "1"])
            };
            levels.iter().map(level).collect::<Vec<Value>>()
        });
        let ts = self.market.now().as_millis().to_string();
        Ok(vec![json!({"asks": asks, "bids": bids, "ts": ts})])
    }

    fn levels(&self, n: usize, count: usize) -> [Vec<Level>; 2] {
        [Side::Buy, Side::Sell].map(|side| self.market.levels(n, side).take(count).collect())
    }

    /// The newest prints, newest first.
    fn prints(&self) -> Answer {
        let (n, _) = self.one()?;
        let count = self.count("limit", 100, 500)?;
        Ok(self.newest(n, count, u64::MAX))
    }

    /// Prints before the id `after`, if one is given.
    fn older_prints(&self) -> Answer {
        let (n, _) = self.one()?;
        let count = self.count("limit", 100, 100)?;
        let before = match self.value("after") {
            None => u64::MAX,
            Some(id) => id.parse().map_err(|_| bad("after"))?,
        };
        Ok(self.newest(n, count, before))
    }

    fn newest(&self, n: usize, count: usize, before: u64) -> Vec<Value> {
        let instrument = &self.market.listings()[n].instrument;
        let prints = self.market.prints(n).rev();
        let prints = prints.filter(|trade| trade.id < before).take(count);
        prints
            .map(|trade| data::print(&trade, instrument))
            .collect()
    }
}

fn bad(name: &str) -> Why {
    (400, "51000", format!("Parameter {name} error"))
}

/// What does not concern this sort of instrument is there and empty.
fn details(n: usize, instrument: &Instrument) -> Value {
    let px = |units| data::plain(units, instrument.px_scale);
    let qty = |Qty(units)| data::plain(units, instrument.qty_scale);
    let (base, quote) = (instrument.base.as_str(), instrument.quote.as_str());
    let spot = instrument.kind == Kind::Spot;
    let of_spot = |text| if spot { text } else { "" };
    let of_contract = |text: &str| if spot { String::new() } else { text.to_owned() };
    let (_, counter) = data::family(instrument).split_once('-').unwrap_or_default();
    let Contract {
        size,
        scale,
        inverse,
    } = instrument.contract;
    let most = qty(instrument.qty_max);
    json!({
        "instType": data::type_of(instrument.kind),
        "instId": instrument.symbol.as_str(),
        "instIdCode": n + 1,
        "instFamily": of_contract(data::family(instrument)),
        "uly": of_contract(data::family(instrument)),
        "category": "1",
        "groupId": "1",
        "baseCcy": of_spot(base),
        "quoteCcy": of_spot(quote),
        "settleCcy": of_contract(&instrument.settle),
        "ctVal": of_contract(&data::plain(size, scale)),
        "ctMult": of_contract("1"),
        "ctValCcy": of_contract(if inverse { counter } else { base }),
        "ctType": of_contract(if inverse { "inverse" } else { "linear" }),
        "optType": "",
        "stk": "",
        "listTime": "1750000000000",
        "auctionEndTime": "",
        "contTdSwTime": "",
        "openType": "",
        "expTime": "",
        "alias": "",
        "lever": of_contract("100"),
        "tickSz": px(instrument.tick.0.unsigned_abs()),
        "lotSz": qty(instrument.lot),
        "minSz": qty(instrument.qty_min),
        "maxLmtSz": most,
        "maxMktSz": most,
        "maxLmtAmt": "20000000",
        "maxMktAmt": of_spot("1000000"),
        "maxTwapSz": most,
        "maxIcebergSz": most,
        "maxTriggerSz": most,
        "maxStopSz": most,
        "ruleType": "normal",
        "tradeQuoteCcyList": if spot { json!([quote]) } else { json!([]) },
        "state": if instrument.trading { "live" } else { "suspend" },
    })
}

#[cfg(test)]
mod tests;
