//! Frames to words, one folder an exchange: decode, sequencing rule, subscribe, encode, sign,
//! mirror. Never sees a socket or a clock; what differs between exchanges as data stays data.

pub(crate) mod binance_futures;
pub mod binance_spot;
pub(crate) mod bitstamp;
pub(crate) mod bybit;
pub(crate) mod coinbase;
#[cfg(test)]
mod conformance;
pub(crate) mod deribit;
pub(crate) mod hyperliquid;
pub mod kit;
pub(crate) mod kraken;
pub(crate) mod kraken_futures;
pub mod mirror;
pub(crate) mod okx;
mod orders;

pub(crate) use crate::base::feed::MESSAGE_BYTES_MAX;
use crate::base::feed::SeqRule;
use crate::base::text::rfc3339_millis;
use crate::base::{
    Channel, DecimalError, Instrument, InstrumentId, Secret, Snapshot, Span, Symbol, UnixNanos,
};
pub(crate) use kit::listing::LeftOut;
pub use kit::listing::Listings;
pub use kit::survey::Survey;
pub(crate) use kit::tape::LARGE_BYTES;
pub(crate) use kit::words::Dropped;
pub use kit::words::Words;
pub use mirror::Mirror;
pub use orders::{AccountWord, Budget, OrderCodec, RequestKey};

/// Exchanges that this build knows. One line here and one folder add another.
pub static ALL: &[&dyn Exchange] = &[
    &binance_spot::BINANCE,
    &binance_spot::BINANCE_US,
    &binance_futures::USDM,
    &binance_futures::COINM,
    &bitstamp::Bitstamp,
    &bybit::SPOT,
    &bybit::LINEAR,
    &coinbase::AdvancedTrade,
    &coinbase::ExchangeFeed,
    &deribit::Deribit,
    &hyperliquid::Hyperliquid,
    &kraken::Kraken,
    &kraken_futures::KrakenFutures,
    &okx::Okx,
];

/// The default exchange, if a configuration names none: the first.
pub fn unnamed() -> &'static dyn Exchange {
    ALL[0]
}

/// The exchange with this name (`binance`), as configuration writes it.
pub fn by_name(name: &str) -> Option<&'static dyn Exchange> {
    ALL.iter().copied().find(|exchange| exchange.name() == name)
}

/// One of the depth streams that an exchange offers, and the rule that its messages follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepthStream {
    /// As configuration names it, and as close to the exchange's own word as can be: `100ms`,
    /// `orderbook.50`.
    pub name: &'static str,
    /// How its messages make a book.
    pub rule: SeqRule,
    /// Levels per side that it tells of, at most; `None` if it tells of every level.
    pub levels: Option<u16>,
    /// Milliseconds between two messages about a book that changes all the time, as documented;
    /// `None` if that is not documented, or if the exchange sends every change at once.
    pub every_ms: Option<u32>,
}

/// Which streams an instrument is followed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Which depth stream.
    pub depth: &'static DepthStream,
    /// Prints, too.
    pub trades: bool,
    /// The best bid and ask, too.
    pub quotes: bool,
}

impl Streams {
    /// The channels that are followed.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        let (trades, quotes) = (self.trades, self.quotes);
        Channel::ALL
            .into_iter()
            .filter(move |channel| match channel {
                Channel::Depth => true,
                Channel::Trades => trades,
                Channel::Quotes => quotes,
            })
    }
}

/// One stream of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic<'s> {
    /// As the exchange writes it.
    pub symbol: &'s str,
    /// Which stream of it.
    pub channel: Channel,
}

/// A message to the exchange about streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The text frame.
    pub text: String,
    /// How many topics it is about. Requests take the topics in order: the first request takes this
    /// many from the front, the next one those that follow.
    pub topics: usize,
}

/// Where an exchange is reached: host and port of each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// `host:port` of market streams, REST and order entry.
    pub stream: String,
    /// `host:port` of the REST service.
    pub(crate) rest: String,
    /// `host:port` of order entry; empty if this build sends no orders there.
    pub orders: String,
}

/// What a depth stream has of its own if it comes in binary frames, and with it all streams of a
/// feed that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary {
    /// `host:port` of its connections.
    pub stream: &'static str,
    /// The header of the upgrade that names whose API key it is.
    pub key_header: &'static str,
    /// What keys the exchange takes there, for a person to read.
    pub key_sort: &'static str,
    /// When the exchange ends the schema that this build reads; `None` if it has not said so.
    pub schema_ends: Option<UnixNanos>,
}

impl Binary {
    /// From when on a person is told of the schema's end: the exchange keeps it for six months
    /// after it has said when that is.
    const TOLD_BEFORE: Span = Span::from_secs(180 * 86_400);

    /// What a person should know at `now` of the end of the schema of this depth stream.
    pub(crate) fn warning(&self, depth: &DepthStream, now: UnixNanos) -> Option<String> {
        let ends = self.schema_ends?;
        let left = ends.0.saturating_sub(now.0);
        if left > Self::TOLD_BEFORE.0 as i64 {
            return None;
        }
        let day = rfc3339_millis(ends);
        let day = day.split('T').next().unwrap_or_default();
        let when = match left {
            ..=0 => "ended".to_owned(),
            _ => format!("ends in {} days,", left / 86_400_000_000_000),
        };
        Some(format!(
            "the schema of depth_stream \"{}\" {when} on {day}: install a build that reads its \
             successor, or follow another depth_stream",
            depth.name
        ))
    }
}

/// A limit: `count` in any span of `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In any span this long.
    pub per: Span,
}

/// What an exchange takes at once after a quiet time, where that is more than the rate: what was
/// taken then flows off at the rate. Zero where it is not. We keep to the rates all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bursts {
    /// Of messages on one connection.
    pub messages: u32,
    /// Of connections.
    pub connects: u32,
    /// Of the weight of REST requests.
    pub rest_weight: u32,
}

impl Bursts {
    /// None is documented.
    pub const NONE: Self = Self {
        messages: 0,
        connects: 0,
        rest_weight: 0,
    };
}

/// Protocol facts that connections must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams that one connection may carry.
    pub streams_per_connection: usize,
    /// Books that one connection may follow.
    pub books_per_connection: usize,
    /// Bytes that one message of a stream may have: the largest that the exchange sends, with room
    /// to grow. A longer one costs the instrument that it is about, and no other. The socket,
    /// replay and the simulated exchange keep to it alike.
    pub message_bytes_max: usize,
    /// Messages that the exchange takes from us on one connection, pongs and subscriptions
    /// included.
    pub messages: Rate,
    /// Connections that it lets one address open.
    pub connects: Rate,
    /// How old it lets a connection become; [`Span::MAX`] if it states no limit.
    pub connection_life: Span,
    /// What our REST requests may weigh together, from one address.
    pub rest_weight: Rate,
    /// What it takes at once beyond these rates.
    pub bursts: Bursts,
    /// Levels a side that a snapshot may be asked for; zero if snapshots come in the stream.
    pub snapshot_levels_max: u16,
}

/// What keeps a connection open that has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Sent this often.
    pub every: Span,
    /// The text frame.
    pub text: &'static str,
}

/// A request to the REST service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// Path and query.
    pub path: String,
    /// The JSON body of a POST; a GET without.
    pub body: Option<String>,
    /// What it costs of [`Limits::rest_weight`].
    pub(crate) weight: u32,
}

impl RestRequest {
    /// A GET.
    pub fn get(path: impl Into<String>, weight: u32) -> Self {
        let path = path.into();
        Self {
            path,
            body: None,
            weight,
        }
    }

    /// The same, as the exchange's half of the protocol takes it.
    pub fn call(&self) -> mirror::Call<'_> {
        match &self.body {
            None => mirror::Call::get(&self.path),
            Some(body) => mirror::Call::post(&self.path, body),
        }
    }
}

/// A request to the REST service that a key signed. Has no `Debug`: it names the key.
pub struct SignedRequest {
    /// Path and query, with the signature.
    pub request: RestRequest,
    /// The header that says whose it is: its name and its value. `None` if the path does.
    pub header: Option<(&'static str, Secret)>,
}

/// What a key may do, as its exchange says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRights {
    /// Send orders.
    pub trade: bool,
    /// Move what the account holds out of it.
    pub withdraw: bool,
    /// It works only from addresses that its owner named. `None` if the exchange does not say.
    pub address_bound: Option<bool>,
}

/// What the rest of the engine asks of an exchange.
pub trait Exchange: Sync {
    /// The name that configuration, logs and reports use, and with which canonical names begin.
    fn name(&self) -> &'static str;
    /// True for the URLs of this exchange's own services, as a recording names them.
    fn owns(&self, url: &str) -> bool;
    /// The exchange's public endpoints.
    fn endpoints(&self) -> Endpoints;
    /// Its own sites for trying things out, with what it calls each: domains, whose hosts are all
    /// of that site.
    fn test_sites(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// What connections to it must keep to.
    fn limits(&self) -> Limits;
    /// Its depth streams, the default first.
    fn depth_streams(&self) -> &'static [DepthStream];

    /// What this depth stream needs that comes in binary frames; `None` if it comes as text.
    /// Answers to requests are text in either case.
    fn binary(&self, _depth: &DepthStream) -> Option<&'static Binary> {
        None
    }

    /// `host:port` of the connections that carry this depth stream.
    fn stream_host(&self, depth: &DepthStream) -> String {
        let binary = self.binary(depth).map(|binary| binary.stream.to_owned());
        binary.unwrap_or_else(|| self.endpoints().stream)
    }

    /// Path and query of the WebSocket upgrade for streams of this sort. Sorts with the same path
    /// share a connection. Streams are subscribed to after it.
    fn stream_path(&self, channel: Channel) -> String;
    /// Frames to send as soon as a connection is open, before any subscription.
    fn greeting(&self) -> &'static [&'static str] {
        &[]
    }
    /// What keeps a connection open; `None` if answering its pings is enough.
    fn keep_alive(&self) -> Option<KeepAlive> {
        None
    }
    /// Frames that ask `method` (`subscribe` or `unsubscribe`) for these topics, in their order.
    /// Ids, if the protocol has any, count from `first_id`, one a frame; each is answered by
    /// `Word::Answer` of its id or `Word::Subscribed` of its topics.
    fn requests(
        &self,
        method: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request>;
    /// Frames that subscribe to these topics. See [`Self::requests`].
    fn subscribe(
        &self,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        self.requests("subscribe", topics, depth, first_id)
    }
    /// Frames that end these subscriptions. See [`Self::requests`].
    fn unsubscribe(
        &self,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
        first_id: u64,
    ) -> Vec<Request> {
        self.requests("unsubscribe", topics, depth, first_id)
    }
    /// A decoder for the frames of one connection that carries these instruments.
    fn decoder(&self, instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder>;

    /// The request for a snapshot of at most `levels` a side; `None` if snapshots come in the
    /// stream.
    fn snapshot_request(&self, _symbol: &str, _levels: u16) -> Option<RestRequest> {
        None
    }
    /// Decodes the body of its answer. `levels` is what was asked for.
    fn snapshot(
        &self,
        _body: Vec<u8>,
        _instrument: &Instrument,
        _levels: u16,
    ) -> Result<Snapshot, DecodeError> {
        Err(DecodeError::Shape)
    }

    /// Requests for metadata of these symbols, of all if there is none. An exchange may answer
    /// with more than was asked for.
    fn metadata_requests(&self, symbols: &[&str]) -> Vec<RestRequest>;
    /// The request for the next page, if this answer has one.
    fn metadata_next(&self, _body: &[u8]) -> Option<RestRequest> {
        None
    }
    /// Decodes one answer, each listing in it by itself. The error, if the answer as a whole
    /// cannot be read, is for a person to read.
    fn metadata(&self, body: &[u8]) -> Result<Listings, String>;
    /// The request for what was traded in the last 24 hours.
    fn volume_requests(&self) -> Vec<RestRequest>;
    /// Decodes one answer: symbols with their volume, all in one currency or close to it: it ranks,
    /// no more.
    fn volumes(&self, body: &[u8]) -> Result<Vec<(Symbol, f64)>, String>;

    /// Tells `survey` which symbols a recorded frame names, with the texts of its prices and
    /// quantities. A binary frame is here as recordings have it: in Base64.
    fn survey(&self, frame: &str, survey: &mut Survey);
    /// The symbol whose snapshot a recorded request was for, and how many levels per side it asked
    /// for.
    fn snapshot_asked(&self, _url: &str) -> Option<(String, u16)> {
        None
    }

    /// Its half of the protocol, for the simulated exchange.
    fn mirror(&self) -> &'static dyn Mirror;

    /// The order codec for an account. The error says what is wrong with its keys, and what to do.
    fn order_codec(
        &self,
        _account: Account,
        _instruments: &[Instrument],
    ) -> Result<Box<dyn OrderCodec>, String> {
        Err(format!("this build sends no orders to {}", self.name()))
    }
    /// The request that asks what an account's key may do, signed at `now` by the exchange's clock;
    /// `None` if it cannot be asked. The error says what is wrong with the keys, and what to do.
    fn key_rights_request(
        &self,
        _account: &Account,
        _now: UnixNanos,
    ) -> Result<Option<SignedRequest>, String> {
        Ok(None)
    }
    /// Decodes its answer. The error is for a person to read.
    fn key_rights(&self, _body: &[u8]) -> Result<KeyRights, String> {
        Err(format!("{} is not asked what a key may do", self.name()))
    }
}

/// Frames of one market connection to words.
pub trait Decoder: Send {
    /// Decodes one frame whole into `words`, which it clears first, or says why not: then
    /// `words` means nothing, but for the number of a frame whose symbol is unknown. Allocates
    /// nothing once warm.
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError>;
}

/// Who trades.
pub struct Account {
    /// The name that the exchange gave to the key.
    pub api_key: Secret,
    /// What signs.
    pub key: AccountKey,
}

/// What signs an account's requests. Which of them an exchange takes is for its folder to say.
pub enum AccountKey {
    /// PKCS#8 PEM of an Ed25519 private key. The exchange knows its public half only.
    Ed25519Pem(Secret),
    /// A secret that the exchange made and knows, too (HMAC).
    Hmac(Secret),
}

impl AccountKey {
    /// The text of the key, of either sort.
    pub fn expose(&self) -> &str {
        match self {
            Self::Ed25519Pem(key) | Self::Hmac(key) => key.expose(),
        }
    }
}

/// Why a frame was not understood. Counted by kind; the message changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// Longer than the decoder's scratch.
    TooLong,
    /// Not JSON, or deeper than 32 levels.
    Json,
    /// JSON, but not of the documented shape.
    Shape,
    /// Of a schema that this build does not read.
    Schema,
    /// A symbol that was not subscribed to.
    UnknownSymbol,
    /// More levels per side, or more words, than a message may have.
    TooManyLevels,
    /// A price or a quantity of this instrument that its scale cannot hold exactly. Of a frame,
    /// which may say more, it becomes [`crate::base::Word::Unfit`]; of a snapshot nothing else is
    /// left.
    Number(InstrumentId, DecimalError),
}

impl DecodeError {
    /// A static word for logs and counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Json => "json",
            Self::Shape => "shape",
            Self::Schema => "schema",
            Self::UnknownSymbol => "unknown_symbol",
            Self::TooManyLevels => "too_many_levels",
            Self::Number(_, why) => why.name(),
        }
    }
}
