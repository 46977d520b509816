//! Frames to words, one folder an exchange: decode, sequencing rule, subscribe, encode, sign, mirror.
//! Never sees a socket or a clock; what differs between exchanges as data stays data.

pub mod binance_spot;

use crate::base::feed::SeqRule;
use crate::base::{ClientId, DecimalError, Instrument, NewOrder, Snapshot, UnixNanos, Word};

/// Exchanges that this build knows. One line here and one folder add another.
pub static ALL: &[&dyn Exchange] = &[&binance_spot::BinanceSpot];

/// The exchange with this name (`binance-spot`), as configuration writes it.
pub fn by_name(name: &str) -> Option<&'static dyn Exchange> {
    ALL.iter().copied().find(|exchange| exchange.name() == name)
}

/// Which streams an instrument is followed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// How often depth updates come.
    pub depth: DepthSpeed,
    /// Prints, too.
    pub trades: bool,
    /// The best bid and ask, too.
    pub quotes: bool,
}

/// How often the exchange sends depth updates of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepthSpeed {
    /// Every 100 ms.
    Ms100,
    /// Every 1,000 ms.
    Ms1000,
}

/// Where an exchange is reached: host and port of each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// `host:port` of market streams, REST and order entry.
    pub stream: String,
    /// `host:port` of the REST service.
    pub rest: String,
    /// `host:port` of order entry.
    pub orders: String,
}

/// Protocol facts that connections must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams that one connection may carry.
    pub streams_per_connection: usize,
    /// Messages that the exchange takes from us in any one second, pongs and subscriptions included.
    pub client_messages_per_s: u32,
    /// Seconds after which the exchange cuts a connection.
    pub connection_life_s: u64,
    /// Levels a side that a snapshot may be asked for.
    pub snapshot_levels_max: u16,
}

/// What the rest of the engine asks of an exchange.
pub trait Exchange: Sync {
    /// The name that configuration, logs and reports use.
    fn name(&self) -> &'static str;
    /// True for the URLs of this exchange's own services, as a recording names them.
    fn owns(&self, url: &str) -> bool;
    /// The exchange's public endpoints.
    fn endpoints(&self) -> Endpoints;
    /// What connections to it must keep to.
    fn limits(&self) -> Limits;
    /// Its sequencing rule.
    fn rule(&self) -> SeqRule;
    /// Path and query of the WebSocket upgrade for market streams. Streams are subscribed to after it.
    fn stream_path(&self) -> String;
    /// Subscription frames for these symbols, ids counting from 1; each is answered by [`Word::Answer`].
    fn subscribe(&self, symbols: &[&str], streams: Streams) -> Vec<String>;
    /// A decoder for the frames of one connection that carries these instruments.
    fn decoder(&self, instruments: &[Instrument]) -> Box<dyn Decoder>;
    /// Path and query that fetches a snapshot of at most `levels` a side.
    fn snapshot_path(&self, symbol: &str, levels: u16) -> String;
    /// What that request costs of the exchange's budget, in its own weight.
    fn snapshot_weight(&self, levels: u16) -> u32;
    /// Decodes the body of that answer. `levels` is what was asked for.
    fn snapshot(
        &self,
        body: Vec<u8>,
        instrument: &Instrument,
        levels: u16,
    ) -> Result<Snapshot, DecodeError>;
    /// Path and query that fetches metadata of these symbols.
    fn metadata_path(&self, symbols: &[&str]) -> String;
    /// Decodes the body of that answer, in the order of `symbols`; ids count from zero.
    /// The error names the symbol that is missing or unusable, for a person to read.
    fn metadata(&self, body: &[u8], symbols: &[&str]) -> Result<Vec<Instrument>, String>;
    /// The order codec for an account. The error says what is wrong with its keys, and what to do.
    fn order_codec(
        &self,
        account: Account,
        instruments: &[Instrument],
    ) -> Result<Box<dyn OrderCodec>, String>;
}

/// Frames of one market connection to words.
pub trait Decoder: Send {
    /// Decodes one text frame whole, or says why not. Allocates nothing once warm.
    fn decode<'s>(&'s mut self, frame: &[u8]) -> Result<Word<'s>, DecodeError>;
}

/// Orders to frames, and the answers back, on one order connection.
pub trait OrderCodec: Send {
    /// Path and query of the WebSocket upgrade for order entry.
    fn path(&self) -> String;
    /// The frame that authenticates the connection; answered by [`Answer::LoggedOn`] or [`Answer::LogonRefused`].
    fn logon(&mut self, now: UnixNanos) -> String;
    /// Encodes an order into the codec's own buffer. Allocates nothing once warm. Empty, and not to
    /// be sent, where the order's instrument is none of the codec's.
    fn encode(&mut self, order: &NewOrder, now: UnixNanos) -> &[u8];
    /// Decodes one text frame. Allocates nothing once warm.
    fn decode(&mut self, frame: &[u8]) -> Result<Answer, DecodeError>;
    /// The exchange's own words in the frame decoded last: raw, cut to 160 bytes, empty where it
    /// gave none.
    fn last_error(&self) -> &str;
}

/// What the order connection said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The connection may send orders from now on.
    LoggedOn,
    /// The keys were refused: orders cannot be sent.
    LogonRefused {
        /// The exchange's code.
        code: i32,
    },
    /// The order is in the market, or was.
    Acked {
        /// Our name for it.
        client_id: ClientId,
        /// The exchange's own number of it.
        exchange_id: u64,
        /// When the exchange took it; zero where it does not say.
        exch_time: UnixNanos,
    },
    /// The order was refused: it does not exist.
    Rejected {
        /// Our name for it.
        client_id: ClientId,
        /// The exchange's code.
        code: i32,
    },
    /// The exchange does not know what became of it (a time-out or a 5xx of theirs).
    Unknown {
        /// Our name for it.
        client_id: ClientId,
        /// The exchange's code.
        code: i32,
    },
    /// The session was dropped: no more orders before another logon.
    LoggedOff {
        /// The exchange's code.
        code: i32,
    },
    /// The exchange is about to cut the connection.
    Shutdown,
    /// Well-formed, and nothing that concerns an order or the session.
    Ignored,
}

/// Who trades. Keys have no `Debug` and are wiped when dropped.
pub struct Account {
    /// What the exchange gave for the public half of the key.
    pub api_key: zeroize::Zeroizing<String>,
    /// PKCS#8 PEM of an Ed25519 private key.
    pub private_key_pem: zeroize::Zeroizing<String>,
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
    /// A symbol that was not subscribed to.
    UnknownSymbol,
    /// More levels a side than a message may have.
    TooManyLevels,
    /// A price or a quantity that its scale cannot hold exactly.
    Number(DecimalError),
}

impl DecodeError {
    /// A static word for logs and counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Json => "json",
            Self::Shape => "shape",
            Self::UnknownSymbol => "unknown_symbol",
            Self::TooManyLevels => "too_many_levels",
            Self::Number(DecimalError::Malformed) => "number_malformed",
            Self::Number(DecimalError::TooFine) => "number_too_fine",
            Self::Number(DecimalError::TooLarge) => "number_too_large",
        }
    }
}
