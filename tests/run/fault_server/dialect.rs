//! How four markets say the same: what they list, what a subscription looks like, how a change of
//! the book is written. Written from the exchanges' documents; holds no state and does nothing
//! wrong by itself.

use super::book::{Diff, Level, Snapshot, px_text, qty_text};
use super::wire::rfc3339;
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    Depth,
    Trades,
    Quotes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Binance,
    Bitstamp,
    Coinbase,
    CoinbaseExchange,
}
use Channel::{Depth, Quotes, Trades};
use Dialect::{Binance, Bitstamp, Coinbase, CoinbaseExchange};

impl Dialect {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Binance => "binance",
            Bitstamp => "bitstamp",
            Coinbase => "coinbase",
            CoinbaseExchange => "coinbase-exchange",
        }
    }

    pub fn hosts(self) -> [&'static str; 2] {
        match self {
            Binance => ["stream.binance.com", "api.binance.com"],
            Bitstamp => ["ws.bitstamp.net", "www.bitstamp.net"],
            Coinbase => ["advanced-trade-ws.coinbase.com", "api.coinbase.com"],
            CoinbaseExchange => ["ws-feed.exchange.coinbase.com", "api.exchange.coinbase.com"],
        }
    }

    /// What the exchange trades, if `path` asks for it. All symbols are written with their last
    /// three or four letters as the quote currency.
    pub fn listing(self, path: &str, symbols: &[&str]) -> Option<String> {
        let parts = |symbol: &str| {
            let quote = if symbol.ends_with("USDT") { 4 } else { 3 };
            let (base, quote) = symbol.split_at(symbol.len() - quote);
            (
                base.trim_end_matches('-').to_uppercase(),
                quote.to_uppercase(),
            )
        };
        let each = |one: &dyn Fn(&str, String, String) -> Value| -> Vec<Value> {
            let entry = |&symbol: &&str| {
                let (base, quote) = parts(symbol);
                one(symbol, base, quote)
            };
            symbols.iter().map(entry).collect()
        };
        let asked = |with: &str| path.starts_with(with);
        let listing = match self {
            Binance if asked("/api/v3/exchangeInfo") => {
                json!({"symbols": each(&|symbol, base, quote| json!({
                "symbol": symbol, "status": "TRADING", "baseAsset": base, "baseAssetPrecision": 8,
                "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8, "filters": [
                    {"filterType": "PRICE_FILTER", "minPrice": "0.01000000",
                        "maxPrice": "1000000.00000000",
                     "tickSize": "0.01000000"},
                    {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000",
                     "stepSize": "0.00001000"},
                    {"filterType": "NOTIONAL", "minNotional": "5.00000000"}]}))})
            }
            Bitstamp if asked("/api/v2/markets") => json!(each(&|symbol, base, quote| json!({
                "name": format!("{base}/{quote}"), "market_symbol": symbol, "base_currency": base,
                "base_decimals": 8, "counter_currency": quote, "counter_decimals": 2,
                "minimum_order_value": "10", "trading": "Enabled", "market_type": "SPOT"}))),
            Coinbase if asked("/api/v3/brokerage/market/products") => json!({"products":
                each(&|symbol, base, quote| json!({
                    "product_id": symbol, "product_type": "SPOT", "base_currency_id": base,
                    "quote_currency_id": quote, "price_increment": "0.01",
                        "base_increment": "0.00000001",
                    "base_min_size": "0.00000001", "base_max_size": "10000", "quote_min_size": "1",
                    "quote_max_size": "10000000", "status": "online", "alias": "",
                    "approximate_quote_24h_volume": "1"})), "num_products": symbols.len()}),
            CoinbaseExchange if asked("/products") => json!(each(&|symbol, base, quote| json!({
                "id": symbol, "base_currency": base, "quote_currency": quote,
                    "quote_increment": "0.01",
                "base_increment": "0.00000001", "min_market_funds": "1", "status": "online"}))),
            _ => return None,
        };
        Some(listing.to_string())
    }

    /// The symbol whose whole book `path` asks for.
    pub fn book_asked(self, path: &str) -> Option<&str> {
        match self {
            Binance => {
                let query = path.strip_prefix("/api/v3/depth?")?;
                query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix("symbol="))
            }
            Bitstamp => path.strip_prefix("/api/v2/order_book/")?.split('/').next(),
            Coinbase | CoinbaseExchange => None,
        }
    }

    /// The body of an answer with a whole book.
    pub fn book(self, snapshot: &Snapshot) -> String {
        let (bids, asks) = (pairs(&snapshot.bids), pairs(&snapshot.asks));
        let us = snapshot.at_us;
        match self {
            Binance => {
                let id = snapshot.last_id;
                json!({"lastUpdateId": id, "bids": bids, "asks": asks}).to_string()
            }
            _ => {
                json!({"timestamp": (us / 1_000_000).to_string(), "microtimestamp": us.to_string(),
                "bids": bids, "asks": asks})
                .to_string()
            }
        }
    }

    /// A whole book within the stream, if the market has such.
    pub fn streamed_book(self, symbol: &str, snapshot: &Snapshot) -> Option<String> {
        let time = rfc3339(snapshot.at_us);
        match self {
            Binance | Bitstamp => None,
            Coinbase => Some(coinbase_levels(
                "snapshot",
                symbol,
                &time,
                [&snapshot.bids, &snapshot.asks],
            )),
            CoinbaseExchange => {
                let (bids, asks) = (pairs(&snapshot.bids), pairs(&snapshot.asks));
                Some(
                    json!({"type": "snapshot", "product_id": symbol, "bids": bids, "asks": asks,
                        "time": time})
                    .to_string(),
                )
            }
        }
    }

    /// The streams that a request is about, and whether it wants them.
    pub fn asked(self, request: &Value) -> (Vec<(String, Channel)>, bool) {
        let texts = |list: &Value| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let word = |key: &str| request[key].as_str().unwrap_or_default();
        let named = |name: &str| match name {
            "level2" | "level2_batch" => Some(Depth),
            "matches" | "market_trades" => Some(Trades),
            "ticker" => Some(Quotes),
            _ => None,
        };
        match self {
            Binance => {
                let topic = |name: String| {
                    let (symbol, stream) = name.split_once('@').unwrap();
                    let channel = match stream {
                        "trade" => Trades,
                        "bookTicker" => Quotes,
                        _ => Depth,
                    };
                    (symbol.to_uppercase(), channel)
                };
                let topics = texts(&request["params"]).into_iter().map(topic).collect();
                (topics, word("method") == "SUBSCRIBE")
            }
            Bitstamp => {
                let name = request["data"]["channel"].as_str().unwrap_or_default();
                let diffs = name
                    .strip_prefix("diff_order_book_")
                    .map(|symbol| (symbol, Depth));
                let found = diffs.or(name
                    .strip_prefix("live_trades_")
                    .map(|symbol| (symbol, Trades)));
                let topics = found.map(|(symbol, channel)| (symbol.to_owned(), channel));
                (
                    topics.into_iter().collect(),
                    word("event") == "bts:subscribe",
                )
            }
            Coinbase => {
                let channel = named(word("channel"));
                let products = texts(&request["product_ids"]).into_iter();
                let topics = products
                    .filter_map(|symbol| Some((symbol, channel?)))
                    .collect();
                (topics, word("type") == "subscribe")
            }
            CoinbaseExchange => {
                let of = |entry: &Value| {
                    let channel = named(entry["name"].as_str().unwrap_or_default());
                    let products = texts(&entry["product_ids"]).into_iter();
                    products
                        .filter_map(move |symbol| Some((symbol, channel?)))
                        .collect::<Vec<_>>()
                };
                let topics = request["channels"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .flat_map(of)
                    .collect();
                (topics, word("type") == "subscribe")
            }
        }
    }

    /// The answer to a request that was granted; `all` is what the connection now has.
    pub fn granted(self, request: &Value, all: &[(&'static str, Channel)]) -> String {
        let of = |channel| -> Vec<&str> {
            let found = all.iter().filter(|(_, each)| *each == channel);
            found.map(|(symbol, _)| *symbol).collect()
        };
        match self {
            Binance => json!({"result": null, "id": request["id"]}).to_string(),
            Bitstamp => {
                let heard = request["event"].as_str().unwrap_or_default();
                let (event, data) = match heard {
                    "bts:heartbeat" => ("bts:heartbeat", json!({"status": "success"})),
                    "bts:subscribe" => ("bts:subscription_succeeded", json!({})),
                    _ => ("bts:unsubscription_succeeded", json!({})),
                };
                let channel = request["data"]["channel"].as_str().unwrap_or_default();
                json!({"event": event, "channel": channel, "data": data}).to_string()
            }
            Coinbase => json!({"channel": "subscriptions", "client_id": "",
                "timestamp": rfc3339(super::now_us()),
                "events": [{"subscriptions": {"level2": of(Depth), "market_trades": of(Trades),
                    "ticker": of(Quotes),
                    "heartbeats": ["heartbeats"]}}]})
            .to_string(),
            CoinbaseExchange => json!({"type": "subscriptions", "channels": [
                {"name": "level2_batch", "product_ids": of(Depth)}, {"name": "matches",
                    "product_ids": of(Trades)},
                {"name": "ticker", "product_ids": of(Quotes)}]})
            .to_string(),
        }
    }

    /// The answer to a request that was not.
    pub fn refused(self, request: &Value) -> String {
        match self {
            Binance => {
                json!({"code": 2, "msg": "Invalid request: unknown stream", "id": request["id"]})
                    .to_string()
            }
            Bitstamp => json!({"event": "bts:error", "channel": request["data"]["channel"],
                "data": {"code": null, "message": "Bad subscription string."}})
            .to_string(),
            Coinbase | CoinbaseExchange => {
                json!({"type": "error", "message": "Failed to subscribe", "reason": "refused"})
                    .to_string()
            }
        }
    }

    /// One step of the market as one stream tells of it; `us` is the exchange's own time of it.
    pub fn news(self, channel: Channel, diff: &Diff, us: i64) -> Option<String> {
        let (ms, time, symbol) = (us / 1000, rfc3339(us), diff.symbol);
        let id = diff.last_id;
        let [(bid, bid_qty), (ask, ask_qty)] = [diff.bid, diff.ask];
        let [bid, ask, traded] = [bid, ask, ask].map(px_text);
        let [bid_qty, ask_qty] = [bid_qty, ask_qty].map(qty_text);
        let lower = symbol.to_lowercase();
        let news = match (self, channel) {
            (Binance, Depth) => {
                json!({"stream": format!("{lower}@depth@100ms"), "data": {"e": "depthUpdate",
                "E": ms, "s": symbol, "U": diff.first_id, "u": id, "b": pairs(&diff.bids),
                    "a": pairs(&diff.asks)}})
            }
            (Binance, Trades) => {
                json!({"stream": format!("{lower}@trade"), "data": {"e": "trade", "E": ms,
                "s": symbol, "t": id, "p": traded, "q": "0.00100000", "T": ms, "m": false,
                    "M": true}})
            }
            (Binance, Quotes) => {
                json!({"stream": format!("{lower}@bookTicker"), "data": {"u": id, "s": symbol,
                "b": bid, "B": bid_qty, "a": ask, "A": ask_qty}})
            }
            (Bitstamp, Depth) => {
                json!({"event": "data", "channel": format!("diff_order_book_{symbol}"),
                "data": {"timestamp": (us / 1_000_000).to_string(),
                    "microtimestamp": us.to_string(),
                    "bids": pairs(&diff.bids), "asks": pairs(&diff.asks)}})
            }
            (Bitstamp, Trades) => {
                json!({"event": "trade", "channel": format!("live_trades_{symbol}"),
                "data": {"id": id, "id_str": id.to_string(), "amount": 0.001,
                    "amount_str": "0.00100000",
                    "price": 1, "price_str": traded, "type": 0,
                        "timestamp": (us / 1_000_000).to_string(),
                    "microtimestamp": us.to_string(), "buy_order_id": 1, "sell_order_id": 2}})
            }
            (Bitstamp, Quotes) => return None,
            (Coinbase, Depth) => {
                return Some(coinbase_levels(
                    "update",
                    symbol,
                    &time,
                    [&diff.bids, &diff.asks],
                ));
            }
            (Coinbase, Trades) => {
                json!({"channel": "market_trades", "client_id": "", "timestamp": time,
                "events": [{"type": "update", "trades": [{"trade_id": id.to_string(),
                    "product_id": symbol,
                    "price": traded, "size": "0.00100000", "side": "SELL", "time": time}]}]})
            }
            (Coinbase, Quotes) => json!({"channel": "ticker", "client_id": "", "timestamp": time,
                "events": [{"type": "update", "tickers": [{"type": "ticker", "product_id": symbol,
                    "price": traded,
                    "best_bid": bid, "best_bid_quantity": bid_qty, "best_ask": ask,
                        "best_ask_quantity": ask_qty}]}]}),
            (CoinbaseExchange, Depth) => {
                let change =
                    |side: &str, level: &Level| json!([side, px_text(level.0), qty_text(level.1)]);
                let bids = diff.bids.iter().map(|level| change("buy", level));
                let changes: Vec<Value> = bids
                    .chain(diff.asks.iter().map(|level| change("sell", level)))
                    .collect();
                json!({"type": "l2update", "product_id": symbol, "changes": changes, "time": time})
            }
            (CoinbaseExchange, Trades) => json!({"type": "match", "trade_id": id, "sequence": id,
                "product_id": symbol, "price": traded, "size": "0.00100000", "side": "sell",
                    "time": time}),
            (CoinbaseExchange, Quotes) => {
                json!({"type": "ticker", "sequence": id, "product_id": symbol,
                "price": traded, "best_bid": bid, "best_bid_size": bid_qty, "best_ask": ask,
                "best_ask_size": ask_qty, "time": time, "trade_id": id})
            }
        };
        Some(news.to_string())
    }
}

fn pairs(levels: &[Level]) -> Vec<[String; 2]> {
    let pair = |&(px, qty): &Level| [px_text(px), qty_text(qty)];
    levels.iter().map(pair).collect()
}

fn coinbase_levels(kind: &str, symbol: &str, time: &str, [bids, asks]: [&[Level]; 2]) -> String {
    let update = |side: &str, &(px, qty): &Level| {
        json!({"side": side, "event_time": time,
        "price_level": px_text(px), "new_quantity": qty_text(qty)})
    };
    let bids = bids.iter().map(|level| update("bid", level));
    let updates: Vec<Value> = bids
        .chain(asks.iter().map(|level| update("offer", level)))
        .collect();
    json!({"channel": "l2_data", "client_id": "", "timestamp": time,
        "events": [{"type": kind, "product_id": symbol, "updates": updates}]})
    .to_string()
}
