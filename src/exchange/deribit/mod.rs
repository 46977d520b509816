//! Deribit: JSON-RPC over one WebSocket, all prices as JSON numbers. Source: the exchange's own API
//! documentation (version 2.1.1). Orders are JSON-RPC calls too: those for spot pairs are sent.

mod account {
    mod answers;
    mod forms;
    mod lists;
    pub(crate) mod orders;
    mod refusals;
    pub(crate) mod rights;
    mod sign;
    mod standing;
    mod stream;
    #[cfg(test)]
    mod tests;
}
mod market {
    pub(crate) mod decode;
    pub(crate) mod rest;
    #[cfg(test)]
    mod tests;
}
mod mirror;

use super::{
    Account, Bursts, Decoder, DepthStream, Endpoints, Exchange, KeyRights, Limits, Listings,
    Mirror, OrderCodec, Rate, Request, RestRequest, SignedRequest, Survey, Topic, kit::text,
};
use crate::base::feed::{Chain, SeqRule};
use crate::base::{Channel, Instrument, Span, Symbol, UnixNanos};
use account::{orders::DeribitOrders, rights};
use market::{decode, rest};

/// Deribit's perpetuals, futures, options and spot pairs.
pub(crate) struct Deribit;

/// The whole book in the stream, then changes that name their predecessor. Ids are not dense.
const RULE: SeqRule = SeqRule {
    chain: Chain::Previous,
    ..SeqRule::STREAM
};

/// The intervals, which trades are followed at too.
static DEPTHS: [DepthStream; 3] = [
    DepthStream {
        name: "100ms",
        rule: RULE,
        levels: None,
        every_ms: Some(100),
    },
    DepthStream {
        // Each change at once; refused (13778) on a connection that is not authenticated.
        name: "raw",
        rule: RULE,
        levels: None,
        every_ms: None,
    },
    DepthStream {
        name: "agg2",
        rule: RULE,
        levels: None,
        every_ms: Some(1_000), // About.
    },
];

/// Channels that one call names, at most. Some 30 bytes each: frames stay under 4 KiB.
const CHANNELS_PER_CALL: usize = 100;

/// What every call but the two below costs of the pool (rate limits: 500 credits).
const CALL_WEIGHT: u32 = 500;
/// `public/get_instruments` is limited to one a second, with a burst: of what we ask it costs a
/// second's worth.
const INSTRUMENTS_WEIGHT: u32 = CREDITS_PER_S;
/// Credits that come back in a second (rate limits: non-matching requests).
const CREDITS_PER_S: u32 = 10_000;

/// Currencies that instruments are settled in: one request brings the summaries of one of them.
const CURRENCIES: [&str; 5] = ["BTC", "ETH", "USDC", "USDT", "EURR"];

/// A stream's channel: `book.BTC-PERPETUAL.100ms`.
fn channel_name(topic: &Topic<'_>, depth: &'static DepthStream) -> String {
    let (symbol, interval) = (topic.symbol, depth.name);
    match topic.channel {
        Channel::Depth => format!("book.{symbol}.{interval}"),
        Channel::Trades => format!("trades.{symbol}.{interval}"),
        Channel::Quotes => format!("quote.{symbol}"),
    }
}

/// What a channel's name says: the sort, the symbol and the interval, which quotes have none of.
/// `None` for channels that are not followed, as books by group and depth.
fn channel_of(name: &str) -> Option<(Channel, &str, &str)> {
    let mut parts = name.split('.');
    let (head, symbol, interval) = (parts.next()?, parts.next()?, parts.next());
    let channel = match (head, interval) {
        ("book", Some(_)) => Channel::Depth,
        ("trades", Some(_)) => Channel::Trades,
        ("quote", None) => Channel::Quotes,
        _ => return None,
    };
    let whole = parts.next().is_none();
    whole.then_some((channel, symbol, interval.unwrap_or_default()))
}

impl Exchange for Deribit {
    fn name(&self) -> &'static str {
        "deribit"
    }

    fn owns(&self, url: &str) -> bool {
        text::host(url).ends_with(".deribit.com")
    }

    fn endpoints(&self) -> Endpoints {
        Endpoints {
            stream: "www.deribit.com:443".to_owned(),
            rest: "www.deribit.com:443".to_owned(),
            orders: "www.deribit.com:443".to_owned(),
        }
    }

    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[("test.deribit.com", "testnet")]
    }

    fn limits(&self) -> Limits {
        let a_second = |count| Rate {
            count,
            per: Span::from_secs(1),
        };
        Limits {
            // As many as streams.
            books_per_connection: 1_000,
            // Whole books of some 10,000 levels: 500 KB.
            message_bytes_max: 8 << 20,
            // Channels of one subscription; those of a connection are not documented.
            streams_per_connection: 500,
            messages: a_second(3), // Rate limits: subscriptions, 3.3 a second.
            // 32 connections an address may be open; how fast they may be opened is not documented.
            connects: a_second(5),
            connection_life: Span::MAX,
            rest_weight: a_second(CREDITS_PER_S),
            // Rate limits: subscriptions, a burst of 10; the pool of 50,000 credits.
            bursts: Bursts {
                messages: 10,
                rest_weight: 50_000,
                ..Bursts::NONE
            },
            snapshot_levels_max: 0,
        }
    }

    fn depth_streams(&self) -> &'static [DepthStream] {
        &DEPTHS
    }

    fn stream_path(&self, _channel: Channel) -> String {
        "/ws/api/v2".to_owned()
    }

    /// The exchange asks every 30 s whether we are there; a connection without that is cut after
    /// ten quiet minutes. Ids of requests count from one: zero is the greeting's.
    fn greeting(&self) -> &'static [&'static str] {
        &[r#"{"jsonrpc":"2.0","id":0,"method":"public/set_heartbeat","params":{"interval":30}}"#]
    }

    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        about(method, topics, depth, first_id)
    }

    fn decoder(
        &self,
        instruments: &[Instrument],
        _depth: &'static DepthStream,
    ) -> Box<dyn Decoder> {
        decode::decoder(instruments)
    }

    fn metadata_requests(&self, _symbols: &[&str]) -> Vec<RestRequest> {
        let path = format!("{}?currency=any", rest::INSTRUMENTS);
        vec![RestRequest::get(path, INSTRUMENTS_WEIGHT)]
    }

    fn metadata(&self, body: &[u8]) -> Result<Listings, String> {
        rest::metadata(body, self.name())
    }

    fn volume_requests(&self) -> Vec<RestRequest> {
        let request = |currency: &&str| {
            let path = format!("{}?currency={currency}", rest::SUMMARIES);
            RestRequest::get(path, CALL_WEIGHT)
        };
        CURRENCIES.iter().map(request).collect()
    }

    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
        rest::volumes(body)
    }

    fn survey(&self, frame: &str, survey: &mut Survey) {
        decode::survey(frame, survey);
    }

    fn mirror(&self) -> &'static dyn Mirror {
        &mirror::DeribitMirror
    }

    fn order_codec(
        &self,
        account: Account,
        instruments: &[Instrument],
    ) -> Result<Box<dyn OrderCodec>, String> {
        Ok(Box::new(DeribitOrders::new(&account, instruments)?))
    }

    fn key_rights_request(
        &self,
        account: &Account,
        now: UnixNanos,
    ) -> Result<Option<SignedRequest>, String> {
        rights::request(account, now).map(Some)
    }

    fn key_rights(&self, body: &[u8]) -> Result<KeyRights, String> {
        rights::rights(body)
    }
}

/// Frames that call `public/<method>` for these topics, ids counting from `first_id`.
fn about(
    method: &str,
    topics: &[Topic<'_>],
    depth: &'static DepthStream,
    first_id: u64,
) -> Vec<Request> {
    let frame = |(topics, id): (&[Topic<'_>], u64)| {
        let names: Vec<String> = topics.iter().map(|t| channel_name(t, depth)).collect();
        let names = text::json_list(&names);
        Request {
            text: format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"public/{method}","params":{{"channels":{names}}}}}"#
            ),
            topics: topics.len(),
        }
    };
    topics
        .chunks(CHANNELS_PER_CALL)
        .zip(first_id..)
        .map(frame)
        .collect()
}
