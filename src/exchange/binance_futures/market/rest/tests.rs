use super::*;
use crate::base::{DecimalError, Snapshot};
use crate::exchange::binance_futures::{COINM, USDM};
use crate::exchange::{DecodeError, Exchange};

const USDM_INFO: &str = r#"{"timezone":"UTC","serverTime":1,"assets":[],"symbols":[
    {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT",
     "pricePrecision":2,"quantityPrecision":3,"filters":[
        {"filterType":"PRICE_FILTER","minPrice":"261.10","maxPrice":"809484","tickSize":"0.10"},
        {"filterType":"LOT_SIZE","minQty":"0.002","maxQty":"1000","stepSize":"0.001"},
        {"filterType":"MARKET_LOT_SIZE","minQty":"0.001","maxQty":"120","stepSize":"0.001"},
        {"filterType":"MIN_NOTIONAL","notional":"50"},{"filterType":"MAX_NUM_ORDERS","limit":200}]},
    {"symbol":"ETHUSDT_270326","pair":"ETHUSDT","contractType":"CURRENT_QUARTER","status":"PENDING_TRADING","baseAsset":"ETH","quoteAsset":"USDT","marginAsset":"USDT",
     "pricePrecision":2,"quantityPrecision":3,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]},
    {"symbol":"NOFILTERS","contractType":"PERPETUAL","status":"TRADING","pricePrecision":2,"quantityPrecision":3},
    {"symbol":"NOTERM","contractType":"","status":"SETTLING","pricePrecision":2,"quantityPrecision":3,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.001"}]}]}"#;

const COINM_INFO: &str = r#"{"symbols":[
    {"symbol":"BTCUSD_PERP","pair":"BTCUSD","contractType":"PERPETUAL","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD","marginAsset":"BTC",
     "pricePrecision":1,"quantityPrecision":0,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.1"},{"filterType":"LOT_SIZE","minQty":"1","maxQty":"1000000","stepSize":"1"}]},
    {"symbol":"BTCUSD_270326","pair":"BTCUSD","contractType":"NEXT_QUARTER","contractStatus":"TRADING","contractSize":100,"baseAsset":"BTC","quoteAsset":"USD","marginAsset":"BTC",
     "pricePrecision":1,"quantityPrecision":0,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.1"},{"filterType":"LOT_SIZE","minQty":"1","maxQty":"1000000","stepSize":"1"}]},
    {"symbol":"NOSIZE","contractType":"PERPETUAL","contractStatus":"TRADING","baseAsset":"A","quoteAsset":"USD","marginAsset":"A",
     "pricePrecision":1,"quantityPrecision":0,"filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.1"},{"filterType":"LOT_SIZE","stepSize":"1"}]}]}"#;

#[test]
fn contracts_of_usdm_count_in_the_base_asset() {
    let found = USDM.metadata(USDM_INFO.as_bytes()).unwrap().instruments;
    let names: Vec<&str> = found.iter().map(|i| i.name.as_str()).collect();
    let want = ["binance-usdm:BTC-USDT-PERP", "binance-usdm:ETH-USDT-270326"];
    assert_eq!(names, want, "what cannot be represented is left out");
    let btc = found[0];
    assert_eq!((btc.kind, btc.contract), (Kind::Perpetual, Contract::ONE));
    // The precision is finer than the tick.
    assert_eq!((btc.px_scale, btc.tick), (2, Px(10)));
    assert_eq!((btc.qty_scale, btc.lot), (3, Qty(1)));
    assert_eq!((btc.qty_min, btc.qty_max), (Qty(2), Qty(1_000_000)));
    assert_eq!(btc.notional_min, 5_000_000);
    assert_eq!((btc.settle.as_str(), btc.trading), ("USDT", true));
    let eth = found[1];
    assert_eq!((eth.kind, eth.trading), (Kind::Future, false));
    assert_eq!(eth.qty_max, Qty(i64::MAX as u64));
}

#[test]
fn contracts_of_coinm_are_worth_so_many_dollars_and_settle_in_the_coin() {
    let found = COINM.metadata(COINM_INFO.as_bytes()).unwrap().instruments;
    let names: Vec<&str> = found.iter().map(|i| i.name.as_str()).collect();
    let want = ["binance-coinm:BTC-USD-PERP", "binance-coinm:BTC-USD-270326"];
    assert_eq!(names, want);
    let contract = Contract {
        size: 100,
        scale: 0,
        inverse: true,
    };
    assert_eq!(found[0].contract, contract);
    assert_eq!((found[0].px_scale, found[0].qty_scale), (1, 0));
    assert_eq!((found[0].settle.as_str(), found[0].trading), ("BTC", true));
    assert_eq!(found[0].notional_min, 0);
    assert_eq!(found[1].kind, Kind::Future);
    assert!(COINM.metadata(br#"{"code":-1003}"#).is_err());
}

fn bare(px_scale: u8, qty_scale: u8) -> Instrument {
    let symbol = Symbol::from("X").unwrap();
    Instrument::bare("binance-usdm", symbol, (px_scale, qty_scale))
}

/// Spot's snapshots are read alike.
fn snapshot(body: &str, instrument: &Instrument, levels: u16) -> Result<Snapshot, DecodeError> {
    USDM.snapshot(body.into(), instrument, levels)
}

#[test]
fn a_snapshot_says_whether_a_side_is_whole() {
    let body =
        br#"{"lastUpdateId":160,"E":1,"T":1,"bids":[["2.5","10"],["2.4","1"]],"asks":[["2.6","100"]]}"#;
    let book = snapshot(std::str::from_utf8(body).unwrap(), &bare(1, 0), 2).unwrap();
    assert_eq!(
        (book.last_id, book.bids.len(), book.asks.len()),
        (160, 2, 1)
    );
    assert_eq!((book.asks[0].px, book.asks[0].qty), (Px(26), Qty(100)));
    assert!(!book.bids_whole);
    assert!(book.asks_whole);
    // More than the exchange gives was asked for.
    let levels: Vec<String> = (1..=1_000).map(|n| format!(r#"["{n}","1"]"#)).collect();
    let body = format!(
        r#"{{"lastUpdateId":1,"bids":[],"asks":[{}]}}"#,
        levels.join(",")
    );
    assert!(!snapshot(&body, &bare(0, 0), 5_000).unwrap().asks_whole);
}

#[test]
fn a_bad_snapshot_is_refused() {
    let refused = |body: &str| snapshot(body, &bare(0, 0), 5).unwrap_err();
    let with = |bids: &str| refused(&format!(r#"{{"lastUpdateId":1,"bids":{bids},"asks":[]}}"#));
    for bids in [
        r#"[["1","1"],["2","1"]]"#,
        r#"[["1","1"],["1","1"]]"#,
        r#"[["1"]]"#,
        "{}",
    ] {
        assert_eq!(with(bids), DecodeError::Shape, "{bids}");
    }
    let one = r#"{"lastUpdateId":1,"bids":[["2","0"],["1","1"],["0","1"]],"asks":[]}"#;
    let kept = snapshot(one, &bare(0, 0), 5).unwrap().bids;
    assert_eq!(kept.len(), 1, "the rest of it counts");
    let too_fine = DecodeError::Number(bare(0, 0).id, DecimalError::TooFine);
    assert_eq!(with(r#"[["1.5","1"]]"#), too_fine);
    assert_eq!(
        refused(r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        DecodeError::Shape
    );
    assert_eq!(refused(r#"{"lastUpdateId":1,"bids":["#), DecodeError::Json);
    assert_eq!(refused("<html>"), DecodeError::Json);
}

#[test]
fn volumes_are_in_dollars_in_both_markets() {
    let usdm = br#"[{"symbol":"BTCUSDT","volume":"2","quoteVolume":"120000.5","weightedAvgPrice":"60000"}]"#;
    assert_eq!(volumes(usdm).unwrap()[0].1, 120_000.5);
    let coinm = br#"[{"symbol":"BTCUSD_PERP","volume":"1200","baseVolume":"2","weightedAvgPrice":"60000"}]"#;
    assert_eq!(volumes(coinm).unwrap()[0].1, 120_000.0);
    assert!(volumes(b"{}").is_err());
}

#[test]
fn a_recorded_request_names_its_symbol() {
    let asked = |query: &str| snapshot_asked(&format!("https://fapi.binance.com/fapi/v1/{query}"));
    assert_eq!(
        asked("depth?symbol=A&limit=1000"),
        Some(("A".into(), 1_000))
    );
    assert_eq!(asked("depth?symbol=A"), Some(("A".into(), 500)));
    assert_eq!(asked("exchangeInfo?symbol=A"), None);
}
